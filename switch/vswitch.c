// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The switch. See vswitch.h.
 *
 * A batch goes through in two passes. First every frame is judged and put on the
 * txq of its destination ports; then each of these ports gets its frames in one
 * tx, after software has done what the port cannot take over. At last the ports
 * that want it are flushed, where a gateway answers with nested input; that input
 * runs both passes at once, but only the outermost call flushes.
 *
 * The table is in fdb.c, segmentation in offload.c, what the host may send in guard.c,
 * what guests may in pin.c and rogue.c.
 */
#include "switch/vswitch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "switch/fdb.h"
#include "switch/guard.h"
#include "switch/hdrs.h"
#include "switch/offload.h"
#include "switch/sender.h"

struct vswitch {
	uint16_t mtu;
	uint32_t age_s;
	struct list ports;
	struct port *by_id[VSWITCH_PORTS_MAX];
	uint16_t next_id; /* where the search for a free id starts */
	struct fdb *fdb;
	int64_t now_ms;
	struct port *ingress; /* whose frames are being delivered */
	uint16_t spoke;	      /* id of the port whose frames came last */
	uint32_t turns;	      /* how often that was another one than before */
	vswitch_seen_fn seen;
	void *seen_arg;
	unsigned int forbidden; /* enum rogue_kind, of guests */
	vswitch_rogue_fn rogue;
	void *rogue_arg;
	struct pin_set pins;
	struct pin nopin; /* of ports without one */
	vswitch_guard_fn guard;
	void *guard_arg;
	vswitch_room_fn room;
	void *room_arg;
	unsigned int nroom; /* ports whose room may be less than any */
	uint64_t room_nic;  /* asked for last, … */
	struct port *room_port; /* … and its port; NULL: none such */
	struct port *active[VSWITCH_PORTS_MAX]; /* have frames on txq */
	unsigned int nactive;
	struct port *due[VSWITCH_PORTS_MAX]; /* flush is due */
	unsigned int ndue;
	bool flushing;
	bool in_tx;
	void *rx_area;
	/* Frames made by segmentation, until the tx that takes them. */
	struct segmenter seg;
	struct frame piece[FRAME_BATCH];
	uint8_t piece_hdr[FRAME_BATCH][OFFLOAD_HDR_MAX];
};

/* A frame's addresses as numbers, its VLAN id above them; 0 = nothing. */
struct way {
	uint64_t src, dst;
};

/* What was found for the frame before: neighbours in a batch are often alike. And what
 * is to be known of all of a batch. */
struct hot {
	uint64_t begin, end; /* its bytes 0 to 7 and 6 to 13; see is_alike() */
	struct hdrs h;
	struct way way;
	bool known;	   /* both are learned and looked up: note and to are theirs */
	uint64_t src, dst; /* what note and to are of; 0 = nothing yet */
	struct fdb_note *note; /* may be NULL */
	struct port *to;       /* NULL: to all */
	unsigned int asks;     /* enum ask, of their port */
	uint64_t bytes;
	bool needs; /* one of them has something left undone */
};

/* What is to be asked of each frame that comes in on a port. */
enum ask {
	ASK_SOURCE = 1 << 0, /* is it from the host's own address? */
	ASK_PIN = 1 << 1,    /* … from whom it says, and within the NIC's rate? */
	ASK_SENDER = 1 << 2, /* does it tell an address of its sender? */
	ASK_ROGUE = 1 << 3,  /* is it a server's or a router's? */
};

const char *drop_reason_name(enum drop_reason r)
{
	static const char *const names[] = {
		[DROP_SHORT] = "short",
		[DROP_LONG] = "long",
		[DROP_LINK] = "link",
		[DROP_BAD_SRC] = "bad_src",
		[DROP_GUARD] = "guard",
		[DROP_RESERVED] = "reserved",
		[DROP_SAME_PORT] = "same_port",
		[DROP_OFFLOAD] = "offload",
		[DROP_FULL] = "full",
		[DROP_ERROR] = "error",
		[DROP_NO_PEER] = "no_peer",
		[DROP_PROTO] = "proto",
		[DROP_POLICY] = "policy",
		[DROP_LIMIT] = "limit",
		[DROP_ROGUE] = "rogue",
		[DROP_ISOLATED] = "isolated",
		[DROP_STORM] = "storm",
		[DROP_RATE] = "rate",
	};

	static_assert(ARRAY_LEN(names) == DROP_REASONS, "a name is missing");
	return (unsigned int)r < DROP_REASONS ? names[r] : "unknown";
}

