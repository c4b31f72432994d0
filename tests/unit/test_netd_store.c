// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd dhcp_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netd/guardconf.h"
#include "netd/store_int.h"

/* What version 15 brought, and 14. */
#define DROP_GUARD_COLUMNS                                                     \
	"ALTER TABLE networks DROP COLUMN mac_nat;"                            \
	"ALTER TABLE networks DROP COLUMN guard;"                              \
	"ALTER TABLE networks DROP COLUMN isolated;"                           \
	"ALTER TABLE networks DROP COLUMN storm;"                              \
	"ALTER TABLE nics DROP COLUMN guard;"                                  \
	"ALTER TABLE nics DROP COLUMN isolated;"                               \
	"ALTER TABLE nics DROP COLUMN storm;"                                  \
	"ALTER TABLE nics DROP COLUMN rate_in;"                                \
	"ALTER TABLE nics DROP COLUMN rate_out;"                               \
	"ALTER TABLE nics DROP COLUMN ips;"

struct fix {
	char dir[64], path[96];
	struct store *s;
	struct net_conf net;
	struct nic_conf nic;
	struct fwd_conf fwd;
	struct resv_conf resv;
	struct lease_conf lease;
	struct resv6_conf resv6;
	struct lease6_conf lease6;
	struct dhcpset_conf dhcpset;
	struct record_conf record;
	struct claim_conf claim;
	int seen[9];
};

static struct fix *with_file(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct errtext why;

	snprintf(f->dir, sizeof(f->dir), "/tmp/vnet-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/vnet.db", f->dir);
	assert_int_equal(store_open(f->path, &f->s, &why), 0);
	*state = f;
	return f;
}

