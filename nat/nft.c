// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tables in the kernel: read, compared, replaced, deleted. See nft.h. What a plan is in
 * libnftnl's terms is in nft_build.c, how two tables are compared in nft_image.c, what need
 * not be read because it is known in nft_known.c.
 */
#include "nat/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "nat/nft_int.h"
#include "nat/nlmsg.h"

#define MSG_MAX	  (1 << 17) /* in an answer */
#define ANSWER_MS 10000
#define ANSWERS	  (1 << 20) /* bytes of them, whatever the host's default is */
#define TRIES	  5 /* while somebody changes what is listed */

struct nft {
	struct mnl_socket *sock;
	uint32_t seq;
	struct nft_known known;
	char buf[MSG_MAX]; /* answers */
};

/* ---- life ------------------------------------------------------------------------- */

static int open_socket(struct nft *n, pid_t port, struct errtext *why)
{
	int size = 2 * NFT_BATCH_MAX, r;

	n->sock = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!n->sock || (mnl_socket_bind(n->sock, 0, port) < 0 &&
			 mnl_socket_bind(n->sock, 0, MNL_SOCKET_AUTOPID) < 0)) {
		r = -errno;
		return errtext_set(why, r, "no netfilter socket: %s",
				   strerror(-r));
	}
	/* Each message of a transaction is answered before the first answer is read. */
	fd_rcvbuf(mnl_socket_get_fd(n->sock), ANSWERS);
	(void)setsockopt(mnl_socket_get_fd(n->sock), SOL_SOCKET,
			 SO_SNDBUFFORCE, &size, sizeof(size));
	return 0;
}

int nft_open(struct nft **out, struct errtext *why)
{
	struct nft *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return errtext_set(why, -ENOMEM, "no memory");
	nft_known_init(&n->known);
	n->seq = 1;
	r = open_socket(n, MNL_SOCKET_AUTOPID, why);
	if (r)
		nft_close(n);
	else
		*out = n;
	return r;
}

int nft_renew(struct nft *n, struct errtext *why)
{
	pid_t port = (pid_t)nft_port(n);

	nft_known_forget(&n->known);
	if (n->sock)
		mnl_socket_close(n->sock);
	n->sock = NULL;
	return open_socket(n, port, why);
}

uint32_t nft_port(const struct nft *n)
{
	return n->sock ? mnl_socket_get_portid(n->sock) : MNL_SOCKET_AUTOPID;
}

void nft_close(struct nft *n)
{
	if (!n)
		return;
	nft_known_forget(&n->known);
	if (n->sock)
		mnl_socket_close(n->sock);
	free(n);
}

bool nft_is_own(const void *news, size_t len, uint32_t port)
{
	const struct nlmsghdr *h = news;
	int left = (int)len;

	for (; nlmsg_whole(h, left); h = mnl_nlmsg_next(h, &left))
		if (!port || h->nlmsg_pid != port)
			return false;
	return len && !left;
}

int nft_watch(int *fd_out, struct errtext *why)
{
	/* Without an address of its own a socket is told nothing. */
	struct sockaddr_nl own = {.nl_family = AF_NETLINK};
	int group = NFNLGRP_NFTABLES, r;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			NETLINK_NETFILTER);

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&own, sizeof(own)) &&
	    !setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			sizeof(group))) {
		*fd_out = fd;
		return 0;
	}
	r = -errno;
	if (fd >= 0)
		close(fd);
	return errtext_set(why, r, "rulesets cannot be watched: %s",
			   strerror(-r));
}

/* ---- conversation ------------------------------------------------------------------- */

ssize_t nft_receive(struct nft *n)
{
	struct pollfd pfd = {.fd = mnl_socket_get_fd(n->sock),
			     .events = POLLIN};
	ssize_t len;
	int r;

	while ((r = poll(&pfd, 1, ANSWER_MS)) < 0 && errno == EINTR)
		;
	if (r <= 0)
		return r ? -errno : -ETIMEDOUT;
	len = mnl_socket_recvfrom(n->sock, n->buf, sizeof(n->buf));
	return len < 0 ? -errno : len;
}

