// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd dhcp_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "netd/events.h"

struct sub {
	struct subscriber s;
	size_t bytes;
	int got;
	json_t *last;
};

static size_t queued(struct subscriber *s)
{
	return ((struct sub *)s)->bytes;
}

static void take(struct subscriber *s, json_t *msg)
{
	struct sub *u = (struct sub *)s;

	u->got++;
	json_decref(u->last);
	u->last = json_incref(json_object_get(msg, "params"));
}

static struct sub make(void)
{
	return (struct sub){.s = {.queued = queued, .send = take}};
}

static const char *type(const struct sub *u)
{
	return json_string_value(json_object_get(u->last, "type"));
}

static void mask__names_and_kinds(void **state)
{
	(void)state;
	assert_int_equal(event_mask("lease.bound"), 1u << EVENT_LEASE_BOUND);
	assert_int_equal(event_mask("lease"), 15u << EVENT_LEASE_BOUND);
	assert_int_equal(event_mask("leas"), 0);
	assert_int_equal(event_mask(""), 0);
	assert_int_equal(event_mask("lease."), 0);
	for (int i = 0; i < EVENT_TYPES; i++)
		assert_int_equal(event_mask(event_name((enum event_type)i)),
				 1u << i);
}

static void emit__only_to_who_asked(void **state)
{
	struct sub a = make(), b = make();
	struct events e;

	(void)state;
	events_init(&e);
	events_subscribe(&e, &a.s, event_mask("lease"));
	events_subscribe(&e, &b.s, event_mask("nic"));
	events_emit(&e, EVENT_LEASE_BOUND, json_pack("{s:s}", "x", "y"));
	assert_int_equal(a.got, 1);
	assert_int_equal(b.got, 0);
	assert_string_equal(type(&a), "lease.bound");
	/* A NIC's own type does not get lost. */
	events_emit(&e, EVENT_NIC_ATTACHED, json_pack("{s:s}", "type", "tap"));
	assert_string_equal(type(&b), "nic.attached");
	assert_string_equal(
		json_string_value(json_object_get(b.last, "nic_type")), "tap");
	events_unsubscribe(&a.s);
	events_emit(&e, EVENT_LEASE_BOUND, json_object());
	assert_int_equal(a.got, 1);
	events_unsubscribe(&b.s);
	json_decref(a.last);
	json_decref(b.last);
}

static void emit__queue_full__missed_is_counted(void **state)
{
	struct sub a = make();
	struct events e;

	(void)state;
	events_init(&e);
	events_subscribe(&e, &a.s, UINT32_MAX);
	a.bytes = EVENTS_QUEUE_MAX;
	for (int i = 0; i < 7; i++)
		events_emit(&e, EVENT_NET_STATE, json_object());
	assert_int_equal(a.got, 0);
	events_drained(&a.s); /* still full */
	assert_int_equal(a.got, 0);
	a.bytes = EVENTS_QUEUE_MAX - 1;
	/* Room again, but the report comes first: order is kept. */
	events_emit(&e, EVENT_NET_STATE, json_object());
	assert_int_equal(a.got, 0);
	a.bytes = 0;
	events_drained(&a.s);
	assert_string_equal(type(&a), "events.missed");
	assert_int_equal(json_integer_value(json_object_get(a.last, "count")),
			 8);
	events_emit(&e, EVENT_NET_STATE, json_object());
	assert_string_equal(type(&a), "network.state");
	events_unsubscribe(&a.s);
	json_decref(a.last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mask__names_and_kinds),
		cmocka_unit_test(emit__only_to_who_asked),
		cmocka_unit_test(emit__queue_full__missed_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
