// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is an address free before DHCP gives it to a guest? Joins dhcp_probe.h with the
 * gateway's ARP: asks about the next addresses as soon as a guest is plugged in, keeps
 * the few messages that have to wait for an answer, and tells who was found to use
 * what he has no lease of.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dhcp/dhcp_probe.h"
#include "lib/jx.h"
#include "lib/log.h"
#include "netd/worker_int.h"

#define HELD_MAX  32 /* messages that wait; more: dropped, clients repeat them */
#define HELD_TRIES 4 /* addresses found taken in a row, then it is dropped */
#define AHEAD	  12  /* next addresses that are known */
#define SOON_MS	  20 /* not for each of many clients at once */

/* What one NIC can say that it has without a lease: a router that answers for others
 * (proxy ARP) must not use the pool up. */
#define CLAIMS_MAX 16
#define CLAIMS_MS  (DHCP_QUARANTINE_S * INT64_C(1000))

/* A message that waits; the input's data is at hand below. */
struct held {
	struct dhcp_input in; /* len 0: free */
	unsigned int tries;
	int64_t due_ms;
	uint8_t data[DHCP_MSG_MAX];
};

struct worker_probe {
	struct dhcp_probe table;
	struct event *timer;
	int64_t timer_ms; /* when it comes; 0 = not armed */
	bool soon;
	struct mac taken_by; /* the latest of worker_probe_use() */
	uint64_t taken_nic;
	uint64_t waited; /* messages, for an answer */
	struct held held[HELD_MAX];
};

static void arm(struct worker *w, int64_t at_ms)
{
	struct worker_probe *p = w->probe;
	int64_t in = at_ms - worker_now(w);
	struct timeval tv;

	if (p->timer_ms && p->timer_ms <= at_ms)
		return;
	if (in < 0)
		in = 0;
	tv.tv_sec = in / 1000;
	tv.tv_usec = in % 1000 * 1000;
	if (!evtimer_add(p->timer, &tv))
		p->timer_ms = at_ms;
}

/* ---- asking -------------------------------------------------------------------- */

static void ask(void *arg, uint32_t ip)
{
	struct worker *w = arg;

	nat_arp_ask(w->nat, ip);
}

static void ask_next(struct worker *w, const struct wnic *n)
{
	uint32_t ip[AHEAD];
	unsigned int k = dhcp_server_next(w->dhcp, n ? &n->mac : NULL,
					  n ? n->id : 0, ip, AHEAD);

	for (unsigned int i = 0; i < k; i++)
		dhcp_probe_ahead(&w->probe->table, ip[i], n && !i,
				 worker_now(w));
}

static void ask_ahead(struct worker *w)
{
	list_for_each(n, &w->nics, struct wnic, node) {
		if (n->plugged)
			ask_next(w, n);
		n->plugged = false;
	}
	ask_next(w, NULL);
	w->probe->soon = false;
}

void worker_probe_soon(struct worker *w)
{
	w->probe->soon = true;
	arm(w, worker_now(w) + SOON_MS);
}

void worker_probe_nic(struct worker *w, struct wnic *n)
{
	n->plugged = true;
	if (!w->probe)
		return;
	w->probe->soon = true;
	arm(w, worker_now(w)); /* not in its driver's callback */
}

/* ---- messages that wait -------------------------------------------------------- */

/* The same client's earlier message makes room (chaddr, RFC 2131 2). */
static struct held *place(struct worker_probe *p, const struct dhcp_input *in)
{
	struct held *free = NULL;

	for (int i = 0; i < HELD_MAX; i++) {
		struct held *h = &p->held[i];

		if (!h->in.len)
			free = h;
		else if (h->in.nic_id == in->nic_id && h->in.len >= 44 &&
			 in->len >= 44 &&
			 !memcmp(h->data + 28, in->data + 28, 16))
			return h;
	}
	return free;
}

void worker_probe_hold(struct worker *w, const struct dhcp_input *in)
{
	struct held *h = place(w->probe, in);

	if (!h || in->len > sizeof(h->data))
		return;
	if (!h->in.len) {
		w->probe->waited++;
		h->tries = 0;
		h->due_ms = worker_now(w) + DHCP_PROBE_MS;
	}
	h->in = *in;
	memcpy(h->data, in->data, in->len);
	h->in.data = h->data;
	arm(w, h->due_ms);
}

static void again(struct worker *w, struct held *h)
{
	if (worker_dhcp_input(w, &h->in) != DHCP_WAIT ||
	    ++h->tries == HELD_TRIES)
		h->in.len = 0;
	else
		h->due_ms = worker_now(w) + DHCP_PROBE_MS;
}

static void probe_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct worker_probe *p = w->probe;
	int64_t now = worker_now(w);

	(void)fd;
	(void)what;
	p->timer_ms = 0;
	for (int i = 0; i < HELD_MAX; i++) {
		struct held *h = &p->held[i];

		if (h->in.len && h->due_ms <= now)
			again(w, h);
		if (h->in.len)
			arm(w, h->due_ms);
	}
	if (p->soon)
		ask_ahead(w);
}

