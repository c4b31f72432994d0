// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_tcp tcp_peer */
/* SACK (RFC 2018, RFC 6675): as sender, as receiver, and what it is worth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "nat/tcp_int.h"
#include "tests/fake/tcp_peer.h"

#define MSS 1460u

static int setup(void **state)
{
	struct fake_tcp *r = malloc(sizeof(*r));

	fake_tcp_init(r);
	fake_tcp_start(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	fake_tcp_stop(*state);
	free(*state);
	return 0;
}

static struct fake_conn open_sack(struct fake_tcp *r)
{
	struct fake_conn c = fake_conn_make(r, 1);

	c.sack_ok = true;
	fake_conn_begin(&c);
	return c;
}

static struct tcp_flow *flow_of(const struct fake_conn *c)
{
	struct tcp_key k = {c->me, c->peer};
	struct tcp_flow *f = tcp_find(c->r->t, &k);

	assert_non_null(f);
	return f;
}

static struct tcp_stats stats(const struct fake_tcp *r)
{
	struct tcp_stats s;

	tcp_stats(r->t, &s);
	return s;
}

/* An ACK of @c's with blocks: offsets from @base, pairs, until one is empty. */
static void send_blocks(struct fake_conn *c, uint32_t base, const uint32_t *at)
{
	struct fake_seg s = {
		.src = c->me, .dst = c->peer, .nic_id = 7, .seq = c->seq,
		.ack = c->ack, .flags = F_ACK, .wnd = c->wnd, .wscale = -1,
	};

	for (; at[1]; at += 2, s.nsack++) {
		s.sack[s.nsack][0] = base + at[0];
		s.sack[s.nsack][1] = base + at[1];
	}
	fake_tcp_put(c->r, &s, SIZE_MAX, 1);
	fake_tcp_settle(c->r);
}

#define BLOCKS(...) ((const uint32_t[]){__VA_ARGS__, 0, 0})

/* The host sends @n segments, which the guest does not answer yet. */
static uint32_t flight(struct fake_conn *c, unsigned int n)
{
	uint8_t *p = calloc(n, MSS);

	for (size_t i = 0; i < n * (size_t)MSS; i++)
		p[i] = (uint8_t)(i * 7);
	fake_sock_push(c->s, p, n * (size_t)MSS);
	free(p);
	fake_tcp_clear(c->r);
	return c->ack;
}

/* What was sent since the last clear is [@from, @to) of @base. */
static void assert_sent(const struct fake_tcp *r, uint32_t base, uint32_t from,
			uint32_t to)
{
	for (unsigned int i = 0; i < r->n; i++) {
		if (!r->out[i].len)
			continue;
		assert_int_equal(r->out[i].seq - base, from);
		for (size_t k = 0; k < r->out[i].len; k++)
			assert_int_equal(r->out[i].data[k],
					 (uint8_t)((from + k) * 7));
		from += (uint32_t)r->out[i].len;
	}
	assert_int_equal(from, to);
}

/* ---- offer -------------------------------------------------------------------- */

static void open__sack__only_if_both_know_it(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn a = fake_conn_make(r, 1), b = fake_conn_make(r, 2);

	a.sack_ok = true;
	fake_conn_syn(&a);
	fake_sock_connected(r->sock[0], 0);
	assert_true(fake_tcp_last(r)->sack_ok);
	fake_conn_syn(&b);
	fake_sock_connected(r->sock[1], 0);
	assert_false(fake_tcp_last(r)->sack_ok);
	assert_false(flow_of(&b)->sack_ok);
}

/* ---- we send -------------------------------------------------------------------- */

static void sender__segment_lost__only_that_again(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);
	uint32_t base = flight(&c, 40);

	c.ack += 10 * MSS;
	send_blocks(&c, base, BLOCKS(11 * MSS, 40 * MSS));
	assert_sent(r, base, 10 * MSS, 11 * MSS);
	assert_int_equal(stats(r).fast_rexmits, 1);
	fake_tcp_clear(r);
	c.ack = base + 40 * MSS;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->n, 0);
	assert_false(flow_of(&c)->recovery);
	assert_null(flow_of(&c)->sacks);
	fake_tcp_wait(r, 1000);
	assert_int_equal(stats(r).timeouts, 0);
}

