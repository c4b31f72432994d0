// SPDX-License-Identifier: GPL-2.0-or-later
/* What a NIC's guest may say and how much, changed while it runs. */
#include <errno.h>
#include <stdlib.h>

#include "netd/guardconf.h"
#include "netd/knetctl.h"
#include "netd/nicctl_int.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/store.h"
#include "netd/super.h"

static void tell(const struct nic *nic, super_done_fn done, void *arg)
{
	super_request(nic->net->sup, W_NIC_GUARD,
		      json_pack("{s:I,s:o}", "nic", (json_int_t)nic->conf.id,
				"guard",
				guardconf_wire(&nic->conf.guard,
					       &nic->net->conf)),
		      NULL, 0, done, arg);
}

void nicctl_guard(struct ctl *ctl, struct call *c, struct nic *nic,
		  const struct guard_conf *guard)
{
	struct nic_req *q = calloc(1, sizeof(*q));
	struct nic_conf conf = nic->conf;
	struct errtext why = {""};
	int r = q ? 0 : -ENOMEM;

	conf.guard = *guard;
	if (!r)
		r = guardconf_check(guard, &nic->net->conf, &why);
	if (!r)
		r = store_nic_update(ctl->store, &conf, &why);
	if (r) {
		free(q);
		errtext_prefix(&why, r, "nic %s-%d", conf.vm, conf.index);
		call_fail_why(c, r, &why);
		return;
	}
	nic->conf.guard = *guard;
	r = knetctl_take(nic->net, &why);
	*q = (struct nic_req){.ctl = ctl, .id = conf.id, .call = c};
	if (r) {
		free(q);
		if (nic->on_worker)
			tell(nic, NULL, NULL);
		errtext_prefix(&why, r, "nic %s-%d", conf.vm, conf.index);
		call_fail_why(c, r, &why);
	} else if (nic->on_worker) {
		tell(nic, nic_done, q);
	} else {
		nic_done(q, 0, NULL, "");
	}
}

void nicctl_guard_all(struct network *n)
{
	list_for_each(nic, &n->nics, struct nic, node)
		if (nic->on_worker)
			tell(nic, NULL, NULL);
}
