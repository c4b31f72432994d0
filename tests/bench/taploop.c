// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ceiling of a user-space switch between two TAPs: read here, write there, vnet
 * headers passed on as they are, nothing looked at.
 *
 *   taploop PATH-OF-NETNS IFNAME PATH-OF-NETNS IFNAME
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int tap(const char *netns, const char *name)
{
	unsigned int offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	int hdr = sizeof(struct virtio_net_hdr_v1), fd;
	int ns = open(netns, O_RDONLY);
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		die(netns);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) ||
	    ioctl(fd, TUNSETVNETHDRSZ, &hdr) ||
	    ioctl(fd, TUNSETOFFLOAD, offloads))
		die("tap");
	close(ns);
	return fd;
}

int main(int argc, char **argv)
{
	static uint8_t frame[70000];
	struct pollfd p[2];

	if (argc != 5)
		return 2;
	for (int i = 0; i < 2; i++)
		p[i] = (struct pollfd){
			.fd = tap(argv[1 + 2 * i], argv[2 + 2 * i]),
			.events = POLLIN};
	puts("ready");
	fflush(stdout);
	while (poll(p, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			for (int k = 0; k < 64; k++) {
				n = read(p[i].fd, frame, sizeof(frame));
				if (n <= 0)
					break;
				n = write(p[1 - i].fd, frame, (size_t)n);
			}
		}
	}
	return 0;
}
