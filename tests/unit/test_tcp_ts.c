// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_tcp */
/* Timestamps (RFC 7323): offered, echoed, judged by, measured with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nat/tcp_int.h"
#include "tests/fake/fake_tcp.h"

#define DAY_MS (24ll * 3600 * 1000)

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

/* A connection with timestamps, the guest's at @tsval. */
static struct fake_conn open_ts(struct fake_tcp *r, uint32_t tsval)
{
	struct fake_conn c = fake_conn_make(r, 1);

	c.ts = true;
	c.tsval = tsval;
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

/* What the host got from the guest since the last call. */
static void assert_host_got(struct fake_sock *s, const char *what)
{
	assert_int_equal(s->out_len - s->out_checked, strlen(what));
	if (*what)
		assert_memory_equal(s->out + s->out_checked, what, strlen(what));
	s->out_checked = s->out_len;
}

/* ---- offer ------------------------------------------------------------------ */

static void open__timestamps_offered__in_every_segment(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 1);
	const struct fake_seg *s;

	c.ts = true;
	c.tsval = 77;
	fake_conn_syn(&c);
	c.s = r->sock[0];
	fake_sock_connected(c.s, 0);
	s = fake_tcp_last(r);
	assert_int_equal(s->flags, F_SYN | F_ACK);
	assert_true(s->ts);
	assert_int_equal(s->tsecr, 77);
	c.seq++;
	c.ack = s->seq + 1;
	c.tsval = 78;
	c.tsecr = s->tsval;
	fake_conn_data(&c, "hello", 5); /* an ACK */
	fake_sock_push(c.s, "answer", 6); /* data */
	fake_tcp_wait(r, 200); /* again */
	fake_conn_ack_all(&c);
	fake_sock_eof(c.s); /* FIN */
	fake_tcp_wait(r, 50);
	tcp_host_abort(flow_of(&c), r->now_ms); /* RST */
	assert_true(fake_tcp_last(r)->flags & F_RST);
	for (unsigned int i = 0; i < r->n; i++) {
		assert_true(r->out[i].ts);
		assert_int_equal(r->out[i].tsecr, 78);
	}
}

static void open__no_timestamps_offered__none_sent(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 1);

	fake_conn_syn(&c);
	fake_sock_connected(r->sock[0], 0);
	assert_int_equal(fake_tcp_last(r)->flags, F_SYN | F_ACK);
	assert_false(fake_tcp_last(r)->ts);
	c.seq++;
	c.ack = fake_tcp_last(r)->seq + 1;
	fake_conn_data(&c, "hello", 5);
	assert_false(fake_tcp_last(r)->ts);
	/* What it says about time all the same counts for nothing. */
	c.ts = true;
	c.tsval = 1000;
	fake_conn_data(&c, "hello", 5);
	c.tsval = 10;
	fake_conn_data(&c, "hello", 5);
	assert_false(fake_tcp_last(r)->ts);
	assert_host_got(r->sock[0], "hellohellohello");
}

static void accept_client(struct fake_tcp *r, struct fake_conn *c)
{
	struct tcp_accept a = {
		.guest = endpoint4(0x0a00020f, 80),
		.shown = endpoint4(0xc0a80177, 5000),
		.nic_id = 7,
		.forward_id = 3,
	};

	*c = fake_conn_make(r, 80);
	c->peer = a.shown;
	c->s = a.sock = fake_sock_accepted(r);
	assert_int_equal(tcp_accept(r->t, &a, r->now_ms), 0);
	fake_tcp_settle(r);
	assert_int_equal(fake_tcp_last(r)->flags, F_SYN);
}

static void accept__guest_has_timestamps__both_have(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c;
	struct fake_seg s;

	accept_client(r, &c);
	assert_true(r->out[0].ts);
	assert_int_equal(r->out[0].tsecr, 0);
	s = (struct fake_seg){
		.src = c.me, .dst = c.peer, .nic_id = 7, .seq = 500,
		.ack = r->out[0].seq + 1, .flags = F_SYN | F_ACK,
		.wnd = 60000, .mss = 1460, .wscale = 7, .ts = true,
		.tsval = 9, .tsecr = r->out[0].tsval,
	};
	fake_tcp_put(r, &s, SIZE_MAX, 1);
	fake_tcp_settle(r);
	assert_true(fake_tcp_last(r)->ts);
	assert_int_equal(fake_tcp_last(r)->tsecr, 9);
	assert_int_equal(flow_of(&c)->mss, 1448);
}

