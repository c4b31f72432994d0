/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DHCPv4 server of one network (RFC 2131, 2132): bytes in, bytes out, lease
 * events. Pure: no sockets, no clock, no store; `now_s` is wall-clock seconds,
 * so that stored expiry times mean the same after a restart (a step backwards
 * is coped with).
 *
 * Theory of operation. A binding joins an address with a client:
 *
 *	(none) -> OFFERED -> BOUND -> EXPIRED | RELEASED -> OFFERED -> …
 *	OFFERED | BOUND -> DECLINED -> (none)
 *
 * OFFERED is held DHCP_OFFER_S and never stored. A lease becomes BOUND, or
 * longer, only when the caller has stored it: dhcp_server_input() then says
 * DHCP_REPLY_AFTER_COMMIT, the caller stores the lease it was given and calls
 * dhcp_server_committed(), which hands over the ACK (or dhcp_server_failed():
 * no ACK, all is as before the request). What needs no answer (release,
 * decline, expiry) is an event. Commits and events must reach the store in the
 * order in which they were handed out.
 *
 * Who is a client? By default the NIC (switch port) and the hardware address
 * together: one VM keeps its address through firmware, initrd and system,
 * whatever client identifier each of them sends, cloned disks with one
 * identifier get an address each, and no guest can renew or release another
 * one's lease by writing its MAC. This departs from RFC 2131 4.2 (the server
 * MUST use the client identifier); DHCP_IDENTITY_RFC2131 follows it. Where the
 * NIC is not known (0 in the message or in the lease) the MAC alone decides.
 *
 * Read dhcp_rules.c for what each message does, dhcp_msg.h for the wire format,
 * dhcp_pool.h for bindings and the choice of an address.
 */
#ifndef VNET_DHCP_DHCP_SERVER_H
#define VNET_DHCP_DHCP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "lib/inet.h"

#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68

#define DHCP_CLIENT_ID_MAX 255 /* bytes; longer ones are cut */
#define DHCP_HOSTNAME_MAX  63  /* characters of a label (RFC 1123 2.1) */
#define DHCP_DOMAIN_MAX	   253 /* characters (RFC 1035 2.3.4) */
#define DHCP_DNS_MAX	   3
#define DHCP_POOL_MAX	   65536  /* addresses in all pools of a network */
#define DHCP_RELAY_MAX	   16	  /* links behind relays */
#define DHCP_BINDINGS_MAX  131072 /* and those of old pools */
#define DHCP_RESERVE_MAX   65536
#define DHCP_PENDING_MAX   1024 /* commits that wait; more: request dropped */
#define DHCP_NIC_BINDINGS  32	/* default of dhcp_config.max_per_nic */
#define DHCP_MSG_MAX	   2048 /* bytes of a request; longer: dropped */
#define DHCP_REPLY_MAX	   1200 /* bytes of a reply */

/* Options of scopes (dhcp_opt.h). */
#define DHCP_SCOPES_MAX	   4096 /* of a network, that have options */
#define DHCP_VIEW_MAX	   16	/* that hold for one client; more groups: ignored */
#define DHCP_GROUP_MAX	   48	/* characters of a group's name */
#define DHCP_MATCH_MAX	   255	/* characters of its conditions */
#define DHCP_BOOT_MAX	   16	/* boot files of a network */
#define DHCP_BOOT_FILE_MAX 255	/* characters of one */
#define DHCP_BOOT_NAME_MAX 63	/* characters of the server's name (sname) */

#define DHCP_LEASE_S	    86400 /* default lease time */
#define DHCP_LEASE_INFINITE 0xffffffffu
#define DHCP_NEVER	    INT64_MAX
#define DHCP_OFFER_S	    60	/* an offer is held */
#define DHCP_QUARANTINE_S   600 /* a declined address is left alone */

/* ---- leases -------------------------------------------------------------- */

enum dhcp_state {
	DHCP_OFFERED,
	DHCP_BOUND,
	DHCP_RELEASED, /* by the client; remembered until somebody needs it */
	DHCP_EXPIRED,  /* likewise */
	DHCP_PROMISED, /* likewise, and no client has had it yet */
	DHCP_DECLINED, /* somebody else uses the address; until expiry_s */
};

