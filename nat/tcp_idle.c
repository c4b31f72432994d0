// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Flows on which nothing happens (RFC 5382 REQ-5), and what a sleep of the host does
 * to them.
 *
 * Both ends of an open connection can be asked whether they still know of it, so it
 * ends when one does not, and not for its silence. The outside is the host kernel's
 * matter (SO_KEEPALIVE, host_tcp.c). The guest is asked here, every TCP_KEEP_MS, by
 * a segment of no bytes with a number that it has acknowledged (RFC 9293 3.8.4). Its
 * acknowledgement is a sign of life; a reset ends the flow, which is how one of its
 * resets that was lost is made up for. No answer is no news: a VM that is paused or
 * saved does not answer and goes on later. Only who was silent for TCP_IDLE_MS and
 * did not answer TCP_KEEP_TRIES times in a row is given up.
 *
 * RFC 1122 4.2.3.6 wants two hours before the first probe, for the sake of the
 * networks in between; here is none, and a probe alone ends nothing.
 */
#include "nat/tcp_int.h"

/* Open: one FIN alone is no closing, the other half may be silent for long while it
 * computes its answer. */
static bool is_open(const struct tcp_flow *f)
{
	return f->state == TCP_ST_OPEN && !(f->eof && f->fin_rcvd);
}

static int64_t idle_limit(const struct tcp_flow *f)
{
	if (f->state == TCP_ST_TIME_WAIT)
		return TCP_TIME_WAIT_MS;
	return is_open(f) ? TCP_IDLE_MS : TCP_TRANSIENT_MS;
}

/* The last sign of life. */
static int64_t alive_ms(const struct tcp_flow *f)
{
	return f->used_ms > f->heard_ms ? f->used_ms : f->heard_ms;
}

static void idle_on_timer(struct wtimer *w, int64_t now_ms);

static void arm(struct tcp_flow *f, int64_t at_ms)
{
	wtimer_arm(f->t->env.wheel, &f->idle, at_ms, idle_on_timer);
}

void tcp_arm_idle(struct tcp_flow *f, int64_t now_ms)
{
	(void)now_ms; /* what counts is when something happened */
	f->keep_tries = 0;
	arm(f, alive_ms(f) + (is_open(f) ? TCP_KEEP_MS : idle_limit(f)));
}

/* Ask; while bytes wait to be acknowledged or for a window, other timers do. */
static void probe(struct tcp_flow *f, int64_t quiet_ms, int64_t now_ms)
{
	int64_t next_ms = TCP_KEEP_LAST_MS;

	if (f->snd_una == f->snd_max && !wtimer_armed(&f->rtx)) {
		f->keep_due = true;
		tcp_queue(f);
	}
	if (f->keep_tries < TCP_KEEP_TRIES)
		f->keep_tries++;
	if (quiet_ms < TCP_IDLE_MS) {
		next_ms = TCP_IDLE_MS - quiet_ms;
		if (next_ms > TCP_KEEP_MS)
			next_ms = TCP_KEEP_MS;
	}
	arm(f, now_ms + next_ms);
}

static void idle_on_timer(struct wtimer *w, int64_t now_ms)
{
	struct tcp_flow *f = container_of(w, struct tcp_flow, idle);
	int64_t quiet_ms = now_ms - alive_ms(f);

	if (quiet_ms < (is_open(f) ? TCP_KEEP_MS : idle_limit(f))) {
		tcp_arm_idle(f, now_ms);
	} else if (is_open(f) && (quiet_ms < TCP_IDLE_MS ||
				  f->keep_tries < TCP_KEEP_TRIES)) {
		probe(f, quiet_ms, now_ms);
	} else if (f->state == TCP_ST_TIME_WAIT) {
		tcp_flow_end(f, false);
	} else {
		f->t->stats.timed_out++;
		tcp_flow_abort(f, now_ms);
	}
}

/* Timers of retransmission are left alone: they ran by a clock that slept, too. What
 * is open is asked anew, not all of it at once. */
void tcp_slept(struct tcp *t, int64_t slept_ms, int64_t now_ms)
{
	list_for_each(f, &t->shown, struct tcp_flow, shown) {
		f->born_ms -= slept_ms;
		f->used_ms -= slept_ms;
		f->heard_ms -= slept_ms;
		f->keep_tries = 0;
		arm(f, is_open(f) ? now_ms + (int64_t)(f->id / 2 %
						       TCP_KEEP_SPREAD_MS)
				  : alive_ms(f) + idle_limit(f));
	}
}
