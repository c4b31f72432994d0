// SPDX-License-Identifier: GPL-2.0-or-later
/* A planned table in the words of nft(8). See nftplan.h. */
#include "nat/nftplan.h"

#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_bridge.h>
#include <stdio.h>
#include <stdlib.h>

static void put_dev(FILE *f, const char *what, const struct nft_match *m)
{
	fprintf(f, "%s %s\"%s\"", what, m->neg ? "!= " : "", m->dev);
}

static void put_addr(FILE *f, const char *what, const struct nft_match *m)
{
	bool v4 = ipaddr_is4(&m->ip);
	char ip[IP_TEXT];

	fprintf(f, "%s %s %s%s", v4 ? "ip" : "ip6", what, m->neg ? "!= " : "",
		ipaddr_format(&m->ip, ip));
	if (m->plen != (v4 ? 32 : 128))
		fprintf(f, "/%u", m->plen);
}

static void put_state(FILE *f, uint32_t mask)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} t[] = {{NFT_CT_INVALID, "invalid"},
		 {NFT_CT_ESTABLISHED, "established"},
		 {NFT_CT_RELATED, "related"},
		 {NFT_CT_NEW, "new"}};
	const char *comma = "ct state ";

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (!(mask & t[i].bit))
			continue;
		fprintf(f, "%s%s", comma, t[i].name);
		comma = ",";
	}
}

static void put_l4(FILE *f, const struct nft_match *m)
{
	fprintf(f, "meta l4proto %s", m->neg ? "!= " : "");
	switch (m->proto) {
	case IPPROTO_ICMP:
		fputs("icmp", f);
		break;
	case IPPROTO_TCP:
		fputs("tcp", f);
		break;
	case IPPROTO_UDP:
		fputs("udp", f);
		break;
	case IPPROTO_ICMPV6:
		fputs("ipv6-icmp", f);
		break;
	default:
		fprintf(f, "%d", m->proto);
	}
}

static void put_type(FILE *f, const char *what, int type)
{
	static const struct {
		int type;
		const char *name;
	} t[] = {{ETH_P_IP, "ip"},	 {ETH_P_IPV6, "ip6"},
		 {ETH_P_ARP, "arp"},	 {ETH_P_8021Q, "8021q"},
		 {ETH_P_8021AD, "8021ad"}};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (t[i].type != type)
			continue;
		fprintf(f, "%s %s", what, t[i].name);
		return;
	}
	fprintf(f, "%s 0x%04x", what, (unsigned int)type);
}

static void put_field(FILE *f, const struct nft_match *m)
{
	const struct nft_field_info *i = nft_field_info(m->field);
	char ip[IP_TEXT];

	fprintf(f, "%s ", i->name);
	if (i->form == NFT_DEC) {
		fprintf(f, "%" PRIu64, m->value);
	} else if (i->form == NFT_IP) {
		fputs(ipaddr_format(&m->ip, ip), f);
	} else if (i->len <= 8) {
		fprintf(f, "0x%" PRIx64, m->value);
	} else {
		fputs("0x", f);
		for (unsigned int b = 0; b < i->len; b++)
			fprintf(f, "%02x", m->ip.b[b]);
	}
}

static void put_match(FILE *f, const struct nft_plan *p,
		      const struct nft_match *m)
{
	switch (m->kind) {
	case NFT_IIF:
		put_dev(f, "iifname", m);
		break;
	case NFT_OIF:
		put_dev(f, "oifname", m);
		break;
	case NFT_FAMILY:
		fprintf(f, "meta nfproto %s",
			m->proto == AF_INET ? "ipv4" : "ipv6");
		break;
	case NFT_SADDR:
		put_addr(f, "saddr", m);
		break;
	case NFT_DADDR:
		put_addr(f, "daddr", m);
		break;
	case NFT_L4PROTO:
		put_l4(f, m);
		break;
	case NFT_STATE:
		put_state(f, m->mask);
		break;
	case NFT_TRANSLATED:
		fputs("ct status dnat", f);
		break;
	case NFT_TO_HOST:
		fputs("fib daddr type local", f);
		break;
	case NFT_TYPE:
		put_type(f, "meta protocol", m->proto);
		break;
	case NFT_VLAN:
		put_type(f, "ether type", m->proto);
		fputs(" vlan id != 0", f);
		break;
	case NFT_FRAGMENT:
		fputs("exthdr frag exists", f);
		break;
	case NFT_FIELD:
		put_field(f, m);
		break;
	case NFT_IN_SET:
		fprintf(f, "iifname @%s", p->set[m->set].name);
		break;
	case NFT_PORTS:
		fprintf(f, "meta l4proto %s ct original proto-dst %u",
			m->allow.proto == NAT_TCP ? "tcp" : "udp",
			m->allow.first);
		if (m->allow.last != m->allow.first)
			fprintf(f, "-%u", m->allow.last);
		break;
	}
	fputc(' ', f);
}

