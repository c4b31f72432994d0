// SPDX-License-Identifier: GPL-2.0-or-later
/* What others' packet filters do to our networks. See doctor.h. */
#include "netd/doctor.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netd/hostaddr.h"
#include "netd/knet.h"
#include "netd/priv.h"
#include "netd/sandbox.h"
#include "netd/validate.h"

#define OUR_TABLES "vnet-" /* nft_table_name() */
#define TOLD_MAX   16 /* chains told of, of a network */

/* An address that nobody has, for somebody outside (RFC 5737, RFC 3849). */
#define OUTSIDE4 0xcb007107u /* 203.0.113.7 */

/* A network and its device: bridge or the host's adapter. */
struct place {
	const struct network *n;
	char dev[IFNAMSIZ];
	unsigned int index;
};

struct look {
	struct ctl *ctl;
	struct ruleset rs;
	json_t *list;
	/* What the host is asked for, before the door is shut. */
	struct place *place;
	size_t nplaces;
	char uplink[IFNAMSIZ]; /* the host's way out */
	unsigned int uplink_index;
	bool filtered[2]; /* frames on bridges, of IPv4, IPv6 */
	/* The place that is looked at. */
	const struct network *n;
	const char *dev;
	unsigned int index;
	/* Told already: one finding for a chain and a way. */
	struct {
		const struct rs_chain *base;
		enum doctor_way way;
	} seen[TOLD_MAX];
	unsigned int nseen, found;
};

/* ---- one packet --------------------------------------------------------------------------- */

static bool told(struct look *l, const struct rs_chain *base,
		 enum doctor_way way)
{
	if (way == DOCTOR_BRIDGED)
		way = DOCTOR_ROUTED; /* the same command lets both through */
	for (unsigned int i = 0; i < l->nseen; i++)
		if (l->seen[i].base == base && l->seen[i].way == way)
			return true;
	if (l->nseen < TOLD_MAX) {
		l->seen[l->nseen].base = base;
		l->seen[l->nseen++].way = way;
	}
	return false;
}

static json_t *rule_of(const struct rs_finding *f, const char *text)
{
	if (!f->base)
		return json_null();
	return json_pack("{s:s,s:s,s:s,s:s,s:o,s:s}", "family",
			 ruleset_family_name(f->base->table.family), "table",
			 f->base->table.name, "base", f->base->name, "chain",
			 f->chain ? f->chain->name : f->base->name, "handle",
			 f->rule ? json_integer((json_int_t)f->rule->handle)
				 : json_null(),
			 "text", text);
}

static void report(struct look *l, const struct rs_finding *f,
		   enum doctor_way way, const struct rs_packet *p,
		   const char *what)
{
	bool sure = f->outcome == RS_DROPPED;
	char fix[DOCTOR_COMMAND], text[RS_TEXT] = "policy drop", at[200] = "";
	json_t *last;

	if (f->base && told(l, f->base, way))
		return;
	l->found++;
	doctor_fix(&l->rs, f, way, l->dev, p, fix);
	if (f->rule)
		ruleset_rule_text(f->rule, text);
	if (f->base)
		snprintf(at, sizeof(at), " by table %s %s, chain %s",
			 ruleset_family_name(f->base->table.family),
			 f->base->table.name,
			 f->chain ? f->chain->name : f->base->name);
	if (sure)
		doctor_add(l->list, DOCTOR_PROBLEM, "filter", l->n->conf.name,
			   fix[0] ? fix : NULL, "%s are dropped%s: %s", what, at, text);
	else
		doctor_add(l->list, DOCTOR_UNKNOWN, "filter", l->n->conf.name,
			   fix[0] ? fix : NULL,
			   "%s may be dropped%s: %s cannot be judged from here",
			   what, at, f->unknown ? f->unknown : "a rule");
	last = json_array_get(l->list, json_array_size(l->list) - 1);
	json_object_set_new(last, "rule", rule_of(f, text));
}

static unsigned int index_of(const struct look *l, const char *dev)
{
	if (!dev[0])
		return 0;
	return !strcmp(dev, l->dev) ? l->index : l->uplink_index;
}

