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
#define OPT_LEN	   11
#define RR_DATA_MAX 1400 /* longer than any text of a record */
#define RECORDS_MAX 32 /* of a query: it has a handful */

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

/* One record of a query: an OPT is taken apart (RFC 6891 6.1.3). */
static void query_record(struct dns_msg *m, struct cur *c)
{
	bool root = c->left && !*c->p;
	uint32_t flags;
	uint16_t size;

	skip_name(c);
	if (cur_be16(c) != DNS_OPT) {
		cur_skip(c, 6);
		cur_skip(c, cur_be16(c));
		return;
	}
	size = cur_be16(c);
	flags = cur_be32(c);
	cur_skip(c, cur_be16(c));
	if (!cur_ok(c) || m->edns || !root) {
		c->bad = true;
		return;
	}
	m->edns = true;
	m->edns_size = size;
	m->edns_version = (uint8_t)(flags >> 16);
	m->dnssec_ok = flags & 0x8000;
}

static void query_records(struct dns_msg *m, struct cur *c, uint32_t records)
{
	for (uint32_t i = 0; i < records && i < RECORDS_MAX && cur_ok(c); i++)
		query_record(m, c);
	m->malformed = !cur_ok(c) || records > RECORDS_MAX;
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
	m->truncated = m->flags & FL_TC;
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
		query_records(m, &c, others);
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

/* ---- answers -------------------------------------------------------------- */

/* The labels of @name, without the root behind them. */
static void put_labels(struct wbuf *w, const char *name)
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
}

static void put_name(struct wbuf *w, const char *name)
{
	put_labels(w, name);
	wbuf_u8(w, 0);
}

/* A record's header and @len bytes of data, to be filled in, behind its name; NULL,
 * with @w as before the name, when it does not fit. */
static uint8_t *put_body(struct wbuf *w, size_t before, enum dns_type type,
			 uint32_t ttl_s, size_t len)
{
	uint8_t *p = NULL;

	if (wbuf_ok(w) && w->cap - w->len >= RECORD_HDR - 2 + len)
		p = wbuf_take(w, RECORD_HDR - 2 + len);
	if (!p) {
		w->len = before;
		w->bad = false;
		return NULL;
	}
	put_be16(p, (uint16_t)type);
	put_be16(p + 2, DNS_IN);
	put_be32(p + 4, ttl_s);
	put_be16(p + 8, (uint16_t)len);
	return p + RECORD_HDR - 2;
}

/* One record of the name at @at in the message (RFC 1035 4.1.4), with @len bytes
 * of data to be filled in; NULL, with @w as before, when it does not fit. */
static uint8_t *put_record(struct wbuf *w, size_t at, enum dns_type type,
			   uint32_t ttl_s, size_t len)
{
	size_t before = w->len;

	if (w->cap - w->len < 2)
		return NULL;
	wbuf_be16(w, (uint16_t)(0xc000 | at));
	return put_body(w, before, type, ttl_s, len);
}

/* The same for a name as text; NULL = the question's. */
static uint8_t *put_named(struct wbuf *w, const char *owner, enum dns_type type,
			  uint32_t ttl_s, size_t len)
{
	size_t before = w->len;

	if (!owner)
		return put_record(w, DNS_HDR, type, ttl_s, len);
	if (w->cap - w->len < DNS_NAME_MAX)
		return NULL;
	put_name(w, owner);
	return put_body(w, before, type, ttl_s, len);
}

static bool put_addr(struct wbuf *w, const char *owner, const struct ipaddr *ip,
		     uint32_t ttl_s)
{
	bool v4 = ipaddr_is4(ip);
	uint8_t *p = put_named(w, owner, v4 ? DNS_A : DNS_AAAA, ttl_s,
			       v4 ? 4 : 16);

	if (p)
		memcpy(p, v4 ? ip->b + 12 : ip->b, v4 ? 4 : 16);
	return p;
}

/* RFC 1035 3.3.14: strings of up to 255 bytes. */
static void put_text(struct wbuf *w, const char *text)
{
	size_t left = strlen(text);

	do {
		size_t n = min_sz(left, 255);

		wbuf_u8(w, (uint8_t)n);
		wbuf_copy(w, text, n);
		text += n;
		left -= n;
	} while (left);
}

