// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading a worker's messages about leases of DHCPv6. See wmsg.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/jx.h"
#include "netd/validate.h"
#include "netd/wmsg.h"

#define SLACK_S 3600 /* a term may be this much longer than configured */

static bool is_duid(const char *s)
{
	size_t n = strlen(s);

	for (const char *p = s; *p; p++)
		if (!isxdigit((unsigned char)*p))
			return false;
	/* RFC 8415 11.1: a type and something behind it. */
	return n >= 6 && n % 2 == 0 && n <= CONF_DUID;
}

static int read_lease(json_t *o, const struct net_conf *net,
		      struct lease6_conf *out, struct errtext *why)
{
	struct lease6_conf l = {.network = net->id};
	const char *duid = "", *host = "";
	int64_t plen = 128, iaid = 0;

	if (!json_is_object(o) || jx_ip(o, "ip", &l.address, why) ||
	    jx_int(o, "plen", 1, 128, &plen, why) ||
	    jx_mac(o, "mac", &l.mac, why) || jx_str(o, "duid", &duid, why) ||
	    jx_int(o, "iaid", 0, UINT32_MAX, &iaid, why) ||
	    jx_ip(o, "via", &l.via, why) ||
	    jx_int(o, "nic", 0, INT64_MAX, &l.nic, why) ||
	    jx_int(o, "expires", 0, INT64_MAX, &l.expires, why) ||
	    jx_str(o, "hostname", &host, why))
		return -EPROTO;
	if (ipaddr_is4(&l.address) || ipaddr_is_zero(&l.address) ||
	    !is_duid(duid))
		return errtext_set(why, -EPROTO, "a lease that is none");
	if (validate_mac(&l.mac, why))
		return -EPROTO;
	l.plen = (uint8_t)plen;
	l.iaid = (uint32_t)iaid;
	snprintf(l.duid, sizeof(l.duid), "%s", duid);
	/* Guests choose these; what is no host name is not worth a fight. */
	if (host[0] && !validate_hostname(host, NULL))
		snprintf(l.hostname, sizeof(l.hostname), "%s", host);
	*out = l;
	return 0;
}

int wmsg_leases6(json_t *body, const struct net_conf *net, int64_t wall_s,
		 int64_t *token, struct lease6_conf *out, unsigned int cap,
		 unsigned int *n, struct errtext *why)
{
	json_t *v, *a = json_object_get(body, "leases");
	unsigned int k = 0;
	size_t i;

	*token = 0;
	if (jx_int(body, "token", 1, INT64_MAX, token, why) || !*token ||
	    !json_array_size(a) || json_array_size(a) > cap)
		return errtext_set(why, -EPROTO, "a commit that is none");
	json_array_foreach(a, i, v) {
		struct lease6_conf *l = &out[k++];
		int r = read_lease(v, net, l, why);

		if (r)
			return r;
		if (l->expires > wall_s + net->lease_s + SLACK_S)
			l->expires = wall_s + net->lease_s + SLACK_S;
	}
	*n = k;
	return 0;
}

int wmsg_lease6_event(json_t *body, const struct net_conf *net,
		      struct lease6_conf *out, const char **state,
		      struct errtext *why)
{
	static const char *const states[] = {"released", "expired", "declined",
					     "forgotten"};
	const char *said = "";
	int r = read_lease(body, net, out, why);

	if (!r && jx_need_str(body, "state", &said, why))
		r = -EPROTO;
	for (size_t i = 0; !r && i < ARRAY_LEN(states); i++) {
		if (strcmp(said, states[i]) != 0)
			continue;
		*state = states[i];
		return 0;
	}
	return r ? r : errtext_set(why, -EPROTO, "a lease in no known state");
}
