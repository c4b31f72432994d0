# SPDX-License-Identifier: GPL-2.0-or-later
"""Bridged, leaving the host's interface as it is (--uplink-mode tap-in): guests, host
and LAN reach each other, and nothing of the host's configuration changes. The mode table
with real guests (test_modes.py) has its bridged column this way, too."""

import contextlib
import json
import socket

import pytest

import lab as L
from boxes import Box
from bridged import WAYS, another_worker, large_tcp, ping, send_much

@pytest.fixture(scope="module")
def host(lab):
    lab.host.who(80)
    lab.outside.who(80)
    return lab.host


@pytest.fixture(scope="module")
def d(lab, host):
    L.need_vnetd()
    with L.Vnetd(ns=host) as daemon:
        daemon.vnet("define", "lan", "--mode", "bridged", "--uplink", "eth0",
                    "--uplink-mode", "tap-in")
        yield daemon


@pytest.fixture(scope="module")
def boxes(lab, d):
    with Box(lab, d, "a", "lan") as a, Box(lab, d, "b", "lan") as b:
        for box in (a, b):
            box.ns.ip("addr", "add", "fd77:0:0:77::%s/64" % box.ip.split(".")[-1],
                      "dev", "eth0")
            box.ns.ip("-6", "route", "add", "default", "via", lab.lan.router6)
            box.ip6 = "fd77:0:0:77::" + box.ip.split(".")[-1]
        yield a, b



def snapshot(ns):
    """Everything that ip says of the host, without what is ours."""
    def ours(x):
        return str(x.get("ifname") or x.get("dev") or "").startswith("vn-")
    out = {}
    for what in (["addr"], ["route", "show", "table", "all"],
                 ["-6", "route", "show", "table", "all"], ["rule"], ["link"]):
        rows = json.loads(ns.ip("-j", *what) or "[]")
        out[" ".join(what)] = [r for r in rows if r and not ours(r)]
    out["tc"] = ns.run("tc", "qdisc", "show", "dev", "eth0") + \
        ns.run("tc", "filter", "show", "dev", "eth0", check=False)
    return out


def test_addresses_come_from_the_lan(lab, boxes):
    for box in boxes:
        assert box.ip.startswith("192.168.77.")
        assert box.lease["router"] == lab.lan.router


@pytest.mark.parametrize("family", [4, 6])
def test_everybody_reaches_everybody(lab, boxes, family):
    a, b = boxes
    def addr(x):
        if isinstance(x, Box):
            return x.ip6 if family == 6 else x.ip
        return x.address6 if family == 6 else x.address
    for src, dst in ((a.ns, lab.host), (lab.host, a), (a.ns, b), (b.ns, a),
                     (a.ns, lab.outside), (lab.outside, a)):
        assert ping(src, addr(dst)), (src, addr(dst))


def test_a_ping_is_answered_once(lab, boxes):
    """No frame comes twice: not to the host, not to a guest, not to the LAN."""
    a, b = boxes
    for src, to in ((a.ns, lab.host.address), (a.ns, b.ip), (lab.host, a.ip),
                    (a.ns, lab.lan.router), (lab.lan, a.ip)):
        assert "DUP" not in src.run("ping", "-c", "3", "-i", "0.2", "-W", "4", to)
    # one of all answers to a broadcast each
    for ns in (lab.host, lab.lan, b.ns):
        ns.sysctl("net.ipv4.icmp_echo_ignore_broadcasts", 0)
    out = a.ns.run("ping", "-b", "-i", "3", "-w", "1", "192.168.77.255", check=False)
    for who in (lab.host.address, lab.lan.router, b.ip):
        assert out.count("from %s:" % who) == 1, out


@pytest.mark.parametrize("way", WAYS)
def test_large_tcp(lab, boxes, way):
    large_tcp(lab, boxes, way)


def test_guests_do_not_hear_what_the_host_says_to_others(lab, boxes):
    a, _ = boxes
    with a.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
        s.bind(("eth0", 0))
        assert ping(lab.host, lab.lan.router)
        assert ping(lab.host, lab.outside.address)
        s.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while True:
                f = s.recv(2000)
                assert not (f[12:14] == b"\x08\x00" and f[26:30] ==
                            socket.inet_aton(lab.host.address)), f.hex()


