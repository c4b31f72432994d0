/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hot paths, each in a loop, for counting their instructions (cpu.py). A case prepares
 * everything outside of what is counted: between cpu_on() and cpu_off() run only our own
 * code and fakes that do next to nothing. Without callgrind the cases run as well and
 * count nothing.
 */
#ifndef VNET_TESTS_BENCH_CPU_H
#define VNET_TESTS_BENCH_CPU_H

#include <stdio.h>
#include <stdlib.h>

#include "switch/port.h"

struct cpu_case {
	const char *name, *unit;
	void (*open)(void);
	/* About @n units of work; returns how many it counted in fact. */
	unsigned long (*run)(unsigned long n);
	void (*close)(void);
	unsigned long n;
};

extern const struct cpu_case cpu_switch_cases[], cpu_nat_cases[],
	cpu_tcp_cases[], cpu_port_cases[], cpu_macnat_cases[]; /* the last one has no name */

void cpu_on(void);
void cpu_off(void);

/* Of ports that take what comes and do no more than count it, in cpu_sunk. */
extern const struct port_ops cpu_sink;
extern unsigned long cpu_sunk;

/* Holds in every build. */
#define CPU_MUST(c)                                                        \
	do {                                                               \
		if (!(c)) {                                                \
			fprintf(stderr, "cpu: %s:%d: %s\n", __FILE__,       \
				__LINE__, #c);                             \
			exit(1);                                           \
		}                                                          \
	} while (0)

#endif
