/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A gateway between counters, for cpu_nat.c and cpu_tcp.c. See cpu.h. */
#ifndef VNET_TESTS_BENCH_CPU_NAT_H
#define VNET_TESTS_BENCH_CPU_NAT_H

#include "nat/gateway.h"

#define CPU_GUEST 0x0a00020fu /* 10.0.2.15 */
#define CPU_FAR	  0x08080808u
#define CPU_FLOWS 50000

extern struct gateway *cpu_gw;
extern int64_t cpu_now;	     /* milliseconds */
extern unsigned long cpu_out; /* frames to guests */
extern uint8_t cpu_last[128]; /* the first bytes of the last one */
extern uint32_t cpu_last_len;

extern const struct tcp_host_ops cpu_tcp_host; /* in cpu_tcp.c */

void cpu_nat_open(void);
void cpu_nat_close(void);

/* Ethernet and IPv4 headers of a frame to CPU_FAR with @len bytes behind them. */
void cpu_nat_headers(uint8_t *p, uint8_t proto, size_t len);

/* One turn: these frames come in from the guest. Counted. */
void cpu_nat_in(const struct frame *f, unsigned int n);

#endif
