// SPDX-License-Identifier: GPL-2.0-or-later
/* See dhcp6_rig.h. */
#include "tests/fake/dhcp6_rig.h"

/* These asserts are the tests' own: they must not go with NDEBUG. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>

static const uint8_t server_duid[] = {0, 4, 's', 'e', 'r', 'v', 'e', 'r'};

struct ipaddr ip6(const char *s)
{
	struct ipaddr a;

	int err = ipaddr_parse(s, &a);

	assert(!err);
	return a;
}

struct mac rig6_mac(uint8_t n)
{
	return (struct mac){{0x52, 0x54, 0, 0, 0, n}};
}

struct dhcp6_config rig6_config(void)
{
	struct dhcp6_config c = {
		.net = {ip6("fd00:1::"), 64},
		.own = {ip6("fd00:1::2"), ip6("fd00:1::3")},
		.addresses = true,
		.delegate = {ip6("fd00:1:0:ff00::"), 56},
		.delegate_len = 64,
		.lease_s = 8000,
		.dns = {ip6("fd00:1::3")},
		.ndns = 1,
		.domain = "lab.vnet",
		.duid_len = sizeof(server_duid),
	};

	memcpy(c.duid, server_duid, sizeof(server_duid));
	return c;
}

/* ---- the store ------------------------------------------------------------ */

static size_t row_of(const struct dhcp6_rig *r, const struct ipaddr *ip)
{
	size_t i = 0;

	while (i < r->rows && !ipaddr_eq(&r->row[i].ip, ip))
		i++;
	return i;
}

const struct dhcp6_lease *rig6_row(const struct dhcp6_rig *r,
				   const struct ipaddr *ip)
{
	size_t i = row_of(r, ip);

	return i < r->rows ? &r->row[i] : NULL;
}

static void write_entry(struct dhcp6_rig *r, const struct rig6_entry *e)
{
	for (unsigned int k = 0; k < e->n; k++) {
		size_t i = row_of(r, &e->lease[k].ip);

		if (!e->event) {
			assert(i < RIG6_ROWS);
			r->row[i] = e->lease[k];
			r->rows += i == r->rows;
		} else if (i < r->rows) {
			r->row[i] = r->row[--r->rows];
		}
	}
}

static struct rig6_entry *push(struct dhcp6_rig *r)
{
	assert(r->nwaiting < RIG6_WAITING);
	return &r->waiting[r->nwaiting++];
}

static void pop(struct dhcp6_rig *r, size_t i)
{
	r->nwaiting--;
	memmove(&r->waiting[i], &r->waiting[i + 1],
		(r->nwaiting - i) * sizeof(r->waiting[0]));
}

/* Events ahead of any commit are written at once. */
static void write_events(struct dhcp6_rig *r)
{
	while (r->nwaiting && r->waiting[0].event) {
		write_entry(r, &r->waiting[0]);
		pop(r, 0);
	}
}

static void on_event(void *arg, enum dhcp6_event type,
		     const struct dhcp6_lease *l)
{
	struct dhcp6_rig *r = arg;
	struct rig6_entry *e;

	r->events[type]++;
	if (type == DHCP6_EV_EXHAUSTED)
		return;
	e = push(r);
	e->event = true;
	e->type = type;
	e->n = 1;
	e->lease[0] = *l;
	write_events(r);
}

static bool in_use(void *arg, const struct ipaddr *ip, const struct mac *mac)
{
	struct dhcp6_rig *r = arg;

	(void)mac;
	for (size_t i = 0; i < ARRAY_LEN(r->squatted); i++)
		if (ipaddr_eq(&r->squatted[i], ip))
			return true;
	return false;
}

static const struct dhcp6_ops ops = {.event = on_event, .in_use = in_use};

/* ---- life ----------------------------------------------------------------- */

static void make(struct dhcp6_rig *r)
{
	int err = dhcp6_server_new(&r->cfg, &ops, r, NULL, &r->s, NULL);

	assert(!err);
}

void rig6_start(struct dhcp6_rig *r, const struct dhcp6_config *cfg)
{
	memset(r, 0, sizeof(*r));
	r->cfg = *cfg;
	r->now = RIG6_T0;
	make(r);
}

void rig6_stop(struct dhcp6_rig *r)
{
	dhcp6_server_free(r->s);
	r->s = NULL;
}

void rig6_restart(struct dhcp6_rig *r, size_t arrived)
{
	size_t rows;

	for (size_t i = 0; i < arrived && i < r->nwaiting; i++)
		write_entry(r, &r->waiting[i]);
	r->nwaiting = 0;
	dhcp6_server_free(r->s);
	make(r);
	/* Loading may forget some. */
	rows = r->rows;
	static struct dhcp6_lease copy[RIG6_ROWS];

	memcpy(copy, r->row, rows * sizeof(copy[0]));
	for (size_t i = 0; i < rows; i++) {
		int err = dhcp6_server_load(r->s, &copy[i], r->now);

		assert(!err);
	}
}

/* ---- messages ------------------------------------------------------------- */

