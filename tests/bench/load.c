// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Load for benchmarks, both ends of it.
 *
 *   load serve PORT                     until it is ended
 *   load rr tcp|udp ADDR PORT SECONDS   "N P50 P99": round trips, microseconds
 *   load cps ADDR PORT SECONDS WIDTH    "PER_SECOND FAILED": TCP connections, each
 *                                       carries a byte there and back
 *   load udp up|down|trains ADDR PORT SIZE SECONDS [HINT]  "PPS": most datagrams a second
 *                                       with less than 1 % lost, of trials of SECONDS;
 *                                       trains: down, as many in a call as go (GSO);
 *                                       HINT: about where to look
 *
 * The server echoes on PORT (TCP, UDP), counts datagrams on UDP PORT + 1 and takes
 * orders on TCP PORT + 2. A trial is paced: datagrams leave at even distances, a few
 * at a time when they are due together.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TRIALS	  4096
#define BURST	  16
#define TRAIN	  64 /* datagrams that any Linux takes in one call */
#define SIZE_MAX_ 65507
#define RTTS	  4000000

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

static struct sockaddr_in address(const char *ip, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)port)};

	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1) {
		fprintf(stderr, "load: %s is no IPv4 address\n", ip);
		exit(2);
	}
	return a;
}

static int sock(int type, int port)
{
	struct sockaddr_in a = address("0.0.0.0", port);
	int one = 1, buf = 4 << 20, fd = socket(AF_INET, type, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (type == SOCK_DGRAM) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buf, sizeof(buf));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buf, sizeof(buf));
	}
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 1024))
		die("listen");
	return fd;
}

static int dial(const char *ip, int port)
{
	struct sockaddr_in a = address(ip, port);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* ---- paced sending ------------------------------------------------------------- */

/* How many datagrams of @size go in a call. */
static unsigned int train_of(size_t size)
{
	return size * TRAIN > SIZE_MAX_ ? (unsigned int)(SIZE_MAX_ / size)
					: TRAIN;
}

/* The beginnings of @k datagrams that lie one behind the other in @data. */
static void mark(uint8_t *data, size_t size, unsigned int k, uint32_t id)
{
	for (unsigned int i = 0; i < k; i++)
		memcpy(data + i * size, &id, sizeof(id));
}

/* Datagrams of @size at @pps, @k in a message; each begins with @id. */
static unsigned long blast(int fd, const struct sockaddr_in *to, uint32_t id,
			   size_t size, unsigned int k, double pps,
			   double seconds)
{
	static _Thread_local uint8_t data[SIZE_MAX_];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2)] = {0};
	double start = now_s(), end = start + seconds;
	struct iovec v = {data, size * k};
	struct cmsghdr *c = (struct cmsghdr *)control;
	uint16_t segment = (uint16_t)size;
	struct mmsghdr m[BURST];
	unsigned long sent = 0;

	*c = (struct cmsghdr){.cmsg_level = IPPROTO_UDP,
			      .cmsg_type = UDP_SEGMENT,
			      .cmsg_len = CMSG_LEN(sizeof(segment))};
	memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	mark(data, size, k, id);
	for (int i = 0; i < BURST; i++)
		m[i] = (struct mmsghdr){
			.msg_hdr = {.msg_name = (void *)to,
				    .msg_namelen = sizeof(*to),
				    .msg_iov = &v, .msg_iovlen = 1,
				    .msg_control = k > 1 ? control : NULL,
				    .msg_controllen = k > 1 ? sizeof(control)
							    : 0}};
	for (;;) {
		double t = now_s();
		unsigned long due;
		int n, r;

		if (t >= end)
			return sent * k;
		due = (unsigned long)((t - start) * pps / k);
		if (due <= sent) {
			double gap = (double)(sent + 1) * k / pps - (t - start);

			if (gap > 60e-6) {
				struct timespec nap = {0, (long)(gap * 5e8)};

				nanosleep(&nap, NULL);
			}
			continue;
		}
		n = due - sent < BURST ? (int)(due - sent) : BURST;
		r = sendmmsg(fd, m, (unsigned int)n, 0);
		/* What the own socket refuses is lost like anything else. */
		sent += (unsigned long)(r > 0 ? r : n);
	}
}