static bool put_rr(struct wbuf *w, const struct dns_rr *rr, uint32_t ttl_s)
{
	uint8_t data[RR_DATA_MAX], *p;
	struct wbuf dw = wbuf_make(data, sizeof(data));
	/* RFC 1035 3.3.9, RFC 2782 */
	int nums = rr->type == DNS_MX ? 1 : rr->type == DNS_SRV ? 3 : 0;

	for (int i = 0; i < nums; i++)
		wbuf_be16(&dw, rr->num[i]);
	if (rr->type == DNS_TXT) {
		put_text(&dw, rr->text);
	} else {
		put_labels(&dw, rr->text);
		put_name(&dw, rr->suffix ? rr->suffix : "");
	}
	if (!wbuf_ok(&dw))
		return false;
	p = put_named(w, rr->owner, rr->type, ttl_s, dw.len);
	if (p)
		memcpy(p, data, dw.len);
	return p;
}

static bool put_ptr(struct wbuf *w, const struct dns_answer *a)
{
	uint8_t name[DNS_NAME_MAX], *p;
	struct wbuf nw = wbuf_make(name, sizeof(name));

	put_name(&nw, a->ptr);
	if (!wbuf_ok(&nw))
		return false;
	p = put_record(w, DNS_HDR, DNS_PTR, a->ttl_s, nw.len);
	if (p)
		memcpy(p, name, nw.len);
	return p;
}

/* As RFC 6303 3 has it for zones that nobody maintains. */
static bool put_soa(struct wbuf *w, const struct dns_answer *a)
{
	static const uint8_t rest[] = {
		6, 'n', 'o', 'b', 'o', 'd', 'y',
		7, 'i', 'n', 'v', 'a', 'l', 'i', 'd', 0,
		0, 0, 0, 1,	    /* serial */
		0, 0, 0x0e, 0x10,   /* refresh: 3600 */
		0, 0, 0x04, 0xb0,   /* retry: 1200 */
		0, 0x09, 0x3a, 0x80, /* expire: 604800 */
		0, 0, 0, DNS_NEGATIVE_TTL_S,
	};
	size_t at = DNS_HDR + a->zone;
	uint8_t *p = put_record(w, at, DNS_SOA, DNS_NEGATIVE_TTL_S,
				2 + sizeof(rest));

	if (!p)
		return false;
	put_be16(p, (uint16_t)(0xc000 | at));
	memcpy(p + 2, rest, sizeof(rest));
	return true;
}

static bool put_ns(struct wbuf *w, const struct dns_answer *a)
{
	size_t at = DNS_HDR + a->zone;
	uint8_t *p = put_record(w, at, DNS_NS, a->ttl_s, 2);

	if (p)
		put_be16(p, (uint16_t)(0xc000 | at));
	return p;
}

/* All records that fit; returns how many, TC in *@cut when not all did. */
static uint16_t put_answers(struct wbuf *w, const struct dns_answer *a,
			    bool *cut)
{
	uint16_t n = 0;

	for (size_t i = 0; i < a->nrr && !*cut; i++) {
		*cut = !put_rr(w, &a->rr[i], a->ttl_s);
		n = (uint16_t)(n + !*cut);
	}
	for (size_t i = 0; i < a->naddr && !*cut; i++) {
		*cut = !put_addr(w, a->addr_owner, &a->addr[i], a->ttl_s);
		n = (uint16_t)(n + !*cut);
	}
	if (a->ptr && !*cut) {
		*cut = !put_ptr(w, a);
		n = (uint16_t)(n + !*cut);
	}
	if (a->soa && !*cut) {
		*cut = !put_soa(w, a);
		n = (uint16_t)(n + !*cut);
	}
	if (a->ns && !*cut) {
		*cut = !put_ns(w, a);
		n = (uint16_t)(n + !*cut);
	}
	return n;
}

/* RFC 6891 6.1.1: who asks with OPT is answered with OPT. */
static void put_opt(struct wbuf *w, const struct dns_msg *q,
		    const struct dns_answer *a)
{
	wbuf_u8(w, 0);
	wbuf_be16(w, DNS_OPT);
	wbuf_be16(w, DNS_EDNS_MAX);
	wbuf_u8(w, (uint8_t)(a->rcode >> 4));
	wbuf_u8(w, 0); /* the version we speak */
	wbuf_be16(w, q->dnssec_ok ? 0x8000 : 0); /* RFC 3225 3 */
	wbuf_be16(w, 0);
}

