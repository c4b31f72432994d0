// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In which order an interface is taken in and given back. Pure; see uplink.h for the
 * idea. The order within addresses is the kernel's: it lists IPv4 addresses oldest
 * first (and the first of a subnet is the one it sends from), IPv6 ones newest first.
 */
#include "switch/uplink_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void plan_fini(struct up_plan *p)
{
	free(p->step);
	memset(p, 0, sizeof(*p));
}

static void add(struct up_plan *p, struct up_step st)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 64;
		struct up_step *s = realloc(p->step, cap * sizeof(*s));

		if (!s) {
			p->nomem = true;
			return;
		}
		p->step = s;
		p->cap = cap;
	}
	p->step[p->n++] = st;
}

static void simple(struct up_plan *p, enum up_kind kind)
{
	add(p, (struct up_step){.kind = kind});
}

/* ---- addresses ----------------------------------------------------------------------- */

/* How addresses go from one interface to the other. */
struct move {
	struct up_plan *plan;
	bool to_bridge;
	const struct up_l3 *to;	     /* what is there already; NULL = nothing */
	const struct up_saved *was;  /* for labels; NULL going in */
};

static const struct up_obj *find_addr(const struct list *l,
				      const struct up_obj *a)
{
	list_for_each(o, l, struct up_obj, node)
		if (obj_same(o, 0, a, 0))
			return o;
	return NULL;
}

static void addr_add(const struct move *m, const struct up_obj *a, int from,
		     uint32_t age_s)
{
	if (m->to && find_addr(&m->to->addrs, a))
		return;
	add(m->plan, (struct up_step){
		.kind = UP_ADDR_ADD,
		.on_bridge = m->to_bridge,
		.obj = a,
		.from = from,
		.age_s = age_s,
		.like = m->was ? find_addr(&m->was->l3.addrs, a) : NULL,
	});
}

/* Oldest first: IPv4 forwards, IPv6 backwards. */
static void addrs_add(const struct move *m, const struct up_l3 *l,
		      uint32_t age_s)
{
	list_for_each(a, &l->addrs, struct up_obj, node)
		if (!obj_is6(a))
			addr_add(m, a, l->index, age_s);
	for (struct list *n = l->addrs.prev; n != &l->addrs; n = n->prev) {
		const struct up_obj *a = list_entry(n, struct up_obj, node);

		if (obj_is6(a))
			addr_add(m, a, l->index, age_s);
	}
}

/* Youngest first, so that what is left at any time is the list's old end; and a
 * secondary address before its primary, which would take it along. */
static void addrs_del(struct up_plan *p, bool on_bridge, const struct up_l3 *l)
{
	for (struct list *n = l->addrs.prev; n != &l->addrs; n = n->prev) {
		const struct up_obj *a = list_entry(n, struct up_obj, node);

		if (!obj_is6(a))
			add(p, (struct up_step){.kind = UP_ADDR_DEL,
						.on_bridge = on_bridge,
						.obj = a,
						.from = l->index});
	}
	list_for_each(a, &l->addrs, struct up_obj, node)
		if (obj_is6(a))
			add(p, (struct up_step){.kind = UP_ADDR_DEL,
						.on_bridge = on_bridge,
						.obj = a,
						.from = l->index});
}

/* ---- routes ------------------------------------------------------------------------------- */

/*
 * The first of its key is replaced in one request. Others are put behind, and then
 * deleted where they were. An IPv6 prefix route of the kernel comes with its address;
 * it is put behind too, which changes nothing if it did come.
 */
static void route_move(const struct move *m, const struct up_obj *o, int from,
		       uint32_t age_s)
{
	struct up_step st = {
		.kind = UP_ROUTE_APPEND,
		.on_bridge = m->to_bridge,
		.obj = o,
		.from = from,
		.age_s = age_s,
	};

	if (o->first && !(obj_is6(o) && obj_is_kernels(o)))
		st.kind = UP_ROUTE_REPLACE;
	add(m->plan, st);
	if (st.kind == UP_ROUTE_REPLACE)
		return;
	st.kind = UP_ROUTE_DEL;
	st.on_bridge = !m->to_bridge;
	add(m->plan, st);
}

/* Those that need no other first, then those through a gateway. */
static void routes_move(const struct move *m, const struct up_l3 *l)
{
	for (int gateway = 0; gateway < 2; gateway++)
		list_for_each(o, &l->routes, struct up_obj, node)
			if (obj_has_gateway(o) == gateway)
				route_move(m, o, l->index, 0);
}

/* ---- in -------------------------------------------------------------------------------------- */

int plan_in(const struct up_saved *was, struct up_plan *out)
{
	struct up_plan p = {0};
	struct move m = {.plan = &p, .to_bridge = true};

	simple(&p, UP_BRIDGE_ADD);
	simple(&p, UP_BRIDGE_TUNE);
	simple(&p, UP_TAP_ADD);
	simple(&p, UP_TAP_PORT);
	/* What may be refused comes before the host's addresses are touched. */
	if (was->genmode[0])
		simple(&p, UP_QUIET6);
	if (!was->was_up)
		simple(&p, UP_LINK_UP);
	simple(&p, UP_BRIDGE_UP);
	simple(&p, UP_PORT_IN);
	addrs_add(&m, &was->l3, 0);
	routes_move(&m, &was->l3);
	addrs_del(&p, false, &was->l3);
	*out = p;
	return p.nomem ? -ENOMEM : 0;
}

/* ---- out --------------------------------------------------------------------------------------- */

