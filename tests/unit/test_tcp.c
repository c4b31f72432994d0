// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_tcp */
/* How connections open, end and are limited. Data: test_tcp_data.c. */
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

struct first {
	struct tcp_flow_info i;
	unsigned int n;
};

static bool take_first(void *arg, const struct tcp_flow_info *i)
{
	struct first *f = arg;

	if (!f->n++)
		f->i = *i;
	return true;
}

static struct first first_flow(struct fake_tcp *r)
{
	struct first f = {0};

	tcp_walk(r->t, 0, take_first, &f);
	return f;
}

/* ---- opened by the guest ------------------------------------------------- */

static void open__host_connects__synack_only_then(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);
	const struct fake_seg *s;

	fake_conn_syn(&c);
	assert_int_equal(r->n, 0);
	assert_int_equal(r->nsock, 1);
	assert_true(endpoint_eq(&r->sock[0]->to, &c.peer));
	assert_int_equal(stats(r).opening, 1);
	assert_string_equal(first_flow(r).i.state, "connecting");

	fake_sock_connected(r->sock[0], 0);
	assert_int_equal(r->n, 1);
	s = fake_tcp_last(r);
	assert_int_equal(s->flags, F_SYN | F_ACK);
	assert_int_equal(s->ack, c.seq + 1);
	assert_int_equal(s->mss, 1460);
	assert_int_equal(s->wscale, 8);
	assert_int_equal(s->wnd, 65535);
	assert_int_equal(s->nic_id, 7);
	assert_true(endpoint_eq(&s->src, &c.peer));
	assert_true(endpoint_eq(&s->dst, &c.me));
	assert_int_equal(stats(r).opening, 0);

	c.seq++;
	c.ack = s->seq + 1;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_string_equal(first_flow(r).i.state, "established");
	assert_int_equal(first_flow(r).i.host_port, 4242);
	assert_int_equal(stats(r).established, 1);
}

static void open__no_scale_offered__none_answered(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	fake_conn_send(&c, F_SYN, NULL, 0);
	fake_sock_connected(r->sock[0], 0);
	assert_int_equal(fake_tcp_last(r)->wscale, -1);
	c.seq++;
	c.ack = fake_tcp_last(r)->seq + 1;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_conn_data(&c, "x", 1);
	assert_int_equal(fake_tcp_last(r)->wnd, 65535); /* of 1 MiB of room */
	/* And without MSS option: 536 bytes a segment. */
	fake_sock_push(r->sock[0], (uint8_t[600]){0}, 600);
	assert_int_equal(fake_tcp_last(r)->gso, 536);
}

static void refused(struct fake_tcp *r, int err, bool reset,
		    enum tcp_unreach_why why)
{
	struct fake_conn c = fake_conn_make(r, (uint16_t)(40000 - err));

	fake_conn_syn(&c);
	fake_sock_connected(r->sock[r->nsock - 1], err);
	assert_int_equal(stats(r).flows, 0);
	if (reset) {
		const struct fake_seg *s = fake_tcp_last(r);

		assert_int_equal(s->flags, F_RST | F_ACK);
		assert_int_equal(s->seq, 0);
		assert_int_equal(s->ack, c.seq + 1);
		assert_int_equal(r->nunreach, 0);
	} else {
		assert_int_equal(r->n, 0);
		assert_int_equal(r->nunreach, 1);
		assert_int_equal(r->unreach.why, why);
		assert_true(ipaddr_eq(&r->unreach.src, &c.me.ip));
		assert_true(ipaddr_eq(&r->unreach.dst, &c.peer.ip));
		assert_int_equal(r->unreach.l4[0] << 8 | r->unreach.l4[1],
				 c.me.port);
		assert_int_equal(r->unreach.l4[3], 80);
	}
	fake_tcp_clear(r);
	r->nunreach = 0;
}

