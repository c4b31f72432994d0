// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp6_rig */
/*
 * Both ends in memory: clients with the exchanges of RFC 8415 18.2 against the server,
 * with loss, slow and failing stores, crashes, releases, declines, other systems on
 * the same NIC and live changes, in random but repeatable order. Whatever happens, no
 * two clients hold one address or overlapping prefixes at the same time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fake/dhcp6_rig.h"

#define CLIENTS 32
#ifdef __SANITIZE_ADDRESS__
#define EVENTS 200000
#else
#define EVENTS 1000000
#endif
#define LEASE_S 1000

enum { NA, PD, KINDS };

/** struct held - What a client believes to have. */
struct held {
	struct dhcp6_item it; /* plen 0 = nothing */
	int64_t expiry_s;
};

struct client {
	uint64_t nic;
	uint8_t n; /* of its MAC; some share one */
	uint8_t duid;
	struct held held[KINDS];
	int64_t asked_s;
	uint32_t xid; /* 0 = waits for nothing */
	uint8_t type; /* of what it sent */
};

struct world {
	struct dhcp6_rig rig;
	struct client c[CLIENTS];
	uint64_t rng;
	uint32_t xid;
	unsigned int loss;
	unsigned int grants, moves, declines, restarts, refused;
};

static uint32_t rnd(struct world *w, uint32_t below)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return (uint32_t)(w->rng >> 20) % below;
}

static bool holds(const struct world *w, const struct held *h)
{
	return h->it.plen && h->expiry_s > w->rig.now;
}

/* The property. */
static void assert_alone(const struct world *w, const struct client *me, int k)
{
	const struct ip6_net mine = {me->held[k].it.ip, me->held[k].it.plen};

	for (int i = 0; i < CLIENTS; i++) {
		const struct held *h = &w->c[i].held[k];
		const struct ip6_net net = {h->it.ip, h->it.plen};

		if (&w->c[i] != me && holds(w, h))
			assert_false(ip6_net_overlap(&net, &mine));
	}
}

static void answered(struct world *w, int type);

static void say(struct world *w, struct client *c, struct dhcp6_ask *a)
{
	int type;

	a->nic = c->nic;
	a->n = c->n;
	a->duid = c->duid;
	a->xid = c->xid = (++w->xid << 6 | (uint32_t)(c - w->c)) & 0xffffff;
	c->type = a->type;
	c->asked_s = w->rig.now;
	if (rnd(w, 100) < w->loss)
		return;
	type = rig6_send(&w->rig, a);
	if (type)
		answered(w, type);
}

/* A message about both kinds, with what it holds, or with @wish. */
static struct dhcp6_ask about(struct world *w, const struct client *c,
			      uint8_t type, const struct dhcp6_item *wish)
{
	struct dhcp6_ask a = rig6_ask(type, c->nic, c->n);

	a.nias = 0;
	for (int k = 0; k < KINDS; k++) {
		const struct dhcp6_item *it = wish ? &wish[k] : &c->held[k].it;

		if (k == PD && !wish && !it->plen && rnd(w, 2))
			continue;
		a.ia[a.nias++] = (struct dhcp6_ia){
			.opt = k == PD ? DHCP6_OPT_IA_PD : DHCP6_OPT_IA_NA,
			.iaid = 7,
		};
		if (it->plen)
			rig6_wish(&a, &it->ip, it->plen);
	}
	return a;
}

static void forget(struct client *c)
{
	memset(c->held, 0, sizeof(c->held));
	c->xid = 0;
}

static void give_back(struct world *w, struct client *c, uint8_t type)
{
	struct dhcp6_ask a = about(w, c, type, NULL);

	if (type == DHCP6_DECLINE) {
		w->declines++;
		c->held[NA].it.plen = 0; /* prefixes are not declined */
	} else {
		forget(c);
	}
	say(w, c, &a);
}

static void take(struct world *w, struct client *c,
		 const struct dhcp6_seen_ia *ia)
{
	int k = ia->opt == DHCP6_OPT_IA_PD ? PD : NA;
	struct held *h = &c->held[k];

	for (unsigned int i = 0; i < ia->n; i++) {
		const struct dhcp6_item *it = &ia->item[i].it;
		bool same = h->it.plen == it->plen &&
			    ipaddr_eq(&h->it.ip, &it->ip);

		if (!ia->item[i].valid) {
			if (same)
				h->it.plen = 0;
			continue;
		}
		w->moves += h->it.plen && !same;
		assert_true(ia->item[i].valid <= LEASE_S);
		h->it = *it;
		h->expiry_s = c->asked_s + ia->item[i].valid;
		w->grants++;
		assert_alone(w, c, k);
		break; /* what follows has ended */
	}
}

