/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest of fake_nat_host.h's world does to ask the resolver. */
#ifndef VNET_TESTS_DNS_GUEST_H
#define VNET_TESTS_DNS_GUEST_H

#include "tests/fake/fake_nat_host.h"

#define RIG_ID 0x4242

/* Write a query of class IN with id RIG_ID into @b (300 bytes); its length. */
size_t rig_query(uint8_t *b, const char *name, uint16_t type);
/* Put an OPT behind a query of @n bytes; the new length. */
size_t rig_opt(uint8_t *b, size_t n, uint8_t version, uint16_t size);

/** struct rig_tcp - A guest's connection to the resolver, as the guest sees it. */
struct rig_tcp {
	struct fake_nat *f;
	bool ip6; /* from GUEST6 to DNS6 */
	uint16_t port;
	uint32_t seq, ack;
	uint16_t wnd; /* in units of 128 bytes; change to read slowly */
	unsigned int seen; /* frames looked at */
	bool fin, rst;
	uint8_t *rx; /* what came, from the first message not yet taken on */
	size_t rx_len;
};

/* Connect from GUEST's (GUEST6's) @port; also when it fails. */
void rig_tcp_open(struct rig_tcp *t, struct fake_nat *f, uint16_t port);
void rig_tcp_open6(struct rig_tcp *t, struct fake_nat *f, uint16_t port);
void rig_tcp_free(struct rig_tcp *t);
/* A segment from the guest; then everything that comes is taken and acknowledged. */
void rig_tcp_send(struct rig_tcp *t, uint8_t flags, const void *p, size_t len);
void rig_tcp_pump(struct rig_tcp *t);
/* Write length and query into @b (302 bytes); all bytes. */
size_t rig_tcp_query(uint8_t *b, const char *name, uint16_t type, uint16_t id);
/* Take the next whole message off; its length, 0 when there is none. */
size_t rig_tcp_next(struct rig_tcp *t, uint8_t *msg, size_t cap);

#endif
