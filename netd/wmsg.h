/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a worker says, judged. A guest may have taken the worker over, so nothing
 * is believed beyond what concerns its own network. Pure; -EPROTO with @why means
 * the worker is to be killed.
 */
#ifndef VNET_NETD_WMSG_H
#define VNET_NETD_WMSG_H

#include <jansson.h>

#include "dhcp/tftp.h"
#include "lib/errtext.h"
#include "lib/log.h"
#include "netd/conf.h"
#include "netd/model.h"

struct lease_rec;
struct priv_way;

#define WMSG_LINE_MAX  900  /* characters of a log line */
#define WMSG_FDB_MAX   1024 /* rows of a table of MACs */
#define WMSG_EVENT_MAX 4096 /* bytes of an event */

/* A lease that asks to be granted (it has a token), or what became of one. Strange
 * host names are emptied, a term beyond @lease_s, the longest, is cut. @relayed: its
 * address may be outside the subnet. */
int wmsg_lease(const struct lease_rec *rec, const struct net_conf *net,
	       bool relayed, uint32_t lease_s, int64_t wall_s,
	       struct lease_conf *out, struct errtext *why);

/* Commit of the leases of one DHCPv6 Reply (wmsg6.c): at most @cap of them in @out;
 * whether they are the network's is for net_lease6_ok(). */
int wmsg_leases6(json_t *body, const struct net_conf *net, int64_t wall_s,
		 int64_t *token, struct lease6_conf *out, unsigned int cap,
		 unsigned int *n, struct errtext *why);
/* The end of one; its address alone is to be believed. @state is a constant. */
int wmsg_lease6_event(json_t *body, const struct net_conf *net,
		      struct lease6_conf *out, const char **state,
		      struct errtext *why);

int wmsg_nic(json_t *body, int64_t *nic, struct errtext *why);
int wmsg_peer(json_t *body, int64_t *nic, bool *connected, struct errtext *why);
/* @ip: of either family; zero when it is not worth keeping. */
int wmsg_seen(json_t *body, const struct net_conf *net, int64_t *nic,
	      struct mac *mac, struct ipaddr *ip, struct errtext *why);

/* @name: of a file; foreign text without NUL. */
int wmsg_tftp(json_t *body, int64_t *token, char name[TFTP_NAME_MAX + 1],
	      struct errtext *why);

/* @w: path and len are set, the rest is the caller's. */
int wmsg_sender(json_t *body, int64_t *nic, struct priv_way *w,
		struct errtext *why);

/**
 * wmsg_forwards() - An answer to W_FORWARD_STATS
 * @take: called for each row
 * @last: id of the last row, to ask for more
 *
 * Return: 1 when there is more (then @last has grown), 0, -EPROTO.
 */
int wmsg_forwards(json_t *result,
		  void (*take)(void *arg, int64_t id, const struct fwd_stats *s),
		  void *arg, int64_t *last, struct errtext *why);

/* @line: escaped, cut. */
int wmsg_log(json_t *body, enum log_level *level, char line[WMSG_LINE_MAX],
	     struct errtext *why);

/* A status' table of MACs, rebuilt of the rows that make sense: {mac, nic (0: none of a
 * VM's), age_s}. New reference. */
json_t *wmsg_fdb(json_t *table);

/* One row of a list of flows, rebuilt from what makes sense; NULL when it is none. New
 * reference. @after: its id, when that is greater. */
json_t *wmsg_flow(json_t *row, int64_t *after);

/* A worker's event for subscribers; its name, checked to be short and plain. */
int wmsg_event(json_t *body, const char **name, struct errtext *why);

/* "dhcp.rogue": whose frame it was, and what it played ("dhcp", "ra", "dhcp6"). */
int wmsg_rogue(json_t *body, int64_t *nic, const char **kind, struct mac *mac,
	       struct errtext *why);

/* "nic.guard": the same for what the switch did not let through (pin_fault_name()). */
int wmsg_guard(json_t *body, int64_t *nic, const char **kind, struct mac *mac,
	       struct errtext *why);

/* "dhcp.other_server": who took its address from which. */
int wmsg_other_server(json_t *body, struct mac *mac, uint32_t *server,
		      struct errtext *why);

/* "dhcp.conflict": the address, whose frames have it; @nic 0 = not known. */
int wmsg_conflict(json_t *body, const struct net_conf *net, int64_t *nic,
		  uint32_t *ip, struct mac *mac, struct errtext *why);

#endif
