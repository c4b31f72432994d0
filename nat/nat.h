/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway port as one object: the pure gateway core (gateway.h) joined with the
 * host's sockets. It answers ARP, NDP, echo and DNS inside the network and, when NAT
 * is on, carries guests' ICMP, UDP and TCP over sockets of the process it runs in.
 * It knows neither DHCP, router advertisements nor leases: whoever owns it
 * registers UDP and ICMPv6 services and answers "which address has NIC 7 now?"
 * through a callback.
 *
 * Everything runs on the owner's event loop; no call blocks. IPv4 addresses are host
 * order uint32_t, those of either family struct ipaddr.
 */
#ifndef VNET_NAT_NAT_H
#define VNET_NAT_NAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "lib/inet.h"

struct event_base;
struct vswitch;
struct port;
struct nat;

#define NAT_DENY_MAX	 1024
#define NAT_UPSTREAM_MAX 8
#define NAT_NAME_MAX	 255 /* characters of a domain name (RFC 1035 2.3.4) */
#define NAT_SERVICE_MAX	 40 /* UDP ports inside: DHCP, TFTP and its transfers */
#define NAT_ICMP6_MAX	 8
#define NAT_FORWARD_MAX	 8192
#define NAT_ALLOW_MAX	 64
#define NAT_SELF_MAX	 256
#define NAT_ROUTES_MAX	 4096
#define NAT_SOCKETS_MAX	 16384
#define NAT_PORTS_MAX	 8192

enum nat_proto { NAT_ICMP = 1, NAT_TCP = 6, NAT_UDP = 17 };

/* What the gateway's own address leads to for UDP and TCP (echo and DNS are always
 * answered by the gateway itself). */
enum nat_host_access {
	NAT_HOST_ADDRESS, /* the host's services on host_ip (default) */
	NAT_HOST_OFF,	  /* refused: RST, ICMP code 13 */
	NAT_HOST_LOOPBACK /* the host's services on 127.0.0.1, ::1 */
};

/* Who may send to a guest's mapping from outside (RFC 4787 5). */
enum nat_filter {
	NAT_FILTER_EI,	      /* anybody (endpoint independent, REQ-8) */
	NAT_FILTER_ADDR,      /* only addresses the guest has sent to */
	NAT_FILTER_ADDR_PORT, /* only endpoints the guest has sent to */
};

/** struct nat_allow - Ports of the host that guests may reach. */
struct nat_allow {
	enum nat_proto proto; /* NAT_TCP or NAT_UDP */
	uint16_t first, last;
};

/** struct nat_access - What guests may reach of the host. */
struct nat_access {
	enum nat_host_access mode;
	/* When not empty: only these, under any of the host's addresses. */
	const struct nat_allow *allow;
	size_t nallow; /* at most NAT_ALLOW_MAX */
	/* The host's other addresses, which the list holds for, too. */
	const struct ipaddr *self;
	size_t nself; /* at most NAT_SELF_MAX */
};

/** struct nat_limits - How much guests may have; 0 = the default in parentheses.
 *
 * A NIC's share of what all NICs have together is its part when it is divided by their
 * number; see flow.h for who gets what beyond. */
struct nat_limits {
	/* Of all NICs together: (no limit) */
	uint32_t sockets; /* of UDP mappings, echo mappings and TCP */
	uint32_t ports;	  /* of UDP and echo mappings */
	uint32_t queries; /* DNS queries that wait for an upstream */
	uint32_t nics;	  /* how many NICs share them (1) */
	/* Of one NIC: */
	uint32_t udp;	/* mappings; as many clients of forwards (512) */
	uint32_t icmp;	/* echo mappings (64) */
	uint32_t tcp;	/* connections; of forwards' clients seven eighths (1024) */
	uint32_t opening; /* calls under way; then the oldest makes room (128) */
	uint32_t dns;	/* queries that wait for an upstream (64) */
	uint32_t dns_tcp; /* connections to the resolver (16) */
	uint32_t frags; /* datagrams in reassembly (16) */
	uint32_t neigh; /* addresses learned by ARP (64) */
};

