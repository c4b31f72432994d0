// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd dhcp_core */
/* A worker's messages, judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netd/lease_wire.h"
#include "netd/priv.h"
#include "netd/wmsg.h"

#define NOW   1000000
#define MAC_A "52:54:00:00:00:01"

static const struct net_conf net = {.id = 7,
				    .name = "lab",
				    .mode = NET_NAT,
				    .subnet = {0x0a000200, 24},
				    .service_ip = 0x0a000202,
				    .dns_ip = 0x0a000203,
				    .lease_s = 3600};

static struct lease_rec good(void)
{
	return (struct lease_rec){
		.token = 1,
		.lease = {.ip = 0x0a00020f,
			  .mac = {{0x52, 0x54, 0, 0, 0, 1}},
			  .nic_id = 100,
			  .expiry_s = NOW + 100,
			  .state = DHCP_BOUND,
			  .client_id_len = 2,
			  .client_id = {1, 0xab},
			  .hostname = "vm"},
	};
}

static int lease(const struct lease_rec *rec, struct lease_conf *out)
{
	struct errtext why = {""};
	int r = wmsg_lease(rec, &net, false, 3600, NOW, out, &why);

	assert_true(!r || (r == -EPROTO && why.s[0]));
	return r;
}

static void lease__good__taken(void **state)
{
	struct lease_rec rec = good();
	struct lease_conf l;

	(void)state;
	assert_int_equal(lease(&rec, &l), 0);
	assert_int_equal(l.network, 7);
	assert_int_equal(l.address, 0x0a00020f);
	assert_int_equal(l.expires, NOW + 100);
	assert_int_equal(l.nic, 100);
	assert_string_equal(l.hostname, "vm");
	assert_int_equal(l.client_id_len, 2);
	assert_memory_equal(l.client_id, "\x01\xab", 2);
}

static void lease__foreign_or_own_address__refused(void **state)
{
	static const uint32_t ips[] = {0x0a00030f, 0x0a000200, 0x0a0002ff,
				       0x0a000202, 0x0a000203, 0,
				       0x7f000001};
	struct lease_rec rec = good();
	struct lease_conf l;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ips); i++) {
		rec.lease.ip = ips[i];
		assert_int_equal(lease(&rec, &l), -EPROTO);
	}
}

static void lease__wrong_state_or_owner__refused(void **state)
{
	struct lease_rec rec = good();
	struct lease_conf l;

	(void)state;
	rec.lease.state = DHCP_RELEASED; /* with a token */
	assert_int_equal(lease(&rec, &l), -EPROTO);
	rec.token = 0;
	assert_int_equal(lease(&rec, &l), 0);
	rec.lease.state = DHCP_BOUND; /* without one */
	assert_int_equal(lease(&rec, &l), -EPROTO);
	rec.lease.state = DHCP_OFFERED;
	assert_int_equal(lease(&rec, &l), -EPROTO);
	rec = good();
	rec.lease.nic_id = UINT64_MAX;
	assert_int_equal(lease(&rec, &l), -EPROTO);
	rec = good();
	memset(&rec.lease.mac, 0xff, sizeof(rec.lease.mac));
	assert_int_equal(lease(&rec, &l), -EPROTO);
	/* Nobody's: only an address that was found in use. */
	memset(&rec.lease.mac, 0, sizeof(rec.lease.mac));
	assert_int_equal(lease(&rec, &l), -EPROTO);
	rec.token = 0;
	rec.lease.state = DHCP_DECLINED;
	assert_int_equal(lease(&rec, &l), 0);
	/* … and when that is over. */
	rec.lease.state = DHCP_RELEASED;
	assert_int_equal(lease(&rec, &l), -EPROTO);
	rec.forgotten = true;
	assert_int_equal(lease(&rec, &l), 0);
}

