/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How each VM runner is told to use a NIC: from what the daemon said about the
 * NIC to the runner's arguments or configuration text. Pure.
 *
 * Sources: QEMU qapi/net.json and qemu-options.hx (7.2 to 10.1), cloud-hypervisor
 * docs/device_model.md, Firecracker swagger (NetworkInterface), libkrun.h,
 * `crosvm run --help`, vfkit doc/usage.md, libvirt formatdomain, Linux
 * arch/um/drivers/vector_user.c.
 */
#ifndef VNET_CLI_RUNNER_H
#define VNET_CLI_RUNNER_H

#include <stdbool.h>

#include "cli/strv.h"
#include "lib/errtext.h"

/* A NIC as the runner sees it. Texts are borrowed; NULL where there is none. */
struct runner_nic {
	const char *vm;
	unsigned int nic;   /* number within the VM */
	const char *mac;
	const char *type;   /* stream, dgram, seqpacket, tap, netns, fd, … */
	const char *path;   /* the daemon's socket */
	const char *peer_dir; /* dgram: folder for the runner's own socket */
	const char *ifname; /* of a TAP */
	const char *qmp;    /* the daemon's listener for QEMU's monitor */
	int fd;		    /* connected SOCK_DGRAM inherited by the runner, or -1 */
	unsigned int queues; /* vhost-user: pairs of rings */
	bool vmm_listens; /* vhost-user: at path; the daemon connects */
	/* QEMU with vhost-user: size of the VM's memory; NULL: leave it out. */
	const char *memory;
	bool kvm; /* QEMU: may it use KVM here? */
	/* QEMU only: version as major * 100 + minor, 0 = unknown (then nothing
	 * is used that 7.2 lacks), and the device model. */
	unsigned int qemu;
	const char *device; /* "virtio-net-pci"; NULL: leave the device out */
};

/* What to tell the runner: either arguments or a text. */
struct runner_out {
	struct strv args; /* arguments to paste, in order */
	char *text;	  /* configuration or code to paste, with newlines */
	const char *note; /* one line for the person; may be NULL */
};

struct runner;

/* "qemu", … NULL when not known. */
const struct runner *runner_find(const char *name);

/* Table order; NULL at the end. */
const char *runner_name(unsigned int i);

/* The NIC type to ask for when the user did not say. */
const char *runner_default_type(const struct runner *r);

/* "stream, dgram or tap", for messages. */
const char *runner_types(const struct runner *r, char *out, size_t cap);
bool runner_takes(const struct runner *r, const char *type);

/**
 * runner_connect() - Fill @out for @n
 *
 * Return: 0; -EINVAL with @why when the runner has no way to use such a NIC.
 * runner_out_free() in either case.
 */
int runner_connect(const struct runner *r, const struct runner_nic *n,
		   struct runner_out *out, struct errtext *why);
void runner_out_free(struct runner_out *out);

/**
 * runner_qemu_version() - From `qemu-system-x86_64 --version`
 *
 * Return: major * 100 + minor, or 0 when it is not QEMU's text.
 */
unsigned int runner_qemu_version(const char *text);

#endif