/* ---- server ---------------------------------------------------------------------- */

static struct {
	int sink;
	_Atomic unsigned long got[TRIALS];
	struct sockaddr_in from[TRIALS];
} srv;

static void *echo_tcp(void *arg)
{
	int listener = *(int *)arg, ep = epoll_create1(0), one = 1;
	struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, got[64];
	char buf[4096];

	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		int n = epoll_wait(ep, got, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = got[i].data.fd;
			ssize_t r;

			if (fd == listener) {
				fd = accept4(listener, NULL, NULL,
					     SOCK_NONBLOCK);
				if (fd < 0)
					continue;
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
					   sizeof(one));
				e.data.fd = fd;
				epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
				continue;
			}
			r = recv(fd, buf, sizeof(buf), 0);
			if (r <= 0 || send(fd, buf, (size_t)r, MSG_NOSIGNAL) < 0)
				close(fd);
		}
	}
	return NULL;
}

static void *echo_udp(void *arg)
{
	int fd = *(int *)arg;
	struct sockaddr_in from;
	char buf[SIZE_MAX_];

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t r = recvfrom(fd, buf, sizeof(buf), 0,
				     (struct sockaddr *)&from, &len);

		if (r >= 0)
			sendto(fd, buf, (size_t)r, 0, (struct sockaddr *)&from,
			       len);
	}
	return NULL;
}

static void *count_udp(void *arg)
{
	static uint8_t data[64][4];
	struct sockaddr_in from[64];
	struct iovec v[64];
	struct mmsghdr m[64];

	(void)arg;
	for (int i = 0; i < 64; i++) {
		v[i] = (struct iovec){data[i], 4};
		m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &v[i],
						    .msg_iovlen = 1,
						    .msg_name = &from[i]}};
	}
	for (;;) {
		int n;

		for (int i = 0; i < 64; i++)
			m[i].msg_hdr.msg_namelen = sizeof(from[i]);
		n = recvmmsg(srv.sink, m, 64, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++) {
			uint32_t id;

			memcpy(&id, data[i], 4);
			id %= TRIALS;
			srv.from[id] = from[i];
			srv.got[id]++;
		}
	}
	return NULL;
}

/* An order: "C id": how many came? "B id size many pps seconds": send to where it came
 * from, so many in a message; how many were sent? */
