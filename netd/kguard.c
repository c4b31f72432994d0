// SPDX-License-Identifier: GPL-2.0-or-later
/* See kguard.h. */
#include "netd/kguard.h"

#include <errno.h>
#include <string.h>

#include "netd/knet.h"
#include "netd/priv_int.h"

int kguard_filters(const struct kguard *k, struct nft_plan *out)
{
	struct nftguard g = {
		.dhcp = k->dhcp,
		.ra = k->ra,
		.nic = k->nic,
		.n = k->nnic,
	};

	memcpy(g.network, k->network, sizeof(g.network));
	memcpy(g.own, k->own, sizeof(g.own));
	return nftguard_make(&g, out);
}

static bool is_bool(const bool *b)
{
	unsigned char c;

	memcpy(&c, b, 1);
	return c <= 1;
}

/* Not the network's own port: what comes from there is its services'. */
static int judge_nic(const struct kguard *k, const struct nftguard_nic *n,
		     struct errtext *why)
{
	char bridge[IFNAMSIZ], tap[IFNAMSIZ];
	int r = priv_judge_name(n->port, sizeof(n->port), why);

	if (r)
		return r;
	knet_names(k->network, bridge, tap);
	if (strcmp(n->port, bridge) && strcmp(n->port, tap))
		knet_uplink_names(k->network, bridge, tap);
	if (!strcmp(n->port, bridge) || !strcmp(n->port, tap))
		return errtext_set(why, -EPERM, "%s is no NIC's", n->port);
	return 0;
}

int kguard_judge(const struct kguard *k, struct errtext *why)
{
	struct priv_req_worker name = {.isolated = false};
	int r;

	memcpy(name.network, k->network, sizeof(name.network));
	r = priv_judge_worker(&name, why);
	if (!r && (!is_bool(&k->dhcp) || !is_bool(&k->ra) ||
		   k->nnic > KGUARD_NICS_MAX))
		r = errtext_set(why, -EINVAL, "malformed request");
	for (unsigned int i = 0; !r && i < k->nnic; i++)
		r = judge_nic(k, &k->nic[i], why);
	return r;
}
