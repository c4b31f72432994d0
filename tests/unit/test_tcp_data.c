// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_tcp */
/* Bytes both ways on an open connection: windows, FINs, timers, scripted losses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake/fake_tcp.h"

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

static struct tcp_stats stats(struct fake_tcp *r)
{
	struct tcp_stats s;

	tcp_stats(r->t, &s);
	return s;
}

static uint8_t *pattern(size_t n)
{
	uint8_t *p = malloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + (i >> 8) * 13);
	return p;
}

static size_t bytes_out(const struct fake_tcp *r)
{
	size_t n = 0;

	for (unsigned int i = 0; i < r->n; i++)
		n += r->out[i].len;
	return n;
}

static bool take_state(void *arg, const struct tcp_flow_info *i)
{
	*(const char **)arg = i->state;
	return true;
}

static const char *flow_state(struct fake_tcp *r)
{
	const char *s = "none";

	tcp_walk(r->t, 0, take_state, &s);
	return s;
}

/* ---- guest to host --------------------------------------------------------- */

static void guest_data__taken__acknowledged_once_a_turn(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	struct fake_seg s = {.src = c.me, .dst = c.peer, .nic_id = 7,
			     .seq = c.seq, .ack = c.ack, .flags = F_ACK,
			     .wnd = FAKE_WND, .wscale = -1, .len = 1460};

	s.data = pattern(1460);
	for (int i = 0; i < 10; i++) {
		fake_tcp_put(r, &s, SIZE_MAX, 2);
		s.seq += 1460;
	}
	assert_int_equal(r->n, 0);
	fake_tcp_settle(r);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].flags, F_ACK);
	assert_int_equal(r->out[0].ack, c.seq + 14600);
	assert_int_equal(r->out[0].seq, c.ack);
	assert_int_equal(c.s->out_len, 14600);
	/* Window: the socket's room, 1 MiB less what was taken, scaled by 256. */
	assert_int_equal((uint32_t)r->out[0].wnd << 8,
			 ((1 << 20) - 14600 + 255) / 256 * 256);
	free(s.data);
}

static void guest_data__gso_64k_in_pieces__one_send(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(64000);

	fake_conn_data(&c, p, 64000);
	assert_int_equal(c.s->out_len, 64000);
	assert_memory_equal(c.s->out, p, 64000);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq);
	free(p);
}

static void guest_data__overlapping__only_new_bytes_taken(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_conn_data(&c, "abcdef", 6);
	c.seq -= 4;
	fake_conn_data(&c, "cdefgh", 6);
	assert_int_equal(c.s->out_len, 8);
	assert_memory_equal(c.s->out, "abcdefgh", 8);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq);
	c.seq -= 8;
	fake_conn_data(&c, "abcdefgh", 8); /* all old */
	assert_int_equal(c.s->out_len, 8);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq);
	assert_int_equal(r->n, 3);
}

static void guest_data__gap__duplicate_acks_then_goes_on(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1), late = c;

	for (int i = 1; i <= 3; i++) {
		struct fake_seg s = {.src = c.me, .dst = c.peer, .nic_id = 7,
				     .seq = c.seq + 4u * (unsigned int)i,
				     .ack = c.ack, .flags = F_ACK,
				     .wnd = FAKE_WND, .wscale = -1,
				     .data = (uint8_t *)"late", .len = 4};

		fake_tcp_put(r, &s, SIZE_MAX, 1);
	}
	fake_tcp_settle(r); /* three in one turn are still three duplicates */
	assert_true(r->n >= 3);
	for (unsigned int i = 0; i < r->n; i++) {
		assert_int_equal(r->out[i].ack, c.seq);
		assert_int_equal(r->out[i].len, 0);
		assert_int_equal(r->out[i].wnd, r->out[0].wnd);
	}
	assert_int_equal(c.s->out_len, 0);
	assert_int_equal(stats(r).out_of_order, 3);
	fake_conn_data(&late, "now ", 4);
	assert_memory_equal(c.s->out, "now ", 4);
}

