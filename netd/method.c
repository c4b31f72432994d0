// SPDX-License-Identifier: GPL-2.0-or-later
/* Dispatch and self-description. See method.h; what methods do is in m_*.c. */
#include "netd/method.h"

#include <errno.h>
#include <string.h>

#include "lib/jx.h"

static const struct method *const tables[] = {
	m_daemon, m_network, m_nic, m_forward, m_lease, m_option, m_dns, m_flow, m_events,
	m_doctor,
};

static const char *const rights[] = {"read", "use", "admin"};
static const char *const types[] = {
	"string", "integer", "boolean", "MAC address", "IPv4 address", "IP address",
	"IPv4 subnet", "array of strings",
};

static const struct method *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct method *m = tables[i]; m->name; m++)
			if (!strcmp(m->name, name))
				return m;
	return NULL;
}

static bool one_of(const char *values, const char *s)
{
	size_t n = strlen(s);

	for (const char *p = values; n && *p;) {
		size_t len = strcspn(p, "|");

		if (len == n && !strncmp(p, s, n))
			return true;
		p += len;
		p += *p == '|';
	}
	return false;
}

static int check_strs(json_t *v, const char *name, struct errtext *why)
{
	bool ok = !v || json_is_null(v) || json_is_array(v);
	json_t *e;
	size_t i;

	if (ok)
		json_array_foreach(v, i, e)
			ok = ok && json_is_string(e);
	return ok ? 0
		  : errtext_set(why, -EINVAL,
				"parameter \"%s\" must be an array of strings",
				name);
}

static int check_str(const struct param *p, json_t *params,
		     struct errtext *why)
{
	const char *s = NULL;
	int r = jx_str(params, p->name, &s, why);

	if (!r && s && p->values && !one_of(p->values, s))
		return errtext_set(why, -EINVAL,
				   "parameter \"%s\" must be one of %s",
				   p->name, p->values);
	return r;
}

static int check_param(const struct param *p, json_t *params,
		       struct errtext *why)
{
	json_t *v = json_object_get(params, p->name);
	struct ip4_net net;
	struct ipaddr any;
	struct mac mac;
	uint32_t ip;
	int64_t i;
	bool b;

	if (p->required && (!v || json_is_null(v)))
		return errtext_set(why, -EINVAL,
				   "parameter \"%s\" is missing", p->name);
	switch (p->type) {
	case P_STR:
		return check_str(p, params, why);
	case P_INT:
		return jx_int(params, p->name, p->min, p->max, &i, why);
	case P_BOOL:
		return jx_bool(params, p->name, &b, why);
	case P_MAC:
		return jx_mac(params, p->name, &mac, why);
	case P_IP4:
		return jx_ip4(params, p->name, &ip, why);
	case P_IP:
		return jx_ip(params, p->name, &any, why);
	case P_NET4:
		return jx_net4(params, p->name, &net, why);
	case P_STRS:
		return check_strs(v, p->name, why);
	}
	return 0;
}

static int check_params(const struct method *m, json_t *params,
			struct errtext *why)
{
	const char *key;
	json_t *v;

	for (const struct param *p = m->params; p && p->name; p++)
		if (check_param(p, params, why))
			return -EINVAL;
	json_object_foreach(params, key, v) {
		const struct param *p = m->params;

		while (p && p->name && strcmp(p->name, key))
			p++;
		if (!p || !p->name)
			return errtext_set(why, -EINVAL,
					   "parameter \"%.60s\" is not known",
					   key);
	}
	return 0;
}

void method_dispatch(void *arg, struct call *c, const char *method,
		     json_t *params)
{
	const struct method *m = find(method);
	struct ctl *ctl = arg;
	struct errtext why;

	if (!m)
		call_fail(c, RPC_NO_METHOD,
			  "no method \"%.60s\"; rpc.discover lists them",
			  method);
	else if (c->who.right < m->right)
		call_fail(c, RPC_DENIED, "%s needs the right \"%s\"%s",
			  m->name, rights[m->right],
			  m->right == RIGHT_USE
				  ? " (be root or in group vnet)"
				  : " (be root)");
	else if (check_params(m, params, &why))
		call_fail(c, RPC_BAD_PARAMS, "%s: %s", m->name, why.s);
	else if (ctl->stopping && m->right != RIGHT_READ)
		call_fail(c, RPC_REFUSED, "vnetd is shutting down");
	else
		m->fn(ctl, c, params);
}

