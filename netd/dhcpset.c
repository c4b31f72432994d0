// SPDX-License-Identifier: GPL-2.0-or-later
/* DHCP's settings. See dhcpset.h. */
#include "netd/dhcpset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dhcp/dhcp_boot.h"
#include "dhcp/dhcp_config.h"
#include "dhcp/dhcp_opt.h"
#include "dhcp/dhcp_scope.h"
#include "dhcp/dhcp_server.h"
#include "lib/hex.h"
#include "netd/netctl.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/super.h"
#include "netd/validate.h"

#define PER_NIC_MAX 65536

static bool has_prefix(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static bool is_option(const char *name)
{
	return name[0] >= '0' && name[0] <= '9';
}

/* ---- judging ------------------------------------------------------------- */

static int check_vm(const char *s, struct errtext *why)
{
	const char *slash = strchr(s, '/');
	char vm[CONF_NAME_MAX + 1];
	size_t n = slash ? (size_t)(slash - s) : strlen(s);

	if (n > CONF_NAME_MAX ||
	    (slash && (!slash[1] || strlen(slash + 1) > 2 ||
		       strspn(slash + 1, "0123456789") != strlen(slash + 1) ||
		       atoi(slash + 1) > CONF_NIC_INDEX)))
		return errtext_set(why, -EINVAL, "no VM's NIC is called so");
	snprintf(vm, sizeof(vm), "%.*s", (int)n, s);
	return validate_name("VM name", vm, why);
}

static int check_scope(const char *s, struct errtext *why)
{
	struct mac mac;

	if (!s[0])
		return 0;
	if (has_prefix(s, "group:"))
		return validate_name("group", s + 6, why);
	if (has_prefix(s, "vm:"))
		return check_vm(s + 3, why);
	if (has_prefix(s, "mac:") && !mac_parse(s + 4, &mac))
		return validate_mac(&mac, why);
	return errtext_set(why, -EINVAL, "\"%.60s\" is no scope of options", s);
}

static int check_option(const struct dhcpset_conf *c, struct errtext *why)
{
	char text[sizeof(c->name) + sizeof(c->value) + 8];
	struct dhcp_option o;

	snprintf(text, sizeof(text), "%s%s=%s", c->name,
		 c->value[0] ? ":hex" : "", c->value);
	return dhcp_opt_parse(text, &o, why);
}

/* "pool:10.9.0.0/24" of "10.9.0.50-10.9.0.99@10.9.0.1" */
static int pool_of(const struct dhcpset_conf *c, struct dhcp_range *out,
		   struct errtext *why)
{
	char text[sizeof(c->name) + sizeof(c->value)];

	snprintf(text, sizeof(text), "%s=%s", c->name + 5, c->value);
	return dhcp_range_parse(text, out, why);
}

static int check_server(const struct dhcpset_conf *c, struct errtext *why)
{
	char text[sizeof(c->name) + sizeof(c->value)];
	struct dhcp_boot_rule rule;
	struct dhcp_range range;
	uint32_t ip;
	long n;

	if (has_prefix(c->name, "boot:")) {
		snprintf(text, sizeof(text), "%s=%s", c->name + 5, c->value);
		return dhcp_boot_rule_parse(text, &rule, why);
	}
	if (has_prefix(c->name, "pool:"))
		return pool_of(c, &range, why);
	if (!strcmp(c->name, "identity"))
		return !strcmp(c->value, "nic") || !strcmp(c->value, "rfc2131")
			       ? 0
			       : errtext_set(why, -EINVAL,
					     "identity must be nic or rfc2131");
	if (!strcmp(c->name, "boot-server"))
		return ip4_parse(c->value, &ip)
			       ? errtext_set(why, -EINVAL,
					     "boot-server must be an IPv4 "
					     "address")
			       : 0;
	n = strspn(c->value, "0123456789") == strlen(c->value)
		    ? strtol(c->value, NULL, 10)
		    : 0;
	if (!strcmp(c->name, "leases-per-nic"))
		return n < 1 || n > PER_NIC_MAX
			       ? errtext_set(why, -EINVAL,
					     "leases-per-nic must be 1 to %d",
					     PER_NIC_MAX)
			       : 0;
	return errtext_set(why, -EINVAL, "\"%.40s\" is no setting of DHCP",
			   c->name);
}

int dhcpset_check(const struct dhcpset_conf *c, struct errtext *why)
{
	int r = check_scope(c->scope, why);

	if (r)
		return r;
	if (is_option(c->name))
		return check_option(c, why);
	if (!strcmp(c->name, "match") && has_prefix(c->scope, "group:"))
		return strlen(c->value) > DHCP_MATCH_MAX
			       ? errtext_set(why, -EINVAL,
					     "too many conditions")
			       : dhcp_match_check(c->value, why);
	if (!c->scope[0])
		return check_server(c, why);
	return errtext_set(why, -EINVAL,
			   "\"%.40s\" is set for the whole network only",
			   c->name);
}

/* ---- how much ------------------------------------------------------------ */

static bool is_named(const struct dhcpset_conf *list, size_t k, const char *name)
{
	for (size_t i = 0; i < k; i++)
		if (!strcmp(list[i].name, name))
			return true;
	return false;
}

/* As struct dhcp_opts keeps it: code, length, value. */
static size_t bytes_of(const struct dhcpset_conf *c)
{
	size_t digits = strlen(c->value);

	if (!is_option(c->name))
		return 0;
	return 3 + (digits > 2 ? (digits - 2) / 2 : 0);
}

/* The scope's options, but for those that @list replaces. */
static size_t scope_bytes(const struct network *n, const char *scope,
			  const struct dhcpset_conf *list, size_t k)
{
	size_t sum = 0;

	list_for_each(s, &n->dhcpsets, struct dhcpset, node)
		if (!strcmp(s->conf.scope, scope) &&
		    !is_named(list, k, s->conf.name))
			sum += bytes_of(&s->conf);
	return sum;
}

/* What goes to the worker together with the scope's: a VM's with one of its NICs'. */
static size_t beside(const struct network *n, const char *scope)
{
	const char *slash = strchr(scope, '/');
	size_t len = strlen(scope), most = 0;
	char vm[sizeof(((struct dhcpset_conf *)0)->scope)];

	if (!has_prefix(scope, "vm:"))
		return 0;
	if (slash) {
		snprintf(vm, sizeof(vm), "%.*s", (int)(slash - scope), scope);
		return scope_bytes(n, vm, NULL, 0);
	}
	list_for_each(s, &n->dhcpsets, struct dhcpset, node) {
		size_t sum;

		if (strncmp(s->conf.scope, scope, len) != 0 ||
		    s->conf.scope[len] != '/')
			continue;
		sum = scope_bytes(n, s->conf.scope, NULL, 0);
		if (sum > most)
			most = sum;
	}
	return most;
}

/* Would a router of @list have an address that is reserved? */
static int fit_routers(const struct network *n, const struct dhcpset_conf *list,
		       size_t k, struct errtext *why)
{
	char ip[IP4_TEXT], mac[MAC_TEXT];
	struct dhcp_range r;

	for (size_t i = 0; i < k; i++) {
		const struct resv *v;

		if (!has_prefix(list[i].name, "pool:") ||
		    pool_of(&list[i], &r, NULL))
			continue;
		v = model_resv_find((struct network *)n, r.router);
		if (v)
			return errtext_set(why, -EBUSY,
					   "router %s is reserved for %s",
					   ip4_format(r.router, ip),
					   mac_format(&v->conf.mac, mac));
	}
	return 0;
}

/* The network's pools for relays, with those of @list. */
static int fit_pools(const struct network *n, const struct dhcpset_conf *list,
		     size_t k, struct errtext *why)
{
	struct dhcp_range r[DHCP_RELAY_MAX + 1];
	unsigned int found = 0;

	list_for_each(s, &n->dhcpsets, struct dhcpset, node)
		if (has_prefix(s->conf.name, "pool:") &&
		    !is_named(list, k, s->conf.name) &&
		    found < ARRAY_LEN(r) &&
		    !pool_of(&s->conf, &r[found], NULL))
			found++;
	for (size_t i = 0; i < k && found < ARRAY_LEN(r); i++)
		if (has_prefix(list[i].name, "pool:") &&
		    !pool_of(&list[i], &r[found], NULL))
			found++;
	return dhcp_ranges_check(&n->conf.subnet, r, found, why);
}

int dhcpset_fit(const struct network *n, const char *scope,
		const struct dhcpset_conf *list, size_t k, struct errtext *why)
{
	size_t bytes = beside(n, scope) + scope_bytes(n, scope, list, k),
	       files = 0, more = 0;
	int r;

	for (size_t i = 0; i < k; i++) {
		bytes += bytes_of(&list[i]);
		files += has_prefix(list[i].name, "boot:");
		more += !model_dhcpset_find(n, scope, list[i].name);
	}
	list_for_each(s, &n->dhcpsets, struct dhcpset, node)
		files += has_prefix(s->conf.name, "boot:") &&
			 !is_named(list, k, s->conf.name);
	if (model_dhcpsets(n) + more > DHCPSET_MAX)
		return errtext_set(why, -E2BIG,
				   "a network has at most %d settings of DHCP",
				   DHCPSET_MAX);
	if (files > DHCP_BOOT_MAX)
		return errtext_set(why, -E2BIG,
				   "a network has at most %d boot files",
				   DHCP_BOOT_MAX);
	if (bytes > DHCP_OPTS_MAX)
		return errtext_set(why, -E2BIG,
				   "options of one scope have at most %d bytes "
				   "together; these would be %zu",
				   DHCP_OPTS_MAX, bytes);
	r = fit_pools(n, list, k, why);
	return r ? r : fit_routers(n, list, k, why);
}

bool dhcpset_relayed(struct network *n, uint32_t ip)
{
	struct dhcp_range r;

	if (ip4_in_net(ip, &n->conf.subnet))
		return false;
	list_for_each(s, &n->dhcpsets, struct dhcpset, node)
		if (has_prefix(s->conf.name, "pool:") &&
		    !pool_of(&s->conf, &r, NULL) && ip4_in_net(ip, &r.net))
			return true;
	return model_lease_find(n, ip);
}

int dhcpset_resv_check(const struct network *n, uint32_t ip, struct errtext *why)
{
	struct dhcp_range r;
	char a[IP4_TEXT], net[IP4_TEXT + 3];

	list_for_each(s, &n->dhcpsets, struct dhcpset, node) {
		if (!has_prefix(s->conf.name, "pool:") ||
		    pool_of(&s->conf, &r, NULL) || !ip4_in_net(ip, &r.net))
			continue;
		if (ip != r.net.addr && ip != dhcp_net_broadcast(&r.net) &&
		    ip != r.router)
			return 0;
		return errtext_set(why, -EINVAL,
				   "%s is no address for a host of %s",
				   ip4_format(ip, a),
				   ip4_net_format(&r.net, net));
	}
	return errtext_set(why, -EINVAL,
			   "%s is no host address of network %s (%s), nor of "
			   "a pool for relays",
			   ip4_format(ip, a), n->conf.name,
			   ip4_net_format(&n->conf.subnet, net));
}

int dhcpset_del_check(const struct network *n, const struct dhcpset *s,
		      struct errtext *why)
{
	struct dhcp_range r;
	char ip[IP4_TEXT], mac[MAC_TEXT];

	if (!has_prefix(s->conf.name, "pool:") || pool_of(&s->conf, &r, NULL))
		return 0;
	list_for_each(v, &n->resvs, struct resv, node)
		if (ip4_in_net(v->conf.address, &r.net))
			return errtext_set(why, -EBUSY,
					   "%s of it is reserved for %s; vnet "
					   "reserve del %s %s comes first",
					   ip4_format(v->conf.address, ip),
					   mac_format(&v->conf.mac, mac),
					   n->conf.name, ip);
	return 0;
}

/* ---- text ---------------------------------------------------------------- */

static bool is_server_name(const char *s, size_t n)
{
	static const char *const names[] = {"identity", "leases-per-nic",
					    "boot-server"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i]) == n && !memcmp(names[i], s, n))
			return true;
	return n > 5 && (has_prefix(s, "boot:") || has_prefix(s, "pool:"));
}

