/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the method files m_*.c. */
#ifndef VNET_NETD_M_INT_H
#define VNET_NETD_M_INT_H

#include "netd/method.h"
#include "netd/natconf.h"

/* The caller's network or NIC; NULL after the call was failed. Parameter names:
 * "network"/"name" as @key; "vm" and "nic" (0 when absent). */
struct network *m_find_net(struct ctl *ctl, struct call *c, json_t *params,
			   const char *key);
/* For lists: is @key absent, or an existing network? Fails the call otherwise. */
bool m_only_net(struct ctl *ctl, struct call *c, json_t *params,
		const char *key);
struct nic *m_find_nic(struct ctl *ctl, struct call *c, json_t *params);

/* May the caller change it? Fails the call otherwise. */
bool m_owns(struct call *c, const struct nic *nic);

/* String parameter or NULL; number or @def. Types were checked at dispatch. */
const char *m_str(json_t *params, const char *key);
int64_t m_int(json_t *params, const char *key, int64_t def);
bool m_bool(json_t *params, const char *key, bool def);

/* m_netset.c: parameters of network.set onto @conf, a copy of @n's definition;
 * -EINVAL, -EEXIST, -EBUSY with @why. */
int m_netset_read(struct ctl *ctl, const struct network *n, json_t *params,
		  struct net_conf *conf, struct errtext *why);

/* The guard alone. @n: it is there already, and its NICs live with the change;
 * nullable. */
int m_guard_read(const struct network *n, json_t *params, struct net_conf *conf,
		 struct errtext *why);
/* What is of NAT in the parameters, network.define's too. */
struct natconf_spec m_nat_spec(json_t *params);

/* m_lease6.c: where the address is of IPv6. */
void m_lease6_list(struct ctl *ctl, struct network *n, json_t *list);
void m_lease6_release(struct ctl *ctl, struct call *c, struct network *n,
		      const struct ipaddr *ip);
void m_reserve6_add(struct ctl *ctl, struct call *c, struct network *n,
		    json_t *params, const struct ipaddr *ip);
void m_reserve6_del(struct ctl *ctl, struct call *c, struct network *n,
		    const struct ipaddr *ip);

#endif
