// SPDX-License-Identifier: GPL-2.0-or-later
/* See tapin_side.h. */
#include "switch/tapin_side.h"

#include "switch/hdrs.h"
#include "switch/vswitch.h"

void tapin_side_init(struct tapin_side *s, struct port *port,
		     const struct mac *host,
		     int (*write)(void *arg, const struct iovec *v, int n),
		     void *arg)
{
	*s = (struct tapin_side){.host = *host, .port = port};
	s->out = (struct tap_out){.port = &s->count, .vnet_hdr = true,
				  .write = write, .arg = arg};
	/* The host's address is nobody else's, and need not be learned first. It may
	 * be there already, as a NIC's: then it is not to be helped. */
	(void)vswitch_fdb_static(port->sw, host, port);
}

static bool is_host(const struct tapin_side *s, const uint8_t *mac)
{
	return !memcmp(mac, s->host.b, 6);
}

static bool is_guests(const struct tapin_side *s, const struct frame *f)
{
	struct mac dst;
	struct hdrs h;
	struct port *p;

	if (!hdrs_l2(frame_hdr(f), frame_hdr_len(f), &h))
		return false;
	memcpy(dst.b, frame_hdr(f), 6);
	p = vswitch_fdb_find(s->port->sw, &dst, h.vid);
	return p && p != s->port;
}

bool tapin_side_rx(struct tapin_side *s, const struct frame *f,
		   enum tapin_from from)
{
	const uint8_t *p = frame_hdr(f);

	if (f->len < FRAME_MIN)
		return true; /* counted by the switch */
	if (from == TAPIN_WIRE)
		return !is_host(s, p + 6); /* an echo of our own */
	return (p[0] & 1) || is_guests(s, f);
}

unsigned int tapin_side_tx(struct tapin_side *s,
			   const struct frame *const *batch, unsigned int n,
			   const struct frame **lan)
{
	const struct frame *host[FRAME_BATCH];
	unsigned int nhost = 0, nlan = 0;
	uint64_t frames = 0, bytes = 0;

	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *p = frame_hdr(batch[i]);
		bool own = is_host(s, p);

		if (own || (p[0] & 1))
			host[nhost++] = batch[i];
		if (!own) {
			lan[nlan++] = batch[i];
			continue;
		}
		frames++;
		bytes += batch[i]->len;
	}
	if (!nhost)
		return nlan;
	s->count.stats = (struct port_stats){0};
	tap_out(&s->out, host, nhost);
	for (int i = 0; i < DROP_REASONS; i++) {
		uint64_t lost = s->count.stats.drops[i];

		port_drop(s->port, (enum drop_reason)i, lost);
		frames -= lost < frames ? lost : frames;
	}
	if (frames)
		port_sent(s->port, frames, bytes);
	return nlan;
}
