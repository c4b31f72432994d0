// SPDX-License-Identifier: GPL-2.0-or-later
/* dns.*: records that the user adds to a network's names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nat/dns_zone.h"
#include "netd/hostnames.h"
#include "netd/hosts.h"
#include "netd/m_int.h"
#include "netd/netctl.h"
#include "netd/obj.h"
#include "netd/store.h"

/* ---- add ------------------------------------------------------------------ */

static int read_record(struct network *n, json_t *params,
		       struct record_conf *c, struct errtext *why)
{
	struct zone_rec rec;
	int r = zone_parse(m_str(params, "name"), m_str(params, "type"),
			   m_str(params, "value"), &rec, why);

	if (r)
		return r;
	c->network = n->conf.id;
	snprintf(c->type, sizeof(c->type), "%s", zone_type_name(rec.type));
	r = zone_canon(m_str(params, "name"), &rec, c->name, c->value);
	return r ? errtext_set(why, r, "the value is too long") : 0;
}

static bool same(const struct record_conf *a, const struct record_conf *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->type, b->type) &&
	       !strcmp(a->value, b->value);
}

/* An alias of a foreign name would leave the guest's resolver with half an answer. */
static int check_alias(const struct network *n, const struct record_conf *c,
		       struct errtext *why)
{
	size_t len = strlen(c->value), at;
	char name[CONF_RECORD_NAME + 1];

	if (strcmp(c->type, "CNAME") || !len || c->value[len - 1] != '.')
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)len - 1, c->value);
	if (dns_in_zone(name, n->conf.domain, &at))
		return 0;
	list_for_each(r, &n->records, struct record, node)
		if (!strcmp(r->conf.name, c->value))
			return 0;
	return errtext_set(why, -EINVAL,
			   "an alias leads to a name of this network (%s), or to "
			   "one with a record here; %.100s is neither",
			   n->conf.domain, c->value);
}

/* Would the worker's table take it? It is asked the same way. */
static int check_table(const struct network *n, const struct record_conf *c,
		       struct errtext *why)
{
	struct zone z;
	struct zone_rec rec;
	int r = zone_init(&z, NULL);

	list_for_each(o, &n->records, struct record, node) {
		if (r)
			break;
		if (same(&o->conf, c))
			r = errtext_set(why, -EEXIST, "it is there already");
		else if (!zone_parse(o->conf.name, o->conf.type, o->conf.value,
				     &rec, NULL))
			r = zone_add(&z, o->conf.name, &rec, why);
	}
	if (!r)
		r = zone_parse(c->name, c->type, c->value, &rec, why);
	if (!r)
		r = zone_add(&z, c->name, &rec, why);
	zone_fini(&z);
	return r;
}

static void add(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "network");
	struct record_conf conf;
	struct errtext why = {""};
	int r;

	if (!n)
		return;
	if (!net_has_services(&n->conf)) {
		call_fail(c, RPC_REFUSED,
			  "network %s has no resolver of ours: it is %s%s",
			  n->conf.name, net_mode_name(n->conf.mode),
			  n->conf.mode == NET_INTERNAL ? " without a subnet"
						       : "");
		return;
	}
	r = read_record(n, params, &conf, &why);
	if (!r)
		r = check_alias(n, &conf, &why);
	if (!r)
		r = check_table(n, &conf, &why);
	if (!r)
		r = store_record_add(ctl->store, &conf, &why);
	if (!r)
		r = model_record_add(n, &conf);
	if (r) {
		call_fail_why(c, r, &why);
		return;
	}
	hostnames_taken(ctl, n, conf.name, NULL);
	netctl_push_record(n, &conf, true);
	call_result(c, obj_record(n, &conf));
}

/* ---- del and list ----------------------------------------------------------- */

