/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway as a pure core: frames from guests come in, frames to guests leave in
 * batches, and everything that needs a socket is asked of struct gateway_env. nat.c
 * joins it with the switch and the host's sockets; tests with fakes.
 *
 * It takes frames apart once and hands packets to the parts that know them:
 * arp.h, ndp.h, icmp.h, udp.h, forward.h, dns.h, tcp.h. The parts' structs are open to
 * the host side, which reports events to them directly.
 *
 * Turns: while the switch delivers to us the queue is held (gateway_hold()), then
 * gateway_flush() sends. After any other event call gateway_flush() too.
 */
#ifndef VNET_NAT_GATEWAY_H
#define VNET_NAT_GATEWAY_H

#include "nat/arp.h"
#include "nat/dns.h"
#include "nat/forward.h"
#include "nat/icmp.h"
#include "nat/nat.h"
#include "nat/ndp.h"
#include "nat/policy.h"
#include "nat/reasm.h"
#include "nat/routes6.h"
#include "nat/tcp.h"
#include "nat/udp.h"

#define GATEWAY_SCRATCH 65536

/* The world around the core; copied, pointers borrowed. */
struct gateway_env {
	outq_send_fn send; /* frames to the switch */
	void *send_arg;
	const struct udp_host *udp;
	const struct icmp_host *icmp;
	const struct dns_host *dns;
	const struct forward_host *forward;
	void *host_arg; /* first argument of the four above */
	const struct tcp_host_ops *tcp;
	void *tcp_arg;
	/* As struct tcp_env.room; may be NULL. */
	size_t (*room)(void *arg, uint64_t nic_id, uint32_t flow);
	void *room_arg;
	/* As vswitch_lend() and vswitch_unlend(), with room_arg; NULL together. */
	int (*lend)(void *arg, uint64_t nic_id, uint32_t flow, uint32_t caps,
		    size_t *len, struct iovec *v, struct port **to);
	void (*unlend)(void *arg, struct port *to);
	/* gateway_flush() is due soon (never called while held). */
	void (*kick)(void *arg);
	/* tcp_rest() is due when there is nothing else to do; NULL: that is never
	 * told (as in struct tcp_env). */
	void (*rest)(void *arg);
	void *kick_arg; /* of both */
	uint64_t seed[2]; /* secret */
};

struct gateway_service {
	uint16_t port; /* 0 = free */
	nat_service_fn fn;
	void *arg;
};

struct gateway_icmp6 {
	uint8_t type;
	nat_icmp6_fn fn; /* NULL = free */
	void *arg;
};

/* The one service over IPv6. */
struct gateway_service6 {
	uint16_t port;
	struct ipaddr group;
	nat_service6_fn fn; /* NULL = none */
	void *arg;
};

struct gateway {
	struct gateway_env env;
	struct nat_config cfg;
	struct policy pol;
	struct wheel wheel; /* of all parts; gateway_run(), gateway_deadline() */
	struct flow_tab flows;
	struct outq *out;
	struct neigh_tab neigh;
	struct arp arp;
	struct ndp ndp;
	struct ipout ipout;
	struct reasm reasm;
	struct udp udp;
	struct icmp icmp;
	struct dns dns;
	struct forwards forwards;
	struct tcp *tcp;
	struct gateway_service service[NAT_SERVICE_MAX];
	uint16_t far_port; /* of the one that hears from any address; 0 = none */
	int nservice; /* places looked at: the last one taken, and before */
	struct gateway_icmp6 icmp6[NAT_ICMP6_MAX];
	struct gateway_service6 service6;
	struct routes6 routes;
	uint8_t *scratch; /* a datagram in one piece */
	uint64_t denied;  /* TCP */
	bool tcp_due;
	struct port *lender; /* of room that the next TCP segment fills; nullable */
	int64_t now_ms; /* of the last call that had one */
};

/**
 * gateway_new() - Make a gateway
 * @cfg: deny and domain are copied; icmp_raw_fd is the host side's matter
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int gateway_new(const struct nat_config *cfg, const struct gateway_env *env,
		int64_t now_ms, struct gateway **out, struct errtext *why);
void gateway_free(struct gateway *g);

/**
 * gateway_input() - A frame from a guest
 * @nic_id: of the port it came in on
 *
 * Frames with offload needs are taken as they are.
 *
 * Return: a drop_reason (switch/port.h), or -1 when it was taken.
 */
int gateway_input(struct gateway *g, const struct frame *f, uint64_t nic_id,
		  int64_t now_ms);

/* Start of a turn in which nothing may be sent. */
void gateway_hold(struct gateway *g);

/* End of a turn: let go, do TCP's due work, send. */
void gateway_flush(struct gateway *g, int64_t now_ms);

