/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program that `vnet run` starts: in our process group and on our terminal,
 * so that a serial console works as if there were no `vnet run` around it.
 *
 * Signals: Ctrl-C and Ctrl-\ reach the program from the terminal, and we ignore
 * them; SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 sent to us are passed on; Ctrl-Z
 * stops both and `fg` continues both. Should we be killed, the program gets
 * SIGTERM: a VM without the process that keeps its NIC plugged in over restarts
 * of vnetd, and that unplugs it at the end, is not left running unnoticed.
 */
#ifndef VNET_CLI_RUN_CHILD_H
#define VNET_CLI_RUN_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

#include "cli/strv.h"
#include "lib/errtext.h"

struct run_child {
	pid_t pid;
	int sig_fd; /* readable when run_child_signal() is to be called */
	struct termios term;
	bool has_term;
};

/**
 * run_child_start() - Start @argv with the environment as it is
 * @keep_fd: descriptor that the program inherits; -1 = none
 *
 * When the program cannot be executed, it "ends" with 127 (not found) or 126 and
 * has said why. Return: 0; negative errno when no process can be had.
 */
int run_child_start(struct run_child *c, const struct strv *argv, int keep_fd,
		    struct errtext *why);

/**
 * run_child_signal() - Handle what came in on sig_fd
 *
 * Return: the program's exit status (128 + signal when it was killed) once it has
 * ended, -1 before.
 */
int run_child_signal(struct run_child *c);

#endif
