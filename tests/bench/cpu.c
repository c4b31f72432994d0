// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core switch_io switch_core dhcp_core dhcp_rig vhost_guest */
/*
 * Runs the cases of cpu_*.c, all or those whose names are given, and prints a line for
 * each: how many units of work were counted, of what, and the case's name. Under
 * callgrind each case ends with a dump that bears its name. See cpu.h, cpu.py.
 */
#include "tests/bench/cpu.h"

#include <stdbool.h>
#include <string.h>

#include <valgrind/callgrind.h>

#include "lib/log.h"

void cpu_on(void)
{
	CALLGRIND_TOGGLE_COLLECT;
}

void cpu_off(void)
{
	CALLGRIND_TOGGLE_COLLECT;
}

unsigned long cpu_sunk;

static void sink_tx(struct port *p, const struct frame *const *batch,
		    unsigned int n)
{
	(void)batch;
	cpu_sunk += n;
	port_sent(p, n, 0);
}

static void sink_close(struct port *p)
{
	(void)p;
}

const struct port_ops cpu_sink = {
	.driver = "sink", .tx = sink_tx, .close = sink_close,
};

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

static void measure(const struct cpu_case *c)
{
	unsigned long done;

	c->open();
	c->run(c->n); /* tables and caches are as they will be */
	CALLGRIND_ZERO_STATS;
	done = c->run(c->n);
	CALLGRIND_DUMP_STATS_AT(c->name);
	c->close();
	printf("%lu %s %s\n", done, c->unit, c->name);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct cpu_case *set[] = {cpu_switch_cases, cpu_nat_cases,
					cpu_tcp_cases, cpu_port_cases,
					cpu_macnat_cases};

	log_setup("cpu", LOG_LVL_ERR);
	for (size_t i = 0; i < sizeof(set) / sizeof(*set); i++)
		for (const struct cpu_case *c = set[i]; c->name; c++)
			if (wanted(c->name, argc, argv))
				measure(c);
	return 0;
}
