// SPDX-License-Identifier: GPL-2.0-or-later
/* See ctrack.h. The kernel goes through its table and gives what may matter only. */
#include "nat/ctrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_MS 10000
#define FILTER_PROTO_NUM (1 << 3) /* CTA_FILTER_F_CTA_PROTO_NUM of the kernel */

/* ---- which ----------------------------------------------------------------------- */

static bool same(const struct nft_forward *a, const struct nft_forward *b)
{
	return a->proto == b->proto && a->port == b->port &&
	       a->to_port == b->to_port && ipaddr_eq(&a->at, &b->at) &&
	       ipaddr_eq(&a->to, &b->to);
}

static bool has(const struct nft_forward *l, size_t n, const struct nft_forward *f)
{
	for (size_t i = 0; i < n; i++)
		if (same(&l[i], f))
			return true;
	return false;
}

/* Would its client be led by @f? */
static bool is_for(const struct nft_forward *f, const struct ctrack_entry *e)
{
	return f->proto == e->proto && f->port == e->dst_port &&
	       ipaddr_is4(&f->to) == ipaddr_is4(&e->dst) &&
	       (ipaddr_is_any(&f->at) || ipaddr_eq(&f->at, &e->dst));
}

static bool same_target(const struct nft_forward *f,
			const struct ctrack_entry *e)
{
	return f->proto == e->proto && f->to_port == e->from_port &&
	       ipaddr_eq(&f->to, &e->from);
}

static bool leads(const struct nft_forward *f, const struct ctrack_entry *e)
{
	return is_for(f, e) && same_target(f, e);
}

static bool any(const struct nft_forward *l, size_t n,
		const struct ctrack_entry *e,
		bool (*fits)(const struct nft_forward *f,
			     const struct ctrack_entry *e))
{
	for (size_t i = 0; i < n; i++)
		if (fits(&l[i], e))
			return true;
	return false;
}

static bool is_host(const struct ctrack_change *c, const struct ipaddr *ip)
{
	for (size_t i = 0; i < c->nhost; i++)
		if (ipaddr_eq(&c->host[i], ip))
			return true;
	return false;
}

bool ctrack_ends(const struct ctrack_change *c, const struct ctrack_entry *e)
{
	/* It may have come when its forward had another port. */
	if (e->dnat && !any(c->now, c->nnow, e, same_target))
		return any(c->gone, c->ngone, e, same_target);
	if (e->dnat)
		return any(c->gone, c->ngone, e, leads) &&
		       !any(c->came, c->ncame, e, same_target) &&
		       !any(c->now, c->nnow, e, leads);
	/* What the host itself asks elsewhere has such a port, too. */
	return e->proto == IPPROTO_UDP && !e->snat && is_host(c, &e->dst) &&
	       any(c->came, c->ncame, e, is_for);
}

bool ctrack_same(const struct nft_forward *a, size_t na,
		 const struct nft_forward *b, size_t nb)
{
	for (size_t i = 0; i < na; i++)
		if (!has(b, nb, &a[i]))
			return false;
	for (size_t i = 0; i < nb; i++)
		if (!has(a, na, &b[i]))
			return false;
	return true;
}

/* What is in @a and not in @b; heap, NULL without memory. */
static struct nft_forward *less(const struct nft_forward *a, size_t na,
				const struct nft_forward *b, size_t nb, size_t *n)
{
	struct nft_forward *l = calloc(na + 1, sizeof(*l));

	*n = 0;
	for (size_t i = 0; l && i < na; i++)
		if (!has(b, nb, &a[i]))
			l[(*n)++] = a[i];
	return l;
}

static bool to_ipaddr(const struct sockaddr *sa, struct ipaddr *out)
{
	if (sa && sa->sa_family == AF_INET)
		*out = ipaddr_from4(ntohl(
			((const struct sockaddr_in *)sa)->sin_addr.s_addr));
	else if (sa && sa->sa_family == AF_INET6)
		memcpy(out->b, &((const struct sockaddr_in6 *)sa)->sin6_addr,
		       sizeof(out->b));
	else
		return false;
	return true;
}

