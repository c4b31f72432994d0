// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host */
/* DNS messages byte by byte (RFC 1035), names, and the forwarder end to end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "switch/port.h"
#include "tests/fake/fake_nat_host.h"

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

static void ptr_name__good_and_bad__decoded(void **state)
{
	uint32_t ip = 0;

	(void)state;
	assert_true(dns_ptr_name("15.2.0.10.in-addr.arpa", &ip));
	assert_int_equal(ip, GUEST);
	assert_false(dns_ptr_name("256.2.0.10.in-addr.arpa", &ip));
	assert_false(dns_ptr_name("2.0.10.in-addr.arpa", &ip));
	assert_false(dns_ptr_name("15.2.0.10.in-addr.arpa.x", &ip));
	assert_false(dns_ptr_name("0015.2.0.10.in-addr.arpa", &ip));
	assert_false(dns_ptr_name("", &ip));
}

/* ---- names --------------------------------------------------------------------------- */

static void names__set_and_del__in_order(void **state)
{
	struct names t;
	uint32_t ip[4];

	(void)state;
	assert_int_equal(names_init(&t, NULL), 0);
	assert_int_equal(names_set(&t, "Web", 3), 0);
	assert_int_equal(names_set(&t, "web", 1), 0);
	assert_int_equal(names_set(&t, "WEB", 3), 0);
	assert_int_equal(names_set(&t, "alias", 3), 0);
	assert_int_equal(names_find(&t, "web", ip, 4), 2);
	assert_int_equal(ip[0], 3);
	assert_int_equal(ip[1], 1);
	assert_string_equal(names_of(&t, 3), "web");
	names_del(&t, "web", 3);
	assert_string_equal(names_of(&t, 3), "alias");
	assert_int_equal(names_find(&t, "web", ip, 4), 1);
	names_del(&t, "web", 0);
	assert_int_equal(names_find(&t, "web", ip, 4), 0);
	assert_int_equal(names_set(&t, "", 1), -EINVAL);
	assert_int_equal(names_set(&t, "a b", 1), -EINVAL);
	assert_int_equal(names_set(&t, "a..b", 1), -EINVAL);
	assert_int_equal(names_set(&t, "ok", 0), -EINVAL);
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
		assert_int_equal(names_set(&t, name, i + 1), 0);
	}
	assert_int_equal(names_set(&t, "more", 1), -ENOSPC);
	names_fini(&t);
}

/* ---- the forwarder ----------------------------------------------------------------------- */

static int setup_with(void **state, bool nat, int ups)
{
	struct fake_nat *f = malloc(sizeof(*f));
	struct endpoint up[3] = {endpoint4(0x01010101, 53),
				 endpoint4(0x02020202, 53),
				 endpoint4(0x03030303, 53)};

	fake_nat_init(f);
	f->cfg.nat = nat;
	fake_nat_start(f);
	fake_nat_hello(f, GUEST);
	fake_nat_clear(f);
	dns_set_upstreams(&f->gw->dns, up, ups);
	names_set(&f->gw->dns.names, "Web", GUEST);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, true, 3);
}

static int setup_none(void **state)
{
	return setup_with(state, true, 0);
}

static int setup_services(void **state)
{
	return setup_with(state, false, 3);
}

static int teardown(void **state)
{
	fake_nat_stop(*state);
	free(*state);
	return 0;
}

static size_t query(uint8_t *b, const char *name, uint16_t type)
{
	struct wbuf w = wbuf_make(b, 300);

	wbuf_be16(&w, 0x4242);
	wbuf_be16(&w, 0x0100);
	wbuf_be16(&w, 1);
	wbuf_fill(&w, 0, 6);
	while (*name) {
		size_t n = strcspn(name, ".");

		wbuf_u8(&w, (uint8_t)n);
		wbuf_copy(&w, name, n);
		name += n + (name[n] == '.');
	}
	wbuf_u8(&w, 0);
	wbuf_be16(&w, type);
	wbuf_be16(&w, 1);
	return w.len;
}

static int ask_bytes(struct fake_nat *f, const void *p, size_t len)
{
	struct fake_pkt k = {.src = GUEST, .dst = DNS, .proto = IP4_UDP,
			     .sport = 3333, .dport = 53, .data = p, .len = len};

	return fake_nat_pkt(f, &k);
}

