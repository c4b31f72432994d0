// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_tcp tcp_peer */
/* Whole transfers against an emulated guest over bad wires; every byte is compared. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake/tcp_peer.h"

#define MIB (1 << 20)

struct run {
	struct fake_tcp r;
	struct tcp_peer p;
	uint8_t *up, *down; /* what the guest, the host sends */
	size_t up_len, down_len;
	size_t host_reads; /* bytes a millisecond; 0 = at once */
	size_t host_sends; /* bytes a millisecond; 0 = at once */
	size_t down_at;
	int64_t began_ms;
};

static uint8_t *random_bytes(struct run *x, size_t n)
{
	uint8_t *p = malloc(n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)tcp_peer_rnd(&x->p, 256);
	return p;
}

static struct run *run_new(size_t up, size_t down)
{
	struct run *x = calloc(1, sizeof(*x));

	fake_tcp_init(&x->r);
	fake_tcp_start(&x->r);
	tcp_peer_init(&x->p, &x->r, 40000, down);
	x->up = random_bytes(x, up);
	x->down = random_bytes(x, down);
	x->up_len = up;
	x->down_len = down;
	x->p.tx = x->up;
	x->p.tx_len = up;
	x->p.tx_fin = true;
	return x;
}

static struct tcp_stats stats(struct run *x)
{
	struct tcp_stats s;

	tcp_stats(x->r.t, &s);
	return s;
}

static void run_free(struct run *x)
{
	tcp_peer_fini(&x->p);
	fake_tcp_stop(&x->r);
	free(x->up);
	free(x->down);
	free(x);
}

static void host_turn(struct run *x)
{
	struct fake_sock *s = x->r.nsock ? x->r.sock[0] : NULL;
	size_t n;

	if (!s || s->closed)
		return;
	if (s->connecting)
		fake_sock_connected(s, 0);
	n = x->host_sends ? x->host_sends : x->down_len;
	if (n > x->down_len - x->down_at)
		n = x->down_len - x->down_at;
	if (n)
		fake_sock_push(s, x->down + x->down_at, n);
	x->down_at += n;
	if (x->down_at == x->down_len && !s->in_eof)
		fake_sock_eof(s);
	if (s->closed)
		return;
	n = s->room + x->host_reads;
	fake_sock_room(s, x->host_reads && n < x->r.room ? n : x->r.room);
}

/* Both ways to the end, within @max_ms; all bytes the same; returns the time. */
static int64_t transfer(struct run *x, int64_t max_ms)
{
	int64_t start = x->r.now_ms;
	struct fake_sock *s;

	tcp_peer_connect(&x->p);
	while (!(x->p.rcvd_fin && x->p.fin_acked)) {
		tcp_peer_step(&x->p);
		host_turn(x);
		assert_false(x->p.was_reset);
		if (x->r.now_ms - start >= max_ms)
			fail_msg("too slow: guest has %zu of %zu, host %zu of %zu",
				 x->p.rx_len, x->down_len,
				 x->r.nsock ? x->r.sock[0]->out_len : 0,
				 x->up_len);
	}
	max_ms = x->r.now_ms - start;
	s = x->r.sock[0];
	assert_int_equal(x->p.rx_len, x->down_len);
	assert_memory_equal(x->p.rx, x->down, x->down_len);
	assert_int_equal(s->out_len, x->up_len);
	if (x->up_len)
		assert_memory_equal(s->out, x->up, x->up_len);
	assert_true(s->shut_wr);
	for (int i = 0; i < TCP_TIME_WAIT_MS + 5000; i++)
		tcp_peer_step(&x->p);
	assert_true(s->closed);
	assert_false(s->was_reset);
	assert_int_equal(stats(x).flows, 0);
	return max_ms;
}

static void bad_wire(struct tcp_wire *w)
{
	w->loss = 30;
	w->dup = 20;
	w->late = 50;
	w->late_ms = 4;
	w->delay_ms = 1;
}

static void transfer__perfect_wire__fast_and_no_repetition(void **state)
{
	struct run *x = run_new(MIB, MIB);
	int64_t ms;

	(void)state;
	x->p.ts = true;
	x->p.gso_out = true;
	ms = transfer(x, 2000);
	assert_true(ms < 200);
	assert_int_equal(stats(x).rexmits, 0);
	assert_int_equal(stats(x).held_bytes, 0);
	assert_int_equal(x->p.resends, 0);
	/* Large segments: few of them. */
	assert_true(stats(x).segs_out < 400);
	run_free(x);
}

