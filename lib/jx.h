/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Typed reading of JSON objects (jansson) with a sentence when something is
 * wrong: `parameter "mtu" must be an integer from 68 to 65521`.
 *
 * Every getter leaves @out alone when the key is absent or null, so the caller
 * presets defaults; jx_need_* refuse absence. Return 0 or -EINVAL with @why.
 */
#ifndef VNET_LIB_JX_H
#define VNET_LIB_JX_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "lib/inet.h"

/* Strings stay owned by @o. */
int jx_str(json_t *o, const char *key, const char **out, struct errtext *why);
int jx_need_str(json_t *o, const char *key, const char **out,
		struct errtext *why);
int jx_int(json_t *o, const char *key, int64_t min, int64_t max, int64_t *out,
	   struct errtext *why);
int jx_bool(json_t *o, const char *key, bool *out, struct errtext *why);
int jx_mac(json_t *o, const char *key, struct mac *out, struct errtext *why);
int jx_ip4(json_t *o, const char *key, uint32_t *out, struct errtext *why);
/* Either family. */
int jx_ip(json_t *o, const char *key, struct ipaddr *out, struct errtext *why);
int jx_net4(json_t *o, const char *key, struct ip4_net *out,
	    struct errtext *why);
int jx_net6(json_t *o, const char *key, struct ip6_net *out,
	    struct errtext *why);

/* Refuse keys that are not in the NULL-terminated list. */
int jx_only(json_t *o, const char *const *keys, struct errtext *why);

/* Setters that spell addresses; 0 or -ENOMEM. */
int jx_set_mac(json_t *o, const char *key, const struct mac *m);
int jx_set_ip4(json_t *o, const char *key, uint32_t ip);
int jx_set_ip(json_t *o, const char *key, const struct ipaddr *a);
int jx_set_net4(json_t *o, const char *key, const struct ip4_net *n);

#endif