/* Is it nobody's now, but kept for whom it was or will be? */
static inline bool dhcp_state_freed(enum dhcp_state s)
{
	return s == DHCP_RELEASED || s == DHCP_EXPIRED || s == DHCP_PROMISED;
}

/* "offered", "bound", …; and back, -EINVAL for other words. */
const char *dhcp_state_name(enum dhcp_state s);
int dhcp_state_parse(const char *s);

/** struct dhcp_lease - A binding as it is stored, listed and loaded. */
struct dhcp_lease {
	uint32_t ip;	  /* host order */
	struct mac mac;	  /* chaddr; zero: conflict seen without a client */
	uint64_t nic_id;  /* NIC it came in on; 0 = not known */
	int64_t expiry_s; /* wall clock; of an offer or quarantine: its end */
	enum dhcp_state state;
	uint8_t client_id_len; /* 0 = the client sent none */
	uint8_t client_id[DHCP_CLIENT_ID_MAX];
	/* The owner's name for the MAC, else what the client claims to be: one
	 * label of a-z, 0-9 and '-'. Claims are not unique. May be empty. */
	char hostname[DHCP_HOSTNAME_MAX + 1];
};

/* ---- configuration ------------------------------------------------------- */

enum dhcp_identity {
	DHCP_IDENTITY_NIC,     /* NIC and MAC (default, see above) */
	DHCP_IDENTITY_RFC2131, /* client identifier, else MAC; never the NIC */
};

#define DHCP_ARCH_BIOS 0
#define DHCP_ARCH_IPXE 0xfffe /* a client that is iPXE already */
#define DHCP_ARCH_ANY  0xffff /* any other */

/** struct dhcp_boot - What clients boot; zeroed = nothing. */
struct dhcp_boot {
	uint32_t server;		     /* 0 = server_ip */
	char name[DHCP_BOOT_NAME_MAX + 1];   /* the server's; "" = its address */
	unsigned int nrules;
	struct dhcp_boot_rule {
		uint16_t arch; /* RFC 4578 2.1, or one of the above */
		char file[DHCP_BOOT_FILE_MAX + 1];
	} rule[DHCP_BOOT_MAX];
};

/** struct dhcp_range - Addresses of one link: the network's, or one behind relays. */
struct dhcp_range {
	struct ip4_net net;
	uint32_t first, last; /* pool, inclusive; both 0: none */
	uint32_t router;      /* 0 = option not sent */
};

/** struct dhcp_config - Zeroed fields mean what their comments say; copied. */
struct dhcp_config {
	struct ip4_net net; /* prefix length 1..30 */
	uint32_t server_ip; /* ours, in net; also the server identifier */
	uint32_t first;	    /* pool, inclusive, in net; both 0: no dynamic */
	uint32_t last;	    /* addresses, reservations only */
	uint32_t lease_s;   /* 0 = DHCP_LEASE_S; DHCP_LEASE_INFINITE */
	uint32_t router;    /* 0 = option not sent */
	uint32_t dns[DHCP_DNS_MAX];
	unsigned int ndns;
	uint16_t mtu;			  /* 0 = option not sent; else >= 68 */
	char domain[DHCP_DOMAIN_MAX + 1]; /* "" = option not sent */
	enum dhcp_identity identity;
	uint32_t max_per_nic; /* addresses one NIC may hold (offers and
			       * quarantined ones count);
			       * 0 = DHCP_NIC_BINDINGS */
	/* We are the only server here: clients that we have no record of are
	 * told NAK instead of silence (RFC 2131 4.3.2 wants silence where
	 * several servers may share a network). */
	bool authoritative;
	bool rapid_commit; /* RFC 4039: one exchange, for clients that ask */
	struct dhcp_boot boot;
	/* Links behind relays (RFC 2131 4.3.1; RFC 3046, 3527): for messages of
	 * relays that stand on them. They overlap neither net nor each other. */
	unsigned int nrelay;
	struct dhcp_range relay[DHCP_RELAY_MAX];
};

/* ---- events -------------------------------------------------------------- */

