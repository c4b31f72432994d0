// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core */
/* DNS messages byte by byte (RFC 1035, 6891), reverse names, the table of names. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "nat/dns_msg.h"
#include "nat/names.h"

/* "www.example.com A" as dig sends it, with EDNS and a cookie. */
static const uint8_t dig_query[] = {
	0x12, 0x34, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1,
	3, 'w', 'w', 'w', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'c', 'o',
	'm', 0, 0, 1, 0, 1,
	0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 12, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7,
	8,
};
#define Q_END 33

/* ---- messages ------------------------------------------------------------------ */

static void parse__query_of_dig__decoded(void **state)
{
	struct dns_msg m;

	(void)state;
	assert_int_equal(dns_parse(&m, dig_query, sizeof(dig_query)), 0);
	assert_int_equal(m.id, 0x1234);
	assert_false(m.response);
	assert_true(m.has_question);
	assert_true(m.edns);
	assert_string_equal(m.name, "www.example.com");
	assert_int_equal(m.type, DNS_A);
	assert_int_equal(m.class, 1);
	assert_int_equal(m.end, Q_END);
}

static void parse__truncated_at_every_length__no_question(void **state)
{
	struct dns_msg m;

	(void)state;
	for (size_t i = 0; i < Q_END; i++) {
		uint8_t *cut = malloc(i ? i : 1);
		int r;

		memcpy(cut, dig_query, i);
		r = dns_parse(&m, cut, i);
		assert_int_equal(r, i < DNS_HDR ? -EBADMSG : 0);
		assert_false(!r && m.has_question);
		free(cut);
	}
}

static void parse__compressed_or_endless_name__no_question(void **state)
{
	uint8_t q[400] = {0, 1, 1, 0, 0, 1};
	struct dns_msg m;

	(void)state;
	q[12] = 0xc0; /* a pointer to itself */
	q[13] = 12;
	assert_int_equal(dns_parse(&m, q, 18), 0);
	assert_false(m.has_question);
	for (size_t i = 12; i < sizeof(q); i += 2) { /* 1 x 1 x 1 x … */
		q[i] = 1;
		q[i + 1] = 'x';
	}
	assert_int_equal(dns_parse(&m, q, sizeof(q)), 0);
	assert_false(m.has_question);
	q[12 + 254] = 0; /* 255 octets: the longest */
	assert_int_equal(dns_parse(&m, q, sizeof(q)), 0);
	assert_true(m.has_question);
	assert_int_equal(strlen(m.name), 253);
}

static void parse__dot_in_a_label__is_no_separator(void **state)
{
	uint8_t q[] = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0,
		       5, 'a', '.', 'L', 'a', 'b', 0, 0, 1, 0, 1};
	struct dns_msg m;

	(void)state;
	dns_parse(&m, q, sizeof(q));
	assert_true(m.has_question);
	assert_string_equal(m.name, "a\1lab");
}

static void match__other_id_question_or_direction__refused(void **state)
{
	uint8_t r[sizeof(dig_query)];

	(void)state;
	memcpy(r, dig_query, sizeof(r));
	assert_false(dns_reply_matches(dig_query, sizeof(dig_query), r,
				       sizeof(r)));
	r[2] |= 0x80;
	assert_true(dns_reply_matches(dig_query, sizeof(dig_query), r,
				      sizeof(r)));
	r[14] = 'W'; /* case may change */
	assert_true(dns_reply_matches(dig_query, sizeof(dig_query), r,
				      sizeof(r)));
	r[14] = 'v';
	assert_false(dns_reply_matches(dig_query, sizeof(dig_query), r,
				       sizeof(r)));
	r[14] = 'w';
	r[1] ^= 1;
	assert_false(dns_reply_matches(dig_query, sizeof(dig_query), r,
				       sizeof(r)));
	r[1] ^= 1;
	r[30] = 28; /* AAAA */
	assert_false(dns_reply_matches(dig_query, sizeof(dig_query), r,
				       sizeof(r)));
	/* Without a question: only an error says that. */
	put_be16(r + 4, 0);
	assert_false(dns_reply_matches(dig_query, sizeof(dig_query), r, 12));
	r[3] |= DNS_FORMERR;
	assert_true(dns_reply_matches(dig_query, sizeof(dig_query), r, 12));
}

