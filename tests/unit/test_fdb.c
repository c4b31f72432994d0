// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "switch/fdb.h"

#define MAX 8

static struct mac mac(unsigned int i)
{
	return (struct mac){{2, 0, (uint8_t)(i >> 24), (uint8_t)(i >> 16),
			     (uint8_t)(i >> 8), (uint8_t)i}};
}

static int setup(void **state)
{
	*state = fdb_new(MAX, 16, 300, (uint64_t[]){1, 2});
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	fdb_free(*state);
	return 0;
}

static enum fdb_learned learn(struct fdb *t, unsigned int i, uint16_t port,
			      int64_t now)
{
	struct fdb_note *note;
	struct mac m = mac(i);

	return fdb_learn(t, &m, 0, port, now, &note);
}

static int find(struct fdb *t, unsigned int i, int64_t now)
{
	struct mac m = mac(i);

	return fdb_lookup(t, &m, 0, now);
}

static void learn__first_again_elsewhere__new_same_moved(void **state)
{
	struct fdb *t = *state;

	assert_int_equal(find(t, 1, 0), FDB_NONE);
	assert_int_equal(learn(t, 1, 3, 0), FDB_NEW);
	assert_int_equal(find(t, 1, 0), 3);
	assert_int_equal(learn(t, 1, 3, 5), FDB_SAME);
	assert_int_equal(learn(t, 1, 4, 5), FDB_MOVED);
	assert_int_equal(find(t, 1, 5), 4);
	assert_int_equal(fdb_port_count(t, 3), 0);
	assert_int_equal(fdb_port_count(t, 4), 1);
	assert_int_equal(fdb_count(t), 1);
}

static void learn__same_mac_two_vlans__two_entries(void **state)
{
	struct fdb *t = *state;
	struct fdb_note *note;
	struct mac m = mac(1);

	fdb_learn(t, &m, 10, 1, 0, &note);
	fdb_learn(t, &m, 20, 2, 0, &note);
	assert_int_equal(fdb_lookup(t, &m, 10, 0), 1);
	assert_int_equal(fdb_lookup(t, &m, 20, 0), 2);
	assert_int_equal(fdb_lookup(t, &m, 0, 0), FDB_NONE);
}

static void lookup__age_passed__unknown_even_before_tick(void **state)
{
	struct fdb *t = *state;

	learn(t, 1, 3, 100);
	assert_int_equal(find(t, 1, 399), 3);
	assert_int_equal(find(t, 1, 400), FDB_NONE);
}

static void tick__some_aged__forgets_them_and_says_when_next(void **state)
{
	struct fdb *t = *state;

	assert_true(fdb_tick(t, 0) == FDB_NEVER);
	learn(t, 1, 3, 100);
	learn(t, 2, 3, 150);
	learn(t, 3, 5, 120);
	assert_int_equal(fdb_tick(t, 399), 400);
	learn(t, 1, 3, 399); /* refreshed */
	assert_int_equal(fdb_tick(t, 420), 450);
	assert_int_equal(fdb_count(t), 2);
	assert_int_equal(find(t, 3, 420), FDB_NONE);
	assert_int_equal(fdb_tick(t, 699), FDB_NEVER);
	assert_int_equal(fdb_count(t), 0);
}

/* The loop goes on between them. */
static void tick__many_aged__some_at_a_time(void **state)
{
	const uint32_t many = 2 * FDB_TICK_MAX + 1;
	const uint64_t seed[2] = {1, 2};
	struct fdb *t = fdb_new(many, 4, 300, seed);
	struct fdb_note *note;

	(void)state;
	for (uint32_t i = 0; i < many; i++) {
		struct mac m = {{2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}};

		assert_int_equal(fdb_learn(t, &m, 0, (uint16_t)(i % 4), 100, &note),
				 FDB_NEW);
	}
	assert_int_equal(fdb_tick(t, 400), 400);
	assert_int_equal(fdb_count(t), FDB_TICK_MAX + 1);
	assert_int_equal(find(t, 1, 400), FDB_NONE);
	assert_int_equal(fdb_tick(t, 400), 400);
	assert_int_equal(fdb_tick(t, 400), FDB_NEVER);
	assert_int_equal(fdb_count(t), 0);
	fdb_free(t);
}

static void learn__full__oldest_of_greediest_port_makes_room(void **state)
{
	struct fdb *t = *state;

	learn(t, 100, 1, 0); /* oldest of all, but of a modest port */
	learn(t, 101, 1, 0);
	for (unsigned int i = 0; i < 6; i++)
		learn(t, i, 2, 1);
	assert_int_equal(fdb_count(t), MAX);
	learn(t, 0, 2, 2); /* fresh again: 1 is the oldest of port 2 */
	assert_int_equal(learn(t, 102, 3, 3), FDB_NEW);
	assert_int_equal(find(t, 1, 3), FDB_NONE);
	assert_int_equal(find(t, 0, 3), 2);
	assert_int_equal(find(t, 100, 3), 1);
	/* The flooder replaces its own. */
	for (unsigned int i = 1000; i < 3000; i++)
		assert_int_equal(learn(t, i, 2, 4), FDB_NEW);
	assert_int_equal(find(t, 100, 4), 1);
	assert_int_equal(find(t, 101, 4), 1);
	assert_int_equal(find(t, 102, 4), 3);
	assert_int_equal(fdb_port_count(t, 2), 5);
	assert_int_equal(fdb_count(t), MAX);
}