static void open__host_fails__guest_sees_what_it_was(void **state)
{
	struct fake_tcp *r = *state;

	refused(r, -ECONNREFUSED, true, 0);
	refused(r, -ETIMEDOUT, true, 0);
	refused(r, -ENETUNREACH, false, TCP_UNREACH_NET);
	refused(r, -EHOSTUNREACH, false, TCP_UNREACH_HOST);
	refused(r, -EACCES, false, TCP_UNREACH_ADMIN);
	assert_int_equal(stats(r).refused, 5);
}

static void open__the_way_says_why__told_as_it_was(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);
	const struct ipaddr router = ipaddr_from4(0xc0a84d01);

	r->icmp = (struct tcp_icmp){router, 3, 13};
	fake_conn_syn(&c);
	fake_sock_connected(r->sock[0], -EHOSTUNREACH);
	assert_int_equal(r->nunreach, 1);
	assert_int_equal(r->told.type, 3);
	assert_int_equal(r->told.code, 13);
	assert_true(ipaddr_eq(&r->told.from, &router));
	/* the destination itself, which the guest knows by another address */
	r->redirect = endpoint4(0x7f000001, 80);
	r->icmp = (struct tcp_icmp){r->redirect.ip, 3, 3};
	fake_conn_syn(&c);
	fake_sock_connected(r->sock[1], -ECONNREFUSED);
	assert_int_equal(r->nunreach, 2);
	assert_true(ipaddr_eq(&r->told.from, &c.peer.ip));
	/* another family's words the guest would not understand */
	r->icmp.from = (struct ipaddr){{0x20, 1}};
	fake_conn_syn(&c);
	fake_sock_connected(r->sock[2], -ECONNREFUSED);
	assert_int_equal(r->nunreach, 2);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_int_equal(stats(r).refused, 3);
}

static void open__connect_fails_at_once__answered(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	r->connect_err = -EMFILE;
	fake_conn_syn(&c);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_int_equal(stats(r).no_descriptor, 1);
	r->connect_err = -ENETUNREACH;
	fake_conn_syn(&c);
	assert_int_equal(r->nunreach, 1);
	assert_int_equal(stats(r).flows, 0);
}

static void open__verdicts__followed(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	r->verdict = TCP_DROP;
	fake_conn_syn(&c);
	assert_int_equal(r->n + r->nunreach, 0);
	r->verdict = TCP_RESET;
	fake_conn_syn(&c);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	r->verdict = TCP_PROHIBITED;
	fake_conn_syn(&c);
	assert_int_equal(r->nunreach, 1);
	assert_int_equal(r->unreach.why, TCP_UNREACH_ADMIN);
	assert_int_equal(r->nsock, 0);
	assert_int_equal(stats(r).denied, 3);
}

static void open__syn_again_while_connecting__one_socket(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	fake_conn_syn(&c);
	fake_conn_syn(&c);
	assert_int_equal(r->nsock, 1);
	c.seq += 5000; /* the guest gave up and began anew from the same port */
	fake_conn_syn(&c);
	fake_sock_connected(r->sock[0], 0);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 1);
	assert_int_equal(r->nsock, 1);
}

static void open__reset_while_connecting__socket_closed(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	fake_conn_syn(&c);
	c.seq += 77; /* blind */
	fake_conn_send(&c, F_RST, NULL, 0);
	assert_int_equal(r->live, 1);
	c.seq -= 76;
	fake_conn_send(&c, F_RST, NULL, 0);
	assert_int_equal(r->live, 0);
	assert_true(r->sock[0]->was_reset);
}

static void open__synack_lost__sent_again_with_backoff(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	fake_conn_syn(&c);
	fake_sock_connected(r->sock[0], 0);
	fake_tcp_wait(r, 999);
	assert_int_equal(r->n, 1);
	fake_tcp_wait(r, 2);
	assert_int_equal(r->n, 2);
	fake_tcp_wait(r, 1990);
	assert_int_equal(r->n, 2);
	fake_tcp_wait(r, 20);
	assert_int_equal(r->n, 3);
	assert_int_equal(r->out[2].flags, F_SYN | F_ACK);
	assert_int_equal(r->out[2].seq, r->out[0].seq);
	fake_tcp_wait(r, 70000);
	assert_int_equal(r->live, 0);
	assert_true(r->sock[0]->was_reset);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_int_equal(stats(r).timed_out, 1);
}

