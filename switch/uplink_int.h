/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between uplink*.c and their tests only. See uplink.h. */
#ifndef VNET_SWITCH_UPLINK_INT_H
#define VNET_SWITCH_UPLINK_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/list.h"
#include "switch/link.h"
#include "switch/uplink.h"

/* ---- objects: addresses and routes as the kernel tells them (uplink_obj.c) --------- */

#define OBJ_MAX	 8192 /* bytes in one; a route with hundreds of next hops */
#define OBJ_TEXT 256

/**
 * struct up_obj - The body of an RTM_NEWADDR or RTM_NEWROUTE message
 *
 * Kept as it came, so that nothing gets lost that we do not know of.
 */
struct up_obj {
	struct list node;
	bool route; /* or an address */
	bool first; /* route: none on another interface comes before it among those
		     * of its key; of IPv6 ones none at all */
	size_t len;
	uint8_t b[];
};

/* Copies @len bytes. NULL without memory. */
struct up_obj *obj_new(bool route, const void *b, size_t len);
void obj_list_free(struct list *l);

/* Well-formed, and of a kind that can be moved? */
bool obj_valid(const struct up_obj *o);

/* Does it lie on, or lead out of, this interface? */
bool obj_on(const struct up_obj *o, int index);

bool obj_is6(const struct up_obj *o);

/* An IPv6 address for the link alone, as interfaces give themselves. */
bool obj_is_link_local6(const struct up_obj *o);

/* Address: the same but for lifetimes, flags and label. Route: the same but for the
 * interface, where @from in @a corresponds to @to in @b. */
bool obj_same(const struct up_obj *a, int from, const struct up_obj *b, int to);

/* Route: the same table, destination, TOS and metric. */
bool obj_same_key(const struct up_obj *a, const struct up_obj *b);

bool obj_has_gateway(const struct up_obj *o);
bool obj_is_multipath(const struct up_obj *o);
bool obj_by_nexthop_id(const struct up_obj *o);
/* Call @fn for each gateway through which @o leads out of this interface. */
void obj_gateways(const struct up_obj *o, int index,
		  void (*fn)(const struct ipaddr *ip, void *arg), void *arg);
/* Made by the kernel itself (protocol kernel). */
bool obj_is_kernels(const struct up_obj *o);
/* In the table of local addresses, which the kernel keeps. */
bool obj_is_local(const struct up_obj *o);

/**
 * obj_request() - The body of a request that makes @o on another interface
 * @from, @to: interface it is on, one it is to be on
 * @age_s: seconds by which lifetimes have become shorter
 * @label: IPv4 address: its label, NULL = none; ignored for others
 * @out: OBJ_MAX bytes
 *
 * Return: its length; 0 when it has expired meanwhile.
 */
size_t obj_request(const struct up_obj *o, int from, int to, uint32_t age_s,
		   const char *label, uint8_t *out);

/**
 * rule_request() - The body of a request that makes or deletes a policy rule
 * @o: of RTM_NEWRULE, kept as a route is, whose attributes have the same form
 * @from: the interface it names, for which @to stands in the request
 */
size_t rule_request(const struct up_obj *o, const char *from, const char *to,
		    uint8_t *out);

/* Does it name this interface? */
bool rule_names(const struct up_obj *o, const char *name);

/* The label of an IPv4 address, or NULL. */
const char *obj_label(const struct up_obj *o, char out[IFNAMSIZ]);

/* "192.0.2.10/24", "default via 192.0.2.1 metric 100" */
char *obj_text(const struct up_obj *o, char out[OBJ_TEXT]);

/* ---- state ------------------------------------------------------------------------- */

/** struct up_l3 - What lies on one interface, in the kernel's order */
struct up_l3 {
	int index; /* 0: there is no such interface */
	struct list addrs, routes;
	struct list rules; /* rules_read(); not in the journal */
};

void l3_init(struct up_l3 *l);
void l3_fini(struct up_l3 *l);

/* Move all objects of @from to the ends of @to's lists. */
void l3_move(struct up_l3 *to, struct up_l3 *from);

/* Read it (uplink_state.c). What cannot be moved is left out with @pass_over, else
 * -EOPNOTSUPP. */
int l3_read(struct link_nl *nl, int index, bool pass_over, struct up_l3 *out,
	    struct errtext *why);

/* Policy rules that name the interface, appended. */
int rules_read(struct link_nl *nl, const char *name, struct list *out);

