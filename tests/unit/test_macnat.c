// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
/* Guests behind one MAC address: what goes out, what comes in, who has which address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "switch/hdrs.h"
#include "switch/macnat.h"

#define ROOM 1600
#define NOW  1000000

static const struct mac host = {{0x02, 0, 0, 0, 0, 1}};
static const struct mac guest = {{0x52, 0x54, 0, 0, 0, 1}};
static const struct mac other = {{0x52, 0x54, 0, 0, 0, 2}};
static const struct mac lan = {{0x02, 0, 0, 0, 0, 9}};
static const struct mac none;

#define IP_HOST	 0xc0a84d0a
#define IP_GUEST 0xc0a84d15
#define IP_LAN	 0xc0a84d01

struct fix {
	struct macnat *m;
	uint8_t b[ROOM], rest[64];
	struct frame f;
	struct wbuf w;
};

static int setup(void **state)
{
	struct fix *x = calloc(1, sizeof(*x));
	const struct ipaddr mine[] = {ipaddr_from4(IP_HOST),
				      ipaddr_from4(0x0a000001),
				      ipaddr_linklocal(&host)};

	x->m = macnat_new(&host, NULL);
	assert_non_null(x->m);
	macnat_host(x->m, mine, 3);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	macnat_free(x->m);
	free(x);
	return 0;
}

/* ---- frames ------------------------------------------------------------------------------ */

static void eth(struct fix *x, const struct mac *dst, const struct mac *src,
		uint16_t type)
{
	memset(x->b, 0, sizeof(x->b));
	x->w = wbuf_make(x->b, sizeof(x->b));
	wbuf_copy(&x->w, dst->b, 6);
	wbuf_copy(&x->w, src->b, 6);
	wbuf_be16(&x->w, type);
}

static struct frame *done(struct fix *x)
{
	assert_true(wbuf_ok(&x->w));
	frame_init(&x->f, x->b, x->w.len);
	return &x->f;
}

static struct frame *arp(struct fix *x, const struct mac *dst,
			 const struct mac *src, uint16_t op, uint32_t spa,
			 const struct mac *tha, uint32_t tpa)
{
	eth(x, dst, src, ETH_P_ARP4);
	wbuf_be32(&x->w, 0x00010800);
	wbuf_be16(&x->w, 0x0604);
	wbuf_be16(&x->w, op);
	wbuf_copy(&x->w, src->b, 6);
	wbuf_be32(&x->w, spa);
	wbuf_copy(&x->w, tha->b, 6);
	wbuf_be32(&x->w, tpa);
	wbuf_fill(&x->w, 0, 18);
	return done(x);
}

static void ip4(struct fix *x, uint8_t proto, uint32_t src, uint32_t dst,
		size_t len)
{
	wbuf_be16(&x->w, 0x4500);
	wbuf_be16(&x->w, (uint16_t)(20 + len));
	wbuf_be32(&x->w, 0);
	wbuf_u8(&x->w, 64);
	wbuf_u8(&x->w, proto);
	wbuf_be16(&x->w, 0);
	wbuf_be32(&x->w, src);
	wbuf_be32(&x->w, dst);
}

static struct frame *tcp(struct fix *x, const struct mac *dst,
			 const struct mac *src, uint32_t from, uint32_t to)
{
	eth(x, dst, src, ETH_P_IP4);
	ip4(x, 6, from, to, 40);
	wbuf_fill(&x->w, 0x5a, 40);
	return done(x);
}

