// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See tapin_redirect.h. The program is ten instructions, written down here: there is
 * nothing to compile, and no library to load it with. A mirred action would hand frames
 * on, too, but as frames for somebody else: only bpf_redirect() looks at the address
 * again, with the other device's eyes (eth_type_trans()).
 */
#include "switch/tapin_redirect.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netlink/msg.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/fdutil.h"
#include "switch/link.h"

#define SKB(field) ((int16_t)offsetof(struct __sk_buff, field))

/* Macros, because bit-fields take constants without a word. */
#define INSN(op, dst, src, o, i)                                              \
	{                                                                     \
		.code = (op), .dst_reg = (dst), .src_reg = (src), .off = (o), \
		.imm = (int32_t)(i)                                           \
	}
#define SET(reg, v) INSN(BPF_ALU | BPF_MOV | BPF_K, reg, 0, 0, v)
#define IF_EQ(reg, v, skip) INSN(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, skip, v)

static int load(const struct tapin_redirect *r)
{
	const struct bpf_insn prog[] = {
		/* r1 is the frame */
		INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1,
		     SKB(pkt_type), 0),
		SET(BPF_REG_3, r->group_mark),
		IF_EQ(BPF_REG_2, PACKET_BROADCAST, 2),
		IF_EQ(BPF_REG_2, PACKET_MULTICAST, 1),
		SET(BPF_REG_3, r->mark),
		INSN(BPF_STX | BPF_MEM | BPF_W, BPF_REG_1, BPF_REG_3,
		     SKB(mark), 0),
		SET(BPF_REG_1, r->to),
		SET(BPF_REG_2, BPF_F_INGRESS),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr a;
	long fd;

	memset(&a, 0, sizeof(a));
	a.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	a.insns = (uintptr_t)prog;
	a.insn_cnt = ARRAY_LEN(prog);
	a.license = (uintptr_t)"GPL";
	memcpy(a.prog_name, "vnet_tapin", sizeof("vnet_tapin"));
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
	return fd < 0 ? -errno : (int)fd;
}

static struct nl_msg *tc_msg(int type, int index, uint32_t parent,
			     const char *kind)
{
	struct tcmsg tc = {.tcm_family = AF_UNSPEC, .tcm_ifindex = index,
			   .tcm_parent = parent};
	struct nl_msg *msg =
		nlmsg_alloc_simple(type, NLM_F_CREATE | NLM_F_EXCL);

	if (type == RTM_NEWQDISC)
		tc.tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0);
	else
		tc.tcm_info = TC_H_MAKE(1u << 16, htons(ETH_P_ALL));
	if (msg && !nlmsg_append(msg, &tc, sizeof(tc), NLMSG_ALIGNTO) &&
	    !nla_put_string(msg, TCA_KIND, kind))
		return msg;
	nlmsg_free(msg);
	return NULL;
}

static int add_ingress(struct link_nl *nl, int index)
{
	struct nl_msg *msg =
		tc_msg(RTM_NEWQDISC, index, TC_H_INGRESS, "ingress");

	return msg ? link_talk(nl, msg) : -ENOMEM;
}

static int add_filter(struct link_nl *nl, int index, int prog)
{
	struct nl_msg *msg = tc_msg(RTM_NEWTFILTER, index,
				    TC_H_MAKE(TC_H_INGRESS, 0), "bpf");
	struct nlattr *opts = msg ? nla_nest_start(msg, TCA_OPTIONS) : NULL;

	if (!opts || nla_put_u32(msg, TCA_BPF_FD, (uint32_t)prog) ||
	    nla_put_string(msg, TCA_BPF_NAME, "vnet") ||
	    nla_put_u32(msg, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	nla_nest_end(msg, opts);
	return link_talk(nl, msg);
}

int tapin_redirect(struct link_nl *nl, const struct tapin_redirect *t,
		   struct errtext *why)
{
	const char *what = "BPF programs (CONFIG_BPF_SYSCALL)";
	int prog = load(t), r = prog;

	if (r >= 0) {
		what = "the ingress queue discipline (sch_ingress)";
		r = add_ingress(nl, t->from);
	}
	if (!r) {
		what = "the bpf classifier (cls_bpf)";
		r = add_filter(nl, t->from, prog);
	}
	fd_close(&prog);
	if (!r)
		return 0;
	return errtext_set(why, r == -ENOENT || r == -ENOSYS ? -EOPNOTSUPP : r,
			   "the way to the host's own stack needs %s of the "
			   "kernel: %s; --uplink-mode take-in does without",
			   what, strerror(-r));
}
