# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole lives of real DHCP clients of both families, as heard on the wire: acquire, renew,
rebind, reboot with an old lease, the same with one that is not theirs any more, release,
decline; on networks of both datapaths.

The clients live side by side, so that the file takes as long as the slowest."""

import concurrent.futures
import signal

import pytest

import lab as lab_module
import networkd_client
from basics import program
from boxes import Box, TapBox
from dhcp6_client import Dhcp6Client
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
# The next answer is lost.
SILENCE6 = """table ip6 silence {
	chain in {
		type filter hook input priority 0;
		udp dport 546 limit rate 1/hour burst 1 packets drop
	}
}
"""
ACQUIRE = ("DISCOVER", "OFFER", "SELECTING", "ACK")
ACQUIRE6 = ("SOLICIT", "ADVERTISE", "REQUEST", "REPLY")


class Life:
    """One client on a box of its own, which does what its name says and checks it."""

    # T1 and T2 of seconds; the shortest lease there is.
    TIMES = ("t1=2", "t2=5", "lease-time=60")
    NETWORK = "lab"
    BOX = Box

    def __init__(self, lab, d, kind):
        self.lab, self.d, self.kind = lab, d, kind.split(",")[0]
        self.box = self.BOX(lab, d, "box-" + kind.replace(" ", "").replace(",", "-"),
                            self.NETWORK, dhcp=None)
        self.mac = mac_of(self.box.ns, "eth0")
        self.watch = DhcpWatch(self.box.ns, "eth0")
        self.client = self.make()
        self.ip = None

    def make(self):
        return lab_module.DhcpClient(self.kind, self.box.ns, "eth0")

    def set(self, *options):
        self.d.vnet("option", "set", self.NETWORK, "--vm", self.box.name, *options)

    def state(self, ip):
        """What the server says of an address."""
        rows = self.d.vnet("lease", "list", self.NETWORK, "--all",
                           json=True).data["leases"]
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
        self.d.vnet("lease", "release", self.NETWORK, self.ip)
        self.d.vnet("reserve", "add", self.NETWORK, "06" + self.mac[2:], self.ip)
        self.again()
        self.watch.wait("INIT-REBOOT", "NAK")
        was, self.ip = self.ip, self.watch.wait(*ACQUIRE)
        assert self.ip != was
        self.has(self.ip)
        self.d.vnet("reserve", "del", self.NETWORK, was)

    def release(self):
        # Clients let go of the address right behind the RELEASE, which is lost when it
        # waits for ARP then.
        server = self.d.vnet("show", self.NETWORK, json=True).data["dhcp"]["server"]
        eventually("the server answers", lambda: self.box.ns.ping(server), 10)
        self.client.release()
        assert self.watch.wait("RELEASE") == self.ip
        eventually("it is given back", lambda: self.state(self.ip) == "released", 10)

    def decline(self):
        self.client.arp = True
        with Squatter(self.d, "squat-" + self.box.name, self.NETWORK, self.ip,
                      self.mac, "02" + self.mac[2:]):
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
        eventually("its script ends", lambda: not self.box.ns.pids(), 10)
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

    def make(self):
        return networkd_client.Networkd(self.box.ns, "eth0")

    def release(self):
        self.client.configure(keep="no")
        self.again()
        assert self.watch.wait(*ACQUIRE) == self.ip
        self.has(self.ip)
        super().release()

    STATIONS = Life.STATIONS[:-2] + (release,)


class Life6(Life):
    """dhclient: it is given other times than the server's to renew and rebind, for these are
    of half a minute at least."""

    NETWORK = "six"

    def make(self):
        return Dhcp6Client("dhclient", self.box.ns, "eth0")

    def acquire(self):
        self.client.start()
        self.ip = self.watch.wait(*ACQUIRE6)
        self.has(self.ip)
        assert self.state(self.ip) == "bound"

    def confirm(self):
        self.again()
        assert self.watch.wait("CONFIRM", "REPLY") == self.ip
        self.has(self.ip)

    def renew(self):
        self.client.stop()
        self.client.set_times(1, 40)
        self.confirm()
        assert self.watch.wait("RENEW", "REPLY") == self.ip

    def rebind(self):
        self.client.stop()
        # One that comes to renew when it is time to rebind never rebinds.
        self.client.set_times(2, 6)
        self.confirm()
        self.box.ns.run("nft", "-f", "-", stdin=SILENCE6)
        self.watch.wait("RENEW", "REPLY")
        assert self.watch.wait("REBIND", "REPLY") == self.ip
        self.box.ns.run("nft", "delete", "table", "ip6", "silence")

    def release(self):
        self.client.release()
        assert self.watch.wait("RELEASE", "REPLY") == self.ip
        eventually("it is given back", lambda: not self.state(self.ip), 10)

    def decline(self):
        with Box(self.lab, self.d, "squat-" + self.NETWORK, self.NETWORK,
                 dhcp=None) as squatter:
            # It is silent until it is asked: the server cannot know.
            squatter.ns.ip("link", "set", "eth0", "up")
            squatter.ns.ip("-6", "addr", "add", self.ip + "/64", "dev", "eth0", "nodad")
            self.client.probe()
            self.again()
            assert self.watch.wait(*ACQUIRE6) == self.ip    # it was the client's
            assert self.watch.wait("DECLINE", "REPLY") == self.ip
            other = self.watch.wait(*ACQUIRE6)
            assert other != self.ip and not self.state(self.ip)
            self.has(other)

    STATIONS = (acquire, confirm, renew, rebind, release, decline)


class Dhcpcd6(Life6):
    """Asks for an address and a prefix, so it rebinds where others confirm. Of version 9.4 it
    does not decline: that the kernel found the address in use escapes it."""

    def make(self):
        return Dhcp6Client("dhcpcd", self.box.ns, "eth0", "both")

    def reboot(self):
        self.again()
        assert self.watch.wait("REBIND", "REPLY") == self.ip
        self.has(self.ip)

    def renew(self):
        self.client.proc.send_signal(signal.SIGUSR1)
        assert self.watch.wait("RENEW", "REPLY") == self.ip
        self.client.wait("RENEW6")

    def rebind(self):
        self.client.proc.send_signal(signal.SIGHUP)
        assert self.watch.wait("REBIND", "REPLY") == self.ip
        self.client.wait("REBIND6")

    STATIONS = (Life6.acquire, reboot, renew, rebind, Life6.release)


class KernelUdhcpc(Udhcpc):
    """A TAP on a bridge that the host is on, too."""
    NETWORK, BOX = "hostonly", TapBox


class KernelLife(Life):
    NETWORK, BOX = "kernel", TapBox


class KernelLife6(Life6):
    NETWORK, BOX = "kernel", TapBox


KINDS = {"udhcpc": Udhcpc, "dhclient": Life, "dhcpcd": Life, "networkd": Networkd,
         "dhclient -6": Life6, "dhcpcd -6": Dhcpcd6, "udhcpc, hostonly": KernelUdhcpc,
         "dhclient, kernel": KernelLife, "dhclient -6, kernel": KernelLife6}


def missing(kind):
    kind = kind.split(",")[0]
    if kind == "networkd":
        return not networkd_client.where()
    return not program("busybox" if kind == "udhcpc" else kind.split()[0])


@pytest.fixture(scope="module")
def lives(lab):
    """{kind: future of its life}, all under way."""
    lab_module.need_vnetd()
    lab_module.need_program("nft")
    with lab_module.Vnetd(ns=lab.host) as d:
        d.vnet("define", "lab", "--mode", "nat")
        d.vnet("define", "six", "--mode", "nat", "--ipv6", "stateful", "--prefix-pool",
               "auto")
        d.vnet("define", "kernel", "--mode", "nat", "--datapath", "kernel", "--ipv6",
               "stateful")
        d.vnet("define", "hostonly", "--mode", "hostonly", "--datapath", "kernel")
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
