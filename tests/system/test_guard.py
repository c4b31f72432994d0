# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest may say about itself: a hostile one that plays its neighbours, the gateway
and servers reaches nobody; an honest one notices nothing. Isolation and limits."""

import contextlib
import os
import signal
import socket
import struct

import pytest

import lab as lab_module
from boxes import Box, TapBox, Transfer
from frames import arp, bootp, ip4, ip6, nd, udp
from lab import eventually

ALL = b"\xff" * 6
NOBODY = bytes.fromhex("0200000000ee")


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    lab.host.leave_bridges_alone()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat", "--guard", "ip",
                    "--lease-seconds", "60")
        daemon.vnet("define", "klab", "--mode", "nat", "--guard", "ip",
                    "--lease-seconds", "60", "--datapath", "kernel")
        daemon.vnet("define", "plain", "--mode", "nat")
        daemon.vnet("define", "kplain", "--mode", "nat", "--datapath", "kernel")
        yield daemon


@contextlib.contextmanager
def pair(lab, d, network):
    box = TapBox if network[0] == "k" else Box
    with box(lab, d, "evil-" + network, network) as a, \
            box(lab, d, "good-" + network, network) as b, \
            Guest(a) as evil, Guest(b) as good:
        yield evil, good


def mac_of(ns, *args):
    words = ns.ip(*args).split()
    return bytes.fromhex(words[words.index("lladdr") + 1].replace(":", ""))


class Guest:
    """A box that writes frames of its own, and sees all that come."""

    def __init__(self, box):
        self.box, self.ns, self.ip = box, box.ns, box.ip
        self.gateway = box.lease["router"]
        self.mac = bytes.fromhex(box.ns.links()["eth0"]["address"].replace(":", ""))
        self.ip6 = eventually("an address of SLAAC", lambda: [
            a.split("/")[0] for a in box.ns.addresses("eth0", 6)
            if a.startswith("fd")])[0]
        self.prefix = self.ip6.rsplit(":", 4)[0] + "::"
        words = box.ns.ip("-6", "addr", "show", "dev", "eth0", "scope", "link").split()
        self.ll6 = words[words.index("inet6") + 1].split("/")[0]
        self.sock = box.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.bind(("eth0", 3))
        self.sock.settimeout(15)
        assert self.ns.ping(self.gateway)
        assert self.ns.ping(self.prefix + "2")

    def send(self, frame):
        self.sock.send(frame.ljust(60, b"\0"))

    def drain(self):
        """What has come already; what overflows is lost."""
        found = []
        self.sock.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self.sock.recv(2000))
        self.sock.settimeout(15)
        return found

    def until(self, mark):
        """The frames that came before the one with @mark."""
        found = []
        while True:
            frame, where = self.sock.recvfrom(2000)
            if mark in frame:
                return found
            if where[2] != socket.PACKET_OUTGOING:
                found.append(frame)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


# ---- what is said -------------------------------------------------------------------

def lies(evil, good, gw_mac):
    """What a hostile guest says: (frame without addresses, whether never to be let
    through, source). Each ends with b"EVIL" and its number where that changes nothing."""
    gw, gw6 = evil.gateway, evil.prefix + "2"
    gw_ll = "fe80::%02x%02x:%02xff:fe%02x:%02x%02x" % (
        (gw_mac[0] ^ 2,) + tuple(gw_mac[1:]))
    say = udp(5000, 5000, b"EVIL")
    hop = b"\x3a\0" + b"\1\4\0\0\0\0"
    me = evil.mac
    return [
        # another MAC
        (ip4(evil.ip, 17, say), False, NOBODY),
        (ip4(good.ip, 17, say), False, good.mac),
        (ip4(gw, 17, say), True, gw_mac),
        # another address
        (ip4(good.ip, 17, say), False, me),
        (ip4("192.0.2.1", 17, say), False, me),
        (ip4(gw, 17, udp(53, 5000, b"EVIL")), True, me),
        (b"\x81\0\0\0" + ip4(gw, 17, say), True, me),
        (ip6(good.ip6, "ff02::1", say, proto=17), False, me),
        (ip6(gw6, "ff02::1", say, proto=17), True, me),
        # ARP
        (arp(2, me, gw, good.ip), True, me),
        (arp(1, me, gw, gw), True, me),
        (b"\x81\0\0\0" + arp(2, me, gw, good.ip), True, me),
        (arp(2, me, "10.0.2.99", good.ip), False, me),
        (arp(1, me, good.ip, good.ip), False, me),
        (arp(2, NOBODY, evil.ip, good.ip), False, me),
        # neighbour discovery
        (ip6(evil.ll6, "ff02::1", nd(136, gw6, 2, me)), True, me),
        (ip6(evil.ll6, "ff02::1", nd(136, gw_ll, 2, me)), True, me),
        (ip6(evil.ll6, "ff02::1", nd(136, gw6, 2, me), before=hop, first=0), True, me),
        (ip6(gw_ll, "ff02::1", nd(135, good.ll6, 1, me)), True, me),
        (ip6(evil.ll6, "ff02::1", nd(136, good.ip6, 2, me)), False, me),
        (ip6(evil.ll6, "ff02::1", nd(136, good.ll6, 2, me)), False, me),
        (ip6(evil.ll6, "ff02::1", nd(135, good.ip6, 1, NOBODY)), False, me),
        (ip6("::", "ff02::1", nd(135, good.ip6, 14, b"nonce!")), False, me),
        (ip6(gw_ll, "ff02::1", struct.pack("!BBHI", 137, 0, 0, 0) + b"\0" * 32),
         True, me),
        # servers
        (ip4(evil.ip, 17, udp(67, 68, bootp(2, good.mac) + b"EVIL")), True, me),
        (ip4("0.0.0.0", 17, udp(68, 67, bootp(1, good.mac) + b"EVIL")), False, me),
        (ip6(evil.ll6, "ff02::1", struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800,
                                              0, 0)), True, me),
        (ip6(evil.ll6, "ff02::1", udp(547, 546, b"\2EVIL"), proto=17), True, me),
    ]


def tell(evil, good, told):
    """Numbers of the lies that arrived."""
    good.drain()
    for n, (body, _, src) in enumerate(told):
        # behind IP's own end: nobody reads it
        evil.send(ALL + src + body + b"EVIL%03d" % n)
    mark = b"MARK" + os.urandom(8)
    evil.send(ALL + evil.mac + ip4(evil.ip, 17, udp(5000, 5001, mark)))
    return {int(f[f.rindex(b"EVIL") + 4:][:3]) for f in good.until(mark) if
            b"EVIL" in f}


def stats(d, network, box, reason):
    nics = d.vnet("show", network, json=True).data["nics"]
    return next(n for n in nics if n["vm"] == box.name)["stats"]["drops"].get(reason, 0)


@pytest.mark.parametrize("network", ["lab", "klab"])
def test_a_hostile_guest_reaches_nobody(lab, d, network):
    with pair(lab, d, network) as (evil, good), d.api() as api:
        api.call("events.subscribe", types=["nic.guard", "dhcp.rogue"])
        gw_mac = mac_of(good.ns, "neigh", "show", good.gateway)
        told = lies(evil, good, gw_mac)
        assert tell(evil, good, told) == set()
        for address in (good.gateway, good.prefix + "2"):
            assert mac_of(good.ns, "neigh", "show", address) == gw_mac
        assert stats(d, network, evil.box, "guard") + \
            stats(d, network, evil.box, "rogue") == len(told)
        events = [api.event(timeout=15) for _ in range(8)]
        assert {(e["type"], e["kind"]) for e in events} == {
            ("nic.guard", k) for k in ("mac", "address", "gateway", "claim", "dhcp")
        } | {("dhcp.rogue", k) for k in ("dhcp", "ra", "dhcp6")}
        assert {(e["vm"], e["nic"], e["network"]) for e in events} == {
            ("evil-" + network, 0, network)}
        assert stats(d, network, good.box, "guard") == 0
        shown = d.vnet("show", "evil-" + network).out
        assert "Guards" in shown and "guard %d" % stats(
            d, network, evil.box, "guard") in shown
        assert "evil-%s-0 claims an address of the network's own" % network in d.log()

        # and an honest guest: every way of it still works
        assert evil.ns.ping(good.ip) and evil.ns.ping(evil.gateway)
        assert evil.ns.ping(good.ip6) and good.ns.ping(evil.ll6 + "%eth0")
        before = evil.box.client.reasons().count("renew")
        evil.box.client.proc.send_signal(signal.SIGUSR1)
        eventually("a renewed lease",
                   lambda: evil.box.client.reasons().count("renew") > before)
        # an IPv6 address that it made up, as privacy extensions do
        made = evil.prefix[:-1] + "8c1f:aa:bb:cc"
        evil.ns.ip("-6", "addr", "add", made + "/64", "dev", "eth0")
        assert good.ns.ping(made)
        # … is nobody else's
        good.ns.ip("-6", "addr", "add", made + "/64", "dev", "eth0")
        assert not good.ns.run("ping", "-6", "-c1", "-W1", "-I", made,
                               good.prefix + "2", check=False).count("1 received")
        good.ns.ip("-6", "addr", "del", made + "/64", "dev", "eth0")
        Transfer(good.ns, evil.ns, good.ip, 5002, 40, True).run()

        # what it is given is its own, at once, and no longer
        evil.ns.ip("addr", "add", "10.5.0.1/32", "dev", "eth0")
        good.ns.ip("route", "add", "10.5.0.1", "dev", "eth0")
        d.vnet("nic", "set", "evil-" + network, "--ip",
               "10.5.0.0/16,10.5.0.0/24,fd05:5::/48,10.0.2.200")
        assert good.ns.ping("10.5.0.1")
        evil.ns.ip("-6", "addr", "add", "fd05:5::1/128", "dev", "eth0")
        good.ns.ip("-6", "route", "add", "fd05:5::/48", "via", evil.ll6, "dev", "eth0")
        assert eventually("its own prefix", lambda: good.ns.ping("fd05:5::1"))
        if network == "klab":   # what the kernel took reads as what it was told
            assert "as it should be" in d.vnet("plan", network).out
        d.vnet("nic", "set", "evil-" + network, "--ip", "none")
        assert not good.ns.ping("10.5.0.1", wait=1)
        assert not good.ns.ping("fd05:5::1", wait=1)
        # all of it outlives the worker
        pid = d.vnet("show", network, json=True).data["worker"]["pid"]
        os.kill(pid, signal.SIGKILL)
        eventually("another worker", lambda: (d.vnet(
            "show", network, json=True).data["worker"] or {}).get("pid", pid) != pid)
        assert eventually("the network", lambda: evil.ns.ping(good.ip))
        assert tell(evil, good, told) == set()


def only_the_gateway_is_safe(evil, good):
    gw_mac = mac_of(good.ns, "neigh", "show", good.gateway)
    told = lies(evil, good, gw_mac)
    heard = tell(evil, good, told)
    assert heard == {n for n, (_, never, _) in enumerate(told) if not never}
    for address in (good.gateway, good.prefix + "2"):
        assert mac_of(good.ns, "neigh", "show", address) == gw_mac
    return told, heard


@pytest.mark.parametrize("network", ["plain", "kplain"])
def test_without_a_guard_only_the_gateway_is_safe(lab, d, network):
    with pair(lab, d, network) as (evil, good), d.api() as api:
        api.call("events.subscribe", types=["nic.guard", "dhcp.rogue"])
        told, heard = only_the_gateway_is_safe(evil, good)
        assert stats(d, network, evil.box, "guard") + \
            stats(d, network, evil.box, "rogue") == len(told) - len(heard)
        events = [api.event(timeout=15) for _ in range(4)]
        assert {(e["type"], e["kind"]) for e in events} == {("nic.guard", "gateway")} | {
            ("dhcp.rogue", k) for k in ("dhcp", "ra", "dhcp6")}
        # mac, while it runs: what says its own MAC goes on
        d.vnet("nic", "set", "evil-" + network, "--guard", "mac")
        heard = tell(evil, good, told)
        assert heard and all(told[n][2] == evil.mac and NOBODY not in told[n][0] and
                             good.mac not in told[n][0] for n in heard)

        # isolated: the gateway, and nobody else
        assert good.ns.ping(evil.ip)
        d.vnet("nic", "set", "evil-" + network, "--isolated", "on")
        assert not good.ns.ping(evil.ip, wait=1) and not evil.ns.ping(good.ip, wait=1)
        assert evil.ns.ping(evil.gateway)
        assert stats(d, network, evil.box, "isolated") + \
            stats(d, network, good.box, "isolated") > 0
        for one, two in ((evil, good), (good, evil)):   # nor by way of the gateway
            assert not by_the_gateway(one, two)
        d.vnet("nic", "set", "evil-" + network, "--isolated", "network")
        assert good.ns.ping(evil.ip)

        # broadcasts, some at once and no more
        d.vnet("set", network, "--storm", "20")
        good.drain()
        for _ in range(500):
            evil.send(ALL + evil.mac + ip4(evil.ip, 17, udp(5000, 5000, b"NOISE")))
        noise = [f for f in good.until(mark_from(evil, good)) if b"NOISE" in f]
        assert 10 <= len(noise) < 200
        assert stats(d, network, evil.box, "storm") > 300
        d.vnet("set", network, "--storm", "0")

        # a rate: 2.5 MB at 20 Mbit/s are a second, less what goes at once, which is
        # more in the kernel
        rate = 20000 if network == "plain" else 8000
        d.vnet("nic", "set", "evil-" + network, "--rate-out", "%dk" % rate)
        Transfer(good.ns, evil.ns, good.ip, 5002, 40, True).run()
        assert stats(d, network, evil.box, "rate") > 0
        shown = d.vnet("show", "evil-" + network, json=True).data["nics"][0]["guard"]
        assert (shown["level"], shown["rate_out"], shown["own"]) == (
            "mac", rate, ["level"])


def by_the_gateway(one, two):
    """What @two hears of @one that was sent to the gateway's MAC."""
    gw_mac = mac_of(one.ns, "neigh", "show", one.gateway)
    for guest in one, two:      # the other's lies are forgotten
        guest.send(ALL + guest.mac + arp(1, guest.mac, guest.ip, guest.gateway))
        assert guest.ns.ping(guest.gateway)
    two.drain()
    one.send(gw_mac + one.mac + ip4(one.ip, 17, udp(5000, 5000, b"ROUND4"), two.ip))
    one.send(gw_mac + one.mac + ip6(one.ip6, two.ip6, udp(5000, 5000, b"ROUND6"),
                                    proto=17))
    # what is sent, and comes, behind it
    assert one.ns.ping(one.gateway) and two.ns.ping(two.gateway)
    return [f for f in two.drain() if b"ROUND" in f]


