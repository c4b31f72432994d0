// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How connections of the user-mode TCP begin. A guest's SYN waits until the host's
 * connect() has ended, so that the guest sees what the host saw: a refusal, an
 * unreachable network, or nothing. A forward's client leads to a SYN to the guest.
 */
#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "nat/tcp_int.h"

/* Ports that a forward's client is shown with when its own is taken (RFC 6335). */
#define EPHEMERAL_FIRST 49152
#define EPHEMERAL_COUNT 16384
#define EPHEMERAL_TRIES 32

/* ---- refusals ------------------------------------------------------------ */

static void send_unreach(struct tcp *t, const struct tcp_key *k,
			 uint64_t nic_id, uint32_t seq,
			 enum tcp_unreach_why why, const struct tcp_icmp *icmp,
			 int64_t now_ms)
{
	struct tcp_unreach u = {.src = k->guest.ip, .dst = k->outside.ip,
				.nic_id = nic_id, .why = why, .icmp = icmp};
	struct tcp_seg s = {
		.sport = k->guest.port,
		.dport = k->outside.port,
		.seq = seq,
		.flags = TCP_SYN,
		.wscale = TCP_WSCALE_NONE,
	};
	uint8_t hdr[TCP_HDR_MAX];

	(void)tcp_seg_build(hdr, &s);
	memcpy(u.l4, hdr, TCP_HDR);
	t->env.unreach(t->env.arg, &u, now_ms);
}

static bool is_shortage(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM ||
	       err == -ENOBUFS || err == -EADDRNOTAVAIL || err == -EAGAIN;
}

/* Tell the guest why its SYN @seq leads nowhere. */
static void refuse(struct tcp *t, const struct tcp_key *k, uint64_t nic_id,
		   uint32_t seq, int err, int64_t now_ms)
{
	struct tcp_seg syn = {.seq = seq, .flags = TCP_SYN};

	if (is_shortage(err)) {
		t->stats.no_descriptor++;
		flow_refused(t->env.flows, nic_id);
	} else {
		t->stats.refused++;
	}
	switch (err) {
	case -ENETUNREACH:
		send_unreach(t, k, nic_id, seq, TCP_UNREACH_NET, NULL,
			     now_ms);
		break;
	case -EHOSTUNREACH:
		send_unreach(t, k, nic_id, seq, TCP_UNREACH_HOST, NULL,
			     now_ms);
		break;
	case -EACCES:
	case -EPERM:
		send_unreach(t, k, nic_id, seq, TCP_UNREACH_ADMIN, NULL,
			     now_ms);
		break;
	default: /* refused, timed out, no socket to be had */
		tcp_reset_reply(t, k, nic_id, &syn, now_ms);
		break;
	}
}

/* ---- opened by the guest ------------------------------------------------- */

/* Where does this SYN lead? When nowhere, the guest is told. */
static enum tcp_verdict judge(struct tcp *t, const struct tcp_pkt *p,
			      const struct tcp_seg *s, const struct tcp_key *k,
			      struct endpoint *to, int64_t now_ms)
{
	enum tcp_verdict v;

	*to = k->outside;
	v = t->env.route(t->env.arg, p, to);
	switch (v) {
	case TCP_CONNECT:
	case TCP_SERVE:
		return v;
	case TCP_RESET:
		tcp_reset_reply(t, k, p->nic_id, s, now_ms);
		break;
	case TCP_PROHIBITED:
		send_unreach(t, k, p->nic_id, s->seq, TCP_UNREACH_ADMIN, NULL,
			     now_ms);
		break;
	case TCP_DROP:
		break;
	}
	t->stats.denied++;
	return v;
}

/* Whatever the guest says, segments fit its MTU and are worth sending. Options count
 * as payload (RFC 9293 3.7.1). */
void tcp_set_mss(struct tcp_flow *f, uint16_t mss)
{
	uint16_t most = tcp_mss_max(f), ts = f->ts ? TCP_TS_LEN : 0;
	/* What the MTU leaves less a segment is what 64 KiB leave less a frame. */
	uint32_t all = most + (65535u - f->t->cfg.mtu) - ts;

	if (mss > most)
		mss = most;
	mss = (uint16_t)(mss - (mss > ts ? ts : 0));
	if (mss < TCP_MSS_MIN)
		mss = TCP_MSS_MIN;
	f->mss = mss;
	f->seg_max = (uint16_t)(all - all % mss);
}

