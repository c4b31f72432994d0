# SPDX-License-Identifier: GPL-2.0-or-later
"""IPv6 on our networks: boxes that configure themselves from our advertisements, NAT
and forwards of both families, what a host without IPv6 means, host-only networks."""

import contextlib
import errno
import socket
import struct
import time

import pytest

import lab as lab_module
from boxes import Box
from lab import eventually


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "six", "--mode", "nat")
        daemon.vnet("define", "other", "--mode", "nat", "--host-access", "off")
        daemon.vnet("define", "own", "--mode", "hostonly")
        yield daemon


@pytest.fixture(scope="module")
def a(lab, d):
    with Box(lab, d, "box-a", "six") as box:
        yield box


def show(d, net):
    return d.vnet("show", net, json=True).data


def prefix_of(d, net):
    return show(d, net)["subnet6"][:-len("::/64")]


def address6(d, box, net):
    """The address that the box has made of the network's prefix."""
    prefix = prefix_of(d, net) + ":"
    return eventually("%s has an address of %s" % (box.name, net), lambda: next(
        (x.split("/")[0] for x in box.ns.addresses("eth0", 6)
         if x.startswith(prefix)), None), 30)


def ask_aaaa(ns, server, name):
    """The addresses in a resolver's answer, over UDP."""
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
    query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\0\0\x1c\0\1"
    with contextlib.closing(ns.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as s:
        s.settimeout(5)
        s.sendto(query, (server, 53))
        answer = s.recv(4096)
    count = struct.unpack(">H", answer[6:8])[0]
    found, at = [], len(query)
    for _ in range(count):
        size = struct.unpack(">H", answer[at + 10:at + 12])[0]
        found.append(socket.inet_ntop(socket.AF_INET6, answer[at + 12:at + 12 + size]))
        at += 12 + size
    return found


# ---- a guest finds its way ------------------------------------------------------

def test_networks_have_prefixes_of_one_installation(d):
    nets = {n: show(d, n) for n in ("six", "other", "own")}
    prefixes = {n: o["subnet6"] for n, o in nets.items()}
    assert len(set(prefixes.values())) == 3
    assert len({socket.inet_pton(socket.AF_INET6, p[:-len("/64")])[:6]
                for p in prefixes.values()}) == 1
    assert nets["six"]["gateway6"] == prefixes["six"][:-3] + "2"
    assert nets["six"]["dns6"] == prefixes["six"][:-3] + "3"
    assert nets["own"]["gateway6"] == prefixes["own"][:-3] + "1"
    assert prefixes["six"] in d.vnet("list").out


def test_a_guest_configures_itself(d, a):
    address6(d, a, "six")
    route = eventually("a default route", lambda: [
        r for r in a.ns.routes(6) if r["dst"] == "default"], 20)[0]
    # made of the gateway's MAC, or the bridge's
    router = "fe80::800:28ff:" if lab_module.DATAPATH == "kernel" else "fe80::5055:"
    assert route["gateway"].startswith(router), route
    assert a.ns.ping(show(d, "six")["gateway6"])
    assert a.ns.ping(route["gateway"] + "%eth0")


def test_vnet_ip_shows_it_behind_ipv4(d, a):
    mine = address6(d, a, "six")
    rows = eventually("it is seen", lambda: [
        r for r in d.vnet("ip", "box-a", json=True).data["addresses"]
        if r["address"] == mine], 20)
    assert rows[0]["protocol"] == "ipv6" and rows[0]["prefix"] == 64
    plain = d.vnet("ip", "box-a", "--plain").out.split()
    assert plain[0] == a.ip and mine in plain[1:]
    assert mine + "/64" in d.vnet("ip", "box-a").out


def test_its_name_has_an_aaaa(d, a):
    mine = address6(d, a, "six")
    dns = show(d, "six")["dns6"]
    eventually("the name is known", lambda: mine in ask_aaaa(
        a.ns, dns, "box-a.six.vnet"), 20)


# ---- outside --------------------------------------------------------------------

def test_ping_udp_and_tcp_outside(lab, d, a):
    address6(d, a, "six")
    outside = lab.outside.address6
    for sockets in (True, False):   # ping sockets of the host, else a raw one
        lab.host.allow_ping_sockets(sockets)
        eventually("an answer to a ping", lambda: a.ns.ping(outside), 20)
        assert not a.ns.ping(outside + "99", wait=1)
    lab.outside.udp_echo(7006, "::")
    with contextlib.closing(a.ns.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as s:
        s.settimeout(10)
        s.sendto(b"six", (outside, 7006))
        data, peer = s.recvfrom(100)
        assert data == b"six" and peer[0] == outside
    lab.outside.who(8006)
    assert a.ns.fetch("http://[%s]:8006/" % outside) == \
        "outside sees %s\n" % lab.host.address6


def test_the_gateway_is_the_host_and_its_loopback_is_not(lab, d, a):
    lab.host.who(8016)
    gateway = show(d, "six")["gateway6"]
    assert a.ns.fetch("http://[%s]:8016/" % gateway).startswith("host sees ")
    lab.host.who(8017, "127.0.0.1")
    assert a.ns.fetch("http://[%s]:8017/" % gateway, 3) is None


def test_without_an_ipv6_route_it_is_unreachable_at_once(lab, d, a):
    address6(d, a, "six")
    via = lab.lan.router6
    lab.outside.who(8026)

    def connect():
        with pytest.raises(OSError) as e:
            a.ns.connect(lab.outside.address6, 8026, 10).close()
        return e.value.errno

    lab.host.ip("-6", "route", "del", "default", "via", via)
    try:
        start = time.monotonic()
        assert connect() in (errno.ENETUNREACH, errno.EHOSTUNREACH)
        assert time.monotonic() - start < 5
        assert a.ns.fetch("http://%s:8026/" % lab.outside.address)
    finally:
        lab.host.ip("-6", "route", "add", "default", "via", via)
    eventually("it is reachable again", lambda: a.ns.fetch(
        "http://[%s]:8026/" % lab.outside.address6), 20)


# ---- forwards -------------------------------------------------------------------

def test_a_forward_serves_both_families(lab, d, a):
    address6(d, a, "six")
    a.ns.who(80)
    d.vnet("forward", "add", "six", "tcp:8080:box-a:80")
    try:
        # The guest sees who it really is, in either family.
        eventually("it is served over IPv6", lambda: lab.outside.fetch(
            "http://[%s]:8080/" % lab.host.address6) ==
            "box-a sees %s\n" % lab.outside.address6, 20)
        assert lab.outside.fetch("http://%s:8080/" % lab.host.address) == \
            "box-a sees %s\n" % lab.outside.address
    finally:
        d.vnet("forward", "del", "six", "tcp:8080")


def test_a_forward_of_one_ipv6_address(lab, d, a):
    lab_module.not_in_the_kernel("::1 is not routed beyond the loopback device")
    mine = address6(d, a, "six")
    a.ns.who(81)
    d.vnet("forward", "add", "six", "tcp:[::1]:8081:[%s]:81" % mine)
    try:
        assert "[::1]:8081" in d.vnet("forward", "list").out
        assert lab.host.fetch("http://[::1]:8081/").startswith("box-a sees ")
        assert lab.outside.fetch("http://[%s]:8081/" % lab.host.address6, 3) is None
    finally:
        d.vnet("forward", "del", "six", "tcp:[::1]:8081")
    assert d.vnet("forward", "list").out.count("8081") == 0


# ---- walls ----------------------------------------------------------------------

def test_other_networks_and_a_closed_host_are_out_of_reach(lab, d, a):
    victim = address6(d, a, "six")
    lab.host.who(8036)
    with Box(lab, d, "box-b", "other") as b:
        address6(d, b, "other")
        eventually("a default route", lambda: [
            r for r in b.ns.routes(6) if r["dst"] == "default"], 20)
        for to in (victim, lab.host.address6, show(d, "other")["gateway6"]):
            with pytest.raises(OSError):
                b.ns.connect(to, 8036, 3).close()
        assert not b.ns.ping(victim, wait=1)


def test_hostonly_meets_the_host_and_nothing_else(lab, d):
    """Also when the host forwards IPv6, and guests try to use it as a router."""
    host6 = show(d, "own")["gateway6"]
    lab.host.sysctl("net.ipv6.conf.all.forwarding", 1)
    lab.lan.ip("-6", "route", "add", prefix_of(d, "own") + "::/64", "via",
               lab.host.address6)
    try:
        with Box(lab, d, "box-o", "own") as o:
            mine = address6(d, o, "own")
            assert o.ns.ping(host6)
            assert lab.host.ping(mine)
            o.ns.who(80)
            assert lab.host.fetch("http://[%s]/" % mine) == \
                "box-o sees %s\n" % host6
            assert not [r for r in o.ns.routes(6) if r["dst"] == "default"]
            o.ns.ip("-6", "route", "add", "default", "via", host6, "dev", "eth0")
            assert not o.ns.ping(lab.outside.address6, wait=1)
            assert not lab.outside.ping(mine, wait=1)
    finally:
        lab.lan.ip("-6", "route", "del", prefix_of(d, "own") + "::/64")
        lab.host.sysctl("net.ipv6.conf.all.forwarding", 0)


# ---- what survives --------------------------------------------------------------

def test_a_network_without_ipv6_stays_so(lab, d):
    d.vnet("define", "four", "--mode", "nat", "--subnet6", "off")
    try:
        assert show(d, "four")["subnet6"] is None
        with Box(lab, d, "box-4", "four") as b:
            assert b.ns.ping(show(d, "four")["gateway"])
            assert not b.ns.addresses("eth0", 6)
    finally:
        d.vnet("undefine", "four")
    refused = d.vnet("define", "five", "--mode", "nat", "--subnet6",
                     show(d, "six")["subnet6"], check=False)
    assert refused.status == 1 and "overlaps network six" in refused.err


def test_a_running_network_gets_another_prefix(lab, d):
    """Off, given, and one of our own; guests change over at once. Defined without, as
    all networks of old stores are."""
    d.vnet("define", "late", "--mode", "nat", "--subnet6", "off")
    try:
        with Box(lab, d, "box-late", "late") as b:
            with contextlib.closing(b.ns.socket(
                    socket.AF_INET, socket.SOCK_DGRAM)) as s:
                s.bind((b.ip, 0))
                for want in ("fd01:2:3:4::/64", "auto"):
                    d.vnet("set", "late", "--subnet6", want)
                    mine = address6(d, b, "late")
                    assert want == "auto" or mine.startswith("fd01:2:3:4:")
                    eventually("a way outside", lambda: b.ns.ping(
                        lab.outside.address6), 20)
                    # … from the new one
                    route = b.ns.ip("-6", "route", "get", lab.outside.address6)
                    assert " src " + mine + " " in route, route
            prefix = show(d, "late")["subnet6"]
            d.vnet("set", "late", "--subnet6", "auto")
            assert show(d, "late")["subnet6"] == prefix
            d.vnet("set", "late", "--subnet6", "off")
            assert show(d, "late")["subnet6"] is None
            assert b.ns.ping(show(d, "late")["gateway"])
            eventually("IPv6 leads nowhere", lambda: not b.ns.ping(
                lab.outside.address6, wait=1), 20)
    finally:
        d.vnet("undefine", "late", "--force")


def test_a_hostonly_network_gets_a_prefix_while_it_runs(lab, d):
    d.vnet("define", "own6", "--mode", "hostonly", "--subnet6", "off")
    try:
        with Box(lab, d, "box-own6", "own6") as b:
            d.vnet("set", "own6", "--subnet6", "auto")
            mine = address6(d, b, "own6")
            eventually("host and guest meet", lambda: b.ns.ping(
                show(d, "own6")["gateway6"]) and lab.host.ping(mine), 20)
            assert b.ns.ping(show(d, "own6")["gateway"])
    finally:
        d.vnet("undefine", "own6", "--force")


def test_the_prefix_survives_the_daemon(lab, d, a):
    before = show(d, "six")["subnet6"], address6(d, a, "six")
    d.kill()
    d.start()
    assert show(d, "six")["subnet6"] == before[0]
    eventually("the gateway answers", lambda: a.ns.ping(
        show(d, "six")["gateway6"]), 30)
