// SPDX-License-Identifier: GPL-2.0-or-later
/* Bytes as hexadecimal digits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/hex.h"

static void hex__there_and_back__same(void **state)
{
	uint8_t in[256], out[256];
	char text[513];
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 256; i++)
		in[i] = (uint8_t)i;
	hex_encode(in, 256, text);
	assert_int_equal(strlen(text), 512);
	assert_int_equal(hex_decode(text, out, 256, &len), 0);
	assert_int_equal(len, 256);
	assert_memory_equal(in, out, 256);
	assert_int_equal(hex_decode(text, out, 255, &len), -E2BIG);
	hex_encode(in, 0, text);
	assert_string_equal(text, "");
}

static void hex_decode__not_digits__refused(void **state)
{
	uint8_t out[8];
	size_t len;

	(void)state;
	assert_int_equal(hex_decode("Ff0a", out, 8, &len), 0);
	assert_memory_equal(out, "\xff\x0a", 2);
	assert_int_equal(hex_decode("f", out, 8, &len), -EINVAL);
	assert_int_equal(hex_decode("fg", out, 8, &len), -EINVAL);
	assert_int_equal(hex_decode(" f", out, 8, &len), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex__there_and_back__same),
		cmocka_unit_test(hex_decode__not_digits__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
