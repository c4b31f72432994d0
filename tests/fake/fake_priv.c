// SPDX-License-Identifier: GPL-2.0-or-later
/* See fake_priv.h. */
#include "tests/fake/fake_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "netd/lease_wire.h"
#include "netd/proto.h"

struct priv *fake_priv_new(bool root)
{
	struct priv *p = calloc(1, sizeof(*p));

	p->root = root;
	p->rulesets = -1;
	return p;
}

void fake_worker_die(struct fake_worker *w)
{
	chan_free(w->chan);
	w->chan = NULL;
	fd_close(&w->alive);
}

void fake_priv_free(struct priv *p)
{
	for (unsigned int i = 0; i < p->nworkers; i++)
		fake_worker_die(&p->worker[i]);
	free(p);
}

struct fake_worker *fake_worker_of(struct priv *p, const char *network)
{
	for (unsigned int i = p->nworkers; i-- > 0;)
		if (!strcmp(p->worker[i].network, network))
			return &p->worker[i];
	return NULL;
}

static const char no_numbers[] = "{\"forwards\":[],\"more\":false}";

static void answer(struct fake_worker *w, const struct chan_msg *m)
{
	if (w->mute)
		return;
	if (m->type == W_START)
		(void)chan_send(w->chan, W_READY, 0, "{}", 2, NULL, 0);
	else if (m->id && m->type == w->refuse)
		fake_worker_say(w, W_ERROR, "{\"message\":\"no such luck\"}",
				(int)m->id + 1000000);
	else if (m->type == W_FORWARD_STATS)
		fake_worker_say(w, W_DONE, w->numbers ? w->numbers : no_numbers,
				(int)m->id + 1000000);
	else if (m->type == W_STATUS && w->status)
		fake_worker_say(w, W_DONE, w->status, (int)m->id + 1000000);
	else if ((m->type == W_FLOWS || m->type == W_FLOW_KILL) && w->flows)
		fake_worker_say(w, W_DONE, w->flows, (int)m->id + 1000000);
	else if (m->id)
		(void)chan_send(w->chan, W_DONE, m->id, "{}", 2, NULL, 0);
}

/* "1:ok 2:no", or "10.0.2.15=bound"; what tests compare with. */
static void bytes_text(const struct chan_msg *m, char *out, size_t cap)
{
	struct cur c = cur_make(m->body, m->len);
	char ip[IP4_TEXT];
	size_t n = 0;

	out[0] = '\0';
	while (c.left && n < cap) {
		struct lease_rec r;
		uint64_t token;
		bool ok;

		if (m->type == W_LEASES_DONE &&
		    lease_wire_get_done(&c, &token, &ok))
			n += (size_t)snprintf(out + n, cap - n, "%s%d:%s",
					      n ? " " : "", (int)token,
					      ok ? "ok" : "no");
		else if (m->type == W_LEASES && lease_wire_get(&c, &r))
			n += (size_t)snprintf(out + n, cap - n, "%s%s=%s",
					      n ? " " : "",
					      ip4_format(r.lease.ip, ip),
					      dhcp_state_name(r.lease.state));
		else
			break;
	}
}

void fake_worker_pump(struct fake_worker *w)
{
	struct chan_msg m;
	int r;

	while (w->chan && (r = chan_recv(w->chan, &m)) == 1) {
		if (w->ngot < FAKE_LOG) {
			w->got[w->ngot].type = m.type;
			w->got[w->ngot].id = m.id;
			w->got[w->ngot].nfd = m.nfd;
			if (m.type >= W_BYTES)
				bytes_text(&m, w->got[w->ngot++].body, 1024);
			else
				snprintf(w->got[w->ngot++].body, 1024, "%s",
					 (const char *)m.body);
		}
		chan_msg_close(&m);
		answer(w, &m);
		if (m.type == W_SHUTDOWN) {
			fake_worker_die(w);
			return;
		}
	}
	/* Control hung up: a real one is killed at the same time. */
	if (w->chan && r == 0)
		fake_worker_die(w);
}

void fake_worker_say(struct fake_worker *w, uint16_t type, const char *body,
		     int fd)
{
	uint32_t id = fd >= 1000000 ? (uint32_t)(fd - 1000000) : 0;

	(void)chan_send(w->chan, type, id, body, strlen(body), &fd,
			fd >= 0 && !id ? 1 : 0);
}

void fake_worker_lease(struct fake_worker *w, uint64_t token, uint32_t ip,
		       enum dhcp_state state)
{
	const struct lease_rec r = {
		.token = token,
		.lease = {.ip = ip,
			  .mac = {{0x52, 0x54, 0, 0, 0, 1}},
			  .nic_id = 100,
			  .expiry_s = 9999999999,
			  .state = state},
	};
	uint8_t b[LEASE_WIRE_MAX];
	struct wbuf wb = wbuf_make(b, sizeof(b));

