// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Life of a worker process. The bytes that come from it are judged here as far as
 * framing goes and in wmsg.c as far as content goes.
 */
#include "netd/super.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "lib/list.h"
#include "lib/log.h"
#include "netd/priv.h"
#include "netd/proto.h"

#define TURN_MESSAGES 64 /* read in one wake-up */
#define LAST_MESSAGES 4096 /* … when it has ended; a socket holds fewer */
#define HEALTHY_MS    30000

struct pending {
	struct list node;
	uint32_t id;
	int64_t due_ms;
	super_done_fn done;
	void *arg;
};

struct super {
	struct event_base *base;
	struct priv *priv;
	const struct super_ops *ops;
	void *arg;
	char network[64];
	bool isolated;
	enum super_state state;
	pid_t pid;
	int pidfd;
	struct chan *chan;
	struct chan *doomed; /* closed while one of its messages was handled */
	bool dispatching;
	struct event *in, *out, *end, *timer;
	struct list pending;
	unsigned int npending, restarts;
	uint32_t next_id;
	int64_t ready_ms, due_ms; /* due: becoming ready, stopping */
	unsigned int backoff_ms;
	char reason[200];
};

static void start_now(struct super *s);
static void arm_timer(struct super *s);

/* ---- end of a process ---------------------------------------------------- */

static void close_chan(struct super *s)
{
	if (s->in)
		event_free(s->in);
	if (s->out)
		event_free(s->out);
	s->in = s->out = NULL;
	/* What is being dispatched lies in its buffer. */
	if (s->dispatching && s->chan)
		s->doomed = s->chan;
	else
		chan_free(s->chan);
	s->chan = NULL;
}

static void fail_pending(struct super *s)
{
	struct list mine;

	/* Callbacks may send new requests; those belong to the next worker. */
	list_init(&mine);
	list_for_each_safe(p, &s->pending, struct pending, node) {
		list_del(&p->node);
		list_add_tail(&mine, &p->node);
	}
	s->npending = 0;
	list_for_each_safe(q, &mine, struct pending, node) {
		list_del(&q->node);
		if (q->done)
			q->done(q->arg, -EPIPE, NULL, "the worker ended");
		free(q);
	}
}

static void send_kill(struct super *s)
{
	if (s->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL,
			      0);
}

void super_kill(struct super *s, const char *reason)
{
	if (s->state != SUPER_STARTING && s->state != SUPER_READY)
		return;
	if (!s->reason[0])
		snprintf(s->reason, sizeof(s->reason), "%.199s", reason);
	s->state = SUPER_ENDING;
	send_kill(s);
	close_chan(s);
	/* The owner hears of it when the process is gone: pidfd. */
}

/* What the process left, for the log; reaps it if it is our child. */
static void exit_words(struct super *s, char *out, size_t cap)
{
	siginfo_t si = {0};

	out[0] = '\0';
	if (waitid((idtype_t)P_PIDFD, (id_t)s->pidfd, &si,
		   WEXITED | WNOHANG) || !si.si_pid)
		return;
	if (si.si_code == CLD_EXITED)
		snprintf(out, cap, "exit status %d", si.si_status);
	else
		snprintf(out, cap, "signal %d (%s)", si.si_status,
			 strsignal(si.si_status));
}

static unsigned int next_backoff(struct super *s)
{
	bool healthy = s->ready_ms &&
		       clock_mono_ms() - s->ready_ms >= HEALTHY_MS;
	unsigned int ms = healthy || !s->backoff_ms ? SUPER_BACKOFF_MIN
						    : s->backoff_ms * 2;

	return ms > SUPER_BACKOFF_MAX ? SUPER_BACKOFF_MAX : ms;
}

/* What it said before it ended. */
static void hear_last(struct super *s);