static bool has_route(const struct up_l3 *l, const struct up_obj *o, int from)
{
	list_for_each(r, &l->routes, struct up_obj, node)
		if (obj_same(r, l->index, o, from))
			return true;
	return false;
}

/* What was lost on the way, when taking it in did not come to its end. */
static void restore_lost(const struct move *m, const struct up_saved *was,
			 const struct up_l3 *bridge,
			 const struct up_l3 *uplink, uint32_t age_s)
{
	for (int gateway = 0; gateway < 2; gateway++) {
		list_for_each(o, &was->l3.routes, struct up_obj, node) {
			if (obj_has_gateway(o) != gateway ||
			    has_route(bridge, o, was->l3.index) ||
			    has_route(uplink, o, was->l3.index))
				continue;
			add(m->plan, (struct up_step){
				.kind = UP_ROUTE_APPEND,
				.obj = o,
				.from = was->l3.index,
				.age_s = age_s,
			});
		}
	}
}

/*
 * Addresses to have again, in the order of their age. If it was taken in altogether
 * the bridge tells: what was changed there meanwhile holds. If not, the journal tells
 * the order, and the bridge the lifetimes of what has arrived there.
 */
static void addrs_back(const struct move *m, bool done,
		       const struct up_l3 *bridge, uint32_t age_s)
{
	const struct up_l3 *was = &m->was->l3;

	if (done) {
		addrs_add(m, bridge, 0);
		return;
	}
	for (int v6 = 0; v6 < 2; v6++) {
		struct list *n = v6 ? was->addrs.prev : was->addrs.next;

		for (; n != &was->addrs; n = v6 ? n->prev : n->next) {
			const struct up_obj *a =
				list_entry(n, struct up_obj, node);
			const struct up_obj *o = find_addr(&bridge->addrs, a);

			if (obj_is6(a) != v6)
				continue;
			addr_add(m, o ? o : a, o ? bridge->index : was->index,
				 o ? 0 : age_s);
		}
	}
}

static void give_back_l3(struct up_plan *p, const struct up_saved *was,
			 const struct up_l3 *bridge,
			 const struct up_l3 *uplink, uint32_t age_s)
{
	struct move m = {.plan = p, .to = uplink, .was = was};
	/* Somebody deleted the bridge, and all on it: the journal has it. */
	bool done = was->done && bridge->index;

	if (was->genmode[0])
		simple(p, UP_QUIET6);
	addrs_back(&m, done, bridge, age_s);
	routes_move(&m, bridge);
	if (!done)
		restore_lost(&m, was, bridge, uplink, age_s);
}

int plan_out(const struct up_saved *was, const struct up_l3 *bridge,
	     const struct up_l3 *uplink, int64_t now_s, struct up_plan *out)
{
	struct up_plan p = {0};
	int64_t age = now_s - was->time_s;

	if (uplink->index) {
		give_back_l3(&p, was, bridge, uplink,
			     age > 0 ? (uint32_t)age : 0);
		simple(&p, UP_PORT_OUT);
	}
	simple(&p, UP_TAP_DEL);
	simple(&p, UP_BRIDGE_DEL);
	if (uplink->index) {
		if (!was->was_up)
			simple(&p, UP_LINK_DOWN);
		if (was->genmode[0])
			simple(&p, UP_RESTORE6);
	}
	*out = p;
	return p.nomem ? -ENOMEM : 0;
}

/* ---- text ---------------------------------------------------------------------------------------- */

static const char *const words[] = {
	[UP_BRIDGE_ADD] = "make bridge",
	[UP_BRIDGE_TUNE] = "settings as of the uplink's on",
	[UP_TAP_ADD] = "make TAP",
	[UP_TAP_PORT] = "into the bridge:",
	[UP_QUIET6] = "no addresses of its own making on",
	[UP_LINK_UP] = "up",
	[UP_BRIDGE_UP] = "up",
	[UP_PORT_IN] = "into the bridge:",
	[UP_ADDR_ADD] = "address add",
	[UP_ROUTE_REPLACE] = "route replace",
	[UP_ROUTE_APPEND] = "route append",
	[UP_ROUTE_DEL] = "route delete",
	[UP_ADDR_DEL] = "address delete",
	[UP_PORT_OUT] = "out of the bridge:",
	[UP_TAP_DEL] = "delete TAP",
	[UP_BRIDGE_DEL] = "delete bridge",
	[UP_LINK_DOWN] = "down",
	[UP_RESTORE6] = "IPv6 settings back on",
};

static const char *whose(const struct up_step *st, const struct up_saved *was)
{
	switch (st->kind) {
	case UP_BRIDGE_ADD:
	case UP_BRIDGE_TUNE:
	case UP_BRIDGE_UP:
	case UP_BRIDGE_DEL:
		return was->spec.bridge;
	case UP_TAP_ADD:
	case UP_TAP_PORT:
	case UP_TAP_DEL:
		return was->spec.tap;
	default:
		return st->on_bridge ? was->spec.bridge : was->spec.uplink;
	}
}

char *step_text(const struct up_step *st, const struct up_saved *was,
		char out[STEP_TEXT])
{
	char text[OBJ_TEXT];

	if (st->obj)
		snprintf(out, STEP_TEXT, "%s %s dev %s", words[st->kind],
			 obj_text(st->obj, text), whose(st, was));
	else
		snprintf(out, STEP_TEXT, "%s %s", words[st->kind],
			 whose(st, was));
	return out;
}