static void open__syn_repeated_after_synack__answered_at_once(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	fake_conn_syn(&c);
	fake_sock_connected(r->sock[0], 0);
	fake_conn_syn(&c);
	assert_int_equal(r->n, 2);
	assert_int_equal(r->out[1].flags, F_SYN | F_ACK);
	assert_int_equal(r->out[1].seq, r->out[0].seq);
}

static void open__wrong_ack_of_synack__reset(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	fake_conn_syn(&c);
	fake_sock_connected(r->sock[0], 0);
	c.seq++;
	c.ack = fake_tcp_last(r)->seq + 9;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST);
	assert_int_equal(fake_tcp_last(r)->seq, c.ack);
	assert_string_equal(first_flow(r).i.state, "syn_received");
}

static void open__data_with_last_ack__taken(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	fake_conn_syn(&c);
	fake_sock_connected(r->sock[0], 0);
	c.seq++;
	c.ack = fake_tcp_last(r)->seq + 1;
	fake_conn_data(&c, "hello", 5);
	assert_memory_equal(r->sock[0]->out, "hello", 5);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq);
}

static void open__host_speaks_first__sent_after_handshake(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	fake_conn_syn(&c);
	fake_sock_connected(r->sock[0], 0);
	fake_sock_push(r->sock[0], "220 hi", 6);
	assert_int_equal(r->n, 1);
	c.seq++;
	c.ack = fake_tcp_last(r)->seq + 1;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->n, 2);
	assert_memory_equal(fake_tcp_last(r)->data, "220 hi", 6);
	assert_int_equal(fake_tcp_last(r)->flags, F_ACK | F_PSH);
}

static void open__initial_numbers__differ_and_advance(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn a = fake_conn_make(r, 1), b = fake_conn_make(r, 2);
	uint32_t first;

	fake_conn_syn(&a);
	fake_sock_connected(r->sock[0], 0);
	first = fake_tcp_last(r)->seq;
	fake_conn_syn(&b);
	fake_sock_connected(r->sock[1], 0);
	assert_int_not_equal(fake_tcp_last(r)->seq, first);
	a.seq++;
	fake_conn_send(&a, F_RST, NULL, 0);
	r->now_ms += 1000;
	a.seq--;
	fake_conn_syn(&a);
	fake_sock_connected(r->sock[2], 0);
	assert_int_equal(fake_tcp_last(r)->seq, first + 250000);
}

/* ---- packets of no flow -------------------------------------------------- */

static void input__no_flow__reset_as_rfc_says(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	c.ack = 777;
	fake_conn_send(&c, F_ACK, "abc", 3);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST);
	assert_int_equal(fake_tcp_last(r)->seq, 777);
	fake_conn_send(&c, F_FIN, "abc", 3);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 4);
	fake_conn_send(&c, F_SYN | F_ACK, NULL, 0);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST);
	fake_conn_send(&c, F_RST, NULL, 0);
	fake_conn_send(&c, F_RST | F_ACK, NULL, 0);
	assert_int_equal(r->n, 3);
	fake_conn_send(&c, F_SYN | F_FIN, NULL, 0);
	assert_int_equal(r->n, 3);
	assert_int_equal(stats(r).no_flow, 3);
	assert_int_equal(stats(r).bad, 1);
	assert_int_equal(stats(r).flows, 0);
}

