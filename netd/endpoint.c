// SPDX-License-Identifier: GPL-2.0-or-later
/* Sockets, TAPs and memory of a NIC. See endpoint.h. */
#include "netd/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "netd/peerdir.h"
#include "netd/priv.h"
#include "netd/validate.h"
#include "switch/drivers.h"

int endpoint_path(const char *dir, const char *vm, int index,
		  const char *suffix, char *out, size_t cap,
		  struct errtext *why)
{
	int n = snprintf(out, cap, "%s/%s-%d.%s", dir, vm, index, suffix);

	if (n < 0 || (size_t)n >= cap)
		return errtext_set(why, -ENAMETOOLONG,
				   "%s/%s-%d.%s: longer than a socket's path "
				   "may be (%zu); use a shorter VM name or "
				   "runtime folder",
				   dir, vm, index, suffix, cap - 1);
	return 0;
}

int endpoint_socket(const char *path, int type, uid_t owner,
		    struct errtext *why)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, r;
	mode_t old;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errtext_set(why, -errno, "socket: %s", strerror(errno));
	(void)unlink(path);
	old = umask(0177);
	r = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(old);
	if (!r && owner != geteuid())
		r = chown(path, owner, (gid_t)-1);
	if (!r && type != SOCK_DGRAM)
		r = listen(fd, 8);
	if (r) {
		r = errtext_set(why, -errno, "%s: %s", path, strerror(errno));
		(void)unlink(path);
		close(fd);
		return r;
	}
	return fd;
}

/* Sealed in size, so that no holder can make another's access fault. */
static int new_mem(struct errtext *why)
{
	int fd = memfd_create("vnet-stream", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && !ftruncate(fd, STREAM_MEM_SIZE) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	errtext_set(why, -errno, "memfd: %s", strerror(errno));
	fd_close(&fd);
	return -errno;
}

static int open_socket(struct endpoint *ep, const char *dir,
		       const struct nic_conf *c, int type, struct errtext *why)
{
	int fd, r = endpoint_path(dir, c->vm, c->index, nic_type_name(c->type),
				  ep->path, sizeof(ep->path), why);

	if (r) {
		ep->path[0] = '\0';
		return r;
	}
	fd = endpoint_socket(ep->path, type, c->owner, why);
	if (fd < 0)
		return fd;
	if (type == SOCK_DGRAM)
		ep->conn_fd = fd;
	else
		ep->listen_fd = fd;
	return 0;
}

static int open_dgram(struct endpoint *ep, const char *dir,
		      const struct nic_conf *c, struct errtext *why)
{
	char peers[sizeof(ep->peers)];
	int r = endpoint_path(dir, c->vm, c->index, "peer", peers,
			      sizeof(peers), why);

	if (!r)
		r = peerdir_make(peers, c->owner, why);
	if (r)
		return r;
	memcpy(ep->peers, peers, sizeof(peers));
	return open_socket(ep, dir, c, SOCK_DGRAM, why);
}

static int open_mem(struct endpoint *ep, struct errtext *why)
{
	int fd = new_mem(why);

	if (fd < 0)
		return fd;
	fd_close(&ep->mem_fd);
	ep->mem_fd = fd;
	return 0;
}

/* A TAP for a VMM to open by name. */
static int open_runner_tap(struct endpoint *ep, struct priv *priv,
			   struct nic_conf *c, uint16_t mtu,
			   struct errtext *why)
{
	struct priv_tap t = {.mtu = mtu, .runner = true, .owner = c->owner};
	int r;

	if (!c->ifname[0])
		dev_name("vn-", c->vm, c->index, c->ifname);
	memcpy(t.name, c->ifname, sizeof(t.name));
	r = priv_tap(priv, &t, &ep->conn_fd, why);
	if (!r)
		memcpy(ep->tap, c->ifname, sizeof(ep->tap));
	return r;
}

/* A TAP whose kernel end lies in a container's namespace. */
static int open_netns_tap(struct endpoint *ep, struct priv *priv,
			  struct nic_conf *c, uint16_t mtu, struct errtext *why)
{
	struct priv_tap t = {.mtu = mtu, .mac = c->mac};
	int r = -EEXIST;

	snprintf(t.netns, sizeof(t.netns), "%s", c->netns);
	if (c->ifname[0]) {
		memcpy(t.name, c->ifname, sizeof(t.name));
		return priv_tap(priv, &t, &ep->conn_fd, why);
	}
	for (int i = 0; i < 16 && r == -EEXIST; i++) {
		snprintf(t.name, sizeof(t.name), "eth%d", i);
		r = priv_tap(priv, &t, &ep->conn_fd, why);
	}
	if (!r)
		memcpy(c->ifname, t.name, sizeof(c->ifname));
	return r;
}

static int open_parts(struct endpoint *ep, const char *dir, struct priv *priv,
		      struct nic_conf *c, uint16_t mtu, struct errtext *why)
{
	int r = 0;

	switch (c->type) {
	case NIC_STREAM:
		r = open_mem(ep, why);
		return r ? r : open_socket(ep, dir, c, SOCK_STREAM, why);
	case NIC_DGRAM:
		return open_dgram(ep, dir, c, why);
	case NIC_SEQPACKET:
		return open_socket(ep, dir, c, SOCK_SEQPACKET, why);
	case NIC_TAP:
		return open_runner_tap(ep, priv, c, mtu, why);
	case NIC_NETNS:
		return open_netns_tap(ep, priv, c, mtu, why);
	case NIC_FD:
		return open_mem(ep, why);
	case NIC_VHOST: /* its connections are the worker's alone */
		if (c->connect_to[0])
			return 0; /* nicctl_vmm.c */
		return open_socket(ep, dir, c, SOCK_STREAM, why);
	}
	return r;
}

struct endpoint *endpoint_new(enum nic_type type)
{
	struct endpoint *ep = calloc(1, sizeof(*ep));

	if (!ep)
		return NULL;
	ep->type = type;
	ep->listen_fd = ep->conn_fd = ep->mem_fd = -1;
	return ep;
}

int endpoint_open(const char *dir, struct priv *priv, struct nic_conf *c,
		  uint16_t mtu, struct endpoint **out, struct errtext *why)
{
	struct endpoint *ep = endpoint_new(c->type);
	int r;

	if (!ep)
		return errtext_set(why, -ENOMEM, "no memory");
	r = open_parts(ep, dir, priv, c, mtu, why);
	if (r) {
		endpoint_free(ep, priv);
		return r;
	}
	*out = ep;
	return 0;
}

/* Does a VMM have the device open? Its carrier says so. */
static bool tap_in_use(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr;
	bool used;

	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	used = fd >= 0 && !ioctl(fd, SIOCGIFFLAGS, &ifr) &&
	       (ifr.ifr_flags & IFF_RUNNING);
	fd_close(&fd);
	return used;
}

bool endpoint_tap_in_use(const struct endpoint *ep)
{
	return ep && ep->tap[0] && tap_in_use(ep->tap);
}

void endpoint_leave(struct endpoint *ep)
{
	if (endpoint_tap_in_use(ep))
		ep->tap[0] = '\0';
	if (ep)
		ep->leave = true;
}

void endpoint_free(struct endpoint *ep, struct priv *priv)
{
	if (!ep)
		return;
	fd_close(&ep->listen_fd);
	fd_close(&ep->conn_fd);
	fd_close(&ep->mem_fd);
	if (ep->path[0])
		(void)unlink(ep->path);
	if (ep->peers[0])
		peerdir_remove(ep->peers, ep->leave);
	if (ep->tap[0])
		(void)priv_tap_del(priv, ep->tap, NULL);
	free(ep);
}

/* Unix or packet socket that is no listener: its type; TAP: 0; else -1. */
static int kind_of(int fd)
{
	int domain = 0, type = 0, listening = 0;
	socklen_t len = sizeof(int);
	struct ifreq ifr;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len)) {
		memset(&ifr, 0, sizeof(ifr));
		return !ioctl(fd, TUNGETIFF, &ifr) && (ifr.ifr_flags & IFF_TAP)
			       ? 0
			       : -1;
	}
	len = sizeof(int);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len))
		return -1;
	len = sizeof(int);
	if (!getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) &&
	    listening)
		return -1;
	return domain == AF_UNIX || domain == AF_PACKET ? type : -1;
}

