// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The user-mode TCP's tables: flows, the accounts of NICs and their limits, which
 * flow a packet is for, how flows end, looking in. What a connection does is in
 * tcp_open.c, tcp_in.c and tcp_out.c; tcp_int.h explains how they fit.
 */
#include "nat/tcp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nat/tcp_int.h"
#include "switch/steer.h"

#define FLOWS_DEFAULT	      65536
#define NIC_FLOWS_DEFAULT     1024
#define NIC_OPENING_DEFAULT   128

static void retry_on_timer(struct wtimer *w, int64_t now_ms)
{
	struct tcp *t = container_of(w, struct tcp, retry);

	(void)now_ms;
	if (!list_empty(&t->work))
		t->env.kick(t->env.arg);
}

void tcp_unpark(struct tcp *t)
{
	list_for_each_safe(f, &t->parked, struct tcp_flow, work)
		tcp_queue(f);
}

/* Who has no room need not have said when there was some. */
static void unpark_on_timer(struct wtimer *w, int64_t now_ms)
{
	(void)now_ms;
	tcp_unpark(container_of(w, struct tcp, unpark));
}

/* Nothing came for these ACKs to ride on. */
static void ack_now(struct list *late)
{
	while (!list_empty(late)) {
		struct tcp_flow *f = list_first(late, struct tcp_flow, late);

		list_del(&f->late);
		if (!f->ack_late)
			continue;
		f->ack_late = false;
		f->ack_due = true;
		tcp_queue(f);
	}
}

static void delack_on_timer(struct wtimer *w, int64_t now_ms)
{
	struct tcp *t = container_of(w, struct tcp, delack);

	(void)now_ms;
	list_for_each(f, &t->late, struct tcp_flow, late)
		if (f->ack_late)
			f->turns = 0;
	ack_now(&t->late);
}

void tcp_rest(struct tcp *t)
{
	ack_now(&t->soon);
}

void tcp_ack_soon(struct tcp_flow *f)
{
	struct tcp *t = f->t;

	f->ack_late = true;
	list_del(&f->late);
	if (list_empty(&t->soon))
		t->env.rest(t->env.arg);
	list_add_tail(&t->soon, &f->late);
}

void tcp_ack_later(struct tcp_flow *f, int64_t now_ms)
{
	struct tcp *t = f->t;

	f->ack_late = true;
	if (list_linked(&f->late))
		return;
	list_add_tail(&t->late, &f->late);
	if (!wtimer_armed(&t->delack))
		wtimer_arm(t->env.wheel, &t->delack, now_ms + TCP_DELACK_MS,
			   delack_on_timer);
}

struct tcp *tcp_new(const struct tcp_env *env, const struct tcp_config *cfg)
{
	struct tcp *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->env = *env;
	t->cfg = *cfg;
	if (!t->cfg.flows_max)
		t->cfg.flows_max = FLOWS_DEFAULT;
	if (!t->cfg.nic_flows_max)
		t->cfg.nic_flows_max = NIC_FLOWS_DEFAULT;
	if (!t->cfg.nic_opening_max)
		t->cfg.nic_opening_max = NIC_OPENING_DEFAULT;
	t->last_id = 1;
	list_init(&t->shown);
	list_init(&t->work);
	list_init(&t->parked);
	list_init(&t->late);
	list_init(&t->soon);
	t->retry.fn = retry_on_timer;
	t->unpark.fn = unpark_on_timer;
	pool_init(&t->pool, sizeof(struct tcp_flow));
	pool_init(&t->sacks, sizeof(struct tcp_sacks));
	pool_init(&t->holds, sizeof(struct tcp_hold));
	t->buf = aligned_alloc(TCP_BUF_ALIGN, TCP_BUF);
	if (!t->buf || htab_init(&t->flows, 64, cfg->seed)) {
		tcp_free(t);
		return NULL;
	}
	return t;
}

static bool end_any(struct hnode *n, void *arg)
{
	struct tcp_flow *f = container_of(n, struct tcp_flow, node);

	(void)arg;
	f->guest_gone = true;
	tcp_flow_end(f, true);
	return true;
}