/* The rig's last answer reaches whoever it is for. */
static void answered(struct world *w, int type)
{
	const struct dhcp6_seen got = w->rig.got;
	struct client *c = &w->c[got.xid & 63];

	if (c->xid != got.xid || rnd(w, 100) < w->loss)
		return;
	c->xid = 0;
	if (type == DHCP6_ADVERTISE) {
		struct dhcp6_item wish[KINDS] = {{.plen = 0}};

		for (unsigned int i = 0; i < got.nias; i++)
			if (got.ia[i].n)
				wish[got.ia[i].opt == DHCP6_OPT_IA_PD] =
					got.ia[i].item[0].it;
		struct dhcp6_ask a = about(w, c, DHCP6_REQUEST, wish);

		say(w, c, &a);
		return;
	}
	if (c->type == DHCP6_RELEASE || c->type == DHCP6_DECLINE)
		return;
	if (c->type == DHCP6_CONFIRM) {
		if (got.status == DHCP6_S_NOT_ON_LINK)
			forget(c);
		return;
	}
	for (unsigned int i = 0; i < got.nias; i++) {
		w->refused += got.ia[i].status > 0;
		take(w, c, &got.ia[i]);
	}
	if (rnd(w, 100) < 2 && c->held[NA].it.plen)
		give_back(w, c, DHCP6_DECLINE);
}

/* ---- what happens ----------------------------------------------------------- */

static void ask(struct world *w, struct client *c, uint8_t type)
{
	struct dhcp6_ask a = about(w, c, type, NULL);

	a.rapid = type == DHCP6_SOLICIT && rnd(w, 4) == 0;
	say(w, c, &a);
}

/* Remembers nonsense, or what somebody else has. */
static void ask_odd(struct world *w, struct client *c)
{
	static const uint8_t types[] = {DHCP6_REQUEST, DHCP6_RENEW, DHCP6_REBIND,
					DHCP6_SOLICIT, DHCP6_CONFIRM,
					DHCP6_RELEASE, DHCP6_DECLINE};
	struct client *o = &w->c[rnd(w, CLIENTS)];
	struct dhcp6_item wish[KINDS] = {o->held[NA].it, o->held[PD].it};
	struct dhcp6_ask a;

	if (!wish[NA].plen || rnd(w, 2)) {
		wish[NA] = (struct dhcp6_item){ip6("fd00:1::1:0"), 128};
		wish[NA].ip.b[15] = (uint8_t)rnd(w, 64);
	}
	a = about(w, c, types[rnd(w, 7)], wish);
	for (unsigned int i = 0; i < a.nias; i++) { /* and all that it has */
		struct held *h = &c->held[a.ia[i].opt == DHCP6_OPT_IA_PD];

		if (h->it.plen)
			a.ia[i].item[a.ia[i].nitems++] = h->it;
	}
	if (a.type == DHCP6_RELEASE || a.type == DHCP6_DECLINE)
		forget(c); /* it may have been its own */
	say(w, c, &a);
}

static void act(struct world *w, struct client *c)
{
	for (int k = 0; k < KINDS; k++)
		if (!holds(w, &c->held[k]))
			c->held[k].it.plen = 0;
	switch (rnd(w, 20)) {
	case 0:
		ask_odd(w, c);
		break;
	case 1:
		give_back(w, c, DHCP6_RELEASE);
		break;
	case 2: /* another system boots */
		forget(c);
		c->duid = (uint8_t)(100 + (c - w->c) * 3 + rnd(w, 3));
		ask(w, c, DHCP6_SOLICIT);
		break;
	case 3:
		ask(w, c, DHCP6_CONFIRM);
		break;
	case 4:
		ask(w, c, DHCP6_REBIND);
		break;
	default:
		ask(w, c, c->held[NA].it.plen ? DHCP6_RENEW : DHCP6_SOLICIT);
	}
}

static void store_one(struct world *w)
{
	struct dhcp6_rig *r = &w->rig;
	int type;

	if (!r->nwaiting)
		return;
	if (rnd(w, 10) == 0 && w->loss) {
		rig6_refuse(r);
		return;
	}
	type = rig6_store(r);
	if (type)
		answered(w, type);
}

static void drain(struct world *w)
{
	while (w->rig.nwaiting)
		store_one(w);
}

static void reserve_something(struct world *w)
{
	struct mac mac = rig6_mac((uint8_t)rnd(w, CLIENTS));
	struct ipaddr ip = w->c[rnd(w, CLIENTS)].held[NA].it.ip;

	if (rnd(w, 2) || !ipaddr_in_net6(&ip, &w->rig.cfg.net))
		dhcp6_server_unreserve(w->rig.s, &mac);
	else
		(void)dhcp6_server_reserve(w->rig.s, &mac, &ip, NULL, NULL);
}

static void change_pool(struct world *w)
{
	struct dhcp6_rig *r = &w->rig;

	r->cfg.delegate_len = (uint8_t)(60 + rnd(w, 5));
	r->cfg.addresses = rnd(w, 8);
	assert_int_equal(dhcp6_server_configure(r->s, &r->cfg, r->now, NULL), 0);
}

