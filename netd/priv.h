/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few things that need privilege, behind one typed interface.
 *
 * As root, vnetd forks a helper before anything else, then gives its own
 * capabilities up; every function here sends one fixed-size request to the helper
 * and waits for the answer (milliseconds). The helper judges each request by its
 * own rules (device names, path prefixes, ports) as if control were hostile, parses
 * nothing from guests and exits on any protocol error. When control goes away it
 * takes back what must not stay (bridged uplinks of datapath user) and exits.
 *
 * Without root (@p from priv_none()) the same functions do what an ordinary user
 * may do directly (start a worker, a TAP in a namespace of the user's own) and
 * refuse the rest with -EPERM and a sentence.
 */
#ifndef VNET_NETD_PRIV_H
#define VNET_NETD_PRIV_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/errtext.h"
#include "lib/inet.h"

struct kguard;
struct knet;
struct priv;

/**
 * priv_start() - Fork the privileged helper; call as root, early
 * @run_dir: absolute; where the uplink journal lives (survives our crash)
 *
 * Undoes at once what a crashed instance with the same @run_dir left on an uplink.
 * Return: 0; negative errno with @why.
 */
int priv_start(const char *run_dir, struct priv **out, struct errtext *why);

/* The rootless stand-in. NULL without memory. */
struct priv *priv_none(void);

/* Close the channel; the helper takes such uplinks back and exits; waits. */
void priv_stop(struct priv *p);

bool priv_is_root(const struct priv *p);

/* Becomes readable when the helper died (-1 for priv_none). */
int priv_fd(const struct priv *p);

/**
 * priv_worker() - Start a worker process (exec of our own binary)
 * @isolated: no network namespace but an empty one of its own
 * @pid_out, @pidfd_out: readable when it has ended
 * @chan_out: our end of its channel; owned by the caller
 *
 * The worker builds its sandbox itself, first thing (netd/sandbox.h).
 */
int priv_worker(struct priv *p, const char *network, bool isolated,
		pid_t *pid_out, int *pidfd_out, int *chan_out,
		struct errtext *why);

/* Have a worker of a network that is not isolated started before it is wanted; 0 also
 * when there is one. See spawn_prepare(). */
int priv_prepare(struct priv *p, struct errtext *why);

/* Reap workers that ended (their pidfd is readable); needed without root, where
 * they are our own children, harmless with the helper, which does it itself. */
void priv_reap(struct priv *p);

struct priv_tap {
	char name[IFNAMSIZ];  /* as the device is to be called */
	char netns[256];      /* path of a network namespace, or "" for ours.
			       * /run/netns/…, /var/run/netns/… or /proc/N/ns/net */
	struct mac mac;	      /* of the kernel's end; zero = kernel's choice */
	uint16_t mtu;
	uint32_t ip4;	      /* address for it, 0 = none */
	uint8_t plen;
	struct ipaddr ip6;    /* likewise, zero = none: no IPv6 on it at all */
	uint8_t plen6;
	bool runner;	      /* a VMM opens the device by name: made persistent and
			       * owned by @owner, and the descriptor returned is a
			       * packet socket on it instead of the TAP itself */
	uid_t owner;
};

/**
 * priv_tap() - Make a TAP, up; in our namespace it takes no address but those given
 * @fd_out: TAP (IFF_VNET_HDR) or packet socket (PACKET_VNET_HDR); caller's
 *
 * Return: 0; -EEXIST when the name is taken; -EPERM; -ENOENT no such namespace.
 * In our namespace only names that begin with "vn-" are accepted.
 */
int priv_tap(struct priv *p, const struct priv_tap *t, int *fd_out,
	     struct errtext *why);

/* Delete a persistent TAP of ours ("vn-…"). 0 also when it is not there. */
int priv_tap_del(struct priv *p, const char *name, struct errtext *why);

struct priv_uplink {
	char bridge[IFNAMSIZ]; /* to be made ("vn-…") */
	char uplink[IFNAMSIZ]; /* the host's; refused if it is a bridge's port */
	char tap[IFNAMSIZ];    /* to be made as our port of the bridge ("vn-…") */
	uint16_t mtu;	       /* of the TAP */
	/* Of datapath kernel: guests' TAPs are on the bridge, and it stays whoever of us
	 * dies. Both names follow from it (knet_uplink_names()). Else "". */
	char network[64];
};

/**
 * priv_uplink_in() - Take a host interface into a bridge of ours
 * @fd_out: the TAP; caller's
 *
 * Moves addresses (with lifetimes), routes and the MAC to the bridge; on any
 * failure everything is put back. Undone by priv_uplink_out(); without a network also by
 * priv_stop(), when control dies, and by priv_start() after a crash of everything.
 */
int priv_uplink_in(struct priv *p, const struct priv_uplink *u, int *fd_out,
		   struct errtext *why);

/**
 * priv_uplink_keep() - One of a network that was taken in is to be as it should be
 *
 * Return: as uplink_keep() (switch/uplink.h).
 */
int priv_uplink_keep(struct priv *p, const struct priv_uplink *u, bool *changed,
		     struct errtext *why);
int priv_uplink_out(struct priv *p, const char *bridge, struct errtext *why);

/**
 * priv_tapin() - Stand beside a host's interface, which stays as it is (switch/tapin.h)
 * @tap: name of the TAP to make ("vn-…")
 * @fd: the packet socket, and the TAP; caller's. All of it goes with them
 * @mac: of the interface
 *
 * Return: as tapin_open(); -EPERM without the helper.
 */
int priv_tapin(struct priv *p, const char *uplink, const char *tap,
	       uint16_t mtu, bool mac_nat, int fd[2], struct mac *mac,
	       struct errtext *why);

/**
 * priv_knet() - Make the kernel what @k says: bridge, addresses, filters
 * @dry: look only
 * @changed: was it another? @dry: are the filters?
 *
 * The difference to what is there is taken in steps, the filters in one transaction;
 * what fails leaves what was there. The same call starts, changes and repairs.
 * Return: 0; -EPERM without the helper; -EEXIST a device or table of the name is not
 * ours; … with @why.
 */
int priv_knet(struct priv *p, const struct knet *k, bool dry, bool *changed,
	      struct errtext *why);

/**
 * priv_kguard() - Make the kernel keep guests to what @k says
 * @dry: look only; @changed: as of priv_knet()
 *
 * Needs no bridge. Return: as of priv_knet(); -EOPNOTSUPP: no packet filters for bridges.
 */
int priv_kguard(struct priv *p, const struct kguard *k, bool dry, bool *changed,
		struct errtext *why);

/* What that made goes, and nothing else; priv_knet_down() does so, too. */
int priv_kguard_down(struct priv *p, const char *network, struct errtext *why);

struct priv_kcount {
	char port[IFNAMSIZ];
	unsigned int kind; /* enum nftguard_kind */
	uint64_t frames;
};

/* What guests of the network were kept from: these in a memory file; caller's. */
int priv_kcounts(struct priv *p, const char *network, int *fd_out,
		 struct errtext *why);

/* A socket that tells of it (nat/nflog.h); caller's. */
int priv_nflog(struct priv *p, int *fd_out, struct errtext *why);

/* Bridge and filters of the network go; TAPs of NICs stay, without it. */
int priv_knet_down(struct priv *p, const char *network, struct errtext *why);

struct priv_kport {
	char network[64]; /* whose bridge, which is there */
	char name[IFNAMSIZ]; /* "vn-…" */
	uint16_t mtu;
	bool uplink;	/* the bridge is an uplink's */
	bool nic;	/* else the port of the network's own services */
	uid_t owner;	/* of a NIC's */
	uint8_t queues; /* likewise; 0, 1: one */
	bool up;
};

/**
 * priv_kport() - A TAP on the network's bridge, made or brought in line
 * @fd_out: not @nic and made now: its descriptor, caller's; else -1
 */
int priv_kport(struct priv *p, const struct priv_kport *t, int *fd_out,
	       struct errtext *why);

struct priv_tap_fd {
	char name[IFNAMSIZ]; /* "vn-…", a TAP of ours */
	bool multi; /* it was made with queues */
	bool plain; /* without IFF_VNET_HDR */
	bool once;  /* the device goes when the descriptor's last copy is closed */
};

/**
 * priv_tap_fd() - Open a persistent TAP of ours, as a VMM would by name
 * @fd_out: blocking, its queue attached; caller's
 *
 * Return: 0; -EBUSY somebody else has it open; -ENODEV; -EPERM not ours, or without the
 * helper.
 */
int priv_tap_fd(struct priv *p, const struct priv_tap_fd *t, int *fd_out,
		struct errtext *why);

/* A socket that is readable when rulesets change (nat/nft.h); caller's. @port: news of the
 * helper's own changes bear it; 0 = it is not known. */
int priv_nft_watch(struct priv *p, int *fd_out, uint32_t *port,
		   struct errtext *why);

/** struct priv_said - What came of a request that goes on after its answer */
struct priv_said {
	int err; /* 0 or negative errno */
	struct errtext why;
};

/**
 * priv_rulesets() - All rulesets as nft_dump() (nat/nft.h) writes them
 * @fd: a memory file that is being filled, and a pipe that gives one struct priv_said when
 *	it is complete; caller's
 *
 * Return: 0; -EBUSY somebody is at it already; -EPERM without the helper.
 */
int priv_rulesets(struct priv *p, int fd[2], struct errtext *why);

struct priv_way {
	char path[108]; /* sun_path of a runner's datagram socket; a first byte of
			 * 0 makes it an abstract name */
	uint8_t len;	/* of its bytes, a path's terminator left out */
	/* Folder of the NIC, RUNTIME/nic/NAME.peer, "" for none. A socket that is
	 * not connected to us is answered only when it lies in there: the address
	 * is a worker's claim, and no worker shall pick whom it may write to. */
	char folder[108];
	uid_t owner; /* of the NIC: paths are looked up as this user */
};

/**
 * priv_way() - A way back to a runner that sent to a NIC's datagram socket
 * @ours: the NIC's socket
 * @fd_out: a socket connected to the runner's, caller's; -1: the runner's socket is
 *	connected to @ours, which has now been connected to it in turn
 *
 * Return: 0; -ENOENT or -ECONNREFUSED: nobody is there; -EPERM: not a socket that
 * may be answered; other negative errno.
 */
int priv_way(struct priv *p, const struct priv_way *w, int ours, int *fd_out,
	     struct errtext *why);

struct priv_connect {
	char path[108]; /* absolute, of a unix stream socket that somebody listens on */
	uid_t owner;	/* of the NIC: looked up as this user, who owns the socket */
};

/**
 * priv_connect() - Connect to a VMM that listens, with no more rights than the NIC's
 * owner has
 * @fd_out: the connection, non-blocking; caller's
 *
 * Return: 0; -ENOENT or -ECONNREFUSED: nobody listens (yet); -EAGAIN: it is busy
 * with others; -EPERM: the socket is not the owner's (root's NIC: anybody's);
 * -ENOTSOCK, -EPROTOTYPE: no such socket; other negative errno.
 */
int priv_connect(struct priv *p, const struct priv_connect *c, int *fd_out,
		 struct errtext *why);

#define PRIV_BACKLOG 512 /* of the listening sockets made here */

/**
 * priv_bind() - A listening TCP or bound UDP socket, also below port 1024
 * @proto: IPPROTO_TCP or IPPROTO_UDP
 * @share: UDP: beside a socket with SO_REUSEADDR, which the asker is about to close
 *
 * -EADDRINUSE, -EADDRNOTAVAIL, -EACCES (rootless and a privileged port).
 */
int priv_bind(struct priv *p, int proto, const struct ipaddr *ip,
	      uint16_t port, bool share, int *fd_out, struct errtext *why);

/* A raw ICMP or ICMPv6 socket that passes echo replies and errors only; -EPERM
 * rootless, -EAFNOSUPPORT without IPv6. */
int priv_raw_icmp(struct priv *p, bool ip6, int *fd_out, struct errtext *why);

/**
 * priv_port_owner() - Who holds a local port: "nginx (pid 812)"
 * @dev: not those who are bound to another device, and best who is bound to this; NULL:
 *	whoever
 *
 * Rootless it can name only the user's own processes. Return: 0 with @out filled,
 * -ENOENT when it cannot be told.
 */
int priv_port_owner(struct priv *p, int proto, const struct ipaddr *ip,
		    uint16_t port, const char *dev, char *out, size_t cap);

#endif
