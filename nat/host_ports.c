// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See host_ports.h. Sockets share a port by SO_REUSEADDR; each has another peer.
 *
 * #syscalls setsockopt bind getsockname getrandom
 */
#include "nat/host_ports.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "lib/compat.h"

#define PORT_MIN 1024 /* below, ports are the host's alone */

/* A table key without padding. */
struct guest_key {
	struct endpoint guest;
	uint16_t family;
};

static_assert(sizeof(struct guest_key) == 16 + 2 + 2, "hashed as bytes");

int host_ports_init(struct host_ports *t)
{
	uint64_t seed[2];
	bool secret = getrandom(seed, sizeof(seed), 0) == sizeof(seed);
	int err = htab_init(&t->by_guest, 64, secret ? seed : NULL);

	pool_init(&t->pool, sizeof(struct host_port));
	return err ? err : htab_init(&t->by_port, 64, secret ? seed : NULL);
}

void host_ports_fini(struct host_ports *t)
{
	assert(!t->by_guest.count);
	htab_fini(&t->by_guest);
	htab_fini(&t->by_port);
	pool_fini(&t->pool);
}

static uint32_t guest_hash(const struct host_ports *t,
			   const struct endpoint *guest, int family)
{
	struct guest_key k = {*guest, (uint16_t)family};

	return hash_bytes(t->by_guest.seed, &k, sizeof(k));
}

static uint32_t port_hash(const struct host_ports *t, uint16_t port, int family)
{
	uint16_t k[2] = {port, (uint16_t)family};

	return hash_bytes(t->by_port.seed, k, sizeof(k));
}

static struct host_port *find(const struct host_ports *t,
			      const struct endpoint *guest, int family)
{
	struct hnode *n = htab_find(&t->by_guest,
				    guest_hash(t, guest, family));

	for (; n; n = htab_find_next(n)) {
		struct host_port *p =
			container_of(n, struct host_port, by_guest);

		if (endpoint_eq(&p->guest, guest) && p->family == family)
			return p;
	}
	return NULL;
}

/* Is it another guest's? The kernel would let us share it. */
static bool is_taken(const struct host_ports *t, uint16_t port, int family)
{
	struct hnode *n = htab_find(&t->by_port, port_hash(t, port, family));

	for (; n; n = htab_find_next(n)) {
		struct host_port *p =
			container_of(n, struct host_port, by_port);

		if (p->port == port && p->family == family)
			return true;
	}
	return false;
}

static int bind_to(int fd, int family, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(port)};
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port)};
	int r = family == AF_INET6
			? bind(fd, (struct sockaddr *)&in6, sizeof(in6))
			: bind(fd, (struct sockaddr *)&in, sizeof(in));

	return r ? -errno : 0;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ipaddr ip;
	uint16_t port;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) ||
	    ipaddr_from_sockaddr(&ss, &ip, &port))
		return 0;
	return port;
}

/* A new entry with @fd as its user; NULL: the socket is not bound. */
static struct host_port *add(struct host_ports *t, int fd, int family,
			     const struct endpoint *guest, uint16_t to_port)
{
	struct host_port *p;

	if (t->by_guest.count >= HOST_PORTS_MAX)
		return NULL;
	p = pool_get(&t->pool);
	if (!p)
		return NULL;
	p->table = t;
	p->guest = *guest;
	p->family = (uint16_t)family;
	p->users = 1;
	p->port = guest->port;
	if (guest->port < PORT_MIN || guest->port == to_port ||
	    is_taken(t, guest->port, family) ||
	    bind_to(fd, family, guest->port)) {
		/* any that nobody has */
		if (bind_to(fd, family, 0)) {
			pool_put(&t->pool, p);
			return NULL;
		}
		p->port = port_of(fd);
	}
	htab_add(&t->by_guest, &p->by_guest, guest_hash(t, guest, family));
	htab_add(&t->by_port, &p->by_port, port_hash(t, p->port, family));
	return p;
}

struct host_port *host_ports_bind(struct host_ports *t, int fd, int family,
				  const struct endpoint *guest,
				  uint16_t to_port)
{
	struct host_port *p = find(t, guest, family);
	int one = 1;

	if ((p && p->port == to_port) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    (family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))))
		return NULL;
	if (!p)
		return add(t, fd, family, guest, to_port);
	if (bind_to(fd, family, p->port))
		return NULL;
	p->users++;
	return p;
}

void host_ports_put(struct host_port *p)
{
	if (!p || --p->users)
		return;
	htab_del(&p->table->by_guest, &p->by_guest);
	htab_del(&p->table->by_port, &p->by_port);
	pool_put(&p->table->pool, p);
}
