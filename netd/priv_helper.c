// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The privileged helper's process: takes a request, judges it, does it, answers.
 * No loop logic beyond that, no bytes from guests. A request that is no request
 * (wrong size, unknown type) ends it; so does the end of control, after uplinks were
 * put back and workers have ended.
 */
#include "netd/priv_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/chan.h"
#include "lib/fdutil.h"
#include "lib/log.h"
#include "nat/nflog.h"
#include "nat/nft.h"
#include "netd/sandbox.h"
#include "netd/spawn.h"
#include "switch/tapdev.h"
#include "switch/tapin.h"
#include "switch/uplink.h"

#define LOCK_WAIT_MS  20000
#define WORKERS_END_MS 3000
#define JOURNAL_PATH   320 /* bytes */

struct helper {
	const char *run_dir;
	struct chan *chan;
	struct spawn spawn;
	int lock;
	int sigchld;
	struct nft *nft; /* NULL: none was needed yet */
	pid_t reader; /* of rulesets; 0: there was none */
	int given; /* descriptor of the request under way; -1 = none */
	uint8_t udp_out[65536 / 8]; /* UDP ports given out since the start */
};

/* An answer under construction; the descriptors are ours and closed after sending. */
struct reply {
	struct priv_answer a;
	int fd[2];
	unsigned int nfd;
};

/* ---- one function a request -------------------------------------------------------- */

static int do_worker(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_req_worker *q = body;
	int r = priv_judge_worker(q, &out->a.why);

	if (!r)
		r = spawn_worker(&h->spawn, q->network, q->isolated, false,
				 &out->a.pid, &out->fd[0], &out->fd[1],
				 &out->a.why);
	out->nfd = r ? 0 : 2;
	return r;
}

static int do_prepare(struct helper *h, const void *body, struct reply *out)
{
	(void)body;
	return spawn_prepare(&h->spawn, false, &out->a.why);
}

static int do_tap(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_tap *q = body;
	int r = priv_judge_tap(q, &out->a.why);

	(void)h;
	if (!r)
		r = priv_do_tap(q, &out->fd[0], &out->a.why);
	out->nfd = r ? 0 : 1;
	return r;
}

static int do_tap_del(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_req_name *q = body;
	int r = priv_judge_name(q->name, sizeof(q->name), &out->a.why);

	(void)h;
	return r ? r : tapdev_del(q->name, &out->a.why);
}

static int do_bind(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_req_port *q = body;
	int r = priv_judge_port(q, &out->a.why);

	/* Who shares a port gets what was meant for another: only beside a socket
	 * that came from here. */
	if (!r && q->share && !(h->udp_out[q->port / 8] & 1 << q->port % 8))
		r = errtext_set(&out->a.why, -EPERM,
				"udp port %u is not ours to share", q->port);
	if (!r)
		r = priv_do_bind(q, &out->fd[0], &out->a.why);
	if (!r && q->proto == IPPROTO_UDP)
		h->udp_out[q->port / 8] |= (uint8_t)(1 << q->port % 8);
	out->nfd = r ? 0 : 1;
	return r;
}

static int do_raw_icmp(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_req_icmp *q = body;
	int r = priv_judge_icmp(q, &out->a.why);

	(void)h;
	if (!r)
		r = priv_do_raw_icmp(q->ip6, &out->fd[0], &out->a.why);
	out->nfd = r ? 0 : 1;
	return r;
}

static int do_port_owner(struct helper *h, const void *body,
			 struct reply *out)
{
	const struct priv_req_port *q = body;
	int r = priv_judge_port(q, &out->a.why);

	(void)h;
	return r ? r : priv_do_port_owner(q, out->a.text, sizeof(out->a.text));
}

static int do_way(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_way *q = body;
	int r = priv_judge_way(q, h->run_dir, &out->a.why);

	if (!r)
		r = priv_do_way(q, h->given, &out->fd[0], &out->a.why);
	out->a.shared = !r && out->fd[0] < 0;
	out->nfd = !r && out->fd[0] >= 0;
	return r;
}

static int do_connect(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_connect *q = body;
	int r = priv_judge_connect(q, &out->a.why);

	(void)h;
	if (!r)
		r = priv_do_connect(q, &out->fd[0], &out->a.why);
	out->nfd = r ? 0 : 1;
	return r;
}

static int do_knet(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_req_knet *q = body;
	struct priv_knet_done done = {.forgets = 0};
	int r = priv_judge_knet(q, &out->a.why);

	if (!r)
		r = priv_do_knet(&h->nft, &q->k, q->dry, &done, &out->a.why);
	out->a.changed = done.changed;
	if (done.forgets)
		(void)spawn_note(&h->spawn, done.forgets, "forwards of",
				 q->k.network);
	return r;
}

