// SPDX-License-Identifier: GPL-2.0-or-later
/* Building of replies. See dhcp_reply.h; dhcp_server.c decides what is said. */
#include "dhcp/dhcp_reply.h"

#include "dhcp/dhcp_config.h"
#include "lib/compat.h"

#define IP_UDP_LEN 28  /* headers that option 57 counts (RFC 2132 9.10) */
#define SIZE_MIN   576 /* what every client takes (RFC 2131 2) */

/* ---- options of the network ---------------------------------------------- */

typedef void (*put_fn)(const struct dhcp_config *cfg,
		       const struct dhcp_terms *t, struct wbuf *w);

static void put_mask(const struct dhcp_config *cfg, const struct dhcp_terms *t,
		     struct wbuf *w)
{
	(void)t;
	wbuf_be32(w, ip4_mask(cfg->net.plen));
}

static void put_router(const struct dhcp_config *cfg,
		       const struct dhcp_terms *t, struct wbuf *w)
{
	(void)t;
	if (cfg->router)
		wbuf_be32(w, cfg->router);
}

static void put_dns(const struct dhcp_config *cfg, const struct dhcp_terms *t,
		    struct wbuf *w)
{
	(void)t;
	for (unsigned int i = 0; i < cfg->ndns; i++)
		wbuf_be32(w, cfg->dns[i]);
}

static void put_hostname(const struct dhcp_config *cfg,
			 const struct dhcp_terms *t, struct wbuf *w)
{
	(void)cfg;
	if (t->name)
		wbuf_copy(w, t->name, strlen(t->name));
}

static void put_domain(const struct dhcp_config *cfg,
		       const struct dhcp_terms *t, struct wbuf *w)
{
	(void)t;
	wbuf_copy(w, cfg->domain, strlen(cfg->domain));
}

static void put_mtu(const struct dhcp_config *cfg, const struct dhcp_terms *t,
		    struct wbuf *w)
{
	(void)t;
	if (cfg->mtu)
		wbuf_be16(w, cfg->mtu);
}

static void put_broadcast(const struct dhcp_config *cfg,
			  const struct dhcp_terms *t, struct wbuf *w)
{
	(void)t;
	wbuf_be32(w, dhcp_config_broadcast(cfg));
}

/* What is sent to a client that does not say what it wants, in this order. */
static const struct {
	uint8_t code;
	put_fn put; /* writes nothing when there is nothing to send */
} table[] = {
	{DHCP_OPT_MASK, put_mask},
	{DHCP_OPT_ROUTER, put_router},
	{DHCP_OPT_DNS, put_dns},
	{DHCP_OPT_HOSTNAME, put_hostname},
	{DHCP_OPT_DOMAIN, put_domain},
	{DHCP_OPT_MTU, put_mtu},
	{DHCP_OPT_BROADCAST, put_broadcast},
};

/** struct writer - A reply in the making. */
struct writer {
	struct dhcp_build b;
	const struct dhcp_config *cfg;
	const struct dhcp_terms *t;
	bool done[ARRAY_LEN(table)];
};

static void put_row(struct writer *x, size_t row)
{
	uint8_t value[DHCP_DOMAIN_MAX + 1];
	struct wbuf w = wbuf_make(value, sizeof(value));

	if (x->done[row])
		return;
	x->done[row] = true;
	table[row].put(x->cfg, x->t, &w);
	if (wbuf_ok(&w) && w.len)
		(void)dhcp_build_opt(&x->b, table[row].code, value, w.len);
}

/* An option by code; the mask goes before the router (RFC 2132 3.3). */
static void put_code(struct writer *x, uint8_t code)
{
	if (code == DHCP_OPT_ROUTER)
		put_code(x, DHCP_OPT_MASK);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].code == code)
			put_row(x, i);
}

static void put_wishes(struct writer *x, const struct dhcp_msg *req)
{
	size_t n;
	const uint8_t *wish = dhcp_msg_opt(req, DHCP_OPT_PARAMETERS, &n);

	for (size_t i = 0; i < n; i++)
		put_code(x, wish[i]);
	for (size_t i = 0; !n && i < ARRAY_LEN(table); i++)
		put_row(x, i);
}

/* ---- options of the exchange --------------------------------------------- */

static bool put32(struct writer *x, uint8_t code, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	return dhcp_build_opt(&x->b, code, b, sizeof(b));
}

/* T1 and T2 are half and seven eighths of the lease (RFC 2131 4.4.5). */
static bool put_times(struct writer *x)
{
	uint32_t s = x->t->lease_s;

	if (!s)
		return true;
	if (!put32(x, DHCP_OPT_LEASE, s))
		return false;
	if (s == DHCP_LEASE_INFINITE)
		return true;
	return put32(x, DHCP_OPT_T1, s / 2) && put32(x, DHCP_OPT_T2, s - s / 8);
}

