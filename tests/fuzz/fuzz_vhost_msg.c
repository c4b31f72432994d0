// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
/*
 * What a front end says. Each message of the input: request, flags, length, which
 * descriptors come along (two bits each: none, memory, eventfd, pipe), then the body.
 * Rings that can be used afterwards are used.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "switch/vhost_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEM 0x20000

static int mem_fd = -1;

static int descriptor(unsigned int kind)
{
	int p[2];

	if (kind == 1)
		return dup(mem_fd);
	if (kind == 2)
		return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pipe(p))
		abort();
	close(p[0]);
	return p[1];
}

static void use(struct vhost_dev *d)
{
	static struct vring_iov v;

	for (unsigned int i = 0; i < VHOST_VQS; i++) {
		struct vhost_vq *q = &d->vq[i];
		uint16_t head;

		if (!vhost_vq_usable(d, q))
			continue;
		v.n = 0;
		v.len = 0;
		if (vring_pop(&q->ring, &v, !(i & 1), &head) == 1) {
			for (unsigned int j = 0; j < v.n; j++)
				memset(v.v[j].iov_base, 0x5a,
				       v.v[j].iov_len < 64 ? v.v[j].iov_len
							   : 64);
			vring_push(&q->ring, head, 0);
			vring_publish(&q->ring);
			(void)vring_signal_due(&q->ring);
		}
		(void)vring_notify_on(&q->ring);
	}
}

static size_t one(struct vhost_dev *d, const uint8_t *data, size_t size)
{
	uint8_t b[VHOST_HDR_LEN + VHOST_BODY_MAX];
	uint32_t hdr[3] = {data[0], data[1], data[2]};
	struct vhost_out out;
	struct errtext why = {""};
	unsigned int nfd = 0;
	int fd[4], len;

	memcpy(b, hdr, sizeof(hdr));
	len = vhost_msg_len(b, NULL);
	if (len < 0)
		return 4;
	if ((size_t)len > size - 4)
		return size;
	memcpy(b + VHOST_HDR_LEN, data + 4, (size_t)len);
	for (unsigned int i = 0; i < 4 && data[3] >> (2 * i) & 3; i++)
		fd[nfd++] = descriptor(data[3] >> (2 * i) & 3);
	if (vhost_msg(d, b, VHOST_HDR_LEN + (size_t)len, fd, nfd, &out,
		      &why)) {
		assert(why.s[0]);
	} else {
		assert(out.len <= sizeof(out.p));
		if (out.fd >= 0)
			close(out.fd);
	}
	for (unsigned int i = 0; i < nfd; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	vhost_bury(d);
	use(d);
	return 4 + (size_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct vhost_config cfg = {.mtu = 1500, .queues = 2};
	struct vhost_dev d;

	if (mem_fd < 0) {
		mem_fd = memfd_create("fuzz", MFD_CLOEXEC);
		if (ftruncate(mem_fd, MEM))
			abort();
	}
	if (vhost_dev_init(&d, &cfg))
		abort();
	while (size >= 4) {
		size_t n = one(&d, data, size);

		data += n;
		size -= n;
	}
	vhost_dev_fini(&d);
	return 0;
}
