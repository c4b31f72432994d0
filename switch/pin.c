// SPDX-License-Identifier: GPL-2.0-or-later
/* Who may say what. See pin.h; what a frame says is pin_says.c. */
#include "switch/pin.h"

#include <assert.h>

#include "lib/compat.h"

#define IID_FROM_MAC 0xfffe /* the middle of it (RFC 4291, appendix A) */

const char *pin_fault_name(enum pin_fault f)
{
	switch (f) {
	case PIN_F_MAC:
		return "mac";
	case PIN_F_CLAIM:
		return "claim";
	case PIN_F_ADDRESS:
		return "address";
	case PIN_F_DHCP:
		return "dhcp";
	case PIN_F_GATEWAY:
		return "gateway";
	case PIN_F_OTHER:
		return "protocol";
	case PIN_F_STORM:
		return "storm";
	case PIN_OK:
		break;
	}
	return "none";
}

/* ---- what is known ------------------------------------------------------------ */

void pin_set_init(struct pin_set *s)
{
	*s = (struct pin_set){0};
	list_init(&s->pins);
}

static void forget_usual(struct pin *p)
{
	p->usual4 = 0;
	p->usual6 = ipaddr_any;
}

void pin_set_own(struct pin_set *s, const struct ipaddr *ip, size_t n)
{
	s->nown4 = s->nown6 = 0;
	s->alike4 = ~0u;
	for (size_t i = 0; i < n; i++) {
		if (ipaddr_is_any(&ip[i]))
			continue;
		if (!ipaddr_is4(&ip[i])) {
			if (s->nown6 < PIN_OWN6_MAX)
				s->own6[s->nown6++] = ip[i];
		} else if (s->nown4 < PIN_OWN4_MAX) {
			s->own4[s->nown4++] = ipaddr_get4(&ip[i]);
			s->alike4 &= ~(s->own4[0] ^ ipaddr_get4(&ip[i]));
		}
	}
	s->flags = s->nown4 | s->nown6 ? PIN_OWN : 0;
	list_for_each(p, &s->pins, struct pin, node)
		forget_usual(p);
}

void pin_add(struct pin_set *s, struct pin *p, const struct mac *mac)
{
	*p = (struct pin){.mac = *mac};
	list_add_tail(&s->pins, &p->node);
}

void pin_del(struct pin *p)
{
	if (p->node.next)
		list_del(&p->node);
	p->node.next = NULL;
}

void pin_level(struct pin *p, enum pin_level level)
{
	p->level = (uint8_t)level;
	p->flags = (uint8_t)(p->flags & ~(PIN_HELD | PIN_CLIENT));
	if (level != PIN_OFF)
		p->flags |= PIN_HELD;
	if (level == PIN_IP)
		p->flags |= PIN_CLIENT;
	forget_usual(p);
}

void pin_allow(struct pin *p, const struct pin_net *net, size_t n)
{
	p->nallow = (uint8_t)min_sz(n, PIN_ALLOW_MAX);
	p->hit = 0;
	forget_usual(p);
	if (p->nallow)
		memcpy(p->allow, net, p->nallow * sizeof(*net));
}

static void set_limit(struct pin *p, struct limit *l, enum pin_flag flag,
		      uint64_t rate, uint64_t burst)
{
	limit_set(l, rate, burst);
	p->flags = (uint8_t)(rate ? p->flags | flag : p->flags & ~flag);
}

/* A 20th of a second at once, or a few of the largest frames. */
static uint64_t burst_of(uint64_t rate)
{
	return rate / 20 > 4 * FRAME_MAX ? rate / 20 : 4 * (uint64_t)FRAME_MAX;
}

void pin_limits(struct pin *p, uint64_t storm, uint64_t out, uint64_t in)
{
	set_limit(p, &p->storm, PIN_STORM, storm, storm);
	set_limit(p, &p->out, PIN_RATE_OUT, out, burst_of(out));
	set_limit(p, &p->in, PIN_RATE_IN, in, burst_of(in));
}

/* ---- whose is it? --------------------------------------------------------------- */