static void sender__many_gaps__all_in_one_round(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);
	uint32_t base = flight(&c, 40), want[] = {0, 8, 16, 24};
	unsigned int k = 0;

	send_blocks(&c, base, BLOCKS(1 * MSS, 8 * MSS, 9 * MSS, 16 * MSS,
				     17 * MSS, 24 * MSS, 25 * MSS, 40 * MSS));
	for (unsigned int i = 0; i < r->n; i++) {
		if (!r->out[i].len)
			continue;
		assert_int_equal(r->out[i].seq, base + want[k++] * MSS);
		assert_int_equal(r->out[i].len, MSS);
	}
	assert_int_equal(k, 4);
	fake_tcp_clear(r);
	send_blocks(&c, base, BLOCKS(1 * MSS, 8 * MSS)); /* nothing new */
	assert_int_equal(r->n, 0);
}

static void sender__little_above_a_gap__waits_for_three(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);
	uint32_t base = flight(&c, 40);

	send_blocks(&c, base, BLOCKS(1 * MSS, 2 * MSS)); /* reordered? */
	send_blocks(&c, base, BLOCKS(1 * MSS, 3 * MSS));
	send_blocks(&c, base, BLOCKS(1 * MSS, 3 * MSS)); /* not new */
	assert_int_equal(stats(r).rexmits, 0);
	send_blocks(&c, base, BLOCKS(1 * MSS, 4 * MSS));
	assert_sent(r, base, 0, MSS);
}

/* RFC 6675: cwnd is half of what was under way; more follows as the guest says what it
 * got, new bytes when there are no gaps. */
static void sender__recovery__no_more_under_way_than_cwnd(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);
	uint32_t base = flight(&c, 40);
	struct tcp_flow *f = flow_of(&c);

	send_blocks(&c, base, BLOCKS(20 * MSS, 23 * MSS)); /* 20 are lost */
	assert_int_equal(f->cwnd, 20 * MSS);
	/* 17 are under way: three may go. */
	assert_sent(r, base, 0, 3 * MSS);
	assert_int_equal(tcp_sack_flight(f), 20 * MSS);
	fake_tcp_clear(r);
	send_blocks(&c, base, BLOCKS(20 * MSS, 25 * MSS));
	assert_sent(r, base, 3 * MSS, 5 * MSS);
	assert_int_equal(tcp_sack_flight(f), 20 * MSS);
}

static void sender__recovery__new_bytes_when_no_gap_is_left(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);
	struct tcp_flow *f = flow_of(&c);
	uint32_t base;

	f->cwnd = 20 * MSS;
	base = flight(&c, 40); /* 20 wait in the socket */
	assert_int_equal(f->snd_max, base + 20 * MSS);
	send_blocks(&c, base, BLOCKS(1 * MSS, 14 * MSS));
	/* 6 under way, 10 allowed. */
	assert_int_equal(r->out[0].seq, base);
	assert_int_equal(r->out[0].len, MSS);
	assert_int_equal(r->out[1].seq, base + 20 * MSS);
	assert_int_equal(r->out[1].len, 3 * MSS);
	assert_int_equal(tcp_sack_flight(f), f->cwnd);
}

static void sender__blocks_that_cannot_be__ignored(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);
	uint32_t base = flight(&c, 40);

	c.ack += 10 * MSS;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_tcp_clear(r);
	send_blocks(&c, base, BLOCKS(5 * MSS, 9 * MSS)); /* acknowledged: D-SACK */
	send_blocks(&c, base, BLOCKS(5 * MSS, 15 * MSS));
	send_blocks(&c, base, BLOCKS(10 * MSS, 15 * MSS)); /* no gap before it */
	send_blocks(&c, base, BLOCKS(39 * MSS, 41 * MSS)); /* never sent */
	send_blocks(&c, base, BLOCKS(30 * MSS, 20 * MSS));
	send_blocks(&c, base, BLOCKS(0x80000000u + 20 * MSS, 30 * MSS));
	assert_null(flow_of(&c)->sacks);
	assert_int_equal(r->n, 0);
}

