// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * JSON-RPC lines with descriptors. See rpc.h.
 *
 * Input is one buffer: [0, in_off) consumed, [in_off, in_end) not yet. Lines are
 * taken by moving in_off, so that many pipelined lines cost what one pass over
 * their bytes costs; what is left over is moved to the front before the next read.
 */
#include "lib/rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/esc.h"
#include "lib/fdutil.h"
#include "lib/list.h"

#define READ_CHUNK 16384
#define IN_KEEP	   (2 * READ_CHUNK) /* a larger buffer is freed when empty */

struct out_msg {
	struct list node;
	size_t len, sent;
	int fd[RPC_FDS_SEND];
	unsigned int nfd;
	char bytes[];
};

struct rpc_conn {
	int fd;
	size_t line_max, out_max;
	char *in;
	size_t in_off, in_end, in_cap;
	size_t scanned; /* no newline in [in_off, scanned) */
	bool too_long;	/* a line beyond line_max came: nothing more is read */
	struct {
		int fd;
		int64_t index;
	} pending[RPC_FDS_PENDING];
	unsigned int npending;
	int64_t arrived, sent_fds;
	struct list out;
	size_t out_bytes;
};

struct rpc_conn *rpc_conn_new(int fd, size_t line_max, size_t out_max)
{
	struct rpc_conn *c = calloc(1, sizeof(*c));

	if (!c || fd_setup(fd)) {
		free(c);
		close(fd);
		return NULL;
	}
	c->fd = fd;
	c->line_max = line_max;
	c->out_max = out_max;
	list_init(&c->out);
	return c;
}

static void out_free(struct rpc_conn *c, struct out_msg *m)
{
	for (unsigned int i = 0; i < m->nfd; i++)
		close(m->fd[i]);
	c->out_bytes -= m->len - m->sent;
	list_del(&m->node);
	free(m);
}

void rpc_conn_free(struct rpc_conn *c)
{
	if (!c)
		return;
	list_for_each_safe(m, &c->out, struct out_msg, node)
		out_free(c, m);
	for (unsigned int i = 0; i < c->npending; i++)
		close(c->pending[i].fd);
	close(c->fd);
	free(c->in);
	free(c);
}

int rpc_conn_fd(const struct rpc_conn *c)
{
	return c->fd;
}

/* Keep arriving descriptors; -ETOOMANYREFS when there is no place. */
static int keep_fds(struct rpc_conn *c, struct msghdr *mh)
{
	int r = mh->msg_flags & MSG_CTRUNC ? -ETOOMANYREFS : 0;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm;
	     cm = CMSG_NXTHDR(mh, cm)) {
		size_t n;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int),
			       sizeof(fd));
			if (c->npending == RPC_FDS_PENDING) {
				close(fd);
				r = -ETOOMANYREFS;
				continue;
			}
			c->pending[c->npending].fd = fd;
			c->pending[c->npending++].index = c->arrived++;
		}
	}
	return r;
}

/* Room for a chunk behind in_end. */
static int make_room(struct rpc_conn *c)
{
	size_t cap;
	char *p;

	if (c->in_off && c->in_cap - c->in_end < READ_CHUNK) {
		c->in_end -= c->in_off;
		c->scanned -= c->in_off;
		memmove(c->in, c->in + c->in_off, c->in_end);
		c->in_off = 0;
	}
	if (c->in_cap - c->in_end >= READ_CHUNK)
		return 0;
	cap = c->in_cap ? c->in_cap * 2 : IN_KEEP;
	p = realloc(c->in, cap);
	if (!p)
		return -ENOMEM;
	c->in = p;
	c->in_cap = cap;
	return 0;
}