static bool is_last(const struct nft *n, ssize_t len, uint32_t seq)
{
	const struct nlmsghdr *h = (const void *)n->buf;
	int left = (int)len;

	for (; nlmsg_whole(h, left); h = mnl_nlmsg_next(h, &left))
		if (h->nlmsg_seq == seq && (h->nlmsg_type == NLMSG_DONE ||
					    h->nlmsg_type == NLMSG_ERROR))
			return true;
	return false;
}

/* A list that changed while it was told is told to its end all the same: what is left
 * of it would be taken for the answers to the next question. */
static int interrupted(struct nft *n, ssize_t len, uint32_t seq)
{
	while (!is_last(n, len, seq)) {
		len = nft_receive(n);
		if (len < 0)
			return (int)len;
	}
	return -EINTR;
}

/* A question whose answers go to @cb, until the last one. */
int nft_ask(struct nft *n, struct nlmsghdr *nlh, nft_cb cb, void *arg)
{
	unsigned int port = mnl_socket_get_portid(n->sock);
	int r = 1;

	if (mnl_socket_sendto(n->sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (r > 0) {
		ssize_t len = nft_receive(n);

		if (len < 0)
			return (int)len;
		r = mnl_cb_run(n->buf, (size_t)len, nlh->nlmsg_seq, port, cb,
			       arg);
		if (r < 0 && errno == EINTR)
			return interrupted(n, len, nlh->nlmsg_seq);
	}
	return r < 0 ? -errno : 0;
}

struct nlmsghdr *nft_question(struct nft *n, char *buf, uint16_t type,
			      uint16_t family, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(buf, type, family, flags, ++n->seq);
}

const struct nlmsghdr *nft_received(const struct nft *n)
{
	return (const void *)n->buf;
}

uint32_t nft_next_seq(struct nft *n)
{
	return ++n->seq;
}

int nft_send(struct nft *n, const void *p, size_t len)
{
	return mnl_socket_sendto(n->sock, p, len) < 0 ? -errno : 0;
}

/* ---- looking ----------------------------------------------------------------------- */

/* What is read of a table, as text. */
struct look {
	struct nft *n;
	const struct nft_plan *p;
	FILE *f;
	/* Maps and sets, which are asked for afterwards. */
	char map[2 * (NFT_MAPS + NFT_SETS)][32];
	unsigned int nmap;
	bool odd; /* something that no plan has */
};

static int mark_cb(const struct nftnl_udata *attr, void *arg)
{
	bool *ours = arg;

	if (nftnl_udata_type(attr) == NFTNL_UDATA_TABLE_COMMENT &&
	    nftnl_udata_len(attr) == sizeof(NFT_MARK) &&
	    !memcmp(nftnl_udata_get(attr), NFT_MARK, sizeof(NFT_MARK)))
		*ours = true;
	return 0;
}

static int table_cb(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_table *t = nftnl_table_alloc();
	uint32_t len = 0;
	const void *data;

	if (t && !nftnl_table_nlmsg_parse(nlh, t)) {
		data = nftnl_table_get_data(t, NFTNL_TABLE_USERDATA, &len);
		if (data)
			(void)nftnl_udata_parse(data, len, mark_cb, arg);
	}
	nftnl_table_free(t);
	return MNL_CB_OK;
}

/* 1 it is there and ours, 0 there is none, -EEXIST somebody else's. */
static int find_table(struct nft *n, int family, const char *name,
		      struct errtext *why)
{
	char buf[512];
	struct nlmsghdr *nlh = nft_question(n, buf, NFT_MSG_GETTABLE,
					    (uint16_t)family, NLM_F_ACK);
	bool ours = false;
	int r;

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, name);
	r = nft_ask(n, nlh, table_cb, &ours);
	if (r == -ENOENT)
		return 0;
	if (r)
		return errtext_set(why, r, "nftables: %s", strerror(-r));
	if (!ours)
		return errtext_set(why, -EEXIST,
				   "nftables: table %s %s is there and not "
				   "ours", family == NFPROTO_INET ? "inet"
								  : "bridge",
				   name);
	return 1;
}

static int chain_cb(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct look *l = arg;

	if (c && !nftnl_chain_nlmsg_parse(nlh, c) &&
	    !strcmp(nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE), l->p->table))
		nft_image_chain(l->f, c);
	nftnl_chain_free(c);
	return MNL_CB_OK;
}

