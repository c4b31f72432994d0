// SPDX-License-Identifier: GPL-2.0-or-later
/* See worker_poll.h. The loop itself is in worker.c, that of a ring in vhost_poll.c. */
#include "netd/worker_poll.h"

bool worker_poll_stay(struct worker_poll *p)
{
	p->awake = p->on && !p->vain && p->same < WORKER_POLL_SAME;
	return p->awake;
}

/* It did not help: @times as many sleeps pass as the last time, @least at least. */
static void give_up(struct worker_poll *p, unsigned int times,
		    unsigned int least)
{
	unsigned int skip = p->penalty * times;

	if (skip < least)
		skip = least;
	if (skip > WORKER_POLL_SKIP_MAX)
		skip = WORKER_POLL_SKIP_MAX;
	p->skip = p->penalty = (uint16_t)skip;
	p->on = false;
	p->good = 0;
}

/* What was waited for has come while we looked. */
static void helped(struct worker_poll *p)
{
	if (++p->good < WORKER_POLL_GOOD)
		return;
	p->good = 0;
	p->penalty /= 2;
}

static void slept(struct worker_poll *p, int64_t us)
{
	if (p->vain && p->on && us <= WORKER_POLL_SHORT_US &&
	    p->good >= WORKER_POLL_FEW)
		p->good = 0;
	else if (p->vain && p->on)
		give_up(p, 2, WORKER_POLL_SKIP_VAIN);
	else if (p->skip)
		p->skip--;
	else
		p->on = us <= WORKER_POLL_SHORT_US;
	p->vain = false;
}

void worker_poll_looked(struct worker_poll *p, bool worked, bool turned,
			int64_t now_us)
{
	int64_t us = now_us - p->idle_us, away_us = now_us - p->look_us;

	p->look_us = now_us;
	if (p->awake && away_us > WORKER_POLL_AWAY_US)
		give_up(p, 8, WORKER_POLL_SKIP_AWAY);
	else if (p->awake && worked)
		helped(p);
	else if (p->awake)
		p->vain = us >= WORKER_POLL_US;
	else
		slept(p, us);
	if (!worked)
		return;
	p->idle_us = now_us;
	if (turned)
		p->same = 0;
	else if (p->same < WORKER_POLL_SAME)
		p->same++;
}
