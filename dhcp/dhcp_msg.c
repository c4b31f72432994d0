// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * DHCP messages: bytes to struct dhcp_msg, and option by option back to bytes.
 * What a message means is for dhcp_server.c; what a reply holds, for
 * dhcp_reply.c.
 */
#include "dhcp/dhcp_msg.h"

#include <errno.h>

#define SNAME_LEN DHCP_SNAME_LEN
#define FILE_LEN  DHCP_FILE_LEN

/* The three places where options may stand, in the order of joining (RFC 3396
 * 5). */
struct areas {
	struct cur c[3];
	unsigned int n;
};

typedef void (*option_fn)(struct dhcp_msg *m, uint8_t code, const uint8_t *p,
			  uint8_t len);

/* Each option of one area to @fn; false when one runs over the area's end. */
static bool for_each_option(struct dhcp_msg *m, struct cur c, option_fn fn)
{
	while (c.left) {
		uint8_t code = cur_u8(&c), len;
		const uint8_t *p;

		if (code == DHCP_OPT_PAD)
			continue;
		if (code == DHCP_OPT_END)
			return true;
		len = cur_u8(&c);
		p = cur_bytes(&c, len);
		if (!p)
			return false;
		fn(m, code, p, len);
	}
	return true;
}

static void count_option(struct dhcp_msg *m, uint8_t code, const uint8_t *p,
			 uint8_t len)
{
	(void)p;
	m->have[code / 8] |= (uint8_t)(1u << (code % 8));
	m->at[code] = (uint16_t)(m->at[code] + len);
}

/* Append to the option's place; len[] counts what is there already. */
static void join_option(struct dhcp_msg *m, uint8_t code, const uint8_t *p,
			uint8_t len)
{
	memcpy(m->data + m->at[code] + m->len[code], p, len);
	m->len[code] = (uint16_t)(m->len[code] + len);
}

/* Turn the lengths that count_option() left in at[] into places. */
static void lay_out(struct dhcp_msg *m)
{
	uint16_t at = 0;

	for (unsigned int i = 0; i < 256; i++) {
		uint16_t len = m->at[i];

		m->at[i] = at;
		at = (uint16_t)(at + len);
	}
}