static void lease__guests_choice__tamed(void **state)
{
	struct lease_rec rec = good();
	struct lease_conf l;

	(void)state;
	/* A host name that is none, a term without end. */
	rec.lease.expiry_s = INT64_MAX;
	memcpy(rec.lease.hostname, "a b", 4);
	assert_int_equal(lease(&rec, &l), 0);
	assert_string_equal(l.hostname, "");
	assert_true(l.expires <= NOW + 3600 + 3600);
}

static void wire__any_lease__comes_back(void **state)
{
	struct lease_rec in = good(), out;
	uint8_t b[2 * LEASE_WIRE_MAX];
	struct wbuf w = wbuf_make(b, sizeof(b));
	struct cur c;

	(void)state;
	in.token = 0x123456789abcdef0;
	in.lease.expiry_s = INT64_MAX;
	in.lease.client_id_len = DHCP_CLIENT_ID_MAX;
	memset(in.lease.client_id, 0xee, DHCP_CLIENT_ID_MAX);
	memset(in.lease.hostname, 'h', DHCP_HOSTNAME_MAX);
	lease_wire_put(&w, &in);
	assert_int_equal(w.len, LEASE_WIRE_MAX);
	in.forgotten = true;
	in.lease.state = DHCP_RELEASED;
	lease_wire_put(&w, &in);
	assert_true(wbuf_ok(&w));
	c = cur_make(b, w.len);
	assert_true(lease_wire_get(&c, &out));
	assert_int_equal(out.lease.state, DHCP_BOUND);
	assert_false(out.forgotten);
	assert_true(lease_wire_get(&c, &out));
	assert_true(out.forgotten);
	assert_memory_equal(&out.lease, &in.lease, sizeof(in.lease));
	assert_int_equal(out.token, in.token);
	assert_int_equal(c.left, 0);
}

static void wire__cut_anywhere__no_lease(void **state)
{
	struct lease_rec in = good(), out;
	uint8_t b[LEASE_WIRE_MAX];
	struct wbuf w = wbuf_make(b, sizeof(b));

	(void)state;
	lease_wire_put(&w, &in);
	for (size_t n = 0; n < w.len; n++) {
		struct cur c = cur_make(b, n);

		assert_false(lease_wire_get(&c, &out));
	}
	b[34] = LEASE_FORGOTTEN + 1;
	struct cur c = cur_make(b, w.len);
	assert_false(lease_wire_get(&c, &out));
}

static void seen__foreign_address__not_kept(void **state)
{
	json_t *o = json_pack("{s:i,s:s,s:s}", "nic", 100, "mac", MAC_A, "ip",
			      "192.0.2.1");
	struct net_conf six = net, bridged = {.mode = NET_BRIDGED};
	struct mac mac;
	struct ipaddr ip;
	int64_t nic;

	(void)state;
	assert_int_equal(wmsg_seen(o, &net, &nic, &mac, &ip, NULL), 0);
	assert_true(ipaddr_is_zero(&ip));
	json_object_set_new(o, "ip", json_string("10.0.2.99"));
	assert_int_equal(wmsg_seen(o, &net, &nic, &mac, &ip, NULL), 0);
	assert_int_equal(ipaddr_get4(&ip), 0x0a000263);
	json_object_set_new(o, "ip", json_string("fd00::15"));
	assert_int_equal(wmsg_seen(o, &net, &nic, &mac, &ip, NULL), 0);
	assert_true(ipaddr_is_zero(&ip)); /* a network without IPv6 */
	six.subnet6 = (struct ip6_net){{{0xfd}}, 64};
	assert_int_equal(wmsg_seen(o, &six, &nic, &mac, &ip, NULL), 0);
	assert_int_equal(ip.b[15], 0x15);
	json_object_set_new(o, "ip", json_string("fd00::2")); /* the gateway's */
	assert_int_equal(wmsg_seen(o, &six, &nic, &mac, &ip, NULL), 0);
	assert_true(ipaddr_is_zero(&ip));
	assert_int_equal(wmsg_seen(o, &bridged, &nic, &mac, &ip, NULL), 0);
	assert_int_equal(ip.b[15], 2);
	json_object_set_new(o, "ip", json_string("fe80::2"));
	assert_int_equal(wmsg_seen(o, &bridged, &nic, &mac, &ip, NULL), 0);
	assert_true(ipaddr_is_zero(&ip));
	json_object_set_new(o, "ip", json_string("fd00::2%eth0"));
	assert_int_equal(wmsg_seen(o, &six, &nic, &mac, &ip, NULL), -EPROTO);
	json_decref(o);
}

