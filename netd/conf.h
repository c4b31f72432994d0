/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the user configured, as plain values: the records that the store keeps, the
 * validator judges and the model wraps. No descriptors, no state.
 * IPv4 addresses are host order, 0 = none.
 */
#ifndef VNET_NETD_CONF_H
#define VNET_NETD_CONF_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dhcp/dhcp_server.h"
#include "lib/inet.h"
#include "nat/nat.h"

#define CONF_NAME_MAX	  48 /* characters of a network's or VM's name */
#define CONF_HOSTNAME_MAX 63 /* a DNS label (RFC 1035 2.3.4) */
#define CONF_DOMAIN_MAX	  127
#define CONF_PATH_MAX	  255
#define CONF_DUID	  260 /* and of a DUID (RFC 8415 11.1) */
#define CONF_NIC_INDEX	  31  /* highest NIC number of a VM */
#define CONF_NIC_ID_FIRST 100 /* ids below are a network's own ports */
#define CONF_ALLOW_MAX	  1024 /* characters of a list of ports */
#define CONF_RANGE_MAX	  1024 /* ports in one forward */
#define CONF_RECORD_NAME  256 /* DNS_NAME_MAX and a final dot */
#define CONF_RECORD_VALUE 1024 /* ZONE_TEXT_MAX */
#define CONF_QUEUES_MAX	  8    /* pairs of rings of a vhost-user NIC */
#define CONF_IPS_MAX	  420 /* characters of a list of addresses */
#define CONF_SOCKET_MAX	  107  /* characters of a unix socket's path */

enum net_mode { NET_NAT, NET_BRIDGED, NET_HOSTONLY, NET_INTERNAL };
enum net_datapath { DATAPATH_USER, DATAPATH_KERNEL };
enum net_access { ACCESS_OFF, ACCESS_ADDRESS, ACCESS_LOOPBACK };

/* bridged: the host's interface becomes a port of a bridge of ours (switch/uplink.h), or
 * is left as it is (switch/tapin.h). */
enum uplink_mode { UPLINK_TAKE_IN, UPLINK_TAP_IN };

/* tap-in: do guests share the uplink's MAC on the wire (switch/macnat.h)? AUTO: beside a
 * Wi-Fi card. */
enum mac_nat { MAC_NAT_AUTO, MAC_NAT_ON, MAC_NAT_OFF };

/* How guests get addresses of IPv6: dhcp/ra.h, enum ra_mode. */
enum net_ipv6 { IPV6_SLAAC, IPV6_STATELESS, IPV6_STATEFUL, IPV6_OFF };

/* guardconf.h says what makes sense. */
struct guard_conf {
	int level;		    /* enum pin_level; a NIC's: -1 = the network's */
	int isolated;		    /* 0 or 1; likewise */
	int64_t storm;		    /* broadcasts a second, 0 = any; likewise */
	uint32_t rate_in, rate_out; /* kbit/s to, from it; 0 = any; a NIC's */
	char ips[CONF_IPS_MAX + 1]; /* that are its own, too; a NIC's */
};

struct net_conf {
	int64_t id; /* given by the store */
	char name[CONF_NAME_MAX + 1];
	enum net_mode mode;
	struct ip4_net subnet; /* plen 0 = none */
	uint32_t host_ip;      /* host-only: the host's adapter */
	uint32_t service_ip;   /* our own: nat's gateway, else DHCP server */
	uint32_t dns_ip;       /* nat: the resolver */
	uint32_t dhcp_first, dhcp_last; /* 0 = no DHCP */
	struct ip6_net subnet6; /* a /64; plen 0 = no IPv6 */
	enum net_ipv6 ipv6;
	/* nat: prefixes of pool6_len are delegated out of it; plen 0 = none. */
	struct ip6_net pool6;
	uint8_t pool6_len;
	uint32_t lease_s;
	uint16_t mtu;
	char uplink[IFNAMSIZ]; /* bridged */
	enum uplink_mode uplink_mode; /* likewise */
	enum mac_nat mac_nat;	      /* likewise; on: with tap-in only */
	char domain[CONF_DOMAIN_MAX + 1];
	char tftp[CONF_PATH_MAX + 1]; /* folder of files for guests; "" = none */
	enum net_access access; /* nat: what the gateway's address leads to */
	char host_allow[CONF_ALLOW_MAX + 1]; /* natconf.h; "" = all ports */
	enum nat_filter udp_filter; /* nat: who may send to a mapping */
	struct mac mac;		/* of our own port; zero = none */
	enum net_datapath datapath;
	struct guard_conf guard; /* what NICs have that say nothing else */
	bool autostart;
	bool active; /* running when this was written */
};

/* What the network itself is called in its /64; zero without one. */
struct ipaddr net_host_ip6(const struct net_conf *c);	 /* host-only: ::1 */
struct ipaddr net_service_ip6(const struct net_conf *c); /* ::2 */
struct ipaddr net_dns_ip6(const struct net_conf *c);	 /* nat: ::3 */

