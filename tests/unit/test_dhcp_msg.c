// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core */
/* DHCP messages and names: parse, build, and what must be refused. */
#include "dhcp/dhcp_msg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dhcp/dhcp_names.h"

/* Header (236 zero bytes with op 1), cookie, then @opts. */
static size_t message(uint8_t *buf, const void *opts, size_t len)
{
	memset(buf, 0, 240);
	buf[0] = 1;
	buf[1] = 1;
	buf[2] = 6;
	put_be32(buf + 236, DHCP_COOKIE);
	memcpy(buf + 240, opts, len);
	return 240 + len;
}

static int parse(struct dhcp_msg *m, const void *opts, size_t len)
{
	uint8_t buf[2048];

	return dhcp_msg_parse(buf, message(buf, opts, len), m);
}

#define PARSE(m, ...)                                                          \
	parse(m, (const uint8_t[]){__VA_ARGS__},                               \
	      sizeof((const uint8_t[]){__VA_ARGS__}))

/* RFC 2131 2, figure 1: a DISCOVER in the layout of busybox udhcpc. */
static void dhcp_msg_parse__discover__all_fields(void **state)
{
	static const uint8_t opts[] = {
		53,  1,	  1,					   /* type */
		61,  7,	  1,	0x52, 0x54, 0,	 0x12, 0x34, 0x56, /* id */
		57,  2,	  0x02, 0x40,				   /* max */
		55,  7,	  1,	3,    6,    12,	 15,   28,   42,   /* wishes */
		60,  12,  'u',	'd',  'h',  'c', 'p',  ' ',  '1',
		'.', '3', '5',	'.',  '0',  255,
	};
	uint8_t buf[300] = {0};
	struct dhcp_msg m;
	size_t len;

	(void)state;
	message(buf, opts, sizeof(opts));
	put_be32(buf + 4, 0xdeadbeef);
	put_be16(buf + 8, 3);
	put_be16(buf + 10, DHCP_F_BROADCAST);
	memcpy(buf + 28, "\x52\x54\x00\x12\x34\x56", 6);
	assert_int_equal(dhcp_msg_parse(buf, sizeof(buf), &m), 0);
	assert_int_equal(m.h.op, 1);
	assert_int_equal(m.h.xid, 0xdeadbeef);
	assert_int_equal(m.h.secs, 3);
	assert_int_equal(m.h.flags, DHCP_F_BROADCAST);
	assert_memory_equal(m.h.chaddr, "\x52\x54\x00\x12\x34\x56", 6);
	assert_int_equal(dhcp_msg_u8(&m, DHCP_OPT_TYPE), DHCP_DISCOVER);
	assert_int_equal(dhcp_msg_be16(&m, DHCP_OPT_MAX_SIZE), 576);
	assert_memory_equal(dhcp_msg_opt(&m, DHCP_OPT_CLIENT_ID, &len),
			    opts + 5, 7);
	assert_int_equal(len, 7);
	assert_false(dhcp_msg_has(&m, DHCP_OPT_ROUTER));
}

static void dhcp_msg_parse__cut_anywhere__refused_or_safe(void **state)
{
	static const uint8_t opts[] = {52, 1, 3, 53, 1, 1, 61, 3, 1, 2, 3, 255};
	uint8_t buf[300] = {0};
	size_t len = message(buf, opts, sizeof(opts));
	struct dhcp_msg m;

	(void)state;
	for (size_t n = 0; n < len; n++) {
		uint8_t *exact = malloc(n ? n : 1); /* ASan sees overruns */
		int want = n < 236			     ? -EMSGSIZE
			   : n < 240 || n == 240 || n == 243 ? -ENOMSG
			   : n == 246 || n == 251	     ? 0
							     : -EPROTO;

		memcpy(exact, buf, n);
		assert_int_equal(dhcp_msg_parse(exact, n, &m), want);
		free(exact);
	}
	assert_int_equal(dhcp_msg_parse(buf, len, &m), 0);
}

static void dhcp_msg_parse__too_long__refused(void **state)
{
	static uint8_t buf[DHCP_MSG_MAX + 1];
	static const uint8_t opts[] = {53, 1, 1, 255};
	struct dhcp_msg m;

	(void)state;
	message(buf, opts, sizeof(opts));
	assert_int_equal(dhcp_msg_parse(buf, DHCP_MSG_MAX, &m), 0);
	assert_int_equal(dhcp_msg_parse(buf, sizeof(buf), &m), -EMSGSIZE);
}

