/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Booting from the network: which file a client is told, by what it says it is
 * (PXE 2.1; RFC 4578; UEFI HTTP boot, UEFI 2.10 24.7; iPXE's own marks).
 */
#ifndef VNET_DHCP_DHCP_BOOT_H
#define VNET_DHCP_DHCP_BOOT_H

#include "dhcp/dhcp_msg.h"

/** struct dhcp_booter - What a client says of itself. */
struct dhcp_booter {
	bool boots;    /* firmware or boot loader, or it asks for a file */
	bool pxe;      /* "PXEClient": firmware, and iPXE, too */
	bool ipxe;     /* iPXE already: option 175, or its user class */
	bool http;     /* wants a URL, and to hear "HTTPClient" itself */
	uint16_t arch; /* RFC 4578 2.1; DHCP_ARCH_BIOS when it does not say */
};

void dhcp_booter_of(const struct dhcp_msg *m, struct dhcp_booter *out);

/* Its file; NULL = none. */
const char *dhcp_boot_file(const struct dhcp_boot *b,
			   const struct dhcp_booter *who);

/**
 * dhcp_boot_rule_parse() - "bios=pxelinux.0", "efi-x64=grubx64.efi", "7=…",
 * "ipxe=http://…", "any=…"
 *
 * Return: 0; -EINVAL with @why.
 */
int dhcp_boot_rule_parse(const char *s, struct dhcp_boot_rule *out,
			 struct errtext *why);

/* "bios", or a number in @buf. */
const char *dhcp_arch_name(uint16_t arch, char buf[8]);

#endif