static int do_knet_down(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_req_network *q = body;
	int r = priv_judge_network(q, &out->a.why);

	return r ? r : priv_do_knet_down(&h->nft, q->network, &out->a.why);
}

static int do_kguard(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_req_kguard *q = body;
	int r = priv_judge_kguard(q, &out->a.why);

	return r ? r
		 : priv_do_kguard(&h->nft, h->given, q->what,
				  &out->a.changed, &out->a.why);
}

static int do_kcounts(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_req_network *q = body;
	int r = priv_judge_network(q, &out->a.why);

	if (!r)
		r = priv_do_kcounts(&h->nft, q->network, &out->fd[0],
				    &out->a.why);
	out->nfd = r ? 0 : 1;
	return r;
}

static int do_nflog(struct helper *h, const void *body, struct reply *out)
{
	int r = nflog_open(&out->fd[0], &out->a.why);

	(void)h;
	(void)body;
	out->nfd = r ? 0 : 1;
	return r;
}

static int do_kport(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_kport *q = body;
	int r = priv_judge_kport(q, &out->a.why);

	(void)h;
	if (!r)
		r = priv_do_kport(q, &out->fd[0], &out->a.why);
	out->a.shared = !r && out->fd[0] < 0;
	out->nfd = !r && out->fd[0] >= 0;
	return r;
}

static int do_tap_fd(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_tap_fd *q = body;
	int r = priv_judge_tap_fd(q, &out->a.why);

	(void)h;
	if (!r)
		r = priv_do_tap_fd(q, &out->fd[0], &out->a.why);
	out->nfd = r ? 0 : 1;
	return r;
}

static int do_rulesets(struct helper *h, const void *body, struct reply *out)
{
	int r = 0;

	(void)body;
	if (h->reader && spawn_has(&h->spawn, h->reader))
		r = errtext_set(&out->a.why, -EBUSY,
				"they are being read for somebody else");
	if (!r)
		r = priv_do_rulesets(out->fd, &h->reader, &out->a.why);
	if (!r)
		(void)spawn_note(&h->spawn, h->reader, "reading", "rulesets");
	out->nfd = r ? 0 : 2;
	return r;
}

static int do_nft_watch(struct helper *h, const void *body, struct reply *out)
{
	int r = nft_watch(&out->fd[0], &out->a.why);

	(void)body;
	if (!r && !priv_nft(&h->nft, NULL))
		out->a.port = nft_port(h->nft);
	out->nfd = r ? 0 : 1;
	return r;
}

static void journal_path(const struct helper *h, const char *bridge,
			 char out[JOURNAL_PATH])
{
	snprintf(out, JOURNAL_PATH, "%s/uplink-%.15s.journal", h->run_dir,
		 bridge);
}

/* One that watches over us holds our lock: no other instance comes in between. */
static struct uplink_care with_care(const struct helper *h)
{
	return (struct uplink_care){.watch = true,
				    .keep = h->lock,
				    .check_ms = UPLINK_CHECK_MS};
}

static void to_spec(const struct priv_uplink *u, struct uplink_spec *out)
{
	memset(out, 0, sizeof(*out));
	out->mtu = u->mtu;
	memcpy(out->bridge, u->bridge, IFNAMSIZ);
	memcpy(out->uplink, u->uplink, IFNAMSIZ);
	memcpy(out->tap, u->tap, IFNAMSIZ);
	if (u->network[0])
		link_mark(u->network, out->mark);
}

static int do_uplink_in(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_uplink *q = body;
	struct uplink_care care = with_care(h);
	struct uplink_spec spec;
	char path[JOURNAL_PATH];
	int r = priv_judge_uplink(q, &out->a.why);

	if (r)
		return r;
	to_spec(q, &spec);
	journal_path(h, q->bridge, path);
	r = uplink_in(&spec, path, &care, &out->fd[0], &out->a.why);
	out->nfd = r ? 0 : 1;
	if (!r)
		log_info("uplink %s: taken into bridge %s", q->uplink,
			 q->bridge);
	return r;
}

static int do_uplink_keep(struct helper *h, const void *body,
			  struct reply *out)
{
	const struct priv_uplink *q = body;
	struct uplink_spec spec;
	char path[JOURNAL_PATH];
	int r = priv_judge_kept(q, &out->a.why);

	if (r)
		return r;
	to_spec(q, &spec);
	journal_path(h, q->bridge, path);
	return uplink_keep(&spec, path, &out->a.changed, &out->a.why);
}

static int do_uplink_out(struct helper *h, const void *body,
			 struct reply *out)
{
	const struct priv_req_name *q = body;
	struct uplink_care care = with_care(h);
	char path[JOURNAL_PATH];
	int r = priv_judge_name(q->name, sizeof(q->name), &out->a.why);

