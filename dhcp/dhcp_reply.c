// SPDX-License-Identifier: GPL-2.0-or-later
/* Building of replies. See dhcp_reply.h; dhcp_server.c decides what is said. */
#include "dhcp/dhcp_reply.h"

#include <stdio.h>
#include <string.h>

#include "dhcp/dhcp_boot.h"
#include "dhcp/dhcp_config.h"
#include "dhcp/dhcp_names.h"
#include "lib/compat.h"

#define IP_UDP_LEN 28  /* headers that option 57 counts (RFC 2132 9.10) */
#define SIZE_MIN   576 /* what every client takes (RFC 2131 2) */

/* ---- options of the network ---------------------------------------------- */

typedef void (*put_fn)(const struct dhcp_config *cfg,
		       const struct dhcp_terms *t, struct wbuf *w);

static void put_mask(const struct dhcp_config *cfg, const struct dhcp_terms *t,
		     struct wbuf *w)
{
	(void)cfg;
	wbuf_be32(w, ip4_mask(t->range->net.plen));
}

static void put_router(const struct dhcp_config *cfg,
		       const struct dhcp_terms *t, struct wbuf *w)
{
	(void)cfg;
	if (t->range->router)
		wbuf_be32(w, t->range->router);
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
	(void)cfg;
	wbuf_be32(w, dhcp_net_broadcast(&t->range->net));
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
	const struct dhcp_view *view;
	const struct dhcp_msg *req;
	const struct dhcp_terms *t;
	struct dhcp_booter who;
	const char *file; /* to boot, by architecture; NULL = none */
	bool named;	  /* a file to boot: that, or a scope's */
	bool done[256];	  /* options that are in it, or are not to be */
};

/* ---- classless routes (RFC 3442) ----------------------------------------- */

/* Does a list of routes have one for everything? */
static bool has_default(const uint8_t *p, size_t len)
{
	struct cur c = cur_make(p, len);

	while (c.left) {
		uint8_t plen = cur_u8(&c);

		if (!plen)
			return true;
		cur_skip(&c, (size_t)(plen + 7) / 8 + 4);
	}
	return false;
}

/* The default router that the client would be told otherwise; 0 = none. */
static uint32_t router(const struct writer *x)
{
	size_t len;
	const uint8_t *p = dhcp_view_find(x->view, DHCP_OPT_ROUTER, &len);

	if (p)
		return len >= 4 ? get_be32(p) : 0;
	return x->t->range->router;
}

/* Clients that take routes ignore option 3: the default route must be among
 * them. */
static void put_routes(struct writer *x, uint8_t code, const uint8_t *p,
		       size_t len)
{
	uint8_t all[DHCP_OPT_VALUE_MAX + 5];
	struct wbuf w = wbuf_make(all, sizeof(all));

	wbuf_copy(&w, p, len);
	if (len && !has_default(p, len) && router(x)) {
		wbuf_u8(&w, 0);
		wbuf_be32(&w, router(x));
	}
	if (w.len)
		(void)dhcp_build_opt(&x->b, code, all, w.len);
}

/* Is the client to be sent routes, in place of options 3 and 33? */
static bool sends_routes(const struct writer *x)
{
	size_t n, len;
	const uint8_t *wish = dhcp_msg_opt(x->req, DHCP_OPT_PARAMETERS, &n);

	return n && memchr(wish, DHCP_OPT_ROUTES, n) &&
	       dhcp_view_find(x->view, DHCP_OPT_ROUTES, &len) && len;
}

/* ---- one option, and all that are wanted --------------------------------- */

static void put_row(struct writer *x, size_t row)
{
	uint8_t value[DHCP_DOMAIN_MAX + 1];
	struct wbuf w = wbuf_make(value, sizeof(value));

	table[row].put(x->cfg, x->t, &w);
	if (wbuf_ok(&w) && w.len)
		(void)dhcp_build_opt(&x->b, table[row].code, value, w.len);
}

