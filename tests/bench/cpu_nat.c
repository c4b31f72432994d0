// SPDX-License-Identifier: GPL-2.0-or-later
/* Datagrams through the gateway; the host's sockets take and give whatever. See cpu.h. */
#include "tests/bench/cpu_nat.h"

#include <string.h>

#include "lib/bytes.h"
#include "switch/gro.h"
#include "nat/iov.h"
#include "tests/bench/cpu.h"

#define BATCH 32
#define SIZE  64
#define TRAIN 44 /* datagrams of 1472 bytes, sent together */

struct gateway *cpu_gw;
int64_t cpu_now = 1000;
unsigned long cpu_out;
uint8_t cpu_last[128];
uint32_t cpu_last_len;

static unsigned long sent;
static struct udp_map *map; /* the last one that got a socket */
static uint8_t bytes[BATCH][1600];
static struct frame frame[BATCH];

static void to_guest(void *arg, const struct frame *f, unsigned int n)
{
	(void)arg;
	cpu_out += n;
	f += n - 1;
	cpu_last_len = f->len;
	memcpy(cpu_last, f->seg[0].iov_base,
	       f->seg[0].iov_len < 128 ? f->seg[0].iov_len : 128);
}

static int udp_open(void *arg, struct udp_map *m, uint16_t want)
{
	(void)arg;
	m->host_port = want;
	map = m;
	return 0;
}

static int udp_send(void *arg, struct udp_map *m, const struct udp_send *s)
{
	(void)arg;
	(void)m;
	sent += s->gso ? (iov_len(s->v, s->n) + s->gso - 1) / s->gso : 1;
	return 0;
}

static void udp_close(void *arg, struct udp_map *m)
{
	(void)arg;
	(void)m;
}

static const struct udp_host udp_ops = {
	.open = udp_open, .send = udp_send, .close = udp_close,
};

/* Nobody pings or asks names here. */
static const struct icmp_host icmp_ops;
static const struct dns_host dns_ops;
static const struct forward_host forward_ops;

static void kick(void *arg)
{
	(void)arg;
}

void cpu_nat_headers(uint8_t *p, uint8_t proto, size_t len)
{
	struct ip4 ip = {
		.src = CPU_GUEST, .dst = CPU_FAR, .proto = proto, .ttl = 64,
		.df = true, .len = (uint16_t)(IP4_HDR + len),
	};

	memcpy(p, "\x52\x55\x0a\0\2\2\x52\x54\0\0\0\1\x08\0", ETH_HDR_LEN);
	ip4_build(p + ETH_HDR_LEN, &ip);
}

void cpu_nat_in(const struct frame *f, unsigned int n)
{
	cpu_on();
	gateway_hold(cpu_gw);
	for (unsigned int i = 0; i < n; i++)
		gateway_input(cpu_gw, &f[i], 7, cpu_now);
	gateway_flush(cpu_gw, cpu_now);
	cpu_off();
}

/* A datagram from the guest's @port. */
static void make(unsigned int i, uint16_t port)
{
	uint8_t *p = bytes[i], *udp = p + ETH_HDR_LEN + IP4_HDR;

	cpu_nat_headers(p, IP4_UDP, UDP_HDR + SIZE);
	udp_header(udp, port, 4000, SIZE);
	frame_init(&frame[i], p, ETH_HDR_LEN + IP4_HDR + UDP_HDR + SIZE);
	frame[i].off = (struct offload){
		.needs_csum = true, .csum_start = 34, .csum_offset = 6,
	};
}

void cpu_nat_open(void)
{
	struct nat_config cfg = {
		.mac = {{0x52, 0x55, 0x0a, 0, 2, 2}}, .ip = 0x0a000202,
		.dns_ip = 0x0a000203, .net = {0x0a000200, 24}, .mtu = 1500,
		.nat = true, .udp_filter = NAT_FILTER_ADDR_PORT,
		.limits = {.udp = CPU_FLOWS + 1, .tcp = CPU_FLOWS + 1},
		.icmp_raw_fd = -1,
	};
	struct gateway_env env = {
		.send = to_guest, .udp = &udp_ops, .icmp = &icmp_ops,
		.dns = &dns_ops, .forward = &forward_ops, .tcp = &cpu_tcp_host,
		.kick = kick, .seed = {1, 2},
	};

	CPU_MUST(!gateway_new(&cfg, &env, cpu_now, &cpu_gw, NULL));
	make(0, 1024);
	cpu_nat_in(frame, 1); /* the guest's address is known now */
}

