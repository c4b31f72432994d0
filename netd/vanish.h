/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the host's addresses have vanished, told from looks at all of them. An
 * address is gone when it was not there for VANISH_GRACE_MS: what is taken away and
 * given back meanwhile (an interface that goes into a bridge, a DHCP client that
 * starts anew) costs no connection; a host that went to another network knows it a
 * second later. Pure: looks and time come in by calls.
 *
 * Addresses are what counts, not their state: deprecated ones (RFC 4862 5.5.4, old
 * temporary ones) and those under duplicate address detection are there.
 */
#ifndef VNET_NETD_VANISH_H
#define VNET_NETD_VANISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/inet.h"

#define VANISH_MAX	256 /* of a host with more, the others are not watched */
#define VANISH_GRACE_MS 1000
#define VANISH_NEVER	INT64_MAX

/** struct vanish - What was seen; zeroed = nothing yet. */
struct vanish {
	struct {
		struct ipaddr ip;
		int64_t since_ms; /* not there since; VANISH_NEVER = it is */
		bool seen;	  /* by this look */
	} a[VANISH_MAX];
	size_t n;
};

/* A look begins; one that is not ended counts for nothing. */
void vanish_begin(struct vanish *v);
/* This address is there. Loopback's never vanish and are not watched. */
void vanish_saw(struct vanish *v, const struct ipaddr *ip);

/**
 * vanish_end() - The look is over
 * @gone: those that are gone, each told once
 *
 * Return: how many of them.
 */
size_t vanish_end(struct vanish *v, int64_t now_ms,
		  struct ipaddr gone[VANISH_MAX]);

/* When to look again although nothing happened; VANISH_NEVER = no need. */
int64_t vanish_deadline(const struct vanish *v);

#endif
