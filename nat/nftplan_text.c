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
#include <string.h>

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

static void put_mac(FILE *f, uint64_t v)
{
	for (int b = 5; b >= 0; b--)
		fprintf(f, "%02x%s", (unsigned int)(v >> (8 * b)) & 255,
			b ? ":" : "");
}

static void put_value(FILE *f, const struct nft_field_info *i,
		      const struct nft_match *m)
{
	char ip[IP_TEXT];

	if (i->form == NFT_DEC) {
		fprintf(f, "%" PRIu64, m->value);
	} else if (i->form == NFT_IP) {
		fputs(ipaddr_format(&m->ip, ip), f);
	} else if (i->form == NFT_MAC) {
		put_mac(f, m->value);
	} else if (i->len <= 8) {
		fprintf(f, "0x%" PRIx64, m->value);
	} else {
		fputs("0x", f);
		for (unsigned int b = 0; b < i->len; b++)
			fprintf(f, "%02x", m->ip.b[b]);
	}
}

static void put_field(FILE *f, const struct nft_match *m)
{
	static const char *const ops[] = {
		[NFT_EQ] = "", [NFT_NE] = "!= ", [NFT_LT] = "< ", [NFT_GT] = "> "};
	const struct nft_field_info *i = nft_field_info(m->field);

	fprintf(f, "%s ", i->name);
	if (m->bits && i->form == NFT_MAC) {
		fputs("& ", f);
		put_mac(f, m->bits);
		fputs(m->op == NFT_EQ ? " == " : " ", f);
	} else if (m->bits) {
		fprintf(f, "& 0x%" PRIx64 " %s", m->bits,
			m->op == NFT_EQ ? "== " : "");
	}
	fputs(ops[m->op], f);
	put_value(f, i, m);
}

static void put_key(FILE *f, const struct nft_match *m)
{
	const char *dev = m->out ? "oifname" : "iifname";

	if (m->keyed != NFT_BY_FIELD)
		fputs(dev, f);
	if (m->keyed != NFT_BY_NAME)
		fprintf(f, "%s%s", m->keyed == NFT_BY_BOTH ? " . " : "",
			nft_field_info(m->field)->name);
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
		put_key(f, m);
		fprintf(f, " %s@%s", m->neg ? "!= " : "", p->set[m->set].name);
		break;
	case NFT_GROUP:
		fputs("ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00", f);
		break;
	case NFT_NOTE:
		fprintf(f, "%s @%s { ", m->update ? "update" : "add",
			p->set[m->set].name);
		put_key(f, m);
		fputs(" }", f);
		break;
	case NFT_PORTS:
		fprintf(f, "meta l4proto %s ct original proto-dst %u",
			m->allow.proto == NAT_TCP ? "tcp" : "udp",
			m->allow.first);
		if (m->allow.last != m->allow.first)
			fprintf(f, "-%u", m->allow.last);
		break;
	}
}

static void put_rule(FILE *f, const struct nft_plan *p, const struct nft_rule *r)
{
	const char *ip = nft_map_is6(r->map) ? "ip6" : "ip";

	fputc('\t', f);
	for (unsigned int i = 0; i < r->n; i++) {
		fputc(i ? ' ' : '\t', f);
		put_match(f, p, &r->m[i]);
	}
	if (r->verdict != NFT_V_NONE)
		fputc(r->n ? ' ' : '\t', f);
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
	case NFT_V_NONE:
		break;
	case NFT_V_LOG:
		fprintf(f, "log prefix \"%s %s\" group %d", p->table,
			p->set[r->m[0].set].name, NFT_LOG_GROUP);
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

/* How many bits both ends of a range have in common. */
static unsigned int plen_of(const struct nft_elem *e, size_t len)
{
	unsigned int n = 0;

	while (n < 8 * len &&
	       !((e->key[IFNAMSIZ + n / 8] ^ e->end[IFNAMSIZ + n / 8]) >>
			 (7 - n % 8) &
		 1))
		n++;
	return n;
}

static void put_elem(FILE *f, const struct nft_set *s, const struct nft_elem *e)
{
	const bool named = s->key != NFT_K_IP6 && s->key != NFT_K_MAC;
	const uint8_t *b = e->key + (named ? IFNAMSIZ : 0);
	struct ipaddr ip = ipaddr_from4((uint32_t)b[0] << 24 |
					(uint32_t)b[1] << 16 |
					(uint32_t)b[2] << 8 | b[3]);
	char text[IP_TEXT];
	struct mac mac;

	if (named)
		fprintf(f, "\"%.*s\"%s", IFNAMSIZ, (const char *)e->key,
			s->key == NFT_K_NAME ? "" : " . ");
	if (s->key == NFT_K_NAME_MAC || s->key == NFT_K_MAC) {
		memcpy(mac.b, b, 6);
		fputs(mac_format(&mac, text), f);
	} else if (s->key != NFT_K_NAME) {
		if (s->key != NFT_K_NAME_IP4)
			memcpy(ip.b, b, 16);
		fputs(ipaddr_format(&ip, text), f);
	}
	if (s->kind == NFT_SET_RANGES)
		fprintf(f, "/%u", plen_of(e, s->key == NFT_K_NAME_IP4 ? 4 : 16));
	if (s->kind == NFT_SET_PACKETS)
		fprintf(f, " limit rate over %" PRIu64 "/second burst %" PRIu64
			   " packets", e->rate, e->burst);
	if (s->kind == NFT_SET_BYTES)
		fprintf(f, " limit rate over %" PRIu64
			   " bytes/second burst %" PRIu64 " bytes",
			e->rate, e->burst);
}

static void put_set(FILE *f, const struct nft_plan *p, const struct nft_set *s)
{
	static const char *const types[] = {
		[NFT_K_NAME] = "ifname",
		[NFT_K_NAME_MAC] = "ifname . ether_addr",
		[NFT_K_NAME_IP4] = "ifname . ipv4_addr",
		[NFT_K_NAME_IP6] = "ifname . ipv6_addr",
		[NFT_K_IP6] = "ipv6_addr",
		[NFT_K_MAC] = "ether_addr",
	};
	static const char *const kinds[] = {
		[NFT_SET_PLAIN] = "",
		[NFT_SET_COUNTS] = "\t\tcounter\n",
		[NFT_SET_TELLS] =
			"\t\tcounter limit rate 1/minute burst 1 packets\n",
		[NFT_SET_PACKETS] =
			"\t\tlimit rate over 1/second burst 5 packets\n",
		[NFT_SET_BYTES] = "\t\tlimit rate over 1 bytes/second\n",
		[NFT_SET_SPARES] = "\t\tlimit rate 2/minute burst 16 packets\n",
		[NFT_SET_DYNAMIC] = ("\t\tsize 65536\n"
				     "\t\tflags dynamic,timeout\n"
				     "\t\ttimeout 1d\n"),
		[NFT_SET_RANGES] = "\t\tflags interval\n",
	};
	const char *comma = "\t\telements = { ";

	fprintf(f, "\tset %s {\n\t\ttype %s\n%s", s->name, types[s->key],
		kinds[s->kind]);
	for (size_t i = 0; i < s->n; i++) {
		fputs(comma, f);
		put_elem(f, s, &p->elem[s->first + i]);
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
