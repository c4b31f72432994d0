/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the daemon's answer to nic.attach to what runner.h needs. */
#ifndef VNET_CLI_NIC_FACTS_H
#define VNET_CLI_NIC_FACTS_H

#include <jansson.h>

#include "cli/runner.h"

/* The facts in a NIC object with "connect"; texts stay @nic's. QEMU's version is
 * left unknown and its device "virtio-net-pci". */
struct runner_nic nic_facts(const json_t *nic);

/* The NIC's type, as one of our own constant strings; NULL when not known. */
const char *nic_facts_type(const json_t *nic);

/* The NIC number @nic of @vm in an array of NIC objects; NULL if there is none.
 * Borrowed from the array. */
const json_t *nic_facts_find(const json_t *nics, const char *vm, long nic);

/**
 * nic_facts_qemu_version() - Ask a QEMU binary which one it is
 * @binary: found like a command
 *
 * Waits three seconds at most. Return: as runner_qemu_version(); 0 also when it
 * does not run, or its name does not promise that it only prints its version.
 */
unsigned int nic_facts_qemu_version(const char *binary);

#endif
