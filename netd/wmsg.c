// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading a worker's messages. See wmsg.h and proto.h. */
#include "netd/wmsg.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/compat.h"
#include "lib/esc.h"
#include "lib/hex.h"
#include "lib/jx.h"
#include "netd/lease_wire.h"
#include "netd/priv.h"
#include "netd/validate.h"
#include "switch/pin.h"

#define SLACK_S 3600 /* a term may be this much longer than configured */

int wmsg_lease(const struct lease_rec *rec, const struct net_conf *net,
	       bool relayed, uint32_t lease_s, int64_t wall_s,
	       struct lease_conf *out, struct errtext *why)
{
	const struct dhcp_lease *l = &rec->lease;
	int64_t latest = wall_s + lease_s + SLACK_S;
	/* Whose it was is not known where somebody was only seen to use it. */
	bool nobody = mac_is_zero(&l->mac) &&
		      (rec->forgotten || l->state == DHCP_DECLINED);

	if ((!relayed && net_guest_ip(net, l->ip, why)) ||
	    (!nobody && validate_mac(&l->mac, why)))
		return -EPROTO;
	if (l->nic_id > INT64_MAX)
		return errtext_set(why, -EPROTO, "a NIC that cannot be");
	if (rec->token ? rec->forgotten || l->state != DHCP_BOUND
		       : l->state <= DHCP_BOUND || l->state == DHCP_PROMISED)
		return errtext_set(why, -EPROTO, "a lease in a wrong state");
	memset(out, 0, sizeof(*out));
	out->network = net->id;
	out->address = l->ip;
	out->mac = l->mac;
	out->nic = (int64_t)l->nic_id;
	out->state = l->state;
	out->expires = l->expiry_s < latest ? l->expiry_s : latest;
	out->client_id_len = l->client_id_len;
	memcpy(out->client_id, l->client_id, l->client_id_len);
	/* Guests choose these; what is no host name is not worth a fight. */
	if (l->hostname[0] && !validate_hostname(l->hostname, NULL))
		snprintf(out->hostname, sizeof(out->hostname), "%s",
			 l->hostname);
	return 0;
}

int wmsg_nic(json_t *body, int64_t *nic, struct errtext *why)
{
	*nic = 0;
	if (jx_int(body, "nic", 1, INT64_MAX, nic, why))
		return -EPROTO;
	return *nic ? 0 : errtext_set(why, -EPROTO, "\"nic\" is missing");
}

int wmsg_peer(json_t *body, int64_t *nic, bool *connected, struct errtext *why)
{
	int r = wmsg_nic(body, nic, why);

	*connected = false;
	if (!r && jx_bool(body, "connected", connected, why))
		r = -EPROTO;
	return r;
}

static bool worth_keeping(const struct net_conf *net, const struct ipaddr *ip)
{
	if (ipaddr_is_any(ip) || ipaddr_is_multicast(ip) ||
	    ipaddr_is_loopback(ip))
		return false;
	if (ipaddr_is4(ip))
		return !net->subnet.plen ||
		       !net_guest_ip(net, ipaddr_get4(ip), NULL);
	/* Where we give addresses at all, only those of our prefix count. */
	if (net->subnet.plen || net->subnet6.plen)
		return !net_guest_ip6(net, ip, NULL);
	return !ipaddr_is_linklocal(ip);
}

int wmsg_seen(json_t *body, const struct net_conf *net, int64_t *nic,
	      struct mac *mac, struct ipaddr *ip, struct errtext *why)
{
	int r = wmsg_nic(body, nic, why);

	*ip = ipaddr_any;
	memset(mac, 0, sizeof(*mac));
	if (!r && (jx_mac(body, "mac", mac, why) || jx_ip(body, "ip", ip, why)))
		r = -EPROTO;
	if (!r && validate_mac(mac, why))
		r = -EPROTO;
	/* A guest may speak from wherever it likes: that is no fault of the
	 * worker's, but an address of ours or of nobody is not worth keeping. */
	if (!r && !worth_keeping(net, ip))
		*ip = ipaddr_any;
	return r;
}

int wmsg_tftp(json_t *body, int64_t *token, char name[TFTP_NAME_MAX + 1],
	      struct errtext *why)
{
	const char *hex = "";
	size_t len = 0;

	*token = 0;
	if (jx_int(body, "token", 0, INT64_MAX, token, why) ||
	    jx_need_str(body, "name", &hex, why))
		return -EPROTO;
	if (hex_decode(hex, name, TFTP_NAME_MAX, &len) || !len ||
	    memchr(name, 0, len))
		return errtext_set(why, -EPROTO, "no name of a file");
	name[len] = '\0';
	return 0;
}