/* An option of the request goes back as it came. */
static bool echo(struct writer *x, const struct dhcp_msg *req, uint8_t code)
{
	size_t len;
	const uint8_t *p = dhcp_msg_opt(req, code, &len);

	return !len || dhcp_build_opt(&x->b, code, p, len);
}

static bool put_options(struct writer *x, const struct dhcp_msg *req)
{
	uint8_t type = (uint8_t)x->t->type;

	if (!dhcp_build_opt(&x->b, DHCP_OPT_TYPE, &type, 1) ||
	    !put32(x, DHCP_OPT_SERVER_ID, x->cfg->server_ip) || !put_times(x) ||
	    !echo(x, req, DHCP_OPT_CLIENT_ID)) /* RFC 6842 3 */
		return false;
	if (x->t->type == DHCP_NAK)
		(void)dhcp_build_opt(&x->b, DHCP_OPT_MESSAGE, x->t->message,
				     strlen(x->t->message));
	else
		put_wishes(x, req);
	dhcp_build_unreserve(&x->b);
	return echo(x, req, DHCP_OPT_RELAY); /* last (RFC 3046 2.2) */
}

/* ---- the whole ----------------------------------------------------------- */

/* Bytes of a message that the client takes. */
static size_t room(const struct dhcp_msg *req)
{
	size_t size = dhcp_msg_be16(req, DHCP_OPT_MAX_SIZE);

	return min_sz(max_sz(size, SIZE_MIN) - IP_UDP_LEN, DHCP_REPLY_MAX);
}

/* RFC 2131 table 3. */
static struct dhcp_hdr header(const struct dhcp_msg *req,
			      const struct dhcp_terms *t)
{
	struct dhcp_hdr h = req->h;

	h.op = DHCP_BOOTREPLY;
	h.hops = 0;
	h.secs = 0;
	if (t->type != DHCP_ACK)
		h.ciaddr = 0;
	h.yiaddr = t->yiaddr;
	h.siaddr = 0;
	/* The relay is to broadcast it: the client's address is not valid. */
	if (t->type == DHCP_NAK && h.giaddr)
		h.flags |= DHCP_F_BROADCAST;
	return h;
}

/* To a host that has its address: straight back when it was the sender. */
static void to_host(const struct dhcp_input *in, uint32_t ip,
		    struct dhcp_reply *out)
{
	out->dst_ip = ip;
	if (in->src_ip == ip && !mac_is_group(&in->src_mac))
		out->dst_mac = in->src_mac;
}

/* RFC 2131 4.1, the paragraphs on giaddr, ciaddr and the broadcast bit. */
static void address(const struct dhcp_config *cfg, const struct dhcp_msg *req,
		    const struct dhcp_input *in, const struct dhcp_terms *t,
		    struct dhcp_reply *out)
{
	const struct dhcp_hdr *h = &req->h;

	out->dst_port = h->giaddr ? DHCP_SERVER_PORT : DHCP_CLIENT_PORT;
	memset(&out->dst_mac, 0, sizeof(out->dst_mac));
	if (h->giaddr) {
		to_host(in, h->giaddr, out);
	} else if (t->type != DHCP_NAK && h->ciaddr &&
		   ip4_in_net(h->ciaddr, &cfg->net)) {
		to_host(in, h->ciaddr, out);
	} else if (t->type == DHCP_NAK || h->flags & DHCP_F_BROADCAST ||
		   !t->yiaddr) {
		out->dst_ip = 0xffffffff;
		out->dst_mac = mac_broadcast;
	} else {
		out->dst_ip = t->yiaddr;
		memcpy(out->dst_mac.b, h->chaddr, sizeof(out->dst_mac.b));
	}
}

bool dhcp_reply_build(const struct dhcp_config *cfg, const struct dhcp_msg *req,
		      const struct dhcp_input *in, const struct dhcp_terms *t,
		      struct dhcp_reply *out)
{
	struct dhcp_hdr h = header(req, t);
	struct writer x = {.cfg = cfg, .t = t};
	size_t relay;

	(void)dhcp_msg_opt(req, DHCP_OPT_RELAY, &relay);
	dhcp_build_start(&x.b, &h, out->data, room(req),
			 relay ? dhcp_opt_size(relay) : 0);
	if (!put_options(&x, req))
		return false;
	out->len = dhcp_build_end(&x.b);
	address(cfg, req, in, t, out);
	return out->len > 0;
}