static void input__truncated_headers__counted(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_seg s = {.src = endpoint4(1, 1), .dst = endpoint4(2, 2),
			     .flags = F_SYN, .mss = 1460, .wscale = 7,
			     .nic_id = 7};

	for (size_t n = 0; n < 28; n++)
		fake_tcp_put(r, &s, n, 1);
	assert_int_equal(stats(r).bad, 28);
	assert_int_equal(stats(r).flows, 0);
	s.src.port = 0;
	fake_tcp_put(r, &s, SIZE_MAX, 1);
	assert_int_equal(stats(r).bad, 29);
}

static void input__bad_options_in_syn__defaults(void **state)
{
	struct fake_tcp *r = *state;
	static const uint8_t o[4] = {2, 1, 5, 180};
	struct fake_conn c = fake_conn_make(r, 40000);
	struct fake_seg s = {.src = c.me, .dst = c.peer, .flags = F_SYN,
			     .seq = c.seq, .nic_id = 7, .raw_opts = o,
			     .raw_opts_len = 4};

	fake_tcp_put(r, &s, SIZE_MAX, 1);
	fake_sock_connected(r->sock[0], 0);
	assert_int_equal(fake_tcp_last(r)->wscale, -1);
}

static void input__from_another_nic__ignored_but_syn(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 40000);

	c.nic_id = 8;
	fake_conn_send(&c, F_ACK, "evil", 4);
	fake_conn_send(&c, F_RST, NULL, 0);
	assert_int_equal(stats(r).wrong_nic, 2);
	assert_int_equal(c.s->out_len, 0);
	assert_int_equal(r->live, 1);
	/* The address has moved on: a new connection ends the old one. */
	fake_conn_syn(&c);
	assert_true(c.s->was_reset);
	assert_int_equal(stats(r).flows, 1);
	assert_int_equal(first_flow(r).i.nic_id, 8);
}

/* ---- resets (RFC 5961) -------------------------------------------------------- */

static void reset__exact__relayed_to_host(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 40000);

	fake_conn_send(&c, F_RST, NULL, 0);
	assert_true(c.s->closed && c.s->was_reset);
	assert_int_equal(r->n, 0);
	assert_int_equal(stats(r).resets_in, 1);
}

static void reset__in_window__challenged(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 40000);

	c.seq += 10;
	fake_conn_send(&c, F_RST, NULL, 0);
	assert_false(c.s->closed);
	assert_int_equal(fake_tcp_last(r)->flags, F_ACK);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq - 10);
	assert_int_equal(stats(r).challenges, 1);
	fake_tcp_clear(r);
	c.seq += 1 << 30; /* far outside: not a word */
	fake_conn_send(&c, F_RST, NULL, 0);
	assert_int_equal(r->n, 0);
	assert_int_equal(r->live, 1);
}

static void reset__from_host__relayed_to_guest(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 40000);

	fake_sock_fail(c.s, -ECONNRESET);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_int_equal(fake_tcp_last(r)->seq, c.ack);
	assert_int_equal(r->live, 0);
}

/* The host is connected, the guest has not yet acknowledged our SYN. */
static void reset__before_the_handshake_ends__other_side_told(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 40000);

	fake_conn_syn(&c);
	fake_sock_connected(r->sock[0], 0);
	assert_int_equal(fake_tcp_last(r)->flags, F_SYN | F_ACK);
	fake_tcp_clear(r);
	c.seq++; /* behind its SYN */
	fake_conn_send(&c, F_RST, NULL, 0);
	assert_true(r->sock[0]->closed && r->sock[0]->was_reset);
	assert_int_equal(r->n, 0);
	c = fake_conn_make(r, 40001);
	fake_conn_syn(&c);
	fake_sock_connected(r->sock[1], 0);
	fake_sock_fail(r->sock[1], -ECONNRESET);
	assert_true(fake_tcp_last(r)->flags & F_RST);
	assert_int_equal(stats(r).flows, 0);
}

