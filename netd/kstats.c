// SPDX-License-Identifier: GPL-2.0-or-later
/* See kstats.h. */
#include "netd/kstats.h"

#include <stdbool.h>

#include "netd/knetctl.h"
#include "switch/link.h"

static void put(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void put_drop(json_t *stats, const char *key, uint64_t v)
{
	json_t *drops = json_object_get(stats, "drops");

	if (!drops) {
		drops = json_object();
		json_object_set_new(stats, "drops", drops);
	}
	if (v)
		put(drops, key, v);
}

static void put_counts(json_t *nic, const struct link_counts *c)
{
	json_t *s = json_object_get(nic, "stats");

	if (!s) {
		s = json_object();
		json_object_set_new(nic, "stats", s);
	}
	put(s, "rx_frames", c->rx_frames);
	put(s, "rx_bytes", c->rx_bytes);
	put(s, "tx_frames", c->tx_frames);
	put(s, "tx_bytes", c->tx_bytes);
	put_drop(s, "error", c->rx_dropped);
	put_drop(s, "full", c->tx_dropped); /* its VMM does not keep up */
}

void kstats_put(const struct network *n, json_t *nics)
{
	struct link_nl *nl = NULL;
	struct link_info l;
	size_t i = 0;

	list_for_each(nic, &n->nics, struct nic, node) {
		json_t *o = json_array_get(nics, i++);

		if (!knetctl_has_port(nic) ||
		    (!nl && link_nl_new(&nl, NULL)))
			continue;
		if (!link_get(nl, nic->conf.ifname, &l) && link_is_ours(&l))
			put_counts(o, &l.counts);
	}
	link_nl_free(nl);
}
