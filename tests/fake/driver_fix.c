// SPDX-License-Identifier: GPL-2.0-or-later
/* Fixture for tests of port drivers. See driver_fix.h. */
#include "tests/fake/driver_fix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/bytes.h"

static void on_peer(void *arg, uint64_t nic_id, bool connected)
{
	struct fix *x = arg;

	assert_int_equal(nic_id, 7);
	x->connected = connected;
	x->peer_calls++;
}

static void on_accepted(void *arg, uint64_t nic_id, int fd)
{
	struct fix *x = arg;

	assert_int_equal(nic_id, 7);
	if (x->accepted_fd >= 0)
		close(x->accepted_fd);
	x->accepted_fd = dup(fd);
}

static void on_sender(void *arg, uint64_t nic_id,
		      const struct sockaddr_storage *ss, socklen_t len)
{
	struct fix *x = arg;

	assert_int_equal(nic_id, 7);
	x->sender = *ss;
	x->sender_len = len;
	x->senders++;
}

void fix_ask_ways(struct fix *x)
{
	x->ev.sender = on_sender;
}

int fix_setup(void **state)
{
	struct vswitch_config cfg = {.seed = {3, 4}};
	struct fix *x = calloc(1, sizeof(*x));

	x->base = event_base_new();
	x->sw = vswitch_new(&cfg);
	fake_port_add(&x->f, x->sw, "f", PORT_GUEST, 0);
	x->ev = (struct driver_events){x, on_peer, on_accepted, NULL};
	x->ctx = (struct driver_ctx){x->base, x->sw, &x->ev};
	x->spec = (struct port_spec){"vm-0", PORT_GUEST, 7, 0};
	x->peer = x->memfd = x->accepted_fd = -1;
	*state = x;
	return 0;
}

int fix_teardown(void **state)
{
	struct fix *x = *state;

	driver_free(x->d);
	vswitch_free(x->sw);
	event_base_free(x->base);
	if (x->peer >= 0)
		close(x->peer);
	if (x->memfd >= 0)
		close(x->memfd);
	if (x->accepted_fd >= 0)
		close(x->accepted_fd);
	free(x);
	return 0;
}

void fix_turn(struct fix *x)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
}

void fix_until(struct fix *x, unsigned int n)
{
	for (int i = 0; i < 100000 && x->f.n < n; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
	assert_int_equal(x->f.n, n);
}

uint64_t fix_drops(const struct fix *x, enum drop_reason r)
{
	struct port_stats s;

	driver_stats(x->d, &s);
	return s.drops[r];
}

void fix_frame(uint8_t *p, size_t len, uint8_t src, uint8_t tag)
{
	memset(p, tag, len);
	memset(p, 255, 6);
	memcpy(p + 6, "\2\0\0\0\0", 5);
	p[11] = src;
	put_be16(p + 12, 0x1234);
}

size_t fix_stream_frame(uint8_t *p, size_t len, uint8_t tag)
{
	put_be32(p, (uint32_t)len);
	fix_frame(p + 4, len, 1, tag);
	return 4 + len;
}

void fix_to_driver(struct fix *x, size_t len, uint8_t tag)
{
	uint8_t b[2000];

	fix_frame(b, len, 0xee, tag);
	fake_port_in(&x->f, b, len, 0);
}

int fix_listener(const char *name, int type, struct sockaddr_un *a,
		    socklen_t *len)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1,
		 "vnet-test-%d-%s", getpid(), name);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   strlen(a->sun_path + 1));
	assert_int_equal(bind(fd, (struct sockaddr *)a, *len), 0);
	return fd;
}

int fix_dial(int type, const struct sockaddr_un *a, socklen_t len)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)a, len), 0);
	return fd;
}

int fix_mem(void)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, STREAM_MEM_SIZE), 0);
	return fd;
}
