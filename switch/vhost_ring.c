// SPDX-License-Identifier: GPL-2.0-or-later
/* Split virtqueues. See vhost_ring.h; section numbers are of virtio 1.2. */
#include "switch/vhost_ring.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "lib/compat.h"
#include "switch/vhost_copy.h"

/* Descriptor flags (2.7.5) */
#define DESC_F_NEXT	1
#define DESC_F_WRITE	2
#define DESC_F_INDIRECT 4

#define AVAIL_F_NO_INTERRUPT 1 /* 2.7.6 */
#define USED_F_NO_NOTIFY     1 /* 2.7.8 */

#define DESC_LEN 16

#define HINT_AHEAD  4  /* frames */
#define HEADS_AHEAD 16 /* of vring_pop_all() */

/* Offsets: both rings begin with flags and idx. */
#define RING_IDX  2
#define RING_ENTS 4
#define AVAIL_ENT 2
#define USED_ENT  8

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* ---- shared memory ---------------------------------------------------------- */

static uint16_t load16(const uint8_t *p)
{
	return le16toh(__atomic_load_n((const uint16_t *)(const void *)p,
				       __ATOMIC_RELAXED));
}

static void store16(uint8_t *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)(void *)p, htole16(v), __ATOMIC_RELAXED);
}

/* An indirect table may lie anywhere, so this is a copy of bytes. What went through the
 * asm is no longer what lies at @p to the compiler, which so cannot read it again. */
static inline struct desc load_desc(const uint8_t *p)
{
	uint64_t addr, rest;

	memcpy(&addr, p, 8);
	memcpy(&rest, p + 8, 8);
	__asm__ volatile("" : "+r"(addr), "+r"(rest));
	rest = le64toh(rest);
	return (struct desc){le64toh(addr), (uint32_t)rest,
			     (uint16_t)(rest >> 32), (uint16_t)(rest >> 48)};
}

static uint8_t *used_event(const struct vring *r)
{
	return r->avail + RING_ENTS + (size_t)r->num * AVAIL_ENT;
}

static uint8_t *avail_event(const struct vring *r)
{
	return r->used + RING_ENTS + (size_t)r->num * USED_ENT;
}

static inline const uint8_t *avail_at(const struct vring *r, uint16_t i)
{
	return r->avail + RING_ENTS + (size_t)(i & (r->num - 1)) * AVAIL_ENT;
}

static inline uint8_t *used_at(const struct vring *r, uint16_t i)
{
	return r->used + RING_ENTS + (size_t)(i & (r->num - 1)) * USED_ENT;
}

static void log_used(struct vring *r, uint64_t at, uint64_t len)
{
	if (r->log)
		vhost_mem_dirty(r->mem, r->log_gpa + at, len);
}

/* ---- set-up ------------------------------------------------------------------- */

/* Alignment and sizes: 2.7. Both rings have an event field behind them, which is
 * there also when the feature is not negotiated. */
int vring_attach(struct vring *r, struct vhost_mem *m,
		 const struct vring_addr *a, uint32_t num, struct errtext *why)
{
	const uint8_t *desc;
	uint8_t *avail, *used;

	if (!num || num > VRING_NUM_MAX || (num & (num - 1)))
		return errtext_set(why, -EINVAL, "a ring of %u entries", num);
	if (a->desc % 16 || a->avail % 2 || a->used % 4)
		return errtext_set(why, -EINVAL, "a ring at an odd address");
	desc = vhost_mem_uva(m, a->desc, (size_t)num * DESC_LEN);
	avail = vhost_mem_uva(m, a->avail,
			      RING_ENTS + (size_t)num * AVAIL_ENT + 2);
	used = vhost_mem_uva(m, a->used, RING_ENTS + (size_t)num * USED_ENT + 2);
	/* A file offset can make a fine address an odd one here. */
	if (!desc || !avail || !used || (uintptr_t)avail % 2 ||
	    (uintptr_t)used % 4)
		return errtext_set(why, -EINVAL,
				   "a ring outside of the guest's memory");
	r->mem = m;
	r->desc = desc;
	r->avail = avail;
	r->used = used;
	r->num = (uint16_t)num;
	r->log = a->log;
	r->log_gpa = a->log_gpa;
	r->used_idx = load16(used + RING_IDX);
	r->last_avail = r->used_idx;
	r->avail_seen = r->last_avail;
	r->signalled_valid = false;
	r->why = NULL;
	return 0;
}

