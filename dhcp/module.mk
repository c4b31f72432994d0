# SPDX-License-Identifier: GPL-2.0-or-later
# Layer 1: the DHCP server, pure: bytes in, bytes out, lease events.
DHCP_CORE := dhcp_msg dhcp_pool dhcp_server
DHCP_IO   :=
DHCP_PKGS :=
