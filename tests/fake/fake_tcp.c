// SPDX-License-Identifier: GPL-2.0-or-later
/* A fake host and a scripted guest around the user-mode TCP. See fake_tcp.h. */
#include "tests/fake/fake_tcp.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/compat.h"

#define GUEST 0x0a00020fu
#define FAR   0x08080808u

/* ---- sockets -------------------------------------------------------------- */

static struct fake_sock *sock_new(struct fake_tcp *r)
{
	struct fake_sock *s = calloc(1, sizeof(*s));

	must(s != NULL, "memory");
	if (r->nsock == FAKE_SOCKS) { /* drop the oldest that is closed */
		unsigned int i = 0;

		while (i < FAKE_SOCKS && !r->sock[i]->closed)
			i++;
		must(i < FAKE_SOCKS, "too many sockets");
		free(r->sock[i]->in);
		free(r->sock[i]->out);
		free(r->sock[i]);
		memmove(&r->sock[i], &r->sock[i + 1],
			(FAKE_SOCKS - i - 1) * sizeof(r->sock[0]));
		r->nsock--;
	}
	s->r = r;
	s->room = r->room;
	r->sock[r->nsock++] = s;
	r->live++;
	return s;
}

static void append(uint8_t **buf, size_t *len, size_t *cap, const void *p,
		   size_t n)
{
	if (*len + n > *cap) {
		*cap = (*len + n) * 2;
		*buf = realloc(*buf, *cap);
		must(*buf != NULL, "memory");
	}
	if (n)
		memcpy(*buf + *len, p, n);
	*len += n;
}

static int op_connect(void *host, struct tcp_flow *f,
		      const struct tcp_call *call, void **sock)
{
	struct fake_tcp *r = host;
	struct fake_sock *s;

	if (r->connect_err)
		return r->connect_err;
	s = sock_new(r);
	s->flow = f;
	s->to = call->to;
	r->ttl = call->ttl;
	s->connecting = true;
	*sock = s;
	return 0;
}

static bool op_why(void *sock, struct tcp_icmp *out)
{
	const struct fake_sock *s = sock;

	*out = s->r->icmp;
	return out->type;
}

static void op_attach(void *sock, struct tcp_flow *f)
{
	struct fake_sock *s = sock;

	must(!s->flow, "attached twice");
	s->flow = f;
}

static struct fake_sock *usable(void *sock)
{
	struct fake_sock *s = sock;

	must(s != NULL, "no socket");
	must(!s->closed, "used after close");
	must(!s->connecting, "used while connecting");
	return s;
}

static ssize_t op_send(void *sock, const struct iovec *v, int n)
{
	struct fake_sock *s = usable(sock);
	size_t done = 0;

	must(!s->shut_wr, "sent after shutdown");
	must(n > 0, "nothing to send");
	if (s->send_err)
		return s->send_err;
	for (int i = 0; i < n; i++) {
		size_t k = min_sz(v[i].iov_len, s->room);

		must(v[i].iov_len > 0, "empty piece");
		append(&s->out, &s->out_len, &s->out_cap, v[i].iov_base, k);
		s->room -= k;
		done += k;
		if (k < v[i].iov_len)
			s->want_write = true;
	}
	return done ? (ssize_t)done : -EAGAIN;
}

static ssize_t op_peek(void *sock, size_t off, const struct iovec *v, int n)
{
	struct fake_sock *s = usable(sock);
	size_t have = s->in_len - s->in_done, done = 0;

	s->r->peeks++;
	must(off <= s->r->peek_limit, "peek beyond the limit");
	if (s->r->lend_fault && v[0].iov_base == s->r->lend_buf)
		return -EFAULT;
	for (int i = 0; i < n && off < have; i++) {
		size_t k = min_sz(v[i].iov_len, have - off);

		if (s->r->peek_max)
			k = min_sz(k, s->r->peek_max - done);
		must(v[i].iov_len > 0, "empty piece");
		if (!k)
			break;
		memcpy(v[i].iov_base, s->in + s->in_done + off, k);
		off += k;
		done += k;
	}
	must(off <= s->r->peek_limit, "peeked beyond the limit");
	if (done) {
		s->peeked = max_sz(s->peeked, s->in_done + off);
		return (ssize_t)done;
	}
	must(off <= have, "peek beyond what there was");
	if (s->in_err)
		return s->in_err;
	return s->in_eof ? 0 : -EAGAIN;
}