static void ask(struct look *l, struct rs_packet *p, enum doctor_way way,
		const char *what, const int *hooks)
{
	struct rs_finding f;

	p->iifindex = index_of(l, p->iif);
	p->oifindex = index_of(l, p->oif);
	for (; *hooks >= 0; hooks++) {
		struct rs_packet q = *p;

		if (*hooks == NF_INET_PRE_ROUTING || *hooks == NF_INET_LOCAL_IN)
			q.oif[0] = '\0';
		if (*hooks == NF_INET_POST_ROUTING ||
		    *hooks == NF_INET_LOCAL_OUT)
			q.iif[0] = '\0';
		ruleset_ask(&l->rs, &q, (uint32_t)*hooks, OUR_TABLES, &f);
		if (f.outcome != RS_PASSES) {
			report(l, &f, way, p, what);
			return;
		}
	}
}

static const int routed[] = {NF_INET_PRE_ROUTING, NF_INET_FORWARD,
			     NF_INET_POST_ROUTING, -1};
static const int inward[] = {NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN, -1};
static const int outward[] = {NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, -1};
static const int bridged[] = {NF_INET_FORWARD, -1};

static struct rs_packet packet(bool ip6, const char *iif, const char *oif,
			       struct ipaddr src, struct ipaddr dst)
{
	struct rs_packet p = {
		.family = ip6 ? NFPROTO_IPV6 : NFPROTO_IPV4,
		.proto = IPPROTO_TCP,
		.src = src,
		.dst = dst,
		.sport = 40000,
		.dport = 443,
		.state = RS_NEW,
	};

	snprintf(p.iif, sizeof(p.iif), "%s", iif);
	snprintf(p.oif, sizeof(p.oif), "%s", oif);
	return p;
}

static struct rs_packet answer_to(const struct rs_packet *p)
{
	struct rs_packet a = *p;

	memcpy(a.iif, p->oif, IFNAMSIZ);
	memcpy(a.oif, p->iif, IFNAMSIZ);
	a.src = p->dst;
	a.dst = p->src;
	a.sport = p->dport;
	a.dport = p->sport;
	a.state = RS_ESTABLISHED;
	return a;
}

/* ---- a network's packets ------------------------------------------------------------------- */

static struct ipaddr outside(bool ip6)
{
	struct ipaddr a = {{0x20, 0x01, 0x0d, 0xb8, [15] = 7}};

	return ip6 ? a : ipaddr_from4(OUTSIDE4);
}

/* Some guest's address. */
static struct ipaddr guest(const struct network *n, bool ip6, uint8_t nr)
{
	struct ipaddr a = n->conf.subnet6.addr;

	a.b[15] = nr;
	return ip6 ? a : ipaddr_from4(n->conf.subnet.addr + nr);
}

/* Kernel datapath, nat. */
static void through_the_host(struct look *l, bool ip6)
{
	struct rs_packet p = packet(ip6, l->dev, l->uplink,
				    guest(l->n, ip6, 15), outside(ip6));
	struct rs_packet a = answer_to(&p), f;

	ask(l, &p, DOCTOR_ROUTED,
	    ip6 ? "guests' packets to the outside (IPv6)"
		: "guests' packets to the outside", routed);
	ask(l, &a, DOCTOR_ROUTED, "answers from the outside to guests", routed);
	if (list_empty(&l->n->fwds))
		return;
	f = packet(ip6, l->uplink, l->dev, outside(ip6), guest(l->n, ip6, 15));
	f.translated = true;
	ask(l, &f, DOCTOR_ROUTED, "forwarded connections to guests", routed);
}

/* User datapath, nat: the worker's own connections. */
static void from_the_host(struct look *l, bool ip6)
{
	struct ipaddr ip = ip6 ? hostaddr_ip6(l->ctl->host)
			       : ipaddr_from4(hostaddr_ip(l->ctl->host));
	struct rs_packet p = packet(ip6, "", l->uplink, ip, outside(ip6)), a;

	ask(l, &p, DOCTOR_OUTWARD, "this host's own connections, which guests' "
	    "go out as,", outward);
	a = answer_to(&p);
	a.to_host = true;
	ask(l, &a, DOCTOR_INWARD, "answers to this host's own connections",
	    inward);
}

/* A guest and the host in its network. */
static void to_the_host(struct look *l, bool ip6)
{
	struct ipaddr host = ip6 ? net_host_ip6(&l->n->conf)
				 : ipaddr_from4(l->n->conf.host_ip);
	struct rs_packet p, a;

	if (l->n->conf.mode == NET_NAT)
		host = ip6 ? net_service_ip6(&l->n->conf)
			   : ipaddr_from4(l->n->conf.service_ip);
	p = packet(ip6, l->dev, "", guest(l->n, ip6, 15), host);
	p.proto = ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	p.sport = p.dport = 0;
	p.to_host = true;
	a = answer_to(&p);
	a.to_host = false;
	ask(l, &p, DOCTOR_TO_HOST, "guests' pings to the host", inward);
	ask(l, &a, DOCTOR_FROM_HOST, "the host's answers to guests", outward);
}

