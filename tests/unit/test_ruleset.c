// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd switch_core nat_core nat_io switch_io dhcp_core */
/*
 * Rulesets of others, as the kernel told them (tests/unit/rulesets), and what they do with
 * packets; the command that would let one through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "netd/doctor.h"

enum { PRE, IN, FWD, OUT, POST }; /* NF_INET_… */

struct fix {
	struct ruleset rs;
	struct rs_packet p;
	struct rs_finding f;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	ruleset_init(&f->rs);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	ruleset_fini(&f->rs);
	free(f);
	return 0;
}

static void load(struct fix *f, const char *name)
{
	static _Alignas(8) char buf[65536];
	char path[128];
	size_t n;
	FILE *in;

	snprintf(path, sizeof(path), "tests/unit/rulesets/%s.nl", name);
	in = fopen(path, "rb");
	if (!in)
		fail_msg("%s: run from the project's folder", path);
	n = fread(buf, 1, sizeof(buf), in);
	fclose(in);
	assert_int_equal(ruleset_read(&f->rs, buf, n), 0);
}

static struct ipaddr ip(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return a;
}

static void packet(struct fix *f, const char *iif, const char *oif,
		   const char *src, const char *dst, uint16_t dport)
{
	f->p = (struct rs_packet){
		.family = 2,
		.proto = IPPROTO_TCP,
		.src = ip(src),
		.dst = ip(dst),
		.sport = 40000,
		.dport = dport,
		.state = RS_NEW,
		.iifindex = 3,
	};
	if (!ipaddr_is4(&f->p.src))
		f->p.family = 10;
	snprintf(f->p.iif, IFNAMSIZ, "%s", iif);
	snprintf(f->p.oif, IFNAMSIZ, "%s", oif);
}

static void outgoing(struct fix *f)
{
	packet(f, "vn-lab", "eth0", "10.0.2.15", "203.0.113.7", 443);
}

static enum rs_outcome ask(struct fix *f, uint32_t hook)
{
	ruleset_ask(&f->rs, &f->p, hook, "vnet-", &f->f);
	return f->f.outcome;
}

static void at(const struct fix *f, const char *chain, const char *text)
{
	char out[RS_TEXT];

	assert_non_null(f->f.chain);
	assert_string_equal(f->f.chain->name, chain);
	if (text)
		assert_string_equal(ruleset_rule_text(f->f.rule, out), text);
	else
		assert_null(f->f.rule);
}

static void cure(struct fix *f, enum doctor_way way, const char *expected)
{
	char out[DOCTOR_COMMAND];

	assert_string_equal(doctor_fix(&f->rs, &f->f, way, "vn-lab", &f->p, out),
			    expected);
}

/* ---- Docker ---------------------------------------------------------------------------- */

static void docker__forwarded__policy_drops(void **state)
{
	struct fix *f = *state;

	load(f, "docker");
	outgoing(f);
	assert_int_equal(ask(f, PRE), RS_PASSES);
	assert_int_equal(ask(f, FWD), RS_DROPPED);
	at(f, "FORWARD", NULL);
	cure(f, DOCTOR_ROUTED,
	     "iptables -I DOCKER-USER -i vn-lab -j ACCEPT && "
	     "iptables -I DOCKER-USER -o vn-lab -j ACCEPT");
	f->p.state = RS_ESTABLISHED;
	assert_int_equal(ask(f, FWD), RS_DROPPED);
	assert_int_equal(ask(f, IN), RS_PASSES);
	assert_int_equal(ask(f, POST), RS_PASSES);
}

static void docker__its_own__pass(void **state)
{
	struct fix *f = *state;

	load(f, "docker");
	packet(f, "docker0", "eth0", "172.17.0.2", "203.0.113.7", 443);
	assert_int_equal(ask(f, FWD), RS_PASSES);
	packet(f, "eth0", "docker0", "203.0.113.7", "172.17.0.2", 80);
	assert_int_equal(ask(f, FWD), RS_PASSES);
	f->p.dport = 81;
	assert_int_equal(ask(f, FWD), RS_DROPPED);
	f->p.state = RS_ESTABLISHED;
	assert_int_equal(ask(f, FWD), RS_PASSES);
}

static void docker__other_family__not_asked(void **state)
{
	struct fix *f = *state;

	load(f, "docker");
	packet(f, "vn-lab", "eth0", "fd00::15", "2001:db8::7", 443);
	assert_int_equal(ask(f, FWD), RS_PASSES);
}

/* ---- ufw -------------------------------------------------------------------------------- */

