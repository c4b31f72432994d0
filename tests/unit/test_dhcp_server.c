// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp_rig */
/* The rules of the DHCP server, one exchange after the other. */
#include "dhcp/dhcp_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fake/dhcp_rig.h"

#define SERVER IP4(10, 0, 2, 2)
#define IP(n)  IP4(10, 0, 2, n)

/* ---- first contact ------------------------------------------------------- */

/* RFC 2131 3.1 and 4.3.1, table 3 */
static void discover__new_client__offer_with_everything(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);
	size_t len;

	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(r->answer.h.op, 2);
	assert_int_equal(r->answer.h.htype, 1);
	assert_int_equal(r->answer.h.hlen, 6);
	assert_int_equal(r->answer.h.hops, 0);
	assert_int_equal(r->answer.h.xid, a.xid);
	assert_int_equal(r->answer.h.secs, 0);
	assert_int_equal(r->answer.h.ciaddr, 0);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	assert_int_equal(r->answer.h.siaddr, 0);
	assert_memory_equal(r->answer.h.chaddr, a.mac.b, 6);
	assert_int_equal(rig_opt32(r, DHCP_OPT_SERVER_ID), SERVER);
	assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), 86400);
	assert_int_equal(rig_opt32(r, DHCP_OPT_T1), 43200);
	assert_int_equal(rig_opt32(r, DHCP_OPT_T2), 75600);
	assert_int_equal(rig_opt32(r, DHCP_OPT_MASK), 0xffffff00);
	assert_int_equal(rig_opt32(r, DHCP_OPT_ROUTER), SERVER);
	assert_int_equal(rig_opt32(r, DHCP_OPT_DNS), IP(3));
	assert_int_equal(rig_opt32(r, DHCP_OPT_BROADCAST), IP(255));
	assert_memory_equal(dhcp_msg_opt(&r->answer, DHCP_OPT_DOMAIN, &len),
			    "lab.vnet", 8);
	assert_int_equal(len, 8);
	assert_false(rig_has(r, DHCP_OPT_MTU));
	assert_false(rig_has(r, DHCP_OPT_HOSTNAME));
	assert_true(r->reply.len >= DHCP_MIN_LEN);
	assert_int_equal(rig_stats(r).offered, 1);
}

/* RFC 2131 3.1: an offer binds nobody, the ACK does, after it was stored. */
static void request__selecting__ack_after_commit(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 7, 1);
	const struct dhcp_lease *l;
	struct dhcp_reply reply;

	r->hold = true;
	rig_send(r, &a);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = SERVER;
	a.hostname = "Alpine.lan";
	a.cid = "\xff\x01\x02";
	a.cid_len = 3;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->nwaiting, 1);
	assert_int_equal(rig_stats(r).bound, 0);
	assert_null(dhcp_server_find_mac(r->s, 0, &a.mac));

	l = &r->waiting[0].lease;
	assert_int_equal(l->ip, IP(15));
	assert_int_equal(l->nic_id, 7);
	assert_int_equal(l->expiry_s, r->now + 86400);
	assert_int_equal(l->state, DHCP_BOUND);
	assert_string_equal(l->hostname, "alpine");
	assert_int_equal(l->client_id_len, 3);
	assert_memory_equal(l->client_id, "\xff\x01\x02", 3);

	assert_int_equal(rig_store(r), DHCP_ACK);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	l = dhcp_server_find_mac(r->s, 7, &a.mac);
	assert_non_null(l);
	assert_int_equal(l->ip, IP(15));
	assert_null(dhcp_server_find_mac(r->s, 8, &a.mac));
	assert_ptr_equal(dhcp_server_find_ip(r->s, IP(15)), l);
	assert_int_equal(dhcp_server_committed(r->s, 1, r->now, &reply),
			 -ENOENT);
	assert_int_equal(rig_stats(r).tx[DHCP_ACK], 1);
	assert_int_equal(rig_stats(r).pending, 0);
}

