// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames that wait for a guest. See vhost_backlog.h. */
#include "switch/vhost_backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/compat.h"

/* Before each frame. */
struct entry {
	uint32_t len;
	uint32_t tag;
	struct offload off;
};

int vhost_backlog_init(struct vhost_backlog *b)
{
	b->head = b->used = 0;
	b->p = malloc(VHOST_BACKLOG_CAP);
	return b->p ? 0 : -ENOMEM;
}

void vhost_backlog_fini(struct vhost_backlog *b)
{
	free(b->p);
	b->p = NULL;
	b->head = b->used = 0;
}

/* Bytes from @at on that lie before the wrap. */
static size_t straight(size_t at, size_t n)
{
	return min_sz(n, VHOST_BACKLOG_CAP - at);
}

static void append(struct vhost_backlog *b, const void *src, size_t n)
{
	size_t at = (b->head + b->used) % VHOST_BACKLOG_CAP;
	size_t first = straight(at, n);

	memcpy(b->p + at, src, first);
	memcpy(b->p, (const uint8_t *)src + first, n - first);
	b->used += n;
}

static struct entry first_entry(const struct vhost_backlog *b)
{
	size_t first = straight(b->head, sizeof(struct entry));
	struct entry e;

	memcpy(&e, b->p + b->head, first);
	memcpy((uint8_t *)&e + first, b->p, sizeof(e) - first);
	return e;
}

bool vhost_backlog_push(struct vhost_backlog *b, const struct frame *f,
			unsigned int tag)
{
	struct entry e = {f->len, tag, f->off};

	if (sizeof(e) + f->len > VHOST_BACKLOG_CAP - b->used)
		return false;
	append(b, &e, sizeof(e));
	for (unsigned int i = 0; i < f->nseg; i++)
		append(b, f->seg[i].iov_base, f->seg[i].iov_len);
	return true;
}

bool vhost_backlog_peek(const struct vhost_backlog *b, struct frame *f,
			unsigned int *tag)
{
	struct entry e;
	size_t at, first;

	if (!b->used)
		return false;
	e = first_entry(b);
	at = (b->head + sizeof(e)) % VHOST_BACKLOG_CAP;
	first = straight(at, e.len);
	frame_init(f, b->p + at, first);
	if (first < e.len) {
		f->seg[1].iov_base = b->p;
		f->seg[1].iov_len = e.len - first;
		f->nseg = 2;
	}
	f->len = e.len;
	f->off = e.off;
	*tag = e.tag;
	return true;
}

void vhost_backlog_pop(struct vhost_backlog *b)
{
	size_t n;

	if (!b->used)
		return;
	n = sizeof(struct entry) + first_entry(b).len;
	b->head = (b->head + n) % VHOST_BACKLOG_CAP;
	b->used -= n;
}

unsigned int vhost_backlog_clear(struct vhost_backlog *b)
{
	unsigned int n = 0;

	for (; b->used; n++)
		vhost_backlog_pop(b);
	return n;
}