static void take_ts(struct tcp_flow *f, const struct tcp_seg *s)
{
	f->ts = s->ts;
	f->ts_recent = s->tsval;
	if (f->ts && f->state == TCP_ST_CONNECTING)
		tcp_ts_init(f);
	if (!f->ts && f->tries)
		f->timing = false; /* which of our SYNs does it answer? */
}

void tcp_take_syn(struct tcp_flow *f, const struct tcp_seg *s)
{
	f->irs = s->seq;
	f->rcv_nxt = f->rcv_edge = f->rcv_told = s->seq + 1;
	f->wnd_due = true;
	take_ts(f, s);
	f->sack_ok = s->sack_ok;
	tcp_set_mss(f, s->mss				      ? s->mss
		       : ipaddr_is4(&f->key.guest.ip) ? TCP_MSS_DEFAULT
						      : TCP_MSS_DEFAULT6);
	f->snd_wscale = f->rcv_wscale = 0;
	if (s->wscale != TCP_WSCALE_NONE) {
		f->snd_wscale = s->wscale;
		f->rcv_wscale = TCP_WSCALE;
	}
	f->snd_wnd = f->max_wnd = s->wnd; /* unscaled in a SYN */
	f->snd_wl1 = s->seq;
	f->snd_wl2 = s->flags & TCP_ACK ? s->ack : f->iss;
}

/* A flow that may have a descriptor, if it @needs one. NULL: counted, and the guest
 * was told, unless it had better ask again. */
static struct tcp_flow *flow_for_call(struct tcp *t, const struct tcp_key *k,
				      const struct tcp_pkt *p,
				      const struct tcp_seg *s, bool needs,
				      int64_t now_ms)
{
	struct flow_nic *nic = flow_nic_get(t->env.flows, p->nic_id);
	struct tcp_flow *f = NULL;
	bool counted = false;

	if (nic && !tcp_room_for_call(t, nic, now_ms))
		return NULL; /* silently: its SYN comes again */
	if (nic && needs) {
		counted = flow_tcp_take(t->env.flows, nic, false, now_ms);
		t->stats.limited += !counted;
	}
	if (nic && counted == needs)
		f = tcp_flow_new(t, k, nic, now_ms);
	if (f)
		f->counted = counted;
	else if (counted)
		flow_tcp_put(t->env.flows, nic);
	if (!f)
		tcp_reset_reply(t, k, p->nic_id, s, now_ms);
	return f;
}

void tcp_open(struct tcp *t, const struct tcp_pkt *p, const struct tcp_seg *s,
	      const struct tcp_key *k, int64_t now_ms)
{
	struct tcp_call call = {.guest = k->guest, .ttl = p->ttl};
	enum tcp_verdict v = judge(t, p, s, k, &call.to, now_ms);
	void *arg = t->env.host_arg;
	struct tcp_flow *f;
	int err;

	if (v != TCP_CONNECT && v != TCP_SERVE)
		return;
	f = flow_for_call(t, k, p, s, v == TCP_CONNECT, now_ms);
	if (!f)
		return;
	f->host = call.to;
	f->packets_out = 1;
	tcp_take_syn(f, s);
	if (v == TCP_SERVE) {
		f->ops = t->env.service;
		arg = t->env.service_arg;
	}
	err = f->ops->connect(arg, f, &call, &f->sock);
	if (err) {
		f->sock = NULL;
		tcp_flow_end(f, true);
		refuse(t, k, p->nic_id, s->seq, err, now_ms);
		return;
	}
	t->stats.opened++;
	tcp_arm_idle(f, now_ms);
}

/* What the way said about it, if that can be told to the guest. */
static bool is_told(const struct tcp_flow *f, struct tcp_icmp *icmp)
{
	if (!f->ops->why || !f->ops->why(f->sock, icmp))
		return false;
	/* The destination speaks under the address that the guest knows. */
	if (ipaddr_eq(&icmp->from, &f->host.ip))
		icmp->from = f->key.outside.ip;
	return ipaddr_is4(&icmp->from) == ipaddr_is4(&f->key.guest.ip);
}

