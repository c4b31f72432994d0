// SPDX-License-Identifier: GPL-2.0-or-later
/* See ifmanager.h. The files are their owners' private matter and may change with a
 * version: what is not understood counts as nobody. */
#include "netd/ifmanager.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/fdutil.h"

#define FILE_MAX 4096 /* bytes looked at; these files are small */

/* The beginning of a file as text. False: there is none. */
static bool read_text(const char *path, char out[FILE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, out, FILE_MAX - 1);

	fd_close(&fd);
	if (n < 0)
		return false;
	out[n] = '\0';
	return true;
}

bool ifmanager_has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	while (text) {
		if (!strncmp(text, line, n) &&
		    (!text[n] || text[n] == '\n' || text[n] == '\r'))
			return true;
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return false;
}

static bool networkmanager(const char *root, int index)
{
	char path[PATH_MAX], text[FILE_MAX];

	snprintf(path, sizeof(path), "%s/run/NetworkManager/devices/%d", root,
		 index);
	return read_text(path, text) && ifmanager_has_line(text, "managed=true");
}

static bool networkd(const char *root, int index)
{
	char path[PATH_MAX], text[FILE_MAX];

	snprintf(path, sizeof(path), "%s/run/systemd/netif/links/%d", root,
		 index);
	return read_text(path, text) &&
	       (ifmanager_has_line(text, "ADMIN_STATE=configured") ||
		ifmanager_has_line(text, "ADMIN_STATE=configuring"));
}

int ifmanager_pid(const char *text)
{
	long pid = strtol(text, NULL, 10);

	return pid > 0 && pid <= INT_MAX ? (int)pid : 0;
}

/* Does the file hold the number of a process of this name? */
static bool runs(const char *root, const char *file, const char *program)
{
	char path[PATH_MAX], text[FILE_MAX];
	int pid = read_text(file, text) ? ifmanager_pid(text) : 0;

	if (!pid)
		return false;
	snprintf(path, sizeof(path), "%s/proc/%d/comm", root, pid);
	return read_text(path, text) && ifmanager_has_line(text, program);
}

static bool client(const char *root, const char *ifname, const char *program)
{
	static const char *const forms[] = {
		"%s/run/%s.%s.pid",  /* /run/dhclient.eth0.pid */
		"%s/run/%s-%s.pid",  /* /run/dhclient-eth0.pid */
		"%s/run/%s/%s.pid",  /* /run/dhcpcd/eth0.pid */
		"%s/run/%s/%s-4.pid",
	};
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		snprintf(path, sizeof(path), forms[i], root, program, ifname);
		if (runs(root, path, program))
			return true;
	}
	return false;
}

/* One process of it may serve all interfaces. */
static bool dhcpcd(const char *root, const char *ifname)
{
	static const char *const all[] = {"run/dhcpcd/pid", "run/dhcpcd.pid"};
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, all[i]);
		if (runs(root, path, "dhcpcd"))
			return true;
	}
	return client(root, ifname, "dhcpcd");
}

enum ifmanager ifmanager_find(const char *root, const char *ifname, int index)
{
	if (networkmanager(root, index))
		return IFMANAGER_NM;
	if (networkd(root, index))
		return IFMANAGER_NETWORKD;
	if (dhcpcd(root, ifname))
		return IFMANAGER_DHCPCD;
	if (client(root, ifname, "dhclient"))
		return IFMANAGER_DHCLIENT;
	return client(root, ifname, "udhcpc") ? IFMANAGER_UDHCPC
					      : IFMANAGER_NONE;
}

char *ifmanager_advice(enum ifmanager m, const char *ifname,
		       char out[IFMANAGER_TEXT])
{
	static const struct {
		const char *name, *cure;
	} known[] = {
		[IFMANAGER_NONE] = {"", ""},
		[IFMANAGER_NM] = {
			"NetworkManager",
			"have it leave %s alone (nmcli device set %s managed no) and "
			"see to it that the host keeps its address"},
		[IFMANAGER_NETWORKD] = {
			"systemd-networkd",
			"put Unmanaged=yes into [Link] of %s's .network file "
			"and give %s its address by other means"},
		[IFMANAGER_DHCPCD] = {
			"dhcpcd",
			"put \"denyinterfaces %s vn-*\" into /etc/dhcpcd.conf "
			"and give %s its address by other means"},
		[IFMANAGER_DHCLIENT] = {
			"dhclient",
			"end the dhclient of %s and give %s a fixed address"},
		[IFMANAGER_UDHCPC] = {
			"udhcpc",
			"end the udhcpc of %s and give %s a fixed address"},
	};
	int n;

	out[0] = '\0';
	if (m == IFMANAGER_NONE)
		return out;
	n = snprintf(out, IFMANAGER_TEXT,
		     "%s configures %s; when it renews an address or connects "
		     "anew, the address comes back beside the bridge's and the host "
		     "may be cut off: use --uplink-mode tap-in, or ",
		     known[m].name, ifname);
	snprintf(out + n, IFMANAGER_TEXT - (size_t)n, known[m].cure, ifname,
		 ifname);
	return out;
}
