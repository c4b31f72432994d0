// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_core */
/* Which of the kernel's connections end when forwards change. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "nat/ctrack.h"

#define HOST  0xc0a84d0a
#define GUEST 0x0a00020f

static struct nft_forward forward(uint32_t at, uint16_t port, uint32_t to)
{
	return (struct nft_forward){
		.proto = IPPROTO_TCP, .at = ipaddr_from4(at), .port = port,
		.to = ipaddr_from4(to), .to_port = 80};
}

static struct ctrack_entry led(uint16_t port)
{
	return (struct ctrack_entry){
		.proto = IPPROTO_TCP, .dnat = true, .dst = ipaddr_from4(HOST),
		.dst_port = port, .from = ipaddr_from4(GUEST), .from_port = 80};
}

static void ends__forward_gone__its_own_and_no_others(void **state)
{
	struct nft_forward gone = forward(0, 8080, GUEST),
			   now = forward(0, 8081, GUEST), last;
	struct ctrack_change all = {.gone = &last, .ngone = 1};
	const struct ctrack_change c = {.gone = &gone, .ngone = 1, .now = &now,
					.nnow = 1};
	struct ctrack_entry e = led(8080);

	(void)state;
	assert_true(ctrack_ends(&c, &e));
	e.from = ipaddr_from4(GUEST + 1); /* somebody else's translation */
	assert_false(ctrack_ends(&c, &e));
	e = led(8081);
	assert_false(ctrack_ends(&c, &e));
	e = led(8080);
	e.dnat = false;
	assert_false(ctrack_ends(&c, &e));
	/* What outlived its forward's change of port ends with the last one. */
	last = now;
	e = led(8080);
	assert_true(ctrack_ends(&all, &e));
}

static void ends__same_target_by_another_port_or_address__goes_on(void **state)
{
	struct nft_forward gone = forward(0, 8080, GUEST),
			   came = forward(0, 8090, GUEST);
	const struct ctrack_change c = {.gone = &gone, .ngone = 1,
					.came = &came, .ncame = 1,
					.now = &came, .nnow = 1};
	struct ctrack_entry e = led(8080);

	(void)state;
	assert_false(ctrack_ends(&c, &e));
	came = forward(0x7f000001, 8080, GUEST);
	assert_false(ctrack_ends(&c, &e));
	came = forward(0, 8080, GUEST + 1);
	assert_true(ctrack_ends(&c, &e));
}

static void ends__one_address_gone__any_address_leads_there(void **state)
{
	struct nft_forward gone = forward(HOST, 8080, GUEST),
			   now = forward(0, 8080, GUEST);
	const struct ctrack_change c = {.gone = &gone, .ngone = 1, .now = &now,
					.nnow = 1};
	struct ctrack_entry e = led(8080);

	(void)state;
	assert_false(ctrack_ends(&c, &e));
	now = forward(HOST + 1, 8080, GUEST);
	assert_true(ctrack_ends(&c, &e));
}

static void ends__udp_from_before_the_forward__asked_again(void **state)
{
	struct nft_forward came = forward(0, 53, GUEST);
	const struct ipaddr host[] = {ipaddr_from4(0x7f000001),
				      ipaddr_from4(HOST)};
	const struct ctrack_change c = {.came = &came, .ncame = 1, .now = &came,
					.nnow = 1, .host = host, .nhost = 2};
	struct ctrack_entry e = {.proto = IPPROTO_UDP, .dst_port = 53,
				 .dst = ipaddr_from4(HOST),
				 .from = ipaddr_from4(HOST), .from_port = 53};

	(void)state;
	assert_false(ctrack_ends(&c, &e));
	came.proto = IPPROTO_UDP;
	assert_true(ctrack_ends(&c, &e));
	e.snat = true; /* a guest's own way out */
	assert_false(ctrack_ends(&c, &e));
	e.snat = false;
	e.dst = ipaddr_from4(0x08080808); /* the host asks somebody */
	assert_false(ctrack_ends(&c, &e));
	e.dst = ipaddr_from4(HOST);
	came.at = ipaddr_from4(HOST + 1);
	assert_false(ctrack_ends(&c, &e));
}

/* ---- the kernel's messages ------------------------------------------------------ */

static void put_tuple(struct nlmsghdr *h, uint16_t type, uint32_t src,
		      uint16_t sport, uint32_t dst, uint16_t dport)
{
	struct nlattr *t = mnl_attr_nest_start(h, type), *n;

	n = mnl_attr_nest_start(h, CTA_TUPLE_IP);
	mnl_attr_put_u32(h, CTA_IP_V4_SRC, htonl(src));
	mnl_attr_put_u32(h, CTA_IP_V4_DST, htonl(dst));
	mnl_attr_nest_end(h, n);
	n = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(h, CTA_PROTO_NUM, IPPROTO_TCP);
	mnl_attr_put_u16(h, CTA_PROTO_SRC_PORT, htons(sport));
	mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(dport));
	mnl_attr_nest_end(h, n);
	mnl_attr_nest_end(h, t);
}

