// SPDX-License-Identifier: GPL-2.0-or-later
/* Who holds a local port: the kernel's socket tables name an inode, and the process
 * that has it open is searched for. See priv_int.h. */
#include "netd/priv_int.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/esc.h"
#include "lib/fdutil.h"

#define TCP_LISTENING 0x0a /* enum in net/tcp_states.h of the kernel */

static bool parse_ip(const char *hex, size_t digits, struct ipaddr *ip)
{
	uint8_t raw[16];

	/* 32-bit words in the machine's order, of an address in network order */
	for (size_t w = 0; w < digits / 8; w++) {
		unsigned int v;

		if (sscanf(hex + 8 * w, "%8x", &v) != 1)
			return false;
		memcpy(raw + 4 * w, &v, 4);
	}
	if (digits == 8)
		*ip = ipaddr_from4((uint32_t)raw[0] << 24 |
				   (uint32_t)raw[1] << 16 |
				   (uint32_t)raw[2] << 8 | raw[3]);
	else
		memcpy(ip->b, raw, 16);
	return true;
}

bool priv_port_line(const char *line, struct priv_port_line *out)
{
	char local[33];
	unsigned int port, state;
	unsigned long inode;

	if (sscanf(line,
		   " %*d: %32[0-9A-F]:%4x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x "
		   "%*x %*u %*u %lu",
		   local, &port, &state, &inode) != 4)
		return false;
	if (strlen(local) != 8 && strlen(local) != 32)
		return false;
	out->port = (uint16_t)port;
	out->listening = state == TCP_LISTENING;
	out->inode = inode;
	return parse_ip(local, strlen(local), &out->ip);
}

static bool is_any(const struct ipaddr *a)
{
	static const struct ipaddr any6;
	struct ipaddr any4 = ipaddr_from4(0);

	return ipaddr_eq(a, &any6) || ipaddr_eq(a, &any4);
}

/* Would a socket bound to @has be in the way of one bound to @want? */
static bool in_the_way(const struct ipaddr *has, const struct ipaddr *want)
{
	return is_any(has) || is_any(want) || ipaddr_eq(has, want);
}

/* Inode of the socket in table @path that holds the port; 0 = none. */
static unsigned long find_inode(const char *path, bool tcp,
				const struct ipaddr *ip, uint16_t port)
{
	FILE *f = fopen(path, "re");
	struct priv_port_line l;
	unsigned long inode = 0;
	char line[512];

	while (f && !inode && fgets(line, sizeof(line), f)) {
		if (priv_port_line(line, &l) && l.port == port &&
		    (!tcp || l.listening) && in_the_way(&l.ip, ip))
			inode = l.inode;
	}
	if (f)
		fclose(f);
	return inode;
}

static bool has_socket(int fds, const char *link)
{
	DIR *d = fdopendir(fds); /* takes it */
	struct dirent *e;
	bool found = false;
	char to[64];

	if (!d) {
		close(fds);
		return false;
	}
	while (!found && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, to,
				       sizeof(to) - 1);

		if (n > 0) {
			to[n] = '\0';
			found = !strcmp(to, link);
		}
	}
	closedir(d);
	return found;
}

static void name_process(const char *pid, char *out, size_t cap)
{
	char path[64], comm[32] = "", safe[80];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	f = fopen(path, "re");
	if (f) {
		if (!fgets(comm, sizeof(comm), f))
			comm[0] = '\0';
		fclose(f);
	}
	comm[strcspn(comm, "\n")] = '\0';
	snprintf(out, cap, "%s (pid %.16s)",
		 comm[0] ? esc(comm, strlen(comm), safe, sizeof(safe))
			 : "a process", pid);
}

static int find_process(unsigned long inode, char *out, size_t cap)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	char link[64], path[64];
	int r = -ENOENT;

	if (!proc)
		return -errno;
	snprintf(link, sizeof(link), "socket:[%lu]", inode);
	while (r && (e = readdir(proc))) {
		int fds;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/fd", e->d_name);
		fds = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fds < 0 || !has_socket(fds, link))
			continue;
		name_process(e->d_name, out, cap);
		r = 0;
	}
	closedir(proc);
	return r;
}

/* ---- who is bound to a device --------------------------------------------------------- */

/* The tables do not say: sock_diag(7) does. */
struct holder {
	uint16_t port;
	unsigned int dev;
	unsigned long inode; /* 0: none yet */
	bool bound; /* to just that device */
};

static void consider(struct holder *h, const struct inet_diag_msg *m)
{
	bool bound = m->id.idiag_if == h->dev;

	if (ntohs(m->id.idiag_sport) != h->port || (m->id.idiag_if && !bound) ||
	    (h->inode && h->bound >= bound))
		return;
	h->inode = m->idiag_inode;
	h->bound = bound;
}

/* False: that was the last. */
static bool read_sockets(struct holder *h, const char *buf, size_t len)
{
	for (const struct nlmsghdr *m = (const void *)buf; NLMSG_OK(m, len);
	     m = NLMSG_NEXT(m, len)) {
		if (m->nlmsg_type != SOCK_DIAG_BY_FAMILY)
			return false; /* done, or an error */
		if (m->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			consider(h, NLMSG_DATA(m));
	}
	return true;
}

static void ask_kernel(struct holder *h, uint8_t family, uint8_t proto)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} q = {
		.h = {.nlmsg_len = sizeof(q), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.r = {.sdiag_family = family, .sdiag_protocol = proto,
		      .idiag_states = ~0U},
	};
	_Alignas(struct nlmsghdr) char buf[32768];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t n = fd < 0 ? -1 : send(fd, &q, sizeof(q), 0);

	while (n > 0) {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n > 0 && !read_sockets(h, buf, (size_t)n))
			break;
	}
	fd_close(&fd);
}

static unsigned long find_bound(const struct priv_req_port *q)
{
	struct holder h = {.port = q->port, .dev = if_nametoindex(q->dev)};

	if (h.dev && ipaddr_is4(&q->ip))
		ask_kernel(&h, AF_INET, (uint8_t)q->proto);
	if (h.dev && !h.bound)
		ask_kernel(&h, AF_INET6, (uint8_t)q->proto);
	return h.inode;
}

/* ---- all of it --------------------------------------------------------------------------- */

static unsigned long find_any(const struct priv_req_port *q)
{
	bool tcp = q->proto == IPPROTO_TCP;
	unsigned long inode = 0;

	if (ipaddr_is4(&q->ip))
		inode = find_inode(tcp ? "/proc/self/net/tcp"
				       : "/proc/self/net/udp",
				   tcp, &q->ip, q->port);
	if (!inode) /* an IPv6 socket may hold the port for IPv4 too */
		inode = find_inode(tcp ? "/proc/self/net/tcp6"
				       : "/proc/self/net/udp6",
				   tcp, &q->ip, q->port);
	return inode;
}

int priv_do_port_owner(const struct priv_req_port *q, char *out, size_t cap)
{
	unsigned long inode = q->dev[0] ? find_bound(q) : find_any(q);

	return inode ? find_process(inode, out, cap) : -ENOENT;
}
