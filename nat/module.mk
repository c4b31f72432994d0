# SPDX-License-Identifier: GPL-2.0-or-later
# Layer 1 and 2: the gateway (user-mode NAT) and the host's sockets under it.
NAT_CORE := iov ip4 ip6 pkt flow outq neigh arp ndp ipout reasm policy limits udp icmp names \
            dns_msg dns_zone dns dns_local dns_tcp forward gateway gateway_ip6 gateway_tcp gateway_udp6 routes6 \
            gateway_show gateway_flows nftguard nftplan nftplan_text ruleset ruleset_eval tcp tcp_idle tcp_open tcp_in tcp_out tcp_cc tcp_seg \
            tcp_sack tcp_hold seqset
NAT_IO   := nat host host_tcp host_udp host_icmp host_dns host_forward host_ports host_rest host_wake nft nft_batch nft_build nft_sets nft_known nft_image nft_dump nflog ruleset_read ctrack
NAT_PKGS := libevent_core libmnl libnftnl
