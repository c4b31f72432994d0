// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading the store back. Texts that do not parse make the whole load fail: a file
 * somebody edited by hand is better refused than half believed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netd/guardconf.h"
#include "netd/ip6conf.h"
#include "netd/natconf.h"
#include "lib/hex.h"
#include "netd/store_int.h"
#include "netd/uplinkconf.h"

/* A row being read; sticky failure like struct cur. */
struct row {
	sqlite3_stmt *st;
	int col;
	bool bad;
};

static void r_text(struct row *r, char *out, size_t cap)
{
	const char *t = (const char *)sqlite3_column_text(r->st, r->col++);

	if (t && strlen(t) >= cap)
		r->bad = true;
	snprintf(out, cap, "%s", t ? t : "");
}

static int64_t r_int(struct row *r, int64_t min, int64_t max)
{
	int64_t v = sqlite3_column_int64(r->st, r->col++);

	if (v < min || v > max) {
		r->bad = true;
		return min;
	}
	return v;
}

static uint32_t r_ip(struct row *r)
{
	char t[64];
	uint32_t ip = 0;

	r_text(r, t, sizeof(t));
	if (t[0] && ip4_parse(t, &ip))
		r->bad = true;
	return ip;
}

static struct ipaddr r_ipaddr(struct row *r)
{
	struct ipaddr a = {{0}};
	char t[64];

	r_text(r, t, sizeof(t));
	if (t[0] && ipaddr_parse(t, &a))
		r->bad = true;
	return a;
}

static struct mac r_mac(struct row *r)
{
	struct mac m = {{0}};
	char t[64];

	r_text(r, t, sizeof(t));
	if (t[0] && mac_parse(t, &m))
		r->bad = true;
	return m;
}

static int read_net(struct row *r, const struct store_sink *sink,
		    struct errtext *why)
{
	struct net_conf c = {.id = r_int(r, 1, INT64_MAX)};
	char t[64];

	r_text(r, c.name, sizeof(c.name));
	r_text(r, t, sizeof(t));
	r->bad |= net_mode_parse(t, &c.mode) != 0;
	r_text(r, t, sizeof(t));
	if (t[0] && ip4_net_parse(t, &c.subnet, NULL))
		r->bad = true;
	c.host_ip = r_ip(r);
	c.service_ip = r_ip(r);
	c.dns_ip = r_ip(r);
	c.dhcp_first = r_ip(r);
	c.dhcp_last = r_ip(r);
	c.lease_s = (uint32_t)r_int(r, 0, UINT32_MAX);
	c.mtu = (uint16_t)r_int(r, 0, 65535);
	r_text(r, c.uplink, sizeof(c.uplink));
	r_text(r, c.domain, sizeof(c.domain));
	r_text(r, t, sizeof(t));
	r->bad |= net_access_parse(t, &c.access) != 0;
	c.mac = r_mac(r);
	c.autostart = r_int(r, 0, 1);
	c.active = r_int(r, 0, 1);
	r_text(r, t, sizeof(t));
	r->bad |= natconf_filter_parse(t, &c.udp_filter) != 0;
	r_text(r, c.host_allow, sizeof(c.host_allow));
	r_text(r, t, sizeof(t));
	if (t[0] && ip6_net_parse(t, &c.subnet6, NULL))
		r->bad = true;
	r_text(r, c.tftp, sizeof(c.tftp));
	r_text(r, t, sizeof(t));
	r->bad |= ip6conf_mode_parse(t, &c.ipv6) != 0;
	r_text(r, t, sizeof(t));
	r->bad |= ip6conf_pool_parse(t, &c) != 0;
	r_text(r, t, sizeof(t));
	r->bad |= net_datapath_parse(t, &c.datapath) != 0;
	r_text(r, t, sizeof(t));
	r->bad |= uplinkconf_mode_parse(t, &c.uplink_mode) != 0;
	r_text(r, t, sizeof(t));
	r->bad |= guardconf_level_parse(t, false, &c.guard.level) != 0;
	c.guard.isolated = (int)r_int(r, 0, 1);
	c.guard.storm = r_int(r, 0, GUARDCONF_STORM_MAX);
	r_text(r, t, sizeof(t));
	r->bad |= uplinkconf_mac_nat_parse(t, &c.mac_nat) != 0;
	return r->bad ? -EUCLEAN : sink->net(sink->arg, &c, why);
}

static int read_nic(struct row *r, const struct store_sink *sink,
		    struct errtext *why)
{
	struct nic_conf c = {.id = r_int(r, CONF_NIC_ID_FIRST, INT64_MAX)};
	char t[64];

