/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between priv*.c only: the requests to the helper, and what judges and does them.
 *
 * A request is one message of fixed size whose type says which struct it is; the
 * answer has the same type. Strings are terminated within their field. The asker
 * is assumed hostile: every field is judged (priv_judge.c) before anything is done.
 */
#ifndef VNET_NETD_PRIV_INT_H
#define VNET_NETD_PRIV_INT_H

#include "netd/kguard.h"
#include "netd/knet.h"
#include "netd/priv.h"

struct nft;

#define PRIV_NETWORK 64
#define PRIV_OWNER   64

enum priv_type {
	PRIV_HELLO = 1, /* from the helper alone: it is ready, or why not */
	PRIV_WORKER,	/* answer: worker, [pidfd, chan] */
	PRIV_TAP,	/* answer: [fd] */
	PRIV_TAP_DEL,
	PRIV_UPLINK_IN, /* answer: [fd] */
	PRIV_UPLINK_OUT,
	PRIV_UPLINK_KEEP, /* answer: changed */
	PRIV_BIND,     /* answer: [fd] */
	PRIV_RAW_ICMP, /* answer: [fd] */
	PRIV_PORT_OWNER, /* answer: text */
	PRIV_WAY,	 /* with [ours]; answer: [fd], or none: shared */
	PRIV_CONNECT,	 /* answer: [fd] */
	PRIV_KNET,	 /* answer: changed */
	PRIV_KNET_DOWN,
	PRIV_KPORT,	 /* answer: [fd], or none: shared */
	PRIV_NFT_WATCH,	 /* answer: port, [fd] */
	PRIV_TAP_FD,	 /* answer: [fd] */
	PRIV_RULESETS,	 /* answer: [memory file, pipe] */
	PRIV_KGUARD,	 /* with [memory file]; answer: changed */
	PRIV_KCOUNTS,	 /* answer: [fd], struct priv_kcount */
	PRIV_NFLOG,	 /* answer: [fd] */
	PRIV_TAPIN,	 /* answer: mac, [socket, TAP] */
	PRIV_PREPARE,
	PRIV_TYPES
};

struct priv_req_worker {
	char network[PRIV_NETWORK];
	bool isolated;
};

struct priv_req_name {
	char name[IFNAMSIZ];
};

struct priv_req_tapin {
	char uplink[IFNAMSIZ];
	char tap[IFNAMSIZ];
	uint16_t mtu;
	uint16_t mac_nat; /* not 0: yes */
};

struct priv_req_port {
	int proto;
	struct ipaddr ip;
	uint16_t port;
	bool share; /* PRIV_BIND */
	char dev[IFNAMSIZ]; /* PRIV_PORT_OWNER; "" = wherever */
};

struct priv_req_icmp {
	bool ip6;
};

struct priv_req_knet {
	struct knet k;
	bool dry;
};

enum { KGUARD_SYNC, KGUARD_CHECK, KGUARD_DROP };

/* With it comes a memory file: a struct kguard. */
struct priv_req_kguard {
	int what; /* KGUARD_… */
};

struct priv_req_network {
	char network[PRIV_NETWORK];
};

struct priv_answer {
	int err; /* 0 or negative errno */
	pid_t pid;
	bool shared; /* PRIV_WAY, PRIV_KPORT: no descriptor comes with it */
	bool changed; /* PRIV_KNET, PRIV_KGUARD, PRIV_UPLINK_KEEP */
	struct mac mac; /* PRIV_TAPIN */
	uint32_t port; /* PRIV_NFT_WATCH */
	char text[PRIV_OWNER];
	struct errtext why;
};

/* ---- judging: pure; -EPERM or -EINVAL with a sentence -------------------------------- */

int priv_judge_worker(const struct priv_req_worker *r, struct errtext *why);
int priv_judge_tap(const struct priv_tap *t, struct errtext *why);
/* A device of ours: "vn-" and what a name may have. */
int priv_judge_name(const char *name, size_t cap, struct errtext *why);
int priv_judge_uplink(const struct priv_uplink *r, struct errtext *why);
/* That of one to be kept, too. */
int priv_judge_kept(const struct priv_uplink *r, struct errtext *why);
int priv_judge_tapin(const struct priv_req_tapin *r, struct errtext *why);
int priv_judge_port(const struct priv_req_port *r, struct errtext *why);
int priv_judge_icmp(const struct priv_req_icmp *r, struct errtext *why);
int priv_judge_way(const struct priv_way *w, const char *run_dir,
		   struct errtext *why);
