// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages of vhost-user. See vhost_msg.h. The peer is a process of this machine:
 * numbers are in the machine's byte order.
 */
#include "switch/vhost_msg.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/fdutil.h"
#include "switch/vhost_fd.h"
#include "switch/vhost_inflight.h"

#define FLAG_VERSION	1
#define FLAG_VERSION_OF 3 /* mask */
#define FLAG_REPLY	4
#define FLAG_NEED_REPLY 8
#define REPLY_FLAGS	(FLAG_VERSION | FLAG_REPLY)

#define BIT(n) (1ULL << (n))

enum proto_feature {
	PROTO_MQ = 0,
	PROTO_LOG_SHMFD = 1,
	PROTO_RARP = 2,
	PROTO_REPLY_ACK = 3,
	PROTO_NET_MTU = 4,
	PROTO_CONFIG = 9,
	PROTO_INFLIGHT_SHMFD = 12,
	PROTO_RESET_DEVICE = 13,
	PROTO_MEM_SLOTS = 15,
	PROTO_STATUS = 16,
};

/* IN_ORDER (virtio 1.2, 2.7.9): buffers go back in the order in which they came, whatever
 * becomes of them. A guest that knows need not read which ones they are. */
#define FEATURES_ALWAYS                                                        \
	(BIT(VHOST_F_CSUM) | BIT(VHOST_F_GUEST_CSUM) | BIT(VHOST_F_MTU) |      \
	 BIT(VHOST_F_GUEST_TSO4) | BIT(VHOST_F_GUEST_TSO6) |                   \
	 BIT(VHOST_F_GUEST_ECN) | BIT(VHOST_F_HOST_TSO4) |                     \
	 BIT(VHOST_F_HOST_TSO6) | BIT(VHOST_F_HOST_ECN) |                      \
	 BIT(VHOST_F_MRG_RXBUF) | BIT(VHOST_F_LOG_ALL) |                       \
	 BIT(VHOST_F_INDIRECT) | BIT(VHOST_F_EVENT_IDX) |                      \
	 BIT(VHOST_F_PROTOCOL) | BIT(VHOST_F_VERSION_1) |                      \
	 BIT(VHOST_F_IN_ORDER) | BIT(VHOST_F_GUEST_USO4) |                     \
	 BIT(VHOST_F_GUEST_USO6) | BIT(VHOST_F_HOST_USO))
#define FEATURES_CONFIG (BIT(VHOST_F_MAC) | BIT(VHOST_F_STATUS))

#define PROTO_ALWAYS                                                           \
	(BIT(PROTO_MQ) | BIT(PROTO_LOG_SHMFD) | BIT(PROTO_RARP) |              \
	 BIT(PROTO_REPLY_ACK) | BIT(PROTO_NET_MTU) |                           \
	 BIT(PROTO_INFLIGHT_SHMFD) | BIT(PROTO_RESET_DEVICE) |                 \
	 BIT(PROTO_MEM_SLOTS) | BIT(PROTO_STATUS))

#define MTU_MIN 68 /* RFC 791 */

/* A message under way. */
struct msg {
	const uint8_t *p; /* body */
	size_t len;
	int *fd;
	unsigned int nfd;
	struct vhost_out *out;
	struct errtext *why;
};

static uint64_t u64_at(const struct msg *m, size_t at)
{
	uint64_t v;

	memcpy(&v, m->p + at, sizeof(v));
	return v;
}

static uint32_t u32_at(const struct msg *m, size_t at)
{
	uint32_t v;

	memcpy(&v, m->p + at, sizeof(v));
	return v;
}

static uint16_t u16_at(const struct msg *m, size_t at)
{
	uint16_t v;

	memcpy(&v, m->p + at, sizeof(v));
	return v;
}

/* ---- answers ------------------------------------------------------------------ */

/* The header is filled in by vhost_msg(). */
static int answer(struct msg *m, const void *body, size_t len)
{
	memcpy(m->out->p + VHOST_HDR_LEN, body, len);
	m->out->len = VHOST_HDR_LEN + len;
	return 0;
}

