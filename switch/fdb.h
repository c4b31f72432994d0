/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The forwarding database: MAC address and VLAN id → port number. It knows ports
 * as numbers only.
 *
 * All memory is taken at the start, and none of it used before it is needed. Learning, looking up, ageing one entry and
 * making room are O(1). When the table is full the oldest entry of the port that
 * has most entries makes room, so that a guest that floods the table with invented
 * addresses pushes out its own; what is not in the table is flooded.
 */
#ifndef VNET_SWITCH_FDB_H
#define VNET_SWITCH_FDB_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/inet.h"

#define FDB_NONE  (-1)
#define FDB_NEVER INT64_MAX

#define FDB_NOTE_IP6 4

#define FDB_TICK_MAX 1024 /* entries that one call of fdb_tick() forgets */

struct fdb;

enum fdb_learned {
	FDB_SAME,   /* known there already */
	FDB_NEW,    /* was unknown */
	FDB_MOVED,  /* was known at another port */
	FDB_STATIC, /* a static entry of another port: nothing learned */
	FDB_FULL,   /* no room: static entries fill the table */
};

/* Room in each entry for the owner; zeroed when the entry is new or moved. */
struct fdb_note {
	uint32_t ip4;
	uint32_t ip6[FDB_NOTE_IP6]; /* a word for each; the switch's */
	uint8_t next_ip6;
};

/* One entry for a walk. */
struct fdb_info {
	struct mac mac;
	uint16_t vid;
	uint16_t port;
	int64_t age_s; /* since last seen; -1 = static */
};

/**
 * fdb_new() - An empty table
 * @max: entries, static ones included
 * @ports: port numbers go from 0 to @ports - 1
 * @age_s: seconds until an address that is not heard from is forgotten
 *
 * Return: NULL when out of memory.
 */
struct fdb *fdb_new(uint32_t max, uint16_t ports, uint32_t age_s,
		    const uint64_t seed[2]);
void fdb_free(struct fdb *t);

/**
 * fdb_learn() - Note that @mac was seen as a source on @port
 * @now_s: monotonic seconds; must not go backwards between calls
 * @note: set to the entry's note, or NULL for FDB_STATIC and FDB_FULL; valid
 *	until the next call that changes the table
 *
 * Group and zero addresses are the caller's to keep out (802.1Q-2018 8.7). A
 * static entry of this very port gives FDB_SAME.
 */
enum fdb_learned fdb_learn(struct fdb *t, const struct mac *mac, uint16_t vid,
			   uint16_t port, int64_t now_s,
			   struct fdb_note **note);

/* The port of @mac, or FDB_NONE when unknown or aged. */
int fdb_lookup(const struct fdb *t, const struct mac *mac, uint16_t vid,
	       int64_t now_s);

/* A static entry, which replaces a learned one: never ages nor moves.
 * -EEXIST when static already, -ENOSPC when static entries fill the table. */
int fdb_static(struct fdb *t, const struct mac *mac, uint16_t vid,
	       uint16_t port);

/* Forget what was learned on @port, and with @statics its static entries. */
void fdb_forget_port(struct fdb *t, uint16_t port, bool statics);

/* Forget aged entries; returns the second of the next ageing, or FDB_NEVER. @now_s: there
 * are more of them, for another call soon; they are not found meanwhile. */
int64_t fdb_tick(struct fdb *t, int64_t now_s);

uint32_t fdb_count(const struct fdb *t); /* static ones included */
uint32_t fdb_port_count(const struct fdb *t, uint16_t port); /* learned */

/* @fn must not change the table. */
void fdb_walk(const struct fdb *t, int64_t now_s,
	      void (*fn)(void *arg, const struct fdb_info *e), void *arg);

#endif