/* Defaults that people recognise: ascending from the first of the pool. */
static void discover__several_clients__ascending(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = {
		.net = {.addr = IP4(192, 168, 56, 0), .plen = 24},
		.server_ip = IP4(192, 168, 56, 1),
		.first = IP4(192, 168, 56, 101),
		.last = IP4(192, 168, 56, 254),
	};

	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	assert_int_equal(rig_dora(r, 2, 2), IP(16));
	assert_int_equal(rig_dora(r, 3, 3), IP(17));
	rig_reconfigure(r, &cfg);
	assert_int_equal(rig_dora(r, 4, 4), IP4(192, 168, 56, 101));
	assert_int_equal(rig_dora(r, 5, 5), IP4(192, 168, 56, 102));
	assert_false(rig_has(r, DHCP_OPT_ROUTER));
	assert_false(rig_has(r, DHCP_OPT_DNS));
}

/* The pool may cover everything: what is somebody's is never given out. */
static void discover__whole_net_as_pool__special_addresses_skipped(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = {
		.net = {.addr = IP(16), .plen = 29}, /* .16 to .23 */
		.server_ip = IP(17),
		.router = IP(18),
		.dns = {IP(19), IP4(1, 1, 1, 1)},
		.ndns = 2,
		.first = IP(17),
		.last = IP(22),
	};

	rig_reconfigure(r, &cfg);
	assert_int_equal(rig_dora(r, 1, 1), IP(20));
	assert_int_equal(rig_dora(r, 2, 2), IP(21));
	assert_int_equal(rig_dora(r, 3, 3), IP(22));
	assert_int_equal(rig_dora(r, 4, 4), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_EXHAUSTED), 1);
}

/* RFC 2131 4.3.1: requested address if valid and free. */
static void discover__with_requested_address__given_if_free(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	a.requested = IP(99);
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(99));
	a = rig_ask(DHCP_DISCOVER, 2, 2);
	a.requested = IP(99); /* taken */
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	a = rig_ask(DHCP_DISCOVER, 3, 3);
	a.requested = IP(3); /* the resolver's */
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(16));
	a = rig_ask(DHCP_DISCOVER, 4, 4);
	a.requested = IP4(192, 168, 1, 5); /* another network's */
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(17));
}

/* RFC 2131 4.3.1: the same client gets the same offer again. */
static void discover__again__same_offer(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	for (int i = 0; i < 5; i++) {
		assert_int_equal(rig_send(r, &a), DHCP_OFFER);
		assert_int_equal(r->answer.h.yiaddr, IP(15));
		rig_pass(r, 50);
	}
	assert_int_equal(rig_stats(r).offered, 1);
	rig_pass(r, 11); /* nobody wanted it */
	assert_int_equal(rig_stats(r).offered, 0);
	assert_null(dhcp_server_find_ip(r->s, IP(15)));
}

/* ---- identity ------------------------------------------------------------ */

/* RFC 2131 4.2, departed from: firmware, initrd and system send different
 * identifiers and get one address. */
static void identity__one_nic_many_client_ids__one_address(void **state)
{
	static const char *const ids[] = {"\x01RTGxyz", "\377duid-one", "x"};
	struct dhcp_rig *r = *state;

	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	for (int i = 0; i < 3; i++) {
		struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);
		size_t len;

		a.cid = ids[i];
		a.cid_len = strlen(ids[i]);
		assert_int_equal(rig_send(r, &a), DHCP_OFFER);
		assert_int_equal(r->answer.h.yiaddr, IP(15));
		/* RFC 6842 3: every reply carries the identifier. */
		assert_memory_equal(
			dhcp_msg_opt(&r->answer, DHCP_OPT_CLIENT_ID, &len),
			ids[i], a.cid_len);
		assert_int_equal(len, a.cid_len);
		a.type = DHCP_REQUEST;
		a.requested = IP(15);
		a.server_id = SERVER;
		assert_int_equal(rig_send(r, &a), DHCP_ACK);
	}
	assert_int_equal(rig_stats(r).bound, 1);
}

