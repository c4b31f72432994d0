/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DHCP message on the wire (RFC 2131 2): a parser that takes any bytes and
 * a builder that never writes past its room. No state and no opinion here.
 */
#ifndef VNET_DHCP_DHCP_MSG_H
#define VNET_DHCP_DHCP_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dhcp/dhcp_server.h"
#include "lib/bytes.h"

#define DHCP_HDR_LEN	    236	       /* op to file (RFC 2131 2, figure 1) */
#define DHCP_COOKIE	    0x63825363 /* RFC 2131 3 */
#define DHCP_MIN_LEN	    300 /* BOOTP's smallest message (RFC 1542 2.1) */
#define DHCP_CHADDR_LEN	    16
#define DHCP_F_BROADCAST    0x8000 /* RFC 2131 2, figure 2 */
#define DHCP_HTYPE_ETHERNET 1

enum { DHCP_BOOTREQUEST = 1, DHCP_BOOTREPLY = 2 };

/* RFC 2132 9.6 */
enum dhcp_type {
	DHCP_BOOTP = 0, /* none: a BOOTP client's */
	DHCP_DISCOVER = 1,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
	DHCP_INFORM,
};

enum dhcp_opt {
	DHCP_OPT_PAD = 0,	     /* RFC 2132 3.1 */
	DHCP_OPT_MASK = 1,	     /* 3.3 */
	DHCP_OPT_ROUTER = 3,	     /* 3.5 */
	DHCP_OPT_DNS = 6,	     /* 3.8 */
	DHCP_OPT_HOSTNAME = 12,	     /* 3.14 */
	DHCP_OPT_DOMAIN = 15,	     /* 3.17 */
	DHCP_OPT_MTU = 26,	     /* 5.1 */
	DHCP_OPT_BROADCAST = 28,     /* 5.3 */
	DHCP_OPT_STATIC_ROUTES = 33, /* 5.8 */
	DHCP_OPT_VENDOR_INFO = 43,   /* 8.4 */
	DHCP_OPT_REQUESTED = 50,     /* 9.1 */
	DHCP_OPT_LEASE = 51,	     /* 9.2 */
	DHCP_OPT_OVERLOAD = 52,	     /* 9.3 */
	DHCP_OPT_TYPE = 53,	     /* 9.6 */
	DHCP_OPT_SERVER_ID = 54,     /* 9.7 */
	DHCP_OPT_PARAMETERS = 55,    /* 9.8 */
	DHCP_OPT_MESSAGE = 56,	     /* 9.9 */
	DHCP_OPT_MAX_SIZE = 57,	     /* 9.10 */
	DHCP_OPT_T1 = 58,	     /* 9.11 */
	DHCP_OPT_T2 = 59,	     /* 9.12 */
	DHCP_OPT_VENDOR_CLASS = 60,  /* 9.13 */
	DHCP_OPT_CLIENT_ID = 61,     /* 9.14 */
	DHCP_OPT_TFTP_SERVER = 66,   /* 9.4 */
	DHCP_OPT_BOOT_FILE = 67,     /* 9.5 */
	DHCP_OPT_USER_CLASS = 77,    /* RFC 3004 */
	DHCP_OPT_RAPID = 80,	     /* RFC 4039 */
	DHCP_OPT_FQDN = 81,	     /* RFC 4702 */
	DHCP_OPT_RELAY = 82,	     /* RFC 3046 */
	DHCP_OPT_ARCH = 93,	     /* RFC 4578 2.1 */
	DHCP_OPT_MACHINE = 97,	     /* RFC 4578 2.3 */
	DHCP_OPT_IPV6_ONLY = 108,    /* RFC 8925 */
	DHCP_OPT_ROUTES = 121,	     /* RFC 3442 */
	DHCP_OPT_IPXE = 175,	     /* iPXE's own options */
	DHCP_OPT_MS_ROUTES = 249,    /* as 121, for Windows */
	DHCP_OPT_END = 255,	     /* RFC 2132 3.2 */
};

/** struct dhcp_hdr - The fixed fields, host order. */
struct dhcp_hdr {
	uint8_t op, htype, hlen, hops;
	uint32_t xid;
	uint16_t secs, flags;
	uint32_t ciaddr, yiaddr, siaddr, giaddr;
	uint8_t chaddr[DHCP_CHADDR_LEN];
};

