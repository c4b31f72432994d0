// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the guest sent beyond a gap (or what the host's socket refused although it was
 * promised) is kept until its turn comes, and acknowledged by SACK (RFC 2018). Without
 * it a guest on a link that loses would send again all that came behind a loss; with
 * "SACK permitted" and no blocks it would not even notice a loss by our ACKs.
 *
 * Bytes lie where their number says, in blocks that are there only where something
 * is: byte @seq at seq % HOLD_BLOCK of block seq / HOLD_BLOCK % HOLD_BLOCKS. In all and
 * for each NIC there is a bound; what does not fit is dropped, as if it were lost. What
 * was kept is never thrown away while the connection lives.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "nat/iov.h"
#include "nat/tcp_int.h"

#define PUSH_IOV 8 /* blocks that one send() takes */

static unsigned int slot(uint32_t seq)
{
	return seq / TCP_HOLD_BLOCK % TCP_HOLD_BLOCKS;
}

static void drop_block(struct tcp_flow *f, unsigned int i)
{
	if (!f->hold->block[i])
		return;
	free(f->hold->block[i]);
	f->hold->block[i] = NULL;
	f->t->held_blocks--;
	f->nic->tcp_held--;
}

static uint8_t *block_at(struct tcp_flow *f, uint32_t seq)
{
	struct tcp *t = f->t;
	uint8_t *b = f->hold->block[slot(seq)];

	if (b)
		return b;
	if (t->held_blocks >= TCP_HOLD_MAX ||
	    f->nic->tcp_held >= TCP_HOLD_NIC_MAX)
		return NULL;
	b = malloc(TCP_HOLD_BLOCK);
	if (!b)
		return NULL;
	f->hold->block[slot(seq)] = b;
	t->held_blocks++;
	f->nic->tcp_held++;
	return b;
}

void tcp_hold_free(struct tcp_flow *f)
{
	if (!f->hold)
		return;
	for (unsigned int i = 0; i < TCP_HOLD_BLOCKS; i++)
		drop_block(f, i);
	pool_put(&f->t->holds, f->hold);
	f->hold = NULL;
}

static bool within(const struct seqrange *r, uint32_t seq)
{
	return seq_le(r->from, seq) && seq_lt(seq, r->to);
}

/* The newest first, one of each range: RFC 2018 4 wants the latest blocks repeated. */
static void note_recent(struct tcp_hold *h, uint32_t seq)
{
	const struct seqrange *r = seqset_find(&h->set, seq);
	unsigned int n = 1, untold = 1;
	uint32_t was[TCP_HOLD_RECENT];

	memcpy(was, h->recent, sizeof(was));
	h->recent[0] = seq;
	for (unsigned int i = 0; i < h->nrecent && n < TCP_HOLD_RECENT; i++) {
		if (within(r, was[i]))
			continue;
		untold += i < h->untold;
		h->recent[n++] = was[i];
	}
	h->nrecent = (uint8_t)n;
	h->untold = (uint8_t)untold;
}

/* Blocks that rcv_nxt has passed are not needed any more. */
static void gone_on(struct tcp_flow *f)
{
	struct tcp_hold *h = f->hold;

	seqset_cut(&h->set, f->rcv_nxt);
	/* Numbers wrap at a multiple of the blocks' size. */
	for (unsigned int i = 0; i < TCP_HOLD_BLOCKS &&
	     (h->base ^ f->rcv_nxt) / TCP_HOLD_BLOCK; i++) {
		drop_block(f, slot(h->base));
		h->base += TCP_HOLD_BLOCK;
	}
	h->base = f->rcv_nxt;
}

/* Copy in pieces of blocks; returns how much of it there was room for. */
static size_t copy_in(struct tcp_flow *f, const struct tcp_pkt *p, size_t off,
		      uint32_t seq, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint32_t at = (seq + (uint32_t)done) % TCP_HOLD_BLOCK;
		uint8_t *b = block_at(f, seq + (uint32_t)done);
		size_t n = min_sz(TCP_HOLD_BLOCK - at, len - done);

		if (!b)
			break;
		iov_copy(p->l4, p->nl4, off + done, b + at, n);
		done += n;
	}
	return done;
}

