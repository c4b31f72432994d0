/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The objects as the API shows them. All return new references. */
#ifndef VNET_NETD_OBJ_H
#define VNET_NETD_OBJ_H

#include <jansson.h>

#include "netd/ctl.h"

json_t *obj_network(const struct network *n);
json_t *obj_nic(struct ctl *ctl, const struct nic *nic);
/* What a runner needs to reach the NIC. */
json_t *obj_connect(const struct nic *nic);
json_t *obj_forward(const struct forward *f);
/* Its numbers; null while its network does not run. */
json_t *obj_fwd_stats(const struct forward *f);
json_t *obj_record(const struct network *n, const struct record_conf *c);
json_t *obj_resv(const struct network *n, const struct resv *r);
/* Whose lease it is: the NIC of its MAC, else the one it came in on; or NULL. */
struct nic *lease_nic(struct ctl *ctl, const struct network *n,
		      const struct lease_conf *l);
json_t *obj_lease6(struct ctl *ctl, const struct network *n,
		   const struct lease6_conf *l, const char *state);
json_t *obj_resv6(const struct network *n, const struct resv6 *r);
json_t *obj_lease(struct ctl *ctl, const struct network *n,
		  const struct lease_conf *l, const char *state);

const char *net_state_name(enum net_state s);
const char *nic_state_name(enum nic_state s);
const char *fwd_state_name(enum fwd_state s);

/* String or null for "". */
json_t *obj_str(const char *s);
json_t *obj_ip(uint32_t ip);   /* or null for 0 */
json_t *obj_ipaddr(const struct ipaddr *a); /* or null for zero */
json_t *obj_mac(const struct mac *m); /* or null for zero */

#endif