/* Fire timers (then gateway_flush()); when to come back. */
void gateway_run(struct gateway *g, int64_t now_ms);
int64_t gateway_deadline(const struct gateway *g);

/* A payload for a service, in the gateway's own memory until the next call: what is in
 * a guest's may change while it is judged. Beyond GATEWAY_SCRATCH it is cut. */
const uint8_t *gateway_gather(struct gateway *g, const struct iovec *v, int n,
			      size_t *len);

/* As their namesakes in nat.h. */
int gateway_service_set(struct gateway *g, uint16_t port, nat_service_fn fn,
			void *arg);
int gateway_udp_send(struct gateway *g, const struct nat_udp_out *o,
		     int64_t now_ms);
int gateway_icmp6_service_set(struct gateway *g, uint8_t type, nat_icmp6_fn fn,
			      void *arg);
int gateway_icmp6_send(struct gateway *g, const struct nat_icmp6_out *o,
		       int64_t now_ms);
int gateway_service6_set(struct gateway *g, uint16_t port,
			 const struct ipaddr *group, nat_service6_fn fn,
			 void *arg);
int gateway_udp6_send(struct gateway *g, const struct nat_udp6_out *o,
		      int64_t now_ms);
int gateway_set_access(struct gateway *g, const struct nat_access *a,
		       int64_t now_ms);
void gateway_set_limits(struct gateway *g, const struct nat_limits *l);
int gateway_set_deny6(struct gateway *g, const struct ip6_net *deny, size_t n,
		      int64_t now_ms);
int gateway_set_deny(struct gateway *g, const struct ip4_net *deny, size_t n,
		     int64_t now_ms);
/* The host slept for @slept_ms, which its monotonic clock, and so @now_ms, does not
 * know: flows were idle for as long. */
void gateway_slept(struct gateway *g, int64_t slept_ms, int64_t now_ms);
void gateway_address_gone(struct gateway *g, const struct ipaddr *ip, size_t n,
			  int64_t now_ms);
void gateway_nic_gone(struct gateway *g, uint64_t nic_id);
void gateway_stats(const struct gateway *g, struct nat_stats *s);
void gateway_nic_stats(const struct gateway *g, uint64_t nic_id,
		       struct nat_nic_stats *s);
void gateway_flow_walk(struct gateway *g, uint64_t after,
		       bool (*fn)(void *arg, const struct nat_flow *f),
		       void *arg, int64_t now_ms);
unsigned int gateway_flow_end(struct gateway *g, unsigned int max,
			      bool (*match)(void *arg, const struct nat_flow *f),
			      void *arg, int64_t now_ms);

/* Numbers of all forwards, those of flows that are not over included. */
void gateway_forward_walk(struct gateway *g,
			  bool (*fn)(void *arg, uint64_t group,
				     const struct nat_forward_stats *s),
			  void *arg);

/* Remove a forward with all its flows. */
void gateway_forward_del(struct gateway *g, struct forward *f, int64_t now_ms);

/**
 * gateway_tcp_accept() - A client came to a TCP forward
 * @client: its address; its port is only a wish, if the guest sees it already
 * @sock: of host_tcp; taken over on success only
 *
 * Return: 0, -EHOSTUNREACH (no target), -ENOSPC, -ENOMEM. Counted.
 */
int gateway_tcp_accept(struct gateway *g, struct forward *f,
		       const struct endpoint *client, void *sock,
		       int64_t now_ms);

/* Between gateway*.c: a whole packet of either family from a guest. @src_ok: its
 * source may be spoken to by more than services. As gateway_input(). */
int gateway_packet(struct gateway *g, const struct pkt *k, bool src_ok,
		   int64_t now_ms);

/* In gateway_ip6.c. */
int gateway_ip6_input(struct gateway *g, const struct frame *f, uint64_t nic_id,
		      int64_t now_ms);
int gateway_icmp6_input(struct gateway *g, const struct pkt *k, bool src_ok,
			int64_t now_ms);

/* In gateway_udp6.c: a datagram for the service, if it is one; may a packet come from
 * behind a guest (-1, or a drop_reason); is it for somebody behind one; send it there. */
bool gateway_udp6_input(struct gateway *g, const struct pkt *k, uint16_t sport,
			uint16_t dport, const struct iovec *payload, int n);
int gateway_route6_judge(const struct gateway *g, const struct pkt *k);
bool gateway_is_routed6(const struct gateway *g, const struct pkt *k);
int gateway_route6(struct gateway *g, const struct pkt *k, int64_t now_ms);

/* In gateway_tcp.c: what tcp.h wants from its surroundings. */
int gateway_tcp_new(struct gateway *g);
int gateway_tcp_input(struct gateway *g, const struct pkt *k,
		      int64_t now_ms);

#endif
