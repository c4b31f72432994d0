/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects of one size that come and go in crowds. malloc() mixes them with what stays
 * for good, so that after a crowd of ten thousand hardly a page is wholly free; here
 * they lie together, and a chunk without any goes back to the kernel (all but one).
 *
 * Not for what is made per frame: now and then an object costs a system call.
 */
#ifndef VNET_LIB_POOL_H
#define VNET_LIB_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/list.h"

#define POOL_CHUNK (16u << 10) /* bytes; objects are much smaller */

/* Read by its owner for the numbers only. */
struct pool {
	size_t size;	   /* of an object */
	uint32_t per_chunk;
	struct list room;  /* chunks with room, the one filled next first */
	uint32_t chunks, empty, used;
};

/* Objects of @size bytes, at most POOL_CHUNK / 8. Allocates nothing. */
void pool_init(struct pool *p, size_t size);

/* All objects have been put back. Harmless on a zeroed pool. */
void pool_fini(struct pool *p);

/* A zeroed object, aligned as malloc() does; NULL: no memory. */
void *pool_get(struct pool *p);

/* Back to its pool @p. NULL is fine. */
void pool_put(struct pool *p, void *object);

#endif