static void static__present__neither_moves_nor_ages_nor_is_evicted(void **state)
{
	struct fdb *t = *state;
	struct mac m = mac(7);

	learn(t, 7, 1, 0);
	assert_int_equal(fdb_static(t, &m, 0, 9), 0);
	assert_int_equal(fdb_static(t, &m, 0, 9), -EEXIST);
	assert_int_equal(fdb_port_count(t, 1), 0);
	assert_int_equal(learn(t, 7, 1, 0), FDB_STATIC);
	assert_int_equal(learn(t, 7, 9, 0), FDB_SAME);
	for (unsigned int i = 100; i < 200; i++)
		learn(t, i, 2, 0);
	fdb_tick(t, 100000);
	assert_int_equal(find(t, 7, 100000), 9);
	assert_int_equal(fdb_count(t), 1);
}

static void static__table_full_of_statics__refused_and_nothing_learned(
	void **state)
{
	struct fdb *t = *state;
	struct mac m;

	learn(t, 1, 1, 0);
	for (unsigned int i = 10; i < 10 + MAX; i++) {
		m = mac(i);
		assert_int_equal(fdb_static(t, &m, 0, 2), 0);
	}
	m = mac(99);
	assert_int_equal(fdb_static(t, &m, 0, 2), -ENOSPC);
	assert_int_equal(learn(t, 5, 1, 0), FDB_FULL);
	assert_int_equal(find(t, 5, 0), FDB_NONE);
}

static void forget_port__with_and_without_statics__only_that_port(void **state)
{
	struct fdb *t = *state;
	struct mac m = mac(50);

	learn(t, 1, 1, 0);
	learn(t, 2, 2, 0);
	fdb_static(t, &m, 0, 1);
	fdb_forget_port(t, 1, false);
	assert_int_equal(find(t, 1, 0), FDB_NONE);
	assert_int_equal(find(t, 2, 0), 2);
	assert_int_equal(find(t, 50, 0), 1);
	fdb_forget_port(t, 1, true);
	assert_int_equal(find(t, 50, 0), FDB_NONE);
	assert_int_equal(fdb_count(t), 1);
}

static void note__entry_moved__zeroed(void **state)
{
	struct fdb *t = *state;
	struct fdb_note *note;
	struct mac m = mac(1);

	fdb_learn(t, &m, 0, 1, 0, &note);
	assert_int_equal(note->ip4, 0);
	note->ip4 = 5;
	fdb_learn(t, &m, 0, 1, 9, &note);
	assert_int_equal(note->ip4, 5);
	fdb_learn(t, &m, 0, 2, 9, &note);
	assert_int_equal(note->ip4, 0);
}

/* Random operations against a plain array. */
static void learn__random_operations__counts_stay_true(void **state)
{
	struct fdb *t = *state;
	uint32_t r = 1;

	for (int i = 0; i < 20000; i++) {
		unsigned int sum = 0;

		r = r * 1664525 + 1013904223;
		switch (r >> 28) {
		case 0:
			fdb_forget_port(t, r >> 8 & 15, false);
			break;
		case 1:
			fdb_tick(t, i);
			break;
		default:
			learn(t, r >> 16 & 31, r >> 8 & 15, i);
			assert_int_equal(find(t, r >> 16 & 31, i),
					 r >> 8 & 15);
		}
		for (uint16_t p = 0; p < 16; p++)
			sum += fdb_port_count(t, p);
		assert_int_equal(sum, fdb_count(t));
		assert_true(sum <= MAX);
	}
}

static void count_one(void *arg, const struct fdb_info *e)
{
	int *n = arg;

	n[e->age_s < 0 ? 0 : 1]++;
	if (e->age_s >= 0)
		assert_int_equal(e->age_s, 7);
}

static void walk__static_and_learned__each_once(void **state)
{
	struct fdb *t = *state;
	struct mac m = mac(9);
	int n[2] = {0, 0};

	fdb_static(t, &m, 0, 1);
	learn(t, 1, 2, 3);
	learn(t, 2, 3, 3);
	fdb_walk(t, 10, count_one, n);
	assert_int_equal(n[0], 1);
	assert_int_equal(n[1], 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(learn__first_again_elsewhere__new_same_moved),
		T(learn__same_mac_two_vlans__two_entries),
		T(lookup__age_passed__unknown_even_before_tick),
		T(tick__some_aged__forgets_them_and_says_when_next),
		T(tick__many_aged__some_at_a_time),
		T(learn__full__oldest_of_greediest_port_makes_room),
		T(static__present__neither_moves_nor_ages_nor_is_evicted),
		T(static__table_full_of_statics__refused_and_nothing_learned),
		T(forget_port__with_and_without_statics__only_that_port),
		T(note__entry_moved__zeroed),
		T(learn__random_operations__counts_stay_true),
		T(walk__static_and_learned__each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
