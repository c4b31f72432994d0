// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/bridge_helper.h"

int main(int argc, char **argv)
{
	return bridge_helper_main(argc, argv);
}