static bool lengths_ok(const struct dhcp_msg *m)
{
	static const struct {
		uint8_t code, len;
	} fixed[] = {
		{DHCP_OPT_REQUESTED, 4}, {DHCP_OPT_LEASE, 4},
		{DHCP_OPT_TYPE, 1},	 {DHCP_OPT_SERVER_ID, 4},
		{DHCP_OPT_MAX_SIZE, 2},
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (dhcp_msg_has(m, fixed[i].code) &&
		    m->len[fixed[i].code] != fixed[i].len)
			return false;
	return true;
}

static void parse_header(struct cur *c, struct dhcp_hdr *h, struct areas *a)
{
	h->op = cur_u8(c);
	h->htype = cur_u8(c);
	h->hlen = cur_u8(c);
	h->hops = cur_u8(c);
	h->xid = cur_be32(c);
	h->secs = cur_be16(c);
	h->flags = cur_be16(c);
	h->ciaddr = cur_be32(c);
	h->yiaddr = cur_be32(c);
	h->siaddr = cur_be32(c);
	h->giaddr = cur_be32(c);
	cur_copy(c, h->chaddr, DHCP_CHADDR_LEN);
	a->c[2] = cur_sub(c, SNAME_LEN);
	a->c[1] = cur_sub(c, FILE_LEN);
	a->n = 1;
}

/* Add the file and sname fields when option 52 says that they hold options. */
static bool follow_overload(struct dhcp_msg *m, struct areas *a)
{
	uint8_t o;

	if (!for_each_option(m, a->c[0], count_option))
		return false;
	if (!dhcp_msg_has(m, DHCP_OPT_OVERLOAD))
		return true;
	lay_out(m);
	(void)for_each_option(m, a->c[0], join_option);
	o = dhcp_msg_u8(m, DHCP_OPT_OVERLOAD);
	if (o < 1 || o > 3)
		return false;
	if (!(o & 1)) /* sname only (RFC 2132 9.3: 1 file, 2 sname, 3 both) */
		a->c[1] = a->c[2];
	a->n = o == 3 ? 3 : 2;
	memset(m->have, 0, sizeof(m->have));
	memset(m->at, 0, sizeof(m->at));
	memset(m->len, 0, sizeof(m->len));
	for (unsigned int i = 0; i < a->n; i++)
		if (!for_each_option(m, a->c[i], count_option))
			return false;
	return true;
}

int dhcp_msg_parse(const void *p, size_t len, struct dhcp_msg *m)
{
	struct cur c = cur_make(p, len);
	struct areas a;

	memset(m, 0, offsetof(struct dhcp_msg, data));
	if (len < DHCP_HDR_LEN || len > DHCP_MSG_MAX)
		return -EMSGSIZE;
	parse_header(&c, &m->h, &a);
	if (cur_be32(&c) != DHCP_COOKIE)
		return -ENOMSG;
	a.c[0] = c;
	if (!follow_overload(m, &a))
		return -EPROTO;
	lay_out(m);
	for (unsigned int i = 0; i < a.n; i++)
		(void)for_each_option(m, a.c[i], join_option);
	if (!lengths_ok(m))
		return -EPROTO;
	return dhcp_msg_has(m, DHCP_OPT_TYPE) ? 0 : -ENOMSG;
}

/* ---- building ------------------------------------------------------------ */

void dhcp_build_start(struct dhcp_build *b, const struct dhcp_hdr *h, void *buf,
		      size_t cap, size_t reserve)
{
	struct wbuf *w = &b->w;

	*w = wbuf_make(buf, cap);
	b->reserve = reserve;
	b->overload = false;
	wbuf_u8(w, h->op);
	wbuf_u8(w, h->htype);
	wbuf_u8(w, h->hlen);
	wbuf_u8(w, h->hops);
	wbuf_be32(w, h->xid);
	wbuf_be16(w, h->secs);
	wbuf_be16(w, h->flags);
	wbuf_be32(w, h->ciaddr);
	wbuf_be32(w, h->yiaddr);
	wbuf_be32(w, h->siaddr);
	wbuf_be32(w, h->giaddr);
	wbuf_copy(w, h->chaddr, DHCP_CHADDR_LEN);
	wbuf_fill(w, 0, SNAME_LEN + FILE_LEN);
	wbuf_be32(w, DHCP_COOKIE);
}

uint32_t dhcp_msg_relay_ip4(const struct dhcp_msg *m, enum dhcp_relay_sub sub)
{
	size_t len;
	const uint8_t *p = dhcp_msg_opt(m, DHCP_OPT_RELAY, &len);
	struct cur c = cur_make(p, len);

	while (c.left >= 2) {
		uint8_t code = cur_u8(&c), n = cur_u8(&c);
		const uint8_t *v = cur_bytes(&c, n);

		if (!cur_ok(&c))
			break;
		if (code == sub)
			return n == 4 ? get_be32(v) : 0;
	}
	return 0;
}

size_t dhcp_opt_size(size_t len)
{
	size_t pieces = len ? (len + 254) / 255 : 1;

	return len + 2 * pieces;
}

#define SNAME_AT 44 /* RFC 2131 2, figure 1 */
#define FILE_AT	 (SNAME_AT + DHCP_SNAME_LEN)

static bool put_field(struct dhcp_build *b, size_t at, size_t cap,
		      const char *text)
{
	size_t n = strlen(text);

	if (n >= cap || !wbuf_ok(&b->w))
		return false;
	memcpy(b->w.p + at, text, n);
	return true;
}

bool dhcp_build_file(struct dhcp_build *b, const char *file)
{
	return put_field(b, FILE_AT, DHCP_FILE_LEN, file);
}

bool dhcp_build_sname(struct dhcp_build *b, const char *name)
{
	return put_field(b, SNAME_AT, DHCP_SNAME_LEN, name);
}

/* A field as room for options; its last byte is the end option's. */
static struct wbuf field_room(struct dhcp_build *b, size_t at, size_t len)
{
	uint8_t *p = b->w.p + at;

	return wbuf_make(p, wbuf_ok(&b->w) && !*p ? len - 1 : 0);
}

void dhcp_build_overload(struct dhcp_build *b)
{
	b->more[0] = field_room(b, FILE_AT, DHCP_FILE_LEN);
	b->more[1] = field_room(b, SNAME_AT, DHCP_SNAME_LEN);
	b->overload = true;
	b->reserve += 3;
}

static bool put_opt(struct wbuf *w, size_t room, uint8_t code, const void *p,
		    size_t len)
{
	const uint8_t *from = p;

	if (dhcp_opt_size(len) > room)
		return false;
	do {
		uint8_t n = (uint8_t)(len < 255 ? len : 255);

		wbuf_u8(w, code);
		wbuf_u8(w, n);
		wbuf_copy(w, from, n);
		from += n;
		len -= n;
	} while (len);
	return true;
}

bool dhcp_build_opt(struct dhcp_build *b, uint8_t code, const void *p,
		    size_t len)
{
	size_t left = b->w.cap - b->w.len;

	if (!wbuf_ok(&b->w))
		return false;
	if (left > b->reserve &&
	    put_opt(&b->w, left - b->reserve - 1, code, p, len))
		return true;
	for (int i = 0; i < 2 && b->overload; i++)
		if (put_opt(&b->more[i], b->more[i].cap - b->more[i].len, code,
			    p, len))
			return true;
	return false;
}

bool dhcp_build_text(struct dhcp_build *b, uint8_t code, const void *p,
		     size_t len)
{
	size_t at = b->w.len;

	if (!dhcp_build_opt(b, code, p, len))
		return false;
	/* In a field of the header what follows is free already, or an option that
	 * firmware of this kind does not look for there. */
	if (b->w.len > at && b->w.cap - b->w.len > b->reserve + 1)
		wbuf_u8(&b->w, DHCP_OPT_PAD);
	return true;
}

void dhcp_build_unreserve(struct dhcp_build *b)
{
	uint8_t used = 0;

	b->reserve = 0;
	if (!b->overload)
		return;
	b->overload = false;
	for (int i = 0; i < 2; i++) {
		if (!b->more[i].len)
			continue;
		/* The room that field_room() kept. */
		b->more[i].p[b->more[i].len] = DHCP_OPT_END;
		used |= (uint8_t)(1 << i);
	}
	if (used)
		(void)dhcp_build_opt(b, DHCP_OPT_OVERLOAD, &used, 1);
}

size_t dhcp_build_end(struct dhcp_build *b)
{
	size_t to = b->w.cap < DHCP_MIN_LEN ? b->w.cap : DHCP_MIN_LEN;

	wbuf_u8(&b->w, DHCP_OPT_END);
	if (!wbuf_ok(&b->w))
		return 0;
	if (b->w.len < to)
		wbuf_fill(&b->w, DHCP_OPT_PAD, to - b->w.len);
	return b->w.len;
}