/* A BOOTP message of either direction, with a right checksum. */
static struct frame *dhcp(struct fix *x, const struct mac *dst,
			  const struct mac *src, bool reply, uint32_t ciaddr,
			  uint32_t yiaddr, uint8_t type)
{
	uint8_t *udp;
	uint64_t sum;
	size_t len = 8 + 236 + 4 + 4;

	eth(x, dst, src, ETH_P_IP4);
	ip4(x, 17, reply ? IP_LAN : 0, 0xffffffff, len);
	udp = x->w.p + x->w.len;
	wbuf_be16(&x->w, reply ? 67 : 68);
	wbuf_be16(&x->w, reply ? 68 : 67);
	wbuf_be16(&x->w, (uint16_t)len);
	wbuf_be16(&x->w, 0);
	wbuf_be32(&x->w, reply ? 0x02010600 : 0x01010600);
	wbuf_be32(&x->w, 0x12345678);
	wbuf_be32(&x->w, 0x00070000);
	wbuf_be32(&x->w, ciaddr);
	wbuf_be32(&x->w, yiaddr);
	wbuf_fill(&x->w, 0, 8);
	wbuf_copy(&x->w, guest.b, 6);
	wbuf_fill(&x->w, 0, 10 + 64 + 128);
	wbuf_be32(&x->w, 0x63825363);
	wbuf_be16(&x->w, 53 << 8 | 1);
	wbuf_be16(&x->w, (uint16_t)(type << 8 | 255));
	sum = csum_pseudo4(reply ? IP_LAN : 0, 0xffffffff, 17, (uint32_t)len);
	put_be16(udp + 6, csum_finish(csum_add(sum, udp, len)));
	return done(x);
}

static struct ipaddr ip6(uint8_t last)
{
	return (struct ipaddr){{0xfd, 0x77, [15] = last}};
}

/* Neighbour discovery with one option, checksum done. */
static struct frame *nd(struct fix *x, const struct mac *dst,
			const struct mac *src, uint8_t type,
			const struct ipaddr *from, const struct ipaddr *to,
			const struct ipaddr *target, uint8_t option,
			const struct mac *mac, size_t more)
{
	size_t at, len = 24 + 8 + more;

	eth(x, dst, src, ETH_P_IP6);
	wbuf_be32(&x->w, 0x60000000);
	wbuf_be16(&x->w, (uint16_t)len);
	wbuf_be16(&x->w, 58 << 8 | 255);
	wbuf_copy(&x->w, from->b, 16);
	wbuf_copy(&x->w, to->b, 16);
	at = x->w.len;
	wbuf_be32(&x->w, (uint32_t)type << 24);
	wbuf_be32(&x->w, 0);
	wbuf_copy(&x->w, target->b, 16);
	wbuf_u8(&x->w, option);
	wbuf_u8(&x->w, 1);
	wbuf_copy(&x->w, mac->b, 6);
	for (size_t i = 0; i < more; i += 8) {
		wbuf_be16(&x->w, 0x0e01);
		wbuf_fill(&x->w, 0x33, 6);
	}
	put_be16(x->b + at + 2,
		 csum_finish(csum_add(csum_pseudo6(from, to, 58, (uint32_t)len),
				      x->b + at, len)));
	return done(x);
}

static bool sum6_right(const uint8_t *p, size_t len)
{
	struct ipaddr from, to;

	memcpy(from.b, p + 22, 16);
	memcpy(to.b, p + 38, 16);
	return !csum_finish(csum_add(
		csum_pseudo6(&from, &to, 58, (uint32_t)(len - 54)), p + 54,
		len - 54));
}

static bool is_mac(const uint8_t *p, const struct mac *m)
{
	return !memcmp(p, m->b, 6);
}

/* The frame as the wire has it, in one piece. */
static const uint8_t *out(struct fix *x, const struct frame *f)
{
	static uint8_t b[ROOM];
	const struct frame *o = macnat_out(x->m, f, 1, 0, NOW);

	assert_non_null(o);
	assert_int_equal(o->len, f->len);
	assert_int_equal(frame_copy(o, 0, b, sizeof(b)), f->len);
	assert_true(is_mac(b + 6, &host));
	return b;
}

static void has(struct fix *x, const struct mac *who, uint32_t ip)
{
	assert_true(macnat_learn(
		x->m, arp(x, &mac_broadcast, who, 1, ip, &none, IP_LAN), 1,
		NOW));
}

static const struct mac *who_has(struct fix *x, uint32_t ip, int64_t now_ms)
{
	const struct ipaddr a = ipaddr_from4(ip);

	return macnat_find(x->m, &a, 0, now_ms);
}