static int setup(void **state)
{
	with_file(state);
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	char p[128];

	store_close(f->s);
	unlink(f->path);
	snprintf(p, sizeof(p), "%s-wal", f->path);
	unlink(p);
	snprintf(p, sizeof(p), "%s-shm", f->path);
	unlink(p);
	snprintf(p, sizeof(p), "%s-reserve", f->path);
	unlink(p);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int t_net(void *arg, const struct net_conf *c, struct errtext *why)
{
	struct fix *f = arg;

	(void)why;
	f->net = *c;
	return f->seen[0]++ ? 0 : 0;
}

static int t_nic(void *arg, const struct nic_conf *c, struct errtext *why)
{
	(void)why;
	((struct fix *)arg)->nic = *c;
	((struct fix *)arg)->seen[1]++;
	return 0;
}

static int t_fwd(void *arg, const struct fwd_conf *c, struct errtext *why)
{
	(void)why;
	((struct fix *)arg)->fwd = *c;
	((struct fix *)arg)->seen[2]++;
	return 0;
}

static int t_resv(void *arg, const struct resv_conf *c, struct errtext *why)
{
	(void)why;
	((struct fix *)arg)->resv = *c;
	((struct fix *)arg)->seen[3]++;
	return 0;
}

static int t_lease(void *arg, const struct lease_conf *c, struct errtext *why)
{
	(void)why;
	((struct fix *)arg)->lease = *c;
	((struct fix *)arg)->seen[4]++;
	return 0;
}

static int t_dhcpset(void *arg, const struct dhcpset_conf *c,
		     struct errtext *why)
{
	struct fix *f = arg;

	(void)why;
	f->dhcpset = *c;
	return 0;
}

static int t_record(void *arg, const struct record_conf *c, struct errtext *why)
{
	(void)why;
	((struct fix *)arg)->record = *c;
	((struct fix *)arg)->seen[7]++;
	return 0;
}

static int t_claim(void *arg, const struct claim_conf *c, struct errtext *why)
{
	(void)why;
	((struct fix *)arg)->claim = *c;
	((struct fix *)arg)->seen[8]++;
	return 0;
}

static int t_resv6(void *arg, const struct resv6_conf *c, struct errtext *why)
{
	(void)why;
	((struct fix *)arg)->resv6 = *c;
	((struct fix *)arg)->seen[5]++;
	return 0;
}

static int t_lease6(void *arg, const struct lease6_conf *c, struct errtext *why)
{
	(void)why;
	((struct fix *)arg)->lease6 = *c;
	((struct fix *)arg)->seen[6]++;
	return 0;
}

static int load(struct fix *f, struct errtext *why)
{
	const struct store_sink sink = {.arg = f,
					.net = t_net,
					.nic = t_nic,
					.fwd = t_fwd,
					.resv = t_resv,
					.dhcpset = t_dhcpset,
					.record = t_record,
					.lease = t_lease,
					.claim = t_claim,
					.resv6 = t_resv6,
					.lease6 = t_lease6};

	memset(f->seen, 0, sizeof(f->seen));
	return store_load(f->s, &sink, why);
}

static void reopen(struct fix *f)
{
	struct errtext why = {""};

	store_close(f->s);
	f->s = NULL;
	assert_int_equal(store_open(f->path, &f->s, &why), 0);
}

static struct net_conf a_net(void)
{
	return (struct net_conf){.name = "lab",
				 .mode = NET_NAT,
				 .subnet = {0x0a000200, 24},
				 .service_ip = 0x0a000202,
				 .dns_ip = 0x0a000203,
				 .dhcp_first = 0x0a00020f,
				 .dhcp_last = 0x0a0002fe,
				 .lease_s = 3600,
				 .mtu = 1400,
				 .domain = "lab.vnet",
				 .access = ACCESS_LOOPBACK,
				 .host_allow = "tcp:22,udp:53",
				 .udp_filter = NAT_FILTER_ADDR,
				 .mac = {{0x52, 0x55, 1, 2, 3, 4}},
				 .subnet6 = {{{0xfd, [7] = 9}}, 64},
				 .tftp = "/srv/tftp",
				 .ipv6 = IPV6_STATEFUL,
				 .pool6 = {{{0xfd, [6] = 0xff}}, 56},
				 .pool6_len = 62,
				 .autostart = true};
}

static void fill(struct fix *f)
{
	struct net_conf n = a_net();
	struct nic_conf nic = {.vm = "MyVM", .index = 1, .type = NIC_NETNS,
			       .mac = {{0x52, 0x54, 0, 1, 2, 3}},
			       .ifname = "eth0", .netns = "/run/netns/x",
			       .owner = 1000, .link = true};
	struct fwd_conf fwd = {.proto = IPPROTO_UDP, .port = 5, .port_end = 7,
			       .to_vm = "MyVM", .to_nic = -1, .to_port = 9,
			       .address = {{[15] = 1}},
			       .to_address = ipaddr_from4(0x0a00020f)};
	struct resv_conf resv = {.address = 0x0a000232, .vm = "MyVM",
				 .hostname = "h"};
	struct lease_conf l = {.address = 0x0a00020f, .state = DHCP_RELEASED,
			       .client_id = {1, 0xff}, .client_id_len = 2,
			       .mac = {{0x52, 0x54, 0, 1, 2, 3}},
			       .hostname = "guest", .expires = 1234567890};

	struct resv6_conf resv6 = {.address = {{0xfd, [7] = 9, [15] = 0x50}},
				   .vm = "MyVM", .nic = 2};
	struct lease6_conf l6 = {.address = {{0xfd, [6] = 0xff}}, .plen = 62,
				 .mac = {{0x52, 0x54, 0, 1, 2, 3}},
				 .duid = "00030001525400010203",
				 .iaid = 0xfffffffe, .hostname = "guest",
				 .via = {{0xfe, 0x80, [15] = 7}},
				 .expires = 1234567890};
	struct dhcpset_conf set = {.name = "26", .value = "0x0578"};

	assert_int_equal(store_net_add(f->s, &n, NULL), 0);
	resv6.network = l6.network = n.id;
	assert_int_equal(store_resv6_put(f->s, &resv6, NULL), 0);
	assert_int_equal(store_lease6_put(f->s, &l6, NULL), 0);
	nic.network = fwd.network = resv.network = l.network = n.id;
	assert_int_equal(store_nic_add(f->s, &nic, NULL), 0);
	assert_true(nic.id >= CONF_NIC_ID_FIRST);
	l.nic = nic.id;
	assert_int_equal(store_fwd_add(f->s, &fwd, NULL), 0);
	assert_int_equal(store_resv_put(f->s, &resv, NULL), 0);
	set.network = n.id;
	assert_int_equal(store_dhcpset_put(f->s, &set, NULL), 0);
	assert_int_equal(store_lease_put(f->s, &l, NULL), 0);
}

static void fwd_update__reopened__the_new_one(void **state)
{
	struct fix *f = *state;
	struct fwd_conf c = {.id = 1, .proto = IPPROTO_TCP, .port = 80,
			     .port_end = 81,
			     .address = ipaddr_from4(0x7f000001),
			     .to_nic = -1,
			     .to_address = ipaddr_from4(0x0a000214),
			     .to_port = 90};

	fill(f);
	assert_int_equal(store_fwd_update(f->s, &c, NULL), 0);
	reopen(f);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->fwd.id, 1);
	assert_int_equal(f->fwd.network, f->net.id);
	assert_int_equal(f->fwd.proto, IPPROTO_TCP);
	assert_int_equal(ipaddr_get4(&f->fwd.address), 0x7f000001);
	assert_int_equal(f->fwd.port_end, 81);
	assert_string_equal(f->fwd.to_vm, "");
	assert_int_equal(ipaddr_get4(&f->fwd.to_address), 0x0a000214);
	assert_int_equal(f->fwd.to_port, 90);
}

