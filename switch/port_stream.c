// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames over a byte stream as QEMU's `-netdev stream` speaks it (libkrun and the
 * old `socket` netdev, too): a length of four bytes, big endian, then the frame.
 *
 * A read brings many frames; a batch goes out with one write.
 * What the socket does not take waits in a bounded queue. How a connection
 * survives its worker is told in port_stream_int.h.
 */
#include "switch/port_stream_int.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/fdutil.h"
#include "lib/log.h"
#include "switch/driver_int.h"
#include "switch/offload.h"

/* What is read at a time, and how often per wake-up. All that was read is on its way before
 * more is: its receiver works on it while we read on, and it lies in a near cache. */
#define READ_MAX    (64 * 1024)
#define READ_ROUNDS 4

/* Most bytes written from the queue per wake-up: a writable unix socket has room
 * for three quarters of its buffer, and the default buffer is 208 KiB. */
#define DRAIN_MAX (64 * 1024)

#define SEND_IOV 512

/* Multiples of 1 << 26, so that setting it back does not change the count. */
#define PEEK_TOP  (1u << 30)
#define PEEK_LOW  (1u << 28)

struct stream {
	struct driver drv;
	struct port port;
	struct listener listener;
	int fd; /* -1: nobody is connected */
	struct event *rd, *wr;
	struct stream_mem *mem;
	/* The truth; mem has a copy, and is believed only when taken over. */
	uint32_t rx_head, rx_tail;
	uint32_t rx_count; /* bytes read, modulo 1 << 26 */
	uint32_t peek_left; /* until PEEK_LOW is reached; 0 = no counter */
	uint32_t tx_head, tx_used;
	struct log_budget budget;
};

static void save_rx(struct stream *s)
{
	atomic_store_explicit(&s->mem->rx,
			      stream_pack(s->rx_head, s->rx_tail, s->rx_count),
			      memory_order_release);
}

static void save_tx(struct stream *s, size_t offered)
{
	atomic_store_explicit(&s->mem->tx,
			      stream_pack(s->tx_head, s->tx_used,
					  (uint32_t)offered),
			      memory_order_release);
}

/* ---- connections --------------------------------------------------------- */

static void disconnect(struct stream *s)
{
	if (s->fd < 0)
		return;
	event_free(s->rd);
	event_free(s->wr);
	s->rd = s->wr = NULL;
	fd_close(&s->fd);
	s->mem->magic = 0;
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len))
		return 0;
	return cookie;
}

static void peek_arm(struct stream *s)
{
	int top = (int)PEEK_TOP;

	s->peek_left = PEEK_TOP - PEEK_LOW;
	if (setsockopt(s->fd, SOL_SOCKET, SO_PEEK_OFF, &top, sizeof(top)))
		s->peek_left = 0;
}

/* Move the counter up again in good time; nothing is read meanwhile. */
static void peek_account(struct stream *s, size_t n)
{
	socklen_t len = sizeof(int);
	int off;

	if (!s->peek_left)
		return;
	if (n < s->peek_left) {
		s->peek_left -= (uint32_t)n;
		return;
	}
	s->peek_left = 0;
	if (getsockopt(s->fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len) || off < 0)
		return;
	while (off <= (int)(PEEK_TOP - (STREAM_COUNT_MASK + 1)))
		off += (int)STREAM_COUNT_MASK + 1;
	if (!setsockopt(s->fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)))
		s->peek_left = (uint32_t)off - PEEK_LOW;
}

static void state_fresh(struct stream *s)
{
	s->rx_head = s->rx_tail = s->rx_count = 0;
	s->tx_head = s->tx_used = 0;
	s->mem->magic = 0;
	peek_arm(s);
	save_rx(s);
	save_tx(s, 0);
	s->mem->cookie = cookie_of(s->fd);
	atomic_signal_fence(memory_order_seq_cst);
	s->mem->magic = STREAM_MAGIC;
}

/* Bytes that were read but not recorded lie behind the tail. */
static bool adopt_rx(struct stream *s, uint64_t rx)
{
	socklen_t len = sizeof(int);
	uint32_t missed;
	int off = -1;

	s->rx_head = stream_a(rx);
	s->rx_tail = stream_b(rx);
	s->rx_count = stream_c(rx);
	s->peek_left = 0;
	if (s->rx_tail > STREAM_RX_CAP || s->rx_head > s->rx_tail)
		return false;
	if (getsockopt(s->fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len) || off < 0)
		return true;
	missed = ((0u - (uint32_t)off) - s->rx_count) & STREAM_COUNT_MASK;
	if (missed > STREAM_RX_CAP - s->rx_tail)
		return false;
	s->rx_tail += missed;
	s->rx_count += missed;
	s->peek_left = (uint32_t)off > PEEK_LOW ? (uint32_t)off - PEEK_LOW : 1;
	return true;
}