static size_t answer_max(const struct dns_msg *q, const struct dns_answer *a,
			 size_t cap)
{
	size_t max = DNS_PLAIN_MAX;

	if (a->stream)
		return cap;
	if (q->edns && q->edns_size > DNS_PLAIN_MAX)
		max = min_sz(q->edns_size, DNS_EDNS_MAX);
	return min_sz(cap, max);
}

static uint16_t answer_flags(const struct dns_msg *q,
			     const struct dns_answer *a, bool cut)
{
	return (uint16_t)(FL_QR | (q->flags & 0x7800) |
			  (q->flags & (FL_RD | FL_CD)) | (a->rcode & 15) |
			  (a->authoritative ? FL_AA : 0) |
			  (a->recursion ? FL_RA : 0) | (cut ? FL_TC : 0));
}

size_t dns_answer(uint8_t *out, size_t cap, const uint8_t *query,
		  const struct dns_msg *q, const struct dns_answer *a)
{
	size_t opt = q->edns ? OPT_LEN : 0, max = answer_max(q, a, cap);
	uint16_t n = 0, authority = 0;
	bool cut = false;
	struct wbuf w;

	if (max < DNS_HDR + opt)
		return 0;
	w = wbuf_make(out, max - opt);
	wbuf_fill(&w, 0, DNS_HDR);
	if (q->has_question) {
		wbuf_copy(&w, query + DNS_HDR, q->end - DNS_HDR);
		if (wbuf_ok(&w))
			n = put_answers(&w, a, &cut);
		if (wbuf_ok(&w) && (!n || a->denied) && !cut && a->has_zone)
			authority = put_soa(&w, a);
	}
	if (!wbuf_ok(&w))
		return 0;
	put_be16(out, q->id);
	put_be16(out + 2, answer_flags(q, a, cut));
	put_be16(out + 4, q->has_question ? 1 : 0);
	put_be16(out + 6, n);
	put_be16(out + 8, authority);
	put_be16(out + 10, opt ? 1 : 0);
	w.cap += opt;
	if (opt)
		put_opt(&w, q, a);
	return w.len;
}

/* ---- reverse names -------------------------------------------------------- */

/* One label as part of an address: an octet in decimal, or a hexadecimal digit. */
static bool address_label(const char *p, size_t len, bool v4, uint8_t *out)
{
	unsigned int v = 0;

	if (!v4) {
		const char *hex = "0123456789abcdef", *at;

		at = len == 1 && *p ? strchr(hex, *p) : NULL;
		*out = at ? (uint8_t)(at - hex) : 0;
		return at;
	}
	if (!len || len > 3 || (len > 1 && *p == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (unsigned int)(p[i] - '0');
	}
	*out = (uint8_t)v;
	return v <= 255;
}

bool dns_in_zone(const char *name, const char *zone, size_t *at)
{
	size_t n = strlen(name), z = strlen(zone);

	if (n < z || strcmp(name + n - z, zone) ||
	    (n > z && name[n - z - 1] != '.'))
		return false;
	*at = n - z;
	return true;
}

bool dns_reverse(const char *name, struct dns_reverse *r)
{
	size_t end = 0;
	bool v4 = dns_in_zone(name, "in-addr.arpa", &end);

	if (!v4 && !dns_in_zone(name, "ip6.arpa", &end))
		return false;
	*r = (struct dns_reverse){.plen = v4 ? 96 : 0};
	if (v4)
		r->ip = ipaddr_from4(0);
	while (end && r->plen < 128) {
		size_t last = --end, at = r->plen / 8;
		uint8_t v;

		while (end && name[end - 1] != '.')
			end--;
		r->beneath = !address_label(name + end, last - end, v4, &v);
		if (r->beneath)
			return true;
		if (v4 || !(r->plen % 8))
			r->ip.b[at] = (uint8_t)(v4 ? v : v << 4);
		else
			r->ip.b[at] |= v;
		r->plen = (uint8_t)(r->plen + (v4 ? 8 : 4));
	}
	r->beneath = end;
	return true;
}

size_t dns_suffix(const char *name, unsigned int labels)
{
	size_t at = strlen(name);

	while (labels--) {
		while (at && name[at - 1] != '.')
			at--;
		if (labels && at)
			at--;
	}
	return at;
}