static void round_trip__reopened__all_there(void **state)
{
	struct fix *f = *state;
	struct errtext why = {""};
	struct stat st;

	fill(f);
	reopen(f);
	assert_int_equal(load(f, &why), 0);
	assert_string_equal(f->net.name, "lab");
	assert_int_equal(f->net.subnet.plen, 24);
	assert_int_equal(f->net.dhcp_last, 0x0a0002fe);
	assert_int_equal(f->net.access, ACCESS_LOOPBACK);
	assert_string_equal(f->net.host_allow, "tcp:22,udp:53");
	assert_int_equal(f->net.udp_filter, NAT_FILTER_ADDR);
	assert_int_equal(f->net.mac.b[5], 4);
	assert_int_equal(f->net.subnet6.plen, 64);
	assert_int_equal(f->net.subnet6.addr.b[7], 9);
	assert_int_equal(f->nic.type, NIC_NETNS);
	assert_string_equal(f->nic.netns, "/run/netns/x");
	assert_int_equal(f->nic.owner, 1000);
	assert_int_equal(f->fwd.proto, IPPROTO_UDP);
	assert_int_equal(f->fwd.to_nic, -1);
	assert_int_equal(f->fwd.port_end, 7);
	assert_int_equal(f->fwd.address.b[15], 1);
	assert_false(ipaddr_is4(&f->fwd.address));
	assert_int_equal(ipaddr_get4(&f->fwd.to_address), 0x0a00020f);
	assert_string_equal(f->resv.hostname, "h");
	assert_true(mac_is_zero(&f->resv.mac));
	assert_int_equal(f->lease.client_id_len, 2);
	assert_memory_equal(f->lease.client_id, "\x01\xff", 2);
	assert_int_equal(f->lease.state, DHCP_RELEASED);
	assert_string_equal(f->dhcpset.scope, ""); /* the network's own */
	assert_string_equal(f->dhcpset.name, "26");
	assert_string_equal(f->dhcpset.value, "0x0578");
	assert_int_equal(f->lease.expires, 1234567890);
	assert_int_equal(f->net.ipv6, IPV6_STATEFUL);
	assert_int_equal(f->net.pool6.plen, 56);
	assert_int_equal(f->net.pool6_len, 62);
	assert_int_equal(f->resv6.address.b[15], 0x50);
	assert_string_equal(f->resv6.vm, "MyVM");
	assert_int_equal(f->lease6.plen, 62);
	assert_string_equal(f->lease6.duid, "00030001525400010203");
	assert_true(f->lease6.iaid == 0xfffffffe);
	assert_int_equal(f->lease6.via.b[15], 7);
	assert_int_equal(f->lease6.expires, 1234567890);
	assert_int_equal(store_lease6_del(f->s, f->net.id, &f->lease6.address,
					  NULL), 0);
	assert_int_equal(store_resv6_del(f->s, f->net.id, &f->resv6.address,
					 NULL), 0);
	assert_int_equal(load(f, &why), 0);
	assert_int_equal(f->seen[5] + f->seen[6], 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void net_del__takes_everything_along(void **state)
{
	struct fix *f = *state;

	fill(f);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(store_net_del(f->s, f->net.id, NULL), 0);
	assert_int_equal(load(f, NULL), 0);
	for (int i = 0; i < 7; i++)
		assert_int_equal(f->seen[i], 0);
}

static void open__second_schema__knows_no_queues(void **state)
{
	struct fix *f = *state;
	struct nic_conf nic = {.vm = "A", .type = NIC_VHOST, .queues = 4,
			       .mac = {{2, 0, 0, 0, 0, 1}},
			       .connect_to = "/run/vm/a.sock"};
	struct net_conf n = a_net();

	/* What an older vnetd had written, */
	assert_int_equal(store_net_add(f->s, &n, NULL), 0);
	nic.network = n.id;
	assert_int_equal(store_nic_add(f->s, &nic, NULL), 0);
	assert_int_equal(sqlite3_exec(f->s->db,
				      "ALTER TABLE nics DROP COLUMN queues;"
				      "ALTER TABLE nics DROP COLUMN connect_to;"
			     "ALTER TABLE nics DROP COLUMN transient;"
			     "ALTER TABLE leases DROP COLUMN state;"
				      "ALTER TABLE networks DROP COLUMN subnet6;"
				      "DROP TABLE records; DROP TABLE claims;"
				      "ALTER TABLE networks DROP COLUMN tftp;"
			     "ALTER TABLE networks DROP COLUMN ipv6;"
			     "ALTER TABLE networks DROP COLUMN prefix_pool;"
			     "ALTER TABLE networks DROP COLUMN datapath;"
			     "ALTER TABLE networks DROP COLUMN uplink_mode;"
			     DROP_GUARD_COLUMNS
			     "DROP TABLE leases6; DROP TABLE reservations6;"
			     "PRAGMA user_version = 2", NULL, NULL,
				      NULL), SQLITE_OK);
	/* … is read, and can be written to. */
	reopen(f);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->nic.type, NIC_VHOST);
	assert_int_equal(f->nic.queues, 0);
	assert_string_equal(f->nic.connect_to, "");
	assert_false(f->nic.transient);
	nic.index = 1;
	nic.transient = true;
	assert_int_equal(store_nic_add(f->s, &nic, NULL), 0);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->nic.queues, 4);
	assert_string_equal(f->nic.connect_to, "/run/vm/a.sock");
	assert_true(f->nic.transient);
}

