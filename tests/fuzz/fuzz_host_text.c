// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv netd switch_io switch_core nat_core dhcp_core */
/*
 * Text that programs of the host's and its kernel keep: files of network managers and
 * DHCP clients below /run, lines of /proc/net/tcp and udp.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "netd/ifmanager.h"
#include "netd/priv_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void manager(const char *text)
{
	static const char *const lines[] = {"managed=true",
					    "ADMIN_STATE=configured", "dhcpcd"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (ifmanager_has_line(text, lines[i]))
			assert(strstr(text, lines[i]));
	assert(ifmanager_pid(text) >= 0);
}

static void socket_line(const char *text)
{
	struct priv_port_line l;
	char again[IP_TEXT];

	if (priv_port_line(text, &l))
		assert(strlen(ipaddr_format(&l.ip, again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	manager(text);
	socket_line(text);
	free(text);
	return 0;
}
