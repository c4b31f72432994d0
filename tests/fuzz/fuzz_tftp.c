// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core lib */
/*
 * Datagrams to a TFTP server, one after the other: each is a byte for who sends it, a
 * byte for the port it goes to, a byte of time, a byte of length, then the payload.
 * Files open and close in pairs, ports too, nothing grows beyond its bound and no
 * block is longer than what was agreed to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dhcp/tftp.h"
#include "dhcp/tftp_msg.h"
#include "lib/bytes.h"

#define BLOCK_MAX 1428

struct world {
	struct tftp *t;
	uint64_t token[TFTP_SESSIONS_MAX * 2]; /* asked for, not answered yet */
	unsigned int waiting, files, ports, sent;
	uint16_t port; /* the last one taken */
	int64_t now;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void op_open(void *arg, uint64_t token, const char *name)
{
	struct world *w = arg;

	require(name[0] && strlen(name) <= TFTP_NAME_MAX);
	if (w->waiting < TFTP_SESSIONS_MAX * 2)
		w->token[w->waiting++] = token;
}

static ssize_t op_read(void *arg, int handle, uint64_t off, void *buf,
		       size_t len)
{
	(void)arg;
	require(off + len <= (uint64_t)handle);
	memset(buf, (int)(off & 1 ? '\n' : '\r'), len);
	return (ssize_t)len;
}

static void op_close(void *arg, int handle)
{
	struct world *w = arg;

	(void)handle;
	require(w->files-- > 0);
}

static void op_send(void *arg, const struct tftp_out *o)
{
	struct world *w = arg;

	require(o->len >= 4 && o->len <= BLOCK_MAX + 4);
	w->sent++;
}

static int op_take(void *arg, uint16_t port)
{
	struct world *w = arg;

	if (port % 5 == 0)
		return -EEXIST;
	w->port = port;
	w->ports++;
	return 0;
}

static void op_give(void *arg, uint16_t port)
{
	struct world *w = arg;

	(void)port;
	require(w->ports-- > 0);
}

static void op_ended(void *arg, const struct tftp_end *e)
{
	(void)arg;
	require(e->bytes <= 70000);
}

static const struct tftp_ops ops = {
	.open = op_open, .read = op_read, .close = op_close, .send = op_send,
	.take = op_take, .give = op_give, .ended = op_ended,
};

/* Control answers one of what it was asked, in whatever way. */
static void answer(struct world *w, uint8_t how)
{
	unsigned int i = how % w->waiting;
	uint64_t token = w->token[i];
	int handle = how & 1 ? 70000 : how & 2 ? 0 : -ENOENT;

	w->waiting--;
	w->token[i] = w->token[w->waiting];
	w->files += handle >= 0;
	tftp_opened(w->t, token, handle, (uint64_t)(handle > 0 ? handle : 0),
		    w->now);
}

static void step(struct world *w, struct cur *c)
{
	uint8_t who = cur_u8(c), to = cur_u8(c), ms = cur_u8(c),
		len = cur_u8(c);
	struct tftp_in in = {
		.src_ip = 10, .src_port = (uint16_t)(who & 31),
		.nic_id = who >> 5,
		.dst_port = to & 1 ? TFTP_PORT : w->port,
	};

	in.len = len < c->left ? len : c->left;
	in.data = cur_bytes(c, in.len);
	w->now += ms * 8;
	if (to & 2 && w->waiting)
		answer(w, to >> 2);
	w->sent = 0;
	if (to & 4 && ms == 255)
		tftp_nic_del(w->t, in.nic_id);
	tftp_input(w->t, &in, w->now);
	require(w->sent <= TFTP_WINDOW_MAX + 1);
	tftp_tick(w->t, w->now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_make(data, size);
	struct world w = {.now = 1000};
	struct tftp_stats s;

	w.t = tftp_new(&ops, &w, BLOCK_MAX, size);
	require(w.t != NULL);
	while (c.left) {
		step(&w, &c);
		tftp_stats(w.t, &s);
		require(s.active <= TFTP_SESSIONS_MAX && s.active == w.ports);
		require((tftp_deadline(w.t) == TFTP_NEVER) == !s.active);
	}
	while (tftp_deadline(w.t) != TFTP_NEVER) {
		w.now = tftp_deadline(w.t);
		tftp_tick(w.t, w.now);
	}
	require(!w.files && !w.ports);
	tftp_free(w.t);
	return 0;
}