	c.network = r_int(r, 1, INT64_MAX);
	r_text(r, c.vm, sizeof(c.vm));
	c.index = (int)r_int(r, 0, CONF_NIC_INDEX);
	c.mac = r_mac(r);
	r_text(r, t, sizeof(t));
	r->bad |= nic_type_parse(t, &c.type) != 0;
	r_text(r, c.ifname, sizeof(c.ifname));
	r_text(r, c.netns, sizeof(c.netns));
	c.owner = (uid_t)r_int(r, 0, UINT32_MAX);
	c.link = r_int(r, 0, 1);
	c.queues = (int)r_int(r, 0, CONF_QUEUES_MAX);
	r_text(r, c.connect_to, sizeof(c.connect_to));
	c.transient = r_int(r, 0, 1);
	r_text(r, t, sizeof(t));
	r->bad |= guardconf_level_parse(t, true, &c.guard.level) != 0;
	c.guard.isolated = (int)r_int(r, -1, 1);
	c.guard.storm = r_int(r, -1, GUARDCONF_STORM_MAX);
	c.guard.rate_in = (uint32_t)r_int(r, 0, GUARDCONF_RATE_MAX);
	c.guard.rate_out = (uint32_t)r_int(r, 0, GUARDCONF_RATE_MAX);
	r_text(r, c.guard.ips, sizeof(c.guard.ips));
	return r->bad ? -EUCLEAN : sink->nic(sink->arg, &c, why);
}

static int read_fwd(struct row *r, const struct store_sink *sink,
		    struct errtext *why)
{
	struct fwd_conf c = {.id = r_int(r, 1, INT64_MAX)};
	char t[64];

	c.network = r_int(r, 1, INT64_MAX);
	r_text(r, t, sizeof(t));
	r->bad |= fwd_proto_parse(t, &c.proto) != 0;
	c.address = r_ipaddr(r);
	c.port = (uint16_t)r_int(r, 1, 65535);
	c.port_end = (uint16_t)r_int(r, 1, 65535);
	r_text(r, c.to_vm, sizeof(c.to_vm));
	c.to_nic = (int)r_int(r, -1, CONF_NIC_INDEX);
	c.to_address = r_ipaddr(r);
	c.to_port = (uint16_t)r_int(r, 1, 65535);
	return r->bad ? -EUCLEAN : sink->fwd(sink->arg, &c, why);
}

static int read_resv(struct row *r, const struct store_sink *sink,
		     struct errtext *why)
{
	struct resv_conf c = {.network = r_int(r, 1, INT64_MAX)};

	c.address = r_ip(r);
	c.mac = r_mac(r);
	r_text(r, c.vm, sizeof(c.vm));
	c.nic = (int)r_int(r, 0, CONF_NIC_INDEX);
	r_text(r, c.hostname, sizeof(c.hostname));
	return r->bad ? -EUCLEAN : sink->resv(sink->arg, &c, why);
}

static int read_dhcpset(struct row *r, const struct store_sink *sink,
			struct errtext *why)
{
	struct dhcpset_conf c = {.network = r_int(r, 1, INT64_MAX)};

	r_text(r, c.scope, sizeof(c.scope));
	if (!strcmp(c.scope, "network"))
		c.scope[0] = '\0';
	r_text(r, c.name, sizeof(c.name));
	r_text(r, c.value, sizeof(c.value));
	return r->bad ? -EUCLEAN : sink->dhcpset(sink->arg, &c, why);
}

static int read_record(struct row *r, const struct store_sink *sink,
		       struct errtext *why)
{
	struct record_conf c = {.network = r_int(r, 1, INT64_MAX)};

	r_text(r, c.name, sizeof(c.name));
	r_text(r, c.type, sizeof(c.type));
	r_text(r, c.value, sizeof(c.value));
	return r->bad ? -EUCLEAN : sink->record(sink->arg, &c, why);
}

static int read_claim(struct row *r, const struct store_sink *sink,
		      struct errtext *why)
{
	struct claim_conf c = {.network = r_int(r, 1, INT64_MAX)};

	c.address = r_ipaddr(r);
	c.mac = r_mac(r);
	r_text(r, c.name, sizeof(c.name));
	return r->bad ? -EUCLEAN : sink->claim(sink->arg, &c, why);
}

static int read_lease(struct row *r, const struct store_sink *sink,
		      struct errtext *why)
{
	struct lease_conf c = {.network = r_int(r, 1, INT64_MAX)};
	char id[2 * DHCP_CLIENT_ID_MAX + 1], state[16];
	size_t len = 0;
	int st;