static void ufw__forwarded__rejected(void **state)
{
	struct fix *f = *state;

	load(f, "ufw");
	outgoing(f);
	assert_int_equal(ask(f, FWD), RS_DROPPED);
	at(f, "ufw-reject-forward", "reject");
	cure(f, DOCTOR_ROUTED, "ufw route allow in on vn-lab && "
	     "ufw route allow out on vn-lab");
	f->p.state = RS_ESTABLISHED;
	assert_int_equal(ask(f, FWD), RS_PASSES);
}

static void ufw__to_the_host__by_port(void **state)
{
	struct fix *f = *state;

	load(f, "ufw");
	packet(f, "eth0", "", "203.0.113.7", "198.51.100.1", 22);
	f->p.to_host = true;
	assert_int_equal(ask(f, IN), RS_PASSES);
	f->p.dport = 2222;
	assert_int_equal(ask(f, IN), RS_DROPPED);
	at(f, "INPUT", NULL);
	cure(f, DOCTOR_SERVICE, "ufw allow 2222/tcp");
	f->p.to_host = false;
	assert_int_equal(ask(f, IN), RS_DROPPED);
	at(f, "ufw-not-local", "drop");
	f->p.to_host = true;
	f->p.proto = IPPROTO_ICMP;
	assert_int_equal(ask(f, IN), RS_MAYBE); /* its type, by an extension */
	assert_string_equal(f->f.unknown, "icmp");
}

static void ufw__match_of_an_extension__not_guessed(void **state)
{
	struct fix *f = *state;

	load(f, "ufw");
	packet(f, "eth0", "", "203.0.113.7", "198.51.100.1", 8080);
	f->p.to_host = true;
	assert_int_equal(ask(f, IN), RS_MAYBE);
	assert_string_equal(f->f.unknown, "hashlimit");
}

/* ---- firewalld ---------------------------------------------------------------------------- */

static void firewalld__zones__decide(void **state)
{
	struct fix *f = *state;

	load(f, "firewalld");
	outgoing(f);
	assert_int_equal(ask(f, FWD), RS_DROPPED);
	at(f, "filter_FORWARD", "reject");
	cure(f, DOCTOR_ROUTED,
	     "firewall-cmd --zone=trusted --add-interface=vn-lab");
	packet(f, "lab0", "eth0", "10.0.2.15", "203.0.113.7", 443);
	assert_int_equal(ask(f, FWD), RS_PASSES);
	packet(f, "eth0", "", "203.0.113.7", "198.51.100.1", 22);
	assert_int_equal(ask(f, IN), RS_PASSES);
	f->p.dport = 2222;
	assert_int_equal(ask(f, IN), RS_DROPPED);
	cure(f, DOCTOR_SERVICE, "firewall-cmd --add-port=2222/tcp");
	f->p.translated = true;
	assert_int_equal(ask(f, IN), RS_PASSES);
}

static void firewalld__ipv6__way_back_is_known(void **state)
{
	struct fix *f = *state;

	load(f, "firewalld");
	packet(f, "lab0", "eth0", "fd00::15", "2001:db8::7", 443);
	assert_int_equal(ask(f, PRE), RS_PASSES);
	assert_int_equal(ask(f, FWD), RS_PASSES);
	f->p.dst = ip("2002::1"); /* in a set of ranges */
	assert_int_equal(ask(f, FWD), RS_DROPPED);
	at(f, "filter_FORWARD", "nfproto ipv6 ip6 daddr @__set3 reject");
}

/* ---- sets, maps, marks ----------------------------------------------------------------------- */

static void maps__verdicts__followed(void **state)
{
	struct fix *f = *state;

	load(f, "maps");
	packet(f, "vn-a", "eth0", "10.0.2.15", "203.0.113.7", 450);
	assert_int_equal(ask(f, FWD), RS_PASSES); /* both in the ranges */
	f->p.dport = 501;
	assert_int_equal(ask(f, FWD), RS_MAYBE); /* to @bad, which changes */
	f->p.dport = 85;
	assert_int_equal(ask(f, FWD), RS_PASSES);
	f->p.src = ip("10.0.3.1");
	assert_int_equal(ask(f, FWD), RS_DROPPED);
	at(f, "from_a", "nfproto ipv4 ip saddr != @friends drop");
	cure(f, DOCTOR_ROUTED,
	     "nft 'insert rule inet mine forward iifname \"vn-lab\" accept; "
	     "insert rule inet mine forward oifname \"vn-lab\" accept'");
	f->p.src = ip("10.9.0.9");
	assert_int_equal(ask(f, FWD), RS_PASSES);
	f->p.state = RS_ESTABLISHED;
	f->p.src = ip("10.0.3.1");
	assert_int_equal(ask(f, FWD), RS_PASSES);
}

