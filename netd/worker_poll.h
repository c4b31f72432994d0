/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May the worker's loop look for events again and again for a moment, instead of going to
 * sleep?
 *
 * To be woken costs more than most frames do: tens of microseconds where the processor
 * went to sleep as well, while a look costs less than one. Guests that speak to and fro
 * pay that twice for each answer. So after a sleep that was short, next time the loop
 * stays awake for WORKER_POLL_US, and as long as that helps. A sleep takes longer than the
 * same wait would awake, for all who take part sleep then: what counts as short is more
 * than is waited, or who once fell asleep would go on so.
 *
 * Only while they do speak to and fro: one that only sends fills the time with frames,
 * each of which would be a turn of its own then, and the processor may be the one that
 * its receiver needs.
 *
 * It is given up where it does not help: when a wait was in vain (then the guest is silent
 * now, and sleeping costs nothing), and when we were away for long, for then somebody
 * else had the processor, and we are in the way. Each time that happens, more sleeps
 * pass before it is tried again, WORKER_POLL_SKIP_MAX at most. So a network where
 * nothing happens never polls, one with something now and then hardly ever, and on a
 * busy host we sleep as everybody does. A single answer that is late among others that
 * help costs nothing but itself, and a few sleeps pass after a wait in vain, for each of
 * those slept through is a slow one; many when the processor was lost a second time, for
 * who spins has had his share when it matters.
 */
#ifndef VNET_NETD_WORKER_POLL_H
#define VNET_NETD_WORKER_POLL_H

#include <stdbool.h>
#include <stdint.h>

#define WORKER_POLL_US	     64	 /* most that is waited awake */
#define WORKER_POLL_SHORT_US 160 /* a short sleep */
#define WORKER_POLL_AWAY_US  200 /* between two looks: nobody is that slow */
/* Sleeps after a wait in vain, and twice as many the next time … */
#define WORKER_POLL_SKIP_VAIN 2
/* … and when we were away, and eight times as many. */
#define WORKER_POLL_SKIP_AWAY 32
#define WORKER_POLL_SKIP_MAX  1024
#define WORKER_POLL_GOOD      64 /* so many in a row, and half is forgiven … */
#define WORKER_POLL_FEW	      8	 /* … so many, and one that is only late is */
#define WORKER_POLL_SAME      3	 /* turns with the same speaker: it only sends */

struct worker_poll {
	bool on;	  /* stay awake … */
	bool vain;	  /* … no longer than until now */
	bool awake;	  /* the last look was without sleep */
	uint16_t skip;	  /* sleeps to pass before it is tried again */
	uint16_t penalty; /* how many it were the last time */
	uint16_t good;	  /* waits in a row that were not in vain */
	uint8_t same;	  /* turns in a row with the same speaker */
	int64_t idle_us;  /* since when there was nothing to do */
	int64_t look_us;  /* when we looked last */
};

/* Look at once (true), or sleep until there is something? */
bool worker_poll_stay(struct worker_poll *p);

/* We have looked, or slept; @worked: there was something, and it has been done.
 * @turned: somebody else spoke than before. @now_us: monotonic. */
void worker_poll_looked(struct worker_poll *p, bool worked, bool turned,
			int64_t now_us);

#endif
