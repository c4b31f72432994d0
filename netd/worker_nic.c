// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NICs of the worker's network: their drivers, the addresses they showed, and the
 * names that the network's DNS answers for them.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/un.h>

#include "lib/compat.h"
#include "lib/fdutil.h"
#include "lib/hex.h"
#include "lib/jx.h"
#include "lib/log.h"
#include "netd/stopped.h"
#include "netd/worker_int.h"

struct wnic *worker_nic_find(struct worker *w, uint64_t id)
{
	list_for_each(n, &w->nics, struct wnic, node)
		if (n->id == id)
			return n;
	return NULL;
}

/* ---- adding ------------------------------------------------------------------ */

/* The descriptors of W_NIC_ADD by what they are; taken from the message. */
struct nic_fds {
	int listen, conn, mem, tap;
};

static struct nic_fds take_fds(json_t *body, struct chan_msg *m)
{
	struct nic_fds f = {-1, -1, -1, -1};
	json_t *v, *names = json_object_get(body, "fds");
	size_t i;

	json_array_foreach(names, i, v) {
		const char *s = json_string_value(v);
		int *place;

		if (i >= m->nfd || !s)
			break;
		place = !strcmp(s, "listen") ? &f.listen
			: !strcmp(s, "mem")  ? &f.mem
			: !strcmp(s, "tap")  ? &f.tap
					     : &f.conn;
		if (*place >= 0)
			break;
		*place = m->fd[i];
		m->fd[i] = -1;
	}
	return f;
}

static int open_tapin(const struct driver_ctx *ctx, const struct port_spec *spec,
		      json_t *body, struct nic_fds f, struct driver **out,
		      struct errtext *why)
{
	struct driver_tapin_conf conf = {.tap = f.tap};
	uint64_t seed[2];
	int r = jx_mac(body, "uplink_mac", &conf.host, why);

	if (!r)
		r = jx_bool(body, "mac_nat", &conf.mac_nat, why);
	if (!r && getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		r = -errno;
	conf.seed = seed;
	if (!r)
		return driver_tapin(ctx, spec, &conf, f.conn, out, why);
	fd_close(&f.conn);
	fd_close(&f.tap);
	return r;
}

static int open_driver(struct worker *w, const char *type,
		       const struct port_spec *spec,
		       const struct driver_vhost_conf *vhost, json_t *body,
		       struct nic_fds f, struct driver **out,
		       struct errtext *why)
{
	struct driver_ctx ctx = {w->base, w->sw, &w->driver_ev};

	if (!strcmp(type, "tap-in"))
		return open_tapin(&ctx, spec, body, f, out, why);
	fd_close(&f.tap);

	if (!strcmp(type, "stream"))
		return driver_stream(&ctx, spec, f.listen, f.conn, f.mem, out,
				     why);
	if (!strcmp(type, "seqpacket"))
		return driver_msg(&ctx, spec, f.listen, f.conn, out, why);
	if (!strcmp(type, "dgram"))
		return driver_dgram(&ctx, spec, f.conn, out, why);
	if (!strcmp(type, "vhost-user"))
		return driver_vhost(&ctx, spec, vhost, f.listen, f.conn, out,
				    why);
	if (!strcmp(type, "tap"))
		return driver_tap(&ctx, spec, f.conn, out, why);
	if (!strcmp(type, "packet"))
		return driver_packet(&ctx, spec, f.conn, out, why);
	return driver_fd(&ctx, spec, f.conn, f.mem, out, why);
}

static enum port_role read_role(json_t *body)
{
	const char *s = json_string_value(json_object_get(body, "role"));

