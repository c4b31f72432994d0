/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's memory as its VMM lent it to us: regions, each mapped from a file, and
 * known by two names: guest physical address (what descriptors hold) and the VMM's
 * own address (what the set-up messages hold). And the log of pages that we wrote,
 * for a guest that is being migrated.
 *
 * The file is the VMM's, so it may be truncated while we use it. The kernel answers
 * our next access with SIGBUS; a handler then puts empty memory in the place of the
 * region and marks it broken, and the worker goes on. Whoever uses the memory asks
 * vhost_mem_broken() now and then, and lets go of the VMM.
 */
#ifndef VNET_SWITCH_VHOST_MEM_H
#define VNET_SWITCH_VHOST_MEM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "lib/list.h"

#define VHOST_REGIONS_MAX 512 /* what QEMU can use at most */
#define VHOST_LOG_PAGE	  4096 /* bytes behind each bit of the log */

/* A file takes no memory for being long, but its mapping takes addresses, of which a
 * process has 2^47, and Linux lets it have 65530 mappings. So one guest gets so much: */
#define VHOST_MEM_MAX (1ull << 42)
#define VHOST_LOG_MAX (1ull << 32)
/* … and all of a process half of what there is. */
#define VHOST_MEM_ALL	  (1ull << 46)
#define VHOST_REGIONS_ALL 32768

struct vhost_region {
	uint64_t gpa, size, uva;
	uint8_t *host; /* where gpa lies here */
	void *map;     /* what was mapped: begins at a page of the file */
	size_t map_len;
};

/* Read by the functions here only, a region by who got one from vhost_mem_hot(). */
struct vhost_mem {
	struct list node;	/* for the SIGBUS handler */
	struct vhost_region *r; /* by gpa */
	unsigned int n;
	unsigned int hot;	/* where the last address was found */
	struct vhost_region log; /* map NULL = no log */
	volatile sig_atomic_t broken;
};

/* -ENOMEM. Sets the process's SIGBUS handler. */
int vhost_mem_init(struct vhost_mem *m);

/* Unmaps everything; fine for one that was never set up but is all zeroes. */
void vhost_mem_fini(struct vhost_mem *m);

/**
 * vhost_mem_add() - Map a region
 * @offset: of the region in the file @fd, which is borrowed
 *
 * Replaces the very same region, which unmaps that: a front end with many queues may
 * say everything once for each pair.
 *
 * Return: 0; -EINVAL: it overlaps another, is empty, wraps around, or reaches
 * beyond the end of a file, or @fd is none (vhost_fd_memory()); -ENOSPC: too many, too large; what mmap() says.
 */
int vhost_mem_add(struct vhost_mem *m, uint64_t gpa, uint64_t size,
		  uint64_t uva, uint64_t offset, int fd, struct errtext *why);

/* Unmap the region with just these three; -ENOENT. */
int vhost_mem_del(struct vhost_mem *m, uint64_t gpa, uint64_t size,
		  uint64_t uva);

/* Unmap all regions; the log stays. */
void vhost_mem_clear(struct vhost_mem *m);

/* As the next one, which looks into the hot region first. */
void *vhost_mem_seek(struct vhost_mem *m, uint64_t gpa, size_t *len);

/**
 * vhost_mem_gpa() - Where guest physical address @gpa lies
 * @len: in: bytes wanted, > 0; out: bytes that lie there in one piece
 *
 * Return: valid until the region is unmapped; NULL: no such address.
 */
static inline void *vhost_mem_gpa(struct vhost_mem *m, uint64_t gpa,
				  size_t *len)
{
	const struct vhost_region *r = &m->r[m->hot];
	uint64_t at = gpa - r->gpa;

	/* Nearly always; m->n = 0 has a first region of no size. */
	if (at < r->size && *len <= r->size - at)
		return r->host + at;
	return vhost_mem_seek(m, gpa, len);
}

/* The region in which the last address was found, for many look-ups in a row: one of no
 * size when there are none. Valid until the next call that is not one of these here. */
static inline const struct vhost_region *vhost_mem_hot(const struct vhost_mem *m)
{
	return &m->r[m->hot];
}

/* Where @gpa may lie, for __builtin_prefetch() alone: NULL when that is not known at
 * once. */
static inline void *vhost_mem_hint(const struct vhost_mem *m, uint64_t gpa)
{
	const struct vhost_region *r = &m->r[m->hot];

	return gpa - r->gpa < r->size ? r->host + (gpa - r->gpa) : NULL;
}

/* As vhost_mem_gpa() for an address of the VMM, and all of @len or nothing. */
void *vhost_mem_uva(struct vhost_mem *m, uint64_t uva, size_t len);

/* Log written pages to @size bytes at @offset of @fd (borrowed); replaces another
 * log. Errors as for a region. */
int vhost_mem_log(struct vhost_mem *m, int fd, uint64_t offset, uint64_t size,
		  struct errtext *why);

/* We wrote to guest physical memory: who reads the log finds what was written before.
 * Does nothing without a log. */
void vhost_mem_dirty(struct vhost_mem *m, uint64_t gpa, uint64_t len);

static inline bool vhost_mem_broken(const struct vhost_mem *m)
{
	return m->broken;
}

#endif
