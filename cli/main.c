// SPDX-License-Identifier: GPL-2.0-or-later
/* vnet: the command. Everything is in the archive, where tests can reach it. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
