// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gateway on a switch and an event loop. See nat.h for the interface,
 * gateway.h for what it does, host_*.c for the sockets.
 *
 * Turns: tx() holds the gateway's queue, flush() lets it go; every other event is a
 * turn of its own, from turn() to turn_end().
 *
 * #syscalls getrandom
 */
#include "nat/nat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "nat/host.h"
#include "nat/host_rest.h"
#include "nat/host_tcp.h"
#include "nat/host_wake.h"
#include "switch/gro.h"
#include "switch/vswitch.h"

#define UNHEARD_TURNS 4 /* of 256 KiB where one flow is all there is */

struct nat {
	struct port port; /* first */
	struct gateway *gw;
	struct host host;
	struct event *timer, *kick;
	struct host_rest rest;
	unsigned int ending;  /* turns: what those leave is for another one */
	unsigned int unheard; /* of those, since guests could be heard */
	struct host_wake *wake; /* NULL: not noticed */
	int64_t timer_at_ms; /* WHEEL_NEVER = not armed */
	int64_t now_ms;
};

static struct nat *from_port(struct port *p)
{
	return container_of(p, struct nat, port);
}

/* ---- turns ---------------------------------------------------------------------- */

static void send_to_switch(void *arg, const struct frame *f, unsigned int n)
{
	struct nat *nat = arg;

	vswitch_input(&nat->port, f, n, nat->now_ms);
}

static void set_now(struct nat *nat, int64_t now_ms)
{
	if (now_ms > nat->now_ms)
		nat->now_ms = now_ms;
}

/* A timer that is too early only costs a look; so it is moved forward lazily. */
static void arm_timer(struct nat *nat)
{
	int64_t at = gateway_deadline(nat->gw), in;
	struct timeval tv;

	if (at >= nat->timer_at_ms)
		return;
	in = at > nat->now_ms ? at - nat->now_ms : 0;
	tv.tv_sec = in / 1000;
	tv.tv_usec = in % 1000 * 1000;
	if (!evtimer_add(nat->timer, &tv))
		nat->timer_at_ms = at;
}

static int64_t turn(void *arg)
{
	struct nat *nat = arg;

	set_now(nat, clock_mono_ms());
	return nat->now_ms;
}

static void turn_end(void *arg, int64_t now_ms)
{
	struct nat *nat = arg;

	nat->ending++;
	gateway_flush(nat->gw, now_ms);
	nat->ending--;
	arm_timer(nat);
}

static void nat_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct nat *nat = arg;
	int64_t now_ms = turn(nat);

	(void)fd;
	(void)what;
	nat->timer_at_ms = WHEEL_NEVER;
	gateway_run(nat->gw, now_ms);
	turn_end(nat, now_ms);
}

static void nat_on_kick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	turn_end(arg, turn(arg));
}

/*
 * A turn soon. What the end of a turn leaves for another one goes on at once, but not for
 * ever: after some the guests are heard first (an active event goes before them), or all of a
 * window would be out before what the guest has long acknowledged.
 */
static void kick(void *arg)
{
	static const struct timeval next = {0, 0};
	struct nat *nat = arg;

	if (!nat->ending || ++nat->unheard < UNHEARD_TURNS ||
	    evtimer_add(nat->kick, &next))
		event_active(nat->kick, EV_TIMEOUT, 0);
	else
		nat->unheard = 0;
}

static void rest(void *arg)
{
	struct nat *nat = arg;

	host_rest_ask(&nat->rest);
}

static void nat_on_rest(void *arg)
{
	struct nat *nat = arg;
	int64_t now_ms = turn(nat);

	tcp_rest(nat->gw->tcp);
	turn_end(nat, now_ms);
}

static size_t room(void *arg, uint64_t nic_id, uint32_t flow)
{
	struct nat *nat = arg;

	return vswitch_room(nat->port.sw, nic_id, flow);
}

static int lend(void *arg, uint64_t nic_id, uint32_t flow, uint32_t caps,
		size_t *len, struct iovec *v, struct port **to)
{
	struct nat *nat = arg;

	return vswitch_lend(nat->port.sw, nic_id, flow, caps, len, v, to);
}

