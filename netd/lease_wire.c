// SPDX-License-Identifier: GPL-2.0-or-later
/* Records of leases. See lease_wire.h; what a worker may say is judged in wmsg.c. */
#include "netd/lease_wire.h"

#include <assert.h>
#include <string.h>

static_assert(LEASE_FORGOTTEN == DHCP_DECLINED + 1, "states are 0 to 5");

static void put64(struct wbuf *w, uint64_t v)
{
	wbuf_be32(w, (uint32_t)(v >> 32));
	wbuf_be32(w, (uint32_t)v);
}

static uint64_t get64(struct cur *c)
{
	uint64_t high = cur_be32(c);

	return high << 32 | cur_be32(c);
}

void lease_wire_put(struct wbuf *w, const struct lease_rec *r)
{
	const struct dhcp_lease *l = &r->lease;
	size_t name = strnlen(l->hostname, DHCP_HOSTNAME_MAX);

	put64(w, r->token);
	wbuf_be32(w, l->ip);
	wbuf_copy(w, l->mac.b, sizeof(l->mac.b));
	put64(w, l->nic_id);
	put64(w, (uint64_t)l->expiry_s);
	wbuf_u8(w, r->forgotten ? LEASE_FORGOTTEN : (uint8_t)l->state);
	wbuf_u8(w, l->client_id_len);
	wbuf_copy(w, l->client_id, l->client_id_len);
	wbuf_u8(w, (uint8_t)name);
	wbuf_copy(w, l->hostname, name);
}

bool lease_wire_get(struct cur *c, struct lease_rec *r)
{
	struct dhcp_lease *l = &r->lease;
	uint8_t state, name;

	memset(r, 0, sizeof(*r));
	r->token = get64(c);
	l->ip = cur_be32(c);
	cur_copy(c, l->mac.b, sizeof(l->mac.b));
	l->nic_id = get64(c);
	l->expiry_s = (int64_t)get64(c);
	state = cur_u8(c);
	l->client_id_len = cur_u8(c);
	cur_copy(c, l->client_id, l->client_id_len);
	name = cur_u8(c);
	if (!cur_ok(c) || state > LEASE_FORGOTTEN || l->expiry_s < 0 ||
	    name > DHCP_HOSTNAME_MAX)
		return false;
	cur_copy(c, l->hostname, name);
	r->forgotten = state == LEASE_FORGOTTEN;
	l->state = r->forgotten ? DHCP_RELEASED : (enum dhcp_state)state;
	return cur_ok(c) && strlen(l->hostname) == name;
}

void lease_wire_put_done(struct wbuf *w, uint64_t token, bool ok)
{
	put64(w, token);
	wbuf_u8(w, ok);
}

bool lease_wire_get_done(struct cur *c, uint64_t *token, bool *ok)
{
	*token = get64(c);
	*ok = cur_u8(c) == 1;
	return cur_ok(c);
}
