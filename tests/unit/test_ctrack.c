// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_core */
/* Which of the kernel's connections end when forwards change. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

static void forget__nothing_changed__nothing_looked_at(void **state)
{
	struct nft_forward f = forward(0, 8080, GUEST);
	struct errtext why;

	(void)state;
	assert_int_equal(ctrack_forget(&f, 1, &f, 1, &why), 0);
	assert_int_equal(ctrack_forget(NULL, 0, NULL, 0, &why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends__forward_gone__its_own_and_no_others),
		cmocka_unit_test(
			ends__same_target_by_another_port_or_address__goes_on),
		cmocka_unit_test(ends__one_address_gone__any_address_leads_there),
		cmocka_unit_test(ends__udp_from_before_the_forward__asked_again),
		cmocka_unit_test(forget__nothing_changed__nothing_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