/* RFC 1533 and RFC 951: without the cookie, or without option 53, it is BOOTP.
 */
static void dhcp_msg_parse__bootp__enomsg(void **state)
{
	uint8_t buf[300] = {1, 1, 6};
	struct dhcp_msg m;

	(void)state;
	assert_int_equal(dhcp_msg_parse(buf, sizeof(buf), &m), -ENOMSG);
	assert_int_equal(PARSE(&m, 255), -ENOMSG);
	assert_int_equal(PARSE(&m, 12, 1, 'a'), -ENOMSG);
}

static void dhcp_msg_parse__pad_and_missing_end__taken(void **state)
{
	struct dhcp_msg m;

	(void)state;
	assert_int_equal(PARSE(&m, 0, 0, 53, 1, 1, 0, 12, 1, 'a', 0), 0);
	assert_true(dhcp_msg_has(&m, 12));
	/* What is behind the end is not looked at. */
	assert_int_equal(PARSE(&m, 53, 1, 1, 255, 12, 9, 'a'), 0);
	assert_false(dhcp_msg_has(&m, 12));
}

static void dhcp_msg_parse__impossible_lengths__refused(void **state)
{
	struct dhcp_msg m;

	(void)state;
	assert_int_equal(PARSE(&m, 53, 0), -EPROTO);
	assert_int_equal(PARSE(&m, 53, 2, 1, 1), -EPROTO);
	assert_int_equal(PARSE(&m, 53, 1, 1, 53, 1, 3), -EPROTO); /* twice */
	assert_int_equal(PARSE(&m, 53, 1, 1, 50, 3, 1, 2, 3), -EPROTO);
	assert_int_equal(PARSE(&m, 53, 1, 1, 54, 5, 1, 2, 3, 4, 5), -EPROTO);
	assert_int_equal(PARSE(&m, 53, 1, 1, 51, 0), -EPROTO);
	assert_int_equal(PARSE(&m, 53, 1, 1, 57, 1, 2), -EPROTO);
	assert_int_equal(PARSE(&m, 53, 1, 1, 12, 5, 'a'), -EPROTO);
	assert_int_equal(PARSE(&m, 53, 1, 1, 52, 1, 0), -EPROTO);
	assert_int_equal(PARSE(&m, 53, 1, 1, 52, 1, 4), -EPROTO);
	assert_int_equal(PARSE(&m, 53, 1, 1, 52, 2, 1, 1), -EPROTO);
}

/* RFC 3396 5: pieces of one option are joined in order. */
static void dhcp_msg_parse__split_option__joined(void **state)
{
	uint8_t opts[3 + 257 + 7];
	struct dhcp_msg m;
	const uint8_t *p;
	size_t len;

	(void)state;
	memcpy(opts, "\x35\x01\x01\x3d\xff", 5);
	memset(opts + 5, 0xaa, 255);
	memcpy(opts + 260, "\x0c\x01x\x3d\x02\xbb\xcc", 7);
	assert_int_equal(parse(&m, opts, sizeof(opts)), 0);
	p = dhcp_msg_opt(&m, DHCP_OPT_CLIENT_ID, &len);
	assert_int_equal(len, 257);
	assert_int_equal(p[254], 0xaa);
	assert_int_equal(p[255], 0xbb);
	assert_int_equal(p[256], 0xcc);
	p = dhcp_msg_opt(&m, DHCP_OPT_HOSTNAME, &len);
	assert_int_equal(len, 1);
	assert_int_equal(p[0], 'x');
}

/* RFC 2132 9.3 and RFC 3396 5: file, then sname carry on. */
static void dhcp_msg_parse__overload__all_areas_in_order(void **state)
{
	static const uint8_t opts[] = {53, 1, 1, 52, 1, 3, 12, 1, 'a', 255};
	uint8_t buf[300] = {0};
	struct dhcp_msg m;
	size_t len;

	(void)state;
	message(buf, opts, sizeof(opts));
	memcpy(buf + 44,
	       "\x0c\x01"
	       "c\xff",
	       4); /* sname */
	memcpy(buf + 108,
	       "\x0c\x01"
	       "b\x0f\x01z",
	       6); /* file */
	assert_int_equal(dhcp_msg_parse(buf, sizeof(buf), &m), 0);
	assert_memory_equal(dhcp_msg_opt(&m, 12, &len), "abc", 3);
	assert_int_equal(len, 3);
	assert_memory_equal(dhcp_msg_opt(&m, 15, &len), "z", 1);

	buf[245] = 2; /* sname only */
	assert_int_equal(dhcp_msg_parse(buf, sizeof(buf), &m), 0);
	assert_memory_equal(dhcp_msg_opt(&m, 12, &len), "ac", 2);
	assert_false(dhcp_msg_has(&m, 15));

	buf[245] = 1; /* file only */
	assert_int_equal(dhcp_msg_parse(buf, sizeof(buf), &m), 0);
	assert_memory_equal(dhcp_msg_opt(&m, 12, &len), "ab", 2);

	memcpy(buf + 230, "\x0c\x09", 2); /* runs over the end of file */
	memset(buf + 108, 0, 122);
	assert_int_equal(dhcp_msg_parse(buf, sizeof(buf), &m), -EPROTO);
}