static void reverse__good_and_bad__decoded(void **state)
{
	struct dns_reverse r;
	struct ipaddr want;

	(void)state;
	assert_true(dns_reverse("15.2.0.10.in-addr.arpa", &r));
	assert_true(ipaddr_is4(&r.ip) && ipaddr_get4(&r.ip) == 0x0a00020f);
	assert_int_equal(r.plen, 128);
	assert_false(r.beneath);
	assert_true(dns_reverse("2.0.10.in-addr.arpa", &r));
	assert_int_equal(ipaddr_get4(&r.ip), 0x0a000200);
	assert_int_equal(r.plen, 120);
	assert_true(dns_reverse("in-addr.arpa", &r));
	assert_int_equal(r.plen, 96);
	assert_true(dns_reverse("b.15.2.0.10.in-addr.arpa", &r));
	assert_true(r.beneath && r.plen == 128);
	assert_true(dns_reverse("256.0.10.in-addr.arpa", &r));
	assert_true(r.beneath && r.plen == 112);
	assert_true(dns_reverse("0015.in-addr.arpa", &r));
	assert_true(r.beneath && r.plen == 96);
	assert_false(dns_reverse("15.2.0.10.in-addr.arpa.x", &r));
	assert_false(dns_reverse("xin-addr.arpa", &r));
	assert_false(dns_reverse("", &r));
	assert_true(dns_reverse("5.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.4.3.2.1.3.0.0."
				"0.2.0.0.0.1.0.d.f.ip6.arpa", &r));
	assert_int_equal(ipaddr_parse("fd01:2:3:1234::15", &want), 0);
	assert_true(ipaddr_eq(&r.ip, &want));
	assert_int_equal(r.plen, 128);
	assert_true(dns_reverse("g.d.f.ip6.arpa", &r));
	assert_true(r.beneath && r.plen == 8);
	assert_true(dns_reverse("10.d.f.ip6.arpa", &r));
	assert_true(r.beneath && r.plen == 8);
}

static void suffix__labels_from_the_right(void **state)
{
	size_t at = 99;

	(void)state;
	assert_int_equal(dns_suffix("a.bc.def", 1), 5);
	assert_int_equal(dns_suffix("a.bc.def", 2), 2);
	assert_int_equal(dns_suffix("a.bc.def", 3), 0);
	assert_true(dns_in_zone("a.bc.def", "bc.def", &at));
	assert_int_equal(at, 2);
	assert_true(dns_in_zone("def", "def", &at));
	assert_int_equal(at, 0);
	assert_false(dns_in_zone("xdef", "def", &at));
	assert_false(dns_in_zone("", "def", &at));
}

/* The answer's length and counts hold together, whatever the room. */
static void answer__every_capacity__whole_records_only(void **state)
{
	struct ipaddr ip[4] = {ipaddr_from4(1), ipaddr_from4(2), {{0xfd}},
			       {{0xfe}}};
	struct dns_answer a = {.authoritative = true, .stream = true,
			       .addr = ip, .naddr = 4, .ttl_s = 30};
	struct dns_msg q;

	(void)state;
	assert_int_equal(dns_parse(&q, dig_query, sizeof(dig_query)), 0);
	for (size_t cap = 0; cap < 200; cap++) {
		uint8_t *out = malloc(cap ? cap : 1);
		size_t n = dns_answer(out, cap, dig_query, &q, &a), want = 0;

		assert_true(n <= cap);
		if (n) {
			struct dns_msg r;

			assert_int_equal(dns_parse(&r, out, n), 0);
			want = Q_END + 11;
			for (int i = 0; i < 4; i++) {
				size_t rec = i < 2 ? 16 : 28;

				if (want + rec > cap)
					break;
				want += rec;
			}
			assert_int_equal(r.truncated, want < Q_END + 11 + 88);
		}
		assert_int_equal(n, want);
		free(out);
	}
}

/* ---- names --------------------------------------------------------------------------- */

static struct ipaddr ip(uint32_t v4)
{
	return ipaddr_from4(v4);
}

static void set(struct names *t, const char *name, uint32_t v4, int want)
{
	struct ipaddr a = ip(v4);

	assert_int_equal(names_set(t, 1, name, &a), want);
}

