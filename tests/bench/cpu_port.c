// SPDX-License-Identifier: GPL-2.0-or-later
/* A vhost-user guest's rings, and a DHCP client that renews. See cpu.h. */
#include <event2/event.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/compat.h"
#include "switch/drivers.h"
#include "switch/offload.h"
#include "switch/steer.h"
#include "switch/vhost_msg.h"
#include "tests/bench/cpu.h"
#include "tests/fake/dhcp_rig.h"
#include "tests/fake/vhost_guest.h"

#define BURST 32 /* frames that the guest gives or takes at once */
#define SIZE  1514

/* ---- vhost-user --------------------------------------------------------------------- */

static struct event_base *base;
static struct vswitch *sw;
static struct driver *driver;
static struct vhost_guest guest;
static uint8_t bytes[BURST][SIZE];
static unsigned int size; /* of frames: up to SIZE */
static bool two; /* pairs of rings; frames are UDP then */
static unsigned int rx, tx; /* rings in use */
static struct frame frame[BURST];

static struct port other;

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void make(uint8_t *p, uint8_t from, uint8_t to)
{
	memset(p, 0, SIZE);
	p[0] = p[6] = 2;
	p[5] = to;
	p[11] = from;
	put_be16(p + 12, 0x1234);
	if (!two)
		return;
	put_be16(p + 12, 0x0800);
	p[14] = 0x45;
	put_be16(p + 16, (uint16_t)(size - 14));
	p[23] = 17;
	p[29] = from;
	p[33] = to;
	p[35] = from;
	p[37] = to;
}

static void open_vhost(unsigned int frame_size)
{
	struct driver_vhost_conf conf = {.queues = two ? 2 : 1};
	struct port_spec spec = {"vm-0", PORT_GUEST, 7, 0};
	struct vswitch_config cfg = {.seed = {1, 2}};
	struct driver_ctx ctx;
	uint32_t head, len;
	int backend;

	size = frame_size;
	base = event_base_new();
	sw = vswitch_new(&cfg);
	CPU_MUST(base && sw);
	other = (struct port){.ops = &cpu_sink, .role = PORT_GUEST,
			      .caps = PORT_CAP_CSUM | PORT_CAP_TSO4};
	CPU_MUST(!vswitch_port_add(sw, &other));
	ctx = (struct driver_ctx){base, sw, NULL};
	vg_init(&guest, &backend);
	CPU_MUST(!driver_vhost(&ctx, &spec, &conf, -1, backend, &driver, NULL));
	rx = two ? 2 : VG_RX;
	tx = two ? 3 : VG_TX;
	vg_start(&guest, 1ull << VHOST_F_VERSION_1 |
				 1ull << VHOST_F_MRG_RXBUF |
				 1ull << VHOST_F_CSUM |
				 1ull << VHOST_F_HOST_TSO4 |
				 1ull << VHOST_F_GUEST_CSUM |
				 1ull << VHOST_F_GUEST_TSO4 |
				 (uint64_t)two << VHOST_F_MQ);
	for (int i = 0; i < 10; i++)
		turn();
	for (unsigned int i = 0; i < BURST; i++) {
		make(bytes[i], 1, 2);
		frame_init(&frame[i], bytes[i], size);
	}
	/* Both are known. */
	make(vg_buf(&guest, VG_TX, 0) + VNET_HDR_LEN, 2, 1);
	vg_send_frame(&guest, 0, vg_buf(&guest, VG_TX, 0) + VNET_HDR_LEN, size);
	turn();
	CPU_MUST(vg_used(&guest, VG_TX, &head, &len));
	make(bytes[0], 1, 1); /* goes nowhere */
	vswitch_input(&other, frame, 1, clock_mono_ms());
	make(bytes[0], 1, 2);
}

static void open_1514(void)
{
	two = false;
	open_vhost(SIZE);
}

static void open_64(void)
{
	two = false;
	open_vhost(64);
}

static void open_64_two(void)
{
	two = true;
	open_vhost(64);
}

static void close_vhost(void)
{
	driver_free(driver);
	vswitch_free(sw);
	event_base_free(base);
	vg_fini(&guest);
}

