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
#include "lib/compat.h"
#include "lib/csum.h"
#include "nat/ip4.h"
#include "nat/nat.h"
#include "switch/drivers.h"
#include "switch/vhost_msg.h"
#include "tests/fake/vhost_guest.h"

#define GW    0x0a000202u
#define GUEST 0x0a00020fu
#define NRX   128 /* of each ring */
#define BUF   4096 /* what Linux makes available while much comes in */
#define TOTAL (4u << 20)
#define BIT(n) (1ull << (n))

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

/* A download of the guest's. */
struct conn {
	int fd; /* the host's end; -1: not yet */
	size_t written; /* by the host */
	uint16_t port; /* the guest's */
	unsigned int rx, tx; /* rings: frames come on rx, as it sends on tx */
	uint32_t seq, ack;
	bool open;
	size_t got; /* by the guest */
};

struct fix {
	struct event_base *base;
	struct vswitch *sw;
	struct nat *nat;
	struct driver *d;
	struct vhost_guest g;
	int listen;
	uint16_t port;
	struct conn c[2];
	unsigned int nc; /* how many of those there are */
	bool ts;
	uint32_t slow; /* rings that the guest does not look at, as bits */
	unsigned int sent;
};

/* What the port says when it is asked to lend. */
static unsigned int lent;
static const struct port_ops *ops;

static int count_lend(struct port *p, uint32_t flow, size_t *len,
		      struct iovec *v)
{
	int n = ops->lend(p, flow, len, v);

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

	x->listen = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			   0);
	assert_int_equal(bind(x->listen, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(x->listen, 2), 0);
	assert_int_equal(getsockname(x->listen, (struct sockaddr *)&a, &len), 0);
	x->port = ntohs(a.sin_port);
}

/* Bytes are told apart by the guest's port. */
static uint8_t byte_of(const struct conn *c, size_t i)
{
	return (uint8_t)(byte_at(i) + c->port);
}

