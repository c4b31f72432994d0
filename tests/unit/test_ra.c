// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core lib */
/* Router advertisements: their bytes, when they come, who is listened to. */
#include "dhcp/ra.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/bytes.h"

struct fix {
	struct ra ra;
	struct ra_msg out;
	int64_t now;
};

static const struct ipaddr guest = {{0xfe, 0x80, [15] = 7}};
static const struct mac guest_mac = {{0x52, 0x54, 0, 1, 2, 3}};

static struct ra_config config(void)
{
	struct ra_config c = {
		.prefix = {{{0xfd, 1, 2, 3, 4, 5, 0, 6}}, 64},
		.router = true,
		.mtu = 1500,
		.mac = {{0x52, 0x55, 10, 0, 2, 2}},
		.dns = {{{0xfd, 1, 2, 3, 4, 5, 0, 6, [15] = 3}}},
		.ndns = 1,
		.domain = "lab.vnet",
	};

	return c;
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct ra_config c = config();

	f->now = 1000000;
	ra_init(&f->ra, &c, 42, f->now);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Everything that is due until @ms from now; returns how many, f->out the last. */
static unsigned int run(struct fix *f, int64_t ms)
{
	int64_t end = f->now + ms;
	unsigned int n = 0;

	while (ra_deadline(&f->ra) <= end) {
		f->now = ra_deadline(&f->ra);
		assert_true(ra_next(&f->ra, f->now, &f->out));
		n++;
	}
	f->now = end;
	return n;
}

static bool ask_raw(struct fix *f, const struct ipaddr *src, const void *data,
		    size_t len, uint8_t hops)
{
	struct ra_input in = {
		.data = data,
		.len = len,
		.src = *src,
		.src_mac = guest_mac,
		.hop_limit = hops,
	};

	return ra_input(&f->ra, &in, f->now);
}

static bool ask(struct fix *f, const struct ipaddr *src)
{
	static const uint8_t rs[8] = {RA_TYPE_SOLICIT};

	return ask_raw(f, src, rs, sizeof(rs), 255);
}

/* Past the burst at the start. */
static void settle(struct fix *f)
{
	run(f, 3 * RA_INITIAL_MAX_MS);
}

/* ---- bytes --------------------------------------------------------------- */

/* Composed by hand after RFC 4861 4.2, 4.6, RFC 8106 5.1 and 5.2. */
static void build__nat_network__every_byte(void **state)
{
	static const uint8_t want[] = {
		134, 0, 0, 0, 64, 0x18, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0,
		1, 1, 0x52, 0x55, 10, 0, 2, 2,
		5, 1, 0, 0, 0, 0, 0x05, 0xdc,
		3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0,
		0xfd, 1, 2, 3, 4, 5, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0,
		25, 3, 0, 0, 0, 0, 0x07, 0x08,
		0xfd, 1, 2, 3, 4, 5, 0, 6, 0, 0, 0, 0, 0, 0, 0, 3,
		31, 3, 0, 0, 0, 0, 0x07, 0x08,
		3, 'l', 'a', 'b', 4, 'v', 'n', 'e', 't', 0, 0, 0, 0, 0, 0, 0,
	};
	static const uint8_t to[16] = {0xff, 2, [15] = 1};
	struct fix *f = *state;

	assert_int_equal(run(f, 0), 1);
	assert_memory_equal(f->out.dst.b, to, 16);
	assert_true(mac_is_zero(&f->out.mac));
	assert_int_equal(f->out.len, sizeof(want));
	assert_memory_equal(f->out.data, want, sizeof(want));
}

static void build__no_router__lifetime_zero_and_medium(void **state)
{
	struct fix *f = *state;
	struct ra_config c = config();

	c.router = false;
	c.ndns = 0;
	c.domain[0] = '\0';
	c.mtu = 0;
	ra_init(&f->ra, &c, 1, f->now);
	assert_int_equal(run(f, 0), 1);
	assert_int_equal(f->out.len, 16 + 8 + 32);
	assert_int_equal(f->out.data[5], 0);
	assert_int_equal(get_be16(f->out.data + 6), 0);
	assert_int_equal(f->out.data[24], 3); /* the prefix is there all the same */
}

static void build__longest_domain_and_resolvers__fit(void **state)
{
	struct fix *f = *state;
	struct ra_config c = config();

	c.ndns = RA_DNS_MAX;
	for (size_t i = 0; i < RA_DOMAIN_MAX; i++)
		c.domain[i] = i % 2 ? '.' : 'a';
	c.domain[RA_DOMAIN_MAX] = '\0';
	ra_init(&f->ra, &c, 1, f->now);
	assert_int_equal(run(f, 0), 1);
	assert_true(f->out.len < RA_MSG_MAX);
	assert_int_equal(f->out.len % 8, 0);
	assert_int_equal(f->out.data[16 + 8 + 8 + 32], 25);
	assert_int_equal(f->out.data[16 + 8 + 8 + 32 + 56], 31);
}

static void final__sent__router_and_resolver_end(void **state)
{
	struct fix *f = *state;
	const uint8_t *prefix = f->out.data + 32;

	ra_final(&f->ra, &f->out);
	assert_int_equal(f->out.dst.b[0], 0xff);
	assert_int_equal(get_be16(f->out.data + 6), 0);
	assert_int_equal(prefix[32], 25);
	assert_int_equal(get_be32(prefix + 36), 0);
	/* Addresses stay valid, and another prefix's are preferred. */
	assert_int_equal(prefix[0], 3);
	assert_int_equal(get_be32(prefix + 4), RA_PREFIX_VALID_S);
	assert_int_equal(get_be32(prefix + 8), 0);
}

/* ---- time ---------------------------------------------------------------- */

static void time__from_the_start__burst_then_now_and_then(void **state)
{
	struct fix *f = *state;

	assert_int_equal(run(f, 0), 1); /* at once */
	assert_int_equal(run(f, RA_INITIAL_MAX_MS), 1);
	assert_int_equal(run(f, RA_INITIAL_MAX_MS), 1);
	for (int i = 0; i < 50; i++) {
		int64_t in = ra_deadline(&f->ra) - f->ra.last_ms;

		assert_in_range(in, RA_INTERVAL_MIN_MS, RA_INTERVAL_MAX_MS);
		assert_int_equal(run(f, ra_deadline(&f->ra) - f->now), 1);
	}
}

static void time__two_seeds__differ(void **state)
{
	struct fix *f = *state;
	struct ra_config c = config();
	struct ra other;

	ra_init(&other, &c, 43, f->now);
	while (ra_next(&other, f->now, &f->out))
		;
	other.initial = 0;
	run(f, 0);
	other.multicast_ms = f->ra.multicast_ms = f->now;
	f->ra.initial = 0;
	assert_true(ra_next(&other, f->now, &f->out));
	assert_true(ra_next(&f->ra, f->now, &f->out));
	assert_int_not_equal(ra_deadline(&other), ra_deadline(&f->ra));
}

static void configure__changed__told_soon_not_sooner_than_allowed(void **state)
{
	struct fix *f = *state;
	struct ra_config c = config();
	int64_t last;

	settle(f);
	c.mtu = 1400;
	ra_configure(&f->ra, &c, f->now);
	assert_int_equal(run(f, 0), 1);
	assert_int_equal(get_be32(f->out.data + 28), 1400);
	last = f->now;
	ra_configure(&f->ra, &c, f->now);
	assert_int_equal(ra_deadline(&f->ra), last + RA_MIN_DELAY_MS);
}

/* ---- solicitations ------------------------------------------------------- */

static void input__from_an_address__it_alone_is_answered(void **state)
{
	struct fix *f = *state;

	settle(f);
	assert_true(ask(f, &guest));
	assert_true(ask(f, &guest)); /* once is enough */
	assert_in_range(ra_deadline(&f->ra), f->now,
			f->now + RA_ANSWER_MAX_MS);
	assert_int_equal(run(f, RA_MIN_DELAY_MS), 1);
	assert_true(ipaddr_eq(&f->out.dst, &guest));
	assert_true(mac_eq(&f->out.mac, &guest_mac));
}

static void input__without_address__all_are_answered(void **state)
{
	struct fix *f = *state;

	settle(f);
	assert_true(ask(f, &ipaddr_any));
	assert_int_equal(run(f, RA_ANSWER_MAX_MS), 1);
	assert_int_equal(f->out.dst.b[0], 0xff);
	/* Again at once: no sooner than three seconds after. */
	assert_true(ask(f, &ipaddr_any));
	assert_int_equal(run(f, RA_MIN_DELAY_MS - RA_ANSWER_MAX_MS), 0);
	assert_int_equal(run(f, RA_ANSWER_MAX_MS), 1);
}

static void input__more_askers_than_places__answered_together(void **state)
{
	struct fix *f = *state;
	struct ipaddr a = guest;

	settle(f);
	for (int i = 0; i < 3 * RA_ASKERS_MAX; i++) {
		a.b[14] = (uint8_t)i;
		assert_true(ask(f, &a));
	}
	assert_in_range(run(f, RA_ANSWER_MAX_MS), RA_ASKERS_MAX,
			RA_ASKERS_MAX + 1);
	assert_true(f->ra.multicast_ms - f->ra.last_ms >= RA_INTERVAL_MIN_MS);
}

static void input__flood__at_most_one_to_all_in_three_seconds(void **state)
{
	struct fix *f = *state;
	unsigned int n = 0;

	settle(f);
	for (int i = 0; i < 3000; i++) {
		ask(f, &ipaddr_any);
		n += run(f, 10);
	}
	assert_in_range(n, 8, 11);
}

static void input__malformed__not_listened_to(void **state)
{
	static const uint8_t lla[16] = {RA_TYPE_SOLICIT, [8] = 1, 1, 2};
	static const uint8_t zero[16] = {RA_TYPE_SOLICIT, [8] = 1, 0};
	static const uint8_t cut[16] = {RA_TYPE_SOLICIT, [8] = 1, 2};
	static const uint8_t code[8] = {RA_TYPE_SOLICIT, 1};
	static const uint8_t type[8] = {RA_TYPE_ADVERTISE};
	uint8_t many[8 + 8 * (RA_OPTS_MAX + 1)] = {RA_TYPE_SOLICIT};
	struct ipaddr group = {{0xff, 2, [15] = 1}};
	struct fix *f = *state;

	settle(f);
	for (size_t i = 8; i < sizeof(many); i += 8)
		many[i + 1] = 1;
	assert_false(ask_raw(f, &guest, zero, sizeof(zero), 255));
	assert_false(ask_raw(f, &guest, cut, sizeof(cut), 255));
	assert_false(ask_raw(f, &guest, code, sizeof(code), 255));
	assert_false(ask_raw(f, &guest, type, sizeof(type), 255));
	assert_false(ask_raw(f, &guest, many, sizeof(many), 255));
	assert_false(ask_raw(f, &guest, lla, sizeof(lla), 64));
	assert_false(ask_raw(f, &ipaddr_any, lla, sizeof(lla), 255));
	assert_false(ask_raw(f, &group, lla, sizeof(lla), 255));
	for (size_t len = 0; len < 8; len++)
		assert_false(ask_raw(f, &guest, lla, len, 255));
	for (size_t len = 9; len < 16; len++)
		assert_false(ask_raw(f, &guest, lla, len, 255));
	assert_int_equal(run(f, RA_MIN_DELAY_MS), 0);
	assert_true(ask_raw(f, &guest, lla, sizeof(lla), 255));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- modes --------------------------------------------------------------- */

/* The @i-th prefix option; NULL = there is none. */
static const uint8_t *prefix_opt(const struct ra_msg *m, unsigned int i)
{
	for (size_t at = 16; at < m->len; at += 8u * m->data[at + 1])
		if (m->data[at] == 3 && !i--)
			return m->data + at;
	return NULL;
}

static void set_mode(struct fix *f, enum ra_mode mode)
{
	struct ra_config c = config();

	c.mode = mode;
	ra_configure(&f->ra, &c, f->now);
}

/* RFC 4861 4.2 (M, O), 4.6.2 (L, A). */
static void mode__each__its_flags(void **state)
{
	static const struct {
		enum ra_mode mode;
		uint8_t flags, prefix;
	} want[] = {
		{RA_SLAAC, 0x18, 0xc0},
		{RA_STATELESS, 0x58, 0xc0},
		{RA_STATEFUL, 0xd8, 0x80},
	};
	struct fix *f = *state;

	for (size_t i = 0; i < 3; i++) {
		struct ra_config c = config();

		c.mode = want[i].mode;
		ra_init(&f->ra, &c, 1, f->now);
		assert_int_equal(run(f, 0), 1);
		assert_int_equal(f->out.data[5], want[i].flags);
		assert_int_equal(prefix_opt(&f->out, 0)[3], want[i].prefix);
		assert_null(prefix_opt(&f->out, 1));
	}
}

/* RFC 4862 5.5.3 (e), 5.5.4: addresses of their own making are over, the link is not. */
static void mode__slaac_to_stateful__own_addresses_deprecated(void **state)
{
	struct fix *f = *state;
	const uint8_t *p;

	settle(f);
	set_mode(f, RA_STATEFUL);
	assert_int_equal(run(f, 0), 1);
	p = prefix_opt(&f->out, 0);
	assert_int_equal(p[3], 0x80);
	assert_int_equal(get_be32(p + 4), RA_PREFIX_VALID_S);
	p = prefix_opt(&f->out, 1);
	assert_int_equal(p[3], 0x40);
	assert_int_equal(get_be32(p + 4), 0);
	assert_int_equal(get_be32(p + 8), 0);
	/* Whoever slept hears it, too, as long as it may have such an address. */
	run(f, RA_PREFIX_VALID_S * 1000LL - 1000000);
	assert_non_null(prefix_opt(&f->out, 1));
	run(f, 2000000);
	assert_null(prefix_opt(&f->out, 1));
}

static void mode__stateful_and_back__made_anew(void **state)
{
	struct fix *f = *state;

	settle(f);
	set_mode(f, RA_STATEFUL);
	run(f, 10000);
	set_mode(f, RA_STATELESS);
	run(f, 10000);
	assert_int_equal(prefix_opt(&f->out, 0)[3], 0xc0);
	assert_null(prefix_opt(&f->out, 1));
}

/* RFC 4861 6.2.5: at most MAX_FINAL_RTR_ADVERTISEMENTS, router lifetime zero. */
static void mode__off__three_last_words_then_silence(void **state)
{
	struct fix *f = *state;
	int64_t start;

	settle(f);
	set_mode(f, RA_OFF);
	start = f->now;
	assert_int_equal(run(f, 0), 1);
	assert_int_equal(get_be16(f->out.data + 6), 0);
	assert_int_equal(f->out.data[5], 0);
	assert_int_equal(prefix_opt(&f->out, 0)[3], 0x40);
	assert_int_equal(get_be32(prefix_opt(&f->out, 0) + 8), 0);
	assert_int_equal(run(f, 86400000), 2);
	assert_true(ra_deadline(&f->ra) == RA_NEVER);
	assert_true(f->now >= start + 2 * RA_MIN_DELAY_MS);
	assert_true(ask(f, &guest));
	assert_true(ra_deadline(&f->ra) == RA_NEVER);
	set_mode(f, RA_OFF); /* again: nothing new */
	assert_true(ra_deadline(&f->ra) == RA_NEVER);
	set_mode(f, RA_SLAAC);
	assert_int_equal(run(f, 0), 1);
	assert_int_equal(get_be16(f->out.data + 6), RA_ROUTER_LIFETIME_S);
}

static void mode__off_from_the_start__silence(void **state)
{
	struct fix *f = *state;
	struct ra_config c = config();

	c.mode = RA_OFF;
	ra_init(&f->ra, &c, 1, f->now);
	assert_true(ra_deadline(&f->ra) == RA_NEVER);
	assert_false(ra_next(&f->ra, f->now, &f->out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(build__nat_network__every_byte),
		T(build__no_router__lifetime_zero_and_medium),
		T(build__longest_domain_and_resolvers__fit),
		T(final__sent__router_and_resolver_end),
		T(time__from_the_start__burst_then_now_and_then),
		T(time__two_seeds__differ),
		T(configure__changed__told_soon_not_sooner_than_allowed),
		T(input__from_an_address__it_alone_is_answered),
		T(input__without_address__all_are_answered),
		T(input__more_askers_than_places__answered_together),
		T(input__flood__at_most_one_to_all_in_three_seconds),
		T(input__malformed__not_listened_to),
		T(mode__each__its_flags),
		T(mode__slaac_to_stateful__own_addresses_deprecated),
		T(mode__stateful_and_back__made_anew),
		T(mode__off__three_last_words_then_silence),
		T(mode__off_from_the_start__silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
