// SPDX-License-Identifier: GPL-2.0-or-later
/* See nflog.h. Numbers and layouts: linux/netfilter/nfnetlink_log.h. */
#include "nat/nflog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/compat.h"
#include "nat/nlmsg.h"

/* ---- the socket ------------------------------------------------------------------- */

static struct nlmsghdr *begin(char *buf)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;

	h->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = AF_UNSPEC;
	g->version = NFNETLINK_V0;
	g->res_id = htons(NFT_LOG_GROUP);
	return h;
}

/* The kernel answers while it is asked. */
static int ask(int fd, const struct nlmsghdr *h)
{
	char buf[512];
	ssize_t len = send(fd, h, h->nlmsg_len, 0);

	if (len >= 0)
		len = recv(fd, buf, sizeof(buf), 0);
	if (len < 0)
		return -errno;
	return mnl_cb_run(buf, (size_t)len, 0, 0, NULL, NULL) < 0 ? -errno : 0;
}

static int listen_to(int fd)
{
	struct nfulnl_msg_config_cmd bind = {.command = NFULNL_CFG_CMD_BIND};
	struct nfulnl_msg_config_mode mode = {.copy_mode = NFULNL_COPY_NONE};
	char buf[512];
	struct nlmsghdr *h = begin(buf);
	int r;

	mnl_attr_put(h, NFULA_CFG_CMD, sizeof(bind), &bind);
	r = ask(fd, h);
	if (r)
		return r;
	h = begin(buf);
	mnl_attr_put(h, NFULA_CFG_MODE, sizeof(mode), &mode);
	/* At once: there are few of them. */
	mnl_attr_put_u32(h, NFULA_CFG_QTHRESH, htonl(1));
	return ask(fd, h);
}

int nflog_open(int *fd_out, struct errtext *why)
{
	struct sockaddr_nl own = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			NETLINK_NETFILTER);
	int r = fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own))
			? -errno
			: listen_to(fd);

	if (!r) {
		*fd_out = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	return errtext_set(why, r, "NFLOG group %d cannot be heard: %s",
			   NFT_LOG_GROUP, strerror(-r));
}

/* ---- what it says ------------------------------------------------------------------- */

/* "vnet-NAME KIND", as the rule has it. */
static bool read_prefix(const char *s, struct nflog_entry *e)
{
	const char *kind = strrchr(s, ' ');
	size_t len = kind ? (size_t)(kind - s) : 0;

	if (len <= 5 || len - 5 >= sizeof(e->network) || strncmp(s, "vnet-", 5))
		return false;
	memcpy(e->network, s + 5, len - 5);
	e->network[len - 5] = '\0';
	for (unsigned int k = 0; k < NFTGUARD_KINDS; k++) {
		if (strcmp(kind + 1, nftguard_name((enum nftguard_kind)k)))
			continue;
		e->kind = (enum nftguard_kind)k;
		return true;
	}
	return false;
}

struct attrs {
	const char *prefix;
	struct nflog_entry e;
};

static int take(const struct nlattr *a, void *arg)
{
	struct attrs *t = arg;
	const void *p = mnl_attr_get_payload(a);
	size_t len = mnl_attr_get_payload_len(a);
	uint32_t index;

	switch (mnl_attr_get_type(a)) {
	case NFULA_PREFIX:
		if (len && !((const char *)p)[len - 1])
			t->prefix = p;
		break;
	/* Of a bridge's port the one or the other, as the kernel was built; where both are,
	 * the port comes as the physical one. */
	case NFULA_IFINDEX_INDEV:
	case NFULA_IFINDEX_PHYSINDEV:
		if (len != 4 || (t->e.port && mnl_attr_get_type(a) ==
						      NFULA_IFINDEX_INDEV))
			break;
		memcpy(&index, p, 4);
		t->e.port = (int)ntohl(index);
		break;
	case NFULA_HWADDR:
		if (len == sizeof(struct nfulnl_msg_packet_hw))
			memcpy(t->e.mac.b,
			       (const uint8_t *)p +
				       offsetof(struct nfulnl_msg_packet_hw,
						hw_addr),
			       6);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

void nflog_read(const void *p, size_t len,
		void (*fn)(void *arg, const struct nflog_entry *e), void *arg)
{
	const struct nlmsghdr *h = p;
	int left = (int)len;

	for (; nlmsg_whole(h, left); h = mnl_nlmsg_next(h, &left)) {
		struct attrs t = {.prefix = NULL};

		if (h->nlmsg_type !=
			    (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
		    h->nlmsg_len % NLMSG_ALIGNTO || /* libmnl would read on */
		    h->nlmsg_len <
			    sizeof(*h) + sizeof(struct nfgenmsg))
			continue;
		(void)mnl_attr_parse(h, sizeof(struct nfgenmsg), take, &t);
		if (t.prefix && t.e.port > 0 && read_prefix(t.prefix, &t.e))
			fn(arg, &t.e);
	}
}
