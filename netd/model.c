// SPDX-License-Identifier: GPL-2.0-or-later
/* Objects and their indices. See model.h. */
#include "netd/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dhcp/dhcp6_server.h"

static uint32_t hash_id(int64_t id)
{
	uint64_t x = (uint64_t)id * 0x9e3779b97f4a7c15ULL;

	return (uint32_t)(x >> 32);
}

int model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	list_init(&m->nets);
	list_init(&m->nics);
	return htab_init(&m->nic_ids, 64, NULL) ||
	       htab_init(&m->nic_vms, 64, NULL) ||
	       htab_init(&m->nic_macs, 64, NULL)
		       ? -ENOMEM
		       : 0;
}

void model_fini(struct model *m)
{
	list_for_each_safe(n, &m->nets, struct network, node)
		model_net_del(m, n);
	htab_fini(&m->nic_ids);
	htab_fini(&m->nic_vms);
	htab_fini(&m->nic_macs);
}

/* ---- networks ------------------------------------------------------------ */

static void fini_tables(struct network *n)
{
	htab_fini(&n->leases);
	htab_fini(&n->leases_mac);
	htab_fini(&n->leases6);
	htab_fini(&n->leases6_mac);
	htab_fini(&n->claims);
	htab_fini(&n->claimed);
	htab_fini(&n->resvs_mac);
}

static bool init_tables(struct network *n, const uint64_t seed[2])
{
	return !htab_init(&n->leases, 16, NULL) &&
	       !htab_init(&n->leases_mac, 16, seed) &&
	       !htab_init(&n->leases6, 16, seed) &&
	       !htab_init(&n->leases6_mac, 16, seed) &&
	       !htab_init(&n->claims, 16, NULL) &&
	       !htab_init(&n->claimed, 16, seed) &&
	       !htab_init(&n->resvs_mac, 16, seed);
}

struct network *model_net_add(struct model *m, const struct net_conf *c)
{
	uint64_t seed[2];
	struct network *n;

	/* Guests choose their MACs and names, but not who shares a chain. */
	if (m->nnets >= MODEL_NETS_MAX ||
	    getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return NULL;
	n = calloc(1, sizeof(*n));
	if (!n || !init_tables(n, seed)) {
		if (n)
			fini_tables(n);
		free(n);
		return NULL;
	}
	n->model = m;
	n->conf = *c;
	n->port_fd = -1;
	n->tapin.fd = -1;
	list_init(&n->nics);
	list_init(&n->fwds);
	list_init(&n->resvs);
	list_init(&n->resvs6);
	list_init(&n->dhcpsets);
	list_init(&n->records);
	list_init(&n->waiters);
	list_add_tail(&m->nets, &n->node);
	m->nnets++;
	return n;
}

static bool lease_drop(struct hnode *h, void *arg)
{
	model_lease_del(arg, container_of(h, struct lease, by_ip));
	return true;
}

static bool claim_drop(struct hnode *h, void *arg)
{
	model_claim_del(arg, container_of(h, struct claim, by_ip));
	return true;
}

void model_net_del(struct model *m, struct network *n)
{
	list_for_each_safe(nic, &n->nics, struct nic, node)
		model_nic_del(m, nic);
	list_for_each_safe(f, &n->fwds, struct forward, node)
		model_fwd_del(m, f);
	list_for_each_safe(r, &n->resvs, struct resv, node)
		model_resv_del(n, r);
	list_for_each_safe(s, &n->dhcpsets, struct dhcpset, node)
		model_dhcpset_del(n, s);
	htab_walk(&n->leases, lease_drop, n);
	list_for_each_safe(v, &n->resvs6, struct resv6, node)
		model_resv6_del(v);
	model_leases6_clear(n);
	list_for_each_safe(rec, &n->records, struct record, node)
		model_record_del(rec);
	htab_walk(&n->claims, claim_drop, n);
	fini_tables(n);
	list_del(&n->node);
	m->nnets--;
	free(n);
}

struct network *model_net_find(struct model *m, const char *name)
{
	list_for_each(n, &m->nets, struct network, node)
		if (!strcmp(n->conf.name, name))
			return n;
	return NULL;
}

struct network *model_net_by_id(struct model *m, int64_t id)
{
	list_for_each(n, &m->nets, struct network, node)
		if (n->conf.id == id)
			return n;
	return NULL;
}

/* ---- NICs ---------------------------------------------------------------- */

static uint32_t hash_mac(const struct htab *t, const struct mac *mac)
{
	return hash_bytes(t->seed, mac->b, sizeof(mac->b));
}

static uint32_t hash_vm(const struct model *m, const char *vm)
{
	return hash_bytes(m->nic_vms.seed, vm, strlen(vm));
}

struct nic *model_nic_add(struct model *m, struct network *n,
			  const struct nic_conf *c)
{
	struct nic *nic;

	if (m->nnics >= MODEL_NICS_MAX)
		return NULL;
	nic = calloc(1, sizeof(*nic));
	if (!nic)
		return NULL;
	nic->conf = *c;
	nic->place6 = dhcp6_place_of(&c->mac);
	nic->net = n;
	nic->state = NIC_NET_STOPPED;
	list_add_tail(&n->nics, &nic->node);
	list_add_tail(&m->nics, &nic->all);
	htab_add(&m->nic_ids, &nic->by_id, hash_id(c->id));
	htab_add(&m->nic_vms, &nic->by_vm, hash_vm(m, c->vm));
	htab_add(&m->nic_macs, &nic->by_mac, hash_mac(&m->nic_macs, &c->mac));
	m->nnics++;
	return nic;
}

void model_nic_del(struct model *m, struct nic *nic)
{
	list_del(&nic->node);
	list_del(&nic->all);
	htab_del(&m->nic_ids, &nic->by_id);
	htab_del(&m->nic_vms, &nic->by_vm);
	htab_del(&m->nic_macs, &nic->by_mac);
	m->nnics--;
	free(nic);
}

void model_nic_move(struct nic *nic, struct network *to)
{
	list_del(&nic->node);
	list_add_tail(&to->nics, &nic->node);
	nic->net = to;
	nic->conf.network = to->conf.id;
	nic->seen4.n = nic->seen6.n = 0;
}

struct nic *model_nic_of_vm(struct model *m, const char *vm, const struct nic *nic)
{
	struct hnode *h = nic ? htab_find_next(&nic->by_vm)
			      : htab_find(&m->nic_vms, hash_vm(m, vm));

