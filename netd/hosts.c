// SPDX-License-Identifier: GPL-2.0-or-later
/* See hosts.h. */
#include "netd/hosts.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/replace.h"
#include "netd/hostnames.h"
#include "netd/obj.h"
#include "netd/promise.h"

struct hosts {
	struct ctl *ctl;
	struct subscriber sub;
	struct event *timer;
	struct log_budget budget;
	char path[PATH_MAX];
	char *last; /* what is in the file; NULL = not known */
};

/* ---- the list -------------------------------------------------------------- */

/* What is being collected: rows, and who has a short name (network's id; 0 = several
 * networks). */
struct lister {
	struct ctl *ctl;
	struct network *net;
	struct promise6 *promise6; /* of that one; NULL: makes none */
	json_t *rows, *shorts;
};

struct naming {
	const char *name; /* lower case is not needed: hosts(5) has none */
	bool given;	  /* by the user */
	bool record;	  /* may be any name, with a dot at its end */
};

static void lower(const char *s, char out[CONF_RECORD_NAME + 1])
{
	size_t i = 0;

	for (; i < CONF_RECORD_NAME && s[i]; i++)
		out[i] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
	out[i] = '\0';
}

static void note_short(json_t *shorts, const char *name, int64_t net)
{
	json_t *have = json_object_get(shorts, name);

	if (!have)
		json_object_set_new(shorts, name, json_integer(net));
	else if (json_integer_value(have) != net)
		json_object_set_new(shorts, name, json_integer(0));
}

static void add_row(struct lister *l, const struct ipaddr *ip,
		    const struct naming *n, size_t count)
{
	json_t *names = json_array(), *brief = json_array();
	char low[CONF_RECORD_NAME + 1];
	size_t len;

	for (size_t i = 0; i < count; i++) {
		lower(n[i].name, low);
		len = strlen(low);
		if (!len)
			continue;
		if (low[len - 1] == '.') { /* absolute; a VM has no such name */
			if (n[i].record)
				json_array_append_new(
					names, json_stringn(low, len - 1));
			continue;
		}
		json_array_append_new(names,
				      json_sprintf("%s.%s", low,
						   l->net->conf.domain));
		if (!n[i].given || strchr(low, '.') || hostnames_is_barred(low))
			continue;
		note_short(l->shorts, low, l->net->conf.id);
		json_array_append_new(brief, json_string(low));
	}
	if (!json_array_size(names) || ipaddr_is_any(ip)) {
		json_decref(names);
		json_decref(brief);
		return;
	}
	json_array_append_new(
		l->rows, json_pack("{s:s,s:o,s:o,s:o,s:I}", "network",
				   l->net->conf.name, "address", obj_ipaddr(ip),
				   "names", names, "brief", brief, "id",
				   (json_int_t)l->net->conf.id));
}

/* A NIC's names: the reservation's, the VM's, what its guest claimed. */
static size_t names_of(const struct nic *nic, const struct resv *r,
		       const struct ipaddr *ip, struct naming out[3])
{
	const char *claim = hostnames_claim(nic->net, ip, &nic->conf.mac);
	size_t n = 0;

	if (r && r->conf.hostname[0] && strcmp(r->conf.hostname, nic->conf.vm))
		out[n++] = (struct naming){r->conf.hostname, true, false};
	out[n++] = (struct naming){nic->conf.vm, true, false};
	if (claim)
		out[n++] = (struct naming){claim, false, false};
	return n;
}

static void add_address(struct lister *l, const struct nic *nic,
			const struct resv *r, const struct ipaddr *ip)
{
	struct naming n[3];
	size_t count = names_of(nic, r, ip, n);

	add_row(l, ip, n, count);
}

static void add_nic(struct lister *l, const struct nic *nic)
{
	const struct resv *r = model_resv_by_mac(nic->net, &nic->conf.mac);
	struct lease *lease = model_lease_by_mac(nic->net, &nic->conf.mac,
						 clock_wall_s());
	int64_t now = clock_wall_s();
	struct ipaddr ip6;
	uint32_t kept = r ? r->conf.address : promise_of(nic, now);
	struct ipaddr ip = ipaddr_from4(lease ? lease->conf.address
					: !nic->seen4.n ? kept
							: 0);

	add_address(l, nic, r, &ip);
	for (unsigned int i = 0; !lease && i < nic->seen4.n; i++)
		add_address(l, nic, r, &nic->seen4.e[i].ip);
	for (unsigned int i = 0; i < nic->seen6.n; i++)
		add_address(l, nic, r, &nic->seen6.e[i].ip);
	if (nic->seen6.n || !l->promise6) /* seen is what is leased, too */
		return;
	ip6 = promise6_find(l->promise6, nic, now);
	add_address(l, nic, r, &ip6);
}

/* Of machines that are no VM of ours. */
static void add_resv(struct lister *l, const struct resv *r)
{
	struct naming n = {r->conf.hostname, true, false};
	struct ipaddr ip = ipaddr_from4(r->conf.address);

	if (!model_nic_by_mac(l->net, &r->conf.mac))
		add_row(l, &ip, &n, 1);
}