static void reset__from_host_with_bytes_before__bytes_first(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 40000);

	c.s->in_err = -ECONNRESET;
	fake_sock_push(c.s, "413 too large", 13);
	assert_int_equal(r->n, 2);
	assert_memory_equal(r->out[0].data, "413 too large", 13);
	assert_int_equal(r->out[1].flags, F_RST | F_ACK);
	assert_int_equal(r->out[1].seq, c.ack + 13);
}

static void reset__host_refuses_guests_bytes__relayed(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 40000);

	c.s->send_err = c.s->in_err = -EPIPE;
	fake_conn_data(&c, "abc", 3);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_int_equal(stats(r).flows, 0);
}

static void syn__on_open_flow__challenged(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 40000), d = c;

	d.seq += 123456;
	fake_conn_syn(&d);
	assert_int_equal(fake_tcp_last(r)->flags, F_ACK);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq);
	/* A guest that rebooted answers that with a reset, and may begin. */
	d.seq = fake_tcp_last(r)->ack;
	fake_conn_send(&d, F_RST, NULL, 0);
	assert_true(c.s->was_reset);
	d.seq = 123456;
	fake_conn_syn(&d);
	assert_int_equal(r->nsock, 2);
}

static void challenge__many__limited(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 40000);

	for (int i = 0; i < 50; i++)
		fake_conn_syn(&c);
	assert_int_equal(r->n, 10);
	fake_tcp_wait(r, 1000);
	fake_conn_syn(&c);
	assert_int_equal(r->n, 11);
}

/* ---- forwards -------------------------------------------------------------- */

static struct tcp_accept client(struct fake_sock *s)
{
	return (struct tcp_accept){
		.sock = s,
		.guest = endpoint4(0x0a00020f, 22),
		.shown = endpoint4(0xc0a80177, 5000),
		.nic_id = 7,
		.forward_id = 99,
	};
}

static struct fake_conn accept_one(struct fake_tcp *r)
{
	struct fake_sock *s = fake_sock_accepted(r);
	struct tcp_accept a = client(s);
	struct fake_conn c = fake_conn_make(r, 22);

	assert_int_equal(tcp_accept(r->t, &a, r->now_ms), 0);
	fake_tcp_settle(r);
	c.peer = a.shown;
	c.s = s;
	c.ack = fake_tcp_last(r)->seq + 1;
	return c;
}

static void accept__guest_answers__open_both_ways(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = accept_one(r);

	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].flags, F_SYN);
	assert_int_equal(r->out[0].ack, 0);
	assert_int_equal(r->out[0].mss, 1460);
	assert_int_equal(r->out[0].wscale, 8);
	assert_true(endpoint_eq(&r->out[0].src, &c.peer));
	assert_true(endpoint_eq(&r->out[0].dst, &c.me));
	fake_sock_push(c.s, "ping", 4); /* before the guest answered */
	fake_conn_send(&c, F_SYN | F_ACK, NULL, 0);
	c.seq++;
	assert_memory_equal(fake_tcp_last(r)->data, "ping", 4);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq);
	fake_conn_ack_all(&c);
	fake_conn_data(&c, "pong", 4);
	assert_memory_equal(c.s->out, "pong", 4);
	assert_int_equal(first_flow(r).i.forward_id, 99);
	assert_int_equal(stats(r).accepted, 1);
}

static void accept__guest_refuses__client_reset(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = accept_one(r);

	c.ack += 5; /* of something else */
	fake_conn_send(&c, F_RST | F_ACK, NULL, 0);
	assert_int_equal(r->live, 1);
	c.ack -= 5;
	fake_conn_send(&c, F_RST | F_ACK, NULL, 0);
	assert_true(c.s->was_reset);
	assert_int_equal(r->nended, 1);
	assert_int_equal(r->nanswered, 0);
	assert_int_equal(r->ended_forward, 99);
}

static void accept__no_answer__client_reset_in_time(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = accept_one(r);

	fake_tcp_wait(r, 32000);
	assert_int_equal(fake_tcp_count(r, F_SYN), 6);
	assert_int_equal(r->live, 1);
	fake_tcp_wait(r, 32000);
	assert_true(c.s->was_reset);
	assert_int_equal(r->nanswered, 0);
}