void tcp_free(struct tcp *t)
{
	if (!t)
		return;
	if (t->flows.bucket)
		htab_walk(&t->flows, end_any, NULL);
	wtimer_cancel(t->env.wheel, &t->retry);
	wtimer_cancel(t->env.wheel, &t->unpark);
	wtimer_cancel(t->env.wheel, &t->delack);
	htab_fini(&t->flows);
	pool_fini(&t->pool);
	pool_fini(&t->sacks);
	pool_fini(&t->holds);
	free(t->buf);
	free(t);
}

/* ---- accounts of NICs ---------------------------------------------------- */

void tcp_set_limits(struct tcp *t, uint32_t nic_flows_max,
		    uint32_t nic_opening_max)
{
	t->cfg.nic_flows_max = nic_flows_max;
	t->cfg.nic_opening_max = nic_opening_max;
}

void tcp_limited(struct tcp *t, struct flow_nic *nic)
{
	t->stats.limited++;
	nic->refused++;
}

static bool over_limit(const struct tcp *t, const struct flow_nic *nic)
{
	return nic->tcp_flows > t->cfg.nic_flows_max ||
	       t->stats.flows >= t->cfg.flows_max;
}

static struct tcp_flow *oldest_wait(const struct flow_nic *nic)
{
	return list_first(&nic->tcp_wait, struct tcp_flow, nic_state);
}

/* Count one more flow of the NIC; its own oldest TIME_WAIT may go for it. */
static bool nic_take(struct tcp *t, struct flow_nic *nic)
{
	struct tcp_flow *old = oldest_wait(nic);

	nic->tcp_flows++;
	if (old && over_limit(t, nic))
		tcp_flow_end(old, false);
	if (!over_limit(t, nic))
		return true;
	nic->tcp_flows--;
	return false;
}

/* On the list of its NIC that its state asks for. */
static void nic_list(struct tcp_flow *f)
{
	struct flow_nic *nic = f->nic;

	list_del(&f->nic_state);
	if (f->state == TCP_ST_CONNECTING)
		list_add_tail(&nic->tcp_opening, &f->nic_state);
	else if (f->state == TCP_ST_TIME_WAIT)
		list_add_tail(&nic->tcp_wait, &f->nic_state);
	else if (f->counted)
		list_add_tail(&nic->tcp_used, &f->nic_state);
}

bool tcp_give_up(struct tcp *t, struct flow_nic *nic, int64_t now_ms)
{
	struct tcp_flow *f = list_first(&nic->tcp_opening, struct tcp_flow,
					nic_state);

	(void)t;
	/* One that is being opened right now may have none yet. */
	if (!f || !f->counted)
		f = list_first(&nic->tcp_used, struct tcp_flow, nic_state);
	if (!f)
		return false;
	tcp_flow_abort(f, now_ms);
	return true;
}

/* ---- flows --------------------------------------------------------------- */

static uint32_t key_hash(const struct tcp *t, const struct tcp_key *k)
{
	return hash_bytes(t->flows.seed, k, sizeof(*k));
}

static_assert(sizeof(struct tcp_key) == 2 * (16 + 2), "hashed as bytes");

struct tcp_flow *tcp_find(const struct tcp *t, const struct tcp_key *k)
{
	struct hnode *n = htab_find(&t->flows, key_hash(t, k));

	for (; n; n = htab_find_next(n)) {
		struct tcp_flow *f = container_of(n, struct tcp_flow, node);

		if (endpoint_eq(&f->key.guest, &k->guest) &&
		    endpoint_eq(&f->key.outside, &k->outside))
			return f;
	}
	return NULL;
}

/* RFC 6528: a clock of 4 us ticks plus a secret function of the endpoints. */
static uint32_t initial_seq(const struct tcp *t, const struct tcp_key *k,
			    int64_t now_ms)
{
	uint64_t seed[2] = {t->cfg.seed[0] ^ 0x69736e, t->cfg.seed[1]};

	return hash_bytes(seed, k, sizeof(*k)) + (uint32_t)(now_ms * 250);
}

