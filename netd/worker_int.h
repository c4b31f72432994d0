/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to netd/worker*.c: one network's process.
 *
 *   worker.c         loop, channel, dispatch of messages, end
 *   worker_net.c     W_NET: the switch, the gateway, what changes live
 *   worker_nic.c     NICs: drivers on ports, addresses seen, names
 *   worker_names.c   what DNS calls them
 *   worker_guard.c   what they may say about themselves, and how much
 *   worker_dhcp.c    the DHCP server on the gateway's UDP port 67
 *   worker_probe.c   is an address free before it is given to a guest?
 *   worker_lease.c   its leases on their way to control and back
 *   worker_dhcp6.c   the DHCPv6 server on its UDP port 547, prefixes' routes
 *   worker_ra.c      router advertisements on the gateway's ICMPv6
 *   worker_tftp.c    the TFTP server on its UDP port 69
 *   worker_flow.c    W_FLOWS, W_FLOW_KILL
 *   worker_limits.c  how many descriptors guests may have
 *   worker_status.c  W_STATUS
 *
 * One allocation per NIC and forward; frames never pass through this layer.
 */
#ifndef VNET_NETD_WORKER_INT_H
#define VNET_NETD_WORKER_INT_H

#include <event2/event.h>
#include <jansson.h>

#include "dhcp/dhcp6_server.h"
#include "dhcp/dhcp_server.h"
#include "dhcp/ra.h"
#include "dhcp/tftp.h"
#include "lib/bytes.h"
#include "lib/chan.h"
#include "lib/inet.h"
#include "lib/list.h"
#include "lib/log.h"
#include "nat/nat.h"
#include "netd/guardconf.h"
#include "netd/proto.h"
#include "netd/seen.h"
#include "switch/drivers.h"
#include "switch/macnat.h"
#include "switch/vswitch.h"

#define WORKER_VM_TEXT	64
#define WORKER_OWN_NET	5

/* A NIC (or internal port) of this network. */
struct wnic {
	struct list node; /* on worker.nics */
	uint64_t id;
	char vm[WORKER_VM_TEXT]; /* "" for the host adapter and the uplink */
	unsigned int index;
	struct mac mac;
	enum port_role role;
	bool link;
	uint32_t fds; /* descriptors it may hold */
	struct driver *driver; /* owned; NULL: on_bridge */
	bool beside; /* the driver is driver_tapin()'s */
	bool on_bridge; /* known by its MAC, behind the port worker.bridge */
	uint32_t lease_ip;     /* current lease; 0 = none */
	struct ipaddr lease_ip6; /* the latest of DHCPv6; zero = none */
	char hostname[DHCP_HOSTNAME_MAX + 1]; /* reserved, if not the VM's name */
	struct seen_list seen4, seen6;
	bool plugged;	   /* since worker_probe.c looked last */
	struct pin pin;	     /* worker_guard.c */
	uint8_t nips;	     /* given for it, … */
	struct pin_net ips[GUARDCONF_IPS]; /* … these */
	unsigned int claims; /* of addresses that it has no lease of, since: */
	int64_t claims_ms;
};

struct worker_probe; /* worker_probe.c */

/* worker_lease.c */
struct worker_leases {
	struct event *send;
	struct wbuf out; /* over buf */
	uint8_t buf[CHAN_BODY_MAX];
};

struct worker {
	struct event_base *base;
	struct chan *chan; /* to control */
	struct event *chan_in, *chan_out;
	struct event *tick; /* deadlines of switch, DHCP, advertisements */
	int64_t tick_ms;    /* when it comes */
	int exit_status;
	bool stopping;
	bool poll; /* there is more than one processor: drivers may poll */