static void accept__guest_has_none__none(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c;
	struct fake_seg s;

	accept_client(r, &c);
	fake_tcp_wait(r, 1200); /* the SYN comes again: which one is answered? */
	assert_int_equal(fake_tcp_count(r, F_SYN), 2);
	s = (struct fake_seg){
		.src = c.me, .dst = c.peer, .nic_id = 7, .seq = 500,
		.ack = r->out[0].seq + 1, .flags = F_SYN | F_ACK,
		.wnd = 60000, .mss = 1460, .wscale = 7,
	};
	fake_tcp_put(r, &s, SIZE_MAX, 1);
	fake_tcp_settle(r);
	assert_false(fake_tcp_last(r)->ts);
	assert_int_equal(flow_of(&c)->mss, 1460);
	assert_true(flow_of(&c)->srtt_x8 < 0); /* RFC 6298 3 */
}

static void syn__sent_again__the_latest_is_echoed(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 1);

	c.ts = true;
	c.tsval = 100;
	fake_conn_syn(&c);
	fake_sock_connected(r->sock[0], 0);
	c.tsval = 1100;
	fake_conn_syn(&c);
	assert_int_equal(fake_tcp_last(r)->flags, F_SYN | F_ACK);
	assert_int_equal(fake_tcp_last(r)->tsecr, 1100);
}

static void data__timestamps__segments_leave_room_for_them(void **state)
{
	static const uint16_t mtus[] = {576, 1492, 1500, 9000, 65520, 65535};
	static uint8_t bytes[300000];

	(void)state;
	for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
		struct fake_tcp *r = malloc(sizeof(*r));
		struct fake_conn c;
		struct fake_seg s;
		size_t most = 0;

		fake_tcp_init(r);
		r->cfg.mtu = mtus[i];
		fake_tcp_start(r);
		c = fake_conn_make(r, 1);
		s = (struct fake_seg){.src = c.me, .dst = c.peer, .nic_id = 7,
				      .seq = 1, .flags = F_SYN, .wnd = 65535,
				      .mss = 65535, .wscale = 14, .ts = true};
		fake_tcp_put(r, &s, SIZE_MAX, 1);
		fake_sock_connected(r->sock[0], 0);
		c.ts = true;
		c.seq = 2;
		c.ack = fake_tcp_last(r)->seq + 1;
		fake_conn_send(&c, F_ACK, NULL, 0);
		fake_tcp_clear(r);
		/* fake_tcp.c holds it to the MTU and to what IP can say. */
		fake_sock_push(r->sock[0], bytes, sizeof(bytes));
		for (unsigned int k = 0; k < r->n; k++)
			if (r->out[k].len > most)
				most = r->out[k].len;
		assert_true(most > 60000);
		assert_true(!r->out[0].gso || r->out[0].gso == mtus[i] - 52);
		fake_tcp_stop(r);
		free(r);
	}
}

/* ---- echo ------------------------------------------------------------------- */

/* RFC 7323 4.3: what is echoed is the earliest that an ACK answers. */
static void echo__in_order_and_not__as_rfc_7323_says(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 100);
	struct fake_conn ahead;

	c.tsval = 110;
	fake_conn_data(&c, "A", 1);
	assert_int_equal(fake_tcp_last(r)->tsecr, 110);
	ahead = c; /* "B" is lost */
	ahead.seq++;
	ahead.tsval = 130;
	fake_conn_data(&ahead, "C", 1);
	assert_int_equal(fake_tcp_last(r)->tsecr, 110);
	c.tsval = 140;
	fake_conn_data(&c, "B", 1);
	assert_int_equal(fake_tcp_last(r)->tsecr, 140);
	/* An ACK without data that is newer counts, too. */
	c.seq++;
	c.tsval = 150;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, "x", 1);
	assert_int_equal(fake_tcp_last(r)->tsecr, 150);
}

