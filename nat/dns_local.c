// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the resolver answers by itself. See dns.h; in this order:
 *
 *   records with absolute names: they stand for what the world says
 *   addresses   of this network: PTR, or nothing is there; of other networks of
 *               vnet and of the loopback: nothing is there
 *   host, gateway  under the network's domain and under "vnet"
 *   the network's domain: records of the user's own, VMs, wildcards (a record of an
 *               address, or an alias, takes a VM's name over), or no such name
 *   localhost (RFC 6761 6.3), invalid (6.4), onion (RFC 7686): never leave
 *   vnet        the rest of it are names of other networks: no such name
 *   bare names  of VMs and records
 *
 * Not followed: RFC 6761 6.2 (names in .test SHOULD be denied at once: labs serve
 * them), RFC 6762 22.1 (names in .local SHOULD be denied at once) and RFC
 * 6303 4 for reverse zones of private addresses (SHOULD be served empty): the
 * host's resolvers may well know its LAN's names, guests are to see the same.
 */
#include <stdio.h>
#include <string.h>

#include "nat/dns_int.h"

#define TOP "vnet"

static const struct ipaddr loop6 = {{[15] = 1}};

/* ---- reverse zones -------------------------------------------------------- */

static bool prefix_in4(const struct dns_reverse *r, const struct ip4_net *n)
{
	return ipaddr_is4(&r->ip) && r->plen >= 96 + n->plen &&
	       ip4_in_net(ipaddr_get4(&r->ip), n);
}

static unsigned int labels4(const struct ip4_net *n)
{
	return (n->plen + 7u) / 8 + 2;
}

static bool prefix_in6(const struct dns_reverse *r, const struct ip6_net *n)
{
	return n->plen && r->plen >= n->plen && ipaddr_in_net6(&r->ip, n);
}

static unsigned int labels6(const struct ip6_net *n)
{
	return (n->plen + 3u) / 4 + 2;
}

/* How many labels the zone's name has; 0 = not ours to answer. */
static unsigned int reverse_zone(const struct dns *d,
				 const struct dns_reverse *r)
{
	static const struct ip4_net loop4 = {INADDR_LOOPBACK & 0xff000000, 8};
	const struct policy *p = d->pol;

	if (prefix_in4(r, &p->net))
		return labels4(&p->net);
	for (size_t i = 0; i < p->ndeny; i++)
		if (p->deny[i].plen && prefix_in4(r, &p->deny[i]))
			return labels4(&p->deny[i]);
	if (prefix_in4(r, &loop4))
		return labels4(&loop4);
	if (prefix_in6(r, &p->net6))
		return labels6(&p->net6);
	for (size_t i = 0; i < p->ndeny6; i++)
		if (prefix_in6(r, &p->deny6[i]))
			return labels6(&p->deny6[i]);
	if (r->plen == 128 &&
	    (ipaddr_is_loopback(&r->ip) || names_of(&d->names, &r->ip) ||
	     zone_of_ip(&d->zone, &r->ip)))
		return 32 + 2;
	return 0;
}

static bool is_gateway(const struct dns *d, const struct ipaddr *ip)
{
	if (ipaddr_is4(ip))
		return ipaddr_get4(ip) == d->pol->ip;
	return d->pol->net6.plen && ipaddr_eq(ip, &d->pol->ip6);
}

/* "<name>.<domain>" into @l; false when that is too long for a name. */
static bool full_name(const struct dns *d, const char *name,
		      struct dns_local *l)
{
	size_t n = strlen(name), dn = strlen(d->domain);

	if (n + 1 + dn > DNS_NAME_MAX - 2)
		return false;
	memcpy(l->text, name, n);
	l->text[n] = '.';
	memcpy(l->text + n + 1, d->domain, dn + 1);
	l->a.ptr = l->text;
	return true;
}

/* Who has the address: true with @l->a.ptr set, or nobody. */
static bool whose(const struct dns *d, const struct ipaddr *ip,
		  struct dns_local *l)
{
	const struct ipaddr loop4 = ipaddr_from4(INADDR_LOOPBACK);
	const char *name = names_of(&d->names, ip);

	if (!name)
		name = zone_of_ip(&d->zone, ip);
	if (is_gateway(d, ip))
		return full_name(d, "gateway", l);
	if (ipaddr_eq(ip, &d->host_at[0]) || ipaddr_eq(ip, &d->host_at[1]))
		return full_name(d, d->host_routes ? "gateway" : "host", l);
	if (name)
		return full_name(d, name, l);
	if (ipaddr_eq(ip, &loop6) || ipaddr_eq(ip, &loop4))
		l->a.ptr = "localhost";
	return l->a.ptr;
}

static bool at_apex(const struct dns_answer *a)
{
	return a->has_zone && !a->zone;
}

static bool wants(const struct dns_msg *m, enum dns_type t)
{
	return m->type == t || m->type == DNS_ANY;
}

/* The zone itself was asked for. */
static void answer_apex(const struct dns_msg *m, struct dns_answer *a)
{
	a->soa = wants(m, DNS_SOA);
	a->ns = wants(m, DNS_NS);
}

static bool local_reverse(const struct dns *d, const struct dns_msg *m,
			  struct dns_local *l)
{
	struct dns_reverse r;
	unsigned int labels;

	if (!dns_reverse(m->name, &r))
		return false;
	labels = reverse_zone(d, &r);
	if (!labels)
		return false;
	l->a.has_zone = true;
	l->a.zone = dns_suffix(m->name, labels);
	if (r.beneath || (r.plen == 128 && !whose(d, &r.ip, l)))
		l->a.rcode = DNS_NXDOMAIN;
	else if (at_apex(&l->a))
		answer_apex(m, &l->a);
	if (!wants(m, DNS_PTR))
		l->a.ptr = NULL;
	return true;
}

/* ---- names ---------------------------------------------------------------- */

static void put_addr(struct dns_local *l, const struct ipaddr *ip)
{
	l->addr[l->a.naddr++] = *ip;
	l->a.addr = l->addr;
}

/* The addresses of a VM, as far as they are asked for; false: there is none. */
static bool vm_addrs(const struct dns *d, const struct dns_msg *m,
		     const char *name, struct dns_local *l)
{
	if (!names_has(&d->names, name))
		return false;
	l->a.addr = l->addr;
	if (wants(m, DNS_A))
		l->a.naddr += names_find(&d->names, name, false, l->addr,
					 NAMES_PER_NAME);
	if (wants(m, DNS_AAAA))
		l->a.naddr += names_find(&d->names, name, true,
					 l->addr + l->a.naddr, NAMES_PER_NAME);
	return true;
}

static void one_of_each(const struct dns_msg *m, struct dns_local *l,
			const struct ipaddr *v4, const struct ipaddr *v6)
{
	if (wants(m, DNS_A) && !ipaddr_is_zero(v4))
		put_addr(l, v4);
	if (wants(m, DNS_AAAA) && !ipaddr_is_zero(v6))
		put_addr(l, v6);
}

/* The network's own, whatever VMs are called; false: there is none. */
static bool service(const struct dns *d, const struct dns_msg *m,
		    const char *name, struct dns_local *l)
{
	const struct policy *p = d->pol;
	struct ipaddr gw4 = ipaddr_from4(p->ip);

	if (!strcmp(name, "gateway") && !d->host_routes) {
		one_of_each(m, l, &gw4, p->net6.plen ? &p->ip6 : &ipaddr_any);
		return true;
	}
	if (ipaddr_is_zero(&d->host_at[0]) && ipaddr_is_zero(&d->host_at[1]))
		return false;
	if (strcmp(name, "host") && strcmp(name, "gateway"))
		return false;
	one_of_each(m, l, &d->host_at[0], &d->host_at[1]);
	return true;
}

/* "host" and "gateway" under both domains: true when it was one of them. */
static bool reserved_name(const struct dns *d, const struct dns_msg *m,
			  struct dns_local *l)
{
	char word[8];
	size_t at;

	if ((!dns_in_zone(m->name, d->domain, &at) || !at) &&
	    (!dns_in_zone(m->name, TOP, &at) || !at))
		return false;
	if (at > sizeof(word))
		return false;
	memcpy(word, m->name, at - 1);
	word[at - 1] = '\0';
	if (!names_is_service(word))
		return false;
	if (!service(d, m, word, l))
		l->a.rcode = DNS_NXDOMAIN;
	l->a.has_zone = true;
	l->a.zone = at;
	return true;
}

/* ---- records of the user's own, and aliases ---------------------------------- */

static bool is_absolute(const char *name)
{
	size_t n = strlen(name);

	return n && name[n - 1] == '.';
}

static void add_rr(const struct dns *d, struct dns_local *l,
		   const struct zone_rec *r)
{
	bool apex = r->type != DNS_TXT && !strcmp(r->text, "@");

	if (l->a.nrr == sizeof(l->rr) / sizeof(l->rr[0]))
		return;
	l->rr[l->a.nrr++] = (struct dns_rr){
		.owner = l->owner,
		.type = r->type,
		.num = {r->num[0], r->num[1], r->num[2]},
		.text = apex ? "" : r->text,
		.suffix = is_absolute(r->text) ? NULL : d->domain,
	};
	l->a.rr = l->rr;
}

static void node_answer(const struct dns *d, const struct dns_msg *m,
			const struct zone_node *n, struct dns_local *l)
{
	list_for_each(e, &n->recs, struct zone_entry, node) {
		if (!wants(m, e->rec.type))
			continue;
		if (e->rec.type == DNS_A || e->rec.type == DNS_AAAA)
			put_addr(l, &e->rec.ip);
		else
			add_rr(d, l, &e->rec);
	}
}

/* A node's answer. An alias that was not itself asked for: @alias. */
static void take_node(const struct dns *d, const struct dns_msg *m,
		      const struct zone_node *n, struct dns_local *l,
		      const struct zone_rec **alias)
{
	const struct zone_entry *e = zone_first(n, DNS_CNAME);

	if (e && !wants(m, DNS_CNAME))
		*alias = &e->rec;
	else
		node_answer(d, m, n, l);
}

static bool has_place(const struct zone_node *n)
{
	return zone_first(n, DNS_A) || zone_first(n, DNS_AAAA) ||
	       zone_first(n, DNS_CNAME);
}

/* Is it a VM's, or one of the network's own (relative, lower case)? */
static bool is_guest(const void *arg, const char *name)
{
	const struct dns *d = arg;

	return names_has(&d->names, name) || names_is_service(name);
}

/* An absolute name (with its final dot) in the network's domain, or that itself: do
 * its records or VMs have it? A wildcard from outside is not for these. */
static bool is_inside(const void *arg, const char *key)
{
	const struct dns *d = arg;
	char name[DNS_NAME_MAX + 2];
	size_t at, n = strlen(key);

	if (!n || n > sizeof(name) - 1)
		return false;
	memcpy(name, key, n - 1);
	name[n - 1] = '\0';
	if (!dns_in_zone(name, d->domain, &at))
		return false;
	if (!at)
		return true;
	name[at - 1] = '\0';
	return zone_find(&d->zone, name) || is_guest(d, name);
}

/* Whatever @name is in this network (relative, lower case); false: nothing. */
static bool look(const struct dns *d, const struct dns_msg *m, const char *name,
		 struct dns_local *l, const struct zone_rec **alias)
{
	const struct zone_node *n = zone_find(&d->zone, name);
	bool vm = names_has(&d->names, name);

	if (names_is_service(name))
		return service(d, m, name, l);
	if (!n && !vm)
		n = zone_wildcard(&d->zone, name, is_guest, d);
	if (n)
		take_node(d, m, n, l, alias);
	if (vm && !(n && has_place(n)))
		vm_addrs(d, m, name, l);
	return n || vm;
}

/* Absolute names; false: not ours. */
static bool look_absolute(const struct dns *d, const struct dns_msg *m,
			  const char *name, struct dns_local *l,
			  const struct zone_rec **alias)
{
	const struct zone_node *n;
	char key[DNS_NAME_MAX + 2];

	if (!d->zone.absolute)
		return false;
	snprintf(key, sizeof(key), "%s.", name);
	n = zone_find(&d->zone, key);
	if (!n && !is_inside(d, key))
		n = zone_wildcard(&d->zone, key, is_inside, d);
	if (n)
		take_node(d, m, n, l, alias);
	return n;
}

/* The full name of an alias' target; false when it is none. */
static bool target(const struct dns *d, const struct zone_rec *r,
		   char out[DNS_NAME_MAX + 1])
{
	size_t n = strlen(r->text);

	if (is_absolute(r->text)) {
		snprintf(out, DNS_NAME_MAX + 1, "%.*s", (int)n - 1, r->text);
		return n - 1 <= DNS_NAME_MAX - 2;
	}
	if (!strcmp(r->text, "@"))
		return snprintf(out, DNS_NAME_MAX + 1, "%s", d->domain) > 0;
	return snprintf(out, DNS_NAME_MAX + 1, "%s.%s", r->text, d->domain) <=
	       DNS_NAME_MAX - 2;
}

enum led { LED_NOWHERE, LED_ON, LED_ABROAD };

/* Where the alias leads. Foreign names are left to the client: control lets none in,
 * unless the domain was changed after. */
static enum led step(const struct dns *d, const struct dns_msg *m, const char *full,
		 struct dns_local *l, const struct zone_rec **alias)
{
	char name[DNS_NAME_MAX + 1];
	size_t at;

	*alias = NULL;
	if (look_absolute(d, m, full, l, alias))
		return LED_ON;
	if (!dns_in_zone(full, d->domain, &at))
		return LED_ABROAD;
	if (at) {
		memcpy(name, full, at - 1);
		at--;
	}
	name[at] = '\0';
	return look(d, m, name, l, alias) || !at ? LED_ON : LED_NOWHERE;
}

static void follow(const struct dns *d, const struct dns_msg *m,
		   struct dns_local *l, const struct zone_rec *alias)
{
	enum led led = LED_ON;
	size_t had = l->a.nrr;

	if (!alias)
		return;
	for (int i = 0; i < DNS_CHAIN_MAX && alias; i++) {
		had++;
		add_rr(d, l, alias);
		if (!target(d, alias, l->chain[i]))
			break;
		l->owner = l->chain[i];
		/* RFC 2308 2.1: the code is about the last name. */
		led = step(d, m, l->owner, l, &alias);
		if (led == LED_NOWHERE)
			l->a.rcode = DNS_NXDOMAIN;
	}
	l->a.addr_owner = l->owner;
	l->a.denied = led != LED_ABROAD && !l->a.naddr && l->a.nrr == had;
	if (alias) { /* in a circle */
		l->a.rcode = DNS_SERVFAIL;
		l->a.nrr = l->a.naddr = 0;
		l->a.has_zone = false;
	}
}

static bool own_domain(const struct dns *d, const struct dns_msg *m,
		       struct dns_local *l)
{
	const struct zone_rec *alias = NULL;
	char name[DNS_NAME_MAX + 1];
	size_t at;

	if (!dns_in_zone(m->name, d->domain, &at))
		return false;
	l->a.has_zone = true;
	l->a.zone = at;
	if (!at)
		answer_apex(m, &l->a);
	else
		memcpy(name, m->name, at - 1);
	name[at ? at - 1 : 0] = '\0';
	if (!look(d, m, name, l, &alias) && at)
		l->a.rcode = DNS_NXDOMAIN;
	follow(d, m, l, alias);
	return true;
}

static bool absolute_name(const struct dns *d, const struct dns_msg *m,
			  struct dns_local *l)
{
	const struct zone_rec *alias = NULL;

	if (!look_absolute(d, m, m->name, l, &alias))
		return false;
	l->a.has_zone = true;
	follow(d, m, l, alias);
	return true;
}

/* As a client without a search list asks. Wildcards would swallow all names here, and
 * records with dots might be somebody else's. */
static bool bare_name(const struct dns *d, const struct dns_msg *m,
		      struct dns_local *l)
{
	const struct zone_rec *alias = NULL;

	if (strchr(m->name, '.'))
		return vm_addrs(d, m, m->name, l);
	if (!m->name[0] || (!zone_find(&d->zone, m->name) &&
			    !names_has(&d->names, m->name)))
		return false;
	(void)look(d, m, m->name, l, &alias);
	follow(d, m, l, alias);
	return true;
}

/* Names that are never looked up anywhere. */
static bool special_name(const struct dns_msg *m, struct dns_local *l)
{
	static const char *const nowhere[] = {"invalid", "onion"};
	const struct ipaddr loop4 = ipaddr_from4(INADDR_LOOPBACK);
	size_t at;

	l->a.has_zone = true;
	if (dns_in_zone(m->name, "localhost", &at)) {
		l->a.zone = at;
		one_of_each(m, l, &loop4, &loop6);
		return true;
	}
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		if (!dns_in_zone(m->name, nowhere[i], &at))
			continue;
		l->a.zone = at;
		l->a.rcode = DNS_NXDOMAIN;
		return true;
	}
	l->a.has_zone = false;
	return false;
}

static bool other_network(const struct dns_msg *m, struct dns_local *l)
{
	size_t at;

	if (!dns_in_zone(m->name, TOP, &at))
		return false;
	l->a.has_zone = true;
	l->a.zone = at;
	if (at)
		l->a.rcode = DNS_NXDOMAIN;
	else
		answer_apex(m, &l->a);
	return true;
}

bool dns_local(const struct dns *d, const struct dns_msg *m,
	       struct dns_local *l)
{
	memset(&l->a, 0, sizeof(l->a));
	l->owner = NULL;
	l->a.authoritative = true;
	return absolute_name(d, m, l) || local_reverse(d, m, l) ||
	       reserved_name(d, m, l) || own_domain(d, m, l) ||
	       special_name(m, l) || other_network(m, l) ||
	       bare_name(d, m, l);
}