/* Heap. */
static struct ipaddr *host_addresses(size_t *n)
{
	struct ifaddrs *all = NULL;
	struct ipaddr *l;
	size_t cap = 1;

	*n = 0;
	if (getifaddrs(&all))
		return NULL;
	for (const struct ifaddrs *a = all; a; a = a->ifa_next)
		cap++;
	l = calloc(cap, sizeof(*l));
	for (const struct ifaddrs *a = all; l && a; a = a->ifa_next)
		*n += to_ipaddr(a->ifa_addr, &l[*n]);
	freeifaddrs(all);
	return l;
}

/* ---- messages ---------------------------------------------------------------------- */

struct victim {
	struct ctrack_entry e;
	struct ctrack_name name;
};

struct work {
	struct mnl_socket *sock;
	uint32_t seq;
	const struct nft_forward *was;
	size_t nwas;
	const struct ctrack_source *source;
	struct ctrack_change change;
	/* What that points to. */
	struct nft_forward *now, *gone, *came;
	struct ipaddr *host;
	struct victim *v;
	size_t n;
	bool more;
	char buf[1 << 16];
};

struct attrs {
	const struct nlattr *a[CTA_MAX + 1];
};

static int take_attr(const struct nlattr *a, void *arg)
{
	struct attrs *t = arg;

	if (mnl_attr_get_type(a) <= CTA_MAX)
		t->a[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static bool get_ip(const struct nlattr *v4, const struct nlattr *v6,
		   struct ipaddr *out)
{
	if (v4 && mnl_attr_get_payload_len(v4) == 4)
		*out = ipaddr_from4(ntohl(mnl_attr_get_u32(v4)));
	else if (v6 && mnl_attr_get_payload_len(v6) == 16)
		memcpy(out->b, mnl_attr_get_payload(v6), 16);
	else
		return false;
	return true;
}

/* Its source or its destination. */
static bool get_end(const struct nlattr *tuple, bool src, struct ipaddr *ip,
		    uint16_t *port, uint8_t *proto)
{
	struct attrs t = {{NULL}}, i = {{NULL}}, p = {{NULL}};
	const struct nlattr *n;

	if (!tuple)
		return false;
	(void)mnl_attr_parse_nested(tuple, take_attr, &t);
	if (!t.a[CTA_TUPLE_IP] || !t.a[CTA_TUPLE_PROTO])
		return false;
	(void)mnl_attr_parse_nested(t.a[CTA_TUPLE_IP], take_attr, &i);
	(void)mnl_attr_parse_nested(t.a[CTA_TUPLE_PROTO], take_attr, &p);
	n = p.a[src ? CTA_PROTO_SRC_PORT : CTA_PROTO_DST_PORT];
	if (!p.a[CTA_PROTO_NUM] || !mnl_attr_get_payload_len(p.a[CTA_PROTO_NUM]) ||
	    !n || mnl_attr_get_payload_len(n) < 2)
		return false;
	*proto = mnl_attr_get_u8(p.a[CTA_PROTO_NUM]);
	*port = ntohs(mnl_attr_get_u16(n));
	return get_ip(i.a[src ? CTA_IP_V4_SRC : CTA_IP_V4_DST],
		      i.a[src ? CTA_IP_V6_SRC : CTA_IP_V6_DST], ip);
}

static bool get_be32(const struct nlattr *a, uint32_t *out)
{
	if (!a || mnl_attr_get_payload_len(a) != 4)
		return false;
	*out = ntohl(mnl_attr_get_u32(a));
	return true;
}

static bool read_entry(const struct attrs *t, struct ctrack_entry *e)
{
	uint32_t status;

	if (!get_be32(t->a[CTA_STATUS], &status))
		return false;
	e->dnat = status & IPS_DST_NAT;
	e->snat = status & IPS_SRC_NAT;
	return get_end(t->a[CTA_TUPLE_ORIG], false, &e->dst, &e->dst_port,
		       &e->proto) &&
	       get_end(t->a[CTA_TUPLE_REPLY], true, &e->from, &e->from_port,
		       &e->proto);
}

static bool keep(const struct nlattr *a, uint8_t *out, size_t cap, uint16_t *len)
{
	*len = a ? mnl_attr_get_payload_len(a) : 0;
	if (*len > cap)
		return false;
	if (a)
		memcpy(out, mnl_attr_get_payload(a), *len);
	return true;
}

int ctrack_parse(const struct nlmsghdr *h, struct ctrack_entry *e,
		 struct ctrack_name *name)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	struct attrs t = {{NULL}};

	/* libmnl reads to the next word, to which the kernel fills up. */
	if (h->nlmsg_len % NLMSG_ALIGNTO ||
	    mnl_nlmsg_get_payload_len(h) < sizeof(*g) ||
	    mnl_attr_parse(h, sizeof(*g), take_attr, &t) < 0)
		return -EINVAL;
	name->family = g->nfgen_family;
	return read_entry(&t, e) && get_be32(t.a[CTA_ID], &name->id) &&
			       keep(t.a[CTA_TUPLE_ORIG], name->tuple,
				    sizeof(name->tuple), &name->tuple_len) &&
			       keep(t.a[CTA_ZONE], name->zone,
				    sizeof(name->zone), &name->zone_len)
		       ? 0
		       : -EINVAL;
}

static int see(const struct nlmsghdr *h, void *arg)
{
	struct work *w = arg;
	struct victim *v = &w->v[w->n];

	if (w->n == CTRACK_ROUND)
		w->more = true;
	else if (!ctrack_parse(h, &v->e, &v->name) &&
		 ctrack_ends(&w->change, &v->e))
		w->n++;
	return MNL_CB_OK;
}

static struct nlmsghdr *message(struct work *w, char *buf, uint8_t family,
				uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++w->seq;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	return h;
}

static int talk(struct work *w, const struct nlmsghdr *h, mnl_cb_t cb)
{
	struct pollfd pfd = {.fd = mnl_socket_get_fd(w->sock),
			     .events = POLLIN};
	int r = 1;

	if (mnl_socket_sendto(w->sock, h, h->nlmsg_len) < 0)
		return -errno;
	while (r > 0) {
		ssize_t len;

		r = poll(&pfd, 1, ANSWER_MS);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? -errno : -ETIMEDOUT;
		len = mnl_socket_recvfrom(w->sock, w->buf, sizeof(w->buf));
		if (len < 0)
			return -errno;
		r = mnl_cb_run(w->buf, (size_t)len, h->nlmsg_seq,
			       mnl_socket_get_portid(w->sock), cb, w);
	}
	return r < 0 ? -errno : 0;
}

/* Of those with a bit of @mask only whose status has the bits of @status. A kernel that
 * knows no filter (before 5.14) gives all. */
static void put_status(struct nlmsghdr *h, uint32_t status, uint32_t mask)
{
	mnl_attr_put_u32(h, CTA_STATUS, htonl(status));
	mnl_attr_put_u32(h, CTA_STATUS_MASK, htonl(mask));
}

/* Of this protocol (5.8). */
static void put_proto(struct nlmsghdr *h, uint8_t proto)
{
	struct nlattr *t = mnl_attr_nest_start(h, CTA_FILTER), *n;

	mnl_attr_put_u32(h, CTA_FILTER_ORIG_FLAGS, FILTER_PROTO_NUM);
	mnl_attr_nest_end(h, t);
	t = mnl_attr_nest_start(h, CTA_TUPLE_ORIG);
	n = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(h, CTA_PROTO_NUM, proto);
	mnl_attr_nest_end(h, n);
	mnl_attr_nest_end(h, t);
}

static int look(struct work *w, uint8_t family, bool led)
{
	char buf[256];
	struct nlmsghdr *h =
		message(w, buf, family, IPCTNL_MSG_CT_GET, NLM_F_DUMP);
	int r;

	if (led) {
		put_status(h, IPS_DST_NAT, IPS_DST_NAT);
	} else {
		put_status(h, 0, IPS_DST_NAT | IPS_SRC_NAT);
		put_proto(h, IPPROTO_UDP);
	}
	r = talk(w, h, see);
	/* It is a busy table: what changes while it is read is read next time. */
	return r == -EINTR ? 0 : r;
}

static bool came_udp(const struct ctrack_change *c)
{
	for (size_t i = 0; i < c->ncame; i++)
		if (c->came[i].proto == IPPROTO_UDP)
			return true;
	return false;
}

static int look_all(struct work *w)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int r = 0;

	w->n = 0;
	w->more = false;
	for (int i = 0; i < 2 && !r; i++) {
		if (w->change.ngone)
			r = look(w, families[i], true);
		if (!r && came_udp(&w->change))
			r = look(w, families[i], false);
	}
	return r;
}

