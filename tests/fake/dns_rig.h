/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A resolver inside the fake world of fake_nat_host.h: network lab.vnet with upstreams
 * 1.1.1.1, 2.2.2.2, 3.3.3.3 and the VM "Web" at GUEST; queries in, answers out.
 * Included behind cmocka.h.
 */
#ifndef VNET_TESTS_DNS_RIG_H
#define VNET_TESTS_DNS_RIG_H

#include "tests/fake/dns_guest.h"

struct fake_nat *dns_rig_new(bool nat, int ups);
/* The resolver of a network that somebody else routes; the same otherwise. */
struct fake_nat *dns_rig_new_resolver(int ups);
/* The same, with the IPv6 of fake_nat_init6(). */
struct fake_nat *dns_rig_new6(void);
void dns_rig_free(struct fake_nat *f);

struct ipaddr rig_ip(const char *text);
void rig_name(struct fake_nat *f, const char *name, const char *ip);

/* From GUEST port 3333 to the resolver's address; the drop reason or -1. */
int rig_ask_bytes(struct fake_nat *f, const void *p, size_t len);
int rig_ask(struct fake_nat *f, const char *name, uint16_t type);

/* The last answer that the guest got, checked. */
struct fake_got rig_answer(struct fake_nat *f, int rcode, int records);
/* Ask and check the answer: it was ours, nothing was sent to an upstream. */
struct fake_got rig_local(struct fake_nat *f, const char *name, uint16_t type,
			  int rcode, int records);

/* What an upstream says to query number @i: it echoes the question with @rcode
 * and is @len bytes long (at least the query's length). */
void rig_reply(struct fake_nat *f, unsigned int i, uint8_t rcode, size_t len);

#endif
