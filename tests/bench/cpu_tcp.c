// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections through the gateway, between a guest that does what it must and host
 * sockets that always take and have bytes. See cpu.h. */
#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "tests/bench/cpu.h"
#include "tests/bench/cpu_nat.h"

enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };

#define L4 (ETH_HDR_LEN + IP4_HDR)

/* The one connection that is under test. */
static struct {
	struct tcp_flow *flow;
	uint16_t port;
	uint32_t seq, ack; /* the guest's */
	bool ts;	   /* it has timestamps, as Linux has */
	uint32_t tsval, tsecr;
	size_t give;	   /* bytes that the next peek() has */
	bool over;	   /* … or the stream's end */
} c;

static uint8_t bytes[FRAME_MAX];
static struct frame frame;

/* ---- the host's sockets ---------------------------------------------------------- */

static int op_connect(void *host, struct tcp_flow *f,
		      const struct tcp_call *call, void **sock)
{
	(void)host;
	(void)call;
	c.flow = f;
	*sock = &c;
	return 0;
}

static ssize_t op_send(void *sock, const struct iovec *v, int n)
{
	size_t len = 0;

	(void)sock;
	for (int i = 0; i < n; i++)
		len += v[i].iov_len;
	return (ssize_t)len;
}

static ssize_t op_peek(void *sock, size_t off, const struct iovec *v, int n)
{
	size_t len = c.give;

	(void)sock;
	(void)off;
	(void)n;
	if (!len)
		return c.over ? 0 : -EAGAIN;
	if (len > v->iov_len)
		len = v->iov_len;
	c.give -= len;
	return (ssize_t)len;
}

static int op_discard(void *sock, size_t len)
{
	(void)sock;
	(void)len;
	return 0;
}

static size_t op_space(void *sock)
{
	(void)sock;
	return 4 << 20;
}

static size_t op_limit(void *sock)
{
	(void)sock;
	return SIZE_MAX;
}

static void op_shutdown(void *sock)
{
	(void)sock;
}

static void op_close(void *sock, bool reset)
{
	(void)sock;
	(void)reset;
}

static bool op_local(void *sock, struct endpoint *out)
{
	(void)sock;
	(void)out;
	return false;
}

const struct tcp_host_ops cpu_tcp_host = {
	.connect = op_connect, .send = op_send, .peek = op_peek,
	.discard = op_discard, .space = op_space, .peek_limit = op_limit,
	.shutdown_wr = op_shutdown, .close = op_close, .local = op_local,
};

/* ---- the guest -------------------------------------------------------------------- */

static void segment(uint8_t flags, size_t len)
{
	uint8_t *t = bytes + L4;
	size_t hlen = TCP_HDR;

	memset(t, 0, TCP_HDR + 20);
	put_be16(t, c.port);
	put_be16(t + 2, 80);
	put_be32(t + 4, c.seq);
	put_be32(t + 8, flags & ACK ? c.ack : 0);
	t[13] = flags;
	put_be16(t + 14, 0xffff);
	if (flags & SYN) {
		memcpy(t + TCP_HDR, "\2\4\x05\xb4\1\3\3\x08", 8);
		hlen += 8;
	}
	if (c.ts) {
		put_be32(t + hlen, 0x0101080a);
		put_be32(t + hlen + 4, c.tsval++);
		put_be32(t + hlen + 8, c.tsecr);
		hlen += 12;
	}
	t[12] = (uint8_t)(hlen << 2);
	cpu_nat_headers(bytes, IP4_TCP, hlen + len);
	frame_init(&frame, bytes, L4 + hlen + len);
	frame.off = (struct offload){
		.needs_csum = true, .csum_start = L4, .csum_offset = 16,
		.gso_type = len > 1460 ? GSO_TCP4 : GSO_NONE,
		.gso_size = len > 1460 ? 1460 : 0,
	};
	c.seq += (uint32_t)len + !!(flags & (SYN | FIN));
	cpu_nat_in(&frame, 1);
}

/* Acknowledge all that was sent to it, which ended with the last segment. */
static void take(void)
{
	const uint8_t *t = cpu_last + L4;

	c.ack = get_be32(t + 4) + !!(t[13] & (SYN | FIN)) + cpu_last_len -
		L4 - (uint32_t)(t[12] >> 4 << 2);
	if (c.ts)
		c.tsecr = get_be32(t + TCP_HDR + 4);
}