	if (s && !strcmp(s, "host"))
		return PORT_HOST;
	if (s && !strcmp(s, "uplink"))
		return PORT_UPLINK;
	return PORT_GUEST;
}

static void on_peer(void *arg, uint64_t nic_id, bool connected)
{
	struct worker *w = arg;
	struct wnic *n = worker_nic_find(w, nic_id);

	if (n && connected && n->role == PORT_GUEST)
		worker_probe_nic(w, n);
	worker_tell(w, W_PEER, 0,
		    json_pack("{s:I,s:b}", "nic", (json_int_t)nic_id,
			      "connected", connected),
		    -1);
}

static void on_accepted(void *arg, uint64_t nic_id, int fd)
{
	worker_tell(arg, W_ACCEPTED, 0,
		    json_pack("{s:I}", "nic", (json_int_t)nic_id), fd);
}

static void on_sender(void *arg, uint64_t nic_id,
		      const struct sockaddr_storage *ss, socklen_t len)
{
	const size_t at = offsetof(struct sockaddr_un, sun_path);
	char addr[2 * sizeof(*ss) + 1];

	hex_encode((const char *)ss + at, (size_t)len - at, addr);
	worker_tell(arg, W_SENDER, 0,
		    json_pack("{s:I,s:s}", "nic", (json_int_t)nic_id, "addr",
			      addr),
		    -1);
}

static int read_nic(json_t *body, struct wnic *n, const char **type,
		    struct port_spec *spec, struct driver_vhost_conf *vhost,
		    struct errtext *why)
{
	const char *vm = "";
	int64_t id = 0, index = 0, queues = 0;
	int r;

	if ((r = jx_int(body, "nic", 1, INT64_MAX, &id, why)) ||
	    (r = jx_int(body, "index", 0, 255, &index, why)) ||
	    (r = jx_str(body, "vm", &vm, why)) ||
	    (r = jx_mac(body, "mac", &n->mac, why)) ||
	    (r = jx_need_str(body, "type", type, why)) ||
	    (r = jx_bool(body, "link", &n->link, why)) ||
	    (r = jx_int(body, "queues", 0, 8, &queues, why)) ||
	    (r = jx_ip4(body, "src_ip4", &spec->src_ip4, why)) ||
	    (r = jx_ip(body, "src_ip6", &spec->src_ip6, why)))
		return r;
	vhost->mac = n->mac;
	vhost->queues = (uint16_t)queues;
	n->fds = worker_nic_fds(*type, (unsigned int)queues);
	n->id = (uint64_t)id;
	n->index = (unsigned int)index;
	n->role = read_role(body);
	snprintf(n->vm, sizeof(n->vm), "%s", vm);
	return 0;
}

static void host_name(struct worker *w, uint32_t ip4)
{
	struct ipaddr host = ipaddr_from4(ip4);

	if (ip4)
		nat_host_name(w->nat, &host);
}

/* The port of a network's services on its bridge (datapath kernel), or of an uplink's:
 * behind it are guests and the host. */
static int to_bridge(struct worker *w, struct wnic *n, json_t *body,
		     struct errtext *why)
{
	uint32_t host = 0;
	int r = jx_ip4(body, "host", &host, why);

	w->bridge = n->id;
	if (r || !w->nat)
		return r;
	host_name(w, host);
	if (!mac_is_zero(&w->router) && w->net6.plen) { /* ::2, as the host's */
		struct ipaddr ip6 = w->net6.addr;

		ip6.b[15] = 2;
		nat_host_name(w->nat, &ip6);
	}
	return r;
}

uint64_t worker_nic_behind(struct worker *w, uint64_t id, const struct mac *mac)
{
	if (!id || id != w->bridge)
		return id;
	list_for_each(n, &w->nics, struct wnic, node)
		if (n->on_bridge && mac_eq(&n->mac, mac))
			return n->id;
	return 0;
}

int worker_nic_add(struct worker *w, json_t *body, struct chan_msg *m,
		   struct errtext *why)
{
	struct wnic *n = calloc(1, sizeof(*n));
	struct driver_vhost_conf vhost = {0};
	struct port_spec spec = {0};
	const char *type = "";
	char name[PORT_NAME];
	int r;