int endpoint_adopt(struct endpoint *ep, int fd, bool fresh, struct errtext *why)
{
	int kind = kind_of(fd), r = 0;
	bool ok = kind >= 0;

	if (ep->type == NIC_STREAM)
		ok = kind == SOCK_STREAM;
	else if (ep->type == NIC_SEQPACKET)
		ok = kind == SOCK_SEQPACKET;
	else if (ep->type != NIC_FD)
		ok = false;
	if (!ok)
		r = errtext_set(why, -EPROTOTYPE,
				"the descriptor is no connected unix socket, "
				"TAP or packet socket");
	else if (fresh)
		r = open_mem(ep, why);
	if (!r)
		r = fd_setup(fd);
	if (r) {
		close(fd);
		return r;
	}
	fd_close(&ep->conn_fd);
	ep->conn_fd = fd;
	return 0;
}

void endpoint_hangup(struct endpoint *ep)
{
	if (ep->type == NIC_STREAM || ep->type == NIC_SEQPACKET ||
	    ep->type == NIC_FD)
		fd_close(&ep->conn_fd);
}

unsigned int endpoint_fds(const struct endpoint *ep, int fds[ENDPOINT_FDS],
			  json_t *names)
{
	unsigned int n = 0;

	if (ep->listen_fd < 0 && ep->conn_fd < 0)
		return 0;
	if (ep->listen_fd >= 0) {
		fds[n++] = ep->listen_fd;
		json_array_append_new(names, json_string("listen"));
	}
	if (ep->conn_fd >= 0) {
		fds[n++] = ep->conn_fd;
		json_array_append_new(names, json_string("conn"));
	}
	if (ep->mem_fd >= 0) {
		fds[n++] = ep->mem_fd;
		json_array_append_new(names, json_string("mem"));
	}
	return n;
}
