/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The descriptors behind one NIC, kept by control so that a dead worker takes no
 * NIC along: listeners, accepted connections, a stream's memory, TAPs. The worker
 * gets duplicates (proto.h, W_NIC_ADD).
 */
#ifndef VNET_NETD_ENDPOINT_H
#define VNET_NETD_ENDPOINT_H

#include <jansson.h>
#include <sys/un.h>

#include "lib/errtext.h"
#include "netd/conf.h"

#define ENDPOINT_FDS 3

struct priv;

struct endpoint {
	enum nic_type type;
	int listen_fd; /* stream, seqpacket, vhost-user */
	int conn_fd;   /* the connection, bound socket, TAP, packet socket */
	int mem_fd;    /* stream, fd: switch/drivers.h, struct stream_mem */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* or "" */
	/* dgram: peerdir.h; or "" */
	char peers[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool leave; /* runners go on without us */
	char tap[IFNAMSIZ]; /* persistent device to be deleted, or "" */
};

/**
 * endpoint_open() - Make what NIC @c needs
 * @dir: folder of the NIC sockets
 * @c: ifname is filled in when it was left open (tap, netns)
 *
 * Sockets get mode 0600 and the NIC's owner. A stale file is replaced.
 * Return: 0; -EPERM rootless and a TAP; -EEXIST; -ENAMETOOLONG; …
 */
int endpoint_open(const char *dir, struct priv *priv, struct nic_conf *c,
		  uint16_t mtu, struct endpoint **out, struct errtext *why);

/* A NIC without anything of its own yet; NULL without memory. */
struct endpoint *endpoint_new(enum nic_type type);

/* Does a VMM have its TAP open? */
bool endpoint_tap_in_use(const struct endpoint *ep);

/* vnetd ends, the NIC does not: a TAP that a VMM has open is left to it, so is a
 * runner's socket; the next vnetd finds them by name. Before endpoint_free(). */
void endpoint_leave(struct endpoint *ep);

/* Close; unlink the socket, delete the device. */
void endpoint_free(struct endpoint *ep, struct priv *priv);

/**
 * endpoint_adopt() - Keep an established connection; @fd is taken
 *
 * Replaces the one that is there; a stream's memory stays, for an accepted
 * connection's worker has begun to use it (@fresh: begins with zeroes).
 * Return: 0, or -EPROTOTYPE with @why: not what this NIC can have.
 */
int endpoint_adopt(struct endpoint *ep, int fd, bool fresh,
		   struct errtext *why);

/* The connection is over: close our duplicate. */
void endpoint_hangup(struct endpoint *ep);

/* Borrowed descriptors for W_NIC_ADD and their names; how many, 0 = nothing to
 * give to a worker yet. */
unsigned int endpoint_fds(const struct endpoint *ep, int fds[ENDPOINT_FDS],
			  json_t *names);

/* "listen" socket for anyone: mode 0600, @owner. Used for QMP as well.
 * Return: descriptor or negative errno. */
int endpoint_socket(const char *path, int type, uid_t owner,
		    struct errtext *why);

/* RUNTIME/nic/<vm>-<index>.<suffix>; -ENAMETOOLONG. */
int endpoint_path(const char *dir, const char *vm, int index,
		  const char *suffix, char *out, size_t cap,
		  struct errtext *why);

#endif
