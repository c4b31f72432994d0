# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab of the system tests (and of the demo): network namespaces that play the
physical world, a vnetd in one of them, and clients for what vnetd offers.

    with Lab() as lab:
        d = Vnetd(ns=lab.host).start()
        d.vnet("define", "lab", "--mode", "nat")
        d.api().call("network.list")
        d.stop()

    outside 203.0.113.2 ── lan (router, switch br0, DHCP, DNS) ── host eth0
            eth0           203.0.113.1    192.168.77.1           192.168.77.10

Everything lives in namespaces called vnt-PID-…; no link, address, rule or file of
the machine itself is touched. Every process is ours and is ended by its pid.
"""

import contextlib
import glob
import ipaddress
import os
import shutil
import signal
import tempfile
import time

# Everything that a test needs is found here, under lab.
from basics import (LabError, PREFIX, TAG, binary, command_line,    # noqa: F401
                    descendants, end, end_tidily, environment, eventually, fd_count,
                    goes_on, is_anothers, owner,
                    is_root,
                    need_guest, need_program, need_root, need_vnetd, program, sh,
                    skip, start_time, tagged)
from daemon import DATAPATH, Api, ApiClosed, ApiError, Result, Vnetd, as_user  # noqa: F401
from dhcp_client import DhcpClient      # noqa: F401
from frames import FramePeer, checksum  # noqa: F401
from netns import Netns, veth


def not_in_the_kernel(why):
    """Skip where DATAPATH=kernel: the kernel does not do what the test asks for."""
    if DATAPATH == "kernel":
        skip("datapath kernel: " + why)


# ---- the physical world ------------------------------------------------

class Lan(Netns):
    """A LAN: its switch (br0), router, DHCP and DNS server are one machine."""

    def __init__(self, label="lan", net="192.168.77.0/24", net6="fd77:0:0:77::/64"):
        super().__init__(label)
        self.net = ipaddress.ip_network(net)
        self.net6 = ipaddress.ip_network(net6)
        self.router = str(self.net[1])
        self.router6 = str(self.net6[1])
        self.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
        self.ip("link", "set", "br0", "up")
        self.ip("addr", "add", self.at(1), "dev", "br0")
        self.ip("addr", "add", self.at6(1), "dev", "br0")
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)
        self._hosts = 0
        self._dnsmasq = None

    def at(self, n):
        return "%s/%d" % (self.net[n], self.net.prefixlen)

    def at6(self, n):
        return "%s/%d" % (self.net6[n], self.net6.prefixlen)

    def plug(self, ns, ifname="eth0", mac=None):
        """A cable from ns to the switch."""
        self._hosts += 1
        port = "port%d" % self._hosts
        veth(ns, ifname, self, port, mac)
        self.ip("link", "set", port, "master", "br0")
        return port

    def machine(self, label, n, mac=None):
        """A host on the LAN with address number n (and a way to the outside)."""
        ns = Netns(label, resolv="nameserver %s\n" % self.router)
        self.plug(ns, "eth0", mac)
        ns.ip("addr", "add", self.at(n), "dev", "eth0")
        ns.ip("addr", "add", self.at6(n), "dev", "eth0")
        ns.ip("route", "add", "default", "via", self.router)
        ns.ip("-6", "route", "add", "default", "via", self.router6)
        ns.address = str(self.net[n])
        ns.address6 = str(self.net6[n])
        return ns

    def serve(self, first=100, last=150, lease="1h", names=None, extra=()):
        """Start dnsmasq: DHCP on the switch, and DNS for `names`."""
        need = program("dnsmasq")
        if not need:
            raise LabError("no dnsmasq (scripts/deps)")
        names = names or {}
        self._log = os.path.join(self.dir, "dnsmasq.log")
        self._leases = os.path.join(self.dir, "leases")
        argv = [need, "--keep-in-foreground", "--conf-file=/dev/null",
                "--pid-file=", "--user=root", "--group=root", "--no-hosts",
                "--no-resolv", "--no-ping", "--dhcp-authoritative", "--log-dhcp",
                "--log-queries", "--log-async=100", "--interface=br0",
                "--bind-dynamic", "--log-facility=" + self._log,
                "--dhcp-leasefile=" + self._leases,
                "--dhcp-range=%s,%s,%s" % (self.net[first], self.net[last], lease)]
        argv += ["--address=/%s/%s" % item for item in names.items()]
        self._dnsmasq = self.popen(*argv, *extra)
        eventually("dnsmasq serves", lambda: "DHCP, IP range" in self.log())
        return self

    def log(self):
        try:
            with open(self._log) as f:
                return f.read()
        except OSError:
            return ""

    def leases(self):
        """[(mac, address, name), …] that dnsmasq has given."""
        try:
            with open(self._leases) as f:
                return [tuple(l.split()[1:4]) for l in f if len(l.split()) >= 5]
        except OSError:
            return []

    def stop_serving(self):
        if self._dnsmasq:
            end(self._dnsmasq)
            self._dnsmasq = None

    def close(self):
        self.stop_serving()
        super().close()


class Lab:
    """The usual world: lan, host (where vnetd runs) and outside."""

    def __init__(self, dhcp=True, outside_net="203.0.113.0/24",
                 outside_net6="2001:db8:113::/64"):
        self._all = []
        try:
            self.lan = self._own(Lan())
            self.outside = self._own(Netns("outside"))
            o4 = ipaddress.ip_network(outside_net)
            o6 = ipaddress.ip_network(outside_net6)
            veth(self.outside, "eth0", self.lan, "out0")
            self.outside.address = str(o4[2])
            self.outside.address6 = str(o6[2])
            for ns, dev, n in ((self.lan, "out0", 1), (self.outside, "eth0", 2)):
                ns.ip("addr", "add", "%s/%d" % (o4[n], o4.prefixlen), "dev", dev)
                ns.ip("addr", "add", "%s/%d" % (o6[n], o6.prefixlen), "dev", dev)
            self.outside.ip("route", "add", "default", "via", str(o4[1]))
            self.outside.ip("-6", "route", "add", "default", "via", str(o6[1]))
            self.host = self.machine("host", 10, mac="02:00:00:00:77:0a")
            if dhcp:
                self.lan.serve(names={"outside.test": self.outside.address})
        except BaseException:
            self.close()
            raise

    def _own(self, ns):
        self._all.append(ns)
        return ns

    def ns(self, label, resolv=None):
        """One more namespace, ended with the lab."""
        return self._own(Netns(label, resolv))

    def machine(self, label, n, mac=None):
        """One more host on the LAN, ended with the lab."""
        return self._own(self.lan.machine(label, n, mac))

    def route_to_guests(self, subnet):
        """Make the LAN send a subnet behind the host to the host, so that a test
        of "outside cannot reach it" depends on the host and on nothing else."""
        self.lan.ip("route", "replace", subnet, "via", self.host.address)

    def close(self):
        errors = []
        for ns in reversed(self._all):
            try:
                ns.close()
            except LabError as e:
                errors.append(str(e))
        self._all = []
        if errors:
            raise LabError("; ".join(errors))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


# ---- nothing is left behind --------------------------------------------

class Traces:
    """What could be left behind on this machine, now. `after - before` is it."""

    def __init__(self):
        self.what = {
            "namespace": set(n for n in _list("/run/netns")
                             if not is_anothers(n)),
            "link": set(_list("/sys/class/net")),
            "nft table": set(_nft_tables()),
            "process": set(tagged()),
            "file": set(p for p in glob.glob(tempfile.gettempdir() + "/vnt-*")
                        if not is_anothers(os.path.basename(p))),
        }

    def __sub__(self, before):
        return {k: sorted(v - before.what[k]) for k, v in self.what.items()
                if v - before.what[k]}


def _list(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def _nft_tables():
    if not is_root() or not shutil.which("nft"):
        return []
    return sh("nft", "list", "tables", check=False).splitlines()


@contextlib.contextmanager
def nothing_left(settle=10):
    """Whatever is made inside must be gone at the end."""
    before = Traces()
    yield
    assert_nothing_left(before, settle)


def assert_nothing_left(before, settle=10):
    left = Traces() - before
    deadline = time.monotonic() + settle
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = Traces() - before
    if left:
        raise LabError("left behind: %s" % left)


def remove_own():
    """What this run has made and not taken down itself, as when it was interrupted while
    it set something up: its processes, namespaces and folders."""
    for pid, _ in tagged():
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    if is_root():
        for name in _list("/run/netns"):
            if name.startswith(PREFIX):
                sh("ip", "netns", "del", name, check=False)
    for path in glob.glob(os.path.join(tempfile.gettempdir(), PREFIX + "*")):
        shutil.rmtree(path, ignore_errors=True)


def remove_stale():
    """Namespaces and folders of test runs that were killed."""
    if not is_root():
        return
    for name in _list("/run/netns"):
        if owner(name) and not goes_on(owner(name)):
            sh("ip", "netns", "del", name, check=False)
    for name in _list(tempfile.gettempdir()):
        if owner(name) and not goes_on(owner(name)):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name),
                          ignore_errors=True)
