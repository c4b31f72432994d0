// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "switch/vhost_poll.h"

/* The guest sends every @gap_us; we ask for a kick when we give up. Returns how long the
 * ring was looked at in vain, of all the time. */
static int64_t busy_us(struct vhost_poll *p, int64_t gap_us, int n)
{
	int64_t spent = 0, now = 0;

	for (int i = 0; i < n; i++, now += gap_us) {
		int64_t t = now;

		vhost_poll_worked(p);
		while (t < now + gap_us && vhost_poll_stay(p, t))
			t++;
		spent += t - now;
		if (t < now + gap_us)
			vhost_poll_kicked(p, now + gap_us);
	}
	return spent;
}

static void poll__guest_sends_on_and_on__no_kick_is_asked_for(void **state)
{
	struct vhost_poll p;

	(void)state;
	vhost_poll_init(&p, VHOST_POLL_MAX_US);
	busy_us(&p, 20, 10);
	assert_true(p.us > 20);
	assert_int_equal(busy_us(&p, 20, 100), 100 * 20);
}

static void poll__guest_sends_now_and_then__costs_nothing(void **state)
{
	struct vhost_poll p;

	(void)state;
	vhost_poll_init(&p, VHOST_POLL_MAX_US);
	busy_us(&p, 20, 10);
	busy_us(&p, 1000, 1);
	assert_int_equal(p.us, 0);
	assert_int_equal(busy_us(&p, 1000, 1000), 0);
}

static void poll__never_longer_than_the_limit(void **state)
{
	struct vhost_poll p;

	(void)state;
	vhost_poll_init(&p, VHOST_POLL_MAX_US);
	busy_us(&p, VHOST_POLL_MAX_US - 1, 1000);
	assert_int_equal(p.us, VHOST_POLL_MAX_US);
	/* … and silence ends it for good. */
	assert_true(busy_us(&p, 1000000, 1) <= VHOST_POLL_MAX_US);
	assert_int_equal(busy_us(&p, 1000000, 1), 0);
}

static void poll__one_processor__never(void **state)
{
	struct vhost_poll p;

	(void)state;
	vhost_poll_init(&p, 0);
	assert_int_equal(busy_us(&p, 5, 100), 0);
}

static void poll__kick_while_there_was_work__says_nothing(void **state)
{
	struct vhost_poll p;

	(void)state;
	vhost_poll_init(&p, VHOST_POLL_MAX_US);
	vhost_poll_kicked(&p, 5);
	assert_int_equal(p.us, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(poll__guest_sends_on_and_on__no_kick_is_asked_for),
		cmocka_unit_test(poll__guest_sends_now_and_then__costs_nothing),
		cmocka_unit_test(poll__never_longer_than_the_limit),
		cmocka_unit_test(poll__one_processor__never),
		cmocka_unit_test(poll__kick_while_there_was_work__says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