/* RFC 2131 4.2, departed from: clones with one identifier get two addresses. */
static void identity__two_nics_one_client_id__two_addresses(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	a.cid = "machine-id";
	a.cid_len = 10;
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	a.nic = 2;
	a.mac = rig_mac(2);
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(16));
}

/* RFC 2131 4.2, followed when asked to. */
static void identity__rfc2131_mode__client_id_decides(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	cfg.identity = DHCP_IDENTITY_RFC2131;
	rig_reconfigure(r, &cfg);
	a.cid = "machine-id";
	a.cid_len = 10;
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	a.nic = 2;
	a.mac = rig_mac(2);
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	a.cid_len = 0; /* the same MAC without one is another client */
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(16));
	a.nic = 1;
	rig_send(r, &a); /* the MAC decides, not the NIC */
	assert_int_equal(r->answer.h.yiaddr, IP(16));
}

/* A guest that writes another's MAC is somebody else. */
static void identity__same_mac_on_other_nic__cannot_touch_lease(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a;

	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	a = rig_ask(DHCP_RELEASE, 2, 1);
	a.ciaddr = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	a = rig_ask(DHCP_DECLINE, 2, 1);
	a.requested = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_NOT_OWNER), 2);
	a = rig_renewal(2, 1, IP(15));
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->state, DHCP_BOUND);
	assert_int_equal(rig_dora(r, 2, 1), IP(16));
}

/* The NIC is made anew (detach, attach with the same MAC): same address. */
static void nic_del__same_mac_comes_back__same_address(void **state)
{
	struct dhcp_rig *r = *state;

	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	dhcp_server_nic_del(r->s, 1);
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->nic_id, 0);
	assert_int_equal(rig_dora(r, 9, 1), IP(15));
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->nic_id, 9);
	assert_int_equal(rig_stats(r).bound, 1);
}

/* Where NICs are not known (a bridge), the MAC alone decides. */
static void identity__nic_unknown__mac_decides(void **state)
{
	struct dhcp_rig *r = *state;

	assert_int_equal(rig_dora(r, 0, 1), IP(15));
	assert_int_equal(rig_dora(r, 0, 2), IP(16));
	assert_int_equal(rig_dora(r, 0, 1), IP(15));
	assert_int_equal(rig_dora(r, 5, 2), IP(16));
}

/* ---- REQUEST ------------------------------------------------------------- */

/* RFC 2131 4.3.2, SELECTING: another server was chosen. */
static void request__selecting_other_server__offer_withdrawn(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	rig_send(r, &a);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = IP(200);
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_OTHER_SERVER), 1);
	assert_int_equal(rig_stats(r).offered, 0);
	/* It is told, once a minute. */
	assert_int_equal(r->events[DHCP_EV_OTHER_SERVER], 1);
	assert_int_equal(r->last.ip, IP(200));
	assert_int_equal(r->last.nic_id, 1);
	rig_send(r, &a);
	assert_int_equal(r->events[DHCP_EV_OTHER_SERVER], 1);
	rig_pass(r, 61);
	rig_send(r, &a);
	assert_int_equal(r->events[DHCP_EV_OTHER_SERVER], 2);
}

/* RFC 2131 4.3.2: what was not offered is not acknowledged. */
static void request__selecting_wrong_address__nak(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_REQUEST, 2, 2);
	size_t len;

	rig_dora(r, 1, 1);
	a.requested = IP(15); /* the other's */
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(r->answer.h.yiaddr, 0);
	assert_int_equal(rig_opt32(r, DHCP_OPT_SERVER_ID), SERVER);
	(void)dhcp_msg_opt(&r->answer, DHCP_OPT_MESSAGE, &len);
	assert_true(len > 0);
	assert_false(rig_has(r, DHCP_OPT_LEASE));
	assert_false(rig_has(r, DHCP_OPT_MASK));
	/* 4.1: always broadcast when there is no relay. */
	assert_int_equal(r->reply.dst_ip, 0xffffffff);
	assert_int_equal(r->reply.dst_port, 68);
	assert_memory_equal(r->reply.dst_mac.b, mac_broadcast.b, 6);
	a.requested = IP(2);
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	a.requested = IP4(10, 9, 9, 9);
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	a.requested = 0;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_FIELDS), 1);
}