static bool adopt_tx(struct stream *s, uint64_t tx)
{
	uint32_t offered = stream_c(tx);

	s->tx_head = stream_a(tx);
	s->tx_used = stream_b(tx);
	if (s->tx_head >= STREAM_TX_CAP || s->tx_used > STREAM_TX_CAP)
		return false;
	if (offered > s->tx_used)
		offered = s->tx_used; /* was written past the queue */
	s->tx_head = (s->tx_head + offered) % STREAM_TX_CAP;
	s->tx_used -= offered;
	return true;
}

/* Go on where the memory says; false when that is nonsense. */
static bool state_adopt(struct stream *s)
{
	uint64_t cookie = cookie_of(s->fd);

	if (s->mem->magic != STREAM_MAGIC || !cookie ||
	    s->mem->cookie != cookie) {
		state_fresh(s);
		return true;
	}
	if (!adopt_rx(s, atomic_load(&s->mem->rx)) ||
	    !adopt_tx(s, atomic_load(&s->mem->tx)))
		return false;
	save_rx(s);
	save_tx(s, 0);
	return true;
}

/* ---- from the peer ------------------------------------------------------- */

/* Room for the longest frame behind the tail. What is left over of a frame is
 * shorter than what lies before it, so that the move never overlaps: the state
 * stays true at every instant. */
static void make_room(struct stream *s)
{
	uint32_t n = s->rx_tail - s->rx_head;

	if (n && STREAM_RX_CAP - s->rx_tail >= 4 + STREAM_LEN_MAX)
		return;
	if (n)
		memcpy(s->mem->rx_buf, s->mem->rx_buf + s->rx_head, n);
	s->rx_head = 0;
	s->rx_tail = n;
	save_rx(s);
}

/* Hand on all whole frames; false when the peer is not speaking frames. */
static bool take_frames(struct stream *s, int64_t now_ms)
{
	size_t mtu = vswitch_mtu(s->drv.ctx.sw);
	struct frame f[FRAME_BATCH];
	unsigned int n;

	do {
		for (n = 0; n < FRAME_BATCH && s->rx_tail - s->rx_head >= 4;) {
			const uint8_t *p = s->mem->rx_buf + s->rx_head;
			uint32_t len = get_be32(p);

			if (len > STREAM_LEN_MAX) {
				log_limited(&s->budget, now_ms, LOG_LVL_WARN,
					    "stream %s: connection closed: the "
					    "peer announced a frame of %u bytes",
					    s->drv.name, len);
				return false;
			}
			if (len > s->rx_tail - s->rx_head - 4)
				break;
			frame_init(&f[n], p + 4, len);
			offload_infer(&f[n++], mtu);
			s->rx_head += 4 + len;
		}
		save_rx(s);
		if (n)
			vswitch_input(&s->port, f, n, now_ms);
	} while (n == FRAME_BATCH);
	make_room(s);
	return true;
}

static bool receive(struct stream *s, int64_t now_ms)
{
	/* What a worker before us had read: */
	if (!take_frames(s, now_ms))
		return false;
	for (int i = 0; i < READ_ROUNDS; i++) {
		size_t room = min_sz(STREAM_RX_CAP - s->rx_tail, READ_MAX);
		ssize_t n = recv(s->fd, s->mem->rx_buf + s->rx_tail, room,
				 MSG_DONTWAIT);

		if (n <= 0)
			return n < 0 && would_block(errno);
		s->rx_tail += (uint32_t)n;
		s->rx_count += (uint32_t)n;
		save_rx(s);
		peek_account(s, (size_t)n);
		if (!take_frames(s, now_ms))
			return false;
		if ((size_t)n < room)
			break;
	}
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	if (receive(s, clock_mono_ms()))
		return;
	disconnect(s);
	driver_peer(&s->drv, false);
}

/* ---- to the peer --------------------------------------------------------- */

static size_t tx_room(const struct stream *s)
{
	return STREAM_TX_CAP - s->tx_used;
}

static void queue_bytes(struct stream *s, const uint8_t *p, size_t n)
{
	while (n) {
		size_t at = (s->tx_head + (size_t)s->tx_used) % STREAM_TX_CAP;
		size_t here = min_sz(n, STREAM_TX_CAP - at);

		memcpy(s->mem->tx_buf + at, p, here);
		s->tx_used += (uint32_t)here;
		p += here;
		n -= here;
	}
}

