// SPDX-License-Identifier: GPL-2.0-or-later
/* Reassembly of fragments. See reasm.h. */
#include "nat/reasm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nat/iov.h"

#define GRAM_MAX 65536
#define UNITS	 (GRAM_MAX / 8)

/* What fragments of one datagram share; a table key without padding. */
struct gram_key {
	uint64_t nic_id;
	struct ipaddr src, dst;
	uint32_t id;
	uint32_t proto; /* IPv4 only: in IPv6 the first fragment's counts */
};

struct reasm_gram {
	struct flow fl; /* first */
	struct hnode node;
	struct reasm *r;
	struct gram_key key;
	struct ip_hdr first; /* header of the fragment at 0 */
	bool have_first;
	uint32_t total;	  /* bytes in all; 0 = last fragment not seen */
	uint32_t end;	  /* highest byte seen */
	uint32_t have;	  /* bytes here */
	uint8_t map[UNITS / 8]; /* 8-byte units here */
	uint8_t data[GRAM_MAX];
};

int reasm_init(struct reasm *r, const uint64_t seed[2], struct flow_tab *flows,
	       struct wheel *wheel, struct ipout *out)
{
	*r = (struct reasm){.flows = flows, .wheel = wheel, .out = out};
	return htab_init(&r->grams, 16, seed);
}

static void gram_unlink(struct reasm_gram *g)
{
	if (!g->fl.nic)
		return;
	flow_del(g->r->flows, &g->fl);
	wtimer_cancel(g->r->wheel, &g->fl.timer);
	htab_del(&g->r->grams, &g->node);
}

static void gram_free(struct reasm_gram *g)
{
	if (!g)
		return;
	gram_unlink(g);
	free(g);
}

static void gram_end(struct flow *f)
{
	struct reasm_gram *g = container_of(f, struct reasm_gram, fl);

	g->r->failed++;
	gram_free(g);
}

static bool fini_one(struct hnode *n, void *arg)
{
	(void)arg;
	gram_free(container_of(n, struct reasm_gram, node));
	return true;
}

void reasm_fini(struct reasm *r)
{
	if (!r->grams.bucket)
		return;
	htab_walk(&r->grams, fini_one, NULL);
	htab_fini(&r->grams);
	free(r->done);
	r->done = NULL;
}

static void gram_on_timer(struct wtimer *t, int64_t now_ms)
{
	struct flow *f = container_of(t, struct flow, timer);
	struct reasm_gram *g = container_of(f, struct reasm_gram, fl);

	/* RFC 1122 3.3.2: only with the first fragment at hand. */
	if (g->have_first && g->r->out) {
		struct icmp_err e = {
			.nic_id = g->key.nic_id, .orig = g->first,
			.l4 = g->data, .l4_len = min_sz(g->first.len, 64),
		};

		ipout_err_why(&e, WHY_REASM);
		ipout_icmp_err(g->r->out, &e, now_ms);
	}
	gram_end(f);
}

static struct reasm_gram *gram_find(const struct reasm *r,
				    const struct gram_key *key, uint32_t hash)
{
	struct hnode *n = htab_find(&r->grams, hash);

	for (; n; n = htab_find_next(n)) {
		struct reasm_gram *g =
			container_of(n, struct reasm_gram, node);

		if (!memcmp(&g->key, key, sizeof(*key)))
			return g;
	}
	return NULL;
}

static int gram_get(struct reasm *r, const struct pkt *k, int64_t now_ms,
		    struct reasm_gram **out)
{
	struct gram_key key = {
		.nic_id = k->nic_id, .src = k->ip.src, .dst = k->ip.dst,
		.id = k->ip.id, .proto = ip_hdr_is4(&k->ip) ? k->ip.proto : 0,
	};
	uint32_t hash = hash_bytes(r->grams.seed, &key, sizeof(key));
	struct reasm_gram *g = gram_find(r, &key, hash);
	int err;

	if (!g) {
		/* Large, but pages that no fragment fills are never touched. */
		g = calloc(1, sizeof(*g));
		if (!g)
			return -ENOMEM;
		g->r = r;
		g->key = key;
		g->fl.end = gram_end;
		err = flow_add(r->flows, &g->fl, FLOW_REASM, k->nic_id, now_ms);
		if (err) {
			free(g);
			return err;
		}
		htab_add(&r->grams, &g->node, hash);
		wtimer_arm(r->wheel, &g->fl.timer,
			   now_ms + (ip_hdr_is4(&k->ip) ? REASM_TIMEOUT_MS
					       : REASM_TIMEOUT6_MS),
			   gram_on_timer);
	}
	*out = g;
	return 0;
}

/* How many of the units [u, end) are here already. */
static uint32_t units_here(const struct reasm_gram *g, uint32_t u, uint32_t end)
{
	uint32_t n = 0;

	for (; u < end; u++)
		n += g->map[u / 8] >> (u % 8) & 1;
	return n;
}

static bool same_bytes(const struct reasm_gram *g, const struct pkt *k)
{
	size_t at = k->ip.frag;

	for (int i = 0; i < k->nl4; i++) {
		if (memcmp(g->data + at, k->l4[i].iov_base, k->l4[i].iov_len))
			return false;
		at += k->l4[i].iov_len;
	}
	return true;
}

/* Put the fragment's bytes in: 1 new, 0 a repetition, -EBADMSG. */
static int gram_fill(struct reasm_gram *g, const struct pkt *k)
{
	uint32_t at = k->ip.frag, len = (uint32_t)k->l4_len, end = at + len;
	uint32_t u = at / 8, uend = (end + 7) / 8, here;
	bool v4 = ip_hdr_is4(&k->ip);

	/* RFC 8200 counts without the fixed header, RFC 791 with it. */
	if (!len || (k->ip.mf && len % 8) || end > 65535u - (v4 ? IP4_HDR : 0))
		return -EBADMSG;
	if (g->total ? end > g->total || (!k->ip.mf && end != g->total)
		     : !k->ip.mf && g->end > end)
		return -EBADMSG;
	here = units_here(g, u, uend);
	if (here)
		return here == uend - u && same_bytes(g, k) ? 0 : -EBADMSG;
	for (; u < uend; u++)
		g->map[u / 8] |= (uint8_t)(1u << (u % 8));
	iov_copy(k->l4, k->nl4, 0, g->data + at, len);
	g->have += len;
	if (end > g->end)
		g->end = end;
	if (!k->ip.mf)
		g->total = end;
	if (!at) {
		g->first = k->ip;
		g->have_first = true;
	}
	return 1;
}

int reasm_input(struct reasm *r, struct pkt *k, int64_t now_ms)
{
	struct reasm_gram *g;
	int ret;

	free(r->done);
	r->done = NULL;
	ret = gram_get(r, k, now_ms, &g);
	if (ret)
		return ret;
	ret = gram_fill(g, k);
	if (ret < 0)
		gram_end(&g->fl);
	if (ret <= 0)
		return ret;
	if (!g->total || g->have != g->total)
		return 0;
	gram_unlink(g);
	r->done = g;
	r->completed++;
	k->ip = g->first;
	k->ip.mf = false;
	/* Options and headers before the fragment header were the fragment's. */
	k->ip.hlen = ip_hdr_is4(&k->ip) ? IP4_HDR : IP6_HDR;
	k->ip.len = (uint16_t)g->total;
	k->off = (struct offload){0};
	k->ip.next_at = 6;
	pkt_flat(k, g->data, g->total);
	return 1;
}
