// SPDX-License-Identifier: GPL-2.0-or-later
/* A DHCP server on a bench. See dhcp_rig.h. */
#include "tests/fake/dhcp_rig.h"

#include <assert.h>
#include <errno.h>

#include "dhcp/dhcp_config.h"
#include "dhcp/dhcp_server_int.h"

/* These asserts are the tests' own: they must not go with NDEBUG. */
#undef NDEBUG
#include <assert.h>
#include <errno.h>

/* ---- messages ------------------------------------------------------------ */

static void opt32(struct dhcp_build *b, uint8_t code, uint32_t v)
{
	uint8_t p[4];

	put_be32(p, v);
	if (v)
		(void)dhcp_build_opt(b, code, p, 4);
}

static void opt_bytes(struct dhcp_build *b, uint8_t code, const void *p,
		      size_t len)
{
	if (len)
		(void)dhcp_build_opt(b, code, p, len);
}

size_t dhcp_ask_build(const struct dhcp_ask *a, uint8_t *buf, size_t cap)
{
	struct dhcp_hdr h = {
		.op = DHCP_BOOTREQUEST,
		.htype = DHCP_HTYPE_ETHERNET,
		.hlen = 6,
		.xid = a->xid,
		.flags = a->flags,
		.ciaddr = a->ciaddr,
		.giaddr = a->giaddr,
	};
	struct dhcp_build b;
	uint8_t size[2];

	memcpy(h.chaddr, a->mac.b, 6);
	dhcp_build_start(&b, &h, buf, cap, 0);
	if (a->type)
		(void)dhcp_build_opt(&b, DHCP_OPT_TYPE, &a->type, 1);
	opt_bytes(&b, DHCP_OPT_CLIENT_ID, a->cid, a->cid_len);
	opt32(&b, DHCP_OPT_REQUESTED, a->requested);
	opt32(&b, DHCP_OPT_SERVER_ID, a->server_id);
	opt32(&b, DHCP_OPT_LEASE, a->lease_s);
	put_be16(size, a->max_size);
	opt_bytes(&b, DHCP_OPT_MAX_SIZE, size, a->max_size ? 2 : 0);
	opt_bytes(&b, DHCP_OPT_HOSTNAME, a->hostname,
		  a->hostname ? strlen(a->hostname) : 0);
	opt_bytes(&b, DHCP_OPT_FQDN, a->fqdn, a->fqdn_len);
	opt_bytes(&b, DHCP_OPT_PARAMETERS, a->wish, a->wishes);
	if (a->rapid)
		(void)dhcp_build_opt(&b, DHCP_OPT_RAPID, "", 0);
	opt_bytes(&b, DHCP_OPT_RELAY, a->relay, a->relay_len);
	return dhcp_build_end(&b);
}

struct mac rig_mac(uint8_t n)
{
	return (struct mac){{0x52, 0x54, 0, 0, 0, n}};
}

/* ---- the store ----------------------------------------------------------- */

static struct dhcp_lease *find_row(const struct dhcp_rig *r, uint32_t ip)
{
	for (size_t i = 0; i < r->rows; i++)
		if (r->row[i].ip == ip)
			return (struct dhcp_lease *)&r->row[i];
	return NULL;
}

const struct dhcp_lease *rig_row(const struct dhcp_rig *r, uint32_t ip)
{
	return find_row(r, ip);
}

static void put_row(struct dhcp_rig *r, const struct dhcp_lease *l)
{
	struct dhcp_lease *row = find_row(r, l->ip);

	if (!row) {
		assert(r->rows < RIG_ROWS);
		row = &r->row[r->rows++];
	}
	*row = *l;
}

/* The waiting entry goes into the store. */
static void arrive(struct dhcp_rig *r, const struct rig_entry *e)
{
	struct dhcp_lease *row;

	if (e->event && e->type == DHCP_EV_FORGOTTEN) {
		row = find_row(r, e->lease.ip);
		if (row)
			*row = r->row[--r->rows];
	} else {
		put_row(r, &e->lease);
	}
}

