// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_io switch_core vhost_guest */
/*
 * From a socket of the host into a vhost-user guest's memory: gateway, switch and port as
 * they are, a listener on the host's loopback, and the fake guest, which speaks just
 * enough TCP.
 */
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "nat/ip4.h"
#include "nat/nat.h"
#include "switch/drivers.h"
#include "switch/vhost_msg.h"
#include "tests/fake/vhost_guest.h"

#define GW    0x0a000202u
#define GUEST 0x0a00020fu
#define NRX   128
#define BUF   4096 /* what Linux makes available while much comes in */
#define TOTAL (4u << 20)
#define BIT(n) (1ull << (n))

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

struct fix {
	struct event_base *base;
	struct vswitch *sw;
	struct nat *nat;
	struct driver *d;
	struct vhost_guest g;
	int listen, conn;
	uint16_t port;
	size_t written; /* by the host */
	uint32_t seq, ack;
	bool ts, open;
	size_t got; /* by the guest */
	unsigned int sent;
};

/* What the port says when it is asked to lend. */
static unsigned int lent;
static const struct port_ops *ops;

static int count_lend(struct port *p, size_t *len, struct iovec *v)
{
	int n = ops->lend(p, len, v);

	lent += n > 0;
	return n;
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + (i >> 8));
}

/* ---- the host ----------------------------------------------------------------------- */

static void host_open(struct fix *x)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	x->conn = -1;
	x->listen = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			   0);
	assert_int_equal(bind(x->listen, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(x->listen, 1), 0);
	assert_int_equal(getsockname(x->listen, (struct sockaddr *)&a, &len), 0);
	x->port = ntohs(a.sin_port);
}

static void host_turn(struct fix *x)
{
	static uint8_t b[256 * 1024];
	size_t n = TOTAL - x->written < sizeof(b) ? TOTAL - x->written
						  : sizeof(b);
	ssize_t r;

	if (x->conn < 0)
		x->conn = accept4(x->listen, NULL, NULL,
				  SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (x->conn < 0 || !n)
		return;
	for (size_t i = 0; i < n; i++)
		b[i] = byte_at(x->written + i);
	r = send(x->conn, b, n, MSG_NOSIGNAL);
	x->written += r > 0 ? (size_t)r : 0;
}

/* ---- the guest ---------------------------------------------------------------------- */

static uint8_t *buf(struct fix *x, uint32_t i)
{
	return x->g.mem + (4u << 20) + (size_t)i * BUF;
}

static void give_buf(struct fix *x, uint32_t i)
{
	vg_desc(&x->g, VG_RX, i, VG_GPA + (4u << 20) + (uint64_t)i * BUF, BUF,
		2, 0);
	vg_avail(&x->g, VG_RX, (uint16_t)i);
}

static void send_tcp(struct fix *x, uint8_t flags)
{
	static const uint8_t syn_opts[8] = {2, 4, 5, 0xb4, 1, 3, 3, 7};
	static const uint8_t ts[12] = {1, 1, 8, 10, 0, 0, 0, 1};
	uint8_t b[100] = {0}, *t = b + 34;
	size_t len = 20;
	uint32_t head, n;
	struct ip4 h = {.src = GUEST, .dst = GW, .proto = 6, .ttl = 64,
			.df = true};

	while (vg_used(&x->g, VG_TX, &head, &n))
		;
	if (flags & SYN) {
		memcpy(t + len, syn_opts, 8);
		len += 8;
	}
	if (x->ts) {
		memcpy(t + len, ts, 12);
		len += 12;
	}
	h.len = (uint16_t)(20 + len);
	memcpy(b, "\x52\x55\x0a\0\2\2\x52\x54\0\0\0\1\x08\0", 14);
	ip4_build(b + 14, &h);
	put_be16(t, 40000);
	put_be16(t + 2, x->port);
	put_be32(t + 4, x->seq);
	put_be32(t + 8, x->ack);
	t[12] = (uint8_t)(len / 4 << 4);
	t[13] = flags;
	put_be16(t + 14, 0xffff);
	/* left to be finished */
	put_be16(t + 16,
		 csum_fold(csum_pseudo4(GUEST, GW, 6, (uint32_t)len)));
	vg_send_frame(&x->g, x->sent++ % VG_NUM, b, 34 + len);
}

/* A frame lies in @n buffers from @head on; its bytes in one piece. */
static size_t take_frame(struct fix *x, uint32_t head, uint32_t len,
			 uint8_t *out)
{
	unsigned int n = buf(x, head)[10];
	size_t at = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (i)
			assert_true(vg_used(&x->g, VG_RX, &head, &len));
		memcpy(out + at, buf(x, head), len);
		at += len;
		memset(buf(x, head), 0xee, BUF);
		give_buf(x, head);
	}
	return at;
}