static void put_boot(struct writer *x, uint8_t code)
{
	const char *text =
		code == DHCP_OPT_BOOT_FILE ? x->file : x->cfg->boot.name;
	char ip[IP4_TEXT];

	if (!x->named)
		return;
	if (code == DHCP_OPT_TFTP_SERVER && !text[0])
		text = ip4_format(x->cfg->boot.server ? x->cfg->boot.server
						      : x->cfg->server_ip,
				  ip);
	if (code == DHCP_OPT_BOOT_FILE)
		(void)dhcp_build_text(&x->b, code, text, strlen(text));
	else
		(void)dhcp_build_opt(&x->b, code, text, strlen(text));
}

/* What the server says itself, however scopes call it. */
static bool is_exchange(uint8_t code)
{
	return code == DHCP_OPT_LEASE || code == DHCP_OPT_T1 ||
	       code == DHCP_OPT_T2;
}

/* An option by code; the mask goes before the router (RFC 2132 3.3). */
static void put_code(struct writer *x, uint8_t code)
{
	size_t len;
	const uint8_t *p;

	if (x->done[code] || is_exchange(code))
		return;
	if (code == DHCP_OPT_ROUTER)
		put_code(x, DHCP_OPT_MASK);
	x->done[code] = true;
	p = dhcp_view_find(x->view, code, &len);
	if (code == DHCP_OPT_ROUTES || code == DHCP_OPT_MS_ROUTES) {
		put_routes(x, code, p, len);
	} else if (p) {
		if (len && code == DHCP_OPT_BOOT_FILE)
			(void)dhcp_build_text(&x->b, code, p, len);
		else if (len)
			(void)dhcp_build_opt(&x->b, code, p, len);
	} else if (code == DHCP_OPT_BOOT_FILE || code == DHCP_OPT_TFTP_SERVER) {
		put_boot(x, code);
	} else {
		for (size_t i = 0; i < ARRAY_LEN(table); i++)
			if (table[i].code == code)
				put_row(x, i);
	}
}

/* The client does not say what it wants: all there is, but what makes sense
 * only to those who ask (RFC 8925 3.2; routes replace option 3). */
static void put_all(struct writer *x)
{
	x->done[DHCP_OPT_IPV6_ONLY] = true;
	x->done[DHCP_OPT_ROUTES] = true;
	x->done[DHCP_OPT_MS_ROUTES] = true;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		put_code(x, table[i].code);
	if (x->who.boots) {
		put_code(x, DHCP_OPT_TFTP_SERVER);
		put_code(x, DHCP_OPT_BOOT_FILE);
	}
	for (uint8_t c = 0; (c = dhcp_view_next(x->view, c));)
		put_code(x, c);
}

static void put_wishes(struct writer *x)
{
	size_t n;
	const uint8_t *wish = dhcp_msg_opt(x->req, DHCP_OPT_PARAMETERS, &n);

	if (!n) {
		put_all(x);
		return;
	}
	if (sends_routes(x)) { /* RFC 3442: SHOULD NOT include these */
		x->done[DHCP_OPT_ROUTER] = true;
		x->done[DHCP_OPT_STATIC_ROUTES] = true;
	}
	for (size_t i = 0; i < n; i++)
		put_code(x, wish[i]);
}

/* ---- options of the exchange --------------------------------------------- */

static bool put32(struct writer *x, uint8_t code, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	return dhcp_build_opt(&x->b, code, b, sizeof(b));
}

/* T1 and T2 are half and seven eighths of the lease (RFC 2131 4.4.5), unless a
 * scope has others that fit into it. */
static bool put_times(struct writer *x)
{
	uint32_t s = x->t->lease_s, t1 = dhcp_view_be32(x->view, DHCP_OPT_T1),
		 t2 = dhcp_view_be32(x->view, DHCP_OPT_T2);

	if (!s)
		return true;
	if (!put32(x, DHCP_OPT_LEASE, s))
		return false;
	if (s == DHCP_LEASE_INFINITE)
		return true;
	if (!t2 || t2 >= s)
		t2 = s - s / 8;
	if (!t1 || t1 >= t2)
		t1 = s / 2 < t2 ? s / 2 : t2 / 2;
	return put32(x, DHCP_OPT_T1, t1) && put32(x, DHCP_OPT_T2, t2);
}