/* Where the worker's own services answer: service_ip but where that is the kernel's
 * (nat, datapath kernel), then dns_ip. The same for IPv6. */
uint32_t net_worker_ip(const struct net_conf *c);
struct ipaddr net_worker_ip6(const struct net_conf *c);

/* Is the gateway the kernel's own? */
bool net_kernel_routes(const struct net_conf *c);

/* Do we answer in it (DHCP, router advertisements, nat's gateway)? */
bool net_has_services(const struct net_conf *c);

enum nic_type {
	NIC_STREAM,
	NIC_DGRAM,
	NIC_SEQPACKET,
	NIC_TAP,
	NIC_NETNS,
	NIC_FD,
	NIC_VHOST
};

struct nic_conf {
	int64_t id;	 /* given by the store, >= CONF_NIC_ID_FIRST */
	int64_t network; /* net_conf.id */
	char vm[CONF_NAME_MAX + 1];
	int index;
	struct mac mac;
	enum nic_type type;
	char ifname[IFNAMSIZ];
	char netns[CONF_PATH_MAX + 1];
	uid_t owner; /* who may use its sockets and change it */
	bool link;   /* the cable is plugged in */
	int queues;  /* vhost-user: pairs of rings; 0 = 1 */
	char connect_to[CONF_SOCKET_MAX + 1]; /* vhost-user: the VMM listens here,
					       * and we connect; "" = we listen */
	bool transient; /* tap: the NIC goes when its VMM closes the TAP */
	bool plain;	/* … which has no virtio headers; not stored */
	struct guard_conf guard;
};

struct fwd_conf {
	int64_t id, network;
	int proto; /* IPPROTO_TCP, IPPROTO_UDP */
	struct ipaddr address; /* of the host; zero = all */
	uint16_t port, port_end;
	char to_vm[CONF_NAME_MAX + 1]; /* "" = by to_address */
	int to_nic;		       /* -1 = the VM's lowest on the network */
	struct ipaddr to_address; /* zero = by to_vm */
	uint16_t to_port;
};

struct resv_conf {
	int64_t network;
	uint32_t address;
	struct mac mac; /* zero while the VM's NIC is not known */
	char vm[CONF_NAME_MAX + 1];
	int nic;
	char hostname[CONF_HOSTNAME_MAX + 1];
};

/* dhcpset.h says what makes sense. */
struct dhcpset_conf {
	int64_t network;
	char scope[CONF_NAME_MAX + 8];
	char name[24];
	char value[2 * 1024 + 4]; /* an option's bytes, "0x…" */
};

struct record_conf {
	int64_t network;
	char name[CONF_RECORD_NAME + 1]; /* as zone_canon() spells it */
	char type[8];
	char value[CONF_RECORD_VALUE + 1];
};

/* A name that a guest claimed and has. */
struct claim_conf {
	int64_t network;
	struct ipaddr address; /* of its lease, of either family */
	struct mac mac;
	char name[CONF_HOSTNAME_MAX + 1]; /* lower case */
};

struct lease_conf {
	int64_t network;
	uint32_t address;
	struct mac mac;
	enum dhcp_state state; /* never DHCP_OFFERED */
	uint8_t client_id[DHCP_CLIENT_ID_MAX];
	uint8_t client_id_len;
	char hostname[CONF_HOSTNAME_MAX + 1];
	int64_t nic;	 /* 0 = not known */
	int64_t expires; /* seconds since 1970; or when it was given back */
};

struct resv6_conf {
	int64_t network;
	struct ipaddr address;
	struct mac mac; /* zero when it goes by the VM */
	char vm[CONF_NAME_MAX + 1];
	int nic;
};

struct lease6_conf {
	int64_t network;
	struct ipaddr address;
	uint8_t plen; /* 128; less: a prefix, delegated */
	struct mac mac;
	char duid[CONF_DUID + 1]; /* hex */
	uint32_t iaid;
	struct ipaddr via; /* what asked: a prefix is behind it */
	char hostname[CONF_HOSTNAME_MAX + 1];
	int64_t nic;	 /* 0 = not known */
	int64_t expires; /* seconds since 1970 */
};

/* Spelled as in API and store; the _parse give -EINVAL for anything else. */
const char *net_mode_name(enum net_mode m);
const char *net_datapath_name(enum net_datapath d);
const char *net_access_name(enum net_access a);
const char *nic_type_name(enum nic_type t);
const char *fwd_proto_name(int proto);
int net_mode_parse(const char *s, enum net_mode *out);
int net_datapath_parse(const char *s, enum net_datapath *out);
int net_access_parse(const char *s, enum net_access *out);
int nic_type_parse(const char *s, enum nic_type *out);
int fwd_proto_parse(const char *s, int *out);

#endif