/* ---- taking --------------------------------------------------------------------- */

static int bad(struct vring *r, const char *why)
{
	r->why = why;
	return -EPROTO;
}

/* How many buffers are there? */
NOINLINE static int look(struct vring *r)
{
	uint16_t n;

	r->avail_seen = load16(r->avail + RING_IDX);
	__atomic_thread_fence(__ATOMIC_ACQUIRE); /* before its entries */
	n = (uint16_t)(r->avail_seen - r->last_avail);
	if (n > r->num)
		return bad(r, "more buffers than the ring has");
	return n;
}

static int add(struct vring *r, struct vring_iov *v, uint64_t gpa, size_t left)
{
	while (left) {
		size_t n = left;
		void *p = vhost_mem_gpa(r->mem, gpa, &n);

		if (!p)
			return bad(r, "a buffer outside of the guest's memory");
		if (v->n == VRING_IOV_MAX)
			return -ENOBUFS;
		v->v[v->n].iov_base = p;
		v->v[v->n].iov_len = n;
		v->gpa[v->n++] = gpa;
		v->len += n;
		gpa += n;
		left -= n;
	}
	return 0;
}

/* The table behind an indirect descriptor, in one piece. */
static const uint8_t *indirect(struct vring *r, const struct desc *d)
{
	size_t len = d->len;
	const uint8_t *p;

	if (!len || len % DESC_LEN || len > VRING_INDIRECT_MAX * DESC_LEN)
		return NULL;
	p = vhost_mem_gpa(r->mem, d->addr, &len);
	return p && len == d->len ? p : NULL;
}

static int walk(struct vring *r, struct vring_iov *v, uint16_t head, bool write)
{
	const uint8_t *table = r->desc;
	uint32_t n = r->num, i = head, turns = 0;
	bool inside = false;
	size_t had = v->len;

	for (;;) {
		struct desc d;
		int err;

		if (i >= n)
			return bad(r, "a descriptor beyond its table");
		if (turns++ == min_sz(n, VRING_CHAIN_MAX))
			return bad(r, "a chain in a circle, or without end");
		d = load_desc(table + (size_t)i * DESC_LEN);
		if (d.flags & DESC_F_INDIRECT) {
			/* 2.7.5.3.1: one level, and the last of its chain */
			if (!r->indirect || inside || d.flags & DESC_F_NEXT)
				return bad(r, "an indirect descriptor that "
					      "may not be");
			table = indirect(r, &d);
			if (!table)
				return bad(r, "no table behind an indirect "
					      "descriptor");
			n = d.len / DESC_LEN;
			i = turns = 0;
			inside = true;
			continue;
		}
		if (!(d.flags & DESC_F_WRITE) == write)
			return bad(r, "a buffer for the wrong direction");
		err = add(r, v, d.addr, d.len);
		if (err)
			return err;
		/* 2.7.5.2; and lengths of buffers are kept in 32 bits. */
		if (v->len - had > UINT32_MAX)
			return bad(r, "a buffer of 4 GiB");
		if (!(d.flags & DESC_F_NEXT))
			return 0;
		i = d.next;
	}
}

/* Only a hint: what lies here is neither judged nor believed. */
static uint16_t hint_head(const struct vring *r, uint16_t ahead)
{
	return load16(avail_at(r, (uint16_t)(r->last_avail + ahead))) &
	       (r->num - 1);
}

/* The two first cache lines of a buffer. (Functions that do no more than that gcc takes
 * for such as do nothing, and drops calls of them.) */
static ALWAYS_INLINE void ask_for(const uint8_t *p, bool write)
{
	if (write) { /* as who has it alone; see module.mk */
		__builtin_prefetch(p, 1);
		__builtin_prefetch(p + 64, 1);
	} else {
		__builtin_prefetch(p);
		__builtin_prefetch(p + 64);
	}
}

