/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between kbridge*.c only. */
#ifndef VNET_SWITCH_KBRIDGE_INT_H
#define VNET_SWITCH_KBRIDGE_INT_H

#include "switch/kbridge.h"

struct kbridge_sysctl {
	const char *family, *key;
};

extern const struct kbridge_sysctl kbridge_sysctls[KB_KEYS];

#endif