/**
 * nat_resolve_fn - The address that NIC @nic_id has now
 * @ip6: which family's: an IPv6 address inside net6, or an IPv4 one
 *
 * Called when a forward's client connects. A current lease, else the address seen
 * on the NIC's port; false when there is none or its link is down.
 */
typedef bool (*nat_resolve_fn)(void *arg, uint64_t nic_id, bool ip6,
			       struct ipaddr *out);

/** struct nat_config - What the gateway is; copied by nat_new(). */
struct nat_config {
	struct mac mac;	    /* of the gateway port; unicast */
	uint32_t ip;	    /* the gateway's (or service) address, in net */
	uint32_t dns_ip;    /* resolver's own address, in net; 0 = none */
	struct ip4_net net; /* the network's subnet */
	/* plen 0 = a network without IPv6: none of its packets is taken, its host
	 * is asked nothing. Else a /64; the gateway then has the link-local
	 * address made of its MAC too. */
	struct ip6_net net6;
	struct ipaddr ip6;     /* the gateway's address, in net6 */
	struct ipaddr dns_ip6; /* resolver's own, in net6; zero = none */
	uint16_t mtu;	    /* as the switch's; 0 = 1500 */
	/* false = services only (internal, host-only): ARP, echo to ourselves,
	 * UDP services, DNS for names; all else is DROP_POLICY. */
	bool nat;
	/* Services only, but DNS goes on to the host's resolvers: the router is
	 * another one. */
	bool resolver;
	enum nat_host_access host_access;
	uint32_t host_ip; /* where NAT_HOST_ADDRESS leads; 0 = none for now */
	struct ipaddr host_ip6; /* the same for IPv6; zero = none for now */
	const struct ip4_net *deny; /* destinations guests must not reach */
	size_t ndeny;		    /* at most NAT_DENY_MAX */
	const struct ip6_net *deny6;
	size_t ndeny6; /* at most NAT_DENY_MAX */
	const char *domain; /* of VM names, e.g. "lab.vnet"; NULL = "vnet" */
	enum nat_filter udp_filter;
	struct nat_limits limits;
	/* Raw ICMP socket for echo where ping sockets are not allowed
	 * (net.ipv4.ping_group_range); taken over, -1 = none. */
	int icmp_raw_fd;
	nat_resolve_fn resolve; /* NULL: forwards by NIC never resolve */
	void *resolve_arg;
};

/**
 * nat_new() - Make the gateway and put its port on @sw, with a static FDB entry
 *
 * @sw must outlive it. The icmp_raw_fd is taken over, on failure too.
 *
 * Return: 0; -EINVAL (config contradicts itself), -ENOSPC, -EEXIST (the MAC has a
 * static entry already), -ENOMEM.
 */
int nat_new(struct event_base *base, struct vswitch *sw,
	    const struct nat_config *cfg, struct nat **out,
	    struct errtext *why);

/* End all flows (without a word to the guests), close all sockets, take the port
 * off the switch. Not from inside one of its callbacks. NULL is fine. */
void nat_free(struct nat *nat);

/* The gateway's port, for counters; valid until nat_free(). */
struct port *nat_port(struct nat *nat);

/* The host's own non-loopback address, now; 0 = none. Flows that exist stay. */
void nat_set_host_ip(struct nat *nat, uint32_t host_ip);
void nat_set_host_ip6(struct nat *nat, const struct ipaddr *host_ip6);

/* The host has these addresses no more, and not for a moment: TCP connections and UDP
 * clients of forwards that have one of them end, all else goes on. */
void nat_address_gone(struct nat *nat, const struct ipaddr *ip, size_t n);

/* As icmp_raw_fd, for ICMPv6; once. Taken over, on failure too; -1 = none. 0,
 * -EEXIST, -ENOMEM or the descriptor's error. */