static void on_ended(struct super *s)
{
	char words[100], reason[320];
	bool stopped;

	hear_last(s);
	stopped = s->state == SUPER_STOPPING;
	close_chan(s);
	if (s->end)
		event_free(s->end);
	s->end = NULL;
	if (s->pidfd >= 0) {
		exit_words(s, words, sizeof(words));
		snprintf(reason, sizeof(reason), "%s%s%s", s->reason,
			 s->reason[0] && words[0] ? ", " : "", words);
	} else {
		snprintf(reason, sizeof(reason), "%s", s->reason);
	}
	fd_close(&s->pidfd);
	s->pid = 0;
	s->reason[0] = '\0';
	if (stopped) {
		s->state = SUPER_DOWN;
		s->backoff_ms = 0;
	} else {
		s->backoff_ms = next_backoff(s);
		s->state = SUPER_BACKOFF;
		s->due_ms = clock_mono_ms() + s->backoff_ms;
		s->restarts++;
	}
	s->ready_ms = 0;
	arm_timer(s);
	fail_pending(s);
	/* Last: the owner may free or restart us. */
	s->ops->ended(s->arg, stopped, reason[0] ? reason : "it ended");
}

static void end_on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	on_ended(arg);
}

/* ---- timer --------------------------------------------------------------- */

static int64_t next_due(const struct super *s)
{
	int64_t due = INT64_MAX;

	if (s->state == SUPER_STARTING || s->state == SUPER_STOPPING ||
	    s->state == SUPER_BACKOFF)
		due = s->due_ms;
	if (!list_empty(&s->pending)) {
		struct pending *p =
			list_first(&s->pending, struct pending, node);

		if (p->due_ms < due)
			due = p->due_ms;
	}
	return due;
}

static void arm_timer(struct super *s)
{
	int64_t due = next_due(s), ms;
	struct timeval tv;

	if (due == INT64_MAX) {
		evtimer_del(s->timer);
		return;
	}
	ms = due - clock_mono_ms();
	if (ms < 0)
		ms = 0;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	evtimer_add(s->timer, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct super *s = arg;
	int64_t now = clock_mono_ms();

	(void)fd;
	(void)what;
	if (next_due(s) > now) {
		arm_timer(s);
		return;
	}
	switch (s->state) {
	case SUPER_BACKOFF:
		start_now(s);
		return;
	case SUPER_STOPPING:
		fail_pending(s); /* it was one of them, or soon will be */
		if (now >= s->due_ms) {
			send_kill(s);
			s->due_ms = now + SUPER_STOP_MS;
		}
		break;
	case SUPER_STARTING:
	case SUPER_READY:
		log_err("worker %s: killed: no answer for %d s", s->network,
			SUPER_TIMEOUT_MS / 1000);
		super_kill(s, "it did not answer");
		fail_pending(s);
		break;
	case SUPER_ENDING:
	case SUPER_DOWN:
		fail_pending(s);
		break;
	}
	arm_timer(s);
}

/* ---- messages in --------------------------------------------------------- */

static int on_answer(struct super *s, const struct chan_msg *m, json_t *body,
		     struct errtext *why)
{
	struct pending *p = NULL;
	const char *text = NULL;

	list_for_each(q, &s->pending, struct pending, node) {
		if (q->id == m->id) {
			p = q;
			break;
		}
	}
	if (!p || m->nfd)
		return errtext_set(why, -EPROTO, "an answer nobody asked for");
	if (m->type == W_ERROR)
		text = json_string_value(json_object_get(body, "message"));
	list_del(&p->node);
	s->npending--;
	if (p->done)
		p->done(p->arg, m->type == W_DONE ? 0 : -EREMOTE, body,
			m->type == W_DONE ? "" : text ? text : "refused");
	free(p);
	return 0;
}

static int on_ready(struct super *s, struct errtext *why)
{
	if (s->state != SUPER_STARTING)
		return errtext_set(why, -EPROTO, "it was ready already");
	s->state = SUPER_READY;
	s->ready_ms = clock_mono_ms();
	s->ops->ready(s->arg);
	return 0;
}

static int dispatch_bytes(struct super *s, struct chan_msg *m,
			  struct errtext *why)
{
	bool fds = m->nfd > 0;

	chan_msg_close(m);
	if (fds)
		return errtext_set(why, -EPROTO, "descriptors nobody wants");
	return s->ops->bytes(s->arg, m->type, m->body, m->len, why);
}

static int dispatch(struct super *s, struct chan_msg *m, struct errtext *why)
{
	json_t *body;
	int r;

	if (m->type >= W_BYTES)
		return dispatch_bytes(s, m, why);
	body = json_loadb((const char *)m->body, m->len, JSON_REJECT_DUPLICATES,
			  NULL);
	if (!json_is_object(body))
		r = errtext_set(why, -EPROTO, "a message that is no object");
	else if (m->type == W_DONE || m->type == W_ERROR)
		r = on_answer(s, m, body, why);
	else if (m->type == W_READY)
		r = on_ready(s, why);
	else
		r = s->ops->message(s->arg, m->type, body, m, why);
	json_decref(body);
	chan_msg_close(m);
	return r;
}

/* The next message: 1 when there was one; 0 the end; -EAGAIN; negative errno with
 * @why. A callback may have killed or stopped it: then s->chan is NULL. */
static int hear(struct super *s, struct errtext *why)
{
	struct chan_msg m;
	int r = chan_recv(s->chan, &m);

	if (r != 1)
		return r;
	s->dispatching = true;
	r = dispatch(s, &m, why);
	s->dispatching = false;
	chan_free(s->doomed);
	s->doomed = NULL;
	if (r == -EAGAIN)
		r = -EPROTO;
	return r ? r : 1;
}

static void hear_last(struct super *s)
{
	struct errtext why = {""};

	/* The kernel holds no more than the socket's buffer for it. */
	for (int i = 0; s->chan && i < LAST_MESSAGES; i++)
		if (hear(s, &why) != 1)
			break;
}

static void chan_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct super *s = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < TURN_MESSAGES; i++) {
		struct errtext why = {""};
		int r = hear(s, &why);

		if (r == -EAGAIN)
			break;
		if (!s->chan)
			return;
		if (r == 1)
			continue;
		if (r && why.s[0])
			log_err("worker %s: killed: %s", s->network, why.s);
		if (s->state == SUPER_STOPPING)
			event_del(s->in); /* the pidfd tells the rest */
		else
			super_kill(s, why.s[0] ? why.s : "its channel closed");
		return;
	}
	arm_timer(s);
}