static int forget(struct work *w, const struct ctrack_name *v)
{
	char buf[512];
	struct nlmsghdr *h =
		message(w, buf, v->family, IPCTNL_MSG_CT_DELETE, NLM_F_ACK);
	int r;

	mnl_attr_put(h, CTA_TUPLE_ORIG | NLA_F_NESTED, v->tuple_len, v->tuple);
	if (v->zone_len)
		mnl_attr_put(h, CTA_ZONE, v->zone_len, v->zone);
	mnl_attr_put_u32(h, CTA_ID, htonl(v->id));
	r = talk(w, h, NULL);
	return r == -ENOENT ? 0 : r;
}

/* ---- all of it ------------------------------------------------------------------------ */

static int open_socket(struct work *w)
{
	w->sock = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!w->sock || mnl_socket_bind(w->sock, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

static int compare(struct work *w)
{
	struct ctrack_change *c = &w->change;
	int n = w->source->now(w->source->arg, w->now, w->source->max);

	if (n < 0)
		return n;
	free(w->gone);
	free(w->came);
	c->now = w->now;
	c->nnow = (size_t)n;
	c->gone = w->gone = less(w->was, w->nwas, w->now, c->nnow, &c->ngone);
	c->came = w->came = less(w->now, c->nnow, w->was, w->nwas, &c->ncame);
	return w->gone && w->came ? 0 : -ENOMEM;
}

/* A forward may have come back meanwhile: what is new to it goes on. Whoever is in the
 * list was there before it came. */
static int round_of(struct work *w)
{
	int r = compare(w);

	w->more = false;
	if (r || (!w->change.ngone && !w->change.ncame))
		return r;
	r = w->sock ? 0 : open_socket(w);
	if (!r)
		r = look_all(w);
	if (!r)
		r = compare(w);
	for (size_t i = 0; !r && i < w->n; i++)
		if (ctrack_ends(&w->change, &w->v[i].e))
			r = forget(w, &w->v[i].name);
	return r;
}

static void finish(struct work *w)
{
	if (w->sock)
		mnl_socket_close(w->sock);
	free(w->now);
	free(w->gone);
	free(w->came);
	free(w->host);
	free(w->v);
	free(w);
}

int ctrack_forget(const struct nft_forward *was, size_t nwas,
		  const struct ctrack_source *source, struct errtext *why)
{
	struct work *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	if (!w)
		return errtext_set(why, r, "no memory");
	w->was = was;
	w->nwas = nwas;
	w->source = source;
	w->now = calloc(source->max, sizeof(*w->now));
	w->change.host = w->host = host_addresses(&w->change.nhost);
	w->v = calloc(CTRACK_ROUND, sizeof(*w->v));
	if (w->now && w->host && w->v) {
		w->more = true;
		r = 0;
	}
	for (int i = 0; !r && w->more && i < CTRACK_ROUNDS; i++)
		r = round_of(w);
	if (!r && w->more)
		r = -EAGAIN;
	finish(w);
	return r ? errtext_set(why, r, "connections of forwards that changed go "
			       "on: %s", strerror(-r))
		 : 0;
}