int rpc_conn_fill(struct rpc_conn *c)
{
	union {
		struct cmsghdr align;
		char b[CMSG_SPACE(sizeof(int) * RPC_FDS_PENDING)];
	} ctl;
	struct iovec iov;
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = ctl.b,
		.msg_controllen = sizeof(ctl.b),
	};
	ssize_t n;
	int r;

	/* Whole lines are consumed before more is read, so what is here is one
	 * unfinished line (at most a chunk more). */
	if (c->too_long || c->in_end - c->in_off > c->line_max)
		return -EMSGSIZE;
	r = make_room(c);
	if (r)
		return r;
	iov.iov_base = c->in + c->in_end;
	iov.iov_len = c->in_cap - c->in_end;
	n = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return would_block(errno) ? -EAGAIN : -errno;
	r = keep_fds(c, &mh);
	if (r)
		return r;
	c->in_end += (size_t)n;
	return n > 0;
}

/* Does the text nest deeper than RPC_DEPTH_MAX? Only brackets outside strings
 * count; whether it is JSON at all is the parser's matter. */
static bool too_deep(const char *p, size_t len)
{
	unsigned int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char ch = p[i];

		if (in_string && ch == '\\')
			i++;
		else if (ch == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if ((ch == '[' || ch == '{') && ++depth > RPC_DEPTH_MAX)
			return true;
		else if ((ch == ']' || ch == '}') && depth)
			depth--;
	}
	return false;
}

/* All is consumed: start at the front again, and with little memory. */
static void in_empty(struct rpc_conn *c)
{
	c->in_off = c->in_end = c->scanned = 0;
	if (c->in_cap <= IN_KEEP)
		return;
	free(c->in);
	c->in = NULL;
	c->in_cap = 0;
}

int rpc_conn_next(struct rpc_conn *c, json_t **out)
{
	char *line, *nl;
	size_t len;

	*out = NULL;
	if (c->in_off == c->in_end)
		in_empty(c);
	if (c->scanned == c->in_end || c->too_long)
		return 0;
	nl = memchr(c->in + c->scanned, '\n', c->in_end - c->scanned);
	if (!nl) {
		c->scanned = c->in_end;
		return 0;
	}
	line = c->in + c->in_off;
	len = (size_t)(nl - line);
	if (len > c->line_max) {
		c->too_long = true; /* rpc_conn_fill() says so */
		return 0;
	}
	if (!too_deep(line, len))
		*out = json_loadb(line, len,
				  JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
				  NULL);
	c->in_off += len + 1;
	c->scanned = c->in_off;
	return 1;
}

size_t rpc_conn_held(const struct rpc_conn *c)
{
	return c->in_cap;
}

int rpc_conn_take_fd(struct rpc_conn *c, int64_t index)
{
	for (unsigned int i = 0; i < c->npending; i++) {
		int fd = c->pending[i].fd;

		if (c->pending[i].index != index)
			continue;
		c->npending--;
		memmove(&c->pending[i], &c->pending[i + 1],
			(c->npending - i) * sizeof(c->pending[0]));
		return fd;
	}
	return -1;
}

int64_t rpc_conn_next_index(const struct rpc_conn *c)
{
	return c->sent_fds;
}

int rpc_conn_send(struct rpc_conn *c, const json_t *msg, const int *fds,
		  unsigned int nfd)
{
	size_t len = json_dumpb(msg, NULL, 0, JSON_COMPACT);
	struct out_msg *m;

	if (!len || nfd > RPC_FDS_SEND || c->out_bytes + len + 1 > c->out_max)
		return -ENOBUFS;
	m = calloc(1, sizeof(*m) + len + 1);
	if (!m)
		return -ENOBUFS;
	list_init(&m->node);
	for (; m->nfd < nfd; m->nfd++) {
		m->fd[m->nfd] = fcntl(fds[m->nfd], F_DUPFD_CLOEXEC, 3);
		if (m->fd[m->nfd] < 0) {
			m->len = m->sent = 0;
			out_free(c, m);
			return -EMFILE;
		}
	}
	json_dumpb(msg, m->bytes, len, JSON_COMPACT);
	m->bytes[len] = '\n';
	m->len = len + 1;
	c->out_bytes += m->len;
	c->sent_fds += nfd;
	list_add_tail(&c->out, &m->node);
	return rpc_conn_flush(c);
}

