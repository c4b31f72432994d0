// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core */
/* Is an address free? Asking, in advance and in time. */
#include "dhcp/dhcp_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define IP(n) (0x0a000200u + (n))
#define T0    INT64_C(1000000)

static const struct mac client = {{0x52, 0x54, 0, 0, 0, 1}};
static const struct mac other = {{0x52, 0x54, 0, 0, 0, 2}};

struct fix {
	struct dhcp_probe p;
	unsigned int asked;
	uint32_t last;
};

static void on_ask(void *arg, uint32_t ip)
{
	struct fix *f = arg;

	f->asked++;
	f->last = ip;
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	dhcp_probe_init(&f->p, on_ask, f);
	*state = f;
	return f ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static enum dhcp_use use(struct fix *f, uint32_t ip, int64_t now)
{
	return dhcp_probe_use(&f->p, ip, &client, true, now);
}

/* RFC 2131 3.1 */
static void use__nothing_known__asked_then_free(void **state)
{
	struct fix *f = *state;

	assert_int_equal(use(f, IP(15), T0), DHCP_USE_ASKED);
	assert_int_equal(f->last, IP(15));
	assert_int_equal(use(f, IP(15), T0 + DHCP_PROBE_MS - 1), DHCP_USE_ASKED);
	assert_int_equal(use(f, IP(15), T0 + DHCP_PROBE_MS), DHCP_USE_NONE);
	assert_int_equal(f->asked, 1);
	/* who only wants to know what is known never waits */
	assert_int_equal(dhcp_probe_use(&f->p, IP(16), &client, false, T0),
			 DHCP_USE_NONE);
	assert_int_equal(f->asked, 1);
}

static void use__asked_ahead__no_wait(void **state)
{
	struct fix *f = *state;

	dhcp_probe_ahead(&f->p, IP(15), false, T0);
	dhcp_probe_ahead(&f->p, IP(15), false, T0 + 10);
	assert_int_equal(f->asked, 1);
	dhcp_probe_ahead(&f->p, IP(15), true, T0 + 10);
	assert_int_equal(f->asked, 2);
	assert_int_equal(use(f, IP(15), T0 + DHCP_PROBE_MS), DHCP_USE_ASKED);
	dhcp_probe_ahead(&f->p, IP(15), true, T0 + 1000);
	assert_int_equal(f->asked, 3);
	assert_int_equal(use(f, IP(15), T0 + 1001), DHCP_USE_NONE);
	assert_int_equal(f->asked, 3);
}

static void use__answered__taken_for_others(void **state)
{
	struct fix *f = *state;

	dhcp_probe_heard(&f->p, IP(15), &other, 7); /* not asked about */
	assert_null(dhcp_probe_find(&f->p, IP(15)));
	(void)use(f, IP(15), T0);
	dhcp_probe_heard(&f->p, IP(15), &other, 7);
	assert_int_equal(use(f, IP(15), T0 + 1), DHCP_USE_TAKEN);
	assert_int_equal(dhcp_probe_find(&f->p, IP(15))->nic_id, 7);
	assert_int_equal(dhcp_probe_use(&f->p, IP(15), &other, true, T0 + 1),
			 DHCP_USE_NONE); /* its own */
	dhcp_probe_forget(&f->p, IP(15));
	assert_int_equal(use(f, IP(15), T0 + 2), DHCP_USE_ASKED);
}

/* Known to be free a while ago: not waited for, but asked about again, and who
 * answers now is heard before the lease. */
static void use__asked_long_ago__asked_again_meanwhile(void **state)
{
	struct fix *f = *state;
	int64_t now = T0 + DHCP_PROBE_AGAIN_MS;

	dhcp_probe_ahead(&f->p, IP(15), false, T0);
	assert_int_equal(use(f, IP(15), now), DHCP_USE_NONE);
	assert_int_equal(f->asked, 2);
	assert_int_equal(use(f, IP(15), now + 1), DHCP_USE_NONE);
	assert_int_equal(f->asked, 2);
	dhcp_probe_heard(&f->p, IP(15), &other, 7);
	assert_int_equal(dhcp_probe_use(&f->p, IP(15), &client, false, now + 2),
			 DHCP_USE_TAKEN);
	now += DHCP_PROBE_KEEP_MS; /* whoever it was may be gone */
	assert_int_equal(use(f, IP(15), now), DHCP_USE_ASKED);
	assert_int_equal(use(f, IP(15), now + DHCP_PROBE_KEEP_MS),
			 DHCP_USE_ASKED);
}

/* Somebody came after all were asked: what else has he? */
static void heard__was_silent__others_are_unknown_again(void **state)
{
	struct fix *f = *state;
	int64_t now = T0 + DHCP_PROBE_AGAIN_MS;

	dhcp_probe_ahead(&f->p, IP(15), false, T0);
	dhcp_probe_ahead(&f->p, IP(16), false, T0);
	(void)use(f, IP(17), T0);
	assert_false(dhcp_probe_heard(&f->p, IP(17), &other, 7));
	assert_int_equal(use(f, IP(15), now), DHCP_USE_NONE);
	assert_true(dhcp_probe_heard(&f->p, IP(15), &other, 7));
	assert_false(dhcp_probe_heard(&f->p, IP(15), &other, 7));
	assert_int_equal(use(f, IP(15), now), DHCP_USE_TAKEN);
	assert_int_equal(use(f, IP(17), now), DHCP_USE_TAKEN);
	assert_int_equal(use(f, IP(16), now), DHCP_USE_ASKED);
}

static void use__many_at_once__not_asked_about(void **state)
{
	struct fix *f = *state;
	unsigned int waits = 0;

	for (uint32_t i = 0; i < 1000; i++)
		waits += use(f, IP(i), T0) == DHCP_USE_ASKED;
	assert_int_equal(waits, DHCP_PROBE_WAITS);
	assert_int_equal(f->asked, DHCP_PROBE_RATE);
	assert_int_equal(f->p.skipped, 1000 - DHCP_PROBE_RATE);
	/* Busy, so the next second's first are not made to wait either. */
	assert_int_equal(use(f, IP(2000), T0 + 1000), DHCP_USE_NONE);
	assert_int_equal(f->last, IP(2000));
	assert_int_equal(use(f, IP(2001), T0 + 2000), DHCP_USE_ASKED);
}

/* Each would get the address that the one before it waits for. */
static void use__many_want_one_address__few_wait_for_it(void **state)
{
	struct fix *f = *state;
	unsigned int waits = 0;

	for (int i = 0; i < 100; i++)
		waits += use(f, IP(15), T0 + i) == DHCP_USE_ASKED;
	assert_int_equal(waits, DHCP_PROBE_WAITS);
	assert_int_equal(f->asked, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(use__nothing_known__asked_then_free),
		T(use__asked_ahead__no_wait),
		T(use__answered__taken_for_others),
		T(use__asked_long_ago__asked_again_meanwhile),
		T(heard__was_silent__others_are_unknown_again),
		T(use__many_at_once__not_asked_about),
		T(use__many_want_one_address__few_wait_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