static void connect_it(uint16_t port)
{
	c.port = port;
	c.seq = 1000;
	c.over = false;
	c.give = 0;
	segment(SYN, 0);
	cpu_on();
	tcp_host_connected(c.flow, 0, cpu_now);
	gateway_flush(cpu_gw, cpu_now);
	cpu_off();
	CPU_MUST(cpu_last[L4 + 13] == (SYN | ACK));
	take();
	segment(ACK, 0);
}

static void readable(void)
{
	cpu_on();
	tcp_host_readable(c.flow, cpu_now);
	gateway_flush(cpu_gw, cpu_now);
	cpu_off();
}

/* ---- cases ------------------------------------------------------------------------ */

static void open_one(void)
{
	c.ts = false;
	cpu_nat_open();
	connect_it(1024);
}

static void open_ts(void)
{
	c.ts = true;
	cpu_nat_open();
	connect_it(1024);
}

static void open_many(void)
{
	c.ts = false;
	cpu_nat_open();
	for (unsigned int i = 0; i < CPU_FLOWS; i++) {
		cpu_now++; /* nobody opens them all at once */
		connect_it((uint16_t)(1024 + i));
	}
}

/* Segments out, each acknowledged. */
static unsigned long out(unsigned long n, size_t len)
{
	for (unsigned long i = 0; i < n; i++)
		segment(ACK | PSH, len);
	CPU_MUST(get_be32(cpu_last + L4 + 8) == c.seq);
	return n;
}

static unsigned long run_out(unsigned long n)
{
	return out(n, 1460);
}

static unsigned long run_out_ts(unsigned long n)
{
	return out(n, 1448);
}

static unsigned long run_out_big(unsigned long n)
{
	return out(n, 64240);
}

/* Segments in, each acknowledged by the guest. */
static unsigned long in(unsigned long n, size_t len)
{
	for (unsigned long i = 0; i < n; i++) {
		c.give = len;
		readable();
		CPU_MUST(cpu_last_len == L4 + TCP_HDR + c.ts * 12u + len);
		take();
		segment(ACK, 0);
	}
	return n;
}

static unsigned long run_in(unsigned long n)
{
	return in(n, 1460);
}

static unsigned long run_in_ts(unsigned long n)
{
	return in(n, 1448);
}

static unsigned long run_in_big(unsigned long n)
{
	return in(n, 64240);
}

/* Connect, and both sides close: the guest first. */
static unsigned long run_connect(unsigned long n)
{
	static uint16_t port = 2000;

	for (unsigned long i = 0; i < n; i++) {
		port = port < 60000 ? (uint16_t)(port + 1) : 2000;
		connect_it(port);
		segment(FIN | ACK, 0);
		c.over = true;
		readable();
		CPU_MUST(cpu_last[L4 + 13] == (FIN | ACK));
		take();
		segment(ACK, 0);
	}
	return n;
}

const struct cpu_case cpu_tcp_cases[] = {
	{"nat: TCP segment of 1460 out", "segment", open_one, run_out,
	 cpu_nat_close, 2000},
	{"nat: TCP segment of 64 KiB out", "segment", open_one, run_out_big,
	 cpu_nat_close, 2000},
	{"nat: TCP segment of 64 KiB out, 50 000 flows", "segment", open_many,
	 run_out_big, cpu_nat_close, 2000},
	{"nat: TCP segment of 1460 in", "segment", open_one, run_in,
	 cpu_nat_close, 2000},
	{"nat: TCP segment of 64 KiB in", "segment", open_one, run_in_big,
	 cpu_nat_close, 2000},
	{"nat: TCP segment of 1448 out, timestamps", "segment", open_ts,
	 run_out_ts, cpu_nat_close, 2000},
	{"nat: TCP segment of 1448 in, timestamps", "segment", open_ts,
	 run_in_ts, cpu_nat_close, 2000},
	{"nat: TCP connect and close", "connection", open_one, run_connect,
	 cpu_nat_close, 1000},
	{NULL},
};
