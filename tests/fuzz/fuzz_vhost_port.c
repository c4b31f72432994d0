// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core switch_io fake_port vhost_guest */
/*
 * A vhost-user port of two pairs of rings, its front end, its guest and somebody who
 * borrows the guest's buffers, each doing something at the input's word: one byte says
 * what (low half) and how (high half). As long as the guest does not scribble over its
 * rings, its buffers come back once each, in order.
 */
#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "lib/log.h"
#include "switch/drivers.h"
#include "switch/steer.h"
#include "switch/vhost_msg.h"
#include "tests/fake/fake_port.h"
#include "tests/fake/vhost_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPS_MAX 512 /* of an input */
#define NIC	7
#define GW	0x0a000202u
#define GUEST	0x0a00020fu
#define BIT(n)	(1ull << (n))
#define STRIDE	16384 /* from one receive buffer to the next */

enum op {
	OP_GIVE, OP_KICK, OP_LEND, OP_FILL, OP_UNLEND, OP_FRAME, OP_SAY,
	OP_ENABLE, OP_STOP, OP_START, OP_MEMORY, OP_RESET, OP_ALL, OP_SCRIBBLE,
	OP_ANEW, OP_TURN,
};

/* Built once. */
static struct event_base *base;
static struct vswitch *sw;
static struct fake_port other;

static struct vhost_guest guest;
static struct driver *driver;
static struct port *port; /* the driver's */
static bool clean;

static struct loan {
	int n;
	size_t len;
	bool stale; /* memory may be elsewhere by now */
	unsigned int flow;
	struct iovec v[FRAME_SEGS];
} loan;

static void start(void)
{
	struct vswitch_config cfg = {0};

	log_setup("fuzz", LOG_LVL_ERR);
	base = event_base_new();
	sw = vswitch_new(&cfg);
	assert(base && sw);
	fake_port_add(&other, sw, "other", PORT_GUEST, 0);
}

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

/* ---- the guest --------------------------------------------------------------------- */

static void make_hdr(uint8_t p[54], bool from_guest, unsigned int flow,
		     size_t len)
{
	memset(p, 0, 54);
	memset(p, 0xff, 6);
	p[6] = 2;
	p[11] = from_guest;
	put_be16(p + 12, 0x800);
	p[14] = 0x45;
	put_be16(p + 16, (uint16_t)(len - 14));
	p[22] = 64;
	p[23] = 6;
	put_be32(p + 26, from_guest ? GUEST : GW);
	put_be32(p + 30, from_guest ? GW : GUEST);
	put_be16(p + 34, from_guest ? (uint16_t)flow : 80);
	put_be16(p + 36, from_guest ? 80 : (uint16_t)flow);
	p[46] = 0x50;
}

static uint32_t buf_len(unsigned int i)
{
	return i % 4 == 3 ? STRIDE : 4096;
}

static void give(unsigned int q, unsigned int n)
{
	struct vg_ring *r = &guest.q[q];

	while (n-- && (uint16_t)(r->avail_idx - r->last_used) < r->num) {
		unsigned int i = r->avail_idx % r->num;

		vg_desc(&guest, q, i, VG_GPA + (4u << 20) + (q / 2 << 20) +
			(uint64_t)i * STRIDE, buf_len(i), 2, 0);
		vg_avail(&guest, q, (uint16_t)i);
	}
}

/* What came back of ring @q. */
static void collect(unsigned int q)
{
	struct vg_ring *r = &guest.q[q];
	uint32_t head, len;

	for (int n = 0; n < VG_NUM && vg_used(&guest, q, &head, &len); n++) {
		if (!clean)
			continue;
		assert(head == (uint16_t)(r->last_used - 1) % r->num);
		assert(!(q & 1) ? len && len <= buf_len(head) : !len);
		assert((uint16_t)(r->avail_idx - r->last_used) < r->num);
	}
}

static void say(unsigned int q, unsigned int flow)
{
	struct vg_ring *r = &guest.q[q];
	uint8_t b[60] = {0};

	collect(q);
	if ((uint16_t)(r->avail_idx - r->last_used) >= r->num)
		return;
	make_hdr(b, true, flow, sizeof(b));
	vg_send_frame_on(&guest, q, r->avail_idx % r->num, b, sizeof(b));
}

/* ---- the front end ----------------------------------------------------------------- */

static void anew(void)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       sv))
		abort();
	close(guest.sock);
	guest.sock = sv[0];
	(void)driver_vhost_connect(driver, sv[1], NULL);
}

/* A message, and what it does. */
static void tell(enum op op, unsigned int how)
{
	static const uint64_t features[4] = {
		BIT(VHOST_F_MQ) | BIT(VHOST_F_MRG_RXBUF) |
			BIT(VHOST_F_GUEST_CSUM) | BIT(VHOST_F_GUEST_TSO4) |
			BIT(VHOST_F_EVENT_IDX),
		BIT(VHOST_F_MQ) | BIT(VHOST_F_MRG_RXBUF) |
			BIT(VHOST_F_GUEST_CSUM) | BIT(VHOST_F_GUEST_TSO4) |
			BIT(VHOST_F_PROTOCOL),
		BIT(VHOST_F_MRG_RXBUF) | BIT(VHOST_F_GUEST_CSUM) |
			BIT(VHOST_F_GUEST_TSO4),
		BIT(VHOST_F_MQ),
	};
	unsigned int q = how & 3;
	uint8_t answers[256];

	loan.stale = true;
	if (!driver_connected(driver))
		anew();
	if (op == OP_ENABLE)
		vg_state(&guest, 18, q, how >> 2 & 1);
	else if (op == OP_STOP)
		vg_state(&guest, 11, q, 0);
	else if (op == OP_START)
		vg_fd(&guest, 12, q, guest.q[q].kick);
	else if (op == OP_MEMORY)
		vg_mem_table(&guest);
	else if (op == OP_RESET)
		vg_send(&guest, 4, 0, NULL, 0, NULL, 0);
	else if (op == OP_ALL)
		vg_start(&guest, BIT(VHOST_F_VERSION_1) | features[q]);
	turn();
	while (recv(guest.sock, answers, sizeof(answers), MSG_DONTWAIT) > 0)
		;
}

