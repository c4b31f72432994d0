// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp_rig */
/*
 * Both ends in memory: clients with the states of RFC 2131 figure 5 against the
 * server, with loss, slow and failing stores, crashes, releases, declines and
 * live changes, some behind a relay and back, in random but repeatable order. Whatever happens, no two
 * clients hold one address at the same time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dhcp/dhcp_config.h"
#include "tests/fake/dhcp_rig.h"

#define CLIENTS 40
#define EVENTS	100000 /* or what DHCP_EVENTS says */
#define LEASE_S 1000
#define SERVER	IP4(10, 0, 2, 2)
#define RELAY	IP4(10, 9, 0, 1)

enum client_state {
	INIT,
	SELECTING,
	REQUESTING,
	REBOOTING,
	BOUND, /* and renewing, rebinding: @asked tells */
};

/** struct client - One end; believes what it was told. */
struct client {
	uint64_t nic;
	uint8_t n; /* of its MAC; some share one */
	enum client_state state;
	uint32_t ip; /* held while BOUND, remembered otherwise; 0 = none */
	int64_t expiry_s;
	int64_t asked_s; /* when the last request was sent */
	uint32_t xid;
	bool rapid; /* takes an ACK at once */
	bool behind; /* a relay */
};

struct world {
	struct dhcp_rig rig;
	struct client c[CLIENTS];
	uint64_t rng;
	uint32_t xid;
	unsigned int loss; /* per cent of messages, each way */
	bool rfc2131;	   /* identity: identifiers, one a client */
	unsigned int acks, naks, declines, restarts;
};

static uint32_t rnd(struct world *w, uint32_t below)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return (uint32_t)(w->rng >> 20) % below;
}

static bool holds(const struct world *w, const struct client *c)
{
	return c->state == BOUND && c->expiry_s > w->rig.now;
}

/* The property. */
static void assert_alone(const struct world *w, const struct client *me)
{
	for (int i = 0; i < CLIENTS; i++)
		if (&w->c[i] != me && holds(w, &w->c[i]))
			assert_int_not_equal(w->c[i].ip, me->ip);
}

static void answered(struct world *w, int type);

static void say(struct world *w, struct client *c, struct dhcp_ask *a)
{
	static const char *const ids[] = {"clone", "clone", "pxe", "initrd"};
	const uint8_t own[] = {0xff, (uint8_t)(c - w->c)};
	int type;

	a->mac = rig_mac(c->n);
	a->nic = c->nic;
	a->xid = c->xid;
	a->cid = w->rfc2131 ? (const char *)own : ids[rnd(w, 4)];
	a->cid_len = w->rfc2131 ? sizeof(own) : strlen(a->cid);
	if (c->behind && a->dst_ip != SERVER)
		a->giaddr = RELAY;
	if (rnd(w, 100) < w->loss)
		return;
	type = rig_send(&w->rig, a);
	if (type)
		answered(w, type);
}

static void new_xid(struct world *w, struct client *c)
{
	c->xid = ++w->xid << 8 | (uint32_t)(c - w->c);
	c->asked_s = w->rig.now;
}

static void discover(struct world *w, struct client *c)
{
	struct dhcp_ask a = {.type = DHCP_DISCOVER,
			     .requested = c->ip,
			     .rapid = rnd(w, 4) == 0};

	c->rapid = a.rapid;
	c->state = SELECTING;
	new_xid(w, c);
	say(w, c, &a);
}

static void select_offer(struct world *w, struct client *c, uint32_t ip)
{
	struct dhcp_ask a = {
		.type = DHCP_REQUEST, .requested = ip, .server_id = SERVER};

	c->state = REQUESTING;
	c->asked_s = w->rig.now;
	say(w, c, &a);
}

static void reboot(struct world *w, struct client *c)
{
	struct dhcp_ask a = {.type = DHCP_REQUEST, .requested = c->ip};

	c->state = REBOOTING;
	new_xid(w, c);
	say(w, c, &a);
}

static void renew(struct world *w, struct client *c)
{
	struct dhcp_ask a = {
		.type = DHCP_REQUEST, .ciaddr = c->ip, .src_ip = c->ip};

	if (rnd(w, 2)) /* else rebinding */
		a.dst_ip = SERVER;
	new_xid(w, c);
	say(w, c, &a);
}

static void release(struct world *w, struct client *c)
{
	struct dhcp_ask a = {
		.type = DHCP_RELEASE, .ciaddr = c->ip, .server_id = SERVER};

	c->state = INIT;
	new_xid(w, c);
	say(w, c, &a);
}

static void decline(struct world *w, struct client *c, uint32_t ip)
{
	struct dhcp_ask a = {
		.type = DHCP_DECLINE, .requested = ip, .server_id = SERVER};

	w->declines++;
	c->state = INIT;
	c->ip = 0;
	new_xid(w, c);
	say(w, c, &a);
}