static struct rig_entry take(struct dhcp_rig *r)
{
	struct rig_entry e = r->waiting[0];

	assert(r->nwaiting);
	memmove(r->waiting, r->waiting + 1, --r->nwaiting * sizeof(e));
	return e;
}

static void add(struct dhcp_rig *r, const struct rig_entry *e)
{
	assert(r->nwaiting < RIG_WAITING);
	r->waiting[r->nwaiting++] = *e;
}

/* Events pass as soon as no commit is before them. */
static void let_events_pass(struct dhcp_rig *r)
{
	while (r->nwaiting && r->waiting[0].event) {
		struct rig_entry e = take(r);

		arrive(r, &e);
	}
}

static void on_event(void *arg, enum dhcp_event_type type,
		     const struct dhcp_lease *l)
{
	struct rig_entry e = {.event = true, .type = type, .lease = *l};
	struct dhcp_rig *r = arg;

	r->events[type]++;
	r->last = *l;
	if (type == DHCP_EV_EXHAUSTED || type == DHCP_EV_OTHER_SERVER)
		return;
	add(r, &e);
	let_events_pass(r);
}

static enum dhcp_use on_in_use(void *arg, uint32_t ip, const struct mac *mac,
			       bool ask)
{
	struct dhcp_rig *r = arg;

	(void)mac;
	if (ask && r->asks && r->asked != ip) {
		r->asked = ip;
		return DHCP_USE_ASKED;
	}
	for (size_t i = 0; i < ARRAY_LEN(r->squatted); i++)
		if (r->squatted[i] && r->squatted[i] == ip)
			return DHCP_USE_TAKEN;
	return DHCP_USE_NONE;
}

static const struct dhcp_ops ops = {.event = on_event, .in_use = on_in_use};

/* ---- life ---------------------------------------------------------------- */

struct dhcp_config rig_config(void)
{
	return (struct dhcp_config){
		.net = {.addr = IP4(10, 0, 2, 0), .plen = 24},
		.server_ip = IP4(10, 0, 2, 2),
		.router = IP4(10, 0, 2, 2),
		.dns = {IP4(10, 0, 2, 3)},
		.ndns = 1,
		.first = IP4(10, 0, 2, 15),
		.last = IP4(10, 0, 2, 254),
		.domain = "lab.vnet",
		.authoritative = true,
	};
}

void rig_start(struct dhcp_rig *r, const struct dhcp_config *cfg)
{
	memset(r, 0, sizeof(*r));
	r->cfg = *cfg;
	r->now = RIG_T0;
	assert(!dhcp_server_new(cfg, &ops, r, NULL, &r->s, NULL));
}

void rig_stop(struct dhcp_rig *r)
{
	dhcp_server_free(r->s);
	r->s = NULL;
}

/* The store's rows in order of expiry, as dhcp_server_load() wants them. */
static void sort_rows(struct dhcp_rig *r)
{
	for (size_t i = 1; i < r->rows; i++) {
		struct dhcp_lease l = r->row[i];
		size_t j = i;

		for (; j && r->row[j - 1].expiry_s > l.expiry_s; j--)
			r->row[j] = r->row[j - 1];
		r->row[j] = l;
	}
}

void rig_restart(struct dhcp_rig *r, size_t arrived)
{
	static struct dhcp_lease copy[RIG_ROWS];
	size_t n;

	for (size_t i = 0; i < arrived; i++) {
		struct rig_entry e = take(r);

		arrive(r, &e);
	}
	r->nwaiting = 0;
	sort_rows(r);
	n = r->rows;
	memcpy(copy, r->row, n * sizeof(copy[0]));
	dhcp_server_free(r->s);
	assert(!dhcp_server_new(&r->cfg, &ops, r, NULL, &r->s, NULL));
	for (size_t i = 0; i < n; i++)
		assert(!dhcp_server_load(r->s, &copy[i], r->now));
}