static bool op_quiet(void *sock)
{
	return usable(sock)->r->quiet;
}

static int op_discard(void *sock, size_t len)
{
	struct fake_sock *s = usable(sock);

	must(len > 0, "nothing to discard");
	must(s->in_done + len <= s->peeked, "discards what it has not seen");
	s->in_done += len;
	return 0;
}

static size_t op_space(void *sock)
{
	struct fake_sock *s = usable(sock);

	s->r->asked++;
	if (s->room < s->r->room / 3)
		s->want_write = true;
	return s->room;
}

static size_t op_peek_limit(void *sock)
{
	return usable(sock)->r->peek_limit;
}

static void op_shutdown_wr(void *sock)
{
	struct fake_sock *s = usable(sock);

	must(!s->shut_wr, "shut down twice");
	s->shut_wr = true;
}

static void op_close(void *sock, bool reset)
{
	struct fake_sock *s = sock;

	must(!s->closed, "closed twice");
	if (!reset && !s->in_err)
		must(s->in_done == s->in_len, "closed with unread bytes");
	s->closed = true;
	s->was_reset = reset;
	s->flow = NULL;
	s->r->live--;
}

static void op_keep_alive(void *sock, uint32_t idle_s)
{
	struct fake_sock *s = usable(sock);

	must(!s->asked_s, "told once");
	s->asked_s = idle_s + 1;
}

static bool op_local(void *sock, struct endpoint *out)
{
	struct fake_sock *s = sock;

	must(!s->closed, "used after close");
	*out = endpoint4(s->local ? s->local : FAKE_LOCAL, 4242);
	return true;
}

static const struct tcp_host_ops fake_ops = {
	.connect = op_connect,
	.why = op_why,
	.attach = op_attach,
	.send = op_send,
	.peek = op_peek,
	.quiet = op_quiet,
	.discard = op_discard,
	.space = op_space,
	.peek_limit = op_peek_limit,
	.shutdown_wr = op_shutdown_wr,
	.close = op_close,
	.keep_alive = op_keep_alive,
	.local = op_local,
};

void fake_sock_connected(struct fake_sock *s, int err)
{
	struct fake_tcp *r = s->r;

	must(s->connecting, "connected twice");
	s->connecting = false;
	tcp_host_connected(s->flow, err, r->now_ms);
	fake_tcp_settle(r);
}

void fake_sock_push(struct fake_sock *s, const void *p, size_t len)
{
	append(&s->in, &s->in_len, &s->in_cap, p, len);
	if (s->flow && !s->connecting)
		tcp_host_readable(s->flow, s->r->now_ms);
	fake_tcp_settle(s->r);
}

void fake_sock_eof(struct fake_sock *s)
{
	s->in_eof = true;
	if (s->flow && !s->connecting)
		tcp_host_readable(s->flow, s->r->now_ms);
	fake_tcp_settle(s->r);
}

void fake_sock_fail(struct fake_sock *s, int err)
{
	s->in_err = s->send_err = err;
	if (s->flow && !s->connecting)
		tcp_host_error(s->flow, err, s->r->now_ms);
	fake_tcp_settle(s->r);
}

void fake_sock_room(struct fake_sock *s, size_t room)
{
	bool tell = s->want_write && room && room >= s->r->room / 3;

	s->room = room;
	if (tell && s->flow) {
		s->want_write = false;
		tcp_host_writable(s->flow, s->r->now_ms);
	}
	fake_tcp_settle(s->r);
}

struct fake_sock *fake_sock_accepted(struct fake_tcp *r)
{
	return sock_new(r);
}

/* ---- the way to the guest ---------------------------------------------------- */

static void decode_sack(struct fake_seg *s, const uint8_t *p, size_t len)
{
	must(len && len <= 32 && !(len % 8), "SACK blocks are whole");
	s->nsack = (unsigned int)len / 8;
	for (unsigned int i = 0; i < s->nsack; i++) {
		s->sack[i][0] = get_be32(p + i * 8);
		s->sack[i][1] = get_be32(p + i * 8 + 4);
	}
}

