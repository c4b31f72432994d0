/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * priv.h without processes and devices: workers are the other end of a channel in
 * the test's hand, descriptors are sockets that lead nowhere.
 */
#ifndef VNET_TESTS_FAKE_PRIV_H
#define VNET_TESTS_FAKE_PRIV_H

#include "dhcp/dhcp_server.h"
#include "lib/chan.h"
#include "netd/knet.h"
#include "netd/priv.h"

#define FAKE_WORKERS 16
#define FAKE_LOG     64

/* A started "process"; the newest of a network has the highest index. */
struct fake_worker {
	char network[64];
	bool isolated;
	struct chan *chan; /* the worker's end; NULL = ended */
	int alive;	   /* closing it is the process's end (pidfd) */
	/* What arrived, oldest first. */
	struct {
		uint16_t type;
		uint32_t id;
		unsigned int nfd;
		char body[1024];
	} got[FAKE_LOG];
	unsigned int ngot;
	uint16_t refuse; /* answer requests of this type with W_ERROR */
	bool mute;	 /* answer nothing */
	const char *flows; /* answer to W_FLOWS and W_FLOW_KILL; NULL = none */
	const char *status; /* the answer to W_STATUS; NULL: {} */
	const char *numbers; /* answer to W_FORWARD_STATS; NULL = none */
};

struct priv {
	bool root;
	struct fake_worker worker[FAKE_WORKERS];
	unsigned int nworkers;
	bool journal; /* of an uplink that was neither taken nor given back */
	int fail_worker, fail_tap, fail_uplink, fail_bind; /* negative errno */
	int busy_port; /* priv_bind() says -EADDRINUSE for it */
	uint32_t absent_ip; /* … -EADDRNOTAVAIL */
	unsigned int shared_binds;
	unsigned int taps, taps_deleted, uplinks_in, uplinks_out, binds;
	unsigned int tapins;
	bool mac_nat; /* the last of them */
	struct priv_tap last_tap;
	struct priv_uplink last_uplink;
	int fail_keep; /* of priv_uplink_keep(): negative errno */
	int fail_knet; /* of priv_knet(): negative errno */
	unsigned int knets, knets_down, kports;
	struct knet last_knet;
	struct priv_kport last_kport;
	int rulesets; /* what priv_rulesets() gives a copy of; -1: an error */
	int fail_rulesets; /* what its pipe says: negative errno */
	int fail_tap_fd;
	unsigned int tap_fds;
	struct priv_tap_fd last_tap_fd;
	int way_result; /* of priv_way(): negative errno, 0 = a socket, 1 = shared */
	unsigned int ways;
	struct priv_way last_way;
	int connect_result; /* of priv_connect(): negative errno, 0 = a socket */
	unsigned int connects;
	struct priv_connect last_connect;
};

struct priv *fake_priv_new(bool root);
void fake_priv_free(struct priv *p);

/* Newest worker of a network; fails the test if there is none. */
struct fake_worker *fake_worker_of(struct priv *p, const char *network);

/* Read what control sent; answer W_START with W_READY and requests with W_DONE. */
void fake_worker_pump(struct fake_worker *w);

/* Say something to control. */
void fake_worker_say(struct fake_worker *w, uint16_t type, const char *body,
		     int fd);

/* A lease (with a token: to be granted) of 52:54:00:00:00:01 on NIC 100. */
void fake_worker_lease(struct fake_worker *w, uint64_t token, uint32_t ip,
		       enum dhcp_state state);

/* The process ends. */
void fake_worker_die(struct fake_worker *w);

/* How often it got @type; the last body of that type, or NULL. Of leases "10.0.2.15=
 * bound …", of their answers "1:ok 2:no". */
unsigned int fake_worker_count(const struct fake_worker *w, uint16_t type);
const char *fake_worker_last(const struct fake_worker *w, uint16_t type);

#endif