static void accept__stray_ack_from_guest__reset_and_goes_on(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = accept_one(r), d = c;

	d.ack += 1000; /* the guest has an old connection there */
	fake_conn_send(&d, F_ACK, NULL, 0);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST);
	assert_int_equal(fake_tcp_last(r)->seq, d.ack);
	fake_conn_send(&c, F_SYN | F_ACK, NULL, 0);
	assert_string_equal(first_flow(r).i.state, "established");
}

static void accept__simultaneous_open__works(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = accept_one(r);

	fake_conn_syn(&c);
	assert_int_equal(fake_tcp_last(r)->flags, F_SYN | F_ACK);
	assert_int_equal(fake_tcp_last(r)->seq, c.ack - 1);
	assert_int_equal(fake_tcp_last(r)->ack, c.seq + 1);
	fake_conn_send(&c, F_SYN | F_ACK, NULL, 0);
	c.seq++;
	fake_conn_data(&c, "x", 1);
	assert_int_equal(c.s->out_len, 1);
	assert_string_equal(first_flow(r).i.state, "established");
}

static void accept__shown_endpoint_taken__other_port_if_allowed(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_sock *s;
	struct tcp_accept a;

	accept_one(r);
	s = fake_sock_accepted(r);
	a = client(s);
	assert_int_equal(tcp_accept(r->t, &a, r->now_ms), -EEXIST);
	a.any_port = true;
	assert_int_equal(tcp_accept(r->t, &a, r->now_ms), 0);
	fake_tcp_settle(r);
	assert_int_equal(r->n, 2);
	assert_true(r->out[1].src.port >= 49152);
}

static void accept__client_goes_before_answer__guest_reset(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = accept_one(r);

	fake_sock_fail(c.s, -ECONNRESET);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST);
	assert_int_equal(fake_tcp_last(r)->seq, c.ack);
	assert_int_equal(r->live, 0);
}

/* ---- ends ---------------------------------------------------------------- */

static void forward_gone__its_flows__both_sides_reset(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = accept_one(r), d = fake_conn_open(r, 40000);

	fake_conn_send(&c, F_SYN | F_ACK, NULL, 0);
	fake_tcp_clear(r);
	tcp_forward_gone(r->t, 99, r->now_ms);
	assert_true(c.s->was_reset);
	assert_int_equal(r->n, 1);
	assert_int_equal(fake_tcp_last(r)->flags & F_RST, F_RST);
	assert_int_equal(r->nanswered, 1);
	assert_false(d.s->closed);
	tcp_forward_gone(r->t, 0, r->now_ms); /* not "no forward" */
	assert_false(d.s->closed);
}

static void nic_gone__its_flows__end_without_a_word(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn a = fake_conn_open(r, 1), b = fake_conn_open(r, 2);
	struct fake_conn c = fake_conn_make(r, 3);

	c.nic_id = 8;
	fake_conn_syn(&c);
	tcp_nic_gone(r->t, 7);
	tcp_nic_gone(r->t, 1234);
	assert_true(a.s->was_reset && b.s->was_reset);
	assert_int_equal(r->n, 0);
	assert_int_equal(stats(r).flows, 1);
	assert_int_equal(stats(r).opening, 1);
}

static bool guest_port_is_2(void *arg, const struct tcp_flow_info *i)
{
	(void)arg;
	return i->guest.port == 2;
}

static void end_matching__one__only_it(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn a = fake_conn_open(r, 1), b = fake_conn_open(r, 2);

	tcp_end_matching(r->t, guest_port_is_2, NULL, r->now_ms);
	assert_false(a.s->closed);
	assert_true(b.s->was_reset);
	assert_int_equal(r->n, 1);
}

