// SPDX-License-Identifier: GPL-2.0-or-later
/* Events as they happen. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/out.h"
#include "cli/strv.h"

static const struct opt events_opts[] = {
	{"types", "LIST", "only these, like lease,nic.link; default all"},
	{NULL},
};

/* "lease,nic.link" as a JSON array. */
static json_t *split(const char *list)
{
	json_t *out = json_array();

	while (*list) {
		size_t len = strcspn(list, ",");

		if (len)
			json_array_append_new(out, json_stringn(list, len));
		list += len + (list[len] == ',');
	}
	return out;
}

/* " key=value"; a value with blanks in quotes. */
static void print_detail(const char *key, const json_t *v)
{
	char buf[64], *safe;
	char *text = json_is_object(v) || json_is_array(v)
			     ? json_dumps(v, JSON_COMPACT)
			     : strv_fmt("%s", out_text(v, buf, sizeof(buf)));

	safe = out_escape(text ? text : "");
	if (strchr(safe, ' ') || !*safe)
		printf(" %s=\"%s\"", key, safe);
	else
		printf(" %s=%s", key, safe);
	free(safe);
	free(text);
}

static void print_event(const struct cli *c, const json_t *event)
{
	const json_t *time = json_object_get(event, "time");
	char buf[64];
	const char *key;
	json_t *v;

	if (c->json) {
		out_json(stdout, event, true);
		return;
	}
	if (json_is_number(time))
		out_time((json_int_t)json_number_value(time), buf);
	printf("%s  %s",
	       json_is_number(time) ? buf : out_text(time, buf, sizeof(buf)),
	       cli_str(event, "type"));
	json_object_foreach((json_t *)event, key, v)
		if (strcmp(key, "type") && strcmp(key, "time") &&
		    !json_is_null(v))
			print_detail(key, v);
	putchar('\n');
}

/* Print what has come. CLI_OK: go on. */
static int drain(struct cli *c)
{
	json_t *msg;
	int r;

	while (!(r = rpc_client_event(c->rpc, 0, &msg))) {
		if (!strcmp(cli_str(msg, "method"), "event"))
			print_event(c, json_object_get(msg, "params"));
		json_decref(msg);
		if (ferror(stdout))
			return CLI_REFUSED;
	}
	if (r == -ETIMEDOUT || r == -EINTR)
		return CLI_OK;
	fflush(stdout);
	fprintf(stderr, "vnet: vnetd went away\n");
	return CLI_UNREACHABLE;
}

/* SIGINT and SIGTERM are read from a descriptor, so that none is missed between
 * a look and the wait. -1 when that cannot be had. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int follow(struct cli *c, int sig_fd)
{
	int r = drain(c);

	while (!r) {
		struct pollfd p[2] = {
			{.fd = rpc_client_fd(c->rpc), .events = POLLIN},
			{.fd = sig_fd, .events = POLLIN},
		};

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return cli_refuse("poll: %s", strerror(errno));
		if (p[1].revents)
			return CLI_OK;
		r = drain(c);
	}
	return r;
}

static int events_run(struct cli *c)
{
	const char *types = args_get(&c->args, "types");
	json_t *params = json_object(), *res;
	int r, sig_fd;

	if (types)
		json_object_set_new(params, "types", split(types));
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = cli_call(c, "events.subscribe", params, &res);
	if (r)
		return r;
	json_decref(res);
	sig_fd = open_signals();
	if (sig_fd < 0)
		return cli_refuse("signalfd: %s", strerror(errno));
	r = follow(c, sig_fd);
	close(sig_fd);
	return r;
}

const struct cli_cmd cmd_events[] = {
	{"events", "what happens, as it happens", {NULL, NULL, events_opts},
	 "A line for each event until you press Ctrl-C: networks, NICs, links "
	 "and addresses,\nleases, forwards, workers. With --json one object a "
	 "line. A reader that is too slow\ngets events.missed with the "
	 "number of those it missed.\n\n"
	 "Examples:\n"
	 "  vnet events\n"
	 "  vnet events --types lease,nic\n"
	 "  vnet events --json | jq -r 'select(.type == \"lease.bound\") | "
	 ".address'\n",
	 events_run},
	{NULL},
};
