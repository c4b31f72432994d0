/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `vnet run` does with the command line it is given: which VM it is, how the
 * NIC gets in, and the arguments that result. Pure; cmd_run.c acts on it.
 *
 * Placeholders in the command's words are replaced: {fd} {socket} {ifname} {tapfd}
 * {mac} {vm} {nic} {network}. A QEMU command without the first four gets
 * the NIC's arguments at its end instead.
 */
#ifndef VNET_CLI_RUN_PLAN_H
#define VNET_CLI_RUN_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/runner.h"
#include "cli/strv.h"
#include "lib/inet.h"

#define RUN_VM_TEXT 49 /* a VM's name and its NUL; as vnetd allows */

/* Is it QEMU, by the base name of its first word? */
bool run_is_qemu(const char *const *argv);

/**
 * run_vm_name() - A name for the VM, from QEMU's -name or else "vm-@pid"
 *
 * Characters that a VM's name may not have become '-'. Returns @out.
 */
char *run_vm_name(const char *const *argv, int pid, char out[RUN_VM_TEXT]);

/* What the command's own words say about the NIC. */
struct run_hints {
	bool qemu;
	bool fills;	  /* it has {fd}, {socket}, {ifname} or {tapfd} */
	bool tap_fd;	  /* the last of these: the TAP is to be opened for it */
	const char *type; /* NIC type the placeholders need; NULL: any */
	bool has_device;  /* QEMU: a -device with netdev=vnetN is given */
	bool has_mac;	  /* … which says mac= */
	struct mac mac;
	bool has_netdev; /* QEMU: a netdev vnetN is given: a clash */
	bool daemonizes; /* QEMU: it goes into the background */
	const char *device; /* QEMU: model that suits the machine */
	/* QEMU, for type vhost-user. */
	char memory[32];     /* size of its memory, by -m or by default */
	bool has_backend;    /* it sets its memory up itself */
	bool kvm;	     /* it is told to use KVM */
};

/* Look at the words. -EINVAL when placeholders contradict each other, or -m is no
 * size. */
int run_look(const char *const *argv, unsigned int nic, struct run_hints *out,
	     struct errtext *why);

/**
 * run_command() - The words to execute
 * @n: what the daemon said; @n->device is set here
 * @network: for {network}
 *
 * Return: 0 with @out filled; -EINVAL with @why when the NIC's type cannot be
 * used this way. strv_free(@out) in either case.
 */
int run_command(const char *const *argv, const struct run_hints *hints,
		struct runner_nic *n, const char *network, struct strv *out,
		struct errtext *why);

/** struct run_bridge - What QEMU's command line says of a NIC on a bridge */
struct run_bridge {
	char vm[RUN_VM_TEXT];
	bool has_mac;
	struct mac mac;
};

/**
 * run_bridge_look() - Whose NIC is it that QEMU, running as @argv, wants on @br?
 *
 * The MAC is known when the one netdev on @br has a device that says mac=, or there is
 * no other NIC: then it is QEMU's usual 52:54:00:12:34:56 (qemu_macaddr_default_if_unset()).
 */
void run_bridge_look(const char *const *argv, const char *br, int pid,
		     struct run_bridge *out);

#endif