static void decode_opts(struct fake_seg *s, const uint8_t *p, size_t len)
{
	size_t i = 0;

	while (i < len && p[i]) {
		if (p[i] == 1) {
			i++;
			continue;
		}
		must(i + 1 < len && p[i + 1] >= 2 && i + p[i + 1] <= len,
		     "options sent are well formed");
		if (p[i] == 2)
			s->mss = get_be16(p + i + 2);
		else if (p[i] == 3)
			s->wscale = p[i + 2];
		else if (p[i] == 4)
			s->sack_ok = true;
		else if (p[i] == 5)
			decode_sack(s, p + i + 2, p[i + 1] - 2u);
		else if (p[i] == 8) {
			must(p[i + 1] == 10 && !s->ts, "one pair of timestamps");
			s->ts = true;
			s->tsval = get_be32(p + i + 2);
			s->tsecr = get_be32(p + i + 6);
		}
		i += p[i + 1];
	}
}

static void decode(struct fake_seg *s, const struct tcp_out *o)
{
	const uint8_t *h = o->hdr;

	must(o->hdr_len >= 20 && o->hdr_len == (size_t)(h[12] >> 4) * 4,
	     "header length sent");
	must(!h[16] && !h[17], "checksum left to the caller");
	*s = (struct fake_seg){
		.src = {o->src, get_be16(h)},
		.dst = {o->dst, get_be16(h + 2)},
		.nic_id = o->nic_id,
		.seq = get_be32(h + 4),
		.ack = get_be32(h + 8),
		.flags = h[13],
		.wnd = get_be16(h + 14),
		.wscale = -1,
		.gso = o->gso_size,
		.len = o->len,
	};
	decode_opts(s, h + 20, o->hdr_len - 20);
}

static int env_emit(void *arg, const struct tcp_out *o, int64_t now_ms)
{
	struct fake_tcp *r = arg;
	size_t at = 0, ip_len = ipaddr_is4(&o->src) ? 20 : 40;
	struct fake_seg s;

	must(now_ms == r->now_ms, "time passed down");
	if (r->full_after && r->emitted >= r->full_after)
		return -ENOBUFS;
	r->emitted++;
	decode(&s, o);
	must(ip_len + o->hdr_len + o->len <= 65535, "fits an IP packet");
	must(!o->gso_size || o->len > o->gso_size, "GSO only when it is longer");
	must(ip_len + o->hdr_len + (o->gso_size ? o->gso_size : o->len) <=
		     r->cfg.mtu, "fits the MTU");
	s.data = malloc(o->len ? o->len : 1);
	must(s.data != NULL, "memory");
	for (int i = 0; i < o->n; i++) {
		memcpy(s.data + at, o->v[i].iov_base, o->v[i].iov_len);
		at += o->v[i].iov_len;
	}
	must(at == o->len, "payload length");
	must(r->guest_room >= o->len, "no more than there is room for");
	if (r->guest_room != SIZE_MAX)
		r->guest_room -= o->len;
	if (r->lending) {
		must(o->n > 0 && o->v[0].iov_base == r->lend_buf, "lies there");
		must(o->hdr_len == r->lend_hdr, "behind the header promised");
	} else if (o->len) {
		must(r->in_flush, "payload only within a flush");
		must(o->n == 1 && r->nlent < ARRAY_LEN(r->lent), "lent");
		r->lent[r->nlent].p = o->v[0].iov_base;
		r->lent[r->nlent].copy = malloc(o->len);
		must(r->lent[r->nlent].copy != NULL, "memory");
		memcpy(r->lent[r->nlent].copy, s.data, o->len);
		r->lent[r->nlent++].len = o->len;
	}
	if (r->on_out) {
		r->on_out(r->on_out_arg, &s);
		free(s.data);
		return 0;
	}
	must(r->n < FAKE_SEGS, "too many segments kept");
	r->out[r->n++] = s;
	return 0;
}

static void env_emit_flush(void *arg)
{
	struct fake_tcp *r = arg;

	for (unsigned int i = 0; i < r->nlent; i++) {
		must(!memcmp(r->lent[i].p, r->lent[i].copy, r->lent[i].len),
		     "lent payload is unchanged");
		free(r->lent[i].copy);
	}
	r->nlent = 0;
}

