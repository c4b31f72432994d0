// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
/*
 * A guest's memory with a ring of eight entries in it. The first byte says which
 * features were negotiated, in which direction buffers go, and whether many are taken at
 * once; the rest is the memory: descriptors, available ring, used ring, indirect tables.
 * The guest has some more memory, beyond 4 GiB, that is longer than 32 bits can say.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "switch/vhost_ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEM   4096u
#define NUM   8u
#define AVAIL 0x80
#define USED  0xa0
#define GPA   0x1000 /* so that descriptors of few bytes hit it */
#define UVA   0x7f0000000000ull
#define HIGH  (1ull << 32)
#define MORE  (HIGH + MEM)

static int fd = -1, more_fd;
static uint8_t *mem;

static void start(void)
{
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	more_fd = memfd_create("more", MFD_CLOEXEC);
	if (ftruncate(fd, MEM) || ftruncate(more_fd, (off_t)MORE))
		abort();
	mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert(mem != MAP_FAILED);
}

static void check(const struct vhost_mem *m, const struct vring_iov *v)
{
	size_t sum = 0;

	assert(v->n <= VRING_IOV_MAX);
	for (unsigned int i = 0; i < v->n; i++) {
		const struct vhost_region *r = &m->r[v->gpa[i] >= HIGH];
		uint64_t at = v->gpa[i] - r->gpa;

		assert(at < r->size && v->v[i].iov_base == r->host + at);
		assert(v->v[i].iov_len && v->v[i].iov_len <= r->size - at);
		sum += v->v[i].iov_len;
	}
	/* One buffer, whose length is kept in 32 bits. */
	assert(sum == v->len && sum <= UINT32_MAX);
}

static bool is_within(const struct vhost_region *r, const uint8_t *p, size_t len)
{
	uint64_t at = (uint64_t)(p - r->host);

	return p >= r->host && at < r->size && len <= r->size - at;
}

/* Many at once, as far as they are of one piece. */
static int run_all(struct vhost_mem *m, struct vring *r, bool write)
{
	struct vring_buf b[5];
	int got = vring_pop_all(r, b, 5, write);
	unsigned int n = got > 0 ? (unsigned int)got : 0;

	assert(n <= 5);
	assert(got >= 0 || (got == -EPROTO && r->why));
	for (unsigned int i = 0; i < n; i++)
		assert(b[i].head < NUM && b[i].len &&
		       (is_within(&m->r[0], b[i].p, b[i].len) ||
			is_within(&m->r[1], b[i].p, b[i].len)));
	if (n > 3) {
		vring_unpop(r, 1);
		n--;
	}
	vring_push_all(r, b, n);
	return got;
}

static void run(struct vhost_mem *m, uint8_t how)
{
	static struct vring_iov v;
	const struct vring_addr a = {.desc = UVA, .avail = UVA + AVAIL,
				     .used = UVA + USED, .log = how & 8};
	struct vring r = {.event_idx = how & 1, .indirect = how & 2};
	uint16_t head;
	int got = 1;

	if (vring_attach(&r, m, &a, NUM, NULL))
		abort();
	for (unsigned int i = 0; i < 3 * NUM && got > 0; i++) {
		v.n = 0;
		v.len = 0;
		vring_notify_off(&r);
		got = how & 16 ? run_all(m, &r, how & 4) : 0;
		if (got) {
			vring_publish(&r);
			continue;
		}
		got = vring_pop(&r, &v, how & 4, &head);
		check(m, &v);
		if (got < 0) {
			assert(got == -EPROTO && r.why && !v.n);
			break;
		}
		if (!got)
			break;
		vring_push(&r, head, (uint32_t)v.len);
		vring_publish(&r);
		(void)vring_signal_due(&r);
		(void)vring_notify_on(&r);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vhost_mem m;

	if (!size)
		return 0;
	if (fd < 0)
		start();
	memset(mem, 0, MEM);
	memcpy(mem, data + 1, size - 1 < MEM ? size - 1 : MEM);
	if (vhost_mem_init(&m) ||
	    vhost_mem_add(&m, GPA, MEM, UVA, 0, fd, NULL) ||
	    vhost_mem_add(&m, HIGH, MORE, 0, 0, more_fd, NULL))
		abort();
	run(&m, data[0]);
	vhost_mem_fini(&m);
	return 0;
}
