// SPDX-License-Identifier: GPL-2.0-or-later
/* Router advertisements: when, and of what. See ra.h. */
#include "dhcp/ra.h"

#include <string.h>

#include "lib/bytes.h"

/* Options of neighbour discovery: RFC 4861 4.6, RFC 8106 5. Lengths are in units of
 * eight bytes. */
enum opt {
	OPT_SOURCE_LLA = 1,
	OPT_PREFIX = 3,
	OPT_MTU = 5,
	OPT_RDNSS = 25,
	OPT_DNSSL = 31,
};

#define HOP_LIMIT	64 /* what guests are to start with */
#define FLAG_PRF_LOW	0x18 /* RFC 4191 2.2: a LAN's own router goes before */
#define FLAG_MANAGED	0x80 /* RFC 4861 4.2 */
#define FLAG_OTHER	0x40
#define PREFIX_ONLINK	0x80
#define PREFIX_AUTO	0x40

static const struct ipaddr all_nodes = {{0xff, 2, [15] = 1}};

/* ---- time ---------------------------------------------------------------- */

/* splitmix64: only spreads, hides nothing. */
static int64_t random_ms(struct ra *ra, int64_t min, int64_t max)
{
	uint64_t z = ra->rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return min + (int64_t)(z % (uint64_t)(max - min + 1));
}

/* The time of the next one to all, after one went (RFC 4861 6.2.4). */
static void plan(struct ra *ra, int64_t now_ms)
{
	int64_t in = random_ms(ra, RA_INTERVAL_MIN_MS, RA_INTERVAL_MAX_MS);

	if (ra->initial) {
		ra->initial--;
		if (in > RA_INITIAL_MAX_MS)
			in = RA_INITIAL_MAX_MS;
	}
	ra->last_ms = now_ms;
	ra->multicast_ms = now_ms + in;
}

/* The next of the last words, after one went. */
static void plan_final(struct ra *ra, int64_t now_ms)
{
	ra->last_ms = now_ms;
	ra->multicast_ms = --ra->finals ? now_ms + RA_MIN_DELAY_MS : RA_NEVER;
}

/* Bring the next one to all forward; never nearer to the last than allowed. */
static void hurry(struct ra *ra, int64_t due_ms)
{
	if (due_ms < ra->last_ms + RA_MIN_DELAY_MS)
		due_ms = ra->last_ms + RA_MIN_DELAY_MS;
	if (due_ms < ra->multicast_ms)
		ra->multicast_ms = due_ms;
}

void ra_init(struct ra *ra, const struct ra_config *cfg, uint64_t seed,
	     int64_t now_ms)
{
	*ra = (struct ra){
		.cfg = *cfg,
		.rng = seed,
		.initial = RA_INITIAL_COUNT - 1,
		.multicast_ms = now_ms,
		.last_ms = now_ms - RA_MIN_DELAY_MS,
	};
	if (cfg->mode == RA_OFF)
		ra->multicast_ms = RA_NEVER;
}

static bool makes_own(enum ra_mode m)
{
	return m == RA_SLAAC || m == RA_STATELESS;
}

void ra_configure(struct ra *ra, const struct ra_config *cfg, int64_t now_ms)
{
	enum ra_mode was = ra->cfg.mode;

	if (makes_own(was) && cfg->mode == RA_STATEFUL)
		ra->deprecate_ms = now_ms + RA_PREFIX_VALID_S * 1000LL;
	else if (makes_own(cfg->mode))
		ra->deprecate_ms = 0;
	if (cfg->mode == RA_OFF) {
		ra->naskers = 0;
		if (was != RA_OFF) {
			ra->cfg.mode = RA_OFF;
			/* What it was is what is taken back. */
			ra->deprecate_ms = makes_own(was) ? RA_NEVER
							  : ra->deprecate_ms;
			ra->finals = RA_FINAL_COUNT;
			hurry(ra, now_ms);
		}
		return;
	}
	ra->cfg = *cfg;
	ra->finals = 0;
	ra->initial = RA_INITIAL_COUNT - 1;
	hurry(ra, now_ms);
}