void tcp_ts_init(struct tcp_flow *f)
{
	const struct tcp_config *c = &f->t->cfg;
	uint64_t seed[2] = {c->seed[0], c->seed[1] ^ 0x74736f6666};

	f->ts_off = hash_bytes(seed, &f->key, sizeof(f->key));
}

static void flow_init(struct tcp_flow *f, int64_t now_ms)
{
	f->iss = initial_seq(f->t, &f->key, now_ms);
	f->snd_una = f->snd_nxt = f->snd_max = f->iss;
	f->host_seq = f->iss + 1;
	f->recover = f->iss;
	f->ops = f->t->env.host;
	tcp_set_mss(f, TCP_MSS_DEFAULT);
	f->born_ms = f->used_ms = f->moved_ms = f->heard_ms = now_ms;
	list_init(&f->work);
	list_init(&f->nic_state);
	list_init(&f->late);
	tcp_cc_init(f);
}

bool tcp_room_for_client(struct tcp *t, struct flow_nic *nic)
{
	uint32_t max = t->cfg.nic_flows_max;
	struct tcp_flow *old;

	if (nic->tcp_flows < max - max / 8)
		return true;
	old = oldest_wait(nic);
	if (!old) {
		tcp_limited(t, nic);
		return false;
	}
	tcp_flow_end(old, false);
	return true;
}

bool tcp_room_for_call(struct tcp *t, struct flow_nic *nic, int64_t now_ms)
{
	struct tcp_flow *old;

	if (nic->tcp_openings < t->cfg.nic_opening_max)
		return true;
	old = list_first(&nic->tcp_opening, struct tcp_flow, nic_state);
	if (!old || now_ms - old->born_ms < TCP_CALL_MS) {
		tcp_limited(t, nic);
		return false;
	}
	t->env.flows->evicted++;
	nic->evicted++;
	tcp_flow_end(old, true);
	return true;
}

struct tcp_flow *tcp_flow_new(struct tcp *t, const struct tcp_key *k,
			      struct flow_nic *nic, int64_t now_ms)
{
	struct tcp_flow *f;

	if (!nic_take(t, nic)) {
		tcp_limited(t, nic);
		return NULL;
	}
	f = pool_get(&t->pool);
	if (!f) {
		nic->tcp_flows--;
		return NULL;
	}
	f->t = t;
	f->key = *k;
	f->steer = steer_flow(&k->guest.ip, k->guest.port, &k->outside.ip,
			      k->outside.port);
	f->nic = nic;
	flow_init(f, now_ms);
	/* The first state is CONNECTING. */
	nic->tcp_openings++;
	nic_list(f);
	t->stats.flows++;
	t->stats.opening++;
	f->id = t->last_id += 2;
	list_add_tail(&t->shown, &f->shown);
	list_add_tail(&nic->tcp, &f->nic_node);
	htab_add(&t->flows, &f->node, key_hash(t, k));
	return f;
}

static void count_state(struct tcp_flow *f, enum tcp_state st, uint32_t n)
{
	struct tcp_stats *s = &f->t->stats;

	if (st == TCP_ST_CONNECTING) {
		f->nic->tcp_openings += n;
		s->opening += n;
	} else if (st == TCP_ST_TIME_WAIT) {
		f->nic->tcp_waits += n;
		s->time_wait += n;
	}
}

void tcp_set_state(struct tcp_flow *f, enum tcp_state st)
{
	struct tcp_flow *old;

	count_state(f, f->state, (uint32_t)-1);
	f->state = st;
	count_state(f, st, 1);
	nic_list(f);
	if (st != TCP_ST_TIME_WAIT || f->nic->tcp_waits <= TCP_WAITS_MAX)
		return;
	old = oldest_wait(f->nic);
	tcp_flow_end(old, false);
}

void tcp_close_host(struct tcp_flow *f, bool reset)
{
	if (f->sock)
		f->ops->close(f->sock, reset);
	f->sock = NULL;
	if (!f->counted)
		return;
	flow_tcp_put(f->t->env.flows, f->nic);
	f->counted = false;
	if (f->state != TCP_ST_TIME_WAIT)
		list_del(&f->nic_state);
}

