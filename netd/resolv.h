/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's resolvers as they are now: /etc/resolv.conf, watched with inotify
 * (the file, its folder and, for symbolic links, the folders of all they point to, as far
 * as they exist: VPN clients and network managers write or replace any of them).
 * What systemd-resolved's stub says (127.0.0.53) is taken as it is: it answers.
 */
#ifndef VNET_NETD_RESOLV_H
#define VNET_NETD_RESOLV_H

#include <stddef.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "lib/inet.h"

#define RESOLV_MAX	8 /* name servers taken */
#define RESOLV_FILE_MAX 65536
#define RESOLV_ZONE	16 /* an interface's name and its NUL */

struct event_base;
struct resolv;

/** struct resolv_line - One name server, as the file has it. */
struct resolv_line {
	struct ipaddr ip;
	char zone[RESOLV_ZONE]; /* of an IPv6 address: interface; "" = none */
};

/**
 * resolv_parse() - Name servers in a resolv.conf (resolv.conf(5))
 *
 * Lines "nameserver ADDRESS" or, for IPv6, "nameserver ADDRESS%INTERFACE"; anything
 * else is passed over. Return: how many are in @out.
 */
size_t resolv_parse(const char *text, size_t len,
		    struct resolv_line out[RESOLV_MAX]);

/** struct resolv_server - One name server, as it can be asked. */
struct resolv_server {
	struct ipaddr ip;
	uint32_t scope; /* number of the zone's interface; 0 = none */
};

/* @changed: the list is another than before. A missing file is an empty list;
 * without inotify the list stays as read now. */
int resolv_new(struct event_base *base, const char *path,
	       void (*changed)(void *arg), void *arg, struct resolv **out,
	       struct errtext *why);
void resolv_free(struct resolv *r);

/* A server whose zone names no interface of the host's is left out. */
size_t resolv_servers(const struct resolv *r, const struct resolv_server **out);

#endif
