// SPDX-License-Identifier: GPL-2.0-or-later
/* TCP headers. See tcp_seg.h. */
#include "nat/tcp_seg.h"

#include <errno.h>

#include "lib/bytes.h"

enum {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_OK = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
};

#define TS_OPT	   10 /* bytes of the option itself */
#define SACK_BLOCK 8
/* RFC 7323, appendix A: two NOPs before it, and nothing else in the header. */
#define TS_ALIGNED 0x0101080au

static void parse_ts(struct tcp_seg *s, const uint8_t *p)
{
	s->ts = true;
	s->tsval = get_be32(p);
	s->tsecr = get_be32(p + 4);
}

static void parse_option(struct tcp_seg *s, uint8_t kind, struct cur *o)
{
	if (kind == OPT_MSS && o->left == 2) {
		s->mss = cur_be16(o);
	} else if (kind == OPT_WSCALE && o->left == 1) {
		s->wscale = cur_u8(o);
		if (s->wscale > TCP_WSCALE_MAX)
			s->wscale = TCP_WSCALE_MAX;
	} else if (kind == OPT_SACK_OK && !o->left) {
		s->sack_ok = true;
	} else if (kind == OPT_TS && o->left == TS_OPT - 2) {
		parse_ts(s, o->p);
	} else if (kind == OPT_SACK && o->left && !(o->left % SACK_BLOCK)) {
		s->sack = o->p; /* 40 bytes of options have no more than four */
		s->nsack = (uint8_t)(o->left / SACK_BLOCK);
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
	struct cur opt;

	if (head_len < TCP_HDR)
		return -EBADMSG;
	*s = (struct tcp_seg){
		.sport = get_be16(head),
		.dport = get_be16(head + 2),
		.seq = get_be32(head + 4),
		.ack = get_be32(head + 8),
		.hlen = (uint8_t)(head[12] >> 4 << 2),
		.flags = head[13],
		.wnd = get_be16(head + 14),
		.wscale = TCP_WSCALE_NONE,
	}; /* checksum, urgent pointer: urgent data is inline */
	if (s->hlen < TCP_HDR || s->hlen > l4_len || s->hlen > head_len)
		return -EBADMSG;
	s->len = l4_len - s->hlen;
	if (s->hlen == TCP_HDR + TCP_TS_LEN &&
	    get_be32(head + TCP_HDR) == TS_ALIGNED) {
		parse_ts(s, head + TCP_HDR + 4);
		return 0;
	}
	opt = cur_make(head + TCP_HDR, s->hlen - (size_t)TCP_HDR);
	parse_options(s, &opt);
	return 0;
}

static void build_syn(struct wbuf *w, const struct tcp_seg *s)
{
	if (s->mss) {
		wbuf_u8(w, OPT_MSS);
		wbuf_u8(w, 4);
		wbuf_be16(w, s->mss);
	}
	if (s->sack_ok) {
		wbuf_be16(w, OPT_NOP << 8 | OPT_NOP);
		wbuf_be16(w, OPT_SACK_OK << 8 | 2);
	}
	if (s->wscale != TCP_WSCALE_NONE) {
		wbuf_u8(w, OPT_NOP);
		wbuf_u8(w, OPT_WSCALE);
		wbuf_u8(w, 3);
		wbuf_u8(w, s->wscale);
	}
}

static void build_sack(struct wbuf *w, const struct tcp_seg *s)
{
	size_t len = s->nsack * (size_t)SACK_BLOCK;

	wbuf_be16(w, OPT_NOP << 8 | OPT_NOP);
	wbuf_u8(w, OPT_SACK);
	wbuf_u8(w, (uint8_t)(2 + len));
	wbuf_copy(w, s->sack, len);
}

size_t tcp_seg_build(uint8_t buf[TCP_HDR_MAX], const struct tcp_seg *s)
{
	struct wbuf w = wbuf_make(buf, TCP_HDR_MAX);

	w.len = TCP_HDR;
	if (s->ts) { /* first: where there is nothing else it has to be there */
		put_be32(buf + w.len, TS_ALIGNED);
		put_be32(buf + w.len + 4, s->tsval);
		put_be32(buf + w.len + 8, s->tsecr);
		w.len += TCP_TS_LEN;
	}
	if (s->flags & TCP_SYN)
		build_syn(&w, s);
	if (s->nsack)
		build_sack(&w, s);
	put_be16(buf, s->sport);
	put_be16(buf + 2, s->dport);
	put_be32(buf + 4, s->seq);
	put_be32(buf + 8, s->flags & TCP_ACK ? s->ack : 0);
	buf[12] = (uint8_t)(w.len << 2);
	buf[13] = s->flags;
	put_be16(buf + 14, s->wnd);
	put_be32(buf + 16, 0);
	return w.len;
}
