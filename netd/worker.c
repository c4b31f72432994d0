// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The worker's loop: messages from control in, dispatch by type, answers out. What
 * the messages do is in worker_net.c, worker_nic.c and worker_dhcp.c.
 */
#include "netd/worker.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/jx.h"
#include "lib/log.h"
#include "netd/sandbox.h"
#include "netd/worker_int.h"
#include "netd/worker_poll.h"

#define MSGS_PER_WAKEUP 64
#define PRIORITIES	3 /* the last one is of host_rest.h */
#define LAST_WORDS_MS	1000 /* without any of them being read */

static void stop(struct worker *w, int status)
{
	w->stopping = true;
	w->exit_status = status;
	event_base_loopbreak(w->base);
}

void worker_tell(struct worker *w, enum wmsg type, uint32_t id, json_t *body,
		 int fd)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	const char *s = text ? text : "{}";

	if (!w->stopping && chan_send(w->chan, (uint16_t)type, id, s,
				      strlen(s), &fd, fd >= 0 ? 1 : 0))
		stop(w, EXIT_FAILURE);
	if (chan_pending(w->chan))
		event_add(w->chan_out, NULL);
	free(text);
	json_decref(body);
}

void worker_tell_bytes(struct worker *w, enum wmsg type, const void *p,
		       size_t len)
{
	if (!w->stopping &&
	    chan_send(w->chan, (uint16_t)type, 0, p, len, NULL, 0))
		stop(w, EXIT_FAILURE);
	if (chan_pending(w->chan))
		event_add(w->chan_out, NULL);
}

int64_t worker_now(struct worker *w)
{
	(void)w;
	return clock_mono_ms();
}

/* ---- dispatch --------------------------------------------------------------- */

static int start(struct worker *w)
{
	worker_dhcp_names(w);
	worker_tell(w, W_READY, 0, NULL, -1);
	return 0;
}

/* One family's refusal is not the other's. */
static int reserve(struct worker *w, json_t *body, struct errtext *why)
{
	int r = worker_dhcp_reserve(w, body, why);
	int r6 = worker_dhcp6_reserve(w, body, r ? NULL : why);

	return r ? r : r6;
}

/* Returns 0 or negative errno with @why; *@result may be set for W_DONE. */
static int dispatch(struct worker *w, struct chan_msg *m, json_t *body,
		    json_t **result, struct errtext *why)
{
	if (!w->sw && m->type != W_NET && m->type != W_SHUTDOWN)
		return errtext_set(why, -EINVAL, "no network yet");
	switch (m->type) {
	case W_NET:
		return worker_net(w, body, m, why);
	case W_RESERVE:
		return reserve(w, body, why);
	case W_DHCP_SCOPE:
		return worker_dhcp_scope(w, body, why);
	case W_UNRESERVE:
		(void)worker_dhcp6_unreserve(w, body, why);
		return worker_dhcp_unreserve(w, body, why);
	case W_START:
		return start(w);
	case W_NIC_ADD:
		return worker_nic_add(w, body, m, why);
	case W_NIC_DEL:
		return worker_nic_del(w, body, why);
	case W_NIC_LINK:
		return worker_nic_link(w, body, why);
	case W_NIC_GUARD:
		return worker_nic_guard(w, body, why);
	case W_NIC_WAY:
		return worker_nic_way(w, body, m, why);
	case W_NEIGHBOUR:
		return worker_nic_neighbour(w, body, why);
	case W_NIC_CONN:
		return worker_nic_conn(w, body, m, why);
	case W_FORWARD_ADD:
		return worker_forward_add(w, body, m, why);
	case W_FORWARD_DEL:
		return worker_forward_del(w, body, why);
	case W_FORWARD_SOCKET:
		return worker_forward_socket(w, body, m, why);
	case W_FORWARD_STATS:
		return worker_forward_stats(w, body, result, why);
	case W_LEASE6:
		return worker_dhcp6_load(w, body, why);
	case W_LEASE6_DONE:
		return worker_dhcp6_done(w, body, why);
	case W_LEASE6_RELEASE:
		return worker_dhcp6_release(w, body, why);
	case W_RECORDS:
		return worker_names_records(w, body, why);
	case W_CLAIM:
		return worker_names_claim(w, body, why);
	case W_LEASE_RELEASE:
		return worker_dhcp_release(w, body, why);
	case W_TFTP_FILE:
		return worker_tftp_file(w, body, m, why);
	case W_STATUS:
		*result = worker_status(w);
		return 0;
	case W_FLOWS:
		return worker_flows(w, body, result, why);
	case W_FLOW_KILL:
		return worker_flow_kill(w, body, result, why);
	case W_DENY:
		return worker_deny(w, body, why);
	case W_ADDRESS_GONE:
		return worker_address_gone(w, body, why);
	case W_SHUTDOWN:
		worker_ra_end(w);
		worker_lease_flush(w);
		stop(w, EXIT_SUCCESS);
		return 0;
	default:
		return errtext_set(why, -EINVAL, "unknown message %u", m->type);
	}
}

