// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host */
/*
 * DNS both ways: the input is a guest's query, then (after two bytes of its length)
 * what the upstream says to it; with the first byte odd, id and question are put
 * right so that it is accepted.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "tests/fake/fake_nat_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* What a guest hears must be a response to its id, and sane. */
static void check_answers(struct fake_nat *f, uint16_t id)
{
	for (unsigned int i = 0; i < f->n; i++) {
		struct fake_got g = fake_nat_got(f, i);
		struct dns_msg m;

		if (g.ip.proto != IP4_UDP || g.ip.mf || g.ip.frag)
			continue;
		require(!dns_parse(&m, g.data, g.len));
		require(m.response && m.id == id);
	}
}

static void reply(struct fake_nat *f, bool good, struct cur *c)
{
	uint8_t *r = malloc(65536);
	struct dns_query *q = f->sent[0].flow;
	size_t len = c->left;

	if (len)
		memcpy(r, cur_bytes(c, len), len);
	if (good && len >= f->sent[0].len) {
		uint8_t flags = r[3];

		memcpy(r, f->sent[0].p, f->sent[0].len);
		r[2] |= 0x80;
		r[3] = flags;
	}
	dns_host_reply(&f->gw->dns, q, r, len, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	free(r);
}

static void add_records(struct zone *z)
{
	static const char *const recs[][3] = {
		{"a", "CNAME", "b"},	  {"b", "CNAME", "web"},
		{"r", "CNAME", "r2"},	  {"r2", "CNAME", "r"},
		{"t", "TXT", "v=spf1 -all"}, {"@", "MX", "10 web"},
		{"_s._udp", "SRV", "1 2 3 x.y."}, {"*.w", "A", "10.0.2.9"},
		{"db.example.com.", "AAAA", "fd00::9"},
	};

	for (size_t i = 0; i < sizeof(recs) / sizeof(recs[0]); i++) {
		struct zone_rec r;

		require(!zone_parse(recs[i][0], recs[i][1], recs[i][2], &r,
				    NULL));
		require(!zone_add(z, recs[i][0], &r, NULL));
	}
}

/* The input's first bytes as a record's text, too. */
static void text_record(struct zone *z, const uint8_t *data, size_t size)
{
	static const char *const type[] = {"A",	  "AAAA", "CNAME",
					   "TXT", "MX",	  "SRV"};
	char *text = malloc(size + 1), *name;
	char canon[DNS_NAME_MAX + 2], value[ZONE_TEXT_MAX + 1];
	struct zone_rec r, again;

	memcpy(text, data, size);
	text[size] = '\0';
	name = text + strlen(text) + (strlen(text) < size);
	for (int i = 0; i < 6; i++) {
		if (zone_parse(name, type[i], text, &r, NULL))
			continue;
		require(!zone_canon(name, &r, canon, value));
		require(!zone_parse(canon, type[i], value, &again, NULL));
		if (!zone_add(z, name, &r, NULL))
			zone_del(z, canon, &again);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_make(data, size);
	uint8_t how = cur_u8(&c);
	size_t qlen = cur_be16(&c);
	struct fake_nat *f;
	struct fake_pkt k = {.src = GUEST, .dst = DNS, .proto = IP4_UDP,
			     .sport = 3333, .dport = 53};
	const struct ipaddr web[3] = {ipaddr_from4(GUEST), ipaddr_from4(OTHER),
				      {{0xfd, [15] = 0x15}}};
	struct dns_upstream up[2] = {
		{.ep = endpoint4(0x01010101, 53)},
		{.ep = endpoint4(0x02020202, 53)},
	};

	qlen = qlen < c.left ? qlen : c.left;
	if (qlen > 1400)
		return 0;
	f = malloc(sizeof(*f));
	fake_nat_init(f);
	f->cfg.nat = !(how & 2);
	fake_nat_start(f);
	fake_nat_hello(f, GUEST);
	fake_nat_clear(f);
	dns_set_upstreams(&f->gw->dns, up, 2, f->now_ms);
	for (int i = 0; i < 3; i++)
		names_set(&f->gw->dns.names, 1, "web", &web[i]);
	add_records(&f->gw->dns.zone);
	k.data = cur_bytes(&c, qlen);
	k.len = qlen;
	text_record(&f->gw->dns.zone, data, size);
	require(f->gw->dns.zone.n == 9);
	fake_nat_pkt(f, &k);
	if (f->nsent)
		reply(f, how & 1, &c);
	fake_nat_wait(f, 15000);
	require(!f->gw->dns.pending.count && !f->live[FAKE_DNS]);
	if (qlen >= 2)
		check_answers(f, get_be16(k.data));
	fake_nat_stop(f);
	free(f);
	return 0;
}