	if (!n)
		return -ENOMEM;
	list_init(&n->node);
	n->link = true;
	vhost.poll = w->poll;
	r = read_nic(body, n, &type, &spec, &vhost, why);
	if (!r && worker_nic_find(w, n->id))
		r = errtext_set(why, -EEXIST, "NIC %llu is there already",
				(unsigned long long)n->id);
	if (r) {
		free(n);
		return r;
	}
	snprintf(name, sizeof(name), "%.40s-%u", n->vm[0] ? n->vm : "host",
		 n->index & 255);
	spec.name = name;
	spec.role = n->role;
	spec.nic_id = n->id;
	if (n->role == PORT_GUEST)
		r = worker_guard_nic(w, n, body, why);
	if (r) {
		free(n);
		return r;
	}
	spec.pin = n->role == PORT_GUEST ? &n->pin : NULL;
	w->driver_ev.arg = w;
	w->driver_ev.peer = on_peer;
	w->driver_ev.accepted = on_accepted;
	w->driver_ev.sender = on_sender;
	/* On the list first: the driver may report its peer at once. */
	list_add_tail(&w->nics, &n->node);
	n->on_bridge = !strcmp(type, "bridge");
	if (!n->on_bridge)
		r = open_driver(w, type, &spec, &vhost, body,
				take_fds(body, m), &n->driver, why);
	if (r) {
		worker_guard_nic_gone(n);
		list_del(&n->node);
		free(n);
		return r;
	}
	n->beside = !strcmp(type, "tap-in");
	if (n->beside)
		driver_tapin_host(n->driver, w->host_ip, w->nhost_ip);
	if (!n->link && n->driver)
		driver_link(n->driver, false);
	if (n->role == PORT_HOST)
		worker_guard_host(w, spec.src_ip4, &spec.src_ip6);
	if (n->role == PORT_HOST && w->nat && spec.src_ip4)
		host_name(w, spec.src_ip4);
	if (n->role == PORT_UPLINK)
		r = to_bridge(w, n, body, why);
	worker_limits(w);
	worker_names_settle(w, &n->mac);
	worker_dhcp_nic(w, n);
	worker_dhcp6_nic(w, n);
	if (n->role == PORT_GUEST && (n->on_bridge || driver_connected(n->driver)))
		worker_probe_nic(w, n);
	return r;
}

void worker_nic_host_ips(struct worker *w, json_t *body)
{
	json_t *v, *a = json_object_get(body, "host_ips");
	size_t i;

	w->nhost_ip = 0;
	json_array_foreach(a, i, v) {
		const char *s = json_string_value(v);

		if (w->nhost_ip < MACNAT_HOST_MAX && s &&
		    !ipaddr_parse(s, &w->host_ip[w->nhost_ip]))
			w->nhost_ip++;
	}
	list_for_each(n, &w->nics, struct wnic, node)
		if (n->beside)
			driver_tapin_host(n->driver, w->host_ip, w->nhost_ip);
}

/* ---- names ------------------------------------------------------------------- */

static struct ipaddr lease_of(const struct wnic *n)
{
	return ipaddr_from4(n->lease_ip);
}

static void set_lease(struct worker *w, struct wnic *n, uint32_t ip4)
{
	struct ipaddr ip = lease_of(n);

	worker_names_del(w, n, &ip);
	n->lease_ip = ip4;
	worker_guard_nic_changed(w, n);
	ip = lease_of(n);
	worker_names_set(w, n, &ip);
	worker_names_reserved(w, &n->mac);
}

void worker_nic_leased(struct worker *w, uint64_t id, uint32_t ip4)
{
	struct wnic *n = worker_nic_find(w, id);

	if (n && n->lease_ip != ip4)
		set_lease(w, n, ip4);
}

void worker_nic_unleased(struct worker *w, uint64_t id, uint32_t ip4)
{
	struct wnic *n = worker_nic_find(w, id);
	struct ipaddr ip = ipaddr_from4(ip4);

	if (!n || n->lease_ip != ip4)
		return;
	set_lease(w, n, 0);
	/* It was seen because it was leased. A guest that keeps it all the same
	 * will be seen again. */
	seen_drop(&n->seen4, &ip);
}

void worker_nic_leased6(struct worker *w, uint64_t id, const struct ipaddr *ip,
			bool on)
{
	struct wnic *n = worker_nic_find(w, id);

	if (!n)
		return;
	if (on) {
		n->lease_ip6 = *ip;
		worker_names_set(w, n, ip);
		worker_names_reserved(w, &n->mac);
		return;
	}
	if (ipaddr_eq(&n->lease_ip6, ip))
		n->lease_ip6 = ipaddr_any;
	worker_names_del(w, n, ip);
	seen_drop(&n->seen6, ip); /* as above */
	worker_names_reserved(w, &n->mac);
}

/* ---- addresses seen ---------------------------------------------------------- */

/* A static guest's IPv4 address counts as its name's only while there is no lease. */
static void seen_add(struct worker *w, struct wnic *n, const struct mac *mac,
		     const struct ipaddr *ip)
{
	bool v4 = ipaddr_is4(ip);
	bool first = v4 ? !n->lease_ip && !n->seen4.n : !n->seen6.n;
	struct ipaddr lost, lease = lease_of(n);

	(void)seen_put(v4 ? &n->seen4 : &n->seen6, ip, mac, &lost);
	if (!ipaddr_eq(&lost, &lease))
		worker_names_del(w, n, &lost);
	if (!v4 || !n->lease_ip)
		worker_names_set(w, n, ip);
	if (first)
		worker_names_reserved(w, &n->mac);
}

/* A guest that was moved still speaks from its old addresses for a while; and where
 * we give addresses, those of other prefixes are not known here. */
static bool is_here(const struct worker *w, const struct ipaddr *ip)
{
	if (ipaddr_is4(ip))
		return !w->net.plen || ip4_in_net(ipaddr_get4(ip), &w->net);
	return w->net6.plen ? ipaddr_in_net6(ip, &w->net6) : !w->net.plen;
}

static void seen(struct worker *w, uint64_t id, const struct mac *mac,
		 const struct ipaddr *ip)
{
	struct wnic *n = id ? worker_nic_find(w, id) : NULL;
	json_t *o;

	if (!n || n->role != PORT_GUEST || !is_here(w, ip))
		return;
	if (ipaddr_is4(ip))
		worker_probe_heard(w, ipaddr_get4(ip), mac, n->id);
	seen_add(w, n, mac, ip);
	if (n->pin.level != PIN_IP && mac_eq(mac, &n->mac))
		pin_note(vswitch_pins(w->sw), &n->pin, ip, worker_now(w));
	o = json_pack("{s:I}", "nic", (json_int_t)n->id);
	jx_set_mac(o, "mac", mac);
	jx_set_ip(o, "ip", ip);
	worker_tell(w, W_SEEN, 0, o, -1);
}

void worker_nic_seen(void *arg, struct port *p, const struct mac *mac,
		     const struct ipaddr *ip)
{
	seen(arg, worker_nic_behind(arg, p->nic_id, mac), mac, ip);
}

int worker_nic_neighbour(struct worker *w, json_t *body, struct errtext *why)
{
	struct ipaddr ip;
	struct mac mac;
	int r;

	if ((r = jx_mac(body, "mac", &mac, why)) ||
	    (r = jx_ip(body, "ip", &ip, why)))
		return r;
	list_for_each(n, &w->nics, struct wnic, node)
		if (n->beside)
			driver_tapin_known(n->driver, &mac, &ip);
	seen(w, worker_nic_behind(w, w->bridge, &mac), &mac, &ip);
	return 0;
}

/* ---- guests that play server --------------------------------------------------- */

void worker_nic_rogue(void *arg, struct port *p, enum rogue_kind kind,
		      const struct mac *src)
{
	struct worker *w = arg;
	char mac[MAC_TEXT];

	stopped_log(w->name, p->name, true, rogue_name(kind), src);
	worker_tell(w, W_EVENT, 0,
		    json_pack("{s:s,s:I,s:s,s:s}", "event", "dhcp.rogue", "nic",
			      (json_int_t)p->nic_id, "kind", rogue_name(kind),
			      "mac", mac_format(src, mac)),
		    -1);
}

bool worker_nic_resolve(void *arg, uint64_t id, bool ip6, struct ipaddr *out)
{
	struct wnic *n = worker_nic_find(arg, id);
	const struct seen *s;

	if (!n || !n->link)
		return false;
	if (!ip6 && n->lease_ip) {
		*out = lease_of(n);
		return true;
	}
	if (ip6 && !ipaddr_is_zero(&n->lease_ip6)) {
		*out = n->lease_ip6;
		return true;
	}
	s = seen_last(ip6 ? &n->seen6 : &n->seen4);
	if (s)
		*out = s->ip;
	return s;
}

/* ---- link and end ------------------------------------------------------------ */

static int find(struct worker *w, json_t *body, struct wnic **out,
		struct errtext *why)
{
	int64_t id = 0;
	int r = jx_int(body, "nic", 1, INT64_MAX, &id, why);