static int rule_cb(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_rule *r = nftnl_rule_alloc();
	struct look *l = arg;

	if (r && !nftnl_rule_nlmsg_parse(nlh, r) &&
	    !strcmp(nftnl_rule_get_str(r, NFTNL_RULE_TABLE), l->p->table))
		nft_image_rule(l->f, r);
	nftnl_rule_free(r);
	return MNL_CB_OK;
}

static int set_cb(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_set *s = nftnl_set_alloc();
	struct look *l = arg;
	const char *name;

	if (s && !nftnl_set_nlmsg_parse(nlh, s) &&
	    !strcmp(nftnl_set_get_str(s, NFTNL_SET_TABLE), l->p->table)) {
		name = nftnl_set_get_str(s, NFTNL_SET_NAME);
		if (strlen(name) < sizeof(l->map[0]) &&
		    l->nmap < 2 * (NFT_MAPS + NFT_SETS))
			strcpy(l->map[l->nmap++], name);
		else
			l->odd = true;
	}
	nftnl_set_free(s);
	return MNL_CB_OK;
}

static int elem_cb(const struct nlmsghdr *nlh, void *arg)
{
	(void)nftnl_set_elems_nlmsg_parse(nlh, arg);
	return MNL_CB_OK;
}

static int one_set_cb(const struct nlmsghdr *nlh, void *arg)
{
	(void)nftnl_set_nlmsg_parse(nlh, arg);
	return MNL_CB_OK;
}

int nft_ask_elements(struct nft *n, int family, const char *table,
		     const char *map, struct nftnl_set *s)
{
	char buf[512];
	struct nlmsghdr *nlh = nft_question(n, buf, NFT_MSG_GETSETELEM,
					    (uint16_t)family, NLM_F_DUMP);

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, map);
	return nft_ask(n, nlh, elem_cb, s);
}

static bool is_set(const struct nft_plan *p, const char *name)
{
	for (unsigned int i = 0; i < p->nset; i++)
		if (!strcmp(p->set[i].name, name))
			return true;
	return false;
}

/* A map with its elements; of a set they are compared by themselves. */
static int look_map(struct look *l, const char *name)
{
	struct nftnl_set *s = nftnl_set_alloc();
	char buf[512];
	struct nlmsghdr *nlh;
	int r;

	if (!s)
		return -ENOMEM;
	nlh = nft_question(l->n, buf, NFT_MSG_GETSET, (uint16_t)l->p->family,
			   NLM_F_ACK);
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, l->p->table);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, name);
	r = nft_ask(l->n, nlh, one_set_cb, s);
	if (!r) {
		nft_image_set(l->f, s);
		if (is_set(l->p, name))
			goto out;
		r = nft_ask_elements(l->n, l->p->family, l->p->table, name,
				     s);
	}
	if (!r)
		nft_image_elems(l->f, s);
out:
	nftnl_set_free(s);
	return r;
}

static int look_at(struct look *l)
{
	char buf[512];
	struct nlmsghdr *nlh;
	int r;

	nlh = nft_question(l->n, buf, NFT_MSG_GETSET, (uint16_t)l->p->family,
			   NLM_F_DUMP);
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, l->p->table);
	r = nft_ask(l->n, nlh, set_cb, l);
	for (unsigned int i = 0; !r && i < l->nmap; i++)
		r = look_map(l, l->map[i]);
	if (!r) {
		nlh = nft_question(l->n, buf, NFT_MSG_GETCHAIN, (uint16_t)l->p->family,
			   NLM_F_DUMP);
		r = nft_ask(l->n, nlh, chain_cb, l);
	}
	if (!r) {
		nlh = nft_question(l->n, buf, NFT_MSG_GETRULE, (uint16_t)l->p->family,
			   NLM_F_DUMP);
		mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, l->p->table);
		r = nft_ask(l->n, nlh, rule_cb, l);
	}
	return r;
}