/* Those of many, apart from what finds them, so that they look for their pages at the same
 * time. A header with a line of its own is read only, as a rule (port_vhost_rx.c). */
static ALWAYS_INLINE void ask_for_all(const struct vring_buf *b,
				      const struct vring_buf *end, bool write)
{
	if (write && b < end && vhost_hdr_apart(b->p)) {
		for (; b < end; b++) {
			__builtin_prefetch(b->p);
			__builtin_prefetch(b->p + 64, 1);
		}
	}
	for (; b < end; b++)
		ask_for(b->p, write);
}

/*
 * The guest's processor has written the descriptors and frames, so each is a cache miss
 * for us. Those of the frames after this one are asked for early, and wait together.
 */
static void hint(struct vring *r, bool write)
{
	const uint8_t *d;
	uint64_t gpa;
	uint8_t *p;

	d = r->desc + (size_t)hint_head(r, 2 * HINT_AHEAD) * DESC_LEN;
	__builtin_prefetch(d);
	d = r->desc + (size_t)hint_head(r, HINT_AHEAD) * DESC_LEN;
	memcpy(&gpa, d, sizeof(gpa));
	p = vhost_mem_hint(r->mem, le64toh(gpa));
	if (!p)
		return;
	ask_for(p, write);
}

/* One descriptor that is no table, in one piece of memory: nearly all are. What does
 * not fit is read again, and judged, by walk(). */
static bool take_plain(struct vring *r, struct vring_iov *v, uint16_t head,
		       bool write)
{
	struct desc d;
	size_t len;
	void *p;

	if (head >= r->num || v->n == VRING_IOV_MAX)
		return false;
	d = load_desc(r->desc + (size_t)head * DESC_LEN);
	len = d.len;
	if (d.flags != (write ? DESC_F_WRITE : 0) || !len)
		return false;
	p = vhost_mem_gpa(r->mem, d.addr, &len);
	if (!p || len != d.len)
		return false;
	v->v[v->n] = (struct iovec){p, len};
	v->gpa[v->n++] = d.addr;
	v->len += len;
	return true;
}

/* Any buffer. Apart, so that the others need not make room for its many variables. */
NOINLINE static int take_chain(struct vring *r, struct vring_iov *v,
			       uint16_t head, bool write)
{
	unsigned int had = v->n;
	size_t len = v->len;
	int n = walk(r, v, head, write);

	if (n == -ENOBUFS && !had)
		return bad(r, "a buffer of too many pieces");
	if (n) {
		v->n = had;
		v->len = len;
	}
	return n;
}

int vring_pop(struct vring *r, struct vring_iov *v, bool write, uint16_t *head)
{
	uint16_t h;
	int n;

	if (r->last_avail == r->avail_seen) {
		n = look(r);
		if (n <= 0)
			return n;
	}
	h = load16(avail_at(r, r->last_avail));
	hint(r, write);
	if (!take_plain(r, v, h, write)) {
		n = take_chain(r, v, h, write);
		if (n)
			return n;
	}
	r->last_avail++;
	*head = h;
	return 1;
}

/* All of @len bytes in one piece that is not in the hot region, which this one is then. */
NOINLINE static uint8_t *seek(struct vring *r, uint64_t gpa, uint32_t len)
{
	size_t n = len;
	uint8_t *p = vhost_mem_seek(r->mem, gpa, &n);

	return n == len ? p : NULL;
}