int nat_set_icmp6_raw(struct nat *nat, int fd);

/* Who may send to mappings from now on; those that exist stay. A guest has to speak
 * again to whom it spoke to under a weaker filter. */
void nat_set_filter(struct nat *nat, enum nat_filter filter);

/* From now on; what is beyond them already ends when somebody needs its place. */
void nat_set_limits(struct nat *nat, const struct nat_limits *limits);

/**
 * nat_limits_fit() - Limits for a process with so many descriptors
 * @nofile: how many it may have (RLIMIT_NOFILE)
 * @other: how many are spoken for: ports, forwards, channels
 * @nics: guests' NICs on the network
 *
 * Sets all of @l. Never more than NAT_SOCKETS_MAX sockets: a flow costs the kernel
 * some KiB and often one of the host's 28 000 ports for automatic use.
 */
void nat_limits_fit(struct nat_limits *l, uint64_t nofile, uint32_t other,
		    uint32_t nics);

/* What the host is to guests from now on; TCP flows that may no longer be end. -E2BIG. */
int nat_set_access(struct nat *nat, const struct nat_access *access);

/* Replace the denied prefixes; flows into new ones end. -E2BIG. */
int nat_set_deny(struct nat *nat, const struct ip4_net *deny, size_t n);
int nat_set_deny6(struct nat *nat, const struct ip6_net *deny, size_t n);

/* ---- UDP services inside (DHCP) ------------------------------------------ */

/* A datagram for a service: to the gateway, the resolver's address or broadcast. */
struct nat_datagram {
	const uint8_t *data; /* borrowed; UDP payload, reassembled, verified */
	size_t len;
	uint32_t src_ip; /* 0.0.0.0 for a client without an address */
	uint16_t src_port;
	uint32_t dst_ip;
	uint16_t dst_port;
	struct mac src_mac; /* of the Ethernet header */
	uint64_t nic_id;    /* NIC of the port it came in on; 0 = none */
};

typedef void (*nat_service_fn)(void *arg, const struct nat_datagram *d);

/**
 * nat_service() - Take UDP port @port inside the network
 * @fn: called from within the switch's input; may call nat_udp_send();
 *	NULL gives the port back
 *
 * Return: 0, -ENOSPC (NAT_SERVICE_MAX), -EEXIST.
 */
int nat_service(struct nat *nat, uint16_t port, nat_service_fn fn, void *arg);

/* The service on @port is spoken to from behind guests too, which are routers: from any
 * address. 0: none is. */
void nat_service_far(struct nat *nat, uint16_t port);

/* A datagram to a guest. */
struct nat_udp_out {
	uint32_t src_ip; /* 0 = the gateway's */
	uint16_t src_port;
	uint32_t dst_ip; /* may be 255.255.255.255 */
	uint16_t dst_port;
	/* Where it goes on the wire: a client that has no address yet is met by
	 * its MAC (RFC 2131 4.1). Zero: by ARP; broadcast when dst_ip is. */
	struct mac dst_mac;
	const void *data;
	size_t len;
};

/**
 * nat_udp_send() - Send with full checksums, fragmented when longer than the MTU
 *
 * Allowed from a service function (goes out when the input turn ends) and from any
 * other callback of the loop (goes out at once).
 *
 * Return: 0, -EMSGSIZE, -ENOBUFS (queue full, counted).
 */
int nat_udp_send(struct nat *nat, const struct nat_udp_out *out);

/* ---- who has an address ----------------------------------------------------- */

/* Ask all by ARP who has @ip. When it is allowed: as nat_udp_send(). */
void nat_arp_ask(struct nat *nat, uint32_t ip);

/* @mac on NIC @nic_id says in an ARP packet that it has @ip, asked or not. */
typedef void (*nat_arp_fn)(void *arg, uint32_t ip, const struct mac *mac,
			   uint64_t nic_id);

/* Called from within the switch's input; may call nat_udp_send(). NULL: not any
 * more. */
