// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
/*
 * Input: pieces of u8 control, u8 length, bytes. Control: the NIC (bits 0-1) and its
 * level (2-3); the bytes are a frame, which gets the NIC's MAC as its source (bit 4), and
 * is shown as the beginning of a longer one (bit 5). Whatever comes, what the judge lets
 * through at a level says nothing that a plain reading of it forbids, no address is two
 * NICs', and the network's own is nobody's.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "switch/pin.h"

#define NICS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct net {
	struct pin_set set;
	struct pin pin[NICS];
	struct ipaddr own[3];
};

static void make(struct net *n)
{
	static const struct ipaddr v6 = {{0xfd, [15] = 2}};
	struct mac gw = {{0x52, 0x55, 10, 0, 2, 2}};

	pin_set_init(&n->set);
	n->own[0] = ipaddr_from4(0x0a000202);
	n->own[1] = v6;
	n->own[2] = ipaddr_linklocal(&gw);
	pin_set_own(&n->set, n->own, 3);
	n->set.slaac = (struct ip6_net){{{0xfd}}, 64};
	for (uint8_t i = 0; i < NICS; i++) {
		struct mac m = {{2, 0, 0, 0, 0, i}};
		struct pin_net a[2] = {{ipaddr_from4(0x0a000210u + i), 128},
				       {ipaddr_from4(0x0a010000u), 96 + 16}};

		pin_add(&n->set, &n->pin[i], &m);
		pin_allow(&n->pin[i], a, 1 + (i == 2));
	}
}

/* A plain Ethernet frame, read as its RFCs draw it. */
static void check(struct net *n, const struct pin *p, const uint8_t *b,
		  size_t len)
{
	uint16_t type = get_be16(b + 12);
	struct ipaddr ip = ipaddr_any;

	if (p->level != PIN_OFF)
		assert(!memcmp(b + 6, p->mac.b, 6));
	if (type == ETH_P_ARP4 && len >= 42) {
		ip = ipaddr_from4(get_be32(b + 28));
		if (p->level != PIN_OFF)
			assert(!memcmp(b + 22, p->mac.b, 6));
	} else if (type == ETH_P_IP4 && len >= 34) {
		ip = ipaddr_from4(get_be32(b + 26));
	} else if (type == ETH_P_IP6 && len >= 54 && b[14] >> 4 == 6) {
		memcpy(ip.b, b + 22, 16);
		if (b[20] == 58 && len >= 78 && b[54] == 136)
			memcpy(ip.b, b + 62, 16);
	} else {
		assert(p->level != PIN_IP ||
		       (type != ETH_P_ARP4 && type != ETH_P_IP4 &&
			type != ETH_P_IP6));
		return;
	}
	if (!ipaddr_is4(&ip) || type != ETH_P_IP6)
		for (int i = 0; i < 3; i++)
			assert(!ipaddr_eq(&ip, &n->own[i]));
	if (p->level == PIN_IP && !ipaddr_is_any(&ip))
		assert(pin_has(p, &ip));
}

static void check_bound(const struct net *n)
{
	for (int i = 0; i < NICS; i++) {
		assert(n->pin[i].nbound <= PIN_BOUND_MAX);
		for (int k = 0; k < n->pin[i].nbound; k++) {
			const struct ipaddr *ip = &n->pin[i].bound[k].ip;

			for (int o = 0; o < 3; o++)
				assert(!ipaddr_eq(ip, &n->own[o]));
			for (int j = 0; j < i; j++)
				assert(!pin_has(&n->pin[j], ip));
		}
	}
}

static void one(struct net *n, uint8_t how, const uint8_t *p, size_t len,
		int64_t now)
{
	struct pin *pin = &n->pin[(how & 3) % NICS];
	uint8_t *b = malloc(len ? len : 1);
	struct pin_says say;
	struct frame f;
	struct hdrs h;

	memcpy(b, p, len);
	if (how & 16 && len >= 12)
		memcpy(b + 6, pin->mac.b, 6);
	frame_init(&f, b, len);
	if (pin->level != (how >> 2 & 3) % 3)
		pin_level(pin, (enum pin_level)((how >> 2 & 3) % 3));
	if (how & 32 && len >= FRAME_HDR) {
		f.len += 100;
		f.seg[1] = f.seg[0]; /* not to be looked at */
		f.nseg = 2;
	}
	if (len >= FRAME_MIN && hdrs_l2(b, len, &h)) {
		bool maybe = pin_maybe(&n->set, pin, &f, &h);
		enum pin_fault r = pin_judge(&n->set, pin, &f, &h, now);

		pin_says(&f, &h, &say);
		assert(say.nmac <= PIN_SAYS_MACS && say.nip <= PIN_SAYS_IPS);
		assert(maybe || r == PIN_OK);
		if (r == PIN_OK && f.nseg == 1)
			check(n, pin, b, len);
		check_bound(n);
	}
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net n;
	int64_t now = 1000;

	make(&n);
	while (size >= 2) {
		size_t len = min_sz(data[1], size - 2);

		one(&n, data[0], data + 2, len, now);
		now += data[0] & 64 ? 1000 : 1;
		data += 2 + len;
		size -= 2 + len;
	}
	return 0;
}