static void guest_data__socket_full__rest_kept_not_acknowledged(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(5000);
	uint32_t start = c.seq;
	unsigned int n;

	c.s->room = 3000;
	fake_conn_data(&c, p, 5000);
	assert_int_equal(c.s->out_len, 3000);
	assert_int_equal(fake_tcp_last(r)->ack, start + 3000);
	assert_int_equal(fake_tcp_last(r)->wnd, 0);
	assert_int_equal(stats(r).held_bytes, 2000);
	/* A window probe in between is answered, nothing is taken. */
	c.seq = start + 3000;
	fake_conn_send(&c, F_ACK, p + 3000, 1);
	assert_int_equal(fake_tcp_last(r)->ack, start + 3000);
	assert_int_equal(fake_tcp_last(r)->wnd, 0);
	/* Room again: the rest goes on, and it is told. */
	n = r->n;
	fake_sock_room(c.s, 1 << 20);
	assert_int_equal(r->n, n + 1);
	assert_int_equal(r->out[n].ack, start + 5000);
	assert_in_range((uint32_t)r->out[n].wnd << 8, (1 << 20) - 2000, 1 << 20);
	assert_int_equal(c.s->out_len, 5000);
	assert_memory_equal(c.s->out, p, 5000);
	free(p);
}

static void guest_data__refused__acks_beyond_the_window_still_count(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(5000);
	uint32_t end;

	c.s->room = 3000;
	fake_conn_data(&c, p, 5000); /* 2000 of them are refused */
	fake_tcp_clear(r);
	fake_sock_push(c.s, p, 1000);
	fake_tcp_settle(r);
	assert_int_equal(r->n, 1);
	end = fake_tcp_last(r)->seq + 1000;
	/* The guest's own number is behind the 5000 bytes. */
	c.ack = end;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(c.s->in_done, 1000);
	fake_tcp_clear(r);
	fake_tcp_wait(r, 3000); /* nothing to send again */
	assert_int_equal(stats(r).rexmits, 0);
	/* But not from further than was ever promised. */
	fake_sock_push(c.s, p, 10);
	fake_tcp_settle(r);
	c.ack = end + 10;
	c.seq += 1 << 24;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(c.s->in_done, 1000);
	free(p);
}

static void guest_data__room_gets_low__window_follows(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(60000);
	uint32_t edge;

	fake_conn_data(&c, p, 1000); /* scaled window from now on */
	edge = fake_tcp_last(r)->ack + ((uint32_t)fake_tcp_last(r)->wnd << 8);
	for (int i = 0; i < 17; i++) {
		fake_conn_data(&c, p, 60000);
		assert_true((int32_t)(fake_tcp_last(r)->ack +
				      ((uint32_t)fake_tcp_last(r)->wnd << 8) -
				      edge) >= 0);
	}
	assert_true(c.s->want_write);
	assert_true((uint32_t)fake_tcp_last(r)->wnd << 8 < 60000);
	fake_tcp_clear(r);
	fake_sock_room(c.s, 1 << 20);
	assert_int_equal(r->n, 1);
	assert_int_equal((uint32_t)fake_tcp_last(r)->wnd << 8, 1 << 20);
	fake_sock_room(c.s, 1 << 20); /* nothing new, nothing told */
	assert_int_equal(r->n, 1);
	free(p);
}

static void guest_data__urgent__inline(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_conn_send(&c, F_ACK | F_URG, "!", 1);
	assert_memory_equal(c.s->out, "!", 1);
}

static void guest_data__without_ack_flag__ignored(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_conn_send(&c, F_PSH, "x", 1);
	fake_conn_send(&c, 0, "x", 1);
	assert_int_equal(c.s->out_len, 0);
}

static void keep_alive__any_kind__answered(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	c.seq--;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->n, 1);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 1);
	fake_conn_send(&c, F_ACK, "\0", 1);
	assert_int_equal(r->n, 2);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 1);
	assert_int_equal(c.s->out_len, 0);
}

static void ack__of_what_was_never_sent__challenged(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	c.ack += 1000;
	fake_conn_send(&c, F_ACK, "evil", 4);
	assert_int_equal(c.s->out_len, 0);
	assert_int_equal(stats(r).challenges, 1);
	c.ack -= 1000 + (1 << 26); /* older than any window */
	fake_conn_send(&c, F_ACK, "evil", 4);
	assert_int_equal(c.s->out_len, 0);
	assert_int_equal(stats(r).challenges, 2);
}

/* ---- host to guest --------------------------------------------------------- */

