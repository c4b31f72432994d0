/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DHCPv6 message on the wire (RFC 8415 8, 9, 21): a parser that takes any bytes
 * and the pieces to build answers with. No state and no opinion here.
 */
#ifndef VNET_DHCP_DHCP6_MSG_H
#define VNET_DHCP_DHCP6_MSG_H

#include "dhcp/dhcp6_server.h"
#include "lib/bytes.h"

#define DHCP6_RELAYS_MAX 8   /* nested (RFC 8415 7.6: HOP_COUNT_LIMIT) */
#define DHCP6_OPTS_MAX	 128 /* options of one level that are looked at */
#define DHCP6_ITEMS_MAX	 4   /* addresses of an IA that are looked at */

/* RFC 8415 7.3 */
enum dhcp6_type {
	DHCP6_SOLICIT = 1,
	DHCP6_ADVERTISE,
	DHCP6_REQUEST,
	DHCP6_CONFIRM,
	DHCP6_RENEW,
	DHCP6_REBIND,
	DHCP6_REPLY,
	DHCP6_RELEASE,
	DHCP6_DECLINE,
	DHCP6_RECONFIGURE,
	DHCP6_INFORMATION,
	DHCP6_RELAY_FORW,
	DHCP6_RELAY_REPL,
};

enum dhcp6_opt {
	DHCP6_OPT_CLIENT_ID = 1,    /* RFC 8415 21.2 */
	DHCP6_OPT_SERVER_ID = 2,    /* 21.3 */
	DHCP6_OPT_IA_NA = 3,	    /* 21.4 */
	DHCP6_OPT_IA_TA = 4,	    /* 21.5 */
	DHCP6_OPT_IAADDR = 5,	    /* 21.6 */
	DHCP6_OPT_ORO = 6,	    /* 21.7 */
	DHCP6_OPT_PREFERENCE = 7,   /* 21.8 */
	DHCP6_OPT_ELAPSED = 8,	    /* 21.9; ignored */
	DHCP6_OPT_RELAY_MSG = 9,    /* 21.10 */
	DHCP6_OPT_STATUS = 13,	    /* 21.13 */
	DHCP6_OPT_RAPID = 14,	    /* 21.14 */
	DHCP6_OPT_INTERFACE = 18,   /* 21.18 */
	DHCP6_OPT_DNS = 23,	    /* RFC 3646 3 */
	DHCP6_OPT_DOMAIN = 24,	    /* RFC 3646 4 */
	DHCP6_OPT_IA_PD = 25,	    /* RFC 8415 21.21 */
	DHCP6_OPT_IAPREFIX = 26,    /* 21.22 */
	DHCP6_OPT_REFRESH = 32,	    /* 21.23 */
	DHCP6_OPT_FQDN = 39,	    /* RFC 4704 4 */
	DHCP6_OPT_CLIENT_LLA = 79,  /* RFC 6939 4 */
	DHCP6_OPT_SOL_MAX_RT = 82,  /* RFC 8415 21.24 */
	DHCP6_OPT_INF_MAX_RT = 83,  /* 21.25 */
};

/* RFC 8415 21.13 */
enum dhcp6_status {
	DHCP6_S_SUCCESS,
	DHCP6_S_UNSPEC,
	DHCP6_S_NO_ADDRS,
	DHCP6_S_NO_BINDING,
	DHCP6_S_NOT_ON_LINK,
	DHCP6_S_USE_MULTICAST,
	DHCP6_S_NO_PREFIX,
};

/** struct dhcp6_item - An address or prefix of an IA, as the client sees it. */
struct dhcp6_item {
	struct ipaddr ip;
	uint8_t plen; /* 128 = an address; 0: a mere wish for any prefix */
};

/** struct dhcp6_ia - An identity association. */
struct dhcp6_ia {
	uint16_t opt; /* DHCP6_OPT_IA_NA, _TA or _PD */
	uint32_t iaid;
	unsigned int nitems; /* more are passed over */
	struct dhcp6_item item[DHCP6_ITEMS_MAX];
};

/** struct dhcp6_relay - One level of wrapping, outermost first. */
struct dhcp6_relay {
	uint8_t hops;
	struct ipaddr link, peer;
	const uint8_t *interface; /* NULL = none; borrowed */
	uint16_t interface_len;
	struct mac mac; /* the client's, as the relay says; zero = it does not */
};

/** struct dhcp6_msg - A parsed message; borrows the bytes. */
struct dhcp6_msg {
	unsigned int nrelays;
	struct dhcp6_relay relay[DHCP6_RELAYS_MAX];
	uint8_t type; /* of the client's message */
	uint32_t xid; /* 24 bits */
	const uint8_t *client, *server; /* DUIDs; NULL = none */
	uint8_t client_len, server_len;
	bool rapid;
	bool has_oro;
	bool wants_dns, wants_domain, wants_sol, wants_inf, wants_refresh,
		wants_fqdn;
	bool has_fqdn;
	uint8_t fqdn_flags;
	const uint8_t *fqdn; /* first label of the name; borrowed */
	uint8_t fqdn_len;
	unsigned int nias; /* more are passed over */
	struct dhcp6_ia ia[DHCP6_IAS_MAX];
};

/**
 * dhcp6_msg_parse() - Decode @len bytes, unwrapping relays
 *
 * Unknown options are passed over. An option that runs over its place, one of the
 * above with an impossible length, and a second client or server identifier are
 * refused.
 *
 * Return: 0; -EMSGSIZE too short or longer than DHCP6_MSG_MAX; -ELOOP more than
 * DHCP6_RELAYS_MAX relays; -EPROTO.
 */
int dhcp6_msg_parse(const void *p, size_t len, struct dhcp6_msg *m);

/* An option whose length is known. */
void dhcp6_put(struct wbuf *w, uint16_t opt, const void *p, size_t len);

/* Begin one whose length is not; _end() with what it returned. */
size_t dhcp6_begin(struct wbuf *w, uint16_t opt);
void dhcp6_end(struct wbuf *w, size_t at);

void dhcp6_put_status(struct wbuf *w, enum dhcp6_status code);

/* @name as DNS has it (RFC 1035 3.1), without compression (RFC 8415 10). Labels that
 * are none are left out. */
void dhcp6_put_name(struct wbuf *w, const char *name, bool root);

/* IAADDR or IAPREFIX with these lifetimes. */
void dhcp6_put_item(struct wbuf *w, const struct dhcp6_item *item,
		    uint32_t preferred_s, uint32_t valid_s);

/* The relays' headers around what follows; _unwrap() when that is written. */
struct dhcp6_wrap {
	size_t at[DHCP6_RELAYS_MAX];
	unsigned int n;
};
void dhcp6_wrap(struct wbuf *w, const struct dhcp6_msg *m, struct dhcp6_wrap *x);
void dhcp6_unwrap(struct wbuf *w, const struct dhcp6_wrap *x);

#endif
