// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames of guests that share the uplink's MAC. See cpu.h. */
#include <string.h>

#include "lib/bytes.h"
#include "switch/macnat.h"
#include "tests/bench/cpu.h"

#define GUESTS 64
#define LEN    1514

static const struct mac host = {{2, 0, 0, 0, 0, 1}};
static struct macnat *m;
static uint8_t bytes[GUESTS][LEN];
static struct frame frame[GUESTS];

/* TCP of guest @i, or to it at the uplink's address. */
static void make(unsigned int i, bool in)
{
	uint8_t *p = bytes[i];

	memset(p, 0, LEN);
	memcpy(p + (in ? 0 : 6), host.b, 6);
	put_be32(p + (in ? 8 : 2), 99);
	if (!in)
		put_be32(p + 8, i + 2);
	p[6] = 2;
	put_be16(p + 12, 0x0800);
	p[14] = 0x45;
	put_be16(p + 16, LEN - 14);
	p[23] = 6;
	put_be32(p + (in ? 30 : 26), 0x0a000000 + i);
	put_be32(p + (in ? 26 : 30), 0x0b000001);
	frame_init(&frame[i], p, LEN);
}

static void open_macnat(void)
{
	m = macnat_new(&host, NULL);
	CPU_MUST(m);
	for (unsigned int i = 0; i < GUESTS; i++) {
		make(i, false);
		CPU_MUST(macnat_learn(m, &frame[i], (uint16_t)i, 1000));
	}
}

static void close_macnat(void)
{
	macnat_free(m);
}

static unsigned long run_out(unsigned long n)
{
	unsigned long done = 0;

	while (done < n)
		for (unsigned int i = 0; i < GUESTS; i++, done++) {
			make(i, false);
			cpu_on();
			CPU_MUST(macnat_learn(m, &frame[i], (uint16_t)i, 2000) &&
				 macnat_out(m, &frame[i], (uint16_t)i,
					    i % FRAME_BATCH, 2000));
			cpu_off();
		}
	return done;
}

static unsigned long run_in(unsigned long n)
{
	unsigned long done = 0;

	while (done < n)
		for (unsigned int i = 0; i < GUESTS; i++, done++) {
			make(i, true);
			cpu_on();
			CPU_MUST(macnat_in(m, &frame[i], 2000));
			cpu_off();
		}
	return done;
}

const struct cpu_case cpu_macnat_cases[] = {
	{"macnat: TCP of a guest out", "frame", open_macnat, run_out,
	 close_macnat, 1280},
	{"macnat: TCP to a guest in", "frame", open_macnat, run_in,
	 close_macnat, 1280},
	{NULL},
};