/* ---- life ---------------------------------------------------------------- */

struct vswitch *vswitch_new(const struct vswitch_config *cfg)
{
	uint16_t mtu = cfg->mtu ? cfg->mtu : 1500;
	struct vswitch *sw;

	if (mtu < VSWITCH_MTU_MIN || mtu > VSWITCH_MTU_MAX)
		return NULL;
	sw = calloc(1, sizeof(*sw));
	if (!sw)
		return NULL;
	list_init(&sw->ports);
	pin_set_init(&sw->pins);
	sw->mtu = mtu;
	sw->age_s = cfg->age_s ? cfg->age_s : 300;
	sw->fdb = fdb_new(cfg->fdb_max ? cfg->fdb_max : VSWITCH_FDB_MAX,
			  VSWITCH_PORTS_MAX, sw->age_s, cfg->seed);
	sw->rx_area = malloc(VSWITCH_RX_AREA);
	if (!sw->fdb || !sw->rx_area) {
		vswitch_free(sw);
		return NULL;
	}
	return sw;
}

void vswitch_free(struct vswitch *sw)
{
	struct port *p;

	if (!sw)
		return;
	while ((p = list_first(&sw->ports, struct port, node)))
		vswitch_port_del(p);
	fdb_free(sw->fdb);
	free(sw->rx_area);
	free(sw);
}

static void note_look(struct port *p)
{
	p->look = (uint8_t)(p->pin->flags | (p->src_ip4 ? PIN_HOST : 0));
}

void vswitch_pin_changed(struct vswitch *sw, const struct pin *pin)
{
	list_for_each(p, &sw->ports, struct port, node)
		if (p->pin == pin)
			note_look(p);
}

int vswitch_port_add(struct vswitch *sw, struct port *p)
{
	for (unsigned int i = 0; i < VSWITCH_PORTS_MAX; i++) {
		uint16_t id = (uint16_t)((sw->next_id + i) % VSWITCH_PORTS_MAX);

		if (sw->by_id[id])
			continue;
		sw->by_id[id] = p;
		sw->next_id = (uint16_t)((id + 1) % VSWITCH_PORTS_MAX);
		p->id = id;
		p->sw = sw;
		p->link_up = true;
		p->ntx = 0;
		p->touched = p->lags = false;
		p->slow_bytes = 0;
		sw->nroom += p->ops->room != NULL;
		sw->room_nic = 0;
		p->seen_since_ms = 0;
		p->seen_used = 0;
		p->rogue_told = 0;
		if (!p->pin)
			p->pin = &sw->nopin;
		note_look(p);
		p->stats = (struct port_stats){0};
		list_add_tail(&sw->ports, &p->node);
		return 0;
	}
	return -ENOSPC;
}

void vswitch_port_del(struct port *p)
{
	struct vswitch *sw = p->sw;

	assert(!sw->in_tx);
	list_del(&p->node);
	sw->nroom -= p->ops->room != NULL;
	sw->room_nic = 0;
	sw->by_id[p->id] = NULL;
	fdb_forget_port(sw->fdb, p->id, true);
	for (unsigned int i = 0; i < sw->ndue; i++) {
		if (sw->due[i] == p)
			sw->due[i--] = sw->due[--sw->ndue];
	}
	if (sw->ingress == p)
		sw->ingress = NULL;
	p->sw = NULL;
	p->ops->close(p);
}

void vswitch_port_link(struct port *p, bool up)
{
	if (p->link_up == up)
		return;
	p->link_up = up;
	if (!up)
		fdb_forget_port(p->sw->fdb, p->id, false);
	if (p->ops->link)
		p->ops->link(p, up);
}

int vswitch_fdb_static(struct vswitch *sw, const struct mac *mac,
		       struct port *p)
{
	return fdb_static(sw->fdb, mac, 0, p->id);
}

struct port *vswitch_fdb_find(const struct vswitch *sw, const struct mac *mac,
			      uint16_t vid)
{
	int id = fdb_lookup(sw->fdb, mac, vid, sw->now_ms / 1000);

	return id == FDB_NONE ? NULL : sw->by_id[id];
}

