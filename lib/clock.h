/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only caller of clock_gettime. Cores never read a clock: the event loop
 * reads it once per turn and passes `now` down.
 */
#ifndef VNET_LIB_CLOCK_H
#define VNET_LIB_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void); /* CLOCK_MONOTONIC, milliseconds */
int64_t clock_mono_us(void); /* … microseconds */
int64_t clock_boot_ms(void); /* CLOCK_BOOTTIME: goes on during suspend */
int64_t clock_wall_s(void);  /* CLOCK_REALTIME, seconds since 1970 */

#endif