static void to_a_forward(struct look *l, const struct forward *f)
{
	bool ip6 = !ipaddr_is4(&f->conf.address) &&
		   !ipaddr_is_zero(&f->conf.address);
	struct ipaddr host = ip6 ? hostaddr_ip6(l->ctl->host)
				 : ipaddr_from4(hostaddr_ip(l->ctl->host));
	struct rs_packet p;
	char what[80];

	if (!ipaddr_is_zero(&f->conf.address))
		host = f->conf.address;
	if (ipaddr_is4(&host) && ip4_is_loopback(ipaddr_get4(&host)))
		return;
	p = packet(ip6, l->uplink, "", outside(ip6), host);
	p.proto = (uint8_t)f->conf.proto;
	p.dport = f->conf.port;
	p.to_host = true;
	snprintf(what, sizeof(what), "packets to forwarded port %s:%u",
		 p.proto == IPPROTO_UDP ? "udp" : "tcp", p.dport);
	l->nseen = 0; /* each port has a command of its own */
	ask(l, &p, DOCTOR_SERVICE, what, inward);
}

/* Does the kernel put frames on bridges to the filters of this family? */
static bool bridges_filtered(bool ip6)
{
	FILE *f = fopen(ip6 ? "/proc/sys/net/bridge/bridge-nf-call-ip6tables"
			    : "/proc/sys/net/bridge/bridge-nf-call-iptables",
			"re");
	int on = f ? fgetc(f) : '0';

	if (f)
		fclose(f);
	return on == '1';
}

static void over_the_bridge(struct look *l, bool ip6)
{
	struct rs_packet p, a, d;

	if (!l->filtered[ip6])
		return;
	p = packet(ip6, l->dev, l->dev, guest(l->n, ip6, 15),
		   guest(l->n, ip6, 16));
	if (l->n->conf.mode == NET_BRIDGED)
		p.dst = outside(ip6);
	a = answer_to(&p);
	ask(l, &p, DOCTOR_BRIDGED, "frames within the network (br_netfilter)",
	    bridged);
	ask(l, &a, DOCTOR_BRIDGED, "frames within the network (br_netfilter)",
	    bridged);
	if (ip6)
		return;
	d = packet(false, l->dev, l->dev, ipaddr_from4(0),
		   ipaddr_from4(0xffffffff));
	d.proto = IPPROTO_UDP;
	d.sport = 68;
	d.dport = 67;
	ask(l, &d, DOCTOR_BRIDGED, "guests' DHCP requests (br_netfilter)",
	    bridged);
}

/* ---- a network ----------------------------------------------------------------------------------- */

static void look_family(struct look *l, bool ip6)
{
	const struct net_conf *c = &l->n->conf;
	bool kernel = c->datapath == DATAPATH_KERNEL;
	struct ipaddr ip = hostaddr_ip6(l->ctl->host);
	bool way_out = l->uplink[0] && (!ip6 || !ipaddr_is_zero(&ip));

	if (c->mode == NET_NAT && way_out) {
		if (kernel)
			through_the_host(l, ip6);
		else
			from_the_host(l, ip6);
	}
	if (c->mode == NET_HOSTONLY ||
	    (c->mode == NET_NAT && kernel && c->access != ACCESS_OFF))
		to_the_host(l, ip6);
	if (kernel || c->mode == NET_BRIDGED)
		over_the_bridge(l, ip6);
}