/* Numbers up to this one have a place. */
static uint32_t limit(const struct tcp_flow *f)
{
	uint32_t end = f->rcv_nxt - f->rcv_nxt % TCP_HOLD_BLOCK +
		       TCP_HOLD_BLOCK * TCP_HOLD_BLOCKS;

	return seq_lt(f->rcv_told, end) ? f->rcv_told : end;
}

size_t tcp_hold_put(struct tcp_flow *f, const struct tcp_pkt *p,
		    const struct tcp_seg *s, size_t skip)
{
	uint32_t from = s->seq + (uint32_t)skip, end = limit(f);
	size_t len = s->len - skip;

	if (!seq_lt(from, end))
		return 0;
	len = min_sz(len, end - from);
	if (!f->hold) {
		f->hold = pool_get(&f->t->holds);
		if (!f->hold)
			return 0;
		f->hold->base = f->rcv_nxt;
	}
	gone_on(f);
	if (seqset_fits(&f->hold->set, from, from + (uint32_t)len))
		len = copy_in(f, p, s->hlen + skip, from, len);
	else
		len = 0;
	if (len) {
		(void)seqset_add(&f->hold->set, from, from + (uint32_t)len);
		note_recent(f->hold, from);
		f->t->stats.held_bytes += len;
	}
	if (s->flags & TCP_FIN && skip + len == s->len) {
		f->hold->fin = true;
		f->hold->fin_seq = s->seq + (uint32_t)s->len;
	}
	if (!f->hold->set.n && !f->hold->fin)
		tcp_hold_free(f);
	return len;
}

bool tcp_hold_next(const struct tcp_flow *f)
{
	const struct seqset *set = &f->hold->set;

	return set->n && seq_le(set->r[0].from, f->rcv_nxt);
}

/* The pieces from rcv_nxt on, as many as one send() takes. */
static int pieces(const struct tcp_flow *f, struct iovec v[PUSH_IOV])
{
	uint32_t seq = f->rcv_nxt, end = f->hold->set.r[0].to;
	int n = 0;

	for (; n < PUSH_IOV && seq_lt(seq, end); n++) {
		uint32_t at = seq % TCP_HOLD_BLOCK;

		v[n].iov_base = f->hold->block[slot(seq)] + at;
		v[n].iov_len = min_sz(TCP_HOLD_BLOCK - at, end - seq);
		seq += (uint32_t)v[n].iov_len;
	}
	return n;
}

bool tcp_hold_push(struct tcp_flow *f)
{
	struct tcp_hold *h = f->hold;
	struct iovec v[PUSH_IOV];
	bool all = true, fin;

	gone_on(f);
	while (all && tcp_hold_next(f)) {
		int n = pieces(f, v);

		all = tcp_offer(f, v, n, iov_len(v, n));
		gone_on(f);
	}
	if (!all || h->set.n)
		return false;
	fin = h->fin && h->fin_seq == f->rcv_nxt;
	if (fin || !h->fin)
		tcp_hold_free(f);
	return fin;
}

/* As if each of them had been acknowledged at once, those that came first go first. */
unsigned int tcp_hold_sack(struct tcp_flow *f, uint8_t *buf)
{
	unsigned int max = f->ts ? TCP_SACK_BLOCKS - 1 : TCP_SACK_BLOCKS, n = 0;
	struct tcp_hold *h = f->hold;
	struct seqset said = {0};

	h->untold = h->untold > max ? (uint8_t)(h->untold - max) : 0;
	for (unsigned int i = h->untold; i < h->nrecent && n < max; i++) {
		const struct seqrange *r = seqset_find(&h->set, h->recent[i]);

		if (!r || !within(r, h->recent[i]) || seq_le(r->from, f->rcv_nxt))
			continue; /* it was taken meanwhile, or waits its turn */
		if (!seqset_add(&said, r->from, r->to))
			continue; /* two of them are one now */
		put_be32(buf + 8 * n, r->from);
		put_be32(buf + 8 * n + 4, r->to);
		n++;
	}
	return n;
}
