// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_core fake_nat_host dns_rig dns_guest fake_ip6 */
/* Upstreams over real sockets on the loopback, and sleep noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "lib/bytes.h"
#include "nat/host.h"
#include "nat/host_wake.h"
#include "tests/fake/dns_rig.h"

/* The fake world, but for its DNS sockets. */
struct world {
	struct fake_nat *f;
	struct event_base *base;
	struct host host;
	int udp, tcp; /* the upstream's, bound and listening on one port */
	struct endpoint up;
};

static int64_t turn(void *arg)
{
	return ((struct world *)arg)->f->now_ms;
}

static void turn_end(void *arg, int64_t now_ms)
{
	gateway_flush(((struct world *)arg)->f->gw, now_ms);
}

static int bound(int type, struct endpoint *ep)
{
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&ep->ip, ep->port, &ss);
	int fd = socket(ss.ss_family, type, 0);

	assert_true(fd >= 0);
	if (bind(fd, (struct sockaddr *)&ss, len)) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&ss, &len);
	ipaddr_from_sockaddr(&ss, &ep->ip, &ep->port);
	return fd;
}

static int setup_at(void **state, const char *ip)
{
	struct world *w = calloc(1, sizeof(*w));

	w->f = dns_rig_new(true, 0);
	w->base = event_base_new();
	w->host = (struct host){.base = w->base, .gw = w->f->gw, .turn = turn,
				.turn_end = turn_end, .arg = w};
	assert_int_equal(host_init(&w->host), 0);
	w->f->gw->dns.host = &host_dns_ops;
	w->f->gw->dns.host_arg = &w->host;
	w->tcp = -1;
	for (int i = 0; i < 50 && w->tcp < 0; i++) {
		w->up = (struct endpoint){rig_ip(ip), 0};
		w->udp = bound(SOCK_DGRAM, &w->up);
		assert_true(w->udp >= 0);
		w->tcp = bound(SOCK_STREAM, &w->up);
		if (w->tcp < 0)
			close(w->udp);
	}
	assert_int_equal(listen(w->tcp, 4), 0);
	dns_set_upstreams(&w->f->gw->dns, &(struct dns_upstream){.ep = w->up},
			  1, w->f->now_ms);
	*state = w;
	return 0;
}

static int setup(void **state)
{
	return setup_at(state, "127.0.0.1");
}

static int teardown(void **state)
{
	struct world *w = *state;

	dns_rig_free(w->f);
	host_fini(&w->host);
	event_base_free(w->base);
	libevent_global_shutdown();
	close(w->udp);
	close(w->tcp);
	free(w);
	return 0;
}

/* The upstream takes a datagram and answers it; @flags of DNS header byte 2. */
static void answer_udp(struct world *w, uint8_t flags)
{
	struct sockaddr_storage from;
	socklen_t flen = sizeof(from);
	uint8_t b[600];
	ssize_t n = recvfrom(w->udp, b, sizeof(b), 0, (struct sockaddr *)&from,
			     &flen);

	assert_true(n > DNS_HDR);
	b[2] |= 0x80 | flags;
	assert_int_equal(sendto(w->udp, b, (size_t)n, 0,
				(struct sockaddr *)&from, flen),
			 n);
}

static void one_turn(struct world *w)
{
	event_base_loop(w->base, EVLOOP_ONCE);
}

static void udp__query__sent_and_answered(void **state)
{
	struct world *w = *state;

	rig_ask(w->f, "example.org", DNS_A);
	answer_udp(w, 0);
	one_turn(w);
	rig_answer(w->f, DNS_NOERROR, 0);
}

static void udp__closed_port__failed_at_once(void **state)
{
	struct world *w = *state;

	close(w->udp);
	rig_ask(w->f, "example.org", DNS_A);
	one_turn(w);
	rig_answer(w->f, DNS_SERVFAIL, 0);
	w->udp = dup(w->tcp);
}

/* A client over TCP whose query was truncated: the upstream's end. */
static int accept_query(struct world *w, struct rig_tcp *t, uint8_t *msg,
			size_t *len)
{
	uint8_t b[302];
	size_t got = 0;
	int fd;

	rig_tcp_open(t, w->f, 5000);
	rig_tcp_send(t, 16, b, rig_tcp_query(b, "example.org", DNS_A, 7));
	answer_udp(w, 2);
	one_turn(w);
	fd = accept(w->tcp, NULL, NULL);
	assert_true(fd >= 0);
	one_turn(w); /* writable */
	while (got < 2 || got < 2u + get_be16(msg)) {
		ssize_t n = read(fd, msg + got, 600 - got);

		assert_true(n > 0);
		got += (size_t)n;
	}
	*len = got - 2;
	memmove(msg, msg + 2, *len);
	return fd;
}