static void host_data__large__gso_segments_of_the_guests_mss(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(200000);
	size_t at = 0;

	c.wnd = 0x2000; /* 1 MiB */
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, p, 100000);
	assert_int_equal(r->n, 2);
	assert_int_equal(r->out[0].gso, 1460);
	assert_int_equal(r->out[0].len % 1460, 0);
	assert_true(r->out[0].len > 60000);
	for (unsigned int i = 0; i < r->n; i++) {
		assert_int_equal(r->out[i].seq, c.ack + at);
		assert_memory_equal(r->out[i].data, p + at, r->out[i].len);
		at += r->out[i].len;
	}
	assert_true(at >= 100000 - 1460);
	assert_int_equal(c.s->in_done, 0); /* kept until acknowledged */
	c.ack += (uint32_t)at;
	fake_tcp_clear(r);
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(c.s->in_done, at);
	free(p);
}

static void host_data__beyond_guests_window__waits(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(30000);

	c.wnd = 100; /* 12800 bytes */
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, p, 30000);
	assert_true(bytes_out(r) <= 12800 && bytes_out(r) > 12800 - 1460);
	fake_conn_ack_all(&c);
	assert_true(bytes_out(r) <= 12800 && bytes_out(r) > 12800 - 1460);
	fake_conn_ack_all(&c);
	fake_conn_ack_all(&c);
	assert_int_equal(c.s->in_done, 30000);
	assert_int_equal(stats(r).rexmits, 0);
	free(p);
}

static void host_data__unscaled_window__not_multiplied(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 1);
	uint8_t *p = pattern(30000);

	c.wnd = 3000; /* in a SYN: bytes */
	fake_conn_syn(&c);
	c.s = r->sock[0];
	fake_sock_connected(c.s, 0);
	c.seq++;
	c.ack = fake_tcp_last(r)->seq + 1;
	fake_tcp_clear(r);
	c.wnd = 3000 >> 7;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, p, 30000);
	assert_true(bytes_out(r) <= 3000 && bytes_out(r) > 1000);
	free(p);
}

static void host_data__zero_window__probed_with_backoff(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(5000);

	c.wnd = 0;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, p, 5000);
	assert_int_equal(r->n, 0);
	fake_tcp_wait(r, 210);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].len, 1);
	assert_int_equal(r->out[0].seq, c.ack);
	fake_conn_send(&c, F_ACK, NULL, 0); /* still closed, byte not taken */
	for (int i = 0; i < 30; i++) {
		fake_tcp_wait(r, 60001);
		fake_conn_send(&c, F_ACK, NULL, 0);
	}
	assert_int_equal(stats(r).flows, 1); /* for ever (RFC 9293 3.8.6.1) */
	assert_true(r->n > 20 && r->n < 50);
	assert_int_equal(stats(r).fast_rexmits, 0);
	fake_tcp_clear(r);
	c.wnd = 1000;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->out[0].seq, c.ack);
	assert_memory_equal(r->out[0].data, p, r->out[0].len);
	fake_conn_ack_all(&c);
	while (c.s->in_done < 5000) {
		assert_true(r->n > 0);
		fake_conn_ack_all(&c);
	}
	free(p);
}

static void host_data__probe_accepted__goes_on(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	c.wnd = 0;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, "abc", 3);
	fake_tcp_wait(r, 210);
	assert_int_equal(r->n, 1);
	c.wnd = 100;
	fake_conn_ack_all(&c);
	assert_int_equal(r->n, 1);
	assert_memory_equal(r->out[0].data, "bc", 2);
}

static void host_data__guest_dead_in_zero_window__given_up(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	c.wnd = 0;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, "abc", 3);
	fake_tcp_wait(r, 1000000);
	assert_true(c.s->was_reset);
	assert_int_equal(stats(r).timed_out, 1);
}

static void host_data__small_window__no_silly_segments(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(20000);

	c.wnd = 80; /* 10240 */
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, p, 20000);
	c.ack += (uint32_t)bytes_out(r);
	fake_tcp_clear(r);
	c.wnd = 2; /* the guest's application read a little */
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->n, 0);
	fake_tcp_wait(r, 250); /* but not for ever */
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].len, 256);
	free(p);
}

/* Bytes are out that the guest, shrinking its window, has no room for any more. */
static void host_data__window_shrinks_below_flight__repeated(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(3000);

	fake_sock_push(c.s, p, 3000);
	fake_tcp_clear(r);
	c.ack += 1460;
	c.wnd = 2;
	fake_conn_send(&c, F_ACK, NULL, 0);
	for (int i = 0; i < 6; i++) {
		fake_tcp_wait(r, 3000);
		assert_true(r->n > 0);
		assert_true(fake_tcp_last(r)->len <= 256);
		fake_conn_ack_all(&c);
	}
	assert_true(c.s->in_done > 2000);
	free(p);
}

