// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the network's DNS calls its guests: NICs by their VM's name and their
 * reservation's host name, reserved addresses before anybody speaks from them, claims
 * that control granted, records of the user's own. Control decides who is called what
 * (netd/hostnames.h); here names meet addresses.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/jx.h"
#include "nat/names.h"
#include "netd/worker_int.h"

/* Owners in names.h beside NICs, which have their id, and claims with IPv4 addresses,
 * which have those. An address has at most one claim. */
#define OWNER_CLAIM6 (NAMES_CLAIM | UINT64_C(1) << 62)
#define OWNER_RESERVED (UINT64_C(1) << 62) /* and a MAC */

static uint64_t owner_of_mac(const struct mac *m)
{
	uint64_t v = OWNER_RESERVED;

	for (int i = 0; i < 6; i++)
		v |= (uint64_t)m->b[i] << (8 * i);
	return v;
}

void worker_names_set(struct worker *w, struct wnic *n, const struct ipaddr *ip)
{
	if (!w->nat || ipaddr_is_any(ip))
		return;
	/* The first one is the address's name. What is no host name simply is not
	 * known to DNS. */
	if (n->hostname[0])
		(void)nat_name_set(w->nat, n->id, n->hostname, ip);
	if (n->vm[0])
		(void)nat_name_set(w->nat, n->id, n->vm, ip);
}

void worker_names_del(struct worker *w, struct wnic *n, const struct ipaddr *ip)
{
	if (w->nat && !ipaddr_is_any(ip))
		nat_name_del(w->nat, n->id, NULL, ip);
}

static void set_all(struct worker *w, struct wnic *n)
{
	struct ipaddr lease = ipaddr_from4(n->lease_ip);

	worker_names_set(w, n, &lease);
	worker_names_set(w, n, &n->lease_ip6);
	for (unsigned int i = 0; !n->lease_ip && i < n->seen4.n; i++)
		worker_names_set(w, n, &n->seen4.e[i].ip);
	for (unsigned int i = 0; i < n->seen6.n; i++)
		worker_names_set(w, n, &n->seen6.e[i].ip);
}

void worker_names_gone(struct worker *w, struct wnic *n)
{
	if (w->nat)
		nat_name_del(w->nat, n->id, NULL, NULL);
}

/* Has a NIC of that MAC an address of this family already? */
static bool is_met(const struct worker *w, const struct mac *mac, bool ip6)
{
	list_for_each(n, &w->nics, struct wnic, node)
		if (mac_eq(&n->mac, mac) &&
		    (ip6 ? n->seen6.n || !ipaddr_is_zero(&n->lease_ip6)
			 : n->seen4.n || n->lease_ip))
			return true;
	return false;
}

/* A reserved address counts until its owner is met elsewhere. */
void worker_names_reserved(struct worker *w, const struct mac *mac)
{
	const char *name = "";
	struct ipaddr ip[] = {
		ipaddr_from4(worker_dhcp_reserved(w, mac, &name)),
		w->dhcp6 ? dhcp6_server_reserved(w->dhcp6, mac) : ipaddr_any,
	};

	if (!w->nat)
		return;
	nat_name_del(w->nat, owner_of_mac(mac), NULL, NULL);
	for (int i = 0; i < 2; i++)
		if (name[0] && !ipaddr_is_any(&ip[i]) && !is_met(w, mac, i))
			(void)nat_name_set(w->nat, owner_of_mac(mac), name,
					   &ip[i]);
}

void worker_names_settle(struct worker *w, const struct mac *mac)
{
	const char *name = "";

	(void)worker_dhcp_reserved(w, mac, &name);
	list_for_each(n, &w->nics, struct wnic, node) {
		const char *host = strcmp(name, n->vm) ? name : "";

		if (!mac_eq(&n->mac, mac) || !strcmp(host, n->hostname))
			continue;
		worker_names_gone(w, n);
		snprintf(n->hostname, sizeof(n->hostname), "%s", host);
		set_all(w, n);
	}
	worker_names_reserved(w, mac);
}

/* ---- messages of control ------------------------------------------------------- */

static int one_record(struct worker *w, json_t *row, bool add,
		      struct errtext *why)
{
	const char *s[3];

	for (size_t i = 0; i < 3; i++)
		if (!(s[i] = json_string_value(json_array_get(row, i))))
			return errtext_set(why, -EINVAL, "a record that is none");
	if (add)
		return nat_record_add(w->nat, s[0], s[1], s[2], why);
	nat_record_del(w->nat, s[0], s[1], s[2]);
	return 0;
}

int worker_names_records(struct worker *w, json_t *body, struct errtext *why)
{
	json_t *row;
	size_t i;
	int r = 0;

	if (!w->nat)
		return 0;
	json_array_foreach(json_object_get(body, "del"), i, row)
		r = r ? r : one_record(w, row, false, why);
	json_array_foreach(json_object_get(body, "add"), i, row)
		r = r ? r : one_record(w, row, true, why);
	return r;
}

int worker_names_claim(struct worker *w, json_t *body, struct errtext *why)
{
	struct ipaddr ip = ipaddr_any;
	const char *name = "";
	uint64_t owner;
	int r;

	if ((r = jx_ip(body, "ip", &ip, why)) ||
	    (r = jx_str(body, "name", &name, why)) || !w->nat)
		return r;
	owner = ipaddr_is4(&ip) ? NAMES_CLAIM | ipaddr_get4(&ip) : OWNER_CLAIM6;
	nat_name_del(w->nat, owner, NULL, &ip);
	return name[0] ? nat_name_set(w->nat, owner, name, &ip) : 0;
}
