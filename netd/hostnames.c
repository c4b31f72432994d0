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

/* Never a guest's: the resolver's own, and names that software finds servers by
 * (proxy discovery, RFC 5214 tunnels). */
static bool is_barred(const char *name)
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

static void tell(struct network *n, uint32_t ip, const char *name)
{
	if (n->sup && net_has_services(&n->conf))
		super_send(n->sup, W_CLAIM,
			   json_pack("{s:o,s:s}", "ip", obj_ip(ip), "name",
				     name),
			   NULL, 0);
}

static void end(struct ctl *ctl, struct network *n, struct claim *c)
{
	/* What a full disk keeps is thrown away at the next start: load. */
	(void)store_claim_del(ctl->store, &c->conf, NULL);
	tell(n, c->conf.address, "");
	model_claim_del(n, c);
}

/* Does the lease that the claim came with still run? */
static bool is_live(struct network *n, const struct claim_conf *c)
{
	struct lease *l = model_lease_find(n, c->address);

	return l && mac_eq(&l->conf.mac, &c->mac) &&
	       lease_runs(&l->conf, clock_wall_s());
}

static void grant(struct ctl *ctl, struct network *n,
		  const struct lease_conf *l)
{
	struct claim_conf c = {.network = n->conf.id, .address = l->address,
			       .mac = l->mac};

	snprintf(c.name, sizeof(c.name), "%s", l->hostname);
	if (store_claim_put(ctl->store, &c, NULL) || model_claim_put(n, &c))
		return; /* no name this time; the next renewal asks again */
	tell(n, c.address, c.name);
}

void hostnames_leased(struct ctl *ctl, struct network *n,
		      const struct lease_conf *l)
{
	struct claim *mine = model_claim_of(n, l->address), *his;

	if (mine && mac_eq(&mine->conf.mac, &l->mac) &&
	    !strcmp(mine->conf.name, l->hostname))
		return;
	if (mine)
		end(ctl, n, mine);
	if (!l->hostname[0] || is_barred(l->hostname))
		return;
	his = model_claim_find(n, l->hostname);
	if (his && !mac_eq(&his->conf.mac, &l->mac) && is_live(n, &his->conf))
		return;
	if (is_given(n, l->hostname))
		return;
	if (his)
		end(ctl, n, his);
	grant(ctl, n, l);
}

void hostnames_ended(struct ctl *ctl, struct network *n, uint32_t address)
{
	struct claim *c = model_claim_of(n, address);

	if (c)
		end(ctl, n, c);
}

void hostnames_taken(struct ctl *ctl, struct network *n, const char *name,
		     const struct mac *mac)
{
	char low[CONF_RECORD_NAME + 1];
	struct claim *c;
	size_t i = 0;

	for (; i < sizeof(low) - 1 && name[i]; i++)
		low[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32
								 : name[i]);
	low[i] = '\0';
	c = model_claim_find(n, low);
	if (c && !same_mac(&c->conf.mac, mac))
		end(ctl, n, c);
}

const char *hostnames_claim(const struct network *n, const struct lease_conf *l)
{
	struct claim *c = model_claim_of((struct network *)n, l->address);

	return c && mac_eq(&c->conf.mac, &l->mac) ? c->conf.name : NULL;
}

int hostnames_load(struct ctl *ctl, struct network *n, const struct claim_conf *c)
{
	if (is_live(n, c) && !is_given(n, c->name) && !is_barred(c->name))
		return model_claim_put(n, c);
	(void)store_claim_del(ctl->store, c, NULL);
	return 0;
}

static bool send_one(struct hnode *h, void *arg)
{
	struct claim *c = container_of(h, struct claim, by_ip);

	if (is_live(arg, &c->conf))
		tell(arg, c->conf.address, c->conf.name);
	return true;
}

void hostnames_send(struct network *n)
{
	htab_walk(&n->claims, send_one, n);
}