static void acknowledged(struct world *w, struct client *c)
{
	const struct dhcp_rig *r = &w->rig;
	uint32_t ip = r->answer.h.yiaddr;

	w->acks++;
	if (c->state == BOUND)
		assert_int_equal(ip, c->ip); /* renewed what it asked for */
	if (rnd(w, 100) < 2) {
		decline(w, c, ip);
		return;
	}
	c->state = BOUND;
	c->ip = ip;
	c->expiry_s = c->asked_s + rig_opt32(r, DHCP_OPT_LEASE);
	if (c->behind)
		assert_true(ip > RELAY && ip < IP4(10, 9, 0, 15));
	else
		assert_true(ip > IP4(10, 0, 2, 3) && ip < IP4(10, 0, 2, 255));
	assert_true(rig_opt32(r, DHCP_OPT_LEASE) <= LEASE_S);
	assert_alone(w, c);
}

/* The rig's last answer reaches whoever it is for. */
static void answered(struct world *w, int type)
{
	struct client *c = &w->c[w->rig.answer.h.xid & 0xff];

	if (c->xid != w->rig.answer.h.xid || rnd(w, 100) < w->loss)
		return;
	if (type == DHCP_OFFER && c->state == SELECTING) {
		select_offer(w, c, w->rig.answer.h.yiaddr);
	} else if (type == DHCP_ACK &&
		   (c->state >= REQUESTING ||
		    (c->state == SELECTING && c->rapid))) {
		acknowledged(w, c);
	} else if (type == DHCP_NAK && c->state >= REQUESTING) {
		w->naks++;
		c->state = INIT;
	}
}

/* The client does what its state suggests, or something odd. */
static void act(struct world *w, struct client *c)
{
	if (c->state == BOUND && !holds(w, c))
		c->state = INIT;
	switch (rnd(w, 20)) {
	case 0:
		c->ip = IP4(10, 0, 2, rnd(w, 256)); /* remembers nonsense */
		reboot(w, c);
		return;
	case 1:
		if (c->state == BOUND)
			release(w, c);
		return;
	case 2: /* takes what it was not offered */
		new_xid(w, c);
		select_offer(w, c, IP4(10, 0, 2, 10 + rnd(w, 60)));
		return;
	case 3:
		if (c->ip)
			reboot(w, c);
		return;
	default:
		if (c->state == BOUND)
			renew(w, c);
		else
			discover(w, c);
	}
}

/* One commit arrives or fails. */
static void store_one(struct world *w)
{
	struct dhcp_rig *r = &w->rig;
	int type;

	if (!r->nwaiting)
		return;
	if (rnd(w, 10) == 0 && w->loss) {
		rig_refuse(r);
		return;
	}
	type = rig_store(r);
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
	struct dhcp_rig *r = &w->rig;
	struct mac mac = rig_mac((uint8_t)rnd(w, CLIENTS));

	if (rnd(w, 2))
		(void)dhcp_server_reserve(r->s, &mac,
					  IP4(10, 0, 2, 10 + rnd(w, 70)), NULL,
					  r->now, NULL);
	else
		(void)dhcp_server_unreserve(r->s, &mac, r->now);
}

static void move_pool(struct world *w)
{
	struct dhcp_rig *r = &w->rig;

	r->cfg.first = IP4(10, 0, 2, 10 + rnd(w, 20));
	r->cfg.last = r->cfg.first + 30 + rnd(w, 40);
	r->cfg.nrelay = 1 - rnd(w, 8) / 7;
	assert_int_equal(dhcp_server_configure(r->s, &r->cfg, r->now, NULL), 0);
}

/* The NIC goes, and with it what was believed behind it. */
static void replace_nic(struct world *w, struct client *c)
{
	dhcp_server_nic_del(w->rig.s, c->nic);
	c->nic += CLIENTS;
	c->state = INIT;
	c->xid = 0;
}

/* It goes behind the relay, or comes back. */
static void roam(struct client *c)
{
	c->behind = !c->behind;
	c->state = INIT;
	c->xid = 0;
}

static void crash(struct world *w)
{
	w->restarts++;
	rig_restart(&w->rig, rnd(w, (uint32_t)w->rig.nwaiting + 1));
}

static void something(struct world *w)
{
	struct client *c = &w->c[rnd(w, CLIENTS)];
	uint32_t what = rnd(w, 1000);

	if (what < 2)
		crash(w);
	else if (what < 6)
		reserve_something(w);
	else if (what < 8)
		move_pool(w);
	else if (what < 10)
		replace_nic(w, c);
	else if (what < 12)
		roam(c);
	else if (what < 15)
		w->rig.hold = !w->rig.hold;
	else if (what < 200)
		store_one(w);
	else if (what < 400)
		rig_pass(&w->rig, rnd(w, 30));
	else
		act(w, c);
	if (!w->rig.hold || w->rig.nwaiting > RIG_WAITING - 64)
		drain(w);
}

