// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How far apart two processors are: nanoseconds for a cache line from one to the other
 * and back. A virtual machine's processors are threads of its host, which moves them: now
 * they share a cache, a moment later they lie on two dies, and all that passes between
 * them takes four times as long.
 *
 *   apart CPU CPU
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WARM 2000
#define TRIPS 20000 /* with WARM among them: 2 to 10 ms */

static _Alignas(128) atomic_int ball;

static void stay_on(size_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
}

static void await(int n)
{
	while (atomic_load_explicit(&ball, memory_order_acquire) != n)
		;
}

static void pass(int n)
{
	atomic_store_explicit(&ball, n, memory_order_release);
}

static void *other_side(void *cpu)
{
	stay_on(*(size_t *)cpu);
	for (int i = 0; i < TRIPS; i++) {
		await(2 * i + 1);
		pass(2 * i + 2);
	}
	return NULL;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int main(int argc, char **argv)
{
	pthread_t other;
	int64_t began = 0;
	size_t here, there;

	if (argc != 3)
		return 2;
	here = strtoul(argv[1], NULL, 10);
	there = strtoul(argv[2], NULL, 10);
	stay_on(here);
	if (pthread_create(&other, NULL, other_side, &there))
		return 1;
	for (int i = 0; i < TRIPS; i++) {
		if (i == WARM)
			began = now_ns();
		pass(2 * i + 1);
		await(2 * i + 2);
	}
	printf("%.0f\n", (double)(now_ns() - began) / (TRIPS - WARM));
	pthread_join(other, NULL);
	return 0;
}