/* 1 the table says what @p says, 0 it says something else; it is there. */
static int same(struct nft *n, const struct nft_plan *p, struct errtext *why)
{
	struct look l = {.n = n, .p = p};
	char *have = NULL, *want = nft_image_plan(p);
	size_t len;
	int r = -ENOMEM;

	l.f = want ? open_memstream(&have, &len) : NULL;
	if (l.f) {
		r = look_at(&l);
		if (fclose(l.f))
			r = -ENOMEM;
	}
	if (!r)
		r = !l.odd && !strcmp(have, want);
	else if (r == -EINTR || r == -ENOENT)
		r = 0; /* it changed while it was read */
	else
		errtext_set(why, r, "nftables: %s", strerror(-r));
	free(have);
	free(want);
	return r;
}

int nft_check(struct nft *n, const struct nft_plan *p, struct errtext *why)
{
	int r = find_table(n, p->family, p->table, why);

	if (r > 0)
		r = same(n, p, why);
	if (r <= 0)
		return r < 0 ? r : 1;
	r = nft_sets_differ(n, p, NULL);
	return r < 0 ? errtext_set(why, r, "nftables: %s", strerror(-r)) : r;
}

struct forwards {
	struct nft_forward *out;
	size_t n, cap;
	enum nft_map map;
};

static int take_forward(struct nftnl_set_elem *e, void *arg)
{
	struct forwards *l = arg;

	if (l->n < l->cap && nft_read_element(l->map, e, &l->out[l->n]))
		l->n++;
	return 0;
}

static int read_forwards(struct nft *n, const char *table, struct forwards *l)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < TRIES; i++) {
		struct nftnl_set *s = nftnl_set_alloc();

		r = s ? nft_ask_elements(n, NFPROTO_INET, table,
					 nft_map_name(l->map), s)
		      : -ENOMEM;
		if (!r)
			(void)nftnl_set_elem_foreach(s, take_forward, l);
		nftnl_set_free(s);
	}
	return r == -ENOENT ? 0 : r;
}

int nft_forwards(struct nft *n, const struct nft_plan *p,
		 struct nft_forward *out, size_t cap)
{
	struct forwards l = {.out = out, .cap = cap};
	int r = 0;

	for (l.map = 0; l.map < NFT_MAPS && !r; l.map++)
		r = read_forwards(n, p->table, &l);
	return r ? r : (int)l.n;
}

/* ---- changes --------------------------------------------------------------------------- */

static int take_gen(const struct nlattr *a, void *arg)
{
	if (mnl_attr_get_type(a) == NFTA_GEN_ID &&
	    mnl_attr_get_payload_len(a) == sizeof(uint32_t))
		*(uint32_t *)arg = ntohl(mnl_attr_get_u32(a));
	return MNL_CB_OK;
}

static int gen_cb(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct nfgenmsg), take_gen, arg);
}

/* The generation of all rulesets now; 0 when the kernel does not say. What is known of an
 * older one is forgotten. */
static uint32_t look_at_gen(struct nft *n)
{
	char buf[64];
	struct nlmsghdr *nlh = nft_question(n, buf, NFT_MSG_GETGEN,
					    NFPROTO_UNSPEC, NLM_F_ACK);
	uint32_t gen = 0;

	if (nft_ask(n, nlh, gen_cb, &gen))
		gen = 0;
	if (!gen || gen != n->known.gen)
		nft_known_forget(&n->known);
	n->known.gen = gen;
	return gen;
}

/* A transaction of ours on one table, which it makes what @p says, or deletes. */
static int commit(struct nft *n, struct nft_batch *b, uint32_t gen,
		  const struct nft_plan *p, struct errtext *why)
{
	int r = nft_commit(b, why);

	if (r || !gen) {
		nft_known_forget(&n->known);
		return r;
	}
	/* The next one; 0 is none's. Should it be another, nothing is known. */
	n->known.gen = gen + 1 ? gen + 1 : 1;
	if (p)
		nft_known_put(&n->known, p);
	return 0;
}

