// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host dns_guest fake_ip6 */
/*
 * DNS over TCP: two connections of one guest, and upstreams. The input is a list of
 * steps: what happens, how much of the following bytes it uses, those bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "tests/fake/dns_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { F_FIN = 1, F_RST = 4, F_ACK = 16 };

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* What came back is a row of whole responses. */
static void check_stream(struct rig_tcp *t)
{
	static uint8_t msg[65535];
	size_t n;

	while ((n = rig_tcp_next(t, msg, sizeof(msg)))) {
		struct dns_msg m;

		require(!dns_parse(&m, msg, n) && m.response);
	}
	if (t->fin)
		require(!t->rx_len);
}

static bool find_asked(struct hnode *n, void *arg)
{
	struct dns_query *q = container_of(n, struct dns_query, node);

	*(struct dns_query **)arg = q->host ? q : NULL;
	return !q->host;
}

/* An upstream speaks to a query that was asked. */
static void reply(struct fake_nat *f, uint8_t how, struct cur *c)
{
	struct dns_query *q = NULL;
	size_t len = c->left, pad = how & 0x40 ? 40000 : 0;
	uint8_t *r;

	htab_walk(&f->gw->dns.pending, find_asked, &q);
	if (!q)
		return;
	if (how & 0x80) {
		dns_host_failed(&f->gw->dns, q, f->now_ms);
		return;
	}
	r = calloc(1, len + q->len + pad);
	if (how & 0x20) { /* good */
		memcpy(r, q->msg, q->len);
		r[2] |= len ? 0x80 | c->p[0] : 0x80;
		len = q->len + pad;
	} else if (len) {
		memcpy(r, c->p, len);
	}
	dns_host_reply(&f->gw->dns, q, r, len, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	free(r);
}

static void step(struct fake_nat *f, struct rig_tcp *t, uint8_t op,
		 struct cur *c)
{
	struct dns_upstream up[2] = {
		{.ep = endpoint4(0x05050505, 53)},
		{.ep = endpoint4(0x02020202, 53)},
	};
	size_t n = c->left;

	switch (op & 7) {
	case 0:
	case 1:
	case 2:
		rig_tcp_send(t, F_ACK, c->p, n);
		break;
	case 3:
		reply(f, op, c);
		break;
	case 4:
		fake_nat_wait(f, cur_be16(c));
		break;
	case 5:
		t->wnd = op & 0x40 ? 500 : op >> 6;
		rig_tcp_send(t, F_ACK, NULL, 0);
		break;
	case 6:
		dns_set_upstreams(&f->gw->dns, up + (op >> 7), op >> 5 & 1,
				  f->now_ms);
		break;
	default:
		rig_tcp_send(t, op & 0x40 ? F_ACK | F_FIN : F_RST, NULL, 0);
	}
	rig_tcp_pump(t);
	check_stream(t);
	require(f->gw->flows.total[FLOW_DNSTCP] <= 2);
	require(f->gw->flows.total[FLOW_DNS] <= 4);
	/* Evicted ones are on their way out. */
	require(f->gw->dns.pending.count == f->gw->flows.total[FLOW_DNS]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ipaddr web = ipaddr_from4(GUEST);
	struct dns_upstream up[2] = {
		{.ep = endpoint4(0x01010101, 53)},
		{.ep = endpoint4(0x02020202, 53)},
	};
	struct cur c = cur_make(data, size);
	struct fake_nat *f = malloc(sizeof(*f));
	struct rig_tcp t[3];

	fake_nat_init(f);
	f->cfg.limits = (struct nat_limits){.dns = 4, .dns_tcp = 2};
	fake_nat_start(f);
	fake_nat_hello(f, GUEST);
	fake_nat_clear(f);
	dns_set_upstreams(&f->gw->dns, up, 2, f->now_ms);
	names_set(&f->gw->dns.names, 1, "web", &web);
	for (int i = 0; i < 3; i++)
		rig_tcp_open(&t[i], f, (uint16_t)(5000 + i));
	for (int i = 0; i < 200 && c.left; i++) {
		uint8_t op = cur_u8(&c);
		size_t len = cur_u8(&c);
		struct cur part = cur_sub(&c, len < c.left ? len : c.left);

		step(f, &t[1 + (op >> 3 & 1)], op, &part);
	}
	fake_nat_wait(f, 60000);
	require(!f->gw->dns.pending.count && !f->live[FAKE_DNS]);
	require(!f->gw->flows.total[FLOW_DNSTCP]);
	for (int i = 0; i < 3; i++)
		rig_tcp_free(&t[i]);
	fake_nat_stop(f);
	free(f);
	return 0;
}
