// SPDX-License-Identifier: GPL-2.0-or-later
/* TCP headers. See tcp_seg.h. */
#include "nat/tcp_seg.h"

#include <errno.h>

#include "lib/bytes.h"

enum { OPT_END = 0, OPT_NOP = 1, OPT_MSS = 2, OPT_WSCALE = 3 };

static void parse_option(struct tcp_seg *s, uint8_t kind, struct cur *o)
{
	if (kind == OPT_MSS && o->left == 2) {
		s->mss = cur_be16(o);
	} else if (kind == OPT_WSCALE && o->left == 1) {
		s->wscale = cur_u8(o);
		if (s->wscale > TCP_WSCALE_MAX)
			s->wscale = TCP_WSCALE_MAX;
	}
}

static void parse_options(struct tcp_seg *s, struct cur *c)
{
	while (c->left) {
		uint8_t kind = cur_u8(c), len;
		struct cur o;

		if (kind == OPT_END)
			return;
		if (kind == OPT_NOP)
			continue;
		len = cur_u8(c);
		if (len < 2)
			return;
		o = cur_sub(c, len - 2u);
		if (!cur_ok(c))
			return;
		parse_option(s, kind, &o);
	}
}

int tcp_seg_parse(struct tcp_seg *s, const uint8_t *head, size_t head_len,
		  size_t l4_len)
{
	struct cur c = cur_make(head, head_len), opt;
	uint8_t off;

	*s = (struct tcp_seg){.wscale = TCP_WSCALE_NONE};
	s->sport = cur_be16(&c);
	s->dport = cur_be16(&c);
	s->seq = cur_be32(&c);
	s->ack = cur_be32(&c);
	off = cur_u8(&c);
	s->flags = cur_u8(&c);
	s->wnd = cur_be16(&c);
	cur_skip(&c, 4); /* checksum, urgent pointer: urgent data is inline */
	s->hlen = (uint8_t)(off >> 4 << 2);
	if (s->hlen < TCP_HDR || s->hlen > l4_len)
		return -EBADMSG;
	opt = cur_sub(&c, s->hlen - (size_t)TCP_HDR);
	if (!cur_ok(&c))
		return -EBADMSG;
	s->len = l4_len - s->hlen;
	parse_options(s, &opt);
	return 0;
}

size_t tcp_seg_build(uint8_t buf[TCP_HDR_MAX], const struct tcp_seg *s)
{
	struct wbuf w = wbuf_make(buf, TCP_HDR_MAX);
	size_t hlen = TCP_HDR + (s->mss ? 4u : 0u) +
		      (s->wscale != TCP_WSCALE_NONE ? 4u : 0u);

	wbuf_be16(&w, s->sport);
	wbuf_be16(&w, s->dport);
	wbuf_be32(&w, s->seq);
	wbuf_be32(&w, s->flags & TCP_ACK ? s->ack : 0);
	wbuf_u8(&w, (uint8_t)(hlen << 2));
	wbuf_u8(&w, s->flags);
	wbuf_be16(&w, s->wnd);
	wbuf_be32(&w, 0);
	if (s->mss) {
		wbuf_u8(&w, OPT_MSS);
		wbuf_u8(&w, 4);
		wbuf_be16(&w, s->mss);
	}
	if (s->wscale != TCP_WSCALE_NONE) {
		wbuf_u8(&w, OPT_NOP);
		wbuf_u8(&w, OPT_WSCALE);
		wbuf_u8(&w, 3);
		wbuf_u8(&w, s->wscale);
	}
	return w.len;
}