/* RFC 2131 4.3.2: a restart forgets offers; the client does not suffer. */
static void request__selecting_after_restart__ack(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	rig_send(r, &a);
	rig_restart(r, 0);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
}

/* RFC 2131 4.3.2, INIT-REBOOT */
static void request__init_reboot__ack_nak_or_silence(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = rig_ask(DHCP_REQUEST, 1, 1);

	rig_dora(r, 1, 1);
	a.requested = IP(15);
	rig_pass(r, 100);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), 86400);
	a.requested = IP(16); /* not its own */
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	a.requested = IP4(192, 168, 56, 101); /* from another network */
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	a = rig_ask(DHCP_REQUEST, 2, 2); /* no record */
	a.requested = IP(40);
	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* we are authoritative */
	cfg.authoritative = false;
	rig_reconfigure(r, &cfg);
	assert_int_equal(rig_send(r, &a), 0); /* "MUST remain silent" */
	assert_int_equal(rig_drops(r, DHCP_DROP_UNKNOWN), 1);
	a.requested = IP4(192, 168, 56, 101);
	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* wrong network anyway */
}

/* RFC 2131 4.3.2, RENEWING: unicast to us, answered to ciaddr. */
static void request__renewing__extended(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_renewal(1, 1, IP(15));

	rig_dora(r, 1, 1);
	rig_pass(r, 43200);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(r->answer.h.ciaddr, IP(15));
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	assert_int_equal(r->reply.dst_ip, IP(15));
	assert_int_equal(r->reply.dst_port, 68);
	assert_memory_equal(r->reply.dst_mac.b, a.mac.b, 6);
	assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), 86400);
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->expiry_s,
			 r->now + 86400);
	rig_pass(r, 86399);
	assert_int_equal(rig_stats(r).bound, 1);
	rig_pass(r, 1);
	assert_int_equal(rig_stats(r).bound, 0);
}

/* RFC 2131 4.3.2: RENEWING or REBINDING what is not ours to extend. */
static void request__renewing_not_known__nak_or_silence(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = rig_renewal(1, 1, IP(15));

	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* no record */
	cfg.authoritative = false;
	rig_reconfigure(r, &cfg);
	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* it asked us */
	assert_int_equal(r->reply.dst_ip, 0xffffffff);
	a.dst_ip = 0;
	assert_int_equal(rig_send(r, &a), 0); /* it asked everybody */
	assert_int_equal(rig_drops(r, DHCP_DROP_UNKNOWN), 1);
	rig_dora(r, 1, 1);
	a.ciaddr = IP(44);
	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* has another */
	a.ciaddr = IP4(172, 16, 0, 1);
	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* not of this net */
	a.ciaddr = 0;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_FIELDS), 1);
}

/* RFC 2131 4.3.2: an expired lease that nobody took can be had again. */
static void request__renewing_after_expiry__ack_if_still_free(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_renewal(1, 1, IP(15));

	rig_dora(r, 1, 1);
	rig_pass(r, 90000);
	assert_int_equal(r->events[DHCP_EV_EXPIRED], 1);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(rig_stats(r).bound, 1);
}