/* Of @n. Written out for each direction; what the ring is does not change meanwhile. */
static ALWAYS_INLINE unsigned int pop_all(struct vring *r, struct vring_buf *b,
					  unsigned int n, bool write)
{
	const struct vhost_region *in = vhost_mem_hot(r->mem);
	const uint8_t *avail = r->avail + RING_ENTS, *desc = r->desc;
	const size_t mask = r->num - 1u;
	size_t at = r->last_avail;
	struct vring_buf *from = b, *end = b + n;

	for (; b < end; b++, at++) {
		size_t head = load16(avail + (at & mask) * AVAIL_ENT);
		size_t ahead = (at + HEADS_AHEAD) & mask;
		struct desc d;

		ahead = load16(avail + ahead * AVAIL_ENT) & mask; /* a hint */
		__builtin_prefetch(desc + ahead * DESC_LEN);
		if (head > mask)
			break;
		d = load_desc(desc + head * DESC_LEN);
		if (d.flags != (write ? DESC_F_WRITE : 0) || !d.len)
			break;
		if (d.addr - in->gpa < in->size &&
		    d.len <= in->size - (d.addr - in->gpa)) {
			b->p = in->host + (d.addr - in->gpa);
		} else {
			b->p = seek(r, d.addr, d.len);
			if (!b->p)
				break;
			in = vhost_mem_hot(r->mem);
		}
		b->len = d.len;
		b->head = (uint16_t)head;
	}
	ask_for_all(from, b, write);
	return (unsigned int)(b - from);
}

int vring_pop_all(struct vring *r, struct vring_buf *b, unsigned int max,
		  bool write)
{
	unsigned int n = (uint16_t)(r->avail_seen - r->last_avail);

	if (!n) {
		int seen = look(r);

		if (seen <= 0)
			return seen;
		n = (unsigned int)seen;
	}
	if (n > max)
		n = max;
	n = write ? pop_all(r, b, n, true) : pop_all(r, b, n, false);
	for (unsigned int i = 0; i < n; i += 8) /* a cache line of entries */
		__builtin_prefetch(used_at(r, (uint16_t)(r->used_idx + i)), 1);
	r->last_avail = (uint16_t)(r->last_avail + n);
	return (int)n;
}

/* ---- giving back ------------------------------------------------------------------ */

void vring_push(struct vring *r, uint16_t head, uint32_t len)
{
	size_t at = RING_ENTS + (size_t)(r->used_idx & (r->num - 1)) * USED_ENT;
	uint32_t ent[2] = {htole32(head), htole32(len)};

	memcpy(r->used + at, ent, sizeof(ent));
	log_used(r, at, sizeof(ent));
	r->used_idx++;
}

void vring_push_all(struct vring *r, const struct vring_buf *b, unsigned int n)
{
	uint16_t at = r->used_idx;

	for (unsigned int i = 0; i < n; i++, at++) {
		uint64_t ent = b[i].head | (uint64_t)b[i].len << 32;

		ent = htole64(ent);
		memcpy(used_at(r, at), &ent, USED_ENT);
	}
	for (; r->log && r->used_idx != at; r->used_idx++)
		log_used(r, (uint64_t)(used_at(r, r->used_idx) - r->used),
			 USED_ENT);
	r->used_idx = at;
}

void vring_publish(struct vring *r)
{
	__atomic_thread_fence(__ATOMIC_RELEASE); /* after its entries */
	store16(r->used + RING_IDX, r->used_idx);
	log_used(r, RING_IDX, 2);
}

bool vring_signal_due(struct vring *r)
{
	uint16_t old = r->signalled, now = r->used_idx, event;
	bool valid = r->signalled_valid;

	/* The index is out before the driver's wish is read (2.7.7.2). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!r->event_idx)
		return !(load16(r->avail) & AVAIL_F_NO_INTERRUPT);
	r->signalled = now;
	r->signalled_valid = true;
	event = load16(used_event(r));
	return !valid || (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

void vring_notify_off(struct vring *r)
{
	if (r->event_idx)
		return; /* the driver kicks at one index only, which is past */
	store16(r->used, USED_F_NO_NOTIFY);
	log_used(r, 0, 2);
}

bool vring_notify_on(struct vring *r)
{
	if (r->event_idx) {
		size_t at = RING_ENTS + (size_t)r->num * USED_ENT;

		store16(avail_event(r), r->avail_seen);
		log_used(r, at, 2);
	} else {
		store16(r->used, 0);
		log_used(r, 0, 2);
	}
	/* The wish is out before the index is read (2.7.10.1). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load16(r->avail + RING_IDX) != r->avail_seen;
}