static int answer_u64(struct msg *m, uint64_t v)
{
	return answer(m, &v, sizeof(v));
}

static int refuse(struct msg *m, const char *what)
{
	return errtext_set(m->why, -EPROTO, "%s", what);
}

/* ---- rings -------------------------------------------------------------------- */

static void bury_kick(struct vhost_dev *d, struct vhost_vq *q)
{
	/* One message brings one descriptor, or stops all rings once. */
	if (q->kick >= 0 && d->ndead < VHOST_VQS + 1)
		d->dead[d->ndead++] = q->kick;
	q->kick = -1;
}

void vhost_bury(struct vhost_dev *d)
{
	for (unsigned int i = 0; i < d->ndead; i++)
		fd_close(&d->dead[i]);
	d->ndead = 0;
}

/* Attach a started ring, which goes on where it is: at its used index, whatever the
 * front end told (vhost_ring.h). After a back end's crash it tells what it can: QEMU
 * the used index, DPDK's virtio-user 0. */
static int attach(struct vhost_dev *d, struct vhost_vq *q, struct errtext *why)
{
	if (!q->started || !q->addr_set || !q->num)
		return 0;
	vring_detach(&q->ring);
	return vring_attach(&q->ring, &d->mem, &q->addr, q->num, why);
}

static void stop(struct vhost_dev *d, struct vhost_vq *q)
{
	if (vring_attached(&q->ring))
		q->base = q->ring.last_avail;
	vring_detach(&q->ring);
	q->started = false;
	bury_kick(d, q);
}

/* Memory is about to change: keep the place, forget the pointers. */
static void detach_all(struct vhost_dev *d)
{
	for (unsigned int i = 0; i < VHOST_VQS; i++) {
		struct vhost_vq *q = &d->vq[i];

		if (vring_attached(&q->ring))
			q->base = q->ring.last_avail;
		vring_detach(&q->ring);
	}
}

/* A ring that is outside of the memory now waits for other addresses. */
static void attach_all(struct vhost_dev *d)
{
	for (unsigned int i = 0; i < VHOST_VQS; i++)
		(void)attach(d, &d->vq[i], NULL);
}

static struct vhost_vq *vq_at(struct vhost_dev *d, struct msg *m, uint64_t i)
{
	if (i >= VHOST_VQS) {
		errtext_set(m->why, -EPROTO, "ring %llu of %d",
			    (unsigned long long)i, VHOST_VQS);
		return NULL;
	}
	m->out->act |= VHOST_ACT_VQS;
	return &d->vq[i];
}

static int set_vring_num(struct vhost_dev *d, struct msg *m)
{
	struct vhost_vq *q = vq_at(d, m, u32_at(m, 0));
	uint32_t num = u32_at(m, 4);

	if (!q)
		return -EPROTO;
	if (!num || num > VRING_NUM_MAX || (num & (num - 1)))
		return errtext_set(m->why, -EPROTO, "a ring of %u entries",
				   num);
	q->num = num;
	return attach(d, q, m->why);
}

static int set_vring_addr(struct vhost_dev *d, struct msg *m)
{
	struct vhost_vq *q = vq_at(d, m, u32_at(m, 0));

	if (!q)
		return -EPROTO;
	q->addr.log = u32_at(m, 4) & 1;
	q->addr.desc = u64_at(m, 8);
	q->addr.used = u64_at(m, 16);
	q->addr.avail = u64_at(m, 24);
	q->addr.log_gpa = u64_at(m, 32);
	q->addr_set = true;
	return attach(d, q, m->why);
}

static int set_vring_base(struct vhost_dev *d, struct msg *m)
{
	struct vhost_vq *q = vq_at(d, m, u32_at(m, 0));

	if (!q)
		return -EPROTO;
	if (u32_at(m, 4) > UINT16_MAX)
		return refuse(m, "an index that no ring has");
	q->base = (uint16_t)u32_at(m, 4);
	return 0;
}

static int get_vring_base(struct vhost_dev *d, struct msg *m)
{
	struct vhost_vq *q = vq_at(d, m, u32_at(m, 0));
	uint32_t body[2] = {u32_at(m, 0), 0};

	if (!q)
		return -EPROTO;
	stop(d, q);
	body[1] = q->base;
	return answer(m, body, sizeof(body));
}

