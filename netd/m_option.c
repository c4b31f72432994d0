// SPDX-License-Identifier: GPL-2.0-or-later
/* option.*: what DHCP tells guests, for a network, a group, a VM or a MAC. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netd/dhcpset.h"
#include "netd/m_int.h"
#include "netd/netctl.h"
#include "netd/optset.h"
#include "netd/store.h"

static int read_scope(json_t *params, char *out, size_t cap,
		      struct errtext *why)
{
	const char *vm = m_str(params, "vm"), *mac = m_str(params, "mac"),
		   *group = m_str(params, "group");

	if (!!vm + !!mac + !!group > 1)
		return errtext_set(why, -EINVAL,
				   "give one of vm, mac and group");
	if (json_object_get(params, "nic") && !vm)
		return errtext_set(why, -EINVAL, "nic goes with vm");
	out[0] = '\0';
	if (vm && json_object_get(params, "nic"))
		snprintf(out, cap, "vm:%s/%d", vm,
			 (int)m_int(params, "nic", 0));
	else if (vm)
		snprintf(out, cap, "vm:%s", vm);
	else if (mac)
		snprintf(out, cap, "mac:%s", mac);
	else if (group)
		snprintf(out, cap, "group:%s", group);
	for (char *p = out; mac && *p; p++)
		if (*p >= 'A' && *p <= 'F')
			*p = (char)(*p + 'a' - 'A');
	return 0;
}

/* Into the store and the model; all or none. */
static int put_all(struct ctl *ctl, struct network *n, struct optset *set,
		   struct errtext *why)
{
	int r = store_begin(ctl->store, why);

	if (r)
		return r;
	r = optset_store(set, ctl->store, n, why);
	if (!r)
		r = store_commit(ctl->store, why);
	else
		store_rollback(ctl->store);
	return r ? r : optset_remember(set, n);
}

static void applied(struct network *n, const char *scope)
{
	if (!scope[0])
		netctl_push(n); /* the server's own */
	dhcpset_tell_scope(n, scope);
}

/* A group is nothing before it is said who belongs to it. */
static int is_whole(const struct network *n, const struct optset *set,
		    struct errtext *why)
{
	if (!set->n)
		return errtext_set(why, -EINVAL, "no option is named");
	if (strncmp(set->scope, "group:", 6) ||
	    !strcmp(set->list[set->n - 1].name, "match") ||
	    model_dhcpset_find(n, set->scope, "match"))
		return 0;
	return errtext_set(why, -EINVAL,
			   "group %s is new: say who belongs to it (match)",
			   set->scope + 6);
}

static void set(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "network");
	struct optset set = {.n = 0};
	struct errtext why = {""};
	int r;

	if (!n)
		return;
	r = read_scope(params, set.scope, sizeof(set.scope), &why);
	if (!r)
		r = optset_read(&set, json_object_get(params, "options"),
				m_str(params, "match"), &why);
	if (!r)
		r = is_whole(n, &set, &why);
	if (!r)
		r = put_all(ctl, n, &set, &why);
	optset_free(&set);
	if (r) {
		call_fail_why(c, r, &why);
		return;
	}
	applied(n, set.scope);
	call_result(c, NULL);
}

/* Those that are named, or all of the scope, onto @out: all that were found, or none. */
static int find_named(struct network *n, const char *scope, json_t *names,
		      struct dhcpset **out, size_t *k, struct errtext *why)
{
	char name[sizeof(out[0]->conf.name)];
	json_t *v;
	size_t i;
	int r;

	json_array_foreach(names, i, v) {
		const char *text = json_string_value(v);
		size_t j = 0;

		r = dhcpset_name(text, name, sizeof(name), why);
		if (r)
			return r;
		out[*k] = model_dhcpset_find(n, scope, name);
		if (!out[*k])
			return errtext_set(why, -ENOENT, "%s is not set there",
					   text);
		while (out[j] != out[*k])
			j++;
		*k += j == *k; /* named twice: once is enough */
	}
	if (json_array_size(names))
		return 0;
	list_for_each(s, &n->dhcpsets, struct dhcpset, node)
		if (!strcmp(s->conf.scope, scope))
			out[(*k)++] = s;
	return *k ? 0 : errtext_set(why, -ENOENT, "nothing is set there");
}

