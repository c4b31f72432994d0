// SPDX-License-Identifier: GPL-2.0-or-later
/* A vhost-user guest's rings, and a DHCP client that renews. See cpu.h. */
#include <event2/event.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "switch/drivers.h"
#include "switch/offload.h"
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
}

static void open_vhost(unsigned int frame_size)
{
	struct driver_vhost_conf conf = {.queues = 1};
	struct port_spec spec = {"vm-0", PORT_GUEST, 7, 0};
	struct vswitch_config cfg = {.seed = {1, 2}};
	struct driver_ctx ctx;
	int backend;

	size = frame_size;
	base = event_base_new();
	sw = vswitch_new(&cfg);
	CPU_MUST(base && sw);
	other = (struct port){.ops = &cpu_sink, .role = PORT_GUEST};
	CPU_MUST(!vswitch_port_add(sw, &other));
	ctx = (struct driver_ctx){base, sw, NULL};
	vg_init(&guest, &backend);
	CPU_MUST(!driver_vhost(&ctx, &spec, &conf, -1, backend, &driver, NULL));
	vg_start(&guest, 1ull << VHOST_F_VERSION_1 |
				 1ull << VHOST_F_MRG_RXBUF);
	for (int i = 0; i < 10; i++)
		turn();
	for (unsigned int i = 0; i < BURST; i++) {
		make(bytes[i], 1, 2);
		frame_init(&frame[i], bytes[i], size);
	}
	make(bytes[0], 1, 1);
	vswitch_input(&other, frame, 1, 1000); /* host 1 is here */
	make(bytes[0], 1, 2);
}

static void open_1514(void)
{
	open_vhost(SIZE);
}

static void open_64(void)
{
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
			uint8_t *b = vg_buf(&guest, VG_TX, i);

			memset(b, 0, VNET_HDR_LEN);
			make(b + VNET_HDR_LEN, 2, 1);
			vg_desc(&guest, VG_TX, i, vg_buf_gpa(&guest, VG_TX, i),
				VNET_HDR_LEN + size, 0, 0);
			vg_avail(&guest, VG_TX, (uint16_t)i);
		}
		vg_kick(&guest, VG_TX);
		cpu_on();
		turn();
		cpu_off();
		for (unsigned int i = 0; i < BURST; i++)
			CPU_MUST(vg_used(&guest, VG_TX, &head, &len));
	}
	return cpu_sunk - was;
}

/* A burst for the guest, which has buffers for it. */
static unsigned long run_to_guest(unsigned long n)
{
	unsigned long done = 0;
	uint32_t head, len;

	while (done < n) {
		vg_fill_rx(&guest, BURST);
		turn();
		cpu_on();
		vswitch_input(&other, frame, BURST, 1000);
		cpu_off();
		for (unsigned int i = 0; i < BURST; i++, done++)
			CPU_MUST(vg_used(&guest, VG_RX, &head, &len) &&
				 len == VNET_HDR_LEN + size);
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
	{"dhcp: renewal", "renewal", open_dhcp, run_renew, close_dhcp, 1000},
	{NULL},
};