static void host_accept(struct fix *x)
{
	struct conn *c = x->c;

	while (c < x->c + x->nc && c->fd >= 0)
		c++;
	if (c < x->c + x->nc)
		c->fd = accept4(x->listen, NULL, NULL,
				SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void host_send(struct conn *c)
{
	static uint8_t b[256 * 1024];
	size_t n = min_sz(TOTAL - c->written, sizeof(b));
	ssize_t r;

	if (c->fd < 0 || !n)
		return;
	for (size_t i = 0; i < n; i++)
		b[i] = byte_of(c, c->written + i);
	r = send(c->fd, b, n, MSG_NOSIGNAL);
	c->written += r > 0 ? (size_t)r : 0;
}

static void host_turn(struct fix *x)
{
	host_accept(x);
	for (unsigned int i = 0; i < x->nc; i++)
		host_send(&x->c[i]);
}

/* ---- the guest ---------------------------------------------------------------------- */

static size_t buf_at(unsigned int q, uint32_t i)
{
	return (4u << 20) + ((size_t)q / 2 * NRX + i) * BUF;
}

static uint8_t *buf(struct fix *x, unsigned int q, uint32_t i)
{
	return x->g.mem + buf_at(q, i);
}

static void give_buf(struct fix *x, unsigned int q, uint32_t i)
{
	vg_desc(&x->g, q, i, VG_GPA + buf_at(q, i), BUF, 2, 0);
	vg_avail(&x->g, q, (uint16_t)i);
}

static void send_tcp(struct fix *x, struct conn *c, uint8_t flags)
{
	static const uint8_t syn_opts[8] = {2, 4, 5, 0xb4, 1, 3, 3, 7};
	static const uint8_t ts[12] = {1, 1, 8, 10, 0, 0, 0, 1};
	uint8_t b[100] = {0}, *t = b + 34;
	size_t len = 20;
	uint32_t head, n;
	struct ip4 h = {.src = GUEST, .dst = GW, .proto = 6, .ttl = 64,
			.df = true};

	while (vg_used(&x->g, c->tx, &head, &n))
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
	put_be16(t, c->port);
	put_be16(t + 2, x->port);
	put_be32(t + 4, c->seq);
	put_be32(t + 8, c->ack);
	t[12] = (uint8_t)(len / 4 << 4);
	t[13] = flags;
	put_be16(t + 14, 0xffff);
	/* left to be finished */
	put_be16(t + 16,
		 csum_fold(csum_pseudo4(GUEST, GW, 6, (uint32_t)len)));
	vg_send_frame_on(&x->g, c->tx, x->sent++ % VG_NUM, b, 34 + len);
}

/* A frame lies in @n buffers from @head on; its bytes in one piece. */
static size_t take_frame(struct fix *x, unsigned int q, uint32_t head,
			 uint32_t len, uint8_t *out)
{
	unsigned int n = buf(x, q, head)[10];
	size_t at = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (i)
			assert_true(vg_used(&x->g, q, &head, &len));
		memcpy(out + at, buf(x, q, head), len);
		at += len;
		memset(buf(x, q, head), 0xee, BUF);
		give_buf(x, q, head);
	}
	return at;
}

static struct conn *conn_of(struct fix *x, uint16_t port)
{
	for (unsigned int i = 0; i < x->nc; i++)
		if (x->c[i].port == port)
			return &x->c[i];
	fail_msg("port %d", port);
	return NULL;
}

/* A frame came on ring @q. Returns whose it is when that has something to acknowledge. */
static struct conn *judge(struct fix *x, unsigned int q, const uint8_t *f,
			  size_t len)
{
	const uint8_t *t = f + 12 + 34;
	size_t at = 12 + 34 + (size_t)(t[12] >> 4) * 4;
	struct conn *c;

	if (get_be16(f + 24) != 0x800)
		return NULL;
	assert_int_equal(f[12 + 14 + 9], 6);
	assert_int_equal(get_be16(f + 12 + 16), len - 12 - 14);
	assert_false(t[13] & RST);
	c = conn_of(x, get_be16(t + 2));
	assert_int_equal(q, c->rx);
	if (t[13] & SYN) {
		c->ack = get_be32(t + 4) + 1;
		c->seq++;
		c->open = true;
		return c;
	}
	if (get_be32(t + 4) != c->ack)
		return at < len ? c : NULL;
	assert_int_equal(t[12] >> 4, x->ts ? 8 : 5);
	c->ack += (uint32_t)(len - at);
	for (size_t i = at; i < len; i++)
		if (f[i] != byte_of(c, c->got + i - at))
			fail_msg("byte %zu", c->got + i - at);
	c->got += len - at;
	return at < len ? c : NULL;
}

static void guest_ring(struct fix *x, unsigned int q)
{
	struct conn *due[2] = {NULL, NULL}, *c;
	static uint8_t f[70000];
	uint32_t head, len;
	bool any = false;

	while (vg_used(&x->g, q, &head, &len)) {
		size_t n = take_frame(x, q, head, len, f);

		any = true;
		c = judge(x, q, f, n);
		if (c)
			due[c - x->c] = c;
	}
	if (any)
		vg_kick(&x->g, q);
	for (int i = 0; i < 2; i++)
		if (due[i])
			send_tcp(x, due[i], ACK);
}

static void guest_turn(struct fix *x)
{
	for (unsigned int q = 0; q < VG_RINGS; q += 2)
		if (!(x->slow >> q & 1))
			guest_ring(x, q);
}

/* ---- both --------------------------------------------------------------------------- */

static void open_all(struct fix *x)
{
	static struct port_ops counting;
	struct driver_vhost_conf conf = {.queues = (uint16_t)x->nc};
	struct port_spec spec = {.name = "vm-0", .role = PORT_GUEST, .nic_id = 7};
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
	if (!p)
		abort();
	ops = p->ops;
	counting = *ops;
	counting.lend = count_lend;
	p->ops = &counting;
	lent = 0;
	for (unsigned int q = 0; q < VG_RINGS; q += 2)
		x->g.q[q].num = NRX;
	vg_start(&x->g, BIT(VHOST_F_VERSION_1) | BIT(VHOST_F_MRG_RXBUF) |
				BIT(VHOST_F_GUEST_CSUM) |
				BIT(VHOST_F_GUEST_TSO4) | BIT(VHOST_F_CSUM) |
				(x->nc > 1 ? BIT(VHOST_F_MQ) : 0));
	for (int i = 0; i < 10; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
	for (unsigned int q = 0; q < 2 * x->nc; q += 2) {
		for (uint32_t i = 0; i < NRX; i++)
			give_buf(x, q, i);
		vg_kick(&x->g, q);
	}
}

/* As many connections as pairs of rings; each has its own. */
static int setup_conns(void **state, unsigned int n)
{
	struct fix *x = calloc(1, sizeof(*x));

	x->nc = n;
	for (unsigned int i = 0; i < 2; i++)
		x->c[i] = (struct conn){
			.fd = -1, .port = (uint16_t)(40000 + i), .rx = 2 * i,
			.tx = 2 * i + 1, .seq = 1000,
		};
	host_open(x);
	open_all(x);
	*state = x;
	return 0;
}

static int setup(void **state)
{
	return setup_conns(state, 1);
}

static int setup_two(void **state)
{
	return setup_conns(state, 2);
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
	for (unsigned int i = 0; i < 2; i++)
		if (x->c[i].fd >= 0)
			close(x->c[i].fd);
	free(x);
	return 0;
}

static void turn(struct fix *x)
{
	event_base_loop(x->base, EVLOOP_NONBLOCK);
	guest_turn(x);
	host_turn(x);
}

/* One after the other, so that it is known who is who. */
static void call(struct fix *x)
{
	for (unsigned int i = 0; i < x->nc; i++) {
		send_tcp(x, &x->c[i], SYN);
		for (int k = 0; k < 100000 && x->c[i].fd < 0; k++)
			turn(x);
		assert_true(x->c[i].fd >= 0);
	}
}

/* Until @c has all. */
static void finish(struct fix *x, struct conn *c)
{
	for (int i = 0; i < 2000000 && c->got < TOTAL; i++)
		turn(x);
	assert_int_equal(c->got, TOTAL);
}

static void transfer(struct fix *x)
{
	call(x);
	for (unsigned int i = 0; i < x->nc; i++)
		finish(x, &x->c[i]);
	/* Nearly all of it: only the first part is copied. */
	assert_true(lent > x->nc * (TOTAL / 65536 / 4 * 3));
}

static void expect_no_loss(struct fix *x)
{
	struct port_stats s;

	driver_stats(x->d, &s);
	assert_int_equal(s.drops[DROP_FULL], 0);
	assert_int_equal(s.drops[DROP_ERROR], 0);
	assert_int_equal(s.drops[DROP_NO_PEER], 0);
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

/* Two flows, each on the ring beside the one that it is acknowledged on (judge()). */
static void bulk__two_pairs_of_rings__each_flow_in_its_own(void **state)
{
	struct fix *x = *state;

	transfer(x);
	expect_no_loss(x);
}

/* A guest that does not look at one of its rings for a while: the host's end of that
 * connection waits, the other one's does not, nothing is lost, and no timer has to go off
 * before all goes on. */
static void bulk__one_ring_is_full__its_flow_waits_and_goes_on(void **state)
{
	struct fix *x = *state;
	struct conn *a = &x->c[0], *b = &x->c[1];
	size_t had;

	call(x);
	for (int i = 0; i < 2000000 && a->got < TOTAL / 8; i++)
		turn(x);
	x->slow = 1u << a->rx;
	had = a->got;
	finish(x, b);
	assert_int_equal(a->got, had);
	expect_no_loss(x);
	x->slow = 0;
	/* More than the ring had. */
	for (int i = 0; i < 500 && a->got < had + 2 * NRX * BUF; i++)
		turn(x);
	assert_true(a->got >= had + 2 * NRX * BUF);
	finish(x, a);
	expect_no_loss(x);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define T2(f) cmocka_unit_test_setup_teardown(f, setup_two, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bulk__host_to_guest__lies_in_its_memory),
		T(bulk__with_timestamps__lies_in_its_memory),
		T2(bulk__two_pairs_of_rings__each_flow_in_its_own),
		T2(bulk__one_ring_is_full__its_flow_waits_and_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
