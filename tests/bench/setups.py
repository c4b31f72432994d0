# SPDX-License-Identifier: GPL-2.0-or-later
"""What is raced: ours and the peers, each between two machines that are network
namespaces. `near` runs the clients, `far` the servers; `address` is how near reaches
far. pids() are the processes whose CPU time is the setup's own."""

import os
import subprocess
import time

import lab as L
from boxes import Box
from netns import veth

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build", "bench")
# Bytes of each of iperf3's writes. Its buffer begins with a page, and AMD's "rep movsb"
# copies a twentieth as fast where the destination begins 1 to 31 bytes further than the
# source, modulo a page: with 128 KiB the two keep their distance for a whole transfer, good
# or bad. So it walks on with each write, and all contenders have the same mixture.
WRITE = 131000
BEFORE = os.environ.get("BEFORE")


def cpu_s(pids):
    """Seconds on a processor so far, all threads' of all of them."""
    total = 0
    for pid in pids:
        try:
            for task in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1e9


class Missing(Exception):
    """A peer is not here; the text says which and why."""


def peer(name):
    path = L.program(name)
    if not path:
        raise Missing("%s is not here (scripts/deps bench brings it)" % name)
    return path


def reach(setup, seconds=20):
    L.eventually("%s works" % setup.name,
                 lambda: setup.near.ping(setup.address, wait=1), seconds)


