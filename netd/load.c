// SPDX-License-Identifier: GPL-2.0-or-later
/* See load.h. */
#include "netd/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "lib/hex.h"
#include "netd/dhcpset.h"
#include "nat/dns_zone.h"
#include "netd/fwdctl.h"
#include "netd/hostnames.h"
#include "netd/netctl.h"
#include "netd/nicctl.h"
#include "netd/promise.h"
#include "netd/store.h"
#include "netd/validate.h"

static int orphan(struct errtext *why, const char *what)
{
	return errtext_set(why, -EUCLEAN, "store: a %s of no network", what);
}

static int take_net(void *arg, const struct net_conf *c, struct errtext *why)
{
	struct ctl *ctl = arg;
	int r = net_conf_check(c, why);

	if (r)
		return errtext_prefix(why, r, "store: network %s", c->name);
	return netctl_load(ctl, c) ? 0
				   : errtext_set(why, -ENOMEM, "no memory");
}

static int take_nic(void *arg, const struct nic_conf *c, struct errtext *why)
{
	struct ctl *ctl = arg;
	struct network *n = model_net_by_id(&ctl->model, c->network);
	int r = nic_conf_check(c, why);

	if (!n)
		return orphan(why, "NIC");
	if (r)
		return errtext_prefix(why, r, "store: nic %s-%d", c->vm,
				      c->index);
	return nicctl_load(ctl, n, c) ? 0
				      : errtext_set(why, -ENOMEM, "no memory");
}

static int take_fwd(void *arg, const struct fwd_conf *c, struct errtext *why)
{
	struct ctl *ctl = arg;
	struct network *n = model_net_by_id(&ctl->model, c->network);
	int r;

	if (!n)
		return orphan(why, "forward");
	r = fwd_conf_check(c, &n->conf, why);
	if (r)
		return errtext_prefix(why, r, "store: forward %lld",
				      (long long)c->id);
	return fwdctl_load(ctl, n, c) ? 0
				      : errtext_set(why, -ENOMEM, "no memory");
}

static int take_resv(void *arg, const struct resv_conf *c, struct errtext *why)
{
	struct ctl *ctl = arg;
	struct network *n = model_net_by_id(&ctl->model, c->network);
	int r;

	if (!n)
		return orphan(why, "reservation");
	r = resv_conf_check(c, &n->conf, why);
	return r ? r : model_resv_put(n, c);
}

static int take_dhcpset(void *arg, const struct dhcpset_conf *c,
			struct errtext *why)
{
	struct ctl *ctl = arg;
	struct network *n = model_net_by_id(&ctl->model, c->network);
	int r;

	if (!n)
		return orphan(why, "setting of DHCP");
	r = dhcpset_check(c, why);
	return r ? errtext_prefix(why, r, "store: network %s", n->conf.name)
		 : model_dhcpset_put(n, c);
}

static int take_record(void *arg, const struct record_conf *c,
		       struct errtext *why)
{
	struct ctl *ctl = arg;
	struct network *n = model_net_by_id(&ctl->model, c->network);
	struct zone_rec rec;
	int r;

	if (!n)
		return orphan(why, "DNS record");
	r = zone_parse(c->name, c->type, c->value, &rec, why);
	return r ? errtext_prefix(why, r, "store: record %s", c->name)
		 : model_record_add(n, c);
}

static int take_lease(void *arg, const struct lease_conf *c,
		      struct errtext *why)
{
	struct ctl *ctl = arg;
	struct network *n = model_net_by_id(&ctl->model, c->network);
	int r;

	if (!n)
		return orphan(why, "lease");
	/* One outside was of a pool for relays, which may be gone since. */
	r = ip4_in_net(c->address, &n->conf.subnet)
		    ? net_guest_ip(&n->conf, c->address, why)
		    : 0;
	if (r)
		return r;
	r = model_lease_put(n, c);
	return r == -ENOSPC ? 0 : r; /* more than there may be: let go */
}

static int take_claim(void *arg, const struct claim_conf *c,
		      struct errtext *why)
{
	struct ctl *ctl = arg;
	struct network *n = model_net_by_id(&ctl->model, c->network);

	if (!n)
		return orphan(why, "claim on a name");
	/* Without memory, or more than there may be: no name. */
	(void)hostnames_load(ctl, n, c);
	return 0;
}

static int take_resv6(void *arg, const struct resv6_conf *c,
		      struct errtext *why)
{
	struct ctl *ctl = arg;
	struct network *n = model_net_by_id(&ctl->model, c->network);

	return n ? model_resv6_put(n, c) : orphan(why, "reservation");
}

/* Whether it is still of the network is for the worker to say: its prefix may have
 * changed while this was not served. */
static int take_lease6(void *arg, const struct lease6_conf *c,
		       struct errtext *why)
{
	struct ctl *ctl = arg;
	struct network *n = model_net_by_id(&ctl->model, c->network);
	int r = n ? model_lease6_put(n, c) : orphan(why, "lease");

	return r == -ENOSPC ? 0 : r; /* more than there may be: let go */
}

/* ---- facts beside the records -------------------------------------------- */

