// SPDX-License-Identifier: GPL-2.0-or-later
/* See guardconf.h. */
#include "netd/guardconf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/jx.h"

static const char *const levels[] = {
	[PIN_OFF] = "off",
	[PIN_MAC] = "mac",
	[PIN_IP] = "ip",
};

const char *guardconf_level_name(int level)
{
	return level < 0 ? "network" : levels[level];
}

int guardconf_level_parse(const char *s, bool nic, int *out)
{
	for (int i = nic ? -1 : 0; i <= PIN_IP; i++) {
		if (strcmp(s, guardconf_level_name(i)))
			continue;
		*out = i;
		return 0;
	}
	return -EINVAL;
}

void guardconf_inherit(struct guard_conf *c)
{
	*c = (struct guard_conf){.level = -1, .isolated = -1, .storm = -1};
}

/* ---- addresses ---------------------------------------------------------------- */

static int parse_one(const char *s, struct pin_net *out, struct errtext *why)
{
	struct ip4_net n4;
	struct ip6_net n6;

	*out = (struct pin_net){.plen = 0};
	if (!strchr(s, '/') && !ipaddr_parse(s, &out->addr)) {
		out->plen = 128;
	} else if (!ip4_net_parse(s, &n4, NULL)) {
		out->addr = ipaddr_from4(n4.addr);
		out->plen = (uint8_t)(96 + n4.plen);
	} else if (!ip6_net_parse(s, &n6, NULL)) {
		out->addr = n6.addr;
		out->plen = n6.plen;
	} else {
		return errtext_set(why, -EINVAL,
				   "\"%.50s\" is no address and no prefix "
				   "without host bits, like 10.0.2.50, "
				   "10.5.0.0/16, fd00::7 or 2001:db8:1::/64",
				   s);
	}
	if (ipaddr_is_multicast(&out->addr) || ipaddr_is_loopback(&out->addr) ||
	    (out->plen == 128 && ipaddr_is_any(&out->addr)))
		return errtext_set(why, -EINVAL,
				   "%.50s is no address that a guest can have",
				   s);
	return 0;
}

int guardconf_ips(const char *ips, struct pin_net out[GUARDCONF_IPS],
		  struct errtext *why)
{
	char one[IP6_NET_TEXT];
	int n = 0, r;

	while (*ips) {
		size_t len = strcspn(ips, ",");

		if (n == GUARDCONF_IPS)
			return errtext_set(why, -EINVAL,
					   "a NIC has at most %d addresses and "
					   "prefixes of its own",
					   GUARDCONF_IPS);
		snprintf(one, sizeof(one), "%.*s", (int)min_sz(len, 60), ips);
		r = len < sizeof(one) ? parse_one(one, &out[n], why)
				      : errtext_set(why, -EINVAL,
						    "\"%.50s\" is no address",
						    ips);
		if (r)
			return -EINVAL;
		n++;
		ips += len;
		if (*ips && !*++ips)
			return errtext_set(why, -EINVAL,
					   "an address is missing behind the "
					   "last comma");
	}
	return n;
}

static const char *format_one(const struct pin_net *n, char buf[IP6_NET_TEXT])
{
	struct ip6_net n6 = {n->addr, n->plen};
	struct ip4_net n4;

	if (n->plen == 128)
		return ipaddr_format(&n->addr, buf);
	if (!ipaddr_is4(&n->addr))
		return ip6_net_format(&n6, buf);
	n4 = (struct ip4_net){ipaddr_get4(&n->addr), (uint8_t)(n->plen - 96)};
	return ip4_net_format(&n4, buf);
}

/* In its one form. */
static int read_ips(const char *s, struct guard_conf *c, struct errtext *why)
{
	struct pin_net net[GUARDCONF_IPS] = {{.plen = 0}};
	char one[IP6_NET_TEXT];
	int n = strcmp(s, "none") ? guardconf_ips(s, net, why) : 0;
	size_t at = 0;

	if (n < 0)
		return n;
	c->ips[0] = '\0';
	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(c->ips + at, sizeof(c->ips) - at, "%s%s",
				       i ? "," : "", format_one(&net[i], one));
	return 0;
}

/* ---- requests ------------------------------------------------------------------- */

static int read_nic(json_t *params, struct guard_conf *c, struct errtext *why)
{
	const char *isolated = NULL, *ips = NULL;
	int64_t in = c->rate_in, out = c->rate_out;
	int r;

	if ((r = jx_str(params, "isolated", &isolated, why)) ||
	    (r = jx_str(params, "guard_ips", &ips, why)) ||
	    (r = jx_int(params, "rate_in", 0, GUARDCONF_RATE_MAX, &in, why)) ||
	    (r = jx_int(params, "rate_out", 0, GUARDCONF_RATE_MAX, &out, why)))
		return r;
	if (isolated)
		c->isolated = !strcmp(isolated, "on")	 ? 1
			      : !strcmp(isolated, "off") ? 0
							 : -1;
	c->rate_in = (uint32_t)in;
	c->rate_out = (uint32_t)out;
	return ips ? read_ips(ips, c, why) : 0;
}

int guardconf_read(json_t *params, bool nic, struct guard_conf *c,
		   struct errtext *why)
{
	struct guard_conf n = *c;
	const char *level = NULL;
	bool isolated = n.isolated > 0;
	int r;

