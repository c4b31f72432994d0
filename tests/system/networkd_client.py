# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd-networkd as a DHCP client in a namespace, without systemd around it."""

import os
import pwd

from basics import LabError
from dhcp_client import DhcpClient

_CONFIG = """[Match]
Name=%s
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
KeepConfiguration=%s
"""

# It needs no process 1 of its own kind, only folders in /run of its own, and a /sys that
# cannot be written to: then it does not wait for udev to have named the device.
_START = """mount -o remount,ro,bind /sys &&
mount --bind "$0" /run && exec "$@"
"""


def where():
    """Path of the program; None without it, or without the user that it becomes."""
    try:
        pwd.getpwnam("systemd-network")
    except KeyError:
        return None
    return next((p for p in ("/usr/lib/systemd/systemd-networkd",
                             "/lib/systemd/systemd-networkd") if os.path.exists(p)), None)


class Networkd(DhcpClient):
    """As DhcpClient. It has no script: its lease is what the interface has."""

    def __init__(self, ns, ifname):
        super().__init__("networkd", ns, ifname)
        for path in ("network", "netif", "netif/leases", "netif/links"):
            os.makedirs(self._file("run/systemd/" + path), exist_ok=True)
            os.chmod(self._file("run/systemd/" + path), 0o777)  # it gives its rights up
        self.configure()

    def configure(self, keep="dhcp"):
        """For the next start. keep: what the interface has is kept when it ends, and asked
        for again (INIT-REBOOT), not released."""
        self._write("run/systemd/network/10-box.network", _CONFIG % (self.ifname, keep))

    def _argv(self):
        path = where()
        if not path:
            raise LabError("no systemd-networkd")
        return ["env", "SYSTEMD_LOG_LEVEL=debug", "SYSTEMD_LOG_TARGET=console", "sh", "-c",
                _START, self._file("run"), path]

    def current(self):
        found = self.ns.addresses(self.ifname)  # the last one is the latest
        return {"ip": found[-1].split("/")[0]} if found else None

    def release(self):
        """With keep="no" it gives back what it has when it ends."""
        self.proc.terminate()
        self.proc.wait(10)
        self.proc = None
