// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two machines on a switch's unix sockets: one sends to the other as fast as what it
 * sent arrives, so nothing is lost for want of room.
 *
 *   wire stream PATH PATH SIZE SECONDS     two sockets of QEMU's -netdev stream
 *   wire vde DIRECTORY SIZE SECONDS        two ports of a vde_switch
 *
 * Prints "PER_SECOND LOST": frames of SIZE bytes that arrived.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WINDOW 128 /* frames under way */
#define BURST  32
#define SIZE_MAX_ 1514
#define PATIENCE_MS 20 /* what has not come by then is lost */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s", path) >=
	    (int)sizeof(a.sun_path)) {
		fprintf(stderr, "wire: %s is too long\n", path);
		exit(2);
	}
	return a;
}

static int dial(const char *path)
{
	struct sockaddr_un a = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die(path);
	return fd;
}

/* ---- one end ------------------------------------------------------------------ */

struct end {
	int fd;
	size_t size, head; /* of a frame; of what is before it on a stream */
	uint8_t burst[BURST * (4 + SIZE_MAX_)]; /* one like the other */
	/* Of a stream: what is under way of it, and what of that the socket took. */
	size_t nleft, at;
	uint64_t bytes; /* received, of a stream */
};

static void end_init(struct end *e, int fd, size_t size, size_t head,
		     uint8_t from, uint8_t to)
{
	*e = (struct end){.fd = fd, .size = size, .head = head};
	for (int i = 0; i < BURST; i++) {
		uint8_t *p = e->burst + (size_t)i * (head + size);
		uint32_t len = htonl((uint32_t)size);

		memcpy(p, &len, head);
		memcpy(p + head, (uint8_t[]){2, 0, 0, 0, 0, to}, 6);
		memcpy(p + head + 6, (uint8_t[]){2, 0, 0, 0, 0, from}, 6);
		memcpy(p + head + 12, (uint8_t[]){0x88, 0xb5}, 2);
	}
}

static void flush(struct end *e)
{
	ssize_t r = send(e->fd, e->burst + e->at, e->nleft - e->at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (r > 0)
		e->at += (size_t)r;
	else if (errno != EAGAIN)
		die("send");
}

/* How many of up to @n frames are on their way. */
static unsigned int send_stream(struct end *e, unsigned int n)
{
	if (e->at < e->nleft)
		flush(e);
	if (e->at < e->nleft)
		return 0;
	e->at = 0;
	e->nleft = n * (e->head + e->size);
	flush(e);
	return n;
}

static unsigned int send_datagrams(struct end *e, unsigned int n)
{
	struct mmsghdr m[BURST];
	struct iovec v[BURST];
	int r;

	for (unsigned int i = 0; i < n; i++) {
		v[i] = (struct iovec){e->burst + i * e->size, e->size};
		m[i] = (struct mmsghdr){
			.msg_hdr = {.msg_iov = &v[i], .msg_iovlen = 1}};
	}
	r = sendmmsg(e->fd, m, n, MSG_DONTWAIT);
	if (r < 0 && errno != EAGAIN && errno != ENOBUFS)
		die("sendmmsg");
	return r < 0 ? 0 : (unsigned int)r;
}

/* How many frames came; all are of one size. */
static unsigned int take_stream(struct end *e)
{
	static uint8_t buf[256 * 1024];
	ssize_t r = recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT);
	uint64_t was = e->bytes / (e->head + e->size);

	if (!r || (r < 0 && errno != EAGAIN))
		die("recv");
	if (r > 0)
		e->bytes += (uint64_t)r;
	return (unsigned int)(e->bytes / (e->head + e->size) - was);
}

