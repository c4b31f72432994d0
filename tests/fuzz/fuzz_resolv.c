// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv netd switch_io switch_core nat_core dhcp_core */
/* resolv.conf is written by whoever manages the host's network: any bytes. */
#include <stdlib.h>
#include <string.h>

#include "lib/compat.h"
#include "netd/resolv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resolv_line out[RESOLV_MAX];
	char text[IP_TEXT];
	size_t n = resolv_parse((const char *)data, size, out);

	if (n > RESOLV_MAX)
		abort();
	for (size_t i = 0; i < n; i++) {
		struct ipaddr again;

		/* What was taken is an address: it survives its own text. */
		if (ipaddr_parse(ipaddr_format(&out[i].ip, text), &again) ||
		    !ipaddr_eq(&again, &out[i].ip) ||
		    !memchr(out[i].zone, 0, sizeof(out[i].zone)) ||
		    (out[i].zone[0] && ipaddr_is4(&out[i].ip)))
			abort();
	}
	return 0;
}
