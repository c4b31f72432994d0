/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens files beside the loop. A look-up on a network file system whose server is gone
 * takes for ever, and cannot be ended; so a process of its own, a child of control's
 * without capabilities, does it for one network and hands the descriptors over. When
 * it hangs, that network's files are not there, and nobody else notices.
 */
#ifndef VNET_NETD_OPENER_H
#define VNET_NETD_OPENER_H

#include <stdint.h>

#include "lib/errtext.h"

struct event_base;
struct opener;

#define OPENER_WAIT_MAX 32 /* questions; more are refused until one is answered */

/* @fd: a descriptor, borrowed, with the file's @size; or negative errno. */
typedef void (*opener_done)(void *arg, uint64_t token, int fd, uint64_t size);

/* Starts the process. Negative errno with @why. */
int opener_new(struct event_base *base, opener_done fn, void *arg,
	       struct opener **out, struct errtext *why);

/* Its process ends as soon as it can; nothing is answered any more. Not from @fn. */
void opener_free(struct opener *o);

/**
 * opener_ask() - tftpctl_open() of @name below @dir
 *
 * Return: 0: @fn is called later; -EBUSY too many wait already; -EPIPE: the process is
 * gone; -ENAMETOOLONG.
 */
int opener_ask(struct opener *o, uint64_t token, const char *dir,
	       const char *name);

#endif
