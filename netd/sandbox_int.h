/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between sandbox*.c only. */
#ifndef VNET_NETD_SANDBOX_INT_H
#define VNET_NETD_SANDBOX_INT_H

/**
 * sandbox_landlock() - No file can be opened, made or removed any more
 *
 * Sets no_new_privs. Open descriptors go on to work. Return: 0; negative errno when
 * the kernel does not know Landlock (before 5.13) or has it switched off.
 */
int sandbox_landlock(void);

#endif