	char name[WORKER_VM_TEXT];
	char *title; /* in argv, while it is a spare one; then NULL */
	size_t title_cap;
	struct ip4_net net;	    /* plen 0: the network has no subnet of ours */
	struct ip6_net net6;	    /* likewise */
	struct mac router; /* that is not ourselves but the kernel; zero = none */
	/* The host's, for MAC translation beside an uplink. */
	struct ipaddr host_ip[MACNAT_HOST_MAX];
	size_t nhost_ip;
	uint64_t bridge; /* datapath kernel: id of our port on the bridge; 0 = none */
	struct vswitch *sw;	    /* NULL before W_NET */
	struct nat *nat;	    /* NULL: no services on this network */
	struct dhcp_server *dhcp;   /* NULL: no DHCP */
	struct worker_probe *probe; /* with it */
	struct dhcp6_server *dhcp6; /* NULL: no IPv6 */
	bool dhcp6_on;		    /* it listens */
	bool ra_on;
	struct ra ra;
	struct tftp *tftp;	    /* NULL: no TFTP */
	struct log_budget tftp_log;
	uint32_t service_ip; /* where TFTP is served */
	/* The network's own addresses, those of the host's adapter last; zero = none. */
	struct ipaddr own[WORKER_OWN_NET + 2];
	bool guard_stale; /* leases of DHCPv6 came or went: see worker_guard.c */
	struct dhcp_config dhcp_cfg;
	struct driver_events driver_ev;
	struct list nics;
	struct worker_leases leases;
	struct list resv; /* worker_dhcp.c's reservations */
};

/* worker.c */

/* Send a message; @body is stolen, NULL = {}. Errors end the worker: without
 * control there is nothing to do. @fd is borrowed, -1 = none. */
void worker_tell(struct worker *w, enum wmsg type, uint32_t id, json_t *body,
		 int fd);

/* The same of a type from W_BYTES on. */
void worker_tell_bytes(struct worker *w, enum wmsg type, const void *p,
		       size_t len);

/* Milliseconds of the loop's current turn. */
int64_t worker_now(struct worker *w);

/* Arm the tick timer for the next deadline of all. Not from within the switch. */
void worker_rearm(struct worker *w);

/* The tick is wanted at @at_ms or before; from anywhere. */
void worker_tick_by(struct worker *w, int64_t at_ms);

/* worker_net.c: W_NET. 0 or negative errno. */
int worker_net(struct worker *w, json_t *body, struct chan_msg *m,
	       struct errtext *why);
/* W_DENY. */
int worker_deny(struct worker *w, json_t *body, struct errtext *why);

/* W_ADDRESS_GONE. */
int worker_address_gone(struct worker *w, json_t *body, struct errtext *why);
void worker_net_fini(struct worker *w);

/* worker_nic.c */
int worker_nic_add(struct worker *w, json_t *body, struct chan_msg *m,
		   struct errtext *why);
int worker_nic_del(struct worker *w, json_t *body, struct errtext *why);
int worker_nic_link(struct worker *w, json_t *body, struct errtext *why);
int worker_nic_way(struct worker *w, json_t *body, struct chan_msg *m,
		   struct errtext *why);
int worker_nic_conn(struct worker *w, json_t *body, struct chan_msg *m,
		    struct errtext *why);
void worker_nic_free_all(struct worker *w);
/* Of W_NET: which addresses are the host's. */
void worker_nic_host_ips(struct worker *w, json_t *body);
struct wnic *worker_nic_find(struct worker *w, uint64_t id);
/* Whose frame: that NIC's of port @id, or where it is the one to a bridge, the NIC there
 * that has @mac; 0 = none that we know. */
uint64_t worker_nic_behind(struct worker *w, uint64_t id, const struct mac *mac);
/* W_NEIGHBOUR. */
int worker_nic_neighbour(struct worker *w, json_t *body, struct errtext *why);

/* The NIC has this lease now, or no longer: its name follows. */
void worker_nic_leased(struct worker *w, uint64_t id, uint32_t ip4);
void worker_nic_unleased(struct worker *w, uint64_t id, uint32_t ip4);

/* It has (@on) or no longer has this address of DHCPv6. */
void worker_nic_leased6(struct worker *w, uint64_t id, const struct ipaddr *ip,
			bool on);

/* For the gateway: the address of a NIC now. */
bool worker_nic_resolve(void *arg, uint64_t id, bool ip6, struct ipaddr *out);

/* For the switch: an address was seen. */
void worker_nic_seen(void *arg, struct port *p, const struct mac *mac,
		     const struct ipaddr *ip);

/* For the switch: a guest played server. */
void worker_nic_rogue(void *arg, struct port *p, enum rogue_kind kind,
		      const struct mac *src);