void cpu_nat_close(void)
{
	gateway_free(cpu_gw);
}

static void open_many(void)
{
	cpu_nat_open();
	for (unsigned int i = 0; i < CPU_FLOWS; i++) {
		make(0, (uint16_t)(1024 + i));
		cpu_nat_in(frame, 1);
	}
	CPU_MUST(cpu_gw->flows.total[FLOW_UDP] == CPU_FLOWS);
}

static unsigned long out(unsigned long n, unsigned int ports)
{
	unsigned long was = sent;
	unsigned int port = 0;

	while (sent - was < n) {
		for (unsigned int i = 0; i < BATCH; i++) {
			make(i, (uint16_t)(1024 + port));
			port = (port + 4999) % ports;
		}
		cpu_nat_in(frame, BATCH);
	}
	return sent - was;
}

static unsigned long run_out(unsigned long n)
{
	return out(n, 1);
}

static unsigned long run_out_many(unsigned long n)
{
	return out(n, CPU_FLOWS);
}

/* One flow's, put together as the gateway's port does. */
static unsigned long run_train(unsigned long n)
{
	const struct frame *p[BATCH];
	unsigned long was = sent;

	for (unsigned int i = 0; i < BATCH; i++) {
		make(i, 1024);
		p[i] = &frame[i];
	}
	while (sent - was < n) {
		cpu_on();
		gateway_hold(cpu_gw);
		for (unsigned int i = 0, k; i < BATCH; i += k) {
			uint8_t hdr[FRAME_HDR];
			struct frame big;

			k = gro_udp(p + i, BATCH - i, &big, hdr);
			gateway_input(cpu_gw, k > 1 ? &big : p[i], 7, cpu_now);
		}
		gateway_flush(cpu_gw, cpu_now);
		cpu_off();
	}
	return sent - was;
}

static unsigned long run_in(unsigned long n)
{
	static const uint8_t data[SIZE];
	struct udp_recv r = {
		.from = {ipaddr_from4(CPU_FAR), 4000}, .ttl = 60,
		.data = data, .len = sizeof(data),
	};
	unsigned long was = cpu_out;

	while (cpu_out - was < n) {
		cpu_on();
		for (int i = 0; i < BATCH; i++)
			udp_host_input(&cpu_gw->udp, map, &r, cpu_now);
		gateway_flush(cpu_gw, cpu_now);
		cpu_off();
	}
	return cpu_out - was;
}

/* What came as one goes as one. */
static unsigned long run_in_train(unsigned long n)
{
	static const uint8_t data[TRAIN * 1472];
	struct udp_recv r = {
		.from = {ipaddr_from4(CPU_FAR), 4000}, .ttl = 60,
		.data = data, .len = sizeof(data), .gso = 1472,
	};
	unsigned long was = cpu_out;

	while (cpu_out - was < n) {
		cpu_on();
		for (int i = 0; i < 4; i++)
			udp_host_input(&cpu_gw->udp, map, &r, cpu_now);
		gateway_flush(cpu_gw, cpu_now);
		cpu_off();
	}
	return cpu_out - was;
}

const struct cpu_case cpu_nat_cases[] = {
	{"nat: UDP datagram out", "datagram", cpu_nat_open, run_out,
	 cpu_nat_close, 3200},
	{"nat: UDP datagram out, put together", "datagram", cpu_nat_open,
	 run_train, cpu_nat_close, 3200},
	{"nat: UDP datagram out, 50 000 flows", "datagram", open_many,
	 run_out_many, cpu_nat_close, 3200},
	{"nat: UDP datagram in", "datagram", cpu_nat_open, run_in,
	 cpu_nat_close, 3200},
	{"nat: UDP datagrams in, 44 as one", "buffer", cpu_nat_open,
	 run_in_train, cpu_nat_close, 400},
	{NULL},
};