class Setup:
    """One contender, up and working. close() takes it down."""

    def __init__(self):
        self._undo = []
        self.procs = []
        self.hints = {}     # what was found in the round before, to begin there

    def own(self, thing):
        self._undo.append(thing.close)
        return thing

    def spawn(self, *argv, ready=None, stdin=subprocess.DEVNULL):
        p = subprocess.Popen(argv, stdin=stdin, env=L.environment(),
                             stdout=subprocess.PIPE if ready else subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        self._undo.append(lambda: L.end(p))
        self.procs.append(p.pid)
        if ready:
            p.stdout.readline()
        return p

    def pids(self):
        return self.procs

    def close(self):
        while self._undo:
            self._undo.pop()()


# ---- NAT: a guest, the host, somebody outside ------------------------------------------

class NatWorld:
    """host and outside, with one wire between them."""

    def __init__(self, mtu):
        self.mtu = mtu
        self.outside = L.Netns("outside")
        self.host = L.Netns("host")
        veth(self.host, "eth0", self.outside, "eth0")
        for ns, ip in ((self.host, "192.0.2.1/24"), (self.outside, "192.0.2.2/24")):
            ns.ip("addr", "add", ip, "dev", "eth0")
            ns.ip("link", "set", "eth0", "mtu", str(max(mtu, 1500)))
        self.host.ip("route", "add", "default", "via", "192.0.2.2")
        self.host.allow_ping_sockets()
        # Else peers have no ports left for nat-cps after 14 000 connections a minute, and
        # make 150 a second from then on. Here it is speed that is asked about.
        self.host.sysctl("net.ipv4.tcp_tw_reuse", 1)
        self.host.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
        self.outside.address = "192.0.2.2"

    def close(self):
        self.host.close()
        self.outside.close()


class Nat(Setup):
    def __init__(self, world):
        super().__init__()
        self.world, self.mtu = world, world.mtu
        self.far, self.address = world.outside, world.outside.address
        try:
            self.start()
            reach(self)
        except BaseException:
            self.close()
            raise

    def guest(self):
        self.near = self.own(L.Netns("guest"))
        return self.near


class VnetNat(Nat):
    name = "vnet"
    build = None

    def start(self):
        d = L.Vnetd(ns=self.world.host, log_level="info", build=self.build)
        self._undo.append(lambda: d.__exit__(None, None, None))
        self.d = d.start()
        d.vnet("define", "lab", "--mode", "nat", "--mtu", str(self.mtu))
        box = self.own(Box(None, d, "guest", "lab", address="10.0.2.15/24"))
        self.near = box.ns
        self.near.ip("link", "set", "eth0", "mtu", str(self.mtu))
        self.near.ip("route", "add", "default", "via", "10.0.2.2")

    def pids(self):
        return [self.d.pid] + self.d.children()


class VnetNatBefore(VnetNat):
    """Another build of ours, for a change that is to be measured."""
    name, build = "before", BEFORE


class Pasta(Nat):
    """Without the ports that it forwards by itself: it looks for those that somebody
    listens on all the time, which is dear with many of it."""
    name = "pasta"

    def start(self):
        self.spawn(*self.world.host.argv(
            peer("pasta"), "-f", "-q", "--runas", "0", "--config-net", "--no-map-gw",
            "--netns-only", "-t", "none", "-u", "none", "-T", "none", "-U", "none",
            "--mtu", str(self.mtu), "--netns", self.guest().path))


class Slirp4netns(Nat):
    name = "slirp4netns"

    def start(self):
        self.spawn(*self.world.host.argv(
            peer("slirp4netns"), "--configure", "--mtu=%d" % self.mtu,
            "--netns-type=path", self.guest().path, "tap0"))


def kernel_nat(setup, host):
    """A bridge kbr with 10.9.0.1/24 on the host, which masquerades for it."""
    nft = peer("nft")
    host.ip("link", "add", "kbr", "type", "bridge")
    setup._undo.append(lambda: host.ip("link", "del", "kbr"))
    host.ip("link", "set", "kbr", "up")
    host.ip("addr", "add", "10.9.0.1/24", "dev", "kbr")
    host.sysctl("net.ipv4.ip_forward", 1)
    host.run(nft, "add table ip bench; add chain ip bench post { type nat hook "
             "postrouting priority 100; }; add rule ip bench post ip saddr "
             "10.9.0.0/24 masquerade")
    setup._undo.append(lambda: host.run(nft, "delete table ip bench"))


class KernelNat(Nat):
    name = "kernel"

    def start(self):
        host, guest = self.world.host, self.guest()
        kernel_nat(self, host)
        veth(host, "kg", guest, "eth0")
        for dev in ("kg", "kbr"):
            host.ip("link", "set", dev, "mtu", str(self.mtu))
        host.ip("link", "set", "kg", "master", "kbr")
        guest.ip("link", "set", "eth0", "mtu", str(self.mtu))
        guest.ip("addr", "add", "10.9.0.2/24", "dev", "eth0")
        guest.ip("route", "add", "default", "via", "10.9.0.1")


class Loopback(Nat):
    """No network at all: what the two ends need for themselves."""
    name = "loopback"

    def start(self):
        self.far, self.address = self.guest(), "127.0.0.1"


# ---- switches: two machines on one segment --------------------------------------------

class SwitchWorld:
    def __init__(self, mtu):
        self.mtu = mtu

    def close(self):
        pass


class Switch(Setup):
    def __init__(self, world):
        super().__init__()
        self.mtu = world.mtu
        self.address = "10.8.0.2"
        try:
            self.start()
            reach(self)
        except BaseException:
            self.close()
            raise

    def machines(self):
        self.near, self.far = self.own(L.Netns("near")), self.own(L.Netns("far"))
        return self.near, self.far

    def configure(self):
        for ns, ip in ((self.near, "10.8.0.1/24"), (self.far, "10.8.0.2/24")):
            ns.ip("link", "set", "eth0", "mtu", str(self.mtu), "up")
            ns.ip("addr", "add", ip, "dev", "eth0")


class VnetSwitch(Switch):
    name = "vnet"
    build = None

    def start(self):
        home = self.own(L.Netns("vnetd"))
        d = L.Vnetd(ns=home, log_level="info", build=self.build)
        self._undo.append(lambda: d.__exit__(None, None, None))
        self.d = d.start()
        d.vnet("define", "lab", "--mode", "internal", "--mtu", str(self.mtu))
        self.near, self.far = [
            self.own(Box(None, d, name, "lab", address=ip)).ns
            for name, ip in (("near", "10.8.0.1/24"), ("far", "10.8.0.2/24"))]
        for ns in (self.near, self.far):
            ns.ip("link", "set", "eth0", "mtu", str(self.mtu))

    def pids(self):
        return [self.d.pid] + self.d.children()


class VnetSwitchBefore(VnetSwitch):
    name, build = "before", BEFORE


class KernelBridge(Switch):
    name = "kernel"

    def start(self):
        mid = self.own(L.Netns("bridge"))
        mid.ip("link", "add", "br0", "type", "bridge")
        mid.ip("link", "set", "br0", "mtu", str(self.mtu), "up")
        for n, ns in enumerate(self.machines()):
            veth(mid, "p%d" % n, ns, "eth0")
            mid.ip("link", "set", "p%d" % n, "mtu", str(self.mtu))
            mid.ip("link", "set", "p%d" % n, "master", "br0")
        self.configure()


class TapLoop(Switch):
    name = "taploop"

    def start(self):
        near, far = self.machines()
        self.spawn(os.path.join(BUILD, "taploop"), near.path, "eth0", far.path, "eth0",
                   ready=True)
        self.configure()


class Vde(Switch):
    name = "vde_switch"

    def start(self):
        home = self.own(L.Netns("vde"))
        near, far = self.machines()
        self.spawn(*home.argv(
            peer("vde_switch"), "-sock", os.path.join(home.dir, "ctl"), "-tap", "t0",
            "-tap", "t1"), stdin=subprocess.PIPE)      # it ends with its input
        L.eventually("its TAPs", lambda: {"t0", "t1"} <= set(home.links()), 10)
        for dev, ns in (("t0", near), ("t1", far)):
            home.ip("link", "set", dev, "netns", ns.name)
            ns.ip("link", "set", dev, "name", "eth0")
        self.configure()