struct dhcp6_ask rig6_ask(uint8_t type, uint64_t nic, uint8_t n)
{
	struct dhcp6_ask a = {
		.type = type, .nic = nic, .n = n, .xid = 0x123456, .nias = 1,
		.ia = {{.opt = DHCP6_OPT_IA_NA, .iaid = n}},
	};

	a.server = type == DHCP6_REQUEST || type == DHCP6_RENEW ||
		   type == DHCP6_RELEASE || type == DHCP6_DECLINE;
	return a;
}

void rig6_wish(struct dhcp6_ask *a, const struct ipaddr *ip, uint8_t plen)
{
	struct dhcp6_ia *ia = &a->ia[a->nias - 1];

	ia->item[ia->nitems++] = (struct dhcp6_item){*ip, plen};
}

static void put_ia(struct wbuf *w, const struct dhcp6_ia *ia)
{
	size_t at = dhcp6_begin(w, ia->opt);

	wbuf_be32(w, ia->iaid);
	if (ia->opt != DHCP6_OPT_IA_TA)
		wbuf_fill(w, 0, 8);
	for (unsigned int i = 0; i < ia->nitems; i++)
		dhcp6_put_item(w, &ia->item[i], 0, 0);
	dhcp6_end(w, at);
}

size_t rig6_build(const struct dhcp6_rig *r, const struct dhcp6_ask *a,
		  uint8_t *buf, size_t cap)
{
	struct wbuf w = wbuf_make(buf, cap);
	uint8_t duid[10] = {0, 3, 0, 1, 2, 0, 0, 0, 0,
			    a->duid ? a->duid : a->n};
	size_t at;

	wbuf_be32(&w, (uint32_t)a->type << 24 | a->xid);
	if (!a->no_client)
		dhcp6_put(&w, DHCP6_OPT_CLIENT_ID, duid, sizeof(duid));
	if (a->server)
		dhcp6_put(&w, DHCP6_OPT_SERVER_ID, r->cfg.duid,
			  r->cfg.duid_len);
	if (a->other_server)
		dhcp6_put(&w, DHCP6_OPT_SERVER_ID, "\0\4other", 7);
	if (a->rapid)
		dhcp6_put(&w, DHCP6_OPT_RAPID, NULL, 0);
	dhcp6_put(&w, DHCP6_OPT_ELAPSED, "\0\0", 2);
	if (a->noro) {
		at = dhcp6_begin(&w, DHCP6_OPT_ORO);
		for (size_t i = 0; i < a->noro; i++)
			wbuf_be16(&w, a->oro[i]);
		dhcp6_end(&w, at);
	}
	if (a->fqdn) {
		at = dhcp6_begin(&w, DHCP6_OPT_FQDN);
		wbuf_u8(&w, a->fqdn_flags);
		dhcp6_put_name(&w, a->fqdn, false);
		dhcp6_end(&w, at);
	}
	for (unsigned int i = 0; i < a->nias; i++)
		put_ia(&w, &a->ia[i]);
	assert(wbuf_ok(&w));
	return w.len;
}

struct dhcp6_input rig6_input(const struct dhcp6_ask *a)
{
	struct mac mac = rig6_mac(a->n);
	struct ipaddr ll = ipaddr_linklocal(&mac);

	return (struct dhcp6_input){
		.src = ipaddr_is_zero(&a->src) ? ll : a->src,
		.unicast = a->unicast, .src_mac = mac, .nic_id = a->nic,
	};
}

static bool seen_ia(struct cur c, uint16_t opt, struct dhcp6_seen *out)
{
	struct dhcp6_seen_ia *ia = &out->ia[out->nias++];

	*ia = (struct dhcp6_seen_ia){.opt = opt, .status = -1};
	ia->iaid = cur_be32(&c);
	if (opt != DHCP6_OPT_IA_TA) {
		ia->t1 = cur_be32(&c);
		ia->t2 = cur_be32(&c);
	}
	while (cur_ok(&c) && c.left) {
		uint16_t code = cur_be16(&c);
		struct cur b = cur_sub(&c, cur_be16(&c));
		struct dhcp6_item it = {.plen = 128};

		if (code == DHCP6_OPT_STATUS) {
			ia->status = cur_be16(&b);
			continue;
		}
		if (code == DHCP6_OPT_IAADDR)
			cur_copy(&b, it.ip.b, 16);
		if (ia->n == 8)
			return false;
		ia->item[ia->n].preferred = cur_be32(&b);
		ia->item[ia->n].valid = cur_be32(&b);
		if (code == DHCP6_OPT_IAPREFIX) {
			it.plen = cur_u8(&b);
			cur_copy(&b, it.ip.b, 16);
		}
		ia->item[ia->n++].it = it;
		if (!cur_ok(&b))
			return false;
	}
	return cur_ok(&c);
}

