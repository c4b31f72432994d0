// SPDX-License-Identifier: GPL-2.0-or-later
/* See uplinkctl.h. */
#include "netd/uplinkctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fdutil.h"
#include "netd/ifmanager.h"
#include "netd/knet.h"
#include "netd/priv.h"
#include "netd/tapinctl.h"
#include "switch/uplink.h"

static bool is_kernel(const struct network *n)
{
	return n->conf.datapath == DATAPATH_KERNEL;
}

static struct priv_uplink request(const struct network *n)
{
	struct priv_uplink u = {.mtu = n->conf.mtu};

	knet_uplink_names(n->conf.name, u.bridge, u.tap);
	memcpy(u.uplink, n->conf.uplink, IFNAMSIZ);
	if (is_kernel(n))
		snprintf(u.network, sizeof(u.network), "%s", n->conf.name);
	return u;
}

/* It is the user's to decide; taking it in works until the other acts. */
static void warn_of_manager(struct network *n)
{
	char text[IFMANAGER_TEXT];

	n->uplink_manager = ifmanager_find(
		"", n->conf.uplink, (int)if_nametoindex(n->conf.uplink));
	if (n->uplink_manager != IFMANAGER_NONE)
		log_warn("network %s: %s", n->conf.name,
			 ifmanager_advice(n->uplink_manager, n->conf.uplink,
					  text));
}

static int is_free(const struct network *n, struct errtext *why)
{
	const struct network *other = tapinctl_other(n);

	if (other)
		return errtext_set(why, -EBUSY,
				   "uplink %s is used by network %s, which leaves "
				   "it as it is; both can have it with "
				   "--datapath user --uplink-mode tap-in",
				   n->conf.uplink, other->conf.name);
	list_for_each(o, &n->ctl->model.nets, struct network, node)
		if (o != n && o->bridge_in &&
		    !strcmp(o->conf.uplink, n->conf.uplink))
			return errtext_set(why, -EBUSY,
					   "uplink %s is taken by network %s",
					   n->conf.uplink, o->conf.name);
	return 0;
}

static int take_in(struct network *n, const struct priv_uplink *u,
		   struct errtext *why)
{
	int fd = -1, r;

	if (!if_nametoindex(n->conf.uplink))
		return errtext_set(why, -ENODEV, "uplink %s: no such interface",
				   n->conf.uplink);
	warn_of_manager(n);
	r = priv_uplink_in(n->ctl->priv, u, &fd, why);
	/* What is left of an attempt that failed in both directions. The bridge has
	 * our name, so it is nobody else's. */
	if (r == -EEXIST && !priv_uplink_out(n->ctl->priv, u->bridge, why))
		r = priv_uplink_in(n->ctl->priv, u, &fd, why);
	if (r)
		return r;
	fd_close(&n->port_fd);
	n->port_fd = fd;
	return 0;
}

int uplinkctl_open(struct network *n, struct errtext *why)
{
	const struct priv_uplink u = request(n);
	int r = is_free(n, why);
	bool changed;

	if (r)
		return r;
	r = is_kernel(n) ? priv_uplink_keep(n->ctl->priv, &u, &changed, why)
			 : -ENOENT;
	if (r == -ESTALE)
		r = priv_uplink_out(n->ctl->priv, u.bridge, why) ? r : -ENOENT;
	if (r == -ENOENT)
		r = take_in(n, &u, why);
	n->bridge_in = !r;
	return r;
}

int uplinkctl_keep(struct network *n, bool *changed, struct errtext *why)
{
	const struct priv_uplink u = request(n);
	int r = priv_uplink_keep(n->ctl->priv, &u, changed, why);

	return r == -ENOENT ? -ESTALE : r;
}

void uplinkctl_close(struct network *n)
{
	const struct priv_uplink u = request(n);
	struct errtext why = {""};

	if (!n->bridge_in)
		return;
	n->bridge_in = false;
	if (priv_uplink_out(n->ctl->priv, u.bridge, &why))
		log_err("network %s: uplink %s could not be given back: %s",
			n->conf.name, n->conf.uplink, why.s);
}

static int add_step(void *arg, const char *step)
{
	return json_array_append_new(arg, json_string(step)) ? -ENOMEM : 0;
}

int uplinkctl_plan(const struct network *n, bool all, json_t *steps,
		   struct errtext *why)
{
	const struct priv_uplink u = request(n);
	struct uplink_spec spec = {.mtu = u.mtu};

	memcpy(spec.bridge, u.bridge, IFNAMSIZ);
	memcpy(spec.uplink, u.uplink, IFNAMSIZ);
	memcpy(spec.tap, u.tap, IFNAMSIZ);
	if (is_kernel(n))
		link_mark(n->conf.name, spec.mark);
	return uplink_steps(&spec, all, add_step, steps, why);
}
