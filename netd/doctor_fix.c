// SPDX-License-Identifier: GPL-2.0-or-later
/* Commands that let packets through. See doctor.h. */
#include "netd/doctor.h"

#include <linux/netfilter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const char *proto_name(const struct rs_packet *p)
{
	return p->proto == IPPROTO_UDP ? "udp" : "tcp";
}

static bool same_table(const struct rs_chain *a, const struct rs_chain *b)
{
	return a->table.family == b->table.family &&
	       !strcmp(a->table.name, b->table.name);
}

/* Is there a chain in the table whose name begins so? */
static bool has_chain(const struct ruleset *rs, const struct rs_chain *base,
		      const char *prefix)
{
	list_for_each(c, &rs->chains, struct rs_chain, node)
		if (same_table(c, base) &&
		    !strncmp(c->name, prefix, strlen(prefix)))
			return true;
	return false;
}

/* Made by iptables over nftables: its chains are named so. */
static bool is_iptables(const struct rs_chain *base)
{
	static const char *const hooks[] = {"PREROUTING", "INPUT", "FORWARD",
					    "OUTPUT", "POSTROUTING"};

	if (base->table.family != NFPROTO_IPV4 &&
	    base->table.family != NFPROTO_IPV6)
		return false;
	return base->hook < ARRAY_LEN(hooks) &&
	       !strcmp(base->name, hooks[base->hook]);
}

/* ---- each its own words --------------------------------------------------------------- */

static void ufw(enum doctor_way way, const char *dev, const struct rs_packet *p,
		char *out)
{
	switch (way) {
	case DOCTOR_ROUTED:
	case DOCTOR_BRIDGED:
		snprintf(out, DOCTOR_COMMAND,
			 "ufw route allow in on %s && ufw route allow out on %s",
			 dev, dev);
		break;
	case DOCTOR_SERVICE:
		snprintf(out, DOCTOR_COMMAND, "ufw allow %u/%s", p->dport,
			 proto_name(p));
		break;
	case DOCTOR_TO_HOST:
		snprintf(out, DOCTOR_COMMAND, "ufw allow in on %s", dev);
		break;
	case DOCTOR_FROM_HOST:
		snprintf(out, DOCTOR_COMMAND, "ufw allow out on %s", dev);
		break;
	case DOCTOR_OUTWARD:
	case DOCTOR_INWARD:
		snprintf(out, DOCTOR_COMMAND, "ufw default allow outgoing");
		break;
	}
}

static void firewalld(enum doctor_way way, const char *dev,
		      const struct rs_packet *p, char *out)
{
	if (way == DOCTOR_SERVICE)
		snprintf(out, DOCTOR_COMMAND, "firewall-cmd --add-port=%u/%s",
			 p->dport, proto_name(p));
	else if (dev[0])
		snprintf(out, DOCTOR_COMMAND,
			 "firewall-cmd --zone=trusted --add-interface=%s", dev);
}

static void iptables(const struct rs_chain *base, const char *chain,
		     enum doctor_way way, const char *dev,
		     const struct rs_packet *p, char *out)
{
	char start[96];

	snprintf(start, sizeof(start), "%s%s%.32s -I %.32s",
		 base->table.family == NFPROTO_IPV6 ? "ip6tables" : "iptables",
		 strcmp(base->table.name, "filter") != 0 ? " -t " : "",
		 strcmp(base->table.name, "filter") != 0 ? base->table.name : "",
		 chain);
	switch (way) {
	case DOCTOR_ROUTED:
	case DOCTOR_BRIDGED:
		snprintf(out, DOCTOR_COMMAND,
			 "%s -i %s -j ACCEPT && %s -o %s -j ACCEPT", start, dev,
			 start, dev);
		break;
	case DOCTOR_SERVICE:
		snprintf(out, DOCTOR_COMMAND, "%s -p %s --dport %u -j ACCEPT",
			 start, proto_name(p), p->dport);
		break;
	case DOCTOR_TO_HOST:
		snprintf(out, DOCTOR_COMMAND, "%s -i %s -j ACCEPT", start, dev);
		break;
	case DOCTOR_FROM_HOST:
		snprintf(out, DOCTOR_COMMAND, "%s -o %s -j ACCEPT", start, dev);
		break;
	case DOCTOR_OUTWARD:
		snprintf(out, DOCTOR_COMMAND, "%s -p %s --dport %u -j ACCEPT",
			 start, proto_name(p), p->dport);
		break;
	case DOCTOR_INWARD:
		snprintf(out, DOCTOR_COMMAND,
			 "%s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
			 start);
		break;
	}
}

static void nft(const struct rs_chain *base, enum doctor_way way,
		const char *dev, const struct rs_packet *p, char *out)
{
	char rule[160];

	snprintf(rule, sizeof(rule), "insert rule %s %s %s",
		 ruleset_family_name(base->table.family), base->table.name,
		 base->name);
	switch (way) {
	case DOCTOR_ROUTED:
	case DOCTOR_BRIDGED:
		snprintf(out, DOCTOR_COMMAND,
			 "nft '%s iifname \"%s\" accept; %s oifname \"%s\" "
			 "accept'", rule, dev, rule, dev);
		break;
	case DOCTOR_SERVICE:
	case DOCTOR_OUTWARD:
		snprintf(out, DOCTOR_COMMAND, "nft '%s %s dport %u accept'",
			 rule, proto_name(p), p->dport);
		break;
	case DOCTOR_TO_HOST:
		snprintf(out, DOCTOR_COMMAND, "nft '%s iifname \"%s\" accept'",
			 rule, dev);
		break;
	case DOCTOR_FROM_HOST:
		snprintf(out, DOCTOR_COMMAND, "nft '%s oifname \"%s\" accept'",
			 rule, dev);
		break;
	case DOCTOR_INWARD:
		snprintf(out, DOCTOR_COMMAND,
			 "nft '%s ct state established,related accept'", rule);
		break;
	}
}

/* Names of tables and chains go into a command that is to be pasted. */
static bool plain(const char *s)
{
	return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")];
}

char *doctor_fix(const struct ruleset *rs, const struct rs_finding *f,
		 enum doctor_way way, const char *bridge,
		 const struct rs_packet *p, char out[DOCTOR_COMMAND])
{
	const struct rs_chain *base = f->base;
	const char *chain;

	out[0] = '\0';
	if (!base || !plain(base->name) || !plain(base->table.name))
		return out;
	if (!strcmp(base->table.name, "firewalld")) {
		firewalld(way, bridge, p, out);
	} else if (is_iptables(base) && has_chain(rs, base, "ufw-")) {
		ufw(way, bridge, p, out);
	} else if (is_iptables(base)) {
		/* Docker leaves this chain to others, and calls it first. */
		chain = base->hook == NF_INET_FORWARD &&
					has_chain(rs, base, "DOCKER-USER")
				? "DOCKER-USER"
				: base->name;
		iptables(base, chain, way, bridge, p, out);
	} else {
		nft(base, way, bridge, p, out);
	}
	return out;
}
