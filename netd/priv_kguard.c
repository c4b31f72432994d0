// SPDX-License-Identifier: GPL-2.0-or-later
/* What guests on a network's bridge may say, in the kernel. See priv_int.h. */
#include "netd/priv_int.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nat/nft.h"
#include "netd/priv.h"

static int bring(struct nft *n, const struct nft_plan *p, bool dry,
		 bool *changed, struct errtext *why)
{
	int r = dry ? nft_check(n, p, why) : nft_sync(n, p, changed, why);

	if (dry && r >= 0) {
		*changed = r > 0;
		r = 0;
	}
	if (r == -EOPNOTSUPP || r == -EAFNOSUPPORT || r == -ENOENT)
		return errtext_set(why, -EOPNOTSUPP,
				   "this kernel has no nftables for bridges, or "
				   "no NFLOG (CONFIG_NF_TABLES_BRIDGE, "
				   "CONFIG_NETFILTER_NETLINK_LOG): datapath "
				   "kernel could not keep guests from playing "
				   "the gateway");
	return r;
}

int priv_nft(struct nft **nft, struct errtext *why)
{
	return *nft ? 0 : nft_open(nft, why);
}

int priv_nft_end(struct nft **nft, int r)
{
	if (r < 0 && *nft && nft_renew(*nft, NULL)) {
		nft_close(*nft);
		*nft = NULL;
	}
	return r;
}

static int do_it(struct nft **nft, const struct kguard *k, int what,
		 bool *changed, struct errtext *why)
{
	struct nft_plan *p = calloc(1, sizeof(*p));
	int r = p ? priv_nft(nft, why) : -ENOMEM;

	if (!r && what == KGUARD_DROP)
		r = nft_drop_one(*nft, NFPROTO_BRIDGE, k->network, why);
	else if (!r)
		r = kguard_filters(k, p);
	if (!r && what != KGUARD_DROP)
		r = bring(*nft, p, what == KGUARD_CHECK, changed, why);
	if (r == -ENOMEM)
		errtext_set(why, r, "no memory");
	if (p)
		nftplan_fini(p);
	free(p);
	return priv_nft_end(nft, r);
}

int priv_do_kguard(struct nft **nft, int fd, int what, bool *changed,
		   struct errtext *why)
{
	struct kguard *k = calloc(1, sizeof(*k));
	int r = k ? 0 : errtext_set(why, -ENOMEM, "no memory");

	if (!r && pread(fd, k, sizeof(*k), 0) != sizeof(*k))
		r = errtext_set(why, -EINVAL, "malformed request");
	if (!r)
		r = kguard_judge(k, why);
	if (!r)
		r = do_it(nft, k, what, changed, why);
	free(k);
	return r;
}

static void put(void *arg, const char *port, unsigned int kind, uint64_t frames)
{
	struct priv_kcount c;

	memset(&c, 0, sizeof(c)); /* what lies between, too */
	memcpy(c.port, port, IFNAMSIZ);
	c.kind = kind;
	c.frames = frames;
	if (write(*(int *)arg, &c, sizeof(c)) != sizeof(c))
		*(int *)arg = -1;
}

int priv_do_kcounts(struct nft **nft, const char *network, int *fd_out,
		    struct errtext *why)
{
	int fd = memfd_create("counts", MFD_CLOEXEC), to = fd, r;

	if (fd < 0)
		return errtext_set(why, -errno, "no memory file: %s",
				   strerror(errno));
	r = priv_nft(nft, why);
	if (!r)
		r = priv_nft_end(nft, nft_counts(*nft, network, put, &to));
	if (!r && to < 0)
		r = errtext_set(why, -ENOMEM, "no memory");
	if (r)
		close(fd);
	else
		*fd_out = fd;
	return r;
}