static void host_data__three_duplicate_acks__resent_at_once(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(14600);

	fake_sock_push(c.s, p, 14600);
	fake_tcp_clear(r);
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->n, 0);
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].seq, c.ack);
	assert_int_equal(r->out[0].len, 1460);
	assert_memory_equal(r->out[0].data, p, 1460);
	fake_tcp_clear(r);
	/* Partial: the next hole is right behind, so twice as much. */
	c.ack += 1460;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].seq, c.ack);
	assert_int_equal(r->out[0].len, 2920);
	fake_tcp_clear(r);
	c.ack += 14600 - 1460;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->n, 0);
	assert_int_equal(c.s->in_done, 14600);
	assert_int_equal(stats(r).fast_rexmits, 1);
	assert_int_equal(stats(r).timeouts, 0);
	free(p);
}

static void host_data__no_answer__resent_with_backoff_then_reset(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	unsigned int n;

	fake_sock_push(c.s, "hello", 5);
	fake_tcp_clear(r);
	fake_tcp_wait(r, 250);
	assert_int_equal(r->n, 1);
	assert_memory_equal(r->out[0].data, "hello", 5);
	fake_tcp_wait(r, 340);
	assert_int_equal(r->n, 1);
	fake_tcp_wait(r, 110);
	assert_int_equal(r->n, 2);
	fake_tcp_wait(r, 1000000);
	n = r->n;
	assert_int_equal(n, 11); /* ten times, then the reset */
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_true(c.s->was_reset);
}

static void host_data__ack_jumps_after_timeout__goes_on_there(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(8000);

	fake_sock_push(c.s, p, 8000);
	fake_tcp_clear(r);
	fake_tcp_wait(r, 250);
	assert_int_equal(r->out[0].len, 1460); /* slow start anew */
	fake_tcp_clear(r);
	c.ack += 5000; /* it had the later ones already */
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->out[0].seq, c.ack);
	assert_memory_equal(r->out[0].data, p + 5000, r->out[0].len);
	free(p);
}

static void host_data__emit_full__tried_again_soon(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(150000);

	c.wnd = 0x4000;
	fake_conn_send(&c, F_ACK, NULL, 0);
	r->full_after = r->emitted + 1;
	fake_sock_push(c.s, p, 150000);
	assert_int_equal(r->n, 1);
	r->full_after = 0;
	fake_tcp_wait(r, 3);
	assert_true(r->n >= 2);
	assert_int_equal(r->out[1].seq, c.ack + r->out[0].len);
	assert_int_equal(stats(r).rexmits, 0);
	assert_true(stats(r).no_room > 0);
	free(p);
}

static void host_data__short_peeks__all_sent(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = pattern(5000);

	r->peek_max = 700;
	fake_sock_push(c.s, p, 5000);
	assert_int_equal(bytes_out(r), 5000);
	fake_conn_ack_all(&c);
	assert_int_equal(c.s->in_done, 5000);
	free(p);
}

static void host_data__peek_limit__bounds_the_flight(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c;
	uint8_t *p = pattern(100000);

	r->peek_limit = 10000;
	c = fake_conn_open(r, 1);
	c.wnd = 0x4000;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, p, 100000);
	while (c.s->in_done < 100000) {
		assert_true(bytes_out(r) > 0 && bytes_out(r) <= 10000);
		fake_conn_ack_all(&c);
	}
	assert_int_equal(stats(r).rexmits, 0);
	free(p);
}

static void host_data__mss_of_nothing__bounded(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 1);
	struct fake_seg s = {.src = c.me, .dst = c.peer, .flags = F_SYN,
			     .seq = c.seq, .nic_id = 7, .mss = 1, .wscale = 7,
			     .wnd = 65535};

	fake_tcp_put(r, &s, SIZE_MAX, 1);
	c.s = r->sock[0];
	fake_sock_connected(c.s, 0);
	c.seq++;
	c.ack = fake_tcp_last(r)->seq + 1;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, (uint8_t[1000]){0}, 1000);
	assert_int_equal(fake_tcp_last(r)->gso, 64);
}

