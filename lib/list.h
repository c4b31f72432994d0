/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one list type: intrusive, doubly linked, circular with a head.
 * An object that is not on a list has a zeroed or self-pointing node.
 */
#ifndef VNET_LIB_LIST_H
#define VNET_LIB_LIST_H

#include <stdbool.h>

#include "lib/compat.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name) {&(name), &(name)}

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Is the node on some list? True only for nodes that went through list_add. */
static inline bool list_linked(const struct list *n)
{
	return n->next && n->next != n;
}

static inline void list_insert(struct list *prev, struct list *next,
			       struct list *n)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

static inline void list_add_tail(struct list *head, struct list *n)
{
	list_insert(head->prev, head, n);
}

static inline void list_add_head(struct list *head, struct list *n)
{
	list_insert(head, head->next, n);
}

/* Take @n off its list; harmless when it is on none (a self-pointing node is its
 * own neighbour, so that only a zeroed one needs the test). */
static inline void list_del(struct list *n)
{
	if (n->next) {
		n->prev->next = n->next;
		n->next->prev = n->prev;
	}
	list_init(n);
}

#define list_entry(node, type, member) container_of(node, type, member)

/* The entry that follows @node (of an entry, or the head) in a walk. */
#define list_next_(node, type, member) \
	list_entry(compat_unknown((node)->next), type, member)

#define list_first(head, type, member)           \
	(list_empty(head) ? (type *)NULL         \
			  : list_next_(head, type, member))

/* Walk; the current entry may not be removed. */
#define list_for_each(it, head, type, member)                \
	for (type *it = list_next_(head, type, member);      \
	     &(it)->member != (head);                        \
	     it = list_next_(&(it)->member, type, member))

/* Walk; the current entry (and only it) may be removed or freed. */
#define list_for_each_safe(it, head, type, member)                          \
	for (type *it = list_next_(head, type, member),                     \
		  *it##_next_ = list_next_(&it->member, type, member);      \
	     &(it)->member != (head);                                       \
	     it = it##_next_, it##_next_ = list_next_(&it->member, type, member))

#endif