/* Repeated requests cost no commits: the rest of the lease is confirmed. */
static void request__repeated_soon__rest_of_lease_without_commit(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_renewal(1, 1, IP(15));

	rig_dora(r, 1, 1);
	r->hold = true;
	rig_pass(r, 30);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), 86400 - 30);
	assert_int_equal(r->nwaiting, 0);
	a.hostname = "renamed"; /* that is a change */
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->nwaiting, 1);
	assert_int_equal(rig_store(r), DHCP_ACK);
	rig_pass(r, 61);
	a.hostname = "renamed";
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->nwaiting, 1);
	assert_int_equal(rig_store(r), DHCP_ACK);
}

/* RFC 2132 9.2: shorter wishes are granted, longer ones cut. */
static void request__lease_time_wish__within_limits(void **state)
{
	static const struct {
		uint32_t wish, got, max;
	} v[] = {
		{0, 86400, 0},
		{3600, 3600, 0},
		{5, 60, 0},
		{0xffffffff, 86400, 0},
		{5, 30, 30},
		{0xffffffff, 0xffffffff, DHCP_LEASE_INFINITE},
		{7200, 7200, DHCP_LEASE_INFINITE},
	};
	struct dhcp_rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct dhcp_config cfg = rig_config();
		struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

		cfg.lease_s = v[i].max;
		rig_reconfigure(r, &cfg);
		a.lease_s = v[i].wish;
		assert_int_equal(rig_send(r, &a), DHCP_OFFER);
		assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), v[i].got);
		assert_int_equal(rig_has(r, DHCP_OPT_T1),
				 v[i].got != DHCP_LEASE_INFINITE);
	}
}

/* RFC 2131 3.3: 0xffffffff is for ever. */
static void request__infinite_lease__never_expires(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();

	cfg.lease_s = DHCP_LEASE_INFINITE;
	rig_reconfigure(r, &cfg);
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->expiry_s,
			 DHCP_NEVER);
	rig_pass(r, 1000000000);
	assert_int_equal(dhcp_server_deadline(r->s), DHCP_NEVER);
	assert_int_equal(rig_stats(r).bound, 1);
	rig_restart(r, 0);
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
}

/* ---- RELEASE, DECLINE, INFORM -------------------------------------------- */

/* RFC 2131 4.3.4: the binding is remembered. */
static void release__own_lease__remembered(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_RELEASE, 1, 1);

	rig_dora(r, 1, 1);
	a.ciaddr = a.src_ip = IP(15);
	a.dst_ip = SERVER;
	a.server_id = IP(9); /* means another server */
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->events[DHCP_EV_RELEASED], 0);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->events[DHCP_EV_RELEASED], 1);
	assert_int_equal(r->last.state, DHCP_RELEASED);
	assert_int_equal(r->last.expiry_s, r->now);
	assert_null(dhcp_server_find_mac(r->s, 0, &a.mac));
	assert_int_equal(rig_send(r, &a), 0); /* twice is once */
	assert_int_equal(r->events[DHCP_EV_RELEASED], 1);
	assert_int_equal(rig_dora(r, 2, 2), IP(16)); /* never used goes first */
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
}

/* RFC 2131 4.3.3: marked as not available, told, given free later. */
static void decline__own_address__quarantined(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DECLINE, 1, 1);

	rig_dora(r, 1, 1);
	a.requested = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->events[DHCP_EV_DECLINED], 1);
	assert_int_equal(r->last.state, DHCP_DECLINED);
	assert_int_equal(r->last.expiry_s, r->now + DHCP_QUARANTINE_S);
	assert_int_equal(rig_dora(r, 1, 1), IP(16));
	assert_int_equal(rig_stats(r).declined, 1);
	rig_restart(r, 0); /* it is remembered across a restart */
	assert_int_equal(rig_dora(r, 2, 2), IP(17));
	rig_pass(r, DHCP_QUARANTINE_S);
	assert_int_equal(rig_stats(r).declined, 0);
	assert_int_equal(r->events[DHCP_EV_FORGOTTEN], 1);
	assert_null(rig_row(r, IP(15)));
	assert_int_equal(rig_dora(r, 3, 3), IP(15));
	a.requested = 0;
	rig_send(r, &a);
	assert_int_equal(rig_drops(r, DHCP_DROP_FIELDS), 1);
}