static void host_data__mss_beyond_mtu__cut(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 1);
	struct fake_seg s = {.src = c.me, .dst = c.peer, .flags = F_SYN,
			     .seq = c.seq, .nic_id = 7, .mss = 9000,
			     .wscale = 7, .wnd = 65535};

	fake_tcp_put(r, &s, SIZE_MAX, 1);
	c.s = r->sock[0];
	fake_sock_connected(c.s, 0);
	c.seq++;
	c.ack = fake_tcp_last(r)->seq + 1;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, (uint8_t[3000]){0}, 3000);
	assert_int_equal(fake_tcp_last(r)->gso, 1460);
}

static void slow_guest__one_of_two__other_flows(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn a = fake_conn_open(r, 1), b = fake_conn_open(r, 2);
	uint8_t *p = pattern(10000);

	a.wnd = 0;
	fake_conn_send(&a, F_ACK, NULL, 0);
	fake_sock_push(a.s, p, 10000);
	assert_int_equal(r->n, 0);
	fake_sock_push(b.s, p, 10000);
	assert_int_equal(bytes_out(r), 10000);
	free(p);
}

/* ---- FINs ---------------------------------------------------------------- */

static void fin__guest_first__half_open_then_gone(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_conn_send(&c, F_FIN | F_ACK, "bye", 3);
	c.seq += 4;
	assert_true(c.s->shut_wr);
	assert_false(c.s->closed);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq);
	assert_string_equal(flow_state(r), "close_wait");
	fake_tcp_clear(r);
	fake_tcp_wait(r, 3600000); /* the host may think long */
	fake_sock_push(c.s, "answer", 6);
	assert_memory_equal(fake_tcp_last(r)->data, "answer", 6);
	fake_conn_ack_all(&c);
	fake_sock_eof(c.s);
	assert_int_equal(fake_tcp_last(r)->flags, F_FIN | F_ACK);
	assert_string_equal(flow_state(r), "last_ack");
	fake_conn_ack_all(&c);
	assert_true(c.s->closed && !c.s->was_reset);
	assert_int_equal(stats(r).flows, 0);
}

static void fin__host_first__guest_goes_on_then_time_wait(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	c.s->in_eof = true; /* bytes and the end in one event */
	fake_sock_push(c.s, "last", 4);
	assert_int_equal(r->n, 2);
	assert_int_equal(r->out[1].flags, F_FIN | F_ACK);
	assert_int_equal(r->out[1].seq, c.ack + 4);
	assert_string_equal(flow_state(r), "fin_wait_1");
	fake_conn_ack_all(&c);
	assert_string_equal(flow_state(r), "fin_wait_2");
	fake_conn_data(&c, "still here", 10);
	assert_int_equal(c.s->out_len, 10);
	fake_conn_send(&c, F_FIN | F_ACK, NULL, 0);
	c.seq++;
	assert_int_equal(fake_tcp_last(r)->ack, c.seq);
	assert_string_equal(flow_state(r), "time_wait");
	assert_true(c.s->closed && !c.s->was_reset && c.s->shut_wr);
	/* Its FIN again: acknowledged again. */
	fake_tcp_clear(r);
	c.seq--;
	fake_conn_send(&c, F_FIN | F_ACK, NULL, 0);
	assert_int_equal(r->n, 1);
	fake_tcp_wait(r, TCP_TIME_WAIT_MS + 100);
	assert_int_equal(stats(r).flows, 0);
}

static void fin__both_at_once__closing(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_sock_eof(c.s);
	fake_conn_send(&c, F_FIN | F_ACK, NULL, 0); /* does not have ours yet */
	c.seq++;
	assert_string_equal(flow_state(r), "closing");
	fake_conn_ack_all(&c);
	assert_string_equal(flow_state(r), "time_wait");
}

static void fin__lost__sent_again(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_sock_eof(c.s);
	fake_tcp_wait(r, 250);
	assert_int_equal(r->n, 2);
	assert_int_equal(r->out[1].flags, F_FIN | F_ACK);
	assert_int_equal(r->out[1].seq, r->out[0].seq);
	assert_int_equal(stats(r).rexmits, 1);
	fake_conn_ack_all(&c);
	fake_tcp_wait(r, 10000);
	assert_int_equal(r->n, 0);
}