/* An option of the request goes back as it came. */
static bool echo(struct writer *x, const struct dhcp_msg *req, uint8_t code)
{
	size_t len;
	const uint8_t *p = dhcp_msg_opt(req, code, &len);

	return !len || dhcp_build_opt(&x->b, code, p, len);
}

/* An option that the client needs, asked for or not; scopes may say otherwise. */
static bool put_needed(struct writer *x, uint8_t code, const void *p,
		       size_t len)
{
	size_t n;

	if (dhcp_view_find(x->view, code, &n)) {
		put_code(x, code);
		return true;
	}
	x->done[code] = true;
	return dhcp_build_opt(&x->b, code, p, len);
}

/* To PXE firmware: this server knows about booting, the file named here is the
 * one, and no other server is to be looked for (PXE 2.1, PXE_DISCOVERY_CONTROL
 * bit 3). Without it iPXE listens for a proxy for three seconds more. */
static bool put_pxe(struct writer *x)
{
	static const uint8_t this_file[] = {6, 1, 1 << 3, DHCP_OPT_END};

	return put_needed(x, DHCP_OPT_VENDOR_CLASS, "PXEClient",
			  strlen("PXEClient")) &&
	       put_needed(x, DHCP_OPT_VENDOR_INFO, this_file,
			  sizeof(this_file));
}

/* To iPXE that there is nothing for: nobody else has anything either, go on with
 * the next device at once ("no-pxedhcp"). Behind a relay there may be somebody.
 */
static bool put_no_proxy(struct writer *x)
{
	static const uint8_t no_pxedhcp[] = {176, 1, 1};

	return !x->who.ipxe || x->req->h.giaddr ||
	       put_needed(x, DHCP_OPT_IPXE, no_pxedhcp, sizeof(no_pxedhcp));
}

/* What firmware must find, whether it asks for it or not. */
static bool put_for_firmware(struct writer *x)
{
	if (!x->named)
		return put_no_proxy(x);
	if (x->who.pxe && !put_pxe(x))
		return false;
	if (x->who.http) { /* UEFI 2.10 24.7.2 */
		x->done[DHCP_OPT_VENDOR_CLASS] = true;
		if (!dhcp_build_opt(&x->b, DHCP_OPT_VENDOR_CLASS, "HTTPClient",
				    strlen("HTTPClient")))
			return false;
		put_code(x, DHCP_OPT_BOOT_FILE);
	} else if (x->file && strlen(x->file) >= DHCP_FILE_LEN) {
		put_code(x, DHCP_OPT_BOOT_FILE);
	}
	return echo(x, x->req, DHCP_OPT_MACHINE); /* RFC 4578 2.3 */
}

/* ---- the client's full name (RFC 4702) ------------------------------------ */

enum { FQDN_S = 1, FQDN_O = 2, FQDN_E = 4, FQDN_N = 8 }; /* 2.1 */

/* @name's labels in DNS' wire format; false when it is no name (a scope may say
 * anything). */
static bool put_labels(struct wbuf *w, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		if (!n || n > DHCP_HOSTNAME_MAX)
			return false;
		wbuf_u8(w, (uint8_t)n);
		wbuf_copy(w, name, n);
		name += n + (name[n] == '.');
	}
	return true;
}

/* The domain that the client is told otherwise; "" = none. */
static void domain_of(const struct writer *x, char out[DHCP_DOMAIN_MAX + 1])
{
	size_t len;
	const uint8_t *p = dhcp_view_find(x->view, DHCP_OPT_DOMAIN, &len);

	if (p && len <= DHCP_DOMAIN_MAX)
		snprintf(out, DHCP_DOMAIN_MAX + 1, "%.*s", (int)len,
			 (const char *)p);
	else
		snprintf(out, DHCP_DOMAIN_MAX + 1, "%s", x->cfg->domain);
}