static void transfer__bad_wire_to_guest__all_bytes(void **state)
{
	struct run *x = run_new(1000, MIB);

	(void)state;
	bad_wire(&x->p.to_guest);
	x->p.segment = true;
	transfer(x, 120000);
	assert_true(stats(x).rexmits > 10);
	assert_true(stats(x).fast_rexmits > 0);
	run_free(x);
}

static void transfer__bad_wire_from_guest__all_bytes(void **state)
{
	struct run *x = run_new(MIB, 1000);

	(void)state;
	bad_wire(&x->p.from_guest);
	transfer(x, 120000);
	assert_true(stats(x).out_of_order > 0);
	run_free(x);
}

static void transfer__bad_both_ways__all_bytes(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct run *x = run_new(MIB / 4, MIB);

		bad_wire(&x->p.to_guest);
		bad_wire(&x->p.from_guest);
		x->p.segment = seed & 1;
		x->p.gso_out = seed & 2;
		x->p.no_late_fin = seed & 4;
		x->p.ts = seed & 1;
		x->p.sack = seed & 2;
		x->p.rng += seed * 0x9e3779b97f4a7c15ull;
		transfer(x, 300000);
		run_free(x);
	}
}

/* Between the peer and what it hears: is it cut for IPv6's header? */
struct mss_check {
	void (*on_out)(void *arg, const struct fake_seg *s);
	void *arg;
	size_t largest;
};

static void mss_on_out(void *arg, const struct fake_seg *s)
{
	struct mss_check *c = arg;
	size_t piece = s->gso ? s->gso : s->len;

	if (s->flags & F_SYN)
		assert_int_equal(s->mss, 1440);
	if (piece > c->largest)
		c->largest = piece;
	c->on_out(c->arg, s);
}

static void transfer__ipv6_on_a_bad_wire__all_bytes_in_its_mss(void **state)
{
	struct run *x = run_new(MIB / 4, MIB);
	struct mss_check c = {x->r.on_out, x->r.on_out_arg, 0};

	(void)state;
	assert_int_equal(ipaddr_parse("fd00:1::15", &x->p.me.ip), 0);
	assert_int_equal(ipaddr_parse("2001:db8::1", &x->p.remote.ip), 0);
	x->r.on_out = mss_on_out;
	x->r.on_out_arg = &c;
	bad_wire(&x->p.to_guest);
	bad_wire(&x->p.from_guest);
	x->p.segment = true;
	transfer(x, 300000);
	assert_int_equal(c.largest, 1440);
	run_free(x);
}

static void transfer__whole_64k_frames_lost__recovers(void **state)
{
	struct run *x = run_new(1000, 4 * MIB);

	(void)state;
	x->p.to_guest.loss = 50;
	x->p.to_guest.delay_ms = 1;
	transfer(x, 60000);
	run_free(x);
}

static void transfer__bursts_lost__recovers(void **state)
{
	struct run *x = run_new(MIB, MIB);

	(void)state;
	x->p.segment = true;
	x->p.to_guest = (struct tcp_wire){.loss = 3, .burst = 20, .delay_ms = 1};
	x->p.from_guest = x->p.to_guest;
	transfer(x, 120000);
	run_free(x);
}

static void transfer__slow_guest__window_does_it(void **state)
{
	struct run *x = run_new(1000, MIB);

	(void)state;
	x->p.rcv_cap = 32768;
	x->p.read_per_ms = 500;
	transfer(x, 30000);
	assert_true(stats(x).rexmits <= 2);
	assert_int_equal(stats(x).timeouts, 0);
	run_free(x);
}

static void transfer__slow_host__window_does_it(void **state)
{
	struct run *x = run_new(MIB, 1000);

	(void)state;
	x->r.room = 40000;
	x->host_reads = 500;
	x->p.gso_out = true;
	transfer(x, 30000);
	/* Nearly everything that the guest sends is taken at the first time. */
	assert_true(stats(x).held_bytes < MIB / 10);
	assert_int_equal(stats(x).not_kept, 0);
	run_free(x);
}

static void transfer__slow_both_on_bad_wire__all_bytes(void **state)
{
	struct run *x = run_new(MIB / 4, MIB / 4);

	(void)state;
	bad_wire(&x->p.to_guest);
	bad_wire(&x->p.from_guest);
	x->p.rcv_cap = 20000;
	x->p.read_per_ms = 300;
	x->p.segment = true;
	x->r.room = 20000;
	x->host_reads = 300;
	x->host_sends = 700;
	transfer(x, 300000);
	run_free(x);
}

static void transfer__no_scaling__all_bytes(void **state)
{
	struct run *x = run_new(MIB, MIB);

	(void)state;
	x->p.wscale = -1;
	x->p.rcv_cap = 65535;
	transfer(x, 60000);
	assert_int_equal(stats(x).rexmits, 0);
	run_free(x);
}

