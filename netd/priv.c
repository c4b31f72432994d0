// SPDX-License-Identifier: GPL-2.0-or-later
/* Control's side of the privileged helper, and the same without one. See priv.h; the
 * other side is priv_helper.c. */
#include "netd/priv.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/chan.h"
#include "lib/fdutil.h"
#include "netd/priv_int.h"
#include "netd/spawn.h"
#include "switch/tapdev.h"

struct priv {
	struct chan *chan; /* NULL: no helper */
	pid_t pid;	   /* of the helper */
	bool dead;	   /* the helper; its channel is kept for priv_fd() */
	struct spawn spawn; /* workers of our own, without a helper */
};

/* ---- life --------------------------------------------------------------------------- */

struct priv *priv_none(void)
{
	struct priv *p = calloc(1, sizeof(*p));

	if (p)
		spawn_init(&p->spawn);
	return p;
}

/* In the child: nothing of control's but its end of the channel and the log. */
static _Noreturn void run_helper(const char *run_dir, int chan)
{
	fd_keep_only((int[]){chan}, 1);
	priv_helper(run_dir, chan);
}

static int receive(struct priv *p, uint16_t type, struct priv_answer *a,
		   int *fds, unsigned int nfd)
{
	struct pollfd pfd = {.fd = chan_fd(p->chan), .events = POLLIN};
	struct chan_msg m;
	int r;

	while ((r = chan_recv(p->chan, &m)) == -EAGAIN)
		if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
			return -errno;
	if (r == -EMFILE)
		return r; /* lost, but the helper is there */
	if (r != 1)
		return -EPIPE;
	if (m.type != type || m.len != sizeof(*a)) {
		chan_msg_close(&m);
		return -EPIPE;
	}
	memcpy(a, m.body, sizeof(*a));
	a->why.s[sizeof(a->why.s) - 1] = '\0';
	a->text[sizeof(a->text) - 1] = '\0';
	r = 0;
	if (a->shared)
		nfd = 0;
	if (!a->err && m.nfd != nfd)
		r = -EMFILE; /* no room for them in our table */
	for (unsigned int i = 0; !r && !a->err && i < nfd; i++) {
		fds[i] = m.fd[i];
		m.fd[i] = -1;
	}
	chan_msg_close(&m);
	return r;
}

int priv_start(const char *run_dir, struct priv **out, struct errtext *why)
{
	struct priv_answer a = {0};
	struct priv *p;
	int ch[2], r = chan_pair(ch);

	if (r)
		return errtext_set(why, r, "no channel: %s", strerror(-r));
	p = priv_none();
	if (!p) {
		close(ch[0]);
		close(ch[1]);
		return -ENOMEM;
	}
	p->pid = fork();
	if (p->pid == 0)
		run_helper(run_dir, ch[1]);
	r = p->pid < 0 ? -errno : 0;
	close(ch[1]);
	p->chan = chan_new(ch[0]);
	if (!p->chan)
		r = -ENOMEM;
	if (!r)
		r = receive(p, PRIV_HELLO, &a, NULL, 0);
	if (r)
		errtext_set(why, r, "the privileged helper died at once");
	else if ((r = a.err) && why)
		*why = a.why;
	if (r) {
		priv_stop(p);
		return r;
	}
	*out = p;
	return 0;
}