static void guard__kept__and_inherited_by_older_nics(void **state)
{
	struct fix *f = *state;
	struct nic_conf nic = {.vm = "A", .type = NIC_STREAM,
			       .mac = {{2, 0, 0, 0, 0, 1}}};
	struct net_conf n = a_net();

	n.guard = (struct guard_conf){.level = PIN_MAC, .isolated = 1,
				      .storm = 300};
	assert_int_equal(store_net_add(f->s, &n, NULL), 0);
	nic.network = n.id;
	nic.guard = (struct guard_conf){.level = PIN_IP, .isolated = -1,
					.storm = 5, .rate_in = 1000,
					.rate_out = 400000000,
					.ips = "10.0.2.7,fd00::/64"};
	assert_int_equal(store_nic_add(f->s, &nic, NULL), 0);
	reopen(f);
	assert_int_equal(load(f, NULL), 0);
	assert_true(guardconf_eq(&f->net.guard, &n.guard));
	assert_true(guardconf_eq(&f->nic.guard, &nic.guard));
	guardconf_inherit(&nic.guard);
	n.guard.level = PIN_OFF;
	assert_int_equal(store_nic_update(f->s, &nic, NULL), 0);
	assert_int_equal(store_net_set(f->s, &n, NULL), 0);
	assert_int_equal(load(f, NULL), 0);
	assert_true(guardconf_eq(&f->net.guard, &n.guard));
	assert_true(guardconf_eq(&f->nic.guard, &nic.guard));
	assert_int_equal(sqlite3_exec(f->s->db,
				      DROP_GUARD_COLUMNS
				      "PRAGMA user_version = 13",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	reopen(f);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->net.guard.level, PIN_OFF);
	assert_int_equal(f->net.guard.isolated, 0);
	assert_true(guardconf_eq(&f->nic.guard, &nic.guard));
	sqlite3_exec(f->s->db, "UPDATE nics SET guard='much'", NULL, NULL, NULL);
	assert_int_equal(load(f, NULL), -EUCLEAN);
}

static void mac_nat__kept__auto_in_older_networks(void **state)
{
	struct fix *f = *state;
	struct net_conf n = a_net();

	n.mac_nat = MAC_NAT_OFF;
	assert_int_equal(store_net_add(f->s, &n, NULL), 0);
	reopen(f);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->net.mac_nat, MAC_NAT_OFF);
	n.mac_nat = MAC_NAT_ON;
	assert_int_equal(store_net_set(f->s, &n, NULL), 0);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->net.mac_nat, MAC_NAT_ON);
	assert_int_equal(sqlite3_exec(f->s->db,
				      "ALTER TABLE networks DROP COLUMN mac_nat;"
				      "PRAGMA user_version = 14",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	reopen(f);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->net.mac_nat, MAC_NAT_AUTO);
	sqlite3_exec(f->s->db, "UPDATE networks SET mac_nat='maybe'", NULL, NULL,
		     NULL);
	assert_int_equal(load(f, NULL), -EUCLEAN);
}