int dhcpset_name(const char *text, char *out, size_t cap, struct errtext *why)
{
	int code;

	if (is_server_name(text, strlen(text)) || !strcmp(text, "match")) {
		snprintf(out, cap, "%s", text);
		return 0;
	}
	code = dhcp_opt_code(text, why);
	if (code < 0)
		return code;
	snprintf(out, cap, "%d", code);
	return 0;
}

int dhcpset_parse(const char *text, struct dhcpset_conf *out,
		  struct errtext *why)
{
	const char *eq = strchr(text, '=');
	struct dhcp_option o;
	int r;

	if (eq && is_server_name(text, (size_t)(eq - text))) {
		if ((size_t)(eq - text) >= sizeof(out->name) ||
		    strlen(eq + 1) >= sizeof(out->value))
			return errtext_set(why, -EINVAL, "too long");
		snprintf(out->name, sizeof(out->name), "%.*s", (int)(eq - text),
			 text);
		snprintf(out->value, sizeof(out->value), "%s", eq + 1);
		return dhcpset_check(out, why);
	}
	r = dhcp_opt_parse(text, &o, why);
	if (r)
		return r;
	snprintf(out->name, sizeof(out->name), "%u", o.code);
	out->value[0] = '\0';
	if (o.len) {
		memcpy(out->value, "0x", 2);
		hex_encode(o.value, o.len, out->value + 2);
	}
	return dhcpset_check(out, why);
}

