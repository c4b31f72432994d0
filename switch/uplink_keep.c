// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An interface that was taken in and stays so, whoever comes and goes: is it as it
 * should be, what would be done to it. See uplink.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "switch/uplink_int.h"
#include "switch/uplink_step.h"

/* ---- this machine, this namespace ---------------------------------------------------- */

static void read_boot(char out[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, 36);

	out[n > 0 ? n : 0] = '\0';
	fd_close(&fd);
}

static uint64_t own_netns(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

void saved_stamp(struct up_saved *s)
{
	s->netns = own_netns();
	read_boot(s->boot);
}

int saved_judge(const struct up_saved *s)
{
	char boot[40];

	read_boot(boot);
	if (strcmp(boot, s->boot) != 0)
		return -ESTALE;
	return s->netns == own_netns() ? 0 : -EXDEV;
}

bool saved_is_uplink(const struct up_saved *s, const struct link_info *l,
		     int bridge)
{
	return l->index == s->l3.index &&
	       (mac_eq(&l->mac, &s->mac) || !strcmp(l->name, s->spec.uplink) ||
		(bridge && l->master == bridge));
}

/* ---- what is there ---------------------------------------------------------------------- */

static bool find_bridge(struct link_nl *nl, const struct uplink_spec *spec,
			struct link_info *out)
{
	return spec->mark[0] && !link_get(nl, spec->bridge, out) &&
	       !strcmp(out->kind, "bridge") && !strcmp(out->alias, spec->mark);
}

/* Of the interface: it may have been plugged in anew, and be configured by others. */
static int find_both(struct link_nl *nl, const struct up_saved *was,
		     struct link_info *bridge, struct link_info *uplink,
		     struct errtext *why)
{
	const struct uplink_spec *spec = &was->spec;
	struct link_info other;

	if (!find_bridge(nl, spec, bridge))
		return errtext_set(why, -ESTALE, "bridge %s is gone",
				   spec->bridge);
	if (link_get_index(nl, was->l3.index, uplink) ||
	    !saved_is_uplink(was, uplink, bridge->index))
		return errtext_set(why, -ESTALE, "uplink %s is gone, or another",
				   spec->uplink);
	if (!uplink->master || uplink->master == bridge->index)
		return 0;
	return errtext_set(why, -EBUSY, "uplink %s is a port of %s now",
			   spec->uplink,
			   link_get_index(nl, uplink->master, &other)
				   ? "something else" : other.name);
}

static bool same_spec(const struct uplink_spec *a, const struct uplink_spec *b)
{
	return !strcmp(a->bridge, b->bridge) && !strcmp(a->uplink, b->uplink) &&
	       !strcmp(a->tap, b->tap) && !strcmp(a->mark, b->mark);
}

bool uplink_is_kept(const char *journal)
{
	struct up_saved was = {0};
	struct link_nl *nl = NULL;
	struct link_info l;
	bool kept;

	l3_init(&was.l3);
	kept = !journal_read(journal, &was, NULL) && was.done &&
	       !saved_judge(&was) && !link_nl_new(&nl, NULL) &&
	       find_bridge(nl, &was.spec, &l);
	link_nl_free(nl);
	saved_fini(&was);
	return kept;
}

/* ---- in line ------------------------------------------------------------------------------ */

static int keep(struct uplink_run *run, bool *changed, struct errtext *why)
{
	struct link_info bridge = {0}, uplink = {0};
	struct up_plan plan = {0};
	char text[STEP_TEXT];
	int r = find_both(run->nl, run->was, &bridge, &uplink, why);

	if (r)
		return r;
	run->bridge = bridge.index;
	run->uplink = uplink.index;
	r = plan_keep(&bridge, &uplink, &plan);
	*changed = plan.n;
	for (size_t i = 0; i < plan.n && !r; i++) {
		r = uplink_step(run, &plan.step[i], NULL);
		if (r)
			errtext_set(why, r, "%s: %s",
				    step_text(&plan.step[i], run->was, text),
				    strerror(-r));
	}
	plan_fini(&plan);
	return r;
}

/*
 * Somebody cleared the runtime directory away. Bridge and uplink tell all but labels of
 * addresses, and how the uplink made its IPv6 addresses: as the host's devices do.
 */
static int journal_anew(struct link_nl *nl, const struct uplink_spec *spec,
			const char *journal, struct up_saved *was,
			struct errtext *why)
{
	struct link_info bridge, uplink;
	struct up_l3 l3;
	int r;

	if (!find_bridge(nl, spec, &bridge) ||
	    link_get(nl, spec->uplink, &uplink) ||
	    uplink.master != bridge.index)
		return -ENOENT;
	was->spec = *spec;
	was->was_up = was->done = true;
	was->mac = uplink.mac;
	was->mtu = uplink.mtu;
	was->l3.index = uplink.index;
	saved_stamp(was);
	if (link_sysctl_get("ipv6", "default", "addr_gen_mode", was->genmode,
			    sizeof(was->genmode)) ||
	    link_sysctl_get("ipv6", spec->bridge, "accept_dad",
			    was->accept_dad, sizeof(was->accept_dad)))
		was->genmode[0] = was->accept_dad[0] = '\0';
	l3_init(&l3);
	r = l3_read(nl, bridge.index, true, &l3, why);
	if (!r)
		r = uplink_adopt(was, &l3);
	l3_fini(&l3);
	return r ? r : journal_write(journal, was, why);
}

int uplink_keep(const struct uplink_spec *spec, const char *journal,
		bool *changed, struct errtext *why)
{
	struct up_saved was = {0};
	struct uplink_run run = {.was = &was, .tap_fd = -1};
	int r;

	l3_init(&was.l3);
	r = link_nl_new(&run.nl, why);
	if (!r)
		r = journal_read(journal, &was, why);
	if (r == -ENOENT)
		r = journal_anew(run.nl, spec, journal, &was, why);
	if (!r && (!was.done || saved_judge(&was) || !same_spec(&was.spec, spec)))
		r = errtext_set(why, -ESTALE, "%s was not taken in like that",
				spec->uplink);
	if (!r)
		r = keep(&run, changed, why);
	link_nl_free(run.nl);
	saved_fini(&was);
	return r;
}

/* ---- shown ---------------------------------------------------------------------------------- */

/* The uplink as it would be without us: what lies on the bridge lies on it. */
static int read_as_if(struct link_nl *nl, const struct uplink_spec *spec,
		      const struct link_info *bridge, struct up_saved *was,
		      struct errtext *why)
{
	int r = l3_read(nl, bridge->index, true, &was->l3, why);

	was->spec = *spec;
	was->was_up = true;
	if (link_sysctl_get("ipv6", spec->uplink, "addr_gen_mode", was->genmode,
			    sizeof(was->genmode)))
		was->genmode[0] = '\0';
	return r ? r : rules_read(nl, spec->uplink, &was->l3.rules);
}

static int plan_now(struct link_nl *nl, bool all, struct up_saved *was,
		    const struct uplink_spec *spec, struct up_plan *plan,
		    struct errtext *why)
{
	struct link_info bridge, uplink;
	bool taken = find_bridge(nl, spec, &bridge);
	int r;

	if (taken && !all) {
		r = link_get(nl, spec->uplink, &uplink);
		was->spec = *spec;
		return r ? errtext_set(why, r, "no interface %s", spec->uplink)
			 : plan_keep(&bridge, &uplink, plan);
	}
	r = taken ? read_as_if(nl, spec, &bridge, was, why)
		  : uplink_read_was(nl, spec, was, why);
	return r ? r : plan_in(was, plan);
}

int uplink_steps(const struct uplink_spec *spec, bool all,
		 int (*say)(void *arg, const char *step), void *arg,
		 struct errtext *why)
{
	struct up_saved was = {0};
	struct up_plan plan = {0};
	struct link_nl *nl = NULL;
	char text[STEP_TEXT];
	int r;

	l3_init(&was.l3);
	r = link_nl_new(&nl, why);
	if (!r)
		r = plan_now(nl, all, &was, spec, &plan, why);
	for (size_t i = 0; i < plan.n && !r; i++)
		r = say(arg, step_text(&plan.step[i], &was, text));
	plan_fini(&plan);
	saved_fini(&was);
	link_nl_free(nl);
	return r;
}