/* ---- out --------------------------------------------------------------------------------- */

static void out__data_in_pieces__source_shared_the_rest_lent(void **state)
{
	struct fix *x = *state;
	struct frame *f = tcp(x, &lan, &guest, IP_GUEST, IP_LAN);
	const struct frame *o;

	memset(x->rest, 0x77, sizeof(x->rest));
	f->seg[1] = (struct iovec){x->rest, sizeof(x->rest)};
	f->nseg = 2;
	f->len += sizeof(x->rest);
	f->off.needs_csum = true;
	f->off.gso_type = GSO_TCP4;
	f->off.gso_size = 20;
	o = macnat_out(x->m, f, 1, 3, NOW);
	assert_non_null(o);
	assert_int_equal(o->len, f->len);
	assert_int_equal(o->nseg, 3);
	assert_ptr_equal(o->seg[2].iov_base, x->rest);
	assert_ptr_equal(o->seg[1].iov_base, x->b + ETH_HDR_LEN);
	assert_int_equal(o->off.gso_size, 20);
	assert_true(is_mac((uint8_t *)o->seg[0].iov_base + 6, &host));
	/* What was given is shared with others. */
	assert_true(is_mac(x->b + 6, &guest));
}

static void out__as_many_pieces_as_can_be__still_as_many(void **state)
{
	struct fix *x = *state;
	struct frame *f = tcp(x, &lan, &guest, IP_GUEST, IP_LAN);
	const struct frame *o;

	for (unsigned int i = 1; i < FRAME_SEGS; i++) {
		f->seg[i] = (struct iovec){x->rest, 8};
		f->len += 8;
	}
	f->nseg = FRAME_SEGS;
	o = macnat_out(x->m, f, 1, 0, NOW);
	assert_non_null(o);
	assert_in_range(o->nseg, 1, FRAME_SEGS);
	assert_int_equal(o->len, f->len);
}

static void out__arp__sender_is_shared(void **state)
{
	struct fix *x = *state;
	const uint8_t *p = out(x, arp(x, &mac_broadcast, &guest, 1, IP_GUEST,
				      &none, IP_LAN));

	assert_true(is_mac(p + 22, &host));
	assert_true(is_mac(p + 32, &none));
	/* A gratuitous reply names its sender twice. */
	p = out(x, arp(x, &mac_broadcast, &guest, 2, IP_GUEST, &guest,
		       IP_GUEST));
	assert_true(is_mac(p + 22, &host) && is_mac(p + 32, &host));
	p = out(x, arp(x, &lan, &guest, 2, IP_GUEST, &lan, IP_LAN));
	assert_true(is_mac(p + 32, &lan));
}

static void out__dhcp_without_address__asks_for_broadcast(void **state)
{
	struct fix *x = *state;
	struct frame *f = dhcp(x, &mac_broadcast, &guest, false, 0, 0, 1);
	const uint8_t *p = out(x, f);
	uint64_t sum = csum_pseudo4(0, 0xffffffff, 17, f->len - 34);

	assert_int_equal(get_be16(p + 34 + 8 + 10), 0x8000);
	assert_int_equal(csum_finish(csum_add(sum, p + 34, f->len - 34)), 0);
	assert_true(is_mac(p + 34 + 8 + 28, &guest)); /* chaddr */
	/* A checksum still to be done is not touched. */
	f->off = (struct offload){.needs_csum = true, .csum_start = 34,
				  .csum_offset = 6};
	p = out(x, f);
	assert_int_equal(get_be16(p + 40), get_be16(x->b + 40));
	assert_int_equal(get_be16(p + 34 + 8 + 10), 0x8000);
	/* None stays none. */
	put_be16(x->b + 40, 0);
	f->off.needs_csum = false;
	p = out(x, f);
	assert_int_equal(get_be16(p + 40), 0);
}

static void out__dhcp_renewal__answer_comes_to_its_address(void **state)
{
	struct fix *x = *state;
	const uint8_t *p = out(x, dhcp(x, &lan, &guest, false, IP_GUEST, 0, 3));

	assert_int_equal(get_be16(p + 34 + 8 + 10), 0);
}