/* RFC 2131 4.3.5: parameters, but no address and no times. */
static void inform__with_address__parameters_only(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_INFORM, 1, 1);

	a.ciaddr = a.src_ip = IP(10);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(r->answer.h.yiaddr, 0);
	assert_int_equal(r->answer.h.ciaddr, IP(10));
	assert_false(rig_has(r, DHCP_OPT_LEASE));
	assert_false(rig_has(r, DHCP_OPT_T1));
	assert_false(rig_has(r, DHCP_OPT_T2));
	assert_true(rig_has(r, DHCP_OPT_DNS));
	assert_int_equal(r->reply.dst_ip, IP(10));
	assert_int_equal(r->reply.dst_port, 68);
	assert_int_equal(rig_stats(r).bound, 0);
	a.ciaddr = 0;
	assert_int_equal(rig_send(r, &a), 0);
	a.ciaddr = IP4(8, 8, 8, 8); /* we send nothing out of the net */
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_FIELDS), 2);
}

/* ---- where replies go, and what is in them ------------------------------- */

/* RFC 2131 4.1 */
static void reply__no_relay__by_broadcast_bit_and_ciaddr(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	rig_send(r, &a); /* can take unicast before it has the address */
	assert_int_equal(r->reply.dst_ip, IP(15));
	assert_int_equal(r->reply.dst_port, 68);
	assert_memory_equal(r->reply.dst_mac.b, a.mac.b, 6);
	a.flags = DHCP_F_BROADCAST;
	rig_send(r, &a);
	assert_int_equal(r->reply.dst_ip, 0xffffffff);
	assert_memory_equal(r->reply.dst_mac.b, mac_broadcast.b, 6);
	assert_int_equal(r->answer.h.flags, DHCP_F_BROADCAST);
	a.ciaddr = IP(99); /* not from there: ARP finds it */
	rig_send(r, &a);
	assert_int_equal(r->reply.dst_ip, IP(99));
	assert_true(mac_is_zero(&r->reply.dst_mac));
	a.flags = 0;
	a.ciaddr = IP4(8, 8, 8, 8); /* never out of the net */
	rig_send(r, &a);
	assert_int_equal(r->reply.dst_ip, IP(15));
}

/* RFC 2131 4.1 and RFC 3046 2.2 */
static void reply__relayed__to_giaddr_with_option_82_last(void **state)
{
	static const uint8_t info[] = {1, 4, 'p', 'o', 'r', 't'};
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);
	const uint8_t *end;
	size_t len;

	a.giaddr = a.src_ip = IP(5);
	a.src_mac = rig_mac(200);
	a.dst_ip = SERVER;
	a.relay = info;
	a.relay_len = sizeof(info);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(r->reply.dst_ip, IP(5));
	assert_int_equal(r->reply.dst_port, 67);
	assert_memory_equal(r->reply.dst_mac.b, a.src_mac.b, 6);
	assert_int_equal(r->answer.h.giaddr, IP(5));
	assert_memory_equal(dhcp_msg_opt(&r->answer, DHCP_OPT_RELAY, &len),
			    info, sizeof(info));
	assert_int_equal(len, sizeof(info));
	end = memchr(r->reply.data + 240, 255, r->reply.len - 240);
	end = r->reply.data + r->reply.len; /* walk back over the padding */
	while (end[-1] == 0)
		end--;
	assert_int_equal(end[-1], 255);
	assert_memory_equal(end - 1 - sizeof(info), info, sizeof(info));

	a.type = DHCP_REQUEST;
	a.requested = IP4(10, 9, 9, 9);
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(r->reply.dst_ip, IP(5));
	assert_int_equal(r->answer.h.flags, DHCP_F_BROADCAST); /* 4.3.2 */

	a.giaddr = IP4(10, 9, 9, 1); /* a relay of another network */
	assert_int_equal(rig_send(r, &a), 0);
	a.giaddr = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_RELAY), 2);
}

