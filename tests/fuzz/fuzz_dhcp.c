// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp_rig */
/*
 * A DHCP server fed with conversations. An input is a row of records:
 *
 *	1 byte	bits 0-1 NIC, 2 unicast to the server, 3 the next commit fails,
 *		4 crash and restart, 5-7 seconds that pass (8 to the power of)
 *	2 bytes	length, big endian
 *	…	the message
 *
 * Checked: no crash, every reply is a DHCP message, the invariants of the pool,
 * and that nothing is bound that is not stored.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/bytes.h"
#include "dhcp/dhcp_boot.h"
#include "dhcp/dhcp_config.h"
#include "dhcp/dhcp_opt.h"
#include "tests/fake/dhcp_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A group that looks at all that a client says, and options of many kinds. */
static void scopes(struct dhcp_rig *r)
{
	static const char *const opts[] = {
		"search=a.example,b.example", "routes=10.9.0.0/16:10.0.2.9",
		"ipv6-only=300", "wpad=http://h/", "lease-time=120"};
	static const struct dhcp_scope g = {
		.kind = DHCP_SCOPE_GROUP,
		.group = "g",
		.match = "vendor=*a*,user=*b*,arch=7,name=o*,mac=*1,relay=*"};
	static struct dhcp_opts set;
	struct dhcp_option o;

	memset(&set, 0, sizeof(set));
	for (size_t i = 0; i < ARRAY_LEN(opts); i++)
		if (dhcp_opt_parse(opts[i], &o, NULL) ||
		    dhcp_opts_set(&set, &o))
			abort();
	if (dhcp_server_scope(r->s, &g, &set, NULL))
		abort();
}

static void record(struct dhcp_rig *r, uint8_t how, struct cur m)
{
	struct dhcp_ask meta = {
		.nic = how & 3,
		.mac = rig_mac((uint8_t)(how & 3)),
		.dst_ip = how & 4 ? r->cfg.server_ip : 0xffffffff,
	};

	if (how >> 5)
		rig_pass(r, 1 << 3 * (how >> 5));
	if (how & 16)
		rig_restart(r, 0);
	r->hold = how & 8;
	(void)rig_send_bytes(r, &meta, m.p, m.left);
	while (r->nwaiting)
		rig_refuse(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dhcp_rig r;
	struct dhcp_config cfg = rig_config();
	struct cur c = cur_make(data, size);
	struct mac mac = rig_mac(1);

	cfg.last = cfg.first + 5;
	cfg.lease_s = 3600;
	cfg.mtu = 1400;
	cfg.rapid_commit = true;
	(void)dhcp_boot_rule_parse("any=file", &cfg.boot.rule[0], NULL);
	(void)dhcp_boot_rule_parse("ipxe=http://h/menu", &cfg.boot.rule[1],
				   NULL);
	cfg.boot.nrules = 2;
	(void)dhcp_range_parse("10.9.0.0/29", &cfg.relay[0], NULL);
	(void)dhcp_range_parse("10.8.0.0/30", &cfg.relay[1], NULL);
	cfg.nrelay = 2;
	rig_start(&r, &cfg);
	scopes(&r);
	(void)dhcp_server_reserve(r.s, &mac, cfg.first + 2, "one", r.now, NULL);
	for (int i = 0; i < 32 && c.left >= 3; i++) {
		uint8_t how = cur_u8(&c);

		record(&r, how, cur_sub(&c, min_sz(cur_be16(&c), c.left)));
		rig_check(&r);
	}
	rig_stop(&r);
	return 0;
}
