# SPDX-License-Identifier: GPL-2.0-or-later
# Layer 1 and 2: the gateway (user-mode NAT) and the host's sockets under it.
NAT_CORE := ip4 gateway arp icmp udp tcp tcp_seg flow forward dns dns_msg
NAT_IO   := host host_tcp host_udp host_icmp host_dns host_forward
NAT_PKGS := libevent_core
