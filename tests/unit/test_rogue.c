// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core fake_port */
/* Guests that play DHCP server or router. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "tests/fake/fake_port.h"

#define SERVED (ROGUE_DHCP4 | ROGUE_RA | ROGUE_DHCP6)

enum { UDP = 17, ICMP6 = 58, TCP = 6, HOP = 0, FRAG = 44, DST = 60 };

struct fix {
	struct vswitch *sw;
	struct fake_port a, b, gw;
	int told;
	enum rogue_kind kind;
	struct port *who;
};

struct pkt {
	uint8_t b[256];
	size_t len;
};

static void on_rogue(void *arg, struct port *p, enum rogue_kind kind,
		     const struct mac *src)
{
	struct fix *x = arg;

	x->told++;
	x->kind = kind;
	x->who = p;
	assert_int_equal(src->b[0], 2);
}

static int setup(void **state)
{
	struct vswitch_config cfg = {.seed = {3, 4}};
	struct fix *x = calloc(1, sizeof(*x));

	x->sw = vswitch_new(&cfg);
	fake_port_add(&x->a, x->sw, "a", PORT_GUEST, 0);
	fake_port_add(&x->b, x->sw, "b", PORT_GUEST, 0);
	fake_port_add(&x->gw, x->sw, "gw", PORT_GATEWAY, 0);
	vswitch_on_rogue(x->sw, on_rogue, x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	vswitch_free(x->sw);
	free(x);
	return 0;
}

/* ---- frames --------------------------------------------------------------- */

static struct pkt eth(uint16_t type)
{
	struct pkt k = {.len = 14};

	memset(k.b, 0xff, 6);
	k.b[6] = 2;
	put_be16(k.b + 12, type);
	return k;
}

static struct pkt ip4(uint8_t proto, uint16_t sport, uint16_t dport,
		      size_t options)
{
	struct pkt k = eth(ETH_P_IP4);
	uint8_t *p = k.b + 14;

	p[0] = (uint8_t)(0x45 + options / 4);
	put_be16(p + 2, (uint16_t)(28 + options));
	p[8] = 64;
	p[9] = proto;
	put_be16(p + 20 + options, sport);
	put_be16(p + 22 + options, dport);
	k.len += 28 + options;
	return k;
}

/* From fe80::1, without payload. */
static struct pkt ip6(uint8_t next)
{
	struct pkt k = eth(ETH_P_IP6);

	k.b[14] = 0x60;
	k.b[20] = next;
	k.b[21] = 255;
	k.b[22] = 0xfe;
	k.b[23] = 0x80;
	k.b[37] = 1;
	k.len += 40;
	return k;
}

static void more(struct pkt *k, const void *p, size_t n)
{
	memcpy(k->b + k->len, p, n);
	k->len += n;
	put_be16(k->b + 18, (uint16_t)(k->len - 54));
}

static struct pkt advert(void)
{
	struct pkt k = ip6(ICMP6);
	const uint8_t ra[16] = {134};

	more(&k, ra, sizeof(ra));
	return k;
}

static unsigned int kind(const struct pkt *k, size_t len)
{
	struct frame f;
	struct hdrs h;
	unsigned int r;

	/* Exactly as many bytes as there are, for the sanitizer. */
	uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, k->b, len);
	frame_init(&f, copy, len);
	r = hdrs_l2(copy, len, &h) ? rogue_kind(&f, &h) : 0;
	if (r)
		assert_true(rogue_maybe(&f, &h));
	free(copy);
	return r;
}

/* ---- kinds ---------------------------------------------------------------- */

static void kind__what_servers_say__told_apart(void **state)
{
	struct pkt dhcp = ip4(UDP, 67, 68, 0), opts = ip4(UDP, 5, 68, 40);
	struct pkt ra = advert(), six = ip6(UDP);
	const uint8_t to546[8] = {2, 35, 2, 34};

	(void)state;
	more(&six, to546, 8);
	assert_int_equal(kind(&dhcp, dhcp.len), ROGUE_DHCP4);
	assert_int_equal(kind(&opts, opts.len), ROGUE_DHCP4);
	assert_int_equal(kind(&ra, ra.len), ROGUE_RA);
	assert_int_equal(kind(&six, six.len), ROGUE_DHCP6);
	for (size_t n = 0; n < opts.len; n++)
		assert_int_equal(kind(&opts, n), n >= 14 + 64 ? ROGUE_DHCP4 : 0);
	for (size_t n = 0; n < 14 + 40; n++) /* no whole header: nobody's */
		assert_int_equal(kind(&ra, n), 0);
}