/* The guest sends a burst, with one kick. */
static unsigned long run_from_guest(unsigned long n)
{
	unsigned long was = cpu_sunk;
	uint32_t head, len;

	while (cpu_sunk - was < n) {
		for (unsigned int i = 0; i < BURST; i++) {
			uint8_t *b = vg_buf(&guest, tx, i);

			memset(b, 0, VNET_HDR_LEN);
			make(b + VNET_HDR_LEN, 2, 1);
			vg_desc(&guest, tx, i, vg_buf_gpa(&guest, tx, i),
				VNET_HDR_LEN + size, 0, 0);
			vg_avail(&guest, tx, (uint16_t)i);
		}
		vg_kick(&guest, tx);
		cpu_on();
		turn();
		cpu_off();
		for (unsigned int i = 0; i < BURST; i++)
			CPU_MUST(vg_used(&guest, tx, &head, &len));
	}
	return cpu_sunk - was;
}

/* A burst for the guest, which has buffers for it. */
static unsigned long run_to_guest(unsigned long n)
{
	int64_t now_ms = clock_mono_ms();
	unsigned long done = 0;
	uint32_t head, len;

	while (done < n) {
		vg_fill_rx(&guest, BURST);
		turn();
		cpu_on();
		vswitch_input(&other, frame, BURST, now_ms);
		cpu_off();
		for (unsigned int i = 0; i < BURST; i++, done++)
			CPU_MUST(vg_used(&guest, VG_RX, &head, &len) &&
				 len == VNET_HDR_LEN + size);
	}
	return done;
}

/* ---- room that is lent -------------------------------------------------------------- */

/* Also the other way: a frame that large is read where it lies. */
static unsigned long run_large(unsigned long n)
{
	unsigned long was = cpu_sunk;
	uint32_t head, len;

	while (cpu_sunk - was < n) {
		uint8_t *b = guest.mem + (4u << 20);

		memset(b, 0, VNET_HDR_LEN);
		memcpy(b + VNET_HDR_LEN, bytes[1], 64);
		b[0] = 1; /* needs a checksum */
		b[1] = GSO_TCP4;
		b[4] = 1460 & 0xff;
		b[5] = 1460 >> 8;
		b[6] = 34;
		b[8] = 16;
		for (uint16_t i = 0; i < 15; i++)
			vg_desc(&guest, tx, i, VG_GPA + (4u << 20) + 4096u * i,
				4096, i < 14, (uint16_t)(i + 1));
		vg_avail(&guest, tx, 0);
		vg_kick(&guest, tx);
		cpu_on();
		turn();
		cpu_off();
		CPU_MUST(vg_used(&guest, tx, &head, &len));
	}
	return cpu_sunk - was;
}

#define LENT_BUF  4096
#define LENT_BUFS 60
#define LENT_LEN  60000 /* a frame: 15 buffers */

static void open_lent(void)
{
	static const size_t all[2] = {LENT_LEN, 15 * 4096 - VNET_HDR_LEN};
	uint32_t head, len;

	two = true;
	open_vhost(64);
	/* The flow of frame[0] is on the second pair. */
	make(bytes[1], 2, 1);
	vg_send_frame_on(&guest, tx, 0, bytes[1], size);
	turn();
	CPU_MUST(vg_used(&guest, tx, &head, &len));
	for (int i = 0; i < 2; i++) {
		put_be16(bytes[i] + 16, (uint16_t)(all[i] - ETH_HDR_LEN));
		bytes[i][22] = 64;
		bytes[i][23] = 6;
		bytes[i][46] = 0x50;
	}
}

static void give_bufs(void)
{
	for (unsigned int i = 0; i < LENT_BUFS; i++) {
		vg_desc(&guest, rx, i,
			VG_GPA + (4u << 20) + (uint64_t)i * LENT_BUF, LENT_BUF,
			2, 0);
		vg_avail(&guest, rx, (uint16_t)i);
	}
}

