// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_core */
/*
 * The kernel's messages about rulesets (tests/unit/rulesets), with other values in them:
 * the first byte says which ruleset, each further three bytes where, and the value. Names,
 * lengths and the nesting stay, for libnftnl takes the kernel at its word there. What is
 * read is a ruleset that packets can be put to at every hook, and each rule has a text.
 */
#include <assert.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h> /* before linux/, which has the same */

#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "nat/ruleset.h"

#define MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A ruleset as it is, and which of its bytes are values. */
static struct base {
	_Alignas(8) uint8_t b[MAX];
	bool value[MAX];
	size_t len;
} base[4];

/* Names are terminated texts; values are not, but for a few, which do not matter. */
static bool is_text(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++)
		if (p[i] < 0x20 || p[i] > 0x7e)
			return false;
	return len > 1 && !p[len - 1];
}

/* Nests are not always marked as such: what is attributes to its end is one. */
static bool is_nest(const uint8_t *p, size_t len)
{
	while (len >= 4) {
		uint16_t n;

		memcpy(&n, p, sizeof(n));
		if (n < 4 || n > len)
			return false;
		n = (uint16_t)((n + 3) & ~3);
		p += n;
		len -= n < len ? n : len;
	}
	return !len;
}

static int note_value(const struct nlattr *a, void *arg)
{
	const uint8_t *p = mnl_attr_get_payload(a);
	size_t len = mnl_attr_get_payload_len(a);
	struct base *b = arg;

	if (is_nest(p, len))
		return mnl_attr_parse_nested(a, note_value, b);
	if (!is_text(p, len))
		memset(&b->value[p - b->b], 1, len);
	return MNL_CB_OK;
}

static void load(struct base *b, const char *name)
{
	const struct nlmsghdr *h = (const void *)b->b;
	char path[64];
	int left;
	FILE *f;

	snprintf(path, sizeof(path), "tests/unit/rulesets/%s.nl", name);
	f = fopen(path, "rb");
	if (!f)
		return;
	b->len = fread(b->b, 1, MAX, f);
	fclose(f);
	left = (int)b->len;
	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
		(void)mnl_attr_parse(h, 4, note_value, b); /* behind nfgenmsg */
}

static void ask(const struct ruleset *rs, uint8_t family)
{
	struct rs_packet p = {.family = family, .iif = "vn-lab", .oif = "eth0",
			      .proto = IPPROTO_TCP, .dport = 443,
			      .state = RS_NEW};
	struct rs_finding f;

	for (uint32_t hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		ruleset_ask(rs, &p, hook, "vnet-", &f);
		assert(f.outcome != RS_DROPPED || (f.base && f.chain));
		assert(f.outcome != RS_MAYBE || f.unknown);
	}
}

static void show(const struct ruleset *rs)
{
	char text[RS_TEXT];

	list_for_each(c, &rs->chains, struct rs_chain, node)
		list_for_each(r, &c->rules, struct rs_rule, node)
			assert(strlen(ruleset_rule_text(r, text)) < RS_TEXT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"docker", "firewalld", "ufw", "maps"};
	static _Alignas(8) uint8_t buf[MAX];
	struct cur c = cur_make(data, size);
	struct base *b = &base[cur_u8(&c) % 4];
	struct ruleset rs;

	if (!b->len)
		load(b, names[b - base]);
	assert(b->len); /* else: not run from the project's folder */
	memcpy(buf, b->b, b->len);
	while (c.left >= 3) {
		size_t at = cur_be16(&c) % b->len;
		uint8_t v = cur_u8(&c);

		if (b->value[at])
			buf[at] = v;
	}
	ruleset_init(&rs);
	(void)ruleset_read(&rs, buf, b->len);
	show(&rs);
	ask(&rs, NFPROTO_IPV4);
	ask(&rs, NFPROTO_IPV6);
	ruleset_fini(&rs);
	return 0;
}