static void chan_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct super *s = arg;

	(void)fd;
	(void)what;
	if (chan_flush(s->chan))
		super_kill(s, "its channel closed");
	else if (chan_pending(s->chan))
		event_add(s->out, NULL);
}

/* ---- messages out -------------------------------------------------------- */

static int send_msg(struct super *s, uint16_t type, uint32_t id, json_t *body,
		    const int *fds, unsigned int nfd)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	int r;

	if (body && !text)
		r = -ENOMEM;
	else
		r = chan_send(s->chan, type, id, text ? text : "{}",
			      text ? strlen(text) : 2, fds, nfd);
	free(text);
	if (!r && chan_pending(s->chan))
		event_add(s->out, NULL);
	return r;
}

void super_send(struct super *s, uint16_t type, json_t *body, const int *fds,
		unsigned int nfd)
{
	if (s->chan && send_msg(s, type, 0, body, fds, nfd))
		super_kill(s, "its channel is closed or stuck");
	json_decref(body);
}

void super_send_bytes(struct super *s, uint16_t type, const void *p, size_t len)
{
	if (!s->chan)
		return;
	if (chan_send(s->chan, type, 0, p, len, NULL, 0))
		super_kill(s, "its channel is closed or stuck");
	else if (chan_pending(s->chan))
		event_add(s->out, NULL);
}

