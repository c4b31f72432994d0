# SPDX-License-Identifier: GPL-2.0-or-later
# Layer 1: the DHCP server and router advertisements, pure: bytes in, bytes out,
# lease events.
DHCP_CORE := dhcp6_choose dhcp6_msg dhcp6_reply dhcp6_resv dhcp6_rules \
             dhcp6_server dhcp6_table \
             dhcp_boot dhcp_choose dhcp_config dhcp_msg dhcp_names dhcp_opt \
             dhcp_opt_value dhcp_pool dhcp_probe dhcp_reply dhcp_reserve dhcp_rules \
             dhcp_scope dhcp_server ra tftp tftp_msg
DHCP_IO   :=
DHCP_PKGS :=