static void fin__data_before_it_lost__both_again(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	c.s->in_eof = true;
	fake_sock_push(c.s, "data", 4);
	fake_tcp_clear(r);
	fake_tcp_wait(r, 250);
	assert_int_equal(r->n, 2);
	assert_memory_equal(r->out[0].data, "data", 4);
	assert_int_equal(r->out[1].flags, F_FIN | F_ACK);
	fake_conn_ack_all(&c);
	assert_string_equal(flow_state(r), "fin_wait_2");
}

static void fin__from_guest_beyond_a_gap__kept_until_then(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	c.seq += 5;
	fake_conn_send(&c, F_FIN | F_ACK, NULL, 0);
	assert_false(c.s->shut_wr);
	c.seq -= 5;
	fake_conn_send(&c, F_ACK, "12345", 5);
	assert_true(c.s->shut_wr);
	assert_int_equal(c.s->out_len, 5);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 6);
}

static void fin__from_guest_while_socket_full__waits_for_bytes(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	c.s->room = 2;
	fake_conn_send(&c, F_FIN | F_ACK, "12345", 5);
	assert_false(c.s->shut_wr);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 2);
	fake_sock_room(c.s, 1 << 20);
	assert_true(c.s->shut_wr);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 6);
	assert_memory_equal(c.s->out, "12345", 5);
}

static void fin__into_zero_window__sent(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	c.wnd = 0;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_eof(c.s);
	fake_tcp_wait(r, 250); /* found by the first probe */
	assert_int_equal(r->n, 1);
	assert_int_equal(fake_tcp_last(r)->flags, F_FIN | F_ACK);
	fake_conn_ack_all(&c);
	assert_string_equal(flow_state(r), "fin_wait_2");
}

static void fin__data_after_it__ignored(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_conn_send(&c, F_FIN | F_ACK, NULL, 0);
	c.seq++;
	fake_conn_send(&c, F_ACK, "zombie", 6);
	assert_int_equal(c.s->out_len, 0);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq);
}

static void half_closed__reset_from_guest__relayed(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_conn_send(&c, F_FIN | F_ACK, NULL, 0);
	c.seq++;
	fake_conn_send(&c, F_RST, NULL, 0);
	assert_true(c.s->was_reset);
	c = fake_conn_open(r, 2);
	fake_sock_eof(c.s);
	fake_conn_ack_all(&c);
	fake_conn_send(&c, F_RST, NULL, 0);
	assert_true(c.s->was_reset);
	assert_int_equal(stats(r).flows, 0);
}

static void half_closed__host_fails__guest_reset(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_sock_eof(c.s);
	fake_conn_ack_all(&c);
	fake_sock_fail(c.s, -ECONNRESET);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_int_equal(fake_tcp_last(r)->seq, c.ack);
	assert_int_equal(stats(r).flows, 0);
}

static void time_wait__reset_or_old_syn__stays(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_sock_eof(c.s);
	fake_conn_ack_all(&c);
	fake_conn_send(&c, F_FIN | F_ACK, NULL, 0);
	c.seq++;
	fake_conn_send(&c, F_RST, NULL, 0);
	assert_int_equal(stats(r).time_wait, 1);
	c.seq -= 100;
	fake_conn_syn(&c);
	assert_int_equal(stats(r).time_wait, 1);
	assert_int_equal(r->nsock, 1);
	c.seq += 5000; /* new numbers: a new connection */
	fake_conn_syn(&c);
	assert_int_equal(r->nsock, 2);
	assert_int_equal(stats(r).time_wait, 0);
	assert_int_equal(stats(r).opening, 1);
}

/* ---- idle --------------------------------------------------------------- */

static void idle__established__two_hours_four_minutes(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_tcp_wait(r, TCP_IDLE_MS - 60000);
	fake_conn_data(&c, "x", 1);
	fake_tcp_clear(r);
	fake_tcp_wait(r, TCP_IDLE_MS - 60000);
	assert_false(c.s->closed);
	fake_tcp_wait(r, 61000);
	assert_true(c.s->was_reset);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_int_equal(stats(r).timed_out, 1);
}

static void idle__connecting__four_minutes(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 1);

	fake_conn_syn(&c);
	fake_tcp_wait(r, TCP_TRANSIENT_MS - 1000);
	assert_int_equal(r->live, 1);
	fake_tcp_wait(r, 2000);
	assert_int_equal(r->live, 0);
	assert_int_equal(r->n, 0);
}

/* ---- wrap-around ----------------------------------------------------------- */

