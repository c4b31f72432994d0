// SPDX-License-Identifier: GPL-2.0-or-later
/* Transfers: see tftp.h. What is on the wire is in tftp_msg.c. */
#include "dhcp/tftp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dhcp/tftp_msg.h"
#include "lib/compat.h"

#define PORT_FIRST 49152 /* RFC 6335: dynamic ports */
#define PORT_TRIES 8
#define DATA_HEAD  4

enum state { FREE, OPENING, OFFERED, SENDING };

/* Where a block begins. */
struct pos {
	uint64_t off; /* in the file */
	int more;     /* netascii: the second byte of a pair, not sent yet; -1 = none */
};

struct session {
	enum state state;
	uint32_t gen; /* tells an answer to open() from one for an earlier user */
	struct tftp_request req;
	uint32_t ip;
	uint16_t port;
	struct mac mac;
	uint64_t nic_id;
	uint16_t tid; /* our port */
	int handle;
	uint64_t size;

	bool options; /* the client is told some */
	size_t blksize;
	unsigned int window;
	uint64_t acked; /* blocks; the next one begins at pos[0] */
	uint64_t sent;	/* the last one sent, at least once */
	uint64_t last;	/* the number of the last one; 0 = not known yet */
	struct pos pos[TFTP_WINDOW_MAX + 1];
	bool again; /* a repeated ACK has hurried this window */
	unsigned int tries;
	int64_t due_ms;
};

struct tftp {
	const struct tftp_ops *ops;
	void *arg;
	size_t block_max;
	uint64_t rng;
	struct tftp_stats stats;
	struct session s[TFTP_SESSIONS_MAX];
	uint8_t buf[]; /* DATA_HEAD + block_max */
};

/* ---- small things ---------------------------------------------------------------- */

