// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A network of the kernel datapath in the kernel: bridge and filters, in an order that
 * leaves no moment without filters, and back again when a step fails. See priv_int.h.
 */
#include "netd/priv_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "lib/log.h"
#include "nat/ctrack.h"
#include "nat/nft.h"
#include "switch/link.h"
#include "switch/tapport.h"

#define FORGET_WAIT_MS	50
#define FORGET_S	60 /* then it is killed */
#define FORGET_TRIES	5
#define FORGET_AGAIN_MS 1000
#define RULESETS_S	15 /* to read them in */

/* Both netlink sockets, and what is planned. */
struct work {
	struct link_nl *nl;
	struct nft *nft; /* borrowed */
	struct kbridge want;
	struct kbridge_seen seen;
	struct kbridge_plan bridge;
	struct nft_plan filters;
	struct nft_forward was[KNET_FWDS_MAX]; /* before */
	size_t nwas;
};

/* Both sockets. */
static int open_both(struct work *w, struct nft **nft, struct errtext *why)
{
	int r = link_nl_new(&w->nl, why);

	if (!r)
		r = priv_nft(nft, why);
	w->nft = *nft;
	return r;
}

static int prepare(struct work *w, const struct knet *k, struct errtext *why)
{
	int r;

	knet_bridge(k, &w->want);
	knet_filters(k, &w->filters);
	r = kbridge_look(w->nl, w->want.name, &w->seen, why);
	return r ? r : kbridge_plan(&w->want, &w->seen, &w->bridge, why);
}

static void finish(struct work *w)
{
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

/* ---- connections of forwards that changed ---------------------------------------------- */

/* In a process of its own: the table may be huge, and whoever asked for the change need
 * not wait for it. */
struct forgetting {
	struct nft *nft;
	const struct nft_plan *filters;
};

static int forwards_now(void *arg, struct nft_forward *out, size_t max)
{
	struct forgetting *f = arg;

	return nft_forwards(f->nft, f->filters, out, max);
}

static int forget_once(const struct work *w, struct errtext *why)
{
	struct forgetting f = {.filters = &w->filters};
	const struct ctrack_source source = {forwards_now, &f, KNET_FWDS_MAX};
	int r = nft_open(&f.nft, why);

	if (!r)
		r = ctrack_forget(w->was, w->nwas, &source, why);
	nft_close(f.nft);
	return r;
}

static _Noreturn void forget_and_exit(const struct work *w, const char *network)
{
	struct errtext why = {""};
	int r = -EAGAIN;

	/* Neither control nor the next instance is to wait for us. */
	fd_keep_only(NULL, 0);
	alarm(FORGET_S);
	for (int i = 0; r && i < FORGET_TRIES; i++) {
		if (i)
			poll(NULL, 0, FORGET_AGAIN_MS);
		r = forget_once(w, &why);
	}
	if (r)
		log_warn("network %s: %s", network, why.s);
	_exit(r ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* It is mostly done before its end is worth waiting for. */
static bool ends_soon(pid_t pid)
{
	struct pollfd pfd = {.fd = (int)syscall(SYS_pidfd_open, pid, 0),
			     .events = POLLIN};
	bool ended = pfd.fd >= 0 && poll(&pfd, 1, FORGET_WAIT_MS) > 0;

	fd_close(&pfd.fd);
	return ended && waitpid(pid, NULL, 0) == pid;
}

static pid_t forget(const struct work *w, const struct knet *k)
{
	pid_t pid;

	if (!w->want.routes || ctrack_same(w->was, w->nwas, k->fwd, k->nfwd))
		return 0;
	pid = fork();
	if (pid == 0)
		forget_and_exit(w, k->network);
	if (pid < 0)
		log_warn("network %s: connections of forwards that changed go "
			 "on: %s", k->network, strerror(errno));
	return pid > 0 && !ends_soon(pid) ? pid : 0;
}

/* ---- all of it --------------------------------------------------------------------------- */

/* It concerns all interfaces of the host, and stays. */
static void tell_of_router(const struct work *w, const char *network)
{
	for (unsigned int i = 0; i < w->bridge.n; i++) {
		const struct kstep *s = &w->bridge.step[i];

		if (s->kind == KSTEP_SYSCTL && !strcmp(s->dev, "all"))
			log_info("network %s: from now on the host forwards "
				 "packets between all its interfaces, unless "
				 "filters forbid it: net.%s.conf.all.%s = %s",
				 network, s->family, s->key, s->value);
	}
}

/* A table that was there before is what it was or what it is to be, whole each time. */
static int apply(struct work *w, const struct knet *k,
		 struct priv_knet_done *out, struct errtext *why)
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
	else
		tell_of_router(w, k->network);
	if (!r && filters)
		out->forgets = forget(w, k);
	out->changed = filters || w->bridge.n;
	return r;
}

int priv_do_knet(struct nft **nft, const struct knet *k, bool dry,
		 struct priv_knet_done *out, struct errtext *why)
{
	struct work *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return errtext_set(why, -ENOMEM, "no memory");
	r = open_both(w, nft, why);
	if (!r)
		r = prepare(w, k, why);
	if (!r && dry) {
		r = nft_check(w->nft, &w->filters, why);
		out->changed = r > 0;
		r = r > 0 ? 0 : r;
	} else if (!r) {
		r = apply(w, k, out, why);
	}
	finish(w);
	return priv_nft_end(nft, r);
}

/* The bridge first: without it the filters have nothing to protect. */
int priv_do_knet_down(struct nft **nft, const char *network, struct errtext *why)
{
	char bridge[IFNAMSIZ], tap[IFNAMSIZ], mark[LINK_ALIAS];
	struct work *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return errtext_set(why, -ENOMEM, "no memory");
	knet_names(network, bridge, tap);
	link_mark(network, mark);
	r = open_both(w, nft, why);
	if (!r)
		r = kbridge_remove(w->nl, bridge, mark, why);
	if (!r)
		r = nft_drop(w->nft, network, why);
	finish(w);
	return priv_nft_end(nft, r);
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
	if (k->uplink)
		knet_uplink_names(k->network, t.bridge, tap);
	else
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

/* ---- rulesets ------------------------------------------------------------------------------- */

static _Noreturn void read_and_exit(int file, int tell)
{
	struct priv_said said = {.err = 0};
	struct nft *n = NULL;

	fd_keep_only((int[]){file, tell}, 2);
	alarm(RULESETS_S);
	said.err = nft_open(&n, &said.why);
	if (!said.err)
		said.err = nft_dump(n, file, &said.why);
	nft_close(n);
	_exit(write(tell, &said, sizeof(said)) == sizeof(said) ? EXIT_SUCCESS
							       : EXIT_FAILURE);
}

int priv_do_rulesets(int fd[2], pid_t *pid, struct errtext *why)
{
	int file = memfd_create("rulesets", MFD_CLOEXEC), tell[2] = {-1, -1};

	if (file < 0 || pipe2(tell, O_CLOEXEC) || (*pid = fork()) < 0) {
		int r = -errno;

		fd_close(&file);
		fd_close(&tell[0]);
		fd_close(&tell[1]);
		*pid = 0;
		return errtext_set(why, r, "no memory file: %s", strerror(-r));
	}
	if (*pid == 0)
		read_and_exit(file, tell[1]);
	close(tell[1]);
	fd[0] = file;
	fd[1] = tell[0];
	return 0;
}