int priv_judge_connect(const struct priv_connect *c, struct errtext *why);
int priv_judge_knet(const struct priv_req_knet *r, struct errtext *why);
int priv_judge_kguard(const struct priv_req_kguard *r, struct errtext *why);
int priv_judge_network(const struct priv_req_network *r, struct errtext *why);
int priv_judge_kport(const struct priv_kport *t, struct errtext *why);
int priv_judge_tap_fd(const struct priv_tap_fd *t, struct errtext *why);
/* Is it a path of a plain name in the NIC's own folder? */
bool priv_way_in_folder(const struct priv_way *w);

/* ---- doing, with the rights of whoever calls ------------------------------------------ */

int priv_do_tap(const struct priv_tap *t, int *fd_out, struct errtext *why);
int priv_do_bind(const struct priv_req_port *q, int *fd_out,
		 struct errtext *why);
int priv_do_way(const struct priv_way *w, int ours, int *fd_out,
		struct errtext *why);
int priv_do_connect(const struct priv_connect *c, int *fd_out,
		    struct errtext *why);
/** struct priv_knet_done - What came of it */
struct priv_knet_done {
	bool changed;
	pid_t forgets; /* a child that forgets connections still; 0: none does */
};

/* @nft: kept from one request to the next (nft.h); NULL in it: there is none yet. */
int priv_do_knet(struct nft **nft, const struct knet *k, bool dry,
		 struct priv_knet_done *out, struct errtext *why);
/* @fd: what is asked for; read once, into memory of our own, and judged there. */
int priv_do_kguard(struct nft **nft, int fd, int what, bool *changed,
		   struct errtext *why);
int priv_do_kcounts(struct nft **nft, const char *network, int *fd_out,
		    struct errtext *why);
int priv_do_knet_down(struct nft **nft, const char *network, struct errtext *why);
/* It is there afterwards, or the error; and after its use, which ended with @r. Returns
 * that. */
int priv_nft(struct nft **nft, struct errtext *why);
int priv_nft_end(struct nft **nft, int r);
int priv_do_kport(const struct priv_kport *t, int *fd_out, struct errtext *why);
int priv_do_tap_fd(const struct priv_tap_fd *t, int *fd_out,
		   struct errtext *why);
/* @pid: the child that writes. */
int priv_do_rulesets(int fd[2], pid_t *pid, struct errtext *why);
int priv_do_raw_icmp(bool ip6, int *fd_out, struct errtext *why);
int priv_do_port_owner(const struct priv_req_port *q, char *out, size_t cap);

#define PRIV_GROUPS_MAX 64 /* of our own */

/** struct priv_act - What root was before it acted as somebody; private. */
struct priv_act {
	bool active;
	int n;
	gid_t was[PRIV_GROUPS_MAX];
};

/**
 * priv_act_as() - Open paths as @who from now on: user, group and other groups
 *
 * Does nothing when we are not root, or @who is. A user whom no database knows is in no
 * group.
 *
 * Return: 0, or negative errno: nothing has changed then.
 */
int priv_act_as(struct priv_act *a, uid_t who);

/* Be ourselves again; fine when nothing had changed. */
void priv_act_end(struct priv_act *a);

/* A line of /proc/net/{tcp,udp}{,6}. */
struct priv_port_line {
	struct ipaddr ip; /* local */
	uint16_t port;
	bool listening; /* TCP only */
	unsigned long inode;
};

/* False for the heading and for what is no such line. */
bool priv_port_line(const char *line, struct priv_port_line *out);

/* ---- the helper's process --------------------------------------------------------------- */

/* Serve requests on @chan until its other end is gone; never returns. */
_Noreturn void priv_helper(const char *run_dir, int chan);

#endif