static void out__neighbour_discovery__options_shared_sums_right(void **state)
{
	static const struct {
		uint8_t type, option;
	} kinds[] = {{135, 1}, {136, 2}};
	struct fix *x = *state;
	struct ipaddr from = ip6(0x15), to = ip6(1);

	for (size_t i = 0; i < 2; i++) {
		struct frame *f =
			nd(x, &lan, &guest, kinds[i].type, &from, &to, &from,
			   kinds[i].option, &guest, 16);
		const uint8_t *p = out(x, f);

		assert_true(is_mac(p + 80, &host));
		assert_true(sum6_right(p, f->len));
		assert_memory_equal(p + 86, x->b + 86, 16);
	}
}

static void out__neighbour_discovery_too_long__refused(void **state)
{
	struct fix *x = *state;
	struct ipaddr from = ip6(0x15), to = ip6(1);

	assert_null(macnat_out(x->m,
			       nd(x, &lan, &guest, 135, &from, &to, &to, 1,
				  &guest, 600),
			       1, 0, NOW));
}

static void out__any_length__no_overrun(void **state)
{
	struct fix *x = *state;
	struct ipaddr from = ip6(0x15), to = ip6(1);

	for (int kind = 0; kind < 3; kind++) {
		struct frame *f =
			!kind ? arp(x, &lan, &guest, 1, IP_GUEST, &none, IP_LAN)
			: kind == 1 ? dhcp(x, &lan, &guest, false, 0, 0, 1)
				    : nd(x, &lan, &guest, 135, &from, &to, &to,
					 1, &guest, 0);
		size_t len = f->len;

		for (size_t n = ETH_HDR_LEN; n < len; n++) {
			uint8_t *p = malloc(n);
			struct frame cut;

			memcpy(p, x->b, n);
			frame_init(&cut, p, n);
			assert_true(macnat_learn(x->m, &cut, 1, NOW));
			(void)macnat_out(x->m, &cut, 1, 0, NOW);
			memcpy(p, host.b, 6);
			(void)macnat_in(x->m, &cut, NOW);
			free(p);
		}
	}
}

/* ---- in ---------------------------------------------------------------------------------- */

static void in__a_guests_address__its_mac(void **state)
{
	struct fix *x = *state;

	has(x, &guest, IP_GUEST);
	assert_true(macnat_in(x->m, tcp(x, &host, &lan, IP_LAN, IP_GUEST), NOW));
	assert_true(is_mac(x->b, &guest));
	assert_true(is_mac(x->b + 6, &lan));
}

static void in__others__the_hosts(void **state)
{
	struct fix *x = *state;

	has(x, &guest, IP_GUEST);
	assert_false(macnat_in(x->m, tcp(x, &host, &lan, IP_LAN, IP_HOST), NOW));
	assert_false(
		macnat_in(x->m, tcp(x, &host, &lan, IP_LAN, IP_GUEST + 1), NOW));
	eth(x, &host, &lan, 0x88b5);
	wbuf_fill(&x->w, 0, 46);
	assert_false(macnat_in(x->m, done(x), NOW));
	assert_true(is_mac(x->b, &host));
}

static void in__groups__everybodys(void **state)
{
	struct fix *x = *state;

	assert_true(macnat_in(x->m,
			      arp(x, &mac_broadcast, &lan, 1, IP_LAN, &none,
				  IP_GUEST), NOW));
	assert_true(is_mac(x->b, &mac_broadcast));
}

static void in__arp__by_target_address(void **state)
{
	struct fix *x = *state;

	has(x, &guest, IP_GUEST);
	assert_true(macnat_in(
		x->m, arp(x, &host, &lan, 2, IP_LAN, &host, IP_GUEST), NOW));
	assert_true(is_mac(x->b, &guest) && is_mac(x->b + 32, &guest));
	/* Asked again by one that knows the address (RFC 1122 2.3.2.1). */
	assert_true(macnat_in(
		x->m, arp(x, &host, &lan, 1, IP_LAN, &none, IP_GUEST), NOW));
	assert_true(is_mac(x->b, &guest));
	assert_false(macnat_in(
		x->m, arp(x, &host, &lan, 2, IP_LAN, &host, IP_HOST), NOW));
}

