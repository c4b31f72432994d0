// SPDX-License-Identifier: GPL-2.0-or-later
/* events.subscribe. */
#include "netd/m_int.h"

static void subscribe(struct ctl *ctl, struct call *c, json_t *params)
{
	json_t *v, *types = json_object_get(params, "types");
	struct subscriber *s = call_subscriber(c);
	uint32_t mask = 0, m;
	size_t i;

	json_array_foreach(types, i, v) {
		m = event_mask(json_string_value(v));
		if (!m) {
			call_fail(c, RPC_BAD_PARAMS,
				  "no event type \"%.40s\"",
				  json_string_value(v));
			return;
		}
		mask |= m;
	}
	if (!json_array_size(types))
		mask = UINT32_MAX;
	if (s)
		events_subscribe(&ctl->events, s, mask);
	call_result(c, NULL);
}

static const struct param p_subscribe[] = {
	{"types", P_STRS, false, 0, 0, NULL,
	 "names like lease.bound, or lease for all of a kind; all when left "
	 "out"},
	{NULL},
};

const struct method m_events[] = {
	{"events.subscribe", RIGHT_READ,
	 "From now on notifications {method:\"event\",params:{type,time,…}} "
	 "arrive on this connection: network.defined, network.undefined, "
	 "network.state, nic.attached, nic.detached, nic.connected, "
	 "nic.disconnected, nic.link, nic.address, lease.bound, "
	 "lease.released, lease.expired, lease.declined, forward.added, "
	 "forward.removed, forward.changed, forward.state, worker.started, "
	 "worker.exited, dhcp.pool_exhausted, dhcp.rogue, "
	 "dhcp.conflict, dhcp.other_server, nic.guard; events.missed {count} "
	 "when this reader was too slow.",
	 p_subscribe, "{}", subscribe},
	{NULL},
};
