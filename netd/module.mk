# SPDX-License-Identifier: GPL-2.0-or-later
# Layer 3: the daemon. main.c is linked only into vnetd.
NETD_FILES := worker worker_poll worker_net worker_nic worker_names worker_dhcp worker_lease worker_forward worker_flow worker_limits worker_guard \
              worker_ra worker_dhcp6 worker_probe worker_status worker_tftp \
              spawn sandbox sandbox_landlock sandbox_seal \
              priv priv_helper priv_judge priv_do priv_port priv_way priv_connect priv_act priv_knet knet knetctl kneigh \
              priv_kguard kguard kguardctl stopped \
              tapinctl uplinkctl kstats \
              options rundir caps notify daemon load \
              conf guardconf natconf uplinkconf validate validate_ip6 store store_load model obj \
              api method m_daemon m_network m_netset m_nic m_forward m_flow m_lease m_option m_dns m_events \
              events super wmsg netctl netctl_msg netdeny netset nicctl nicctl_link nicctl_guard nicctl_way nicctl_vmm nicctl_tap \
              fwdctl fwdctl_sock fwdctl_msg fwdctl_knet tftpctl opener \
              doctor doctor_run doctor_fw doctor_fix m_doctor hostnames hosts promise \
              leases lease_wire dhcpset optset leases6 model6 store6 wmsg6 ip6conf m_lease6 \
              addrs seen endpoint peerdir qmp resolv hostaddr ifmanager vanish
NETD_PKGS  := libevent_core sqlite3 libseccomp libcap-ng libnl-3.0 libnl-route-3.0
