// SPDX-License-Identifier: GPL-2.0-or-later
/* The command's connection to vnetd, and how refusals are shown. See cli.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/help.h"
#include "cli/out.h"

#define SYSTEM_SOCKET "/run/vnet/vnetd.sock"

/* "vnet: " and the text with control characters made harmless (it may quote a
 * guest); other bytes stay, for names in UTF-8. */
static void print_error(const char *prefix, const char *fmt, va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	fprintf(stderr, "vnet: %s%s\n", prefix, text);
}

int cli_refuse(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_error("", fmt, ap);
	va_end(ap);
	return CLI_REFUSED;
}

int cli_usage(const struct cli *c, const char *fmt, ...)
{
	char prefix[64];
	va_list ap;

	snprintf(prefix, sizeof(prefix), "%s: ", c->cmd->name);
	va_start(ap, fmt);
	print_error(prefix, fmt, ap);
	va_end(ap);
	help_usage(stderr, c->cmd);
	fprintf(stderr, "`vnet help %s` shows options and examples.\n",
		c->cmd->name);
	return CLI_USAGE;
}

void cli_find_socket(const char *option, char *out, size_t cap)
{
	const char *env = getenv("VNET_SOCKET");
	const char *run = getenv("XDG_RUNTIME_DIR");

	if (!option && env && *env)
		option = env;
	if (option) {
		snprintf(out, cap, "%s", option);
		return;
	}
	if (geteuid() && run && *run) {
		int n = snprintf(out, cap, "%s/vnet/vnetd.sock", run);

		if (n > 0 && (size_t)n < cap && access(out, F_OK) == 0)
			return;
	}
	snprintf(out, cap, "%s", SYSTEM_SOCKET);
}

static void hint_unreachable(int err, const char *path)
{
	const char *hint = "Is vnetd running? Start it as root for the whole "
			   "machine, or as yourself: vnetd &";

	if (err == -EACCES || err == -EPERM)
		hint = "You may not use this vnetd. Run your own (vnetd &), "
		       "or use sudo.";
	else if (err == -ECONNREFUSED)
		hint = "A vnetd ran here and is gone. Start it again: vnetd &";
	else if (err == -ENAMETOOLONG)
		hint = "A socket's path has at most 107 characters.";
	fprintf(stderr, "vnet: cannot reach vnetd at %s: %s\n%s\n", path,
		strerror(-err), hint);
}

int cli_connect(struct cli *c)
{
	int r;

	if (c->rpc)
		return CLI_OK;
	r = rpc_client_open(c->socket, &c->rpc, NULL);
	if (!r)
		return CLI_OK;
	c->rpc = NULL;
	hint_unreachable(r, c->socket);
	return CLI_UNREACHABLE;
}

int cli_try_fd(struct cli *c, const char *method, json_t *params, int fd,
	       json_t **result, int *code, struct errtext *why)
{
	int r = cli_connect(c);

	if (r) {
		json_decref(params);
		return r;
	}
	if (fd >= 0)
		json_object_set_new(params, "fd",
				    json_integer(rpc_client_next_index(c->rpc)));
	r = rpc_client_call(c->rpc, method, params, &fd, fd >= 0, result, code,
			    why);
	if (!r)
		return CLI_OK;
	if (r == -EREMOTE)
		return CLI_REFUSED;
	fprintf(stderr, "vnet: vnetd at %s %s\n", c->socket,
		r == -ETIMEDOUT ? "does not answer"
				: "went away before it answered");
	return CLI_UNREACHABLE;
}

int cli_try(struct cli *c, const char *method, json_t *params, json_t **result,
	    int *code, struct errtext *why)
{
	return cli_try_fd(c, method, params, -1, result, code, why);
}

int cli_call(struct cli *c, const char *method, json_t *params,
	     json_t **result)
{
	return cli_call_fd(c, method, params, -1, result);
}

int cli_call_fd(struct cli *c, const char *method, json_t *params, int fd,
		json_t **result)
{
	struct errtext why = {{0}};
	int code = 0;
	int r = cli_try_fd(c, method, params, fd, result, &code, &why);

	if (r != CLI_REFUSED)
		return r;
	cli_refuse("%s", why.s);
	if (code == RPC_NO_METHOD)
		fprintf(stderr, "This vnetd does not know %s: it is of another "
				"version. `vnet info` tells which.\n", method);
	return r;
}

void cli_param(const struct cli *c, json_t *params, const char *option)
{
	const char *v = args_get(&c->args, option);
	enum opt_kind kind = OPT_TEXT;
	char key[32];

	if (!v)
		return;
	for (const struct opt *o = c->cmd->spec.opts; o && o->name; o++)
		if (!strcmp(o->name, option))
			kind = o->kind;
	snprintf(key, sizeof(key), "%s", option);
	for (char *p = key; *p; p++)
		if (*p == '-')
			*p = '_';
	json_object_set_new(params, key, kind == OPT_INT
						 ? json_integer(atol(v))
						 : json_string(v));
}

bool cli_json(const struct cli *c, const json_t *result)
{
	if (c->json)
		out_json(stdout, result, false);
	return c->json;
}

json_t *cli_net_param(const struct cli *c)
{
	const char *net = args_pos(&c->args, 0);
	json_t *p = json_object();

	if (net)
		json_object_set_new(p, "network", json_string(net));
	return p;
}

int cli_list(struct cli *c, const char *method, const char *key,
	     void (*table)(const json_t *rows))
{
	json_t *res;
	int r = cli_call(c, method, cli_net_param(c), &res);

	if (r)
		return r;
	if (!cli_json(c, res))
		table(json_object_get(res, key));
	json_decref(res);
	return CLI_OK;
}

const char *cli_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}