static void nic_ids__never_reused(void **state)
{
	struct fix *f = *state;
	struct nic_conf nic = {.vm = "B", .type = NIC_FD,
			       .mac = {{0x52, 0x54, 0, 1, 2, 3}}};
	int64_t first;

	fill(f);
	load(f, NULL);
	nic.network = f->net.id;
	assert_int_equal(store_nic_add(f->s, &nic, NULL), 0);
	first = nic.id;
	assert_int_equal(store_nic_del(f->s, nic.id, NULL), 0);
	assert_int_equal(store_nic_add(f->s, &nic, NULL), 0);
	assert_true(nic.id > first);
}

static void add__same_name__exists(void **state)
{
	struct fix *f = *state;
	struct net_conf n = a_net();

	fill(f);
	assert_int_equal(store_net_add(f->s, &n, NULL), -EEXIST);
}

static void full__refused_and_nothing_half_done(void **state)
{
	struct fix *f = *state;
	struct errtext why = {""};
	struct net_conf n = a_net();
	char name[CONF_NAME_MAX + 1];
	int r = 0, i;

	/* The file may grow by no page any more. */
	sqlite3_exec(f->s->db, "PRAGMA max_page_count=1", NULL, NULL, NULL);
	for (i = 0; i < 2000 && !r; i++) {
		snprintf(name, sizeof(name), "net%d", i);
		memcpy(n.name, name, sizeof(n.name));
		r = store_net_add(f->s, &n, &why);
	}
	assert_int_equal(r, -ENOSPC);
	assert_non_null(strstr(why.s, "full"));
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->seen[0], i - 1);
}

