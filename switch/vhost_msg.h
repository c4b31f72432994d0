/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The back end's side of vhost-user (QEMU docs/interop/vhost-user.rst) for a network
 * device: what a VMM says over its socket becomes memory, rings and features of a
 * struct vhost_dev. A function of (state, message, descriptors): port_vhost.c has the
 * socket and the loop.
 *
 * Theory of operation. A ring is *started* by SET_VRING_KICK and stopped by
 * GET_VRING_BASE or a reset. It is *attached* when it is started and its size,
 * addresses and the memory are known; those may change under a started ring, which is
 * then attached anew. It may be *used* when it is attached and enabled. ENABLE may come at
 * any time, even first, and is remembered; without VHOST_USER_F_PROTOCOL_FEATURES
 * there is no ENABLE, and all rings count as enabled.
 *
 * Front ends that send SET_OWNER before they ask for protocol features (those in Rust)
 * take the device's configuration space from us; to QEMU, which asks first and has its
 * own, CONFIG is not even offered: it would warn.
 */
#ifndef VNET_SWITCH_VHOST_MSG_H
#define VNET_SWITCH_VHOST_MSG_H

#include "lib/inet.h"
#include "switch/vhost_ring.h"

#define VHOST_QUEUES_MAX 8 /* pairs of rings */
/* To "how many queues?" the answer is the number of rings. Who means pairs may use
 * that many pairs. */
#define VHOST_VQS (4 * VHOST_QUEUES_MAX)

#define VHOST_HDR_LEN 12
#define VHOST_BODY_MAX 512 /* no message that we take is longer */
#define VHOST_FDS_MAX 8

/* virtio 1.2, 5.1.3 and 6; vhost-user */
enum vhost_feature {
	VHOST_F_CSUM = 0,
	VHOST_F_GUEST_CSUM = 1,
	VHOST_F_MTU = 3,
	VHOST_F_MAC = 5,
	VHOST_F_GUEST_TSO4 = 7,
	VHOST_F_GUEST_TSO6 = 8,
	VHOST_F_GUEST_ECN = 9,
	VHOST_F_HOST_TSO4 = 11,
	VHOST_F_HOST_TSO6 = 12,
	VHOST_F_HOST_ECN = 13,
	VHOST_F_MRG_RXBUF = 15,
	VHOST_F_STATUS = 16,
	VHOST_F_MQ = 22,
	VHOST_F_LOG_ALL = 26,
	VHOST_F_INDIRECT = 28,
	VHOST_F_EVENT_IDX = 29,
	VHOST_F_PROTOCOL = 30,
	VHOST_F_VERSION_1 = 32,
	VHOST_F_IN_ORDER = 35,
	VHOST_F_GUEST_USO4 = 54,
	VHOST_F_GUEST_USO6 = 55,
	VHOST_F_HOST_USO = 56,
};

/* What is to be done after a message. */
enum vhost_act {
	VHOST_ACT_FEATURES = 1 << 0, /* dev->features changed */
	VHOST_ACT_VQS = 1 << 1,	     /* rings were started, stopped, moved, … */
	VHOST_ACT_RARP = 1 << 2,     /* announce out->rarp to the network */
};

struct vhost_config {
	struct mac mac;
	uint16_t mtu;
	uint16_t queues; /* pairs, 1 … VHOST_QUEUES_MAX */
};

/* A ring and its descriptors. */
struct vhost_vq {
	struct vring ring;
	struct vring_addr addr;
	bool addr_set, started, enabled;
	uint32_t num;
	uint16_t base; /* for GET_VRING_BASE */
	int kick; /* -1 while started: the ring is to be polled */
	int call, err; /* or -1 */
	/* A new call descriptor: what was signalled before may not have arrived
	 * anywhere. The caller signals it once and clears this. */
	bool call_new;
};

/* The caller reads all and writes only what is said. Even rings are for us to write frames to
 * (the guest receives), odd ones to read from. */
struct vhost_dev {
	struct vhost_config cfg;
	struct vhost_mem mem;
	struct vhost_vq vq[VHOST_VQS];
	uint64_t features, proto;
	bool asked_proto, owner_first;
	uint8_t status;
	int dead[VHOST_VQS + 1]; /* kick descriptors to be closed */
	unsigned int ndead;
};

struct vhost_out {
	uint8_t p[VHOST_HDR_LEN + VHOST_BODY_MAX]; /* what to answer */
	size_t len;				   /* 0 = nothing */
	int fd;	      /* goes with it and is the caller's to close, or -1 */
	uint32_t act; /* enum vhost_act */
	struct mac rarp;
};

/* -ENOMEM, … as vhost_mem_init(). */
int vhost_dev_init(struct vhost_dev *d, const struct vhost_config *cfg);

/* Closes all descriptors; unmaps all memory. */
void vhost_dev_fini(struct vhost_dev *d);

/**
 * vhost_msg_len() - How much belongs to the message that begins so?
 * @hdr: VHOST_HDR_LEN bytes
 *
 * Return: bytes behind the header, up to VHOST_BODY_MAX; -EPROTO with @why.
 */
int vhost_msg_len(const uint8_t *hdr, struct errtext *why);

/**
 * vhost_msg() - Do what one whole message says
 * @p: header and body, as long as vhost_msg_len() said
 * @fd: descriptors that came along; those taken over are set to -1, the caller closes
 *	the rest
 * @out: filled in on success
 *
 * A kick descriptor that went out of use stays open until vhost_bury(), so that the
 * caller can take it out of its loop first.
 *
 * Return: 0; negative errno with @why: the connection has to end.
 */
int vhost_msg(struct vhost_dev *d, const uint8_t *p, size_t len, int *fd,
	      unsigned int nfd, struct vhost_out *out, struct errtext *why);

/* Close what was left open for the caller's sake. */
void vhost_bury(struct vhost_dev *d);

static inline bool vhost_has(const struct vhost_dev *d, enum vhost_feature f)
{
	return d->features >> f & 1;
}

/* May frames go through it? */
static inline bool vhost_vq_usable(const struct vhost_dev *d,
				   const struct vhost_vq *q)
{
	return q->started && vring_attached(&q->ring) &&
	       (q->enabled || !vhost_has(d, VHOST_F_PROTOCOL));
}

#endif