	if (r)
		return r;
	*out = worker_nic_find(w, (uint64_t)id);
	return *out ? 0 : errtext_set(why, -ENOENT, "no such NIC");
}

int worker_nic_link(struct worker *w, json_t *body, struct errtext *why)
{
	struct wnic *n;
	int r = find(w, body, &n, why);

	if (!r)
		r = jx_bool(body, "up", &n->link, why);
	if (!r && n->driver)
		driver_link(n->driver, n->link);
	return r;
}

static int read_way(json_t *body, struct sockaddr_storage *ss, socklen_t *len,
		    enum dgram_way *way, struct errtext *why)
{
	static const char *const ways[] = {"socket", "shared", "refused",
					   "gone"};
	const size_t at = offsetof(struct sockaddr_un, sun_path);
	const char *addr = "", *name = "";
	size_t n = 0, i = 0;
	int r;

	memset(ss, 0, sizeof(*ss));
	if ((r = jx_need_str(body, "addr", &addr, why)) ||
	    (r = jx_need_str(body, "way", &name, why)) ||
	    (r = hex_decode(addr, (char *)ss + at, sizeof(*ss) - at, &n)))
		return r;
	ss->ss_family = AF_UNIX;
	*len = (socklen_t)(at + n);
	while (i < ARRAY_LEN(ways) && strcmp(ways[i], name))
		i++;
	*way = (enum dgram_way)i;
	return i < ARRAY_LEN(ways) ? 0 : -EINVAL;
}

int worker_nic_way(struct worker *w, json_t *body, struct chan_msg *m,
		   struct errtext *why)
{
	struct sockaddr_storage ss;
	enum dgram_way way = DGRAM_WAY_REFUSED;
	socklen_t len = 0;
	struct wnic *n;
	int fd, r = find(w, body, &n, why);

