// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_io switch_core */
/*
 * How long the gateway goes on before the loop looks at anybody else: many sockets of
 * the host have something for a guest, which is a port that counts.
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
#include "switch/offload.h"
#include "switch/vswitch.h"

#define GW    0x0a000202u
#define GUEST 0x0a00020fu
#define FLOWS 128
#define PORT0 40000
#define CHUNK (48 * 1024) /* less than a new socket takes without being read */

enum { SYN = 2, ACK = 16 };

struct fix {
	struct port port; /* first */
	struct event_base *base;
	struct vswitch *sw;
	struct nat *nat;
	int listen, conn[FLOWS];
	unsigned int open, accepted;
	uint16_t to;
	uint32_t ack[FLOWS];
	bool answer[FLOWS];
	size_t got;
};

static void send_tcp(struct fix *x, unsigned int i, uint8_t flags)
{
	static const uint8_t opts[8] = {2, 4, 5, 0xb4, 1, 3, 3, 7};
	size_t len = flags & SYN ? 28 : 20;
	uint8_t b[100] = {0}, *t = b + 34;
	struct ip4 h = {.src = GUEST, .dst = GW, .proto = 6, .ttl = 64,
			.df = true, .len = (uint16_t)(20 + len)};
	struct frame f;

	memcpy(b, "\x52\x55\x0a\0\2\2\x52\x54\0\0\0\1\x08\0", 14);
	ip4_build(b + 14, &h);
	put_be16(t, (uint16_t)(PORT0 + i));
	put_be16(t + 2, x->to);
	put_be32(t + 4, flags & SYN ? 1000 : 1001);
	put_be32(t + 8, x->ack[i]);
	t[12] = (uint8_t)(len / 4 << 4);
	t[13] = flags;
	put_be16(t + 14, 0xffff);
	memcpy(t + 20, opts, len - 20);
	put_be16(t + 16,
		 csum_fold(csum_pseudo4(GUEST, GW, 6, (uint32_t)len)));
	frame_init(&f, b, 34 + len);
	f.off = (struct offload){.needs_csum = true, .csum_start = 34,
				 .csum_offset = 16};
	vswitch_input(&x->port, &f, 1, 1);
}

static void count_tx(struct port *p, const struct frame *const *batch,
		     unsigned int n)
{
	struct fix *x = (struct fix *)p;

	for (unsigned int k = 0; k < n; k++) {
		const uint8_t *t = frame_hdr(batch[k]) + 34;
		unsigned int i;

		x->got += batch[k]->len;
		if (batch[k]->len < 54 || get_be16(t - 22) != 0x800)
			continue;
		i = get_be16(t + 2) - PORT0;
		if (i < FLOWS && t[13] & SYN) {
			x->ack[i] = get_be32(t + 4) + 1;
			x->answer[i] = true;
		}
	}
}

static void no_close(struct port *p)
{
	(void)p;
}

static const struct port_ops count_ops = {
	.driver = "count", .tx = count_tx, .close = no_close,
};

static void host_open(struct fix *x)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	x->listen = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			   0);
	assert_int_equal(bind(x->listen, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(x->listen, FLOWS), 0);
	assert_int_equal(getsockname(x->listen, (struct sockaddr *)&a, &len), 0);
	x->to = ntohs(a.sin_port);
}

static int setup(void **state)
{
	struct nat_config nc = {
		.mac = {"\x52\x55\x0a\0\2\2"}, .ip = GW, .dns_ip = GW + 1,
		.net = {0x0a000200, 24}, .mtu = 1500, .nat = true,
		.host_access = NAT_HOST_LOOPBACK, .icmp_raw_fd = -1,
	};
	struct vswitch_config cfg = {.seed = {1, 2}};
	struct event_config *ec = event_config_new();
	struct fix *x = calloc(1, sizeof(*x));

	host_open(x);
	event_config_require_features(ec, EV_FEATURE_ET);
	x->base = event_base_new_with_config(ec);
	event_config_free(ec);
	x->sw = vswitch_new(&cfg);
	assert_int_equal(nat_new(x->base, x->sw, &nc, &x->nat, NULL), 0);
	x->port.ops = &count_ops;
	strcpy(x->port.name, "vm-0");
	x->port.nic_id = 7;
	x->port.caps = PORT_CAP_CSUM | PORT_CAP_TSO4;
	assert_int_equal(vswitch_port_add(x->sw, &x->port), 0);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	nat_free(x->nat);
	vswitch_free(x->sw);
	event_base_free(x->base);
	for (unsigned int i = 0; i < x->accepted; i++)
		close(x->conn[i]);
	close(x->listen);
	free(x);
	return 0;
}

static void loop(struct fix *x)
{
	event_base_loop(x->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void open_flows(struct fix *x)
{
	for (unsigned int i = 0; i < FLOWS; i++)
		send_tcp(x, i, SYN);
	for (int n = 0; n < 100000 && (x->open < FLOWS || x->accepted < FLOWS);
	     n++) {
		loop(x);
		for (unsigned int i = 0; i < FLOWS; i++) {
			if (!x->answer[i])
				continue;
			x->answer[i] = false;
			x->open++;
			send_tcp(x, i, ACK);
		}
		if (x->accepted < FLOWS) {
			int fd = accept4(x->listen, NULL, NULL, SOCK_CLOEXEC);

			if (fd >= 0)
				x->conn[x->accepted++] = fd;
		}
	}
	assert_int_equal(x->open, FLOWS);
	assert_int_equal(x->accepted, FLOWS);
}

/* 6 MiB are there; the gateway sends one a turn. */
static void turns__much_to_send__others_are_heard_between(void **state)
{
	static const uint8_t chunk[CHUNK];
	struct fix *x = *state;
	size_t most = 0;

	open_flows(x);
	x->got = 0;
	for (unsigned int i = 0; i < FLOWS; i++)
		assert_int_equal(send(x->conn[i], chunk, CHUNK,
				      MSG_NOSIGNAL | MSG_DONTWAIT), CHUNK);
	for (int n = 0; n < 100000 && x->got < (size_t)FLOWS * CHUNK; n++) {
		size_t before = x->got;

		loop(x);
		if (x->got - before > most)
			most = x->got - before;
	}
	assert_true(x->got >= (size_t)FLOWS * CHUNK);
	assert_in_range(most, 1, 5u << 20);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(turns__much_to_send__others_are_heard_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
