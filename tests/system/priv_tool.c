// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Plays the control process for tests/system/test_priv.py and test_uplink.py: does one
 * priv_…() call for each line on standard input and answers with one line: `ok …` or
 * `error ERRNO SENTENCE`. As `priv_tool worker …` it is the worker that was started: it
 * enters the sandbox, reports what it finds there, and ends with its channel.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/chan.h"
#include "lib/compat.h"
#include "lib/fdutil.h"
#include "lib/log.h"
#include "netd/caps.h"
#include "netd/priv.h"
#include "netd/proto.h"
#include "netd/sandbox.h"
#include "switch/uplink.h"

#define ARGS 10
#define KEEP 64

/* ---- the worker -------------------------------------------------------------------- */

static int count_dir(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	if (!d)
		return -errno;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int count_caps(void)
{
	int n = 0;

	for (int c = 0; c < 64; c++)
		n += prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1;
	return n;
}

static int count_links(void)
{
	struct if_nameindex *l = if_nameindex();
	int n = 0;

	while (l && l[n].if_index)
		n++;
	if_freenameindex(l);
	return n;
}

static int try_socket(int family, int type, int proto)
{
	int fd = socket(family, type, proto);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int worker(int argc, char **argv)
{
	bool isolated = argc > 3 && !strcmp(argv[3], "--isolated");
	struct pollfd pfd = {.fd = WORKER_CHAN_FD, .events = POLLIN};
	struct errtext why = {{0}};
	struct rlimit core;
	struct chan *c = chan_new(WORKER_CHAN_FD);
	struct chan_msg m;
	char text[512];
	int fds = count_fds(), death = 0, links, n;

	if (!c || sandbox_enter(isolated, &why)) {
		log_err("%s", why.s);
		return EXIT_FAILURE;
	}
	links = count_links();
	prctl(PR_GET_PDEATHSIG, &death);
	getrlimit(RLIMIT_CORE, &core);
	n = snprintf(text, sizeof(text),
		     "fds=%d uid=%d gid=%d root=%d proc=%d links=%d bounding=%d "
		     "nnp=%d dumpable=%d death=%d core=%ld pgrp=%d raw=%d",
		     fds, (int)getuid(), (int)getgid(), count_dir("/"),
		     access("/proc/self", F_OK), links, count_caps(),
		     prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
		     prctl(PR_GET_DUMPABLE), death, (long)core.rlim_cur,
		     getpgrp() == getpid(),
		     try_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	if (sandbox_seal(isolated, &why)) {
		log_err("%s", why.s);
		return EXIT_FAILURE;
	}
	n += snprintf(text + n, sizeof(text) - (size_t)n,
		      " open=%d inet=%d unix=%d ping=%d", open("/", O_RDONLY),
		      try_socket(AF_INET, SOCK_STREAM, 0),
		      try_socket(AF_UNIX, SOCK_STREAM, 0),
		      try_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
	chan_send(c, W_READY, 0, text, (size_t)n, NULL, 0);
	do
		poll(&pfd, 1, -1);
	while (chan_recv(c, &m) == -EAGAIN);
	chan_free(c);
	return EXIT_SUCCESS;
}

/* ---- control ------------------------------------------------------------------------ */

static struct priv *p;
static int kept[KEEP]; /* descriptors by the number that was told */
static int nkept;

static void ok(const char *text)
{
	printf("ok %s\n", text);
	fflush(stdout);
}

static void done(int r, const struct errtext *why)
{
	if (!r) {
		ok("");
		return;
	}
	printf("error %d %s\n", -r, why->s[0] ? why->s : strerror(-r));
	fflush(stdout);
}

static void keep(int r, int fd, const struct errtext *why)
{
	char n[16];

	if (r) {
		done(r, why);
		return;
	}
	kept[nkept] = fd;
	snprintf(n, sizeof(n), "%d", nkept);
	nkept = (nkept + 1) % KEEP;
	ok(n);
}

static void cmd_worker(char **a, struct errtext *why)
{
	struct pollfd pfd;
	struct chan_msg m;
	struct chan *c;
	char text[700];
	int pidfd, fd, r;
	pid_t pid;

	r = priv_worker(p, a[1], !strcmp(a[2], "isolated"), &pid, &pidfd, &fd,
			why);
	if (r) {
		done(r, why);
		return;
	}
	kept[nkept++] = pidfd;
	kept[nkept++] = dup(fd);
	c = chan_new(fd);
	pfd = (struct pollfd){.fd = fd, .events = POLLIN};
	poll(&pfd, 1, 10000);
	r = chan_recv(c, &m);
	snprintf(text, sizeof(text), "pid=%d fd=%d %.*s", (int)pid, nkept - 2,
		 r == 1 ? (int)m.len : 4, r == 1 ? (const char *)m.body : "gone");
	chan_free(c);
	ok(text);
}

/* Wait until descriptor N has something (a pidfd: the process ended), S seconds. */
static void cmd_wait(char **a)
{
	struct pollfd pfd = {.events = POLLIN};

	pfd.fd = !strcmp(a[1], "helper") ? priv_fd(p) : kept[atoi(a[1])];
	ok(poll(&pfd, 1, atoi(a[2]) * 1000) == 1 ? "ready" : "timeout");
}

/* tap NAME NETNS|- MAC|- MTU CIDR|- OWNER|- */
static void cmd_tap(char **a, struct errtext *why)
{
	struct priv_tap t = {.mtu = (uint16_t)atoi(a[4])};
	struct ip4_net net;
	int fd = -1, r;

	snprintf(t.name, sizeof(t.name), "%s", a[1]);
	if (strcmp(a[2], "-"))
		snprintf(t.netns, sizeof(t.netns), "%s", a[2]);
	if (strcmp(a[3], "-"))
		mac_parse(a[3], &t.mac);
	if (strcmp(a[5], "-") && !ip4_net_parse(a[5], &net, &t.ip4))
		t.plen = net.plen;
	if (strcmp(a[6], "-")) {
		t.runner = true;
		t.owner = (uid_t)atoi(a[6]);
	}
	r = priv_tap(p, &t, &fd, why);
	keep(r, fd, why);
}

static void cmd_bind(char **a, bool share, struct errtext *why)
{
	struct ipaddr ip;
	int fd = -1, r = ipaddr_parse(a[2], &ip);

	if (!r)
		r = priv_bind(p, !strcmp(a[1], "tcp") ? IPPROTO_TCP : IPPROTO_UDP,
			      &ip, (uint16_t)atoi(a[3]), share, &fd,
			      why);
	keep(r, fd, why);
}

/* connect PATH OWNER */
static void cmd_connect(char **a, struct errtext *why)
{
	struct priv_connect c = {.owner = (uid_t)atoi(a[2])};
	int fd = -1, r;

	snprintf(c.path, sizeof(c.path), "%s", a[1]);
	r = priv_connect(p, &c, &fd, why);
	keep(r, fd, why);
}

static void cmd_owner(char **a, const char *dev, struct errtext *why)
{
	char text[64];
	struct ipaddr ip;
	int r = ipaddr_parse(a[2], &ip);

	if (!r)
		r = priv_port_owner(p, !strcmp(a[1], "tcp") ? IPPROTO_TCP
							    : IPPROTO_UDP,
				    &ip, (uint16_t)atoi(a[3]), dev, text,
				    sizeof(text));
	if (r)
		done(r, why);
	else
		ok(text);
}

static size_t unhex(const char *s, unsigned char *b, size_t cap)
{
	size_t n = 0;

	for (; s[0] && s[1] && n < cap; s += 2) {
		char two[3] = {s[0], s[1], 0};

		b[n++] = (unsigned char)strtoul(two, NULL, 16);
	}
	return n;
}

/* raw HEX: these bytes to the helper, as nothing of ours would send them */
static void cmd_raw(char **a)
{
	unsigned char b[4096];
	size_t n = unhex(a[1], b, sizeof(b));

	done(send(priv_fd(p), b, n, MSG_NOSIGNAL) < 0 ? -errno : 0,
	     &(struct errtext){{0}});
}

/* flood HEX: one request as often as anybody takes it, and only then the answers:
 * their number, as that of the requests */
static void cmd_flood(char **a)
{
	struct pollfd pfd = {.fd = priv_fd(p), .events = POLLOUT};
	static unsigned char b[70000];
	unsigned int asked = 0, told = 0;
	size_t n = unhex(a[1], b, sizeof(b));

	while (asked < 100000 && poll(&pfd, 1, 500) == 1 &&
	       send(pfd.fd, b, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n)
		asked++;
	pfd.events = POLLIN;
	while (told < asked && poll(&pfd, 1, 20000) == 1 &&
	       recv(pfd.fd, b, sizeof(b), MSG_DONTWAIT) > 0)
		told++;
	printf("ok %u %u\n", asked, told);
	fflush(stdout);
}

/* send N HEX: a frame out of a kept descriptor; recv N SECONDS: one from it */
static void cmd_frame(char **a)
{
	unsigned char b[70000];
	char hex[2 * sizeof(b) + 1] = "";
	int fd = kept[atoi(a[1])];
	ssize_t n = 0;

	if (!strcmp(a[0], "send")) {
		for (const char *s = a[2]; s[0] && s[1]; s += 2) {
			char two[3] = {s[0], s[1], 0};

			b[n++] = (unsigned char)strtoul(two, NULL, 16);
		}
		done(write(fd, b, (size_t)n) < 0 ? -errno : 0,
		     &(struct errtext){{0}});
		return;
	}
	poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1,
	     (int)(atof(a[2]) * 1000));
	n = read(fd, b, sizeof(b));
	for (ssize_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", b[i]);
	ok(hex);
}

static void cmd_uplink(char **a, struct errtext *why)
{
	struct priv_uplink u = {.mtu = (uint16_t)atoi(a[4])};
	int fd = -1, r;

	snprintf(u.bridge, IFNAMSIZ, "%s", a[1]);
	snprintf(u.uplink, IFNAMSIZ, "%s", a[2]);
	snprintf(u.tap, IFNAMSIZ, "%s", a[3]);
	r = priv_uplink_in(p, &u, &fd, why);
	keep(r, fd, why);
}

/* ---- uplinks without a helper, to fail or to be killed at a given step ---------------- */

static struct {
	char how[8]; /* "fail", "kill", "stop" (it hangs), "" */
	int at, seen;
} hook;

static int on_step(void *arg, const char *step)
{
	(void)arg;
	(void)step;
	if (hook.seen++ != hook.at || !hook.how[0])
		return 0;
	if (!strcmp(hook.how, "kill"))
		raise(SIGKILL);
	if (!strcmp(hook.how, "stop"))
		return raise(SIGSTOP);
	return -EIO;
}

static void hook_at(const char *how, const char *step)
{
	snprintf(hook.how, sizeof(hook.how), "%s", how);
	hook.at = atoi(step);
	hook.seen = 0;
}

/* direct-in JOURNAL BRIDGE UPLINK TAP MTU HOW STEP [watch] */
static void cmd_direct_in(char **a, struct errtext *why)
{
	const struct uplink_care care = {.before = on_step, .keep = -1,
					 .watch = a[8],
					 .check_ms = a[8] ? UPLINK_CHECK_MS : 0};
	struct uplink_spec spec = {.mtu = (uint16_t)atoi(a[5])};
	int fd = -1, r;

	snprintf(spec.bridge, IFNAMSIZ, "%s", a[2]);
	snprintf(spec.uplink, IFNAMSIZ, "%s", a[3]);
	snprintf(spec.tap, IFNAMSIZ, "%s", a[4]);
	hook_at(a[6], a[7]);
	r = uplink_in(&spec, a[1], &care, &fd, why);
	keep(r, fd, why);
}

/* direct-out JOURNAL HOW STEP [watch] */
static void cmd_direct_out(char **a, struct errtext *why)
{
	const struct uplink_care care = {.before = on_step, .keep = -1,
					 .watch = a[4]};

	hook_at(a[2], a[3]);
	done(uplink_out(a[1], &care, why), why);
}

static void cmd_steps(void)
{
	char n[16];

	snprintf(n, sizeof(n), "%d", hook.seen);
	ok(n);
}

static void run(char **a, int n)
{
	struct errtext why = {{0}};
	int fd = -1, r;

	if (!strcmp(a[0], "start") && n == 2) {
		done(priv_start(a[1], &p, &why), &why);
	} else if (!strcmp(a[0], "none")) {
		p = priv_none();
		ok("");
	} else if (!strcmp(a[0], "control")) {
		done(caps_drop(true, &why), &why);
	} else if (!strcmp(a[0], "stop")) {
		priv_stop(p);
		p = NULL;
		ok("");
	} else if (!strcmp(a[0], "prepare") && n == 1) {
		done(priv_prepare(p, &why), &why);
	} else if (!strcmp(a[0], "worker") && n == 3) {
		cmd_worker(a, &why);
	} else if (!strcmp(a[0], "wait") && n == 3) {
		cmd_wait(a);
	} else if (!strcmp(a[0], "reap")) {
		priv_reap(p);
		ok("");
	} else if (!strcmp(a[0], "close") && n == 2) {
		fd_close(&kept[atoi(a[1])]);
		ok("");
	} else if (!strcmp(a[0], "tap") && n == 7) {
		cmd_tap(a, &why);
	} else if (!strcmp(a[0], "tap-del") && n == 2) {
		done(priv_tap_del(p, a[1], &why), &why);
	} else if (!strcmp(a[0], "bind") && (n == 4 || n == 5)) {
		cmd_bind(a, n == 5, &why);
	} else if (!strcmp(a[0], "connect") && n == 3) {
		cmd_connect(a, &why);
	} else if (!strcmp(a[0], "owner") && (n == 4 || n == 5)) {
		cmd_owner(a, n == 5 ? a[4] : NULL, &why);
	} else if (!strcmp(a[0], "raw-icmp")) {
		r = priv_raw_icmp(p, n > 1, &fd, &why);
		keep(r, fd, &why);
	} else if (!strcmp(a[0], "raw") && n == 2) {
		cmd_raw(a);
	} else if (!strcmp(a[0], "flood") && n == 2) {
		cmd_flood(a);
	} else if ((!strcmp(a[0], "send") || !strcmp(a[0], "recv")) && n == 3) {
		cmd_frame(a);
	} else if (!strcmp(a[0], "direct-in") && n >= 8) {
		cmd_direct_in(a, &why);
	} else if (!strcmp(a[0], "direct-out") && n >= 4) {
		cmd_direct_out(a, &why);
	} else if (!strcmp(a[0], "steps")) {
		cmd_steps();
	} else if (!strcmp(a[0], "uplink-in") && n == 5) {
		cmd_uplink(a, &why);
	} else if (!strcmp(a[0], "uplink-out") && n == 2) {
		done(priv_uplink_out(p, a[1], &why), &why);
	} else {
		done(-EINVAL, &why);
	}
}

int main(int argc, char **argv)
{
	static char line[140000];

	if (argc > 2 && !strcmp(argv[1], "worker"))
		return worker(argc, argv);
	fd_fill_std();
	log_setup("priv_tool", LOG_LVL_DEBUG);
	while (fgets(line, sizeof(line), stdin)) {
		char *a[ARGS] = {NULL}, *save = NULL;
		int n = 0;

		for (char *w = strtok_r(line, " \n", &save); w && n < ARGS;
		     w = strtok_r(NULL, " \n", &save))
			a[n++] = w;
		if (n)
			run(a, n);
	}
	return EXIT_SUCCESS;
}
