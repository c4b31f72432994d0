// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp_rig */
/* Firmware and boot loaders: who is told which file; BOOTP; one exchange (RFC
 * 4039). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>

#include "dhcp/dhcp_boot.h"
#include "dhcp/dhcp_opt.h"
#include "tests/fake/dhcp_rig.h"

static void rules(struct dhcp_rig *r, ...)
{
	const char *text;
	va_list ap;

	r->cfg.boot.nrules = 0;
	va_start(ap, r);
	while ((text = va_arg(ap, const char *)))
		assert_int_equal(
			dhcp_boot_rule_parse(
				text, &r->cfg.boot.rule[r->cfg.boot.nrules++],
				NULL),
			0);
	va_end(ap);
	rig_reconfigure(r, &r->cfg);
}

/* A DISCOVER with more options; the file of the answer's header. */
static const char *boot(struct dhcp_rig *r, const char *class, int arch,
			const char *user, bool ipxe)
{
	static char file[DHCP_FILE_LEN + 1];
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);
	uint8_t b[DHCP_MSG_MAX];
	size_t n = dhcp_ask_build(&a, b, sizeof(b));
	struct wbuf w = wbuf_make(b, sizeof(b));

	/* Behind the options that are there: the end option goes. */
	while (b[n - 1] != DHCP_OPT_END)
		n--;
	w.len = n - 1;
	if (class) {
		wbuf_u8(&w, 60);
		wbuf_u8(&w, (uint8_t)strlen(class));
		wbuf_copy(&w, class, strlen(class));
	}
	if (arch >= 0) {
		wbuf_be16(&w, 93 << 8 | 2);
		wbuf_be16(&w, (uint16_t)arch);
		wbuf_be16(&w, 97 << 8 | 3);
		wbuf_copy(&w, "\0id", 3);
	}
	if (user) {
		wbuf_u8(&w, 77);
		wbuf_u8(&w, (uint8_t)strlen(user));
		wbuf_copy(&w, user, strlen(user));
	}
	if (ipxe) {
		wbuf_be16(&w, 175 << 8 | 3);
		wbuf_copy(&w, "\x13\x01\x01", 3);
	}
	wbuf_u8(&w, DHCP_OPT_END);
	assert_int_equal(rig_send_bytes(r, &a, b, w.len), DHCP_OFFER);
	memcpy(file, r->reply.data + 108, DHCP_FILE_LEN);
	return file;
}

/* An option of the answer. */
static void assert_opt(struct dhcp_rig *r, uint8_t code, const char *bytes,
		       size_t len)
{
	size_t n;
	const uint8_t *p = dhcp_msg_opt(&r->answer, code, &n);

	assert_int_equal(n, len);
	assert_memory_equal(p, bytes, len);
}

static void boot_file__by_architecture__the_right_one(void **state)
{
	struct dhcp_rig *r = *state;

	rules(r, "bios=pxelinux.0", "efi-x64=grubx64.efi", "11=arm.efi",
	      "http-x64=http://10.0.2.2/x.efi", "ipxe=boot.ipxe", NULL);
	assert_string_equal(boot(r, "PXEClient", 0, NULL, false), "pxelinux.0");
	assert_int_equal(r->answer.h.siaddr, IP4(10, 0, 2, 2));
	assert_true(rig_has(r, 97)); /* RFC 4578 2.3 */
	assert_string_equal(boot(r, "PXEClient", 7, NULL, false),
			    "grubx64.efi");
	assert_string_equal(boot(r, "PXEClient", 9, NULL, false),
			    "grubx64.efi");
	assert_string_equal(boot(r, "PXEClient", 11, NULL, false), "arm.efi");
	assert_string_equal(
		boot(r, "PXEClient:Arch:00007:UNDI:003016", -1, NULL, false),
		"grubx64.efi");
	/* Nothing for it, and nothing for those who boot from a disk. */
	assert_string_equal(boot(r, "PXEClient", 10, NULL, false), "");
	assert_string_equal(boot(r, "MSFT 5.0", -1, NULL, false), "");
	assert_int_equal(r->answer.h.siaddr, 0);
}

static void boot_file__ipxe__out_of_the_loop(void **state)
{
	struct dhcp_rig *r = *state;

	rules(r, "bios=undionly.kpxe", "ipxe=http://10.0.2.2/menu", NULL);
	assert_string_equal(boot(r, "PXEClient", 0, NULL, false),
			    "undionly.kpxe");
	assert_string_equal(boot(r, "PXEClient", 0, "iPXE", false),
			    "http://10.0.2.2/menu");
	assert_string_equal(boot(r, "PXEClient", 0, "\x04iPXE", false),
			    "http://10.0.2.2/menu");
	assert_string_equal(boot(r, "PXEClient", 0, NULL, true),
			    "http://10.0.2.2/menu");
	/* Without a file of its own iPXE is as good as any. */
	rules(r, "any=pxelinux.0", NULL);
	assert_string_equal(boot(r, "PXEClient", 0, NULL, true), "pxelinux.0");
}

