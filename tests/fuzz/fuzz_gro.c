// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
/*
 * Input: frames, each behind two bytes: its length (12 bits) and how it lies in memory.
 * Whatever they are, nothing is read outside; and what is put together is cut into as
 * many frames, of the lengths that they had.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

static void check(const struct frame *const *f, unsigned int n)
{
	static struct segmenter seg;
	uint8_t hdr[FRAME_HDR], buf[OFFLOAD_HDR_MAX];
	struct frame big, one;
	unsigned int k = gro_udp(f, n, &big, hdr), i = 0;

	assert(k >= 1 && k <= n);
	if (k == 1)
		return;
	assert(big.nseg <= FRAME_SEGS && segmenter_init(&seg, &big));
	for (; segmenter_next(&seg, &one, buf); i++)
		assert(i < k && one.len == f[i]->len);
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
