// SPDX-License-Identifier: GPL-2.0-or-later
/* A front end and a guest's driver for tests. See vhost_guest.h. */
#include "tests/fake/vhost_guest.h"

#include <assert.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define HDR 12

/* Fuzz targets and benchmarks use this, too: no test's assertions. */
static void must(bool ok)
{
	assert(ok);
	(void)ok;
}

static void ring_init(struct vhost_guest *g, unsigned int i)
{
	struct vg_ring *q = &g->q[i];
	size_t base = 0x10000 * (size_t)(i + 1);

	q->num = VG_NUM;
	q->desc = base;
	q->avail = base + 0x4000;
	q->used = base + 0x8000;
	q->bufs = 0x100000 + 0x80000 * (size_t)i;
	q->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	must(q->kick >= 0 && q->call >= 0);
}

void vg_init(struct vhost_guest *g, int *backend)
{
	int sv[2];

	memset(g, 0, sizeof(*g));
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			 sv));
	g->sock = sv[0];
	*backend = sv[1];
	g->memfd = memfd_create("guest", MFD_CLOEXEC);
	must(g->memfd >= 0 && !ftruncate(g->memfd, VG_MEM));
	g->mem = mmap(NULL, VG_MEM, PROT_READ | PROT_WRITE, MAP_SHARED,
		      g->memfd, 0);
	must(g->mem != MAP_FAILED);
	for (unsigned int i = 0; i < VG_RINGS; i++)
		ring_init(g, i);
}

void vg_fini(struct vhost_guest *g)
{
	for (int i = 0; i < VG_RINGS; i++) {
		close(g->q[i].kick);
		close(g->q[i].call);
	}
	munmap(g->mem, VG_MEM);
	close(g->memfd);
	if (g->sock >= 0)
		close(g->sock);
}

/* ---- the front end ------------------------------------------------------------ */

void vg_send(struct vhost_guest *g, uint32_t request, uint32_t flags,
	     const void *body, size_t len, const int *fd, unsigned int nfd)
{
	union {
		struct cmsghdr align;
		char b[CMSG_SPACE(16 * sizeof(int))];
	} ctl = {{0}};
	uint32_t hdr[3] = {request, 1 | flags, (uint32_t)len};
	struct iovec v[2] = {{hdr, HDR}, {(void *)(uintptr_t)body, len}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = len ? 2 : 1};

	if (nfd) {
		struct cmsghdr *c;

		m.msg_control = ctl.b;
		m.msg_controllen = CMSG_SPACE(nfd * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfd * sizeof(int));
		memcpy(CMSG_DATA(c), fd, nfd * sizeof(int));
	}
	must(sendmsg(g->sock, &m, MSG_NOSIGNAL) == (ssize_t)(HDR + len));
}

size_t vg_answer(struct vhost_guest *g, uint32_t request, void *body, size_t cap,
		 void (*turn)(void *arg), void *arg)
{
	uint8_t b[1024];
	uint32_t hdr[3];
	ssize_t n = -1;

	for (int i = 0; i < 1000 && n < 0; i++) {
		turn(arg);
		n = recv(g->sock, b, sizeof(b), MSG_DONTWAIT);
	}
	must(n >= HDR);
	memcpy(hdr, b, HDR);
	must(hdr[0] == request);
	must(hdr[1] == 5);
	must(hdr[2] == n - HDR);
	must(hdr[2] <= cap);
	memcpy(body, b + HDR, hdr[2]);
	return hdr[2];
}

void vg_u64(struct vhost_guest *g, uint32_t request, uint64_t v)
{
	vg_send(g, request, 0, &v, sizeof(v), NULL, 0);
}

void vg_state(struct vhost_guest *g, uint32_t request, uint32_t i, uint32_t num)
{
	uint32_t body[2] = {i, num};

	vg_send(g, request, 0, body, sizeof(body), NULL, 0);
}

void vg_mem_table(struct vhost_guest *g)
{
	uint64_t body[5] = {1, VG_GPA, VG_MEM, VG_UVA, 0};

	vg_send(g, 5, 0, body, sizeof(body), &g->memfd, 1);
}

void vg_addr(struct vhost_guest *g, unsigned int i)
{
	const struct vg_ring *q = &g->q[i];
	uint64_t body[5] = {i, VG_UVA + q->desc, VG_UVA + q->used,
			    VG_UVA + q->avail, VG_GPA + q->used};

	vg_send(g, 9, 0, body, sizeof(body), NULL, 0);
}

