// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses and their text forms. See inet.h. */
#include "lib/inet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

const struct mac mac_broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
const struct ipaddr ipaddr_any;

static int hexval(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *s, struct mac *m)
{
	struct mac out;

	for (int i = 0; i < 6; i++, s += 3) {
		int hi = hexval(s[0]), lo = hi < 0 ? -1 : hexval(s[1]);

		if (lo < 0)
			return -EINVAL;
		out.b[i] = (uint8_t)(hi << 4 | lo);
		if (i == 5 ? s[2] != '\0' : s[2] != ':' && s[2] != '-')
			return -EINVAL;
	}
	*m = out;
	return 0;
}

char *mac_format(const struct mac *m, char buf[MAC_TEXT])
{
	snprintf(buf, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0],
		 m->b[1], m->b[2], m->b[3], m->b[4], m->b[5]);
	return buf;
}

int ip4_parse(const char *s, uint32_t *ip)
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1)
		return -EINVAL;
	*ip = ntohl(a.s_addr);
	return 0;
}

char *ip4_format(uint32_t ip, char buf[IP4_TEXT])
{
	snprintf(buf, IP4_TEXT, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255,
		 ip >> 8 & 255, ip & 255);
	return buf;
}

/* "0" to @max, no sign, space or leading zero. */
static int plen_parse(const char *s, unsigned int max, uint8_t *plen)
{
	size_t len = strspn(s, "0123456789");
	unsigned int v = 0;

	if (!len || len > 3 || s[len] || (len > 1 && s[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		v = v * 10 + (unsigned int)(s[i] - '0');
	if (v > max)
		return -EINVAL;
	*plen = (uint8_t)v;
	return 0;
}

int ip4_net_parse(const char *s, struct ip4_net *net, uint32_t *host)
{
	const char *slash = strchr(s, '/');
	char text[IP4_TEXT];
	uint8_t plen;
	uint32_t ip;

	if (!slash || (size_t)(slash - s) >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, (size_t)(slash - s));
	text[slash - s] = '\0';
	if (plen_parse(slash + 1, 32, &plen) || ip4_parse(text, &ip))
		return -EINVAL;
	if (!host && (ip & ~ip4_mask(plen)))
		return -EINVAL;
	if (host)
		*host = ip;
	net->plen = plen;
	net->addr = ip & ip4_mask(plen);
	return 0;
}

char *ip4_net_format(const struct ip4_net *net, char buf[IP4_TEXT + 3])
{
	char ip[IP4_TEXT];

	snprintf(buf, IP4_TEXT + 3, "%s/%u", ip4_format(net->addr, ip),
		 (unsigned int)(net->plen & 63));
	return buf;
}

bool ipaddr_is_loopback(const struct ipaddr *a)
{
	static const struct ipaddr one = {{[15] = 1}};

	return ipaddr_eq(a, &one) ||
	       (ipaddr_is4(a) && ip4_is_loopback(ipaddr_get4(a)));
}

struct ipaddr ipaddr_linklocal(const struct mac *m)
{
	return (struct ipaddr){
		{0xfe, 0x80, 0, 0, 0, 0, 0, 0, m->b[0] ^ 2, m->b[1], m->b[2],
		 0xff, 0xfe, m->b[3], m->b[4], m->b[5]}};
}

struct ipaddr ipaddr_solicited_node(const struct ipaddr *a)
{
	return (struct ipaddr){{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff,
				a->b[13], a->b[14], a->b[15]}};
}

/* @a with the bits behind @plen cleared. */
static struct ipaddr prefix_of(const struct ipaddr *a, uint8_t plen)
{
	struct ipaddr r = {{0}};
	size_t whole = plen / 8;

	memcpy(r.b, a->b, whole);
	if (plen % 8)
		r.b[whole] = (uint8_t)(a->b[whole] & (0xff00 >> plen % 8));
	return r;
}

int ip6_net_parse(const char *s, struct ip6_net *net, struct ipaddr *host)
{
	const char *slash = strchr(s, '/');
	struct ipaddr ip, base;
	char text[IP_TEXT];
	uint8_t plen;

	if (!slash || (size_t)(slash - s) >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, (size_t)(slash - s));
	text[slash - s] = '\0';
	if (plen_parse(slash + 1, 128, &plen) || ipaddr_parse(text, &ip) ||
	    ipaddr_is4(&ip))
		return -EINVAL;
	base = prefix_of(&ip, plen);
	if (!host && !ipaddr_eq(&base, &ip))
		return -EINVAL;
	if (host)
		*host = ip;
	*net = (struct ip6_net){base, plen};
	return 0;
}

char *ip6_net_format(const struct ip6_net *net, char buf[IP6_NET_TEXT])
{
	char ip[IP_TEXT];

	snprintf(buf, IP6_NET_TEXT, "%s/%u", ipaddr_format(&net->addr, ip),
		 (unsigned int)net->plen);
	return buf;
}

bool ipaddr_in_net6(const struct ipaddr *a, const struct ip6_net *n)
{
	struct ipaddr base;

	if (ipaddr_is4(a) || n->plen > 128)
		return false;
	base = prefix_of(a, n->plen);
	return ipaddr_eq(&base, &n->addr);
}

bool ip6_net_overlap(const struct ip6_net *a, const struct ip6_net *b)
{
	return ipaddr_in_net6(&a->addr, b) || ipaddr_in_net6(&b->addr, a);
}

int ipaddr_parse(const char *s, struct ipaddr *a)
{
	struct in6_addr v6;
	uint32_t v4;

	if (!ip4_parse(s, &v4)) {
		*a = ipaddr_from4(v4);
		return 0;
	}
	if (inet_pton(AF_INET6, s, &v6) != 1)
		return -EINVAL;
	memcpy(a->b, v6.s6_addr, 16);
	return 0;
}

char *ipaddr_format(const struct ipaddr *a, char buf[IP_TEXT])
{
	if (ipaddr_is4(a))
		return ip4_format(ipaddr_get4(a), buf);
	if (!inet_ntop(AF_INET6, a->b, buf, IP_TEXT))
		buf[0] = '\0';
	return buf;
}

socklen_t ipaddr_to_sockaddr(const struct ipaddr *a, uint16_t port,
			     struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (ipaddr_is4(a)) {
		struct sockaddr_in in = {
			.sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr.s_addr = htonl(ipaddr_get4(a)),
		};

		memcpy(ss, &in, sizeof(in));
		return sizeof(in);
	}
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
	};

	memcpy(in6.sin6_addr.s6_addr, a->b, 16);
	memcpy(ss, &in6, sizeof(in6));
	return sizeof(in6);
}

int ipaddr_from_sockaddr(const struct sockaddr_storage *ss, struct ipaddr *a,
			 uint16_t *port)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (ss->ss_family) {
	case AF_INET:
		memcpy(&in, ss, sizeof(in));
		*a = ipaddr_from4(ntohl(in.sin_addr.s_addr));
		*port = ntohs(in.sin_port);
		return 0;
	case AF_INET6:
		memcpy(&in6, ss, sizeof(in6));
		memcpy(a->b, in6.sin6_addr.s6_addr, 16);
		*port = ntohs(in6.sin6_port);
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}