static int set_vring_enable(struct vhost_dev *d, struct msg *m)
{
	struct vhost_vq *q = vq_at(d, m, u32_at(m, 0));

	if (!q)
		return -EPROTO;
	q->enabled = u32_at(m, 4) != 0;
	return 0;
}

/* KICK, CALL and ERR: bit 8 says that no descriptor comes. */
static int take_fd(struct msg *m, int *fd)
{
	int r;

	if (u64_at(m, 0) & 0x100) {
		*fd = -1;
		return 0;
	}
	if (m->nfd != 1)
		return refuse(m, "no descriptor came along");
	if (!vhost_fd_is_event(m->fd[0]))
		return refuse(m, "the descriptor is no eventfd");
	r = fd_setup(m->fd[0]);
	if (r)
		return r;
	*fd = m->fd[0];
	m->fd[0] = -1;
	return 0;
}

static int set_vring_kick(struct vhost_dev *d, struct msg *m)
{
	struct vhost_vq *q = vq_at(d, m, u64_at(m, 0) & 0xff);
	int fd = -1, r = q ? take_fd(m, &fd) : -EPROTO;

	if (r)
		return r;
	bury_kick(d, q);
	q->kick = fd;
	q->started = true;
	return vring_attached(&q->ring) ? 0 : attach(d, q, m->why);
}

static int set_vring_call(struct vhost_dev *d, struct msg *m)
{
	struct vhost_vq *q = vq_at(d, m, u64_at(m, 0) & 0xff);
	int fd = -1, r = q ? take_fd(m, &fd) : -EPROTO;

	if (r)
		return r;
	fd_close(&q->call);
	q->call = fd;
	q->call_new = fd >= 0;
	return 0;
}

static int set_vring_err(struct vhost_dev *d, struct msg *m)
{
	struct vhost_vq *q = vq_at(d, m, u64_at(m, 0) & 0xff);
	int fd = -1, r = q ? take_fd(m, &fd) : -EPROTO;

	if (r)
		return r;
	fd_close(&q->err);
	q->err = fd;
	return 0;
}

/* ---- features ------------------------------------------------------------------- */

static uint64_t offered(const struct vhost_dev *d)
{
	uint64_t f = FEATURES_ALWAYS;

	if (d->owner_first)
		f |= FEATURES_CONFIG;
	if (d->cfg.queues > 1)
		f |= BIT(VHOST_F_MQ);
	return f;
}

static uint64_t offered_proto(const struct vhost_dev *d)
{
	return PROTO_ALWAYS | (d->owner_first ? BIT(PROTO_CONFIG) : 0);
}

static int get_features(struct vhost_dev *d, struct msg *m)
{
	return answer_u64(m, offered(d));
}

static void take_features(struct vhost_dev *d, uint64_t f)
{
	d->features = f;
	for (unsigned int i = 0; i < VHOST_VQS; i++) {
		d->vq[i].ring.event_idx = vhost_has(d, VHOST_F_EVENT_IDX);
		d->vq[i].ring.indirect = vhost_has(d, VHOST_F_INDIRECT);
		d->vq[i].ring.signalled_valid = false;
	}
}

static int set_features(struct vhost_dev *d, struct msg *m)
{
	uint64_t f = u64_at(m, 0), extra = f & ~offered(d);

	if (extra)
		return errtext_set(m->why, -EPROTO,
				   "features that were not offered: %#llx",
				   (unsigned long long)extra);
	take_features(d, f);
	m->out->act |= VHOST_ACT_FEATURES | VHOST_ACT_VQS;
	return 0;
}

static int get_protocol_features(struct vhost_dev *d, struct msg *m)
{
	d->asked_proto = true;
	return answer_u64(m, offered_proto(d));
}

static int set_protocol_features(struct vhost_dev *d, struct msg *m)
{
	uint64_t f = u64_at(m, 0), extra = f & ~offered_proto(d);

	if (extra)
		return errtext_set(m->why, -EPROTO,
				   "protocol features that were not offered: "
				   "%#llx",
				   (unsigned long long)extra);
	d->proto = f;
	return 0;
}

