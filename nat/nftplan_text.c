// SPDX-License-Identifier: GPL-2.0-or-later
/* A planned table in the words of nft(8). See nftplan.h. */
#include "nat/nftplan.h"

#include <linux/netfilter.h>
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

static void put_match(FILE *f, const struct nft_match *m)
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
		fprintf(f, "meta l4proto %s",
			m->proto == IPPROTO_ICMP ? "icmp" : "ipv6-icmp");
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
	}
	fputc(' ', f);
}

static void put_rule(FILE *f, const struct nft_rule *r)
{
	const char *ip = nft_map_is6(r->map) ? "ip6" : "ip";

	fputs("\t\t", f);
	for (unsigned int i = 0; i < r->n; i++)
		put_match(f, &r->m[i]);
	switch (r->verdict) {
	case NFT_V_ACCEPT:
		fputs("accept", f);
		break;
	case NFT_V_DROP:
		fputs("drop", f);
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
	}
	fputc('\n', f);
}

static const char *hook_name(unsigned int hook)
{
	static const char *const names[] = {
		[NF_INET_PRE_ROUTING] = "prerouting",
		[NF_INET_LOCAL_IN] = "input",
		[NF_INET_FORWARD] = "forward",
		[NF_INET_LOCAL_OUT] = "output",
		[NF_INET_POST_ROUTING] = "postrouting",
	};

	return names[hook];
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
	fprintf(f, "table inet %s {\n\tcomment \"%s\"\n", p->table, NFT_MARK);
	for (unsigned int m = 0; m < NFT_MAPS; m++)
		put_map(f, p, m);
	for (unsigned int c = 0; c < p->nchain; c++) {
		fprintf(f, "\tchain %s {\n\t\ttype %s hook %s priority %d; "
			   "policy accept;\n",
			p->chain[c].name, p->chain[c].type,
			hook_name(p->chain[c].hook), p->chain[c].priority);
		for (unsigned int i = 0; i < p->nrule; i++)
			if (p->rule[i].chain == c)
				put_rule(f, &p->rule[i]);
		fputs("\t}\n", f);
	}
	fputs("}\n", f);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
