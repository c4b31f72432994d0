// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host dns_rig dns_guest fake_ip6 */
/* Records of the user's own: the table, and what is answered of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "tests/fake/dns_rig.h"

static int setup(void **state)
{
	*state = dns_rig_new(true, 3);
	return 0;
}

static int teardown(void **state)
{
	dns_rig_free(*state);
	return 0;
}

static int try_add(struct fake_nat *f, const char *name, const char *type,
		   const char *value)
{
	struct zone_rec r;
	int err = zone_parse(name, type, value, &r, NULL);

	return err ? err : zone_add(&f->gw->dns.zone, name, &r, NULL);
}

static void add(struct fake_nat *f, const char *name, const char *type,
		const char *value)
{
	assert_int_equal(try_add(f, name, type, value), 0);
}

static void del(struct fake_nat *f, const char *name, const char *type,
		const char *value)
{
	struct zone_rec r;

	assert_int_equal(zone_parse(name, type, value, &r, NULL), 0);
	zone_del(&f->gw->dns.zone, name, &r);
}

static void ends(const struct fake_got *g, const void *p, size_t n)
{
	assert_true(g->len > n);
	assert_memory_equal(g->data + g->len - n, p, n);
}

static void last_is(const struct fake_got *g, const char *text)
{
	struct ipaddr ip = rig_ip(text);
	size_t n = ipaddr_is4(&ip) ? 4 : 16;

	ends(g, ip.b + 16 - n, n);
}

static int authority(const struct fake_got *g)
{
	return get_be16(g->data + 8);
}

/* ---- the table -------------------------------------------------------------- */