void nat_on_arp(struct nat *nat, nat_arp_fn fn, void *arg);

/* ---- the one UDP service over IPv6 (DHCPv6) --------------------------------- */

/* A datagram to an address of ours or the service's group; as nat_datagram. */
struct nat_datagram6 {
	const uint8_t *data;
	size_t len;
	struct ipaddr src, dst;
	uint16_t src_port;
	struct mac src_mac;
	uint64_t nic_id;
};

typedef void (*nat_service6_fn)(void *arg, const struct nat_datagram6 *d);

/* Take UDP port @port over IPv6, to us and to @group (copied); @fn as that of
 * nat_service(), NULL gives it back. 0, -ENOSPC (there is another), -EEXIST. */
int nat_service6(struct nat *nat, uint16_t port, const struct ipaddr *group,
		 nat_service6_fn fn, void *arg);

/* A datagram to a guest, from our link-local address to such a one, else from the
 * gateway's. */
struct nat_udp6_out {
	uint16_t src_port;
	struct ipaddr dst;
	uint16_t dst_port;
	struct mac dst_mac; /* zero: by NDP */
	const void *data;
	size_t len;
};

/* As nat_udp_send(); -EAFNOSUPPORT without IPv6, -EINVAL. */
int nat_udp6_send(struct nat *nat, const struct nat_udp6_out *out);

/* ---- prefixes behind guests -------------------------------------------------- */

/** struct nat_route6 - A prefix that a guest got by DHCPv6 and has hosts in. */
struct nat_route6 {
	struct ip6_net net; /* outside net6 */
	struct ipaddr via;  /* the guest's address, link-local as a rule */
	uint64_t nic_id;    /* the only one whose packets may come from it; 0: any */
};

/* Hosts in it may speak like the network's own, and are reached through @via from now
 * on; replaces the route of the same prefix. 0, -EINVAL, -EEXIST (overlaps another),
 * -ENOSPC, -ENOMEM. */
int nat_route6_set(struct nat *nat, const struct nat_route6 *r);

/* It is nobody's any more; its flows end by their timers. -ENOENT. */
int nat_route6_del(struct nat *nat, const struct ip6_net *net);

/* ---- ICMPv6 services inside (router solicitations) ------------------------- */

/* An ICMPv6 message for a service. */
struct nat_icmp6 {
	const uint8_t *data; /* borrowed; from its type on, checksum verified */
	size_t len;	     /* at least 8 */
	struct ipaddr src;   /* :: for a client without an address */
	struct ipaddr dst;   /* one of ours, or a group that routers are in */
	uint8_t hop_limit;   /* NDP wants 255 (RFC 4861 6.1.1): for @fn to check */
	struct mac src_mac;  /* of the Ethernet header */
	uint64_t nic_id;     /* NIC of the port it came in on; 0 = none */
};

typedef void (*nat_icmp6_fn)(void *arg, const struct nat_icmp6 *m);

/**
 * nat_icmp6_service() - Take ICMPv6 messages of @type inside the network
 * @type: one that the gateway does not handle itself (133: router solicitation);
 *	neighbour discovery and echo are its own
 * @fn: called from within the switch's input; may call nat_icmp6_send();
 *	NULL gives the type back
 *
 * Return: 0, -ENOSPC (NAT_ICMP6_MAX), -EEXIST (taken), -EINVAL (the gateway's).
 */
int nat_icmp6_service(struct nat *nat, uint8_t type, nat_icmp6_fn fn,
		      void *arg);

/* An ICMPv6 message to guests. */
struct nat_icmp6_out {
	struct ipaddr src; /* zero: our link-local address. Or another router's, for
			    * which we speak */
	struct ipaddr dst; /* a guest's link-local or other address, or a group */
	struct mac dst_mac; /* zero: by NDP, of a group its own (RFC 2464 7) */
	const void *data;   /* from its type on; bytes 2 and 3 are filled in */
	size_t len;
};