static void in__answer_to_a_probe__who_probed(void **state)
{
	struct fix *x = *state;

	out(x, arp(x, &mac_broadcast, &guest, 1, 0, &none, IP_LAN));
	assert_true(macnat_in(x->m, arp(x, &host, &lan, 2, IP_LAN, &host, 0),
			      NOW));
	assert_true(is_mac(x->b, &guest) && is_mac(x->b + 32, &guest));
	assert_false(macnat_in(x->m, arp(x, &host, &lan, 2, IP_LAN, &host, 0),
			       NOW + MACNAT_ASKED_S * 1000));
	assert_false(macnat_in(
		x->m, arp(x, &host, &lan, 2, IP_LAN + 1, &host, 0), NOW));
}

static void in__neighbour_discovery__by_address(void **state)
{
	struct fix *x = *state;
	struct ipaddr mine = ipaddr_linklocal(&guest), to = ip6(1);

	assert_true(macnat_learn(x->m,
				 nd(x, &lan, &guest, 136, &mine, &to, &mine, 2,
				    &guest, 0), 1, NOW));
	assert_true(macnat_in(x->m,
			      nd(x, &host, &lan, 135, &to, &mine, &mine, 1,
				 &lan, 0), NOW));
	assert_true(is_mac(x->b, &guest));
	assert_true(is_mac(x->b + 80, &lan));
}

static void in__dhcp_ack__address_known_before_it_speaks(void **state)
{
	struct fix *x = *state;

	/* Nobody asked. */
	assert_true(macnat_in(
		x->m, dhcp(x, &mac_broadcast, &lan, true, 0, IP_GUEST, 5), NOW));
	assert_null(who_has(x, IP_GUEST, NOW));
	out(x, dhcp(x, &mac_broadcast, &guest, false, 0, 0, 3));
	assert_true(macnat_in(
		x->m, dhcp(x, &mac_broadcast, &lan, true, 0, IP_GUEST, 2), NOW));
	assert_null(who_has(x, IP_GUEST, NOW)); /* an offer */
	assert_true(macnat_in(
		x->m, dhcp(x, &mac_broadcast, &lan, true, 0, IP_GUEST, 5), NOW));
	assert_true(mac_eq(who_has(x, IP_GUEST, NOW), &guest));
	/* The host's is not given away. */
	assert_true(macnat_in(
		x->m, dhcp(x, &mac_broadcast, &lan, true, 0, IP_HOST, 5), NOW));
	assert_null(who_has(x, IP_HOST, NOW));
}

static void in__dhcp_answer_to_one__who_asked(void **state)
{
	struct fix *x = *state;

	out(x, dhcp(x, &mac_broadcast, &guest, false, 0, 0, 1));
	assert_true(macnat_in(
		x->m, dhcp(x, &host, &lan, true, 0, IP_GUEST, 2), NOW));
	assert_true(is_mac(x->b, &guest));
}

/* ---- who has what -------------------------------------------------------------------------- */

static void learn__the_hosts_address__refused(void **state)
{
	struct fix *x = *state;
	struct ipaddr mine = ipaddr_linklocal(&host), to = ip6(1);

	assert_false(macnat_learn(
		x->m, arp(x, &lan, &guest, 2, IP_HOST, &lan, IP_LAN), 1, NOW));
	assert_false(macnat_learn(
		x->m, tcp(x, &lan, &guest, IP_HOST, IP_LAN), 1, NOW));
	assert_false(macnat_learn(x->m,
				  nd(x, &lan, &guest, 136, &mine, &to, &mine, 2,
				     &guest, 0), 1, NOW));
	assert_int_equal(macnat_count(x->m), 0);
}

