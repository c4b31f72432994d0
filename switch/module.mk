# SPDX-License-Identifier: GPL-2.0-or-later
# Layer 1 and 2: the L2 switch, its offloads, and the port drivers.
SWITCH_CORE := frame fdb vswitch offload guard
SWITCH_IO   := driver port_stream port_dgram port_msg port_tap port_packet
SWITCH_PKGS := libevent_core