/* worker_guard.c: the NIC comes (its driver next) and goes. @body: W_NIC_ADD. */
int worker_guard_nic(struct worker *w, struct wnic *n, json_t *body,
		     struct errtext *why);
void worker_guard_nic_gone(struct wnic *n);
/* W_NIC_GUARD */
int worker_nic_guard(struct worker *w, json_t *body, struct errtext *why);
/* Which addresses are its own may have changed: lease, reservation. */
void worker_guard_nic_changed(struct worker *w, struct wnic *n);
void worker_guard_mac_changed(struct worker *w, const struct mac *mac);
/* The same of DHCPv6's, if guard_stale. Not from within that server. */
void worker_guard_settle(struct worker *w);
/* W_NET, and the host's adapter: the network's own addresses. */
void worker_guard_net(struct worker *w, const struct nat_config *gw);
void worker_guard_host(struct worker *w, uint32_t ip4, const struct ipaddr *ip6);
/* For the switch: a frame was not let through. */
void worker_guard_told(void *arg, struct port *p, enum pin_fault fault,
		       const struct mac *src);

/* worker_names.c: an address of a NIC has its names now, or no longer; the NIC goes. */
void worker_names_set(struct worker *w, struct wnic *n, const struct ipaddr *ip);
void worker_names_del(struct worker *w, struct wnic *n, const struct ipaddr *ip);
void worker_names_gone(struct worker *w, struct wnic *n);
/* What is reserved for @mac may be another name (and address) now; or its owner was
 * met, or is no more, at another address. */
void worker_names_settle(struct worker *w, const struct mac *mac);
void worker_names_reserved(struct worker *w, const struct mac *mac);
/* W_RECORDS, W_CLAIM */
int worker_names_records(struct worker *w, json_t *body, struct errtext *why);
int worker_names_claim(struct worker *w, json_t *body, struct errtext *why);

/* worker_dhcp.c */

/* The address reserved for @mac (0 = none), and its name in *@name (kept if none). */
uint32_t worker_dhcp_reserved(struct worker *w, const struct mac *mac,
			      const char **name);
/* Those reserved for @mac; zero = none. */
void worker_dhcp_reserved_ips(struct worker *w, const struct mac *mac,
			      struct ipaddr *ip4, struct ipaddr *ip6);
int worker_dhcp_config(struct worker *w, json_t *cfg, struct errtext *why);
int worker_dhcp_reserve(struct worker *w, json_t *body, struct errtext *why);
int worker_dhcp_unreserve(struct worker *w, json_t *body,
			  struct errtext *why);
/* The store has the lease of @token, or refused it. */
void worker_dhcp_done(struct worker *w, uint64_t token, bool ok);
int worker_dhcp_release(struct worker *w, json_t *body, struct errtext *why);
void worker_dhcp_names(struct worker *w); /* NICs get their leases' names */
int worker_dhcp_scope(struct worker *w, json_t *body, struct errtext *why);
void worker_dhcp_fini(struct worker *w);

/* A message to the server, new or one that waited. */
enum dhcp_action worker_dhcp_input(struct worker *w,
				   const struct dhcp_input *in);

/* A NIC came: its lease, if it has one, gets its name; its host name is told. */
void worker_dhcp_nic(struct worker *w, struct wnic *n);
/* A NIC went (it is off the list already). */
void worker_dhcp_nic_gone(struct worker *w, const struct wnic *n);

/* worker_probe.c: with the DHCP server. 0 or -ENOMEM. */
int worker_probe_start(struct worker *w);
void worker_probe_end(struct worker *w);
/* As struct dhcp_ops.in_use. */
enum dhcp_use worker_probe_use(struct worker *w, uint32_t ip,
			       const struct mac *mac, bool ask);
/* DHCP_WAIT: the message comes again when the answer must be there. */
void worker_probe_hold(struct worker *w, const struct dhcp_input *in);
/* A client was answered: others may want the next addresses. */
void worker_probe_soon(struct worker *w);
/* The NIC's guest is there, and may soon want an address. */
void worker_probe_nic(struct worker *w, struct wnic *n);
/* @mac on NIC @nic_id uses @ip. */
void worker_probe_heard(struct worker *w, uint32_t ip, const struct mac *mac,
			uint64_t nic_id);
