/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The short way to write a forward: tcp:2222:MyVM:22. Pure text to values.
 *
 *	PROTO:[ADDRESS:]PORT[-PORT]:TARGET[:PORT[-PORT]]	to add
 *	PROTO:[ADDRESS:]PORT					to name one
 *	PORT[-PORT], TARGET[:PORT[-PORT]]			parts, for options
 *
 * PROTO is tcp or udp; ADDRESS the host's (all when absent; IPv6 in brackets);
 * TARGET a VM, a VM's NIC as MyVM/1, or a guest's address. The target's port is
 * the host's unless given; a range leads to a range of the same length.
 */
#ifndef VNET_CLI_FORWARD_SPEC_H
#define VNET_CLI_FORWARD_SPEC_H

#include <stdint.h>

#include "lib/errtext.h"
#include "lib/inet.h"

#define FORWARD_VM_TEXT 64

struct forward_spec {
	char proto[4];		   /* "tcp", "udp" */
	char address[IP_TEXT];	   /* host address; "" = all */
	uint16_t port;		   /* host port, the first of a range */
	uint16_t port_end;	   /* last of the range; = port without one */
	char to_vm[FORWARD_VM_TEXT]; /* VM, or "" when an address is given */
	int to_nic;		   /* -1 = not said */
	char to_address[IP_TEXT];  /* guest address, or "" */
	uint16_t to_port;	   /* target of the first port; 0 = not said */
	uint16_t to_port_end;	   /* of the last one */
};

/* @s is to be added. 0, or -EINVAL with a sentence that shows what is right. */
int forward_spec_parse(const char *s, struct forward_spec *out,
		       struct errtext *why);

/* @s names one that is there: no target. */
int forward_spec_parse_key(const char *s, struct forward_spec *out,
			   struct errtext *why);

/* Only the host's ports, or only the target; the rest of @f stays. */
int forward_spec_ports(const char *s, struct forward_spec *f,
		       struct errtext *why);
int forward_spec_target(const char *s, struct forward_spec *f,
			struct errtext *why);

/* Does a range lead to a range of its length? Fills in target ports that were not
 * said. */
int forward_spec_finish(struct forward_spec *f, struct errtext *why);

#endif
