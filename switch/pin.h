/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest's NIC may say about itself: which MAC, which addresses. And what nobody
 * but the network may say. Pure; the switch asks, who owns what is told from outside.
 *
 * A pin is a NIC's; all of the NIC's ports share it. Three levels:
 *
 *   PIN_OFF  anything, but the network's own addresses (pin_set_own) and what might hide
 *	      them; that is judged for every guest. To ask whether they are free is no
 *	      claim: the owner's answer helps.
 *   PIN_MAC  and no MAC but the NIC's: source of the frame, ARP's and neighbour
 *	      discovery's link-layer addresses, DHCP's chaddr.
 *   PIN_IP   and no address but its own: source of IPv4 and IPv6, sender of ARP, target
 *	      of neighbour discovery. Nothing but ARP, RARP requests, IPv4 and IPv6 behind
 *	      up to HDRS_TAGS tags, no DHCP server, no router advertisement, no redirect.
 *
 * Its own are those that it was given (pin_allow) and, of IPv6, those it makes itself:
 * link-local ones, and of the network's prefix where guests make theirs (SLAAC). Of these
 * the first to claim one has it, until its NIC is gone (as RFC 6620 does); what is another
 * NIC's by any of these ways, or follows from another one's MAC, cannot be claimed. A NIC
 * may have PIN_BOUND_MAX of them; of more the one that was not used for longest is let go.
 *
 * What may be passed without having one: ARP probes, DHCP and IGMP from 0.0.0.0,
 * duplicate address detection (for addresses that it may have), MLD and solicitations from
 * :: to groups of the link.
 *
 * What cannot be read to its end is dropped where it may be neighbour discovery or DHCP:
 * fragmented (RFC 6980 5, RFC 1858), behind more headers than frame_hdr() has.
 */
#ifndef VNET_SWITCH_PIN_H
#define VNET_SWITCH_PIN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bytes.h"
#include "lib/inet.h"
#include "lib/list.h"
#include "switch/frame.h"
#include "switch/hdrs.h"
#include "switch/limit.h"

#define PIN_ALLOW_MAX 32
#define PIN_BOUND_MAX 16
#define PIN_OWN4_MAX  4
#define PIN_OWN6_MAX  6
#define PIN_BINDS_MAX 8 /* new addresses of IPv6 per NIC and second */
#define PIN_TOLD_MS   60000

enum pin_level { PIN_OFF, PIN_MAC, PIN_IP };

/* What is wrong with a frame; bits. */
enum pin_fault {
	PIN_OK = 0,
	PIN_F_MAC = 1 << 0,	/* the frame is from another MAC */
	PIN_F_CLAIM = 1 << 1,	/* ARP, neighbour discovery: another's MAC, address */
	PIN_F_ADDRESS = 1 << 2, /* IP from another address */
	PIN_F_DHCP = 1 << 3,	/* DHCP for another MAC */
	PIN_F_GATEWAY = 1 << 4, /* an address of the network's own */
	PIN_F_OTHER = 1 << 5,	/* no protocol that could be judged */
	PIN_F_STORM = 1 << 6,	/* beyond the limit of broadcasts; pin_tell() only */
};

#define PIN_FAULTS 7

/* "mac", "claim", "address", … */
const char *pin_fault_name(enum pin_fault f);

/* What is to be done at all: so that frames of whom nothing is asked cost little. */
enum pin_flag {
	PIN_ISOLATED = 1 << 0, /* from and to no other guest */
	PIN_STORM = 1 << 1,
	PIN_RATE_OUT = 1 << 2, /* from the guest */
	PIN_RATE_IN = 1 << 3,  /* to it */
	PIN_HELD = 1 << 4,     /* the level is not PIN_OFF */
	PIN_CLIENT = 1 << 5,   /* it is PIN_IP: no server, no router */
	PIN_OWN = 1 << 6,      /* of pin_set: there are addresses of the network's own */
	PIN_HOST = 1 << 7,     /* of a port: it has src_ip4 */

	PIN_LOOK = PIN_RATE_OUT | PIN_HELD | PIN_OWN,	      /* of what comes */
	PIN_DOOR = PIN_ISOLATED | PIN_RATE_IN | PIN_HOST, /* of where it goes */
};

/* A prefix of either family; IPv4 is 96 longer. */
struct pin_net {
	struct ipaddr addr;
	uint8_t plen;
};

struct pin {
	struct list node; /* pin_set.pins; zeroed: on none */
	uint8_t level;	  /* enum pin_level, set by pin_level() */
	uint8_t flags;	  /* enum pin_flag */
	/* Sources of the last frames that were judged as a whole; 0 first = none. */
	uint32_t usual4;
	struct ipaddr usual6;
	struct mac mac;
	uint8_t nallow, nbound;
	uint8_t hit; /* index in allow of what was found last */
	struct pin_net allow[PIN_ALLOW_MAX];
	struct pin_bound {
		struct ipaddr ip;
		int64_t used_s;
	} bound[PIN_BOUND_MAX];
	int64_t binds_ms; /* PIN_BINDS_MAX: window, and use of it */
	uint8_t binds;
	uint8_t told; /* enum pin_fault told in this while, … */
	int64_t told_ms; /* … which began then */
	struct limit storm, out, in; /* frames; bytes */
};