/* ---- pass 1: judge, learn, string on the destinations -------------------- */

/* May it go to @p, which is isolated, has a rate or is the host's? Or @in is isolated. */
static bool is_let_in(struct vswitch *sw, struct port *in, struct port *p,
		      const struct frame *f)
{
	if ((in->look | p->look) & PIN_ISOLATED && in->role == PORT_GUEST &&
	    p->role == PORT_GUEST) {
		if (!(frame_hdr(f)[0] & 1))
			port_drop(in, DROP_ISOLATED, 1);
		return false;
	}
	if (p->src_ip4 && !guard_dst(f, &p->src_ip6)) {
		port_drop(p, DROP_GUARD, 1);
		return false;
	}
	if (p->look & PIN_RATE_IN &&
	    !limit_take(&p->pin->in, f->len, sw->now_ms)) {
		port_drop(p, DROP_RATE, 1);
		return false;
	}
	return true;
}

/* @look: of @in */
static inline void push(struct vswitch *sw, struct port *in, unsigned int look,
			struct port *p, const struct frame *f)
{
	if ((look | p->look) & PIN_DOOR && !is_let_in(sw, in, p, f))
		return;
	if (p->ntx == 0)
		sw->active[sw->nactive++] = p;
	p->txq[p->ntx++] = f;
}

#define GROUP_BIT (UINT64_C(1) << 40)
#define ADDRESS	  ((UINT64_C(1) << 48) - 1)

static uint64_t key_at(const uint8_t *mac, uint16_t vid)
{
	return (uint64_t)vid << 48 | (uint64_t)get_be16(mac) << 32 |
	       get_be32(mac + 2);
}

/* 01:80:c2:00:00:00 … 0f, never forwarded by a bridge (802.1Q-2018 8.6.3). */
static bool is_reserved(uint64_t dst)
{
	return (dst & ADDRESS & ~UINT64_C(0xf)) == UINT64_C(0x0180c2000000);
}

static struct mac mac_at(const uint8_t *p)
{
	struct mac m;

	memcpy(m.b, p, 6);
	return m;
}