/* ---- who sends to the guest -------------------------------------------------------- */

static uint32_t flow_of(unsigned int flow)
{
	struct ipaddr gw = ipaddr_from4(GW), ip = ipaddr_from4(GUEST);

	return steer_flow(&gw, 80, &ip, (uint16_t)flow);
}

static void lend(unsigned int how)
{
	struct port *to = NULL;

	loan = (struct loan){.len = how & 8 ? 20000 : 60000, .flow = how & 3};
	loan.n = vswitch_lend(sw, NIC, flow_of(loan.flow),
			      PORT_CAP_CSUM | PORT_CAP_TSO4, &loan.len, loan.v,
			      &to);
	assert(loan.n <= FRAME_SEGS - 3 && (loan.n <= 0 || to == port));
}

static void fill(unsigned int how)
{
	size_t len = how & 1 ? loan.len / 2 : loan.len, at = 0;
	uint8_t hdr[FRAME_HDR] = {0};
	struct frame f;

	if (loan.n <= 0 || loan.stale || len <= FRAME_HDR)
		return;
	make_hdr(hdr, false, loan.flow, len);
	frame_init(&f, hdr, FRAME_HDR);
	f.len = (uint32_t)len;
	f.off = (struct offload){.needs_csum = true, .gso_type = GSO_TCP4,
				 .gso_size = 1460, .hdr_len = 54,
				 .csum_start = 34, .csum_offset = 16};
	f.in_place = port;
	for (int i = 0; i < loan.n && at < len; i++) {
		size_t skip = at < FRAME_HDR ? FRAME_HDR - at : 0;
		size_t take = min_sz(loan.v[i].iov_len, len - at);

		at += take;
		if (take <= skip)
			continue;
		f.seg[f.nseg++] = (struct iovec){
			(uint8_t *)loan.v[i].iov_base + skip, take - skip};
		memset(f.seg[f.nseg - 1].iov_base, 0x55, take - skip);
	}
	if (how & 2 && f.nseg > 1) /* not where it says */
		f.seg[1].iov_len--;
	vswitch_input(&other.port, &f, 1, 1000);
}

static void frame(unsigned int how)
{
	uint8_t b[1500] = {0};
	size_t len = how & 8 ? sizeof(b) : 60;

	make_hdr(b, false, how & 3, len);
	(void)vswitch_room(sw, NIC, flow_of(how & 3));
	fake_port_in(&other, b, len, 1000);
}

/* ---- the input --------------------------------------------------------------------- */

static void scribble(const uint8_t *data, size_t size)
{
	if (size < 3)
		return;
	clean = false;
	guest.mem[0x10000 + get_be16(data) * 4u] = data[2];
}

static void act(enum op op, unsigned int how, const uint8_t *data, size_t size)
{
	unsigned int rx = how & 1 ? 2 : 0;

	if (op == OP_GIVE) {
		give(rx, 1 + how);
	} else if (op == OP_KICK) {
		vg_kick(&guest, how & 3);
		turn();
	} else if (op == OP_LEND) {
		lend(how);
	} else if (op == OP_FILL) {
		fill(how);
	} else if (op == OP_UNLEND) {
		vswitch_unlend(port);
		loan.n = 0;
	} else if (op == OP_FRAME) {
		frame(how);
	} else if (op == OP_SAY) {
		say(rx + 1, how >> 1 & 3);
	} else if (op == OP_SCRIBBLE) {
		scribble(data, size);
	} else if (op == OP_ANEW) {
		loan.stale = true;
		anew();
	} else if (op == OP_TURN) {
		turn();
		loan.stale |= !driver_connected(driver);
		for (unsigned int q = 0; q < VG_RINGS; q++)
			collect(q);
	} else {
		tell(op, how);
	}
}

static void open_all(void)
{
	struct driver_vhost_conf conf = {.queues = 2};
	struct driver_ctx ctx = {base, sw, NULL};
	struct port_spec spec = {.name = "fuzz", .role = PORT_GUEST,
				 .nic_id = NIC};
	int backend;

	vg_init(&guest, &backend);
	if (driver_vhost(&ctx, &spec, &conf, -1, backend, &driver, NULL))
		abort();
	port = vswitch_port_next(sw, &other.port);
	assert(port);
	loan = (struct loan){0};
	clean = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!base)
		start();
	open_all();
	for (size_t i = 0; i < size && i < OPS_MAX; i++) {
		enum op op = data[i] & 15;

		act(op, data[i] >> 4, data + i + 1, size - i - 1);
		if (op == OP_SCRIBBLE)
			i += 3;
	}
	vswitch_unlend(port);
	driver_free(driver);
	vg_fini(&guest);
	fake_port_clear(&other);
	return 0;
}