static int sender(const char *addr, struct priv_way *w)
{
	json_t *o = json_pack("{s:i,s:s}", "nic", 100, "addr", addr);
	int64_t nic = 0;
	int r = wmsg_sender(o, &nic, w, NULL);

	json_decref(o);
	return r;
}

static void sender__paths_and_abstract_names__taken(void **state)
{
	struct priv_way w;

	(void)state;
	assert_int_equal(sender("2f612f6200", &w), 0);
	assert_int_equal(w.len, 4);
	assert_string_equal(w.path, "/a/b");
	assert_int_equal(sender("2f61", &w), 0); /* a full sun_path has no NUL */
	assert_int_equal(w.len, 2);
	assert_int_equal(sender("0061000062", &w), 0);
	assert_int_equal(w.len, 5);
	assert_memory_equal(w.path, "\0a\0\0b", 5);
}

static void sender__what_is_no_address__refused(void **state)
{
	static const char *const bad[] = {"", "2", "2g", "00612", "2f00620a00"};
	char longer[2 * 110 + 1];
	struct priv_way w;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(sender(bad[i], &w), -EPROTO);
	memset(longer, '2', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(sender(longer, &w), -EPROTO);
	longer[2 * 109] = '\0';
	assert_int_equal(sender(longer, &w), -EPROTO);
	longer[2 * 108] = '\0';
	assert_int_equal(sender(longer, &w), 0);
	assert_int_equal(w.len, 108);
}

static void log__escaped_and_cut(void **state)
{
	char line[WMSG_LINE_MAX], longer[4000];
	enum log_level level;
	json_t *o;

	(void)state;
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	longer[0] = '\n';
	longer[1] = '\x1b';
	o = json_pack("{s:s,s:s}", "level", "warn", "line", longer);
	assert_int_equal(wmsg_log(o, &level, line, NULL), 0);
	assert_int_equal(level, LOG_LVL_WARN);
	assert_true(strlen(line) < WMSG_LINE_MAX);
	assert_null(strchr(line, '\n'));
	assert_null(strchr(line, '\x1b'));
	json_decref(o);
}

static void event__size_is_bounded(void **state)
{
	json_t *o = json_pack("{s:s}", "event", "dhcp.pool_exhausted");
	const char *name;
	char big[5000];

	(void)state;
	assert_int_equal(wmsg_event(o, &name, NULL), 0);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	json_object_set_new(o, "pad", json_string(big));
	assert_int_equal(wmsg_event(o, &name, NULL), -EPROTO);
	json_decref(o);
}

static void rogue__kinds_we_know__taken(void **state)
{
	json_t *o = json_pack("{s:i,s:s,s:s}", "nic", 100, "kind", "ra", "mac",
			      "52:54:00:00:00:01");
	const char *kind = "";
	struct mac mac;
	int64_t nic;

	(void)state;
	assert_int_equal(wmsg_rogue(o, &nic, &kind, &mac, NULL), 0);
	assert_string_equal(kind, "ra");
	assert_int_equal(nic, 100);
	json_object_set_new(o, "kind", json_string("\033[2J"));
	assert_int_equal(wmsg_rogue(o, &nic, &kind, &mac, NULL), -EPROTO);
	json_object_set_new(o, "kind", json_string("dhcp"));
	json_object_set_new(o, "mac", json_integer(1));
	assert_int_equal(wmsg_rogue(o, &nic, &kind, &mac, NULL), -EPROTO);
	json_decref(o);
}

static void guard__kinds_we_know__taken(void **state)
{
	json_t *o = json_pack("{s:i,s:s,s:s}", "nic", 100, "kind", "claim",
			      "mac", "52:54:00:00:00:01");
	const char *kind = "";
	struct mac mac;
	int64_t nic;

	(void)state;
	assert_int_equal(wmsg_guard(o, &nic, &kind, &mac, NULL), 0);
	assert_string_equal(kind, "claim");
	json_object_set_new(o, "kind", json_string("none"));
	assert_int_equal(wmsg_guard(o, &nic, &kind, &mac, NULL), -EPROTO);
	json_decref(o);
}

static void conflict__about_another_network__refused(void **state)
{
	json_t *o = json_pack("{s:i,s:s,s:s}", "nic", 0, "ip", "10.0.2.15",
			      "mac", "52:54:00:00:00:01");
	struct net_conf lab = {.subnet = {.addr = 0x0a000200, .plen = 24}};
	struct mac mac;
	int64_t nic;
	uint32_t ip;

	(void)state;
	assert_int_equal(wmsg_conflict(o, &lab, &nic, &ip, &mac, NULL), 0);
	assert_int_equal(ip, 0x0a00020f);
	assert_int_equal(nic, 0);
	json_object_set_new(o, "ip", json_string("192.168.1.1"));
	assert_int_equal(wmsg_conflict(o, &lab, &nic, &ip, &mac, NULL), -EPROTO);
	json_object_set_new(o, "ip", json_string("10.0.2.15"));
	json_object_set_new(o, "mac", json_string("ff:ff:ff:ff:ff:ff"));
	assert_int_equal(wmsg_conflict(o, &lab, &nic, &ip, &mac, NULL), -EPROTO);
	json_decref(o);
}

static void other_server__without_address__refused(void **state)
{
	json_t *o = json_pack("{s:s,s:s}", "server", "192.168.56.1", "mac",
			      "52:54:00:00:00:01");
	struct mac mac;
	uint32_t ip;

	(void)state;
	assert_int_equal(wmsg_other_server(o, &mac, &ip, NULL), 0);
	assert_int_equal(ip, 0xc0a83801);
	assert_int_equal(mac.b[5], 1);
	json_object_set_new(o, "server", json_string("0.0.0.0"));
	assert_int_equal(wmsg_other_server(o, &mac, &ip, NULL), -EPROTO);
	json_object_del(o, "server");
	assert_int_equal(wmsg_other_server(o, &mac, &ip, NULL), -EPROTO);
	json_object_set_new(o, "server", json_string("192.168.56.1"));
	json_object_del(o, "mac");
	assert_int_equal(wmsg_other_server(o, &mac, &ip, NULL), -EPROTO);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lease__good__taken),
		cmocka_unit_test(lease__foreign_or_own_address__refused),
		cmocka_unit_test(lease__wrong_state_or_owner__refused),
		cmocka_unit_test(wire__any_lease__comes_back),
		cmocka_unit_test(wire__cut_anywhere__no_lease),
		cmocka_unit_test(lease__guests_choice__tamed),
		cmocka_unit_test(seen__foreign_address__not_kept),
		cmocka_unit_test(sender__paths_and_abstract_names__taken),
		cmocka_unit_test(sender__what_is_no_address__refused),
		cmocka_unit_test(log__escaped_and_cut),
		cmocka_unit_test(event__size_is_bounded),
		cmocka_unit_test(rogue__kinds_we_know__taken),
		cmocka_unit_test(guard__kinds_we_know__taken),
		cmocka_unit_test(conflict__about_another_network__refused),
		cmocka_unit_test(other_server__without_address__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
