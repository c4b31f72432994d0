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
 * The kernel takes the first that fits, so a route must keep its place among those of
 * its key. IPv4: those before any of another interface are put in front, then deleted
 * where they were; an IPv6 one is replaced in one request. The rest is put behind, and
 * so is an IPv6 prefix route of the kernel: it has come with its address already.
 */
static enum up_kind how(const struct up_obj *o)
{
	if (!o->first || (obj_is6(o) && obj_is_kernels(o)))
		return UP_ROUTE_APPEND;
	return obj_is6(o) ? UP_ROUTE_REPLACE : UP_ROUTE_PREPEND;
}

static void route_move(const struct move *m, const struct up_obj *o, int from)
{
	struct up_step st = {
		.kind = how(o),
		.on_bridge = m->to_bridge,
		.obj = o,
		.from = from,
	};

	add(m->plan, st);
	if (st.kind == UP_ROUTE_REPLACE)
		return;
	st.kind = UP_ROUTE_DEL;
	st.on_bridge = !m->to_bridge;
	add(m->plan, st);
}

/* Those that need no other first, then those through a gateway; what is put in front
 * from the last to the first. */
static void routes_move(const struct move *m, const struct up_l3 *l)
{
	for (int gateway = 0; gateway < 2; gateway++) {
		for (struct list *n = l->routes.prev; n != &l->routes;
		     n = n->prev) {
			const struct up_obj *o =
				list_entry(n, struct up_obj, node);

			if (obj_has_gateway(o) == gateway &&
			    how(o) == UP_ROUTE_PREPEND)
				route_move(m, o, l->index);
		}
		list_for_each(o, &l->routes, struct up_obj, node)
			if (obj_has_gateway(o) == gateway &&
			    how(o) != UP_ROUTE_PREPEND)
				route_move(m, o, l->index);
	}
}

/* ---- rules ------------------------------------------------------------------------------------ */

/*
 * A rule that names the uplink gets a copy that names the bridge, and stays itself: it
 * matches nothing meanwhile, and need not be put back in its place. The copies go.
 */
static void rules(struct up_plan *p, enum up_kind kind, const struct list *l)
{
	list_for_each(o, l, struct up_obj, node)
		add(p, (struct up_step){.kind = kind, .on_bridge = true,
					.obj = o});
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
	rules(&p, UP_RULE_ADD, &was->l3.rules);
	simple(&p, UP_BRIDGE_UP);
	simple(&p, UP_PORT_IN);
	addrs_add(&m, &was->l3, 0);
	routes_move(&m, &was->l3);
	addrs_del(&p, false, &was->l3);
	*out = p;
	return p.nomem ? -ENOMEM : 0;
}

/* ---- as it is to be ------------------------------------------------------------------------- */

int plan_keep(const struct link_info *bridge, const struct link_info *uplink,
	      struct up_plan *out)
{
	struct up_plan p = {0};

	if (bridge->nf_call)
		simple(&p, UP_NO_FILTER);
	if (!(bridge->flags & IFF_UP))
		simple(&p, UP_BRIDGE_UP);
	if (uplink->master != bridge->index)
		simple(&p, UP_PORT_IN);
	*out = p;
	return p.nomem ? -ENOMEM : 0;
}

/* ---- out --------------------------------------------------------------------------------------- */

static const struct up_obj *find_route(const struct up_l3 *l,
				       const struct up_obj *o, int from)
{
	list_for_each(r, &l->routes, struct up_obj, node)
		if (obj_same(r, l->index, o, from))
			return r;
	return NULL;
}

static bool has_key(const struct up_l3 *l, const struct up_obj *o)
{
	list_for_each(r, &l->routes, struct up_obj, node)
		if (obj_same_key(r, o))
			return true;
	return false;
}

/* What giving back looks at. */
struct back {
	struct move m;
	const struct up_l3 *was;    /* as it is to be */
	const struct up_l3 *bridge; /* as it is */
	uint32_t age_s;		    /* of @was */
};

/*
 * Addresses to have again, in the order of their age. Of those that are on the bridge
 * it knows the lifetimes best.
 */
static void addrs_back(const struct back *b)
{
	const struct list *l = &b->was->addrs;

	for (int v6 = 0; v6 < 2; v6++) {
		struct list *n = v6 ? l->prev : l->next;

		for (; n != l; n = v6 ? n->prev : n->next) {
			const struct up_obj *a =
				list_entry(n, struct up_obj, node);
			const struct up_obj *o =
				find_addr(&b->bridge->addrs, a);

			if (obj_is6(a) == v6)
				addr_add(&b->m, o ? o : a,
					 o ? b->bridge->index : b->was->index,
					 o ? 0 : b->age_s);
		}
	}
}

/*
 * IPv4 routes in front of others', from the last to the first. If one of a key has
 * moved, all of the key are placed anew: those not moved yet would stand behind.
 */