	if ((r = jx_str(params, "guard", &level, why)) ||
	    (r = jx_int(params, "storm", nic ? -1 : 0, GUARDCONF_STORM_MAX,
			&n.storm, why)))
		return r;
	if (level && guardconf_level_parse(level, nic, &n.level))
		return errtext_set(why, -EINVAL, "guard is off, mac or ip");
	r = nic ? read_nic(params, &n, why)
		: jx_bool(params, "isolated", &isolated, why);
	if (r)
		return r;
	if (!nic)
		n.isolated = isolated;
	*c = n;
	return 0;
}

bool guardconf_eq(const struct guard_conf *a, const struct guard_conf *b)
{
	return a->level == b->level && a->isolated == b->isolated &&
	       a->storm == b->storm && a->rate_in == b->rate_in &&
	       a->rate_out == b->rate_out && !strcmp(a->ips, b->ips);
}

/* ---- what holds ------------------------------------------------------------------ */

struct guard_conf guardconf_of(const struct guard_conf *c,
			       const struct guard_conf *def)
{
	struct guard_conf n = *c;

	if (n.level < 0)
		n.level = def->level;
	if (n.isolated < 0)
		n.isolated = def->isolated;
	if (n.storm < 0)
		n.storm = def->storm;
	return n;
}

int guardconf_check_net(const struct net_conf *net, struct errtext *why)
{
	const struct guard_conf *c = &net->guard;

	if (c->level < PIN_OFF || c->level > PIN_IP || c->isolated < 0 ||
	    c->isolated > 1 || c->storm < 0 || c->storm > GUARDCONF_STORM_MAX ||
	    c->ips[0] || c->rate_in || c->rate_out)
		return errtext_set(why, -EINVAL,
				   "a guard that a network cannot have");
	return 0;
}

/* The network's own stay its own, whoever was promised them. */
static int check_ips(const struct guard_conf *c, const struct net_conf *net,
		     struct errtext *why)
{
	const struct ipaddr own[] = {
		ipaddr_from4(net->host_ip), ipaddr_from4(net->service_ip),
		ipaddr_from4(net->dns_ip),  net_host_ip6(net),
		net_service_ip6(net),	    net_dns_ip6(net),
	};
	struct pin_net ip[GUARDCONF_IPS] = {{.plen = 0}};
	int n = guardconf_ips(c->ips, ip, why);
	char s[IP_TEXT];

	for (int i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_LEN(own); k++)
			if (ip[i].plen == 128 && ipaddr_eq(&ip[i].addr, &own[k]))
				return errtext_set(
					why, -EINVAL,
					"%s is network %s's own address",
					ipaddr_format(&own[k], s), net->name);
	return n < 0 ? n : 0;
}

int guardconf_check(const struct guard_conf *c, const struct net_conf *net,
		    struct errtext *why)
{
	struct guard_conf e = guardconf_of(c, &net->guard);

	if (e.level == PIN_IP && !e.ips[0] && !net->dhcp_first)
		return errtext_set(why, -EINVAL,
				   "guard ip: network %s gives no addresses, so "
				   "say which ones are the NIC's (--ip)",
				   net->name);
	return check_ips(c, net, why);
}

int guardconf_weaker(const struct guard_conf *c, const struct net_conf *net,
		     struct errtext *why)
{
	const struct guard_conf *def = &net->guard;
	struct guard_conf e = guardconf_of(c, def);

	if (e.level < def->level)
		return errtext_set(why, -EPERM,
				   "network %s guards its NICs (%s); only root "
				   "lets one do more",
				   net->name, guardconf_level_name(def->level));
	if (def->level == PIN_IP && e.ips[0])
		return errtext_set(why, -EPERM,
				   "network %s guards its NICs (ip); only root "
				   "gives one more addresses",
				   net->name);
	if (e.isolated < def->isolated)
		return errtext_set(why, -EPERM,
				   "network %s isolates its NICs; only root lets "
				   "one reach others",
				   net->name);
	if (def->storm && (!e.storm || e.storm > def->storm))
		return errtext_set(why, -EPERM,
				   "network %s lets a NIC send %lld broadcasts "
				   "a second; only root gives one more",
				   net->name, (long long)def->storm);
	return 0;
}

static json_t *ip_list(const char *ips)
{
	json_t *a = json_array();

	while (*ips) {
		size_t len = strcspn(ips, ",");

		json_array_append_new(a, json_stringn(ips, len));
		ips += len + (ips[len] == ',');
	}
	return a;
}

json_t *guardconf_wire(const struct guard_conf *c, const struct net_conf *net)
{
	struct guard_conf e = guardconf_of(c, &net->guard);

	return json_pack("{s:s,s:b,s:I,s:I,s:I,s:s}", "level",
			 guardconf_level_name(e.level), "isolated",
			 e.isolated, "storm", (json_int_t)e.storm, "rate_in",
			 (json_int_t)e.rate_in, "rate_out",
			 (json_int_t)e.rate_out, "ips", e.ips);
}

json_t *guardconf_show(const struct guard_conf *c, const struct net_conf *net)
{
	json_t *o = guardconf_wire(c, net), *own = json_array();

	json_object_set_new(o, "ips", ip_list(c->ips));
	if (c->level >= 0)
		json_array_append_new(own, json_string("level"));
	if (c->isolated >= 0)
		json_array_append_new(own, json_string("isolated"));
	if (c->storm >= 0)
		json_array_append_new(own, json_string("storm"));
	json_object_set_new(o, "own", own);
	return o;
}