static void free__flows_in_all_states__no_leak(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 1);

	fake_conn_syn(&c);
	c = fake_conn_make(r, 2);
	fake_conn_syn(&c);
	fake_sock_connected(r->sock[1], 0);
	fake_conn_open(r, 3);
	accept_one(r);
	c = fake_conn_open(r, 4);
	fake_sock_eof(c.s);
	fake_conn_ack_all(&c);
	fake_conn_send(&c, F_FIN | F_ACK, NULL, 0);
	assert_int_equal(stats(r).time_wait, 1);
	assert_int_equal(stats(r).flows, 5);
	/* teardown checks */
}

/* ---- looking in ---------------------------------------------------------- */

static bool take_info(void *arg, const struct tcp_flow_info *i)
{
	*(struct tcp_flow_info *)arg = *i;
	return true;
}

static void traffic__both_ways__counted(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1000);
	static const uint8_t p[4000];
	struct tcp_flow_info i;

	tcp_walk(r->t, 0, take_info, &i);
	assert_int_equal(i.packets_out, 2); /* SYN, ACK */
	assert_int_equal(i.packets_in, 1);
	fake_conn_data(&c, p, 1000);
	fake_conn_data(&c, p, 500);
	fake_sock_push(c.s, p, 4000); /* three segments in one frame */
	fake_tcp_settle(r);
	tcp_walk(r->t, 0, take_info, &i);
	assert_int_equal(i.packets_out, 4);
	assert_int_equal(i.bytes_out, 1500);
	assert_int_equal(i.packets_in, 1 + 2 + 3);
	assert_int_equal(i.bytes_in, 4000);
}

/* ---- limits -------------------------------------------------------------- */

static int setup_limits(void **state)
{
	struct fake_tcp *r = malloc(sizeof(*r));

	fake_tcp_init(r);
	r->cfg.flows_max = 6;
	r->cfg.nic_flows_max = 4;
	r->cfg.nic_opening_max = 2;
	fake_tcp_start(r);
	*state = r;
	return 0;
}

static void limit__per_nic__refused_then_free_again(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c, last = {0};

	for (uint16_t p = 1; p <= 4; p++)
		last = fake_conn_open(r, p);
	c = fake_conn_make(r, 5);
	fake_conn_syn(&c);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_int_equal(stats(r).limited, 1);
	assert_int_equal(stats(r).flows, 4);
	fake_conn_send(&last, F_RST, NULL, 0);
	fake_conn_open(r, 6);
}

static void limit__in_all__other_nics_too(void **state)
{
	struct fake_tcp *r = *state;
	struct tcp_accept a;
	struct fake_conn c;

	for (uint16_t p = 1; p <= 4; p++)
		fake_conn_open(r, p);
	c = fake_conn_make(r, 5);
	c.nic_id = 8;
	fake_conn_syn(&c);
	c = fake_conn_make(r, 6);
	c.nic_id = 8;
	fake_conn_syn(&c);
	assert_int_equal(stats(r).flows, 6);
	a = client(fake_sock_accepted(r));
	a.nic_id = 9;
	assert_int_equal(tcp_accept(r->t, &a, r->now_ms), -ENOSPC);
	((struct fake_sock *)a.sock)->closed = true;
	r->live--;
	assert_int_equal(stats(r).limited, 1);
}

static void limit__connects_under_way__syn_dropped(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c;

	for (uint16_t p = 1; p <= 3; p++) {
		c = fake_conn_make(r, p);
		fake_conn_syn(&c);
	}
	assert_int_equal(r->n, 0);
	assert_int_equal(r->live, 2);
	assert_int_equal(stats(r).limited, 1);
	fake_sock_connected(r->sock[0], 0);
	fake_conn_syn(&c); /* the guest tries again */
	assert_int_equal(r->live, 3);
}

static int setup_reserve(void **state)
{
	struct fake_tcp *r = malloc(sizeof(*r));

	fake_tcp_init(r);
	r->cfg.nic_flows_max = 8;
	fake_tcp_start(r);
	*state = r;
	return 0;
}

