// SPDX-License-Identifier: GPL-2.0-or-later
/* W_STATUS: counters and tables of one network, as JSON for `vnet show`. */
#include "lib/jx.h"
#include "netd/worker_int.h"

static json_t *drops(const struct port_stats *s)
{
	json_t *o = json_object();

	for (int r = 0; r < DROP_REASONS; r++)
		if (s->drops[r])
			json_object_set_new(
				o, drop_reason_name((enum drop_reason)r),
				json_integer((json_int_t)s->drops[r]));
	return o;
}

/* What it has of the gateway's; NULL: never anything. */
static json_t *nic_flows(struct worker *w, const struct wnic *n)
{
	struct nat_nic_stats s = {0};

	if (w->nat)
		nat_nic_stats(w->nat, n->id, &s);
	if (!s.udp && !s.clients && !s.icmp && !s.tcp && !s.dns && !s.evicted &&
	    !s.refused)
		return NULL;
	return json_pack("[i,i,i,i,i,i,I,I]", (int)s.tcp, (int)s.opening,
			 (int)s.udp, (int)s.clients, (int)s.icmp, (int)s.dns,
			 (json_int_t)s.evicted, (json_int_t)s.refused);
}

static json_t *nic_status(struct worker *w, struct wnic *n)
{
	struct port_stats s;

	if (!n->driver) /* the kernel's to count */
		return json_pack("{s:I}", "nic", (json_int_t)n->id);
	driver_stats(n->driver, &s);
	return json_pack("{s:I,s:s,s:b,s:b,s:I,s:I,s:I,s:I,s:o,s:o*}", "nic",
			 (json_int_t)n->id, "driver", driver_name(n->driver),
			 "connected", driver_connected(n->driver), "link",
			 n->link, "rx_frames", (json_int_t)s.rx_frames,
			 "rx_bytes", (json_int_t)s.rx_bytes, "tx_frames",
			 (json_int_t)s.tx_frames, "tx_bytes",
			 (json_int_t)s.tx_bytes, "drops", drops(&s), "flows",
			 nic_flows(w, n));
}

/* A status has to fit into one message (CHAN_BODY_MAX): so many bytes of NICs, of the
 * FDB. What is beyond is left out. */
#define NICS_BYTES (40u << 10)
#define FDB_BYTES  (20u << 10)

struct rows {
	json_t *a;
	size_t left;
};

static void add_row(struct rows *r, json_t *o)
{
	size_t len = json_dumpb(o, NULL, 0, JSON_COMPACT) + 1;

	if (len > r->left)
		r->left = 0; /* in order: none behind it either */
	else
		r->left -= len;
	if (r->left)
		json_array_append_new(r->a, o);
	else
		json_decref(o);
}

static void fdb_entry(void *arg, const struct mac *mac, struct port *p,
		      int64_t age_s)
{
	struct rows *r = arg;
	json_t *o;

	if (!r->left)
		return;
	o = json_pack("{s:I,s:s,s:I}", "nic", (json_int_t)p->nic_id, "port",
		      p->name, "age_s", (json_int_t)age_s);
	jx_set_mac(o, "mac", mac);
	add_row(r, o);
}

static json_t *gateway_status(struct worker *w)
{
	const struct port *p = nat_port(w->nat);
	struct nat_stats s;

	nat_stats(w->nat, &s);
	return json_pack(
		"{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}",
		"udp_flows", (json_int_t)s.udp_flows, "icmp_flows",
		(json_int_t)s.icmp_flows, "tcp_flows", (json_int_t)s.tcp_flows,
		"dns_pending", (json_int_t)s.dns_pending, "udp_new",
		(json_int_t)s.udp_new, "icmp_new", (json_int_t)s.icmp_new,
		"tcp_new", (json_int_t)s.tcp_new, "evicted",
		(json_int_t)s.evicted, "refused", (json_int_t)s.refused,
		"denied", (json_int_t)s.denied, "dns_queries",
		(json_int_t)s.dns_queries, "drops", drops(&p->stats));
}

/* ---- what the network's servers did -------------------------------------------- */

