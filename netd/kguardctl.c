// SPDX-License-Identifier: GPL-2.0-or-later
/* See kguardctl.h; the request and what it compiles to is kguard.c. */
#include "netd/kguardctl.h"

#include <errno.h>
#include <event2/event.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "lib/log.h"
#include "nat/nflog.h"
#include "netd/addrs.h"
#include "netd/guardconf.h"
#include "netd/kguard.h"
#include "netd/knetctl.h"
#include "netd/priv.h"
#include "netd/promise.h"
#include "netd/stopped.h"

struct kguardctl {
	struct ctl *ctl;
	int fd;
	struct event *news;
};

/* ---- what it is to be ------------------------------------------------------------- */

static struct nftguard_nic *put_nic(struct kguard *k, const struct nic *nic)
{
	const struct guard_conf c = guardconf_of(&nic->conf.guard,
						 &nic->net->conf.guard);
	struct nftguard_nic *n = &k->nic[k->nnic];
	bool port = knetctl_has_port(nic);

	if (k->nnic == KGUARD_NICS_MAX || (port && !nic->conf.ifname[0]))
		return NULL;
	k->nnic++;
	n->mac = nic->conf.mac;
	n->isolated = c.isolated > 0;
	if (!port)
		return n;
	snprintf(n->port, sizeof(n->port), "%s", nic->conf.ifname);
	n->level = (uint8_t)c.level;
	n->storm = (uint32_t)c.storm;
	n->out = c.rate_out;
	n->in = c.rate_in;
	return n;
}

/* ---- whose is what ------------------------------------------------------------------- */

static void put_net(struct kguard *k, const struct ipaddr *ip, uint8_t plen)
{
	struct nftguard_addr *a = &k->addr[k->naddr];

	if (k->naddr == KGUARD_ADDRS_MAX)
		return;
	a->ip = *ip;
	a->plen = plen;
	a->nic = (uint16_t)(k->nnic - 1);
	k->naddr++;
}

static void put_addr(struct kguard *k, const struct ipaddr *ip)
{
	if (ipaddr_is_any(ip))
		return;
	for (unsigned int i = 0; i < NFTGUARD_OWN_MAX; i++)
		if (ipaddr_eq(ip, &k->own[i]))
			return;
	put_net(k, ip, 128);
}

static void put_addr4(struct kguard *k, uint32_t ip4)
{
	struct ipaddr ip = ipaddr_from4(ip4);

	put_addr(k, &ip);
}

static void put_leases6(struct kguard *k, const struct nic *nic, int64_t now)
{
	const struct lease6 *l = NULL;

	while ((l = addrs_lease6(nic, l, now)))
		if (l->conf.plen == 128)
			put_addr(k, &l->conf.address);
		else
			put_net(k, &l->conf.address, l->conf.plen);
}

/* What SLAAC makes of its MAC is its own, however early another one comes. */
static void put_made(struct kguard *k, const struct nic *nic)
{
	struct ipaddr ip = ipaddr_linklocal(&nic->conf.mac);

	put_addr(k, &ip);
	if (!k->slaac.plen)
		return;
	memcpy(ip.b, k->slaac.addr.b, 8);
	put_addr(k, &ip);
}

/* Of the NIC that was put last: leased, delegated, promised before its first lease,
 * reserved, given. */
static void put_addrs(struct kguard *k, const struct nic *nic, int64_t now)
{
	struct network *n = nic->net;
	struct lease *l = model_lease_by_mac(n, &nic->conf.mac, now);
	const struct resv *r = model_resv_by_mac(n, &nic->conf.mac);
	const struct resv6 *r6 = model_resv6_by_mac(n, &nic->conf.mac);
	struct pin_net given[GUARDCONF_IPS];
	int ips = guardconf_ips(nic->conf.guard.ips, given, NULL);

	put_made(k, nic);
	put_addr4(k, l ? l->conf.address : promise_of(nic, now));
	if (r)
		put_addr4(k, r->conf.address);
	if (r6)
		put_addr(k, &r6->conf.address);
	put_leases6(k, nic, now);
	for (int i = 0; i < ips; i++)
		if (given[i].plen == 128)
			put_addr(k, &given[i].addr);
		else
			put_net(k, &given[i].addr, given[i].plen);
}