enum dhcp_event_type {
	DHCP_EV_RELEASED,  /* to be stored: @lease as it is now */
	DHCP_EV_EXPIRED,   /* to be stored */
	DHCP_EV_DECLINED,  /* to be stored; a client found the address in use */
	DHCP_EV_CONFLICT,  /* likewise; the in_use hook found it */
	DHCP_EV_FORGOTTEN, /* the stored lease of @lease->ip is to be deleted */
	DHCP_EV_EXHAUSTED, /* no address for @lease->mac on nic_id (ip is 0);
			    * at most one a minute */
	DHCP_EV_OTHER_SERVER, /* @lease->mac on nic_id took the offer of another
			       * server, @lease->ip; at most one a minute */
	DHCP_EVENTS
};

const char *dhcp_event_name(enum dhcp_event_type t);

/* Who uses an address that no client of ours holds? */
enum dhcp_use {
	DHCP_USE_NONE,	/* nobody, as far as is known */
	DHCP_USE_TAKEN, /* somebody does */
	DHCP_USE_ASKED, /* it is being found out: see DHCP_WAIT */
};

struct dhcp_ops {
	/* Something happened; @lease is borrowed. Called from within the calls
	 * below that take @now_s; must not call the server back. Required. */
	void (*event)(void *arg, enum dhcp_event_type type,
		      const struct dhcp_lease *lease);
	/* Is @ip used by somebody other than @mac? Asked before an address is
	 * offered or granted anew (RFC 2131 2.2). Only with @ask may it take
	 * time: DHCP_USE_ASKED. NULL: never used. Must not call the server back.
	 */
	enum dhcp_use (*in_use)(void *arg, uint32_t ip, const struct mac *mac,
				bool ask);
};

/* ---- life cycle ---------------------------------------------------------- */

struct dhcp_server;

/**
 * dhcp_server_new() - A server without leases
 * @ops: borrowed, must outlive the server
 * @seed: 16 secret bytes for the tables, or NULL (tests)
 *
 * Return: 0; -EINVAL or -ERANGE when @cfg contradicts itself; -ENOMEM.
 */
int dhcp_server_new(const struct dhcp_config *cfg, const struct dhcp_ops *ops,
		    void *arg, const uint64_t seed[2], struct dhcp_server **out,
		    struct errtext *why);

/* No events. Commits that wait are lost, their ACKs too. NULL is fine. */
void dhcp_server_free(struct dhcp_server *s);

/**
 * dhcp_server_configure() - Change the configuration live
 *
 * Leases outside the new pool stay until they expire, but are not renewed:
 * their clients get NAK and ask again. Nothing changes on error (as in _new()).
 */
int dhcp_server_configure(struct dhcp_server *s, const struct dhcp_config *cfg,
			  int64_t now_s, struct errtext *why);

const struct dhcp_config *dhcp_server_config(const struct dhcp_server *s);

/**
 * dhcp_server_load() - Take back a stored lease, before the first input
 *
 * Load in order of expiry: expired and released addresses are reused in the
 * order of loading. A BOUND lease past its expiry becomes EXPIRED (with its
 * event). What the pool cannot hold any more is FORGOTTEN (with its event).
 *
 * Return: 0; -EEXIST (the address is there); -EINVAL; -ENOSPC; -ENOMEM.
 */
int dhcp_server_load(struct dhcp_server *s, const struct dhcp_lease *l,
		     int64_t now_s);

/**
 * dhcp_server_reserve() - Fix the address and/or name of a MAC
 * @ip: in the net, inside or outside the pool; 0 = no fixed address
 * @name: host name to tell the client (option 12) and to keep with the lease;
 *	must be a valid label (RFC 1123 2.1); NULL or "" = none
 *
 * Replaces an earlier reservation of @mac. Another client that holds @ip keeps
 * it until it renews (NAK) or expires; until then the owner gets one from
 * the pool.
 *
 * Return: 0; -EEXIST (@ip is another MAC's); -ERANGE (@ip not in the net, or
 * the server's, router's, …); -EINVAL (name, MAC); -ENOSPC; -ENOMEM.
 */
int dhcp_server_reserve(struct dhcp_server *s, const struct mac *mac,
			uint32_t ip, const char *name, int64_t now_s,
			struct errtext *why);

