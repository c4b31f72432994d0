// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
/*
 * Input: frames, each behind two bytes: its length (12 bits) and how it lies in memory.
 * Whatever they are, nothing is read outside; and what is put together passes as a frame,
 * and is cut into as many frames as it was made of, each with the bytes that it had but for
 * IPv4's identification and checksums, which are right.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "switch/gro.h"
#include "switch/offload.h"

#define MAX 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In exact-size pieces of the heap, the first of at least FRAME_HDR. */
static void take(struct frame *f, const uint8_t *p, size_t len, bool two)
{
	size_t head = two && len > FRAME_HDR ? FRAME_HDR : len;
	uint8_t *b = malloc(head ? head : 1);

	memcpy(b, p, head);
	frame_init(f, b, head);
	f->len = (uint32_t)len;
	f->off = (struct offload){
		.needs_csum = true, .csum_offset = 6,
		.csum_start = len > 12 && p[12] == 0x86 ? 54 : 34,
	};
	if (head == len)
		return;
	f->seg[1].iov_base = malloc(len - head);
	f->seg[1].iov_len = len - head;
	memcpy(f->seg[1].iov_base, p + head, len - head);
	f->nseg = 2;
}

static uint64_t pseudo(const uint8_t *ip, bool v4, size_t len)
{
	struct ipaddr src, dst;

	if (v4)
		return csum_pseudo4(get_be32(ip + 12), get_be32(ip + 16), 17,
				    (uint32_t)len);
	memcpy(src.b, ip + 8, 16);
	memcpy(dst.b, ip + 24, 16);
	return csum_pseudo6(&src, &dst, 17, (uint32_t)len);
}

/* @was, one of those that were put together, and @is, what came out of it. */
static void same(const struct frame *was, const struct frame *is)
{
	static uint8_t x[4096], y[4096];
	size_t l4, len = was->len;
	bool v4;

	assert(is->len == len && len <= sizeof(x) && !is->off.needs_csum &&
	       is->off.gso_type == GSO_NONE);
	frame_copy(was, 0, x, sizeof(x));
	frame_copy(is, 0, y, sizeof(y));
	v4 = get_be16(x + 12) == 0x0800;
	l4 = v4 ? 34 : 54;
	assert(get_be16(y + l4 + 6));
	assert(!csum_finish(csum_add(pseudo(y + 14, v4, len - l4), y + l4,
				     len - l4)));
	put_be16(y + l4 + 6, get_be16(x + l4 + 6));
	if (v4) {
		assert(!csum_finish(csum_add(0, y + 14, 20)));
		put_be16(y + 18, get_be16(x + 18));
		put_be16(y + 24, get_be16(x + 24));
	}
	assert(!memcmp(x, y, len));
}

static void check(const struct frame *const *f, unsigned int n)
{
	static struct segmenter seg;
	uint8_t hdr[FRAME_HDR], buf[OFFLOAD_HDR_MAX];
	unsigned int k, i = 0;
	enum drop_reason why;
	struct frame big, one;
	struct hdrs h;

	k = gro_udp(f, n, &big, hdr);
	assert(k >= 1 && k <= n);
	if (k == 1)
		return;
	assert(big.nseg <= FRAME_SEGS &&
	       hdrs_l2(frame_hdr(&big), frame_hdr_len(&big), &h) &&
	       offload_check(&big, &h, f[0]->len - 14, &why));
	assert(segmenter_init(&seg, &big, 0));
	for (; segmenter_next(&seg, &one, buf); i++) {
		assert(i < k);
		same(f[i], &one);
	}
	assert(i == k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f[MAX];
	const struct frame *p[MAX];
	unsigned int n = 0;

	while (n < MAX && size > 2) {
		size_t len = (size_t)(data[0] & 15) << 8 | data[1];
		bool two = data[0] & 16;

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		take(&f[n], data, len, two);
		p[n] = &f[n];
		n++;
		data += len;
		size -= len;
	}
	if (n)
		check(p, n);
	for (unsigned int i = 0; i < n; i++)
		for (int j = 0; j < f[i].nseg; j++)
			free(f[i].seg[j].iov_base);
	return 0;
}