	c.address = r_ip(r);
	c.mac = r_mac(r);
	r_text(r, id, sizeof(id));
	r->bad |= hex_decode(id, c.client_id, sizeof(c.client_id), &len) != 0;
	c.client_id_len = (uint8_t)len;
	r_text(r, c.hostname, sizeof(c.hostname));
	c.nic = r_int(r, 0, INT64_MAX);
	c.expires = r_int(r, 0, INT64_MAX);
	r_text(r, state, sizeof(state));
	st = dhcp_state_parse(state);
	r->bad |= st < DHCP_BOUND;
	c.state = (enum dhcp_state)st;
	return r->bad ? -EUCLEAN : sink->lease(sink->arg, &c, why);
}

static int read_resv6(struct row *r, const struct store_sink *sink,
		      struct errtext *why)
{
	struct resv6_conf c = {.network = r_int(r, 1, INT64_MAX)};

	c.address = r_ipaddr(r);
	c.mac = r_mac(r);
	r_text(r, c.vm, sizeof(c.vm));
	c.nic = (int)r_int(r, 0, CONF_NIC_INDEX);
	if (r->bad)
		return -EUCLEAN;
	return sink->resv6 ? sink->resv6(sink->arg, &c, why) : 0;
}

static int read_lease6(struct row *r, const struct store_sink *sink,
		       struct errtext *why)
{
	struct lease6_conf c = {.network = r_int(r, 1, INT64_MAX)};

	c.address = r_ipaddr(r);
	c.plen = (uint8_t)r_int(r, 1, 128);
	c.mac = r_mac(r);
	r_text(r, c.duid, sizeof(c.duid));
	c.iaid = (uint32_t)r_int(r, 0, UINT32_MAX);
	c.via = r_ipaddr(r);
	r_text(r, c.hostname, sizeof(c.hostname));
	c.nic = r_int(r, 0, INT64_MAX);
	c.expires = r_int(r, 0, INT64_MAX);
	if (r->bad)
		return -EUCLEAN;
	return sink->lease6 ? sink->lease6(sink->arg, &c, why) : 0;
}

static const struct table {
	const char *name, *sql;
	int (*read)(struct row *r, const struct store_sink *sink,
		    struct errtext *why);
} tables[] = {
	{"networks",
	 "SELECT id,name,mode,subnet,host_ip,service_ip,dns_ip,dhcp_first,"
	 "dhcp_last,lease_s,mtu,uplink,domain,access,mac,autostart,active,"
	 "udp_filter,host_allow,subnet6,tftp,ipv6,prefix_pool,datapath,"
	 "uplink_mode,guard,isolated,storm,mac_nat "
	 "FROM networks ORDER BY id",
	 read_net},
	{"nics",
	 "SELECT id,network,vm,idx,mac,type,ifname,netns,owner,link,queues,"
	 "connect_to,transient,guard,isolated,storm,rate_in,rate_out,ips "
	 "FROM nics "
	 "ORDER BY id",
	 read_nic},
	{"forwards",
	 "SELECT id,network,proto,address,port,port_end,to_vm,to_nic,"
	 "to_address,to_port FROM forwards ORDER BY id",
	 read_fwd},
	{"reservations",
	 "SELECT network,address,mac,vm,nic,hostname FROM reservations",
	 read_resv},
	{"dhcp", "SELECT network,scope,name,value FROM dhcp", read_dhcpset},
	{"records", "SELECT network,name,type,value FROM records", read_record},
	{"leases",
	 "SELECT network,address,mac,client_id,hostname,nic,expires,state FROM "
	 "leases",
	 read_lease},
	{"reservations6",
	 "SELECT network,address,mac,vm,nic FROM reservations6",
	 read_resv6},
	{"leases6",
	 "SELECT network,address,plen,mac,duid,iaid,via,hostname,nic,expires "
	 "FROM leases6",
	 read_lease6},
	{"claims", "SELECT network,address,mac,name FROM claims", read_claim},
};

static int load_table(struct store *s, const struct table *t,
		      const struct store_sink *sink, struct errtext *why)
{
	sqlite3_stmt *st;
	int rc, r = store_prepare(s, &st, why, t->sql, "");

	if (r)
		return r;
	while (!r && (rc = sqlite3_step(st)) != SQLITE_DONE) {
		struct row row = {.st = st};

		if (rc != SQLITE_ROW) {
			r = store_error(s, rc, why);
			break;
		}
		r = t->read(&row, sink, why);
		if (r && row.bad)
			errtext_set(why, r,
				    "store %.120s: table %s has a row that "
				    "makes no sense",
				    s->path, t->name);
	}
	sqlite3_finalize(st);
	return r;
}

int store_load(struct store *s, const struct store_sink *sink,
	       struct errtext *why)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		int r = load_table(s, &tables[i], sink, why);

		if (r)
			return r;
	}
	return 0;
}
