# SPDX-License-Identifier: GPL-2.0-or-later
"""Never two servers on one segment: guests that play DHCP server or router where the
network serves, those that may because it does not, and who serves in which mode."""

import contextlib
import os
import socket
import struct

import pytest

import lab as lab_module
from boxes import Box, TapBox
from lab import eventually


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        daemon.vnet("define", "klab", "--mode", "nat", "--datapath", "kernel")
        daemon.vnet("define", "bare", "--mode", "nat", "--dhcp", "off",
                    "--subnet6", "off")
        daemon.vnet("define", "back", "--mode", "internal")
        yield daemon


@contextlib.contextmanager
def pair(lab, d, network, dhcp="udhcpc"):
    kind = TapBox if network == "klab" else Box
    with kind(lab, d, "one-" + network, network, dhcp=dhcp) as a, \
            kind(lab, d, "two-" + network, network, dhcp=dhcp) as b:
        for i, box in enumerate((a, b)):
            box.ns.ip("link", "set", "eth0", "up")
            if not box.ip:
                box.ip = "10.9.0.%d" % (i + 1)
                box.ns.ip("addr", "add", box.ip + "/24", "dev", "eth0")
        yield a, b


def shout(box, sport, dport, dst="255.255.255.255"):
    with contextlib.closing(box.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((box.ip, sport))
        s.sendto(b"from %d" % sport, (dst, dport))


def listen(box, *ports):
    """One socket for each port, bound to eth0."""
    found = []
    for port in ports:
        s = box.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        s.bind(("", port))
        s.settimeout(15)
        found.append(s)
    return found


def advertise(box):
    """A router advertisement of fd77::/64, from the link-local address."""
    ra = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + struct.pack(
        ">BBBBIII", 3, 4, 64, 0xc0, 3600, 3600, 0) + socket.inet_pton(
            socket.AF_INET6, "fd77::")
    index = int(box.ns.run("cat", "/sys/class/net/eth0/ifindex"))
    with contextlib.closing(box.ns.socket(
            socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        s.sendto(ra, ("ff02::1", 0, 0, index))


def drops(d, network, vm):
    nics = d.vnet("show", network, json=True).data["nics"]
    return next(n for n in nics if n["vm"] == vm)["stats"]["drops"].get("rogue", 0)


@pytest.mark.parametrize("network", ["lab", "klab"])
def test_a_rogue_server_is_blocked_and_reported(lab, d, network):
    with pair(lab, d, network) as (a, b), d.api() as api, contextlib.ExitStack() as on:
        api.call("events.subscribe", types=["dhcp.rogue"])
        b.client.close()
        b.client = None
        client, other = (on.enter_context(s) for s in listen(b, 68, 6868))
        shout(a, 67, 68)
        shout(a, 1067, 68)     # the client's port decides
        shout(a, 67, 6868)     # what is behind it in the queue
        assert other.recv(100) == b"from 67"
        client.settimeout(0.05)
        with pytest.raises(OSError):
            client.recv(100)
        told = api.event("dhcp.rogue", timeout=15)
        assert (told["network"], told["vm"], told["nic"], told["kind"]) == \
            (network, "one-" + network, 0, "dhcp")
        assert told["mac"] == a.ns.run("cat", "/sys/class/net/eth0/address").strip()
        advertise(a)
        assert api.event("dhcp.rogue", timeout=15)["kind"] == "ra"
        assert not [x for x in b.ns.addresses("eth0", 6) if x.startswith("fd77:")]
        assert drops(d, network, "one-" + network) == 3
        assert "rogue 3" in d.vnet("show", "one-" + network).out
        assert "one-%s-0 answers DHCP, as only the network may" % network in d.log()


@pytest.mark.parametrize("network", ["bare", "back"])
def test_where_we_do_not_serve_guests_may(lab, d, network):
    """A DHCP server of the user's own, dnsmasq, and a router of IPv6."""
    with pair(lab, d, network, dhcp=None) as (a, b):
        server = a.ns.popen(
            lab_module.need_program("dnsmasq"), "--keep-in-foreground",
            "--conf-file=/dev/null", "--pid-file=", "--user=root", "--group=root",
            "--port=0", "--interface=eth0", "--bind-interfaces",
            "--dhcp-range=10.9.0.50,10.9.0.59", "--dhcp-authoritative",
            "--dhcp-leasefile=" + os.path.join(a.ns.dir, "leases"), "--no-ping")
        try:
            b.ns.ip("-4", "addr", "flush", "dev", "eth0")
            with lab_module.DhcpClient("udhcpc", b.ns, "eth0") as client:
                assert client.lease(30)["ip"].startswith("10.9.0.5")
        finally:
            lab_module.end(server)
        b.ns.sysctl("net.ipv6.conf.eth0.accept_ra", 2)
        eventually("an address of its prefix", lambda: advertise(a) or [
            x for x in b.ns.addresses("eth0", 6) if x.startswith("fd77:")])
        assert drops(d, network, a.name) == 0


def test_who_serves_in_which_mode(lab, d):
    """By default: nat and hostonly do, internal only with a subnet, bridged never."""
    d.vnet("define", "own", "--mode", "hostonly")
    d.vnet("define", "closed", "--mode", "internal", "--subnet", "172.20.0.0/24")
    d.vnet("define", "lan", "--mode", "bridged", "--uplink", "eth0")
    nets = {n["name"]: n for n in d.vnet("list", json=True).data["networks"]}
    assert {n for n in nets if nets[n]["dhcp"]} == {"lab", "klab", "own", "closed"}
    assert {n for n in nets if nets[n]["subnet6"]} == {"lab", "klab", "own", "closed"}
    # nobody answers where nobody is to: not even the gateway's address is there
    with Box(lab, d, "alone", "back", dhcp=None) as a, lab_module.DhcpClient(
            "udhcpc", a.ns, "eth0", args=["-n"]) as client:
        client.proc.wait(60)
        assert client.current() is None
        assert not a.ns.run("ip", "-6", "route", "show", "default")
    # the LAN's own server, and no other, answers a bridged guest
    with Box(lab, d, "bridged", "lan") as b:
        assert b.ip.startswith("192.168.77.")
        assert b.lease["router"] == lab.lan.router
