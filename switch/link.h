/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network devices of the kernel, over netlink (libnl-3): look, make, change,
 * delete. What we make carries an owner mark (its alias), and what has none is not
 * deleted. Synchronous: not for the datapath's process.
 */
#ifndef VNET_SWITCH_LINK_H
#define VNET_SWITCH_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "lib/inet.h"

struct nl_msg;
struct nlmsghdr;

#define LINK_OWNER    "vnet"  /* alias of every device we make … */
#define LINK_OWNER_OF "vnet:" /* … or this and the network's name (kernel datapath) */
#define LINK_KIND  16
#define LINK_ALIAS 64

/** struct link_counts - What a device has seen since it was made; of the host's view */
struct link_counts {
	uint64_t rx_frames, rx_bytes, rx_dropped;
	uint64_t tx_frames, tx_bytes, tx_dropped;
};

/** struct link_info - A device as it is now */
struct link_info {
	int index;
	int master; /* index of the bridge it is a port of; 0 = none */
	unsigned int flags; /* IFF_UP … (netdevice(7)) */
	unsigned int type;  /* ARPHRD_ETHER … */
	uint32_t mtu;
	struct mac mac;
	char name[IFNAMSIZ];
	char kind[LINK_KIND];	/* "bridge", "tun", "veth", …; "" = hardware */
	char alias[LINK_ALIAS]; /* cut when longer */
	/* A bridge's own switches that put frames on it to the host's packet filters
	 * (br_netfilter): bits of LINK_CALL_*; the host's switches are others. */
	uint8_t nf_call;
	struct link_counts counts;
};

#define LINK_CALL_IP4 1
#define LINK_CALL_IP6 2
#define LINK_CALL_ARP 4

/* A netlink socket in the network namespace it was made in. */
struct link_nl;

int link_nl_new(struct link_nl **out, struct errtext *why);
void link_nl_free(struct link_nl *nl);

/**
 * link_get() - -ENODEV when there is none of this name
 */
int link_get(struct link_nl *nl, const char *name, struct link_info *out);

/* The same by index. */
int link_get_index(struct link_nl *nl, int index, struct link_info *out);

static inline bool link_is_ours(const struct link_info *l)
{
	return __builtin_strcmp(l->alias, LINK_OWNER) == 0 ||
	       __builtin_strncmp(l->alias, LINK_OWNER_OF,
				 sizeof(LINK_OWNER_OF) - 1) == 0;
}

/**
 * link_bridge_add() - Make a bridge, down: no spanning tree, no forward delay, no
 * multicast snooping, no address of its own making, our mark
 * @mac: its address; must be given, or it would follow its ports
 * @mtu: 0 = 1500
 */
int link_bridge_add(struct link_nl *nl, const char *name,
		    const struct mac *mac, uint32_t mtu, struct errtext *why);

/* What link_set() is to change; only fields whose bit is in @what. */
enum link_what {
	LINK_UP = 1 << 0,     /* @up */
	LINK_MTU = 1 << 1,    /* @mtu */
	LINK_MAC = 1 << 2,    /* @mac */
	LINK_MASTER = 1 << 3, /* @master: index of a bridge, 0 = out of it */
	LINK_MARK = 1 << 4,   /* set @mark */
	LINK_NOARP = 1 << 5,  /* neither asks nor answers by ARP */
	LINK_GENMODE = 1 << 6, /* @genmode: IN6_ADDR_GEN_MODE_* (if_link.h) */
	LINK_NF_CALL = 1 << 7, /* @nf_call, of a bridge */
};

struct link_change {
	unsigned int what;
	bool up;
	uint32_t mtu;
	struct mac mac;
	int master;
	uint8_t genmode;
	uint8_t nf_call; /* as in link_info */
	const char *mark; /* NULL = LINK_OWNER */
};

/* All in one request. -ENODEV, -EBUSY, -EOPNOTSUPP, … with @why. */
int link_set(struct link_nl *nl, int index, const struct link_change *c,
	     struct errtext *why);

/* Delete; 0 also when it is not there. */
int link_del(struct link_nl *nl, int index, struct errtext *why);

/* Add an IPv4 address (with the usual broadcast). */
int link_ip4_add(struct link_nl *nl, int index, uint32_t ip, uint8_t plen,
		 struct errtext *why);

/* Add an IPv6 address, usable at once: nobody else on a network of ours has it, so
 * there is no need to ask. -EACCES when the device's IPv6 is off. */
int link_ip6_add(struct link_nl *nl, int index, const struct ipaddr *ip,
		 uint8_t plen, struct errtext *why);

/* Remove an address of either family; 0 also when it is not there. */
int link_addr_del(struct link_nl *nl, int index, const struct ipaddr *ip,
		  uint8_t plen, struct errtext *why);

/* ---- for messages that callers make themselves (uplink) ------------------------ */

/**
 * link_talk() - Send a request, wait for the kernel's verdict
 * @msg: freed
 *
 * Return: 0 or the kernel's errno (negative).
 */
int link_talk(struct link_nl *nl, struct nl_msg *msg);

/**
 * link_dump() - Ask for a whole table, see every message
 * @type: RTM_GETADDR, RTM_GETROUTE, …
 * @fn: returns 0 or negative errno, which ends the walk and is returned
 */
int link_dump(struct link_nl *nl, int type, int family,
	      int (*fn)(const struct nlmsghdr *h, void *arg), void *arg);

/* An RTM_NEWLINK message as link_info; -EINVAL for another. */
int link_parse(const struct nlmsghdr *h, struct link_info *out);

/** struct link_neigh - Somebody that the host knows on a device of its own */
struct link_neigh {
	int index;	  /* of the device */
	struct ipaddr ip;
	struct mac mac;
	unsigned int state; /* NUD_* of linux/neighbour.h */
	bool usable; /* it was heard of, and was not looked for in vain since */
};

/* An RTM_NEWNEIGH message of a device's table; -EINVAL for another. */
int link_neigh_parse(const struct nlmsghdr *h, struct link_neigh *out);

/* ---- sysctl ---------------------------------------------------------------------- */

/**
 * link_sysctl() - Write net/<family>/conf/<ifname>/<key>
 * @family: "ipv4" or "ipv6"
 *
 * Return: 0; -ENOENT when the kernel has no such thing (IPv6 switched off).
 */
int link_sysctl(const char *family, const char *ifname, const char *key,
		const char *value);

/* Read it into @out without the newline. */
int link_sysctl_get(const char *family, const char *ifname, const char *key,
		    char *out, size_t cap);

/**
 * link_quiet() - Keep the host's own stack off a device of ours
 *
 * No IPv6, no forwarding from it, no redirects: the host does not route between it
 * and anything else.
 */
void link_quiet(const char *ifname);

/**
 * link_quiet_ip6() - After link_quiet(): IPv6 all the same, for given addresses only
 *
 * Advertisements and redirects are not listened to. There is no per-device switch for
 * forwarding: what must not be routed has to be kept from coming in.
 */
void link_quiet_ip6(const char *ifname);

#endif