/* Queue what follows the first @skip bytes of a frame and its length; there is
 * room. The state is stored once all of it is there. */
static void queue_frame(struct stream *s, const struct frame *f, size_t skip)
{
	uint8_t len[4];

	put_be32(len, f->len);
	if (skip < 4)
		queue_bytes(s, len + skip, 4 - skip);
	skip = skip > 4 ? skip - 4 : 0;
	for (unsigned int i = 0; i < f->nseg; i++) {
		size_t n = f->seg[i].iov_len, cut = min_sz(skip, n);

		queue_bytes(s, (const uint8_t *)f->seg[i].iov_base + cut,
			    n - cut);
		skip -= cut;
	}
	save_tx(s, 0);
}

/* Does @f, as it lies there, follow @v with its length between? So frames lie that came
 * from another stream, and those behind the first need no piece of their own then. */
static bool follows(const struct iovec *v, const struct frame *f)
{
	const uint8_t *end = (const uint8_t *)v->iov_base + v->iov_len;

	return f->nseg == 1 && end + 4 == frame_hdr(f) &&
	       get_be32(end) == f->len;
}

/* Iovecs of as many frames as fit. */
static unsigned int gather(const struct frame *const *batch, unsigned int n,
			   uint8_t (*len)[4], struct iovec *v, size_t *nv,
			   size_t *bytes)
{
	unsigned int i;

	*nv = *bytes = 0;
	for (i = 0; i < n && *nv + 1 + batch[i]->nseg <= SEND_IOV; i++) {
		*bytes += 4 + batch[i]->len;
		if (i && follows(&v[*nv - 1], batch[i])) {
			v[*nv - 1].iov_len += 4 + (size_t)batch[i]->len;
			continue;
		}
		put_be32(len[i], batch[i]->len);
		v[*nv].iov_base = len[i];
		v[(*nv)++].iov_len = 4;
		memcpy(v + *nv, batch[i]->seg,
		       batch[i]->nseg * sizeof(struct iovec));
		*nv += batch[i]->nseg;
	}
	return i;
}

static ssize_t offer(struct stream *s, struct iovec *v, size_t nv, size_t bytes)
{
	struct msghdr m = {.msg_iov = v, .msg_iovlen = nv};
	ssize_t r;

	save_tx(s, bytes);
	r = sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r < 0 && (would_block(errno) || errno == ENOBUFS))
		r = 0;
	return r;
}

/* Write past the empty queue; returns how many frames are dealt with. What was
 * begun of the next one is queued. */
static unsigned int send_direct(struct stream *s,
				const struct frame *const *batch,
				unsigned int n)
{
	struct iovec v[SEND_IOV];
	uint8_t len[FRAME_BATCH][4];
	size_t nv, bytes, left;
	unsigned int i, k = gather(batch, n, len, v, &nv, &bytes);
	ssize_t r = offer(s, v, nv, bytes);

	if (r < 0) { /* the reading side finds out and closes */
		save_tx(s, 0);
		port_drop(&s->port, DROP_ERROR, n);
		return n;
	}
	left = (size_t)r;
	for (i = 0; i < k && left >= 4 + (size_t)batch[i]->len; i++) {
		left -= 4 + (size_t)batch[i]->len;
		port_sent(&s->port, 1, batch[i]->len);
	}
	if (left) {
		queue_frame(s, batch[i], left);
		port_sent(&s->port, 1, batch[i++]->len);
	} else {
		save_tx(s, 0);
	}
	return i;
}

static void stream_tx(struct port *p, const struct frame *const *batch,
		      unsigned int n)
{
	struct stream *s = container_of(p, struct stream, port);
	unsigned int i = 0;

	if (s->fd < 0) {
		port_drop(p, DROP_NO_PEER, n);
		return;
	}
	while (!s->tx_used && i < n) {
		unsigned int k = send_direct(s, batch + i, n - i);

		i += k;
		if (!k)
			break;
	}
	for (; i < n; i++) {
		if (4 + (size_t)batch[i]->len > tx_room(s)) {
			port_drop(p, DROP_FULL, 1);
			continue;
		}
		queue_frame(s, batch[i], 0);
		port_sent(p, 1, batch[i]->len);
	}
	if (s->tx_used)
		event_add(s->wr, NULL);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	size_t n = min_sz(s->tx_used, DRAIN_MAX);
	size_t first = min_sz(n, STREAM_TX_CAP - s->tx_head);
	struct iovec v[2] = {
		{s->mem->tx_buf + s->tx_head, first},
		{s->mem->tx_buf, n - first},
	};
	ssize_t r = n ? offer(s, v, 2, n) : 0;

	(void)fd;
	(void)what;
	if (r > 0) {
		s->tx_head = (uint32_t)((s->tx_head + (size_t)r) %
					STREAM_TX_CAP);
		s->tx_used -= (uint32_t)r;
	} else if (r < 0) {
		s->tx_used = 0; /* the reading side finds out and closes */
	}
	save_tx(s, 0);
	if (!s->tx_used)
		event_del(s->wr);
}

