// SPDX-License-Identifier: GPL-2.0-or-later
/* Reservations, found by MAC and by address. See dhcp_reserve.h. */
#include "dhcp/dhcp_reserve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dhcp/dhcp_names.h"

int dhcp_reserve_init(struct dhcp_reserve *r, const uint64_t seed[2])
{
	memset(r, 0, sizeof(*r));
	if (htab_init(&r->by_mac, 16, seed) || htab_init(&r->by_ip, 16, seed))
		return -ENOMEM;
	return 0;
}

static bool free_one(struct hnode *n, void *arg)
{
	(void)arg;
	free(container_of(n, struct dhcp_reservation, by_mac));
	return true;
}

void dhcp_reserve_fini(struct dhcp_reserve *r)
{
	if (r->by_mac.bucket)
		htab_walk(&r->by_mac, free_one, NULL);
	htab_fini(&r->by_mac);
	htab_fini(&r->by_ip);
}

static uint32_t hash_mac(const struct dhcp_reserve *r, const struct mac *mac)
{
	return hash_bytes(r->by_mac.seed, mac->b, sizeof(mac->b));
}

static uint32_t hash_ip(const struct dhcp_reserve *r, uint32_t ip)
{
	return hash_bytes(r->by_ip.seed, &ip, sizeof(ip));
}

struct dhcp_reservation *dhcp_reserve_find_mac(const struct dhcp_reserve *r,
					       const struct mac *mac)
{
	struct hnode *n = htab_find(&r->by_mac, hash_mac(r, mac));

	for (; n; n = htab_find_next(n)) {
		struct dhcp_reservation *x =
			container_of(n, struct dhcp_reservation, by_mac);

		if (mac_eq(&x->mac, mac))
			return x;
	}
	return NULL;
}

struct dhcp_reservation *dhcp_reserve_find_ip(const struct dhcp_reserve *r,
					      uint32_t ip)
{
	struct hnode *n = htab_find(&r->by_ip, hash_ip(r, ip));

	for (; n; n = htab_find_next(n)) {
		struct dhcp_reservation *x =
			container_of(n, struct dhcp_reservation, by_ip);

		if (x->ip == ip)
			return x;
	}
	return NULL;
}

static int check(const struct dhcp_reserve *r, const struct mac *mac,
		 uint32_t ip, const char *name, struct errtext *why)
{
	const struct dhcp_reservation *x;
	char ip_text[IP4_TEXT], mac_text[MAC_TEXT];

	if (mac_is_group(mac) || mac_is_zero(mac))
		return errtext_set(why, -EINVAL, "%s is not a station's MAC",
				   mac_format(mac, mac_text));
	if (name && name[0] && !dhcp_name_valid(name))
		return errtext_set(why, -EINVAL,
				   "a host name is 1 to 63 letters, digits "
				   "and inner hyphens");
	x = ip ? dhcp_reserve_find_ip(r, ip) : NULL;
	if (x && !mac_eq(&x->mac, mac))
		return errtext_set(why, -EEXIST, "%s is reserved for %s",
				   ip4_format(ip, ip_text),
				   mac_format(&x->mac, mac_text));
	if (!dhcp_reserve_find_mac(r, mac) &&
	    r->by_mac.count >= DHCP_RESERVE_MAX)
		return errtext_set(why, -ENOSPC, "at most %u reservations",
				   (unsigned int)DHCP_RESERVE_MAX);
	return 0;
}

int dhcp_reserve_set(struct dhcp_reserve *r, const struct mac *mac, uint32_t ip,
		     const char *name, struct errtext *why)
{
	struct dhcp_reservation *x;
	int err = check(r, mac, ip, name, why);

	if (err)
		return err;
	x = dhcp_reserve_find_mac(r, mac);
	if (!x) {
		x = calloc(1, sizeof(*x));
		if (!x)
			return errtext_set(why, -ENOMEM, "no memory");
		x->mac = *mac;
		htab_add(&r->by_mac, &x->by_mac, hash_mac(r, mac));
	}
	if (x->ip)
		htab_del(&r->by_ip, &x->by_ip);
	x->ip = ip;
	if (ip)
		htab_add(&r->by_ip, &x->by_ip, hash_ip(r, ip));
	snprintf(x->name, sizeof(x->name), "%s", name ? name : "");
	return 0;
}

int dhcp_reserve_del(struct dhcp_reserve *r, const struct mac *mac,
		     uint32_t *ip)
{
	struct dhcp_reservation *x = dhcp_reserve_find_mac(r, mac);

	if (!x)
		return -ENOENT;
	*ip = x->ip;
	htab_del(&r->by_mac, &x->by_mac);
	if (x->ip)
		htab_del(&r->by_ip, &x->by_ip);
	free(x);
	return 0;
}
