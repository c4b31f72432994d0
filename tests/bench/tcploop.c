// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ceiling of short connections through a process between a TAP and sockets: what
 * nat-cps needs and nothing else, with as few system calls as that takes. No loss is
 * made good, no address is checked, every connection is to fit into one segment each
 * way, and one guest may do all that it likes.
 *
 *   tcploop PATH-OF-NETNS IFNAME     the sockets are made in the namespace it runs in
 *
 * For each connection: socket, connect, epoll_ctl, two writes (the answer has the
 * acknowledgement with it), send, recv, setsockopt and close, and a read() for each
 * segment of the guest's.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define VNET sizeof(struct virtio_net_hdr_v1)
#define ETH  14
#define IP   20
#define TCP  20

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

/* By the guest's port. */
static struct conn {
	int fd; /* 0 = none */
	uint8_t ends[8]; /* the guest's address, the other one */
	uint16_t port;	 /* the other one's */
	uint32_t seq, ack;
	int open;
} conns[65536];

static const uint8_t our_mac[6] = {0x52, 0, 0, 0, 0, 1};
static uint8_t guest_mac[6];
static int tap_fd, ep;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void enter(int ns)
{
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		die("network namespace");
	close(ns);
}

static int tap(const char *netns, const char *name)
{
	int hdr = VNET, fd, home = open("/proc/self/ns/net", O_RDONLY);
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	enter(open(netns, O_RDONLY));
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) ||
	    ioctl(fd, TUNSETVNETHDRSZ, &hdr) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM))
		die("tap");
	enter(home);
	return fd;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* Not yet complemented. */
static uint16_t sum(const uint8_t *p, size_t len, uint32_t more)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		more += get16(p + i);
	if (len & 1)
		more += (uint32_t)p[len - 1] << 8;
	while (more >> 16)
		more = (more & 0xffff) + (more >> 16);
	return (uint16_t)more;
}

/* A segment to the guest; @f has VNET + ETH + IP + TCP bytes before the payload. */
static void answer(struct conn *c, uint16_t guest_port, uint8_t *f, int flags,
		   size_t len)
{
	struct virtio_net_hdr_v1 v = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = ETH + IP,
		.csum_offset = 16};
	uint8_t *eth = f + VNET, *ip = eth + ETH, *tcp = ip + IP;

	memset(f, 0, VNET + ETH + IP + TCP);
	memcpy(f, &v, VNET);
	memcpy(eth, guest_mac, 6);
	memcpy(eth + 6, our_mac, 6);
	put16(eth + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned int)(IP + TCP + len));
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, c->ends + 4, 4);
	memcpy(ip + 16, c->ends, 4);
	put16(ip + 10, (uint16_t)~sum(ip, IP, 0));
	put16(tcp, c->port);
	put16(tcp + 2, guest_port);
	put32(tcp + 4, c->seq);
	put32(tcp + 8, c->ack);
	tcp[12] = 5 << 4;
	tcp[13] = (uint8_t)(flags | ACK);
	put16(tcp + 14, 60000);
	put16(tcp + 16, sum(ip + 12, 8, (uint32_t)(6 + TCP + len)));
	c->seq += (uint32_t)len + !!(flags & (SYN | FIN));
	if (write(tap_fd, f, VNET + ETH + IP + TCP + len) < 0)
		perror("tap");
}

static void end(struct conn *c)
{
	struct linger hard = {1, 0};

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(c->fd);
	c->fd = 0;
}

static void begin(struct conn *c, const uint8_t *ip, const uint8_t *tcp)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
				.data.u32 = get16(tcp)};

	memcpy(c->ends, ip + 12, 8);
	c->port = get16(tcp + 2);
	c->seq = 1;
	c->ack = get32(tcp + 4) + 1;
	c->open = 0;
	memcpy(&to.sin_addr, ip + 16, 4);
	memcpy(&to.sin_port, tcp + 2, 2);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		die("socket");
	(void)connect(c->fd, (struct sockaddr *)&to, sizeof(to));
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}