static void parse__texts__taken_or_refused(void **state)
{
	static const char *const good[][3] = {
		{"www", "a", "10.0.2.9"},	 {"@", "MX", "10 mail"},
		{"*", "AAAA", "fd00::1"},	 {"*.x", "CNAME", "@"},
		{"_sip._tcp", "srv", "0 5 5060 sip.example.com."},
		{"db.example.com.", "A", "10.0.2.9"}, {"t", "TXT", ""},
	};
	static const char *const bad[][3] = {
		{"www", "A", "fd00::1"},     {"www", "AAAA", "10.0.2.9"},
		{"www", "A", "0.0.0.0"},     {"", "A", "10.0.2.9"},
		{"a b", "A", "10.0.2.9"},    {"a..b", "A", "10.0.2.9"},
		{"a.*", "A", "10.0.2.9"},    {"host", "A", "10.0.2.9"},
		{"Gateway", "TXT", "x"},     {"w", "NS", "x"},
		{"w", "MX", "mail"},	     {"w", "MX", "65536 mail"},
		{"w", "SRV", "1 2 sip"},     {"w", "CNAME", "*.x"},
		{"w", "CNAME", ""},	     {"w", "TXT", "a\nb"},
	};
	char name[DNS_NAME_MAX + 2], value[ZONE_TEXT_MAX + 1];
	struct zone_rec r;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(zone_parse(good[i][0], good[i][1], good[i][2],
					    &r, NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(zone_parse(bad[i][0], bad[i][1], bad[i][2], &r,
					    NULL), -EINVAL);
	assert_int_equal(zone_parse("WWW", "srv", "1  2 3   Sip", &r, NULL), 0);
	assert_int_equal(zone_canon("WWW", &r, name, value), 0);
	assert_string_equal(name, "www");
	assert_string_equal(value, "1 2 3 sip");
	assert_string_equal(zone_type_name(r.type), "SRV");
}

static void add__alias_beside_others__refused(void **state)
{
	struct fake_nat *f = *state;

	add(f, "www", "CNAME", "web");
	add(f, "WWW", "CNAME", "Web"); /* there already */
	assert_int_equal(f->gw->dns.zone.n, 1);
	assert_int_equal(try_add(f, "www", "A", "10.0.2.9"), -EEXIST);
	assert_int_equal(try_add(f, "www", "CNAME", "db"), -EEXIST);
	assert_int_equal(try_add(f, "@", "CNAME", "web"), -EEXIST);
	add(f, "txt", "TXT", "x");
	assert_int_equal(try_add(f, "txt", "CNAME", "web"), -EEXIST);
}

static void add__limits__refused(void **state)
{
	struct fake_nat *f = *state;
	char s[32];

	for (int i = 0; i < ZONE_MAX; i++) {
		snprintf(s, sizeof(s), "n%d", i / ZONE_NAME_MAX);
		char ip[32];
		snprintf(ip, sizeof(ip), "10.1.%d.%d", i / 200, 1 + i % 200);
		add(f, s, "A", ip);
	}
	assert_int_equal(try_add(f, "n0", "A", "10.2.0.1"), -ENOSPC);
	assert_int_equal(try_add(f, "other", "A", "10.2.0.1"), -ENOSPC);
	del(f, "n1", "A", "10.1.0.17");
	assert_int_equal(try_add(f, "n0", "A", "10.2.0.1"), -ENOSPC);
	add(f, "n1", "A", "10.2.0.1");
}

static void del__last_of_a_branch__branch_goes(void **state)
{
	struct fake_nat *f = *state;

	add(f, "a.b.c", "A", "10.0.2.9");
	add(f, "x.c", "A", "10.0.2.9");
	rig_local(f, "b.c.lab.vnet", DNS_A, DNS_NOERROR, 0);
	del(f, "A.b.c", "A", "10.0.2.9");
	rig_local(f, "b.c.lab.vnet", DNS_A, DNS_NXDOMAIN, 0);
	rig_local(f, "c.lab.vnet", DNS_A, DNS_NOERROR, 0);
	del(f, "x.c", "TXT", "10.0.2.9"); /* is not there */
	del(f, "x.c", "A", "10.0.2.9");
	rig_local(f, "c.lab.vnet", DNS_A, DNS_NXDOMAIN, 0);
	assert_int_equal(f->gw->dns.zone.nodes.count, 0);
	assert_int_equal(f->gw->dns.zone.n, 0);
}

/* ---- answers ------------------------------------------------------------------ */

static void host__both_families_and_reverse__answered(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	add(f, "printer", "A", "10.0.2.9");
	add(f, "printer", "AAAA", "fd00::9");
	g = rig_local(f, "Printer.lab.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.9");
	g = rig_local(f, "printer", DNS_AAAA, DNS_NOERROR, 1);
	last_is(&g, "fd00::9");
	g = rig_local(f, "printer.lab.vnet", DNS_TXT, DNS_NOERROR, 0);
	assert_int_equal(authority(&g), 1);
	g = rig_local(f, "9.2.0.10.in-addr.arpa", DNS_PTR, DNS_NOERROR, 1);
	ends(&g, "\7printer\3lab\4vnet\0", 18);
	rig_local(f, "x.printer.lab.vnet", DNS_A, DNS_NXDOMAIN, 0);
}

static void alias__chain__all_of_it(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	add(f, "www", "CNAME", "front");
	add(f, "front", "CNAME", "web.lab.vnet.");
	g = rig_local(f, "www.lab.vnet", DNS_A, DNS_NOERROR, 3);
	last_is(&g, "10.0.2.15");
	assert_non_null(memmem(g.data, g.len, "\5front\3lab\4vnet", 16));
	g = rig_local(f, "www.lab.vnet", DNS_CNAME, DNS_NOERROR, 1);
	ends(&g, "\5front\3lab\4vnet\0", 16);
	/* There, but not of this type: both records, and the SOA. */
	g = rig_local(f, "www.lab.vnet", DNS_AAAA, DNS_NOERROR, 2);
	assert_int_equal(authority(&g), 1);
	g = rig_local(f, "www", DNS_A, DNS_NOERROR, 3);
	last_is(&g, "10.0.2.15");
	add(f, "gw", "CNAME", "gateway");
	g = rig_local(f, "gw.lab.vnet", DNS_A, DNS_NOERROR, 2);
	last_is(&g, "10.0.2.2");
}

static void alias__to_nothing_or_in_a_circle__told(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	add(f, "www", "CNAME", "nobody");
	g = rig_local(f, "www.lab.vnet", DNS_A, DNS_NXDOMAIN, 1);
	assert_int_equal(authority(&g), 1);
	add(f, "a", "CNAME", "b");
	add(f, "b", "CNAME", "a");
	rig_local(f, "a.lab.vnet", DNS_A, DNS_SERVFAIL, 0);
	rig_local(f, "a.lab.vnet", DNS_CNAME, DNS_NOERROR, 1);
	/* Elsewhere: the client goes on. */
	add(f, "out", "CNAME", "example.com.");
	g = rig_local(f, "out.lab.vnet", DNS_A, DNS_NOERROR, 1);
	ends(&g, "\7example\3com\0", 13);
}

static void vm__record_of_its_name__place_or_more(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	add(f, "web", "TXT", "the shop");
	g = rig_local(f, "web.lab.vnet", DNS_TXT, DNS_NOERROR, 1);
	ends(&g, "\10the shop", 9);
	g = rig_local(f, "web.lab.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.15");
	add(f, "web", "A", "10.0.2.77"); /* takes the name over */
	g = rig_local(f, "web.lab.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.77");
	del(f, "web", "A", "10.0.2.77");
	g = rig_local(f, "web.lab.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.15");
}

static void services__srv_and_mx__with_targets(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	add(f, "_sip._udp", "SRV", "1 2 5060 sip");
	add(f, "@", "MX", "10 mail.example.com.");
	add(f, "@", "A", "10.0.2.3");
	g = rig_local(f, "_sip._udp.lab.vnet", DNS_SRV, DNS_NOERROR, 1);
	ends(&g, "\0\1\0\2\x13\xc4\3sip\3lab\4vnet\0", 20);
	rig_local(f, "_udp.lab.vnet", DNS_A, DNS_NOERROR, 0); /* between */
	g = rig_local(f, "lab.vnet", DNS_MX, DNS_NOERROR, 1);
	ends(&g, "\0\12\4mail\7example\3com\0", 20);
	g = rig_local(f, "lab.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.3");
	rig_local(f, "lab.vnet", DNS_ANY, DNS_NOERROR, 4); /* SOA, NS */
}

static void wildcard__closest_name_above__decides(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	add(f, "*.apps", "A", "10.0.2.20");
	add(f, "one.apps", "A", "10.0.2.21");
	g = rig_local(f, "any.apps.lab.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.20");
	g = rig_local(f, "a.b.apps.lab.vnet", DNS_A, DNS_NOERROR, 1);
	g = rig_local(f, "one.apps.lab.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.21");
	rig_local(f, "a.one.apps.lab.vnet", DNS_A, DNS_NXDOMAIN, 0);
	rig_local(f, "apps.lab.vnet", DNS_A, DNS_NOERROR, 0);
	rig_local(f, "x.lab.vnet", DNS_A, DNS_NXDOMAIN, 0);
	add(f, "*", "CNAME", "web");
	g = rig_local(f, "x.lab.vnet", DNS_A, DNS_NOERROR, 2);
	g = rig_local(f, "web.lab.vnet", DNS_A, DNS_NOERROR, 1);
	/* No single label of the world's. */
	assert_int_equal(rig_ask(f, "x", DNS_A), -1);
	assert_int_equal(f->nsent, 1);
}

/* A VM's name is there, too, and those of the network: nothing is beneath them. */
static void wildcard__names_that_are_no_records__not_hidden(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	add(f, "*", "A", "10.0.2.20");
	rig_local(f, "x.web.lab.vnet", DNS_A, DNS_NXDOMAIN, 0);
	rig_local(f, "x.y.web.lab.vnet", DNS_A, DNS_NXDOMAIN, 0);
	rig_local(f, "x.host.lab.vnet", DNS_A, DNS_NXDOMAIN, 0);
	rig_local(f, "web.lab.vnet", DNS_AAAA, DNS_NOERROR, 0);
	rig_local(f, "x.y.lab.vnet", DNS_A, DNS_NOERROR, 1);
	/* Neither from outside. */
	add(f, "*.vnet.", "A", "10.0.2.21");
	g = rig_local(f, "web.lab.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.15");
	g = rig_local(f, "x.lab.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.20");
	g = rig_local(f, "x.other.vnet", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.21");
}

static void absolute__names_of_the_world__ours(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	add(f, "db.example.com.", "A", "10.0.2.9");
	add(f, "*.dev.example.", "CNAME", "web");
	g = rig_local(f, "DB.example.com", DNS_A, DNS_NOERROR, 1);
	last_is(&g, "10.0.2.9");
	g = rig_local(f, "db.example.com", DNS_AAAA, DNS_NOERROR, 0);
	assert_int_equal(authority(&g), 1);
	g = rig_local(f, "shop.dev.example", DNS_A, DNS_NOERROR, 2);
	last_is(&g, "10.0.2.15");
	/* Above and beneath it the world goes on. */
	rig_ask(f, "example.com", DNS_A);
	rig_ask(f, "x.db.example.com", DNS_A);
	assert_int_equal(f->nsent, 2);
	rig_local(f, "9.2.0.10.in-addr.arpa", DNS_PTR, DNS_NXDOMAIN, 0);
}

static void text__long__cut_into_strings(void **state)
{
	struct fake_nat *f = *state;
	char text[301];
	struct fake_got g;

	memset(text, 'x', 300);
	text[300] = '\0';
	add(f, "t", "TXT", text);
	g = rig_local(f, "t.lab.vnet", DNS_TXT, DNS_NOERROR, 1);
	assert_int_equal(g.data[g.len - 46], 45);
	assert_int_equal(g.data[g.len - 46 - 256], 255);
	add(f, "t", "TXT", "more");
	text[299] = 'y';
	add(f, "t", "TXT", text);
	g = rig_local(f, "t.lab.vnet", DNS_TXT, DNS_NOERROR, 2);
	assert_true(g.data[2] & 2); /* TC: the rest by TCP */
}

static void domain__changed__names_follow(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;

	add(f, "www", "CNAME", "web");
	assert_int_equal(dns_set_domain(&f->gw->dns, "shop.test"), 0);
	g = rig_local(f, "www.shop.test", DNS_A, DNS_NOERROR, 2);
	last_is(&g, "10.0.2.15");
	g = rig_local(f, "15.2.0.10.in-addr.arpa", DNS_PTR, DNS_NOERROR, 1);
	ends(&g, "\3web\4shop\4test\0", 15);
	rig_local(f, "web.lab.vnet", DNS_A, DNS_NXDOMAIN, 0);
	assert_int_equal(dns_set_domain(&f->gw->dns, ".x"), -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__texts__taken_or_refused),
		T(add__alias_beside_others__refused),
		T(add__limits__refused),
		T(del__last_of_a_branch__branch_goes),
		T(host__both_families_and_reverse__answered),
		T(alias__chain__all_of_it),
		T(alias__to_nothing_or_in_a_circle__told),
		T(vm__record_of_its_name__place_or_more),
		T(services__srv_and_mx__with_targets),
		T(wildcard__closest_name_above__decides),
		T(wildcard__names_that_are_no_records__not_hidden),
		T(absolute__names_of_the_world__ours),
		T(text__long__cut_into_strings),
		T(domain__changed__names_follow),
	};

	return cmocka_run_group_tests_name("dns_zone", tests, NULL, NULL);
}
