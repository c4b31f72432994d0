// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
/*
 * Input: frames, each behind three bytes: direction and port, and its length (12 bits).
 * Whatever they are: nothing is read or written outside; what goes out has the shared
 * source and its length, ARP of Ethernet has the shared sender, and a right checksum of
 * neighbour discovery stays right; what comes in goes to no guest when it is for the host.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "switch/hdrs.h"
#include "switch/macnat.h"

#define MAX 48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mac host = {{0x02, 0, 0, 0, 0, 1}};

/* Of an ICMPv6 message that lies whole in its frame. */
static bool sum_right(const uint8_t *p, size_t len)
{
	struct ipaddr from, to;
	struct hdrs h;

	if (!hdrs_l2(p, len, &h) || h.type != ETH_P_IP6 ||
	    !hdrs_l3(p, len, &h) || h.proto != 58 || h.frag || h.end > len ||
	    h.end < h.l4 + 4u)
		return false;
	memcpy(from.b, p + h.l3 + 8, 16);
	memcpy(to.b, p + h.l3 + 24, 16);
	return !csum_finish(csum_add(csum_pseudo6(&from, &to, 58, h.end - h.l4),
				     p + h.l4, h.end - h.l4));
}

static void check_out(struct macnat *m, const struct frame *f, uint16_t port,
		      int64_t now_ms)
{
	static uint8_t x[4096], y[4096];
	const struct frame *o = macnat_out(m, f, port, port, now_ms);
	struct hdrs h;

	if (!o)
		return;
	frame_copy(f, 0, x, sizeof(x));
	assert(o->len == f->len && o->nseg <= FRAME_SEGS);
	assert(frame_copy(o, 0, y, sizeof(y)) == f->len);
	assert(!memcmp(y, x, 6) && !memcmp(y + 6, host.b, 6));
	assert(hdrs_l2(y, o->len, &h));
	if (h.type == ETH_P_ARP4 && o->len >= h.l3 + 28u &&
	    !memcmp(y + h.l3, "\0\1\10\0\6\4", 6))
		assert(!memcmp(y + h.l3 + 8, host.b, 6));
	if (sum_right(x, f->len))
		assert(sum_right(y, o->len));
}

static void one(struct macnat *m, uint8_t how, const uint8_t *p, size_t len,
		int64_t now_ms)
{
	const struct ipaddr mine = ipaddr_from4(0xc0a84d0a);
	uint8_t *b = malloc(len ? len : 1);
	uint16_t port = how & 7;
	struct frame f;

	memcpy(b, p, len);
	frame_init(&f, b, len);
	if (len < FRAME_MIN) {
		free(b);
		return;
	}
	if (how & 0x80) {
		if (!(b[0] & 1))
			memcpy(b, host.b, 6);
		if (macnat_in(m, &f, now_ms))
			assert(b[0] & 1 || memcmp(b, host.b, 6));
		(void)macnat_is_copy(m, &f, now_ms);
	} else if (memcmp(b + 6, host.b, 6)) {
		if (macnat_learn(m, &f, port, now_ms))
			check_out(m, &f, port, now_ms);
	}
	assert(!macnat_find(m, &mine, 0, now_ms));
	assert(macnat_count(m) <= MACNAT_MAX);
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ipaddr mine = ipaddr_from4(0xc0a84d0a);
	struct macnat *m = macnat_new(&host, NULL);

	assert(m);
	macnat_host(m, &mine, 1);
	for (int i = 0; i < MAX && size > 3; i++) {
		size_t len = (size_t)(data[1] & 15) << 8 | data[2];
		uint8_t how = data[0];

		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		one(m, how, data, len, 1000 + i * (how & 0x40 ? 60000 : 10));
		data += len;
		size -= len;
	}
	macnat_free(m);
	return 0;
}
