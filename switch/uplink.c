// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Taking an interface in and giving it back: reads the state, has it planned, does the
 * steps. See uplink.h; the order of the steps is uplink_plan.c's matter, what one step
 * is uplink_step.c's.
 */
#include "switch/uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "switch/reach.h"
#include "switch/uplink_int.h"
#include "switch/uplink_step.h"
#include "switch/uplink_watch.h"

#define LEARN_MS 400 /* for neighbours to answer before anything is touched */

/* ---- what may be taken, and how it is -------------------------------------------- */

static bool is_wifi(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s/phy80211", name);
	if (!access(path, F_OK))
		return true;
	snprintf(path, sizeof(path), "/sys/class/net/%s/wireless", name);
	return !access(path, F_OK);
}

static int check_uplink(struct link_nl *nl, const struct link_info *l,
			const struct uplink_spec *spec, struct errtext *why)
{
	struct link_info master;

	if (l->type != ARPHRD_ETHER || (l->flags & IFF_LOOPBACK))
		return errtext_set(why, -EOPNOTSUPP,
				   "%s is no Ethernet interface", l->name);
	if (!strcmp(l->kind, "bridge"))
		return errtext_set(why, -EOPNOTSUPP,
				   "%s is a bridge, which cannot be put into "
				   "another", l->name);
	if (is_wifi(l->name))
		return errtext_set(why, -EOPNOTSUPP,
				   "%s is a Wi-Fi interface: its access point "
				   "takes no frames from other addresses",
				   l->name);
	if (l->master) {
		bool known = !link_get_index(nl, l->master, &master);

		return errtext_set(why, -EBUSY, "%s is a port of %s already",
				   l->name, known ? master.name : "a bridge");
	}
	if (spec->mtu > l->mtu)
		return errtext_set(why, -EINVAL,
				   "mtu %u is more than %s can do (%u)",
				   spec->mtu, l->name, l->mtu);
	return 0;
}

static int64_t boot_s(void)
{
	return clock_boot_ms() / 1000;
}

int uplink_read_was(struct link_nl *nl, const struct uplink_spec *spec,
		    struct up_saved *was, struct errtext *why)
{
	struct link_info l;
	int r = link_get(nl, spec->uplink, &l);

	if (r == -ENODEV)
		return errtext_set(why, r, "no interface %s", spec->uplink);
	if (!r)
		r = check_uplink(nl, &l, spec, why);
	if (r)
		return r;
	was->spec = *spec;
	if (!was->spec.mtu)
		was->spec.mtu = l.mtu < UINT16_MAX ? (uint16_t)l.mtu
						   : UINT16_MAX;
	was->was_up = l.flags & IFF_UP;
	was->mac = l.mac;
	was->mtu = l.mtu;
	was->time_s = boot_s();
	saved_stamp(was);
	if (link_sysctl_get("ipv6", l.name, "addr_gen_mode", was->genmode,
			    sizeof(was->genmode)) ||
	    link_sysctl_get("ipv6", l.name, "accept_dad", was->accept_dad,
			    sizeof(was->accept_dad)))
		was->genmode[0] = was->accept_dad[0] = '\0';
	r = l3_read(nl, l.index, false, &was->l3, why);
	if (!r && (r = rules_read(nl, l.name, &was->l3.rules)))
		errtext_set(why, r, "cannot read policy rules: %s",
			    strerror(-r));
	return r == -EOPNOTSUPP
		       ? errtext_prefix(why, r, "%s cannot be taken in", l.name)
		       : r;
}

/* ---- the steps ---------------------------------------------------------------------- */

static const struct uplink_care careless = {.keep = -1};

static int hook(const struct uplink_care *care, const char *text)
{
	return care->before ? care->before(care->arg, text) : 0;
}

static int run_step(struct uplink_run *run, const struct up_step *st,
		    const struct uplink_care *care, struct errtext *why)
{
	char text[STEP_TEXT];
	struct errtext detail = {{0}};
	int r;

	r = hook(care, step_text(st, run->was, text));
	if (!r)
		r = uplink_step(run, st, &detail);
	return r ? errtext_set(why, r, "%s: %s", text,
			       detail.s[0] ? detail.s : strerror(-r)) : 0;
}

static void note_router(const struct ipaddr *ip, void *arg)
{
	reach_router(arg, ip);
}

/* Whom the host reaches as yet. What cannot be found out is not asked for later. */
static void learn(struct uplink_run *run, const struct uplink_care *care,
		  struct reach *reach)
{
	if (!care->check_ms)
		return;
	list_for_each(o, &run->was->l3.routes, struct up_obj, node)
		obj_gateways(o, run->was->l3.index, note_router, reach);
	if (reach_learn(reach, run->nl, run->uplink, LEARN_MS))
		reach->n = 0;
}

