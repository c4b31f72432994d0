/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Router advertisements (RFC 4861 6.2): what tells guests their IPv6 prefix, router,
 * resolver and search domain. A core: solicitations and the time go in, messages and
 * the time of the next one come out. Who owns it carries them to and from the wire.
 *
 * How guests get addresses is the mode's matter: they make them themselves (RFC 4862)
 * or ask DHCPv6, which the flags A, M and O tell. A mode may change while it runs:
 * addresses that guests made are deprecated at once when they are to ask, and may be
 * used for as long as RFC 4862 5.5.3 (e) lets them.
 *
 * A network whose gateway leads nowhere is announced with a router lifetime of
 * zero: guests get addresses there and no default route.
 */
#ifndef VNET_DHCP_RA_H
#define VNET_DHCP_RA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/inet.h"

#define RA_DNS_MAX    3
#define RA_DOMAIN_MAX 127
#define RA_MSG_MAX    320 /* the longest that ra_next() makes is shorter */
#define RA_ASKERS_MAX 16  /* waiting for an answer of their own */
#define RA_OPTS_MAX   16  /* options looked at in a solicitation */

#define RA_TYPE_SOLICIT	  133 /* ICMPv6 types (RFC 4861 4.1, 4.2) */
#define RA_TYPE_ADVERTISE 134

/* RFC 4861 10 and 6.2.1: the defaults for routers. */
#define RA_INTERVAL_MIN_MS     200000
#define RA_INTERVAL_MAX_MS     600000
#define RA_INITIAL_MAX_MS      16000
#define RA_INITIAL_COUNT       3
#define RA_FINAL_COUNT	       3
#define RA_MIN_DELAY_MS	       3000
#define RA_ANSWER_MAX_MS       500
#define RA_ROUTER_LIFETIME_S   1800 /* 3 * RA_INTERVAL_MAX */
#define RA_DNS_LIFETIME_S      1800 /* RFC 8106 5.1: 3 * RA_INTERVAL_MAX */
#define RA_NEVER	       INT64_MAX
#define RA_PREFIX_VALID_S      86400
#define RA_PREFIX_PREFERRED_S  14400

enum ra_mode {
	RA_SLAAC,     /* A: guests make addresses; all else is said here */
	RA_STATELESS, /* A, O: … and DHCPv6 has the rest, too */
	RA_STATEFUL,  /* M, O: DHCPv6 gives addresses */
	RA_OFF,	      /* nothing is announced (any more) */
};

/** struct ra_config - What is announced; copied. */
struct ra_config {
	enum ra_mode mode;
	struct ip6_net prefix; /* a /64, on-link (L) */
	bool router;	       /* default router; false: lifetime 0 */
	uint16_t mtu;	       /* 0 = not said */
	struct mac mac;	       /* the gateway's, as source link-layer address */
	struct ipaddr dns[RA_DNS_MAX];
	size_t ndns;
	char domain[RA_DOMAIN_MAX + 1]; /* searched; "" = none */
};

/** struct ra - Owned by the caller; fields are ra.c's. */
struct ra {
	struct ra_config cfg;
	uint64_t rng;
	unsigned int initial;  /* of the burst at the start, still to come */
	int64_t multicast_ms;  /* when the next one to all is due */
	int64_t last_ms;       /* when the last one to all went */
	/* Addresses of guests' own making are not wanted any more, and said to be
	 * so until then; 0 = never were, or that is over. */
	int64_t deprecate_ms;
	unsigned int finals; /* RA_OFF: last words still to come */
	struct ra_asker {
		struct ipaddr ip;
		struct mac mac;
		int64_t due_ms;
	} asker[RA_ASKERS_MAX];
	unsigned int naskers;
};

/* A solicitation as it came in. */
struct ra_input {
	const uint8_t *data; /* ICMPv6 message from its type on, borrowed */
	size_t len;
	struct ipaddr src;   /* :: for a guest without an address */
	uint8_t hop_limit;
	struct mac src_mac;  /* of the Ethernet header */
};

/* An advertisement to be sent. */
struct ra_msg {
	struct ipaddr dst; /* ff02::1, or who had asked */
	struct mac mac;	   /* of who had asked; zero = of the group */
	size_t len;
	uint8_t data[RA_MSG_MAX]; /* from the type on; checksum 0 */
};

/* Says everything three times in the beginning, then now and then. @seed: random. */
void ra_init(struct ra *ra, const struct ra_config *cfg, uint64_t seed,
	     int64_t now_ms);

/* Something of it is another: as at the start, guests are told soon. */
void ra_configure(struct ra *ra, const struct ra_config *cfg, int64_t now_ms);

/**
 * ra_input() - Somebody asks for routers
 *
 * Who has an address is answered alone, within RA_ANSWER_MAX_MS; else all are, and
 * RA_MIN_DELAY_MS after the last time at the earliest (RFC 4861 6.2.6). More than
 * RA_ASKERS_MAX at a time are answered together.
 *
 * Return: false for what is no valid solicitation (RFC 4861 6.1.1).
 */
bool ra_input(struct ra *ra, const struct ra_input *in, int64_t now_ms);

/* The next message that is due, if any; to be called until false. */
bool ra_next(struct ra *ra, int64_t now_ms, struct ra_msg *out);

/* When ra_next() has something to say again; RA_NEVER. */
int64_t ra_deadline(const struct ra *ra);

/* The last word (RFC 4861 6.2.5): no router here any more, nor a resolver. */
void ra_final(const struct ra *ra, struct ra_msg *out);

#endif