static void look_network(struct look *l, const struct place *at)
{
	l->n = at->n;
	l->dev = at->dev;
	l->index = at->index;
	l->nseen = 0;
	l->found = 0;
	look_family(l, false);
	if (l->n->conf.subnet6.plen)
		look_family(l, true);
	if (l->n->conf.datapath != DATAPATH_KERNEL && l->uplink[0])
		list_for_each(f, &l->n->fwds, struct forward, node)
			to_a_forward(l, f);
	if (!l->found)
		doctor_add(l->list, DOCTOR_OK, "filter", l->n->conf.name, NULL,
			   "no packet filter of others drops its traffic");
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* Whoever fills the file says when it is done. */
static int wait_for(int pipe, struct errtext *why)
{
	struct priv_said said;
	ssize_t n;

	while ((n = read(pipe, &said, sizeof(said))) < 0 && errno == EINTR)
		;
	if (n != sizeof(said))
		return errtext_set(why, -EPIPE, "reading them took too long");
	said.why.s[sizeof(said.why.s) - 1] = '\0';
	if (said.err)
		return errtext_set(why, said.err < 0 ? said.err : -EIO, "%s",
				   said.why.s);
	return 0;
}

static int read_rulesets(struct ruleset *rs, const int fd[2], struct errtext *why)
{
	int r = wait_for(fd[1], why);
	struct stat st;
	void *p;

	if (r)
		return r;
	if (fstat(fd[0], &st))
		r = -errno;
	if (!r && st.st_size) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd[0],
			 0);
		r = p == MAP_FAILED ? -errno : 0;
		if (!r) {
			r = ruleset_read(rs, p, (size_t)st.st_size);
			munmap(p, (size_t)st.st_size);
		}
	}
	return r ? errtext_set(why, r, "rulesets: %s", strerror(-r)) : 0;
}

/* Tables of the older iptables are no nftables: we do not see into them. */
static void legacy(json_t *list)
{
	static const char *const files[] = {"/proc/net/ip_tables_names",
					    "/proc/net/ip6_tables_names"};
	static const char *const cmds[] = {"iptables-legacy -S",
					   "ip6tables-legacy -S"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		FILE *f = fopen(files[i], "re");
		int c = f ? fgetc(f) : EOF;

		if (f)
			fclose(f);
		if (c != EOF)
			doctor_add(list, DOCTOR_UNKNOWN, "iptables-legacy", NULL,
				   cmds[i],
				   "there are rules of iptables-legacy, which "
				   "cannot be looked into; a FORWARD policy DROP "
				   "there stops kernel and bridged networks");
	}
}

/* ---- the host, as far as it is to be asked ------------------------------------------------------- */

char *doctor_device(const struct network *n, char out[IFNAMSIZ])
{
	const struct net_conf *c = &n->conf;
	char tap[IFNAMSIZ];

	out[0] = '\0';
	if (c->mode == NET_BRIDGED)
		knet_uplink_names(c->name, out, tap);
	else if (c->datapath == DATAPATH_KERNEL)
		knet_names(c->name, out, tap);
	else if (c->mode == NET_HOSTONLY)
		dev_name("vn-", c->name, -1, out);
	return out;
}

static int survey(struct look *l, const struct network *only)
{
	struct place *at;

	l->place = calloc(MODEL_NETS_MAX, sizeof(*l->place));
	if (!l->place)
		return -ENOMEM;
	if (l->ctl->host)
		snprintf(l->uplink, sizeof(l->uplink), "%s",
			 hostaddr_default_dev(l->ctl->host));
	l->uplink_index = l->uplink[0] ? if_nametoindex(l->uplink) : 0;
	l->filtered[0] = bridges_filtered(false);
	l->filtered[1] = bridges_filtered(true);
	list_for_each(n, &l->ctl->model.nets, struct network, node) {
		if ((only && n != only) || n->state != NET_RUNNING ||
		    l->nplaces == MODEL_NETS_MAX)
			continue;
		at = &l->place[l->nplaces++];
		at->n = n;
		at->index = doctor_device(n, at->dev)[0]
				    ? if_nametoindex(at->dev)
				    : 0;
	}
	return 0;
}

void doctor_filters(struct ctl *ctl, const struct network *only, const int fd[2],
		    bool seal, json_t *list)
{
	struct look *l = calloc(1, sizeof(*l));
	json_t *others = json_array();
	struct errtext why = {"no memory"};
	int r = l ? 0 : -ENOMEM;

	if (l) {
		ruleset_init(&l->rs);
		l->ctl = ctl;
		l->list = list;
		r = survey(l, only);
		legacy(others);
	}
	if (!r && seal)
		r = sandbox_seal(true, &why);
	if (!r)
		r = read_rulesets(&l->rs, fd, &why);
	if (r)
		doctor_add(list, DOCTOR_UNKNOWN, "filter", NULL, NULL,
			   "packet filters cannot be looked at: %s", why.s);
	for (size_t i = 0; !r && ctl->host && i < l->nplaces; i++)
		look_network(l, &l->place[i]);
	json_array_extend(list, others);
	json_decref(others);
	if (l) {
		ruleset_fini(&l->rs);
		free(l->place);
	}
	free(l);
}
