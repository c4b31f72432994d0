// SPDX-License-Identifier: GPL-2.0-or-later
/* See dns_rig.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "tests/fake/dns_rig.h"

struct ipaddr rig_ip(const char *text)
{
	struct ipaddr ip;

	assert_int_equal(ipaddr_parse(text, &ip), 0);
	return ip;
}

void rig_name(struct fake_nat *f, const char *name, const char *ip)
{
	struct ipaddr a = rig_ip(ip);

	assert_int_equal(names_set(&f->gw->dns.names, 1, name, &a), 0);
}

static struct fake_nat *rig(struct fake_nat *f, int ups)
{
	struct dns_upstream up[3] = {
		{.ep = endpoint4(0x01010101, 53)},
		{.ep = endpoint4(0x02020202, 53)},
		{.ep = endpoint4(0x03030303, 53)},
	};

	fake_nat_start(f);
	fake_nat_hello(f, GUEST);
	fake_nat_clear(f);
	dns_set_upstreams(&f->gw->dns, up, ups, f->now_ms);
	rig_name(f, "Web", "10.0.2.15");
	return f;
}

struct fake_nat *dns_rig_new(bool nat, int ups)
{
	struct fake_nat *f = malloc(sizeof(*f));

	fake_nat_init(f);
	f->cfg.nat = nat;
	return rig(f, ups);
}

struct fake_nat *dns_rig_new_resolver(int ups)
{
	struct fake_nat *f = malloc(sizeof(*f));

	fake_nat_init(f);
	f->cfg.nat = false;
	f->cfg.resolver = true;
	return rig(f, ups);
}

struct fake_nat *dns_rig_new6(void)
{
	struct fake_nat *f = malloc(sizeof(*f));

	fake_nat_init(f);
	fake_nat_init6(f);
	return rig(f, 3);
}

void dns_rig_free(struct fake_nat *f)
{
	fake_nat_stop(f);
	free(f);
}

int rig_ask_bytes(struct fake_nat *f, const void *p, size_t len)
{
	struct fake_pkt k = {.src = GUEST, .dst = DNS, .proto = IP4_UDP,
			     .sport = 3333, .dport = 53, .data = p, .len = len};

	return fake_nat_pkt(f, &k);
}

int rig_ask(struct fake_nat *f, const char *name, uint16_t type)
{
	uint8_t b[300];

	return rig_ask_bytes(f, b, rig_query(b, name, type));
}

struct fake_got rig_answer(struct fake_nat *f, int rcode, int records)
{
	struct fake_got g;

	assert_true(f->n > 0);
	g = fake_nat_got(f, f->n - 1);
	assert_int_equal(g.ip.src, DNS);
	assert_int_equal(g.sport, 53);
	assert_int_equal(g.dport, 3333);
	assert_int_equal(get_be16(g.data), RIG_ID);
	assert_int_equal(g.data[2] & 0x80, 0x80);
	assert_int_equal(g.data[3] & 15, rcode);
	assert_int_equal(get_be16(g.data + 6), records);
	return g;
}

struct fake_got rig_local(struct fake_nat *f, const char *name, uint16_t type,
			  int rcode, int records)
{
	unsigned int before = f->n, sent = f->nsent;

	assert_int_equal(rig_ask(f, name, type), -1);
	assert_int_equal(f->nsent, sent);
	assert_int_equal(f->n, before + 1);
	return rig_answer(f, rcode, records);
}

void rig_reply(struct fake_nat *f, unsigned int i, uint8_t rcode, size_t len)
{
	const struct fake_nat_sent *s = &f->sent[i];
	uint8_t *r;

	if (len < s->len)
		len = s->len;
	r = calloc(1, len);
	memcpy(r, s->p, s->len);
	r[2] |= 0x80;
	r[3] = (uint8_t)(0x80 | rcode);
	dns_host_reply(&f->gw->dns, s->flow, r, len, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	free(r);
}