static void tcp__truncated__whole_answer_in_pieces(void **state)
{
	struct world *w = *state;
	uint8_t msg[600], *reply = calloc(1, 40002), *got = malloc(65535);
	struct rig_tcp t;
	size_t len, at = 0, n = 0;
	int fd = accept_query(w, &t, msg, &len);

	put_be16(reply, 40000);
	memcpy(reply + 2, msg, len);
	reply[4] |= 0x80;
	for (size_t step = 1; at < 40002; step *= 7) {
		size_t k = 40002 - at < step ? 40002 - at : step;

		assert_int_equal(write(fd, reply + at, k), k);
		at += k;
		event_base_loop(w->base, EVLOOP_NONBLOCK);
	}
	for (int i = 0; i < 100 && !n; i++) {
		event_base_loop(w->base, EVLOOP_NONBLOCK);
		rig_tcp_pump(&t);
		n = rig_tcp_next(&t, got, 65535);
		if (!n)
			usleep(1000);
	}
	assert_int_equal(n, 40000);
	assert_int_equal(get_be16(got), 7);
	assert_memory_equal(got + 12, msg + 12, len - 12);
	close(fd);
	rig_tcp_free(&t);
	free(reply);
	free(got);
}

static void tcp__foreign_message_first__waited_on(void **state)
{
	struct world *w = *state;
	uint8_t msg[600], out[602];
	struct rig_tcp t;
	size_t len, n = 0;
	int fd = accept_query(w, &t, msg, &len);

	put_be16(out, (uint16_t)len);
	memcpy(out + 2, msg, len);
	out[4] |= 0x80;
	out[2] ^= 0x55; /* another id */
	assert_int_equal(write(fd, out, len + 2), len + 2);
	one_turn(w);
	assert_int_equal(w->f->gw->dns.stats.spoofed, 1);
	out[2] ^= 0x55;
	assert_int_equal(write(fd, out, len + 2), len + 2);
	one_turn(w);
	rig_tcp_pump(&t);
	n = rig_tcp_next(&t, msg, sizeof(msg));
	assert_int_equal(n, len);
	close(fd);
	rig_tcp_free(&t);
}

static void tcp__upstream_closes__servfail(void **state)
{
	struct world *w = *state;
	uint8_t msg[600];
	struct rig_tcp t;
	size_t len;
	int fd = accept_query(w, &t, msg, &len);

	close(fd);
	one_turn(w);
	rig_tcp_pump(&t);
	assert_true(rig_tcp_next(&t, msg, sizeof(msg)) > 0);
	assert_int_equal(msg[3] & 15, DNS_SERVFAIL);
	rig_tcp_free(&t);
}

static void ip6__upstream__asked(void **state)
{
	void *s = NULL;
	struct world *w;
	int probe = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 sin = {.sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	(void)state;
	if (probe < 0 || bind(probe, (struct sockaddr *)&sin, sizeof(sin))) {
		if (probe >= 0)
			close(probe);
		skip();
	}
	close(probe);
	setup_at(&s, "::1");
	w = s;
	rig_ask(w->f, "example.org", DNS_A);
	answer_udp(w, 0);
	one_turn(w);
	rig_answer(w->f, DNS_NOERROR, 0);
	teardown(&s);
}

static void slept__clocks_apart__noticed_once(void **state)
{
	int64_t gap = 0;

	(void)state;
	(void)host_slept(&gap, 5000000, 3000000); /* since boot */
	assert_int_equal(host_slept(&gap, 5001000, 3001000), 0);
	assert_int_equal(host_slept(&gap, 5002999, 3002000), 0);
	assert_int_equal(host_slept(&gap, 9002999, 3003000), 3999000);
	assert_int_equal(host_slept(&gap, 9003999, 3004000), 0);
}

static void woke(void *arg, int64_t slept_ms)
{
	assert_true(slept_ms > 0);
	(*(int *)arg)++;
}

static void wake__no_sleep__quiet(void **state)
{
	struct event_base *base = event_base_new();
	struct host_wake *w = NULL;
	int n = 0;

	(void)state;
	assert_int_equal(host_wake_new(base, woke, &n, &w), 0);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(n, 0);
	host_wake_free(w);
	host_wake_free(NULL);
	event_base_free(base);
	libevent_global_shutdown();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(udp__query__sent_and_answered),
		T(udp__closed_port__failed_at_once),
		T(tcp__truncated__whole_answer_in_pieces),
		T(tcp__foreign_message_first__waited_on),
		T(tcp__upstream_closes__servfail),
		cmocka_unit_test(ip6__upstream__asked),
		cmocka_unit_test(slept__clocks_apart__noticed_once),
		cmocka_unit_test(wake__no_sleep__quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