/* RFC 2018 8: a guest may throw away what it said it had. */
static void sender__guest_reneges__all_sent_again(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);
	uint32_t base = flight(&c, 40);

	send_blocks(&c, base, BLOCKS(1 * MSS, 40 * MSS));
	fake_tcp_clear(r);
	c.ack = base + 1 * MSS; /* it has the first, and not the others? */
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_null(flow_of(&c)->sacks);
	for (int i = 0; i < 20 && c.ack != base + 40 * MSS; i++) {
		fake_tcp_wait(r, 300);
		fake_conn_ack_all(&c);
	}
	assert_int_equal(c.ack, base + 40 * MSS);
}

static void sender__timeout__goes_over_what_the_guest_then_says(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);
	uint32_t base = flight(&c, 10);

	fake_tcp_wait(r, 210);
	assert_sent(r, base, 0, MSS); /* cwnd is one segment */
	fake_tcp_clear(r);
	c.ack += MSS;
	send_blocks(&c, base, BLOCKS(2 * MSS, 9 * MSS)); /* it has nearly all */
	/* Two segments may go: what the guest has is not among them. */
	assert_int_equal(r->n, 2);
	assert_int_equal(r->out[0].seq, base + 1 * MSS);
	assert_int_equal(r->out[0].len, MSS);
	assert_int_equal(r->out[1].seq, base + 9 * MSS);
	assert_int_equal(r->out[1].len, MSS);
}

/* The last segment is lost, too: nothing behind it tells. */
static void sender__end_lost_too__sent_again_without_a_timeout(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);
	uint32_t base = flight(&c, 40);

	send_blocks(&c, base, BLOCKS(1 * MSS, 39 * MSS));
	assert_int_equal(r->n, 2);
	assert_int_equal(r->out[0].seq, base);
	assert_int_equal(r->out[1].seq, base + 39 * MSS);
	fake_tcp_clear(r);
	c.ack = base + 40 * MSS;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_tcp_wait(r, 1000);
	assert_int_equal(stats(r).timeouts, 0);
}

/* ---- we receive ------------------------------------------------------------------ */

/* The guest sends [@from, @to) of its stream, whose bytes are their numbers. */
static void guest_bytes(struct fake_conn *c, uint32_t from, uint32_t to)
{
	static uint8_t b[65536];
	struct fake_conn at = *c;

	at.seq += from;
	for (uint32_t i = from; i < to; i++)
		b[i - from] = (uint8_t)(i * 13);
	fake_conn_send(&at, F_ACK, b, to - from);
}

static void assert_host_has(const struct fake_conn *c, size_t n)
{
	assert_int_equal(c->s->out_len, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(c->s->out[i], (uint8_t)(i * 13));
}

static void assert_blocks(const struct fake_conn *c, const uint32_t *at)
{
	const struct fake_seg *s = fake_tcp_last(c->r);
	unsigned int n = 0;

	for (; at[1]; at += 2, n++) {
		assert_true(n < s->nsack);
		assert_int_equal(s->sack[n][0] - c->seq, at[0]);
		assert_int_equal(s->sack[n][1] - c->seq, at[1]);
	}
	assert_int_equal(s->nsack, n);
}

static void receiver__gap__kept_told_and_taken(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);

	guest_bytes(&c, 1000, 2000);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq);
	assert_blocks(&c, BLOCKS(1000, 2000));
	guest_bytes(&c, 40000, 60000); /* over blocks of memory */
	assert_blocks(&c, BLOCKS(40000, 60000, 1000, 2000));
	guest_bytes(&c, 2000, 3000);
	assert_blocks(&c, BLOCKS(1000, 3000, 40000, 60000));
	assert_host_has(&c, 0);
	guest_bytes(&c, 0, 1000);
	assert_host_has(&c, 3000);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 3000);
	assert_blocks(&c, BLOCKS(40000, 60000));
	guest_bytes(&c, 3000, 41000); /* more than the gap */
	assert_host_has(&c, 60000);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 60000);
	assert_int_equal(fake_tcp_last(r)->nsack, 0);
	assert_null(flow_of(&c)->hold);
	assert_int_equal(r->t->held_blocks, 0);
}

