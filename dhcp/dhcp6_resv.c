// SPDX-License-Identifier: GPL-2.0-or-later
/* Fixed addresses and names by MAC. See dhcp6_table.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dhcp/dhcp6_table_int.h"
#include "dhcp/dhcp_names.h"

static struct dhcp6_resv *find_mac(const struct dhcp6_table *t,
				   const struct mac *mac)
{
	struct hnode *n =
		htab_find(&t->resv_mac, dhcp6_hash(&t->resv_mac, mac->b, 6));

	for (; n; n = htab_find_next(n)) {
		struct dhcp6_resv *r = container_of(n, struct dhcp6_resv, by_mac);

		if (mac_eq(&r->mac, mac))
			return r;
	}
	return NULL;
}

const struct dhcp6_resv *dhcp6_resv_mac(const struct dhcp6_table *t,
					const struct mac *mac)
{
	return find_mac(t, mac);
}

const struct dhcp6_resv *dhcp6_resv_ip(const struct dhcp6_table *t,
				       const struct ipaddr *ip)
{
	struct hnode *n =
		htab_find(&t->resv_ip, dhcp6_hash(&t->resv_ip, ip->b, 16));

	for (; n; n = htab_find_next(n)) {
		struct dhcp6_resv *r = container_of(n, struct dhcp6_resv, by_ip);

		if (ipaddr_eq(&r->ip, ip))
			return r;
	}
	return NULL;
}

static int check(const struct dhcp6_table *t, const struct mac *mac,
		 const struct ipaddr *ip, const char *name, struct errtext *why)
{
	const struct dhcp6_resv *other;
	bool own = ipaddr_eq(ip, &t->cfg.net.addr);
	char text[IP_TEXT];

	if (mac_is_group(mac) || mac_is_zero(mac))
		return errtext_set(why, -EINVAL, "no MAC of a guest");
	if (name[0] && !dhcp_name_valid(name))
		return errtext_set(why, -EINVAL, "\"%.63s\" is no host name",
				   name);
	if (ipaddr_is_zero(ip))
		return 0;
	for (int i = 0; i < DHCP6_OWN_MAX; i++)
		own |= ipaddr_eq(ip, &t->cfg.own[i]);
	if (own || !ipaddr_in_net6(ip, &t->cfg.net))
		return errtext_set(why, -ERANGE,
				   "%s is not free for a guest of this network",
				   ipaddr_format(ip, text));
	other = dhcp6_resv_ip(t, ip);
	if (other && !mac_eq(&other->mac, mac))
		return errtext_set(why, -EEXIST, "%s is reserved already",
				   ipaddr_format(ip, text));
	return 0;
}

int dhcp6_resv_set(struct dhcp6_table *t, const struct mac *mac,
		   const struct ipaddr *ip, const char *name,
		   struct errtext *why)
{
	const char *n = name ? name : "";
	struct dhcp6_resv *r;
	int err;

	if (!ip)
		ip = &ipaddr_any;
	err = check(t, mac, ip, n, why);
	if (err)
		return err;
	r = find_mac(t, mac);
	if (!r) {
		if (t->resv_mac.count >= DHCP6_RESERVE_MAX)
			return errtext_set(why, -ENOSPC,
					   "too many reservations");
		r = calloc(1, sizeof(*r));
		if (!r)
			return errtext_set(why, -ENOMEM, "no memory");
		r->mac = *mac;
		r->place = dhcp6_place_of(mac);
		htab_add(&t->resv_mac, &r->by_mac,
			 dhcp6_hash(&t->resv_mac, mac->b, 6));
	}
	if (!ipaddr_is_zero(&r->ip))
		htab_del(&t->resv_ip, &r->by_ip);
	r->ip = *ip;
	if (!ipaddr_is_zero(ip))
		htab_add(&t->resv_ip, &r->by_ip,
			 dhcp6_hash(&t->resv_ip, ip->b, 16));
	snprintf(r->name, sizeof(r->name), "%s", n);
	return 0;
}

void dhcp6_resv_del(struct dhcp6_table *t, const struct mac *mac)
{
	struct dhcp6_resv *r = find_mac(t, mac);

	if (!r)
		return;
	if (!ipaddr_is_zero(&r->ip))
		htab_del(&t->resv_ip, &r->by_ip);
	htab_del(&t->resv_mac, &r->by_mac);
	free(r);
}