	if (r)
		return r;
	journal_path(h, q->name, path);
	return uplink_out(path, &care, &out->a.why);
}

static int do_tapin(struct helper *h, const void *body, struct reply *out)
{
	const struct priv_req_tapin *q = body;
	struct tapin_ends ends;
	struct tapin t = {.mtu = q->mtu, .mac_nat = q->mac_nat};
	int r = priv_judge_tapin(q, &out->a.why);

	(void)h;
	if (r)
		return r;
	memcpy(t.uplink, q->uplink, IFNAMSIZ);
	memcpy(t.tap, q->tap, IFNAMSIZ);
	r = tapin_open(&t, &ends, &out->a.why);
	if (r)
		return r;
	out->a.mac = ends.mac;
	out->fd[0] = ends.sock;
	out->fd[1] = ends.tap;
	out->nfd = 2;
	return 0;
}

static const struct {
	size_t len; /* of the request */
	int (*fn)(struct helper *h, const void *body, struct reply *out);
	unsigned int nfd; /* descriptors that come with it: 0 or 1 */
} requests[PRIV_TYPES] = {
	[PRIV_WORKER] = {sizeof(struct priv_req_worker), do_worker},
	[PRIV_TAP] = {sizeof(struct priv_tap), do_tap},
	[PRIV_TAP_DEL] = {sizeof(struct priv_req_name), do_tap_del},
	[PRIV_UPLINK_IN] = {sizeof(struct priv_uplink), do_uplink_in},
	[PRIV_UPLINK_KEEP] = {sizeof(struct priv_uplink), do_uplink_keep},
	[PRIV_UPLINK_OUT] = {sizeof(struct priv_req_name), do_uplink_out},
	[PRIV_BIND] = {sizeof(struct priv_req_port), do_bind},
	[PRIV_RAW_ICMP] = {sizeof(struct priv_req_icmp), do_raw_icmp},
	[PRIV_PORT_OWNER] = {sizeof(struct priv_req_port), do_port_owner},
	[PRIV_WAY] = {sizeof(struct priv_way), do_way, 1},
	[PRIV_CONNECT] = {sizeof(struct priv_connect), do_connect},
	[PRIV_KNET] = {sizeof(struct priv_req_knet), do_knet},
	[PRIV_KNET_DOWN] = {sizeof(struct priv_req_network), do_knet_down},
	[PRIV_KGUARD] = {sizeof(struct priv_req_kguard), do_kguard, 1},
	[PRIV_KCOUNTS] = {sizeof(struct priv_req_network), do_kcounts},
	[PRIV_NFLOG] = {sizeof(struct priv_req_icmp), do_nflog},
	[PRIV_KPORT] = {sizeof(struct priv_kport), do_kport},
	[PRIV_NFT_WATCH] = {sizeof(struct priv_req_icmp), do_nft_watch},
	[PRIV_RULESETS] = {sizeof(struct priv_req_icmp), do_rulesets},
	[PRIV_TAP_FD] = {sizeof(struct priv_tap_fd), do_tap_fd},
	[PRIV_TAPIN] = {sizeof(struct priv_req_tapin), do_tapin},
	[PRIV_PREPARE] = {0, do_prepare},
};

/* ---- the process ---------------------------------------------------------------------- */

static int answer(struct helper *h, uint16_t type, struct reply *out)
{
	int r = chan_send(h->chan, type, 0, &out->a, sizeof(out->a), out->fd,
			  out->nfd);

	for (unsigned int i = 0; i < out->nfd; i++)
		close(out->fd[i]);
	return r;
}

/* Return: 0 go on; negative: control is gone or speaks nonsense. */
static int serve(struct helper *h)
{
	/* A copy: aligned, and nobody else's to change. */
	union {
		struct priv_req_worker worker;
		struct priv_tap tap;
		struct priv_uplink uplink;
		struct priv_req_port port;
		struct priv_req_icmp icmp;
		struct priv_req_name name;
		struct priv_way way;
		struct priv_connect connect;
		struct priv_req_knet knet;
		struct priv_req_kguard kguard;
		struct priv_req_network network;
		struct priv_kport kport;
		struct priv_tap_fd tap_fd;
		struct priv_req_tapin tapin;
	} body;
	struct reply out = {.fd = {-1, -1}};
	struct chan_msg m;
	int r = chan_recv(h->chan, &m);

	if (r == -EAGAIN)
		return 0;
	if (r <= 0)
		return r ? r : -EPIPE;
	if (m.type >= PRIV_TYPES || !requests[m.type].fn ||
	    m.len != requests[m.type].len || m.nfd != requests[m.type].nfd) {
		log_err("priv: request of type %u and %zu bytes is none",
			m.type, m.len);
		chan_msg_close(&m);
		return -EPROTO;
	}
	memcpy(&body, m.body, m.len);
	h->given = m.nfd ? m.fd[0] : -1;
	out.a.err = requests[m.type].fn(h, &body, &out);
	chan_msg_close(&m);
	return answer(h, m.type, &out);
}