static void put_rule(FILE *f, const struct nft_plan *p, const struct nft_rule *r)
{
	const char *ip = nft_map_is6(r->map) ? "ip6" : "ip";

	fputs("\t\t", f);
	for (unsigned int i = 0; i < r->n; i++)
		put_match(f, p, &r->m[i]);
	switch (r->verdict) {
	case NFT_V_ACCEPT:
		fputs("accept", f);
		break;
	case NFT_V_DROP:
		fputs("drop", f);
		break;
	case NFT_V_RESET:
		fputs("reject with tcp reset", f);
		break;
	case NFT_V_PROHIBIT:
		fputs("reject with icmpx admin-prohibited", f);
		break;
	case NFT_V_MASQUERADE:
		fputs("masquerade", f);
		break;
	case NFT_V_DNAT:
		fprintf(f, "dnat %s to ", ip);
		if (nft_map_is_at(r->map))
			fprintf(f, "%s daddr . ", ip);
		fprintf(f, "meta l4proto . th dport map @%s",
			nft_map_name(r->map));
		break;
	case NFT_V_DNAT_LOOPBACK:
		fputs("dnat ip to 127.0.0.1", f);
		break;
	case NFT_V_SNAT_LOOPBACK:
		fputs("snat ip to 127.0.0.1", f);
		break;
	case NFT_V_RETURN:
		fputs("return", f);
		break;
	case NFT_V_JUMP:
	case NFT_V_GOTO:
		fprintf(f, "%s %s", r->verdict == NFT_V_JUMP ? "jump" : "goto",
			p->chain[r->to].name);
		break;
	case NFT_V_LOG:
		fprintf(f, "log prefix \"%s %s\" group %d", p->table,
			p->chain[r->chain].name, NFT_LOG_GROUP);
		break;
	}
	fputc('\n', f);
}

static const char *hook_name(const struct nft_plan *p, unsigned int hook)
{
	static const char *const frames[] = {
		[NF_BR_PRE_ROUTING] = "prerouting",
		[NF_BR_FORWARD] = "forward",
		[NF_BR_POST_ROUTING] = "postrouting",
	};
	static const char *const packets[] = {
		[NF_INET_PRE_ROUTING] = "prerouting",
		[NF_INET_LOCAL_IN] = "input",
		[NF_INET_FORWARD] = "forward",
		[NF_INET_LOCAL_OUT] = "output",
		[NF_INET_POST_ROUTING] = "postrouting",
	};

	return p->family == NFPROTO_BRIDGE ? frames[hook] : packets[hook];
}

static void put_set(FILE *f, const struct nft_plan *p, const struct nft_set *s)
{
	const char *comma = "\t\telements = { ";

	fprintf(f, "\tset %s {\n\t\ttype ifname\n", s->name);
	if (s->tells)
		fputs("\t\tcounter limit rate 1/minute burst 1 packets\n", f);
	for (size_t i = 0; i < s->n; i++) {
		fprintf(f, "%s\"%.*s\"", comma, IFNAMSIZ,
			(const char *)p->elem[s->first + i].key);
		comma = ",\n\t\t\t     ";
	}
	fputs(s->n ? " }\n\t}\n" : "\t}\n", f);
}

static void put_chain(FILE *f, const struct nft_plan *p, unsigned int c)
{
	fprintf(f, "\tchain %s {\n", p->chain[c].name);
	if (p->chain[c].type)
		fprintf(f, "\t\ttype %s hook %s priority %d; policy accept;\n",
			p->chain[c].type, hook_name(p, p->chain[c].hook),
			p->chain[c].priority);
	for (unsigned int i = 0; i < p->nrule; i++)
		if (p->rule[i].chain == c)
			put_rule(f, p, &p->rule[i]);
	fputs("\t}\n", f);
}

static void put_element(FILE *f, const struct nft_forward *w, const char *comma)
{
	char ip[IP_TEXT];

	fputs(comma, f);
	if (!ipaddr_is_any(&w->at))
		fprintf(f, "%s . ", ipaddr_format(&w->at, ip));
	fprintf(f, "%s . %u : ", w->proto == IPPROTO_TCP ? "tcp" : "udp",
		w->port);
	fprintf(f, "%s . %u", ipaddr_format(&w->to, ip), w->to_port);
}

static void put_map(FILE *f, const struct nft_plan *p, enum nft_map m)
{
	const char *addr = nft_map_is6(m) ? "ipv6_addr" : "ipv4_addr";
	const char *comma = "";

	if (!p->in_map[m])
		return;
	fprintf(f, "\tmap %s {\n\t\ttype ", nft_map_name(m));
	if (nft_map_is_at(m))
		fprintf(f, "%s . ", addr);
	fprintf(f, "inet_proto . inet_service : %s . inet_service\n"
		   "\t\telements = { ", addr);
	for (size_t i = 0; i < p->nfwd; i++) {
		if (nft_map_of(&p->fwd[i]) != m)
			continue;
		put_element(f, &p->fwd[i], comma);
		comma = ",\n\t\t\t     ";
	}
	fputs(" }\n\t}\n", f);
}

char *nftplan_text(const struct nft_plan *p)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fprintf(f, "table %s %s {\n\tcomment \"%s\"\n",
		p->family == NFPROTO_BRIDGE ? "bridge" : "inet", p->table,
		NFT_MARK);
	for (unsigned int m = 0; m < NFT_MAPS; m++)
		put_map(f, p, m);
	for (unsigned int i = 0; i < p->nset; i++)
		put_set(f, p, &p->set[i]);
	for (unsigned int c = 0; c < p->nchain; c++)
		put_chain(f, p, c);
	fputs("}\n", f);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