static enum tcp_verdict env_route(void *arg, const struct tcp_pkt *p,
				  struct endpoint *to)
{
	struct fake_tcp *r = arg;

	must(ipaddr_eq(&to->ip, &p->dst), "route is preset");
	if (r->redirect.port)
		*to = r->redirect;
	return r->verdict;
}

static void env_unreach(void *arg, const struct tcp_unreach *u, int64_t now_ms)
{
	struct fake_tcp *r = arg;

	(void)now_ms;
	r->unreach = *u;
	if (u->icmp)
		r->told = *u->icmp;
	r->nunreach++;
}

static void env_kick(void *arg)
{
	struct fake_tcp *r = arg;

	r->kicked = true;
	r->kicks++;
}

static void env_rest(void *arg)
{
	struct fake_tcp *r = arg;

	r->rests++;
}

static void env_forward_end(void *arg, uint64_t forward_id, bool answered,
			    uint64_t bytes_out, uint64_t bytes_in)
{
	struct fake_tcp *r = arg;

	r->ended_out += bytes_out;
	r->ended_in += bytes_in;
	r->ended_forward = forward_id;
	r->nended++;
	r->nanswered += answered;
}

/* ---- life ------------------------------------------------------------------ */

void fake_tcp_init(struct fake_tcp *r)
{
	memset(r, 0, sizeof(*r));
	r->cfg.mtu = 1500;
	r->cfg.seed[0] = 0x1234;
	r->now_ms = 1000000;
	r->verdict = TCP_CONNECT;
	r->peek_limit = SIZE_MAX;
	r->room = 1 << 20;
	r->guest_room = SIZE_MAX;
}

static bool end_tcp(void *arg, struct flow_nic *nic, int64_t now_ms)
{
	struct fake_tcp *r = arg;

	return tcp_give_up(r->t, nic, now_ms);
}

static size_t env_room(void *arg, uint64_t nic_id, uint32_t flow)
{
	struct fake_tcp *r = arg;

	must(flow, "all have one");
	if (nic_id == r->full_nic) {
		r->full_asked++;
		return 0;
	}
	return r->guest_room;
}

static int env_lend(void *arg, uint64_t nic_id, uint32_t flow, bool v4,
		    size_t hdr_len, size_t *len, struct iovec *v)
{
	struct fake_tcp *r = arg;
	int n = 0;

	(void)nic_id;
	(void)v4;
	must(flow, "all have one");
	must(!r->lending && r->in_flush, "one at a time");
	if (!r->lend_room)
		return r->lend_err;
	*len = min_sz(min_sz(*len, r->lend_room), sizeof(r->lend_buf));
	for (size_t at = 0; at < *len; at += FAKE_LEND)
		v[n++] = (struct iovec){r->lend_buf + at,
					min_sz(*len - at, FAKE_LEND)};
	r->lending = true;
	r->lend_hdr = hdr_len;
	r->nlend++;
	return n;
}

static void env_lend_end(void *arg)
{
	struct fake_tcp *r = arg;

	must(r->lending, "was lent");
	r->lending = false;
}

void fake_tcp_start(struct fake_tcp *r)
{
	struct tcp_env env = {
		.arg = r,
		.wheel = &r->wheel,
		.host = r->ops ? r->ops : &fake_ops,
		.host_arg = r->ops ? r->ops_arg : r,
		.route = env_route,
		.emit = env_emit,
		.room = env_room,
		.emit_flush = env_emit_flush,
		.lend = env_lend,
		.lend_end = env_lend_end,
		.unreach = env_unreach,
		.kick = env_kick,
		.forward_end = env_forward_end,
		.flows = &r->flows,
		.rest = r->can_rest ? env_rest : NULL,
	};

	wheel_init(&r->wheel, r->now_ms);
	must(!flow_tab_init(&r->flows, r->cfg.seed), "memory");
	r->flows.end_tcp = end_tcp;
	r->flows.end_tcp_arg = r;
	r->t = tcp_new(&env, &r->cfg);
	must(r->t != NULL, "memory");
}

void fake_tcp_clear(struct fake_tcp *r)
{
	for (unsigned int i = 0; i < r->n; i++)
		free(r->out[i].data);
	r->n = 0;
}