static void transfer__bounded_peek__all_bytes(void **state)
{
	struct run *x = run_new(1000, MIB);

	(void)state;
	x->r.peek_limit = 65536;
	bad_wire(&x->p.to_guest);
	bad_wire(&x->p.from_guest);
	x->p.segment = true;
	transfer(x, 120000);
	run_free(x);
}

static void transfer__tiny_pieces_of_everything__all_bytes(void **state)
{
	struct run *x = run_new(20000, 20000);

	(void)state;
	x->p.mss = 100;
	x->p.rcv_cap = 700;
	x->p.read_per_ms = 50;
	x->r.room = 700;
	x->r.peek_max = 33;
	x->host_reads = 50;
	x->host_sends = 77;
	transfer(x, 300000);
	run_free(x);
}

static void transfer__emit_often_full__all_bytes(void **state)
{
	struct run *x = run_new(1000, MIB);
	int64_t start;

	(void)state;
	tcp_peer_connect(&x->p);
	start = x->r.now_ms;
	while (!(x->p.rcvd_fin && x->p.fin_acked)) {
		x->r.full_after = x->r.emitted + 1 +
				  tcp_peer_rnd(&x->p, 3);
		tcp_peer_step(&x->p);
		host_turn(x);
		assert_true(x->r.now_ms - start < 60000);
	}
	assert_memory_equal(x->p.rx, x->down, x->down_len);
	assert_true(stats(x).no_room > 0);
	assert_int_equal(stats(x).rexmits, 0);
	run_free(x);
}

static void forward__bad_wire__all_bytes(void **state)
{
	struct run *x = run_new(MIB / 4, MIB / 4);
	struct tcp_accept a = {
		.sock = fake_sock_accepted(&x->r),
		.guest = x->p.me,
		.shown = endpoint4(0xc0a80177, 5000),
		.nic_id = 7,
		.forward_id = 3,
	};
	int64_t start = x->r.now_ms;

	(void)state;
	x->p.ts = true;
	bad_wire(&x->p.to_guest);
	bad_wire(&x->p.from_guest);
	assert_int_equal(tcp_accept(x->r.t, &a, x->r.now_ms), 0);
	fake_tcp_settle(&x->r);
	while (!(x->p.rcvd_fin && x->p.fin_acked)) {
		tcp_peer_step(&x->p);
		host_turn(x);
		assert_false(x->p.was_reset);
		assert_true(x->r.now_ms - start < 120000);
	}
	assert_memory_equal(x->p.rx, x->down, x->down_len);
	assert_memory_equal(x->r.sock[0]->out, x->up, x->up_len);
	run_free(x);
}

static void restart__flows_forgotten__guest_is_reset_at_once(void **state)
{
	struct run *x = run_new(MIB, 4 * MIB);
	int i;

	(void)state;
	tcp_peer_connect(&x->p);
	x->host_sends = 1000;
	for (i = 0; i < 300; i++) {
		tcp_peer_step(&x->p);
		host_turn(x);
	}
	tcp_free(x->r.t); /* the process went away, a new one has no flows */
	flow_tab_fini(&x->r.flows);
	x->r.t = NULL;
	fake_tcp_start(&x->r);
	x->p.ack_now = true; /* any packet will do */
	for (i = 0; i < 10 && !x->p.was_reset; i++)
		tcp_peer_step(&x->p);
	assert_true(x->p.was_reset);
	run_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			transfer__perfect_wire__fast_and_no_repetition),
		cmocka_unit_test(transfer__bad_wire_to_guest__all_bytes),
		cmocka_unit_test(transfer__bad_wire_from_guest__all_bytes),
		cmocka_unit_test(transfer__bad_both_ways__all_bytes),
		cmocka_unit_test(
			transfer__ipv6_on_a_bad_wire__all_bytes_in_its_mss),
		cmocka_unit_test(transfer__whole_64k_frames_lost__recovers),
		cmocka_unit_test(transfer__bursts_lost__recovers),
		cmocka_unit_test(transfer__slow_guest__window_does_it),
		cmocka_unit_test(transfer__slow_host__window_does_it),
		cmocka_unit_test(transfer__slow_both_on_bad_wire__all_bytes),
		cmocka_unit_test(transfer__no_scaling__all_bytes),
		cmocka_unit_test(transfer__bounded_peek__all_bytes),
		cmocka_unit_test(
			transfer__tiny_pieces_of_everything__all_bytes),
		cmocka_unit_test(transfer__emit_often_full__all_bytes),
		cmocka_unit_test(forward__bad_wire__all_bytes),
		cmocka_unit_test(
			restart__flows_forgotten__guest_is_reset_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