	lease_wire_put(&wb, &r);
	(void)chan_send(w->chan, W_LEASES, 0, b, wb.len, NULL, 0);
}

unsigned int fake_worker_count(const struct fake_worker *w, uint16_t type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->ngot; i++)
		n += w->got[i].type == type;
	return n;
}

const char *fake_worker_last(const struct fake_worker *w, uint16_t type)
{
	for (unsigned int i = w->ngot; i-- > 0;)
		if (w->got[i].type == type)
			return w->got[i].body;
	return NULL;
}

/* ---- priv.h -------------------------------------------------------------- */

int priv_start(const char *run_dir, struct priv **out, struct errtext *why)
{
	(void)run_dir;
	(void)out;
	return errtext_set(why, -EPERM, "fake");
}

struct priv *priv_none(void)
{
	return fake_priv_new(false);
}

void priv_stop(struct priv *p)
{
	fake_priv_free(p);
}

bool priv_is_root(const struct priv *p)
{
	return p->root;
}

int priv_fd(const struct priv *p)
{
	(void)p;
	return -1;
}

int priv_worker(struct priv *p, const char *network, bool isolated,
		pid_t *pid_out, int *pidfd_out, int *chan_out,
		struct errtext *why)
{
	struct fake_worker *w;
	int fd[2], life[2];

	if (p->fail_worker)
		return errtext_set(why, p->fail_worker, "fake failure");
	/* Old ones that ended make room. */
	if (p->nworkers == FAKE_WORKERS) {
		fake_worker_die(&p->worker[0]);
		memmove(&p->worker[0], &p->worker[1],
			sizeof(p->worker[0]) * (FAKE_WORKERS - 1));
		p->nworkers--;
	}
	if (chan_pair(fd) || pipe(life))
		return -errno;
	w = &p->worker[p->nworkers++];
	memset(w, 0, sizeof(*w));
	snprintf(w->network, sizeof(w->network), "%s", network);
	w->isolated = isolated;
	w->chan = chan_new(fd[1]);
	w->alive = life[1];
	*pid_out = (pid_t)(100000 + p->nworkers);
	*pidfd_out = life[0];
	*chan_out = fd[0];
	return 0;
}

static int some_fd(int *out)
{
	*out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return *out < 0 ? -errno : 0;
}

int priv_prepare(struct priv *p, struct errtext *why)
{
	(void)p;
	(void)why;
	return 0;
}

int priv_tap(struct priv *p, const struct priv_tap *t, int *fd_out,
	     struct errtext *why)
{
	if (p->fail_tap)
		return errtext_set(why, p->fail_tap, "fake: no TAP");
	p->taps++;
	p->last_tap = *t;
	return some_fd(fd_out);
}

int priv_tap_del(struct priv *p, const char *name, struct errtext *why)
{
	(void)name;
	(void)why;
	p->taps_deleted++;
	return 0;
}

int priv_knet(struct priv *p, const struct knet *k, bool dry, bool *changed,
	      struct errtext *why)
{
	p->last_knet = *k;
	if (p->fail_knet)
		return errtext_set(why, p->fail_knet, "fake: no bridge");
	*changed = false;
	p->knets += !dry;
	return 0;
}

int priv_kguard(struct priv *p, const struct kguard *k, bool dry, bool *changed,
		struct errtext *why)
{
	(void)p;
	(void)k;
	(void)dry;
	(void)why;
	*changed = false;
	return 0;
}

int priv_kguard_down(struct priv *p, const char *network, struct errtext *why)
{
	(void)p;
	(void)network;
	(void)why;
	return 0;
}

int priv_kcounts(struct priv *p, const char *network, int *fd_out,
		 struct errtext *why)
{
	(void)p;
	(void)network;
	(void)fd_out;
	return errtext_set(why, -ENOENT, "fake: no counters");
}

int priv_nflog(struct priv *p, int *fd_out, struct errtext *why)
{
	(void)p;
	(void)fd_out;
	return errtext_set(why, -EPERM, "fake: no messages");
}

int priv_knet_down(struct priv *p, const char *network, struct errtext *why)
{
	(void)network;
	(void)why;
	p->knets_down++;
	return 0;
}

int priv_kport(struct priv *p, const struct priv_kport *t, int *fd_out,
	       struct errtext *why)
{
	(void)why;
	p->kports++;
	p->last_kport = *t;
	*fd_out = -1;
	return t->nic ? 0 : some_fd(fd_out);
}