/* RFC 2132 9.8: in the order of the wish list; 3.3: mask before router. */
static void reply__wish_list__honoured_in_order(void **state)
{
	static const uint8_t wish[] = {6, 3, 1, 28, 28, 26, 99, 0, 255};
	static const uint8_t want[] = {53, 54, 51, 58, 59, 6,
				       1,  3,  28, 26, 255};
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);
	const uint8_t *p;

	cfg.mtu = 1400;
	rig_reconfigure(r, &cfg);
	a.wish = wish;
	a.wishes = sizeof(wish);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	p = r->reply.data + 240;
	for (size_t i = 0; i < sizeof(want); i++) {
		assert_int_equal(p[0], want[i]);
		p += 2 + p[1];
	}
	assert_int_equal(dhcp_msg_be16(&r->answer, DHCP_OPT_MTU), 1400);
}

/* RFC 2131 2, RFC 2132 9.10: never more than the client takes; what must be in
 * is in, the rest as far as it fits. */
static void reply__max_size__respected(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);
	uint8_t cid[255], relay[255];

	memset(cfg.domain, 'd', 250);
	cfg.domain[250] = '\0';
	rig_reconfigure(r, &cfg);
	memset(cid, 'c', sizeof(cid));
	memset(relay, 'r', sizeof(relay));
	a.cid = cid;
	a.cid_len = sizeof(cid);
	a.max_size = 100; /* nonsense is 576 */
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_true(r->reply.len <= 548);
	assert_true(rig_has(r, DHCP_OPT_MASK));
	assert_true(rig_has(r, DHCP_OPT_DNS));
	assert_false(rig_has(r, DHCP_OPT_DOMAIN));
	assert_true(rig_has(r, DHCP_OPT_BROADCAST)); /* in the file field */
	a.max_size = 1500;
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_true(rig_has(r, DHCP_OPT_DOMAIN));
	a.relay = relay;
	a.relay_len = sizeof(relay);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_true(r->reply.len <= DHCP_REPLY_MAX);
	a.max_size = 576;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_ROOM), 1);
}

/* ---- what is dropped ----------------------------------------------------- */

/* RFC 2131 4.3 */
static void input__not_for_us__dropped_and_counted(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);
	uint8_t buf[600];
	size_t len = dhcp_ask_build(&a, buf, sizeof(buf));

	assert_int_equal(rig_send_bytes(r, &a, buf, 100), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_LENGTH), 1);
	buf[0] = 2;
	assert_int_equal(rig_send_bytes(r, &a, buf, len), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_NOT_REQUEST), 1);
	buf[0] = 1;
	buf[1] = 32; /* InfiniBand */
	assert_int_equal(rig_send_bytes(r, &a, buf, len), 0);
	buf[1] = 1;
	buf[2] = 16;
	assert_int_equal(rig_send_bytes(r, &a, buf, len), 0);
	buf[2] = 6;
	buf[28] |= 1; /* a group address */
	assert_int_equal(rig_send_bytes(r, &a, buf, len), 0);
	memset(buf + 28, 0, 6);
	assert_int_equal(rig_send_bytes(r, &a, buf, len), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_HWADDR), 4);
	a.type = DHCP_OFFER; /* another server's */
	assert_int_equal(rig_send(r, &a), 0);
	a.type = 10; /* LEASEQUERY */
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_TYPE), 2);
	a.type = 0; /* BOOTP */
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_BOOTP), 1);
	assert_int_equal(rig_stats(r).offered, 0);
}