static void boot_file__http__url_and_class(void **state)
{
	struct dhcp_rig *r = *state;

	rules(r, "http-x64=http://10.0.2.2/x.efi", "any=pxelinux.0", NULL);
	(void)boot(r, "HTTPClient:Arch:00016:UNDI:003001", 16, NULL, false);
	assert_opt(r, 60, "HTTPClient", 10);
	assert_opt(r, 67, "http://10.0.2.2/x.efi", 21);
	(void)boot(r, "HTTPClient:Arch:00019:UNDI:003001", 19, NULL, false);
	assert_false(rig_has(r, 60)); /* a path is no URL */
	(void)boot(r, "PXEClient", 0, NULL, false);
	assert_opt(r, 60, "PXEClient", 9);
}

/* edk2 ends the URL with a NUL where the next option begins, in the copy that it reads
 * the subnet mask from: a machine identifier made of zeros took the mask's place. */
static void boot_file__of_firmware__nothing_right_behind_it(void **state)
{
	struct dhcp_rig *r = *state;
	const uint8_t *p = NULL;

	rules(r, "http-x64=http://10.0.2.2/x.efi", "bios=pxelinux.0", NULL);
	(void)boot(r, "HTTPClient:Arch:00016:UNDI:003001", 16, NULL, false);
	p = memmem(r->reply.data + 240, r->reply.len - 240, "\x43\x15http", 6);
	assert_non_null(p);
	assert_int_equal(p[2 + 21], DHCP_OPT_PAD);
	assert_true(rig_has(r, DHCP_OPT_MASK));
}

/* A network's option as people write it. */
static void scope(struct dhcp_rig *r, const char *text)
{
	static const struct dhcp_scope network = {.kind = DHCP_SCOPE_NETWORK};
	struct dhcp_opts opts = {0};
	struct dhcp_option o;

	assert_int_equal(dhcp_opt_parse(text, &o, NULL), 0);
	assert_int_equal(dhcp_opts_set(&opts, &o), 0);
	assert_int_equal(dhcp_server_scope(r->s, &network, &opts, NULL), 0);
}

static void boot_file__pxe__no_other_server_to_wait_for(void **state)
{
	struct dhcp_rig *r = *state;

	rules(r, "bios=pxelinux.0", NULL);
	(void)boot(r, "PXEClient:Arch:00000:UNDI:002001", 0, NULL, false);
	assert_opt(r, 60, "PXEClient", 9);
	assert_opt(r, 43, "\x06\x01\x08\xff", 4);
	assert_false(rig_has(r, 175));
	/* iPXE is PXE, too; who is neither hears nothing of it. */
	(void)boot(r, "PXEClient:Arch:00000:UNDI:002001", 0, "iPXE", true);
	assert_opt(r, 43, "\x06\x01\x08\xff", 4);
	assert_false(rig_has(r, 175));
	(void)boot(r, NULL, -1, NULL, true);
	assert_false(rig_has(r, 60));
	assert_false(rig_has(r, 43));
	/* The owner's word, an empty one too, goes before ours. */
	scope(r, "43=0x0901ff");
	(void)boot(r, "PXEClient", 0, NULL, false);
	assert_opt(r, 60, "PXEClient", 9);
	assert_opt(r, 43, "\x09\x01\xff", 3);
	scope(r, "43=");
	(void)boot(r, "PXEClient", 0, NULL, false);
	assert_false(rig_has(r, 43));
}

static void boot_file__of_a_scope__from_our_server(void **state)
{
	struct dhcp_rig *r = *state;

	scope(r, "boot-file=own.ipxe");
	assert_string_equal(boot(r, "PXEClient", 0, NULL, false), "own.ipxe");
	assert_int_equal(r->answer.h.siaddr, IP4(10, 0, 2, 2));
	assert_opt(r, 66, "10.0.2.2", 8);
	assert_opt(r, 67, "own.ipxe", 8);
	assert_opt(r, 60, "PXEClient", 9);
	(void)boot(r, "MSFT 5.0", -1, NULL, false);
	assert_int_equal(r->answer.h.siaddr, 0);
	/* Kept back, though there is one for its architecture. */
	rules(r, "bios=pxelinux.0", NULL);
	scope(r, "boot-file=");
	assert_string_equal(boot(r, "PXEClient", 0, NULL, false), "");
	assert_int_equal(r->answer.h.siaddr, 0);
	assert_false(rig_has(r, 60));
}

