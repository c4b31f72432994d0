// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_core */
/* Tables that are known: what a transaction has of a difference is the difference, however
 * many NICs there are. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "nat/nft.h"
#include "nat/nft_int.h"
#include "nat/nftguard.h"

#define NICS 400

struct fix {
	struct nftguard_nic nic[NICS + 1];
	struct nftguard_addr addr[NICS + 1];
	struct nftguard g;
	struct nft_plan *was, *now;
	struct nft_known known;
	struct nft *nft;
};

static void fill(struct fix *f, size_t n)
{
	for (size_t i = 0; i <= NICS; i++) {
		struct nftguard_nic *nic = &f->nic[i];

		snprintf(nic->port, sizeof(nic->port), "vn-v%zu-0", i);
		nic->mac = (struct mac){{0x52, 0x54, 0, 0, (uint8_t)(i >> 8),
					 (uint8_t)i}};
		nic->level = NFTGUARD_PIN_IP;
		nic->storm = 100;
		nic->in = nic->out = 1000;
		f->addr[i].ip = ipaddr_from4(0x0a090000 + (uint32_t)i);
		f->addr[i].plen = 128;
		f->addr[i].nic = (uint16_t)i;
	}
	f->g = (struct nftguard){.network = "lab", .services = "vn-sv-lab",
				 .dhcp = true, .ra = true,
				 .own[0] = ipaddr_from4(0x0a09ffff),
				 .nic = f->nic, .n = n,
				 .addr = f->addr, .naddr = n};
}

static int up(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	f->was = calloc(1, sizeof(*f->was));
	f->now = calloc(1, sizeof(*f->now));
	nft_known_init(&f->known);
	*state = f;
	return nft_open(&f->nft, NULL);
}

static int down(void **state)
{
	struct fix *f = *state;

	nft_known_forget(&f->known);
	nft_close(f->nft);
	nftplan_fini(f->was);
	nftplan_fini(f->now);
	free(f->was);
	free(f->now);
	free(f);
	return 0;
}

/* The first @n NICs' table is known. */
static struct nft_table *know(struct fix *f, size_t n)
{
	fill(f, n);
	assert_int_equal(nftguard_make(&f->g, f->was), 0);
	nft_known_put(&f->known, f->was);
	return nft_known_find(&f->known, f->was->family, f->was->table);
}

struct said {
	unsigned int put, del; /* messages with elements */
	size_t len;
};

/* What a transaction would say that makes it what @g says now. */
static struct said differ(struct fix *f, const struct nft_table *t)
{
	struct said s = {0};
	struct nft_batch b;
	int r;

	assert_int_equal(nftguard_make(&f->g, f->now), 0);
	assert_true(nft_known_alike(t, f->now));
	nft_begin(&b, f->nft, f->now->family, 0);
	s.len = b.len;
	r = nft_known_differs(t, f->now, &b);
	assert_true(r >= 0);
	for (size_t at = s.len; at < b.len;) {
		const struct nlmsghdr *h = (const void *)(b.buf + at);
		int type = h->nlmsg_type & 0xff;

		s.put += type == NFT_MSG_NEWSETELEM;
		s.del += type == NFT_MSG_DELSETELEM;
		at += (h->nlmsg_len + 3) & ~(size_t)3;
	}
	s.len = b.len - s.len;
	assert_int_equal(r, s.put || s.del);
	nft_abandon(&b);
	return s;
}

static void differs__the_same__nothing(void **state)
{
	struct fix *f = *state;
	struct nft_table *t = know(f, NICS);

	assert_int_equal(differ(f, t).len, 0);
}

/* By counting: the hundredth NIC costs what the tenth does. */
static void differs__one_more__as_few_bytes_of_few_and_of_many(void **state)
{
	struct fix *f = *state;
	struct nft_table *t = know(f, 10);
	struct said few, many;

	f->g.n = f->g.naddr = 11;
	few = differ(f, t);
	nftplan_fini(f->was);
	nftplan_fini(f->now);
	t = know(f, NICS);
	f->g.n = f->g.naddr = NICS + 1;
	many = differ(f, t);
	assert_true(few.put && !few.del);
	assert_int_equal(few.put, many.put);
	assert_int_equal(few.len, many.len);
}

static void differs__one_less_in_the_middle__it_alone_goes(void **state)
{
	struct fix *f = *state;
	struct nft_table *t = know(f, NICS);
	struct said less;

	memmove(&f->nic[200], &f->nic[201], (NICS - 200) * sizeof(f->nic[0]));
	memmove(&f->addr[200], &f->addr[201], (NICS - 200) * sizeof(f->addr[0]));
	f->g.n = f->g.naddr = NICS - 1;
	for (size_t i = 200; i < f->g.n; i++)
		f->addr[i].nic--;
	less = differ(f, t);
	assert_true(less.del && !less.put);
	assert_true(less.len < 4096);
}

