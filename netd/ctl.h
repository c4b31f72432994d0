/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the control process share: the joints of the house, no logic.
 * Passed to methods and to net-, nic- and fwdctl; parts that can do without
 * (store, model, api, events, super, resolv, hostaddr, qmp) do.
 */
#ifndef VNET_NETD_CTL_H
#define VNET_NETD_CTL_H

#include <jansson.h>
#include <limits.h>

#include "lib/log.h"
#include "netd/events.h"
#include "netd/model.h"

#define VNET_VERSION "0.1.0"

struct api;
struct doctor_run;
struct event;
struct event_base;
struct hostaddr;
struct hosts;
struct knetctl;
struct leases;
struct priv;
struct resolv;
struct store;

struct ctl {
	struct event_base *base;
	struct priv *priv;
	struct store *store;
	struct model model;
	struct events events;
	struct api *api;	  /* NULL in tests */
	struct resolv *resolv;	  /* NULL in tests: no upstreams */
	struct hostaddr *host;	  /* NULL in tests: no routes */
	struct knetctl *knet; /* NULL in tests, and without root */
	struct leases *leases;
	struct hosts *hosts;	  /* NULL: no hosts file */
	struct doctor_run *doctor; /* NULL: nobody looks at filters now */
	struct list addr_waiters; /* addrs.c */
	struct event *tell;	  /* when due, workers hear of other networks; or NULL */
	bool nets_changed;	  /* … which they do not know yet */
	json_t *upstreams;	  /* that they were told; NULL: of none yet */
	struct event *spare;	  /* when due, a worker is prepared; NULL in tests */
	char run_dir[PATH_MAX], state_dir[PATH_MAX];
	bool system;   /* the root instance */
	bool stopping; /* shutting down: nothing is started any more */
	enum log_level log_level;
	uint64_t mac_seed[2];
	char duid[40]; /* of the DHCPv6 servers, hex; "" in tests */
	struct ip6_net ula; /* a /48 of our own; plen 0 in tests */
	int64_t started_ms;
	uint32_t next_wire; /* forward ids on the channels */
};

#endif
