// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bytes in arbitrary pieces, some with a descriptor, into an rpc_conn. What comes
 * out must be what cutting the whole at its newlines gives, however it was cut on
 * the way; a line over the limit ends it; no descriptor is lost.
 *
 * Input: a byte that seeds the cutting, a byte that says how often the rest is
 * repeated (great buffers from small inputs), then what the peer sends.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/rpc.h"

#define LIMIT  300   /* small, so that inputs reach it */
#define PIECE  4096  /* greatest piece */
#define TOTAL  24000 /* bytes that repeating may give */
#define UNREAD 60    /* pieces after which is read, so that sending never blocks */

struct run {
	struct rpc_conn *c;
	int peer;
	uint32_t rng;
	const uint8_t *rest; /* what has not come out yet */
	size_t left;
	unsigned int fds; /* sent with the pieces */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* 0 … @below-1; small values more often than great ones. */
static uint32_t rnd(struct run *r, uint32_t below)
{
	r->rng = r->rng * 1664525u + 1013904223u;
	return (r->rng >> 8) % (1 + (r->rng >> 20) % below);
}

static void send_piece(struct run *r, const uint8_t *p, size_t len)
{
	union {
		struct cmsghdr align;
		char b[CMSG_SPACE(sizeof(int))];
	} ctl = {0};
	struct iovec iov = {.iov_base = (void *)p, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (r->fds < RPC_FDS_PENDING && rnd(r, 8) == 5) {
		struct cmsghdr *cm;

		mh.msg_control = ctl.b;
		mh.msg_controllen = sizeof(ctl.b);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &r->peer, sizeof(int));
		r->fds++;
	}
	must(sendmsg(r->peer, &mh, MSG_NOSIGNAL) == (ssize_t)len);
}

/* The next line came out: is it the right one? */
static void check_line(struct run *r, const json_t *got)
{
	const uint8_t *nl = memchr(r->rest, '\n', r->left);
	size_t len;
	json_t *want;

	must(nl);
	len = (size_t)(nl - r->rest);
	must(len <= LIMIT);
	want = json_loadb((const char *)r->rest, len,
			  JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	/* Only nesting may make it refuse what the parser takes. */
	must(got ? json_equal(got, want)
		 : !want || memchr(r->rest, '[', len) ||
			   memchr(r->rest, '{', len));
	json_decref(want);
	r->left -= len + 1;
	r->rest = nl + 1;
}

/* Read what came; false at the end of the connection's life. */
static bool drain(struct run *r)
{
	json_t *v;
	int n;

	do {
		while (rpc_conn_next(r->c, &v)) {
			check_line(r, v);
			json_decref(v);
		}
		n = rpc_conn_fill(r->c);
	} while (n == 1);
	return n == -EAGAIN;
}

/* It stopped: because of a line that is too long? */
static void check_too_long(const struct run *r)
{
	const uint8_t *nl = memchr(r->rest, '\n', r->left);

	must((nl ? (size_t)(nl - r->rest) : r->left) > LIMIT);
	must(rpc_conn_fill(r->c) == -EMSGSIZE);
}

static void feed(struct run *r, const uint8_t *p, size_t len)
{
	bool alive = true;
	int unread = 0;

	r->rest = p;
	r->left = len;
	while (len && alive) {
		size_t n = 1 + rnd(r, PIECE);

		n = n < len ? n : len;
		send_piece(r, p, n);
		p += n;
		len -= n;
		if (rnd(r, 8) == 0 || ++unread > UNREAD || !len) {
			alive = drain(r);
			unread = 0;
		}
	}
	if (!alive) {
		check_too_long(r);
		return;
	}
	must(!memchr(r->rest, '\n', r->left));
	for (unsigned int i = 0; i < r->fds; i++) {
		int got = rpc_conn_take_fd(r->c, i);

		must(got >= 0);
		close(got);
	}
	must(rpc_conn_take_fd(r->c, r->fds) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size > 2 ? size - 2 : 0, total = len;
	struct run r = {0};
	uint8_t *all;
	int fd[2];

	if (!len || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return 0;
	r.rng = data[0];
	while (total < data[1] * len && total + len <= TOTAL)
		total += len;
	all = malloc(total);
	r.c = rpc_conn_new(fd[0], LIMIT, 1000);
	r.peer = fd[1];
	must(all && r.c);
	for (size_t at = 0; at < total; at += len)
		memcpy(all + at, data + 2, len);
	feed(&r, all, total);
	rpc_conn_free(r.c);
	close(r.peer);
	free(all);
	return 0;
}
