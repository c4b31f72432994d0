/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A DHCP server on a bench: a clock to turn, a store that remembers what was
 * committed, hosts that squat on addresses, and messages as clients write them.
 */
#ifndef VNET_TESTS_FAKE_DHCP_RIG_H
#define VNET_TESTS_FAKE_DHCP_RIG_H

#include "dhcp/dhcp_msg.h"
#include "dhcp/dhcp_server.h"

#define RIG_ROWS    4096       /* leases in the store */
#define RIG_WAITING 256	       /* entries on their way to the store */
#define RIG_T0	    1700000000 /* when the clock starts, wall seconds */

#define IP4(a, b, c, d)                                                        \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

/** struct dhcp_ask - A client's message; zeroed fields are not sent. */
struct dhcp_ask {
	uint8_t type;
	struct mac mac;
	uint64_t nic;
	uint32_t xid;
	uint16_t flags;
	uint32_t ciaddr, giaddr, requested, server_id, lease_s;
	uint16_t max_size;
	uint32_t src_ip, dst_ip; /* of the IP header; dst 0 = broadcast */
	struct mac src_mac;	 /* zero = mac */
	const char *hostname;
	const char *fqdn; /* option 81's bytes, fqdn_len of them */
	size_t fqdn_len;
	const void *cid;
	size_t cid_len;
	const uint8_t *wish;
	size_t wishes;
	bool rapid; /* option 80 */
	const void *relay;
	size_t relay_len;
};

size_t dhcp_ask_build(const struct dhcp_ask *a, uint8_t *buf, size_t cap);

/** struct rig_entry - A commit or an event on its way to the store, in order.
 */
struct rig_entry {
	bool event;
	enum dhcp_event_type type;
	uint64_t token;
	struct dhcp_lease lease;
};

struct dhcp_rig {
	struct dhcp_server *s;
	struct dhcp_config cfg;
	int64_t now;
	struct dhcp_lease row[RIG_ROWS];
	size_t rows;
	unsigned int events[DHCP_EVENTS]; /* by enum dhcp_event_type */
	struct dhcp_lease last; /* of the last event */
	uint32_t squatted[16];	/* addresses that the in_use hook finds taken */
	bool asks;	/* … it has to ask first, each time anew; the latest: */
	uint32_t asked;
	bool waits; /* the last input is to be given again */
	bool hold; /* commits wait for rig_store() or rig_refuse() */
	struct rig_entry waiting[RIG_WAITING];
	size_t nwaiting;
	struct dhcp_output out;	 /* of the last input */
	struct dhcp_reply reply; /* the last one sent */
	struct dhcp_msg answer;	 /* parsed from it */
};

/* 10.0.2.0/24 with .2 as server and router, .3 DNS, pool .15 to .254,
 * authoritative. */
struct dhcp_config rig_config(void);
void rig_start(struct dhcp_rig *r, const struct dhcp_config *cfg);
void rig_stop(struct dhcp_rig *r);

/* The server dies; another one gets what the store has, which @arrived of the
 * waiting entries still reached. */
void rig_restart(struct dhcp_rig *r, size_t arrived);

/* Send; the type of the answer that came at once, 0 = none. */
int rig_send(struct dhcp_rig *r, const struct dhcp_ask *a);
int rig_send_bytes(struct dhcp_rig *r, const struct dhcp_ask *meta,
		   const uint8_t *p, size_t len);

/* Let the oldest waiting commit succeed (the type of the answer, 0 = none) or
 * fail. */
int rig_store(struct dhcp_rig *r);
void rig_refuse(struct dhcp_rig *r);

/* Time goes on by @s seconds, the server ticks whenever it wants to. */
void rig_pass(struct dhcp_rig *r, int64_t s);

/* Asserts the invariants of the pool, and that BOUND means stored. */
void rig_check(struct dhcp_rig *r);

const struct dhcp_lease *rig_row(const struct dhcp_rig *r, uint32_t ip);

/* An option of the answer. */
uint32_t rig_opt32(const struct dhcp_rig *r, uint8_t code);
bool rig_has(const struct dhcp_rig *r, uint8_t code);

struct dhcp_stats rig_stats(const struct dhcp_rig *r);
uint64_t rig_drops(const struct dhcp_rig *r, enum dhcp_drop d);

void rig_reconfigure(struct dhcp_rig *r, const struct dhcp_config *cfg);

/* A message of @type from NIC @nic with MAC 52:54:00:00:00:@n. */
struct dhcp_ask rig_ask(uint8_t type, uint64_t nic, uint8_t n);

/* A renewal: unicast from the address to the server. */
struct dhcp_ask rig_renewal(uint64_t nic, uint8_t n, uint32_t ip);

/* Whole exchange for NIC @nic with MAC 52:54:00:00:00:@n: the address, 0 =
 * none. */
uint32_t rig_dora(struct dhcp_rig *r, uint64_t nic, uint8_t n);
struct mac rig_mac(uint8_t n);

/* For tests with a rig of the default configuration as their state; invariants
 * are checked at the end. */
int rig_setup(void **state);
int rig_teardown(void **state);

#endif