static void crash(struct world *w)
{
	w->restarts++;
	/* Leases of a length that is no more given out would be forgotten; their
	 * clients were told a lifetime. */
	w->rig.cfg.delegate_len = 64;
	rig6_restart(&w->rig, rnd(w, (uint32_t)w->rig.nwaiting + 1));
	for (int i = 0; i < CLIENTS; i++)
		if (w->c[i].held[PD].it.plen != 64)
			w->c[i].held[PD].it.plen = 0;
}

static void something(struct world *w)
{
	struct client *c = &w->c[rnd(w, CLIENTS)];
	uint32_t what = rnd(w, 1000);

	if (what < 2) {
		crash(w);
	} else if (what < 6) {
		reserve_something(w);
	} else if (what < 8) {
		change_pool(w);
	} else if (what < 9) {
		dhcp6_server_nic_del(w->rig.s, c->nic);
		c->nic += CLIENTS;
		forget(c);
	} else if (what < 15) {
		w->rig.hold = !w->rig.hold;
	} else if (what < 200) {
		store_one(w);
	} else if (what < 400) {
		rig6_pass(&w->rig, rnd(w, 30));
	} else {
		act(w, c);
	}
	if (!w->rig.hold || w->rig.nwaiting > RIG6_WAITING - 64)
		drain(w);
}

static void begin(struct world *w, uint64_t seed)
{
	struct dhcp6_config cfg = rig6_config();

	memset(w, 0, sizeof(*w));
	cfg.lease_s = LEASE_S;
	cfg.delegate.plen = 58; /* 64 of them: they run out */
	rig6_start(&w->rig, &cfg);
	w->rng = seed;
	w->loss = 5;
	for (int i = 0; i < CLIENTS; i++) {
		w->c[i].nic = (uint64_t)i + 1;
		w->c[i].n = (uint8_t)(i % (CLIENTS - 4)); /* copied MACs */
		w->c[i].duid = (uint8_t)(100 + i * 3);
	}
}

static struct world *world(void)
{
	static struct world w;

	return &w;
}

static void run__anything_happens__nothing_held_twice(void **state)
{
	struct world *w = world();
	struct dhcp6_stats st;

	(void)state;
	begin(w, 0x9e3779b97f4a7c15ULL);
	for (int i = 0; i < EVENTS; i++) {
		something(w);
		if (i % 64 == 0)
			rig6_check(&w->rig);
	}
	drain(w);
	rig6_check(&w->rig);
	/* The run was worth something. */
	dhcp6_server_stats(w->rig.s, &st);
	assert_true(w->grants > EVENTS / 20);
	assert_true(w->moves > 50);
	assert_true(w->refused > 200);
	assert_true(w->declines > 50);
	assert_true(w->restarts > 50);
	assert_int_equal(st.pending, 0);
	rig6_stop(&w->rig);
}

static void run__trouble_ends__everybody_bound(void **state)
{
	struct world *w = world();

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		begin(w, seed * 0x9e3779b97f4a7c15ULL);
		for (int i = 0; i < 2000; i++)
			something(w);
		w->loss = 0;
		w->rig.hold = false;
		drain(w);
		w->rig.cfg.addresses = true;
		dhcp6_server_configure(w->rig.s, &w->rig.cfg, w->rig.now, NULL);
		for (int i = 0; i < CLIENTS; i++) {
			struct client *c = &w->c[i];

			for (int j = 0; j < 20 && !c->held[NA].it.plen; j++)
				ask(w, c, DHCP6_SOLICIT);
			assert_int_equal(c->held[NA].it.plen, 128);
			assert_alone(w, c, NA);
		}
		rig6_check(&w->rig);
		rig6_stop(&w->rig);
	}
}

/* Renewals keep a lease for as long as the client wants, across crashes at any
 * moment. */
static void run__renewals_across_crashes__same_address_for_ever(void **state)
{
	struct dhcp6_rig *r = &world()->rig;
	struct dhcp6_config cfg = rig6_config();
	struct ipaddr ip[8];

	(void)state;
	cfg.lease_s = LEASE_S;
	rig6_start(r, &cfg);
	for (uint8_t i = 0; i < 8; i++)
		ip[i] = rig6_sarr(r, i + 1u, i);
	for (unsigned int t = 0; t < 400; t++) {
		uint8_t i = (uint8_t)(t % 8);
		struct dhcp6_ask a = rig6_ask(DHCP6_RENEW, i + 1u, i);

		rig6_wish(&a, &ip[i], 128);
		r->hold = true;
		(void)rig6_send(r, &a);
		rig6_restart(r, t % 3 ? r->nwaiting : 0);
		r->hold = false;
		rig6_pass(r, 60);
		assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
		assert_memory_equal(r->got.ia[0].item[0].it.ip.b, ip[i].b, 16);
		assert_true(r->got.ia[0].item[0].valid > 0);
	}
	rig6_check(r);
	rig6_stop(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__anything_happens__nothing_held_twice),
		cmocka_unit_test(run__trouble_ends__everybody_bound),
		cmocka_unit_test(
			run__renewals_across_crashes__same_address_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
