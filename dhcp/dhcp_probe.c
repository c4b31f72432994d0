// SPDX-License-Identifier: GPL-2.0-or-later
/* See dhcp_probe.h. What is done with the answer: dhcp_choose.c. */
#include "dhcp/dhcp_probe.h"

static struct dhcp_probe_slot *find(struct dhcp_probe *p, uint32_t ip)
{
	struct dhcp_probe_slot *s = &p->slot[ip % DHCP_PROBE_SLOTS];

	return ip && s->ip == ip ? s : NULL;
}

const struct dhcp_probe_slot *dhcp_probe_find(const struct dhcp_probe *p,
					      uint32_t ip)
{
	return find((struct dhcp_probe *)p, ip);
}

void dhcp_probe_init(struct dhcp_probe *p, void (*ask)(void *arg, uint32_t ip),
		     void *arg)
{
	*p = (struct dhcp_probe){.ask = ask, .arg = arg};
}

static void roll(struct dhcp_probe *p, int64_t now_ms)
{
	int64_t past_ms = now_ms - p->window_ms;

	if (past_ms < 1000)
		return;
	p->busy = past_ms < 2000 && p->waits > DHCP_PROBE_WAITS;
	p->window_ms = now_ms;
	p->asked = p->waits = 0;
}

/* May one more message wait? */
static bool may_wait(struct dhcp_probe *p, int64_t now_ms)
{
	roll(p, now_ms);
	return ++p->waits <= DHCP_PROBE_WAITS && !p->busy;
}

/* May one more question be asked now? */
static bool allowed(struct dhcp_probe *p, int64_t now_ms)
{
	roll(p, now_ms);
	if (p->asked >= DHCP_PROBE_RATE)
		return false;
	p->asked++;
	p->sent++;
	return true;
}

static bool ask(struct dhcp_probe *p, uint32_t ip, int64_t now_ms)
{
	if (!allowed(p, now_ms))
		return false;
	p->slot[ip % DHCP_PROBE_SLOTS] =
		(struct dhcp_probe_slot){.ip = ip, .asked_ms = now_ms};
	p->ask(p->arg, ip);
	return true;
}

/* Is what is known of it too old to count? */
static bool is_old(const struct dhcp_probe_slot *s, int64_t now_ms)
{
	return now_ms - s->asked_ms >=
	       (s->heard ? DHCP_PROBE_HEARD_MS : DHCP_PROBE_KEEP_MS);
}

/* What was silent stays so until somebody is heard. */
static void ask_again(struct dhcp_probe *p, struct dhcp_probe_slot *s,
		      int64_t now_ms)
{
	if (!allowed(p, now_ms))
		return;
	s->silent = s->silent || now_ms - s->asked_ms >= DHCP_PROBE_MS;
	s->asked_ms = now_ms;
	p->ask(p->arg, s->ip);
}

void dhcp_probe_ahead(struct dhcp_probe *p, uint32_t ip, bool again,
		      int64_t now_ms)
{
	struct dhcp_probe_slot *s = find(p, ip);

	if (ip && (!s || is_old(s, now_ms)))
		(void)ask(p, ip, now_ms);
	else if (s && again && !s->heard)
		ask_again(p, s, now_ms);
}

enum dhcp_use dhcp_probe_use(struct dhcp_probe *p, uint32_t ip,
			     const struct mac *mac, bool wait, int64_t now_ms)
{
	struct dhcp_probe_slot *s = find(p, ip);

	if (!s || is_old(s, now_ms)) {
		if (!wait)
			return DHCP_USE_NONE;
		if (ask(p, ip, now_ms))
			return may_wait(p, now_ms) ? DHCP_USE_ASKED
						   : DHCP_USE_NONE;
		p->skipped++;
		return DHCP_USE_NONE;
	}
	if (s->heard)
		return mac_eq(&s->mac, mac) ? DHCP_USE_NONE : DHCP_USE_TAKEN;
	if (!s->silent && now_ms - s->asked_ms < DHCP_PROBE_MS)
		return wait && may_wait(p, now_ms) ? DHCP_USE_ASKED
						   : DHCP_USE_NONE;
	if (wait && now_ms - s->asked_ms >= DHCP_PROBE_AGAIN_MS)
		ask_again(p, s, now_ms);
	return DHCP_USE_NONE;
}

bool dhcp_probe_heard(struct dhcp_probe *p, uint32_t ip, const struct mac *mac,
		      uint64_t nic_id)
{
	struct dhcp_probe_slot *s = find(p, ip);
	bool was_silent;

	if (!s)
		return false;
	was_silent = s->silent && !s->heard;
	s->heard = true;
	s->mac = *mac;
	s->nic_id = nic_id;
	for (size_t i = 0; was_silent && i < DHCP_PROBE_SLOTS; i++)
		if (!p->slot[i].heard)
			p->slot[i] = (struct dhcp_probe_slot){0};
	return was_silent;
}

void dhcp_probe_forget(struct dhcp_probe *p, uint32_t ip)
{
	struct dhcp_probe_slot *s = find(p, ip);

	if (s)
		*s = (struct dhcp_probe_slot){0};
}