static void add_record(struct lister *l, const struct record_conf *c)
{
	struct naming n = {c->name, true, true};
	struct ipaddr ip;

	if (c->name[0] == '*' || !strcmp(c->name, "@") ||
	    (strcmp(c->type, "A") && strcmp(c->type, "AAAA")) ||
	    ipaddr_parse(c->value, &ip))
		return;
	add_row(l, &ip, &n, 1);
}

static void add_net(struct lister *l, struct network *n)
{
	l->net = n;
	l->promise6 = promise6_any(n) ? promise6_new(n) : NULL;
	list_for_each(r, &n->records, struct record, node)
		add_record(l, &r->conf);
	list_for_each(nic, &n->nics, struct nic, node)
		add_nic(l, nic);
	list_for_each(v, &n->resvs, struct resv, node)
		add_resv(l, v);
	promise6_free(l->promise6);
}

/* Short names behind the full ones, where they are nobody else's. */
static void finish(struct lister *l)
{
	json_t *row, *s;
	size_t i, k;

	json_array_foreach(l->rows, i, row) {
		json_array_foreach(json_object_get(row, "brief"), k, s)
			if (json_integer_value(json_object_get(
				    l->shorts, json_string_value(s))))
				json_array_append(json_object_get(row, "names"),
						  s);
		json_object_del(row, "brief");
		json_object_del(row, "id");
	}
	json_decref(l->shorts);
}

json_t *hosts_list(struct ctl *ctl, const char *network, bool reachable)
{
	struct lister l = {.ctl = ctl, .rows = json_array(),
			   .shorts = json_object()};

	list_for_each(n, &ctl->model.nets, struct network, node) {
		bool meets = n->conf.mode == NET_HOSTONLY ||
			     n->conf.mode == NET_BRIDGED;

		if (n->dying || (network && strcmp(network, n->conf.name)) ||
		    (reachable && !meets))
			continue;
		add_net(&l, n);
	}
	finish(&l);
	return l.rows;
}

/* ---- the file --------------------------------------------------------------- */

static void print_rows(FILE *f, json_t *rows)
{
	json_t *row, *name;
	size_t i, k;

	fprintf(f, "%s, kept by vnetd; changes are lost.\n", HOSTS_MARK);
	json_array_foreach(rows, i, row) {
		fputs(json_string_value(json_object_get(row, "address")), f);
		json_array_foreach(json_object_get(row, "names"), k, name)
			fprintf(f, "%c%s", k ? ' ' : '\t',
				json_string_value(name));
		fputc('\n', f);
	}
}

static void write_rows(struct hosts *h, json_t *rows)
{
	struct errtext why = {""};
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	print_rows(f, rows);
	if (fclose(f) || (h->last && !strcmp(h->last, text))) {
		free(text);
		return;
	}
	if (replace_file(h->path, text, len, HOSTS_MARK, &why)) {
		log_limited(&h->budget, clock_mono_ms(), LOG_LVL_WARN,
			    "hosts file: not written: %s", why.s);
		free(text);
		text = NULL; /* the next change tries again */
	}
	free(h->last);
	h->last = text;
}

static void write_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct hosts *h = arg;
	json_t *rows = hosts_list(h->ctl, NULL, true);

	(void)fd;
	(void)what;
	write_rows(h, rows);
	json_decref(rows);
}

void hosts_touch(struct hosts *h)
{
	const struct timeval tv = {.tv_usec = HOSTS_DELAY_MS * 1000};

	if (h && !evtimer_pending(h->timer, NULL))
		evtimer_add(h->timer, &tv);
}

static size_t nothing_queued(struct subscriber *s)
{
	(void)s;
	return 0;
}

static void on_event(struct subscriber *s, json_t *msg)
{
	(void)msg;
	hosts_touch(container_of(s, struct hosts, sub));
}

int hosts_new(struct ctl *ctl, const char *path, struct hosts **out,
	      struct errtext *why)
{
	struct hosts *h;
	int r = replace_check(path, HOSTS_MARK, why);

	if (r == -EEXIST)
		return r;
	h = calloc(1, sizeof(*h));
	if (!h)
		return errtext_set(why, -ENOMEM, "no memory");
	h->ctl = ctl;
	h->sub.queued = nothing_queued;
	h->sub.send = on_event;
	snprintf(h->path, sizeof(h->path), "%s", path);
	h->timer = evtimer_new(ctl->base, write_on_timer, h);
	if (!h->timer) {
		free(h);
		return errtext_set(why, -ENOMEM, "no memory");
	}
	events_subscribe(&ctl->events, &h->sub,
			 event_mask("network") | event_mask("nic") |
				 event_mask("lease"));
	write_on_timer(-1, 0, h);
	*out = h;
	return 0;
}

void hosts_free(struct hosts *h)
{
	json_t *none;

	if (!h)
		return;
	events_unsubscribe(&h->sub);
	event_free(h->timer);
	none = json_array();
	write_rows(h, none);
	json_decref(none);
	free(h->last);
	free(h);
}
