// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases on their way to control's store and back: what one turn of the loop brings
 * goes together, and an ACK leaves when control says that its lease is kept.
 */
#include <errno.h>

#include "lib/clock.h"
#include "netd/lease_wire.h"
#include "netd/worker_int.h"

void worker_lease_flush(struct worker *w)
{
	struct wbuf *b = &w->leases.out;

	if (b->len)
		worker_tell_bytes(w, W_LEASES, b->p, b->len);
	b->len = 0;
}

static void batch_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	worker_lease_flush(arg);
}

int worker_lease_init(struct worker *w)
{
	struct worker_leases *l = &w->leases;

	l->out = wbuf_make(l->buf, sizeof(l->buf));
	l->send = evtimer_new(w->base, batch_on_timer, w);
	return l->send ? 0 : -ENOMEM;
}

void worker_lease_fini(struct worker *w)
{
	if (w->leases.send)
		event_free(w->leases.send);
	w->leases.send = NULL;
}

void worker_lease_say(struct worker *w, uint64_t token, bool forgotten,
		      const struct dhcp_lease *lease)
{
	static const struct timeval now = {0};
	struct worker_leases *l = &w->leases;
	const struct lease_rec r = {token, forgotten, *lease};

	if (l->out.cap - l->out.len < LEASE_WIRE_MAX)
		worker_lease_flush(w);
	lease_wire_put(&l->out, &r);
	if (l->send && !evtimer_pending(l->send, NULL))
		evtimer_add(l->send, &now);
}

int worker_lease_load(struct worker *w, const uint8_t *p, size_t len)
{
	struct cur c = cur_make(p, len);
	int64_t now_s = clock_wall_s();

	while (w->dhcp && c.left) {
		struct lease_rec r;

		if (!lease_wire_get(&c, &r))
			return -EPROTO;
		/* What the pool cannot take any more it has said by an event. */
		(void)dhcp_server_load(w->dhcp, &r.lease, now_s);
	}
	return 0;
}

int worker_lease_done(struct worker *w, const uint8_t *p, size_t len)
{
	struct cur c = cur_make(p, len);
	uint64_t token;
	bool ok;

	while (c.left) {
		if (!lease_wire_get_done(&c, &token, &ok))
			return -EPROTO;
		worker_dhcp_done(w, token, ok);
	}
	return 0;
}
