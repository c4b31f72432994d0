// SPDX-License-Identifier: GPL-2.0-or-later
/* Leases of DHCPv6 and reservations of IPv6 addresses in the store. See store.h. */
#include <stdio.h>

#include "netd/store_int.h"

/* Run @st to its end. */
static int finish(struct store *s, sqlite3_stmt *st, struct errtext *why)
{
	int rc = sqlite3_step(st);
	int r = rc == SQLITE_DONE ? 0 : store_error(s, rc, why);

	sqlite3_finalize(st);
	return r;
}

static const char *mac_text(const struct mac *m, char buf[MAC_TEXT])
{
	return mac_is_zero(m) ? "" : mac_format(m, buf);
}

int store_lease6_put(struct store *s, const struct lease6_conf *c,
		     struct errtext *why)
{
	char ip[IP_TEXT], via[IP_TEXT], mac[MAC_TEXT];

	return store_run_kept(
		s, STMT_LEASE6_PUT, why,
		"ititti"
		"ttii",
		c->network, ipaddr_format(&c->address, ip), (int64_t)c->plen,
		mac_text(&c->mac, mac), c->duid, (int64_t)c->iaid,
		ipaddr_is_zero(&c->via) ? "" : ipaddr_format(&c->via, via),
		c->hostname, c->nic, c->expires);
}

int store_lease6_del(struct store *s, int64_t network, const struct ipaddr *ip,
		     struct errtext *why)
{
	char text[IP_TEXT];

	return store_del_kept(s, STMT_LEASE6_DEL, network,
			      ipaddr_format(ip, text), why);
}

int store_resv6_put(struct store *s, const struct resv6_conf *c,
		    struct errtext *why)
{
	char ip[IP_TEXT], mac[MAC_TEXT];
	sqlite3_stmt *st;
	int r = store_prepare(
		s, &st, why,
		"INSERT OR REPLACE INTO reservations6 VALUES(?,?,?,?,?)",
		"ittti", c->network, ipaddr_format(&c->address, ip),
		mac_text(&c->mac, mac), c->vm, (int64_t)c->nic);

	return r ? r : finish(s, st, why);
}

int store_resv6_del(struct store *s, int64_t network, const struct ipaddr *ip,
		    struct errtext *why)
{
	char text[IP_TEXT];

	return store_del(s, why,
			 "DELETE FROM reservations6 WHERE network=?1 AND "
			 "address=?2",
			 network, ipaddr_format(ip, text), NULL);
}
