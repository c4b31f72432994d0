// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims on names. See hostnames.h. */
#include "netd/hostnames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "nat/names.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/store.h"
#include "netd/super.h"

bool hostnames_is_barred(const char *name)
{
	static const char *const no[] = {"localhost", "wpad", "isatap"};

	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (!strcasecmp(no[i], name))
			return true;
	return names_is_service(name);
}

static bool same_mac(const struct mac *a, const struct mac *b)
{
	return b && mac_eq(a, b);
}

/* Has the user given the name to anybody? His own VM's or reservation's name is no
 * claim either: it is served anyway. */
static bool is_given(const struct network *n, const char *name)
{
	list_for_each(r, &n->records, struct record, node)
		if (!strcasecmp(r->conf.name, name))
			return true;
	list_for_each(v, &n->resvs, struct resv, node)
		if (!strcasecmp(v->conf.hostname, name))
			return true;
	list_for_each(nic, &n->nics, struct nic, node)
		if (!strcasecmp(nic->conf.vm, name))
			return true;
	return false;
}

static void tell(struct network *n, const struct ipaddr *ip, const char *name)
{
	if (n->sup && net_has_services(&n->conf))
		super_send(n->sup, W_CLAIM,
			   json_pack("{s:o,s:s}", "ip", obj_ipaddr(ip), "name",
				     name),
			   NULL, 0);
}

static void end(struct ctl *ctl, struct network *n, struct claim *c)
{
	/* What a full disk keeps is thrown away at the next start: load. */
	(void)store_claim_del(ctl->store, &c->conf, NULL);
	tell(n, &c->conf.address, "");
	model_claim_del(n, c);
}

/* Does the lease that the claim came with still run? */
static bool is_live(struct network *n, const struct claim_conf *c)
{
	int64_t now = clock_wall_s();
	const struct lease6 *l6;
	const struct lease *l;

	if (ipaddr_is4(&c->address)) {
		l = model_lease_find(n, ipaddr_get4(&c->address));
		return l && mac_eq(&l->conf.mac, &c->mac) &&
		       lease_runs(&l->conf, now);
	}
	l6 = model_lease6_find(n, &c->address);
	return l6 && mac_eq(&l6->conf.mac, &c->mac) && l6->conf.expires > now;
}

/* Does somebody else than @mac have it? Claims whose lease is over are none. */
static bool is_others(struct network *n, const char *name, const struct mac *mac)
{
	struct claim *c = model_claim_find(n, name);

	for (; c; c = model_claim_next(c))
		if (!mac_eq(&c->conf.mac, mac) && is_live(n, &c->conf))
			return true;
	return false;
}

/* All claims on it end, but those of @mac (NULL: those, too). */
static void end_all(struct ctl *ctl, struct network *n, const char *name,
		    const struct mac *mac)
{
	struct claim *next, *c = model_claim_find(n, name);

	for (; c; c = next) {
		next = model_claim_next(c);
		if (!same_mac(&c->conf.mac, mac))
			end(ctl, n, c);
	}
}

static void grant(struct ctl *ctl, struct network *n, const struct ipaddr *ip,
		  const struct mac *mac, const char *name)
{
	struct claim_conf c = {.network = n->conf.id, .address = *ip,
			       .mac = *mac};

	snprintf(c.name, sizeof(c.name), "%s", name);
	if (store_claim_put(ctl->store, &c, NULL) || model_claim_put(n, &c))
		return; /* no name this time; the next renewal asks again */
	tell(n, &c.address, c.name);
}

void hostnames_leased(struct ctl *ctl, struct network *n,
		      const struct ipaddr *ip, const struct mac *mac,
		      const char *name)
{
	struct claim *mine = model_claim_of(n, ip);

	if (!name)
		name = "";
	if (mine && mac_eq(&mine->conf.mac, mac) &&
	    !strcmp(mine->conf.name, name))
		return;
	if (mine)
		end(ctl, n, mine);
	if (!name[0] || hostnames_is_barred(name) ||
	    is_others(n, name, mac) || is_given(n, name))
		return;
	end_all(ctl, n, name, mac);
	grant(ctl, n, ip, mac, name);
}

void hostnames_ended(struct ctl *ctl, struct network *n, const struct ipaddr *ip)
{
	struct claim *c = model_claim_of(n, ip);

	if (c)
		end(ctl, n, c);
}

void hostnames_taken(struct ctl *ctl, struct network *n, const char *name,
		     const struct mac *mac)
{
	char low[CONF_RECORD_NAME + 1];
	size_t i = 0;

	for (; i < sizeof(low) - 1 && name[i]; i++)
		low[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32
								 : name[i]);
	low[i] = '\0';
	end_all(ctl, n, low, mac);
}

const char *hostnames_claim(const struct network *n, const struct ipaddr *ip,
			    const struct mac *mac)
{
	struct claim *c = model_claim_of((struct network *)n, ip);

	return c && mac_eq(&c->conf.mac, mac) ? c->conf.name : NULL;
}

int hostnames_load(struct ctl *ctl, struct network *n, const struct claim_conf *c)
{
	if (is_live(n, c) && !is_given(n, c->name) &&
	    !hostnames_is_barred(c->name))
		return model_claim_put(n, c);
	(void)store_claim_del(ctl->store, c, NULL);
	return 0;
}

static bool send_one(struct hnode *h, void *arg)
{
	struct claim *c = container_of(h, struct claim, by_ip);

	if (is_live(arg, &c->conf))
		tell(arg, &c->conf.address, c->conf.name);
	return true;
}

void hostnames_send(struct network *n)
{
	htab_walk(&n->claims, send_one, n);
}