static void echo__delayed_ack__the_first_of_what_it_answers(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 100);

	for (int i = 0; i < 3; i++) { /* they take turns: ACKs may wait */
		fake_conn_data(&c, "ask", 3);
		fake_tcp_clear(r);
		fake_sock_push(c.s, "answer", 6);
		c.ack += 6;
	}
	fake_tcp_clear(r);
	c.tsval = 200;
	fake_conn_data(&c, "a", 1);
	assert_int_equal(r->n, 0);
	c.tsval = 203;
	fake_conn_data(&c, "b", 1);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq);
	assert_int_equal(fake_tcp_last(r)->tsecr, 200);
}

/* ---- PAWS ------------------------------------------------------------------- */

static void paws__old_duplicate__dropped_and_answered(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 1000), old;

	fake_conn_data(&c, "now", 3);
	assert_host_got(c.s, "now");
	/* Of 4 GiB ago: its number is the next one. */
	old = c;
	old.tsval = 999;
	fake_tcp_clear(r);
	fake_conn_data(&old, "OLD", 3);
	assert_host_got(c.s, "");
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].flags, F_ACK);
	assert_int_equal(r->out[0].ack, c.seq);
	assert_int_equal(r->out[0].tsecr, 1000);
	assert_int_equal(stats(r).old_duplicates, 1);
	fake_conn_data(&c, "next", 4); /* as old as the last one: taken */
	assert_host_got(c.s, "next");
}

static void paws__old_acks_without_data__not_answered_for_ever(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 1000);

	c.tsval = 10;
	for (int i = 0; i < 1000; i++)
		fake_conn_send(&c, F_ACK, NULL, 0);
	assert_true(r->n <= TCP_CHALLENGES);
}

static void paws__guests_clock_wraps__still_in_order(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 0xfffffff0u);

	fake_conn_data(&c, "a", 1);
	c.tsval = 0x10;
	fake_conn_data(&c, "b", 1);
	assert_int_equal(fake_tcp_last(r)->tsecr, 0x10);
	assert_host_got(c.s, "ab");
	c.tsval = 0xfffffff8u; /* before the wrap: older */
	fake_conn_data(&c, "c", 1);
	assert_host_got(c.s, "");
}

static void paws__reset__accepted_with_old_and_without(void **state)
{
	(void)state;
	for (int with = 0; with < 2; with++) {
		struct fake_tcp *r = malloc(sizeof(*r));
		struct fake_conn c;

		fake_tcp_init(r);
		fake_tcp_start(r);
		c = open_ts(r, 1000);
		c.ts = with;
		c.tsval = 10;
		fake_conn_send(&c, F_RST | F_ACK, NULL, 0);
		assert_int_equal(stats(r).resets_in, 1);
		assert_int_equal(stats(r).flows, 0);
		fake_tcp_stop(r);
		free(r);
	}
}

static void paws__segment_without_timestamps__taken(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 1000);

	c.ts = false;
	fake_conn_data(&c, "hello", 5);
	assert_host_got(c.s, "hello");
	assert_true(fake_tcp_last(r)->ts); /* ours go on */
	assert_int_equal(fake_tcp_last(r)->tsecr, 1000);
}

/* The guest's clock stood still or began anew while the host slept for a month. */
static void paws__slept_for_a_month__clock_begins_anew(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 0x90000000u);

	fake_conn_data(&c, "a", 1);
	tcp_slept(r->t, 23 * DAY_MS, r->now_ms);
	c.tsval = 0x80000000u;
	fake_conn_data(&c, "b", 1);
	assert_host_got(c.s, "a");
	tcp_slept(r->t, 25 * DAY_MS, r->now_ms);
	fake_conn_data(&c, "b", 1);
	assert_int_equal(stats(r).old_duplicates, 1);
	assert_int_equal(fake_tcp_last(r)->tsecr, 0x80000000u);
}

static void time_wait__syn_with_newer_timestamp__new_connection(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 1000), d;

	fake_sock_eof(c.s); /* ours is first: TIME_WAIT is here */
	fake_conn_ack_all(&c);
	fake_conn_send(&c, F_FIN | F_ACK, NULL, 0);
	assert_int_equal(stats(r).time_wait, 1);
	d = fake_conn_make(r, 1); /* an older number … */
	d.seq = c.seq - 100000;
	d.ts = true;
	d.tsval = 1000; /* … and no newer time: perhaps a duplicate */
	fake_conn_syn(&d);
	assert_int_equal(stats(r).opened, 1);
	d.tsval = 1001;
	fake_conn_syn(&d);
	assert_int_equal(stats(r).opened, 2);
	assert_int_equal(stats(r).time_wait, 0);
}

