// SPDX-License-Identifier: GPL-2.0-or-later
/* What the helper accepts. Pure; see priv_int.h. Everything that is not said to be
 * right here is refused. */
#include "netd/priv_int.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MTU_MIN 68 /* RFC 791 */

static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* Length of a terminated, non-empty string of plain characters; 0 = it is not. */
static size_t word(const char *s, size_t cap)
{
	size_t n = strnlen(s, cap);

	if (n == cap)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (!plain(s[i]))
			return 0;
	return n;
}

static bool is_dots(const char *s)
{
	return !strcmp(s, ".") || !strcmp(s, "..");
}

/* A byte from outside that claims to be a bool; others must not be read as one. */
static bool is_bool(const bool *b)
{
	unsigned char raw;

	memcpy(&raw, b, 1);
	return raw <= 1;
}

int priv_judge_name(const char *name, size_t cap, struct errtext *why)
{
	if (word(name, cap) > 3 && !strncmp(name, "vn-", 3))
		return 0;
	return errtext_set(why, -EPERM,
			   "device names of ours begin with \"vn-\"");
}

int priv_judge_worker(const struct priv_req_worker *r, struct errtext *why)
{
	if (is_bool(&r->isolated) && word(r->network, sizeof(r->network)) &&
	    r->network[0] != '-')
		return 0;
	return errtext_set(why, -EINVAL, "not a network's name");
}

/* DIR and one name behind it. */
static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (strncmp(path, dir, n))
		return false;
	path += n;
	return word(path, 256) && !is_dots(path);
}

static bool proc_ns(const char *path)
{
	static const char dir[] = "/proc/";
	const char *p = path + sizeof(dir) - 1;

	if (strncmp(path, dir, sizeof(dir) - 1) || *p < '1' || *p > '9')
		return false;
	while (*p >= '0' && *p <= '9')
		p++;
	return !strcmp(p, "/ns/net");
}

static int judge_netns(const char *path, size_t cap, struct errtext *why)
{
	if (strnlen(path, cap) == cap)
		return errtext_set(why, -EINVAL, "namespace path too long");
	if (below(path, "/run/netns/") || below(path, "/var/run/netns/") ||
	    proc_ns(path))
		return 0;
	return errtext_set(why, -EPERM,
			   "a network namespace is one in /run/netns or "
			   "/proc/PID/ns/net");
}

static int judge_ip4(uint32_t ip, uint8_t plen, struct errtext *why)
{
	if (!ip)
		return 0;
	if (plen < 1 || plen > 32 || ip4_is_loopback(ip) || ip >> 24 == 0 ||
	    ip >> 28 >= 0xe)
		return errtext_set(why, -EINVAL,
				   "not an address for an interface");
	return 0;
}

/* A host's own, unique local or global, in a /64 of its own. */
static int judge_ip6(const struct ipaddr *ip, uint8_t plen, struct errtext *why)
{
	bool local = (ip->b[0] & 0xfe) == 0xfc, global = (ip->b[0] & 0xe0) == 0x20;

	if (ipaddr_is_zero(ip))
		return 0;
	if (plen != 64 || (!local && !global))
		return errtext_set(why, -EINVAL,
				   "not an IPv6 address for an interface");
	return 0;
}

int priv_judge_tap(const struct priv_tap *t, struct errtext *why)
{
	int r;

	if (!is_bool(&t->runner))
		return errtext_set(why, -EINVAL, "malformed request");
	if (t->netns[0]) {
		r = judge_netns(t->netns, sizeof(t->netns), why);
		if (r)
			return r;
		if (!word(t->name, sizeof(t->name)) || is_dots(t->name))
			return errtext_set(why, -EINVAL,
					   "not an interface's name");
	} else {
		r = priv_judge_name(t->name, sizeof(t->name), why);
		if (r)
			return r;
	}
	if (mac_is_group(&t->mac))
		return errtext_set(why, -EINVAL, "a group address is no MAC");
	if (t->mtu && t->mtu < MTU_MIN)
		return errtext_set(why, -EINVAL, "mtu %u is below %u", t->mtu,
				   MTU_MIN);
	r = judge_ip4(t->ip4, t->plen, why);
	return r ? r : judge_ip6(&t->ip6, t->plen6, why);
}

static int judge_uplink(const char *name, size_t cap, struct errtext *why)
{
	if (!word(name, cap) || is_dots(name))
		return errtext_set(why, -EINVAL, "not an interface's name");
	if (!strncmp(name, "vn-", 3) || !strcmp(name, "lo"))
		return errtext_set(why, -EPERM, "%s cannot be an uplink", name);
	return 0;
}

int priv_judge_tapin(const struct priv_req_tapin *t, struct errtext *why)
{
	int r = priv_judge_name(t->tap, sizeof(t->tap), why);

	return r ? r : judge_uplink(t->uplink, sizeof(t->uplink), why);
}

/* The names are those of the network's own, or its TAPs could be put elsewhere. */
static int judge_network_of(const struct priv_uplink *u, struct errtext *why)
{
	char bridge[IFNAMSIZ], tap[IFNAMSIZ];
	struct priv_req_network n;
	int r;

	static_assert(sizeof(n.network) == sizeof(u->network), "one size");
	memcpy(n.network, u->network, sizeof(n.network));
	r = priv_judge_network(&n, why);
	if (r)
		return r;
	knet_uplink_names(u->network, bridge, tap);
	if (strcmp(bridge, u->bridge) != 0 || strcmp(tap, u->tap) != 0)
		return errtext_set(why, -EPERM,
				   "%s and %s are not that network's",
				   u->bridge, u->tap);
	return 0;
}