	for (; h; h = htab_find_next(h)) {
		struct nic *o = container_of(h, struct nic, by_vm);

		if (!strcmp(o->conf.vm, vm))
			return o;
	}
	return NULL;
}

struct nic *model_nic_find(struct model *m, const char *vm, int index)
{
	struct nic *nic = model_nic_of_vm(m, vm, NULL);

	while (nic && nic->conf.index != index)
		nic = model_nic_of_vm(m, vm, nic);
	return nic;
}

struct nic *model_nic_by_id(struct model *m, int64_t id)
{
	struct hnode *h = htab_find(&m->nic_ids, hash_id(id));

	for (; h; h = htab_find_next(h)) {
		struct nic *nic = container_of(h, struct nic, by_id);

		if (nic->conf.id == id)
			return nic;
	}
	return NULL;
}

static struct nic *with_mac(struct hnode *h, const struct mac *mac,
			    const struct network *n)
{
	for (; h; h = htab_find_next(h)) {
		struct nic *nic = container_of(h, struct nic, by_mac);

		if ((!n || nic->net == n) && mac_eq(&nic->conf.mac, mac))
			return nic;
	}
	return NULL;
}

struct nic *model_nic_by_mac(struct network *n, const struct mac *mac)
{
	const struct htab *t = &n->model->nic_macs;