def test_two_networks_on_one_uplink(lab, d, boxes):
    a, _ = boxes
    d.vnet("define", "lan2", "--mode", "bridged", "--uplink", "eth0")
    with Box(lab, d, "c", "lan2") as c:
        for src, to in ((c.ns, a.ip), (a.ns, c.ip), (c.ns, lab.host.address),
                        (lab.host, c.ip), (c.ns, lab.outside.address)):
            assert ping(src, to)
            assert "DUP" not in src.run("ping", "-c", "2", "-i", "0.2", to)
        out = c.ns.run("ping", "-b", "-i", "3", "-w", "1", "192.168.77.255",
                       check=False)
        for who in (lab.host.address, lab.lan.router):
            assert out.count("from %s:" % who) == 1, out
        assert send_much(c.ns, a.ns, a.ip, 5002)
        # who wants it for itself is refused
        r = d.vnet("define", "own", "--mode", "bridged", "--uplink", "eth0",
                   "--uplink-mode", "take-in", check=False)
        assert r.status == 1 and "used by network lan" in r.err + r.out
        d.vnet("undefine", "own")
    d.vnet("undefine", "lan2")


def test_nothing_of_the_host_changes(lab, host):
    """Not while it runs, and nothing is left after a kill -9 of everything."""
    host.ip("route", "add", "10.77.0.0/16", "via", lab.lan.router)
    before = snapshot(host)
    with L.Vnetd(ns=host) as daemon:
        daemon.vnet("define", "x", "--mode", "bridged", "--uplink", "eth0")
        with Box(lab, daemon, "x", "x") as box:
            assert ping(box.ns, host.address)
            assert snapshot(host) == before
            daemon.kill()
    L.eventually("the TAP is gone", lambda: "vn-up-x" not in host.links())
    assert snapshot(host) == before


def test_the_worker_comes_again(lab, d, boxes):
    a, _ = boxes
    another_worker(lab, d)
    L.eventually("guests reach the host again",
                 lambda: ping(a.ns, lab.host.address))
    assert ping(a.ns, lab.outside.address)


def test_the_uplinks_address_changes(lab, d, boxes):
    a, _ = boxes
    lab.host.ip("link", "set", "eth0", "address", "02:00:00:00:77:0b")

    def reached():
        a.ns.ip("neigh", "flush", "dev", "eth0")    # nobody told it
        return " 0% packet loss" in a.ns.run(
            "ping", "-c", "1", "-W", "1", lab.host.address, check=False)
    try:
        L.eventually("guests reach the host again", reached, 20)
    finally:
        lab.host.ip("link", "set", "eth0", "address", "02:00:00:00:77:0a")
    L.eventually("and again", reached, 20)


def test_another_mode_while_it_runs(lab, d, boxes):
    a, _ = boxes
    for mode in ("take-in", "tap-in"):
        d.vnet("set", "lan", "--uplink-mode", mode)
        assert "Uplink mode:   " + mode in d.vnet("show", "lan").out
        L.eventually("the host is reached", lambda: ping(a.ns, lab.host.address),
                     20)
        assert ping(a.ns, lab.outside.address)


def test_refusals(lab, d):
    """Each says why."""
    lab.host.ip("link", "add", "br7", "type", "bridge")
    lab.host.ip("link", "add", "p7", "type", "veth", "peer", "name", "q7")
    lab.host.ip("link", "set", "p7", "master", "br7")
    try:
        for args, why in (
                (("--uplink", "p7"), "a port of br7"),
                (("--uplink", "q7", "--mtu", "9000"), "has an MTU of 1500"),
                (("--uplink", "q7", "--datapath", "kernel", "--uplink-mode",
                  "tap-in"), "datapath user's"),
                (("--uplink", "nosuch0"), "no such interface")):
            r = d.vnet("define", "y", "--mode", "bridged", *args, check=False)
            assert r.status == 1 and why in r.err + r.out, (args, r.err, r.out)
            d.vnet("undefine", "y", check=False)
        r = d.vnet("define", "y", "--mode", "nat", "--uplink-mode", "tap-in",
                   check=False)
        assert r.status == 1 and "only bridged networks" in r.err
    finally:
        lab.host.ip("link", "del", "br7")
        lab.host.ip("link", "del", "p7")