/* -ENOENT when there is none. A lease of it goes on as a dynamic one. */
int dhcp_server_unreserve(struct dhcp_server *s, const struct mac *mac,
			  int64_t now_s);

enum dhcp_scope_kind {
	DHCP_SCOPE_MAC,
	DHCP_SCOPE_NIC,
	DHCP_SCOPE_GROUP,
	DHCP_SCOPE_NETWORK,
};

/** struct dhcp_scope - For whom options are; only the fields of its kind count. */
struct dhcp_scope {
	enum dhcp_scope_kind kind;
	struct mac mac;
	uint64_t nic_id;
	char group[DHCP_GROUP_MAX + 1];
	/* Who belongs to the group: whoever meets one of "mac=52:54:00:*",
	 * "vendor=PXEClient*" (option 60), "user=iPXE" (77), "arch=7" (93),
	 * "name=web*" (what the owner calls the client), "relay=10.9.0.0/24" (the
	 * link behind relays that it is on), with commas between. */
	char match[DHCP_MATCH_MAX + 1];
};

struct dhcp_opts;

/**
 * dhcp_server_scope() - Replace the options of a scope
 * @opts: copied; NULL or empty: it has none any more
 *
 * Holds from the next message on; 51 is the scope's lease time.
 * Return: 0; -EINVAL (conditions); -ENOSPC; -ENOMEM.
 */
int dhcp_server_scope(struct dhcp_server *s, const struct dhcp_scope *scope,
		      const struct dhcp_opts *opts, struct errtext *why);

/* The NIC is gone for good: its leases stay for whichever NIC comes with the
 * same MAC next. No events. */
void dhcp_server_nic_del(struct dhcp_server *s, uint64_t nic_id);

/* Drop the binding of @ip whatever its state (FORGOTTEN if it was ever stored).
 * -ENOENT. */
int dhcp_server_forget(struct dhcp_server *s, uint32_t ip, int64_t now_s);

/* ---- messages ------------------------------------------------------------ */

/** struct dhcp_input - A message to UDP port 67; borrowed. */
struct dhcp_input {
	const uint8_t *data; /* UDP payload */
	size_t len;
	uint32_t src_ip;    /* of the IP header */
	uint32_t dst_ip;    /* likewise: ours or a broadcast address */
	struct mac src_mac; /* of the Ethernet header */
	uint64_t nic_id;    /* NIC of the switch port; 0 = not known */
};

/** struct dhcp_reply - A datagram from server_ip, port 67. */
struct dhcp_reply {
	uint32_t dst_ip; /* may be 255.255.255.255 */
	uint16_t dst_port;
	/* Where it goes on the wire without ARP: the client's MAC before it has
	 * its address, the broadcast address, the sender of the request. Zero:
	 * to be found by ARP. */
	struct mac dst_mac;
	size_t len;
	uint8_t data[DHCP_REPLY_MAX];
};

enum dhcp_action {
	DHCP_DROP,		 /* nothing to send (counted) */
	DHCP_REPLY_NOW,		 /* send the reply */
	DHCP_REPLY_AFTER_COMMIT, /* store @lease; the reply comes from
				    _committed() */
	DHCP_WAIT, /* in_use asks about an address: nothing has changed, give
		    * the same message again when it knows */
};

/** struct dhcp_output - What dhcp_server_input() wants done. */
struct dhcp_output {
	uint64_t token;		 /* REPLY_AFTER_COMMIT only; never 0 */
	struct dhcp_lease lease; /* likewise */
	struct dhcp_reply reply; /* REPLY_NOW only */
};

/**
 * dhcp_server_input() - One message
 *
 * Total: any bytes give a result. May call the ops. While the commit of an ACK
 * waits, the same client's repeated requests are dropped (the ACK then answers
 * the latest of them).
 */
enum dhcp_action dhcp_server_input(struct dhcp_server *s,
				   const struct dhcp_input *in, int64_t now_s,
				   struct dhcp_output *out);

/**
 * dhcp_server_committed() - The lease of @token is in the store
 * @out: the ACK to send now
 *
 * Return: 0; -ENOENT: nothing to send (unknown token, or meanwhile the client
 * released the address or the owner took it away).
 */
