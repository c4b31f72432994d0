/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who else configures an interface of the host's: a network manager or DHCP client. It
 * knows nothing of our taking the interface in, and when it renews a lease or activates
 * a connection it configures the interface again, beside the bridge. They are told apart
 * by the files they keep below /run; nobody is asked.
 */
#ifndef VNET_NETD_IFMANAGER_H
#define VNET_NETD_IFMANAGER_H

#include <stdbool.h>
#include <stddef.h>

enum ifmanager {
	IFMANAGER_NONE,
	IFMANAGER_NM,	    /* NetworkManager */
	IFMANAGER_NETWORKD, /* systemd-networkd */
	IFMANAGER_DHCPCD,
	IFMANAGER_DHCLIENT, /* ISC's; ifupdown starts it, too */
	IFMANAGER_UDHCPC,   /* busybox */
};

#define IFMANAGER_TEXT 400

/**
 * ifmanager_find() - Who configures @ifname of index @index?
 * @root: "" but in tests: what stands before /run and /proc
 *
 * Files of programs that have ended do not count.
 */
enum ifmanager ifmanager_find(const char *root, const char *ifname, int index);

/* Of such files' text: is there this line? The number of a process, 0 = none. Pure. */
bool ifmanager_has_line(const char *text, const char *line);
int ifmanager_pid(const char *text);

/* What it will do, and what helps; "" for none. Returns @out. */
char *ifmanager_advice(enum ifmanager m, const char *ifname,
		       char out[IFMANAGER_TEXT]);

#endif