static int sent(struct dhcp_rig *r)
{
	int err = dhcp_msg_parse(r->reply.data, r->reply.len, &r->answer);

	assert(!err || err == -ENOMSG); /* to a BOOTP client */
	assert(r->answer.h.op == DHCP_BOOTREPLY);
	return dhcp_msg_u8(&r->answer, DHCP_OPT_TYPE);
}

int rig_send_bytes(struct dhcp_rig *r, const struct dhcp_ask *meta,
		   const uint8_t *p, size_t len)
{
	struct dhcp_input in = {
		.data = p,
		.len = len,
		.src_ip = meta->src_ip,
		.dst_ip = meta->dst_ip ? meta->dst_ip : 0xffffffff,
		.src_mac =
			mac_is_zero(&meta->src_mac) ? meta->mac : meta->src_mac,
		.nic_id = meta->nic,
	};

	enum dhcp_action did = dhcp_server_input(r->s, &in, r->now, &r->out);

	r->waits = did == DHCP_WAIT;
	switch (did) {
	case DHCP_DROP:
	case DHCP_WAIT:
		return 0;
	case DHCP_REPLY_NOW:
		r->reply = r->out.reply;
		return sent(r);
	case DHCP_REPLY_AFTER_COMMIT:
		assert(r->out.token);
		add(r, &(struct rig_entry){.token = r->out.token,
					   .lease = r->out.lease});
		return r->hold ? 0 : rig_store(r);
	}
	assert(0);
	return 0;
}

int rig_send(struct dhcp_rig *r, const struct dhcp_ask *a)
{
	uint8_t buf[1500];
	size_t len = dhcp_ask_build(a, buf, sizeof(buf));

	return rig_send_bytes(r, a, buf, len);
}

int rig_store(struct dhcp_rig *r)
{
	struct rig_entry e = take(r);
	int type = 0;

	arrive(r, &e);
	if (!dhcp_server_committed(r->s, e.token, r->now, &r->reply))
		type = sent(r);
	let_events_pass(r);
	return type;
}

void rig_refuse(struct dhcp_rig *r)
{
	struct rig_entry e = take(r);

	dhcp_server_failed(r->s, e.token, r->now);
	let_events_pass(r);
}

void rig_pass(struct dhcp_rig *r, int64_t s)
{
	int64_t end = r->now + s, at;

	while ((at = dhcp_server_deadline(r->s)) <= end) {
		assert(at > r->now); /* else it would never end */
		r->now = at;
		dhcp_server_tick(r->s, r->now);
	}
	r->now = end;
	dhcp_server_tick(r->s, r->now);
}

/* ---- looking ------------------------------------------------------------- */

uint32_t rig_opt32(const struct dhcp_rig *r, uint8_t code)
{
	return dhcp_msg_be32(&r->answer, code);
}

bool rig_has(const struct dhcp_rig *r, uint8_t code)
{
	return dhcp_msg_has(&r->answer, code);
}

uint32_t rig_dora(struct dhcp_rig *r, uint64_t nic, uint8_t n)
{
	struct dhcp_ask a = {
		.type = DHCP_DISCOVER, .mac = rig_mac(n), .nic = nic, .xid = n};

	if (rig_send(r, &a) != DHCP_OFFER)
		return 0;
	a.type = DHCP_REQUEST;
	a.requested = r->answer.h.yiaddr;
	a.server_id = r->cfg.server_ip;
	return rig_send(r, &a) == DHCP_ACK ? r->answer.h.yiaddr : 0;
}

struct dhcp_stats rig_stats(const struct dhcp_rig *r)
{
	struct dhcp_stats st;

	dhcp_server_stats(r->s, &st);
	return st;
}

uint64_t rig_drops(const struct dhcp_rig *r, enum dhcp_drop d)
{
	return rig_stats(r).drops[d];
}

void rig_reconfigure(struct dhcp_rig *r, const struct dhcp_config *cfg)
{
	r->cfg = *cfg;
	assert(!dhcp_server_configure(r->s, cfg, r->now, NULL));
}

struct dhcp_ask rig_ask(uint8_t type, uint64_t nic, uint8_t n)
{
	return (struct dhcp_ask){
		.type = type, .nic = nic, .mac = rig_mac(n), .xid = 0x100u + n};
}