int priv_judge_kept(const struct priv_uplink *u, struct errtext *why)
{
	int r = priv_judge_uplink(u, why);

	return r || u->network[0] ? r : errtext_set(why, -EINVAL,
						    "malformed request");
}

int priv_judge_uplink(const struct priv_uplink *u, struct errtext *why)
{
	int r;

	if ((r = priv_judge_name(u->bridge, sizeof(u->bridge), why)) ||
	    (r = priv_judge_name(u->tap, sizeof(u->tap), why)))
		return r;
	if (!strcmp(u->bridge, u->tap))
		return errtext_set(why, -EINVAL,
				   "bridge and TAP have the same name");
	r = judge_uplink(u->uplink, sizeof(u->uplink), why);
	if (r)
		return r;
	if (u->mtu && u->mtu < MTU_MIN)
		return errtext_set(why, -EINVAL, "mtu %u is below %u", u->mtu,
				   MTU_MIN);
	return u->network[0] ? judge_network_of(u, why) : 0;
}

int priv_judge_icmp(const struct priv_req_icmp *r, struct errtext *why)
{
	if (is_bool(&r->ip6))
		return 0;
	return errtext_set(why, -EINVAL, "malformed request");
}

/* A path must end where its length says; an abstract name may hold any byte. */
static bool way_address(const struct priv_way *w)
{
	if (!w->len || w->len > sizeof(w->path))
		return false;
	return !w->path[0] || strnlen(w->path, w->len) == w->len;
}

static bool is_peer_folder(const char *folder, const char *run_dir)
{
	static const char suffix[] = ".peer";
	size_t n = strlen(run_dir);
	const char *name;

	if (strncmp(folder, run_dir, n) || strncmp(folder + n, "/nic/", 5))
		return false;
	name = folder + n + 5;
	n = word(name, 108);
	return n >= sizeof(suffix) &&
	       !strcmp(name + n - sizeof(suffix) + 1, suffix);
}

bool priv_way_in_folder(const struct priv_way *w)
{
	size_t n = strlen(w->folder);
	char name[sizeof(w->path) + 1];

	if (!n || !w->path[0] || w->len < n + 2 ||
	    memcmp(w->path, w->folder, n) || w->path[n] != '/')
		return false;
	memcpy(name, w->path + n + 1, w->len - n - 1);
	name[w->len - n - 1] = '\0';
	return word(name, sizeof(name)) && !is_dots(name);
}

int priv_judge_way(const struct priv_way *w, const char *run_dir,
		   struct errtext *why)
{
	if (!way_address(w))
		return errtext_set(why, -EINVAL, "not a socket's address");
	if (strnlen(w->folder, sizeof(w->folder)) == sizeof(w->folder) ||
	    (w->folder[0] && !is_peer_folder(w->folder, run_dir)))
		return errtext_set(why, -EPERM, "not a NIC's folder");
	return 0;
}

int priv_judge_connect(const struct priv_connect *c, struct errtext *why)
{
	if (c->path[0] == '/' &&
	    strnlen(c->path, sizeof(c->path)) < sizeof(c->path))
		return 0;
	return errtext_set(why, -EINVAL, "not a socket's path");
}

int priv_judge_port(const struct priv_req_port *p, struct errtext *why)
{
	if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP)
		return errtext_set(why, -EINVAL, "neither TCP nor UDP");
	if (!p->port)
		return errtext_set(why, -EINVAL, "port 0");
	if (!is_bool(&p->share) || !memchr(p->dev, 0, sizeof(p->dev)))
		return errtext_set(why, -EINVAL, "malformed request");
	return 0;
}

int priv_judge_knet(const struct priv_req_knet *r, struct errtext *why)
{
	if (!is_bool(&r->dry) || !is_bool(&r->k.host))
		return errtext_set(why, -EINVAL, "malformed request");
	return knet_judge(&r->k, why);
}

int priv_judge_kguard(const struct priv_req_kguard *r, struct errtext *why)
{
	if (r->what < KGUARD_SYNC || r->what > KGUARD_DROP)
		return errtext_set(why, -EINVAL, "malformed request");
	return 0;
}

int priv_judge_network(const struct priv_req_network *r, struct errtext *why)
{
	struct priv_req_worker q = {.isolated = false};

	static_assert(sizeof(q.network) == sizeof(r->network), "one size");
	memcpy(q.network, r->network, sizeof(q.network));
	return priv_judge_worker(&q, why);
}

int priv_judge_kport(const struct priv_kport *t, struct errtext *why)
{
	struct priv_req_network n;
	int r;

	static_assert(sizeof(n.network) == sizeof(t->network), "one size");
	memcpy(n.network, t->network, sizeof(n.network));
	if (!is_bool(&t->nic) || !is_bool(&t->up) || !is_bool(&t->uplink) ||
	    t->queues > 8)
		return errtext_set(why, -EINVAL, "malformed request");
	if (t->mtu < MTU_MIN)
		return errtext_set(why, -EINVAL, "mtu %u is below %u", t->mtu,
				   MTU_MIN);
	r = priv_judge_network(&n, why);
	return r ? r : priv_judge_name(t->name, sizeof(t->name), why);
}

int priv_judge_tap_fd(const struct priv_tap_fd *t, struct errtext *why)
{
	if (!is_bool(&t->multi) || !is_bool(&t->plain) || !is_bool(&t->once))
		return errtext_set(why, -EINVAL, "malformed request");
	return priv_judge_name(t->name, sizeof(t->name), why);
}
