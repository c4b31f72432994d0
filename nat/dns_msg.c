// SPDX-License-Identifier: GPL-2.0-or-later
/* DNS messages. See dns_msg.h; what is answered is decided in dns.c. */
#include "nat/dns_msg.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "lib/inet.h"

enum { FL_QR = 0x8000, FL_AA = 0x0400, FL_TC = 0x0200, FL_RD = 0x0100,
       FL_RA = 0x0080, FL_CD = 0x0010 };

#define LABEL_MAX 63
#define RECORD_HDR 12 /* with the name compressed to two bytes */
#define EDNS_SIZE 1232 /* what we say we take (DNS flag day 2020) */

static char name_char(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + 32);
	return c == '.' || !c ? '\1' : (char)c;
}

/* The uncompressed name at the reader, as text. */
static bool parse_name(struct cur *c, char text[DNS_NAME_MAX + 1])
{
	size_t at = 0, wire = 0;

	for (;;) {
		uint8_t len = cur_u8(c);
		const uint8_t *p;

		wire += 1u + len;
		if (!cur_ok(c) || len > LABEL_MAX || wire > DNS_NAME_MAX)
			return false;
		if (!len)
			break;
		p = cur_bytes(c, len);
		if (!p)
			return false;
		if (at)
			text[at++] = '.';
		for (int i = 0; i < len; i++)
			text[at++] = name_char(p[i]);
	}
	text[at] = '\0';
	return true;
}

/* Step over a name in a record, compressed or not. */
static void skip_name(struct cur *c)
{
	for (int labels = 0; labels < 128 && cur_ok(c); labels++) {
		uint8_t len = cur_u8(c);

		if (len >= 0xc0) {
			cur_skip(c, 1);
			return;
		}
		if (!len)
			return;
		if (len > LABEL_MAX)
			break;
		cur_skip(c, len);
	}
	c->bad = true;
}

static bool find_opt(struct cur *c, uint32_t records)
{
	/* A query has a handful of records; more are not worth the time. */
	for (uint32_t i = 0; i < records && i < 32 && cur_ok(c); i++) {
		uint16_t type;

		skip_name(c);
		type = cur_be16(c);
		cur_skip(c, 6);
		cur_skip(c, cur_be16(c));
		if (type == DNS_OPT && cur_ok(c))
			return true;
	}
	return false;
}

int dns_parse(struct dns_msg *m, const uint8_t *p, size_t len)
{
	struct cur c = cur_make(p, len);
	uint32_t others;

	memset(m, 0, sizeof(*m));
	m->id = cur_be16(&c);
	m->flags = cur_be16(&c);
	m->qdcount = cur_be16(&c);
	others = (uint32_t)cur_be16(&c) + cur_be16(&c);
	others += cur_be16(&c);
	if (!cur_ok(&c))
		return -EBADMSG;
	m->response = m->flags & FL_QR;
	m->opcode = m->flags >> 11 & 15;
	m->rcode = m->flags & 15;
	m->end = DNS_HDR;
	if (!m->qdcount || !parse_name(&c, m->name))
		return 0;
	m->type = cur_be16(&c);
	m->class = cur_be16(&c);
	if (!cur_ok(&c))
		return 0;
	m->has_question = true;
	m->end = len - c.left;
	if (!m->response && m->qdcount == 1)
		m->edns = find_opt(&c, others);
	return 0;
}

bool dns_reply_matches(const uint8_t *query, size_t qlen, const uint8_t *reply,
		       size_t rlen)
{
	struct dns_msg q, r;

	if (dns_parse(&q, query, qlen) || dns_parse(&r, reply, rlen))
		return false;
	if (!r.response || r.id != q.id || r.opcode != q.opcode)
		return false;
	if (!r.qdcount)
		return r.rcode != DNS_NOERROR;
	return r.qdcount == 1 && r.has_question && q.has_question &&
	       r.type == q.type && r.class == q.class && r.end == q.end &&
	       !strcmp(r.name, q.name);
}

static void put_name(struct wbuf *w, const char *name)
{
	while (*name) {
		size_t len = strcspn(name, ".");

		if (!len || len > LABEL_MAX) {
			w->bad = true;
			return;
		}
		wbuf_u8(w, (uint8_t)len);
		wbuf_copy(w, name, len);
		name += len + (name[len] == '.');
	}
	wbuf_u8(w, 0);
}