/* Of a record that was checked. */
static void to_option(const struct dhcpset_conf *c, struct dhcp_option *o)
{
	char text[sizeof(c->name) + sizeof(c->value) + 8];

	snprintf(text, sizeof(text), "%s%s=%s", c->name,
		 c->value[0] ? ":hex" : "", c->value);
	(void)dhcp_opt_parse(text, o, NULL);
}

json_t *dhcpset_obj(const struct network *n, const struct dhcpset *s)
{
	const struct dhcpset_conf *c = &s->conf;
	char text[DHCP_OPT_TEXT_MAX];
	struct dhcp_option o;
	const char *name;

	if (!is_option(c->name))
		return json_pack(
			"{s:s,s:o,s:n,s:s,s:n,s:s}", "network", n->conf.name,
			"scope",
			json_string(c->scope[0] ? c->scope : "network"), "code",
			"name", c->name, "type", "value", c->value);
	to_option(c, &o);
	name = dhcp_opt_name(o.code);
	return json_pack("{s:s,s:s,s:i,s:s,s:s,s:s}", "network", n->conf.name,
			 "scope", c->scope[0] ? c->scope : "network", "code",
			 (int)o.code, "name", name ? name : c->name, "type",
			 dhcp_opt_type(o.code), "value",
			 dhcp_opt_format(&o, text));
}

