// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a fuzz target without libFuzzer, with any compiler: replays the corpus,
 * then mutates it for a while (deterministic for a given seed).
 *
 *   fuzz_x [-t SECONDS] [-s SEED] FILE-or-DIR…
 *
 * The input that made the target end the process (a sanitizer's finding, abort())
 * is left in fuzz_x.crash; `fuzz_x fuzz_x.crash` shows it again.
 */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define INPUT_MAX  65536
#define INPUTS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	uint8_t *p;
	size_t len;
} input[INPUTS_MAX];
static size_t inputs;
static uint64_t rng;

static struct {
	const uint8_t *p;
	size_t len;
	char path[4096];
} now; /* what the target is working on; p is NULL between runs */

/* Part of the sanitizers' runtimes; absent without one. */
void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));

/* Called by UBSan's runtime, which has no such callback: make it abort(). */
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1";
}

static void save_input(void)
{
	FILE *f = now.p ? fopen(now.path, "wb") : NULL;

	if (!f)
		return;
	fwrite(now.p, 1, now.len, f);
	fclose(f);
	fprintf(stderr, "input of %zu bytes saved: %s\n", now.len, now.path);
	now.p = NULL;
}

static void on_signal(int sig)
{
	save_input();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void watch(const char *self)
{
	snprintf(now.path, sizeof(now.path), "%s.crash", self);
	signal(SIGABRT, on_signal);
	signal(SIGTERM, on_signal); /* it hung and was stopped */
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(save_input);
}

static uint32_t rnd(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return below ? (uint32_t)(rng >> 16) % below : 0;
}

/* The target gets an exact-size heap copy, so that ASan sees every overrun. */
static void run(const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		exit(2);
	memcpy(copy, p, len);
	now.p = p;
	now.len = len;
	LLVMFuzzerTestOneInput(copy, len);
	now.p = NULL;
	free(copy);
}

static void load_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *buf = malloc(INPUT_MAX);

	if (f && buf && inputs < INPUTS_MAX) {
		size_t n = fread(buf, 1, INPUT_MAX, f);

		input[inputs].p = malloc(n ? n : 1);
		memcpy(input[inputs].p, buf, n);
		input[inputs++].len = n;
	}
	free(buf);
	if (f)
		fclose(f);
}

static void load(const char *path)
{
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (stat(path, &st))
		return;
	if (!S_ISDIR(st.st_mode)) {
		load_file(path);
		return;
	}
	d = opendir(path);
	while (d && (e = readdir(d))) {
		char sub[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		load_file(sub);
	}
	if (d)
		closedir(d);
}

static size_t mutate(uint8_t *b, size_t len)
{
	static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe};
	uint32_t rounds = 1 + rnd(6);

	while (rounds--) {
		size_t at = rnd((uint32_t)len + 1), n = 1 + rnd(8);
		const uint8_t *src;

		switch (rnd(7)) {
		case 0: /* truncate */
			len = at;
			break;
		case 1: /* flip a bit */
			if (at < len)
				b[at] ^= (uint8_t)(1u << rnd(8));
			break;
		case 2: /* interesting byte */
			if (at < len)
				b[at] = odd[rnd(sizeof(odd))];
			break;
		case 3: /* random byte */
			if (at < len)
				b[at] = (uint8_t)rnd(256);
			break;
		case 4: /* insert */
			if (len + n > INPUT_MAX)
				break;
			memmove(b + at + n, b + at, len - at);
			for (size_t i = 0; i < n; i++)
				b[at + i] = (uint8_t)rnd(256);
			len += n;
			break;
		case 5: /* remove */
			if (at + n > len)
				break;
			memmove(b + at, b + at + n, len - at - n);
			len -= n;
			break;
		default: { /* splice from another input */
			size_t k = rnd((uint32_t)inputs);

			n = rnd((uint32_t)input[k].len + 1);
			src = input[k].p + (input[k].len - n);
			if (at + n > INPUT_MAX)
				break;
			memcpy(b + at, src, n);
			if (at + n > len)
				len = at + n;
		}
		}
	}
	return len;
}

int main(int argc, char **argv)
{
	double seconds = 0;
	uint64_t seed = 1, runs = 0;
	uint8_t *buf = malloc(INPUT_MAX + 64);
	time_t end;
	int opt;

	watch(argv[0]);
	while ((opt = getopt(argc, argv, "t:s:")) != -1) {
		if (opt == 't')
			seconds = atof(optarg);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	for (int i = optind; i < argc; i++)
		load(argv[i]);
	for (size_t i = 0; i < inputs; i++)
		run(input[i].p, input[i].len);
	if (!inputs) {
		input[0].p = calloc(1, 64);
		input[inputs++].len = 64;
	}
	rng = seed * 0x9e3779b97f4a7c15ULL + 1;
	end = time(NULL) + (time_t)seconds;
	while (seconds > 0 && time(NULL) < end) {
		for (int i = 0; i < 500; i++, runs++) {
			size_t k = rnd((uint32_t)inputs);
			size_t len = input[k].len;

			memcpy(buf, input[k].p, len);
			run(buf, mutate(buf, len));
		}
	}
	printf("%s: %zu inputs, %llu mutations\n", argv[0], inputs,
	       (unsigned long long)runs);
	for (size_t i = 0; i < inputs; i++)
		free(input[i].p);
	free(buf);
	return 0;
}