/* The server found @ip taken: tell. */
void worker_probe_conflict(struct worker *w, uint32_t ip);
/* How many addresses were asked about, how many not, how many messages waited. */
void worker_probe_status(struct worker *w, json_t *o);
/* @ip was given out, or is nobody's any more. */
void worker_probe_forget(struct worker *w, uint32_t ip);

/* worker_lease.c */
int worker_lease_init(struct worker *w);
void worker_lease_fini(struct worker *w);
/* Tell control, at the end of this turn: a commit (@token), or what happened. */
void worker_lease_say(struct worker *w, uint64_t token, bool forgotten,
		      const struct dhcp_lease *lease);
void worker_lease_flush(struct worker *w);
/* W_LEASES and W_LEASES_DONE. 0 or -EPROTO. */
int worker_lease_load(struct worker *w, const uint8_t *p, size_t len);
int worker_lease_done(struct worker *w, const uint8_t *p, size_t len);

/* worker_dhcp6.c, likewise. @ip6: what W_NET says of IPv6. */
int worker_dhcp6_config(struct worker *w, const struct nat_config *gw,
			json_t *ip6, enum ra_mode mode, struct errtext *why);
int worker_dhcp6_load(struct worker *w, json_t *body, struct errtext *why);
int worker_dhcp6_reserve(struct worker *w, json_t *body, struct errtext *why);
int worker_dhcp6_unreserve(struct worker *w, json_t *body,
			   struct errtext *why);
int worker_dhcp6_done(struct worker *w, json_t *body, struct errtext *why);
int worker_dhcp6_release(struct worker *w, json_t *body, struct errtext *why);
void worker_dhcp6_fini(struct worker *w);
void worker_dhcp6_nic(struct worker *w, const struct wnic *n);
void worker_dhcp6_nic_gone(struct worker *w, const struct wnic *n);

/* worker_forward.c: W_FORWARD_… */
int worker_forward_add(struct worker *w, json_t *body, struct chan_msg *m,
		       struct errtext *why);
int worker_forward_del(struct worker *w, json_t *body, struct errtext *why);
int worker_forward_socket(struct worker *w, json_t *body, struct chan_msg *m,
			  struct errtext *why);
int worker_forward_stats(struct worker *w, json_t *body, json_t **result,
			 struct errtext *why);

/* worker_ra.c: the resolver that guests are told of; zero = none. */
struct ipaddr worker_dns_ip6(const struct nat_config *cfg);
/* Advertise @cfg's IPv6 prefix, if it has one, in this way from now on. */
int worker_ra_config(struct worker *w, const struct nat_config *cfg,
		     enum ra_mode mode, struct errtext *why);
void worker_ra_tick(struct worker *w);
/* The domain to search is another one. */
void worker_ra_domain(struct worker *w, const char *domain);
/* The network stops: take the router back. */
void worker_ra_end(struct worker *w);

/* worker_limits.c: NICs or forwards came or went: divide anew. */
void worker_limits(struct worker *w);
/* Most descriptors that a NIC of this type holds. */
uint32_t worker_nic_fds(const char *type, unsigned int queues);

/* worker_tftp.c: serve files, or no longer. */
int worker_tftp_config(struct worker *w, const struct nat_config *cfg, bool on);
/* W_TFTP_FILE: what became of W_TFTP_OPEN. */
int worker_tftp_file(struct worker *w, json_t *body, struct chan_msg *m,
		     struct errtext *why);
void worker_tftp_nic_gone(struct worker *w, const struct wnic *n);
void worker_tftp_fini(struct worker *w);

/* worker_flow.c: the answers to W_FLOWS and W_FLOW_KILL. */
#define WORKER_FLOW_ROWS  128 /* of 450 bytes: fit into one message */
#define WORKER_FLOW_KILLS 512 /* in one turn */
int worker_flows(struct worker *w, json_t *body, json_t **result,
		 struct errtext *why);
int worker_flow_kill(struct worker *w, json_t *body, json_t **result,
		     struct errtext *why);

/* worker_status.c: the answer to W_STATUS; new reference. */
json_t *worker_status(struct worker *w);

#endif