/* ---- description --------------------------------------------------------- */

static json_t *describe_params(const struct param *p)
{
	json_t *list = json_array();

	for (; p && p->name; p++) {
		json_t *o = json_pack("{s:s,s:s,s:b,s:s}", "name", p->name,
				      "type", types[p->type], "required",
				      (int)p->required, "summary", p->summary);

		if (p->values)
			json_object_set_new(o, "values",
					    json_string(p->values));
		if (p->type == P_INT) {
			json_object_set_new(o, "min", json_integer(p->min));
			json_object_set_new(o, "max", json_integer(p->max));
		}
		json_array_append_new(list, o);
	}
	return list;
}

json_t *method_describe(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct method *m = tables[i]; m->name; m++)
			json_array_append_new(
				list,
				json_pack("{s:s,s:s,s:s,s:o,s:s}", "name",
					  m->name, "right", rights[m->right],
					  "summary", m->summary, "params",
					  describe_params(m->params), "result",
					  m->result));
	return json_pack("{s:o}", "methods", list);
}

static void print_params(FILE *f, const struct param *p)
{
	if (!p || !p->name)
		return;
	fputs("| parameter | type | | meaning |\n|---|---|---|---|\n", f);
	for (; p->name; p++) {
		fprintf(f, "| `%s` | %s", p->name, types[p->type]);
		if (p->type == P_INT)
			fprintf(f, " %lld…%lld", (long long)p->min,
				(long long)p->max);
		fprintf(f, " | %s | %s", p->required ? "required" : "",
			p->summary);
		if (p->values) {
			fputs(": ", f);
			for (const char *v = p->values; *v;) {
				int n = (int)strcspn(v, "|");

				fprintf(f, "`%.*s`", n, v);
				v += n;
				if (*v == '|') {
					fputs(", ", f);
					v++;
				}
			}
		}
		fputs(" |\n", f);
	}
	fputs("\n", f);
}

static const char intro[] =
	"# The control API of vnetd\n\n"
	"<!-- Written by `vnetd --print-api`; do not edit. -->\n\n"
	"JSON-RPC 2.0 over the unix socket `/run/vnet/vnetd.sock` (system) or\n"
	"`$XDG_RUNTIME_DIR/vnet/vnetd.sock` (user): one request object a line,\n"
	"`params` an object with named members. Requests may be sent without\n"
	"waiting; answers carry the request's `id` and may overtake each other.\n\n"
	"Descriptors ride beside a line as `SCM_RIGHTS` and are named by their\n"
	"index of arrival on the connection: the first one ever sent is 0.\n\n"
	"Rights: `read` for every local user, `use` for members of the group\n"
	"`vnet` (their own NICs), `admin` for root and the daemon's own user.\n\n"
	"Errors: -32700 not JSON, -32600 no request, -32601 no such method,\n"
	"-32602 wrong parameters, -32603 internal, -32000 refused, -32001 not\n"
	"found, -32002 exists or in use, -32003 not allowed, -32004 timed out,\n"
	"-32005 a limit is reached. The message is a sentence for people.\n\n"
	"Limits: a line 1 MiB, 16 unclaimed descriptors, 64 clients (32 of one\n"
	"user), 64 unanswered requests, 4 MiB of unread answers.\n\n";

void method_print(FILE *f)
{
	fputs(intro, f);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct method *m = tables[i]; m->name; m++) {
			fprintf(f, "## %s\n\n%s (right: %s)\n\n", m->name,
				m->summary, rights[m->right]);
			print_params(f, m->params);
			fprintf(f, "Result: `%s`\n\n", m->result);
		}
}