/* From the store and the model; all or none. */
static int del_all(struct ctl *ctl, struct network *n, struct dhcpset **list,
		   size_t k, struct errtext *why)
{
	int r = store_begin(ctl->store, why);

	if (r)
		return r;
	for (size_t i = 0; i < k && !r; i++)
		r = store_dhcpset_del(ctl->store, &list[i]->conf, why);
	if (!r)
		r = store_commit(ctl->store, why);
	else
		store_rollback(ctl->store);
	for (size_t i = 0; i < k && !r; i++)
		model_dhcpset_del(n, list[i]);
	return r;
}

static void del(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "network");
	json_t *names = json_object_get(params, "options");
	struct errtext why = {""};
	char scope[sizeof(((struct dhcpset_conf *)0)->scope)] = "";
	struct dhcpset **found;
	size_t k = 0;
	int r;

	if (!n)
		return;
	found = calloc(json_array_size(names) + model_dhcpsets(n) + 1,
		       sizeof(struct dhcpset *));
	r = found ? read_scope(params, scope, sizeof(scope), &why) : -ENOMEM;
	if (!r)
		r = find_named(n, scope, names, found, &k, &why);
	for (size_t i = 0; i < k && !r; i++)
		r = dhcpset_del_check(n, found[i], &why);
	if (!r)
		r = del_all(ctl, n, found, k, &why);
	free(found);
	if (r) {
		call_fail_why(c, r, &why);
		return;
	}
	applied(n, scope);
	call_result(c, NULL);
}

static void list(struct ctl *ctl, struct call *c, json_t *params)
{
	const char *net = m_str(params, "network");
	json_t *a;

	if (!m_only_net(ctl, c, params, "network"))
		return;
	a = json_array();
	list_for_each(n, &ctl->model.nets, struct network, node)
	{
		if (n->dying || (net && strcmp(net, n->conf.name)))
			continue;
		list_for_each(s, &n->dhcpsets, struct dhcpset, node)
			json_array_append_new(a, dhcpset_obj(n, s));
	}
	call_result(c, json_pack("{s:o}", "options", a));
}

#define P_SCOPE                                                                \
	{"network", P_STR, true, 0, 0, NULL, "its name"},                      \
		{"vm", P_STR, false, 0, 0, NULL, "for this VM only"},          \
		{"nic",                                                        \
		 P_INT,                                                        \
		 false,                                                        \
		 0,                                                            \
		 CONF_NIC_INDEX,                                               \
		 NULL,                                                         \
		 "for this NIC of the VM only"},                               \
		{"mac", P_MAC, false, 0, 0, NULL, "for this MAC only"},        \
	{                                                                      \
		"group", P_STR, false, 0, 0, NULL, "for a group of clients"    \
	}

static const struct param p_set[] = {
	P_SCOPE,
	{"match", P_STR, false, 0, 0, NULL,
	 "who belongs to the group: mac=, name=, vendor=, user=, arch=, relay= with "
	 "patterns, commas between"},
	{"options", P_STRS, false, 0, 0, NULL,
	 "NAME=VALUE, NUMBER:TYPE=VALUE, NUMBER=0x…; no value: not to be sent"},
	{NULL},
};
static const struct param p_del[] = {
	P_SCOPE,
	{"options", P_STRS, false, 0, 0, NULL,
	 "their names; all when left out"},
	{NULL},
};
static const struct param p_list[] = {
	{"network", P_STR, false, 0, 0, NULL, "only those of it"},
	{NULL},
};

const struct method m_option[] = {
	{"option.set", RIGHT_ADMIN,
	 "Set DHCP options; the narrower scope wins. For the network also: "
	 "identity (nic, rfc2131), leases-per-nic, boot:ARCH, boot-server, "
	 "pool:SUBNET.",
	 p_set, "{}", set},
	{"option.del", RIGHT_ADMIN, "Set them no more.", p_del, "{}", del},
	{"option.list", RIGHT_READ, "What is set, by scope.", p_list,
	 "{options:[{network,scope,code,name,type,value}]}", list},
	{NULL},
};