static bool put_fqdn_name(struct wbuf *w, const char *label, const char *domain,
			  bool wire)
{
	if (!wire) {
		wbuf_copy(w, label, strlen(label));
		if (domain[0])
			wbuf_u8(w, '.');
		wbuf_copy(w, domain, strlen(domain));
	} else if (!put_labels(w, label) || !put_labels(w, domain)) {
		return false;
	} else if (domain[0]) {
		wbuf_u8(w, 0); /* the whole name */
	}
	return wbuf_ok(w);
}

/* Our word on it, to a client that sent one (4): we keep the A record, unless it wants
 * none; its own way of spelling (2.1), no codes (2.2). */
static void put_fqdn(struct writer *x)
{
	uint8_t value[3 + DHCP_HOSTNAME_MAX + DHCP_DOMAIN_MAX + 4], flags;
	char claimed[DHCP_HOSTNAME_MAX + 1], domain[DHCP_DOMAIN_MAX + 1];
	struct wbuf w = wbuf_make(value, sizeof(value));
	const char *name = x->t->name;
	size_t len;
	const uint8_t *p = dhcp_msg_opt(x->req, DHCP_OPT_FQDN, &len);

	if (len < 3 || x->done[DHCP_OPT_FQDN])
		return;
	dhcp_name_claimed(x->req, claimed);
	if (!name || !name[0])
		name = claimed;
	if (!name[0])
		return;
	flags = p[0] & FQDN_E;
	if (p[0] & FQDN_N)
		flags |= FQDN_N;
	else
		flags |= p[0] & FQDN_S ? FQDN_S : FQDN_S | FQDN_O;
	domain_of(x, domain);
	wbuf_u8(&w, flags);
	wbuf_be16(&w, 0xffff);
	/* No name is longer (RFC 1035 2.3.4), nor is an option in one piece. */
	if (put_fqdn_name(&w, name, domain, flags & FQDN_E) && w.len <= 255)
		(void)dhcp_build_opt(&x->b, DHCP_OPT_FQDN, value, w.len);
}

/* ---- all of it -------------------------------------------------------------- */

/* Message type, server and terms: of DHCP, not of BOOTP. */
static bool put_exchange(struct writer *x)
{
	const struct dhcp_msg *req = x->req;
	uint8_t type = (uint8_t)x->t->type;

	if (type == DHCP_BOOTP)
		return true;
	return dhcp_build_opt(&x->b, DHCP_OPT_TYPE, &type, 1) &&
	       put32(x, DHCP_OPT_SERVER_ID, x->t->server_id) &&
	       put_times(x) &&
	       echo(x, req, DHCP_OPT_CLIENT_ID) && /* RFC 6842 3 */
	       /* RFC 4039 3.1 */
	       (type != DHCP_ACK ||
		dhcp_msg_u8(req, DHCP_OPT_TYPE) != DHCP_DISCOVER ||
		dhcp_build_opt(&x->b, DHCP_OPT_RAPID, "", 0));
}

static bool put_options(struct writer *x)
{
	const struct dhcp_msg *req = x->req;

	if (!put_exchange(x))
		return false;
	if (x->t->type == DHCP_NAK) {
		(void)dhcp_build_opt(&x->b, DHCP_OPT_MESSAGE, x->t->message,
				     strlen(x->t->message));
	} else {
		if (x->t->type != DHCP_BOOTP)
			dhcp_build_overload(&x->b);
		if (!put_for_firmware(x))
			return false;
		put_wishes(x);
		put_fqdn(x);
	}
	dhcp_build_unreserve(&x->b);
	return echo(x, req, DHCP_OPT_RELAY); /* last (RFC 3046 2.2) */
}

/* ---- the whole ----------------------------------------------------------- */

