// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Joins the TFTP server (dhcp/tftp.h) with the gateway's UDP ports, and with control,
 * which opens the files: see tftpctl.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/esc.h"
#include "lib/hex.h"
#include "lib/jx.h"
#include "lib/log.h"
#include "netd/worker_int.h"

#define OVERHEAD 32 /* bytes around a block: IPv4, UDP, TFTP */

/* ---- for the server ---------------------------------------------------------- */

static void op_open(void *arg, uint64_t token, const char *name)
{
	char hex[2 * TFTP_NAME_MAX + 1];

	hex_encode(name, strlen(name), hex);
	worker_tell(arg, W_TFTP_OPEN, 0,
		    json_pack("{s:I,s:s}", "token", (json_int_t)token, "name",
			      hex),
		    -1);
}

static ssize_t op_read(void *arg, int handle, uint64_t off, void *buf,
		       size_t len)
{
	ssize_t n = pread(handle, buf, len, (off_t)off);

	(void)arg;
	return n < 0 ? -errno : n;
}

static void op_close(void *arg, int handle)
{
	(void)arg;
	close(handle);
}

static void op_send(void *arg, const struct tftp_out *o)
{
	struct worker *w = arg;
	struct nat_udp_out out = {
		.src_port = o->src_port, .dst_ip = o->dst_ip,
		.dst_port = o->dst_port, .dst_mac = o->dst_mac,
		.data = o->data, .len = o->len,
	};

	(void)nat_udp_send(w->nat, &out); /* counted there; the client repeats */
}

static void on_datagram(void *arg, const struct nat_datagram *d)
{
	struct worker *w = arg;
	struct tftp_in in = {
		.data = d->data, .len = d->len, .src_ip = d->src_ip,
		.src_port = d->src_port, .dst_port = d->dst_port,
		.src_mac = d->src_mac, .nic_id = d->nic_id,
	};

	/* Not to everybody (RFC 1123 4.2.3.5), and from somewhere. */
	if (!w->tftp || d->dst_ip != w->service_ip || !d->src_ip)
		return;
	tftp_input(w->tftp, &in, worker_now(w));
	worker_tick_by(w, tftp_deadline(w->tftp));
}

static int op_take(void *arg, uint16_t port)
{
	struct worker *w = arg;

	return nat_service(w->nat, port, on_datagram, w);
}

static void op_give(void *arg, uint16_t port)
{
	struct worker *w = arg;

	nat_service(w->nat, port, NULL, NULL);
}

static void op_ended(void *arg, const struct tftp_end *e)
{
	struct worker *w = arg;
	char ip[IP4_TEXT], name[4 * TFTP_NAME_MAX + 1];
	int64_t now = worker_now(w);

	ip4_format(e->ip, ip);
	esc(e->name, strlen(e->name), name, sizeof(name));
	if (e->error)
		log_limited(&w->tftp_log, now, LOG_LVL_WARN,
			    "network %s: tftp: %s did not get %.200s: %s",
			    w->name, ip, name, e->error);
	else if (!e->size_only)
		log_limited(&w->tftp_log, now, LOG_LVL_INFO,
			    "network %s: tftp: %s got %.200s bytes=%llu",
			    w->name, ip, name, (unsigned long long)e->bytes);
}

static const struct tftp_ops ops = {
	.open = op_open, .read = op_read, .close = op_close, .send = op_send,
	.take = op_take, .give = op_give, .ended = op_ended,
};

/* ---- for the worker ------------------------------------------------------------ */

int worker_tftp_config(struct worker *w, const struct nat_config *cfg, bool on)
{
	uint64_t seed;
	int r;

	if (on == (w->tftp != NULL))
		return 0;
	if (!on) {
		nat_service(w->nat, TFTP_PORT, NULL, NULL);
		worker_tftp_fini(w);
		worker_limits(w);
		return 0;
	}
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -EIO;
	w->tftp = tftp_new(&ops, w, vswitch_mtu(w->sw) - OVERHEAD, seed);
	if (!w->tftp)
		return -ENOMEM;
	w->service_ip = cfg->ip;
	r = nat_service(w->nat, TFTP_PORT, on_datagram, w);
	if (r)
		worker_tftp_fini(w);
	worker_limits(w);
	return r;
}

int worker_tftp_file(struct worker *w, json_t *body, struct chan_msg *m,
		     struct errtext *why)
{
	int64_t token = 0, size = 0, error = 0;
	int r, handle;

	if ((r = jx_int(body, "token", 0, INT64_MAX, &token, why)) ||
	    (r = jx_int(body, "size", 0, INT64_MAX, &size, why)) ||
	    (r = jx_int(body, "error", 0, 4095, &error, why)))
		return r;
	if (!w->tftp) /* switched off meanwhile; the descriptor closes with @m */
		return 0;
	handle = m->nfd ? m->fd[0] : error ? -(int)error : -EIO;
	if (m->nfd)
		m->fd[0] = -1;
	tftp_opened(w->tftp, (uint64_t)token, handle, (uint64_t)size,
		    worker_now(w));
	worker_tick_by(w, tftp_deadline(w->tftp));
	return 0;
}

void worker_tftp_nic_gone(struct worker *w, const struct wnic *n)
{
	if (w->tftp)
		tftp_nic_del(w->tftp, n->id);
}

void worker_tftp_fini(struct worker *w)
{
	tftp_free(w->tftp);
	w->tftp = NULL;
}
