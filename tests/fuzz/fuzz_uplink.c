// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_io switch_core */
/*
 * An uplink's journal, whose addresses and routes are the kernel's messages. What can
 * be read must be written the same, read again, and planned in both directions, with
 * every object rewritten for another interface still being one.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "switch/uplink_int.h"

#define BRIDGE 99

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rewrite(const struct up_plan *p, const struct up_saved *was)
{
	uint8_t out[OBJ_MAX];
	char text[STEP_TEXT];

	for (size_t i = 0; i < p->n; i++) {
		const struct up_step *st = &p->step[i];
		struct up_obj *again;
		size_t n;

		step_text(st, was, text);
		if (!st->obj)
			continue;
		n = obj_request(st->obj, st->from, BRIDGE, st->age_s, "eth0:x",
				out);
		assert(n <= sizeof(out));
		again = n ? obj_new(st->obj->route, out, n) : NULL;
		assert(!again || obj_valid(again));
		free(again);
	}
}

static void plan_both(const struct up_saved *was)
{
	struct up_l3 empty;
	struct up_plan p;

	l3_init(&empty);
	empty.index = BRIDGE;
	assert(!plan_in(was, &p));
	rewrite(&p, was);
	plan_fini(&p);
	/* all still there, all gone over, all lost */
	assert(!plan_out(was, &empty, &was->l3, was->time_s, &p));
	rewrite(&p, was);
	plan_fini(&p);
	assert(!plan_out(was, &was->l3, &empty, was->time_s, &p));
	rewrite(&p, was);
	plan_fini(&p);
	assert(!plan_out(was, &empty, &empty, INT64_MAX, &p));
	rewrite(&p, was);
	plan_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *one = NULL, *two = NULL;
	struct up_saved s, again;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (!journal_parse(text, &s)) {
		assert(!journal_format(&s, &one));
		two = strdup(one);
		assert(!journal_parse(two, &again));
		free(two);
		assert(!journal_format(&again, &two));
		assert(!strcmp(one, two));
		plan_both(&s);
		saved_fini(&again);
		saved_fini(&s);
	}
	free(one);
	free(two);
	free(text);
	return 0;
}