static void differs__another_rate__both_of_that_element(void **state)
{
	struct fix *f = *state;
	struct nft_table *t = know(f, NICS);
	struct said s;

	f->nic[7].storm = 50;
	s = differ(f, t);
	assert_int_equal(s.put, 1);
	assert_int_equal(s.del, 1);
}

/* One element of the set, for the kernel. */
static void differs__address_of_two_nics__goes_with_the_second(void **state)
{
	struct fix *f = *state;
	struct ipaddr ip = {{0xfd, 0, 0, 1, [15] = 9}};
	struct nft_table *t;
	struct said one, both;

	fill(f, 10);
	f->addr[3].ip = f->addr[8].ip = ip;
	assert_int_equal(nftguard_make(&f->g, f->was), 0);
	nft_known_put(&f->known, f->was);
	t = nft_known_find(&f->known, f->was->family, f->was->table);
	f->addr[8].ip = ipaddr_from4(0x0a090008);
	one = differ(f, t);
	assert_int_equal(one.del, 1); /* of addr6, not of given6 */
	nftplan_fini(f->now);
	f->addr[3].ip = ipaddr_from4(0x0a090003);
	both = differ(f, t);
	assert_int_equal(both.del, 2);
}

/* All are others: more than are looked for one by one. */
static void differs__nearly_all__whole_lists(void **state)
{
	struct fix *f = *state;
	struct nft_table *t = know(f, NICS);
	struct said s;

	for (size_t i = 0; i < NICS; i++)
		f->addr[i].ip = ipaddr_from4(0x0a090100 + (uint32_t)(7 * i));
	s = differ(f, t);
	assert_true(s.put == 1 && s.del == 1 && s.len > 100 * 40);
}

static void alike__other_rules__no(void **state)
{
	struct fix *f = *state;
	struct nft_table *t = know(f, 3);

	f->g.ra = false;
	assert_int_equal(nftguard_make(&f->g, f->now), 0);
	assert_false(nft_known_alike(t, f->now));
	nftplan_fini(f->now);
	f->g.ra = true;
	f->g.own[0] = ipaddr_from4(0x0a09fffe);
	assert_int_equal(nftguard_make(&f->g, f->now), 0);
	assert_false(nft_known_alike(t, f->now));
}

static void alike__another_forward__no(void **state)
{
	struct nft_forward fwd[1] = {{.proto = IPPROTO_TCP, .port = 80,
				      .at = ipaddr_from4(0),
				      .to = ipaddr_from4(0x0a090010),
				      .to_port = 8080}};
	struct nft_net n = {.network = "lab", .bridge = "vn-lab",
			    .net = {0x0a090000, 16}, .fwd = fwd, .nfwd = 1};
	struct fix *f = *state;
	struct nft_table *t;

	nftplan_make(&n, f->was);
	nft_known_put(&f->known, f->was);
	t = nft_known_find(&f->known, f->was->family, f->was->table);
	nftplan_make(&n, f->now);
	assert_true(nft_known_alike(t, f->now));
	fwd[0].to_port = 8081;
	nftplan_make(&n, f->now);
	assert_false(nft_known_alike(t, f->now));
}

static void is_own__ports__all_must_be(void **state)
{
	_Alignas(8) char buf[64];
	struct nlmsghdr *a = mnl_nlmsg_put_header(buf), *b;

	(void)state;
	a->nlmsg_pid = 7;
	assert_true(nft_is_own(buf, a->nlmsg_len, 7));
	assert_false(nft_is_own(buf, a->nlmsg_len, 8));
	a->nlmsg_pid = 0;
	assert_false(nft_is_own(buf, a->nlmsg_len, 0)); /* not known */
	a->nlmsg_pid = 7;
	b = mnl_nlmsg_put_header(buf + a->nlmsg_len);
	b->nlmsg_pid = 8;
	assert_false(nft_is_own(buf, 2 * a->nlmsg_len, 7));
	b->nlmsg_pid = 7;
	assert_true(nft_is_own(buf, 2 * a->nlmsg_len, 7));
	assert_false(nft_is_own(buf, 2 * a->nlmsg_len - 1, 7));
	assert_false(nft_is_own(buf, 0, 7));
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(differs__the_same__nothing),
		T(differs__one_more__as_few_bytes_of_few_and_of_many),
		T(differs__one_less_in_the_middle__it_alone_goes),
		T(differs__another_rate__both_of_that_element),
		T(differs__address_of_two_nics__goes_with_the_second),
		T(differs__nearly_all__whole_lists),
		T(alike__other_rules__no),
		T(alike__another_forward__no),
		T(is_own__ports__all_must_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