static void transaction__rolled_back__unchanged(void **state)
{
	struct fix *f = *state;
	struct net_conf n = a_net();

	assert_int_equal(store_begin(f->s, NULL), 0);
	assert_int_equal(store_net_add(f->s, &n, NULL), 0);
	store_rollback(f->s);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->seen[0], 0);
}

static void net_set__live_settings__kept(void **state)
{
	struct fix *f = *state;
	struct net_conf n = a_net();
	struct errtext why = {""};

	assert_int_equal(store_net_add(f->s, &n, &why), 0);
	n.access = ACCESS_ADDRESS;
	n.lease_s = 60;
	n.host_allow[0] = '\0';
	n.udp_filter = NAT_FILTER_EI;
	n.tftp[0] = '\0';
	n.subnet6 = (struct ip6_net){{{0xfd, 1, [7] = 9}}, 64};
	assert_int_equal(store_net_set(f->s, &n, &why), 0);
	reopen(f);
	assert_int_equal(load(f, &why), 0);
	assert_int_equal(f->net.access, ACCESS_ADDRESS);
	assert_int_equal(f->net.lease_s, 60);
	assert_string_equal(f->net.host_allow, "");
	assert_int_equal(f->net.udp_filter, NAT_FILTER_EI);
	assert_string_equal(f->net.tftp, "");
	assert_int_equal(f->net.subnet6.plen, 64);
	assert_int_equal(f->net.subnet6.addr.b[7], 9);
}

/* A store of the first schema, which did not know UDP filters. */
static void open__first_schema__brought_up_with_its_rows(void **state)
{
	struct fix *f = *state;
	struct errtext why = {""};

	fill(f);
	assert_int_equal(
		sqlite3_exec(f->s->db,
			     "ALTER TABLE networks DROP COLUMN udp_filter;"
			     "ALTER TABLE networks DROP COLUMN host_allow;"
			     "ALTER TABLE nics DROP COLUMN queues;"
			     "ALTER TABLE nics DROP COLUMN connect_to;"
			     "ALTER TABLE nics DROP COLUMN transient;"
			     "ALTER TABLE leases DROP COLUMN state;"
			     "ALTER TABLE networks DROP COLUMN subnet6;"
			     "DROP TABLE records; DROP TABLE claims;"
			     "ALTER TABLE networks DROP COLUMN tftp;"
			     "ALTER TABLE networks DROP COLUMN ipv6;"
			     "ALTER TABLE networks DROP COLUMN prefix_pool;"
			     "ALTER TABLE networks DROP COLUMN datapath;"
			     "ALTER TABLE networks DROP COLUMN uplink_mode;"
			     DROP_GUARD_COLUMNS
			     "DROP TABLE leases6; DROP TABLE reservations6;"
			     "PRAGMA user_version=1",
			     NULL, NULL, NULL),
		SQLITE_OK);
	reopen(f);
	assert_int_equal(load(f, &why), 0);
	assert_string_equal(f->net.name, "lab");
	assert_int_equal(f->net.udp_filter, NAT_FILTER_ADDR_PORT);
	assert_string_equal(f->net.host_allow, "");
	assert_string_equal(f->nic.netns, "/run/netns/x");
}

