// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Neighbours are probed by setting their entry's state: the kernel sends the probe, and
 * its verdict is the entry's next state. Echo requests go out through a raw socket that
 * is connected to the router and lets replies only pass, so nothing of a reply has to be
 * looked at.
 */
#include "switch/reach.h"

#include <errno.h>
#include <net/if.h> /* before linux/, which has the same */

#include <linux/icmp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <netlink/msg.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "switch/link.h"

#define AGAIN_MS 250 /* what is unanswered is asked again */
#define LOOK_MS	 5

/* Of late: within half a minute, or being asked right now. */
#define NUD_LATELY (NUD_REACHABLE | NUD_DELAY | NUD_PROBE)
#define NUD_FIXED  (NUD_PERMANENT | NUD_NOARP)

/* ---- the kernel's table ------------------------------------------------------------- */

static bool neigh_on(const struct nlmsghdr *h, int index, struct link_neigh *out)
{
	return !link_neigh_parse(h, out) && out->index == index &&
	       !ipaddr_is_multicast(&out->ip);
}

static int neigh_set(struct link_nl *nl, int index, const struct reach_peer *p,
		     unsigned int state, unsigned int flags)
{
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWNEIGH, NLM_F_CREATE);
	bool is4 = ipaddr_is4(&p->ip);
	struct ndmsg nd = {
		.ndm_family = is4 ? AF_INET : AF_INET6,
		.ndm_ifindex = index,
		.ndm_state = (uint16_t)state,
		.ndm_flags = (uint8_t)flags,
	};

	if (!msg || nlmsg_append(msg, &nd, sizeof(nd), NLMSG_ALIGNTO) ||
	    nla_put(msg, NDA_DST, is4 ? 4 : 16, p->ip.b + (is4 ? 12 : 0)) ||
	    (!mac_is_zero(&p->mac) && nla_put(msg, NDA_LLADDR, 6, p->mac.b))) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return link_talk(nl, msg);
}

/* A state that it is in already would start nothing, hence two of them. Without a MAC it
 * is looked for as if there were something to send. */
static void probe(struct link_nl *nl, int index, const struct reach_peer *p)
{
	if (p->fixed)
		return;
	if (mac_is_zero(&p->mac)) {
		(void)neigh_set(nl, index, p, NUD_NONE, NTF_USE);
		return;
	}
	(void)neigh_set(nl, index, p, NUD_STALE, 0);
	(void)neigh_set(nl, index, p, NUD_PROBE, 0);
}

/* ---- echo ------------------------------------------------------------------------------ */

static uint16_t icmp_sum(const uint8_t *b, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

/* Another process's ping of the same router is answered to us, too, and proves as much. */
static int echo_open(const struct reach_peer *p, int index)
{
	bool is4 = ipaddr_is4(&p->ip);
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&p->ip, 0, &ss);
	struct icmp_filter f4 = {~(1u << ICMP_ECHOREPLY)};
	struct icmp6_filter f6;
	int fd = socket(ss.ss_family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			is4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	ICMP6_FILTER_SETBLOCKALL(&f6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &f6);
	if (!is4 && ipaddr_is_linklocal(&p->ip))
		((struct sockaddr_in6 *)&ss)->sin6_scope_id = (uint32_t)index;
	if (fd >= 0 &&
	    ((is4 ? setsockopt(fd, SOL_RAW, ICMP_FILTER, &f4, sizeof(f4))
		  : setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &f6,
			       sizeof(f6))) ||
	     connect(fd, (struct sockaddr *)&ss, len)))
		fd_close(&fd);
	return fd;
}

/* An answer that has come stays until it is taken; nothing but its being there counts. */
static bool echo_came(struct reach_peer *p)
{
	uint8_t b[64];

	return p->sock >= 0 && recv(p->sock, b, sizeof(b), MSG_TRUNC) > 0;
}

static void echo_ask(const struct reach_peer *p, unsigned int round)
{
	bool is4 = ipaddr_is4(&p->ip);
	unsigned int id = (unsigned int)getpid() & 0xffff;
	uint8_t b[16] = {is4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST, 0, 0, 0,
			 (uint8_t)(id >> 8), (uint8_t)id,
			 (uint8_t)(round >> 8), (uint8_t)round};
	uint16_t sum = icmp_sum(b, sizeof(b));

	if (is4) { /* for ICMPv6 the kernel does it */
		b[2] = (uint8_t)(sum >> 8);
		b[3] = (uint8_t)sum;
	}
	if (p->sock >= 0 && send(p->sock, b, sizeof(b), MSG_NOSIGNAL) < 0) {
		/* no way there, yet or no more: asked again */
	}
}

/* ---- a round ----------------------------------------------------------------------------- */

struct round {
	struct reach *r;
	struct link_nl *nl;
	int index;
	bool learning; /* whoever answers; else who did then */
};

static struct reach_peer *find(struct reach *r, const struct ipaddr *ip)
{
	for (size_t i = 0; i < r->n; i++)
		if (ipaddr_eq(&r->peer[i].ip, ip))
			return &r->peer[i];
	return NULL;
}

static struct reach_peer *add(struct reach *r, const struct ipaddr *ip)
{
	struct reach_peer *p = find(r, ip);

	if (p || r->n == REACH_MAX)
		return p;
	p = &r->peer[r->n++];
	*p = (struct reach_peer){.ip = *ip, .sock = -1};
	return p;
}

void reach_router(struct reach *r, const struct ipaddr *ip)
{
	struct reach_peer *p = add(r, ip);

	if (p)
		p->router = true;
}