static void unlend(void *arg, struct port *to)
{
	(void)arg;
	vswitch_unlend(to);
}

static void on_room(void *arg)
{
	struct nat *nat = arg;

	tcp_room(nat->gw->tcp);
}

/* A call from outside that may have queued something. */
static void after_call(struct nat *nat)
{
	if (outq_held(nat->gw->out))
		return; /* flush() comes */
	turn_end(nat, nat->now_ms);
}

/* ---- the port ------------------------------------------------------------------- */

static void nat_tx(struct port *p, const struct frame *const *batch,
		   unsigned int n)
{
	struct nat *nat = from_port(p);
	struct port *in = vswitch_ingress(p->sw);
	uint64_t nic_id = in ? in->nic_id : 0, bytes = 0, taken = 0;

	set_now(nat, vswitch_now(p->sw));
	gateway_hold(nat->gw);
	for (unsigned int i = 0, k; i < n; i += k) {
		uint8_t hdr[FRAME_HDR];
		const struct frame *f = batch[i];
		struct frame big;
		int drop;

		k = gro_udp(batch + i, n - i, &big, hdr);
		if (k > 1)
			f = &big;
		drop = gateway_input(nat->gw, f, nic_id, nat->now_ms);
		if (drop >= 0) {
			port_drop(p, (enum drop_reason)drop, k);
			continue;
		}
		taken += k;
		for (unsigned int j = 0; j < k; j++)
			bytes += batch[i + j]->len;
	}
	port_sent(p, taken, bytes);
}

static void nat_flush(struct port *p)
{
	struct nat *nat = from_port(p);

	set_now(nat, vswitch_now(p->sw));
	turn_end(nat, nat->now_ms);
}

static void nat_close(struct port *p)
{
	struct nat *nat = from_port(p);

	gateway_free(nat->gw);
	host_tcp_free(nat->host.tcp);
	host_wake_free(nat->wake);
	host_rest_fini(&nat->rest);
	host_fini(&nat->host);
	if (nat->timer)
		event_free(nat->timer);
	if (nat->kick)
		event_free(nat->kick);
	free(nat);
}

static const struct port_ops nat_port_ops = {
	.driver = "gateway",
	.tx = nat_tx,
	.flush = nat_flush,
	.close = nat_close,
};

/* ---- life ----------------------------------------------------------------------- */

/* Every event of a TCP socket asks for the time first. */
static int64_t tcp_now(void *arg)
{
	/* Timers that the event arms have to be noticed, kick or not. */
	kick(arg);
	return turn(arg);
}

static void nat_woke(void *arg, int64_t slept_ms)
{
	struct nat *nat = arg;
	int64_t now_ms = turn(nat);

	gateway_slept(nat->gw, slept_ms, now_ms);
	turn_end(nat, now_ms);
}

static int init_host(struct nat *nat, struct event_base *base, bool tcp, bool wake)
{
	struct host *h = &nat->host;
	int err;

	h->base = base;
	h->turn = turn;
	h->turn_end = turn_end;
	h->arg = nat;
	err = host_init(h);
	if (err)
		return err;
	nat->timer = evtimer_new(base, nat_on_timer, nat);
	nat->kick = event_new(base, -1, 0, nat_on_kick, nat);
	if (!nat->timer || !nat->kick ||
	    host_rest_init(&nat->rest, base, nat_on_rest, nat))
		return -ENOMEM;
	if (wake && host_wake_new(base, nat_woke, nat, &nat->wake))
		nat->wake = NULL;
	/* Without NAT no socket is ever made: the process may not be allowed to. */
	return tcp ? host_tcp_new(base, HOST_TCP_PEEK_AUTO, tcp_now, nat,
				  &h->tcp)
		   : 0;
}

static int init_gateway(struct nat *nat, const struct nat_config *cfg,
			struct errtext *why)
{
	struct gateway_env env = {
		.send = send_to_switch, .send_arg = nat, .room = room,
		.room_arg = nat, .lend = lend, .unlend = unlend, .udp = &host_udp_ops,
		.icmp = &host_icmp_ops, .dns = &host_dns_ops,
		.forward = &host_forward_ops, .host_arg = &nat->host,
		.tcp = &host_tcp_ops, .tcp_arg = nat->host.tcp, .kick = kick,
		.rest = rest, .kick_arg = nat,
	};
	int err;