static bool in_net(const struct ipaddr *ip, const struct pin_net *n)
{
	unsigned int whole = n->plen / 8u, bits = n->plen % 8u;

	if (ipaddr_is4(ip) != ipaddr_is4(&n->addr) ||
	    memcmp(ip->b, n->addr.b, whole))
		return false;
	return !bits || !((ip->b[whole] ^ n->addr.b[whole]) >> (8 - bits));
}

static bool is_allowed(struct pin *p, const struct ipaddr *ip)
{
	if (p->hit < p->nallow && in_net(ip, &p->allow[p->hit]))
		return true;
	for (uint8_t i = 0; i < p->nallow; i++) {
		if (!in_net(ip, &p->allow[i]))
			continue;
		p->hit = i;
		return true;
	}
	return false;
}

/* Its index; -1: none. */
static int find_bound(const struct pin *p, const struct ipaddr *ip)
{
	for (uint8_t i = 0; i < p->nbound; i++)
		if (ipaddr_eq(&p->bound[i].ip, ip))
			return i;
	return -1;
}

bool pin_has(const struct pin *p, const struct ipaddr *ip)
{
	for (uint8_t i = 0; i < p->nallow; i++)
		if (in_net(ip, &p->allow[i]))
			return true;
	return find_bound(p, ip) >= 0;
}

static bool is_own(const struct pin_set *s, const struct ipaddr *ip)
{
	if (ipaddr_is4(ip)) {
		for (uint8_t i = 0; i < s->nown4; i++)
			if (s->own4[i] == ipaddr_get4(ip))
				return true;
		return false;
	}
	for (uint8_t i = 0; i < s->nown6; i++)
		if (ipaddr_eq(&s->own6[i], ip))
			return true;
	return false;
}

/* The interface identifier that a MAC makes (RFC 4291, appendix A). */
static bool is_of_mac(const struct ipaddr *ip, const struct mac *m)
{
	const uint8_t *b = ip->b + 8;

	return get_be16(b + 3) == IID_FROM_MAC && b[0] == (m->b[0] ^ 2) &&
	       b[1] == m->b[1] && b[2] == m->b[2] && b[5] == m->b[3] &&
	       b[6] == m->b[4] && b[7] == m->b[5];
}

/* Prefixes that were given are for routers: who is behind them may share them. */
static bool is_anothers(struct pin_set *s, const struct pin *me,
			const struct ipaddr *ip)
{
	list_for_each(p, &s->pins, struct pin, node) {
		if (p == me)
			continue;
		if (is_of_mac(ip, &p->mac) || find_bound(p, ip) >= 0)
			return true;
		for (uint8_t i = 0; i < p->nallow; i++)
			if (p->allow[i].plen == 128 &&
			    ipaddr_eq(&p->allow[i].addr, ip))
				return true;
	}
	return false;
}

static bool is_bindable(const struct pin_set *s, const struct ipaddr *ip)
{
	return !ipaddr_is4(ip) && !ipaddr_is_multicast(ip) && !is_own(s, ip) &&
	       (ipaddr_is_linklocal(ip) ||
		(s->slaac.plen && ipaddr_in_net6(ip, &s->slaac)));
}

static void bind_to(struct pin *p, const struct ipaddr *ip, int64_t now_ms)
{
	struct pin_bound *b = p->bound;
	int used;

	if (p->nbound < PIN_BOUND_MAX) {
		b = &p->bound[p->nbound++];
	} else {
		used = find_bound(p, &p->usual6);
		if (used >= 0) /* nobody saw to that meanwhile */
			p->bound[used].used_s = now_ms / 1000;
		for (unsigned int i = 1; i < PIN_BOUND_MAX; i++)
			if (p->bound[i].used_s < b->used_s)
				b = &p->bound[i];
	}
	*b = (struct pin_bound){*ip, now_ms / 1000};
}

/* So that looking at everybody's addresses cannot be made to cost much. */
static bool may_bind(struct pin *p, int64_t now_ms)
{
	if (now_ms - p->binds_ms >= 1000) {
		p->binds_ms = now_ms;
		p->binds = 0;
	}
	if (p->binds == PIN_BINDS_MAX)
		return false;
	p->binds++;
	return true;
}

