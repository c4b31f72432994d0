// SPDX-License-Identifier: GPL-2.0-or-later
/* W_FLOWS, W_FLOW_KILL: the gateway's flows for `vnet flow`, a part at a time. */
#include <errno.h>
#include <string.h>

#include "lib/jx.h"
#include "netd/worker_int.h"

/* Which flows; zero = any. */
struct pick {
	int64_t id, nic, port;
	int proto;
	struct ipaddr remote;
};

static int read_pick(json_t *body, struct pick *p, struct errtext *why)
{
	const char *proto = "";
	int r;

	if ((r = jx_int(body, "id", 0, INT64_MAX, &p->id, why)) ||
	    (r = jx_int(body, "nic", 0, INT64_MAX, &p->nic, why)) ||
	    (r = jx_int(body, "port", 0, 65535, &p->port, why)) ||
	    (r = jx_str(body, "proto", &proto, why)) ||
	    (r = jx_ip(body, "remote", &p->remote, why)))
		return r;
	if (!strcmp(proto, "tcp"))
		p->proto = NAT_TCP;
	else if (!strcmp(proto, "udp"))
		p->proto = NAT_UDP;
	else if (!strcmp(proto, "icmp"))
		p->proto = NAT_ICMP;
	return 0;
}

static bool is_picked(void *arg, const struct nat_flow *f)
{
	const struct pick *p = arg;

	return (!p->id || f->id == (uint64_t)p->id) &&
	       (!p->nic || f->nic_id == (uint64_t)p->nic) &&
	       (!p->proto || f->proto == (enum nat_proto)p->proto) &&
	       (!p->port || f->outside_port == p->port) &&
	       (ipaddr_is_zero(&p->remote) ||
		ipaddr_eq(&p->remote, &f->outside));
}

struct page {
	struct pick pick;
	json_t *rows;
	bool more;
};

static const char *proto_name(enum nat_proto p)
{
	return p == NAT_TCP ? "tcp" : p == NAT_UDP ? "udp" : "icmp";
}

static bool add_row(void *arg, const struct nat_flow *f)
{
	struct page *p = arg;
	json_t *o;

	if (!is_picked(&p->pick, f))
		return true;
	if (json_array_size(p->rows) >= WORKER_FLOW_ROWS) {
		p->more = true;
		return false;
	}
	o = json_pack("{s:I,s:s,s:I,s:i,s:i,s:i,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "id",
		      (json_int_t)f->id, "proto", proto_name(f->proto), "nic",
		      (json_int_t)f->nic_id, "guest_port", (int)f->guest_port,
		      "outside_port", (int)f->outside_port, "host_port",
		      (int)f->host_port, "forwarded", f->forward_id != 0,
		      "state", f->state, "bytes_out", (json_int_t)f->bytes_out,
		      "bytes_in", (json_int_t)f->bytes_in, "packets_out",
		      (json_int_t)f->packets_out, "packets_in",
		      (json_int_t)f->packets_in, "age_s",
		      (json_int_t)f->age_s, "idle_s", (json_int_t)f->idle_s);
	jx_set_ip(o, "guest", &f->guest);
	jx_set_ip(o, "outside", &f->outside);
	json_array_append_new(p->rows, o);
	return true;
}

int worker_flows(struct worker *w, json_t *body, json_t **result,
		 struct errtext *why)
{
	struct page p = {.rows = NULL};
	int64_t after = 0;
	int r = read_pick(body, &p.pick, why);

	if (!r)
		r = jx_int(body, "after", 0, INT64_MAX, &after, why);
	if (r)
		return r;
	p.rows = json_array();
	if (w->nat)
		nat_flow_walk(w->nat, (uint64_t)after, add_row, &p);
	*result = json_pack("{s:o,s:b}", "flows", p.rows, "more", (int)p.more);
	return 0;
}

int worker_flow_kill(struct worker *w, json_t *body, json_t **result,
		     struct errtext *why)
{
	struct pick p = {0};
	unsigned int n = 0;
	int r = read_pick(body, &p, why);

	if (r)
		return r;
	if (w->nat)
		n = nat_flow_end(w->nat, WORKER_FLOW_KILLS, is_picked, &p);
	*result = json_pack("{s:i,s:b}", "killed", (int)n, "more",
			    n == WORKER_FLOW_KILLS);
	return 0;
}