static void *orders(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char line[200];
	ssize_t r;

	while ((r = recv(fd, line, sizeof(line) - 1, 0)) > 0) {
		unsigned int id = 0, k = 0;
		size_t size = 0;
		double pps = 0, s = 0;
		unsigned long n = 0;

		line[r] = '\0';
		if (sscanf(line, "C %u", &id) == 1)
			n = srv.got[id % TRIALS];
		else if (sscanf(line, "B %u %zu %u %lf %lf", &id, &size, &k,
				&pps, &s) == 5 && size >= 4 && k &&
			 size <= SIZE_MAX_ / k && pps > 0 && s < 60)
			n = blast(srv.sink, &srv.from[id % TRIALS], id, size, k,
				  pps, s);
		r = snprintf(line, sizeof(line), "%lu\n", n);
		if (send(fd, line, (size_t)r, MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
	return NULL;
}

static void serve(int port)
{
	int tcp = sock(SOCK_STREAM, port), udp = sock(SOCK_DGRAM, port);
	int ctl = sock(SOCK_STREAM, port + 2);
	pthread_t t;

	srv.sink = sock(SOCK_DGRAM, port + 1);
	pthread_create(&t, NULL, echo_tcp, &tcp);
	pthread_create(&t, NULL, echo_udp, &udp);
	pthread_create(&t, NULL, count_udp, NULL);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int fd = accept(ctl, NULL, NULL);

		if (fd >= 0 && !pthread_create(&t, NULL, orders,
					       (void *)(intptr_t)fd))
			pthread_detach(t);
	}
}

/* ---- round trips ------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void rr(bool tcp, const char *ip, int port, double seconds)
{
	struct timeval patience = {1, 0};
	struct sockaddr_in a = address(ip, port);
	float *us = malloc(RTTS * sizeof(*us));
	int fd = tcp ? dial(ip, port) : socket(AF_INET, SOCK_DGRAM, 0);
	double end = now_s() + seconds;
	size_t n = 0;
	char c = 0;

	if (!tcp && connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (n < RTTS) {
		double t = now_s();

		if (t >= end)
			break;
		if (send(fd, &c, 1, 0) != 1 || recv(fd, &c, 1, 0) != 1)
			continue;
		us[n++] = (float)((now_s() - t) * 1e6);
	}
	if (!n) {
		fprintf(stderr, "load: no answer\n");
		exit(1);
	}
	qsort(us, n, sizeof(*us), by_size);
	printf("%zu %.1f %.1f\n", n, us[n / 2], us[n * 99 / 100]);
}

/* ---- connections ------------------------------------------------------------------- */

static int begin(int ep, const struct sockaddr_in *to)
{
	struct epoll_event e = {.events = EPOLLOUT};
	struct linger hard = {1, 0}; /* no TIME_WAIT: ports would run out */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) &&
	    errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	e.data.fd = fd;
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	return fd;
}

static void cps(const char *ip, int port, double seconds, int width)
{
	struct sockaddr_in a = address(ip, port);
	int ep = epoll_create1(0), under_way = 0;
	unsigned long done = 0, failed = 0;
	double start = now_s(), end = start + seconds, t;
	struct epoll_event got[64];
	char c = 'x';

	while ((t = now_s()) < end) {
		int n;

		while (under_way < width && begin(ep, &a) >= 0)
			under_way++;
		n = epoll_wait(ep, got, 64, 1000);
		for (int i = 0; i < n; i++) {
			int fd = got[i].data.fd, err = 0;
			socklen_t len = sizeof(err);
			struct epoll_event e = {.events = EPOLLIN,
						.data.fd = fd};
			bool over = true;

			getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
			if (err)
				failed++;
			else if (got[i].events & EPOLLIN)
				recv(fd, &c, 1, 0) == 1 ? done++ : failed++;
			else if (send(fd, &c, 1, MSG_NOSIGNAL) == 1)
				over = epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
			if (over) {
				close(fd);
				under_way--;
			}
		}
	}
	printf("%.1f %lu\n", (double)done / (t - start), failed);
}

/* ---- datagrams ----------------------------------------------------------------------- */

struct udp_run {
	int fd, ctl;
	struct sockaddr_in to;
	size_t size;
	double seconds;
	bool up;
	unsigned int k; /* in a message */
	uint32_t id;
};

static unsigned long order(struct udp_run *u, const char *text)
{
	char line[64];
	ssize_t r;

	if (send(u->ctl, text, strlen(text), MSG_NOSIGNAL) < 0)
		die("order");
	r = recv(u->ctl, line, sizeof(line) - 1, 0);
	if (r <= 0)
		die("answer");
	line[r] = '\0';
	return strtoul(line, NULL, 10);
}

static void *collect(void *arg)
{
	struct udp_run *u = arg;
	static uint8_t data[64][4];
	struct iovec v[64];
	struct mmsghdr m[64];
	uintptr_t got = 0;
	uint32_t id;
	int n;

	for (int i = 0; i < 64; i++) {
		v[i] = (struct iovec){data[i], 4};
		m[i] = (struct mmsghdr){
			.msg_hdr = {.msg_iov = &v[i], .msg_iovlen = 1}};
	}
	/* SO_RCVTIMEO ends it when nothing comes any more. */
	while ((n = recvmmsg(u->fd, m, 64, MSG_WAITFORONE, NULL)) > 0)
		for (int i = 0; i < n; i++) {
			memcpy(&id, data[i], 4);
			got += id == u->id;
		}
	return (void *)got;
}

/* One trial: 1 and more if less than 1 % was lost. @real: what came, a second. */
static double trial(struct udp_run *u, double pps, double *real)
{
	unsigned long sent, got;
	double came, left;
	char text[100];
	pthread_t t;
	void *ret;

	u->id = (u->id + 1) % TRIALS;
	if (u->up) {
		unsigned long was;

		snprintf(text, sizeof(text), "C %u\n", u->id);
		was = order(u, text);
		sent = blast(u->fd, &u->to, u->id, u->size, u->k,
			     pps, u->seconds);
		usleep(100000);
		got = order(u, text) - was;
	} else {
		sendto(u->fd, &u->id, 4, 0, (struct sockaddr *)&u->to,
		       sizeof(u->to));
		usleep(20000);
		pthread_create(&t, NULL, collect, u);
		snprintf(text, sizeof(text), "B %u %zu %u %f %f\n", u->id,
			 u->size, u->k, pps, u->seconds);
		sent = order(u, text);
		pthread_join(t, &ret);
		got = (uintptr_t)ret;
	}
	*real = (double)got / u->seconds;
	came = (double)got / (0.99 * (double)(sent ? sent : 1));
	left = (double)sent / (0.97 * pps * u->seconds);
	return came < left ? came : left;
}

/* Does that rate go? Who has to wait some ms for a processor loses a few per cent once:
 * that is tried again, or the search takes it for the limit, and goes down from there. */
static bool goes(struct udp_run *u, double pps, double *real)
{
	double how = trial(u, pps, real);

	if (how < 1 && how > 0.9)
		how = trial(u, pps, real);
	return how >= 1;
}

static void udp(const char *way, const char *ip, int port, size_t size,
		double seconds, double hint)
{
	struct timeval patience = {0, 150000};
	struct udp_run u = {
		.fd = sock(SOCK_DGRAM, 0), .ctl = dial(ip, port + 2),
		.to = address(ip, port + 1), .size = size, .seconds = seconds,
		.up = !strcmp(way, "up"), .id = (uint32_t)getpid(),
		.k = strcmp(way, "trains") ? 1 : train_of(size),
	};
	double low = 1000, high = 4e6, best = 0, real;
	bool near = hint > 2 * low; /* where the last search ended */
	double r = near ? 0.85 * hint : 8000, step = near ? 1.3 : 2;

	setsockopt(u.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	trial(&u, 1000, &real); /* addresses get known */
	/* Up, or down, in steps, then between what went and what did not. */
	while (r > 1.01 * low && r < high) {
		if (goes(&u, r, &real)) {
			low = r, best = real;
			r *= step;
		} else {
			high = r;
			r /= step;
		}
	}
	for (int i = 0; i < 5 && high / low > 1.05; i++) {
		double mid = (low + high) / 2;

		if (goes(&u, mid, &real))
			low = mid, best = real;
		else
			high = mid;
	}
	printf("%.0f\n", best);
}

/* ---- the command ------------------------------------------------------------------------ */

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "serve") && argc == 3)
		serve(atoi(argv[2]));
	else if (!strcmp(what, "rr") && argc == 6)
		rr(!strcmp(argv[2], "tcp"), argv[3], atoi(argv[4]),
		   atof(argv[5]));
	else if (!strcmp(what, "cps") && argc == 6)
		cps(argv[2], atoi(argv[3]), atof(argv[4]), atoi(argv[5]));
	else if (!strcmp(what, "udp") && (argc == 7 || argc == 8))
		udp(argv[2], argv[3], atoi(argv[4]),
		    (size_t)atol(argv[5]), atof(argv[6]),
		    argc == 8 ? atof(argv[7]) : 0);
	else {
		fprintf(stderr, "usage: see the head of load.c\n");
		return 2;
	}
	return 0;
}