static void boot_file__none__ipxe_goes_on_at_once(void **state)
{
	struct dhcp_rig *r = *state;

	(void)boot(r, "PXEClient", 0, "iPXE", true);
	assert_opt(r, 175, "\xb0\x01\x01", 3);
	assert_false(rig_has(r, 60));
	(void)boot(r, "PXEClient", 0, NULL, false); /* not iPXE */
	assert_false(rig_has(r, 175));
	scope(r, "175=0xb00100"); /* a proxy that the owner knows of */
	(void)boot(r, "PXEClient", 0, "iPXE", true);
	assert_opt(r, 175, "\xb0\x01\x00", 3);
}

static void boot_rule__nonsense__refused(void **state)
{
	static const char *const bad[] = {
		"",	 "x",	    "=f",      "bios=",
		"vax=f", "65534=f", "70000=f", "http-x64=x.efi"};
	struct dhcp_boot_rule rule;
	struct errtext why;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(dhcp_boot_rule_parse(bad[i], &rule, &why),
				 -EINVAL);
	assert_int_equal(dhcp_boot_rule_parse("12=f", &rule, &why), 0);
	assert_int_equal(rule.arch, 12);
}

/* ---- BOOTP --------------------------------------------------------------- */

static void bootp__reserved__answered_without_dhcp(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(0, 1, 1);
	struct mac mac = rig_mac(1);
	uint8_t b[DHCP_MSG_MAX];
	size_t n = dhcp_ask_build(&a, b, sizeof(b));

	rules(r, "any=vmunix", NULL);
	(void)rig_send_bytes(r, &a, b, n);
	assert_int_equal(rig_drops(r, DHCP_DROP_BOOTP), 1);
	assert_int_equal(dhcp_server_reserve(r->s, &mac, IP4(10, 0, 2, 50),
					     "old", r->now, NULL),
			 0);
	r->reply.len = 0;
	(void)rig_send_bytes(r, &a, b, n);
	assert_int_equal(r->reply.len, DHCP_MIN_LEN);
	assert_int_equal(
		dhcp_msg_parse(r->reply.data, r->reply.len, &r->answer),
		-ENOMSG); /* no message type */
	assert_int_equal(r->answer.h.op, DHCP_BOOTREPLY);
	assert_int_equal(r->answer.h.yiaddr, IP4(10, 0, 2, 50));
	assert_true(rig_has(r, DHCP_OPT_MASK));
	assert_true(rig_has(r, DHCP_OPT_ROUTER));
	assert_false(rig_has(r, DHCP_OPT_LEASE));
	assert_false(rig_has(r, DHCP_OPT_SERVER_ID));
	assert_string_equal((char *)r->reply.data + 108, "vmunix");
}

/* ---- rapid commit (RFC 4039) --------------------------------------------- */

static int rapid(struct dhcp_rig *r, uint8_t n)
{
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, n, n);
	uint8_t b[DHCP_MSG_MAX];
	size_t len = dhcp_ask_build(&a, b, sizeof(b));

	while (b[len - 1] != DHCP_OPT_END)
		len--;
	memcpy(b + len - 1, "\x50\0\xff", 3);
	return rig_send_bytes(r, &a, b, len + 2);
}

static void rapid_commit__asked_for__ack_at_once(void **state)
{
	struct dhcp_rig *r = *state;
	size_t len;

	assert_int_equal(rapid(r, 1), DHCP_OFFER); /* not configured */
	r->cfg.rapid_commit = true;
	rig_reconfigure(r, &r->cfg);
	assert_int_equal(rapid(r, 1), DHCP_ACK);
	assert_true(rig_has(r, DHCP_OPT_RAPID));
	(void)dhcp_msg_opt(&r->answer, DHCP_OPT_RAPID, &len);
	assert_int_equal(len, 0);
	assert_non_null(rig_row(r, r->answer.h.yiaddr)); /* stored before */
	assert_true(rig_dora(r, 2, 2));
	assert_false(rig_has(r, DHCP_OPT_RAPID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
		T(boot_file__by_architecture__the_right_one),
		T(boot_file__ipxe__out_of_the_loop),
		T(boot_file__http__url_and_class),
		T(boot_file__of_firmware__nothing_right_behind_it),
		T(boot_file__pxe__no_other_server_to_wait_for),
		T(boot_file__of_a_scope__from_our_server),
		T(boot_file__none__ipxe_goes_on_at_once),
		cmocka_unit_test(boot_rule__nonsense__refused),
		T(bootp__reserved__answered_without_dhcp),
		T(rapid_commit__asked_for__ack_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