static void host__gets_a_guests_address__no_guests_any_more(void **state)
{
	struct fix *x = *state;
	const struct ipaddr now = ipaddr_from4(IP_GUEST);

	has(x, &guest, IP_GUEST);
	macnat_host(x->m, &now, 1);
	assert_null(who_has(x, IP_GUEST, NOW));
	macnat_host(x->m, NULL, 0);
	has(x, &guest, IP_HOST);
	assert_true(mac_eq(who_has(x, IP_HOST, NOW), &guest));
}

static void learn__only_asked_for__not_had(void **state)
{
	struct fix *x = *state;
	struct ipaddr to = ip6(1), zero = ipaddr_any;

	assert_true(macnat_learn(
		x->m, arp(x, &mac_broadcast, &guest, 1, 0, &none, IP_HOST), 1,
		NOW));
	assert_true(macnat_learn(x->m,
				 nd(x, &lan, &guest, 135, &zero, &to, &to, 14,
				    &guest, 0), 1, NOW));
	assert_int_equal(macnat_count(x->m), 0);
}

static void learn__data_from_anothers_address__held_then_moved(void **state)
{
	struct fix *x = *state;
	int64_t late = NOW + MACNAT_HOLD_S * 1000;

	has(x, &guest, IP_GUEST);
	assert_true(macnat_learn(
		x->m, tcp(x, &lan, &other, IP_GUEST, IP_LAN), 2, NOW + 2000));
	assert_true(mac_eq(who_has(x, IP_GUEST, NOW), &guest));
	assert_true(macnat_learn(
		x->m, tcp(x, &lan, &other, IP_GUEST, IP_LAN), 2, late));
	assert_true(mac_eq(who_has(x, IP_GUEST, late), &other));
	/* ARP moves it at once. */
	assert_true(macnat_learn(
		x->m, arp(x, &lan, &guest, 2, IP_GUEST, &lan, IP_LAN), 1, late));
	assert_true(mac_eq(who_has(x, IP_GUEST, late), &guest));
	assert_int_equal(macnat_count(x->m), 1);
}

static void known__of_before_a_restart__until_it_speaks(void **state)
{
	struct fix *x = *state;
	const struct ipaddr a = ipaddr_from4(IP_GUEST),
			    mine = ipaddr_from4(IP_HOST);

	macnat_known(x->m, &guest, &a, 7, NOW);
	macnat_known(x->m, &guest, &mine, 7, NOW);
	macnat_known(x->m, &other, &a, 7, NOW);
	assert_int_equal(macnat_count(x->m), 1);
	assert_true(mac_eq(who_has(x, IP_GUEST, NOW), &guest));
	/* Data of its own, from its own port now. */
	assert_true(macnat_learn(
		x->m, tcp(x, &lan, &guest, IP_GUEST, IP_LAN), 1, NOW));
	assert_true(macnat_learn(
		x->m, tcp(x, &lan, &other, IP_GUEST, IP_LAN), 2, NOW));
	assert_true(mac_eq(who_has(x, IP_GUEST, NOW), &guest));
	assert_int_equal(macnat_count(x->m), 1);
}

static void learn__vlans__addresses_of_their_own(void **state)
{
	struct fix *x = *state;
	const struct ipaddr a = ipaddr_from4(IP_GUEST);

	eth(x, &lan, &guest, 0x8100);
	wbuf_be16(&x->w, 7);
	wbuf_be16(&x->w, ETH_P_IP4);
	ip4(x, 6, IP_GUEST, IP_LAN, 20);
	wbuf_fill(&x->w, 0, 20);
	assert_true(macnat_learn(x->m, done(x), 1, NOW));
	assert_null(macnat_find(x->m, &a, 0, NOW));
	assert_true(mac_eq(macnat_find(x->m, &a, 7, NOW), &guest));
}

static void find__silent_for_long__nobodys(void **state)
{
	struct fix *x = *state;
	int64_t late = NOW + MACNAT_AGE_S * 1000;

	has(x, &guest, IP_GUEST);
	assert_non_null(who_has(x, IP_GUEST, late - 1000));
	assert_null(who_has(x, IP_GUEST, late));
}