static void begin(struct world *w, uint64_t seed, enum dhcp_identity identity)
{
	struct dhcp_config cfg = rig_config();

	memset(w, 0, sizeof(*w));
	cfg.identity = identity;
	w->rfc2131 = identity == DHCP_IDENTITY_RFC2131;
	cfg.lease_s = LEASE_S;
	cfg.rapid_commit = true;
	cfg.last = IP4(10, 0, 2, 74);
	cfg.nrelay = 1;
	assert_int_equal(
		dhcp_range_parse("10.9.0.0/28", &cfg.relay[0], NULL), 0);
	rig_start(&w->rig, &cfg);
	w->rng = seed;
	w->loss = 5;
	for (int i = 0; i < CLIENTS; i++) {
		w->c[i].nic = (uint64_t)i + 1;
		w->c[i].n = (uint8_t)(i % (CLIENTS - 4)); /* four copied MACs */
		w->c[i].behind = i % 8 == 7;
	}
}

static struct world *world(void)
{
	static struct world w;

	return &w;
}

static void run_events(enum dhcp_identity identity, int events)
{
	struct world *w = world();
	struct dhcp_stats st;

	begin(w, 0x9e3779b97f4a7c15ULL, identity);
	for (int i = 0; i < events; i++) {
		something(w);
		if (i % 64 == 0)
			rig_check(&w->rig);
	}
	drain(w);
	rig_check(&w->rig);
	/* The run was worth something. */
	dhcp_server_stats(w->rig.s, &st);
	assert_true(w->acks > 5000);
	assert_true(w->naks > 200);
	assert_true(w->declines > 50);
	assert_true(w->restarts > 50);
	assert_int_equal(st.pending, 0);
	rig_stop(&w->rig);
}

/* RFC 2131 2.2: an address is not given to two clients at a time. */
static int events(void)
{
	const char *s = getenv("DHCP_EVENTS");
	int n = s ? atoi(s) : 0;

	return n > EVENTS ? n : EVENTS;
}

static void run__anything_happens__no_address_held_twice(void **state)
{
	(void)state;
	run_events(DHCP_IDENTITY_NIC, events());
}

static void run__rfc2131_identity__no_address_held_twice(void **state)
{
	(void)state;
	run_events(DHCP_IDENTITY_RFC2131, events() / 2);
}

/* After any trouble, a quiet time brings everybody an address. */
static void run__trouble_ends__everybody_bound(void **state)
{
	struct world *w = world();

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		begin(w, seed * 0x9e3779b97f4a7c15ULL, DHCP_IDENTITY_NIC);
		for (int i = 0; i < 2000; i++)
			something(w);
		w->loss = 0;
		w->rig.hold = false;
		drain(w);
		w->rig.cfg.first = IP4(10, 0, 2, 10);
		w->rig.cfg.last = IP4(10, 0, 2, 200);
		dhcp_server_configure(w->rig.s, &w->rig.cfg, w->rig.now, NULL);
		for (int i = 0; i < CLIENTS; i++) {
			struct client *c = &w->c[i];

			if (c->behind)
				roam(c);
			for (int j = 0; j < 20 && !holds(w, c); j++)
				discover(w, c);
			assert_true(holds(w, c));
			assert_alone(w, c);
		}
		rig_check(&w->rig);
		rig_stop(&w->rig);
	}
}

/* RFC 2131 4.4.5: renewals keep a lease for as long as the client wants, across
 * crashes of the server at any moment. */
static void run__renewals_across_crashes__same_address_for_ever(void **state)
{
	struct world *w = world();
	uint32_t ip[8];

	(void)state;
	begin(w, 42, DHCP_IDENTITY_NIC);
	w->loss = 0;
	for (int i = 0; i < 8; i++) {
		discover(w, &w->c[i]);
		assert_int_equal(w->c[i].state, BOUND);
		ip[i] = w->c[i].ip;
	}
	for (int t = 0; t < 500; t++) {
		int i = t % 8;

		w->rig.hold = true;
		new_xid(w, &w->c[i]);
		renew(w, &w->c[i]);
		crash(w); /* before, or after, the store had it */
		w->rig.hold = false;
		rig_pass(&w->rig, 50);
		renew(w, &w->c[i]);
		assert_true(w->c[i].state == BOUND || w->declines);
		if (w->c[i].state == INIT) {
			w->c[i].ip = 0;
			discover(w, &w->c[i]);
			ip[i] = w->c[i].ip;
		}
		assert_int_equal(w->c[i].ip, ip[i]);
	}
	rig_check(&w->rig);
	rig_stop(&w->rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__anything_happens__no_address_held_twice),
		cmocka_unit_test(run__rfc2131_identity__no_address_held_twice),
		cmocka_unit_test(run__trouble_ends__everybody_bound),
		cmocka_unit_test(
			run__renewals_across_crashes__same_address_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