static void loop(struct helper *h)
{
	struct pollfd pfd[2] = {
		{.fd = chan_fd(h->chan), .events = POLLIN},
		{.fd = h->sigchld, .events = POLLIN},
	};

	for (;;) {
		struct signalfd_siginfo si;
		bool full = chan_pending(h->chan);

		/* No request is taken while an answer cannot leave. */
		pfd[0].events = full ? POLLOUT : POLLIN;
		if (poll(pfd, 2, -1) < 0 && errno != EINTR)
			return;
		if (pfd[1].revents &&
		    read(h->sigchld, &si, sizeof(si)) == sizeof(si))
			spawn_reap(&h->spawn);
		if (pfd[0].revents && (full ? chan_flush(h->chan) : serve(h)))
			return;
	}
}

/* The terminal's and the service manager's signals are control's matter: it tells us
 * by going away. */
static int setup_signals(struct helper *h)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE,
				      SIGQUIT, SIGTSTP, SIGTTOU};
	sigset_t chld;

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_SETMASK, &chld, NULL);
	h->sigchld = signalfd(-1, &chld, SFD_NONBLOCK | SFD_CLOEXEC);
	return h->sigchld < 0 ? -errno : 0;
}

/* One helper for a run_dir: a predecessor may still be putting an uplink back. */
static int take_lock(struct helper *h, struct errtext *why)
{
	char path[256];

	if (mkdir(h->run_dir, 0755) && errno != EEXIST)
		return errtext_set(why, -errno, "cannot make %s: %s",
				   h->run_dir, strerror(errno));
	if (snprintf(path, sizeof(path), "%s/priv.lock", h->run_dir) >=
	    (int)sizeof(path))
		return errtext_set(why, -ENAMETOOLONG, "path too long");
	h->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (h->lock < 0)
		return errtext_set(why, -errno, "cannot open %s: %s", path,
				   strerror(errno));
	for (int ms = 0; flock(h->lock, LOCK_EX | LOCK_NB); ms += 10) {
		if (ms >= LOCK_WAIT_MS)
			return errtext_set(why, -EBUSY,
					   "another vnetd uses %s",
					   h->run_dir);
		poll(NULL, 0, 10);
	}
	return 0;
}

/* Give back every interface that a journal tells of: at the start those of an instance
 * that was killed, at the end our own. Those of datapath kernel that are taken in
 * altogether stay: control says when they go. */
static void uplinks_out(struct helper *h)
{
	static const char suffix[] = ".journal";
	struct uplink_care care = with_care(h);
	DIR *d = opendir(h->run_dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);
		struct errtext why = {{0}};
		char path[JOURNAL_PATH + 256];

		if (strncmp(e->d_name, "uplink-", 7) || n < sizeof(suffix) ||
		    strcmp(e->d_name + n - sizeof(suffix) + 1, suffix))
			continue;
		snprintf(path, sizeof(path), "%s/%s", h->run_dir, e->d_name);
		if (uplink_is_kept(path))
			continue;
		if (uplink_out(path, &care, &why))
			log_err("uplink: not all could be given back: %s",
				why.s);
		else
			log_info("uplink: given back, as of %s", e->d_name);
	}
	if (d)
		closedir(d);
}

static int start(struct helper *h, struct errtext *why)
{
	int r = setup_signals(h);

	if (r)
		return errtext_set(why, r, "signals: %s", strerror(-r));
	r = take_lock(h, why);
	if (!r)
		r = sandbox_helper(why);
	if (!r)
		uplinks_out(h);
	return r;
}

void priv_helper(const char *run_dir, int chan)
{
	struct helper h = {.run_dir = run_dir, .lock = -1, .sigchld = -1};
	struct reply hello = {.nfd = 0};

	(void)setpgid(0, 0); /* see exec_worker() in spawn.c */
	(void)prctl(PR_SET_NAME, "vnetd-priv");
	(void)umask(077);
	if (chdir("/"))
		_exit(EXIT_FAILURE);
	log_setup("vnetd[priv]", log_level_get());
	spawn_init(&h.spawn);
	h.chan = chan_new(chan);
	if (!h.chan)
		_exit(EXIT_FAILURE);
	hello.a.err = start(&h, &hello.a.why);
	if (answer(&h, PRIV_HELLO, &hello) || hello.a.err)
		_exit(EXIT_FAILURE);
	loop(&h);
	nft_close(h.nft);
	uplinks_out(&h);
	spawn_finish(&h.spawn, WORKERS_END_MS);
	_exit(EXIT_SUCCESS);
}
