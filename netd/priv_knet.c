// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A network of the kernel datapath in the kernel: bridge and filters, in an order that
 * leaves no moment without filters, and back again when a step fails. See priv_int.h.
 */
#include "netd/priv_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/log.h"
#include "nat/ctrack.h"
#include "nat/nft.h"
#include "switch/link.h"
#include "switch/tapport.h"

/* Both netlink sockets, and what is planned. */
struct work {
	struct link_nl *nl;
	struct nft *nft;
	struct kbridge want;
	struct kbridge_seen seen;
	struct kbridge_plan bridge;
	struct nft_plan filters;
	struct nft_forward was[KNET_FWDS_MAX]; /* before */
	size_t nwas;
};

static int prepare(struct work *w, const struct knet *k, struct errtext *why)
{
	int r = link_nl_new(&w->nl, why);

	if (!r)
		r = nft_open(&w->nft, why);
	if (r)
		return r;
	knet_bridge(k, &w->want);
	knet_filters(k, &w->filters);
	r = kbridge_look(w->nl, w->want.name, &w->seen, why);
	return r ? r : kbridge_plan(&w->want, &w->seen, &w->bridge, why);
}

static void finish(struct work *w)
{
	nft_close(w->nft);
	link_nl_free(w->nl);
	free(w);
}

static void remember(struct work *w, const char *network)
{
	int n = w->want.routes ? nft_forwards(w->nft, &w->filters, w->was,
					      KNET_FWDS_MAX)
			       : 0;

	w->nwas = n > 0 ? (size_t)n : 0;
	if (n < 0)
		log_warn("network %s: its forwards cannot be read, and "
			 "connections of those that go will go on: %s", network,
			 strerror(-n));
}

static void forget(const struct work *w, const struct knet *k)
{
	struct errtext why = {""};

	if (ctrack_forget(w->was, w->nwas, k->fwd, k->nfwd, &why))
		log_warn("network %s: %s", k->network, why.s);
}

/* A table that was there before is what it was or what it is to be, whole each time. */
static int apply(struct work *w, const struct knet *k, bool *changed,
		 struct errtext *why)
{
	bool filters = false;
	int r = kbridge_apply(w->nl, &w->bridge, false, why);

	remember(w, k->network);
	if (!r)
		r = nft_sync(w->nft, &w->filters, &filters, why);
	if (!r) {
		r = kbridge_apply(w->nl, &w->bridge, true, why);
		if (r && !w->seen.there)
			(void)nft_drop(w->nft, k->network, NULL);
	}
	if (r)
		kbridge_undo(w->nl, &w->bridge);
	else if (filters)
		forget(w, k);
	*changed = filters || w->bridge.n;
	return r;
}

int priv_do_knet(const struct knet *k, bool dry, bool *changed,
		 struct errtext *why)
{
	struct work *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return errtext_set(why, -ENOMEM, "no memory");
	r = prepare(w, k, why);
	if (!r && dry) {
		r = nft_check(w->nft, &w->filters, why);
		*changed = r > 0;
		r = r > 0 ? 0 : r;
	} else if (!r) {
		r = apply(w, k, changed, why);
	}
	finish(w);
	return r;
}

/* The bridge first: without it the filters have nothing to protect. */
int priv_do_knet_down(const char *network, struct errtext *why)
{
	char bridge[IFNAMSIZ], tap[IFNAMSIZ], mark[LINK_ALIAS];
	struct work *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return errtext_set(why, -ENOMEM, "no memory");
	knet_names(network, bridge, tap);
	link_mark(network, mark);
	r = link_nl_new(&w->nl, why);
	if (!r)
		r = nft_open(&w->nft, why);
	if (!r)
		r = kbridge_remove(w->nl, bridge, mark, why);
	if (!r)
		r = nft_drop(w->nft, network, why);
	finish(w);
	return r;
}

int priv_do_kport(const struct priv_kport *k, int *fd_out, struct errtext *why)
{
	struct tapport t = {
		.mtu = k->mtu,
		.nic = k->nic,
		.owner = k->owner,
		.queues = k->queues,
		.up = k->up,
	};
	char tap[IFNAMSIZ];

	memcpy(t.name, k->name, sizeof(t.name));
	knet_names(k->network, t.bridge, tap);
	link_mark(k->network, t.mark);
	if (!k->nic && strcmp(tap, k->name))
		return errtext_set(why, -EPERM, "%s is not that network's port",
				   k->name);
	return tapport_open(&t, fd_out, why);
}

int priv_do_tap_fd(const struct priv_tap_fd *t, int *fd_out, struct errtext *why)
{
	unsigned int how = (t->multi ? TAPPORT_MULTI : 0) |
			   (t->plain ? TAPPORT_PLAIN : 0) |
			   (t->once ? TAPPORT_ONCE : 0);

	return tapport_fd(t->name, how, fd_out, why);
}

int priv_do_rulesets(int *fd_out, struct errtext *why)
{
	int fd = memfd_create("rulesets", MFD_CLOEXEC), r;
	struct nft *n = NULL;

	if (fd < 0)
		return errtext_set(why, -errno, "no memory file: %s",
				   strerror(errno));
	r = nft_open(&n, why);
	if (!r)
		r = nft_dump(n, fd, why);
	nft_close(n);
	if (r)
		close(fd);
	else
		*fd_out = fd;
	return r;
}