void priv_stop(struct priv *p)
{
	if (!p)
		return;
	chan_free(p->chan);
	if (p->pid > 0) {
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	spawn_finish(&p->spawn, 3000);
	free(p);
}

void priv_reap(struct priv *p)
{
	spawn_reap(&p->spawn);
}

bool priv_is_root(const struct priv *p)
{
	return p->chan;
}

int priv_fd(const struct priv *p)
{
	return p->chan ? chan_fd(p->chan) : -1;
}

/* ---- requests ------------------------------------------------------------------------ */

/* @give: a descriptor that goes along, borrowed; -1 = none. */
static int ask_with(struct priv *p, enum priv_type type, const void *body,
		    size_t len, int give, struct priv_answer *a, int *fds,
		    unsigned int nfd, struct errtext *why)
{
	int r = -EPIPE;

	if (!p->dead)
		r = chan_send(p->chan, (uint16_t)type, 0, body, len, &give,
			      give >= 0);
	if (!r)
		r = receive(p, (uint16_t)type, a, fds, nfd);
	if (r == -EPIPE) {
		p->dead = true;
		return errtext_set(why, r, "the privileged helper is gone");
	}
	if (r)
		return errtext_set(why, r, "privileged helper: %s",
				   strerror(-r));
	if (a->err && why)
		*why = a->why;
	return a->err;
}

static int ask(struct priv *p, enum priv_type type, const void *body,
	       size_t len, struct priv_answer *a, int *fds, unsigned int nfd,
	       struct errtext *why)
{
	return ask_with(p, type, body, len, -1, a, fds, nfd, why);
}

/* A name into a request's field, whole or not at all. */
static int put_name(char *field, size_t cap, const char *name,
		    struct errtext *why)
{
	if (strlen(name) >= cap)
		return errtext_set(why, -ENAMETOOLONG, "%s: name too long",
				   name);
	memcpy(field, name, strlen(name) + 1);
	return 0;
}

int priv_worker(struct priv *p, const char *network, bool isolated,
		pid_t *pid_out, int *pidfd_out, int *chan_out,
		struct errtext *why)
{
	struct priv_req_worker q = {.isolated = isolated};
	struct priv_answer a = {0};
	int fds[2] = {-1, -1}, r;

	if (!p->chan)
		return spawn_worker(&p->spawn, network, isolated, true, pid_out,
				    pidfd_out, chan_out, why);
	r = put_name(q.network, sizeof(q.network), network, why);
	if (!r)
		r = ask(p, PRIV_WORKER, &q, sizeof(q), &a, fds, 2, why);
	if (r)
		return r;
	*pid_out = a.pid;
	*pidfd_out = fds[0];
	*chan_out = fds[1];
	return 0;
}

int priv_prepare(struct priv *p, struct errtext *why)
{
	struct priv_answer a = {0};

	if (!p->chan)
		return spawn_prepare(&p->spawn, true, why);
	return ask(p, PRIV_PREPARE, NULL, 0, &a, NULL, 0, why);
}

int priv_tap(struct priv *p, const struct priv_tap *t, int *fd_out,
	     struct errtext *why)
{
	struct priv_answer a = {0};
	struct priv_tap q = *t;

	if (!p->chan)
		return priv_do_tap(t, fd_out, why);
	return ask(p, PRIV_TAP, &q, sizeof(q), &a, fd_out, 1, why);
}

int priv_tap_del(struct priv *p, const char *name, struct errtext *why)
{
	struct priv_req_name q = {{0}};
	struct priv_answer a = {0};
	int r;

	if (!p->chan)
		return tapdev_del(name, why);
	r = put_name(q.name, sizeof(q.name), name, why);
	return r ? r : ask(p, PRIV_TAP_DEL, &q, sizeof(q), &a, NULL, 0, why);
}

int priv_way(struct priv *p, const struct priv_way *w, int ours, int *fd_out,
	     struct errtext *why)
{
	struct priv_answer a = {0};
	struct priv_way q = *w;
	int r, fd[1] = {-1};

	if (!p->chan)
		return priv_do_way(w, ours, fd_out, why);
	r = ask_with(p, PRIV_WAY, &q, sizeof(q), ours, &a, fd, 1, why);
	if (!r)
		*fd_out = a.shared ? -1 : fd[0];
	return r;
}

int priv_connect(struct priv *p, const struct priv_connect *c, int *fd_out,
		 struct errtext *why)
{
	struct priv_answer a = {0};
	struct priv_connect q = *c;

	if (!p->chan)
		return priv_do_connect(c, fd_out, why);
	return ask(p, PRIV_CONNECT, &q, sizeof(q), &a, fd_out, 1, why);
}

int priv_bind(struct priv *p, int proto, const struct ipaddr *ip,
	      uint16_t port, bool share, int *fd_out, struct errtext *why)
{
	struct priv_req_port q = {.proto = proto, .port = port, .ip = *ip,
				  .share = share};
	struct priv_answer a = {0};
	int r = priv_do_bind(&q, fd_out, why);

	/* What needs no privilege is not asked for. */
	if (r != -EACCES || !p->chan)
		return r;
	return ask(p, PRIV_BIND, &q, sizeof(q), &a, fd_out, 1, why);
}

int priv_raw_icmp(struct priv *p, bool ip6, int *fd_out, struct errtext *why)
{
	struct priv_req_icmp q = {.ip6 = ip6};
	struct priv_answer a = {0};

	if (!p->chan)
		return errtext_set(why, -EPERM,
				   "a raw ICMP socket needs root");
	return ask(p, PRIV_RAW_ICMP, &q, sizeof(q), &a, fd_out, 1, why);
}

int priv_port_owner(struct priv *p, int proto, const struct ipaddr *ip,
		    uint16_t port, const char *dev, char *out, size_t cap)
{
	struct priv_req_port q = {.proto = proto, .port = port, .ip = *ip};
	struct priv_answer a = {0};
	int r = put_name(q.dev, sizeof(q.dev), dev ? dev : "", NULL);

	if (r)
		return r;
	if (!p->chan)
		return priv_do_port_owner(&q, out, cap);
	r = ask(p, PRIV_PORT_OWNER, &q, sizeof(q), &a, NULL, 0, NULL);
	if (!r)
		snprintf(out, cap, "%s", a.text);
	return r;
}

static int ask_uplink(struct priv *p, uint16_t type, const struct priv_uplink *u,
		      struct priv_answer *a, int *fd, unsigned int nfd,
		      struct errtext *why)
{
	struct priv_uplink q;

	if (!p->chan)
		return errtext_set(why, -EPERM,
				   "taking %s into a bridge needs root",
				   u->uplink);
	memcpy(&q, u, sizeof(q));
	return ask(p, type, &q, sizeof(q), a, fd, nfd, why);
}

int priv_uplink_in(struct priv *p, const struct priv_uplink *u, int *fd_out,
		   struct errtext *why)
{
	struct priv_answer a = {0};

	return ask_uplink(p, PRIV_UPLINK_IN, u, &a, fd_out, 1, why);
}

int priv_uplink_keep(struct priv *p, const struct priv_uplink *u, bool *changed,
		     struct errtext *why)
{
	struct priv_answer a = {0};
	int r = ask_uplink(p, PRIV_UPLINK_KEEP, u, &a, NULL, 0, why);

	if (!r)
		*changed = a.changed;
	return r;
}

int priv_uplink_out(struct priv *p, const char *bridge, struct errtext *why)
{
	struct priv_req_name q = {{0}};
	struct priv_answer a = {0};
	int r;

	if (!p->chan)
		return 0; /* there can be none */
	r = put_name(q.name, sizeof(q.name), bridge, why);
	return r ? r : ask(p, PRIV_UPLINK_OUT, &q, sizeof(q), &a, NULL, 0, why);
}

int priv_tapin(struct priv *p, const char *uplink, const char *tap,
	       uint16_t mtu, bool mac_nat, int fd[2], struct mac *mac,
	       struct errtext *why)
{
	struct priv_req_tapin q = {.mtu = mtu, .mac_nat = mac_nat};
	struct priv_answer a = {0};
	int r;

	if (!p->chan)
		return errtext_set(why, -EPERM,
				   "a packet socket on %s needs root", uplink);
	if ((r = put_name(q.uplink, sizeof(q.uplink), uplink, why)) ||
	    (r = put_name(q.tap, sizeof(q.tap), tap, why)))
		return r;
	r = ask(p, PRIV_TAPIN, &q, sizeof(q), &a, fd, 2, why);
	if (!r)
		*mac = a.mac;
	return r;
}

/* ---- the kernel datapath --------------------------------------------------------------- */

static int needs_helper(struct errtext *why)
{
	return errtext_set(why, -EPERM,
			   "the kernel datapath needs vnetd to run as root");
}

int priv_knet(struct priv *p, const struct knet *k, bool dry, bool *changed,
	      struct errtext *why)
{
	struct priv_req_knet *q;
	struct priv_answer a = {0};
	int r;

	if (!p->chan)
		return needs_helper(why);
	q = calloc(1, sizeof(*q));
	if (!q)
		return errtext_set(why, -ENOMEM, "no memory");
	memcpy(&q->k, k, sizeof(q->k));
	q->dry = dry;
	r = ask(p, PRIV_KNET, q, sizeof(*q), &a, NULL, 0, why);
	free(q);
	if (!r)
		*changed = a.changed;
	return r;
}

static int kguard(struct priv *p, const struct kguard *k, int what,
		  bool *changed, struct errtext *why)
{
	struct priv_req_kguard q = {.what = what};
	struct priv_answer a = {0};
	int fd = memfd_create("guard", MFD_CLOEXEC), r;

	if (fd < 0 || pwrite(fd, k, sizeof(*k), 0) != sizeof(*k))
		r = errtext_set(why, -ENOMEM, "no memory");
	else
		r = ask_with(p, PRIV_KGUARD, &q, sizeof(q), fd, &a, NULL, 0, why);
	if (fd >= 0)
		close(fd);
	if (!r)
		*changed = a.changed;
	return r;
}

int priv_kguard(struct priv *p, const struct kguard *k, bool dry, bool *changed,
		struct errtext *why)
{
	if (!p->chan)
		return needs_helper(why);
	return kguard(p, k, dry ? KGUARD_CHECK : KGUARD_SYNC, changed, why);
}

int priv_kguard_down(struct priv *p, const char *network, struct errtext *why)
{
	struct kguard *k = p->chan ? calloc(1, sizeof(*k)) : NULL;
	bool changed;
	int r;

	if (!k)
		return p->chan ? errtext_set(why, -ENOMEM, "no memory") : 0;
	r = put_name(k->network, sizeof(k->network), network, why);
	if (!r)
		r = kguard(p, k, KGUARD_DROP, &changed, why);
	free(k);
	return r;
}

int priv_kcounts(struct priv *p, const char *network, int *fd_out,
		 struct errtext *why)
{
	struct priv_req_network q = {{0}};
	struct priv_answer a = {0};
	int r;

	if (!p->chan)
		return needs_helper(why);
	r = put_name(q.network, sizeof(q.network), network, why);
	return r ? r : ask(p, PRIV_KCOUNTS, &q, sizeof(q), &a, fd_out, 1, why);
}

int priv_nflog(struct priv *p, int *fd_out, struct errtext *why)
{
	struct priv_req_icmp q = {.ip6 = false}; /* nothing to be said */
	struct priv_answer a = {0};

	if (!p->chan)
		return needs_helper(why);
	return ask(p, PRIV_NFLOG, &q, sizeof(q), &a, fd_out, 1, why);
}

int priv_knet_down(struct priv *p, const char *network, struct errtext *why)
{
	struct priv_req_network q = {{0}};
	struct priv_answer a = {0};
	int r;

	if (!p->chan)
		return 0; /* there can be none */
	r = put_name(q.network, sizeof(q.network), network, why);
	return r ? r : ask(p, PRIV_KNET_DOWN, &q, sizeof(q), &a, NULL, 0, why);
}

int priv_kport(struct priv *p, const struct priv_kport *t, int *fd_out,
	       struct errtext *why)
{
	struct priv_answer a = {0};
	struct priv_kport q;
	int r, fd[1] = {-1};

	if (!p->chan)
		return needs_helper(why);
	memcpy(&q, t, sizeof(q));
	r = ask(p, PRIV_KPORT, &q, sizeof(q), &a, fd, 1, why);
	if (!r)
		*fd_out = a.shared ? -1 : fd[0];
	return r;
}

int priv_tap_fd(struct priv *p, const struct priv_tap_fd *t, int *fd_out,
		struct errtext *why)
{
	struct priv_answer a = {0};
	struct priv_tap_fd q;

	if (!p->chan)
		return needs_helper(why);
	memcpy(&q, t, sizeof(q));
	return ask(p, PRIV_TAP_FD, &q, sizeof(q), &a, fd_out, 1, why);
}

int priv_rulesets(struct priv *p, int fd[2], struct errtext *why)
{
	struct priv_req_icmp q = {.ip6 = false}; /* nothing to be said */
	struct priv_answer a = {0};

	if (!p->chan)
		return needs_helper(why);
	return ask(p, PRIV_RULESETS, &q, sizeof(q), &a, fd, 2, why);
}

int priv_nft_watch(struct priv *p, int *fd_out, uint32_t *port,
		   struct errtext *why)
{
	int r;

	struct priv_req_icmp q = {.ip6 = false}; /* nothing to be said */
	struct priv_answer a = {0};

	if (!p->chan)
		return needs_helper(why);
	r = ask(p, PRIV_NFT_WATCH, &q, sizeof(q), &a, fd_out, 1, why);
	*port = a.port;
	return r;
}