static void maps__goto_returns_to_policy(void **state)
{
	struct fix *f = *state;

	load(f, "maps");
	packet(f, "vn-b", "eth0", "10.0.2.15", "203.0.113.7", 85);
	assert_int_equal(ask(f, FWD), RS_PASSES); /* a SYN */
	f->p.proto = IPPROTO_UDP;
	assert_int_equal(ask(f, FWD), RS_DROPPED);
	at(f, "forward", NULL);
	packet(f, "vn-c", "eth0", "10.0.2.15", "203.0.113.7", 85);
	assert_int_equal(ask(f, FWD), RS_DROPPED);
	packet(f, "vn-dx", "eth0", "10.0.2.15", "203.0.113.7", 85);
	assert_int_equal(ask(f, FWD), RS_PASSES); /* by its mark */
}

static void maps__what_the_packet_does_not_tell__maybe(void **state)
{
	struct fix *f = *state;

	load(f, "maps");
	packet(f, "eth0", "", "203.0.113.7", "198.51.100.1", 1);
	assert_int_equal(ask(f, IN), RS_MAYBE);
	f->p.dport = 2;
	assert_int_equal(ask(f, IN), RS_PASSES);
	f->p.dport = 3;
	assert_int_equal(ask(f, IN), RS_MAYBE);
	f->p.dport = 5;
	assert_int_equal(ask(f, IN), RS_PASSES);
}

/* ---- reading ------------------------------------------------------------------------------------- */

static void read__cut_anywhere__no_more_than_what_is_there(void **state)
{
	static const char *const names[] = {"docker", "ufw", "firewalld", "maps"};
	static _Alignas(8) char buf[65536];
	struct ruleset rs;
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t n;
		FILE *in;

		snprintf(path, sizeof(path), "tests/unit/rulesets/%s.nl",
			 names[i]);
		in = fopen(path, "rb");
		assert_non_null(in);
		n = fread(buf, 1, sizeof(buf), in);
		fclose(in);
		for (size_t len = 0; len < n; len += 61) {
			ruleset_init(&rs);
			assert_int_equal(ruleset_read(&rs, buf, len), 0);
			ruleset_fini(&rs);
		}
	}
}

static void fix__odd_names__no_command(void **state)
{
	struct fix *f = *state;
	struct rs_chain *c = ruleset_chain_add(&f->rs, 1, "a'; reboot", "x");

	outgoing(f);
	f->f = (struct rs_finding){.base = c, .chain = c};
	cure(f, DOCTOR_ROUTED, "");
}

static void eval__endless__ends(void **state)
{
	struct fix *f = *state;
	struct rs_chain *c = ruleset_chain_add(&f->rs, 1, "t", "c");
	struct rs_rule *r;

	c->base = true;
	c->hook = FWD;
	for (int i = 0; i < 8; i++) {
		r = ruleset_rule_add(&f->rs, c, 1, 1);
		r->n = 1;
		r->expr[0] = (struct rs_expr){.op = RS_VERDICT,
					      .key = (uint32_t)-3, /* jump */
					      .chain = c};
	}
	outgoing(f);
	assert_int_equal(ask(f, FWD), RS_MAYBE);
}

/* What is not understood may be what drops it. */
static void read__a_rule_of_an_unknown_chain__not_passed_over(void **state)
{
	struct fix *f = *state;
	_Alignas(8) uint8_t m[] = {
		20, 0, 0, 0, 6, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* NFT_MSG_NEWRULE */
		2, 0, 0, 0, /* NFPROTO_IPV4 */
	};

	outgoing(f);
	assert_int_equal(ask(f, FWD), RS_PASSES);
	assert_int_equal(ruleset_read(&f->rs, m, sizeof(m)), 0);
	assert_int_equal(ask(f, FWD), RS_MAYBE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(docker__forwarded__policy_drops),
		T(docker__its_own__pass),
		T(docker__other_family__not_asked),
		T(ufw__forwarded__rejected),
		T(ufw__to_the_host__by_port),
		T(ufw__match_of_an_extension__not_guessed),
		T(firewalld__zones__decide),
		T(firewalld__ipv6__way_back_is_known),
		T(maps__verdicts__followed),
		T(maps__goto_returns_to_policy),
		T(maps__what_the_packet_does_not_tell__maybe),
		T(read__cut_anywhere__no_more_than_what_is_there),
		T(read__a_rule_of_an_unknown_chain__not_passed_over),
		T(fix__odd_names__no_command),
		T(eval__endless__ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