/* Does the call mean this one? The value is compared as it would be kept. */
static bool meant(const struct record_conf *have, json_t *params)
{
	const char *type = m_str(params, "type"), *value;
	char name[DNS_NAME_MAX + 2], canon[ZONE_TEXT_MAX + 1];
	struct zone_rec rec;

	if (strcasecmp(have->name, m_str(params, "name")) ||
	    (type && strcasecmp(have->type, type)))
		return false;
	value = m_str(params, "value");
	if (!value)
		return true;
	return !zone_parse(have->name, have->type, value, &rec, NULL) &&
	       !zone_canon(have->name, &rec, name, canon) &&
	       !strcmp(canon, have->value);
}

static void del(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "network");
	struct errtext why = {""};
	int removed = 0, r = 0;

	if (!n)
		return;
	list_for_each_safe(rec, &n->records, struct record, node) {
		if (r || !meant(&rec->conf, params))
			continue;
		r = store_record_del(ctl->store, &rec->conf, &why);
		if (r)
			continue;
		netctl_push_record(n, &rec->conf, false);
		model_record_del(rec);
		removed++;
	}
	if (r)
		call_fail_why(c, r, &why);
	else if (!removed)
		call_fail(c, RPC_NOT_FOUND, "network %s has no such record",
			  n->conf.name);
	else
		call_result(c, json_pack("{s:i}", "removed", removed));
}

static void list(struct ctl *ctl, struct call *c, json_t *params)
{
	const char *net = m_str(params, "network");
	json_t *a;

	if (!m_only_net(ctl, c, params, "network"))
		return;
	a = json_array();
	list_for_each(n, &ctl->model.nets, struct network, node) {
		if (n->dying || (net && strcmp(net, n->conf.name)))
			continue;
		list_for_each(r, &n->records, struct record, node)
			json_array_append_new(a, obj_record(n, &r->conf));
	}
	call_result(c, json_pack("{s:o}", "records", a));
}

static void hosts(struct ctl *ctl, struct call *c, json_t *params)
{
	if (m_only_net(ctl, c, params, "network"))
		call_result(c, json_pack("{s:o}", "hosts",
					 hosts_list(ctl,
						    m_str(params, "network"),
						    false)));
}

#define P_NETWORK {"network", P_STR, true, 0, 0, NULL, "its name"}
#define P_ONLY	  {"network", P_STR, false, 0, 0, NULL, "only those of it"}
#define P_NAME                                                               \
	{"name", P_STR, true, 0, 0, NULL,                                    \
	 "in the network's domain, like www or *.apps; @ for the domain "    \
	 "itself; with a final dot any name"}

static const struct param p_add[] = {
	P_NETWORK,
	P_NAME,
	{"type", P_STR, true, 0, 0, NULL, "A, AAAA, CNAME, TXT, MX, SRV"},
	{"value", P_STR, true, 0, 0, NULL,
	 "address; target; text; \"PREFERENCE TARGET\"; \"PRIORITY WEIGHT PORT "
	 "TARGET\""},
	{NULL},
};
static const struct param p_del[] = {
	P_NETWORK,
	P_NAME,
	{"type", P_STR, false, 0, 0, NULL, "only those of this type"},
	{"value", P_STR, false, 0, 0, NULL, "only the one with this value"},
	{NULL},
};
static const struct param p_list[] = {P_ONLY, {NULL}};

const struct method m_dns[] = {
	{"dns.add", RIGHT_ADMIN, "Add a record to a network's DNS.", p_add,
	 "{network,name,type,value,fqdn}", add},
	{"dns.del", RIGHT_ADMIN, "Remove records of a name.", p_del,
	 "{removed}", del},
	{"dns.list", RIGHT_READ, "Records that were added.", p_list,
	 "{records:[{network,name,type,value,fqdn}]}", list},
	{"dns.hosts", RIGHT_READ,
	 "Names and addresses of VMs and records, full names first; short ones "
	 "that the user gave and no other network has.",
	 p_list, "{hosts:[{network,address,names:[…]}]}", hosts},
	{NULL},
};
