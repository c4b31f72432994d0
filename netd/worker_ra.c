// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Joins router advertisements (dhcp/ra.h) with the gateway's ICMPv6. They begin with
 * the network and end with it; what they say follows from W_NET, where only the mode
 * may change while the network runs.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <errno.h>

#include "netd/worker_int.h"

static void send_msg(struct worker *w, const struct ra_msg *m)
{
	struct nat_icmp6_out out = {
		.src = mac_is_zero(&w->router) ? ipaddr_any
					       : ipaddr_linklocal(&w->router),
		.dst = m->dst,
		.dst_mac = m->mac,
		.data = m->data,
		.len = m->len,
	};

	(void)nat_icmp6_send(w->nat, &out); /* counted there */
}

static void on_solicit(void *arg, const struct nat_icmp6 *m)
{
	struct worker *w = arg;
	struct ra_input in = {
		.data = m->data,
		.len = m->len,
		.src = m->src,
		.hop_limit = m->hop_limit,
		.src_mac = m->src_mac,
	};

	if (ra_input(&w->ra, &in, worker_now(w)))
		worker_tick_by(w, ra_deadline(&w->ra));
}

struct ipaddr worker_dns_ip6(const struct nat_config *cfg)
{
	return cfg->resolver ? cfg->ip6 : cfg->dns_ip6;
}

int worker_ra_config(struct worker *w, const struct nat_config *cfg,
		     enum ra_mode mode, struct errtext *why)
{
	struct ra_config c = {
		.mode = mode,
		.prefix = cfg->net6,
		.router = cfg->nat || cfg->resolver,
		.mtu = cfg->mtu,
		.mac = mac_is_zero(&w->router) ? cfg->mac : w->router,
	};
	struct ipaddr dns = worker_dns_ip6(cfg);
	uint64_t seed;
	int r;

	if (!cfg->net6.plen)
		return 0;
	/* A network that leads nowhere has a resolver for nobody but itself: its
	 * guests may have another NIC with one that knows the world. */
	if (!ipaddr_is_zero(&dns)) {
		c.dns[c.ndns++] = dns;
		snprintf(c.domain, sizeof(c.domain), "%s",
			 cfg->domain ? cfg->domain : "");
	}
	if (w->ra_on) {
		if (w->ra.cfg.mode != mode) {
			c.mtu = w->ra.cfg.mtu; /* stays the first one's */
			ra_configure(&w->ra, &c, worker_now(w));
			worker_tick_by(w, ra_deadline(&w->ra));
		}
		return 0;
	}
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return errtext_set(why, -EIO, "no random numbers");
	r = nat_icmp6_service(w->nat, RA_TYPE_SOLICIT, on_solicit, w);
	if (r)
		return r;
	ra_init(&w->ra, &c, seed, worker_now(w));
	w->ra_on = true;
	return 0;
}

void worker_ra_domain(struct worker *w, const char *domain)
{
	struct ra_config c = w->ra.cfg;

	if (!w->ra_on || !c.ndns || !strcmp(c.domain, domain))
		return;
	snprintf(c.domain, sizeof(c.domain), "%s", domain);
	ra_configure(&w->ra, &c, worker_now(w));
	worker_tick_by(w, ra_deadline(&w->ra));
}

void worker_ra_tick(struct worker *w)
{
	struct ra_msg m;

	while (w->ra_on && ra_next(&w->ra, worker_now(w), &m))
		send_msg(w, &m);
}

void worker_ra_end(struct worker *w)
{
	struct ra_msg m;

	if (!w->ra_on)
		return;
	w->ra_on = false;
	if (w->ra.cfg.mode == RA_OFF)
		return; /* it was taken back long ago */
	ra_final(&w->ra, &m);
	send_msg(w, &m);
}