static void names__set_and_del__in_order(void **state)
{
	struct ipaddr a[4], three = ip(3);
	struct names t;

	(void)state;
	assert_int_equal(names_init(&t, NULL), 0);
	set(&t, "Web", 3, 0);
	set(&t, "web", 1, 0);
	set(&t, "WEB", 3, 0);
	set(&t, "alias", 3, 0);
	assert_int_equal(names_find(&t, "web", false, a, 4), 2);
	assert_int_equal(ipaddr_get4(&a[0]), 3);
	assert_int_equal(ipaddr_get4(&a[1]), 1);
	assert_string_equal(names_of(&t, &three), "web");
	names_del(&t, 1, "web", &three);
	assert_string_equal(names_of(&t, &three), "alias");
	assert_int_equal(names_find(&t, "web", false, a, 4), 1);
	names_del(&t, 1, "web", NULL);
	assert_int_equal(names_find(&t, "web", false, a, 4), 0);
	assert_false(names_has(&t, "web"));
	set(&t, "", 1, -EINVAL);
	set(&t, "a b", 1, -EINVAL);
	set(&t, "a..b", 1, -EINVAL);
	set(&t, "ok", 0, -EINVAL);
	names_fini(&t);
}

static void names__two_owners__each_takes_back_its_own(void **state)
{
	struct ipaddr a[4], seven = ip(7);
	struct names t;

	(void)state;
	names_init(&t, NULL);
	assert_int_equal(names_set(&t, NAMES_CLAIM | 7, "debian", &seven), 0);
	set(&t, "web", 7, 0);
	assert_int_equal(names_set(&t, 2, "web", &seven), 0);
	assert_int_equal(names_find(&t, "web", false, a, 4), 1); /* once */
	assert_string_equal(names_of(&t, &seven), "web"); /* no claim */
	names_del(&t, 1, "web", &seven);
	assert_int_equal(names_find(&t, "web", false, a, 4), 1);
	names_del(&t, 1, "debian", NULL);
	assert_true(names_has(&t, "debian"));
	names_del(&t, 2, "web", NULL);
	assert_string_equal(names_of(&t, &seven), "debian");
	names_del(&t, NAMES_CLAIM | 7, NULL, &seven);
	assert_null(names_of(&t, &seven));
	assert_int_equal(names_set(&t, 1, "Gateway", &seven), -EINVAL);
	names_fini(&t);
}

static void names__both_families__kept_apart(void **state)
{
	struct ipaddr six = {{0xfd, [15] = 7}}, none = {{0}}, a[4];
	struct names t;

	(void)state;
	names_init(&t, NULL);
	set(&t, "web", 5, 0);
	assert_int_equal(names_set(&t, 1, "web", &six), 0);
	assert_int_equal(names_set(&t, 1, "web", &none), -EINVAL);
	assert_int_equal(names_find(&t, "web", true, a, 4), 1);
	assert_true(ipaddr_eq(&a[0], &six));
	assert_int_equal(names_find(&t, "web", false, a, 4), 1);
	assert_int_equal(ipaddr_get4(&a[0]), 5);
	assert_string_equal(names_of(&t, &six), "web");
	names_del(&t, 1, "web", &six);
	assert_int_equal(names_find(&t, "web", true, a, 4), 0);
	assert_true(names_has(&t, "web"));
	names_fini(&t);
}

static void names__table_full__refused(void **state)
{
	struct names t;
	char name[16];

	(void)state;
	names_init(&t, NULL);
	for (uint32_t i = 0; i < NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		set(&t, name, i + 1, 0);
	}
	set(&t, "more", 1, -ENOSPC);
	names_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__query_of_dig__decoded),
		cmocka_unit_test(parse__truncated_at_every_length__no_question),
		cmocka_unit_test(parse__compressed_or_endless_name__no_question),
		cmocka_unit_test(parse__dot_in_a_label__is_no_separator),
		cmocka_unit_test(match__other_id_question_or_direction__refused),
		cmocka_unit_test(reverse__good_and_bad__decoded),
		cmocka_unit_test(suffix__labels_from_the_right),
		cmocka_unit_test(answer__every_capacity__whole_records_only),
		cmocka_unit_test(names__set_and_del__in_order),
		cmocka_unit_test(names__two_owners__each_takes_back_its_own),
		cmocka_unit_test(names__both_families__kept_apart),
		cmocka_unit_test(names__table_full__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
