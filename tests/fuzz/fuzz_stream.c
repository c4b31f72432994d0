// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core switch_io fake_port */
/*
 * Bytes for a stream port, through a real socket pair. The first byte says in what
 * amounts they come and whether the worker is replaced on the way; with its top bit
 * the next 32 bytes are the state that a new worker finds in the memory.
 */
#include <assert.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "switch/port_stream_int.h"
#include "tests/fake/fake_port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Built once: a loop, a switch, and somebody to receive. */
static struct event_base *base;
static struct vswitch *sw;
static struct fake_port sink;
static struct stream_mem *mem;
static int mem_fd;

static void start(void)
{
	struct vswitch_config cfg = {0};

	log_setup("fuzz", LOG_LVL_ERR);
	base = event_base_new();
	sw = vswitch_new(&cfg);
	fake_port_add(&sink, sw, "sink", PORT_GUEST, 0);
	mem_fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (ftruncate(mem_fd, STREAM_MEM_SIZE))
		abort();
	mem = mmap(NULL, STREAM_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   mem_fd, 0);
	assert(base && sw && mem != MAP_FAILED);
}

static struct driver *worker(int conn)
{
	struct driver_ctx ctx = {base, sw, NULL};
	struct port_spec spec = {"fuzz", PORT_GUEST, 1, 0};
	struct driver *d = NULL;

	(void)driver_stream(&ctx, &spec, -1, dup(conn), dup(mem_fd), &d, NULL);
	return d;
}

/* What the last worker left, as the input wants it. */
static void spoil(const uint8_t *data)
{
	uint64_t v[4];

	memcpy(v, data, sizeof(v));
	mem->magic = STREAM_MAGIC;
	if (v[0] & 1)
		mem->cookie = v[1];
	mem->rx = v[2];
	mem->tx = v[3];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct driver *d;
	uint8_t how;
	size_t each;
	int sv[2];

	if (size < 1)
		return 0;
	if (!base)
		start();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv))
		abort();
	mem->magic = 0;
	d = worker(sv[1]);
	assert(d);
	how = *data++;
	size--;
	if (how & 0x80 && size >= 32) {
		driver_free(d);
		spoil(data);
		d = worker(sv[1]);
		data += 32;
		size -= 32;
	}
	each = how & 0x3f ? (size_t)(how & 0x3f) * 8 : size;
	while (d && size) {
		size_t n = min_sz(each, size);
		ssize_t w = write(sv[0], data, n);
		uint8_t pong[60] = {255, 255, 255, 255, 255, 255, 2};

		event_base_loop(base, EVLOOP_NONBLOCK);
		if (w <= 0)
			break;
		data += w;
		size -= (size_t)w;
		fake_port_in(&sink, pong, sizeof(pong), 0);
		fake_port_clear(&sink);
		if (how & 0x40) {
			driver_free(d);
			d = worker(sv[1]);
		}
	}
	event_base_loop(base, EVLOOP_NONBLOCK);
	driver_free(d);
	fake_port_clear(&sink);
	close(sv[0]);
	close(sv[1]);
	return 0;
}
