// SPDX-License-Identifier: GPL-2.0-or-later
/* See tapin_side.h. */
#include "switch/tapin_side.h"

#include "switch/hdrs.h"
#include "switch/macnat.h"
#include "switch/vswitch.h"

void tapin_side_init(struct tapin_side *s, struct port *port,
		     const struct mac *host, struct macnat *nat,
		     int (*write)(void *arg, const struct iovec *v, int n),
		     void *arg)
{
	*s = (struct tapin_side){.host = *host, .port = port, .nat = nat};
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

static bool from_wire(struct tapin_side *s, struct frame *f, int64_t now_ms)
{
	const uint8_t *p = frame_hdr(f);

	if (is_host(s, p + 6))
		return false; /* an echo of our own */
	if (s->nat && ((p[0] & 1) || is_host(s, p)))
		return macnat_in(s->nat, f, now_ms);
	return true;
}

bool tapin_side_rx(struct tapin_side *s, struct frame *f, enum tapin_from from,
		   int64_t now_ms)
{
	if (f->len < FRAME_MIN)
		return true; /* counted by the switch */
	if (from == TAPIN_WIRE)
		return from_wire(s, f, now_ms);
	if (frame_hdr(f)[0] & 1)
		return true;
	return is_guests(s, f) &&
	       !(s->nat && macnat_is_copy(s->nat, f, now_ms));
}

/* Into the host's stack; what of it did not go out as well is counted. */
static void to_host(struct tapin_side *s, const struct frame *const *host,
		    unsigned int n, uint64_t frames, uint64_t bytes)
{
	s->count.stats = (struct port_stats){0};
	tap_out(&s->out, host, n);
	for (int i = 0; i < DROP_REASONS; i++) {
		uint64_t lost = s->count.stats.drops[i];

		port_drop(s->port, (enum drop_reason)i, lost);
		frames -= lost < frames ? lost : frames;
	}
	if (frames)
		port_sent(s->port, frames, bytes);
}

/* Those of @batch that go on, in their order. */
static unsigned int learn(struct tapin_side *s, struct port *in,
			  const struct frame *const *batch, unsigned int n,
			  const struct frame **out)
{
	int64_t now_ms = vswitch_now(s->port->sw);
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (macnat_learn(s->nat, batch[i], in->id, now_ms))
			out[k++] = batch[i];
		else
			port_drop(in, DROP_GUARD, 1);
	}
	return k;
}

static unsigned int translate(struct tapin_side *s, const struct port *in,
			      const struct frame **lan, unsigned int n)
{
	int64_t now_ms = vswitch_now(s->port->sw);
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		lan[k] = macnat_out(s->nat, lan[i], in->id, k, now_ms);
		if (lan[k])
			k++;
		else
			port_drop(s->port, DROP_PROTO, 1);
	}
	return k;
}

unsigned int tapin_side_tx(struct tapin_side *s,
			   const struct frame *const *batch, unsigned int n,
			   const struct frame **lan)
{
	const struct frame *host[FRAME_BATCH], *allowed[FRAME_BATCH];
	struct port *in = vswitch_ingress(s->port->sw);
	unsigned int nhost = 0, nlan = 0;
	uint64_t frames = 0, bytes = 0;

	if (!in)
		in = s->port;
	if (s->nat) {
		n = learn(s, in, batch, n, allowed);
		batch = allowed;
	}
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
	if (nhost)
		to_host(s, host, nhost, frames, bytes);
	return s->nat ? translate(s, in, lan, nlan) : nlan;
}