/* All of a network. */
struct pin_set {
	struct list pins;
	uint8_t flags; /* PIN_OWN */
	uint32_t own4[PIN_OWN4_MAX];
	uint32_t alike4; /* the bits that all of own4 have in common */
	struct ipaddr own6[PIN_OWN6_MAX];
	uint8_t nown4, nown6;
	struct ip6_net slaac; /* guests make addresses of it; plen 0 = of none */
};

void pin_set_init(struct pin_set *s);

/* Of the network itself from now on, either family; what is zero or too much is not
 * kept. */
void pin_set_own(struct pin_set *s, const struct ipaddr *ip, size_t n);

/* Nothing is allowed, nothing bound, level PIN_OFF. */
void pin_add(struct pin_set *s, struct pin *p, const struct mac *mac);
void pin_del(struct pin *p);

void pin_level(struct pin *p, enum pin_level level);

/* Exactly these, beside what is bound; what is beyond PIN_ALLOW_MAX is not kept. */
void pin_allow(struct pin *p, const struct pin_net *net, size_t n);

/* At most so many broadcasts, multicasts and frames to unknown addresses a second (and
 * as many at once), and bytes from and to the guest; 0 = any. */
void pin_limits(struct pin *p, uint64_t storm, uint64_t out, uint64_t in);

/* @p was seen to use @ip, unjudged: nobody else may claim it from now on. */
void pin_note(struct pin_set *s, struct pin *p, const struct ipaddr *ip,
	      int64_t now_ms);

/* Has @p this address, by gift or claim? */
bool pin_has(const struct pin *p, const struct ipaddr *ip);

/**
 * pin_judge() - May this frame come from @p?
 * @h: from hdrs_l2()
 *
 * A claim that may be made is noted. Return: PIN_OK or one fault.
 */
enum pin_fault pin_judge(struct pin_set *s, struct pin *p, const struct frame *f,
			 const struct hdrs *h, int64_t now_ms);

/* Is @fault to be told? The first of its kind per NIC and PIN_TOLD_MS. */
bool pin_tell(struct pin *p, enum pin_fault fault, int64_t now_ms);

/* Cheap, for every frame of a NIC at PIN_OFF: false when pin_judge() would say PIN_OK. */
static inline bool pin_maybe_own(const struct pin_set *s, const struct frame *f,
				 const struct hdrs *h)
{
	const uint8_t *p = frame_hdr(f) + h->l3;
	size_t len = frame_hdr_len(f) - h->l3;

	if (h->type == ETH_P_IP4) {
		uint32_t src = len >= 20 ? get_be32(p + 12) : 0;

		if ((src ^ s->own4[0]) & s->alike4)
			return false;
		for (unsigned int i = 0; i < s->nown4; i++)
			if (src == s->own4[i])
				return true;
		return false;
	}
	if (h->type == ETH_P_IP6) {
		if (!s->nown6 || len < 40)
			return false;
		if (p[6] != 6 && p[6] != 17)
			return true;
		for (unsigned int i = 0; i < s->nown6; i++)
			if (!memcmp(p + 8, s->own6[i].b, 16))
				return true;
		return false;
	}
	return true;
}

/* As above, of one that is held: TCP, or UDP that is not DHCP's, from where it comes most
 * of the time. What is not read here is not what pin_judge() looks for. */
static inline bool pin_is_usual(const struct pin *p, const struct frame *f,
				const struct hdrs *h)
{
	const uint8_t *b = frame_hdr(f), *q = b + h->l3;
	size_t len = frame_hdr_len(f) - h->l3;

	if (memcmp(b + 6, p->mac.b, 6))
		return false;
	if (h->type == ETH_P_IP4)
		return len >= 28 && p->usual4 && get_be32(q + 12) == p->usual4 &&
		       q[0] == 0x45 &&
		       (q[9] == 6 || (q[9] == 17 && get_be16(q + 22) != 67 &&
				      !(get_be16(q + 6) & 0x3fff)));
	return h->type == ETH_P_IP6 && len >= 44 && p->usual6.b[0] &&
	       q[0] >> 4 == 6 && (q[6] == 6 || q[6] == 17) &&
	       !memcmp(q + 8, p->usual6.b, 16);
}

/* Of any level. */
static inline bool pin_maybe(const struct pin_set *s, const struct pin *p,
			     const struct frame *f, const struct hdrs *h)
{
	if (p->level != PIN_OFF)
		return !pin_is_usual(p, f, h);
	return s->flags && !h->vid && pin_maybe_own(s, f, h);
}

/* ---- what a frame says ------------------------------------------------------- */

#define PIN_SAYS_MACS 4
#define PIN_SAYS_IPS  2

struct pin_says {
	uint8_t nmac, nip;
	bool dhcp;   /* the MACs are DHCP's */
	bool claim;  /* ARP or neighbour discovery */
	bool dad;    /* it asks whether ip[0] is free (RFC 4862 5.4.2) */
	bool hidden; /* it may be one of those, and cannot be read to its end */
	bool other;  /* nothing that PIN_IP lets through */
	struct mac mac[PIN_SAYS_MACS];
	struct ipaddr ip[PIN_SAYS_IPS];
};

/* Total: any bytes give a result. */
void pin_says(const struct frame *f, const struct hdrs *h, struct pin_says *out);

#endif