static void boot_id(char *out, size_t cap)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, cap - 1) : 0;

	fd_close(&fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static int mac_seed(struct ctl *ctl, struct errtext *why)
{
	char text[40];

	store_meta_get(ctl->store, "mac_seed", text, sizeof(text));
	if (sscanf(text, "%16lx%16lx", &ctl->mac_seed[0], &ctl->mac_seed[1]) ==
	    2)
		return 0;
	if (getrandom(ctl->mac_seed, sizeof(ctl->mac_seed), 0) !=
	    sizeof(ctl->mac_seed))
		return errtext_set(why, -EIO, "no random numbers");
	snprintf(text, sizeof(text), "%016lx%016lx", ctl->mac_seed[0],
		 ctl->mac_seed[1]);
	return store_meta_set(ctl->store, "mac_seed", text, why);
}

/* RFC 4193 3.2: fd00::/8 and 40 random bits, chosen once for this installation. */
static void ula(struct ctl *ctl)
{
	struct ip6_net n = {{{0xfd}}, 48};
	struct errtext why = {"no random numbers"};
	char text[IP6_NET_TEXT];

	store_meta_get(ctl->store, "ula", text, sizeof(text));
	if (text[0] && !ip6_net_parse(text, &n, NULL) && n.plen == 48) {
		ctl->ula = n;
		return;
	}
	/* What is not kept must not be used; networks go without then. */
	if (getrandom(&n.addr.b[1], 5, 0) == 5 &&
	    !store_meta_set(ctl->store, "ula", ip6_net_format(&n, text), &why))
		ctl->ula = n;
	else
		log_warn("store: no IPv6 prefix can be noted: %s", why.s);
}

/* A DUID-UUID (RFC 6355), chosen once for all of this installation's servers. */
static void duid(struct ctl *ctl)
{
	struct errtext why = {"no random numbers"};
	uint8_t raw[18] = {0, 4};

	store_meta_get(ctl->store, "duid", ctl->duid, sizeof(ctl->duid));
	if (strlen(ctl->duid) == 2 * sizeof(raw))
		return;
	if (getrandom(raw + 2, 16, 0) == 16) {
		hex_encode(raw, sizeof(raw), ctl->duid);
		if (!store_meta_set(ctl->store, "duid", ctl->duid, &why))
			return;
	}
	ctl->duid[0] = '\0';
	log_warn("store: no DUID can be noted, so there is no DHCPv6: %s",
		 why.s);
}

static void decide(struct ctl *ctl, bool same_boot, bool clean)
{
	list_for_each(n, &ctl->model.nets, struct network, node) {
		bool ran = n->conf.active && same_boot;

		if (!same_boot || clean)
			ran |= n->conf.autostart;
		n->conf.active = ran;
	}
}

/* Leases of DHCPv6 that ended while nobody served: forgotten. */
static bool drop_expired6(struct hnode *h, void *arg)
{
	struct lease6 *l = container_of(h, struct lease6, by_ip);
	struct network *n = arg;

	if (l->conf.expires > clock_wall_s())
		return true;
	(void)store_lease6_del(n->ctl->store, n->conf.id, &l->conf.address,
			       NULL);
	model_lease6_del(n, l);
	return true;
}

static void settle(struct ctl *ctl, struct network *n)
{
	htab_walk(&n->leases6, drop_expired6, n);
	list_for_each(nic, &n->nics, struct nic, node)
		promise_settle(ctl, n, &nic->conf.mac);
}

/* A store that takes nothing (a full disk) is no reason not to serve what is in it. */
static void note_start(struct ctl *ctl, const char *boot)
{
	struct errtext why = {""};
	int r = store_begin(ctl->store, &why);

	list_for_each(n, &ctl->model.nets, struct network, node)
		settle(ctl, n);
	if (!r)
		r = store_meta_set(ctl->store, "boot", boot, &why);
	if (!r)
		r = store_meta_set(ctl->store, "clean", "no", &why);
	if (!r)
		r = store_commit(ctl->store, &why);
	if (!r)
		return;
	store_rollback(ctl->store);
	log_warn("store: what starts cannot be noted: %s", why.s);
}

int load_all(struct ctl *ctl, struct errtext *why)
{
	const struct store_sink sink = {.arg = ctl,
					.net = take_net,
					.nic = take_nic,
					.fwd = take_fwd,
					.resv = take_resv,
					.dhcpset = take_dhcpset,
					.record = take_record,
					.lease = take_lease,
					.resv6 = take_resv6,
					.lease6 = take_lease6,
					.claim = take_claim};
	char now[64], then[64], clean[8];
	int r = store_load(ctl->store, &sink, why);

	if (!r)
		r = mac_seed(ctl, why);
	if (r)
		return r;
	ula(ctl);
	duid(ctl);
	boot_id(now, sizeof(now));
	store_meta_get(ctl->store, "boot", then, sizeof(then));
	store_meta_get(ctl->store, "clean", clean, sizeof(clean));
	decide(ctl, !strcmp(now, then), strcmp(clean, "no") != 0);
	note_start(ctl, now);
	return 0;
}

void load_mark_clean(struct ctl *ctl)
{
	(void)store_meta_set(ctl->store, "clean", "yes", NULL);
}
