// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See pool.h. A chunk is mapped on a multiple of its size, so an object's address says
 * which chunk it is in. Chunks that are full are on no list.
 *
 * #syscalls mmap munmap
 */
#include "lib/pool.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/compat.h"

#define ALIGN 16u

/* At the chunk's start. */
struct chunk {
	struct list node; /* pool.room */
	void *freed;	  /* objects that were put back, each points to the next */
	uint32_t used;
	uint32_t fresh; /* objects from this one on were never used */
};

#define HEAD ((sizeof(struct chunk) + ALIGN - 1) / ALIGN * ALIGN)

void pool_init(struct pool *p, size_t size)
{
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	assert(size && size <= POOL_CHUNK / 8);
	*p = (struct pool){.size = size,
			   .per_chunk = (uint32_t)((POOL_CHUNK - HEAD) / size)};
	list_init(&p->room);
}

static void chunk_free(struct pool *p, struct chunk *c)
{
	list_del(&c->node);
	p->chunks--;
	p->empty--;
	compat_unpoison(c, POOL_CHUNK);
	(void)munmap(c, POOL_CHUNK);
}

void pool_fini(struct pool *p)
{
	assert(!p->used);
	if (!p->size)
		return;
	list_for_each_safe(c, &p->room, struct chunk, node)
		chunk_free(p, c);
}

static struct chunk *chunk_new(struct pool *p)
{
	/* Twice as much, and what lies beside the multiple goes back. */
	uint8_t *m = mmap(NULL, 2 * POOL_CHUNK, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t skip;
	struct chunk *c;

	if (m == MAP_FAILED)
		return NULL;
	skip = (POOL_CHUNK - (uintptr_t)m % POOL_CHUNK) % POOL_CHUNK;
	c = (struct chunk *)(void *)(m + skip);
	if (skip)
		(void)munmap(m, skip);
	(void)munmap(m + skip + POOL_CHUNK, POOL_CHUNK - skip);
	list_init(&c->node);
	list_add_head(&p->room, &c->node);
	p->chunks++;
	p->empty++;
	compat_poison((uint8_t *)c + HEAD, POOL_CHUNK - HEAD);
	return c;
}

static void *take(struct pool *p, struct chunk *c)
{
	void *o = c->freed;

	if (o) {
		compat_unpoison(o, p->size);
		memcpy(&c->freed, o, sizeof(c->freed));
	} else {
		o = (uint8_t *)c + HEAD + c->fresh++ * p->size;
		compat_unpoison(o, p->size);
	}
	memset(o, 0, p->size);
	return o;
}

void *pool_get(struct pool *p)
{
	struct chunk *c = list_first(&p->room, struct chunk, node);
	void *o;

	if (!c)
		c = chunk_new(p);
	if (!c)
		return NULL;
	o = take(p, c);
	p->used++;
	p->empty -= !c->used++;
	if (c->used == p->per_chunk)
		list_del(&c->node);
	return o;
}

void pool_put(struct pool *p, void *object)
{
	struct chunk *c;

	if (!object)
		return;
	c = (struct chunk *)(void *)((uint8_t *)object -
				     (uintptr_t)object % POOL_CHUNK);
	memcpy(object, &c->freed, sizeof(c->freed));
	c->freed = object;
	compat_poison(object, p->size);
	/* Those with objects are filled before empty ones, which wait at the end. */
	list_del(&c->node);
	p->used--;
	if (--c->used) {
		list_add_head(&p->room, &c->node);
		return;
	}
	list_add_tail(&p->room, &c->node);
	if (++p->empty > 1)
		chunk_free(p, c);
}