int priv_tap_fd(struct priv *p, const struct priv_tap_fd *t, int *fd_out,
		struct errtext *why)
{
	if (p->fail_tap_fd)
		return errtext_set(why, p->fail_tap_fd, "fake: TAP is busy");
	p->tap_fds++;
	p->last_tap_fd = *t;
	return some_fd(fd_out);
}

int priv_rulesets(struct priv *p, int fd[2], struct errtext *why)
{
	struct priv_said said = {.err = p->fail_rulesets};
	int tell[2];

	if (!p->root)
		return errtext_set(why, -EPERM, "fake: not root");
	if (p->rulesets < 0)
		return errtext_set(why, -EIO, "fake: no rulesets");
	if (said.err)
		errtext_set(&said.why, said.err, "fake: not read");
	if (pipe(tell) || write(tell[1], &said, sizeof(said)) != sizeof(said))
		return -errno;
	close(tell[1]);
	fd[0] = dup(p->rulesets);
	fd[1] = tell[0];
	return 0;
}

int priv_nft_watch(struct priv *p, int *fd_out, uint32_t *port,
		   struct errtext *why)
{
	(void)p;
	(void)port;
	(void)fd_out;
	return errtext_set(why, -EPERM, "fake: nothing to watch");
}

int priv_uplink_in(struct priv *p, const struct priv_uplink *u, int *fd_out,
		   struct errtext *why)
{
	p->last_uplink = *u;
	if (p->fail_uplink)
		return errtext_set(why, p->fail_uplink, "fake: no uplink");
	if (p->journal)
		return errtext_set(why, -EEXIST, "fake: taken in already");
	p->uplinks_in++;
	return some_fd(fd_out);
}

int priv_uplink_keep(struct priv *p, const struct priv_uplink *u, bool *changed,
		     struct errtext *why)
{
	(void)u;
	*changed = false;
	return p->fail_keep ? errtext_set(why, p->fail_keep, "fake: not kept")
			    : 0;
}

int priv_tapin(struct priv *p, const char *uplink, const char *tap,
	       uint16_t mtu, bool mac_nat, int fd[2], struct mac *mac,
	       struct errtext *why)
{
	int r;

	(void)uplink;
	(void)tap;
	(void)mtu;
	p->mac_nat = mac_nat;
	if (p->fail_uplink)
		return errtext_set(why, p->fail_uplink, "fake: no uplink");
	r = some_fd(&fd[0]);
	if (!r)
		r = some_fd(&fd[1]);
	*mac = (struct mac){{0x02, 0, 0, 0, 0, 1}};
	p->tapins += !r;
	return r;
}

int priv_uplink_out(struct priv *p, const char *bridge, struct errtext *why)
{
	(void)bridge;
	(void)why;
	p->journal = false;
	p->uplinks_out++;
	return 0;
}

int priv_bind(struct priv *p, int proto, const struct ipaddr *ip, uint16_t port,
	      bool share, int *fd_out, struct errtext *why)
{
	(void)proto;
	p->shared_binds += share;
	if (p->absent_ip && ipaddr_get4(ip) == p->absent_ip)
		return errtext_set(why, -EADDRNOTAVAIL, "no such address");
	if (p->fail_bind)
		return errtext_set(why, p->fail_bind, "fake: no port");
	if (port == p->busy_port)
		return errtext_set(why, -EADDRINUSE, "in use");
	p->binds++;
	return some_fd(fd_out);
}

int priv_way(struct priv *p, const struct priv_way *w, int ours, int *fd_out,
	     struct errtext *why)
{
	(void)ours;
	p->ways++;
	p->last_way = *w;
	if (p->way_result < 0)
		return errtext_set(why, p->way_result, "fake: no way");
	*fd_out = -1;
	return p->way_result ? 0 : some_fd(fd_out);
}

int priv_connect(struct priv *p, const struct priv_connect *c, int *fd_out,
		 struct errtext *why)
{
	p->connects++;
	p->last_connect = *c;
	if (p->connect_result)
		return errtext_set(why, p->connect_result, "fake: nobody");
	return some_fd(fd_out);
}

int priv_raw_icmp(struct priv *p, bool ip6, int *fd_out, struct errtext *why)
{
	(void)ip6;
	if (!p->root)
		return errtext_set(why, -EPERM, "rootless");
	return some_fd(fd_out);
}

int priv_port_owner(struct priv *p, int proto, const struct ipaddr *ip,
		    uint16_t port, const char *dev, char *out, size_t cap)
{
	(void)p;
	(void)dev;
	(void)proto;
	(void)ip;
	(void)port;
	snprintf(out, cap, "nginx (pid 812)");
	return 0;
}