static int set_owner(struct vhost_dev *d, struct msg *m)
{
	(void)m;
	if (!d->asked_proto)
		d->owner_first = true;
	return 0;
}

/* RESET_OWNER is the old name of the same thing. */
static int reset_device(struct vhost_dev *d, struct msg *m)
{
	for (unsigned int i = 0; i < VHOST_VQS; i++) {
		stop(d, &d->vq[i]);
		d->vq[i].enabled = d->vq[i].addr_set = false;
		d->vq[i].base = 0;
	}
	take_features(d, 0);
	d->status = 0;
	m->out->act |= VHOST_ACT_FEATURES | VHOST_ACT_VQS;
	return 0;
}

static int get_queue_num(struct vhost_dev *d, struct msg *m)
{
	return answer_u64(m, 2u * d->cfg.queues);
}

static int set_status(struct vhost_dev *d, struct msg *m)
{
	d->status = (uint8_t)u64_at(m, 0);
	return 0;
}

static int get_status(struct vhost_dev *d, struct msg *m)
{
	return answer_u64(m, d->status);
}

/* ---- memory --------------------------------------------------------------------- */

#define REGION_LEN 32

static int add_region(struct vhost_dev *d, struct msg *m, size_t at, int fd)
{
	return vhost_mem_add(&d->mem, u64_at(m, at), u64_at(m, at + 8),
			     u64_at(m, at + 16), u64_at(m, at + 24), fd,
			     m->why);
}

static int set_mem_table(struct vhost_dev *d, struct msg *m)
{
	uint32_t n = u32_at(m, 0);
	int r = 0;

	if (n > VHOST_FDS_MAX || m->len < 8 + (size_t)n * REGION_LEN ||
	    n != m->nfd)
		return refuse(m, "as many regions as descriptors are to come");
	detach_all(d);
	vhost_mem_clear(&d->mem);
	for (uint32_t i = 0; i < n && !r; i++)
		r = add_region(d, m, 8 + (size_t)i * REGION_LEN, m->fd[i]);
	attach_all(d);
	m->out->act |= VHOST_ACT_VQS;
	return r;
}

static int get_max_mem_slots(struct vhost_dev *d, struct msg *m)
{
	(void)d;
	return answer_u64(m, VHOST_REGIONS_MAX);
}

static int add_mem_reg(struct vhost_dev *d, struct msg *m)
{
	int r;

	if (m->nfd != 1)
		return refuse(m, "no descriptor came along");
	detach_all(d);
	r = add_region(d, m, 8, m->fd[0]);
	attach_all(d);
	m->out->act |= VHOST_ACT_VQS;
	return r;
}

/* QEMU with many queues adds and removes regions once for each pair. */
static int rem_mem_reg(struct vhost_dev *d, struct msg *m)
{
	detach_all(d);
	(void)vhost_mem_del(&d->mem, u64_at(m, 8), u64_at(m, 16),
			    u64_at(m, 24));
	attach_all(d);
	m->out->act |= VHOST_ACT_VQS;
	return 0;
}

static int set_log_base(struct vhost_dev *d, struct msg *m)
{
	int r;

	if (!(d->proto & BIT(PROTO_LOG_SHMFD)) || m->nfd != 1)
		return refuse(m, "a log without a descriptor");
	r = vhost_mem_log(&d->mem, m->fd[0], u64_at(m, 8), u64_at(m, 0),
			  m->why);
	return r ? r : answer_u64(m, 0);
}

/* It would be signalled when the log is written; nobody waits for that. */
static int set_log_fd(struct vhost_dev *d, struct msg *m)
{
	(void)d;
	(void)m;
	return 0;
}