/* Nobody asks for addresses where no NIC is held to its own. */
static bool is_asked(const struct network *n, const struct nic *more)
{
	if (more && guardconf_of(&more->conf.guard, &n->conf.guard).level == PIN_IP)
		return true;
	list_for_each(nic, &n->nics, struct nic, node)
		if (knetctl_has_port(nic) &&
		    guardconf_of(&nic->conf.guard, &n->conf.guard).level == PIN_IP)
			return true;
	return false;
}

void kguardctl_addresses(struct network *n)
{
	if (n->bridged && is_asked(n, NULL))
		knetctl_guards_changed(n);
}

/* By any name: of the kernel's gateway, of ours, of the adapter. */
static void put_own(struct network *n, struct kguard *k)
{
	const struct net_conf *c = &n->conf;
	const struct mac bridge = knetctl_mac(n);
	const bool ip6 = c->subnet6.plen;
	const struct ipaddr own[NFTGUARD_OWN_MAX] = {
		ipaddr_from4(knetctl_host_ip(n)),
		ipaddr_from4(net_worker_ip(c)),
		net_host_ip6(c),
		net_service_ip6(c),
		net_dns_ip6(c),
		ip6 && c->mode != NET_INTERNAL ? ipaddr_linklocal(&bridge)
					       : ipaddr_any,
		ip6 && !mac_is_zero(&c->mac) ? ipaddr_linklocal(&c->mac)
					     : ipaddr_any,
	};

	memcpy(k->own, own, sizeof(k->own));
}

/* Heap; NULL without memory. */
static struct kguard *describe(struct network *n, const struct nic *more)
{
	const struct net_conf *c = &n->conf;
	struct kguard *k = calloc(1, sizeof(*k));
	bool asked = is_asked(n, more);
	int64_t now = clock_wall_s();

	if (!k)
		return NULL;
	snprintf(k->network, sizeof(k->network), "%s", c->name);
	k->uplink = c->mode == NET_BRIDGED;
	k->service = c->mac;
	if (!k->uplink) {
		k->bridge = knetctl_mac(n);
		k->net = c->subnet;
		k->net6 = c->subnet6;
		k->pool6 = c->pool6;
	}
	put_own(n, k);
	/* Guests play no server beside ours; where we do not serve, they may. */
	k->dhcp = c->dhcp_first;
	k->ra = net_has_services(c) && c->subnet6.plen && c->ipv6 != IPV6_OFF;
	if (k->ra && c->ipv6 != IPV6_STATEFUL)
		k->slaac = c->subnet6;
	list_for_each(nic, &n->nics, struct nic, node)
		if (put_nic(k, nic) && asked)
			put_addrs(k, nic, now);
	if (more && put_nic(k, more) && asked)
		put_addrs(k, more, now);
	return k;
}

int kguardctl_apply(struct network *n, const struct nic *more, bool *changed,
		    struct errtext *why)
{
	struct kguard *k = describe(n, more);
	int r = k ? priv_kguard(n->ctl->priv, k, false, changed, why)
		  : errtext_set(why, -ENOMEM, "no memory");

	free(k);
	if (!r)
		list_for_each(nic, &n->nics, struct nic, node)
			nic->kguarded = true;
	return r;
}

char *kguardctl_plan(struct network *n, bool all, bool *changed,
		     struct errtext *why)
{
	struct kguard *k = describe(n, NULL);
	struct nft_plan *p = calloc(1, sizeof(*p));
	char *text = NULL;

	*changed = true;
	if (k && p && !kguard_filters(k, p)) {
		text = nftplan_text(p);
		nftplan_fini(p);
	}
	if (!text) {
		errtext_set(why, -ENOMEM, "no memory");
	} else if (!all && priv_kguard(n->ctl->priv, k, true, changed, why)) {
		free(text);
		text = NULL;
	}
	free(p);
	free(k);
	return text;
}

