/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses: MAC, IPv4 and a family-free IP, with their text forms.
 * An IPv4 address is a plain uint32_t in host order; struct ipaddr holds either
 * family in 16 bytes (IPv4 as ::ffff:a.b.c.d, RFC 4291 2.5.5.2), so that tables
 * and flows are written once for both.
 */
#ifndef VNET_LIB_INET_H
#define VNET_LIB_INET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ETH_HDR_LEN  14
#define ETH_VLAN_LEN 4

#define MAC_TEXT 18 /* "52:54:00:12:34:56" and its NUL */
#define IP4_TEXT 16
#define IP_TEXT	 46
#define IP6_NET_TEXT (IP_TEXT + 4)

struct mac {
	uint8_t b[6];
};

/* An address of either family; IPv4 is stored v4-mapped. */
struct ipaddr {
	uint8_t b[16];
};

/* An IPv4 prefix: address of the network (host bits zero) and its length. */
struct ip4_net {
	uint32_t addr;
	uint8_t plen; /* 0..32 */
};

/* An IPv6 prefix, likewise. Never one of IPv4-mapped addresses. */
struct ip6_net {
	struct ipaddr addr;
	uint8_t plen; /* 0..128 */
};

extern const struct mac mac_broadcast;
extern const struct ipaddr ipaddr_any; /* ::, and "none" in tables */

static inline bool mac_eq(const struct mac *a, const struct mac *b)
{
	return memcmp(a->b, b->b, 6) == 0;
}

static inline bool mac_is_group(const struct mac *m)
{
	return m->b[0] & 1;
}

static inline bool mac_is_zero(const struct mac *m)
{
	static const struct mac zero;

	return mac_eq(m, &zero);
}

/* "52:54:00:12:34:56" (also with '-'); -EINVAL when it is not one. */
int mac_parse(const char *s, struct mac *m);
char *mac_format(const struct mac *m, char buf[MAC_TEXT]);

/* Dotted quad, all four parts; -EINVAL otherwise. */
int ip4_parse(const char *s, uint32_t *ip);
char *ip4_format(uint32_t ip, char buf[IP4_TEXT]);

/* "10.0.2.0/24"; host bits must be zero unless @host is non-NULL, which then
 * receives the address as written ("10.0.2.7/24"). -EINVAL otherwise. */
int ip4_net_parse(const char *s, struct ip4_net *net, uint32_t *host);
char *ip4_net_format(const struct ip4_net *net, char buf[IP4_TEXT + 3]);

static inline uint32_t ip4_mask(uint8_t plen)
{
	return plen ? ~0u << (32 - plen) : 0;
}

static inline bool ip4_in_net(uint32_t ip, const struct ip4_net *n)
{
	return (ip & ip4_mask(n->plen)) == n->addr;
}

static inline bool ip4_net_overlap(const struct ip4_net *a,
				   const struct ip4_net *b)
{
	return ip4_in_net(a->addr, b) || ip4_in_net(b->addr, a);
}

static inline bool ip4_is_loopback(uint32_t ip)
{
	return ip >> 24 == 127;
}

static inline bool ip4_is_multicast(uint32_t ip)
{
	return ip >> 28 == 0xe;
}

static inline struct ipaddr ipaddr_from4(uint32_t ip)
{
	return (struct ipaddr){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff,
				(uint8_t)(ip >> 24), (uint8_t)(ip >> 16),
				(uint8_t)(ip >> 8), (uint8_t)ip}};
}

static inline bool ipaddr_is4(const struct ipaddr *a)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0,    0,
					   0, 0, 0, 0, 0xff, 0xff};

	return memcmp(a->b, mapped, 12) == 0;
}

/* The IPv4 address in @a, which must be one. */
static inline uint32_t ipaddr_get4(const struct ipaddr *a)
{
	return (uint32_t)a->b[12] << 24 | (uint32_t)a->b[13] << 16 |
	       (uint32_t)a->b[14] << 8 | a->b[15];
}

static inline bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b)
{
	return memcmp(a->b, b->b, 16) == 0;
}

/* No address at all: what a zeroed struct holds (:: in IPv6). */
static inline bool ipaddr_is_zero(const struct ipaddr *a)
{
	return ipaddr_eq(a, &ipaddr_any);
}

/* ---- kinds of addresses, either family ------------------------------------ */

/* :: or 0.0.0.0. */
static inline bool ipaddr_is_any(const struct ipaddr *a)
{
	return ipaddr_is_zero(a) || (ipaddr_is4(a) && !ipaddr_get4(a));
}

/* ::1 or 127/8. */
bool ipaddr_is_loopback(const struct ipaddr *a);

/* ff00::/8 or 224/4. */
static inline bool ipaddr_is_multicast(const struct ipaddr *a)
{
	return a->b[0] == 0xff ||
	       (ipaddr_is4(a) && ip4_is_multicast(ipaddr_get4(a)));
}

/* fe80::/10 or 169.254/16. */
static inline bool ipaddr_is_linklocal(const struct ipaddr *a)
{
	return (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80) ||
	       (ipaddr_is4(a) && ipaddr_get4(a) >> 16 == 0xa9fe);
}

/* ---- IPv6 only ------------------------------------------------------------ */

/* The link-local address that a MAC makes (RFC 4291 2.5.1, RFC 2464 5). */
struct ipaddr ipaddr_linklocal(const struct mac *m);

/* ff02::1:ffXX:XXXX, where neighbours look for @a (RFC 4291 2.7.1). */
struct ipaddr ipaddr_solicited_node(const struct ipaddr *a);

/* The MAC of a multicast address (RFC 2464 7). */
static inline struct mac ipaddr_multicast_mac(const struct ipaddr *a)
{
	return (struct mac){
		{0x33, 0x33, a->b[12], a->b[13], a->b[14], a->b[15]}};
}

/* "fd00::/64", as ip4_net_parse(). -EINVAL also for IPv4 in any spelling. */
int ip6_net_parse(const char *s, struct ip6_net *net, struct ipaddr *host);
char *ip6_net_format(const struct ip6_net *net, char buf[IP6_NET_TEXT]);

/* False for any IPv4 address, even in ::/0. */
bool ipaddr_in_net6(const struct ipaddr *a, const struct ip6_net *n);
bool ip6_net_overlap(const struct ip6_net *a, const struct ip6_net *b);

/* Either family as text ("10.0.2.15", "fd00::1"); -EINVAL otherwise. */
int ipaddr_parse(const char *s, struct ipaddr *a);
char *ipaddr_format(const struct ipaddr *a, char buf[IP_TEXT]);

/* To and from socket addresses. Returns the length used; the storage gets
 * AF_INET for IPv4, AF_INET6 otherwise. */
socklen_t ipaddr_to_sockaddr(const struct ipaddr *a, uint16_t port,
			     struct sockaddr_storage *ss);
/* -EAFNOSUPPORT for other families. */
int ipaddr_from_sockaddr(const struct sockaddr_storage *ss, struct ipaddr *a,
			 uint16_t *port);

#endif
