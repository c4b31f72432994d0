// SPDX-License-Identifier: GPL-2.0-or-later
/* See stopped.h. */
#include "netd/stopped.h"

#include <string.h>

#include "lib/compat.h"
#include "lib/log.h"
#include "netd/ctl.h"
#include "netd/obj.h"

struct words {
	const char *kind, *what;
};

static const struct words rogues[] = {
	{"dhcp", "answers DHCP, as only the network may"},
	{"ra", "announces itself as an IPv6 router, as only the network may"},
	{"dhcp6", "answers DHCPv6, as only the network may"},
};

static const struct words guards[] = {
	{"mac", "sends from a MAC that is not the NIC's"},
	{"claim", "claims a MAC or address that is not its own"},
	{"address", "sends from an address that is not its own"},
	{"dhcp", "speaks DHCP for another MAC"},
	{"gateway", "claims an address of the network's own"},
	{"storm", "sends more broadcasts than it may"},
};

static const char *find(const struct words *w, size_t n, const char *kind)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(w[i].kind, kind))
			return w[i].what;
	return "sends what cannot be judged";
}

void stopped_log(const char *network, const char *who, bool rogue,
		 const char *kind, const struct mac *mac)
{
	char m[MAC_TEXT];

	log_warn("network %s: %s %s: dropped mac=%s", network, who,
		 rogue ? find(rogues, ARRAY_LEN(rogues), kind)
		       : find(guards, ARRAY_LEN(guards), kind),
		 mac_format(mac, m));
}

void stopped_emit(struct nic *nic, bool rogue, const char *kind,
		  const struct mac *mac)
{
	events_emit(&nic->net->ctl->events,
		    rogue ? EVENT_DHCP_ROGUE : EVENT_NIC_GUARD,
		    json_pack("{s:s,s:s,s:i,s:s,s:o}", "network",
			      nic->net->conf.name, "vm", nic->conf.vm, "nic",
			      nic->conf.index, "kind", kind, "mac",
			      obj_mac(mac)));
}