static void handle_bytes(struct worker *w, struct chan_msg *m)
{
	int r = m->type == W_LEASES ? worker_lease_load(w, m->body, m->len)
		: m->type == W_LEASES_DONE
			? worker_lease_done(w, m->body, m->len)
			: -EINVAL;

	if (r)
		log_err("network %s: message %u refused: %s", w->name, m->type,
			strerror(-r));
	chan_msg_close(m);
}

static void handle(struct worker *w, struct chan_msg *m)
{
	json_t *body = json_loadb((const char *)m->body, m->len, 0, NULL);
	json_t *result = NULL;
	struct errtext why = {""};
	int r = body ? dispatch(w, m, body, &result, &why) : -EINVAL;

	if (r && !why.s[0])
		errtext_set(&why, r, "%s", strerror(-r));
	if (m->id && r)
		worker_tell(w, W_ERROR, m->id,
			    json_pack("{s:s}", "message", why.s), -1);
	else if (m->id)
		worker_tell(w, W_DONE, m->id, result, -1);
	else if (r)
		log_err("network %s: message %u refused: %s", w->name, m->type,
			why.s);
	/* Without its network a worker is useless: control starts another. */
	if (r && m->type == W_NET && !w->sw)
		stop(w, EXIT_FAILURE);
	chan_msg_close(m);
	json_decref(body);
}

static void chan_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct chan_msg m;

	(void)fd;
	(void)what;
	for (int i = 0; i < MSGS_PER_WAKEUP && !w->stopping; i++) {
		int r = chan_recv(w->chan, &m);

		if (r == -EAGAIN)
			break;
		if (r <= 0) { /* control is gone: so are we */
			stop(w, EXIT_SUCCESS);
			break;
		}
		if (m.type >= W_BYTES)
			handle_bytes(w, &m);
		else
			handle(w, &m);
	}
	worker_rearm(w);
}

static void chan_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	if (chan_flush(w->chan))
		stop(w, EXIT_SUCCESS);
	else if (chan_pending(w->chan))
		event_add(w->chan_out, NULL);
}

/* ---- time ------------------------------------------------------------------- */

static void arm(struct worker *w, int64_t now, int64_t at)
{
	struct timeval tv;

	if (at < now + 10)
		at = now + 10;
	w->tick_ms = at;
	tv.tv_sec = (at - now) / 1000;
	tv.tv_usec = (at - now) % 1000 * 1000;
	event_add(w->tick, &tv);
}

void worker_rearm(struct worker *w)
{
	int64_t now = worker_now(w), at = now + 60000, due;

	if (!w->sw)
		return;
	worker_guard_settle(w);
	due = vswitch_tick(w->sw, now);
	if (due < at)
		at = due;
	if (w->dhcp) {
		int64_t wall = clock_wall_s();

		due = dhcp_server_deadline(w->dhcp);
		if (due < wall + 60 && now + (due - wall) * 1000 < at)
			at = now + (due - wall) * 1000;
	}
	if (w->dhcp6) {
		int64_t wall = clock_wall_s();

		due = dhcp6_server_deadline(w->dhcp6);
		if (due < wall + 60 && now + (due - wall) * 1000 < at)
			at = now + (due - wall) * 1000;
	}
	if (w->ra_on && ra_deadline(&w->ra) < at)
		at = ra_deadline(&w->ra);
	if (w->tftp && tftp_deadline(w->tftp) < at)
		at = tftp_deadline(w->tftp);
	arm(w, now, at);
}

void worker_tick_by(struct worker *w, int64_t at_ms)
{
	if (at_ms < w->tick_ms)
		arm(w, worker_now(w), at_ms);
}

