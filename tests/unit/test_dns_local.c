// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host dns_rig dns_guest fake_ip6 */
/* What the resolver answers by itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "switch/port.h"
#include "tests/fake/dns_rig.h"

static int setup(void **state)
{
	*state = dns_rig_new(true, 3);
	return 0;
}

static int setup6(void **state)
{
	*state = dns_rig_new6();
	return 0;
}

static int setup_services(void **state)
{
	*state = dns_rig_new(false, 3);
	return 0;
}

static int teardown(void **state)
{
	dns_rig_free(*state);
	return 0;
}

/* The answer's last record is this address. */
static void last_is(const struct fake_got *g, const char *text)
{
	struct ipaddr ip = rig_ip(text);
	size_t n = ipaddr_is4(&ip) ? 4 : 16;

	assert_true(g->len > n);
	assert_memory_equal(g->data + g->len - n, ip.b + 16 - n, n);
}

static void ends_with(const struct fake_got *g, const char *wire, size_t n)
{
	assert_true(g->len > n);
	assert_memory_equal(g->data + g->len - n, wire, n);
}

static void forwarded(struct fake_nat *f, const char *name, uint16_t type)
{
	unsigned int sent = f->nsent;

	assert_int_equal(rig_ask(f, name, type), -1);
	assert_int_equal(f->nsent, sent + 1);
}

static void vm__name_with_and_without_domain__answered(void **state)
{
	static const char *const names[] = {"web", "WEB", "web.lab.vnet",
					    "wEb.LAB.vnet"};
	struct fake_nat *f = *state;

	for (int i = 0; i < 4; i++) {
		struct fake_got g = rig_local(f, names[i], DNS_A, DNS_NOERROR, 1);
		uint8_t q[300];
		size_t n = rig_query(q, names[i], DNS_A);

		last_is(&g, "10.0.2.15");
		assert_memory_equal(g.data + 12, q + 12, n - 12); /* its case */
	}
}