static int get_inflight_fd(struct vhost_dev *d, struct msg *m)
{
	uint8_t body[VHOST_INFLIGHT_BODY] = {0};
	uint64_t size;
	int fd;

	(void)d;
	fd = vhost_inflight_new(u16_at(m, 16), u16_at(m, 18), &size, m->why);
	if (fd < 0)
		return fd;
	memcpy(body, &size, sizeof(size));
	memcpy(body + 16, m->p + 16, 4);
	m->out->fd = fd;
	return answer(m, body, sizeof(body));
}

/* What we keep in there would be the same as in the used rings: vhost_ring.h. */
static int set_inflight_fd(struct vhost_dev *d, struct msg *m)
{
	(void)d;
	return m->nfd == 1 ? 0 : refuse(m, "no descriptor came along");
}

/* ---- the network device ------------------------------------------------------------ */

static int send_rarp(struct vhost_dev *d, struct msg *m)
{
	(void)d;
	memcpy(m->out->rarp.b, m->p, 6);
	m->out->act |= VHOST_ACT_RARP;
	return 0;
}

/* What the guest was told; that frames fit the network is seen to elsewhere. */
static int net_set_mtu(struct vhost_dev *d, struct msg *m)
{
	uint64_t mtu = u64_at(m, 0);

	(void)d;
	return mtu < MTU_MIN || mtu > UINT16_MAX ? refuse(m, "no such MTU") : 0;
}

#define CONFIG_HDR 12	/* of the message: offset, size, flags */
#define CONFIG_MAX 256
#define LINK_UP	   1

/* MAC, status, pairs and MTU lie at 0, 6, 8 and 10 (virtio 1.2, 5.1.4). */
static int get_config(struct vhost_dev *d, struct msg *m)
{
	uint32_t offset = u32_at(m, 0), size = u32_at(m, 4);
	uint8_t space[CONFIG_MAX] = {0};
	uint8_t body[CONFIG_HDR + CONFIG_MAX] = {0};

	if (size > CONFIG_MAX || offset > CONFIG_MAX - size ||
	    m->len < CONFIG_HDR + (size_t)size)
		return refuse(m, "beyond the configuration");
	memcpy(space, d->cfg.mac.b, 6);
	space[6] = LINK_UP; /* little endian, all three */
	space[8] = (uint8_t)d->cfg.queues;
	space[10] = (uint8_t)d->cfg.mtu;
	space[11] = (uint8_t)(d->cfg.mtu >> 8);
	memcpy(body, m->p, CONFIG_HDR);
	memcpy(body + CONFIG_HDR, space + offset, size);
	return answer(m, body, CONFIG_HDR + size);
}

/* Nothing in there is for the guest to write (5.1.4). */
static int set_config(struct vhost_dev *d, struct msg *m)
{
	(void)d;
	(void)m;
	return 1;
}

/* ---- dispatch ------------------------------------------------------------------------ */

/* What a request's body holds at least; a positive return is a polite no, for those
 * who asked for an answer. */
struct kind {
	const char *name;
	int (*fn)(struct vhost_dev *d, struct msg *m);
	uint16_t min;
};

static const struct kind kinds[] = {
	[1] = {"GET_FEATURES", get_features, 0},
	[2] = {"SET_FEATURES", set_features, 8},
	[3] = {"SET_OWNER", set_owner, 0},
	[4] = {"RESET_OWNER", reset_device, 0},
	[5] = {"SET_MEM_TABLE", set_mem_table, 8},
	[6] = {"SET_LOG_BASE", set_log_base, 16},
	[7] = {"SET_LOG_FD", set_log_fd, 0},
	[8] = {"SET_VRING_NUM", set_vring_num, 8},
	[9] = {"SET_VRING_ADDR", set_vring_addr, 40},
	[10] = {"SET_VRING_BASE", set_vring_base, 8},
	[11] = {"GET_VRING_BASE", get_vring_base, 8},
	[12] = {"SET_VRING_KICK", set_vring_kick, 8},
	[13] = {"SET_VRING_CALL", set_vring_call, 8},
	[14] = {"SET_VRING_ERR", set_vring_err, 8},
	[15] = {"GET_PROTOCOL_FEATURES", get_protocol_features, 0},
	[16] = {"SET_PROTOCOL_FEATURES", set_protocol_features, 8},
	[17] = {"GET_QUEUE_NUM", get_queue_num, 0},
	[18] = {"SET_VRING_ENABLE", set_vring_enable, 8},
	[19] = {"SEND_RARP", send_rarp, 8},
	[20] = {"NET_SET_MTU", net_set_mtu, 8},
	[24] = {"GET_CONFIG", get_config, CONFIG_HDR},
	[25] = {"SET_CONFIG", set_config, CONFIG_HDR},
	[31] = {"GET_INFLIGHT_FD", get_inflight_fd, 20},
	[32] = {"SET_INFLIGHT_FD", set_inflight_fd, 20},
	[34] = {"RESET_DEVICE", reset_device, 0},
	[36] = {"GET_MAX_MEM_SLOTS", get_max_mem_slots, 0},
	[37] = {"ADD_MEM_REG", add_mem_reg, 8 + REGION_LEN},
	[38] = {"REM_MEM_REG", rem_mem_reg, 8 + REGION_LEN},
	[39] = {"SET_STATUS", set_status, 8},
	[40] = {"GET_STATUS", get_status, 0},
};