int64_t ra_deadline(const struct ra *ra)
{
	int64_t at = ra->multicast_ms;

	for (unsigned int i = 0; i < ra->naskers; i++)
		if (ra->asker[i].due_ms < at)
			at = ra->asker[i].due_ms;
	return at;
}

/* ---- solicitations ------------------------------------------------------- */

/* RFC 4861 6.1.1; options that we do not know are passed over. */
static bool valid(const struct ra_input *in)
{
	struct cur c = cur_make(in->data, in->len);
	uint8_t type = cur_u8(&c), code = cur_u8(&c);

	cur_skip(&c, 6); /* checksum: verified before; reserved */
	if (!cur_ok(&c) || type != RA_TYPE_SOLICIT || code ||
	    in->hop_limit != 255 || ipaddr_is_multicast(&in->src))
		return false;
	for (int i = 0; c.left; i++) {
		uint8_t opt = cur_u8(&c), units = cur_u8(&c);

		if (i == RA_OPTS_MAX || !units)
			return false;
		if (opt == OPT_SOURCE_LLA && ipaddr_is_zero(&in->src))
			return false;
		cur_skip(&c, 8u * units - 2);
		if (!cur_ok(&c))
			return false;
	}
	return true;
}

bool ra_input(struct ra *ra, const struct ra_input *in, int64_t now_ms)
{
	int64_t due = now_ms + random_ms(ra, 0, RA_ANSWER_MAX_MS);

	if (!valid(in))
		return false;
	if (ra->cfg.mode == RA_OFF)
		return true; /* and no answer */
	for (unsigned int i = 0; i < ra->naskers; i++)
		if (ipaddr_eq(&ra->asker[i].ip, &in->src))
			return true;
	/* An answer to all that comes soon enough is an answer to this one, too. */
	if (ra->multicast_ms <= due)
		return true;
	if (ipaddr_is_zero(&in->src) || ra->naskers == RA_ASKERS_MAX)
		hurry(ra, due);
	else
		ra->asker[ra->naskers++] =
			(struct ra_asker){in->src, in->src_mac, due};
	return true;
}

/* ---- advertisements ------------------------------------------------------ */

static void put_prefix(struct wbuf *w, const struct ra_config *c, uint8_t flags,
		       uint32_t valid_s, uint32_t preferred_s)
{
	wbuf_u8(w, OPT_PREFIX);
	wbuf_u8(w, 4);
	wbuf_u8(w, c->prefix.plen);
	wbuf_u8(w, flags);
	wbuf_be32(w, valid_s);
	wbuf_be32(w, preferred_s);
	wbuf_be32(w, 0);
	wbuf_copy(w, c->prefix.addr.b, 16);
}

static void put_dns(struct wbuf *w, const struct ra_config *c, uint32_t life_s)
{
	if (!c->ndns)
		return;
	wbuf_u8(w, OPT_RDNSS);
	wbuf_u8(w, (uint8_t)(1 + 2 * c->ndns));
	wbuf_be16(w, 0);
	wbuf_be32(w, life_s);
	for (size_t i = 0; i < c->ndns; i++)
		wbuf_copy(w, c->dns[i].b, 16);
}

/* A name in DNS's form (RFC 1035 3.1), padded with zeroes (RFC 8106 5.2). The domain
 * was judged before it came here; a label that is none is left out. */
static void put_domain(struct wbuf *w, const struct ra_config *c,
		       uint32_t life_s)
{
	size_t start = w->len;
	uint8_t *head;

	if (!c->domain[0])
		return;
	head = wbuf_take(w, 4);
	wbuf_be32(w, life_s);
	for (const char *p = c->domain; *p;) {
		size_t n = strcspn(p, ".");

		if (n && n < 64) {
			wbuf_u8(w, (uint8_t)n);
			wbuf_copy(w, p, n);
		}
		p += n;
		p += *p == '.';
	}
	wbuf_u8(w, 0);
	wbuf_fill(w, 0, (8 - (w->len - start) % 8) % 8);
	if (!head || !wbuf_ok(w))
		return;
	memset(head, 0, 4);
	head[0] = OPT_DNSSL;
	head[1] = (uint8_t)((w->len - start) / 8);
}