	return with_mac(htab_find(t, hash_mac(t, mac)), mac, n);
}

bool model_mac_taken(struct model *m, const struct mac *mac)
{
	const struct htab *t = &m->nic_macs;

	return with_mac(htab_find(t, hash_mac(t, mac)), mac, NULL);
}

/* ---- forwards ------------------------------------------------------------ */

unsigned int fwd_ports(const struct fwd_conf *c)
{
	return (unsigned int)(c->port_end - c->port) + 1;
}

struct forward *model_fwd_add(struct model *m, struct network *n,
			      const struct fwd_conf *c)
{
	struct forward *f;

	if (m->nfwds + fwd_ports(c) > MODEL_FWDS_MAX)
		return NULL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->conf = *c;
	f->net = n;
	f->sent_nic = -1;
	list_add_tail(&n->fwds, &f->node);
	m->nfwds += fwd_ports(c);
	return f;
}

void model_fwd_del(struct model *m, struct forward *f)
{
	list_del(&f->node);
	m->nfwds -= fwd_ports(&f->conf);
	free(f);
}

void model_fwd_set(struct model *m, struct forward *f, const struct fwd_conf *c)
{
	m->nfwds = m->nfwds - fwd_ports(&f->conf) + fwd_ports(c);
	f->conf = *c;
}

struct forward *model_fwd_by_id(struct model *m, int64_t id)
{
	list_for_each(n, &m->nets, struct network, node)
		list_for_each(f, &n->fwds, struct forward, node)
			if (f->conf.id == id)
				return f;
	return NULL;
}

/* ---- reservations -------------------------------------------------------- */

int model_resv_put(struct network *n, const struct resv_conf *c)
{
	struct resv *r = model_resv_find(n, c->address);

	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r)
			return -ENOMEM;
		list_add_tail(&n->resvs, &r->node);
	} else {
		htab_del(&n->resvs_mac, &r->by_mac);
	}
	r->conf = *c;
	htab_add(&n->resvs_mac, &r->by_mac, hash_mac(&n->resvs_mac, &c->mac));
	return 0;
}

void model_resv_del(struct network *n, struct resv *r)
{
	list_del(&r->node);
	htab_del(&n->resvs_mac, &r->by_mac);
	free(r);
}

struct resv *model_resv_find(struct network *n, uint32_t address)
{
	list_for_each(r, &n->resvs, struct resv, node)
		if (r->conf.address == address)
			return r;
	return NULL;
}

struct resv *model_resv_by_mac(struct network *n, const struct mac *mac)
{
	struct hnode *h = htab_find(&n->resvs_mac, hash_mac(&n->resvs_mac, mac));

	for (; h; h = htab_find_next(h)) {
		struct resv *r = container_of(h, struct resv, by_mac);

		if (mac_eq(&r->conf.mac, mac))
			return r;
	}
	return NULL;
}

/* ---- DHCP's settings ----------------------------------------------------- */

static int dhcpset_order(const struct dhcpset *s, const char *scope,
			 const char *name)
{
	int d = strcmp(s->conf.scope, scope);

	return d ? d : strcmp(s->conf.name, name);
}

int model_dhcpset_put(struct network *n, const struct dhcpset_conf *c)
{
	struct list *before = &n->dhcpsets;
	struct dhcpset *new;

	list_for_each(s, &n->dhcpsets, struct dhcpset, node) {
		int d = dhcpset_order(s, c->scope, c->name);

		if (!d) {
			s->conf = *c;
			return 0;
		}
		if (d > 0) {
			before = &s->node;
			break;
		}
	}
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->conf = *c;
	list_add_tail(before, &new->node); /* in front of it */
	return 0;
}

void model_dhcpset_del(struct network *n, struct dhcpset *s)
{
	(void)n;
	list_del(&s->node);
	free(s);
}

struct dhcpset *model_dhcpset_find(const struct network *n, const char *scope,
				   const char *name)
{
	list_for_each(s, &n->dhcpsets, struct dhcpset, node)
		if (!dhcpset_order(s, scope, name))
			return s;
	return NULL;
}

size_t model_dhcpsets(const struct network *n)
{
	size_t k = 0;

	list_for_each(s, &n->dhcpsets, struct dhcpset, node)
		k++;
	return k;
}

/* ---- records of the network's DNS ---------------------------------------- */

int model_record_add(struct network *n, const struct record_conf *c)
{
	struct record *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->conf = *c;
	list_add_tail(&n->records, &r->node);
	return 0;
}

void model_record_del(struct record *r)
{
	list_del(&r->node);
	free(r);
}

/* ---- claims on names ----------------------------------------------------- */

static uint32_t hash_name(const struct network *n, const char *name)
{
	return hash_bytes(n->claimed.seed, name, strlen(name));
}

static uint32_t hash_ip(const struct network *n, const struct ipaddr *ip)
{
	return hash_bytes(n->claimed.seed, ip, sizeof(*ip));
}

