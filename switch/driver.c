// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What all port drivers have in common, and finding the driver for a descriptor.
 * See drivers.h; the drivers are in port_*.c.
 */
#include "switch/drivers.h"

#include <event2/event.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "switch/driver_int.h"

void driver_init(struct driver *d, const struct driver_ops *ops,
		 const struct driver_ctx *ctx, const struct port_spec *spec)
{
	d->ops = ops;
	d->ctx = *ctx;
	snprintf(d->name, sizeof(d->name), "%s", spec->name);
	d->role = spec->role;
	d->nic_id = spec->nic_id;
	d->src_ip4 = spec->src_ip4;
	d->src_ip6 = spec->src_ip6;
	d->pin = spec->pin;
}

int driver_port_add(struct driver *d, struct port *p,
		    const struct port_ops *ops, uint32_t caps)
{
	p->ops = ops;
	p->caps = caps;
	p->role = d->role;
	p->nic_id = d->nic_id;
	p->src_ip4 = d->src_ip4;
	p->src_ip6 = d->src_ip6;
	p->pin = d->pin;
	memcpy(p->name, d->name, sizeof(p->name));
	return vswitch_port_add(d->ctx.sw, p);
}

void driver_peer(struct driver *d, bool connected)
{
	const struct driver_events *ev = d->ctx.ev;

	if (d->connected == connected)
		return;
	d->connected = connected;
	if (ev && ev->peer)
		ev->peer(ev->arg, d->nic_id, connected);
}

void port_stats_add(struct port_stats *to, const struct port_stats *from)
{
	to->rx_frames += from->rx_frames;
	to->rx_bytes += from->rx_bytes;
	to->tx_frames += from->tx_frames;
	to->tx_bytes += from->tx_bytes;
	for (int i = 0; i < DROP_REASONS; i++)
		to->drops[i] += from->drops[i];
}

void driver_free(struct driver *d)
{
	if (!d)
		return;
	if (d->only)
		vswitch_port_del(d->only);
	else
		d->ops->free(d);
}

void driver_link(struct driver *d, bool up)
{
	if (d->only)
		vswitch_port_link(d->only, up);
	else
		d->ops->link(d, up);
}

bool driver_connected(const struct driver *d)
{
	return d->connected;
}

void driver_stats(const struct driver *d, struct port_stats *out)
{
	if (d->only)
		*out = d->only->stats;
	else
		d->ops->stats(d, out);
}

const char *driver_name(const struct driver *d)
{
	return d->ops->name;
}

/* ---- autodetection ------------------------------------------------------- */

static int sock_opt(int fd, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, name, &v, &len) ? -1 : v;
}

static int open_stream(const struct driver_ctx *ctx,
		       const struct port_spec *spec, int fd, int mem_fd,
		       bool listening, struct driver **out, struct errtext *why)
{
	return driver_stream(ctx, spec, listening ? fd : -1,
			     listening ? -1 : fd, mem_fd, out, why);
}

static int open_dgram(const struct driver_ctx *ctx,
		      const struct port_spec *spec, int fd,
		      struct driver **out, struct errtext *why)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getpeername(fd, (struct sockaddr *)&ss, &len))
		return driver_dgram(ctx, spec, fd, out, why);
	return driver_msg(ctx, spec, -1, fd, out, why);
}

int driver_fd(const struct driver_ctx *ctx, const struct port_spec *spec,
	      int fd, int mem_fd, struct driver **out, struct errtext *why)
{
	int domain = sock_opt(fd, SO_DOMAIN), type = sock_opt(fd, SO_TYPE);
	bool listening = sock_opt(fd, SO_ACCEPTCONN) == 1;
	struct ifreq ifr;

	if (domain == AF_UNIX && type == SOCK_STREAM)
		return open_stream(ctx, spec, fd, mem_fd, listening, out, why);
	fd_close(&mem_fd);
	if (domain == AF_PACKET)
		return driver_packet(ctx, spec, fd, out, why);
	if (domain == AF_UNIX && type == SOCK_DGRAM)
		return open_dgram(ctx, spec, fd, out, why);
	if (domain == AF_UNIX && type == SOCK_SEQPACKET)
		return driver_msg(ctx, spec, listening ? fd : -1,
				  listening ? -1 : fd, out, why);
	memset(&ifr, 0, sizeof(ifr));
	if (ioctl(fd, TUNGETIFF, &ifr) == 0)
		return driver_tap(ctx, spec, fd, out, why);
	fd_close(&fd);
	return errtext_set(why, -EPROTOTYPE,
			   "the descriptor is no TAP, unix (stream, datagram, "
			   "seqpacket) or packet socket");
}

/* ---- listener ------------------------------------------------------------ */

static void rest(struct listener *l)
{
	static const struct timeval second = {1, 0};

	event_del(l->ev);
	event_add(l->resume, &second);
}

/* Somebody comes and goes, comes and goes. */
static bool is_spent(struct listener *l)
{
	int64_t now_ms = clock_mono_ms();

	if (now_ms - l->since_ms >= 1000) {
		l->since_ms = now_ms;
		l->used = 0;
	}
	return ++l->used == LISTENER_RATE;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	int conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	/* Out of descriptors or memory: trying on would spin. */
	if (conn >= 0 ? is_spent(l)
		      : !would_block(errno) && errno != ECONNABORTED)
		rest(l);
	if (conn >= 0)
		l->fn(l->arg, conn);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	event_add(l->ev, NULL);
}

int listener_init(struct listener *l, struct event_base *base, int fd,
		  void (*fn)(void *arg, int fd), void *arg)
{
	int r;

	*l = (struct listener){.fd = fd, .fn = fn, .arg = arg};
	if (fd < 0)
		return 0;
	r = fd_setup(fd);
	if (r)
		return r;
	l->ev = event_new(base, fd, EV_READ | EV_PERSIST, on_acceptable, l);
	l->resume = evtimer_new(base, on_resume, l);
	if (!l->ev || !l->resume || event_add(l->ev, NULL))
		return -ENOMEM;
	return 0;
}

void listener_fini(struct listener *l)
{
	if (l->ev)
		event_free(l->ev);
	if (l->resume)
		event_free(l->resume);
	l->ev = l->resume = NULL;
	fd_close(&l->fd);
}
