/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's ports of guests' TCP endpoints. All connections of one endpoint leave by
 * one port, its own number if that is free (RFC 5382 REQ-1: whoever the guest speaks
 * to learns the same address of it), and no two endpoints share a port (REQ-7).
 *
 * It is best effort: a connection whose port is taken on the host for just that
 * destination, or that finds the table full, goes out by any port.
 */
#ifndef VNET_NAT_HOST_PORTS_H
#define VNET_NAT_HOST_PORTS_H

#include "lib/htab.h"
#include "lib/pool.h"
#include "nat/flow.h" /* struct endpoint */

/* Such a port is not to be had for automatic binding by the host's own programs:
 * guests may not take them all. */
#define HOST_PORTS_MAX 4096

struct host_ports {
	struct htab by_guest, by_port;
	struct pool pool; /* of struct host_port */
};

struct host_port {
	struct hnode by_guest, by_port;
	struct host_ports *table;
	struct endpoint guest;
	uint16_t family; /* of the sockets: AF_INET, AF_INET6 */
	uint16_t port;
	uint32_t users; /* sockets bound to it */
};

/* 0 or -ENOMEM. */
int host_ports_init(struct host_ports *t);

/* All ports were put back before. */
void host_ports_fini(struct host_ports *t);

/**
 * host_ports_bind() - Bind a socket to the port of a guest's endpoint
 * @fd: a new TCP socket of @family
 * @to_port: where it will connect to; never bound to the same number, for it could
 *	meet itself there
 *
 * Return: the port, to be given to host_ports_put() when @fd is closed; NULL when
 * there is none: @fd is not bound then.
 */
struct host_port *host_ports_bind(struct host_ports *t, int fd, int family,
				  const struct endpoint *guest,
				  uint16_t to_port);

/* One user less. NULL is fine. */
void host_ports_put(struct host_port *p);

#endif