/* ---- answers ------------------------------------------------------------------- */

/* A NIC without a lease that speaks from @ip has it by hand. */
static const struct wnic *by_hand(struct worker *w, uint32_t ip,
				  const struct mac *mac)
{
	list_for_each(n, &w->nics, struct wnic, node) {
		const struct seen *s = seen_last(&n->seen4);

		if (!n->lease_ip && s && (n->driver || n->on_bridge) &&
		    ipaddr_get4(&s->ip) == ip && !mac_eq(&s->mac, mac))
			return n;
	}
	return NULL;
}

/* Is there at most one guest? What it asks for nobody else has, and whether something
 * behind it has it, it finds out itself (RFC 2131 4.4.1). */
static bool is_alone(struct worker *w)
{
	unsigned int guests = 0;

	if (w->bridge)
		return false;
	list_for_each(n, &w->nics, struct wnic, node)
		if (n->role == PORT_GUEST &&
		    (!n->driver || driver_connected(n->driver)))
			guests++;
	return guests <= 1;
}

enum dhcp_use worker_probe_use(struct worker *w, uint32_t ip,
			       const struct mac *mac, bool ask)
{
	struct worker_probe *p = w->probe;
	const struct wnic *n = by_hand(w, ip, mac);
	const struct dhcp_probe_slot *s;
	enum dhcp_use use;

	if (!ip4_in_net(ip, &w->net)) /* behind a relay: no ARP from here */
		return DHCP_USE_NONE;
	if (n) {
		p->taken_by = seen_last(&n->seen4)->mac;
		p->taken_nic = n->id;
		return DHCP_USE_TAKEN;
	}
	use = dhcp_probe_use(&p->table, ip, mac, ask && !is_alone(w),
			     worker_now(w));
	if (use != DHCP_USE_TAKEN)
		return use;
	s = dhcp_probe_find(&p->table, ip);
	p->taken_by = s->mac;
	p->taken_nic = s->nic_id;
	return use;
}

/* Has it claimed so much that what it says does not count? */
static bool claims_too_much(struct worker *w, uint64_t nic_id)
{
	struct wnic *n = nic_id ? worker_nic_find(w, nic_id) : NULL;

	if (n && worker_now(w) - n->claims_ms >= CLAIMS_MS)
		n->claims = 0;
	return n && n->claims >= CLAIMS_MAX;
}

void worker_probe_heard(struct worker *w, uint32_t ip, const struct mac *mac,
			uint64_t nic_id)
{
	if (w->probe && dhcp_probe_find(&w->probe->table, ip) &&
	    !claims_too_much(w, nic_id) &&
	    dhcp_probe_heard(&w->probe->table, ip, mac, nic_id))
		worker_probe_soon(w);
}

static void on_arp(void *arg, uint32_t ip, const struct mac *mac,
		   uint64_t nic_id)
{
	worker_probe_heard(arg, ip, mac, worker_nic_behind(arg, nic_id, mac));
}

void worker_probe_conflict(struct worker *w, uint32_t ip)
{
	const struct worker_probe *p = w->probe;
	struct wnic *n = worker_nic_find(w, p->taken_nic);
	char text[IP4_TEXT], mac[MAC_TEXT];
	json_t *o;

	if (n && !n->claims++)
		n->claims_ms = worker_now(w);
	log_warn("network %s: %s is used without a lease: put aside mac=%s "
		 "port=%s-%u",
		 w->name, ip4_format(ip, text), mac_format(&p->taken_by, mac),
		 n ? n->vm : "", n ? n->index : 0);
	o = json_pack("{s:s,s:I}", "event", "dhcp.conflict", "nic",
		      n ? (json_int_t)n->id : 0);
	jx_set_ip4(o, "ip", ip);
	jx_set_mac(o, "mac", &p->taken_by);
	worker_tell(w, W_EVENT, 0, o, -1);
}

void worker_probe_forget(struct worker *w, uint32_t ip)
{
	dhcp_probe_forget(&w->probe->table, ip);
}

void worker_probe_status(struct worker *w, json_t *o)
{
	const struct worker_probe *p = w->probe;

	json_object_set_new(o, "asked", json_integer((json_int_t)p->table.sent));
	json_object_set_new(o, "not_asked",
			    json_integer((json_int_t)p->table.skipped));
	json_object_set_new(o, "waited", json_integer((json_int_t)p->waited));
}

/* ---- life ---------------------------------------------------------------------- */

int worker_probe_start(struct worker *w)
{
	struct worker_probe *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->timer = evtimer_new(w->base, probe_on_timer, w);
	if (!p->timer) {
		free(p);
		return -ENOMEM;
	}
	dhcp_probe_init(&p->table, ask, w);
	w->probe = p;
	nat_on_arp(w->nat, on_arp, w);
	worker_probe_soon(w);
	return 0;
}

void worker_probe_end(struct worker *w)
{
	if (!w->probe)
		return;
	nat_on_arp(w->nat, NULL, NULL);
	event_free(w->probe->timer);
	free(w->probe);
	w->probe = NULL;
}
