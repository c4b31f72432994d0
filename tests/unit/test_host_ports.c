// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core */
/* Guests' TCP endpoints and the host's ports, on real sockets. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "nat/host_ports.h"

#define WEB 80

struct fix {
	struct host_ports t;
	int fd[4];
	struct host_port *p[4];
};

static int setup(void **state)
{
	struct fix *x = calloc(1, sizeof(*x));

	*state = x;
	for (int i = 0; i < 4; i++)
		x->fd[i] = socket(AF_INET, SOCK_STREAM, 0);
	return host_ports_init(&x->t);
}

static int teardown(void **state)
{
	struct fix *x = *state;

	for (int i = 0; i < 4; i++) {
		close(x->fd[i]);
		host_ports_put(x->p[i]);
	}
	assert_int_equal(x->t.by_port.count, 0);
	host_ports_fini(&x->t);
	free(x);
	return 0;
}

static uint16_t bound(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, (void *)&a, &len), 0);
	return ntohs(a.sin_port);
}

/* A port that nobody has at the moment. */
static uint16_t free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	uint16_t port;

	assert_int_equal(bind(fd, (void *)&a, sizeof(a)), 0);
	port = bound(fd);
	close(fd);
	return port;
}

static struct host_port *take(struct fix *x, int i, uint8_t guest,
			      uint16_t port)
{
	struct endpoint g = endpoint4(0x0a000200u + guest, port);

	x->p[i] = host_ports_bind(&x->t, x->fd[i], AF_INET, &g, WEB);
	return x->p[i];
}

static void bind__connections_of_one_endpoint__its_own_port(void **state)
{
	struct fix *x = *state;
	uint16_t port = free_port();

	assert_non_null(take(x, 0, 15, port));
	assert_ptr_equal(take(x, 1, 15, port), x->p[0]);
	assert_int_equal(bound(x->fd[0]), port);
	assert_int_equal(bound(x->fd[1]), port);
	assert_int_equal(x->p[0]->users, 2);
}

static void bind__two_guests_want_one_port__never_shared(void **state)
{
	struct fix *x = *state;
	uint16_t port = free_port();

	assert_non_null(take(x, 0, 15, port));
	assert_non_null(take(x, 1, 16, port));
	assert_non_null(take(x, 2, 16, port));
	assert_int_not_equal(bound(x->fd[1]), port);
	assert_int_equal(bound(x->fd[1]), bound(x->fd[2]));
}

static void bind__the_host_has_the_port__another(void **state)
{
	struct fix *x = *state;
	struct sockaddr_in a = {.sin_family = AF_INET};
	uint16_t port;

	assert_int_equal(bind(x->fd[3], (void *)&a, sizeof(a)), 0);
	assert_int_equal(listen(x->fd[3], 1), 0);
	port = bound(x->fd[3]);
	assert_non_null(take(x, 0, 15, port));
	assert_int_not_equal(bound(x->fd[0]), port);
}

static void bind__port_of_the_system_or_of_the_destination__another(
	void **state)
{
	struct fix *x = *state;
	uint16_t port = free_port();
	struct endpoint g = endpoint4(0x0a00020f, port);

	assert_non_null(take(x, 0, 15, 22));
	assert_true(bound(x->fd[0]) >= 1024);
	/* to itself it could connect without a peer */
	x->p[1] = host_ports_bind(&x->t, x->fd[1], AF_INET, &g, port);
	assert_non_null(x->p[1]);
	assert_int_not_equal(bound(x->fd[1]), port);
	/* nor by the port it has for others */
	assert_null(host_ports_bind(&x->t, x->fd[2], AF_INET, &g,
				    x->p[1]->port));
	assert_int_equal(bound(x->fd[2]), 0);
}

static void bind__ipv6__beside_ipv4(void **state)
{
	struct fix *x = *state;
	struct endpoint g = endpoint4(0x0a00020f, free_port());
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0)
		skip(); /* a host without IPv6 */
	x->p[0] = host_ports_bind(&x->t, x->fd[0], AF_INET, &g, WEB);
	x->p[1] = host_ports_bind(&x->t, fd, AF_INET6, &g, WEB);
	assert_non_null(x->p[1]);
	assert_int_equal(x->p[0]->port, x->p[1]->port);
	assert_ptr_not_equal(x->p[0], x->p[1]);
	close(fd);
}

static void bind__table_full__any_port(void **state)
{
	struct fix *x = *state;
	uint32_t count = x->t.by_guest.count;

	x->t.by_guest.count = HOST_PORTS_MAX;
	assert_null(take(x, 0, 15, free_port()));
	assert_int_equal(bound(x->fd[0]), 0);
	x->t.by_guest.count = count;
}

static void put__last_user__port_is_others(void **state)
{
	struct fix *x = *state;
	uint16_t port = free_port();

	take(x, 0, 15, port);
	close(x->fd[0]);
	host_ports_put(x->p[0]);
	x->p[0] = NULL;
	x->fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_non_null(take(x, 1, 16, port));
	assert_int_equal(bound(x->fd[1]), port);
	host_ports_put(NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bind__connections_of_one_endpoint__its_own_port),
		T(bind__two_guests_want_one_port__never_shared),
		T(bind__the_host_has_the_port__another),
		T(bind__port_of_the_system_or_of_the_destination__another),
		T(bind__ipv6__beside_ipv4),
		T(bind__table_full__any_port),
		T(put__last_user__port_is_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
