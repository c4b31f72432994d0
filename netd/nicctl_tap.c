// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TAPs handed out as descriptors. A NIC's persistent TAP is opened by priv as its VMM
 * would, so that a VMM which may open nothing itself gets it ready. A transient NIC's
 * TAP is handed out once, when it is attached, and stops being persistent then: the
 * kernel deletes the device with the last copy of the descriptor, we see the device
 * gone, and the NIC goes, too. We keep no copy.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "netd/endpoint.h"
#include "netd/knetctl.h"
#include "netd/nicctl_int.h"
#include "netd/obj.h"
#include "netd/priv.h"

static int open_tap(struct ctl *ctl, const struct nic *nic, bool plain, int *fd,
		    struct errtext *why)
{
	struct priv_tap_fd t = {
		.multi = knetctl_has_port(nic) && nic->conf.queues > 1,
		.plain = plain,
		.once = nic->conf.transient,
	};

	if (nic->conf.type != NIC_TAP)
		return errtext_set(why, -EINVAL, "it is of type %s, not tap",
				   nic_type_name(nic->conf.type));
	if (!nic->ep || !nic->ep->tap[0])
		return errtext_set(why, -EAGAIN, "its TAP is not there: %s",
				   nic->reason[0] ? nic->reason
						  : "the network is stopped");
	memcpy(t.name, nic->conf.ifname, sizeof(t.name));
	return priv_tap_fd(ctl->priv, &t, fd, why);
}

void nicctl_tap_fd(struct ctl *ctl, struct call *c, struct nic *nic, bool plain)
{
	struct errtext why = {""};
	int fd = -1, r;

	if (nic->conf.transient)
		r = errtext_set(&why, -EBUSY,
				"its TAP was handed out when it was attached");
	else
		r = open_tap(ctl, nic, plain, &fd, &why);
	if (!r) {
		call_result_fd(c, obj_nic(ctl, nic), fd);
		return;
	}
	errtext_prefix(&why, r, "nic %s-%d", nic->conf.vm, nic->conf.index);
	call_fail_why(c, r, &why);
}

int nic_lend(struct ctl *ctl, struct call *c, struct nic *nic)
{
	struct errtext why = {""};
	int fd = -1, r = open_tap(ctl, nic, nic->conf.plain, &fd, &why);
	json_t *o;

	if (r) {
		errtext_prefix(&why, r, "nic %s-%d", nic->conf.vm,
			       nic->conf.index);
		call_fail_why(c, r, &why);
		return r;
	}
	nic->lent = true;
	o = obj_nic(ctl, nic);
	json_object_set_new(o, "connect", obj_connect(nic));
	call_result_fd(c, o, fd);
	return 0;
}

/* At a start a device that nobody has open is what a crash left in the moment before
 * it was handed out; in a network that is stopped that cannot be told. */
static bool is_over(const struct nic *nic, bool start)
{
	struct endpoint ep = {.type = NIC_TAP};

	if (!nic->lent)
		return false;
	memcpy(ep.tap, nic->conf.ifname, sizeof(ep.tap));
	if (!if_nametoindex(nic->conf.ifname))
		return true;
	return start && nic->conf.link && nic->net->conf.active &&
	       !endpoint_tap_in_use(&ep);
}

void nicctl_expire(struct ctl *ctl, bool start)
{
	struct errtext why = {""};

	list_for_each_safe(nic, &ctl->model.nics, struct nic, all) {
		if (!is_over(nic, start))
			continue;
		if (nic_forget(ctl, nic, &why))
			log_warn("nic %s-%d: its VMM is gone, and it stays: %s",
				 nic->conf.vm, nic->conf.index, why.s);
	}
}
