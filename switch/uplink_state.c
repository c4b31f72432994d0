// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads what lies on an interface, or names it. See uplink_int.h. */
#include "switch/uplink_int.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HEADER 16 /* struct nlmsghdr, aligned */
#define TRIES  5  /* a dump that the kernel says was torn is read again */

void l3_init(struct up_l3 *l)
{
	l->index = 0;
	list_init(&l->addrs);
	list_init(&l->routes);
	list_init(&l->rules);
}

void l3_fini(struct up_l3 *l)
{
	obj_list_free(&l->addrs);
	obj_list_free(&l->routes);
	obj_list_free(&l->rules);
}

static void move_all(struct list *to, struct list *from)
{
	list_for_each_safe(o, from, struct up_obj, node) {
		list_del(&o->node);
		list_add_tail(to, &o->node);
	}
}

void l3_move(struct up_l3 *to, struct up_l3 *from)
{
	move_all(&to->addrs, &from->addrs);
	move_all(&to->routes, &from->routes);
}

struct reading {
	struct up_l3 *l3;
	bool pass_over; /* what cannot be moved */
	struct errtext *why;
};

static struct up_obj *from_message(const struct nlmsghdr *h)
{
	bool route = h->nlmsg_type == RTM_NEWROUTE;
	struct up_obj *o;

	if ((!route && h->nlmsg_type != RTM_NEWADDR) || h->nlmsg_len < HEADER)
		return NULL;
	o = obj_new(route, (const uint8_t *)h + HEADER, h->nlmsg_len - HEADER);
	if (o && !obj_valid(o)) {
		free(o);
		return NULL;
	}
	return o;
}

static int take_addr(const struct nlmsghdr *h, void *arg)
{
	struct reading *r = arg;
	struct up_obj *o = from_message(h);

	if (o && obj_on(o, r->l3->index))
		list_add_tail(&r->l3->addrs, &o->node);
	else
		free(o);
	return 0;
}

/* Made with an address, or a cached one: not ours to move. */
static bool comes_by_itself(const struct up_obj *o)
{
	struct rtmsg h;

	memcpy(&h, o->b, sizeof(h));
	return (h.rtm_flags & RTM_F_CLONED) ||
	       (obj_is_local(o) && obj_is_kernels(o));
}

static int take_route(const struct nlmsghdr *h, void *arg)
{
	struct reading *r = arg;
	struct up_obj *o = from_message(h);
	char text[OBJ_TEXT];

	if (!o || !obj_on(o, r->l3->index) || comes_by_itself(o)) {
		free(o);
		return 0;
	}
	if (obj_by_nexthop_id(o)) {
		if (r->pass_over) {
			free(o);
			return 0;
		}
		errtext_set(r->why, -EOPNOTSUPP,
			    "route %s is made of nexthop objects",
			    obj_text(o, text));
		free(o);
		return -EOPNOTSUPP;
	}
	list_add_tail(&r->l3->routes, &o->node);
	return 0;
}

struct ranking {
	const struct up_l3 *l3;
	struct list closed; /* keys that no further route is first of */
};

/* A replacement hits among IPv6 routes only those of its own sort: with a gateway (they
 * may share a load), or without. */
static bool same_rank(const struct up_obj *a, const struct up_obj *b)
{
	return obj_same_key(a, b) &&
	       (!obj_is6(a) || obj_has_gateway(a) == obj_has_gateway(b));
}

/* See struct up_obj, first. Of all routes only those that share a key with one of ours
 * are remembered. */
static int rank_route(const struct nlmsghdr *h, void *arg)
{
	struct ranking *k = arg;
	struct up_obj *o = from_message(h), *ours = NULL;
	bool shares = false, closed = false;

	if (!o)
		return 0;
	list_for_each(m, &k->l3->routes, struct up_obj, node) {
		if (!same_rank(m, o))
			continue;
		shares = true;
		if (obj_same(m, k->l3->index, o, k->l3->index))
			ours = m;
	}
	list_for_each(c, &k->closed, struct up_obj, node)
		closed |= shares && same_rank(c, o);
	if (ours)
		ours->first = !closed;
	if (shares && !closed && (!ours || obj_is6(o)))
		list_add_tail(&k->closed, &o->node);
	else
		free(o);
	return 0;
}

static int read_once(struct link_nl *nl, struct reading *r)
{
	struct ranking k = {.l3 = r->l3};
	static const int families[] = {AF_INET, AF_INET6};
	int e = 0;

	list_init(&k.closed);
	for (int i = 0; i < 2 && !e; i++)
		e = link_dump(nl, RTM_GETADDR, families[i], take_addr, r);
	for (int i = 0; i < 2 && !e; i++)
		e = link_dump(nl, RTM_GETROUTE, families[i], take_route, r);
	for (int i = 0; i < 2 && !e; i++)
		e = link_dump(nl, RTM_GETROUTE, families[i], rank_route, &k);
	obj_list_free(&k.closed);
	return e;
}

struct rules {
	const char *name;
	int family;
	struct list *out;
};

static int take_rule(const struct nlmsghdr *h, void *arg)
{
	const struct rules *t = arg;
	struct up_obj *o;

	if (h->nlmsg_type != RTM_NEWRULE || h->nlmsg_len < HEADER)
		return 0;
	o = obj_new(true, (const uint8_t *)h + HEADER, h->nlmsg_len - HEADER);
	/* A kernel without the family answers with all there are. */
	if (o && obj_valid(o) && o->b[0] == t->family &&
	    rule_names(o, t->name))
		list_add_tail(t->out, &o->node);
	else
		free(o);
	return 0;
}

int rules_read(struct link_nl *nl, const char *name, struct list *out)
{
	struct rules t = {.name = name, .out = out};
	static const int families[] = {AF_INET, AF_INET6};
	int e = -EAGAIN;

	for (int i = 0; i < TRIES && e == -EAGAIN; i++) {
		obj_list_free(out);
		e = 0;
		for (int f = 0; f < 2 && !e; f++) {
			t.family = families[f];
			e = link_dump(nl, RTM_GETRULE, t.family, take_rule, &t);
			if (e == -EAFNOSUPPORT || e == -EOPNOTSUPP)
				e = 0; /* built without */
		}
	}
	return e;
}

int l3_read(struct link_nl *nl, int index, bool pass_over, struct up_l3 *out,
	    struct errtext *why)
{
	struct reading r = {.l3 = out, .pass_over = pass_over, .why = why};
	int e = -EAGAIN;

	for (int i = 0; i < TRIES && e == -EAGAIN; i++) {
		l3_fini(out);
		l3_init(out);
		out->index = index;
		e = read_once(nl, &r);
	}
	if (e && e != -EOPNOTSUPP)
		errtext_set(why, e, "cannot read addresses and routes: %s",
			    strerror(-e));
	return e;
}