static int ask(struct fake_nat *f, const char *name, uint16_t type)
{
	uint8_t b[300];

	return ask_bytes(f, b, query(b, name, type));
}

/* The last answer that the guest got. */
static struct fake_got answer(struct fake_nat *f, int rcode, int records)
{
	struct fake_got g = fake_nat_got(f, f->n - 1);

	assert_int_equal(g.ip.src, DNS);
	assert_int_equal(g.sport, 53);
	assert_int_equal(g.dport, 3333);
	assert_int_equal(get_be16(g.data) , 0x4242);
	assert_int_equal(g.data[2] & 0x80, 0x80);
	assert_int_equal(g.data[3] & 15, rcode);
	assert_int_equal(get_be16(g.data + 6), records);
	return g;
}

static void local__name_with_and_without_domain__answered(void **state)
{
	static const char *const names[] = {"web", "WEB", "web.lab.vnet",
					    "wEb.LAB.vnet"};
	struct fake_nat *f = *state;

	for (int i = 0; i < 4; i++) {
		struct fake_got g;

		assert_int_equal(ask(f, names[i], DNS_A), -1);
		g = answer(f, DNS_NOERROR, 1);
		assert_int_equal(get_be32(g.data + g.len - 4), GUEST);
	}
	assert_int_equal(f->nsent, 0);
}

static void local__aaaa_and_others__no_data(void **state)
{
	struct fake_nat *f = *state;

	ask(f, "web", DNS_AAAA);
	answer(f, DNS_NOERROR, 0);
	ask(f, "web.lab.vnet", 15);
	answer(f, DNS_NOERROR, 0);
	ask(f, "lab.vnet", 6);
	answer(f, DNS_NOERROR, 0);
	assert_int_equal(f->nsent, 0);
}

static void local__unknown_in_domain__nxdomain(void **state)
{
	struct fake_nat *f = *state;

	ask(f, "nobody.lab.vnet", DNS_A);
	answer(f, DNS_NXDOMAIN, 0);
	assert_int_equal(f->nsent, 0);
	ask(f, "notlab.vnet", DNS_A); /* ends alike, but is not in it */
	assert_int_equal(f->nsent, 1);
}

static void local__ptr__answered_for_our_addresses_only(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	ask(f, "15.2.0.10.in-addr.arpa", DNS_PTR);
	g = answer(f, DNS_NOERROR, 1);
	assert_memory_equal(g.data + g.len - 14, "\3web\3lab\4vnet", 14);
	ask(f, "16.2.0.10.in-addr.arpa", DNS_PTR);
	answer(f, DNS_NXDOMAIN, 0);
	assert_int_equal(f->nsent, 0);
	ask(f, "8.8.8.8.in-addr.arpa", DNS_PTR);
	assert_int_equal(f->nsent, 1);
}

static void local__many_addresses__all_given(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	for (uint32_t i = 1; i < 16; i++)
		names_set(&f->gw->dns.names, "web", GUEST + i);
	ask(f, "web", DNS_A);
	g = answer(f, DNS_NOERROR, 16);
	assert_false(g.data[2] & 2);
	assert_true(g.len <= 512);
}

static void local__edns__answered_with_opt(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[300];
	size_t n = query(b, "web", DNS_A);
	struct fake_got g;

	memcpy(b + n, "\0\0\51\x10\0\0\0\0\0\0\0", 11);
	put_be16(b + 10, 1);
	ask_bytes(f, b, n + 11);
	g = answer(f, DNS_NOERROR, 1);
	assert_int_equal(get_be16(g.data + 10), 1);
	assert_int_equal(get_be16(g.data + g.len - 10), DNS_OPT);
}