void fake_tcp_stop(struct fake_tcp *r)
{
	tcp_free(r->t);
	r->t = NULL;
	must(!r->live, "sockets are left");
	must(!r->flows.total[FLOW_TCP], "sockets are counted");
	flow_tab_fini(&r->flows);
	must(!r->nlent, "payload is still lent");
	must(wheel_deadline(&r->wheel) == WHEEL_NEVER ||
		     (wheel_run(&r->wheel, r->now_ms + 1000000000), true),
	     "timers");
	fake_tcp_clear(r);
	for (unsigned int i = 0; i < r->nsock; i++) {
		free(r->sock[i]->in);
		free(r->sock[i]->out);
		free(r->sock[i]);
	}
	r->nsock = 0;
}

void fake_tcp_settle(struct fake_tcp *r)
{
	for (int i = 0; r->kicked; i++) {
		must(i < 100000, "flushes without end");
		r->kicked = false;
		r->in_flush = true;
		tcp_flush(r->t, r->now_ms);
		r->in_flush = false;
		must(!r->nlent, "payload is still lent after a flush");
	}
}

void fake_tcp_wait(struct fake_tcp *r, int64_t ms)
{
	int64_t end = r->now_ms + ms, at;

	while ((at = wheel_deadline(&r->wheel)) <= end) {
		r->now_ms = at > r->now_ms ? at : r->now_ms;
		wheel_run(&r->wheel, r->now_ms);
		fake_tcp_settle(r);
	}
	r->now_ms = end;
	wheel_run(&r->wheel, end);
	fake_tcp_settle(r);
}

/* ---- segments from the guest --------------------------------------------------- */

static void encode_more(struct wbuf *w, const struct fake_seg *s)
{
	if (s->sack_ok)
		wbuf_be16(w, 0x0402);
	if (s->ts) {
		while (w->len % 4 != 2)
			wbuf_u8(w, 1);
		wbuf_be16(w, 0x080a);
		wbuf_be32(w, s->tsval);
		wbuf_be32(w, s->tsecr);
	}
	if (!s->nsack)
		return;
	wbuf_be16(w, 0x0101);
	wbuf_u8(w, 5);
	wbuf_u8(w, (uint8_t)(2 + 8 * s->nsack));
	for (unsigned int i = 0; i < s->nsack; i++) {
		wbuf_be32(w, s->sack[i][0]);
		wbuf_be32(w, s->sack[i][1]);
	}
}

static size_t encode(const struct fake_seg *s, uint8_t *b)
{
	struct wbuf w = wbuf_make(b, 60);
	size_t hlen;

	wbuf_be16(&w, s->src.port);
	wbuf_be16(&w, s->dst.port);
	wbuf_be32(&w, s->seq);
	wbuf_be32(&w, s->ack);
	wbuf_u8(&w, 0);
	wbuf_u8(&w, s->flags);
	wbuf_be16(&w, s->wnd);
	wbuf_be16(&w, 0xbeef); /* nobody looks at it any more */
	wbuf_be16(&w, 0);
	if (s->raw_opts) {
		wbuf_copy(&w, s->raw_opts, s->raw_opts_len);
	} else {
		if (s->mss) {
			wbuf_be16(&w, 0x0204);
			wbuf_be16(&w, s->mss);
		}
		if (s->wscale >= 0) {
			wbuf_be16(&w, 0x0303);
			wbuf_u8(&w, (uint8_t)s->wscale);
		}
		encode_more(&w, s);
	}
	while (w.len & 3)
		wbuf_u8(&w, 0);
	must(wbuf_ok(&w), "options fit");
	hlen = w.len;
	b[12] = (uint8_t)(hlen << 2);
	return hlen;
}