void tcp_flow_end(struct tcp_flow *f, bool reset_host)
{
	struct tcp *t = f->t;

	tcp_close_host(f, reset_host);
	if (f->forward_id && t->env.forward_end)
		t->env.forward_end(t->env.arg, f->forward_id,
				   f->state >= TCP_ST_OPEN, f->bytes_out,
				   f->bytes_in);
	count_state(f, f->state, (uint32_t)-1);
	tcp_sack_forget(f);
	tcp_hold_free(f);
	wtimer_cancel(t->env.wheel, &f->rtx);
	wtimer_cancel(t->env.wheel, &f->idle);
	list_del(&f->work);
	list_del(&f->nic_state);
	list_del(&f->late);
	list_del(&f->nic_node);
	list_del(&f->shown);
	htab_del(&t->flows, &f->node);
	t->stats.flows--;
	f->nic->tcp_flows--;
	pool_put(&t->pool, f);
}

void tcp_flow_abort(struct tcp_flow *f, int64_t now_ms)
{
	if (!f->guest_gone && f->state != TCP_ST_CONNECTING &&
	    f->state != TCP_ST_TIME_WAIT)
		tcp_send_rst(f, now_ms);
	tcp_flow_end(f, true);
}

void tcp_queue(struct tcp_flow *f)
{
	struct tcp *t = f->t;
	bool first = list_empty(&t->work);

	if (f->parked)
		list_del(&f->work);
	else if (list_linked(&f->work))
		return;
	f->parked = false;
	list_add_tail(&t->work, &f->work);
	if (first && !t->flushing)
		t->env.kick(t->env.arg);
}

/* ---- packets ------------------------------------------------------------- */

/* Does this SYN begin a new connection although there is a flow? In TIME_WAIT it may
 * (RFC 9293 3.10.7.4, RFC 6191), and when another NIC has taken over the address. */
static bool syn_replaces(const struct tcp_flow *f, const struct tcp_seg *s,
			 uint64_t nic_id)
{
	if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
		return false;
	if (f->nic->id != nic_id)
		return true;
	if (f->state != TCP_ST_TIME_WAIT)
		return false;
	return seq_lt(f->rcv_nxt, s->seq) ||
	       (f->ts && s->ts && seq_lt(f->ts_recent, s->tsval));
}

static void no_flow(struct tcp *t, const struct tcp_pkt *p,
		    const struct tcp_seg *s, const struct tcp_key *k,
		    int64_t now_ms)
{
	if (s->flags & TCP_RST)
		return;
	if ((s->flags & (TCP_SYN | TCP_ACK | TCP_FIN)) == TCP_SYN) {
		tcp_open(t, p, s, k, now_ms);
		return;
	}
	if (s->flags & TCP_SYN && s->flags & TCP_FIN) {
		t->stats.bad++;
		return;
	}
	t->stats.no_flow++;
	tcp_reset_reply(t, k, p->nic_id, s, now_ms);
}

void tcp_input(struct tcp *t, const struct tcp_pkt *p, int64_t now_ms)
{
	struct tcp_seg s;
	struct tcp_key k = {{p->src, 0}, {p->dst, 0}};
	struct tcp_flow *f;

	t->stats.segs_in++;
	if (tcp_seg_parse(&s, p->head, p->head_len, p->l4_len) || !s.sport ||
	    !s.dport) {
		t->stats.bad++;
		return;
	}
	k.guest.port = s.sport;
	k.outside.port = s.dport;
	f = tcp_find(t, &k);
	if (f && syn_replaces(f, &s, p->nic_id)) {
		tcp_flow_end(f, true);
		f = NULL;
	}
	if (!f)
		no_flow(t, p, &s, &k, now_ms);
	else if (f->nic->id != p->nic_id)
		t->stats.wrong_nic++;
	else
		tcp_flow_input(f, p, &s, now_ms);
}

/* ---- ends ---------------------------------------------------------------- */

void tcp_nic_gone(struct tcp *t, uint64_t nic_id)
{
	struct flow_nic *nic = flow_nic_find(t->env.flows, nic_id);
	struct tcp_flow *f;

	while (nic && (f = list_first(&nic->tcp, struct tcp_flow, nic_node))) {
		f->guest_gone = true;
		tcp_flow_end(f, true);
	}
}