/* ---- building ------------------------------------------------------------ */

static void dhcp_build__round_trip__same(void **state)
{
	struct dhcp_hdr h = {.op = 2,
			     .htype = 1,
			     .hlen = 6,
			     .hops = 3,
			     .xid = 0x01020304,
			     .secs = 5,
			     .flags = 0x8000,
			     .ciaddr = 6,
			     .yiaddr = 7,
			     .siaddr = 8,
			     .giaddr = 9,
			     .chaddr = {1, 2, 3, 4, 5, 6}};
	uint8_t buf[1200], big[600], type = 5;
	struct dhcp_build b;
	struct dhcp_msg m;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)i;
	dhcp_build_start(&b, &h, buf, sizeof(buf), 0);
	assert_true(dhcp_build_opt(&b, 53, &type, 1));
	assert_true(dhcp_build_opt(&b, 82, big, sizeof(big)));
	len = dhcp_build_end(&b);
	assert_int_equal(len, 240 + 3 + dhcp_opt_size(600) + 1);
	assert_int_equal(dhcp_msg_parse(buf, len, &m), 0);
	assert_memory_equal(&m.h, &h, sizeof(h));
	assert_memory_equal(dhcp_msg_opt(&m, 82, &len), big, sizeof(big));
	assert_int_equal(len, sizeof(big));
}

static void dhcp_build__short_message__padded_to_bootp(void **state)
{
	struct dhcp_hdr h = {.op = 1};
	uint8_t buf[400];
	struct dhcp_build b;

	(void)state;
	memset(buf, 0xee, sizeof(buf));
	dhcp_build_start(&b, &h, buf, sizeof(buf), 0);
	assert_int_equal(dhcp_build_end(&b), DHCP_MIN_LEN); /* RFC 1542 2.1 */
	assert_int_equal(buf[240], 255);
	assert_int_equal(buf[299], 0);
	assert_int_equal(buf[300], 0xee);
}

/* Every capacity: what fits is there, what does not is not, nothing overflows.
 */
static void dhcp_build__any_room__never_beyond(void **state)
{
	struct dhcp_hdr h = {.op = 1};
	uint8_t value[10] = {0};

	(void)state;
	for (size_t cap = 0; cap < 320; cap++) {
		uint8_t *buf = malloc(cap ? cap : 1);
		struct dhcp_build b;
		bool fits;
		size_t len;

		dhcp_build_start(&b, &h, buf, cap, 4);
		fits = dhcp_build_opt(&b, 12, value, sizeof(value));
		assert_int_equal(fits, cap >= 240 + 12 + 4 + 1);
		dhcp_build_unreserve(&b);
		fits = dhcp_build_opt(&b, 13, value, 2);
		assert_int_equal(fits, cap >= 240 + 4 + 1);
		len = dhcp_build_end(&b);
		assert_true(len <= cap);
		assert_int_equal(len > 0, cap >= 241);
		free(buf);
	}
}

/* ---- names --------------------------------------------------------------- */

/* RFC 1123 2.1 */
static void dhcp_name_clean__what_clients_send__labels(void **state)
{
	static const struct {
		const char *in, *out;
	} v[] = {
		{"alpine", "alpine"},
		{"MyVM", "myvm"},
		{"web_01", "web-01"},
		{"host.example.com", "host"},
		{"-x-", "x"},
		{"--", ""},
		{"", ""},
		{".x", ""},
		{"3com", "3com"},
		{"a b\nc", "a-b-c"},
		{"J\xc3\xb6rg", "j--rg"},
		{"$(reboot)", "reboot"},
		{"aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb"
		 "12-456",
		 "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb"
		 "12"},
	};
	char out[DHCP_HOSTNAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		dhcp_name_clean(v[i].in, strlen(v[i].in), out);
		assert_string_equal(out, v[i].out);
		assert_true(!out[0] || dhcp_name_valid(out));
	}
	dhcp_name_clean("vm\0\0", 4, out); /* NULs at the end: old clients */
	assert_string_equal(out, "vm");
}