static unsigned int take_datagrams(struct end *e)
{
	static uint8_t buf[WINDOW][SIZE_MAX_];
	static struct iovec v[WINDOW];
	static struct mmsghdr m[WINDOW];
	int r;

	for (int i = 0; i < WINDOW; i++) {
		v[i] = (struct iovec){buf[i], SIZE_MAX_};
		m[i] = (struct mmsghdr){
			.msg_hdr = {.msg_iov = &v[i], .msg_iovlen = 1}};
	}
	r = recvmmsg(e->fd, m, WINDOW, MSG_DONTWAIT, NULL);
	if (r < 0 && errno != EAGAIN)
		die("recvmmsg");
	return r < 0 ? 0 : (unsigned int)r;
}

/* ---- a vde_switch's port ---------------------------------------------------------- */

/* What a plug sends to the control socket; numbers are the host's. */
struct plug {
	uint32_t magic, version, type; /* 0: any free port */
	struct sockaddr_un from;
	char who[32];
} __attribute__((packed));

static void plug_path(char path[100], const char *dir, int n)
{
	snprintf(path, 100, "%s/wire.%d", dir, n);
	unlink(path);
}

static int plug_in(const char *dir, int n)
{
	struct plug p = {.magic = 0xfeedface, .version = 3,
			 .who = "wire"};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), ctl, buf = 1 << 20;
	struct sockaddr_un to = {0};
	char path[100];

	snprintf(path, sizeof(path), "%s/ctl", dir);
	ctl = dial(path); /* stays open as long as the port is wanted */
	plug_path(path, dir, n);
	p.from = address(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&p.from, sizeof(p.from)))
		die("bind");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buf, sizeof(buf));
	if (send(ctl, &p, sizeof(p), 0) != sizeof(p) ||
	    recv(ctl, &to, sizeof(to), 0) <= 0)
		die("vde_switch");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("its port");
	return fd;
}

/* ---- the race ------------------------------------------------------------------------ */

static void run(struct end *a, struct end *b, double seconds,
		unsigned int (*give)(struct end *, unsigned int),
		unsigned int (*take)(struct end *))
{
	double start = now_s(), warm = start + 0.2, end = warm + seconds, t;
	struct pollfd p[2] = {{b->fd, POLLIN, 0}, {a->fd, POLLOUT, 0}};
	unsigned long got = 0, lost = 0, counted = 0;
	unsigned int open = 0, n;

	while ((t = now_s()) < end) {
		while (open < WINDOW) {
			unsigned int room = WINDOW - open;

			n = give(a, room < BURST ? room : BURST);
			if (!n)
				break;
			open += n;
		}
		n = take(b);
		open -= n < open ? n : open;
		got += n;
		if (t < warm) {
			counted = got;
			lost = 0;
		}
		if (n)
			continue;
		if (a->at < a->nleft)
			flush(a);
		if (!poll(p, open < WINDOW || a->at < a->nleft ? 2 : 1,
			  PATIENCE_MS)) {
			lost += open;
			open = 0;
		}
	}
	printf("%.0f %lu\n", (double)(got - counted) / (t - warm), lost);
}

int main(int argc, char **argv)
{
	int stream = argc == 6 && !strcmp(argv[1], "stream");
	static struct end a, b;
	size_t size;

	if (!stream && (argc != 5 || strcmp(argv[1], "vde"))) {
		fprintf(stderr, "usage: see the head of wire.c\n");
		return 2;
	}
	size = (size_t)atol(argv[argc - 2]);
	if (size < 60 || size > SIZE_MAX_)
		return 2;
	end_init(&a, stream ? dial(argv[2]) : plug_in(argv[2], 0), size,
		 stream ? 4 : 0, 1, 2);
	end_init(&b, stream ? dial(argv[3]) : plug_in(argv[2], 1), size,
		 stream ? 4 : 0, 2, 1);
	/* Both say where they are. */
	(stream ? send_stream : send_datagrams)(&b, 1);
	usleep(50000);
	run(&a, &b, atof(argv[argc - 1]), stream ? send_stream : send_datagrams,
	    stream ? take_stream : take_datagrams);
	for (int i = 0; i < 2 && !stream; i++)
		plug_path((char[100]){0}, argv[2], i);
	return 0;
}
