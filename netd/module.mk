# SPDX-License-Identifier: GPL-2.0-or-later
# Layer 3: the daemon. main.c is linked only into vnetd.
NETD_FILES := worker worker_net worker_nic worker_dhcp worker_status \
              spawn sandbox sandbox_landlock sandbox_seal \
              priv priv_helper priv_judge priv_do priv_port
NETD_PKGS  := libevent_core sqlite3 libseccomp libcap-ng libnl-3.0 libnl-route-3.0