/* ---- life ---------------------------------------------------------------- */

/* Takes over @fd. */
static int connect_fd(struct stream *s, int fd, bool adopt)
{
	struct event_base *base = s->drv.ctx.base;

	disconnect(s);
	s->fd = fd;
	s->rd = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, s);
	s->wr = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, s);
	if (!s->rd || !s->wr || event_add(s->rd, NULL)) {
		if (s->rd)
			event_free(s->rd);
		if (s->wr)
			event_free(s->wr);
		s->rd = s->wr = NULL;
		fd_close(&s->fd);
		return -ENOMEM;
	}
	if (!adopt) {
		state_fresh(s);
	} else if (!state_adopt(s)) {
		disconnect(s);
		return -EBADMSG;
	}
	if (s->rx_tail != s->rx_head)
		event_active(s->rd, EV_READ, 0);
	if (s->tx_used)
		event_add(s->wr, NULL);
	return 0;
}

static void on_conn(void *arg, int fd)
{
	struct stream *s = arg;
	const struct driver_events *ev = s->drv.ctx.ev;

	if (connect_fd(s, fd, false)) {
		driver_peer(&s->drv, false);
		return;
	}
	if (ev && ev->accepted)
		ev->accepted(ev->arg, s->drv.nic_id, fd);
	driver_peer(&s->drv, true);
}

static void stream_free(struct stream *s)
{
	listener_fini(&s->listener);
	if (s->fd >= 0) {
		/* The memory stays as it is: somebody may go on with both. */
		event_free(s->rd);
		event_free(s->wr);
		fd_close(&s->fd);
	}
	if (s->mem)
		munmap(s->mem, sizeof(*s->mem));
	free(s);
}

static void stream_close(struct port *p)
{
	stream_free(container_of(p, struct stream, port));
}

static const struct port_ops stream_port_ops = {
	.driver = "stream",
	.tx = stream_tx,
	.close = stream_close,
};

static const struct driver_ops stream_ops = {.name = "stream"};

static struct stream_mem *map_mem(int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	struct stat st;
	void *p;

	/* A shorter file would be a SIGBUS later. */
	if (fd >= 0 && (fstat(fd, &st) || st.st_size < STREAM_MEM_SIZE))
		return NULL;
	p = mmap(NULL, STREAM_MEM_SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

static int stream_start(struct stream *s, int listen_fd, int conn_fd,
			struct errtext *why)
{
	int r = listener_init(&s->listener, s->drv.ctx.base, listen_fd, on_conn,
			      s);

	if (!r && conn_fd >= 0)
		r = fd_setup(conn_fd);
	if (r) {
		fd_close(&conn_fd);
		return errtext_set(why, r, "cannot use the socket");
	}
	if (conn_fd < 0)
		return 0;
	r = connect_fd(s, conn_fd, true);
	if (r != -EBADMSG)
		return r;
	log_warn("stream %s: connection closed: its state cannot be read",
		 s->drv.name);
	return listen_fd >= 0 ? 0
			      : errtext_set(why, r, "cannot go on with the "
						    "connection: its state "
						    "cannot be read");
}

int driver_stream(const struct driver_ctx *ctx, const struct port_spec *spec,
		  int listen_fd, int conn_fd, int mem_fd, struct driver **out,
		  struct errtext *why)
{
	struct stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		fd_close(&listen_fd);
		fd_close(&conn_fd);
		fd_close(&mem_fd);
		return -ENOMEM;
	}
	driver_init(&s->drv, &stream_ops, ctx, spec);
	s->fd = -1;
	s->listener.fd = -1;
	s->mem = map_mem(mem_fd);
	fd_close(&mem_fd);
	if (!s->mem) {
		fd_close(&listen_fd);
		fd_close(&conn_fd);
		r = errtext_set(why, -ENOMEM, "no memory for the stream");
		goto fail;
	}
	r = stream_start(s, listen_fd, conn_fd, why);
	if (r)
		goto fail;
	r = driver_port_add(&s->drv, &s->port, &stream_port_ops, 0);
	if (r)
		goto fail;
	s->drv.only = &s->port;
	*out = &s->drv;
	if (s->fd >= 0)
		driver_peer(&s->drv, true);
	return 0;
fail:
	stream_free(s);
	return r;
}
