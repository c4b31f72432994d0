# SPDX-License-Identifier: GPL-2.0-or-later
# Layer 4: the command. main.c is linked only into vnet.
CLI_FILES :=
CLI_PKGS  := jansson
