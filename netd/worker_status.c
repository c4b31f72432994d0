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

static json_t *nic_status(struct wnic *n)
{
	struct port_stats s;

	driver_stats(n->driver, &s);
	return json_pack("{s:I,s:s,s:b,s:b,s:I,s:I,s:I,s:I,s:o}", "nic",
			 (json_int_t)n->id, "driver", driver_name(n->driver),
			 "connected", driver_connected(n->driver), "link",
			 n->link, "rx_frames", (json_int_t)s.rx_frames,
			 "rx_bytes", (json_int_t)s.rx_bytes, "tx_frames",
			 (json_int_t)s.tx_frames, "tx_bytes",
			 (json_int_t)s.tx_bytes, "drops", drops(&s));
}

/* Entries in a status: it has to fit into one message. */
#define FDB_SHOWN 256

static void fdb_entry(void *arg, const struct mac *mac, struct port *p,
		      int64_t age_s)
{
	json_t *a = arg, *o;

	if (json_array_size(a) >= FDB_SHOWN)
		return;
	o = json_pack("{s:I,s:s,s:I}", "nic", (json_int_t)p->nic_id, "port",
		      p->name, "age_s", (json_int_t)age_s);
	jx_set_mac(o, "mac", mac);
	json_array_append_new(a, o);
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

json_t *worker_status(struct worker *w)
{
	json_t *o = json_object(), *nics = json_array(), *fdb = json_array();

	list_for_each(n, &w->nics, struct wnic, node)
		json_array_append_new(nics, nic_status(n));
	vswitch_fdb_walk(w->sw, worker_now(w), fdb_entry, fdb);
	json_object_set_new(o, "nics", nics);
	json_object_set_new(o, "fdb", fdb);
	if (w->nat)
		json_object_set_new(o, "gateway", gateway_status(w));
	return o;
}
