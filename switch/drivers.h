/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The port drivers' constructors. Each driver is one file, port_<name>.c.
 *
 * All take over the descriptors they are given (also on failure) and put one port,
 * or one port per peer, on the switch. Descriptors are made non-blocking here.
 * The drivers read in batches (bounded frames and bytes per wake-up) and never
 * block; what a peer does wrong closes or empties its own port only.
 *
 * Restart: the control process keeps a duplicate of every descriptor, so a worker
 * that dies takes no NIC with it. Message sockets and TAPs need nothing else (but a
 * new worker knows a datagram socket's peers only when they have sent something); a
 * stream's half-read and half-written frames live in a memfd that outlives the
 * worker too. Give the new worker the same connection and the same memfd: it goes
 * on at the very byte, also after kill -9 (port_stream_int.h says how, and what
 * little is left to chance). A memfd that tells of another connection counts as
 * fresh. A vhost-user front end connects anew, and the guest notices nothing.
 */
#ifndef VNET_SWITCH_DRIVERS_H
#define VNET_SWITCH_DRIVERS_H

#include <sys/socket.h>

#include "lib/errtext.h"
#include "switch/vswitch.h"

struct event_base;

/* What a driver tells its owner; every entry nullable. None may free the driver it
 * is about. Called from constructors, too: the driver's pointer is not out yet. */
struct driver_events {
	void *arg;
	/* The first peer connected / the last one went away. */
	void (*peer)(void *arg, uint64_t nic_id, bool connected);
	/* A stream or seqpacket listener accepted @fd (borrowed: dup it to keep
	 * it): the owner hands it to control, which keeps it for a restart. */
	void (*accepted)(void *arg, uint64_t nic_id, int fd);
	/* A datagram socket heard a sender that it has no way to answer; the owner
	 * calls driver_dgram_way() later, not from in here. NULL: senders are
	 * answered by their address (this process can look it up). */
	void (*sender)(void *arg, uint64_t nic_id,
		       const struct sockaddr_storage *ss, socklen_t len);
};

/* What every driver is given. */
struct driver_ctx {
	struct event_base *base;
	struct vswitch *sw;
	const struct driver_events *ev; /* outlives the driver */
};

/* What the port is to be. */
struct port_spec {
	const char *name;
	enum port_role role;
	uint64_t nic_id;
	uint32_t src_ip4;
	struct ipaddr src_ip6;
	struct pin *pin; /* outlives the driver; nullable */
};

/* Size of the memfd behind a stream port; see port_stream.c. */
#define STREAM_MEM_SIZE (512 * 1024)

/**
 * struct driver - One NIC's attachment: a listener, a hub or a single port
 *
 * driver_free() closes everything the NIC has, ports included; it must come before
 * vswitch_free(), and leaves a stream's memfd as it is, to be taken over. The link
 * state holds for ports that come later (next connection), too.
 */
struct driver;

/**
 * driver_stream() - QEMU's stream framing: u32 big-endian length, then the frame
 * @listen_fd: listening SOCK_STREAM, or -1; a new connection replaces the old one
 * @conn_fd: an established connection to go on with, or -1
 * @mem_fd: memfd of STREAM_MEM_SIZE holding the connection's state, or -1 for
 *	private memory; its content is checked, a fresh one is all zeroes
 *
 * Lengths over 69632 (QEMU's largest) close the connection; frames too long for
 * the MTU are dropped. Checksums and segmentation that the peer left undone without
 * a word (libkrun) are found and done.
 *
 * Return: 0; -EBADMSG when @mem_fd's content makes no sense and there is no
 * listener to wait for a better connection; other negative errno.
 */
int driver_stream(const struct driver_ctx *ctx, const struct port_spec *spec,
		  int listen_fd, int conn_fd, int mem_fd, struct driver **out,
		  struct errtext *why);

/**
 * driver_dgram() - A bound unix datagram socket; one frame per datagram
 *
 * Every sender address becomes a port of its own (at most 64, idle ones make
 * room); senders without an address are counted and dropped. A first datagram
 * `VFKT` (vfkit, libkrun) is swallowed. A peer that is gone (ECONNREFUSED,
 * ENOENT on send) loses its port; the socket stays. See driver_events.sender.
 */
int driver_dgram(const struct driver_ctx *ctx, const struct port_spec *spec,
		 int fd, struct driver **out, struct errtext *why);

/* How a sender on a datagram socket is answered. */
enum dgram_way {
	DGRAM_WAY_SOCKET,  /* by a datagram socket that is connected to it */
	/* By the driver's own socket, which has been connected to it: a peer that
	 * is connected to us hears nobody else. */
	DGRAM_WAY_SHARED,
	DGRAM_WAY_REFUSED, /* not for now */
	DGRAM_WAY_GONE,	   /* there is nobody: its port goes */
};

/**
 * driver_dgram_way() - Answers driver_events.sender
 *
 * DGRAM_WAY_GONE may also come unasked, for a peer whose way was shared: nothing
 * tells the driver of its end.
 *
 * @fd: for DGRAM_WAY_SOCKET, taken over; else -1
 *
 * Return: 0; -ENOENT: nobody asked for it (any more); -EINVAL: @d is no driver of
 * such a socket; or what is wrong with @fd.
 */
int driver_dgram_way(struct driver *d, const struct sockaddr_storage *ss,
		     socklen_t len, enum dgram_way way, int fd);

/**
 * driver_msg() - A message socket with one peer: SOCK_SEQPACKET or SOCK_DGRAM
 * @listen_fd: listening SOCK_SEQPACKET, or -1
 * @conn_fd: connected socket (a socketpair end, an accepted one), or -1
 */
int driver_msg(const struct driver_ctx *ctx, const struct port_spec *spec,
	       int listen_fd, int conn_fd, struct driver **out,
	       struct errtext *why);

/**
 * driver_tap() - A TAP held by us; the kernel's end lies in some namespace
 * @fd: from /dev/net/tun with IFF_TAP|IFF_NO_PI|IFF_VNET_HDR (12-byte header is
 *	set here, offloads are asked for and caps follow what was granted); a TAP
 *	without vnet header works too
 */
int driver_tap(const struct driver_ctx *ctx, const struct port_spec *spec,
	       int fd, struct driver **out, struct errtext *why);

/**
 * driver_packet() - A bound AF_PACKET socket (SOCK_RAW, PACKET_VNET_HDR on)
 *
 * For a TAP that a VMM opens by name. Frames that this host itself sends on the
 * interface are not seen.
 */
int driver_packet(const struct driver_ctx *ctx, const struct port_spec *spec,
		  int fd, struct driver **out, struct errtext *why);

/* Beside a host's interface (tapin.h). */
struct driver_tapin_conf {
	struct mac host; /* the interface's address */
	int tap;	 /* the way into the host's stack; taken over */
	bool mac_nat;	 /* guests share the interface's address (macnat.h) */
	const uint64_t *seed; /* two words: secret of its tables; borrowed */
};

/**
 * driver_tapin() - Both ends of tapin_open(): an uplink that the host goes on to use
 * @fd: the socket
 */
int driver_tapin(const struct driver_ctx *ctx, const struct port_spec *spec,
		 const struct driver_tapin_conf *conf, int fd,
		 struct driver **out, struct errtext *why);

/* Which addresses are the host's own; @d is driver_tapin()'s. Of use with mac_nat. */
void driver_tapin_host(struct driver *d, const struct ipaddr *ip, size_t n);

/* A guest that had this address before a restart, likewise. */
void driver_tapin_known(struct driver *d, const struct mac *mac,
			const struct ipaddr *ip);

/* What a vhost-user back end is to be. */
struct driver_vhost_conf {
	struct mac mac;	 /* for front ends that leave it to us */
	uint16_t queues; /* pairs of rings; 0 = 1, at most 8 */
	bool poll; /* look at rings for a moment before waiting (vhost_poll.h) */
};

/**
 * driver_vhost() - The back end of a vhost-user NIC
 * @listen_fd: listening SOCK_STREAM that front ends connect to, or -1; a new
 *	connection replaces the old one
 * @conn_fd: connection of a front end that has said nothing yet, or -1; both -1:
 *	driver_vhost_connect() brings one
 *
 * A connection cannot be handed on: the front end has to say everything again, and
 * does when it is closed. So ev.accepted is not called.
 */
int driver_vhost(const struct driver_ctx *ctx, const struct port_spec *spec,
		 const struct driver_vhost_conf *conf, int listen_fd,
		 int conn_fd, struct driver **out, struct errtext *why);

/**
 * driver_vhost_connect() - Another connection to a front end, which listens itself
 * @fd: taken over; it replaces the connection that is there
 *
 * Return: 0; -EINVAL: @d is no such driver; or what is wrong with @fd.
 */
int driver_vhost_connect(struct driver *d, int fd, struct errtext *why);

/**
 * driver_fd() - A descriptor that a runner handed in; finds out what it is
 *
 * TAP, unix stream, unix datagram or seqpacket, packet socket; -EPROTOTYPE and a
 * sentence for anything else. @mem_fd as in driver_stream() (used or closed).
 */
int driver_fd(const struct driver_ctx *ctx, const struct port_spec *spec,
	      int fd, int mem_fd, struct driver **out, struct errtext *why);

void driver_free(struct driver *d);

/* Set the link of all its ports, present and future. */
void driver_link(struct driver *d, bool up);

/* Is a peer there? TAPs and packet sockets always have one. */
bool driver_connected(const struct driver *d);

/* Sum of its ports' counters, those of ports that are gone included. */
void driver_stats(const struct driver *d, struct port_stats *out);

const char *driver_name(const struct driver *d);

#endif