	if (getrandom(env.seed, sizeof(env.seed), 0) != sizeof(env.seed))
		return errtext_set(why, -EIO, "no random bytes");
	err = gateway_new(cfg, &env, turn(nat), &nat->gw, why);
	nat->host.gw = nat->gw;
	return err;
}

static int add_port(struct nat *nat, struct vswitch *sw,
		    const struct nat_config *cfg, struct errtext *why)
{
	int err;

	snprintf(nat->port.name, sizeof(nat->port.name), "gateway");
	nat->port.ops = &nat_port_ops;
	nat->port.caps = PORT_CAP_CSUM | PORT_CAP_TSO4 | PORT_CAP_TSO6 |
			 PORT_CAP_USO;
	nat->port.role = PORT_GATEWAY;
	err = vswitch_port_add(sw, &nat->port);
	if (err)
		return errtext_set(why, err, "the switch has no free port");
	err = vswitch_fdb_static(sw, &cfg->mac, &nat->port);
	if (err)
		errtext_set(why, err, "the gateway's MAC address is in use");
	return err;
}

int nat_new(struct event_base *base, struct vswitch *sw,
	    const struct nat_config *cfg, struct nat **out, struct errtext *why)
{
	struct nat *nat = calloc(1, sizeof(*nat));
	int raw_fd = cfg->icmp_raw_fd;
	int err;

	if (!nat) {
		fd_close(&raw_fd);
		return errtext_set(why, -ENOMEM, "out of memory");
	}
	nat->host.raw[0].fd = nat->host.raw[1].fd = -1;
	nat->timer_at_ms = WHEEL_NEVER;
	err = init_host(nat, base, cfg->nat, cfg->nat || cfg->resolver);
	if (err)
		errtext_set(why, err, "cannot set up the host's sockets");
	else
		err = init_gateway(nat, cfg, why);
	if (err) {
		fd_close(&raw_fd);
		nat_close(&nat->port);
		return err;
	}
	err = host_icmp_raw(&nat->host, false, raw_fd);
	if (err)
		errtext_set(why, err, "cannot use the raw ICMP socket");
	else
		err = add_port(nat, sw, cfg, why);
	if (err) {
		if (nat->port.sw)
			vswitch_port_del(&nat->port);
		else
			nat_close(&nat->port);
		return err;
	}
	vswitch_on_room(sw, on_room, nat);
	*out = nat;
	return 0;
}

void nat_free(struct nat *nat)
{
	if (!nat)
		return;
	vswitch_on_room(nat->port.sw, NULL, NULL);
	vswitch_port_del(&nat->port);
}

struct port *nat_port(struct nat *nat)
{
	return &nat->port;
}

/* ---- calls from the owner --------------------------------------------------------- */

void nat_set_host_ip(struct nat *nat, uint32_t host_ip)
{
	nat->gw->pol.host_ip = host_ip;
}

void nat_set_host_ip6(struct nat *nat, const struct ipaddr *host_ip6)
{
	nat->gw->pol.host_ip6 = *host_ip6;
}

void nat_address_gone(struct nat *nat, const struct ipaddr *ip, size_t n)
{
	gateway_address_gone(nat->gw, ip, n, turn(nat));
	after_call(nat);
}

int nat_set_icmp6_raw(struct nat *nat, int fd)
{
	return host_icmp_raw(&nat->host, true, fd);
}

void nat_set_filter(struct nat *nat, enum nat_filter filter)
{
	nat->gw->udp.filter = filter;
}

void nat_set_limits(struct nat *nat, const struct nat_limits *limits)
{
	gateway_set_limits(nat->gw, limits);
}

int nat_set_access(struct nat *nat, const struct nat_access *access)
{
	int err = gateway_set_access(nat->gw, access, turn(nat));

	after_call(nat);
	return err;
}