static int replace(struct nft *n, const struct nft_plan *p, bool there,
		   uint32_t gen, struct errtext *why)
{
	struct nft_batch b;

	nft_begin(&b, n, p->family, gen);
	if (there)
		nft_del_table(&b, p->table);
	nft_put_table(&b, p);
	for (unsigned int m = 0; m < NFT_MAPS; m++)
		if (p->in_map[m])
			nft_put_map(&b, p, m);
	for (unsigned int i = 0; i < p->nset; i++)
		nft_put_set(&b, p, i);
	for (unsigned int i = 0; i < p->nchain; i++)
		nft_put_chain(&b, p, i);
	for (unsigned int i = 0; i < p->nrule; i++)
		nft_put_rule(&b, p, i);
	return commit(n, &b, gen, p, why);
}

/* Names that came and went; what is counted for the rest goes on. @t: what is known;
 * NULL: what is there is asked for. */
static int amend(struct nft *n, const struct nft_plan *p,
		 const struct nft_table *t, uint32_t gen, bool *changed,
		 struct errtext *why)
{
	struct nft_batch b;
	int r;

	nft_begin(&b, n, p->family, gen);
	r = t ? nft_known_differs(t, p, &b) : nft_sets_differ(n, p, &b);
	if (r > 0) {
		*changed = true;
		return commit(n, &b, gen, p, why);
	}
	nft_abandon(&b);
	if (r)
		return errtext_set(why, r, "nftables: %s", strerror(-r));
	/* What was found holds if nobody changed anything meanwhile. */
	if (!t && gen && look_at_gen(n) == gen)
		nft_known_put(&n->known, p);
	return 0;
}

static int sync_once(struct nft *n, const struct nft_plan *p, uint32_t gen,
		     bool *changed, struct errtext *why)
{
	const struct nft_table *t =
		gen ? nft_known_find(&n->known, p->family, p->table) : NULL;
	int there, r;

	*changed = false;
	if (t && nft_known_alike(t, p))
		return amend(n, p, t, gen, changed, why);
	there = t ? 1 : find_table(n, p->family, p->table, why);
	r = !t && there > 0 ? same(n, p, why) : there < 0 ? there : 0;
	if (r < 0)
		return r;
	if (r)
		return amend(n, p, NULL, gen, changed, why);
	*changed = true;
	return replace(n, p, there > 0, gen, why);
}

int nft_sync(struct nft *n, const struct nft_plan *p, bool *changed,
	     struct errtext *why)
{
	int r = -ERESTART;

	/* The last time it is done whatever else happens meanwhile. */
	for (int i = 0; r == -ERESTART && i < TRIES; i++)
		r = sync_once(n, p, i < TRIES - 1 ? look_at_gen(n) : 0, changed,
			      why);
	return r;
}

int nft_drop_one(struct nft *n, int family, const char *network,
		 struct errtext *why)
{
	char name[NFT_NETWORK + 8];
	struct nft_batch b;
	uint32_t gen;
	int r = -ERESTART;

	nft_table_name(network, name);
	for (int i = 0; r == -ERESTART && i < TRIES; i++) {
		gen = i < TRIES - 1 ? look_at_gen(n) : 0;
		nft_known_drop(&n->known, family, name);
		r = find_table(n, family, name, NULL);
		if (r <= 0)
			return r == -EEXIST || r == -EOPNOTSUPP ? 0 : r;
		nft_begin(&b, n, family, gen);
		nft_del_table(&b, name);
		r = commit(n, &b, gen, NULL, why);
	}
	return r == -ENOENT ? 0 : r;
}

int nft_drop(struct nft *n, const char *network, struct errtext *why)
{
	int r = nft_drop_one(n, NFPROTO_INET, network, why);

	return r ? r : nft_drop_one(n, NFPROTO_BRIDGE, network, why);
}