static void dhcp_name_valid__labels_only(void **state)
{
	char s[66];

	(void)state;
	assert_true(dhcp_name_valid("a"));
	assert_true(dhcp_name_valid("VM-1"));
	assert_false(dhcp_name_valid(""));
	assert_false(dhcp_name_valid("-a"));
	assert_false(dhcp_name_valid("a-"));
	assert_false(dhcp_name_valid("a.b"));
	assert_false(dhcp_name_valid("a b"));
	memset(s, 'x', 65);
	s[63] = '\0';
	assert_true(dhcp_name_valid(s));
	s[63] = 'x';
	s[64] = '\0';
	assert_false(dhcp_name_valid(s));
}

/* RFC 4702 2.3.1: flag E says whether the name is in DNS wire format. */
static void dhcp_name_claimed__fqdn__first_label(void **state)
{
	char out[DHCP_HOSTNAME_MAX + 1];
	struct dhcp_msg m;

	(void)state;
	PARSE(&m, 53, 1, 1, 81, 7, 0x04, 0, 0, 3, 'v', 'm', '1');
	dhcp_name_claimed(&m, out);
	assert_string_equal(out, "vm1");
	PARSE(&m, 53, 1, 1, 81, 7, 0x00, 0, 0, 'v', 'm', '.', '1');
	dhcp_name_claimed(&m, out);
	assert_string_equal(out, "vm");
	PARSE(&m, 53, 1, 1, 81, 5, 0x04, 0, 0, 9, 'v'); /* label too long */
	dhcp_name_claimed(&m, out);
	assert_string_equal(out, "");
	PARSE(&m, 53, 1, 1, 81, 3, 0x04, 0, 0);
	dhcp_name_claimed(&m, out);
	assert_string_equal(out, "");
	PARSE(&m, 53, 1, 1, 12, 1, 'a', 81, 4, 0, 0, 0, 'b');
	dhcp_name_claimed(&m, out);
	assert_string_equal(out, "b"); /* 4: option 12 does not count then */
	PARSE(&m, 53, 1, 1, 12, 1, 'a', 81, 3, 0, 0, 0);
	dhcp_name_claimed(&m, out);
	assert_string_equal(out, "a");
}

static void dhcp_state_parse__every_name__round_trip(void **state)
{
	(void)state;
	for (int i = DHCP_OFFERED; i <= DHCP_DECLINED; i++)
		assert_int_equal(
			dhcp_state_parse(dhcp_state_name((enum dhcp_state)i)),
			i);
	assert_int_equal(dhcp_state_parse("gone"), -EINVAL);
	for (int i = 0; i < DHCP_DROPS; i++)
		assert_non_null(dhcp_drop_name((enum dhcp_drop)i));
	assert_string_equal(dhcp_event_name(DHCP_EV_EXHAUSTED), "exhausted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dhcp_msg_parse__discover__all_fields),
		cmocka_unit_test(dhcp_msg_parse__cut_anywhere__refused_or_safe),
		cmocka_unit_test(dhcp_msg_parse__too_long__refused),
		cmocka_unit_test(dhcp_msg_parse__bootp__enomsg),
		cmocka_unit_test(dhcp_msg_parse__pad_and_missing_end__taken),
		cmocka_unit_test(dhcp_msg_parse__impossible_lengths__refused),
		cmocka_unit_test(dhcp_msg_parse__split_option__joined),
		cmocka_unit_test(dhcp_msg_parse__overload__all_areas_in_order),
		cmocka_unit_test(dhcp_build__round_trip__same),
		cmocka_unit_test(dhcp_build__short_message__padded_to_bootp),
		cmocka_unit_test(dhcp_build__any_room__never_beyond),
		cmocka_unit_test(dhcp_name_clean__what_clients_send__labels),
		cmocka_unit_test(dhcp_name_valid__labels_only),
		cmocka_unit_test(dhcp_name_claimed__fqdn__first_label),
		cmocka_unit_test(dhcp_state_parse__every_name__round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
