// SPDX-License-Identifier: GPL-2.0-or-later
/* Leases of DHCPv6 in the batch of leases.c; what a worker may say is judged in wmsg6.c. */
#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "netd/addrs.h"
#include "netd/fwdctl.h"
#include "netd/hostnames.h"
#include "netd/knetctl.h"
#include "netd/leases_int.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/super.h"
#include "netd/validate.h"
#include "netd/wmsg.h"

static void changed(struct ctl *ctl, struct network *n, const struct mac *mac,
		    uint8_t plen)
{
	struct nic *nic = model_nic_by_mac(n, mac);

	if (plen != 128) /* the kernel may have a route there */
		knetctl_changed(n);
	if (!nic)
		return;
	addrs_changed(ctl, nic->conf.vm);
	fwdctl_vm_changed(ctl, n, nic->conf.vm);
}

static void announce(struct ctl *ctl, enum event_type type, struct network *n,
		     const struct lease6_conf *conf, const char *state)
{
	if (events_wanted(&ctl->events))
		events_emit(&ctl->events, type, obj_lease6(ctl, n, conf, state));
}

/* It ended: what is known of it is what it was granted as. */
static void forget(struct ctl *ctl, const struct change *c)
{
	struct lease6 *l = model_lease6_find(c->net, &c->v6.conf.address);
	enum event_type type = EVENT_LEASE_RELEASED;
	struct mac mac;
	uint8_t plen;

	if (!l)
		return;
	if (!strcmp(c->v6.state, "expired"))
		type = EVENT_LEASE_EXPIRED;
	else if (!strcmp(c->v6.state, "declined"))
		type = EVENT_LEASE_DECLINED;
	announce(ctl, type, c->net, &l->conf, c->v6.state);
	mac = l->conf.mac;
	plen = l->conf.plen;
	model_lease6_del(c->net, l);
	hostnames_ended(ctl, c->net, &c->v6.conf.address);
	changed(ctl, c->net, &mac, plen);
}

void leases6_remember(struct ctl *ctl, const struct change *c)
{
	if (c->gone) {
		forget(ctl, c);
		return;
	}
	if (model_lease6_put(c->net, &c->v6.conf))
		return;
	announce(ctl, EVENT_LEASE_BOUND, c->net, &c->v6.conf, "bound");
	if (c->v6.conf.plen == 128) /* a prefix has no name */
		hostnames_leased(ctl, c->net, &c->v6.conf.address,
				 &c->v6.conf.mac, c->v6.conf.hostname);
	changed(ctl, c->net, &c->v6.conf.mac, c->v6.conf.plen);
}

static void answer(struct network *n, uint64_t token, bool ok)
{
	if (n->sup && token)
		super_send(n->sup, W_LEASE6_DONE,
			   json_pack("{s:I,s:b}", "token", (json_int_t)token,
				     "ok", (int)ok),
			   NULL, 0);
}

void leases6_answer(const struct change *c, bool ok)
{
	if (c->net)
		answer(c->net, c->token, ok);
}

/* May they be stored: is there room, and are they of what the network has now? */
static bool granted(struct leases *l, struct network *n,
		    const struct lease6_conf *conf, unsigned int k)
{
	for (unsigned int i = 0; i < k; i++)
		if (!net_lease6_ok(&n->conf, &conf[i]))
			return false; /* it changed meanwhile */
	if (n->leases6.count + l->n + k <= MODEL_LEASES6_MAX)
		return true;
	for (unsigned int i = 0; i < k; i++)
		if (!model_lease6_find(n, &conf[i].address)) {
			log_limited(&l->budget, clock_mono_ms(), LOG_LVL_WARN,
				    "network %s: %u leases of IPv6, no more are "
				    "granted",
				    n->conf.name, n->leases6.count);
			return false;
		}
	return true;
}

int leases_take6(struct leases *l, struct network *n, json_t *body,
		 struct errtext *why)
{
	struct lease6_conf conf[LEASES6_MSG];
	int64_t token = 0;
	unsigned int k = 0;
	int r = wmsg_leases6(body, &n->conf, clock_wall_s(), &token, conf,
			     LEASES6_MSG, &k, why);

	if (r)
		return r;
	leases_room(l, k);
	if (!granted(l, n, conf, k)) {
		answer(n, (uint64_t)token, false);
		return 0;
	}
	for (unsigned int i = 0; i < k; i++) {
		struct change c = {.net = n, .is6 = true, .v6 = {conf[i], ""}};

		if (i + 1 == k) /* the last one's answer is that of all */
			c.token = (uint64_t)token;
		leases_add(l, &c);
	}
	return 0;
}

int leases_take6_event(struct leases *l, struct network *n, json_t *body,
		       struct errtext *why)
{
	struct change c = {.net = n, .is6 = true, .gone = true, .ends = true};
	int r = wmsg_lease6_event(body, &n->conf, &c.v6.conf, &c.v6.state, why);

	if (!r)
		leases_add(l, &c);
	return r;
}

/* ---- another prefix -------------------------------------------------------- */

struct outside {
	struct ctl *ctl;
	struct network *net;
	const struct net_conf *conf;
	struct errtext *why;
	int err;
};

static bool unstore(struct hnode *h, void *arg)
{
	const struct lease6_conf *c =
		&container_of(h, struct lease6, by_ip)->conf;
	struct outside *o = arg;

	if (!net_lease6_ok(o->conf, c))
		o->err = store_lease6_del(o->ctl->store, c->network,
					  &c->address, o->why);
	return !o->err;
}

int leases6_unstore_outside(struct ctl *ctl, struct network *n,
			    const struct net_conf *conf, struct errtext *why)
{
	struct outside o = {ctl, n, conf, why, 0};

	htab_walk(&n->leases6, unstore, &o);
	return o.err;
}

static bool end_outside(struct hnode *h, void *arg)
{
	struct outside *o = arg;
	struct change c = {
		.net = o->net, .is6 = true, .gone = true,
		.v6 = {container_of(h, struct lease6, by_ip)->conf,
		       "forgotten"},
	};

	if (!net_lease6_ok(o->conf, &c.v6.conf))
		forget(o->ctl, &c);
	return true;
}

void leases6_end_outside(struct ctl *ctl, struct network *n)
{
	struct outside o = {ctl, n, &n->conf, NULL, 0};

	htab_walk(&n->leases6, end_outside, &o);
}