static uint64_t word_at(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* Two bytes are in both words, so that these are no frame's. */
static inline void forget(struct hot *hot)
{
	hot->begin = 0;
	hot->end = UINT64_MAX;
}

/* Nothing is known yet; what is not set here is not looked at until then. */
static inline void hot_init(struct hot *hot, unsigned int asks)
{
	forget(hot);
	hot->known = hot->needs = false;
	hot->src = hot->dst = 0;
	hot->note = NULL;
	hot->to = NULL;
	hot->asks = asks;
	hot->bytes = 0;
}

/* Has it the Ethernet header of the frame before, and that no tag? Then what follows from
 * these 14 bytes alone is as it was. */
static inline bool is_alike(const struct hot *hot, const struct frame *f)
{
	const uint8_t *p = frame_hdr(f);

	return frame_hdr_len(f) >= ETH_HDR_LEN && word_at(p) == hot->begin &&
	       word_at(p + 6) == hot->end;
}

/* From whom to whom, and where its headers are; false: that goes nowhere. */
static bool identify(const struct port *in, const struct frame *f,
		     struct hot *hot, enum drop_reason *why)
{
	const uint8_t *p = frame_hdr(f);
	struct hdrs *h = &hot->h;

	forget(hot);
	hot->known = false;
	*why = DROP_LINK;
	if (!in->link_up)
		return false;
	*why = DROP_SHORT;
	if (!hdrs_l2(p, frame_hdr_len(f), h))
		return false;
	*why = DROP_RESERVED;
	hot->way.dst = key_at(p, h->vid);
	if (is_reserved(hot->way.dst))
		return false;
	*why = DROP_BAD_SRC;
	hot->way.src = key_at(p + 6, h->vid);
	if (hot->way.src & GROUP_BIT || !(hot->way.src & ADDRESS))
		return false;
	if (h->l3 == ETH_HDR_LEN) { /* no tag */
		hot->begin = word_at(p);
		hot->end = word_at(p + 6);
	}
	return true;
}

static inline bool admit(const struct vswitch *sw, const struct port *in,
			 const struct frame *f, struct hot *hot,
			 enum drop_reason *why)
{
	const struct hdrs *h = &hot->h;

	if (!is_alike(hot, f) && !identify(in, f, hot, why))
		return false;
	*why = DROP_LONG;
	if (f->len > FRAME_MAX)
		return false;
	if (offload_none(&f->off)) {
		if (f->len > sw->mtu + (size_t)h->l3)
			return false;
	} else {
		hot->needs = true;
		if (!offload_check(f, h, sw->mtu, why))
			return false;
	}
	*why = DROP_GUARD;
	return !(hot->asks & ASK_SOURCE) ||
	       guard_src(f, h, in->src_ip4, &in->src_ip6);
}

static bool seen_budget(struct port *in, int64_t now_ms)
{
	if (now_ms - in->seen_since_ms >= 1000) {
		in->seen_since_ms = now_ms;
		in->seen_used = 0;
	}
	if (in->seen_used >= VSWITCH_SEEN_MAX)
		return false;
	in->seen_used++;
	return true;
}

/* A word that stands for an IPv6 address in the table's small notes; never 0. */
static uint32_t mark_of(const struct ipaddr *ip)
{
	uint32_t m = 0;

	for (int i = 0; i < 16; i += 4)
		m = m * 0x01000193 + get_be32(ip->b + i);
	return m ? m : 1;
}

static bool noted(const struct fdb_note *note, const struct ipaddr *ip)
{
	uint32_t mark;

	if (ipaddr_is4(ip))
		return note->ip4 == ipaddr_get4(ip);
	mark = mark_of(ip);
	for (int i = 0; i < FDB_NOTE_IP6; i++)
		if (note->ip6[i] == mark)
			return true;
	return false;
}

static void take_note(struct fdb_note *note, const struct ipaddr *ip)
{
	if (ipaddr_is4(ip)) {
		note->ip4 = ipaddr_get4(ip);
		return;
	}
	note->ip6[note->next_ip6] = mark_of(ip);
	note->next_ip6 = (uint8_t)((note->next_ip6 + 1) % FDB_NOTE_IP6);
}

/* Can it say anything new? A guest that routes for others has many sources: ARP and
 * neighbour discovery have the say. */
static inline bool may_tell(const struct frame *f, const struct hdrs *h,
			    const struct fdb_note *note)
{
	if (h->type == ETH_P_IP4)
		return !note->ip4;
	return h->type != ETH_P_IP6 || !note->ip6[0] || sender_is_nd(f, h);
}

NOINLINE static void note_sender(struct vswitch *sw, struct port *in,
				 const struct frame *f, const struct hdrs *h,
				 struct fdb_note *note)
{
	enum sender_kind kind;
	struct ipaddr ip;
	struct mac src;

	kind = sender_ip(f, h, &ip);
	if (kind == SENDER_NONE ||
	    (kind == SENDER_DATA && in->role != PORT_GUEST))
		return;
	if (noted(note, &ip) || !seen_budget(in, sw->now_ms))
		return;
	take_note(note, &ip);
	src = mac_at(frame_hdr(f) + 6);
	sw->seen(sw->seen_arg, in, &src, &ip);
}

/* Of several kinds that a frame may be one is told. */
static void tell_rogue(struct vswitch *sw, struct port *in,
		       const struct frame *f, unsigned int kinds)
{
	struct mac src = mac_at(frame_hdr(f) + 6);
	unsigned int kind = kinds & -kinds;

	if (sw->now_ms - in->rogue_since_ms >= VSWITCH_ROGUE_MS)
		in->rogue_told = 0;
	if (!in->rogue_told)
		in->rogue_since_ms = sw->now_ms;
	if (!sw->rogue || in->rogue_told & kind)
		return;
	in->rogue_told = (uint8_t)(in->rogue_told | kind);
	sw->rogue(sw->rogue_arg, in, (enum rogue_kind)kind, &src);
}

static bool is_rogue(struct vswitch *sw, struct port *in, const struct frame *f,
		     const struct hdrs *h, unsigned int look)
{
	unsigned int kind;

	if (!rogue_maybe(f, h))
		return false;
	kind = rogue_kind(f, h);
	if (!(look & PIN_CLIENT))
		kind &= sw->forbidden;
	if (kind)
		tell_rogue(sw, in, f, kind);
	return kind;
}

static void tell_guard(struct vswitch *sw, struct port *in,
		       const struct frame *f, enum pin_fault fault)
{
	struct mac src = mac_at(frame_hdr(f) + 6);

	if (pin_tell(in->pin, fault, sw->now_ms) && sw->guard)
		sw->guard(sw->guard_arg, in, fault, &src);
}

/* A guest's frame: is it from whom it says, and within the NIC's rate? */
static bool is_barred(struct vswitch *sw, struct port *in,
		      const struct frame *f, const struct hdrs *h)
{
	struct pin *pin = in->pin;
	enum pin_fault fault;

	if (pin_maybe(&sw->pins, pin, f, h)) {
		fault = pin_judge(&sw->pins, pin, f, h, sw->now_ms);
		if (fault != PIN_OK) {
			port_drop(in, DROP_GUARD, 1);
			tell_guard(sw, in, f, fault);
			return true;
		}
	}
	if (in->look & PIN_RATE_OUT &&
	    !limit_take(&pin->out, f->len, sw->now_ms)) {
		port_drop(in, DROP_RATE, 1);
		return true;
	}
	return false;
}

/* A joined frame is as many as it will be cut into. */
static uint64_t frames_of(const struct frame *f)
{
	return f->off.gso_type ? 1 + f->len / (f->off.gso_size + 1u) : 1;
}

static void flood(struct vswitch *sw, struct port *in, unsigned int look,
		  const struct frame *f)
{
	if (look & PIN_STORM &&
	    !limit_take(&in->pin->storm, frames_of(f), sw->now_ms)) {
		port_drop(in, DROP_STORM, 1);
		tell_guard(sw, in, f, PIN_F_STORM);
		return;
	}
	list_for_each(p, &sw->ports, struct port, node) {
		if (p != in && p->link_up)
			push(sw, in, look, p, f);
	}
}

/* false: the source address is not this port's to use. */
static bool learn(struct vswitch *sw, struct port *in, const struct frame *f,
		  struct hot *hot)
{
	struct mac src = mac_at(frame_hdr(f) + 6);

	hot->src = 0;
	if (fdb_learn(sw->fdb, &src, hot->h.vid, in->id, sw->now_ms / 1000,
		      &hot->note) == FDB_STATIC)
		return false;
	hot->src = hot->way.src;
	return true;
}

/* The same; and where does it go? */
static bool find_way(struct vswitch *sw, struct port *in, const struct frame *f,
		     struct hot *hot)
{
	struct mac dst = mac_at(frame_hdr(f));

	if (hot->way.src != hot->src && !learn(sw, in, f, hot))
		return false;
	if (hot->way.dst != hot->dst)
		hot->to = hot->way.dst & GROUP_BIT
				  ? NULL
				  : vswitch_fdb_find(sw, &dst, hot->h.vid);
	hot->dst = hot->way.dst;
	hot->known = true;
	return true;
}

/* To one that is known. */
static inline void forward(struct vswitch *sw, struct port *in,
			   unsigned int look, struct port *to,
			   const struct frame *f)
{
	if (to == in) {
		port_drop(in, DROP_SAME_PORT, 1);
		return;
	}
	if (!to->link_up) {
		port_drop(to, DROP_LINK, 1);
		return;
	}
	if (to->lags)
		in->slow_bytes += f->len;
	push(sw, in, look, to, f);
}

static unsigned int what_to_ask(const struct vswitch *sw, const struct port *in)
{
	bool guest = in->role == PORT_GUEST;
	unsigned int asks = 0;

	if (in->src_ip4)
		asks |= ASK_SOURCE;
	if (guest && (in->look | sw->pins.flags) & PIN_LOOK)
		asks |= ASK_PIN;
	if (sw->seen && in->role != PORT_GATEWAY)
		asks |= ASK_SENDER;
	if (guest && (sw->forbidden || in->look & PIN_CLIENT))
		asks |= ASK_ROGUE;
	return asks;
}

static inline void classify(struct vswitch *sw, struct port *in,
			    const struct frame *f, struct hot *hot)
{
	unsigned int look = in->look;
	const struct hdrs *h = &hot->h;
	enum drop_reason why;

	hot->bytes += f->len;
	if (!admit(sw, in, f, hot, &why)) {
		port_drop(in, why, 1);
		return;
	}
	if (hot->asks & ASK_PIN && is_barred(sw, in, f, h))
		return;
	if (!hot->known && !find_way(sw, in, f, hot)) {
		port_drop(in, DROP_GUARD, 1);
		return;
	}
	if (hot->asks & ASK_SENDER && hot->note && may_tell(f, h, hot->note))
		note_sender(sw, in, f, h, hot->note);
	if (hot->asks & ASK_ROGUE && is_rogue(sw, in, f, h, look)) {
		port_drop(in, DROP_ROGUE, 1);
		return;
	}
	if (hot->to)
		forward(sw, in, look, hot->to, f);
	else
		flood(sw, in, look, f);
}

/* ---- pass 2: deliver ----------------------------------------------------- */

static bool takes(const struct port *p, const struct frame *f)
{
	return offload_none(&f->off) ||
	       (offload_caps(&f->off) & ~p->caps) == 0;
}

/* Cut @f into the piece area, handing on full batches; *n frames are waiting in
 * @out, *used of them in the piece area. */
static void segment(struct vswitch *sw, struct port *p, const struct frame *f,
		    const struct frame **out, unsigned int *n,
		    unsigned int *used)
{
	bool any = false;

	if (segmenter_init(&sw->seg, f, p->caps)) {
		for (;;) {
			if (*n == FRAME_BATCH) {
				p->ops->tx(p, out, *n);
				*n = *used = 0;
			}
			if (!segmenter_next(&sw->seg, &sw->piece[*used],
					    sw->piece_hdr[*used]))
				break;
			out[(*n)++] = &sw->piece[(*used)++];
			any = true;
		}
	}
	if (!any)
		port_drop(p, DROP_OFFLOAD, 1);
}

/* tx of a batch in which some frames need work that the port cannot do. */
static void tx_software(struct vswitch *sw, struct port *p)
{
	const struct frame *out[FRAME_BATCH];
	unsigned int n = 0, used = 0;

	for (unsigned int i = 0; i < p->ntx; i++) {
		if (!takes(p, p->txq[i])) {
			segment(sw, p, p->txq[i], out, &n, &used);
			continue;
		}
		if (n == FRAME_BATCH) {
			p->ops->tx(p, out, n);
			n = used = 0;
		}
		out[n++] = p->txq[i];
	}
	if (n)
		p->ops->tx(p, out, n);
}

/* @needs: a frame of the batch has something left undone, maybe none of these. */
static void tx(struct vswitch *sw, struct port *p, bool needs)
{
	unsigned int i = needs ? 0 : p->ntx;

	while (i < p->ntx && takes(p, p->txq[i]))
		i++;
	if (i == p->ntx)
		p->ops->tx(p, p->txq, p->ntx);
	else
		tx_software(sw, p);
	p->ntx = 0;
	if (p->ops->flush && !p->touched) {
		p->touched = true;
		sw->due[sw->ndue++] = p;
	}
}

static void deliver(struct vswitch *sw, bool needs)
{
	sw->in_tx = true;
	for (unsigned int i = 0; i < sw->nactive; i++)
		tx(sw, sw->active[i], needs);
	sw->nactive = 0;
	sw->in_tx = false;
}

static void flush(struct vswitch *sw)
{
	if (sw->flushing)
		return;
	sw->flushing = true;
	for (int i = 0; i < VSWITCH_FLUSH_MAX && sw->ndue; i++) {
		struct port *p = sw->due[--sw->ndue];

		p->touched = false;
		p->ops->flush(p);
	}
	sw->flushing = false;
}

void vswitch_input(struct port *in, const struct frame *f, unsigned int n,
		   int64_t now_ms)
{
	struct vswitch *sw = in->sw;
	struct port *outer = sw->ingress;
	struct hot hot;

	assert(!sw->in_tx && n <= FRAME_BATCH);
	hot_init(&hot, what_to_ask(sw, in));
	sw->now_ms = now_ms;
	sw->ingress = in;
	sw->turns += in->id != sw->spoke;
	sw->spoke = in->id;
	for (unsigned int i = 0; i < n; i++)
		classify(sw, in, &f[i], &hot);
	in->stats.rx_frames += n;
	in->stats.rx_bytes += hot.bytes;
	deliver(sw, hot.needs);
	sw->ingress = outer;
	flush(sw);
}

/* ---- the rest ------------------------------------------------------------ */

int64_t vswitch_now(const struct vswitch *sw)
{
	return sw->now_ms;
}

uint32_t vswitch_turns(const struct vswitch *sw)
{
	return sw->turns;
}

struct port *vswitch_ingress(const struct vswitch *sw)
{
	return sw->ingress;
}

int64_t vswitch_tick(struct vswitch *sw, int64_t now_ms)
{
	/* An address learned after this cannot age before: */
	int64_t next = now_ms / 1000 + sw->age_s;
	int64_t aged;

	sw->now_ms = now_ms;
	aged = fdb_tick(sw->fdb, now_ms / 1000);
	flush(sw);
	if (sw->ndue)
		return now_ms;
	return (aged < next ? aged : next) * 1000;
}

void vswitch_on_seen(struct vswitch *sw, vswitch_seen_fn fn, void *arg)
{
	sw->seen = fn;
	sw->seen_arg = arg;
}

void vswitch_on_rogue(struct vswitch *sw, vswitch_rogue_fn fn, void *arg)
{
	sw->rogue = fn;
	sw->rogue_arg = arg;
}

void vswitch_on_guard(struct vswitch *sw, vswitch_guard_fn fn, void *arg)
{
	sw->guard = fn;
	sw->guard_arg = arg;
}

struct pin_set *vswitch_pins(struct vswitch *sw)
{
	return &sw->pins;
}

void vswitch_forbid(struct vswitch *sw, unsigned int kinds)
{
	sw->forbidden = kinds;
}

uint16_t vswitch_mtu(const struct vswitch *sw)
{
	return sw->mtu;
}

uint32_t vswitch_fdb_count(const struct port *p)
{
	return p->sw ? fdb_port_count(p->sw->fdb, p->id) : 0;
}

/* A NIC has one port of a kind that knows its room. */
static struct port *room_port(struct vswitch *sw, uint64_t nic_id)
{
	list_for_each(p, &sw->ports, struct port, node)
		if (p->nic_id == nic_id && p->ops->room)
			return p;
	return NULL;
}

static struct port *find_room_port(struct vswitch *sw, uint64_t nic_id)
{
	if (!sw->nroom || !nic_id)
		return NULL;
	if (sw->room_nic != nic_id) {
		sw->room_port = room_port(sw, nic_id);
		sw->room_nic = nic_id;
	}
	return sw->room_port;
}

size_t vswitch_room(struct vswitch *sw, uint64_t nic_id, uint32_t flow)
{
	struct port *p = find_room_port(sw, nic_id);

	return p ? p->ops->room(p, flow) : SIZE_MAX;
}

int vswitch_lend(struct vswitch *sw, uint64_t nic_id, uint32_t flow,
		 uint32_t caps, size_t *len, struct iovec *v, struct port **to)
{
	struct port *p = find_room_port(sw, nic_id);

	/* In software it would be read while its pieces are written there. */
	if (!p || !p->ops->lend || !p->link_up || (caps & ~p->caps))
		return 0;
	*to = p;
	return p->ops->lend(p, flow, len, v);
}

void vswitch_unlend(struct port *to)
{
	to->ops->unlend(to);
}

void vswitch_on_room(struct vswitch *sw, vswitch_room_fn fn, void *arg)
{
	sw->room = fn;
	sw->room_arg = arg;
}

void vswitch_room_again(struct vswitch *sw)
{
	if (sw->room)
		sw->room(sw->room_arg);
}

void *vswitch_rx_area(struct vswitch *sw)
{
	return sw->rx_area;
}

struct port *vswitch_port_next(struct vswitch *sw, struct port *after)
{
	struct list *next = after ? after->node.next : sw->ports.next;

	return next == &sw->ports ? NULL : list_entry(next, struct port, node);
}

struct walk {
	struct vswitch *sw;
	void (*fn)(void *arg, const struct mac *mac, struct port *p,
		   int64_t age_s);
	void *arg;
};

static void walk_one(void *arg, const struct fdb_info *e)
{
	const struct walk *w = arg;

	w->fn(w->arg, &e->mac, w->sw->by_id[e->port], e->age_s);
}

void vswitch_fdb_walk(struct vswitch *sw, int64_t now_ms,
		      void (*fn)(void *arg, const struct mac *mac,
				 struct port *p, int64_t age_s),
		      void *arg)
{
	struct walk w = {sw, fn, arg};

	fdb_walk(sw->fdb, now_ms / 1000, walk_one, &w);
}