static void receiver__more_ranges_than_fit__the_latest_are_told(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);

	for (uint32_t i = 1; i <= 6; i++)
		guest_bytes(&c, i * 1000, i * 1000 + 500);
	assert_blocks(&c, BLOCKS(6000, 6500, 5000, 5500, 4000, 4500, 3000,
				 3500));
	guest_bytes(&c, 1000, 1500); /* again */
	assert_blocks(&c, BLOCKS(1000, 1500, 6000, 6500, 5000, 5500, 4000,
				 4500));
}

/* All in one turn: more ACKs than one, as if each segment had got its own. */
static void receiver__many_gaps_in_a_turn__each_range_told(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);
	struct fake_seg s = {.src = c.me, .dst = c.peer, .nic_id = 7,
			     .ack = c.ack, .flags = F_ACK, .wnd = FAKE_WND,
			     .wscale = -1, .data = (uint8_t *)"x", .len = 1};
	unsigned int told = 0;

	for (uint32_t i = 1; i <= 10; i++) {
		s.seq = c.seq + i * 10;
		fake_tcp_put(r, &s, SIZE_MAX, 1);
	}
	fake_tcp_settle(r);
	assert_int_equal(r->n, 3);
	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int k = 0; k < r->out[i].nsack; k++)
			told |= 1u << (r->out[i].sack[k][0] - c.seq) / 10;
	assert_int_equal(told, 0x7fe);
	assert_int_equal(r->out[2].sack[0][0], c.seq + 100); /* the latest */
}

static void receiver__timestamps__three_blocks(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 1);

	c.sack_ok = c.ts = true;
	fake_conn_begin(&c);
	for (uint32_t i = 1; i <= 6; i++)
		guest_bytes(&c, i * 1000, i * 1000 + 500);
	assert_true(fake_tcp_last(r)->ts);
	assert_blocks(&c, BLOCKS(6000, 6500, 5000, 5500, 4000, 4500));
}

static void receiver__guest_without_sack__kept_and_not_told(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	guest_bytes(&c, 1000, 2000);
	assert_int_equal(fake_tcp_last(r)->nsack, 0);
	assert_int_equal(r->n, 2); /* a duplicate for each */
	guest_bytes(&c, 0, 1000);
	assert_host_has(&c, 2000);
}

static void receiver__data_of_ours__a_bare_ack_tells(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);

	fake_conn_ack_all(&c);
	flow_of(&c)->rd_ready = true;
	fake_sock_push(c.s, "x", 1);
	fake_tcp_clear(r);
	guest_bytes(&c, 1000, 2000);
	fake_sock_push(c.s, "answer", 6);
	for (unsigned int i = 0; i < r->n; i++)
		assert_true(!r->out[i].len || !r->out[i].nsack);
	assert_true(r->out[0].nsack || r->out[1].nsack);
}

static void receiver__beyond_the_window__not_kept(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);
	uint32_t told = flow_of(&c)->rcv_told - c.seq;

	guest_bytes(&c, told - 100, told + 100);
	assert_blocks(&c, BLOCKS(told - 100, told));
	assert_int_equal(stats(r).not_kept, 100);
}

static void receiver__no_memory_for_more__dropped_and_said_truly(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);

	guest_bytes(&c, 1000, 2000);
	r->t->held_blocks += TCP_HOLD_MAX; /* others have it all */
	guest_bytes(&c, 60000, 100000);
	assert_blocks(&c, BLOCKS(1000, 2000));
	assert_true(stats(r).not_kept >= 30000);
	r->t->held_blocks -= TCP_HOLD_MAX;
	guest_bytes(&c, 0, 60000);
	assert_host_has(&c, 60000);
}