/* One record of the question's name, which stands at offset 12 (RFC 1035 4.1.4),
 * with @len bytes of data to be filled in; NULL when it does not fit. */
static uint8_t *put_record(struct wbuf *w, enum dns_type type, uint32_t ttl_s,
			   size_t len)
{
	uint8_t *p = wbuf_take(w, RECORD_HDR + len);

	if (!p)
		return NULL;
	put_be16(p, 0xc000 | DNS_HDR);
	put_be16(p + 2, (uint16_t)type);
	put_be16(p + 4, 1); /* IN */
	put_be32(p + 6, ttl_s);
	put_be16(p + 10, (uint16_t)len);
	return p + RECORD_HDR;
}

/* All records that fit; returns how many, TC in *@cut when not all did. */
static uint16_t put_answers(struct wbuf *w, const struct dns_answer *a,
			    bool *cut)
{
	uint8_t name[DNS_NAME_MAX], *p;
	struct wbuf nw = wbuf_make(name, sizeof(name));
	uint16_t n = 0;

	for (size_t i = 0; i < a->na; i++, n++) {
		if (w->cap - w->len < RECORD_HDR + 4) {
			*cut = true;
			return n;
		}
		p = put_record(w, DNS_A, a->ttl_s, 4);
		if (p)
			put_be32(p, a->a[i]);
	}
	if (!a->ptr)
		return n;
	put_name(&nw, a->ptr);
	if (!wbuf_ok(&nw) || w->cap - w->len < RECORD_HDR + nw.len) {
		*cut = true;
		return n;
	}
	p = put_record(w, DNS_PTR, a->ttl_s, nw.len);
	if (p)
		memcpy(p, name, nw.len);
	return (uint16_t)(n + 1);
}

size_t dns_answer(uint8_t *out, size_t cap, const uint8_t *query,
		  const struct dns_msg *q, const struct dns_answer *a)
{
	size_t opt = q->edns ? 11 : 0;
	size_t max = min_sz(cap, q->edns ? EDNS_SIZE : DNS_PLAIN_MAX);
	uint16_t flags = (uint16_t)(FL_QR | (q->flags & 0x7800) |
				    (q->flags & (FL_RD | FL_CD)) | a->rcode);
	bool cut = false;
	uint16_t n = 0;
	struct wbuf w;

	if (max < DNS_HDR + opt)
		return 0;
	w = wbuf_make(out, max - opt);
	wbuf_fill(&w, 0, DNS_HDR);
	if (q->has_question) {
		wbuf_copy(&w, query + DNS_HDR, q->end - DNS_HDR);
		if (wbuf_ok(&w))
			n = put_answers(&w, a, &cut);
	}
	if (!wbuf_ok(&w))
		return 0;
	if (a->authoritative)
		flags |= FL_AA;
	if (a->recursion)
		flags |= FL_RA;
	if (cut)
		flags |= FL_TC;
	put_be16(out, q->id);
	put_be16(out + 2, flags);
	put_be16(out + 4, q->has_question ? 1 : 0);
	put_be16(out + 6, n);
	if (!opt)
		return w.len;
	/* RFC 6891 6.1.1: who asks with OPT is answered with OPT. */
	w.cap += opt;
	wbuf_u8(&w, 0);
	wbuf_be16(&w, DNS_OPT);
	wbuf_be16(&w, EDNS_SIZE);
	wbuf_be32(&w, 0);
	wbuf_be16(&w, 0);
	put_be16(out + 10, 1);
	return w.len;
}

bool dns_ptr_name(const char *name, uint32_t *ip)
{
	static const char tail[] = "in-addr.arpa";
	uint32_t r = 0;

	for (int i = 0; i < 4; i++) {
		uint32_t v = 0;
		int digits = 0;

		for (; *name >= '0' && *name <= '9' && digits < 3; digits++)
			v = v * 10 + (uint32_t)(*name++ - '0');
		if (!digits || v > 255 || *name++ != '.')
			return false;
		r |= v << (8 * i);
	}
	if (strcmp(name, tail))
		return false;
	*ip = r;
	return true;
}