static void limit__clients_of_forwards__leave_an_eighth_to_the_guest(
	void **state)
{
	struct fake_tcp *r = *state;
	struct tcp_accept a;

	for (uint16_t i = 0; i < 7; i++) {
		a = client(fake_sock_accepted(r));
		a.shown.port = (uint16_t)(6000 + i);
		assert_int_equal(tcp_accept(r->t, &a, r->now_ms), 0);
	}
	a = client(fake_sock_accepted(r));
	assert_int_equal(tcp_accept(r->t, &a, r->now_ms), -ENOSPC);
	((struct fake_sock *)a.sock)->closed = true;
	r->live--;
	assert_int_equal(stats(r).limited, 1);
	fake_tcp_settle(r);
	fake_tcp_clear(r);
	fake_conn_open(r, 5);
	assert_int_equal(stats(r).flows, 8);
}

static void limit__time_wait__makes_room(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c;

	for (uint16_t p = 1; p <= 4; p++) {
		c = fake_conn_open(r, p);
		fake_sock_eof(c.s);
		fake_conn_ack_all(&c);
		fake_conn_send(&c, F_FIN | F_ACK, NULL, 0);
		fake_tcp_clear(r);
	}
	assert_int_equal(stats(r).time_wait, 4);
	fake_conn_open(r, 5);
	assert_int_equal(stats(r).time_wait, 3);
	assert_int_equal(stats(r).limited, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define R(name) cmocka_unit_test_setup_teardown(name, setup_reserve, teardown)
#define L(name) cmocka_unit_test_setup_teardown(name, setup_limits, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(open__host_connects__synack_only_then),
		T(open__no_scale_offered__none_answered),
		T(open__host_fails__guest_sees_what_it_was),
		T(open__the_way_says_why__told_as_it_was),
		T(open__connect_fails_at_once__answered),
		T(open__verdicts__followed),
		T(open__syn_again_while_connecting__one_socket),
		T(open__reset_while_connecting__socket_closed),
		T(open__synack_lost__sent_again_with_backoff),
		T(open__syn_repeated_after_synack__answered_at_once),
		T(open__wrong_ack_of_synack__reset),
		T(open__data_with_last_ack__taken),
		T(open__host_speaks_first__sent_after_handshake),
		T(open__initial_numbers__differ_and_advance),
		T(input__no_flow__reset_as_rfc_says),
		T(input__truncated_headers__counted),
		T(input__bad_options_in_syn__defaults),
		T(input__from_another_nic__ignored_but_syn),
		T(reset__exact__relayed_to_host),
		T(reset__in_window__challenged),
		T(reset__from_host__relayed_to_guest),
		T(reset__before_the_handshake_ends__other_side_told),
		T(reset__from_host_with_bytes_before__bytes_first),
		T(reset__host_refuses_guests_bytes__relayed),
		T(syn__on_open_flow__challenged),
		T(challenge__many__limited),
		T(accept__guest_answers__open_both_ways),
		T(accept__guest_refuses__client_reset),
		T(accept__no_answer__client_reset_in_time),
		T(accept__stray_ack_from_guest__reset_and_goes_on),
		T(accept__simultaneous_open__works),
		T(accept__shown_endpoint_taken__other_port_if_allowed),
		T(accept__client_goes_before_answer__guest_reset),
		T(forward_gone__its_flows__both_sides_reset),
		T(nic_gone__its_flows__end_without_a_word),
		T(end_matching__one__only_it),
		T(free__flows_in_all_states__no_leak),
		T(traffic__both_ways__counted),
		L(limit__per_nic__refused_then_free_again),
		L(limit__in_all__other_nics_too),
		L(limit__connects_under_way__syn_dropped),
		L(limit__time_wait__makes_room),
		R(limit__clients_of_forwards__leave_an_eighth_to_the_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