static void receiver__a_nics_share__is_all_it_gets(void **state)
{
	struct fake_tcp *r = *state;
	struct flow_nic *nic;

	for (uint16_t port = 1; port <= 6; port++) {
		struct fake_conn c = fake_conn_make(r, port);

		c.sack_ok = true;
		fake_conn_begin(&c);
		guest_bytes(&c, 0, 1);
		for (uint32_t at = 2; at < 960000; at += 60000)
			guest_bytes(&c, at, at + 60000);
		fake_tcp_clear(r);
	}
	nic = flow_nic_find(&r->flows, 7);
	assert_int_equal(nic->tcp_held, TCP_HOLD_NIC_MAX);
	assert_int_equal(r->t->held_blocks, TCP_HOLD_NIC_MAX);
	tcp_nic_gone(r->t, 7);
	assert_int_equal(r->t->held_blocks, 0);
}

/* What the socket refused of a promise waits with what follows it. */
static void receiver__socket_full__all_goes_on_in_order(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r);

	c.s->room = 1500;
	guest_bytes(&c, 0, 2000);
	guest_bytes(&c, 2000, 4000);
	guest_bytes(&c, 5000, 6000);
	assert_host_has(&c, 1500);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 1500);
	assert_int_equal(fake_tcp_last(r)->wnd, 0);
	assert_blocks(&c, BLOCKS(5000, 6000)); /* what waits is no block */
	fake_sock_room(c.s, 1 << 20);
	assert_host_has(&c, 4000);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 4000);
	assert_true(fake_tcp_last(r)->wnd > 0);
	guest_bytes(&c, 4000, 5000);
	assert_host_has(&c, 6000);
}

static void receiver__fin_beyond_a_gap__both_ends_close(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_sack(r), end = c;

	fake_sock_eof(c.s); /* ours is acknowledged already */
	fake_conn_ack_all(&c);
	end.ack = c.ack;
	end.seq += 100;
	fake_conn_send(&end, F_FIN | F_ACK, NULL, 0);
	assert_false(c.s->shut_wr);
	guest_bytes(&c, 0, 100);
	assert_host_has(&c, 100);
	assert_true(c.s->shut_wr);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 101);
	assert_int_equal(stats(r).time_wait, 1);
}

/* ---- what it is worth -------------------------------------------------------------- */

enum how { WITH_SACK, WITHOUT, NOTHING_KEPT };

struct worth {
	int64_t ms;
	uint64_t again; /* bytes sent more than once */
};

/* 1 MiB one way over a wire of 10 ms each way that loses @n packets of the second
 * window, each @step-th. */