/* ---- to the worker ------------------------------------------------------- */

void dhcpset_config(const struct network *n, json_t *dhcp)
{
	json_t *boot = json_array(), *pools = json_array();

	list_for_each(s, &n->dhcpsets, struct dhcpset, node)
	{
		const struct dhcpset_conf *c = &s->conf;

		if (c->scope[0] || is_option(c->name))
			continue;
		if (has_prefix(c->name, "boot:"))
			json_array_append_new(
				boot,
				json_sprintf("%s=%s", c->name + 5, c->value));
		else if (has_prefix(c->name, "pool:"))
			json_array_append_new(
				pools,
				json_sprintf("%s=%s", c->name + 5, c->value));
		else if (!strcmp(c->name, "leases-per-nic"))
			json_object_set_new(dhcp, "per_nic",
					    json_integer(atoi(c->value)));
		else if (!strcmp(c->name, "boot-server"))
			json_object_set_new(dhcp, "boot_server",
					    json_string(c->value));
		else
			json_object_set_new(dhcp, c->name,
					    json_string(c->value));
	}
	json_object_set_new(dhcp, "boot", boot);
	json_object_set_new(dhcp, "pools", pools);
}

static const char *match_of(const struct network *n, const char *scope)
{
	const struct dhcpset *s = model_dhcpset_find(n, scope, "match");

	return s ? s->conf.value : "";
}