struct dhcp_ask rig_renewal(uint64_t nic, uint8_t n, uint32_t ip)
{
	struct dhcp_ask a = rig_ask(DHCP_REQUEST, nic, n);

	a.ciaddr = a.src_ip = ip;
	a.dst_ip = IP4(10, 0, 2, 2);
	return a;
}

/* ---- invariants ---------------------------------------------------------- */

struct check {
	struct dhcp_rig *r;
	uint32_t count[DHCP_DECLINED + 1], free_listed, pending, held;
};

static void check_stored(const struct dhcp_rig *r, const struct dhcp_binding *b)
{
	const struct dhcp_lease *row = rig_row(r, b->lease.ip);

	if (r->nwaiting) /* not all has arrived */
		return;
	assert(b->stored || !row);
	if (b->lease.state != DHCP_BOUND || b->pending)
		return;
	assert(row && row->state == DHCP_BOUND);
	assert(mac_eq(&row->mac, &b->lease.mac));
	assert(row->expiry_s == b->lease.expiry_s);
}

static bool check_binding(struct hnode *n, void *arg)
{
	struct dhcp_binding *b = container_of(n, struct dhcp_binding, by_ip);
	bool freed = dhcp_state_freed(b->lease.state);
	struct check *c = arg;

	assert(dhcp_pool_find_ip(b->pool, b->lease.ip) == b);
	c->count[b->lease.state]++;
	c->free_listed += list_linked(&b->free_node);
	c->held += b->nic != NULL;
	assert(freed || !list_linked(&b->free_node));
	assert(!freed || !b->nic);
	assert(!freed || dhcp_pool_usable(b->pool, b->lease.ip));
	if (b->pending) {
		c->pending++;
		assert(b->pending->b == b);
		assert(b->lease.state == DHCP_OFFERED ||
		       b->lease.state == DHCP_BOUND);
	}
	if (b->lease.state != DHCP_BOUND)
		assert(b->stored || b->lease.state == DHCP_OFFERED);
	check_stored(c->r, b);
	return true;
}

static void check_map(const struct dhcp_pool *p)
{
	for (unsigned int n = 0; n < p->nranges; n++) {
		const struct dhcp_range *r = &p->range[n];

		for (uint32_t ip = r->first; ip && ip <= r->last; ip++) {
			uint32_t i = p->at[n] + ip - r->first;
			bool set = p->map[i / 64] >> (i % 64) & 1;

			assert(set == (dhcp_pool_find_ip(p, ip) ||
				       !dhcp_pool_usable(p, ip) ||
				       dhcp_reserve_find_ip(&p->reserve, ip)));
		}
	}
}

void rig_check(struct dhcp_rig *r)
{
	struct dhcp_pool *p = &r->s->pool;
	struct check c = {.r = r};
	uint32_t listed = 0;

	htab_walk(&p->by_ip, check_binding, &c);
	for (int i = 0; i < 5; i++)
		assert(c.count[i] == p->count[i]);
	assert(c.pending == r->s->pending.count);
	for (unsigned int i = 0; i < DHCP_RANGES; i++)
		list_for_each(b, &p->free_list[i], struct dhcp_binding,
			      free_node) {
			assert(dhcp_state_freed(b->lease.state));
			assert(dhcp_pool_range(p, b->lease.ip) == (int)i);
			assert(!dhcp_reserve_find_ip(&p->reserve,
						     b->lease.ip));
			listed++;
		}
	assert(listed == c.free_listed);
	check_map(p);
	for (size_t i = 0; i < r->rows && !r->nwaiting; i++)
		assert(dhcp_pool_find_ip(p, r->row[i].ip));
}

int rig_setup(void **state)
{
	static struct dhcp_rig rig;
	struct dhcp_config cfg = rig_config();

	rig_start(&rig, &cfg);
	*state = &rig;
	return 0;
}

int rig_teardown(void **state)
{
	struct dhcp_rig *r = *state;

	rig_check(r);
	rig_stop(r);
	return 0;
}