static void prepend_back(const struct back *b, bool gateway)
{
	const struct list *l = &b->was->routes;

	for (struct list *n = l->prev; n != l; n = n->prev) {
		const struct up_obj *o = list_entry(n, struct up_obj, node);

		if (obj_has_gateway(o) != gateway ||
		    how(o) != UP_ROUTE_PREPEND ||
		    (!has_key(b->bridge, o) &&
		     find_route(b->m.to, o, b->was->index)))
			continue;
		add(b->m.plan, (struct up_step){
			.kind = UP_ROUTE_PREPEND,
			.obj = o,
			.from = b->was->index,
			.age_s = b->age_s,
		});
	}
}

static void bridge_routes_back(const struct back *b, bool gateway)
{
	list_for_each(o, &b->bridge->routes, struct up_obj, node) {
		const struct up_obj *s =
			find_route(b->was, o, b->bridge->index);

		if (obj_has_gateway(o) != gateway)
			continue;
		if (s && how(s) == UP_ROUTE_PREPEND)
			add(b->m.plan, (struct up_step){
				.kind = UP_ROUTE_DEL,
				.on_bridge = true,
				.obj = o,
				.from = b->bridge->index,
			});
		else
			route_move(&b->m, o, b->bridge->index);
	}
}

/* What is nowhere. A route with several next hops may still be there without ours: in
 * place of that. */
static void lost_routes_back(const struct back *b, bool gateway)
{
	list_for_each(o, &b->was->routes, struct up_obj, node) {
		if (obj_has_gateway(o) != gateway ||
		    how(o) == UP_ROUTE_PREPEND ||
		    find_route(b->bridge, o, b->was->index) ||
		    find_route(b->m.to, o, b->was->index))
			continue;
		add(b->m.plan, (struct up_step){
			.kind = obj_is_multipath(o) ? UP_ROUTE_REPLACE
						    : UP_ROUTE_APPEND,
			.obj = o,
			.from = b->was->index,
			.age_s = b->age_s,
		});
	}
}

int plan_out(const struct up_saved *was, const struct up_l3 *bridge,
	     const struct up_l3 *uplink, int64_t now_s, struct up_plan *out)
{
	struct up_plan p = {0};
	struct back b = {
		.m = {.plan = &p, .to = uplink, .was = was},
		.was = &was->l3,
		.bridge = bridge,
	};

	if (now_s > was->time_s)
		b.age_s = (uint32_t)(now_s - was->time_s);
	if (uplink->index) {
		if (was->genmode[0])
			simple(&p, UP_QUIET6);
		addrs_back(&b);
		/* Not later: neighbours are asked for where the routes lead,
		 * and their answers must come in there. */
		simple(&p, UP_PORT_OUT);
		for (int gateway = 0; gateway < 2; gateway++) {
			prepend_back(&b, gateway);
			bridge_routes_back(&b, gateway);
			lost_routes_back(&b, gateway);
		}
	}
	simple(&p, UP_TAP_DEL);
	rules(&p, UP_RULE_DEL, &bridge->rules);
	simple(&p, UP_BRIDGE_DEL);
	if (uplink->index) {
		if (was->genmode[0])
			simple(&p, UP_RESTORE6);
		if (!was->was_up)
			simple(&p, UP_LINK_DOWN);
	}
	*out = p;
	return p.nomem ? -ENOMEM : 0;
}

/* ---- text ---------------------------------------------------------------------------------------- */

static const char *const words[] = {
	[UP_BRIDGE_ADD] = "make bridge",
	[UP_BRIDGE_TUNE] = "settings as of the uplink's on",
	[UP_NO_FILTER] = "no packet filters on",
	[UP_TAP_ADD] = "make TAP",
	[UP_TAP_PORT] = "into the bridge:",
	[UP_QUIET6] = "no addresses of its own making on",
	[UP_LINK_UP] = "up",
	[UP_RULE_ADD] = "rule add",
	[UP_BRIDGE_UP] = "up",
	[UP_PORT_IN] = "into the bridge:",
	[UP_ADDR_ADD] = "address add",
	[UP_ROUTE_PREPEND] = "route prepend",
	[UP_ROUTE_REPLACE] = "route replace",
	[UP_ROUTE_APPEND] = "route append",
	[UP_ROUTE_DEL] = "route delete",
	[UP_ADDR_DEL] = "address delete",
	[UP_PORT_OUT] = "out of the bridge:",
	[UP_TAP_DEL] = "delete TAP",
	[UP_BRIDGE_DEL] = "delete bridge",
	[UP_RULE_DEL] = "rule delete",
	[UP_LINK_DOWN] = "down",
	[UP_RESTORE6] = "IPv6 settings back on",
};

static const char *whose(const struct up_step *st, const struct up_saved *was)
{
	switch (st->kind) {
	case UP_BRIDGE_ADD:
	case UP_BRIDGE_TUNE:
	case UP_NO_FILTER:
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