static uint32_t word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

int vhost_msg_len(const uint8_t *hdr, struct errtext *why)
{
	uint32_t flags = word(hdr + 4), size = word(hdr + 8);

	if ((flags & FLAG_VERSION_OF) != FLAG_VERSION || (flags & FLAG_REPLY))
		return errtext_set(why, -EPROTO,
				   "that is no vhost-user (flags %#x)", flags);
	if (size > VHOST_BODY_MAX)
		return errtext_set(why, -EPROTO,
				   "a message of %u bytes (request %u)", size,
				   word(hdr));
	return (int)size;
}

static void finish(struct vhost_out *out, uint32_t request)
{
	uint32_t hdr[3] = {request, REPLY_FLAGS,
			   (uint32_t)(out->len - VHOST_HDR_LEN)};

	memcpy(out->p, hdr, sizeof(hdr));
}

int vhost_msg(struct vhost_dev *d, const uint8_t *p, size_t len, int *fd,
	      unsigned int nfd, struct vhost_out *out, struct errtext *why)
{
	struct msg m = {.p = p + VHOST_HDR_LEN,
			.len = len - VHOST_HDR_LEN,
			.fd = fd,
			.nfd = nfd,
			.out = out,
			.why = why};
	uint32_t request = word(p), flags = word(p + 4);
	const struct kind *k =
		request < ARRAY_LEN(kinds) ? &kinds[request] : NULL;
	int r;

	out->len = 0;
	out->fd = -1;
	out->act = 0;
	if (!k || !k->fn)
		return errtext_set(why, -EPROTO, "request %u is not known",
				   request);
	if (m.len < k->min)
		return errtext_set(why, -EPROTO, "%s: it is cut short",
				   k->name);
	r = k->fn(d, &m);
	if (r < 0) {
		if (why && !why->s[0])
			errtext_set(why, r, "%s", strerror(-r));
		return errtext_prefix(why, r, "%s", k->name);
	}
	if (!out->len && (flags & FLAG_NEED_REPLY) &&
	    (d->proto & BIT(PROTO_REPLY_ACK)))
		answer_u64(&m, (uint64_t)r);
	if (out->len)
		finish(out, request);
	return 0;
}

/* ---- life ------------------------------------------------------------------------------ */

int vhost_dev_init(struct vhost_dev *d, const struct vhost_config *cfg)
{
	memset(d, 0, sizeof(*d));
	d->cfg = *cfg;
	for (unsigned int i = 0; i < VHOST_VQS; i++)
		d->vq[i].kick = d->vq[i].call = d->vq[i].err = -1;
	return vhost_mem_init(&d->mem);
}

void vhost_dev_fini(struct vhost_dev *d)
{
	for (unsigned int i = 0; i < VHOST_VQS; i++) {
		struct vhost_vq *q = &d->vq[i];

		vring_detach(&q->ring);
		fd_close(&q->kick);
		fd_close(&q->call);
		fd_close(&q->err);
	}
	vhost_bury(d);
	vhost_mem_fini(&d->mem);
}
