// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames through the switch between ports that only count. See cpu.h. */
#include <string.h>

#include "lib/bytes.h"
#include "switch/vswitch.h"
#include "tests/bench/cpu.h"

#define PORTS 256
#define FEW   8
#define BIG   100000 /* entries of a large table */
#define ALL_CAPS (PORT_CAP_CSUM | PORT_CAP_TSO4 | PORT_CAP_TSO6 | PORT_CAP_USO)

static struct vswitch *sw;
static struct port port[PORTS];
static unsigned int nport;
static uint8_t bytes[FRAME_BATCH][FRAME_MAX];
static struct frame frame[FRAME_BATCH];

static struct mac mac_of(uint32_t i)
{
	struct mac m = {{2, 0}};

	put_be32(m.b + 2, i + 1);
	return m;
}

/* IPv4 of @len bytes after the Ethernet header, from host @src to host @dst. */
static void make(unsigned int i, uint32_t src, uint32_t dst, size_t len)
{
	struct mac from = mac_of(src), to = mac_of(dst);
	uint8_t *p = bytes[i];

	memcpy(p, to.b, 6);
	memcpy(p + 6, from.b, 6);
	put_be16(p + 12, 0x0800);
	p[14] = 0x45;
	put_be16(p + 16, (uint16_t)len);
	p[22] = 64;
	p[23] = 17;
	frame_init(&frame[i], p, 14 + len);
}

static void open_switch(unsigned int ports, uint32_t fdb, uint32_t caps)
{
	struct vswitch_config cfg = {.fdb_max = fdb, .seed = {1, 2}};

	sw = vswitch_new(&cfg);
	CPU_MUST(sw);
	memset(port, 0, sizeof(port));
	nport = ports;
	for (unsigned int i = 0; i < ports; i++) {
		port[i].ops = &cpu_sink;
		port[i].caps = caps;
		port[i].role = PORT_GUEST;
		port[i].nic_id = i + 1;
		CPU_MUST(!vswitch_port_add(sw, &port[i]));
		/* Host i says hello: to itself, so that nobody hears it. */
		make(0, i, i, 50);
		vswitch_input(&port[i], frame, 1, 1000);
	}
}

static void close_switch(void)
{
	vswitch_free(sw);
}

static void open_two(void)
{
	open_switch(2, 0, ALL_CAPS);
}

static void open_csum(void)
{
	open_switch(2, 0, PORT_CAP_CSUM);
}

static struct pin pin;
static const struct ipaddr own[] = {
	{{[10] = 0xff, 0xff, 10, 0, 2, 2}},
	{{[10] = 0xff, 0xff, 10, 0, 2, 3}},
	{{0xfd, [15] = 2}},
	{{0xfd, [15] = 3}},
	{{0xfe, 0x80, [15] = 2}},
};

/* A network that serves: guests' frames are looked at (rogue.h), UDP the longest. */
static void open_served(void)
{
	open_two();
	vswitch_forbid(sw, ROGUE_DHCP4 | ROGUE_RA | ROGUE_DHCP6);
	pin_set_own(vswitch_pins(sw), own, ARRAY_LEN(own));
}

/* And guests are held to what they are (pin.h). */
static void open_guarded(void)
{
	const struct pin_net mine = {ipaddr_from4(0x0a00020f), 128};
	struct mac mac = mac_of(0);

	open_served();
	pin_add(vswitch_pins(sw), &pin, &mac);
	pin_allow(&pin, &mine, 1);
	pin_level(&pin, PIN_IP);
	port[0].pin = &pin;
	vswitch_pin_changed(sw, &pin);
}

static void open_few(void)
{
	open_switch(FEW, 0, ALL_CAPS);
}

static void open_many(void)
{
	open_switch(PORTS, 0, ALL_CAPS);
}

/* Every port but the first has its share of a full table. */
static void open_big(void)
{
	open_switch(PORTS, BIG, ALL_CAPS);
	for (uint32_t i = PORTS; i < BIG; i++) {
		make(0, i, i, 50);
		vswitch_input(&port[1 + i % (PORTS - 1)], frame, 1, 1000);
	}
}

static void open_plain(void)
{
	open_switch(2, 0, 0);
}

static unsigned long input(unsigned int n)
{
	cpu_on();
	vswitch_input(&port[0], frame, n, 1000);
	cpu_off();
	return n;
}