/**
 * nat_icmp6_send() - Send from the gateway's link-local address, hop limit 255
 *
 * When it is allowed: as nat_udp_send().
 *
 * Return: 0, -EAFNOSUPPORT (no IPv6 here), -EINVAL (shorter than 8 bytes),
 * -EMSGSIZE (longer than the MTU takes), -ENOBUFS (queue full, counted), -ENOMEM.
 */
int nat_icmp6_send(struct nat *nat, const struct nat_icmp6_out *out);

/* ---- forwards ------------------------------------------------------------ */

/** struct nat_forward - One host port that leads to a guest. */
struct nat_forward {
	uint64_t id; /* the owner's; unique in this gateway */
	uint64_t group; /* the owner's: forwards that are counted together */
	enum nat_proto proto; /* NAT_TCP or NAT_UDP */
	/* TCP: listening; UDP: bound; AF_INET, or AF_INET6 (with IPV6_V6ONLY).
	 * Taken over, on failure too. Made by the owner, so that it survives
	 * this process. */
	int fd;
	uint64_t nic_id;	 /* target NIC, resolved per connection; or 0 */
	struct ipaddr target_ip; /* fixed target when nic_id is 0; else zero */
	uint16_t target_port;
};

/**
 * nat_forward_add() - A forward starts to work now
 *
 * The guest sees the client's own address, except when that is loopback, in the
 * guest's subnet or the host's own: then the gateway's. A target by NIC is reached
 * by the client's family when it has such an address, else by the other one, as if
 * the gateway were the client: a client over IPv6 reaches a guest that has only
 * IPv4. While the target does not resolve, TCP clients are refused (reset),
 * datagrams dropped; both counted.
 *
 * Return: 0, -EEXIST (@id), -EINVAL, -ENOSPC, -ENOMEM, or the descriptor's error.
 */
int nat_forward_add(struct nat *nat, const struct nat_forward *fwd,
		    struct errtext *why);

/* Stop it and end its flows; -ENOENT. */
int nat_forward_del(struct nat *nat, uint64_t id);

/**
 * nat_forward_socket() - The forward goes on over another socket
 * @fd: as in nat_forward_add(), -1 = none for now; taken over, on failure too
 *
 * TCP connections stay. UDP clients stay when the new socket answers from where they
 * had sent to: the same port, at any address or at theirs.
 *
 * Return: 0, -ENOENT, -ENOMEM, or the descriptor's error: then it has none.
 */
int nat_forward_socket(struct nat *nat, uint64_t id, int fd,
		       struct errtext *why);

struct nat_forward_stats {
	uint64_t accepted; /* connections, or new UDP clients */
	uint64_t refused;  /* no target, link down, quota */
	uint32_t active;   /* flows now */
	uint64_t bytes_in, bytes_out; /* payload, in: to the guest */
};

/* Numbers of all forwards. @fn must not change the gateway; false stops. */
void nat_forward_walk(struct nat *nat,
		      bool (*fn)(void *arg, uint64_t group,
				 const struct nat_forward_stats *s),
		      void *arg);

/* ---- names --------------------------------------------------------------- */

struct nat_upstream {
	struct ipaddr ip;
	uint16_t port; /* 0 = 53 */
	uint32_t scope; /* the host's interface, for a link-local address */
};

/* The host's resolvers, best first; replaces the list. If it is another one, queries
 * under way are asked again at once. -E2BIG. */
int nat_dns_upstreams(struct nat *nat, const struct nat_upstream *up,
		      size_t n);

/**
 * nat_name_set() - Answer for `name` and `name.<domain>` with @ip (and its PTR)
 * @owner: the caller's number for who says so; with NAMES_CLAIM (names.h) a guest
 *
 * A name may have several addresses, an address several names (the first one is its
 * PTR). Setting a pair again is harmless. Names are matched without case. "host" and
 * "gateway" are the network's own.
 *
 * Return: 0, -EINVAL (not a host name), -ENOSPC, -ENOMEM.
 */
