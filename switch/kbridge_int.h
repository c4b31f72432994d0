/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between kbridge*.c only. */
#ifndef VNET_SWITCH_KBRIDGE_INT_H
#define VNET_SWITCH_KBRIDGE_INT_H

#include "switch/kbridge.h"

struct nlmsghdr;

struct kbridge_sysctl {
	const char *family, *key;
};

extern const struct kbridge_sysctl kbridge_sysctls[KB_KEYS];

/* What a dump is looked through for. */
struct kbridge_look {
	struct kbridge_seen *seen;
	int index;
};

bool kroute_eq(const struct kroute *a, const struct kroute *b);
int kbridge_see_route(const struct nlmsghdr *h, void *look);
int kbridge_route_step(struct link_nl *nl, const struct kstep *s, bool put,
		       struct errtext *why);

#endif
