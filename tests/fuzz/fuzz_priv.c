// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd switch_io switch_core nat_io nat_core dhcp_core */
/*
 * Requests of a control process that somebody took over. The first byte says which, the
 * rest is the request, zeros where it is too short. What is judged to be right has
 * terminated names of ours, and a network of the kernel datapath can be compiled.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "netd/priv_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_ours(const char name[IFNAMSIZ])
{
	assert(memchr(name, 0, IFNAMSIZ));
	assert(!strncmp(name, "vn-", 3) && name[3]);
}

static void compile(const struct knet *k)
{
	struct nft_plan *p = malloc(sizeof(*p));
	struct kbridge bridge;
	char *text;

	is_ours(k->bridge);
	is_ours(k->tap);
	assert(k->nfwd <= KNET_FWDS_MAX);
	knet_bridge(k, &bridge);
	assert(!strcmp(bridge.name, k->bridge));
	if (p) {
		knet_filters(k, p);
		text = nftplan_text(p);
		assert(text);
		free(text);
	}
	free(p);
}

/* With the byte behind it, no text that lacks its end stays unnoticed. */
static void *request(const uint8_t *data, size_t size, size_t len)
{
	uint8_t *q = calloc(1, len);

	if (q && size)
		memcpy(q, data, size < len ? size : len);
	return q;
}

static void judge(uint8_t which, const uint8_t *data, size_t size)
{
	struct errtext why = {""};
	union {
		void *p;
		struct priv_req_worker *worker;
		struct priv_tap *tap;
		struct priv_req_name *name;
		struct priv_uplink *uplink;
		struct priv_req_tapin *tapin;
		struct priv_req_port *port;
		struct priv_req_icmp *icmp;
		struct priv_way *way;
		struct priv_connect *connect;
		struct priv_req_knet *knet;
		struct priv_req_network *network;
		struct priv_kport *kport;
		struct priv_tap_fd *tap_fd;
	} q;

#define REQ(m) (q.p = request(data, size, sizeof(*q.m)))
	switch (which % 13) {
	case 0:
		if (REQ(worker) && !priv_judge_worker(q.worker, &why))
			assert(memchr(q.worker->network, 0, PRIV_NETWORK));
		break;
	case 1:
		if (REQ(tap) && !priv_judge_tap(q.tap, &why)) {
			assert(memchr(q.tap->netns, 0, sizeof(q.tap->netns)));
			assert(memchr(q.tap->name, 0, IFNAMSIZ));
			if (!q.tap->netns[0])
				is_ours(q.tap->name);
		}
		break;
	case 2:
		if (REQ(name) &&
		    !priv_judge_name(q.name->name, IFNAMSIZ, &why))
			is_ours(q.name->name);
		break;
	case 3:
		if (REQ(uplink) && !priv_judge_uplink(q.uplink, &why)) {
			is_ours(q.uplink->bridge);
			is_ours(q.uplink->tap);
			assert(memchr(q.uplink->uplink, 0, IFNAMSIZ));
		}
		break;
	case 4:
		if (REQ(tapin) && !priv_judge_tapin(q.tapin, &why)) {
			is_ours(q.tapin->tap);
			assert(memchr(q.tapin->uplink, 0, IFNAMSIZ));
		}
		break;
	case 5:
		if (REQ(port))
			(void)priv_judge_port(q.port, &why);
		break;
	case 6:
		if (REQ(icmp))
			(void)priv_judge_icmp(q.icmp, &why);
		break;
	case 7:
		if (REQ(way) && !priv_judge_way(q.way, "/run/vnet", &why)) {
			assert(q.way->len <= sizeof(q.way->path));
			assert(memchr(q.way->folder, 0, sizeof(q.way->folder)));
			(void)priv_way_in_folder(q.way);
		}
		break;
	case 8:
		if (REQ(connect) && !priv_judge_connect(q.connect, &why))
			assert(memchr(q.connect->path, 0,
				      sizeof(q.connect->path)) &&
			       q.connect->path[0] == '/');
		break;
	case 9:
		if (REQ(knet) && !priv_judge_knet(q.knet, &why))
			compile(&q.knet->k);
		break;
	case 10:
		if (REQ(network) && !priv_judge_network(q.network, &why))
			assert(memchr(q.network->network, 0, PRIV_NETWORK));
		break;
	case 11:
		if (REQ(kport) && !priv_judge_kport(q.kport, &why))
			is_ours(q.kport->name);
		break;
	default:
		if (REQ(tap_fd) && !priv_judge_tap_fd(q.tap_fd, &why))
			is_ours(q.tap_fd->name);
	}
#undef REQ
	free(q.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size)
		judge(data[0], data + 1, size - 1);
	return 0;
}