int nat_name_set(struct nat *nat, uint64_t owner, const char *name,
		 const struct ipaddr *ip);

/* What "host" leads to under the domain and under "vnet", by family. With NAT it is the
 * gateway's address from the start; without, nobody's. */
void nat_host_name(struct nat *nat, const struct ipaddr *ip);

/* Forget the pair, as far as @owner set it; @ip NULL or zero = all addresses of the
 * name, @name NULL = all names of the address. */
void nat_name_del(struct nat *nat, uint64_t owner, const char *name,
		  const struct ipaddr *ip);

/* Records of the user's own: nat/dns_zone.h says what is taken. 0, -EINVAL, -EEXIST,
 * -ENOSPC, -ENOMEM with @why. */
int nat_record_add(struct nat *nat, const char *name, const char *type,
		   const char *value, struct errtext *why);
void nat_record_del(struct nat *nat, const char *name, const char *type,
		    const char *value);

/* The network is called so from now on. -EINVAL. */
int nat_set_domain(struct nat *nat, const char *domain);

/* ---- life of NICs, looking in -------------------------------------------- */

/* The NIC was detached or moved: its flows, neighbours and fragments go. */
void nat_nic_gone(struct nat *nat, uint64_t nic_id);

struct nat_stats {
	uint32_t udp_flows, icmp_flows, tcp_flows, dns_pending; /* now */
	uint32_t frags, neigh, forwards, names;			/* now */
	uint64_t udp_new, icmp_new, tcp_new;
	uint64_t evicted;      /* mappings that made room (quota) */
	uint64_t refused;      /* flows refused: quota or no descriptor */
	uint64_t denied;       /* packets to deny[] or the closed host */
	uint64_t filtered;     /* from outside, by udp_filter */
	uint64_t reassembled, reasm_failed;
	uint64_t dns_queries, dns_local, dns_failed;
	uint64_t forward_refused;
	uint64_t queue_full;   /* frames to guests lost for want of room */
};

void nat_stats(struct nat *nat, struct nat_stats *out);

/** struct nat_nic_stats - A NIC's part of it, since it came. */
struct nat_nic_stats {
	uint32_t udp, clients, icmp, tcp, dns; /* now; clients: of UDP forwards */
	uint32_t opening;		       /* of tcp: calls under way */
	uint64_t evicted, refused;
};

/* All zero when it never had any. */
void nat_nic_stats(struct nat *nat, uint64_t nic_id, struct nat_nic_stats *out);

/** struct nat_flow - One flow as shown to people. */
struct nat_flow {
	uint64_t id; /* never used again while the gateway lives */
	enum nat_proto proto;
	uint64_t nic_id;
	struct ipaddr guest, outside; /* outside: last peer; zero = none yet */
	uint16_t guest_port, outside_port; /* ICMP: identifier, 0 */
	uint16_t host_port; /* the mapping's port on the host; 0 = unknown */
	uint64_t forward_id; /* it came in through this forward; 0 = none */
	const char *state; /* "established", "mapped", …; static text */
	uint64_t bytes_out, bytes_in; /* payload, from the guest's view out */
	uint64_t packets_out, packets_in; /* datagrams; TCP: segments of any kind */
	uint32_t age_s, idle_s;
};

/* Visit the flows behind the one with id @after in the gateway's order (0: all); that
 * flow may have ended meanwhile. @fn must not change the gateway; false stops. */
void nat_flow_walk(struct nat *nat, uint64_t after,
		   bool (*fn)(void *arg, const struct nat_flow *f), void *arg);

/**
 * nat_flow_end() - End flows that @match picks, at most @max of them
 *
 * TCP connections are reset on both sides; of UDP and echo the mapping goes, and
 * the guest's next packet makes another. @match must not change the gateway.
 *
 * Return: how many; as many as @max: there may be more.
 */
unsigned int nat_flow_end(struct nat *nat, unsigned int max,
			  bool (*match)(void *arg, const struct nat_flow *f),
			  void *arg);

#endif