static int confirm(struct uplink_run *run, struct up_saved *was,
		   const char *journal, const struct uplink_care *care,
		   struct reach *reach, struct errtext *why)
{
	int r = hook(care, "ask who is reached");

	if (!r && care->check_ms && reach->n)
		r = reach_check(reach, run->nl, run->bridge, care->check_ms,
				why);
	if (!r)
		r = hook(care, "confirm");
	if (r)
		return r;
	/* From now on addresses that are new to it are probed as usual. */
	if (was->accept_dad[0])
		(void)link_sysctl("ipv6", was->spec.bridge, "accept_dad",
				  was->accept_dad);
	was->done = true;
	return journal_write(journal, was, why);
}

static int take_in(struct uplink_run *run, struct up_saved *was,
		   const char *journal, const struct uplink_care *care,
		   struct errtext *why)
{
	struct reach reach = {.n = 0};
	struct up_plan plan;
	int r = plan_in(was, &plan);

	learn(run, care, &reach);
	for (size_t i = 0; i < plan.n && !r; i++)
		r = run_step(run, &plan.step[i], care, why);
	plan_fini(&plan);
	return r ? r : confirm(run, was, journal, care, &reach, why);
}

static int put_back(const char *journal, int r, struct errtext *why)
{
	struct errtext second = {{0}};
	char text[sizeof(why->s)];

	if (uplink_out(journal, NULL, &second) && why) {
		snprintf(text, sizeof(text), "%.110s; and not all could be put "
			 "back: %.110s", why->s, second.s);
		return errtext_set(why, r, "%s", text);
	}
	if (r == -EHOSTUNREACH && why) {
		snprintf(text, sizeof(text), "%s", why->s);
		errtext_set(why, r, "%.220s; all was put back", text);
	}
	return r;
}

/* Watched over: journal, steps, and on failure all the way back. */
static int take_in_or_back(struct uplink_run *run, struct up_saved *was,
			   const char *journal, const struct uplink_care *care,
			   struct errtext *why)
{
	int watch = -1, r = 0;

	if (care->watch) {
		watch = uplink_watch_start(journal, care->keep, why);
		if (watch < 0)
			return watch;
	}
	r = journal_write(journal, was, why);
	if (!r) {
		r = take_in(run, was, journal, care, why);
		if (r) {
			fd_close(&run->tap_fd);
			r = put_back(journal, r, why);
		}
	}
	uplink_watch_end(watch);
	return r;
}

int uplink_in(const struct uplink_spec *spec, const char *journal,
	      const struct uplink_care *care, int *fd_out,
	      struct errtext *why)
{
	struct up_saved was = {0};
	struct uplink_run run = {.was = &was, .tap_fd = -1};
	int r;

	l3_init(&was.l3);
	if (!access(journal, F_OK))
		return errtext_set(why, -EEXIST, "%s is taken in already",
				   spec->bridge);
	r = link_nl_new(&run.nl, why);
	if (!r)
		r = uplink_read_was(run.nl, spec, &was, why);
	if (!r)
		r = uplink_step_names_free(&run, why);
	if (!r) {
		run.uplink = was.l3.index;
		r = take_in_or_back(&run, &was, journal,
				    care ? care : &careless, why);
	}
	if (!r)
		*fd_out = run.tap_fd;
	saved_fini(&was);
	link_nl_free(run.nl);
	return r;
}

/* ---- back ------------------------------------------------------------------------------- */

static int find_bridge(struct link_nl *nl, const struct up_saved *was)
{
	struct link_info l;

	/* It may not have its mark yet. */
	return link_get(nl, was->spec.bridge, &l) || strcmp(l.kind, "bridge") ||
			       (l.alias[0] && !link_is_ours(&l))
		       ? 0
		       : l.index;
}

/* The interface the journal means: it may be gone, plugged in anew, or be called otherwise,
 * which is noted, for its settings are found by its name. */
static int find_uplink(struct link_nl *nl, struct up_saved *was, int bridge)
{
	struct link_info l;

	if (!link_get_index(nl, was->l3.index, &l) &&
	    saved_is_uplink(was, &l, bridge)) {
		memcpy(was->spec.uplink, l.name, IFNAMSIZ);
		return l.index;
	}
	if (!link_get(nl, was->spec.uplink, &l) && mac_eq(&l.mac, &was->mac))
		return l.index;
	return 0;
}