int nat_set_deny6(struct nat *nat, const struct ip6_net *deny, size_t n)
{
	int err = gateway_set_deny6(nat->gw, deny, n, turn(nat));

	after_call(nat);
	return err;
}

int nat_set_deny(struct nat *nat, const struct ip4_net *deny, size_t n)
{
	int err = gateway_set_deny(nat->gw, deny, n, turn(nat));

	after_call(nat);
	return err;
}

int nat_service(struct nat *nat, uint16_t port, nat_service_fn fn, void *arg)
{
	return gateway_service_set(nat->gw, port, fn, arg);
}

void nat_service_far(struct nat *nat, uint16_t port)
{
	nat->gw->far_port = port;
}

int nat_udp_send(struct nat *nat, const struct nat_udp_out *out)
{
	int err;

	if (!outq_held(nat->gw->out))
		turn(nat);
	err = gateway_udp_send(nat->gw, out, nat->now_ms);
	after_call(nat);
	return err;
}

void nat_arp_ask(struct nat *nat, uint32_t ip)
{
	if (!outq_held(nat->gw->out))
		turn(nat);
	arp_ask(&nat->gw->arp, ip, NULL);
	after_call(nat);
}

void nat_on_arp(struct nat *nat, nat_arp_fn fn, void *arg)
{
	nat->gw->arp.heard = fn;
	nat->gw->arp.heard_arg = arg;
}

int nat_service6(struct nat *nat, uint16_t port, const struct ipaddr *group,
		 nat_service6_fn fn, void *arg)
{
	return gateway_service6_set(nat->gw, port, group, fn, arg);
}

int nat_udp6_send(struct nat *nat, const struct nat_udp6_out *out)
{
	int err;

	if (!outq_held(nat->gw->out))
		turn(nat);
	err = gateway_udp6_send(nat->gw, out, nat->now_ms);
	after_call(nat);
	return err;
}

int nat_route6_set(struct nat *nat, const struct nat_route6 *r)
{
	return routes6_set(&nat->gw->routes, r);
}

int nat_route6_del(struct nat *nat, const struct ip6_net *net)
{
	return routes6_del(&nat->gw->routes, net);
}

int nat_icmp6_service(struct nat *nat, uint8_t type, nat_icmp6_fn fn,
		      void *arg)
{
	return gateway_icmp6_service_set(nat->gw, type, fn, arg);
}

int nat_icmp6_send(struct nat *nat, const struct nat_icmp6_out *out)
{
	int err;

	if (!outq_held(nat->gw->out))
		turn(nat);
	err = gateway_icmp6_send(nat->gw, out, nat->now_ms);
	after_call(nat);
	return err;
}

int nat_forward_add(struct nat *nat, const struct nat_forward *fwd,
		    struct errtext *why)
{
	struct forward *f = NULL;
	int fd = fwd->fd, err = -EINVAL;

	if (!nat->gw->cfg.nat) {
		errtext_set(why, err, "the network has no NAT");
		goto fail;
	}
	if (fd < 0 || !fwd->target_port ||
	    (fwd->proto != NAT_TCP && fwd->proto != NAT_UDP) ||
	    (!fwd->nic_id && ipaddr_is_any(&fwd->target_ip))) {
		errtext_set(why, err, "the forward has no target or socket");
		goto fail;
	}
	f = calloc(1, sizeof(*f));
	err = -ENOMEM;
	if (!f)
		goto fail;
	f->id = fwd->id;
	f->group = fwd->group;
	f->proto = (uint8_t)fwd->proto;
	f->nic_id = fwd->nic_id;
	f->target_ip = fwd->nic_id ? ipaddr_any : fwd->target_ip;
	f->target_port = fwd->target_port;
	err = forward_add(&nat->gw->forwards, f);
	if (err) {
		errtext_set(why, err, err == -EEXIST ? "forward exists already"
						     : "too many forwards");
		goto fail;
	}
	err = host_forward_open(&nat->host, f, fd);
	if (!err)
		return 0;
	errtext_set(why, err, "cannot use the forward's socket");
	forward_del(&nat->gw->forwards, f);
	f = NULL;
fail:
	free(f);
	fd_close(&fd);
	return err;
}