/* Who might be there. */
static int take_candidate(const struct nlmsghdr *h, void *arg)
{
	struct round *t = arg;
	struct reach_peer *p;
	struct link_neigh n;

	if (!neigh_on(h, t->index, &n))
		return 0;
	p = find(t->r, &n.ip);
	if (!p && (n.state & NUD_LATELY))
		p = add(t->r, &n.ip);
	if (!p)
		return 0;
	if (n.usable)
		p->mac = n.mac;
	p->fixed = n.state & NUD_FIXED;
	return 0;
}

static int take_answer(const struct nlmsghdr *h, void *arg)
{
	struct round *t = arg;
	struct reach_peer *p;
	struct link_neigh n;

	if (!neigh_on(h, t->index, &n) || !(n.state & NUD_REACHABLE))
		return 0;
	p = find(t->r, &n.ip);
	if (p && !p->done) {
		p->done = true;
		p->mac = n.mac;
	}
	return 0;
}

static int each_neigh(struct round *t,
		      int (*fn)(const struct nlmsghdr *h, void *arg))
{
	static const int families[] = {AF_INET, AF_INET6};
	int r = 0;

	for (int i = 0; i < 2 && !r; i++)
		r = link_dump(t->nl, RTM_GETNEIGH, families[i], fn, t);
	return r == -EAGAIN ? 0 : r; /* torn: looked at again soon */
}

static bool wants_probe(const struct round *t, const struct reach_peer *p)
{
	return !p->fixed && !p->done && (t->learning || p->speaks);
}

static bool wants_echo(const struct round *t, const struct reach_peer *p)
{
	return p->router && !p->heard && (t->learning || p->echoes);
}

static void ask_all(struct round *t, unsigned int round)
{
	for (size_t i = 0; i < t->r->n; i++) {
		struct reach_peer *p = &t->r->peer[i];

		if (wants_probe(t, p))
			probe(t->nl, t->index, p);
		if (!wants_echo(t, p))
			continue;
		/* Anew: its route and source address were chosen at once, and better
		 * ones may have come since. Late answers come to it as well. */
		fd_close(&p->sock);
		p->sock = echo_open(p, t->index);
		echo_ask(p, round);
	}
}

/* Return: how many answers are outstanding, or negative errno. */
static int look(struct round *t)
{
	int left = 0, r = each_neigh(t, take_answer);

	if (r)
		return r;
	for (size_t i = 0; i < t->r->n; i++) {
		struct reach_peer *p = &t->r->peer[i];

		p->heard |= echo_came(p);
		left += wants_probe(t, p) || wants_echo(t, p);
	}
	return left;
}

/* Ask and wait; who is still outstanding then has not answered. */
static int run(struct round *t, unsigned int wait_ms)
{
	int64_t now = clock_mono_ms(), end = now + wait_ms, again = now;
	unsigned int n = 0;
	int left = 1;

	for (size_t i = 0; i < t->r->n; i++)
		t->r->peer[i].done = t->r->peer[i].heard = false;
	while (left > 0 && now < end) {
		if (now >= again) {
			ask_all(t, n++);
			again = now + AGAIN_MS;
		}
		left = look(t);
		if (left > 0)
			poll(NULL, 0, LOOK_MS);
		now = clock_mono_ms();
	}
	return left;
}

static void close_all(struct reach *r)
{
	for (size_t i = 0; i < r->n; i++)
		fd_close(&r->peer[i].sock);
}

int reach_learn(struct reach *r, struct link_nl *nl, int index,
		unsigned int wait_ms)
{
	struct round t = {.r = r, .nl = nl, .index = index, .learning = true};
	int e = each_neigh(&t, take_candidate);
	size_t n = 0;

	if (!e)
		e = run(&t, wait_ms);
	close_all(r);
	for (size_t i = 0; i < r->n; i++) {
		struct reach_peer *p = &r->peer[i];

		p->speaks = p->done;
		p->echoes = p->heard;
		if (p->speaks || p->echoes)
			r->peer[n++] = *p;
	}
	r->n = n;
	return e < 0 ? e : 0;
}

static int missing(const struct reach_peer *p, bool echo, unsigned int wait_ms,
		   struct errtext *why)
{
	char ip[IP_TEXT];

	return errtext_set(why, -EHOSTUNREACH,
			   "the host no longer reaches %s %s, which answered "
			   "before: no answer to %s in %u seconds",
			   p->router ? "its router" : "its neighbour",
			   ipaddr_format(&p->ip, ip),
			   echo ? "echo requests (does a packet filter name the "
				  "interface?)"
			   : ipaddr_is4(&p->ip) ? "ARP"
						: "neighbour solicitations",
			   (wait_ms + 500) / 1000);
}

int reach_check(struct reach *r, struct link_nl *nl, int index,
		unsigned int wait_ms, struct errtext *why)
{
	struct round t = {.r = r, .nl = nl, .index = index};
	int left = run(&t, wait_ms), e = left < 0 ? left : 0;

	if (e)
		errtext_set(why, e, "cannot ask for neighbours: %s",
			    strerror(-e));
	for (size_t i = 0; i < r->n && left > 0 && !e; i++) {
		const struct reach_peer *p = &r->peer[i];

		if (wants_probe(&t, p))
			e = missing(p, false, wait_ms, why);
		else if (wants_echo(&t, p))
			e = missing(p, true, wait_ms, why);
	}
	close_all(r);
	return e;
}