/* Batches to one host. */
static unsigned long run_unicast(unsigned long n)
{
	unsigned long done = 0;

	for (unsigned int i = 0; i < FRAME_BATCH; i++)
		make(i, 0, 1, 100);
	while (done < n)
		done += input(FRAME_BATCH);
	return done;
}

static unsigned long run_guarded(unsigned long n, uint8_t proto)
{
	unsigned long done = 0;

	for (unsigned int i = 0; i < FRAME_BATCH; i++) {
		make(i, 0, 1, 100);
		bytes[i][23] = proto;
		put_be32(bytes[i] + 26, 0x0a00020f);
	}
	while (done < n)
		done += input(FRAME_BATCH);
	return done;
}

static unsigned long run_guarded_tcp(unsigned long n)
{
	return run_guarded(n, 6);
}

static unsigned long run_guarded_udp(unsigned long n)
{
	return run_guarded(n, 17);
}

/* As a TAP that is asked for each frame's answer gives them. */
static unsigned long run_single(unsigned long n)
{
	make(0, 0, 1, 100);
	for (unsigned long i = 0; i < n; i++)
		input(1);
	return n;
}

/* Each frame to another host of @hosts. */
static unsigned long spread(unsigned long n, uint32_t first, uint32_t hosts)
{
	unsigned long done = 0;
	uint32_t to = 0;

	while (done < n) {
		for (unsigned int i = 0; i < FRAME_BATCH; i++) {
			make(i, 0, first + to, 100);
			to = (to + 4999) % hosts;
		}
		done += input(FRAME_BATCH);
	}
	return done;
}

static unsigned long run_few(unsigned long n)
{
	return spread(n, 1, FEW - 1);
}

static unsigned long run_ports(unsigned long n)
{
	return spread(n, 1, PORTS - 1);
}

static unsigned long run_fdb(unsigned long n)
{
	return spread(n, PORTS, BIG - PORTS);
}

/* Broadcast; a unit is a copy delivered. */
static unsigned long run_flood(unsigned long n)
{
	unsigned long before = cpu_sunk;

	for (unsigned int i = 0; i < FRAME_BATCH; i++) {
		make(i, 0, 1, 100);
		memset(bytes[i], 0xff, 6);
	}
	while (cpu_sunk - before < n)
		input(FRAME_BATCH);
	return cpu_sunk - before;
}

/* 64 KiB of TCP to a port that takes no offload: segments of 1448 with checksums. */
static unsigned long run_segment(unsigned long n)
{
	unsigned long before = cpu_sunk;
	struct frame *f = &frame[0];

	make(0, 0, 1, 65000);
	bytes[0][23] = 6;
	bytes[0][14 + 20 + 12] = 5 << 4;
	f->off = (struct offload){
		.needs_csum = true, .gso_type = GSO_TCP4, .gso_size = 1448,
		.hdr_len = 54, .csum_start = 34, .csum_offset = 16,
	};
	while (cpu_sunk - before < n)
		input(1);
	return cpu_sunk - before;
}

const struct cpu_case cpu_switch_cases[] = {
	{"switch: known unicast, batches of 64", "frame", open_two, run_unicast,
	 close_switch, 6400},
	{"switch: UDP of guests where we serve", "frame", open_served,
	 run_unicast, close_switch, 6400},
	{"switch: TCP of a guest at guard ip", "frame", open_guarded,
	 run_guarded_tcp, close_switch, 6400},
	{"switch: UDP of a guest at guard ip", "frame", open_guarded,
	 run_guarded_udp, close_switch, 6400},
	{"switch: known unicast, one at a time", "frame", open_two, run_single,
	 close_switch, 2000},
	{"switch: to 7 ports in turn", "frame", open_few, run_few, close_switch,
	 6400},
	{"switch: to 255 ports in turn", "frame", open_many, run_ports,
	 close_switch, 6400},
	{"switch: FDB of 100 000, 255 ports", "frame", open_big, run_fdb,
	 close_switch, 6400},
	{"switch: flood to 255 ports", "copy", open_many, run_flood,
	 close_switch, 20000},
	{"switch: segmented in software", "segment", open_plain, run_segment,
	 close_switch, 900},
	{"switch: segmented, not summed", "segment", open_csum, run_segment,
	 close_switch, 900},
	{NULL},
};