void vg_fd(struct vhost_guest *g, uint32_t request, unsigned int i, int fd)
{
	uint64_t v = i | (fd < 0 ? 0x100u : 0);

	vg_send(g, request, 0, &v, sizeof(v), &fd, fd >= 0 ? 1 : 0);
}

void vg_start(struct vhost_guest *g, uint64_t features)
{
	unsigned int rings = features >> 22 & 1 ? VG_RINGS : 2;

	g->features = features;
	vg_send(g, 3, 0, NULL, 0, NULL, 0);
	for (unsigned int i = 0; i < rings; i++)
		vg_state(g, 18, i, 1);
	vg_u64(g, 2, features);
	vg_mem_table(g);
	for (unsigned int i = 0; i < rings; i++) {
		vg_state(g, 8, i, g->q[i].num);
		vg_state(g, 10, i, g->q[i].last_used);
		vg_addr(g, i);
		vg_fd(g, 12, i, g->q[i].kick);
		vg_fd(g, 13, i, g->q[i].call);
	}
}

/* ---- the driver ----------------------------------------------------------------- */

static void put16(struct vhost_guest *g, size_t at, uint16_t v)
{
	memcpy(g->mem + at, &v, sizeof(v)); /* the tests run on little endian */
}

static uint16_t get16(const struct vhost_guest *g, size_t at)
{
	uint16_t v;

	memcpy(&v, g->mem + at, sizeof(v));
	return v;
}

void vg_desc(struct vhost_guest *g, unsigned int q, unsigned int i,
	     uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	size_t at = g->q[q].desc + 16 * (size_t)i;

	memcpy(g->mem + at, &addr, 8);
	memcpy(g->mem + at + 8, &len, 4);
	put16(g, at + 12, flags);
	put16(g, at + 14, next);
}

void vg_avail(struct vhost_guest *g, unsigned int q, uint16_t head)
{
	struct vg_ring *r = &g->q[q];

	put16(g, r->avail + 4 + 2 * (size_t)(r->avail_idx % r->num), head);
	r->avail_idx++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	put16(g, r->avail + 2, r->avail_idx);
}

void vg_kick(struct vhost_guest *g, unsigned int q)
{
	uint64_t one = 1;

	must(write(g->q[q].kick, &one, sizeof(one)) == sizeof(one));
}

uint64_t vg_buf_gpa(const struct vhost_guest *g, unsigned int q, unsigned int i)
{
	return VG_GPA + g->q[q].bufs + (uint64_t)i * VG_BUF;
}

uint8_t *vg_buf(const struct vhost_guest *g, unsigned int q, unsigned int i)
{
	return g->mem + g->q[q].bufs + (size_t)i * VG_BUF;
}

bool vg_used(struct vhost_guest *g, unsigned int q, uint32_t *head,
	     uint32_t *len)
{
	struct vg_ring *r = &g->q[q];
	size_t at = r->used + 4 + 8 * (size_t)(r->last_used % r->num);

	if (get16(g, r->used + 2) == r->last_used)
		return false;
	memcpy(head, g->mem + at, 4);
	memcpy(len, g->mem + at + 4, 4);
	r->last_used++;
	return true;
}

void vg_fill_rx(struct vhost_guest *g, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		vg_desc(g, VG_RX, i, vg_buf_gpa(g, VG_RX, i), VG_BUF, 2, 0);
		vg_avail(g, VG_RX, (uint16_t)i);
	}
	vg_kick(g, VG_RX);
}

void vg_send_frame_on(struct vhost_guest *g, unsigned int q, unsigned int i,
		      const void *frame, size_t len)
{
	uint8_t *b = vg_buf(g, q, i);

	memset(b, 0, 12);
	memcpy(b + 12, frame, len);
	vg_desc(g, q, i, vg_buf_gpa(g, q, i), (uint32_t)(12 + len), 0, 0);
	vg_avail(g, q, (uint16_t)i);
	vg_kick(g, q);
}

void vg_send_frame(struct vhost_guest *g, unsigned int i, const void *frame,
		   size_t len)
{
	vg_send_frame_on(g, VG_TX, i, frame, len);
}

bool vg_signalled(struct vhost_guest *g, unsigned int q)
{
	uint64_t n = 0;

	return read(g->q[q].call, &n, sizeof(n)) == sizeof(n) && n;
}