	if (!r)
		r = read_way(body, &ss, &len, &way, why);
	if (r)
		return r;
	if (!n->driver)
		return -EINVAL;
	fd = m->nfd ? m->fd[0] : -1;
	if (m->nfd)
		m->fd[0] = -1;
	r = driver_dgram_way(n->driver, &ss, len, way, fd);
	return r == -ENOENT ? 0 : r; /* the runner has gone meanwhile */
}

int worker_nic_conn(struct worker *w, json_t *body, struct chan_msg *m,
		    struct errtext *why)
{
	struct wnic *n;
	int fd, r = find(w, body, &n, why);

	if (!r && (!m->nfd || !n->driver))
		r = errtext_set(why, -EINVAL, "no connection came along");
	if (r)
		return r;
	fd = m->fd[0];
	m->fd[0] = -1;
	return driver_vhost_connect(n->driver, fd, why);
}

static void nic_free(struct worker *w, struct wnic *n)
{
	worker_names_gone(w, n);
	if (n->driver)
		driver_free(n->driver);
	worker_guard_nic_gone(n);
	if (n->id == w->bridge)
		w->bridge = 0;
	if (w->nat)
		nat_nic_gone(w->nat, n->id);
	list_del(&n->node);
	worker_limits(w);
	worker_names_reserved(w, &n->mac);
	worker_dhcp_nic_gone(w, n);
	worker_dhcp6_nic_gone(w, n);
	worker_tftp_nic_gone(w, n);
	free(n);
}

int worker_nic_del(struct worker *w, json_t *body, struct errtext *why)
{
	struct wnic *n;
	int r = find(w, body, &n, why);

	if (!r)
		nic_free(w, n);
	return r;
}

void worker_nic_free_all(struct worker *w)
{
	list_for_each_safe(n, &w->nics, struct wnic, node)
		nic_free(w, n);
}
