// SPDX-License-Identifier: GPL-2.0-or-later
/* Forwards of the worker's network: straight to the gateway. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jx.h"
#include "netd/worker_int.h"

/* Rows in an answer: with numbers of any length they fit into one message. */
#define ROWS 400

static int take_fd(struct chan_msg *m)
{
	int fd = m->nfd ? m->fd[0] : -1;

	if (m->nfd)
		m->fd[0] = -1;
	return fd;
}

int worker_forward_add(struct worker *w, json_t *body, struct chan_msg *m,
		       struct errtext *why)
{
	struct nat_forward f = {.fd = -1};
	const char *proto = "";
	int64_t id = 0, group = 0, nic = 0, port = 0;
	int r;

	if ((r = jx_int(body, "forward", 1, INT64_MAX, &id, why)) ||
	    (r = jx_int(body, "group", 1, INT64_MAX, &group, why)) ||
	    (r = jx_int(body, "nic", 0, INT64_MAX, &nic, why)) ||
	    (r = jx_int(body, "port", 1, 65535, &port, why)) ||
	    (r = jx_need_str(body, "proto", &proto, why)) ||
	    (r = jx_ip(body, "ip", &f.target_ip, why)))
		return r;
	if (!w->nat || m->nfd != 1)
		return errtext_set(why, -EINVAL, "no gateway or no socket");
	f.id = (uint64_t)id;
	f.group = (uint64_t)group;
	f.nic_id = (uint64_t)nic;
	f.target_port = (uint16_t)port;
	f.proto = !strcmp(proto, "udp") ? NAT_UDP : NAT_TCP;
	f.fd = take_fd(m);
	r = nat_forward_add(w->nat, &f, why);
	worker_limits(w);
	return r;
}

int worker_forward_del(struct worker *w, json_t *body, struct errtext *why)
{
	int64_t id = 0;
	int r = jx_int(body, "forward", 1, INT64_MAX, &id, why);

	if (r)
		return r;
	if (!w->nat)
		return -ENOENT;
	r = nat_forward_del(w->nat, (uint64_t)id);
	worker_limits(w);
	return r;
}

int worker_forward_socket(struct worker *w, json_t *body, struct chan_msg *m,
			  struct errtext *why)
{
	int64_t id = 0;
	int r = jx_int(body, "forward", 1, INT64_MAX, &id, why);

	if (r)
		return r;
	return w->nat ? nat_forward_socket(w->nat, (uint64_t)id, take_fd(m), why)
		      : -ENOENT;
}

/* ---- numbers ------------------------------------------------------------------- */

struct row {
	uint64_t group;
	struct nat_forward_stats s;
};

struct rows {
	struct row *row;
	size_t n, cap;
	uint64_t after;
};

static bool collect(void *arg, uint64_t group, const struct nat_forward_stats *s)
{
	struct rows *all = arg;

	if (group > all->after && all->n < all->cap)
		all->row[all->n++] = (struct row){group, *s};
	return true;
}

static int by_group(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->group < y->group ? -1 : x->group > y->group;
}

/* Ports of one group become one row. */
static void merge(struct rows *all)
{
	size_t n = 0;

	qsort(all->row, all->n, sizeof(*all->row), by_group);
	for (size_t i = 0; i < all->n; i++) {
		struct row *r = &all->row[n ? n - 1 : 0];
		const struct nat_forward_stats *s = &all->row[i].s;

		if (!n || r->group != all->row[i].group) {
			all->row[n++] = all->row[i];
			continue;
		}
		r->s.active += s->active;
		r->s.accepted += s->accepted;
		r->s.refused += s->refused;
		r->s.bytes_in += s->bytes_in;
		r->s.bytes_out += s->bytes_out;
	}
	all->n = n;
}

int worker_forward_stats(struct worker *w, json_t *body, json_t **result,
			 struct errtext *why)
{
	struct rows all = {.cap = NAT_FORWARD_MAX};
	int64_t after = 0;
	json_t *list;
	int r = jx_int(body, "after", 0, INT64_MAX, &after, why);

	if (r)
		return r;
	all.after = (uint64_t)after;
	all.row = malloc(all.cap * sizeof(*all.row));
	if (!all.row)
		return -ENOMEM;
	if (w->nat)
		nat_forward_walk(w->nat, collect, &all);
	merge(&all);
	list = json_array();
	for (size_t i = 0; i < all.n && i < ROWS; i++) {
		const struct row *x = &all.row[i];

		json_array_append_new(
			list,
			json_pack("[I,I,I,I,I,I]", (json_int_t)x->group,
				  (json_int_t)x->s.active,
				  (json_int_t)x->s.accepted,
				  (json_int_t)x->s.refused,
				  (json_int_t)x->s.bytes_in,
				  (json_int_t)x->s.bytes_out));
	}
	*result = json_pack("{s:o,s:b}", "forwards", list, "more",
			    (int)(all.n > ROWS));
	free(all.row);
	return 0;
}
