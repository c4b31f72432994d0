// SPDX-License-Identifier: GPL-2.0-or-later
/* links: cli */
/*
 * Command lines of VMMs as /proc/PID/cmdline has them: words that end with a NUL. The
 * helper for bridges reads that of whoever started it, `vnet run` its own user's. The
 * name found is one that a VM may have; what was looked at can be made into a command.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run_plan.h"

#define WORDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_a_name(const char *vm)
{
	size_t n = strlen(vm);

	assert(n && n < RUN_VM_TEXT);
	assert(strspn(vm, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			  "0123456789._-") == n);
	assert(!strchr("._-", vm[0]));
}

static void of_a_bridge(const char *const *argv)
{
	struct run_bridge b;

	run_bridge_look(argv, "lab", 77, &b);
	is_a_name(b.vm);
	run_bridge_look(argv, "", 77, &b);
	is_a_name(b.vm);
}

static void of_a_run(const char *const *argv)
{
	struct runner_nic nic = {.vm = "a", .type = "fd", .fd = 5,
				 .mac = "52:54:00:00:00:01"};
	struct errtext why = {""};
	struct run_hints hints;
	struct strv out = {0};

	if (!run_look(argv, 0, &hints, &why))
		(void)run_command(argv, &hints, &nic, "lab", &out, &why);
	strv_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *argv[WORDS + 1] = {NULL};
	char *text = malloc(size + 1);
	size_t n = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t at = 0; at < size && n < WORDS; at += strlen(text + at) + 1)
		argv[n++] = text + at;
	if (n && run_is_qemu(argv))
		of_a_bridge(argv);
	if (n)
		of_a_run(argv);
	free(text);
	return 0;
}