static void kind__what_clients_and_relays_say__nothing(void **state)
{
	struct pkt k = ip4(UDP, 68, 67, 0), relay = ip4(UDP, 67, 67, 0);
	struct pkt tcp = ip4(TCP, 67, 68, 0), rest = ip4(UDP, 67, 68, 0);
	struct pkt solicit = advert(), six = ip6(UDP), vlan = eth(ETH_P_TAG);
	const uint8_t to547[8] = {2, 34, 2, 35};

	(void)state;
	rest.b[21] = 1; /* a fragment's offset: data, no ports */
	solicit.b[54] = 133;
	more(&six, to547, 8);
	assert_int_equal(kind(&k, k.len), 0);
	assert_int_equal(kind(&relay, relay.len), 0);
	assert_int_equal(kind(&tcp, tcp.len), 0);
	assert_int_equal(kind(&rest, rest.len), 0);
	assert_int_equal(kind(&solicit, solicit.len), 0);
	assert_int_equal(kind(&six, six.len), 0);
	/* A VLAN of the guests' own is not served; priority tags are none. */
	k = ip4(UDP, 67, 68, 0);
	put_be16(vlan.b + 14, 7);
	memcpy(vlan.b + 16, k.b + 12, k.len - 12);
	vlan.len = k.len + 4;
	assert_int_equal(kind(&vlan, vlan.len), 0);
	put_be16(vlan.b + 14, 0xe000);
	assert_int_equal(kind(&vlan, vlan.len), ROGUE_DHCP4);
}

static void kind__hidden_behind_headers__found(void **state)
{
	const uint8_t ra[16] = {134}, opt[8] = {ICMP6, 0, 1, 4};
	const uint8_t atomic[8] = {DST}, first[8] = {ICMP6, 0, 0, 1};
	const uint8_t second[8] = {ICMP6, 0, 0, 8}, chain[8] = {DST, 0, 1, 4};
	struct pkt k = ip6(HOP);

	(void)state;
	more(&k, opt, 8);
	more(&k, ra, 16);
	assert_int_equal(kind(&k, k.len), ROGUE_RA);
	k = ip6(FRAG); /* atomic, then options that look like an offset */
	more(&k, atomic, 8);
	more(&k, opt, 8);
	more(&k, ra, 16);
	assert_int_equal(kind(&k, k.len), ROGUE_RA);
	k = ip6(FRAG);
	more(&k, first, 8);
	more(&k, ra, 16);
	assert_int_equal(kind(&k, k.len), ROGUE_RA);
	k = ip6(FRAG);
	more(&k, second, 8);
	more(&k, ra, 16);
	assert_int_equal(kind(&k, k.len), 0);
	/* More headers than anybody follows: from a router's address only. */
	k = ip6(DST);
	for (int i = 0; i < 10; i++)
		more(&k, chain, 8);
	assert_int_equal(kind(&k, k.len), ROGUE_RA | ROGUE_DHCP6);
	/* Clients believe DHCPv6 from anywhere, adverts from the link only. */
	k.b[22] = 0xfd;
	assert_int_equal(kind(&k, k.len), ROGUE_DHCP6);
}

/* RFC 7112: the chain goes on where no header is looked for. */
static void kind__first_fragment_without_ports__dropped(void **state)
{
	const uint8_t opt[8] = {ICMP6, 0, 1, 4}, first[8] = {DST, 0, 0, 1};
	const uint8_t udp[8] = {UDP, 0, 0, 1}, opaque[8] = {TCP, 0, 0, 1};
	struct pkt k = ip6(FRAG);

	(void)state;
	more(&k, first, 8);
	more(&k, opt, 8);
	assert_int_equal(kind(&k, k.len), ROGUE_RA | ROGUE_DHCP6);
	k = ip6(FRAG);
	k.b[22] = 0xfd;
	more(&k, udp, 8);
	assert_int_equal(kind(&k, k.len), ROGUE_DHCP6);
	k = ip6(FRAG);
	more(&k, opaque, 8);
	assert_int_equal(kind(&k, k.len), 0);
}

/* Put @n bytes at @p between the addresses and what follows them. */
static void wrap(struct pkt *k, const void *p, size_t n)
{
	memmove(k->b + 12 + n, k->b + 12, k->len - 12);
	memcpy(k->b + 12, p, n);
	k->len += n;
}

/* Only the first FRAME_HDR bytes are seen. */
static unsigned int kind_cut(const struct pkt *k)
{
	struct frame f;
	struct hdrs h;
	unsigned int r;

	frame_init(&f, k->b, FRAME_HDR);
	f.len = (uint32_t)k->len;
	assert_true(k->len > FRAME_HDR && hdrs_l2(k->b, FRAME_HDR, &h));
	r = rogue_kind(&f, &h);
	assert_true(!r || rogue_maybe(&f, &h));
	return r;
}