int wmsg_sender(json_t *body, int64_t *nic, struct priv_way *w,
		struct errtext *why)
{
	char raw[sizeof(w->path) + 1];
	const char *addr = "";
	size_t len = 0;
	int r = wmsg_nic(body, nic, why);

	if (!r && jx_need_str(body, "addr", &addr, why))
		r = -EPROTO;
	if (!r && (hex_decode(addr, raw, sizeof(raw), &len) || !len))
		r = -EPROTO;
	if (!r && raw[0] && len && !raw[len - 1])
		len--; /* a path's terminator */
	if (!r && (!len || len > sizeof(w->path) ||
		   (raw[0] && memchr(raw, 0, len))))
		r = -EPROTO;
	if (r)
		return why && why->s[0] ? r : errtext_set(why, r,
							  "a sender's address "
							  "that is none");
	memset(w->path, 0, sizeof(w->path));
	memcpy(w->path, raw, len);
	w->len = (uint8_t)len;
	return 0;
}

static bool row_ok(json_t *row)
{
	for (size_t i = 0; i < 6; i++)
		if (!json_is_integer(json_array_get(row, i)) ||
		    json_integer_value(json_array_get(row, i)) < 0)
			return false;
	return json_array_size(row) == 6;
}

static uint64_t number(json_t *row, size_t i)
{
	return (uint64_t)json_integer_value(json_array_get(row, i));
}

int wmsg_forwards(json_t *result,
		  void (*take)(void *arg, int64_t id, const struct fwd_stats *s),
		  void *arg, int64_t *last, struct errtext *why)
{
	json_t *row, *rows = json_object_get(result, "forwards");
	bool more = false;
	int64_t at = *last;
	size_t i;

	if (!json_is_array(rows) || jx_bool(result, "more", &more, why))
		return errtext_set(why, -EPROTO, "numbers that are none");
	json_array_foreach(rows, i, row) {
		struct fwd_stats s;

		if (!row_ok(row) || (int64_t)number(row, 0) <= at)
			return errtext_set(why, -EPROTO,
					   "numbers of a forward in disorder");
		at = (int64_t)number(row, 0);
		s = (struct fwd_stats){number(row, 1), number(row, 2),
				       number(row, 3), number(row, 4),
				       number(row, 5)};
		take(arg, at, &s);
	}
	/* Without progress it would be asked forever. */
	if (more && at == *last)
		return errtext_set(why, -EPROTO, "more numbers, but none");
	*last = at;
	return more;
}

int wmsg_log(json_t *body, enum log_level *level, char line[WMSG_LINE_MAX],
	     struct errtext *why)
{
	const char *lvl = "", *text = "";
	int l;

	if (jx_need_str(body, "level", &lvl, why) ||
	    jx_need_str(body, "line", &text, why))
		return -EPROTO;
	l = log_level_parse(lvl);
	if (l < 0)
		return errtext_set(why, -EPROTO, "a log level it invented");
	*level = (enum log_level)l;
	esc(text, strlen(text), line, WMSG_LINE_MAX);
	return 0;
}

int wmsg_event(json_t *body, const char **name, struct errtext *why)
{
	const char *s = "";

	if (jx_need_str(body, "event", &s, why))
		return -EPROTO;
	if (strlen(s) > 64 ||
	    json_dumpb(body, NULL, 0, JSON_COMPACT) > WMSG_EVENT_MAX)
		return errtext_set(why, -EPROTO, "an event too large");
	*name = s;
	return 0;
}

/* One of @kinds that a NIC's guest did, with this source address. */
static int did(json_t *body, const char *const *kinds, size_t n, int64_t *nic,
	       const char **kind, struct mac *mac, struct errtext *why)
{
	const char *s = "";
	int r = wmsg_nic(body, nic, why);

	memset(mac, 0, sizeof(*mac));
	if (!r && (jx_need_str(body, "kind", &s, why) ||
		   jx_mac(body, "mac", mac, why) || validate_mac(mac, why)))
		r = -EPROTO;
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(kinds[i], s))
			continue;
		*kind = kinds[i];
		return 0;
	}
	return errtext_set(why, -EPROTO, "a kind that it invented");
}

int wmsg_rogue(json_t *body, int64_t *nic, const char **kind, struct mac *mac,
	       struct errtext *why)
{
	static const char *const kinds[] = {"dhcp", "ra", "dhcp6"};

	return did(body, kinds, ARRAY_LEN(kinds), nic, kind, mac, why);
}

int wmsg_guard(json_t *body, int64_t *nic, const char **kind, struct mac *mac,
	       struct errtext *why)
{
	/* pin_fault_name() */
	static const char *const kinds[] = {"mac",     "claim",	   "address",
					    "dhcp",    "gateway", "protocol",
					    "storm"};