int dhcp_server_committed(struct dhcp_server *s, uint64_t token, int64_t now_s,
			  struct dhcp_reply *out);

/* The store refused: the ACK is thrown away, an offer withdrawn, an older lease
 * stays as it was. Unknown tokens are ignored. */
void dhcp_server_failed(struct dhcp_server *s, uint64_t token, int64_t now_s);

/* When dhcp_server_tick() is next worth calling (wall seconds); DHCP_NEVER. */
int64_t dhcp_server_deadline(const struct dhcp_server *s);

/* Let offers, leases and quarantines end that are due at @now_s. */
void dhcp_server_tick(struct dhcp_server *s, int64_t now_s);

/* ---- queries ------------------------------------------------------------- */

/* Results are borrowed until the next call that changes something. */

/* The binding of @ip in any state, or NULL. */
const struct dhcp_lease *dhcp_server_find_ip(const struct dhcp_server *s,
					     uint32_t ip);

/* The BOUND lease of @mac, on NIC @nic_id (0 = any); the one that runs longest
 * when there are several; or NULL. */
const struct dhcp_lease *dhcp_server_find_mac(const struct dhcp_server *s,
					      uint64_t nic_id,
					      const struct mac *mac);

/**
 * dhcp_server_next() - Addresses that are given out next
 * @mac: of a client on NIC @nic_id that is going to ask; NULL = none
 * @ip: room for @cap of them
 *
 * First what that client would be offered, unless it holds it already; then what
 * new clients get, in order. So in_use can know in advance. Return: how many.
 */
unsigned int dhcp_server_next(const struct dhcp_server *s,
			      const struct mac *mac, uint64_t nic_id,
			      uint32_t *ip, unsigned int cap);

/* Visit every binding, in no order; @fn returns false to stop and must not
 * change the server. */
void dhcp_server_walk(const struct dhcp_server *s,
		      bool (*fn)(void *arg, const struct dhcp_lease *l),
		      void *arg);

enum dhcp_drop {
	DHCP_DROP_LENGTH, /* shorter than the header or longer than we take */
	DHCP_DROP_MALFORMED,	/* options run over, or of impossible length */
	DHCP_DROP_NOT_REQUEST,	/* op is not BOOTREQUEST */
	DHCP_DROP_BOOTP,	/* no message type (RFC 951 client) */
	DHCP_DROP_TYPE,		/* a message type that no client sends to us */
	DHCP_DROP_HWADDR,	/* not Ethernet, or a group or zero address */
	DHCP_DROP_RELAY,	/* of a relay whose link we have no pool for */
	DHCP_DROP_OTHER_SERVER, /* the client chose, or means, another server */
	DHCP_DROP_UNKNOWN,	/* no record of the client; not authoritative */
	DHCP_DROP_NOT_OWNER, /* release or decline of what it does not hold */
	DHCP_DROP_FIELDS,    /* a field that its state requires is missing */
	DHCP_DROP_EXHAUSTED, /* no address left */
	DHCP_DROP_QUOTA,     /* max_per_nic reached */
	DHCP_DROP_PENDING,   /* the commit of the same client's lease waits */
	DHCP_DROP_BUSY,	     /* DHCP_PENDING_MAX reached, or no memory */
	DHCP_DROP_ROOM,	     /* what must be in the reply does not fit */
	DHCP_DROPS
};

const char *dhcp_drop_name(enum dhcp_drop d);

#define DHCP_TYPES 9 /* message types 1..8 (RFC 2132 9.6) */

struct dhcp_stats {
	uint64_t rx[DHCP_TYPES]; /* by type: DISCOVER 1, REQUEST 3, … */
	uint64_t tx[DHCP_TYPES]; /* OFFER 2, ACK 5, NAK 6; ACKs when handed over
				  */
	uint64_t drops[DHCP_DROPS];
	uint64_t commit_failed;
	uint64_t conflicts; /* found by the in_use hook */
	/* Now: */
	uint32_t offered, bound, freed, declined; /* bindings by state */
	uint32_t pending;			  /* commits that wait */
	uint32_t reserved;
	uint32_t pool; /* addresses in the pool, those never given out included
			*/
};

void dhcp_server_stats(const struct dhcp_server *s, struct dhcp_stats *out);

#endif