static void foreign__query__forwarded_with_own_id_and_answered(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;
	uint8_t r[600] = {0};
	size_t n;

	assert_int_equal(ask(f, "example.org", DNS_A), -1);
	assert_int_equal(f->n, 0);
	assert_int_equal(f->nsent, 1);
	assert_int_equal(ipaddr_get4(&f->sent[0].to.ip), 0x01010101);
	n = f->sent[0].len;
	memcpy(r, f->sent[0].p, n);
	assert_int_not_equal(get_be16(r), 0x4242);
	r[2] |= 0x80;
	r[3] |= 0x80;
	dns_host_reply(&f->gw->dns, f->sent[0].flow, r, 600, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	g = answer(f, DNS_NOERROR, 0);
	assert_int_equal(g.len, 600);
	assert_int_equal(f->live[FAKE_DNS], 0);
}

static void foreign__ids__differ_between_queries(void **state)
{
	struct fake_nat *f = *state;
	int same = 0;

	for (uint16_t i = 0; i < 20; i++) {
		ask(f, "example.org", (uint16_t)(100 + i));
		if (i)
			same += get_be16(f->sent[i].p) ==
				get_be16(f->sent[i - 1].p);
	}
	assert_int_equal(f->nsent, 20);
	assert_true(same < 2);
}

static void foreign__large_answer__passes_whole(void **state)
{
	struct fake_nat *f = *state;
	uint8_t *r = calloc(1, 65000);
	size_t n;

	ask(f, "example.org", DNS_A);
	n = f->sent[0].len;
	memcpy(r, f->sent[0].p, n);
	r[2] |= 0x80;
	dns_host_reply(&f->gw->dns, f->sent[0].flow, r, 65000, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	assert_int_equal(f->n, (65008 + 1479) / 1480);
	free(r);
}

static void foreign__spoofed_reply__ignored_and_waited_on(void **state)
{
	struct fake_nat *f = *state;
	uint8_t r[300];
	size_t n;

	ask(f, "example.org", DNS_A);
	n = f->sent[0].len;
	memcpy(r, f->sent[0].p, n);
	r[2] |= 0x80;
	r[0] ^= 1;
	dns_host_reply(&f->gw->dns, f->sent[0].flow, r, n, f->now_ms);
	assert_int_equal(f->gw->dns.stats.spoofed, 1);
	assert_int_equal(f->live[FAKE_DNS], 1);
	r[0] ^= 1;
	dns_host_reply(&f->gw->dns, f->sent[0].flow, r, n, f->now_ms);
	assert_int_equal(f->live[FAKE_DNS], 0);
}

static void foreign__client_repeats__asked_once(void **state)
{
	struct fake_nat *f = *state;

	ask(f, "example.org", DNS_A);
	ask(f, "example.org", DNS_A);
	assert_int_equal(f->nsent, 1);
	assert_int_equal(f->gw->flows.total[FLOW_DNS], 1);
}

static void foreign__silent_upstream__next_after_2_s(void **state)
{
	struct fake_nat *f = *state;

	ask(f, "example.org", DNS_A);
	fake_nat_wait(f, 1900);
	assert_int_equal(f->nsent, 1);
	fake_nat_wait(f, 200);
	assert_int_equal(f->nsent, 2);
	assert_int_equal(ipaddr_get4(&f->sent[1].to.ip), 0x02020202);
	/* The silent one comes last for a while. */
	ask(f, "example.com", DNS_A);
	assert_int_equal(ipaddr_get4(&f->sent[2].to.ip), 0x02020202);
	fake_nat_wait(f, 40000);
	f->nsent = 0;
	ask(f, "example.net", DNS_A);
	assert_int_equal(ipaddr_get4(&f->sent[0].to.ip), 0x01010101);
}

static void foreign__all_silent__servfail_after_10_s(void **state)
{
	struct fake_nat *f = *state;

	ask(f, "example.org", DNS_A);
	fake_nat_wait(f, 9900);
	assert_int_equal(f->n, 0);
	fake_nat_wait(f, 2200);
	answer(f, DNS_SERVFAIL, 0);
	assert_int_equal(f->live[FAKE_DNS], 0);
	assert_int_equal(f->nsent, 5);
}

static void foreign__refused_at_once__next_at_once(void **state)
{
	struct fake_nat *f = *state;

	ask(f, "example.org", DNS_A);
	dns_host_failed(&f->gw->dns, f->sent[0].flow, f->now_ms);
	assert_int_equal(f->nsent, 2);
	dns_host_failed(&f->gw->dns, f->sent[0].flow, f->now_ms);
	dns_host_failed(&f->gw->dns, f->sent[0].flow, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	assert_int_equal(f->nsent, 3);
	answer(f, DNS_SERVFAIL, 0);
}

static void foreign__no_descriptor__servfail(void **state)
{
	struct fake_nat *f = *state;

	f->ask_err = -EMFILE;
	ask(f, "example.org", DNS_A);
	answer(f, DNS_SERVFAIL, 0);
}

static void foreign__servfail_from_one__another_is_asked(void **state)
{
	struct fake_nat *f = *state;
	uint8_t r[300];
	size_t n;

	ask(f, "example.org", DNS_A);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(f->nsent, i + 1);
		n = f->sent[i].len;
		memcpy(r, f->sent[i].p, n);
		r[2] |= 0x80;
		r[3] |= DNS_SERVFAIL;
		dns_host_reply(&f->gw->dns, f->sent[0].flow, r, n, f->now_ms);
		gateway_flush(f->gw, f->now_ms);
	}
	assert_int_equal(f->n, 1);
	answer(f, DNS_SERVFAIL, 0);
}

static void foreign__upstreams_change_meanwhile__new_ones_asked(void **state)
{
	struct fake_nat *f = *state;
	struct endpoint up = endpoint4(0x09090909, 53);

	ask(f, "example.org", DNS_A);
	dns_set_upstreams(&f->gw->dns, &up, 1);
	fake_nat_wait(f, 2100);
	assert_int_equal(ipaddr_get4(&f->sent[1].to.ip), 0x09090909);
}

static void foreign__quota__oldest_makes_room(void **state)
{
	struct fake_nat *f = *state;

	for (uint16_t i = 0; i < 100; i++)
		ask(f, "example.org", (uint16_t)(100 + i));
	assert_int_equal(f->live[FAKE_DNS], 64);
}

static void foreign__no_upstream__servfail(void **state)
{
	struct fake_nat *f = *state;

	ask(f, "example.org", DNS_A);
	answer(f, DNS_SERVFAIL, 0);
	ask(f, "web", DNS_A);
	answer(f, DNS_NOERROR, 1);
}

static void services_only__foreign__refused_local_answered(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	ask(f, "example.org", DNS_A);
	g = answer(f, DNS_REFUSED, 0);
	assert_false(g.data[3] & 0x80); /* no recursion here */
	ask(f, "web", DNS_A);
	answer(f, DNS_NOERROR, 1);
	assert_int_equal(f->nsent, 0);
}

static void odd_messages__told_or_dropped(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[300];
	size_t n = query(b, "web", DNS_A);

	b[2] = 0x28; /* UPDATE */
	ask_bytes(f, b, n);
	answer(f, DNS_NOTIMP, 0);
	b[2] = 1;
	b[5] = 2; /* two questions */
	ask_bytes(f, b, n);
	answer(f, DNS_FORMERR, 0);
	b[5] = 1;
	ask_bytes(f, b, n - 3);
	answer(f, DNS_FORMERR, 0);
	b[2] = 0x81; /* a response is never answered */
	assert_int_equal(ask_bytes(f, b, n), DROP_PROTO);
	assert_int_equal(ask_bytes(f, b, 11), DROP_PROTO);
	assert_int_equal(f->n, 3);
}

#define M(name) cmocka_unit_test(name)
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		M(parse__query_of_dig__decoded),
		M(parse__truncated_at_every_length__no_question),
		M(parse__compressed_or_endless_name__no_question),
		M(parse__dot_in_a_label__is_no_separator),
		M(match__other_id_question_or_direction__refused),
		M(ptr_name__good_and_bad__decoded),
		M(names__set_and_del__in_order),
		M(names__table_full__refused),
		T(local__name_with_and_without_domain__answered),
		T(local__aaaa_and_others__no_data),
		T(local__unknown_in_domain__nxdomain),
		T(local__ptr__answered_for_our_addresses_only),
		T(local__many_addresses__all_given),
		T(local__edns__answered_with_opt),
		T(foreign__query__forwarded_with_own_id_and_answered),
		T(foreign__ids__differ_between_queries),
		T(foreign__large_answer__passes_whole),
		T(foreign__spoofed_reply__ignored_and_waited_on),
		T(foreign__client_repeats__asked_once),
		T(foreign__silent_upstream__next_after_2_s),
		T(foreign__all_silent__servfail_after_10_s),
		T(foreign__refused_at_once__next_at_once),
		T(foreign__no_descriptor__servfail),
		T(foreign__servfail_from_one__another_is_asked),
		T(foreign__upstreams_change_meanwhile__new_ones_asked),
		T(foreign__quota__oldest_makes_room),
		cmocka_unit_test_setup_teardown(foreign__no_upstream__servfail,
						setup_none, teardown),
		cmocka_unit_test_setup_teardown(
			services_only__foreign__refused_local_answered,
			setup_services, teardown),
		T(odd_messages__told_or_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