/* Returns true when there was something to acknowledge. */
static bool judge(struct fix *x, const uint8_t *f, size_t len)
{
	const uint8_t *t = f + 12 + 34;
	size_t at = 12 + 34 + (size_t)(t[12] >> 4) * 4;

	if (get_be16(f + 24) != 0x800)
		return false;
	assert_int_equal(f[12 + 14 + 9], 6);
	assert_int_equal(get_be16(f + 12 + 16), len - 12 - 14);
	assert_false(t[13] & RST);
	if (t[13] & SYN) {
		x->ack = get_be32(t + 4) + 1;
		x->seq++;
		x->open = true;
		return true;
	}
	if (get_be32(t + 4) != x->ack)
		return at < len;
	assert_int_equal(t[12] >> 4, x->ts ? 8 : 5);
	x->ack += (uint32_t)(len - at);
	for (size_t i = at; i < len; i++)
		if (f[i] != byte_at(x->got + i - at))
			fail_msg("byte %zu", x->got + i - at);
	x->got += len - at;
	return at < len;
}

static void guest_turn(struct fix *x)
{
	static uint8_t f[70000];
	uint32_t head, len;
	bool any = false, data = false;

	while (vg_used(&x->g, VG_RX, &head, &len)) {
		size_t n = take_frame(x, head, len, f);

		any = true;
		data |= judge(x, f, n);
	}
	if (any)
		vg_kick(&x->g, VG_RX);
	if (data)
		send_tcp(x, ACK);
}

/* ---- both --------------------------------------------------------------------------- */

static void open_all(struct fix *x)
{
	static struct port_ops counting;
	struct driver_vhost_conf conf = {.queues = 1};
	struct port_spec spec = {"vm-0", PORT_GUEST, 7, 0};
	struct vswitch_config cfg = {.seed = {1, 2}};
	struct nat_config nc = {
		.mac = {"\x52\x55\x0a\0\2\2"}, .ip = GW, .dns_ip = GW + 1,
		.net = {0x0a000200, 24}, .mtu = 1500, .nat = true,
		.host_access = NAT_HOST_LOOPBACK, .icmp_raw_fd = -1,
	};
	struct event_config *ec = event_config_new();
	struct driver_ctx ctx;
	struct port *p = NULL;
	int backend;

	event_config_require_features(ec, EV_FEATURE_ET);
	x->base = event_base_new_with_config(ec);
	event_config_free(ec);
	x->sw = vswitch_new(&cfg);
	assert_int_equal(nat_new(x->base, x->sw, &nc, &x->nat, NULL), 0);
	ctx = (struct driver_ctx){x->base, x->sw, NULL};
	vg_init(&x->g, &backend);
	assert_int_equal(driver_vhost(&ctx, &spec, &conf, -1, backend, &x->d,
				      NULL), 0);
	while ((p = vswitch_port_next(x->sw, p)) && p->nic_id != 7)
		;
	ops = p->ops;
	counting = *ops;
	counting.lend = count_lend;
	p->ops = &counting;
	lent = 0;
	x->g.q[VG_RX].num = NRX;
	vg_start(&x->g, BIT(VHOST_F_VERSION_1) | BIT(VHOST_F_MRG_RXBUF) |
				BIT(VHOST_F_GUEST_CSUM) |
				BIT(VHOST_F_GUEST_TSO4) | BIT(VHOST_F_CSUM));
	for (int i = 0; i < 10; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
	for (uint32_t i = 0; i < NRX; i++)
		give_buf(x, i);
	vg_kick(&x->g, VG_RX);
}

static int setup(void **state)
{
	struct fix *x = calloc(1, sizeof(*x));

	x->seq = 1000;
	host_open(x);
	open_all(x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	nat_free(x->nat);
	driver_free(x->d);
	vswitch_free(x->sw);
	event_base_free(x->base);
	vg_fini(&x->g);
	close(x->listen);
	if (x->conn >= 0)
		close(x->conn);
	free(x);
	return 0;
}

static void transfer(struct fix *x)
{
	send_tcp(x, SYN);
	for (int i = 0; i < 2000000 && x->got < TOTAL; i++) {
		event_base_loop(x->base, EVLOOP_NONBLOCK);
		guest_turn(x);
		host_turn(x);
	}
	assert_int_equal(x->got, TOTAL);
	/* Nearly all of it: the first part is copied, and so is what is little. */
	assert_true(lent > TOTAL / 65536 / 2);
}

static void bulk__host_to_guest__lies_in_its_memory(void **state)
{
	transfer(*state);
}

/* The TCP header is longer: known before there is one. */
static void bulk__with_timestamps__lies_in_its_memory(void **state)
{
	struct fix *x = *state;

	x->ts = true;
	transfer(x);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bulk__host_to_guest__lies_in_its_memory),
		T(bulk__with_timestamps__lies_in_its_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
