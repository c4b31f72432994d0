/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's objects in memory. The model owns them all; everything else borrows
 * pointers that end with model_*_del(), or keeps ids and looks them up again (what
 * waits for a worker's answer must). It does no I/O: the store is written before,
 * sockets and workers follow after (netctl.c, nicctl.c, fwdctl.c), which also own
 * the run-time fields marked below.
 */
#ifndef VNET_NETD_MODEL_H
#define VNET_NETD_MODEL_H

#include "lib/errtext.h"
#include "lib/htab.h"
#include "lib/list.h"
#include "lib/log.h"
#include "netd/conf.h"
#include "netd/ifmanager.h"
#include "netd/seen.h"

#define MODEL_NETS_MAX	 1024
#define MODEL_NICS_MAX	 4096
#define MODEL_FWDS_MAX	 4096  /* ports; each has one socket, or one a family */
/* Per network. Together with all NICs' names they are what a worker is told in one
 * go at its start, and must fit the channel's queue (CHAN_QUEUE_MAX). */
#define MODEL_RESVS_MAX	 1024
/* These travel many in a message, so there may be more. */
#define MODEL_LEASES_MAX DHCP_BINDINGS_MAX
#define MODEL_RESVS6_MAX  1024
#define MODEL_LEASES6_MAX 4096

struct ctl;
struct event;
struct super;
struct qmp;
struct endpoint;
struct nic_timer;
struct opener;
struct nic_way;
struct nic_vmm;

enum net_state { NET_STOPPED, NET_STARTING, NET_RUNNING, NET_FAILED };

/** struct other_dhcp - Of whom a client here took an address instead of us */
struct other_dhcp {
	uint32_t server; /* as it calls itself; 0: none was seen */
	struct mac client;
	int64_t at_ms; /* clock_mono_ms() */
};

struct network {
	struct list node;
	struct model *model; /* that it is in */
	struct net_conf conf;
	struct list nics;  /* struct nic */
	struct list fwds;  /* struct forward */
	struct list resvs; /* struct resv */
	struct htab resvs_mac; /* the same by MAC */
	struct list dhcpsets; /* struct dhcpset, by scope and name */
	/* struct lease by address, by MAC: what runs, and what was and is kept for
	 * whoever had it. */
	struct htab leases, leases_mac;
	struct list resvs6; /* struct resv6 */
	struct htab leases6, leases6_mac; /* struct lease6 by address, by MAC */
	struct list records; /* struct record */
	struct htab claims; /* struct claim by address … */
	struct htab claimed; /* … and by name */

	/* Run time, netctl.c. */
	struct ctl *ctl; /* for the callbacks of its worker */
	struct log_budget log_budget;
	int64_t promised_ms; /* promise.c: when one was lost; 0 = never */
	uint32_t leased_to; /* each address of the pool below it has a lease */
	enum net_state state;
	bool wanted; /* the user wants it to run */
	bool synced; /* the worker has NICs and forwards */
	bool dying;  /* undefined; ends with its worker */
	char reason[256]; /* why failed */
	struct super *sup;
	int port_fd;	     /* TAP of host adapter or uplink; -1 */
	bool bridged; /* knetctl.c: its bridge is in the kernel … */
	int bridge_index; /* … and that interface there */
	/* knetctl.c: it is to be another, or its guards; somebody changed something of it */
	bool bridge_due, guard_due, look_due;
	struct other_dhcp other_dhcp; /* the last one */
	struct opener *opener; /* tftpctl.c; NULL: nothing was asked for yet */
	bool neighbours_due; /* kneigh.c: the worker knows of none */
	bool bridge_in;	     /* uplinkctl.c: its uplink is taken in */
	/* tapinctl.c: beside the uplink; port_fd is the packet socket. */
	struct {
		bool open;
		int fd; /* the TAP into the host's stack */
		bool mac_nat; /* guests share its MAC */
		unsigned int index; /* of the uplink, … */
		struct mac mac;	    /* … and its address, when it was opened */
	} tapin;
	enum ifmanager uplink_manager; /* when it was taken in */
	bool harmful; /* failed, and only the user starts it again */
	struct event *retry; /* while failed */
	unsigned int retry_s; /* next delay */
	unsigned int failures; /* worker ends since it was last ready */
	struct list waiters; /* struct netctl_wait: calls for "is it up?" */
};

enum nic_state { NIC_OK, NIC_NET_STOPPED, NIC_FAILED };

struct nic {
	struct list node; /* network.nics */
	struct list all;  /* model.nics, sorted by nothing */
	struct hnode by_id, by_mac, by_vm;
	struct nic_conf conf; /* vm, mac: of the indices, never changed */
	struct network *net;

	/* Run time, nicctl.c. */
	enum nic_state state;
	char reason[256];
	struct endpoint *ep; /* sockets and descriptors; NULL = none yet */
	struct qmp *qmp;
	bool on_worker; /* W_NIC_ADD was sent */
	bool acked;	/* … and answered with W_DONE */
	bool connected;
	bool moving; /* link held down after a move */
	bool kguarded; /* kguardctl.c: the kernel's table has its TAP's name */
	bool plug_due; /* knetctl.c: somebody changed its TAP, maybe ourselves */
	bool lent;   /* transient, and its TAP was handed out */
	bool leaving; /* the worker it moves away from still has it */
	struct nic_timer *timer; /* retry, or the end of a move */
	struct nic_way *way;	 /* nicctl_way.c */
	struct nic_vmm *vmm;	 /* nicctl_vmm.c */
	struct seen_list seen4, seen6;
	uint32_t place6; /* dhcp6_place_of() its MAC */
};

enum fwd_state {
	FWD_INACTIVE, /* nothing is wrong, but nobody is there: network, VM */
	FWD_ACTIVE,
	FWD_WAITING, /* for its address to appear on the host */
	FWD_FAILED
};

/* One socket of a forward: a port of the host, and the guest's port it leads to. */
struct fwd_sock {
	struct ipaddr ip; /* bound to; 0.0.0.0 = any */
	uint16_t port, to_port;
	int fd;	       /* -1 = not open; all of a forward are, or none */
	uint32_t wire; /* its id on the channel; 0 = the worker does not have it */
	bool told;     /* the worker has this very descriptor (or knows of none) */
};

/* As the worker counts; since it was told of the forward. */
struct fwd_stats {
	uint64_t clients; /* now */
	uint64_t accepted, refused;
	uint64_t bytes_in, bytes_out; /* payload, in: to the guest */
};

struct forward {
	struct list node; /* network.fwds */
	struct fwd_conf conf;
	struct network *net;

	/* Run time, fwdctl.c. */
	enum fwd_state state;
	char reason[256];
	bool announced; /* subscribers know of it: changes are told */
	struct fwd_sock *sock; /* NULL = never tried to open them */
	unsigned int nsock;
	int bind_err;	 /* why they are not open */
	bool refused;	 /* the worker does not want it */
	char fault[256]; /* the sentence for these two */
	bool absent;	 /* open, but the host lost the address */
	bool leaving;	 /* about to be removed: the kernel is to lead nothing to it */
	int64_t sent_nic; /* the worker was told: a NIC, 0 by address, -1 nothing */
	struct ipaddr sent_ip;
	struct fwd_stats stats; /* as of the last question */
};

struct resv {
	struct list node;
	struct hnode by_mac;
	struct resv_conf conf; /* model_resv_put() changes it */
};

struct dhcpset {
	struct list node;
	struct dhcpset_conf conf;
};

struct record {
	struct list node;
	struct record_conf conf;
};

struct claim {
	struct hnode by_ip, by_name;
	struct claim_conf conf;
};

struct lease {
	struct hnode by_ip, by_mac;
	struct lease_conf conf;
};

struct resv6 {
	struct list node;
	struct resv6_conf conf;
};

struct lease6 {
	struct hnode by_ip, by_mac;
	struct lease6_conf conf;
};

struct model {
	struct list nets, nics;
	struct htab nic_ids, nic_vms, nic_macs; /* NICs by id, VM, MAC */
	unsigned int nnets, nnics, nfwds;
};

int model_init(struct model *m);
/* Frees the objects; their run-time parts must be gone. */
void model_fini(struct model *m);

/* All copy @c; NULL or -ENOMEM without memory. */
struct network *model_net_add(struct model *m, const struct net_conf *c);
void model_net_del(struct model *m, struct network *n); /* and all in it */
struct network *model_net_find(struct model *m, const char *name);
struct network *model_net_by_id(struct model *m, int64_t id);

struct nic *model_nic_add(struct model *m, struct network *n,
			  const struct nic_conf *c);
void model_nic_del(struct model *m, struct nic *nic);
void model_nic_move(struct nic *nic, struct network *to);
struct nic *model_nic_find(struct model *m, const char *vm, int index);
/* All of a VM's: the first (@nic NULL) or the next one, in no order; NULL after the last. */
struct nic *model_nic_of_vm(struct model *m, const char *vm, const struct nic *nic);
struct nic *model_nic_by_id(struct model *m, int64_t id);
struct nic *model_nic_by_mac(struct network *n, const struct mac *mac);
/* Has any network's NIC it? */
bool model_mac_taken(struct model *m, const struct mac *mac);

struct forward *model_fwd_add(struct model *m, struct network *n,
			      const struct fwd_conf *c);
void model_fwd_del(struct model *m, struct forward *f);
/* It is configured so now. */
void model_fwd_set(struct model *m, struct forward *f, const struct fwd_conf *c);
struct forward *model_fwd_by_id(struct model *m, int64_t id);
unsigned int fwd_ports(const struct fwd_conf *c);

int model_resv_put(struct network *n, const struct resv_conf *c);
void model_resv_del(struct network *n, struct resv *r);
struct resv *model_resv_find(struct network *n, uint32_t address);
struct resv *model_resv_by_mac(struct network *n, const struct mac *mac);

/* Add or replace. */
int model_dhcpset_put(struct network *n, const struct dhcpset_conf *c);
void model_dhcpset_del(struct network *n, struct dhcpset *s);
struct dhcpset *model_dhcpset_find(const struct network *n, const char *scope,
				   const char *name);
size_t model_dhcpsets(const struct network *n); /* how many */
/* @c is not there yet. */
int model_record_add(struct network *n, const struct record_conf *c);
void model_record_del(struct record *r);

/* As many as there are leases. @c's address has none; its name has nobody else's (a
 * client may have it with several addresses). */
int model_claim_put(struct network *n, const struct claim_conf *c);
void model_claim_del(struct network *n, struct claim *c);
struct claim *model_claim_find(struct network *n, const char *name);
/* The next one of the same name; NULL after the last. */
struct claim *model_claim_next(struct claim *c);
struct claim *model_claim_of(struct network *n, const struct ipaddr *address);

int model_lease_put(struct network *n, const struct lease_conf *c);
void model_lease_del(struct network *n, struct lease *l);
struct lease *model_lease_find(struct network *n, uint32_t address);
/* Does it run? Others are history, or an address that is put aside. */
bool lease_runs(const struct lease_conf *c, int64_t wall_s);
/* The running lease of a MAC: the one that ends last. */
struct lease *model_lease_by_mac(struct network *n, const struct mac *mac,
				 int64_t wall_s);
/* The latest that is kept for a MAC and has no term (any more); not that of another NIC
 * than @nic (0 = any) which is still there. */
struct lease *model_lease_kept(struct model *m, struct network *n,
			       const struct mac *mac, int64_t nic,
			       int64_t wall_s);

/* The same of IPv6 (model6.c). */
int model_lease6_put(struct network *n, const struct lease6_conf *c);
void model_lease6_del(struct network *n, struct lease6 *l);
struct lease6 *model_lease6_find(struct network *n, const struct ipaddr *ip);
/* All with a MAC: the first (@l NULL) or the next one; NULL after the last. */
struct lease6 *model_lease6_by_mac(struct network *n, const struct mac *mac,
				   const struct lease6 *l);
void model_leases6_clear(struct network *n);
int model_resv6_put(struct network *n, const struct resv6_conf *c);
void model_resv6_del(struct resv6 *r);
struct resv6 *model_resv6_find(struct network *n, const struct ipaddr *ip);
struct resv6 *model_resv6_by_mac(struct network *n, const struct mac *mac);
/* Whose it is now: the MAC of the VM's NIC, zero while that is not attached. */
struct mac model_resv6_mac(const struct network *n, const struct resv6_conf *c);

#endif