static void tick_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	if (w->dhcp)
		dhcp_server_tick(w->dhcp, clock_wall_s());
	if (w->dhcp6)
		dhcp6_server_tick(w->dhcp6, clock_wall_s());
	worker_ra_tick(w);
	if (w->tftp)
		tftp_tick(w->tftp, worker_now(w));
	worker_rearm(w);
}

/* What was said and does not fit into the socket yet: control reads on. */
static void last_words(struct worker *w)
{
	struct pollfd p = {.fd = WORKER_CHAN_FD, .events = POLLOUT};

	while (!chan_flush(w->chan) && chan_pending(w->chan))
		if (poll(&p, 1, LAST_WORDS_MS) <= 0)
			break;
}

/* ---- life ------------------------------------------------------------------- */

static void log_to_control(enum log_level level, const char *line, void *arg)
{
	struct worker *w = arg;

	worker_tell(w, W_LOG, 0,
		    json_pack("{s:s,s:s}", "level", log_level_name(level),
			      "line", line),
		    -1);
}

static int init(struct worker *w, const char *network)
{
	struct event_config *cfg = event_config_new();

	snprintf(w->name, sizeof(w->name), "%s", network);
	list_init(&w->nics);
	list_init(&w->resv);
	w->base = cfg ? event_base_new_with_config(cfg) : NULL;
	if (cfg)
		event_config_free(cfg);
	w->chan = chan_new(WORKER_CHAN_FD);
	if (!w->base || !w->chan || event_base_priority_init(w->base, PRIORITIES))
		return -ENOMEM;
	w->chan_in = event_new(w->base, WORKER_CHAN_FD, EV_READ | EV_PERSIST,
			       chan_on_readable, w);
	w->chan_out = event_new(w->base, WORKER_CHAN_FD, EV_WRITE,
				chan_on_writable, w);
	w->tick = evtimer_new(w->base, tick_on_timer, w);
	if (!w->chan_in || !w->chan_out || !w->tick || worker_lease_init(w))
		return -ENOMEM;
	return event_add(w->chan_in, NULL) ? -ENOMEM : 0;
}

static void fini(struct worker *w)
{
	w->stopping = true;
	log_set_sink(NULL, NULL);
	worker_nic_free_all(w);
	worker_net_fini(w);
	if (w->chan_in)
		event_free(w->chan_in);
	if (w->chan_out)
		event_free(w->chan_out);
	if (w->tick)
		event_free(w->tick);
	worker_lease_fini(w);
	chan_free(w->chan);
	if (w->base)
		event_base_free(w->base);
}

/* May it run beside the guests, or only instead of them? */
static bool has_company(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) > 1;
}

/* As event_base_dispatch(), but it may wait awake. */
static void run(struct worker *w)
{
	const int active = EVENT_BASE_COUNT_ACTIVE;
	struct worker_poll poll = {0};
	uint32_t turns = 0, before = 0;
	int how = EVLOOP_ONCE;

	while (!event_base_loop(w->base, how) &&
	       !event_base_got_break(w->base)) {
		if (!w->poll || !w->sw)
			continue;
		turns = vswitch_turns(w->sw);
		worker_poll_looked(&poll,
				   event_base_get_max_events(w->base, active,
							     1) > 0,
				   turns != before, clock_mono_us());
		before = turns;
		how = EVLOOP_ONCE;
		if (worker_poll_stay(&poll))
			how |= EVLOOP_NONBLOCK;
	}
}

int worker_main(char *network, bool isolated)
{
	struct worker w = {0};
	struct errtext why = {""};
	char who[WORKER_VM_TEXT + 8];

	if (network[0] == WORKER_SPARE) {
		w.title = network;
		w.title_cap = strlen(network) + 1;
		network = "spare";
	}
	snprintf(who, sizeof(who), "vnetd[%s]", network);
	log_setup(who, LOG_LVL_INFO);
	signal(SIGPIPE, SIG_IGN);
	if (sandbox_enter(isolated, &why) || init(&w, network)) {
		log_err("network %s: worker cannot start: %s", network,
			why.s[0] ? why.s : "out of memory");
		fini(&w);
		return EXIT_FAILURE;
	}
	log_set_sink(log_to_control, &w);
	w.poll = has_company();
	if (sandbox_seal(isolated, &why)) {
		log_err("network %s: worker cannot be sealed: %s", network,
			why.s);
		fini(&w);
		return EXIT_FAILURE;
	}
	run(&w);
	last_words(&w);
	fini(&w);
	return w.exit_status;
}