/** struct up_saved - The journal: an interface as it was (uplink_journal.c) */
struct up_saved {
	struct uplink_spec spec;
	bool done;	  /* it was taken in altogether: the bridge tells what is to
			   * be given back, not this */
	bool was_up;
	int64_t time_s;	  /* when, by CLOCK_BOOTTIME */
	char boot[40];	  /* boot_id: a journal does not outlive the kernel */
	uint64_t netns;	  /* inode of the network namespace */
	struct mac mac;
	uint32_t mtu;
	char genmode[8];    /* IPv6 sysctls; "" = no IPv6 */
	char accept_dad[8];
	struct up_l3 l3;
};

int journal_write(const char *path, const struct up_saved *s,
		  struct errtext *why);

/* -ENOENT; -EINVAL it is none. */
int journal_read(const char *path, struct up_saved *out, struct errtext *why);
void saved_fini(struct up_saved *s);

/* As text, and back; for the two above. @out is malloc()ed. */
int journal_format(const struct up_saved *s, char **out);
int journal_parse(char *text, struct up_saved *out);

/* Of this boot and network namespace (uplink_keep.c)? -ESTALE another boot's; -EXDEV. */
int saved_judge(const struct up_saved *s);

/* Note which both are. */
void saved_stamp(struct up_saved *s);

/* Is @l, found by its index, the interface that was taken in (uplink_keep.c)? It may have
 * another MAC by now (a bond's is that of its active port), or another name. @bridge: index
 * of the bridge, 0 = none. */
bool saved_is_uplink(const struct up_saved *s, const struct link_info *l,
		     int bridge);

/* All there is to know about the uplink before it is touched (uplink.c). */
int uplink_read_was(struct link_nl *nl, const struct uplink_spec *spec,
		    struct up_saved *was, struct errtext *why);

/* What lies on the bridge, as if it lay on the uplink, was->l3.index (uplink.c). */
int uplink_adopt(struct up_saved *was, const struct up_l3 *bridge);

/* ---- plan (uplink_plan.c) ------------------------------------------------------------ */

enum up_kind {
	UP_BRIDGE_ADD,
	UP_BRIDGE_TUNE, /* sysctls as the uplink's, no netfilter */
	UP_NO_FILTER,	/* no netfilter, again */
	UP_TAP_ADD,
	UP_TAP_PORT,
	UP_QUIET6, /* uplink: no IPv6 address of its own making, no DAD */
	UP_LINK_UP,
	UP_RULE_ADD, /* a copy that names the bridge; the host's own stays */
	UP_BRIDGE_UP,
	UP_PORT_IN,
	UP_ADDR_ADD,
	UP_ROUTE_PREPEND, /* IPv4: before others of its key */
	UP_ROUTE_REPLACE, /* IPv6: in place of the first of its key */
	UP_ROUTE_APPEND,  /* behind them */
	UP_ROUTE_DEL,
	UP_ADDR_DEL,
	UP_PORT_OUT,
	UP_TAP_DEL,
	UP_BRIDGE_DEL,
	UP_RULE_DEL,
	UP_LINK_DOWN,
	UP_RESTORE6,
};

struct up_step {
	enum up_kind kind;
	bool on_bridge;		 /* where the object is made or deleted */
	const struct up_obj *obj; /* borrowed from the state */
	int from;		 /* interface @obj was read on */
	uint32_t age_s;		 /* see obj_request() */
	const struct up_obj *like; /* address: saved one with its label, or NULL */
};

struct up_plan {
	struct up_step *step;
	size_t n, cap;
	bool nomem; /* sticky */
};

void plan_fini(struct up_plan *p);

/* Take @was in. The plan borrows from @was. 0 or -ENOMEM. */
int plan_in(const struct up_saved *was, struct up_plan *out);

/**
 * plan_out() - Give back
 * @was: the journal: what the uplink is to have again
 * @bridge, @uplink: as they are now (index 0: not there)
 * @now_s: CLOCK_BOOTTIME
 *
 * Borrows from all three.
 */
int plan_out(const struct up_saved *was, const struct up_l3 *bridge,
	     const struct up_l3 *uplink, int64_t now_s, struct up_plan *out);

/* Bring in line (uplink_keep()) what is as these say. */
int plan_keep(const struct link_info *bridge, const struct link_info *uplink,
	      struct up_plan *out);

#define STEP_TEXT (OBJ_TEXT + 64)
char *step_text(const struct up_step *st, const struct up_saved *was,
		char out[STEP_TEXT]);

#endif