static const char *state_name(const struct tcp_flow *f)
{
	switch (f->state) {
	case TCP_ST_CONNECTING:
		return "connecting";
	case TCP_ST_SYN_SENT:
		return "syn_sent";
	case TCP_ST_SYN_RCVD:
		return "syn_received";
	case TCP_ST_TIME_WAIT:
		return "time_wait";
	case TCP_ST_OPEN:
		break;
	}
	if (f->eof && f->fin_rcvd)
		return f->fin_first ? "last_ack" : "closing";
	if (f->eof)
		return tcp_fin_acked(f) ? "fin_wait_2" : "fin_wait_1";
	return f->fin_rcvd ? "close_wait" : "established";
}

void tcp_flow_info(const struct tcp_flow *f, struct tcp_flow_info *out)
{
	*out = (struct tcp_flow_info){
		.id = f->id,
		.nic_id = f->nic->id,
		.forward_id = f->forward_id,
		.guest = f->key.guest,
		.outside = f->key.outside,
		.host = f->host,
		.state = state_name(f),
		.bytes_out = f->bytes_out,
		.packets_out = f->packets_out,
		.packets_in = f->packets_in,
		.bytes_in = f->bytes_in,
		.born_ms = f->born_ms,
		.used_ms = f->used_ms,
	};
}

struct end_arg {
	bool (*match)(void *arg, const struct tcp_flow_info *i);
	void *arg;
	int64_t now_ms;
};

static bool end_if_match(struct hnode *n, void *arg)
{
	struct tcp_flow *f = container_of(n, struct tcp_flow, node);
	struct end_arg *e = arg;
	struct tcp_flow_info info;

	tcp_flow_info(f, &info);
	if (e->match(e->arg, &info))
		tcp_flow_abort(f, e->now_ms);
	return true;
}

void tcp_end_matching(struct tcp *t,
		      bool (*match)(void *arg, const struct tcp_flow_info *i),
		      void *arg, int64_t now_ms)
{
	struct end_arg e = {match, arg, now_ms};

	htab_walk(&t->flows, end_if_match, &e);
}

static bool of_forward(void *arg, const struct tcp_flow_info *i)
{
	return i->forward_id == *(const uint64_t *)arg;
}

void tcp_forward_gone(struct tcp *t, uint64_t forward_id, int64_t now_ms)
{
	if (forward_id)
		tcp_end_matching(t, of_forward, &forward_id, now_ms);
}

struct gone_arg {
	const struct ipaddr *ip;
	size_t n;
	int64_t now_ms;
};

static bool end_if_gone(struct hnode *n, void *arg)
{
	struct tcp_flow *f = container_of(n, struct tcp_flow, node);
	struct gone_arg *g = arg;
	struct endpoint ours;

	if (!f->sock || !f->ops->local(f->sock, &ours))
		return true;
	for (size_t i = 0; i < g->n; i++)
		if (ipaddr_eq(&g->ip[i], &ours.ip)) {
			tcp_flow_abort(f, g->now_ms);
			break;
		}
	return true;
}

void tcp_address_gone(struct tcp *t, const struct ipaddr *ip, size_t n,
		      int64_t now_ms)
{
	struct gone_arg g = {ip, n, now_ms};

	htab_walk(&t->flows, end_if_gone, &g);
}

/* ---- looking in ---------------------------------------------------------- */

void tcp_stats(const struct tcp *t, struct tcp_stats *out)
{
	*out = t->stats;
}

void tcp_walk(struct tcp *t, uint64_t after,
	      bool (*fn)(void *arg, const struct tcp_flow_info *i), void *arg)
{
	list_for_each(f, &t->shown, struct tcp_flow, shown) {
		struct tcp_flow_info info;
		struct endpoint ours;

		if (f->id <= after)
			continue;
		tcp_flow_info(f, &info);
		if (f->sock && f->ops->local(f->sock, &ours))
			info.host_port = ours.port;
		if (!fn(arg, &info))
			return;
	}
}
