/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases on the channel between control and workers: records in W_LEASES and
 * W_LEASES_DONE, many in one message. The only bodies that are not JSON, for a
 * network may see thousands of leases in a second.
 *
 * A lease, big-endian: token 8 (0 = none), address 4, MAC 6, NIC 8, end 8, state 1
 * (enum dhcp_state, or LEASE_FORGOTTEN), then the client identifier and the host
 * name, each behind a byte with its length. An answer: token 8, granted 1.
 */
#ifndef VNET_NETD_LEASE_WIRE_H
#define VNET_NETD_LEASE_WIRE_H

#include "dhcp/dhcp_server.h"
#include "lib/bytes.h"

#define LEASE_FORGOTTEN 6 /* in place of a state: there is no such lease now */
#define LEASE_WIRE_MAX	(37 + DHCP_CLIENT_ID_MAX + DHCP_HOSTNAME_MAX) /* bytes */
#define LEASE_WIRE_DONE 9

/** struct lease_rec - A record, decoded. */
struct lease_rec {
	uint64_t token;
	bool forgotten; /* state is not one then */
	struct dhcp_lease lease;
};

void lease_wire_put(struct wbuf *w, const struct lease_rec *r);

/* False when the bytes are no record (or there are none left). Host names may hold
 * anything but NUL. */
bool lease_wire_get(struct cur *c, struct lease_rec *r);

void lease_wire_put_done(struct wbuf *w, uint64_t token, bool ok);
bool lease_wire_get_done(struct cur *c, uint64_t *token, bool *ok);

#endif