/**
 * struct dhcp_msg - A parsed message
 *
 * Every option is there once: pieces of a long one are joined in the order
 * options, file, sname (RFC 3396 5), which is also what becomes of duplicates.
 */
struct dhcp_msg {
	struct dhcp_hdr h;
	uint8_t have[32];  /* bit per option code */
	uint16_t at[256];  /* where in @data */
	uint16_t len[256]; /* 0 when absent */
	uint8_t data[DHCP_MSG_MAX];
};

/**
 * dhcp_msg_parse() - Decode @len bytes
 *
 * Overload (option 52) is followed. A missing end option is forgiven; an option
 * that runs over its field, and one of 50, 51, 52, 53, 54, 57 with an
 * impossible length, is not. Unknown options are kept.
 *
 * Return: 0; -EMSGSIZE too short or longer than DHCP_MSG_MAX; -ENOMSG no magic
 * cookie or no message type (a BOOTP client; the header is decoded); -EPROTO.
 */
int dhcp_msg_parse(const void *p, size_t len, struct dhcp_msg *m);

static inline bool dhcp_msg_has(const struct dhcp_msg *m, uint8_t code)
{
	return m->have[code / 8] >> (code % 8) & 1;
}

/* The option's bytes (its length in @len, 0 when absent); never NULL. */
static inline const uint8_t *dhcp_msg_opt(const struct dhcp_msg *m,
					  uint8_t code, size_t *len)
{
	*len = m->len[code];
	return m->data + m->at[code];
}

/* Options of fixed length; 0 when absent. */
static inline uint8_t dhcp_msg_u8(const struct dhcp_msg *m, uint8_t code)
{
	return m->len[code] == 1 ? m->data[m->at[code]] : 0;
}

static inline uint16_t dhcp_msg_be16(const struct dhcp_msg *m, uint8_t code)
{
	return m->len[code] == 2 ? get_be16(m->data + m->at[code]) : 0;
}

static inline uint32_t dhcp_msg_be32(const struct dhcp_msg *m, uint8_t code)
{
	return m->len[code] == 4 ? get_be32(m->data + m->at[code]) : 0;
}

/* Sub-options of option 82 (RFC 3046 2.0). */
enum dhcp_relay_sub {
	DHCP_SUB_LINK = 5,	 /* RFC 3527 */
	DHCP_SUB_SERVER_ID = 11, /* RFC 5107 */
};

/* One that is an address; 0 when it is absent, or of another length. */
uint32_t dhcp_msg_relay_ip4(const struct dhcp_msg *m, enum dhcp_relay_sub sub);

/** struct dhcp_build - A message being written into the caller's storage. */
struct dhcp_build {
	struct wbuf w;
	size_t reserve;	     /* bytes kept for what comes last */
	struct wbuf more[2]; /* file and sname, for options that have no room */
	bool overload;
};

#define DHCP_FILE_LEN  128
#define DHCP_SNAME_LEN 64

/* The fields of the header; what is too long is left out (false). */
bool dhcp_build_file(struct dhcp_build *b, const char *file);
bool dhcp_build_sname(struct dhcp_build *b, const char *name);

/* Options that have no room may go where no file and no server's name are (RFC
 * 2132 9.3); takes 3 bytes of the room until dhcp_build_unreserve(). */
void dhcp_build_overload(struct dhcp_build *b);

/* Header, cookie; @reserve bytes (the end option is extra) are kept back. */
void dhcp_build_start(struct dhcp_build *b, const struct dhcp_hdr *h, void *buf,
		      size_t cap, size_t reserve);

/* Bytes that an option of @len bytes takes when split as needed (RFC 3396 6).
 */
size_t dhcp_opt_size(size_t len);

/* Add an option, split when longer than 255; false (and nothing written) when
 * it does not fit beside the reserve. */
bool dhcp_build_opt(struct dhcp_build *b, uint8_t code, const void *p,
		    size_t len);

/* The same, and a pad behind it where there is room: firmware that ends a text with a
 * NUL in its copy of the message writes it there, not over the next option (edk2
 * does, with option 67). */
bool dhcp_build_text(struct dhcp_build *b, uint8_t code, const void *p,
		     size_t len);

/* Give the reserve free, for what it was kept for; overload ends. */
void dhcp_build_unreserve(struct dhcp_build *b);

/* End option, and padding to DHCP_MIN_LEN as far as there is room. Returns the
 * length; 0 when the header did not fit. */
size_t dhcp_build_end(struct dhcp_build *b);

#endif