static void add_options(const struct network *n, const char *scope,
			json_t *list)
{
	list_for_each(s, &n->dhcpsets, struct dhcpset,
		      node) if (is_option(s->conf.name) &&
				!strcmp(s->conf.scope, scope))
		json_array_append_new(
			list, json_sprintf("%s%s=%s", s->conf.name,
					   s->conf.value[0] ? ":hex" : "",
					   s->conf.value));
}

static bool is_up(const struct network *n)
{
	return n->sup && net_has_services(&n->conf) &&
	       (super_state(n->sup) == SUPER_READY ||
		super_state(n->sup) == SUPER_STARTING);
}

void dhcpset_tell_nic(struct network *n, const struct nic *nic)
{
	json_t *list = json_array();
	char scope[sizeof(((struct dhcpset_conf *)0)->scope)];

	/* The NIC's own come last: they replace. */
	snprintf(scope, sizeof(scope), "vm:%s", nic->conf.vm);
	add_options(n, scope, list);
	snprintf(scope, sizeof(scope), "vm:%s/%d", nic->conf.vm,
		 nic->conf.index);
	add_options(n, scope, list);
	if (is_up(n))
		super_send(n->sup, W_DHCP_SCOPE,
			   json_pack("{s:s,s:I,s:O}", "scope", "nic", "nic",
				     (json_int_t)nic->conf.id, "options", list),
			   NULL, 0);
	json_decref(list);
}

static bool of_vm(const char *scope, const char *vm)
{
	size_t len = strlen(vm);

	return !strncmp(scope + 3, vm, len) &&
	       (!scope[3 + len] || scope[3 + len] == '/');
}

void dhcpset_tell_scope(struct network *n, const char *scope)
{
	json_t *body;

	if (!is_up(n))
		return;
	if (has_prefix(scope, "vm:")) {
		list_for_each(nic, &n->nics, struct nic,
			      node) if (of_vm(scope, nic->conf.vm))
			dhcpset_tell_nic(n, nic);
		return;
	}
	body = json_pack("{s:s,s:[]}", "scope", scope[0] ? scope : "network",
			 "options");
	add_options(n, scope, json_object_get(body, "options"));
	if (has_prefix(scope, "group:"))
		json_object_set_new(body, "match",
				    json_string(match_of(n, scope)));
	super_send(n->sup, W_DHCP_SCOPE, body, NULL, 0);
}

void dhcpset_tell(struct network *n)
{
	const char *last = NULL;

	/* Sorted by scope. */
	list_for_each(s, &n->dhcpsets, struct dhcpset, node)
	{
		if (last && !strcmp(last, s->conf.scope))
			continue;
		last = s->conf.scope;
		if (!has_prefix(last, "vm:"))
			dhcpset_tell_scope(n, last);
	}
	list_for_each(nic, &n->nics, struct nic, node) dhcpset_tell_nic(n, nic);
}

uint32_t dhcpset_lease_max(const struct network *n, uint32_t lease_s)
{
	list_for_each(s, &n->dhcpsets, struct dhcpset, node)
	{
		struct dhcp_option o;

		if (strcmp(s->conf.name, "51") != 0)
			continue;
		to_option(&s->conf, &o);
		if (o.len == 4 && get_be32(o.value) > lease_s)
			lease_s = get_be32(o.value);
	}
	return lease_s;
}