/* Bytes of a message that the client takes. */
static size_t room(const struct dhcp_msg *req)
{
	size_t size = dhcp_msg_be16(req, DHCP_OPT_MAX_SIZE);

	if (!dhcp_msg_has(req, DHCP_OPT_TYPE))
		return DHCP_MIN_LEN; /* RFC 951 3: 64 bytes of vendor's area */
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

/* To a host that has its address: straight back when it was the sender, or when it is
 * behind whoever sent this for it. */
static void to_host(const struct dhcp_config *cfg, const struct dhcp_input *in,
		    uint32_t ip, struct dhcp_reply *out)
{
	out->dst_ip = ip;
	if ((in->src_ip == ip || !ip4_in_net(ip, &cfg->net)) &&
	    !mac_is_group(&in->src_mac))
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
		to_host(cfg, in, h->giaddr, out);
	} else if (t->type != DHCP_NAK && h->ciaddr &&
		   ip4_in_net(h->ciaddr, &t->range->net)) {
		to_host(cfg, in, h->ciaddr, out);
	} else if (t->type == DHCP_NAK || h->flags & DHCP_F_BROADCAST ||
		   !t->yiaddr) {
		out->dst_ip = 0xffffffff;
		out->dst_mac = mac_broadcast;
	} else {
		out->dst_ip = t->yiaddr;
		memcpy(out->dst_mac.b, h->chaddr, sizeof(out->dst_mac.b));
	}
}

/* The file and where it is, in the header too, where PXE looks for them. */
static void set_boot(struct writer *x, struct dhcp_hdr *h)
{
	const struct dhcp_boot *b = &x->cfg->boot;
	size_t len, n;
	const uint8_t *p = dhcp_view_find(x->view, DHCP_OPT_TFTP_SERVER, &len);
	bool own = dhcp_view_find(x->view, DHCP_OPT_BOOT_FILE, &n) != NULL;
	char text[IP4_TEXT];

	if (x->t->type == DHCP_NAK)
		return;
	dhcp_booter_of(x->req, &x->who);
	x->file = dhcp_boot_file(b, &x->who);
	if (!x->who.boots)
		return;
	x->named = own ? n > 0 : x->file != NULL;
	if (x->named)
		h->siaddr = b->server ? b->server : x->cfg->server_ip;
	if (p && len < sizeof(text)) {
		memcpy(text, p, len);
		text[len] = '\0';
		if (len && ip4_parse(text, &h->siaddr))
			h->siaddr = 0;
	}
}

static void put_header_boot(struct writer *x)
{
	size_t len;
	const uint8_t *p = dhcp_view_find(x->view, DHCP_OPT_BOOT_FILE, &len);
	char text[DHCP_FILE_LEN];

	if (!x->who.boots)
		return;
	if (p && len < sizeof(text)) {
		memcpy(text, p, len);
		text[len] = '\0';
		(void)dhcp_build_file(&x->b, text);
	} else if (!p && x->file) { /* a longer one is in option 67 */
		(void)dhcp_build_file(&x->b, x->file);
	}
	if (x->named && x->cfg->boot.name[0])
		(void)dhcp_build_sname(&x->b, x->cfg->boot.name);
}

bool dhcp_reply_build(const struct dhcp_config *cfg,
		      const struct dhcp_view *view, const struct dhcp_msg *req,
		      const struct dhcp_input *in, const struct dhcp_terms *t,
		      struct dhcp_reply *out)
{
	struct dhcp_hdr h = header(req, t);
	struct writer x = {.cfg = cfg, .view = view, .req = req, .t = t};
	size_t relay;

	(void)dhcp_msg_opt(req, DHCP_OPT_RELAY, &relay);
	set_boot(&x, &h);
	dhcp_build_start(&x.b, &h, out->data, room(req),
			 relay ? dhcp_opt_size(relay) : 0);
	put_header_boot(&x);
	if (!put_options(&x))
		return false;
	out->len = dhcp_build_end(&x.b);
	address(cfg, req, in, t, out);
	return out->len > 0;
}
