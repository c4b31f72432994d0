/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notices that the host slept: CLOCK_BOOTTIME went on, CLOCK_MONOTONIC (and with it
 * every timer here) did not. Nobody polls for that: a timer on CLOCK_REALTIME that
 * is cancelled by any jump of the clock makes the loop look, right after waking up.
 */
#ifndef VNET_NAT_HOST_WAKE_H
#define VNET_NAT_HOST_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#define HOST_WAKE_MIN_MS 1000 /* shorter sleep is none */

struct event_base;
struct host_wake;

/**
 * host_slept() - How long has the host slept since the last call?
 * @gap_ms: between the clocks; kept for the next call
 *
 * Return: milliseconds, 0 when it did not.
 */
int64_t host_slept(int64_t *gap_ms, int64_t boot_ms, int64_t mono_ms);

/* @woke is called from the loop. Return: 0, -ENOMEM, or why there is no such timer
 * (then nothing is noticed; timeouts do their work later). */
int host_wake_new(struct event_base *base,
		  void (*woke)(void *arg, int64_t slept_ms), void *arg,
		  struct host_wake **out);
void host_wake_free(struct host_wake *w);

#endif