static void numbers__wrap_both_ways__no_matter(void **state)
{
	struct fake_tcp *r = *state;
	uint8_t *p = pattern(60000);

	/* Our initial number moves by 250 a millisecond: choose times so that
	 * connections begin just before the wrap; the guest's are free. */
	for (uint16_t port = 1; port <= 8; port++) {
		struct fake_conn c = fake_conn_make(r, port);
		uint32_t iss;

		fake_conn_syn(&c);
		fake_sock_connected(r->sock[r->nsock - 1], 0);
		iss = fake_tcp_last(r)->seq;
		c.seq++;
		fake_conn_send(&c, F_RST, NULL, 0);
		r->now_ms += (0xffffffffu - iss - 20000u) / 250;
		wheel_run(&r->wheel, r->now_ms);
		c.seq = 0xffffffffu - 1000u * port;
		fake_conn_syn(&c);
		c.s = r->sock[r->nsock - 1];
		fake_sock_connected(c.s, 0);
		c.seq++;
		c.ack = fake_tcp_last(r)->seq + 1;
		assert_true(c.ack > 0xffffff00u - 21000u);
		fake_tcp_clear(r);
		fake_conn_send(&c, F_ACK, NULL, 0);
		fake_conn_data(&c, p, 30000);
		assert_int_equal(fake_tcp_last(r)->ack, c.seq);
		assert_true(c.seq < 0x80000000u);
		fake_tcp_clear(r);
		fake_sock_push(c.s, p, 60000);
		assert_int_equal(bytes_out(r), 60000);
		fake_conn_ack_all(&c);
		assert_true(c.ack < 0x80000000u);
		assert_int_equal(c.s->in_done, 60000);
		fake_sock_eof(c.s);
		fake_conn_ack_all(&c);
		fake_conn_send(&c, F_FIN | F_ACK, NULL, 0);
		assert_true(c.s->closed && !c.s->was_reset);
		fake_tcp_clear(r);
	}
	free(p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(guest_data__taken__acknowledged_once_a_turn),
		T(guest_data__gso_64k_in_pieces__one_send),
		T(guest_data__overlapping__only_new_bytes_taken),
		T(guest_data__gap__duplicate_acks_then_goes_on),
		T(guest_data__socket_full__rest_kept_not_acknowledged),
		T(guest_data__refused__acks_beyond_the_window_still_count),
		T(guest_data__room_gets_low__window_follows),
		T(guest_data__urgent__inline),
		T(guest_data__without_ack_flag__ignored),
		T(keep_alive__any_kind__answered),
		T(ack__of_what_was_never_sent__challenged),
		T(host_data__large__gso_segments_of_the_guests_mss),
		T(host_data__beyond_guests_window__waits),
		T(host_data__unscaled_window__not_multiplied),
		T(host_data__zero_window__probed_with_backoff),
		T(host_data__probe_accepted__goes_on),
		T(host_data__guest_dead_in_zero_window__given_up),
		T(host_data__small_window__no_silly_segments),
		T(host_data__window_shrinks_below_flight__repeated),
		T(host_data__three_duplicate_acks__resent_at_once),
		T(host_data__no_answer__resent_with_backoff_then_reset),
		T(host_data__ack_jumps_after_timeout__goes_on_there),
		T(host_data__emit_full__tried_again_soon),
		T(host_data__short_peeks__all_sent),
		T(host_data__peek_limit__bounds_the_flight),
		T(host_data__mss_of_nothing__bounded),
		T(host_data__mss_beyond_mtu__cut),
		T(slow_guest__one_of_two__other_flows),
		T(fin__guest_first__half_open_then_gone),
		T(fin__host_first__guest_goes_on_then_time_wait),
		T(fin__both_at_once__closing),
		T(fin__lost__sent_again),
		T(fin__data_before_it_lost__both_again),
		T(fin__from_guest_beyond_a_gap__kept_until_then),
		T(fin__from_guest_while_socket_full__waits_for_bytes),
		T(fin__into_zero_window__sent),
		T(fin__data_after_it__ignored),
		T(half_closed__reset_from_guest__relayed),
		T(half_closed__host_fails__guest_reset),
		T(time_wait__reset_or_old_syn__stays),
		T(idle__established__two_hours_four_minutes),
		T(idle__connecting__four_minutes),
		T(numbers__wrap_both_ways__no_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