/* splitmix64 */
static uint64_t chance(struct tftp *t)
{
	uint64_t z = t->rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t token_of(const struct tftp *t, const struct session *s)
{
	/* Positive as a signed number: it travels as one. */
	return (uint64_t)(s->gen & INT32_MAX) << 32 | (uint32_t)(s - t->s);
}

static void transmit(struct tftp *t, const struct session *s, const void *data,
		     size_t len)
{
	struct tftp_out o = {
		.src_port = s->tid, .dst_ip = s->ip, .dst_port = s->port,
		.dst_mac = s->mac, .data = data, .len = len,
	};

	t->ops->send(t->arg, &o);
}

/* To somebody who has no slot. */
static void answer_error(struct tftp *t, const struct tftp_in *in,
			 enum tftp_error code, const char *text)
{
	uint8_t b[TFTP_HEAD_MAX];
	struct wbuf w = wbuf_make(b, sizeof(b));
	struct tftp_out o = {
		.src_port = in->dst_port, .dst_ip = in->src_ip,
		.dst_port = in->src_port, .dst_mac = in->src_mac, .data = b,
	};

	tftp_error_write(&w, code, text);
	o.len = w.len;
	t->ops->send(t->arg, &o);
}

static void send_error(struct tftp *t, const struct session *s,
		       enum tftp_error code, const char *text)
{
	uint8_t b[TFTP_HEAD_MAX];
	struct wbuf w = wbuf_make(b, sizeof(b));

	tftp_error_write(&w, code, text);
	transmit(t, s, b, w.len);
}

static uint64_t bytes_acked(const struct session *s)
{
	return s->last && s->acked == s->last ? s->size : s->pos[0].off;
}

/* The slot is free afterwards; @error NULL: everything arrived. */
static void end(struct tftp *t, struct session *s, const char *error)
{
	struct tftp_end e = {
		.ip = s->ip, .nic_id = s->nic_id, .name = s->req.name,
		.bytes = bytes_acked(s), .error = error,
		.size_only = !error && s->state == OFFERED,
	};

	s->state = FREE;
	s->gen++;
	t->stats.active--;
	t->stats.bytes += e.bytes;
	if (s->handle >= 0)
		t->ops->close(t->arg, s->handle);
	t->ops->give(t->arg, s->tid);
	t->ops->ended(t->arg, &e);
}

static void fail(struct tftp *t, struct session *s, const char *error)
{
	t->stats.failed++;
	end(t, s, error);
}

/* ---- sending ---------------------------------------------------------------------- */

static void arm(struct session *s, int64_t now_ms)
{
	int64_t ms = s->req.timeout_s ? s->req.timeout_s * 1000
				      : (int64_t)TFTP_TIMEOUT_MS << s->tries;

	s->due_ms = now_ms + ms;
}

/* The file ends where it did when it was opened, though it may grow meanwhile. */
static ssize_t read_file(struct tftp *t, const struct session *s, uint64_t off,
			 uint8_t *dst, size_t len)
{
	uint64_t left = off < s->size ? s->size - off : 0;

	if (len > left)
		len = (size_t)left;
	return len ? t->ops->read(t->arg, s->handle, off, dst, len) : 0;
}

/* netascii (RFC 764): a line ends with CR LF, a lone CR is CR NUL. Fills @dst from
 * @p, which moves on. Bytes made, or negative errno. */
static ssize_t read_netascii(struct tftp *t, const struct session *s,
			     struct pos *p, uint8_t *dst, size_t len)
{
	uint8_t raw[512];
	size_t n = 0;

	while (n < len) {
		ssize_t r;

		if (p->more >= 0) {
			dst[n++] = (uint8_t)p->more;
			p->more = -1;
			continue;
		}
		r = read_file(t, s, p->off, raw,
			      len - n < sizeof(raw) ? len - n : sizeof(raw));
		if (r <= 0)
			return r < 0 ? r : (ssize_t)n;
		for (ssize_t i = 0; i < r && n < len && p->more < 0; i++) {
			p->off++;
			dst[n++] = raw[i] == '\n' ? '\r' : raw[i];
			if (raw[i] == '\n')
				p->more = '\n';
			else if (raw[i] == '\r')
				p->more = 0;
		}
	}
	return (ssize_t)n;
}

static ssize_t read_block(struct tftp *t, const struct session *s,
			  struct pos *p)
{
	uint8_t *dst = t->buf + DATA_HEAD;
	ssize_t r;

	if (s->req.netascii)
		return read_netascii(t, s, p, dst, s->blksize);
	r = read_file(t, s, p->off, dst, s->blksize);
	if (r > 0)
		p->off += (uint64_t)r;
	return r;
}

/* Everything that may be in flight, from the first block not acknowledged on. */
static void send_window(struct tftp *t, struct session *s, int64_t now_ms)
{
	for (unsigned int i = 0; i < s->window; i++) {
		uint64_t n = s->acked + 1 + i;
		struct pos p = s->pos[i];
		ssize_t r;

		if (s->last && n > s->last)
			break;
		r = read_block(t, s, &p);
		if (r < 0) {
			send_error(t, s, TFTP_E_TEXT, "file cannot be read");
			fail(t, s, "file cannot be read");
			return;
		}
		s->pos[i + 1] = p;
		if ((size_t)r < s->blksize)
			s->last = n;
		if (n > s->sent)
			s->sent = n;
		put_be16(t->buf, TFTP_DATA);
		put_be16(t->buf + 2, (uint16_t)n);
		transmit(t, s, t->buf, DATA_HEAD + (size_t)r);
	}
	arm(s, now_ms);
}

static void send_oack(struct tftp *t, struct session *s, int64_t now_ms)
{
	uint8_t b[TFTP_HEAD_MAX];
	struct wbuf w = wbuf_make(b, sizeof(b));

	tftp_oack_begin(&w);
	if (s->req.blksize)
		tftp_oack_add(&w, "blksize", s->blksize);
	if (s->req.timeout_s)
		tftp_oack_add(&w, "timeout", s->req.timeout_s);
	if (s->req.tsize && !s->req.netascii)
		tftp_oack_add(&w, "tsize", s->size);
	if (s->req.windowsize)
		tftp_oack_add(&w, "windowsize", s->window);
	transmit(t, s, b, w.len);
	arm(s, now_ms);
}

static void resend(struct tftp *t, struct session *s, int64_t now_ms)
{
	if (s->state == OFFERED)
		send_oack(t, s, now_ms);
	else
		send_window(t, s, now_ms);
}

/* ---- requests --------------------------------------------------------------------- */

static struct session *find(struct tftp *t, const struct tftp_in *in)
{
	for (struct session *s = t->s; s < t->s + TFTP_SESSIONS_MAX; s++)
		if (s->state != FREE && s->ip == in->src_ip &&
		    s->port == in->src_port && s->nic_id == in->nic_id)
			return s;
	return NULL;
}

static struct session *free_slot(struct tftp *t, uint64_t nic_id)
{
	struct session *found = NULL;
	unsigned int of_nic = 0;

	for (struct session *s = t->s; s < t->s + TFTP_SESSIONS_MAX; s++) {
		if (s->state == FREE)
			found = s;
		else if (s->nic_id == nic_id)
			of_nic++;
	}
	return of_nic < TFTP_PER_NIC ? found : NULL;
}

static uint16_t take_port(struct tftp *t)
{
	for (int i = 0; i < PORT_TRIES; i++) {
		uint16_t port = (uint16_t)(PORT_FIRST +
					   chance(t) % (65536 - PORT_FIRST));

		if (!t->ops->take(t->arg, port))
			return port;
	}
	return 0;
}

/* What client and server agree to. */
static void agree(const struct tftp *t, struct session *s)
{
	struct tftp_request *r = &s->req;

	/* Not for so long: a few clients would hold all slots. */
	if (r->timeout_s > TFTP_TIMEOUT_MAX_S)
		r->timeout_s = 0;
	s->options = r->blksize || r->windowsize || r->timeout_s ||
		     (r->tsize && !r->netascii);
	s->blksize = TFTP_BLOCK;
	if (r->blksize)
		s->blksize = r->blksize < t->block_max ? r->blksize
						       : t->block_max;
	s->window = 1;
	if (r->windowsize)
		s->window = r->windowsize < TFTP_WINDOW_MAX ? r->windowsize
							    : TFTP_WINDOW_MAX;
}

static void begin(struct tftp *t, const struct tftp_in *in,
		  const struct tftp_request *r, int64_t now_ms)
{
	struct session *s = free_slot(t, in->nic_id);
	uint16_t tid = s ? take_port(t) : 0;

	if (!tid) {
		t->stats.refused++;
		answer_error(t, in, TFTP_E_TEXT, "too many transfers");
		return;
	}
	*s = (struct session){
		.state = OPENING, .gen = s->gen, .req = *r, .ip = in->src_ip,
		.port = in->src_port, .mac = in->src_mac,
		.nic_id = in->nic_id, .tid = tid, .handle = -1,
		.pos = {{0, -1}},
	};
	agree(t, s);
	t->stats.requests++;
	t->stats.active++;
	arm(s, now_ms);
	t->ops->open(t->arg, token_of(t, s), s->req.name);
}

static void read_request(struct tftp *t, const struct tftp_in *in,
			 const struct tftp_request *r, int64_t now_ms)
{
	struct session *s = find(t, in);

	if (s && !strcmp(s->req.name, r->name) && !s->acked) {
		if (s->state != OPENING) /* our answer was lost */
			resend(t, s, now_ms);
		return;
	}
	if (s) /* the client began anew from the same port */
		fail(t, s, "asked for anew");
	begin(t, in, r, now_ms);
}

static void request(struct tftp *t, const struct tftp_in *in, struct cur *c,
		    int64_t now_ms)
{
	enum tftp_op op = (enum tftp_op)cur_be16(c);
	struct tftp_request r;

	if (!cur_ok(c) || (op != TFTP_RRQ && op != TFTP_WRQ) ||
	    !in->src_port || !in->src_ip) {
		t->stats.malformed++;
		return;
	}
	if (tftp_request_parse(c, op, &r)) {
		t->stats.malformed++;
		answer_error(t, in, TFTP_E_ILLEGAL, "malformed request");
	} else if (op == TFTP_WRQ || r.mail) {
		t->stats.refused++;
		answer_error(t, in, TFTP_E_ACCESS, "files are read-only here");
	} else {
		read_request(t, in, &r, now_ms);
	}
}

static const char *open_error(int err, enum tftp_error *code)
{
	switch (-err) {
	case ENOENT:
	case ENOTDIR:
		*code = TFTP_E_NOENT;
		return "file not found";
	case EACCES:
	case EPERM:
	case EXDEV:
	case ELOOP:
	case EISDIR:
		*code = TFTP_E_ACCESS;
		return "access violation";
	default:
		*code = TFTP_E_TEXT;
		return "file cannot be opened";
	}
}

void tftp_opened(struct tftp *t, uint64_t token, int handle, uint64_t size,
		 int64_t now_ms)
{
	struct session *s = &t->s[(uint32_t)token % TFTP_SESSIONS_MAX];
	enum tftp_error code;
	const char *text;

	if (s->state != OPENING || token_of(t, s) != token) {
		if (handle >= 0)
			t->ops->close(t->arg, handle);
		return;
	}
	if (handle < 0) {
		text = open_error(handle, &code);
		send_error(t, s, code, text);
		t->stats.refused++;
		end(t, s, text);
		return;
	}
	s->handle = handle;
	s->size = size;
	s->tries = 0;
	s->state = s->options ? OFFERED : SENDING;
	resend(t, s, now_ms);
}

/* ---- the client's side of a transfer ------------------------------------------------- */

static void acknowledged(struct tftp *t, struct session *s, uint64_t n,
			 int64_t now_ms)
{
	struct pos p = s->pos[n - s->acked];

	s->acked = n;
	s->pos[0] = p;
	s->again = false;
	s->tries = 0;
	if (s->last && n == s->last) {
		t->stats.done++;
		end(t, s, NULL);
		return;
	}
	send_window(t, s, now_ms);
}

static void on_ack(struct tftp *t, struct session *s, uint16_t block,
		   int64_t now_ms)
{
	/* How far beyond acked: the numbers on the wire go round. */
	uint16_t ahead = (uint16_t)(block - (uint16_t)s->acked);

	if (s->state == OFFERED) {
		if (block)
			return;
		s->state = SENDING;
		s->tries = 0;
		send_window(t, s, now_ms);
	} else if (ahead && ahead <= s->sent - s->acked) {
		acknowledged(t, s, s->acked + ahead, now_ms);
	} else if (!ahead && s->window > 1 && !s->again) {
		s->again = true;
		if (now_ms + TFTP_AGAIN_MS < s->due_ms)
			s->due_ms = now_ms + TFTP_AGAIN_MS;
	}
}

static void transfer(struct tftp *t, const struct tftp_in *in, struct cur *c,
		     int64_t now_ms)
{
	struct session *s = find(t, in);
	uint16_t op = cur_be16(c), n = cur_be16(c);

	if (!cur_ok(c)) {
		t->stats.malformed++;
	} else if (!s || s->tid != in->dst_port) {
		if (op != TFTP_ERROR)
			answer_error(t, in, TFTP_E_TID, "unknown transfer");
	} else if (op == TFTP_ERROR && s->state == OFFERED && s->req.tsize) {
		t->stats.done++;
		end(t, s, NULL);
	} else if (op == TFTP_ERROR) {
		fail(t, s, "the client gave it up");
	} else if (op != TFTP_ACK) {
		send_error(t, s, TFTP_E_ILLEGAL, "illegal operation");
		t->stats.malformed++;
		fail(t, s, "illegal operation");
	} else if (s->state != OPENING) {
		on_ack(t, s, n, now_ms);
	}
}

void tftp_input(struct tftp *t, const struct tftp_in *in, int64_t now_ms)
{
	struct cur c = cur_make(in->data, in->len);

	if (in->dst_port == TFTP_PORT)
		request(t, in, &c, now_ms);
	else
		transfer(t, in, &c, now_ms);
}

/* ---- time, life -------------------------------------------------------------------- */

static void timeout(struct tftp *t, struct session *s, int64_t now_ms)
{
	/* A try that a repeated ACK has hurried is none: the client is there. */
	if (s->again)
		s->again = false;
	else
		s->tries++;
	if (s->tries < TFTP_TRIES) {
		if (s->state == OPENING)
			arm(s, now_ms);
		else
			resend(t, s, now_ms);
		return;
	}
	send_error(t, s, TFTP_E_TEXT, "timed out");
	fail(t, s, "timed out");
}

void tftp_tick(struct tftp *t, int64_t now_ms)
{
	for (struct session *s = t->s; s < t->s + TFTP_SESSIONS_MAX; s++)
		if (s->state != FREE && s->due_ms <= now_ms)
			timeout(t, s, now_ms);
}

int64_t tftp_deadline(const struct tftp *t)
{
	int64_t at = TFTP_NEVER;

	for (size_t i = 0; t->stats.active && i < TFTP_SESSIONS_MAX; i++)
		if (t->s[i].state != FREE && t->s[i].due_ms < at)
			at = t->s[i].due_ms;
	return at;
}

void tftp_nic_del(struct tftp *t, uint64_t nic_id)
{
	for (struct session *s = t->s; s < t->s + TFTP_SESSIONS_MAX; s++)
		if (s->state != FREE && s->nic_id == nic_id)
			fail(t, s, "its NIC is gone");
}

struct tftp *tftp_new(const struct tftp_ops *ops, void *arg, size_t block_max,
		      uint64_t seed)
{
	struct tftp *t;

	if (block_max < TFTP_BLOCK)
		block_max = TFTP_BLOCK;
	if (block_max > 65464)
		block_max = 65464;
	t = calloc(1, sizeof(*t) + DATA_HEAD + block_max);
	if (!t)
		return NULL;
	t->ops = ops;
	t->arg = arg;
	t->block_max = block_max;
	t->rng = seed;
	return t;
}

void tftp_free(struct tftp *t)
{
	for (size_t i = 0; t && i < TFTP_SESSIONS_MAX; i++)
		if (t->s[i].state != FREE)
			end(t, &t->s[i], "the server stopped");
	free(t);
}

void tftp_stats(const struct tftp *t, struct tftp_stats *out)
{
	*out = t->stats;
}