static void kind__hidden_behind_tags__found(void **state)
{
	const uint8_t prio[4] = {0x81, 0, 0, 0}, ad[4] = {0x88, 0xa8, 0x20, 0};
	const uint8_t snap[8] = {1, 0, 0xaa, 0xaa, 3, 0, 0, 0};
	const uint8_t vlan[4] = {0x81, 0, 0, 7}, llc[5] = {0, 3, 0x42, 0x42, 3};
	struct pkt k = ip4(UDP, 67, 68, 0), ra = advert(), v;

	(void)state;
	for (int i = 0; i < 5; i++) {
		wrap(&k, i & 1 ? ad : prio, 4);
		wrap(&ra, i & 1 ? ad : prio, 4);
		assert_int_equal(kind(&k, k.len), ROGUE_DHCP4);
		assert_int_equal(kind(&ra, ra.len), ROGUE_RA);
	}
	wrap(&k, snap, 8);
	assert_int_equal(kind(&k, k.len), ROGUE_DHCP4);
	wrap(&k, prio, 4);
	assert_int_equal(kind(&k, k.len), ROGUE_DHCP4);
	v = k;
	wrap(&v, vlan, 4);
	assert_int_equal(kind(&v, v.len), 0);
	for (size_t n = 14; n < k.len; n++) /* there is no more of it */
		assert_int_equal(kind(&k, n), n < k.len - 4 ? 0 : ROGUE_DHCP4);
	/* What is there and not seen may be anything. */
	k = ip4(UDP, 67, 68, 40);
	for (int i = 0; i < 22; i++)
		wrap(&k, prio, 4);
	assert_int_equal(kind_cut(&k), ROGUE_DHCP4);
	for (int i = 0; i < 8; i++) {
		wrap(&k, prio, 4);
		assert_int_equal(kind_cut(&k), ROGUE_ALL);
	}
	k = eth(0);
	memcpy(k.b + 12, llc, 5);
	k.len = 60;
	assert_int_equal(kind(&k, k.len), 0);
}

/* ---- the switch ----------------------------------------------------------- */

static void in(struct fake_port *p, const struct pkt *k, int64_t now_ms)
{
	fake_port_in(p, k->b, k->len, now_ms);
}

static void input__guest_plays_server__dropped_where_we_serve(void **state)
{
	struct pkt dhcp = ip4(UDP, 67, 68, 0), ra = advert();
	struct fix *x = *state;

	in(&x->a, &dhcp, 1000);
	assert_int_equal(x->b.n, 1); /* nobody else serves here */
	vswitch_forbid(x->sw, ROGUE_DHCP4);
	in(&x->a, &dhcp, 1000);
	assert_int_equal(x->b.n, 1);
	assert_int_equal(x->a.port.stats.drops[DROP_ROGUE], 1);
	in(&x->a, &ra, 1000);
	assert_int_equal(x->b.n, 2);
	vswitch_forbid(x->sw, SERVED);
	in(&x->a, &ra, 1000);
	assert_int_equal(x->b.n, 2);
	assert_int_equal(x->a.port.stats.drops[DROP_ROGUE], 2);
	/* We ourselves may. */
	in(&x->gw, &dhcp, 1000);
	in(&x->gw, &ra, 1000);
	assert_int_equal(x->b.n, 4);
	vswitch_forbid(x->sw, 0);
	in(&x->a, &ra, 1000);
	assert_int_equal(x->b.n, 5);
}

static void input__guest_goes_on__told_once_a_minute(void **state)
{
	struct pkt dhcp = ip4(UDP, 67, 68, 0), ra = advert();
	struct fix *x = *state;

	vswitch_forbid(x->sw, SERVED);
	for (int i = 0; i < 5; i++)
		in(&x->a, &dhcp, 1000 + i);
	assert_int_equal(x->told, 1);
	assert_int_equal(x->kind, ROGUE_DHCP4);
	assert_ptr_equal(x->who, &x->a.port);
	in(&x->a, &ra, 2000); /* another kind is news */
	in(&x->b, &dhcp, 2000); /* and another port */
	assert_int_equal(x->told, 3);
	in(&x->a, &dhcp, 1000 + VSWITCH_ROGUE_MS - 1);
	assert_int_equal(x->told, 3);
	in(&x->a, &dhcp, 1000 + VSWITCH_ROGUE_MS);
	assert_int_equal(x->told, 4);
	assert_string_equal(rogue_name(x->kind), "dhcp");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kind__what_servers_say__told_apart),
		cmocka_unit_test(kind__what_clients_and_relays_say__nothing),
		cmocka_unit_test(kind__hidden_behind_headers__found),
		cmocka_unit_test(kind__first_fragment_without_ports__dropped),
		cmocka_unit_test(kind__hidden_behind_tags__found),
		T(input__guest_plays_server__dropped_where_we_serve),
		T(input__guest_goes_on__told_once_a_minute),
	};

	return cmocka_run_group_tests_name("rogue", tests, NULL, NULL);
}