void fake_tcp_put(struct fake_tcp *r, const struct fake_seg *s, size_t cut,
		  unsigned int pieces)
{
	uint8_t head[60], *all = malloc(60 + s->len), *copy;
	struct iovec v[16];
	struct tcp_pkt p = {.src = s->src.ip, .dst = s->dst.ip,
			    .nic_id = s->nic_id, .l4 = v};
	size_t len = encode(s, head), at = 0;

	must(all != NULL && pieces >= 1 && pieces <= 16, "memory");
	memcpy(all, head, len);
	if (s->len)
		memcpy(all + len, s->data, s->len);
	len = min_sz(len + s->len, cut);
	/* Exact sizes, so that a sanitizer sees every overrun. */
	p.head_len = min_sz(len, 60);
	copy = malloc(p.head_len ? p.head_len : 1);
	must(copy != NULL, "memory");
	memcpy(copy, all, p.head_len);
	p.head = copy;
	p.l4_len = len;
	for (unsigned int i = 0; i < pieces && at < len; i++) {
		size_t k = i + 1 == pieces ? len - at
					   : min_sz(len / pieces + 1, len - at);

		v[i].iov_base = malloc(k);
		v[i].iov_len = k;
		must(v[i].iov_base != NULL, "memory");
		memcpy(v[i].iov_base, all + at, k);
		at += k;
		p.nl4++;
	}
	tcp_input(r->t, &p, r->now_ms);
	for (int i = 0; i < p.nl4; i++)
		free(v[i].iov_base);
	free(copy);
	free(all);
}

/* ---- a scripted guest --------------------------------------------------------- */

struct fake_conn fake_conn_make(struct fake_tcp *r, uint16_t port)
{
	return (struct fake_conn){
		.r = r,
		.me = endpoint4(GUEST, port),
		.peer = endpoint4(FAR, 80),
		.nic_id = 7,
		.seq = 1000u * port,
		.wnd = FAKE_WND,
	};
}

static struct fake_seg conn_seg(const struct fake_conn *c, uint8_t flags)
{
	return (struct fake_seg){
		.src = c->me,
		.dst = c->peer,
		.nic_id = c->nic_id,
		.seq = c->seq,
		.ack = flags & F_ACK ? c->ack : 0,
		.flags = flags,
		.wnd = c->wnd,
		.wscale = -1,
		.ts = c->ts,
		.tsval = c->tsval,
		.tsecr = flags & F_ACK ? c->tsecr : 0,
	};
}

void fake_conn_send(struct fake_conn *c, uint8_t flags, const void *p,
		    size_t len)
{
	struct fake_seg s = conn_seg(c, flags);

	s.data = (uint8_t *)p;
	s.len = len;
	fake_tcp_put(c->r, &s, SIZE_MAX, 3);
	fake_tcp_settle(c->r);
}

void fake_conn_syn(struct fake_conn *c)
{
	struct fake_seg s = conn_seg(c, F_SYN);

	s.mss = 1460;
	s.wscale = 7;
	s.sack_ok = c->sack_ok;
	fake_tcp_put(c->r, &s, SIZE_MAX, 1);
	fake_tcp_settle(c->r);
}

struct fake_conn fake_conn_open(struct fake_tcp *r, uint16_t port)
{
	struct fake_conn c = fake_conn_make(r, port);

	fake_conn_begin(&c);
	return c;
}

void fake_conn_begin(struct fake_conn *c)
{
	struct fake_tcp *r = c->r;

	fake_conn_syn(c);
	c->s = r->sock[r->nsock - 1];
	fake_sock_connected(c->s, 0);
	c->seq++;
	c->ack = fake_tcp_last(r)->seq + 1;
	c->tsecr = fake_tcp_last(r)->tsval;
	fake_conn_send(c, F_ACK, NULL, 0);
	fake_tcp_clear(r);
}

void fake_conn_data(struct fake_conn *c, const void *p, size_t len)
{
	fake_conn_send(c, F_ACK | F_PSH, p, len);
	c->seq += (uint32_t)len;
}

void fake_conn_ack_all(struct fake_conn *c)
{
	for (unsigned int i = 0; i < c->r->n; i++) {
		const struct fake_seg *s = &c->r->out[i];

		if (s->seq == c->ack)
			c->ack += (uint32_t)s->len + !!(s->flags & F_FIN);
		c->tsecr = s->tsval;
	}
	fake_tcp_clear(c->r);
	fake_conn_send(c, F_ACK, NULL, 0);
}

const struct fake_seg *fake_tcp_last(const struct fake_tcp *r)
{
	must(r->n > 0, "a segment was expected");
	return &r->out[r->n - 1];
}

unsigned int fake_tcp_count(const struct fake_tcp *r, uint8_t flags)
{
	unsigned int k = 0;

	for (unsigned int i = 0; i < r->n; i++)
		k += (r->out[i].flags & flags) == flags;
	return k;
}