void super_request(struct super *s, uint16_t type, json_t *body,
		   const int *fds, unsigned int nfd, super_done_fn done,
		   void *arg)
{
	struct pending *p = NULL;
	int r;

	if (s->chan && s->npending < SUPER_PENDING_MAX)
		p = calloc(1, sizeof(*p));
	if (!p) {
		json_decref(body);
		if (done)
			done(arg, -EPIPE, NULL, "the network is not running");
		return;
	}
	p->id = ++s->next_id ? s->next_id : ++s->next_id;
	p->done = done;
	p->arg = arg;
	p->due_ms = clock_mono_ms() + SUPER_TIMEOUT_MS;
	list_add_tail(&s->pending, &p->node);
	s->npending++;
	r = send_msg(s, type, p->id, body, fds, nfd);
	json_decref(body);
	if (r)
		super_kill(s, "its channel is closed or stuck");
	else
		arm_timer(s);
}

/* ---- start and stop ------------------------------------------------------ */

static void start_failed(struct super *s, const char *reason)
{
	snprintf(s->reason, sizeof(s->reason), "%.199s", reason);
	on_ended(s);
}

static void start_now(struct super *s)
{
	struct errtext why = {""};
	int fd = -1;

	if (priv_worker(s->priv, s->network, s->isolated, &s->pid, &s->pidfd,
			&fd, &why)) {
		s->pidfd = -1;
		start_failed(s, why.s);
		return;
	}
	s->state = SUPER_STARTING;
	s->due_ms = clock_mono_ms() + SUPER_TIMEOUT_MS;
	s->end = event_new(s->base, s->pidfd, EV_READ, end_on_readable, s);
	s->chan = fd_setup(fd) ? NULL : chan_new(fd);
	if (s->chan) {
		s->in = event_new(s->base, fd, EV_READ | EV_PERSIST,
				  chan_on_readable, s);
		s->out = event_new(s->base, fd, EV_WRITE, chan_on_writable, s);
	}
	if (!s->end || !s->in || !s->out || event_add(s->end, NULL) ||
	    event_add(s->in, NULL)) {
		send_kill(s);
		start_failed(s, "no memory");
		return;
	}
	arm_timer(s);
	s->ops->started(s->arg);
}

void super_start(struct super *s)
{
	if (s->state == SUPER_DOWN || s->state == SUPER_BACKOFF)
		start_now(s);
}

void super_stop(struct super *s)
{
	switch (s->state) {
	case SUPER_DOWN:
	case SUPER_STOPPING:
		return;
	case SUPER_BACKOFF:
		s->state = SUPER_DOWN;
		arm_timer(s);
		s->ops->ended(s->arg, true, "it was stopped");
		return;
	case SUPER_STARTING:
	case SUPER_READY:
		super_send(s, W_SHUTDOWN, NULL, NULL, 0);
		break;
	case SUPER_ENDING:
		break;
	}
	s->state = SUPER_STOPPING;
	s->due_ms = clock_mono_ms() + SUPER_STOP_MS;
	snprintf(s->reason, sizeof(s->reason), "stopped");
	arm_timer(s);
}

struct super *super_new(struct event_base *base, struct priv *priv,
			const char *network, bool isolated,
			const struct super_ops *ops, void *arg)
{
	struct super *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = base;
	s->priv = priv;
	s->ops = ops;
	s->arg = arg;
	s->isolated = isolated;
	s->pidfd = -1;
	snprintf(s->network, sizeof(s->network), "%s", network);
	list_init(&s->pending);
	s->timer = evtimer_new(base, on_timer, s);
	if (!s->timer) {
		free(s);
		return NULL;
	}
	return s;
}

void super_free(struct super *s)
{
	if (!s)
		return;
	send_kill(s);
	close_chan(s);
	fail_pending(s);
	if (s->end)
		event_free(s->end);
	event_free(s->timer);
	if (s->pidfd >= 0)
		(void)waitid((idtype_t)P_PIDFD, (id_t)s->pidfd, NULL,
			     WEXITED | WNOHANG);
	fd_close(&s->pidfd);
	free(s);
}

enum super_state super_state(const struct super *s)
{
	return s->state;
}

pid_t super_pid(const struct super *s)
{
	return s->pid;
}

unsigned int super_restarts(const struct super *s)
{
	return s->restarts;
}