bool rig6_parse(const uint8_t *p, size_t len, struct dhcp6_seen *out)
{
	struct cur c = cur_make(p, len);
	unsigned int relays = 0;

	while (c.left && c.p[0] == DHCP6_RELAY_REPL) {
		struct cur inner = {0};

		relays++;
		cur_skip(&c, 34);
		while (cur_ok(&c) && c.left) {
			uint16_t code = cur_be16(&c);
			struct cur b = cur_sub(&c, cur_be16(&c));

			if (code == DHCP6_OPT_RELAY_MSG)
				inner = b;
		}
		c = inner;
	}
	*out = (struct dhcp6_seen){.status = -1, .relays = relays};
	out->xid = cur_be32(&c);
	out->type = (uint8_t)(out->xid >> 24);
	out->xid &= 0xffffff;
	while (cur_ok(&c) && c.left) {
		uint16_t code = cur_be16(&c);
		uint16_t n = cur_be16(&c);
		struct cur b = cur_sub(&c, n);

		if (!cur_ok(&c) || code >= 128)
			return false;
		out->opt[code] = b.p;
		out->len[code] = n;
		if (code == DHCP6_OPT_STATUS)
			out->status = cur_be16(&b);
		if ((code == DHCP6_OPT_IA_NA || code == DHCP6_OPT_IA_TA ||
		     code == DHCP6_OPT_IA_PD) &&
		    (out->nias == DHCP6_IAS_MAX || !seen_ia(b, code, out)))
			return false;
	}
	return cur_ok(&c);
}

static int answered(struct dhcp6_rig *r, const struct dhcp6_reply *reply)
{
	r->reply = *reply;
	assert(rig6_parse(r->reply.data, r->reply.len, &r->got));
	return r->got.type;
}

int rig6_send_bytes(struct dhcp6_rig *r, const struct dhcp6_input *in)
{
	struct rig6_entry *e;

	switch (dhcp6_server_input(r->s, in, r->now, &r->out)) {
	case DHCP6_REPLY_NOW:
		return answered(r, &r->out.reply);
	case DHCP6_REPLY_AFTER_COMMIT:
		e = push(r);
		e->event = false;
		e->token = r->out.token;
		e->n = r->out.nleases;
		memcpy(e->lease, r->out.lease, sizeof(e->lease));
		return r->hold ? 0 : rig6_store(r);
	default:
		return 0;
	}
}

int rig6_send(struct dhcp6_rig *r, const struct dhcp6_ask *a)
{
	struct dhcp6_input in = rig6_input(a);
	uint8_t buf[DHCP6_MSG_MAX];

	in.data = buf;
	in.len = rig6_build(r, a, buf, sizeof(buf));
	return rig6_send_bytes(r, &in);
}

int rig6_store(struct dhcp6_rig *r)
{
	struct rig6_entry e;
	struct dhcp6_reply reply;

	write_events(r);
	if (!r->nwaiting)
		return 0;
	e = r->waiting[0];
	write_entry(r, &e);
	pop(r, 0);
	write_events(r);
	if (dhcp6_server_committed(r->s, e.token, r->now, NULL, NULL, &reply))
		return 0;
	return answered(r, &reply);
}

void rig6_refuse(struct dhcp6_rig *r)
{
	uint64_t token;

	write_events(r);
	if (!r->nwaiting)
		return;
	token = r->waiting[0].token;
	pop(r, 0);
	write_events(r);
	dhcp6_server_failed(r->s, token, r->now);
}

void rig6_pass(struct dhcp6_rig *r, int64_t s)
{
	int64_t end = r->now + s;

	while (r->now < end) {
		int64_t at = dhcp6_server_deadline(r->s);

		r->now = at > r->now && at < end ? at : end;
		dhcp6_server_tick(r->s, r->now);
	}
}

struct bound_check {
	struct dhcp6_rig *r;
};

static bool is_stored(void *arg, const struct dhcp6_lease *l)
{
	struct bound_check *c = arg;

	if (l->state == DHCP6_BOUND && !c->r->nwaiting)
		assert(rig6_row(c->r, &l->ip));
	return true;
}

void rig6_check(struct dhcp6_rig *r)
{
	struct bound_check c = {r};

	assert(dhcp6_table_check(&r->s->table));
	dhcp6_server_walk(r->s, is_stored, &c);
}

uint64_t rig6_drops(const struct dhcp6_rig *r, enum dhcp6_drop d)
{
	struct dhcp6_stats st;

	dhcp6_server_stats(r->s, &st);
	return st.drops[d];
}

struct ipaddr rig6_sarr(struct dhcp6_rig *r, uint64_t nic, uint8_t n)
{
	struct dhcp6_ask a = rig6_ask(DHCP6_SOLICIT, nic, n);

	if (rig6_send(r, &a) != DHCP6_ADVERTISE || !r->got.ia[0].n)
		return ipaddr_any;
	a = rig6_ask(DHCP6_REQUEST, nic, n);
	rig6_wish(&a, &r->got.ia[0].item[0].it.ip, 128);
	if (rig6_send(r, &a) != DHCP6_REPLY || !r->got.ia[0].n)
		return ipaddr_any;
	return r->got.ia[0].item[0].it.ip;
}

int rig6_setup(void **state)
{
	static struct dhcp6_rig r;
	struct dhcp6_config cfg = rig6_config();

	rig6_start(&r, &cfg);
	*state = &r;
	return 0;
}

int rig6_teardown(void **state)
{
	struct dhcp6_rig *r = *state;

	rig6_check(r);
	rig6_stop(r);
	return 0;
}