/* The schema of version 1, as it was released. */
static const char version1[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);"
	"CREATE TABLE networks("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL,"
	" mode TEXT NOT NULL, subnet TEXT, host_ip TEXT, service_ip TEXT,"
	" dns_ip TEXT, dhcp_first TEXT, dhcp_last TEXT,"
	" lease_s INTEGER NOT NULL, mtu INTEGER NOT NULL, uplink TEXT,"
	" domain TEXT NOT NULL, access TEXT NOT NULL, mac TEXT,"
	" autostart INTEGER NOT NULL, active INTEGER NOT NULL);"
	"CREATE TABLE nics("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, network INTEGER NOT NULL"
	"  REFERENCES networks(id) ON DELETE CASCADE,"
	" vm TEXT NOT NULL, idx INTEGER NOT NULL, mac TEXT NOT NULL,"
	" type TEXT NOT NULL, ifname TEXT, netns TEXT,"
	" owner INTEGER NOT NULL, link INTEGER NOT NULL, UNIQUE(vm, idx));"
	"CREATE TABLE forwards("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, network INTEGER NOT NULL"
	"  REFERENCES networks(id) ON DELETE CASCADE,"
	" proto TEXT NOT NULL, address TEXT, port INTEGER NOT NULL,"
	" port_end INTEGER NOT NULL, to_vm TEXT, to_nic INTEGER NOT NULL,"
	" to_address TEXT, to_port INTEGER NOT NULL);"
	"CREATE TABLE reservations("
	" network INTEGER NOT NULL REFERENCES networks(id) ON DELETE CASCADE,"
	" address TEXT NOT NULL, mac TEXT, vm TEXT, nic INTEGER NOT NULL,"
	" hostname TEXT, PRIMARY KEY(network, address)) WITHOUT ROWID;"
	"CREATE TABLE leases("
	" network INTEGER NOT NULL REFERENCES networks(id) ON DELETE CASCADE,"
	" address TEXT NOT NULL, mac TEXT NOT NULL, client_id TEXT,"
	" hostname TEXT, nic INTEGER NOT NULL, expires INTEGER NOT NULL,"
	" PRIMARY KEY(network, address)) WITHOUT ROWID;"
	"PRAGMA user_version = 1;"
	"INSERT INTO networks VALUES(7,'old','nat','10.0.2.0/24',NULL,"
	" '10.0.2.2','10.0.2.3','10.0.2.15','10.0.2.254',3600,1500,NULL,"
	" 'old.vnet','address','52:55:0a:00:02:02',1,1);"
	"INSERT INTO forwards VALUES(3,7,'tcp',NULL,22,22,'MyVM',-1,NULL,22);";

static void open__schema_of_version_1__brought_up_and_all_there(void **state)
{
	struct fix *f = *state;
	sqlite3 *db;

	store_close(f->s);
	f->s = NULL;
	unlink(f->path);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, version1, NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	reopen(f);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->seen[0], 1);
	assert_string_equal(f->net.name, "old");
	assert_int_equal(f->net.subnet6.plen, 0);
	assert_true(f->net.active);
	/* What it was, not what is usual now. */
	assert_int_equal(f->net.uplink_mode, UPLINK_TAKE_IN);
	assert_int_equal(f->fwd.port, 22);
	assert_true(ipaddr_is_zero(&f->fwd.address));
	/* And it is of this version from now on. */
	reopen(f);
	assert_int_equal(load(f, NULL), 0);
}

static void open__newer_schema__refused(void **state)
{
	struct fix *f = *state;
	struct errtext why = {""};
	struct store *s;

	sqlite3_exec(f->s->db, "PRAGMA user_version=99", NULL, NULL, NULL);
	assert_int_equal(store_open(f->path, &s, &why), -ENOTSUP);
	assert_non_null(strstr(why.s, "newer"));
}

static void open__schema_of_no_version__refused(void **state)
{
	struct fix *f = *state;
	struct errtext why = {""};
	struct store *s;

	sqlite3_exec(f->s->db, "PRAGMA user_version=-1", NULL, NULL, NULL);
	assert_int_equal(store_open(f->path, &s, &why), -EBADMSG);
	assert_non_null(strstr(why.s, "-1"));
}