/* The other side is there, but the kernel cannot take it at present. */
static bool not_now(int err)
{
	return would_block(err) || err == ENOBUFS || err == ENOMEM ||
	       err == ETOOMANYREFS;
}

/* One sendmsg; descriptors go with the first byte. */
static ssize_t send_some(int sock, struct out_msg *m)
{
	union {
		struct cmsghdr align;
		char b[CMSG_SPACE(sizeof(int) * RPC_FDS_SEND)];
	} ctl;
	struct iovec iov = {
		.iov_base = m->bytes + m->sent,
		.iov_len = m->len - m->sent,
	};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (m->nfd) {
		struct cmsghdr *cm;

		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = ctl.b;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * m->nfd);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * m->nfd);
		memcpy(CMSG_DATA(cm), m->fd, sizeof(int) * m->nfd);
	}
	return sendmsg(sock, &mh, MSG_NOSIGNAL);
}

int rpc_conn_flush(struct rpc_conn *c)
{
	list_for_each_safe(m, &c->out, struct out_msg, node) {
		while (m->sent < m->len) {
			ssize_t n = send_some(c->fd, m);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return not_now(errno) ? 0 : -EPIPE;
			for (; m->nfd; m->nfd--)
				close(m->fd[m->nfd - 1]);
			m->sent += (size_t)n;
			c->out_bytes -= (size_t)n;
		}
		out_free(c, m);
	}
	return 0;
}

bool rpc_conn_pending(const struct rpc_conn *c)
{
	return !list_empty(&c->out);
}

size_t rpc_conn_queued(const struct rpc_conn *c)
{
	return c->out_bytes;
}

/* Texts can hold what a file name or a guest said, or be cut within a character:
 * JSON takes only UTF-8. */
static json_t *text_json(const char *text)
{
	json_t *v = json_string(text);
	char *copy;

	if (v)
		return v;
	copy = strdup(text);
	if (!copy)
		return NULL;
	v = json_string(esc_utf8(copy));
	free(copy);
	return v;
}

/* Sets @key (a NULL @v is out of memory); true when it failed. @v is stolen. */
static bool set_fails(json_t *o, const char *key, json_t *v)
{
	return json_object_set_new(o, key, v) != 0;
}

/* @o, or NULL when it could not be completed. */
static json_t *complete(json_t *o, bool failed)
{
	if (!failed)
		return o;
	json_decref(o);
	return NULL;
}

json_t *rpc_request(const char *method, json_t *params, json_t *id)
{
	json_t *o = json_object();
	bool bad = set_fails(o, "jsonrpc", json_string("2.0"));

	bad |= set_fails(o, "method", json_string(method));
	if (params)
		bad |= set_fails(o, "params", params);
	if (id)
		bad |= set_fails(o, "id", id);
	return complete(o, bad);
}

json_t *rpc_result(json_t *id, json_t *result)
{
	json_t *o = json_object();
	bool bad = set_fails(o, "jsonrpc", json_string("2.0"));

	bad |= set_fails(o, "result", result ? result : json_null());
	bad |= set_fails(o, "id", id ? id : json_null());
	return complete(o, bad);
}

json_t *rpc_failure(json_t *id, int code, const char *text, json_t *data)
{
	json_t *e = json_object(), *o = json_object();
	bool bad = set_fails(o, "jsonrpc", json_string("2.0"));

	bad |= set_fails(e, "code", json_integer(code));
	bad |= set_fails(e, "message", text_json(text));
	if (data)
		bad |= set_fails(e, "data", data);
	bad |= set_fails(o, "error", e);
	bad |= set_fails(o, "id", id ? id : json_null());
	return complete(o, bad);
}
