// SPDX-License-Identifier: GPL-2.0-or-later
/* See vhost_poll.h. */
#include "switch/vhost_poll.h"

bool vhost_poll_stay(struct vhost_poll *p, int64_t now_us)
{
	if (p->empty_us < 0)
		p->empty_us = now_us;
	return now_us - p->empty_us < p->us;
}

void vhost_poll_kicked(struct vhost_poll *p, int64_t now_us)
{
	/* One that came while we were busy says nothing. */
	if (p->empty_us < 0)
		return;
	if (now_us - p->empty_us >= VHOST_POLL_MAX_US)
		p->us = 0;
	else if (p->us < VHOST_POLL_MIN_US)
		p->us = VHOST_POLL_MIN_US;
	else
		p->us *= 2;
	if (p->us > p->max_us)
		p->us = p->max_us;
}