int nat_forward_del(struct nat *nat, uint64_t id)
{
	struct forward *f = forward_find(&nat->gw->forwards, id);

	if (!f)
		return -ENOENT;
	gateway_forward_del(nat->gw, f, turn(nat));
	after_call(nat);
	return 0;
}

int nat_forward_socket(struct nat *nat, uint64_t id, int fd,
		       struct errtext *why)
{
	struct forward *f = forward_find(&nat->gw->forwards, id);
	int err = -ENOENT;

	if (!f) {
		fd_close(&fd);
		return errtext_set(why, err, "there is no such forward");
	}
	turn(nat);
	err = host_forward_swap(&nat->host, f, fd);
	if (err) {
		fd_close(&fd);
		errtext_set(why, err, "cannot use the forward's socket");
	}
	after_call(nat);
	return err;
}

void nat_forward_walk(struct nat *nat,
		      bool (*fn)(void *arg, uint64_t group,
				 const struct nat_forward_stats *s),
		      void *arg)
{
	gateway_forward_walk(nat->gw, fn, arg);
}

int nat_dns_upstreams(struct nat *nat, const struct nat_upstream *up, size_t n)
{
	struct dns_upstream to[DNS_UPSTREAMS];
	int err;

	if (n > DNS_UPSTREAMS)
		return -E2BIG;
	for (size_t i = 0; i < n; i++)
		to[i] = (struct dns_upstream){
			.ep = {up[i].ip, up[i].port ? up[i].port : DNS_PORT},
			.scope = up[i].scope,
		};
	err = dns_set_upstreams(&nat->gw->dns, to, (int)n, turn(nat));
	after_call(nat);
	return err;
}

int nat_name_set(struct nat *nat, uint64_t owner, const char *name,
		 const struct ipaddr *ip)
{
	return names_set(&nat->gw->dns.names, owner, name, ip);
}

int nat_record_add(struct nat *nat, const char *name, const char *type,
		   const char *value, struct errtext *why)
{
	struct zone *z = &nat->gw->dns.zone;
	struct zone_rec r;
	int err = zone_parse(name, type, value, &r, why);

	return err ? err : zone_add(z, name, &r, why);
}

void nat_record_del(struct nat *nat, const char *name, const char *type,
		    const char *value)
{
	struct zone_rec r;

	if (!zone_parse(name, type, value, &r, NULL))
		zone_del(&nat->gw->dns.zone, name, &r);
}

int nat_set_domain(struct nat *nat, const char *domain)
{
	return dns_set_domain(&nat->gw->dns, domain);
}

void nat_host_name(struct nat *nat, const struct ipaddr *ip)
{
	nat->gw->dns.host_at[!ipaddr_is4(ip)] = *ip;
}

void nat_name_del(struct nat *nat, uint64_t owner, const char *name,
		  const struct ipaddr *ip)
{
	names_del(&nat->gw->dns.names, owner, name,
		  ip && !ipaddr_is_any(ip) ? ip : NULL);
}

void nat_nic_gone(struct nat *nat, uint64_t nic_id)
{
	gateway_nic_gone(nat->gw, nic_id);
	after_call(nat);
}

void nat_stats(struct nat *nat, struct nat_stats *out)
{
	gateway_stats(nat->gw, out);
}

void nat_nic_stats(struct nat *nat, uint64_t nic_id, struct nat_nic_stats *out)
{
	gateway_nic_stats(nat->gw, nic_id, out);
}

void nat_flow_walk(struct nat *nat, uint64_t after,
		   bool (*fn)(void *arg, const struct nat_flow *f), void *arg)
{
	gateway_flow_walk(nat->gw, after, fn, arg, clock_mono_ms());
}

unsigned int nat_flow_end(struct nat *nat, unsigned int max,
			  bool (*match)(void *arg, const struct nat_flow *f),
			  void *arg)
{
	unsigned int n = gateway_flow_end(nat->gw, max, match, arg, turn(nat));

	after_call(nat);
	return n;
}