static struct worth transfer(bool up, enum how how, bool segment, uint32_t n,
			     uint32_t step)
{
	enum { N = 1 << 20 };
	struct worth w = {0};
	struct fake_tcp *r = calloc(1, sizeof(*r));
	struct tcp_peer *p = calloc(1, sizeof(*p));
	struct tcp_wire *wire = up ? &p->from_guest : &p->to_guest;
	uint8_t *bytes = calloc(1, N);
	struct fake_sock *s = NULL;

	for (size_t i = 0; i < N; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	fake_tcp_init(r);
	fake_tcp_start(r);
	tcp_peer_init(p, r, 40000, up ? 1 : N);
	p->ts = true;
	p->segment = segment;
	p->sack = how == WITH_SACK;
	if (how == NOTHING_KEPT)
		r->t->held_blocks = TCP_HOLD_MAX;
	p->to_guest.delay_ms = p->from_guest.delay_ms = 10;
	wire->lose_at = segment ? 100 : 4;
	wire->lose_step = step;
	wire->lose_n = n;
	if (up) {
		p->tx = bytes;
		p->tx_len = N;
	}
	tcp_peer_connect(p);
	while (up ? !s || s->out_len < N : p->rx_len < N) {
		tcp_peer_step(p);
		w.ms++;
		if (r->nsock && !s) {
			s = r->sock[0];
			fake_sock_connected(s, 0);
		}
		if (!up && p->open && !s->in_len)
			fake_sock_push(s, bytes, N);
		if (w.ms > 20000)
			break;
	}
	assert_memory_equal(up ? s->out : p->rx, bytes, N);
	assert_int_equal(wire->lose_n, 0);
	w.again = up ? p->resent : p->sent_to - N;
	r->t->held_blocks = 0;
	tcp_peer_fini(p);
	fake_tcp_stop(r);
	free(bytes);
	free(p);
	free(r);
	return w;
}

/* With SACK: what was lost is sent again and not more, and sooner. docs/nat.md has the
 * numbers. */
static void compare(bool up, bool segment, uint32_t n, uint32_t step)
{
	struct worth none = transfer(up, WITH_SACK, segment, 0, 0);
	struct worth with = transfer(up, WITH_SACK, segment, n, step);
	struct worth without = transfer(up, WITHOUT, segment, n, step);
	struct worth bare = transfer(up, NOTHING_KEPT, segment, n, step);

	print_message("%s, %u %s lost, each %u.: +%d ms, %u KiB again; without "
		      "SACK +%d ms, %u KiB; nothing kept +%d ms, %u KiB\n",
		      up ? "up" : "down", n, segment ? "segments" : "frames",
		      step, (int)(with.ms - none.ms),
		      (unsigned int)with.again >> 10,
		      (int)(without.ms - none.ms),
		      (unsigned int)without.again >> 10,
		      (int)(bare.ms - none.ms), (unsigned int)bare.again >> 10);
	assert_true(with.ms <= without.ms && without.ms <= bare.ms);
	assert_true(with.again <= without.again && without.again <= bare.again);
	if (segment) /* with the options that the peer does not count */
		assert_true(with.again <= n * MSS);
}

static void worth__loss_to_the_guest__sooner_and_less_again(void **state)
{
	(void)state;
	compare(false, true, 1, 1);
	compare(false, true, 8, 7);
	compare(false, true, 30, 2);
	compare(false, true, 30, 1);
	compare(false, false, 1, 1);
	compare(false, false, 2, 2);
}

static void worth__loss_from_the_guest__sooner_and_less_again(void **state)
{
	(void)state;
	compare(true, true, 1, 1);
	compare(true, true, 8, 7);
	compare(true, true, 30, 2);
	compare(true, true, 30, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(open__sack__only_if_both_know_it),
		T(sender__segment_lost__only_that_again),
		T(sender__many_gaps__all_in_one_round),
		T(sender__little_above_a_gap__waits_for_three),
		T(sender__recovery__no_more_under_way_than_cwnd),
		T(sender__recovery__new_bytes_when_no_gap_is_left),
		T(sender__blocks_that_cannot_be__ignored),
		T(sender__guest_reneges__all_sent_again),
		T(sender__timeout__goes_over_what_the_guest_then_says),
		T(sender__end_lost_too__sent_again_without_a_timeout),
		T(receiver__gap__kept_told_and_taken),
		T(receiver__more_ranges_than_fit__the_latest_are_told),
		T(receiver__many_gaps_in_a_turn__each_range_told),
		T(receiver__timestamps__three_blocks),
		T(receiver__guest_without_sack__kept_and_not_told),
		T(receiver__data_of_ours__a_bare_ack_tells),
		T(receiver__beyond_the_window__not_kept),
		T(receiver__no_memory_for_more__dropped_and_said_truly),
		T(receiver__a_nics_share__is_all_it_gets),
		T(receiver__socket_full__all_goes_on_in_order),
		T(receiver__fin_beyond_a_gap__both_ends_close),
		cmocka_unit_test(
			worth__loss_to_the_guest__sooner_and_less_again),
		cmocka_unit_test(
			worth__loss_from_the_guest__sooner_and_less_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
