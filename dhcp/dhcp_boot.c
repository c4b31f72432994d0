// SPDX-License-Identifier: GPL-2.0-or-later
/* Which file a client boots. See dhcp_boot.h. */
#include "dhcp/dhcp_boot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/compat.h"

/* IANA, "Processor Architecture Types". */
static const struct {
	const char *name;
	uint16_t arch;
} archs[] = {
	{"bios", 0},
	{"efi-ia32", 6},
	{"efi-x64", 7},
	{"efi-bc", 9},
	{"efi-arm32", 10},
	{"efi-arm64", 11},
	{"http-ia32", 15},
	{"http-x64", 16},
	{"http-arm32", 18},
	{"http-arm64", 19},
	{"efi-riscv32", 25},
	{"http-riscv32", 26},
	{"efi-riscv64", 27},
	{"http-riscv64", 28},
	{"ipxe", DHCP_ARCH_IPXE},
	{"any", DHCP_ARCH_ANY},
};

static bool starts(const uint8_t *p, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && !memcmp(p, with, n);
}

/* "PXEClient:Arch:00007:UNDI:003016" */
static uint16_t arch_of_class(const uint8_t *p, size_t len)
{
	static const size_t at = sizeof("PXEClient:Arch:") - 1;
	unsigned int v = 0;

	if (len < at + 5 || memcmp(p + at - 6, ":Arch:", 6))
		return 0;
	for (size_t i = at; i < at + 5; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 0;
		v = v * 10 + p[i] - '0';
	}
	return v < DHCP_ARCH_IPXE ? (uint16_t)v : 0;
}

static bool wants_file(const struct dhcp_msg *m)
{
	size_t n;
	const uint8_t *wish = dhcp_msg_opt(m, DHCP_OPT_PARAMETERS, &n);

	return n && (memchr(wish, DHCP_OPT_BOOT_FILE, n) ||
		     memchr(wish, DHCP_OPT_TFTP_SERVER, n));
}

void dhcp_booter_of(const struct dhcp_msg *m, struct dhcp_booter *out)
{
	size_t len, classes, user;
	const uint8_t *arch = dhcp_msg_opt(m, DHCP_OPT_ARCH, &len);
	const uint8_t *class = dhcp_msg_opt(m, DHCP_OPT_VENDOR_CLASS, &classes);
	const uint8_t *u = dhcp_msg_opt(m, DHCP_OPT_USER_CLASS, &user);

	memset(out, 0, sizeof(*out));
	out->pxe = starts(class, classes, "PXEClient");
	out->http = starts(class, classes, "HTTPClient");
	/* With or without the length that RFC 3004 puts in front. */
	out->ipxe = dhcp_msg_has(m, DHCP_OPT_IPXE) || starts(u, user, "iPXE") ||
		    (user == 5 && starts(u + 1, 4, "iPXE"));
	if (len >= 2)
		out->arch = get_be16(arch);
	else if (out->pxe || out->http)
		out->arch = arch_of_class(class + out->http, /* one longer */
					  classes - out->http);
	out->boots = out->pxe || out->http || out->ipxe || len >= 2 ||
		     wants_file(m) || !dhcp_msg_has(m, DHCP_OPT_TYPE);
}

static bool is_url(const char *s)
{
	return !strncmp(s, "http://", 7) || !strncmp(s, "https://", 8);
}

static const char *rule_for(const struct dhcp_boot *b, uint16_t arch)
{
	for (unsigned int i = 0; i < b->nrules; i++)
		if (b->rule[i].arch == arch)
			return b->rule[i].file;
	return NULL;
}

const char *dhcp_boot_file(const struct dhcp_boot *b,
			   const struct dhcp_booter *who)
{
	const char *file = NULL;

	if (!who->boots)
		return NULL;
	/* iPXE that was loaded by the rule of its architecture must not be sent
	 * there again. */
	if (who->ipxe)
		file = rule_for(b, DHCP_ARCH_IPXE);
	if (!file)
		file = rule_for(b, who->arch);
	/* EFI byte code is what some x64 firmware calls itself. */
	if (!file && who->arch == 9)
		file = rule_for(b, 7);
	if (!file)
		file = rule_for(b, DHCP_ARCH_ANY);
	return file && who->http && !is_url(file) ? NULL : file;
}

static int parse_arch(const char *s, size_t n, uint16_t *out)
{
	char text[8], *end;
	unsigned long v;

	for (size_t i = 0; i < ARRAY_LEN(archs); i++) {
		if (strlen(archs[i].name) != n || memcmp(archs[i].name, s, n))
			continue;
		*out = archs[i].arch;
		return 0;
	}
	if (!n || n > 5 || strspn(s, "0123456789") < n)
		return -EINVAL;
	snprintf(text, sizeof(text), "%.*s", (int)n, s);
	v = strtoul(text, &end, 10);
	if (v >= DHCP_ARCH_IPXE)
		return -EINVAL;
	*out = (uint16_t)v;
	return 0;
}

static bool is_http(uint16_t arch)
{
	char buf[8];

	return !strncmp(dhcp_arch_name(arch, buf), "http-", 5);
}

int dhcp_boot_rule_parse(const char *s, struct dhcp_boot_rule *out,
			 struct errtext *why)
{
	const char *eq = strchr(s, '=');
	struct dhcp_boot_rule r = {0};

	if (!eq || parse_arch(s, (size_t)(eq - s), &r.arch))
		return errtext_set(
			why, -EINVAL,
			"\"%.60s\" is no boot file: write ARCH=FILE "
			"with bios, efi-x64, efi-arm64, http-x64, …, "
			"ipxe, any, or a number",
			s);
	if (strlen(eq + 1) > DHCP_BOOT_FILE_MAX || !eq[1])
		return errtext_set(why, -EINVAL,
				   "a boot file has 1 to %d characters",
				   DHCP_BOOT_FILE_MAX);
	if (is_http(r.arch) && !is_url(eq + 1))
		return errtext_set(why, -EINVAL,
				   "firmware that boots by HTTP wants a URL, "
				   "not \"%.60s\"",
				   eq + 1);
	snprintf(r.file, sizeof(r.file), "%s", eq + 1);
	*out = r;
	return 0;
}

const char *dhcp_arch_name(uint16_t arch, char buf[8])
{
	for (size_t i = 0; i < ARRAY_LEN(archs); i++)
		if (archs[i].arch == arch)
			return archs[i].name;
	snprintf(buf, 8, "%u", arch);
	return buf;
}