/* ---- round trips -------------------------------------------------------------- */

static void rtt__of_what_was_sent_again__measured(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 1);
	struct tcp_flow *f = flow_of(&c);

	assert_int_equal(f->srtt_x8, 0); /* the handshake */
	fake_sock_push(c.s, "hello", 5);
	fake_tcp_wait(r, 210); /* lost; sent again after 200 ms */
	assert_int_equal(stats(r).rexmits, 1);
	c.tsecr = fake_tcp_last(r)->tsval;
	fake_tcp_wait(r, 70);
	c.ack += 5;
	fake_conn_send(&c, F_ACK, NULL, 0);
	/* Not 280, and not nothing either. */
	assert_in_range(f->srtt_x8, 70, 80);
	assert_int_equal(f->tries, 0);
}

static void rtt__echo_that_cannot_be__ignored(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 1);
	struct tcp_flow *f = flow_of(&c);

	fake_sock_push(c.s, "hello", 5);
	c.ack += 5;
	c.tsecr = fake_tcp_last(r)->tsval + 5; /* from the future */
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(f->srtt_x8, 0);
	assert_int_equal(f->rto_ms, TCP_RTO_MIN_MS);
}

static void clock__ours_wraps__no_matter(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 1);
	struct tcp_flow *f = flow_of(&c);

	f->ts_off = 0u - (uint32_t)r->now_ms - 20; /* in 20 ms */
	fake_sock_push(c.s, "hello", 5);
	assert_int_equal(fake_tcp_last(r)->tsval, 0u - 20);
	c.tsecr = fake_tcp_last(r)->tsval;
	fake_tcp_wait(r, 40);
	c.ack += 5;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(f->srtt_x8, 40);
	fake_sock_push(c.s, "hello", 5);
	assert_int_equal(fake_tcp_last(r)->tsval, 20);
}

/* ---- quiet connections --------------------------------------------------------- */

static void keep_alive__either_way__with_timestamps(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 1000), k;

	fake_tcp_wait(r, TCP_KEEP_MS);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].seq, c.ack - 1);
	assert_true(r->out[0].ts);
	assert_int_equal(r->out[0].tsecr, 1000);
	fake_tcp_clear(r);
	k = c; /* the guest's own */
	k.seq--;
	k.tsval = 301000;
	fake_conn_send(&k, F_ACK, NULL, 0);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].ack, c.seq);
	assert_true(r->out[0].ts);
}

static void probe__window_closed__with_timestamps(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_ts(r, 1000);

	c.wnd = 0;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, "hello", 5);
	fake_tcp_clear(r);
	fake_tcp_wait(r, 1000);
	assert_true(r->n > 0);
	assert_int_equal(r->out[0].len, 1);
	assert_true(r->out[0].ts);
	/* The guest's answer to a probe, older than what came before: a
	 * duplicate that must not open the window. */
	c.tsval = 900;
	c.wnd = 1000;
	fake_tcp_clear(r);
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(flow_of(&c)->snd_wnd, 0);
	c.tsval = 1001;
	fake_tcp_clear(r);
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(fake_tcp_last(r)->len, 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(open__timestamps_offered__in_every_segment),
		T(open__no_timestamps_offered__none_sent),
		T(accept__guest_has_timestamps__both_have),
		T(accept__guest_has_none__none),
		T(syn__sent_again__the_latest_is_echoed),
		T(data__timestamps__segments_leave_room_for_them),
		T(echo__in_order_and_not__as_rfc_7323_says),
		T(echo__delayed_ack__the_first_of_what_it_answers),
		T(paws__old_duplicate__dropped_and_answered),
		T(paws__old_acks_without_data__not_answered_for_ever),
		T(paws__guests_clock_wraps__still_in_order),
		T(paws__reset__accepted_with_old_and_without),
		T(paws__segment_without_timestamps__taken),
		T(paws__slept_for_a_month__clock_begins_anew),
		T(time_wait__syn_with_newer_timestamp__new_connection),
		T(rtt__of_what_was_sent_again__measured),
		T(rtt__echo_that_cannot_be__ignored),
		T(clock__ours_wraps__no_matter),
		T(keep_alive__either_way__with_timestamps),
		T(probe__window_closed__with_timestamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