int model_claim_put(struct network *n, const struct claim_conf *c)
{
	struct claim *cl = n->claims.count < MODEL_LEASES_MAX
				   ? calloc(1, sizeof(*cl))
				   : NULL;

	if (!cl)
		return -ENOMEM;
	cl->conf = *c;
	htab_add(&n->claims, &cl->by_ip, hash_ip(n, &c->address));
	htab_add(&n->claimed, &cl->by_name, hash_name(n, c->name));
	return 0;
}

void model_claim_del(struct network *n, struct claim *c)
{
	htab_del(&n->claims, &c->by_ip);
	htab_del(&n->claimed, &c->by_name);
	free(c);
}

static struct claim *named(struct hnode *h, const char *name)
{
	for (; h; h = htab_find_next(h)) {
		struct claim *c = container_of(h, struct claim, by_name);

		if (!strcmp(c->conf.name, name))
			return c;
	}
	return NULL;
}

struct claim *model_claim_find(struct network *n, const char *name)
{
	return named(htab_find(&n->claimed, hash_name(n, name)), name);
}

struct claim *model_claim_next(struct claim *c)
{
	return named(htab_find_next(&c->by_name), c->conf.name);
}

struct claim *model_claim_of(struct network *n, const struct ipaddr *address)
{
	struct hnode *h = htab_find(&n->claims, hash_ip(n, address));

	for (; h; h = htab_find_next(h)) {
		struct claim *c = container_of(h, struct claim, by_ip);

		if (ipaddr_eq(&c->conf.address, address))
			return c;
	}
	return NULL;
}

/* ---- leases -------------------------------------------------------------- */

int model_lease_put(struct network *n, const struct lease_conf *c)
{
	struct lease *l = model_lease_find(n, c->address);

	if (!l) {
		if (n->leases.count >= MODEL_LEASES_MAX)
			return -ENOSPC;
		l = calloc(1, sizeof(*l));
		if (!l)
			return -ENOMEM;
		htab_add(&n->leases, &l->by_ip, hash_id(c->address));
	} else {
		htab_del(&n->leases_mac, &l->by_mac);
	}
	l->conf = *c;
	htab_add(&n->leases_mac, &l->by_mac, hash_mac(&n->leases_mac, &c->mac));
	return 0;
}

void model_lease_del(struct network *n, struct lease *l)
{
	if (l->conf.address < n->leased_to)
		n->leased_to = l->conf.address;
	htab_del(&n->leases, &l->by_ip);
	htab_del(&n->leases_mac, &l->by_mac);
	free(l);
}

struct lease *model_lease_find(struct network *n, uint32_t address)
{
	struct hnode *h = htab_find(&n->leases, hash_id(address));

	for (; h; h = htab_find_next(h)) {
		struct lease *l = container_of(h, struct lease, by_ip);

		if (l->conf.address == address)
			return l;
	}
	return NULL;
}

bool lease_runs(const struct lease_conf *c, int64_t wall_s)
{
	return c->state == DHCP_BOUND && c->expires > wall_s;
}

struct lease *model_lease_kept(struct model *m, struct network *n,
			       const struct mac *mac, int64_t nic,
			       int64_t wall_s)
{
	struct hnode *h = htab_find(&n->leases_mac, hash_mac(&n->leases_mac, mac));
	struct lease *best = NULL;

	for (; h; h = htab_find_next(h)) {
		struct lease *l = container_of(h, struct lease, by_mac);
		const struct lease_conf *c = &l->conf;
		bool ended = dhcp_state_freed(c->state) ||
			     (c->state == DHCP_BOUND && c->expires <= wall_s);

		if (!ended || !mac_eq(&c->mac, mac) ||
		    (nic && c->nic != nic && model_nic_by_id(m, c->nic)))
			continue;
		if (!best || c->expires > best->conf.expires)
			best = l;
	}
	return best;
}

struct lease *model_lease_by_mac(struct network *n, const struct mac *mac,
				 int64_t wall_s)
{
	struct hnode *h = htab_find(&n->leases_mac, hash_mac(&n->leases_mac, mac));
	struct lease *best = NULL;

	for (; h; h = htab_find_next(h)) {
		struct lease *l = container_of(h, struct lease, by_mac);

		if (mac_eq(&l->conf.mac, mac) && lease_runs(&l->conf, wall_s) &&
		    (!best || l->conf.expires > best->conf.expires))
			best = l;
	}
	return best;
}