/* As if @o lay on the uplink, with the label it had there. */
static int adopt(struct list *l, const struct up_obj *o, int from, int to,
		 const struct up_l3 *old)
{
	char label[IFNAMSIZ];
	const char *name = NULL;
	uint8_t body[OBJ_MAX];
	struct up_obj *n;
	size_t len;

	list_for_each(s, &old->addrs, struct up_obj, node)
		if (!name && !o->route && obj_same(s, 0, o, 0))
			name = obj_label(s, label);
	len = obj_request(o, from, to, 0, name, body);
	if (!len)
		return 0; /* at the end of its life */
	n = obj_new(o->route, body, len);
	if (!n)
		return -ENOMEM;
	n->first = o->first;
	list_add_tail(l, &n->node);
	return 0;
}

int uplink_adopt(struct up_saved *was, const struct up_l3 *bridge)
{
	struct up_l3 now;
	int r = 0;

	l3_init(&now);
	list_for_each(a, &bridge->addrs, struct up_obj, node)
		r = r ? r : adopt(&now.addrs, a, bridge->index, was->l3.index,
				  &was->l3);
	list_for_each(o, &bridge->routes, struct up_obj, node)
		r = r ? r : adopt(&now.routes, o, bridge->index, was->l3.index,
				  &was->l3);
	if (r) {
		l3_fini(&now);
		return r;
	}
	l3_fini(&was->l3);
	l3_move(&was->l3, &now);
	was->time_s = boot_s();
	return 0;
}

/*
 * It was in use: what was changed on the bridge meanwhile holds. That becomes the
 * journal, so that after a crash on the way back the goal is still known.
 */
static int adopt_bridge(struct up_saved *was, const struct up_l3 *bridge,
			const char *journal)
{
	int r = uplink_adopt(was, bridge);

	if (r)
		return r;
	was->done = false;
	/* Without room for it the way back is no less possible. */
	(void)journal_write(journal, was, NULL);
	return 0;
}

static int give_back(struct uplink_run *run, struct up_saved *was,
		     const char *journal, const struct uplink_care *care,
		     struct errtext *why)
{
	struct up_plan plan = {0};
	struct up_l3 bridge, uplink;
	int first = 0, r = 0;

	l3_init(&bridge);
	l3_init(&uplink);
	run->bridge = find_bridge(run->nl, was);
	run->uplink = find_uplink(run->nl, was, run->bridge);
	/* A route by a nexthop object, made meanwhile, is nothing to fail for: it goes
	 * with the bridge, as its object does. */
	if (run->bridge)
		r = l3_read(run->nl, run->bridge, true, &bridge, why);
	if (!r && run->uplink)
		r = l3_read(run->nl, run->uplink, true, &uplink, why);
	/* They outlive the bridge if somebody deletes it. */
	if (!r)
		r = rules_read(run->nl, was->spec.bridge, &bridge.rules);
	if (!r && was->done && run->bridge)
		r = adopt_bridge(was, &bridge, journal);
	if (!r)
		r = plan_out(was, &bridge, &uplink, boot_s(), &plan);
	for (size_t i = 0; i < plan.n && !r; i++) {
		int e = run_step(run, &plan.step[i], care, first ? NULL : why);

		first = first ? first : e;
	}
	plan_fini(&plan);
	l3_fini(&bridge);
	l3_fini(&uplink);
	return r ? r : first;
}

static int give_back_all(const char *journal, struct up_saved *was,
			 const struct uplink_care *care, struct errtext *why)
{
	struct uplink_run run = {.was = was, .tap_fd = -1};
	int r = link_nl_new(&run.nl, why);

	if (!r)
		r = give_back(&run, was, journal, care, why);
	/* With the bridge gone there is nothing left to be undone. */
	if (run.nl && !find_bridge(run.nl, was))
		(void)unlink(journal);
	link_nl_free(run.nl);
	return r;
}

int uplink_out(const char *journal, const struct uplink_care *care,
	       struct errtext *why)
{
	struct up_saved was = {0};
	int r, watch = -1;

	l3_init(&was.l3);
	r = journal_read(journal, &was, why);
	if (r)
		return r == -ENOENT ? 0 : r;
	r = saved_judge(&was);
	if (r == -ESTALE) {
		(void)unlink(journal); /* of before the machine was restarted */
		r = 0;
	} else if (r) {
		r = errtext_set(why, -EXDEV,
				"%s is of another network namespace", journal);
	} else {
		/* Without one it is done all the same. */
		if (care && care->watch)
			watch = uplink_watch_start(journal, care->keep, NULL);
		r = give_back_all(journal, &was, care ? care : &careless, why);
		uplink_watch_end(watch);
	}
	saved_fini(&was);
	return r;
}