static bool is_mine(struct pin_set *s, struct pin *p, const struct ipaddr *ip,
		    int64_t now_ms)
{
	int at;

	if (is_allowed(p, ip))
		return true;
	at = find_bound(p, ip);
	if (at >= 0) {
		p->bound[at].used_s = now_ms / 1000;
		return true;
	}
	if (!is_bindable(s, ip) || !may_bind(p, now_ms) ||
	    is_anothers(s, p, ip))
		return false;
	bind_to(p, ip, now_ms);
	return true;
}

void pin_note(struct pin_set *s, struct pin *p, const struct ipaddr *ip,
	      int64_t now_ms)
{
	int at = find_bound(p, ip);

	if (at >= 0)
		p->bound[at].used_s = now_ms / 1000;
	else if (!ipaddr_is4(ip) && !is_own(s, ip) && !is_anothers(s, p, ip))
		bind_to(p, ip, now_ms);
}

/* ---- the judge -------------------------------------------------------------------- */

static enum pin_fault judge_own(const struct pin_set *s, const struct hdrs *h,
				const struct pin_says *say)
{
	if (h->vid || say->dad) /* nobody of ours is there; it only asks */
		return PIN_OK;
	for (unsigned int i = 0; i < say->nip; i++)
		if (is_own(s, &say->ip[i]))
			return PIN_F_GATEWAY;
	return PIN_OK;
}

/* IPv4's are in plain sight: in its first header, and in ARP. */
static bool may_hide_own(const struct pin_set *s, const struct hdrs *h,
			 const struct pin_says *say)
{
	return say->hidden && s->nown6 && !h->vid && h->type != ETH_P_IP4;
}

static enum pin_fault judge_ip(struct pin_set *s, struct pin *p,
			       const struct pin_says *say, int64_t now_ms)
{
	if (say->other)
		return PIN_F_OTHER;
	for (unsigned int i = 0; i < say->nip; i++)
		if (!is_mine(s, p, &say->ip[i], now_ms))
			return say->claim ? PIN_F_CLAIM : PIN_F_ADDRESS;
	return PIN_OK;
}

static enum pin_fault judge(struct pin_set *s, struct pin *p,
			    const struct frame *f, const struct hdrs *h,
			    struct pin_says *say, int64_t now_ms)
{
	enum pin_fault r;

	if (p->level != PIN_OFF && memcmp(frame_hdr(f) + 6, p->mac.b, 6))
		return PIN_F_MAC;
	pin_says(f, h, say);
	r = judge_own(s, h, say);
	if (r != PIN_OK)
		return r;
	if (p->level == PIN_OFF)
		return may_hide_own(s, h, say) ? PIN_F_OTHER : PIN_OK;
	for (unsigned int i = 0; i < say->nmac; i++)
		if (!mac_eq(&say->mac[i], &p->mac))
			return say->dhcp ? PIN_F_DHCP : PIN_F_CLAIM;
	if (say->hidden)
		return PIN_F_OTHER;
	return p->level == PIN_IP ? judge_ip(s, p, say, now_ms) : PIN_OK;
}

enum pin_fault pin_judge(struct pin_set *s, struct pin *p, const struct frame *f,
			 const struct hdrs *h, int64_t now_ms)
{
	struct pin_says say;
	enum pin_fault r = judge(s, p, f, h, &say, now_ms);

	/* In a VLAN the network's own addresses were not looked for. */
	if (r != PIN_OK || p->level == PIN_OFF || h->vid || say.claim || !say.nip)
		return r;
	if (h->type == ETH_P_IP4)
		p->usual4 = ipaddr_get4(&say.ip[0]);
	else if (h->type == ETH_P_IP6)
		p->usual6 = say.ip[0];
	return r;
}

bool pin_tell(struct pin *p, enum pin_fault fault, int64_t now_ms)
{
	if (now_ms - p->told_ms >= PIN_TOLD_MS)
		p->told = 0;
	if (!p->told)
		p->told_ms = now_ms;
	if (p->told & fault)
		return false;
	p->told = (uint8_t)(p->told | fault);
	return true;
}