static void put_count(json_t *o, const char *name, uint64_t n)
{
	json_object_set_new(o, name, json_integer((json_int_t)n));
}

static json_t *dhcp_status(struct worker *w)
{
	static const char *const got[DHCP_TYPES] = {
		[1] = "discover", [3] = "request", [4] = "decline",
		[7] = "release",  [8] = "inform",
	};
	static const char *const sent[DHCP_TYPES] = {
		[2] = "offer",
		[5] = "ack",
		[6] = "nak",
	};
	json_t *o = json_object(), *dropped = json_object();
	struct dhcp_stats s;

	dhcp_server_stats(w->dhcp, &s);
	worker_probe_status(w, o);
	for (int t = 0; t < DHCP_TYPES; t++) {
		if (got[t])
			put_count(o, got[t], s.rx[t]);
		if (sent[t])
			put_count(o, sent[t], s.tx[t]);
	}
	put_count(o, "conflicts", s.conflicts);
	put_count(o, "store_failed", s.commit_failed);
	for (int r = 0; r < DHCP_DROPS; r++)
		if (s.drops[r])
			put_count(dropped, dhcp_drop_name((enum dhcp_drop)r),
				  s.drops[r]);
	json_object_set_new(o, "drops", dropped);
	return o;
}

static json_t *dhcp6_status(const struct dhcp6_server *d)
{
	/* RFC 8415 7.3 */
	static const char *const got[DHCP6_TYPES] = {
		[1] = "solicit", [3] = "request", [4] = "confirm",
		[5] = "renew",	 [6] = "rebind",  [8] = "release",
		[9] = "decline", [11] = "information",
	};
	static const char *const sent[DHCP6_TYPES] = {
		[2] = "advertise",
		[7] = "reply",
	};
	json_t *o = json_object(), *dropped = json_object();
	struct dhcp6_stats s;

	dhcp6_server_stats(d, &s);
	for (int t = 0; t < DHCP6_TYPES; t++) {
		if (got[t])
			put_count(o, got[t], s.rx[t]);
		if (sent[t])
			put_count(o, sent[t], s.tx[t]);
	}
	put_count(o, "conflicts", s.conflicts);
	put_count(o, "exhausted", s.exhausted);
	put_count(o, "store_failed", s.commit_failed);
	for (int r = 0; r < DHCP6_DROPS; r++)
		if (s.drops[r])
			put_count(dropped, dhcp6_drop_name((enum dhcp6_drop)r),
				  s.drops[r]);
	json_object_set_new(o, "drops", dropped);
	return o;
}

static json_t *tftp_status(const struct tftp *t)
{
	json_t *o = json_object();
	struct tftp_stats s;

	tftp_stats(t, &s);
	put_count(o, "requests", s.requests);
	put_count(o, "done", s.done);
	put_count(o, "failed", s.failed);
	put_count(o, "bytes", s.bytes);
	put_count(o, "active", s.active);
	json_object_set_new(o, "drops",
			    json_pack("{s:I,s:I}", "refused",
				      (json_int_t)s.refused, "malformed",
				      (json_int_t)s.malformed));
	return o;
}

json_t *worker_status(struct worker *w)
{
	struct rows nics = {json_array(), NICS_BYTES};
	struct rows fdb = {json_array(), FDB_BYTES};
	json_t *o = json_object();

	list_for_each(n, &w->nics, struct wnic, node)
		add_row(&nics, nic_status(w, n));
	vswitch_fdb_walk(w->sw, worker_now(w), fdb_entry, &fdb);
	json_object_set_new(o, "nics", nics.a);
	json_object_set_new(o, "fdb", fdb.a);
	if (w->nat)
		json_object_set_new(o, "gateway", gateway_status(w));
	if (w->dhcp)
		json_object_set_new(o, "dhcp", dhcp_status(w));
	if (w->dhcp6_on)
		json_object_set_new(o, "dhcp6", dhcp6_status(w->dhcp6));
	if (w->tftp)
		json_object_set_new(o, "tftp", tftp_status(w->tftp));
	return o;
}
