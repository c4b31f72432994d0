/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sentence that goes with an error code, for failures that a person must
 * understand. Functions take a nullable `struct errtext *why` as their last
 * argument and fill it only when they fail.
 */
#ifndef VNET_LIB_ERRTEXT_H
#define VNET_LIB_ERRTEXT_H

#include "lib/compat.h"

struct errtext {
	char s[256]; /* always terminated; empty when nothing was said */
};

/**
 * errtext_set() - Say why, and return the code to pass on
 * @why: may be NULL
 * @err: negative errno
 *
 * Return: @err, so that `return errtext_set(why, -EINVAL, "…")` reads well.
 */
int errtext_set(struct errtext *why, int err, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/**
 * errtext_prefix() - Put what was being attempted before what is there
 *
 * Return: @err.
 */
int errtext_prefix(struct errtext *why, int err, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