def mark_from(evil, good):
    """A frame for good alone, so that no limit of broadcasts holds it."""
    mark = b"MARK" + os.urandom(8)
    evil.send(good.mac + evil.mac + ip4(evil.ip, 17, udp(5000, 5001, mark), good.ip))
    return mark


def test_what_cannot_be_is_refused(lab, d):
    def refused(*words):
        done = d.vnet(*words, check=False)
        assert done.status in (1, 2), done
        return done.err

    d.vnet("define", "bare", "--mode", "internal")
    d.vnet("attach", "vm", "--network", "bare")
    assert "say which ones are the NIC's" in refused("nic", "set", "vm", "--guard", "ip")
    assert "nic vm-0" in refused("set", "bare", "--guard", "ip")
    d.vnet("nic", "set", "vm", "--guard", "ip", "--ip", "10.9.0.1,fd09::/64")
    d.vnet("set", "bare", "--guard", "ip")
    assert "no address" in refused("nic", "set", "vm", "--ip", "10.9.0.1/24")
    assert "nothing to change" in refused("nic", "set", "vm")
    gateway = d.vnet("show", "plain", json=True).data["gateway"]
    assert "own address" in refused("attach", "two", "--network", "plain", "--ip", gateway)
    assert "nic set changes it" in refused("attach", "vm", "--network", "bare",
                                           "--guard", "off")
    d.vnet("undefine", "bare", "--force")