/* ---- how many ------------------------------------------------------------------------ */

/* "guard_gateway" is one of "guard". */
static size_t class_of(unsigned int kind, char out[NFT_NAME])
{
	const char *name = nftguard_name((enum nftguard_kind)kind);
	size_t len = strcspn(name, "_");

	snprintf(out, NFT_NAME, "%.*s", (int)len, name);
	return len + 1;
}

static void add(json_t *ports, const struct priv_kcount *c)
{
	json_t *o = json_object_get(ports, c->port);
	char class[NFT_NAME];

	if (!o) {
		o = json_object();
		json_object_set_new(ports, c->port, o);
	}
	class_of(c->kind, class);
	json_object_set_new(
		o, class,
		json_integer(json_integer_value(json_object_get(o, class)) +
			     (json_int_t)c->frames));
}

json_t *kguardctl_drops(struct network *n)
{
	json_t *ports = json_object();
	struct priv_kcount c;
	int fd = -1;
	off_t at = 0;

	if (n->bridged && !priv_kcounts(n->ctl->priv, n->conf.name, &fd, NULL))
		for (; pread(fd, &c, sizeof(c), at) == sizeof(c);
		     at += (off_t)sizeof(c))
			if (c.kind < NFTGUARD_KINDS &&
			    memchr(c.port, '\0', sizeof(c.port)))
				add(ports, &c);
	fd_close(&fd);
	return ports;
}

/* ---- told ------------------------------------------------------------------------------- */

static struct nic *nic_at(struct network *n, int index)
{
	char name[IFNAMSIZ];

	if (!n || !if_indextoname((unsigned int)index, name))
		return NULL;
	list_for_each(nic, &n->nics, struct nic, node)
		if (knetctl_has_port(nic) && !strcmp(nic->conf.ifname, name))
			return nic;
	return NULL;
}

static void tell(void *arg, const struct nflog_entry *e)
{
	struct kguardctl *k = arg;
	struct nic *nic = nic_at(model_net_find(&k->ctl->model, e->network),
				 e->port);
	const char *kind = nftguard_name(e->kind);
	char class[NFT_NAME], who[CONF_NAME_MAX + 16];
	bool rogue;

	if (!nic)
		return;
	kind += class_of(e->kind, class);
	rogue = !strcmp(class, "rogue");
	snprintf(who, sizeof(who), "%s-%d", nic->conf.vm, nic->conf.index);
	stopped_log(e->network, who, rogue, kind, &e->mac);
	stopped_emit(nic, rogue, kind, &e->mac);
}

static void news_on_readable(evutil_socket_t fd, short what, void *arg)
{
	_Alignas(8) char buf[8192];
	ssize_t len = 0;
	int n = 0;

	(void)what;
	while (n++ < 64 && ((len = recv(fd, buf, sizeof(buf), 0)) >= 0 ||
			    errno == ENOBUFS || errno == EINTR))
		if (len > 0)
			nflog_read(buf, (size_t)len, tell, arg);
}

struct kguardctl *kguardctl_new(struct ctl *ctl)
{
	struct kguardctl *k = calloc(1, sizeof(*k));
	struct errtext why = {"no memory"};

	if (!k)
		return NULL;
	k->ctl = ctl;
	k->fd = -1;
	if (!priv_nflog(ctl->priv, &k->fd, &why))
		k->news = event_new(ctl->base, k->fd, EV_READ | EV_PERSIST,
				    news_on_readable, k);
	if (k->news && !event_add(k->news, NULL))
		return k;
	log_warn("kernel datapath: what guests are kept from is counted, but "
		 "not told: %s", why.s);
	kguardctl_free(k);
	return NULL;
}

void kguardctl_free(struct kguardctl *k)
{
	if (!k)
		return;
	if (k->news)
		event_free(k->news);
	fd_close(&k->fd);
	free(k);
}