static struct nlmsghdr *message(char *buf)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	g->nfgen_family = 2; /* AF_INET */
	put_tuple(h, CTA_TUPLE_ORIG, 0xcb007107, 4000, HOST, 8080);
	put_tuple(h, CTA_TUPLE_REPLY, GUEST, 80, 0xcb007107, 4000);
	mnl_attr_put_u32(h, CTA_STATUS, htonl(IPS_DST_NAT | IPS_SEEN_REPLY));
	mnl_attr_put_u16(h, CTA_ZONE, htons(7));
	mnl_attr_put_u32(h, CTA_ID, htonl(0xdeadbeef));
	return h;
}

static void parse__a_translated_connection__as_its_forward_knows_it(void **state)
{
	_Alignas(8) char buf[512];
	struct ctrack_entry e, want = led(8080);
	struct ctrack_name name;

	(void)state;
	memset(&e, 0, sizeof(e));
	assert_int_equal(ctrack_parse(message(buf), &e, &name), 0);
	assert_int_equal(e.proto, want.proto);
	assert_true(e.dnat && !e.snat);
	assert_true(ipaddr_eq(&e.dst, &want.dst) && e.dst_port == 8080);
	assert_true(ipaddr_eq(&e.from, &want.from) && e.from_port == 80);
	assert_int_equal(name.family, 2);
	assert_int_equal(name.id, 0xdeadbeef);
	assert_int_equal(name.zone_len, 2);
	assert_true(name.tuple_len > 0);
}

static void parse__cut_anywhere__nothing_beyond_is_read(void **state)
{
	_Alignas(8) char buf[512];
	struct nlmsghdr *h = message(buf);
	struct ctrack_entry e;
	struct ctrack_name name;

	(void)state;
	for (uint32_t len = sizeof(*h); len < h->nlmsg_len; len++) {
		struct nlmsghdr *cut = malloc(len);

		memcpy(cut, h, len);
		cut->nlmsg_len = len;
		assert_int_equal(ctrack_parse(cut, &e, &name), -EINVAL);
		free(cut);
	}
}

/* ---- forgetting ------------------------------------------------------------------- */

static int as_given(void *arg, struct nft_forward *out, size_t max)
{
	const struct nft_forward *f = arg;

	assert_true(max > 0);
	if (f)
		*out = *f;
	return f ? 1 : 0;
}

static int not_to_be_read(void *arg, struct nft_forward *out, size_t max)
{
	(void)arg;
	(void)out;
	(void)max;
	return -EPERM;
}

static void forget__nothing_changed__nothing_looked_at(void **state)
{
	struct nft_forward f = forward(0, 8080, GUEST);
	struct ctrack_source s = {as_given, &f, 4};
	struct errtext why;

	(void)state;
	assert_int_equal(ctrack_forget(&f, 1, &s, &why), 0);
	s.arg = NULL;
	assert_int_equal(ctrack_forget(NULL, 0, &s, &why), 0);
}

static void forget__what_is_now_is_not_known__says_so(void **state)
{
	struct nft_forward f = forward(0, 8080, GUEST);
	const struct ctrack_source s = {not_to_be_read, NULL, 4};
	struct errtext why = {""};

	(void)state;
	assert_int_equal(ctrack_forget(&f, 1, &s, &why), -EPERM);
	assert_non_null(strstr(why.s, "go on"));
}

static void same__order_does_not_matter__contents_do(void **state)
{
	const struct nft_forward a[] = {forward(0, 1, GUEST), forward(0, 2, GUEST)};
	const struct nft_forward b[] = {a[1], a[0]};

	(void)state;
	assert_true(ctrack_same(a, 2, b, 2));
	assert_true(ctrack_same(NULL, 0, NULL, 0));
	assert_false(ctrack_same(a, 2, b, 1));
	assert_false(ctrack_same(a, 1, b, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends__forward_gone__its_own_and_no_others),
		cmocka_unit_test(
			ends__same_target_by_another_port_or_address__goes_on),
		cmocka_unit_test(ends__one_address_gone__any_address_leads_there),
		cmocka_unit_test(ends__udp_from_before_the_forward__asked_again),
		cmocka_unit_test(
			parse__a_translated_connection__as_its_forward_knows_it),
		cmocka_unit_test(parse__cut_anywhere__nothing_beyond_is_read),
		cmocka_unit_test(same__order_does_not_matter__contents_do),
		cmocka_unit_test(forget__what_is_now_is_not_known__says_so),
		cmocka_unit_test(forget__nothing_changed__nothing_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