	static_assert(ARRAY_LEN(kinds) == PIN_FAULTS, "a name is missing");
	return did(body, kinds, PIN_FAULTS, nic, kind, mac, why);
}

int wmsg_other_server(json_t *body, struct mac *mac, uint32_t *server,
		      struct errtext *why)
{
	*server = 0;
	memset(mac, 0, sizeof(*mac));
	if (jx_mac(body, "mac", mac, why) || validate_mac(mac, why) ||
	    jx_ip4(body, "server", server, why))
		return -EPROTO;
	return *server ? 0 : errtext_set(why, -EPROTO, "a DHCP server without "
					 "an address");
}

int wmsg_conflict(json_t *body, const struct net_conf *net, int64_t *nic,
		  uint32_t *ip, struct mac *mac, struct errtext *why)
{
	*nic = 0;
	*ip = 0;
	memset(mac, 0, sizeof(*mac));
	if (jx_int(body, "nic", 0, INT64_MAX, nic, why) ||
	    jx_ip4(body, "ip", ip, why) || jx_mac(body, "mac", mac, why) ||
	    validate_mac(mac, why))
		return -EPROTO;
	return ip4_in_net(*ip, &net->subnet)
		       ? 0
		       : errtext_set(why, -EPROTO,
				     "a conflict about a foreign address");
}

/* ---- the table of MACs --------------------------------------------------- */

json_t *wmsg_fdb(json_t *table)
{
	json_t *v, *out = json_array();
	size_t i;

	json_array_foreach(table, i, v) {
		int64_t nic = 0, age_s = 0;
		struct mac mac = {{0}};
		json_t *o;

		if (i == WMSG_FDB_MAX)
			break;
		if (jx_mac(v, "mac", &mac, NULL) ||
		    jx_int(v, "nic", 0, INT64_MAX, &nic, NULL) ||
		    jx_int(v, "age_s", 0, INT32_MAX, &age_s, NULL))
			continue;
		o = json_pack("{s:I,s:I}", "nic", (json_int_t)nic, "age_s",
			      (json_int_t)age_s);
		jx_set_mac(o, "mac", &mac);
		json_array_append_new(out, o);
	}
	return out;
}

/* ---- flows --------------------------------------------------------------- */

static bool copy_int(json_t *from, json_t *to, const char *key, int64_t max)
{
	int64_t v = -1;

	if (jx_int(from, key, 0, max, &v, NULL) || v < 0)
		return false;
	json_object_set_new(to, key, json_integer(v));
	return true;
}

static bool copy_ip(json_t *from, json_t *to, const char *key)
{
	struct ipaddr ip = ipaddr_any;

	if (jx_ip(from, key, &ip, NULL))
		return false;
	json_object_set_new(to, key, json_null());
	if (!ipaddr_is_zero(&ip))
		jx_set_ip(to, key, &ip);
	return true;
}

/* A word of small letters, digits and '_'. */
static bool copy_word(json_t *from, json_t *to, const char *key)
{
	const char *s = json_string_value(json_object_get(from, key));
	size_t n = s ? strlen(s) : 0;

	if (!n || n > 16 ||
	    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") != n)
		return false;
	json_object_set_new(to, key, json_string(s));
	return true;
}

json_t *wmsg_flow(json_t *row, int64_t *after)
{
	json_t *o = json_object();
	int64_t id;

	if (!copy_int(row, o, "id", INT64_MAX) || !copy_word(row, o, "proto") ||
	    !copy_int(row, o, "nic", INT64_MAX) ||
	    !copy_word(row, o, "state") || !copy_ip(row, o, "guest") ||
	    !copy_int(row, o, "guest_port", 65535) ||
	    !copy_ip(row, o, "outside") ||
	    !copy_int(row, o, "outside_port", 65535) ||
	    !copy_int(row, o, "host_port", 65535) ||
	    !copy_int(row, o, "bytes_out", INT64_MAX) ||
	    !copy_int(row, o, "bytes_in", INT64_MAX) ||
	    !copy_int(row, o, "packets_out", INT64_MAX) ||
	    !copy_int(row, o, "packets_in", INT64_MAX) ||
	    !copy_int(row, o, "age_s", INT64_MAX) ||
	    !copy_int(row, o, "idle_s", INT64_MAX)) {
		json_decref(o);
		return NULL;
	}
	json_object_set_new(
		o, "forwarded",
		json_boolean(json_is_true(json_object_get(row, "forwarded"))));
	id = json_integer_value(json_object_get(o, "id"));
	/* Odd ids, TCP's, come behind all even ones. */
	if ((id & 1) == (*after & 1) ? id > *after : id & 1)
		*after = id;
	return o;
}
