// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd */
/* A worker's messages, judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netd/priv.h"
#include "netd/wmsg.h"

#define NOW 1000000

static const struct net_conf net = {.id = 7,
				    .name = "lab",
				    .mode = NET_NAT,
				    .subnet = {0x0a000200, 24},
				    .service_ip = 0x0a000202,
				    .dns_ip = 0x0a000203,
				    .lease_s = 3600};

static int lease(const char *text, struct lease_conf *out)
{
	json_t *o = json_loads(text, 0, NULL);
	struct errtext why = {""};
	const char *state;
	int64_t token;
	int r;

	assert_non_null(o);
	r = wmsg_lease(o, &net, NOW, &token, out, &state, &why);
	json_decref(o);
	assert_true(!r || (r == -EPROTO && why.s[0]));
	return r;
}

#define LEASE(ip, mac, rest)                                         \
	"{\"token\":1,\"ip\":\"" ip "\",\"mac\":\"" mac "\"," rest "}"
#define GOOD "\"state\":\"bound\",\"expires\":1000100"
#define MAC_A "52:54:00:00:00:01"

static void lease__good__taken(void **state)
{
	struct lease_conf l;

	(void)state;
	assert_int_equal(lease(LEASE("10.0.2.15", MAC_A,
				     GOOD ",\"hostname\":\"vm\","
					  "\"client_id\":\"01ab\",\"nic\":100"),
			       &l),
			 0);
	assert_int_equal(l.network, 7);
	assert_int_equal(l.address, 0x0a00020f);
	assert_int_equal(l.expires, 1000100);
	assert_string_equal(l.hostname, "vm");
	assert_string_equal(l.client_id, "01ab");
}

static void lease__foreign_or_own_address__refused(void **state)
{
	static const char *const ips[] = {
		"10.0.3.15", "10.0.2.0", "10.0.2.255", "10.0.2.2", "10.0.2.3",
		"0.0.0.0",   "127.0.0.1"};
	char text[256];
	struct lease_conf l;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ips); i++) {
		snprintf(text, sizeof(text),
			 "{\"token\":1,\"ip\":\"%s\",\"mac\":\"" MAC_A
			 "\"," GOOD "}",
			 ips[i]);
		assert_int_equal(lease(text, &l), -EPROTO);
	}
}

static void lease__odd_members__refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		LEASE("10.0.2.15", "ff:ff:ff:ff:ff:ff", GOOD),
		LEASE("10.0.2.15", "00:00:00:00:00:00", GOOD),
		LEASE("10.0.2.15", MAC_A, "\"state\":\"offered\""),
		LEASE("10.0.2.15", MAC_A, "\"state\":7"),
		LEASE("10.0.2.15", MAC_A, GOOD ",\"client_id\":\"xyz\""),
		LEASE("10.0.2.15", MAC_A, GOOD ",\"nic\":-1"),
		LEASE("10.0.2.15", MAC_A, GOOD ",\"hostname\":1"),
		"{\"ip\":\"10.0.2.15\",\"mac\":\"" MAC_A "\"," GOOD "}",
	};
	struct lease_conf l;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(lease(bad[i], &l), -EPROTO);
}

static void lease__guests_choice__tamed(void **state)
{
	struct lease_conf l;

	(void)state;
	/* A host name that is none, a term without end. */
	assert_int_equal(lease(LEASE("10.0.2.15", MAC_A,
				     "\"state\":\"bound\",\"expires\":"
				     "9000000000,\"hostname\":\"a b\""),
			       &l),
			 0);
	assert_string_equal(l.hostname, "");
	assert_true(l.expires <= NOW + 3600 + 3600);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lease__good__taken),
		cmocka_unit_test(lease__foreign_or_own_address__refused),
		cmocka_unit_test(lease__odd_members__refused),
		cmocka_unit_test(lease__guests_choice__tamed),
		cmocka_unit_test(seen__foreign_address__not_kept),
		cmocka_unit_test(sender__paths_and_abstract_names__taken),
		cmocka_unit_test(sender__what_is_no_address__refused),
		cmocka_unit_test(log__escaped_and_cut),
		cmocka_unit_test(event__size_is_bounded),
		cmocka_unit_test(rogue__kinds_we_know__taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
