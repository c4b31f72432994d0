// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp6_rig */
/*
 * A DHCPv6 server fed with conversations. An input is a row of records:
 *
 *	1 byte	bits 0-1 NIC, 2 unicast to the server, 3 the next commit fails,
 *		4 crash and restart, 5-7 seconds that pass (8 to the power of)
 *	2 bytes	length, big endian
 *	…	the message
 *
 * Checked: no crash, every reply is a DHCPv6 message, the invariants of the table, and
 * that nothing is bound that is not stored.
 */
#include <stdint.h>

#include "tests/fake/dhcp6_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void record(struct dhcp6_rig *r, uint8_t how, struct cur m)
{
	struct dhcp6_ask meta = {.nic = how & 3, .n = how & 3,
				 .unicast = how & 4};
	struct dhcp6_input in = rig6_input(&meta);

	in.data = m.p;
	in.len = m.left;
	if (how >> 5)
		rig6_pass(r, 1 << 3 * (how >> 5));
	if (how & 16)
		rig6_restart(r, 0);
	r->hold = how & 8;
	(void)rig6_send_bytes(r, &in);
	while (r->nwaiting)
		rig6_refuse(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dhcp6_rig r;
	struct dhcp6_config cfg = rig6_config();
	struct cur c = cur_make(data, size);
	struct mac mac = rig6_mac(1);
	struct ipaddr ip = ip6("fd00:1::50");

	cfg.lease_s = 3600;
	cfg.delegate.plen = 62;
	rig6_start(&r, &cfg);
	(void)dhcp6_server_reserve(r.s, &mac, &ip, "one", NULL);
	for (int i = 0; i < 32 && c.left >= 3; i++) {
		uint8_t how = cur_u8(&c);
		size_t len = cur_be16(&c);

		record(&r, how, cur_sub(&c, len < c.left ? len : c.left));
		rig6_check(&r);
	}
	rig6_stop(&r);
	return 0;
}