static void in_tcp(const uint8_t *ip, size_t len)
{
	const uint8_t *tcp = ip + IP;
	struct conn *c = &conns[get16(tcp)];
	size_t hdr = (size_t)(tcp[12] >> 4) * 4, bytes;

	if (len < IP + hdr)
		return;
	bytes = len - IP - hdr;
	if (tcp[13] & SYN && !c->fd) {
		begin(c, ip, tcp);
	} else if (c->fd && tcp[13] & (RST | FIN)) {
		end(c);
	} else if (c->fd && bytes && get32(tcp + 4) == c->ack) {
		c->ack += (uint32_t)bytes;
		if (send(c->fd, tcp + hdr, bytes, MSG_NOSIGNAL) < 0)
			perror("send");
	}
}

static void in_arp(uint8_t *f, size_t n)
{
	uint8_t *eth = f + VNET, *arp = eth + ETH, ip[4];

	memcpy(guest_mac, eth + 6, 6);
	memcpy(eth, guest_mac, 6);
	memcpy(eth + 6, our_mac, 6);
	arp[7] = 2;
	memcpy(ip, arp + 24, 4);
	memcpy(arp + 18, arp + 8, 10);
	memcpy(arp + 8, our_mac, 6);
	memcpy(arp + 14, ip, 4);
	if (write(tap_fd, f, n) < 0)
		perror("tap");
}

/* So that one sees that it is up. */
static void in_ping(uint8_t *f, size_t n)
{
	uint8_t *eth = f + VNET, *ip = eth + ETH, *icmp = ip + IP, a[4];

	memcpy(a, ip + 12, 4);
	memcpy(ip + 12, ip + 16, 4);
	memcpy(ip + 16, a, 4);
	memcpy(eth, guest_mac, 6);
	memcpy(eth + 6, our_mac, 6);
	icmp[0] = icmp[2] = icmp[3] = 0;
	put16(icmp + 2, (uint16_t)~sum(icmp, (size_t)get16(ip + 2) - IP, 0));
	if (write(tap_fd, f, n) < 0)
		perror("tap");
}

static void from_guest(void)
{
	static uint8_t f[70000];
	ssize_t n = read(tap_fd, f, sizeof(f));
	uint8_t *ip = f + VNET + ETH;

	memset(f, 0, VNET);
	if (n < (ssize_t)(VNET + ETH + IP + 8))
		return;
	if (get16(f + VNET + 12) == 0x0806)
		in_arp(f, (size_t)n);
	else if (get16(f + VNET + 12) == 0x0800 && ip[0] == 0x45 && ip[9] == 6)
		in_tcp(ip, get16(ip + 2));
	else if (get16(f + VNET + 12) == 0x0800 && ip[0] == 0x45 && ip[9] == 1)
		in_ping(f, (size_t)n);
}

static void from_socket(uint16_t guest_port, uint32_t what)
{
	static uint8_t f[VNET + ETH + IP + TCP + 1400];
	struct conn *c = &conns[guest_port];
	ssize_t n;

	if (!c->fd)
		return;
	if (!c->open) {
		c->open = 1;
		answer(c, guest_port, f, SYN, 0);
	}
	if (!(what & EPOLLIN))
		return;
	n = recv(c->fd, f + VNET + ETH + IP + TCP, 1400, 0);
	if (n > 0)
		answer(c, guest_port, f, PSH, (size_t)n);
}

int main(int argc, char **argv)
{
	struct epoll_event got[64], e = {.events = EPOLLIN, .data.u32 = 1 << 16};

	if (argc != 3)
		return 2;
	tap_fd = tap(argv[1], argv[2]);
	ep = epoll_create1(0);
	epoll_ctl(ep, EPOLL_CTL_ADD, tap_fd, &e);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(ep, got, 64, -1);

		for (int i = 0; i < n; i++)
			if (got[i].data.u32 == 1 << 16)
				from_guest();
			else
				from_socket((uint16_t)got[i].data.u32,
					    got[i].events);
	}
}
