# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole lives of real DHCP clients, as heard on the wire: acquire, renew, rebind, reboot
with an old lease, the same with one that is not theirs any more, release, decline.

The clients live side by side, so that the file takes as long as the slowest."""

import concurrent.futures
import signal

import pytest

import lab as lab_module
import networkd_client
from basics import program
from boxes import Box
from dhcp_watch import DhcpWatch, Squatter, mac_of
from lab import LabError, eventually

# Nothing goes to a server's own address: a client is left with broadcasts.
SILENCE = """table ip silence {
	chain out {
		type filter hook output priority 0;
		udp dport 67 ip daddr != 255.255.255.255 drop
	}
}
"""
GATEWAY = "10.0.2.2"
ACQUIRE = ("DISCOVER", "OFFER", "SELECTING", "ACK")


class Life:
    """One client on a box of its own, which does what its name says and checks it."""

    # T1 and T2 of seconds; the shortest lease there is.
    TIMES = ("t1=2", "t2=5", "lease-time=60")

    def __init__(self, lab, d, kind):
        self.d, self.kind = d, kind
        self.box = Box(lab, d, "box-" + kind, "lab", dhcp=None)
        self.mac = mac_of(self.box.ns, "eth0")
        self.watch = DhcpWatch(self.box.ns, "eth0")
        if kind == "networkd":
            self.client = networkd_client.Networkd(self.box.ns, "eth0")
        else:
            self.client = lab_module.DhcpClient(kind, self.box.ns, "eth0")
        self.ip = None

    def set(self, *options):
        self.d.vnet("option", "set", "lab", "--vm", self.box.name, *options)

    def state(self, ip):
        """What the server says of an address."""
        rows = self.d.vnet("lease", "list", "lab", "--all", json=True).data["leases"]
        return next((x["state"] for x in rows if x["address"] == ip and
                     x["mac"] == self.mac), None)

    def has(self, ip):
        """The client heard it and uses it."""
        eventually("%s has %s" % (self.kind, ip), lambda: (
            self.client.current() or {}).get("ip") == ip, 20, 0.05)

    def again(self):
        """As after a crash: started, with what it remembers."""
        self.client.stop()
        self.watch.here()
        self.client.start()

    # ---- the stations ------------------------------------------------------

    def acquire(self):
        self.set(*self.TIMES)
        self.client.start()
        self.ip = self.watch.wait(*ACQUIRE)
        self.has(self.ip)
        assert self.state(self.ip) == "bound"

    def prod(self):
        """Make it renew its lease now."""

    def renew(self):
        self.prod()
        assert self.watch.wait("RENEWING", "ACK") == self.ip

    def rebind(self):
        self.box.ns.run("nft", "-f", "-", stdin=SILENCE)
        self.prod()
        assert self.watch.wait("REBINDING", "ACK") == self.ip
        self.box.ns.run("nft", "delete", "table", "ip", "silence")
        self.has(self.ip)

    def reboot(self):
        self.again()
        assert self.watch.wait("INIT-REBOOT", "ACK") == self.ip
        self.has(self.ip)

    def reboot_too_late(self):
        self.client.stop()
        self.d.vnet("lease", "release", "lab", self.ip)
        self.d.vnet("reserve", "add", "lab", "06" + self.mac[2:], self.ip)
        self.again()
        self.watch.wait("INIT-REBOOT", "NAK")
        was, self.ip = self.ip, self.watch.wait(*ACQUIRE)
        assert self.ip != was
        self.has(self.ip)
        self.d.vnet("reserve", "del", "lab", was)

    def release(self):
        # Clients let go of the address right behind the RELEASE, which is lost when it
        # waits for ARP then.
        assert self.box.ns.ping(GATEWAY)
        self.client.release()
        assert self.watch.wait("RELEASE") == self.ip
        eventually("it is given back", lambda: self.state(self.ip) == "released", 10)

    def decline(self):
        self.client.arp = True
        with Squatter(self.d, "squat-" + self.kind, "lab", self.ip, self.mac,
                      "02" + self.mac[2:]):
            self.again()
            assert self.watch.wait(*ACQUIRE) == self.ip     # it was the client's
            assert self.watch.wait("DECLINE") == self.ip
            eventually("it is put aside", lambda: self.state(self.ip) == "declined", 10)
            other = self.watch.wait(*ACQUIRE)
            assert other != self.ip
            self.has(other)

    STATIONS = (acquire, renew, rebind, reboot, reboot_too_late, release, decline)

    def live(self):
        for station in self.STATIONS:
            try:
                getattr(self, station.__name__)()
            except (AssertionError, LabError) as e:
                raise LabError("%s: %s; heard %s; %s" % (
                    station.__name__, e, self.watch.said, self.client.log()[-2000:])) from e

    def close(self):
        self.client.close()
        self.watch.close()
        self.box.close()


class Udhcpc(Life):
    """Leaves T1 and T2 of the server alone, renews when it is told to (SIGUSR1), by unicast
    only when two minutes or more of its lease are left, and knows no INIT-REBOOT: it asks
    anew."""

    TIMES = ("lease-time=600",)

    def prod(self):
        self.client.proc.send_signal(signal.SIGUSR1)

    def reboot(self):
        self.again()
        assert self.watch.wait(*ACQUIRE) == self.ip
        self.has(self.ip)

    def rebind(self):
        self.set("lease-time=60")
        self.reboot()
        super().rebind()

    STATIONS = (Life.acquire, Life.renew, reboot, Life.release, rebind, Life.decline)


class Networkd(Life):
    """Of version 252 sends its DECLINE from the address that it declines, which it does not
    have: the kernel says that the network is unreachable. So none is to be heard."""

    def release(self):
        self.client.configure(keep="no")
        self.again()
        assert self.watch.wait(*ACQUIRE) == self.ip
        self.has(self.ip)
        super().release()

    STATIONS = Life.STATIONS[:-2] + (release,)


KINDS = {"udhcpc": Udhcpc, "dhclient": Life, "dhcpcd": Life, "networkd": Networkd}


def missing(kind):
    if kind == "networkd":
        return not networkd_client.where()
    return not program("busybox" if kind == "udhcpc" else kind)


@pytest.fixture(scope="module")
def lives(lab):
    """{kind: future of its life}, all under way."""
    lab_module.need_vnetd()
    lab_module.need_program("nft")
    with lab_module.Vnetd(ns=lab.host) as d:
        d.vnet("define", "lab", "--mode", "nat")
        made = {k: life(lab, d, k) for k, life in KINDS.items() if not missing(k)}
        try:
            with concurrent.futures.ThreadPoolExecutor(len(made)) as pool:
                yield {k: pool.submit(life.live) for k, life in made.items()}
        finally:
            for life in made.values():
                life.close()


@pytest.mark.parametrize("kind", KINDS)
def test_whole_life(lives, kind):
    if kind not in lives:
        lab_module.skip("no %s here (scripts/deps)" % kind)
    lives[kind].result()