static void open__no_database__refused(void **state)
{
	struct fix *f = *state;
	struct errtext why = {""};
	struct store *s;
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/junk", f->dir);
	out = fopen(path, "w");
	for (int i = 0; i < 400; i++)
		fputs("this is no database. ", out);
	fclose(out);
	assert_int_equal(store_open(path, &s, &why), -EUCLEAN);
	assert_non_null(strstr(why.s, "no database"));
	unlink(path);
	assert_true(store_open("/nonexistent/x/vnet.db", &s, &why) < 0);
}

static void load__edited_row__refused(void **state)
{
	static const char *const edits[] = {
		"UPDATE networks SET mode='magic'",
		"UPDATE networks SET subnet='10.0.2.1/24'",
		"UPDATE nics SET mac='hello'",
		"UPDATE nics SET idx=99",
		"UPDATE forwards SET port=70000",
		"UPDATE leases SET address='nowhere'",
		"UPDATE networks SET name=hex(zeroblob(500))",
	};

	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		struct errtext why = {""};
		struct fix *f = *state;

		if (i) {
			teardown(state);
			f = with_file(state);
		}
		fill(f);
		assert_int_equal(sqlite3_exec(f->s->db, edits[i], NULL, NULL,
					      NULL),
				 SQLITE_OK);
		assert_int_equal(load(f, &why), -EUCLEAN);
		assert_non_null(strstr(why.s, "makes no sense"));
	}
}

static void meta__set_and_get(void **state)
{
	struct fix *f = *state;
	char v[8];

	store_meta_get(f->s, "k", v, sizeof(v));
	assert_string_equal(v, "");
	assert_int_equal(store_meta_set(f->s, "k", "one", NULL), 0);
	assert_int_equal(store_meta_set(f->s, "k", "two", NULL), 0);
	store_meta_get(f->s, "k", v, sizeof(v));
	assert_string_equal(v, "two");
}

static void names__records_and_claims__come_back(void **state)
{
	struct fix *f = *state;
	struct net_conf n = {.name = "lab", .domain = "lab.vnet"};
	struct record_conf c = {.name = "www", .type = "CNAME", .value = "web"};
	struct claim_conf cl = {.address = {{0xfd, 1, [15] = 9}},
				.mac = {{2, 0, 0, 0, 0, 1}}, .name = "web"};

	assert_int_equal(store_net_add(f->s, &n, NULL), 0);
	c.network = cl.network = n.id;
	assert_int_equal(store_record_add(f->s, &c, NULL), 0);
	assert_int_equal(store_record_add(f->s, &c, NULL), -EEXIST);
	assert_int_equal(store_claim_put(f->s, &cl, NULL), 0);
	assert_int_equal(store_claim_put(f->s, &cl, NULL), 0);
	reopen(f);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->seen[7], 1);
	assert_string_equal(f->record.value, "web");
	assert_int_equal(f->seen[8], 1);
	assert_string_equal(f->claim.name, "web");
	assert_true(ipaddr_eq(&f->claim.address, &cl.address));
	assert_int_equal(store_record_del(f->s, &c, NULL), 0);
	assert_int_equal(store_claim_del(f->s, &cl, NULL), 0);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->seen[7] + f->seen[8], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(names__records_and_claims__come_back),
		T(fwd_update__reopened__the_new_one),
		T(round_trip__reopened__all_there),
		T(net_del__takes_everything_along),
		T(open__second_schema__knows_no_queues),
		T(guard__kept__and_inherited_by_older_nics),
		T(mac_nat__kept__auto_in_older_networks),
		T(nic_ids__never_reused),
		T(add__same_name__exists),
		T(full__refused_and_nothing_half_done),
		T(transaction__rolled_back__unchanged),
		T(net_set__live_settings__kept),
		T(open__first_schema__brought_up_with_its_rows),
		T(open__schema_of_version_1__brought_up_and_all_there),
		T(open__newer_schema__refused),
		T(open__schema_of_no_version__refused),
		T(open__no_database__refused),
		T(load__edited_row__refused),
		T(meta__set_and_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
