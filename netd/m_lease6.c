// SPDX-License-Identifier: GPL-2.0-or-later
/* lease.* and reserve.* where the address is of IPv6. See m_lease.c. */
#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/jx.h"
#include "netd/hostnames.h"
#include "netd/leases.h"
#include "netd/m_int.h"
#include "netd/netctl.h"
#include "netd/nicctl.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/store.h"
#include "netd/super.h"
#include "netd/validate.h"

/* ---- leases -------------------------------------------------------------- */

struct lister {
	struct ctl *ctl;
	struct network *net;
	json_t *list;
	int64_t now;
};

static bool list_one(struct hnode *h, void *arg)
{
	struct lease6 *l = container_of(h, struct lease6, by_ip);
	struct lister *s = arg;

	json_array_append_new(
		s->list, obj_lease6(s->ctl, s->net, &l->conf,
				    l->conf.expires > s->now ? "bound"
							     : "expired"));
	return true;
}

void m_lease6_list(struct ctl *ctl, struct network *n, json_t *list)
{
	struct lister s = {ctl, n, list, clock_wall_s()};

	htab_walk(&n->leases6, list_one, &s);
}

void m_lease6_release(struct ctl *ctl, struct call *c, struct network *n,
		      const struct ipaddr *ip)
{
	struct errtext why = {""};
	struct lease6 *l;
	char s[IP_TEXT];
	int r;

	leases_flush(ctl->leases);
	l = model_lease6_find(n, ip);
	if (!l) {
		call_fail(c, RPC_NOT_FOUND, "network %s has no lease of %s",
			  n->conf.name, ipaddr_format(ip, s));
		return;
	}
	r = store_lease6_del(ctl->store, n->conf.id, ip, &why);
	if (r) {
		call_fail_why(c, r, &why);
		return;
	}
	events_emit(&ctl->events, EVENT_LEASE_RELEASED,
		    obj_lease6(ctl, n, &l->conf, "released"));
	model_lease6_del(n, l);
	hostnames_ended(ctl, n, ip);
	if (n->synced)
		super_request(n->sup, W_LEASE6_RELEASE,
			      json_pack("{s:o}", "ip", obj_ipaddr(ip)), NULL, 0,
			      NULL, NULL);
	call_result(c, NULL);
}

/* ---- reservations -------------------------------------------------------- */

static int read_resv(struct network *n, json_t *params,
		     const struct ipaddr *ip, struct resv6_conf *conf,
		     struct errtext *why)
{
	const char *vm = m_str(params, "vm");

	*conf = (struct resv6_conf){.network = n->conf.id, .address = *ip,
				    .nic = (int)m_int(params, "nic", 0)};
	if (!vm == !m_str(params, "mac"))
		return errtext_set(why, -EINVAL, "give either vm or mac");
	if (m_str(params, "hostname"))
		return errtext_set(why, -EINVAL,
				   "a host name goes with the reservation of "
				   "an IPv4 address; DHCPv6 tells the same");
	if (vm && validate_name("VM name", vm, why))
		return -EINVAL;
	if (vm) {
		snprintf(conf->vm, sizeof(conf->vm), "%s", vm);
		return 0;
	}
	(void)jx_mac(params, "mac", &conf->mac, NULL);
	return validate_mac(&conf->mac, why);
}

/* Does another one say so of the same NIC? */
static bool same_nic(const struct resv6_conf *a, const struct resv6_conf *b)
{
	return a->vm[0] ? !strcmp(a->vm, b->vm) && a->nic == b->nic
			: !b->vm[0] && mac_eq(&a->mac, &b->mac);
}

static int check(struct network *n, const struct resv6_conf *c,
		 struct errtext *why)
{
	struct lease6 *l = model_lease6_find(n, &c->address);
	struct mac mac = model_resv6_mac(n, c);
	char s[IP_TEXT], m[MAC_TEXT];
	unsigned int count = 0;

	if (net_guest_ip6(&n->conf, &c->address, why))
		return -EINVAL;
	list_for_each(r, &n->resvs6, struct resv6, node) {
		bool same = same_nic(&r->conf, c);
		bool ip = ipaddr_eq(&r->conf.address, &c->address);

		count++;
		if (same != ip)
			return errtext_set(why, -EEXIST, "%s is reserved %s",
					   ipaddr_format(&r->conf.address, s),
					   same ? "for it already"
						: "for another");
	}
	if (l && l->conf.expires > clock_wall_s() && !mac_eq(&l->conf.mac, &mac))
		return errtext_set(why, -EEXIST,
				   "%s is leased to %s; release the lease "
				   "first",
				   ipaddr_format(&c->address, s),
				   mac_format(&l->conf.mac, m));
	return count >= MODEL_RESVS6_MAX
		       ? errtext_set(why, -E2BIG,
				     "network %s has %d reservations already",
				     n->conf.name, MODEL_RESVS6_MAX)
		       : 0;
}

void m_reserve6_add(struct ctl *ctl, struct call *c, struct network *n,
		    json_t *params, const struct ipaddr *ip)
{
	struct errtext why = {""};
	struct resv6_conf conf;
	struct mac mac;
	int r = read_resv(n, params, ip, &conf, &why);

	if (!r)
		r = check(n, &conf, &why);
	if (!r)
		r = store_resv6_put(ctl->store, &conf, &why);
	if (!r)
		r = model_resv6_put(n, &conf);
	if (r) {
		call_fail_why(c, r, &why);
		return;
	}
	mac = model_resv6_mac(n, &conf);
	netctl_push_mac(n, &mac);
	call_result(c, obj_resv6(n, model_resv6_find(n, ip)));
}

void m_reserve6_del(struct ctl *ctl, struct call *c, struct network *n,
		    const struct ipaddr *ip)
{
	struct resv6 *r = model_resv6_find(n, ip);
	struct errtext why = {""};
	struct mac mac;
	int err;

	if (!r) {
		call_fail(c, RPC_NOT_FOUND,
			  "network %s has no such reservation", n->conf.name);
		return;
	}
	err = store_resv6_del(ctl->store, n->conf.id, ip, &why);
	if (err) {
		call_fail_why(c, err, &why);
		return;
	}
	mac = model_resv6_mac(n, &r->conf);
	model_resv6_del(r);
	netctl_push_mac(n, &mac);
	call_result(c, NULL);
}
