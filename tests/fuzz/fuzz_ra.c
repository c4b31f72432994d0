// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core lib */
/*
 * Router solicitations, one after the other: each is a byte of length, a byte for
 * source and hop limit, a byte of time, then the message. Whatever comes, the rules
 * of time hold and the answers are well formed.
 */
#include <stdlib.h>

#include "dhcp/ra.h"
#include "lib/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct ra_msg *m)
{
	struct cur c = cur_make(m->data, m->len);

	require(m->len <= RA_MSG_MAX && cur_u8(&c) == RA_TYPE_ADVERTISE);
	cur_skip(&c, 15);
	while (c.left) {
		uint8_t units;

		cur_skip(&c, 1);
		units = cur_u8(&c);
		require(units > 0);
		cur_skip(&c, 8u * units - 2);
		require(cur_ok(&c));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ra_config cfg = {.prefix = {{{0xfd}}, 64}, .router = true,
				.domain = "lab.vnet"};
	struct cur c = cur_make(data, size);
	int64_t now = 5000, last = 0;
	struct ra_msg out;
	struct ra ra;

	ra_init(&ra, &cfg, size, now);
	while (c.left) {
		uint8_t len = cur_u8(&c), from = cur_u8(&c), ms = cur_u8(&c);
		struct ra_input in = {.hop_limit = from & 1 ? 255 : 64};

		in.len = len < c.left ? len : c.left;
		in.data = cur_bytes(&c, in.len);
		if (from > 1)
			in.src = (struct ipaddr){{from, 0x80, [15] = ms}};
		now += ms * 4;
		ra_input(&ra, &in, now);
		require(ra.naskers <= RA_ASKERS_MAX);
		while (ra_next(&ra, now, &out)) {
			check(&out);
			if (out.dst.b[0] != 0xff)
				continue;
			require(now - last >= RA_MIN_DELAY_MS);
			last = now;
		}
		require(ra_deadline(&ra) > now);
	}
	return 0;
}
