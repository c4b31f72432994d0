/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The API's objects as tables on standard output: one function for each kind, so
 * that `vnet list`, `vnet show` and the details look alike. All take the array as
 * the daemon sent it; keys that are absent show as "-".
 */
#ifndef VNET_CLI_TABLES_H
#define VNET_CLI_TABLES_H

#include <jansson.h>
#include <stdbool.h>

void table_networks(const json_t *networks, bool color);
void table_nics(const json_t *nics, unsigned int indent, bool color);
void table_forwards(const json_t *forwards, unsigned int indent, bool color);
void table_leases(const json_t *leases, unsigned int indent);
void table_options(const json_t *options);
void table_reservations(const json_t *reservations);
void table_records(const json_t *records);
void table_addresses(const json_t *addresses);

/* Sockets and interfaces through which NICs are reached. */
void table_paths(const json_t *nics, unsigned int indent);

/* Frames, bytes and drops by reason of NICs that have "stats". */
void table_counters(const json_t *nics, unsigned int indent);

/* What guests may say and how much, of NICs where that is not just anything. */
void table_guards(const json_t *nics, unsigned int indent);

/* Flows of NICs that have or had any. */
void table_flow_counts(const json_t *nics, unsigned int indent);

/* The numbers in @o that are not 0, those in objects inside it as "outer.inner",
 * under @title; nothing when there are none. */
void table_numbers(const json_t *o, const char *title);

/* "full 3, short 1" from {"full":3,"short":1,"link":0}; "" for none. The caller
 * frees it. */
char *table_drops(const json_t *drops);

#endif