static void connect_failed(struct tcp_flow *f, int err, int64_t now_ms)
{
	struct tcp *t = f->t;
	struct tcp_key k = f->key;
	uint64_t nic_id = f->nic->id;
	uint32_t seq = f->irs;
	struct tcp_icmp icmp;
	bool told = is_told(f, &icmp);

	tcp_flow_end(f, true);
	if (!told) {
		refuse(t, &k, nic_id, seq, err, now_ms);
		return;
	}
	t->stats.refused++;
	send_unreach(t, &k, nic_id, seq, TCP_UNREACH_HOST, &icmp, now_ms);
}

void tcp_host_connected(struct tcp_flow *f, int err, int64_t now_ms)
{
	if (f->state != TCP_ST_CONNECTING)
		return;
	if (err) {
		connect_failed(f, err, now_ms);
		return;
	}
	tcp_set_state(f, TCP_ST_SYN_RCVD);
	tcp_touch(f, now_ms);
	f->syn_due = true;
	tcp_arm_idle(f, now_ms);
	tcp_queue(f);
}

/* ---- opened by a forward's client ---------------------------------------- */

static bool pick_port(struct tcp *t, struct tcp_key *k, bool any_port,
		      int64_t now_ms)
{
	uint32_t first = (uint32_t)now_ms + k->outside.port;

	if (!tcp_find(t, k))
		return true;
	for (uint32_t i = 0; any_port && i < EPHEMERAL_TRIES; i++) {
		k->outside.port =
			(uint16_t)(EPHEMERAL_FIRST +
				   (first + i * 61) % EPHEMERAL_COUNT);
		if (!tcp_find(t, k))
			return true;
	}
	return false;
}

int tcp_accept(struct tcp *t, const struct tcp_accept *a, int64_t now_ms)
{
	struct flow_nic *nic = flow_nic_get(t->env.flows, a->nic_id);
	struct tcp_key k = {a->guest, a->shown};
	uint64_t limited = t->stats.limited;
	struct tcp_flow *f;

	if (!nic)
		return -ENOMEM;
	if (!tcp_room_for_client(t, nic))
		return -ENOSPC;
	if (!pick_port(t, &k, a->any_port, now_ms))
		return -EEXIST;
	if (!flow_tcp_take(t->env.flows, nic, true, now_ms)) {
		t->stats.limited++;
		return -ENOSPC;
	}
	f = tcp_flow_new(t, &k, nic, now_ms);
	if (!f) {
		flow_tcp_put(t->env.flows, nic);
		return t->stats.limited != limited ? -ENOSPC : -ENOMEM;
	}
	f->counted = true;
	t->stats.accepted++;
	f->sock = a->sock;
	f->forward_id = a->forward_id;
	f->rcv_wscale = TCP_WSCALE; /* offered; kept if the guest has it too … */
	f->ts = f->sack_ok = true; /* … as these */
	tcp_ts_init(f);
	f->wnd_due = true;
	f->syn_due = true;
	tcp_set_state(f, TCP_ST_SYN_SENT);
	f->ops->attach(f->sock, f);
	tcp_arm_idle(f, now_ms);
	tcp_queue(f);
	return 0;
}

/* ---- both ---------------------------------------------------------------- */

void tcp_established(struct tcp_flow *f, const struct tcp_seg *s,
		     int64_t now_ms)
{
	wtimer_cancel(f->t->env.wheel, &f->rtx);
	f->snd_una = f->iss + 1;
	f->rto_ms = TCP_RTO_INIT_MS;
	tcp_cc_acked(f, s, 0, now_ms);
	if (!(s->flags & TCP_SYN)) {
		f->snd_wnd = (uint32_t)s->wnd << f->snd_wscale;
		f->snd_wl1 = s->seq;
		f->snd_wl2 = s->ack;
		if (f->snd_wnd > f->max_wnd)
			f->max_wnd = f->snd_wnd;
	}
	f->t->stats.established++;
	tcp_set_state(f, TCP_ST_OPEN);
	f->syn_due = false;
	tcp_touch(f, now_ms);
	tcp_arm_idle(f, now_ms);
	tcp_queue(f);
}