static void vm__address_of_each_family__by_type(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	rig_local(f, "web", DNS_AAAA, DNS_NOERROR, 0);
	rig_name(f, "web", "fd00::15");
	g = rig_local(f, "web.lab.vnet", DNS_AAAA, DNS_NOERROR, 1);
	last_is(&g, "fd00::15");
	g = rig_local(f, "web", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.15");
	rig_local(f, "web", DNS_ANY, DNS_NOERROR, 2);
	rig_local(f, "web.lab.vnet", 15, DNS_NOERROR, 0);
}

static void vm__many_addresses__all_or_cut(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;
	uint8_t b[311];
	char ip[32];
	size_t n;

	for (int i = 1; i < 16; i++) {
		snprintf(ip, sizeof(ip), "10.0.2.%d", 100 + i);
		rig_name(f, "web", ip);
		snprintf(ip, sizeof(ip), "fd00::%d", i);
		rig_name(f, "web", ip);
	}
	g = rig_local(f, "web", DNS_A, DNS_NOERROR, 16);
	assert_false(g.data[2] & 2);
	/* 16 times 16 and 15 times 28 bytes do not fit into 512 … */
	g = rig_local(f, "web", DNS_ANY, DNS_NOERROR, 24);
	assert_true(g.data[2] & 2);
	assert_true(g.len <= 512);
	/* … but into what this client takes … */
	n = rig_opt(b, rig_query(b, "web", DNS_ANY), 0, 1400);
	rig_ask_bytes(f, b, n);
	g = rig_answer(f, DNS_NOERROR, 31);
	assert_false(g.data[2] & 2);
	/* … who may not ask for less than 512, nor get more than we send. */
	n = rig_opt(b, rig_query(b, "web", DNS_ANY), 0, 100);
	rig_ask_bytes(f, b, n);
	g = rig_answer(f, DNS_NOERROR, 24);
	assert_true(g.data[2] & 2);
	assert_true(g.len > 400 && g.len <= 512);
}

static void edns__spoken__answered_with_opt(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[311];
	size_t n = rig_opt(b, rig_query(b, "web", DNS_A), 0, 4096);
	struct fake_got g;

	b[n - 4] = 0x80; /* DO */
	rig_ask_bytes(f, b, n);
	g = rig_answer(f, DNS_NOERROR, 1);
	assert_int_equal(get_be16(g.data + 10), 1);
	ends_with(&g, "\0\0\51\x04\xd0\0\0\x80\0\0\0", 11);
}

static void edns__unknown_version__badvers_for_ours_only(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[311];
	size_t n = rig_opt(b, rig_query(b, "web", DNS_A), 1, 4096);
	struct fake_got g;

	rig_ask_bytes(f, b, n);
	g = rig_answer(f, DNS_BADVERS & 15, 0);
	ends_with(&g, "\0\0\51\x04\xd0\1\0\0\0\0\0", 11);
	n = rig_opt(b, rig_query(b, "example.org", DNS_A), 1, 4096);
	rig_ask_bytes(f, b, n);
	assert_int_equal(f->nsent, 1); /* an upstream may know it */
}

static void edns__two_opts_or_broken__formerr(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[320];
	size_t n = rig_query(b, "web", DNS_A), m;

	m = rig_opt(b, n, 0, 4096);
	rig_ask_bytes(f, b, rig_opt(b, m, 0, 4096));
	rig_answer(f, DNS_FORMERR, 0);
	b[11] = 1;
	rig_ask_bytes(f, b, m - 1);
	rig_answer(f, DNS_FORMERR, 0);
	b[m - 1] = 9; /* options that are not there */
	rig_ask_bytes(f, b, m);
	rig_answer(f, DNS_FORMERR, 0);
	assert_int_equal(f->nsent, 0);
}

static void domain__unknown_name__nxdomain_with_soa(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	g = rig_local(f, "nobody.lab.vnet", DNS_A, DNS_NXDOMAIN, 0);
	assert_int_equal(get_be16(g.data + 8), 1); /* authority */
	/* Owner and server: "lab.vnet" behind "nobody" in the question. */
	assert_memory_equal(g.data + 33, "\xc0\x13\0\6\0\1\0\0\0\5\0\46\xc0\x13",
			    14);
	rig_local(f, "x.web.lab.vnet", DNS_A, DNS_NXDOMAIN, 0);
	g = rig_local(f, "lab.vnet", DNS_A, DNS_NOERROR, 0);
	assert_int_equal(get_be16(g.data + 8), 1);
	rig_local(f, "lab.vnet", DNS_SOA, DNS_NOERROR, 1);
	rig_local(f, "lab.vnet", DNS_NS, DNS_NOERROR, 1);
	rig_local(f, "lab.vnet", DNS_ANY, DNS_NOERROR, 2);
}

static void domain__of_other_networks__nxdomain(void **state)
{
	struct fake_nat *f = *state;

	rig_local(f, "web.other.vnet", DNS_A, DNS_NXDOMAIN, 0);
	rig_local(f, "notlab.vnet", DNS_A, DNS_NXDOMAIN, 0);
	rig_local(f, "vnet", DNS_A, DNS_NOERROR, 0);
	forwarded(f, "myvnet", DNS_A);
	forwarded(f, "vnet.example.org", DNS_A);
}

static void host_and_gateway__lead_to_the_gateway(void **state)
{
	static const char *const names[] = {"host.vnet", "host.lab.vnet",
					    "Gateway.vnet", "gateway.lab.vnet"};
	const struct ipaddr vm = ipaddr_from4(OTHER);
	struct fake_nat *f = *state;
	struct fake_got g;

	/* A VM may not take the name over. */
	assert_int_equal(names_set(&f->gw->dns.names, 1, "Host", &vm), -EINVAL);
	for (int i = 0; i < 4; i++) {
		g = rig_local(f, names[i], DNS_A, DNS_NOERROR, 1);
		last_is(&g, "10.0.2.2");
		rig_local(f, names[i], DNS_AAAA, DNS_NOERROR, 0);
	}
	rig_local(f, "a.host.vnet", DNS_A, DNS_NXDOMAIN, 0);
	forwarded(f, "host", DNS_A);
}

static void host__services_only__unless_told_nobody(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	rig_local(f, "host.vnet", DNS_A, DNS_NXDOMAIN, 0);
	g = rig_local(f, "gateway.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.2");
	f->gw->dns.host_at[0] = rig_ip("10.0.2.1");
	g = rig_local(f, "host.lab.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.1");
	g = rig_local(f, "1.2.0.10.in-addr.arpa", DNS_PTR, DNS_NOERROR, 1);
	ends_with(&g, "\4host\3lab\4vnet", 15);
}

static void reverse__own_addresses__who_has_them(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	g = rig_local(f, "15.2.0.10.in-addr.arpa", DNS_PTR, DNS_NOERROR, 1);
	ends_with(&g, "\3web\3lab\4vnet", 14);
	g = rig_local(f, "2.2.0.10.in-addr.arpa", DNS_PTR, DNS_NOERROR, 1);
	ends_with(&g, "\7gateway\3lab\4vnet", 18);
	rig_local(f, "15.2.0.10.in-addr.arpa", DNS_A, DNS_NOERROR, 0);
	rig_local(f, "16.2.0.10.in-addr.arpa", DNS_PTR, DNS_NXDOMAIN, 0);
	rig_name(f, "web", "fd00::15");
	g = rig_local(f,
		      "5.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
		      "0.0.d.f.ip6.arpa",
		      DNS_PTR, DNS_NOERROR, 1);
	ends_with(&g, "\3web\3lab\4vnet", 14);
}

static void reverse__own_zone__never_leaves(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	rig_local(f, "2.0.10.in-addr.arpa", DNS_SOA, DNS_NOERROR, 1);
	rig_local(f, "2.0.10.in-addr.arpa", DNS_PTR, DNS_NOERROR, 0);
	g = rig_local(f, "b._dns-sd._udp.0.2.0.10.in-addr.arpa", DNS_PTR,
		      DNS_NXDOMAIN, 0);
	/* the zone is 2.0.10.in-addr.arpa */
	assert_memory_equal(g.data + 12 + 42, "\xc0\x1d\0\6", 4);
	rig_local(f, "015.2.0.10.in-addr.arpa", DNS_PTR, DNS_NXDOMAIN, 0);
	forwarded(f, "0.10.in-addr.arpa", DNS_SOA);
	forwarded(f, "15.3.0.10.in-addr.arpa", DNS_PTR);
	forwarded(f, "8.8.8.8.in-addr.arpa", DNS_PTR);
	forwarded(f, "15.2.0.10.in-addr.arpa.example.org", DNS_PTR);
}

static void reverse__other_networks_and_loopback__nxdomain(void **state)
{
	struct ip4_net deny = {0xc0a83800, 21}; /* 192.168.56.0/21 */
	struct fake_nat *f = *state;
	struct fake_got g;

	gateway_set_deny(f->gw, &deny, 1, f->now_ms);
	rig_local(f, "1.56.168.192.in-addr.arpa", DNS_PTR, DNS_NXDOMAIN, 0);
	rig_local(f, "1.63.168.192.in-addr.arpa", DNS_PTR, DNS_NXDOMAIN, 0);
	forwarded(f, "1.64.168.192.in-addr.arpa", DNS_PTR);
	g = rig_local(f, "1.0.0.127.in-addr.arpa", DNS_PTR, DNS_NOERROR, 1);
	ends_with(&g, "\11localhost", 11);
	rig_local(f, "9.0.0.127.in-addr.arpa", DNS_PTR, DNS_NXDOMAIN, 0);
	g = rig_local(f,
		      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
		      "0.0.0.0.ip6.arpa",
		      DNS_PTR, DNS_NOERROR, 1);
	ends_with(&g, "\11localhost", 11);
}

#define ZONE6 "0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa"
#define LOW6  "0.0.0.0.0.0.0.0.0.0.0.0.0.0."

static void ip6__gateway_and_reverse_zone__ours(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	g = rig_local(f, "host.vnet", DNS_AAAA, DNS_NOERROR, 1);
	last_is(&g, "fd00:1::2");
	rig_local(f, "gateway.lab.vnet", DNS_ANY, DNS_NOERROR, 2);
	g = rig_local(f, "2.0." LOW6 ZONE6, DNS_PTR, DNS_NOERROR, 1);
	ends_with(&g, "\7gateway\3lab\4vnet", 18);
	rig_local(f, "9.0." LOW6 ZONE6, DNS_PTR, DNS_NXDOMAIN, 0);
	rig_local(f, ZONE6, DNS_SOA, DNS_NOERROR, 1);
	rig_local(f, "0.0." ZONE6, DNS_PTR, DNS_NOERROR, 0);
	rig_local(f, "lb._dns-sd._udp.0." ZONE6, DNS_PTR, DNS_NXDOMAIN, 0);
	forwarded(f, "d.f.ip6.arpa", DNS_SOA);
	forwarded(f, "2.0." LOW6 "1.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa",
		  DNS_PTR);
}

static void ip6__other_networks__nxdomain(void **state)
{
	struct fake_nat *f = *state;
	struct ip6_net deny;

	assert_int_equal(ip6_net_parse("fd00:9::/64", &deny, NULL), 0);
	gateway_set_deny6(f->gw, &deny, 1, f->now_ms);
	rig_local(f, "1.0." LOW6 "0.0.0.0.0.0.0.0.9.0.0.0.0.0.d.f.ip6.arpa",
		  DNS_PTR, DNS_NXDOMAIN, 0);
	forwarded(f, "1.0." LOW6 "0.0.0.0.0.0.0.0.8.0.0.0.0.0.d.f.ip6.arpa",
		  DNS_PTR);
}

static void special__names_of_rfc_6761__never_leave(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	g = rig_local(f, "localhost", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "127.0.0.1");
	g = rig_local(f, "x.localhost", DNS_AAAA, DNS_NOERROR, 1);
	last_is(&g, "::1");
	rig_local(f, "localhost", 15, DNS_NOERROR, 0);
	forwarded(f, "a.test", DNS_A);
	rig_local(f, "invalid", DNS_A, DNS_NXDOMAIN, 0);
	rig_local(f, "abc.onion", DNS_A, DNS_NXDOMAIN, 0);
	forwarded(f, "printer.local", DNS_A);
	forwarded(f, "nas.home.arpa", DNS_A);
	forwarded(f, "nas", DNS_A);
	forwarded(f, "contest", DNS_A);
}

static void odd_messages__told_or_dropped(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[300];
	size_t n = rig_query(b, "web", DNS_A);

	b[2] = 0x28; /* UPDATE */
	rig_ask_bytes(f, b, n);
	rig_answer(f, DNS_NOTIMP, 0);
	b[2] = 1;
	b[5] = 2; /* two questions */
	rig_ask_bytes(f, b, n);
	rig_answer(f, DNS_FORMERR, 0);
	b[5] = 1;
	rig_ask_bytes(f, b, n - 3);
	rig_answer(f, DNS_FORMERR, 0);
	b[2] = 0x81; /* a response is never answered */
	assert_int_equal(rig_ask_bytes(f, b, n), DROP_PROTO);
	assert_int_equal(rig_ask_bytes(f, b, 11), DROP_PROTO);
	assert_int_equal(f->n, 3);
}

static void odd_questions__refused_not_forwarded(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[300];
	size_t n = rig_query(b, "version.bind", 16);

	b[n - 1] = 3; /* CHAOS */
	rig_ask_bytes(f, b, n);
	rig_answer(f, DNS_REFUSED, 0);
	n = rig_query(b, "web", DNS_A);
	b[n - 1] = 255; /* any class */
	rig_ask_bytes(f, b, n);
	rig_answer(f, DNS_NOERROR, 1);
	rig_local(f, "lab.vnet", DNS_AXFR, DNS_REFUSED, 0);
	rig_local(f, "example.org", DNS_IXFR, DNS_REFUSED, 0);
	rig_local(f, "example.org", DNS_OPT, DNS_FORMERR, 0);
}

static void services_only__foreign__refused_local_answered(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	g = rig_local(f, "example.org", DNS_A, DNS_REFUSED, 0);
	assert_false(g.data[3] & 0x80); /* no recursion here */
	rig_local(f, "web", DNS_A, DNS_NOERROR, 1);
	rig_local(f, "16.2.0.10.in-addr.arpa", DNS_PTR, DNS_NXDOMAIN, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define S(name) cmocka_unit_test_setup_teardown(name, setup_services, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(vm__name_with_and_without_domain__answered),
		T(vm__address_of_each_family__by_type),
		T(vm__many_addresses__all_or_cut),
		T(edns__spoken__answered_with_opt),
		T(edns__unknown_version__badvers_for_ours_only),
		T(edns__two_opts_or_broken__formerr),
		T(domain__unknown_name__nxdomain_with_soa),
		T(domain__of_other_networks__nxdomain),
		T(host_and_gateway__lead_to_the_gateway),
		S(host__services_only__unless_told_nobody),
		T(reverse__own_addresses__who_has_them),
		T(reverse__own_zone__never_leaves),
		T(reverse__other_networks_and_loopback__nxdomain),
		cmocka_unit_test_setup_teardown(
			ip6__gateway_and_reverse_zone__ours, setup6, teardown),
		cmocka_unit_test_setup_teardown(ip6__other_networks__nxdomain,
						setup6, teardown),
		T(special__names_of_rfc_6761__never_leave),
		T(odd_messages__told_or_dropped),
		T(odd_questions__refused_not_forwarded),
		S(services_only__foreign__refused_local_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