/* A message cut anywhere never crashes and never binds. */
static void input__cut_at_every_length__safe(void **state)
{
	static const uint8_t wish[] = {1, 3, 6};
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_REQUEST, 1, 1);
	uint8_t buf[600];
	size_t len;

	a.requested = IP(15);
	a.server_id = SERVER;
	a.cid = "abcdef";
	a.cid_len = 6;
	a.hostname = "vm";
	a.wish = wish;
	a.wishes = sizeof(wish);
	a.relay = "\x01\x01x";
	a.relay_len = 3;
	len = dhcp_ask_build(&a, buf, sizeof(buf));
	for (size_t n = 0; n <= len; n++) {
		uint8_t *exact = malloc(n ? n : 1);

		memcpy(exact, buf, n);
		(void)rig_send_bytes(r, &a, exact, n);
		free(exact);
		rig_check(r);
	}
	assert_int_equal(rig_stats(r).bound, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

static void assert_fqdn(struct dhcp_rig *r, const char *bytes, size_t len)
{
	size_t n = 0;
	const uint8_t *p = dhcp_msg_opt(&r->answer, DHCP_OPT_FQDN, &n);

	assert_int_equal(n, len);
	assert_memory_equal(p, bytes, len);
}

/* RFC 4702 4: who sends a name hears the whole of it, spelt as its own was. */
static void fqdn__sent__answered_in_its_spelling(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 7);
	struct mac mac = rig_mac(7);

	rig_send(r, &a);
	assert_false(rig_has(r, DHCP_OPT_FQDN));
	a.fqdn = "\1\0\0My_Box.corp";
	a.fqdn_len = 14;
	rig_send(r, &a);
	assert_fqdn(r, "\1\377\377my-box.lab.vnet", 18);
	a.fqdn = "\4\0\0\2pc\3lan"; /* in DNS' format, and it would do it itself */
	a.fqdn_len = 10;
	rig_send(r, &a);
	assert_fqdn(r, "\7\377\377\2pc\3lab\4vnet", 16);
	a.fqdn = "\010\0\0pc"; /* nobody is to */
	a.fqdn_len = 5;
	dhcp_server_reserve(r->s, &mac, 0, "db", r->now, NULL);
	rig_send(r, &a);
	assert_fqdn(r, "\010\377\377db.lab.vnet", 14);
	a.fqdn_len = 2;
	rig_send(r, &a);
	assert_false(rig_has(r, DHCP_OPT_FQDN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(discover__new_client__offer_with_everything),
		T(request__selecting__ack_after_commit),
		T(discover__several_clients__ascending),
		T(discover__whole_net_as_pool__special_addresses_skipped),
		T(discover__with_requested_address__given_if_free),
		T(discover__again__same_offer),
		T(identity__one_nic_many_client_ids__one_address),
		T(identity__two_nics_one_client_id__two_addresses),
		T(identity__rfc2131_mode__client_id_decides),
		T(identity__same_mac_on_other_nic__cannot_touch_lease),
		T(nic_del__same_mac_comes_back__same_address),
		T(identity__nic_unknown__mac_decides),
		T(request__selecting_other_server__offer_withdrawn),
		T(request__selecting_wrong_address__nak),
		T(request__selecting_after_restart__ack),
		T(request__init_reboot__ack_nak_or_silence),
		T(request__renewing__extended),
		T(request__renewing_not_known__nak_or_silence),
		T(request__renewing_after_expiry__ack_if_still_free),
		T(request__repeated_soon__rest_of_lease_without_commit),
		T(request__lease_time_wish__within_limits),
		T(request__infinite_lease__never_expires),
		T(release__own_lease__remembered),
		T(decline__own_address__quarantined),
		T(inform__with_address__parameters_only),
		T(reply__no_relay__by_broadcast_bit_and_ciaddr),
		T(reply__relayed__to_giaddr_with_option_82_last),
		T(reply__wish_list__honoured_in_order),
		T(reply__max_size__respected),
		T(input__not_for_us__dropped_and_counted),
		T(input__cut_at_every_length__safe),
		T(fqdn__sent__answered_in_its_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
