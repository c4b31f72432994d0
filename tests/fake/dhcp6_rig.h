/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A DHCPv6 server on a bench: a clock to turn, a store that remembers what was
 * committed, hosts that squat on addresses, and messages as clients write them.
 */
#ifndef VNET_TESTS_FAKE_DHCP6_RIG_H
#define VNET_TESTS_FAKE_DHCP6_RIG_H

#include "dhcp/dhcp6_server_int.h"

#define RIG6_ROWS    4096
#define RIG6_WAITING 256
#define RIG6_T0	     1700000000

/* Options of an answer, by their number below 128. */
struct dhcp6_seen_ia {
	uint16_t opt;
	uint32_t iaid, t1, t2;
	int status; /* -1 = none */
	unsigned int n;
	struct {
		struct dhcp6_item it;
		uint32_t preferred, valid;
	} item[8];
};

/** struct dhcp6_seen - An answer, taken apart. */
struct dhcp6_seen {
	uint8_t type;
	uint32_t xid;
	int status; /* -1 = none */
	unsigned int relays;
	unsigned int nias;
	struct dhcp6_seen_ia ia[DHCP6_IAS_MAX];
	const uint8_t *opt[128]; /* NULL = absent */
	uint16_t len[128];
};

/** struct dhcp6_ask - A client's message; zeroed fields are not sent. */
struct dhcp6_ask {
	uint8_t type;
	uint64_t nic;
	uint8_t n;    /* of the MAC: 52:54:00:00:00:n */
	uint8_t duid; /* another number, another DUID; 0 = as n */
	uint32_t xid;
	bool no_client, server, other_server, rapid, unicast;
	struct ipaddr src; /* zero: made of the MAC */
	const uint16_t *oro;
	size_t noro;
	const char *fqdn;
	uint8_t fqdn_flags;
	unsigned int nias;
	struct dhcp6_ia ia[DHCP6_IAS_MAX];
};

/** struct rig6_entry - A commit or an event on its way to the store, in order. */
struct rig6_entry {
	bool event;
	enum dhcp6_event type;
	uint64_t token;
	unsigned int n;
	struct dhcp6_lease lease[DHCP6_IAS_MAX];
};

struct dhcp6_rig {
	struct dhcp6_server *s;
	struct dhcp6_config cfg;
	int64_t now;
	struct dhcp6_lease row[RIG6_ROWS];
	size_t rows;
	unsigned int events[5];
	struct ipaddr squatted[16];
	bool hold;
	struct rig6_entry waiting[RIG6_WAITING];
	size_t nwaiting;
	struct dhcp6_output out;
	struct dhcp6_reply reply;
	struct dhcp6_seen got; /* of @reply */
};

/* fd00:1::/64 with ::2 and ::3, prefixes of /64 out of fd00:1:0:ff00::/56. */
struct dhcp6_config rig6_config(void);
void rig6_start(struct dhcp6_rig *r, const struct dhcp6_config *cfg);
void rig6_stop(struct dhcp6_rig *r);
void rig6_restart(struct dhcp6_rig *r, size_t arrived);

size_t rig6_build(const struct dhcp6_rig *r, const struct dhcp6_ask *a,
		  uint8_t *buf, size_t cap);
struct dhcp6_input rig6_input(const struct dhcp6_ask *a);

/* Send; the type of the answer that came at once, 0 = none. */
int rig6_send(struct dhcp6_rig *r, const struct dhcp6_ask *a);
int rig6_send_bytes(struct dhcp6_rig *r, const struct dhcp6_input *in);

/* The oldest waiting commit succeeds (type of the answer) or fails. */
int rig6_store(struct dhcp6_rig *r);
void rig6_refuse(struct dhcp6_rig *r);
void rig6_pass(struct dhcp6_rig *r, int64_t s);
void rig6_check(struct dhcp6_rig *r);

const struct dhcp6_lease *rig6_row(const struct dhcp6_rig *r,
				   const struct ipaddr *ip);
uint64_t rig6_drops(const struct dhcp6_rig *r, enum dhcp6_drop d);
bool rig6_parse(const uint8_t *p, size_t len, struct dhcp6_seen *out);

struct ipaddr ip6(const char *s);
struct mac rig6_mac(uint8_t n);

/* A message of @type from NIC @nic, MAC and DUID @n, with one IA_NA of IAID @n. */
struct dhcp6_ask rig6_ask(uint8_t type, uint64_t nic, uint8_t n);
void rig6_wish(struct dhcp6_ask *a, const struct ipaddr *ip, uint8_t plen);

/* Solicit to Reply: the address, zero = none. */
struct ipaddr rig6_sarr(struct dhcp6_rig *r, uint64_t nic, uint8_t n);

int rig6_setup(void **state);
int rig6_teardown(void **state);

#endif
