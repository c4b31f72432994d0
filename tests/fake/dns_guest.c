// SPDX-License-Identifier: GPL-2.0-or-later
/* See dns_guest.h. */
#include "tests/fake/dns_guest.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "tests/fake/fake_ip6.h"

size_t rig_query(uint8_t *b, const char *name, uint16_t type)
{
	struct wbuf w = wbuf_make(b, 300);

	wbuf_be16(&w, RIG_ID);
	wbuf_be16(&w, 0x0100);
	wbuf_be16(&w, 1);
	wbuf_fill(&w, 0, 6);
	while (*name) {
		size_t n = strcspn(name, ".");

		wbuf_u8(&w, (uint8_t)n);
		wbuf_copy(&w, name, n);
		name += n + (name[n] == '.');
	}
	wbuf_u8(&w, 0);
	wbuf_be16(&w, type);
	wbuf_be16(&w, 1);
	return wbuf_ok(&w) ? w.len : 0;
}

size_t rig_opt(uint8_t *b, size_t n, uint8_t version, uint16_t size)
{
	memcpy(b + n, "\0\0\51\0\0\0\0\0\0\0\0", 11);
	put_be16(b + n + 3, size);
	b[n + 6] = version;
	put_be16(b + 10, (uint16_t)(get_be16(b + 10) + 1));
	return n + 11;
}

/* ---- over TCP ---------------------------------------------------------------- */

enum { F_FIN = 1, F_SYN = 2, F_RST = 4, F_ACK = 16 };

static void segment(struct rig_tcp *t, uint8_t flags, const void *p, size_t len)
{
	static const uint8_t opts[8] = {2, 4, 5, 180, 1, 3, 3, 7};
	size_t hlen = flags & F_SYN ? 28 : 20;
	uint8_t *l4 = calloc(1, hlen + len);
	struct fake_pkt k = {.src = GUEST, .dst = DNS, .proto = IP4_TCP,
			     .raw = true, .data = l4, .len = hlen + len};
	struct fake6_pkt k6 = {.dst = DNS6, .proto = IP4_TCP, .raw = true,
			       .data = l4, .len = hlen + len};
	struct ipaddr src = ip6_of(GUEST6), dst = ip6_of(DNS6);
	uint32_t n = (uint32_t)(hlen + len);
	uint64_t sum = t->ip6 ? csum_pseudo6(&src, &dst, IP4_TCP, n)
			      : csum_pseudo4(GUEST, DNS, IP4_TCP, n);

	put_be16(l4, t->port);
	put_be16(l4 + 2, 53);
	put_be32(l4 + 4, t->seq);
	put_be32(l4 + 8, t->ack);
	l4[12] = (uint8_t)(hlen << 2);
	l4[13] = flags;
	put_be16(l4 + 14, t->wnd);
	if (flags & F_SYN)
		memcpy(l4 + 20, opts, 8);
	if (len)
		memcpy(l4 + hlen, p, len);
	put_be16(l4 + 16, csum_finish(csum_add(sum, l4, hlen + len)));
	t->seq += (uint32_t)len + (flags & (F_SYN | F_FIN) ? 1 : 0);
	if (t->ip6)
		fake6_pkt(t->f, &k6);
	else
		fake_nat_pkt(t->f, &k);
	free(l4);
}

/* The TCP part of frame number @i, if it is for this connection. */
static bool ours(const struct rig_tcp *t, unsigned int i, const uint8_t **l4,
		 size_t *len)
{
	const struct fake_nat_out *o = &t->f->out[i % FAKE_KEEP];
	uint16_t type = get_be16(o->p + 12);

	if (t->ip6 && type == ETHERTYPE_IP6) {
		struct fake6_got g = fake6_got(t->f, i);

		*l4 = g.l4;
		*len = g.l4_len;
		return g.h.proto == IP4_TCP && g.sport == 53 &&
		       g.dport == t->port;
	}
	if (!t->ip6 && type == ETHERTYPE_IP4) {
		struct fake_got g = fake_nat_got(t->f, i);

		*l4 = g.l4;
		*len = g.l4_len;
		return g.ip.proto == IP4_TCP && g.sport == 53 &&
		       g.dport == t->port;
	}
	return false;
}

/* One segment to the guest: true when it wants an acknowledgement. */
static bool take(struct rig_tcp *t, const uint8_t *l4, size_t l4_len)
{
	size_t hlen = (size_t)(l4[12] >> 4) * 4, len = l4_len - hlen;
	uint8_t flags = l4[13];

	if (flags & F_RST)
		t->rst = true;
	if (flags & F_SYN)
		t->ack = get_be32(l4 + 4) + 1;
	if (get_be32(l4 + 4) != t->ack)
		return flags & F_SYN || len;
	if (len) {
		t->rx = realloc(t->rx, t->rx_len + len);
		memcpy(t->rx + t->rx_len, l4 + hlen, len);
		t->rx_len += len;
		t->ack += (uint32_t)len;
	}
	if (flags & F_FIN && !t->fin) {
		t->fin = true;
		t->ack++;
		return true;
	}
	return len;
}

void rig_tcp_pump(struct rig_tcp *t)
{
	bool more = true;

	while (more) {
		const uint8_t *l4;
		size_t len;

		more = false;
		gateway_flush(t->f->gw, t->f->now_ms);
		for (; t->seen < t->f->n; t->seen++)
			if (ours(t, t->seen, &l4, &len))
				more |= take(t, l4, len);
		if (more && !t->rst)
			segment(t, F_ACK, NULL, 0);
		else if (dns_tcp_due(&t->f->gw->dns))
			more = true;
	}
}

void rig_tcp_send(struct rig_tcp *t, uint8_t flags, const void *p, size_t len)
{
	segment(t, flags, p, len);
	rig_tcp_pump(t);
}

static void open_it(struct rig_tcp *t, struct fake_nat *f, uint16_t port,
		    bool ip6)
{
	*t = (struct rig_tcp){.f = f, .ip6 = ip6, .port = port, .seq = 1000,
			      .wnd = 500, .seen = f->n};
	rig_tcp_send(t, F_SYN, NULL, 0);
}

void rig_tcp_open(struct rig_tcp *t, struct fake_nat *f, uint16_t port)
{
	open_it(t, f, port, false);
}

void rig_tcp_open6(struct rig_tcp *t, struct fake_nat *f, uint16_t port)
{
	open_it(t, f, port, true);
}

void rig_tcp_free(struct rig_tcp *t)
{
	free(t->rx);
}

size_t rig_tcp_query(uint8_t *b, const char *name, uint16_t type, uint16_t id)
{
	size_t n = rig_query(b + 2, name, type);

	put_be16(b, (uint16_t)n);
	put_be16(b + 2, id);
	return n + 2;
}

size_t rig_tcp_next(struct rig_tcp *t, uint8_t *msg, size_t cap)
{
	size_t len;

	if (t->rx_len < 2)
		return 0;
	len = get_be16(t->rx);
	if (t->rx_len - 2 < len || len > cap)
		return 0;
	memcpy(msg, t->rx + 2, len);
	t->rx_len -= 2 + len;
	memmove(t->rx, t->rx + 2 + len, t->rx_len);
	return len;
}