/* What lies in @v behind the headers, as TCP makes it. */
static void make_lent(struct frame *f, const struct iovec *v, int n,
		      const struct port *to)
{
	size_t at = 0;

	frame_init(f, bytes[0], FRAME_HDR);
	f->len = LENT_LEN;
	f->off = (struct offload){.needs_csum = true, .gso_type = GSO_TCP4,
				  .gso_size = 1460, .hdr_len = 54,
				  .csum_start = 34, .csum_offset = 16};
	f->in_place = to;
	for (int i = 0; i < n && at < LENT_LEN; i++) {
		size_t skip = i ? 0 : FRAME_HDR;
		size_t take = min_sz(v[i].iov_len, LENT_LEN - at);

		f->seg[f->nseg++] = (struct iovec){
			(uint8_t *)v[i].iov_base + skip, take - skip};
		at += take;
	}
}

/* Buffers are taken, filled by nobody, and go to the guest. */
static unsigned long run_lent(unsigned long n)
{
	uint32_t head, len, flow = steer_frame(bytes[0], FRAME_HDR);
	unsigned long done = 0;

	while (done < n) {
		give_bufs();
		for (int i = 0; i < 4; i++, done++) {
			struct iovec v[FRAME_SEGS];
			size_t room = LENT_LEN;
			struct port *to;
			struct frame f;
			int k;

			cpu_on();
			k = vswitch_lend(sw, 7, flow,
					 PORT_CAP_CSUM | PORT_CAP_TSO4, &room,
					 v, &to);
			cpu_off();
			CPU_MUST(k == 15 && room == LENT_LEN);
			make_lent(&f, v, k, to);
			cpu_on();
			vswitch_input(&other, &f, 1, 1000);
			vswitch_unlend(to);
			cpu_off();
		}
		for (int i = 0; i < LENT_BUFS; i++)
			CPU_MUST(vg_used(&guest, rx, &head, &len));
	}
	return done;
}

/* ---- DHCP ------------------------------------------------------------------------- */

#define CLIENTS 200

static struct dhcp_rig rig;
static uint32_t lease[CLIENTS];

static void open_dhcp(void)
{
	struct dhcp_config cfg = rig_config();

	rig_start(&rig, &cfg);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		lease[i] = rig_dora(&rig, i + 1, (uint8_t)i);
		CPU_MUST(lease[i]);
	}
}

static void close_dhcp(void)
{
	rig_stop(&rig);
}

static unsigned long run_renew(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		unsigned int who = (unsigned int)(i % CLIENTS);
		struct dhcp_ask a = rig_renewal(who + 1, (uint8_t)who,
						lease[who]);
		uint8_t msg[600];
		struct dhcp_input in = {
			.data = msg, .len = dhcp_ask_build(&a, msg, sizeof(msg)),
			.src_ip = a.src_ip, .dst_ip = a.dst_ip,
			.src_mac = a.mac, .nic_id = a.nic,
		};
		enum dhcp_action todo;
		int err;

		rig.now += 100;
		cpu_on();
		todo = dhcp_server_input(rig.s, &in, rig.now, &rig.out);
		err = dhcp_server_committed(rig.s, rig.out.token, rig.now,
					    &rig.reply);
		cpu_off();
		CPU_MUST(todo == DHCP_REPLY_AFTER_COMMIT && !err);
	}
	return n;
}

const struct cpu_case cpu_port_cases[] = {
	{"vhost: frame of 1514 from the guest", "frame", open_1514,
	 run_from_guest, close_vhost, 3200},
	{"vhost: frame of 1514 to the guest", "frame", open_1514,
	 run_to_guest, close_vhost, 3200},
	{"vhost: frame of 64 from the guest", "frame", open_64,
	 run_from_guest, close_vhost, 3200},
	{"vhost: frame of 64 to the guest", "frame", open_64,
	 run_to_guest, close_vhost, 3200},
	{"vhost: frame of 64 from the guest, two queues", "frame", open_64_two,
	 run_from_guest, close_vhost, 3200},
	{"vhost: frame of 61 428 from the guest", "frame", open_lent,
	 run_large, close_vhost, 800},
	{"vhost: frame of 60 000 made in lent buffers", "frame", open_lent,
	 run_lent, close_vhost, 800},
	{"dhcp: renewal", "renewal", open_dhcp, run_renew, close_dhcp, 1000},
	{NULL},
};