static void learn__one_guest_with_many__costs_the_others_nothing(void **state)
{
	struct fix *x = *state;

	has(x, &guest, IP_GUEST);
	for (uint32_t i = 0; i < 3 * MACNAT_PORT_MAX; i++)
		assert_true(macnat_learn(
			x->m, tcp(x, &lan, &other, 0x0b000000 + i, IP_LAN), 2,
			NOW));
	assert_int_equal(macnat_count(x->m), MACNAT_PORT_MAX + 1);
	assert_true(mac_eq(who_has(x, IP_GUEST, NOW), &guest));
	assert_null(who_has(x, 0x0b000000, NOW));
	assert_non_null(who_has(x, 0x0b000000 + 3 * MACNAT_PORT_MAX - 1, NOW));
}

static void learn__table_full__the_greediest_makes_room(void **state)
{
	struct fix *x = *state;
	uint32_t ports = MACNAT_MAX / MACNAT_PORT_MAX;

	has(x, &guest, IP_GUEST);
	for (uint32_t i = 0; i < MACNAT_MAX + 100; i++)
		assert_true(macnat_learn(
			x->m, tcp(x, &lan, &other, 0x0b000000 + i, IP_LAN),
			(uint16_t)(2 + i % (ports + 1)), NOW));
	assert_int_equal(macnat_count(x->m), MACNAT_MAX);
	assert_true(mac_eq(who_has(x, IP_GUEST, NOW), &guest));
}

static void is_copy__what_came_from_the_wire__only_that(void **state)
{
	struct fix *x = *state;
	struct frame *f;

	has(x, &guest, IP_GUEST);
	f = tcp(x, &guest, &host, IP_LAN, IP_GUEST);
	assert_false(macnat_is_copy(x->m, f, NOW));
	memcpy(x->b, host.b, 6);
	assert_true(macnat_in(x->m, f, NOW));
	assert_true(macnat_is_copy(x->m, f, NOW));
	assert_false(macnat_is_copy(x->m, f, NOW + MACNAT_COPY_MS));
	f = tcp(x, &guest, &host, IP_HOST, IP_GUEST);
	assert_false(macnat_is_copy(x->m, f, NOW));
}

/* Somebody on the LAN who speaks as the host silences nobody. */
static void is_copy__the_wire_claims_to_be_the_host__no_copy(void **state)
{
	struct fix *x = *state;
	struct frame *f;

	has(x, &guest, IP_GUEST);
	f = tcp(x, &host, &lan, IP_HOST, IP_GUEST);
	assert_true(macnat_in(x->m, f, NOW));
	f = tcp(x, &guest, &host, IP_HOST, IP_GUEST);
	assert_false(macnat_is_copy(x->m, f, NOW));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(out__data_in_pieces__source_shared_the_rest_lent),
		T(out__as_many_pieces_as_can_be__still_as_many),
		T(out__arp__sender_is_shared),
		T(out__dhcp_without_address__asks_for_broadcast),
		T(out__dhcp_renewal__answer_comes_to_its_address),
		T(out__neighbour_discovery__options_shared_sums_right),
		T(out__neighbour_discovery_too_long__refused),
		T(out__any_length__no_overrun),
		T(in__a_guests_address__its_mac),
		T(in__others__the_hosts),
		T(in__groups__everybodys),
		T(in__arp__by_target_address),
		T(in__answer_to_a_probe__who_probed),
		T(in__neighbour_discovery__by_address),
		T(in__dhcp_ack__address_known_before_it_speaks),
		T(in__dhcp_answer_to_one__who_asked),
		T(learn__the_hosts_address__refused),
		T(host__gets_a_guests_address__no_guests_any_more),
		T(learn__only_asked_for__not_had),
		T(learn__data_from_anothers_address__held_then_moved),
		T(known__of_before_a_restart__until_it_speaks),
		T(learn__vlans__addresses_of_their_own),
		T(find__silent_for_long__nobodys),
		T(learn__one_guest_with_many__costs_the_others_nothing),
		T(learn__table_full__the_greediest_makes_room),
		T(is_copy__what_came_from_the_wire__only_that),
		T(is_copy__the_wire_claims_to_be_the_host__no_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