/* On the link it stays; addresses made of it may be over. A lifetime of zero makes no
 * new ones and leaves the old two hours at most (RFC 4862 5.5.3 (d), (e)). At the end of
 * the network addresses are still good for who has only them: a stop may be short. The
 * prefix of a start after it takes precedence at once. */
static void put_prefixes(struct wbuf *w, const struct ra *ra, bool last,
			 int64_t now_ms)
{
	bool own = makes_own(ra->cfg.mode);

	if (ra->cfg.mode != RA_OFF)
		put_prefix(w, &ra->cfg,
			   own ? PREFIX_ONLINK | PREFIX_AUTO : PREFIX_ONLINK,
			   RA_PREFIX_VALID_S, last ? 0 : RA_PREFIX_PREFERRED_S);
	if (!own && now_ms < ra->deprecate_ms)
		put_prefix(w, &ra->cfg, PREFIX_AUTO, 0, 0);
}

static uint8_t flags_of(const struct ra_config *c, bool router)
{
	uint8_t flags = c->mode == RA_STATEFUL	  ? FLAG_MANAGED | FLAG_OTHER
			: c->mode == RA_STATELESS ? FLAG_OTHER
						  : 0;

	/* Without a lifetime the preference must be medium (RFC 4191 2.2). */
	return router ? flags | FLAG_PRF_LOW : flags;
}

static void build(const struct ra *ra, bool last, int64_t now_ms,
		  struct ra_msg *out)
{
	const struct ra_config *c = &ra->cfg;
	struct wbuf w = wbuf_make(out->data, sizeof(out->data));
	bool end = last || c->mode == RA_OFF, router = c->router && !end;

	wbuf_u8(&w, RA_TYPE_ADVERTISE);
	wbuf_u8(&w, 0);
	wbuf_be16(&w, 0);
	wbuf_u8(&w, HOP_LIMIT);
	wbuf_u8(&w, flags_of(c, router));
	wbuf_be16(&w, router ? RA_ROUTER_LIFETIME_S : 0);
	wbuf_be32(&w, 0); /* reachable time, */
	wbuf_be32(&w, 0); /* retransmission: the guest's own */
	wbuf_u8(&w, OPT_SOURCE_LLA);
	wbuf_u8(&w, 1);
	wbuf_copy(&w, c->mac.b, 6);
	if (c->mtu) {
		wbuf_u8(&w, OPT_MTU);
		wbuf_u8(&w, 1);
		wbuf_be16(&w, 0);
		wbuf_be32(&w, c->mtu);
	}
	put_prefixes(&w, ra, end, now_ms);
	put_dns(&w, c, end ? 0 : RA_DNS_LIFETIME_S);
	put_domain(&w, c, end ? 0 : RA_DNS_LIFETIME_S);
	out->len = w.len;
}

bool ra_next(struct ra *ra, int64_t now_ms, struct ra_msg *out)
{
	if (now_ms >= ra->multicast_ms) {
		*out = (struct ra_msg){.dst = all_nodes};
		build(ra, false, now_ms, out);
		if (ra->cfg.mode == RA_OFF)
			plan_final(ra, now_ms);
		else
			plan(ra, now_ms);
		return true;
	}
	for (unsigned int i = 0; i < ra->naskers; i++) {
		if (now_ms < ra->asker[i].due_ms)
			continue;
		*out = (struct ra_msg){.dst = ra->asker[i].ip,
				       .mac = ra->asker[i].mac};
		ra->asker[i] = ra->asker[--ra->naskers];
		build(ra, false, now_ms, out);
		return true;
	}
	return false;
}

void ra_final(const struct ra *ra, struct ra_msg *out)
{
	*out = (struct ra_msg){.dst = all_nodes};
	build(ra, true, INT64_MAX, out); /* what is deprecated stays so */
}
