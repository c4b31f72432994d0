/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files for the worker's TFTP server. A worker has no file system: it says which name
 * a guest wants (W_TFTP_OPEN), control has it opened below the network's folder, by a
 * process of its own (opener.h), and hands the descriptor over (W_TFTP_FILE). The name is a guest's: the kernel keeps the
 * look-up below the folder, whatever links there are (openat2(2), RESOLVE_BENEATH).
 */
#ifndef VNET_NETD_TFTPCTL_H
#define VNET_NETD_TFTPCTL_H

#include <jansson.h>
#include <stdint.h>

#include "lib/errtext.h"

struct network;

/* Can @dir be served: absolute, there, a folder? Negative errno with @why. */
int tftpctl_check(const char *dir, struct errtext *why);

/**
 * tftpctl_open() - A regular file below @dir, to be read; may block
 * @name: '/' at its beginning means @dir; '\' between folders is understood when
 *	there is no such name with it (Windows' boot managers ask so)
 *
 * Return: a descriptor; -ENOENT; -EACCES (not readable for vnetd, not a file);
 * -EXDEV (leads out of @dir); what else openat2(2) says.
 */
int tftpctl_open(const char *dir, const char *name, uint64_t *size);

/* W_TFTP_OPEN from @n's worker; -EPROTO with @why. */
int tftpctl_message(struct network *n, json_t *body, struct errtext *why);

/* The worker is gone: whatever is being opened is for nobody. */
void tftpctl_end(struct network *n);

#endif
