# SPDX-License-Identifier: GPL-2.0-or-later
"""Bridged behind one MAC address (--mac-nat on): the LAN's switch port takes frames from
the host's own MAC only and sends it no others', as a Wi-Fi access point or a port with port
security does. Guests get leases, are reached, and show no MAC of theirs."""

import contextlib
import signal
import socket

import pytest

import lab as L
from boxes import Box
from bridged import WAYS, another_worker, large_tcp, ping, send_much

HOST_MAC = "02:00:00:00:77:0a"
RULE = ("add table netdev onemac; add counter netdev onemac others; "
        "add chain netdev onemac in { type filter hook ingress device port1 priority 0; };"
        "add rule netdev onemac in ether saddr != %s counter name others drop" % HOST_MAC)

COUNT = ("add table inet count; add chain inet count f { type filter hook forward "
         "priority 0; }; add rule inet count f counter")


@pytest.fixture(scope="module")
def lab():
    with L.Lab(dhcp=False) as lab:
        lab.lan.ip("link", "set", "port1", "type", "bridge_slave", "flood", "off")
        lab.lan.run("nft", RULE)
        lab.lan.serve(extra=("--enable-ra",
                             "--dhcp-range=fd77:0:0:77::,ra-only"))
        yield lab


@pytest.fixture(scope="module")
def d(lab):
    L.need_vnetd()
    with L.Vnetd(ns=lab.host) as daemon:
        daemon.vnet("define", "lan", "--mode", "bridged", "--uplink", "eth0",
                    "--mac-nat", "on")
        yield daemon


@pytest.fixture(scope="module")
def wire(lab):
    """What the switch hears from the host's port."""
    with lab.lan.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
        s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)   # SO_RCVBUFFORCE
        s.bind(("port1", 0))
        yield s


@pytest.fixture(scope="module")
def boxes(lab, d, wire):
    with Box(lab, d, "a", "lan") as a, Box(lab, d, "b", "lan", dhcp="dhclient") as b:
        for box in (a, b):
            box.ns.ip("-6", "route", "replace", "default", "via", lab.lan.router6)
            box.mac = box.ns.run("cat", "/sys/class/net/eth0/address").strip()
            box.ip6 = slaac(box)
        yield a, b


def slaac(box):
    def address():
        for line in box.ns.ip("-6", "-o", "addr", "show", "dev", "eth0", "scope",
                              "global").splitlines():
            if "tentative" not in line:
                return line.split()[3].split("/")[0]
        return None
    return L.eventually("an address by SLAAC", address)


def test_leases_of_the_lan_a_guest_each(lab, boxes):
    a, b = boxes
    assert a.ip != b.ip
    macs = [m for m, _, _ in lab.lan.leases()]
    assert a.mac in macs and b.mac in macs


@pytest.mark.parametrize("family", [4, 6])
def test_everybody_reaches_everybody(lab, boxes, family):
    a, b = boxes

    def addr(x):
        if isinstance(x, Box):
            return x.ip6 if family == 6 else x.ip
        if x is lab.lan:
            return x.router6 if family == 6 else x.router
        return x.address6 if family == 6 else x.address
    for ns in (lab.lan, lab.host, a.ns, b.ns):      # each has to be asked for
        ns.ip("-%d" % family, "neigh", "flush", "all")
    for src, dst in ((lab.lan, a), (lab.lan, b), (a.ns, lab.lan),
                     (a.ns, lab.outside), (lab.outside, b), (a.ns, lab.host),
                     (lab.host, a), (a.ns, b), (b.ns, a)):
        out = (src if not isinstance(src, Box) else src.ns).run(
            "ping", "-c", "2", "-i", "0.1", "-W", "4", addr(dst), check=False)
        assert " 0% packet loss" in out and "DUP" not in out, (addr(dst), out)
    # the host goes on as ever
    assert ping(lab.host, addr(lab.outside)) and ping(lab.lan, addr(lab.host))


@pytest.mark.parametrize("way", WAYS)
def test_large_tcp(lab, boxes, way):
    large_tcp(lab, boxes, way)


def test_a_renewed_lease(lab, boxes):
    a, _ = boxes
    n = a.client.reasons().count("renew")
    a.client.proc.send_signal(signal.SIGUSR1)       # udhcpc's word for it
    L.eventually("the lease is renewed",
                 lambda: a.client.reasons().count("renew") > n)


def test_addresses_that_the_lan_has_are_not_taken(lab, boxes):
    """Both ways to ask, by broadcast and answered to the shared MAC, reach the guest."""
    a, _ = boxes
    a.ns.sysctl("net.ipv6.conf.eth0.accept_dad", 1)
    a.ns.sysctl("net.ipv6.conf.eth0.dad_transmits", 1)
    a.ns.ip("addr", "add", lab.lan.router6 + "/64", "dev", "eth0")
    try:
        L.eventually("it is somebody's", lambda: "dadfailed" in a.ns.ip(
            "-6", "addr", "show", "dev", "eth0"))
    finally:
        a.ns.ip("addr", "del", lab.lan.router6 + "/64", "dev", "eth0")
    r = a.ns.run("busybox", "arping", "-D", "-c", "2", "-w", "3", "-I", "eth0",
                 lab.lan.router, check=False)
    assert "Received 0" not in r, r


def test_the_hosts_address_is_the_hosts(lab, d, boxes):
    a, _ = boxes
    a.ns.ip("addr", "add", lab.host.address + "/24", "dev", "eth0")
    try:
        a.ns.run("busybox", "arping", "-U", "-c", "1", "-w", "1", "-I", "eth0",
                 lab.host.address, check=False)
        nic = next(n for n in d.vnet("show", "lan", json=True).data["nics"]
                   if n["vm"] == "a")
        assert nic["stats"]["drops"]["guard"] > 0
        lab.lan.ip("neigh", "flush", "all")
        assert ping(lab.lan, lab.host.address)
    finally:
        a.ns.ip("addr", "del", lab.host.address + "/24", "dev", "eth0")
    assert ping(lab.lan, a.ip)


def test_a_host_that_forwards(lab, d, boxes):
    """It has copies of guests' frames and sends them on: they come once all the same."""
    a, _ = boxes
    lab.host.sysctl("net.ipv4.ip_forward", 1)
    try:
        assert ping(lab.host, a.ip)     # it knows the guest
        before = echoes(a.ns)
        out = lab.lan.run("ping", "-c", "5", "-i", "0.1", "-W", "4", a.ip, check=False)
        assert " 0% packet loss" in out and "DUP" not in out, out
        assert echoes(a.ns) - before == 5
        assert send_much(lab.outside, a.ns, a.ip, 5003)
        assert "the host forwards packets" in d.vnet("show", "lan").out
        found = [f for f in d.vnet("doctor", "lan", json=True, check=False).data[
            "findings"] if f["what"] == "mac_nat"]
        # the rule it names keeps the copies where they are
        lab.host.run("nft", COUNT)
        assert ping(lab.lan, a.ip) and forwarded(lab.host) > 0
        lab.host.run("sh", "-c", found[0]["command"])
        sent = forwarded(lab.host)
        assert ping(lab.lan, a.ip) and forwarded(lab.host) == sent
        assert ping(lab.lan, a.ip) and ping(lab.host, lab.outside.address)
        lab.host.run("nft", "delete table inet mac-nat; delete table inet count")
    finally:
        lab.host.sysctl("net.ipv4.ip_forward", 0)


def forwarded(ns):
    return int(ns.run("nft", "list", "table", "inet", "count").split("packets ")[1]
               .split()[0])


def echoes(ns):
    lines = [l.split() for l in ns.run("cat", "/proc/net/snmp").splitlines()
             if l.startswith("Icmp:")]
    return int(lines[1][lines[0].index("InEchos")])


def test_two_networks_on_one_uplink(lab, d, boxes):
    a, _ = boxes
    d.vnet("define", "lan2", "--mode", "bridged", "--uplink", "eth0", "--mac-nat",
           "on")
    with Box(lab, d, "c", "lan2") as c:
        for src, to in ((c.ns, a.ip), (a.ns, c.ip), (c.ns, lab.host.address),
                        (lab.host, c.ip), (c.ns, lab.outside.address),
                        (lab.lan, c.ip)):
            out = src.run("ping", "-c", "2", "-i", "0.2", "-W", "4", to, check=False)
            assert " 0% packet loss" in out and "DUP" not in out, (to, out)
        assert send_much(c.ns, a.ns, a.ip, 5002)
    d.vnet("undefine", "lan2")


def test_the_worker_comes_again(lab, d, boxes):
    """The LAN knows guests by the shared MAC still; the next worker is told of them."""
    a, _ = boxes
    another_worker(lab, d)
    L.eventually("the LAN reaches the guest again", lambda: ping(lab.lan, a.ip))


def test_no_mac_of_a_guests_was_on_the_wire(lab, boxes, wire):
    """After all of the above. In DHCP, clients are told by it."""
    macs = [bytes.fromhex(x.mac.replace(":", "")) for x in boxes]
    wire.settimeout(0.2)
    n = 0
    with contextlib.suppress(TimeoutError):
        while True:
            f, where = wire.recvfrom(65600)
            if where[2] == socket.PACKET_OUTGOING:
                continue
            n += 1
            assert f[6:12].hex(":") == HOST_MAC, f.hex()
            # in ARP and neighbour discovery, but for the host's own to them
            if is_dhcp(f) or f[:6] in macs:
                continue
            assert not any(m in f[6:400] for m in macs), f.hex()
    assert n > 100
    assert "packets 0 " in lab.lan.run("nft", "list", "counter", "netdev", "onemac",
                                       "others")


def is_dhcp(f):
    return f[12:14] == b"\x08\x00" and f[23] == 17 and f[36:38] == b"\x00\x43"


def test_shown_changed_and_refused(lab, d, boxes):
    a, _ = boxes
    assert "on: VMs share the uplink's MAC" in d.vnet("show", "lan").out
    assert "as it should be" in d.vnet("plan", "lan").out
    assert "guests share its MAC" in d.vnet("plan", "lan", "--all").out
    r = d.vnet("set", "lan", "--uplink-mode", "take-in", check=False)
    assert r.status == 1 and "goes with uplink mode tap-in" in r.err
    d.vnet("set", "lan", "--mac-nat", "auto")       # a veth is no Wi-Fi card
    assert "auto: VMs have their own MACs" in d.vnet("show", "lan").out
    assert "promiscuous" in d.vnet("plan", "lan", "--all").out
    out = a.ns.run("ping", "-c", "1", "-W", "0.3", lab.lan.router, check=False)
    assert "100% packet loss" in out
    d.vnet("set", "lan", "--mac-nat", "on")
    L.eventually("the LAN is reached again", lambda: ping(a.ns, lab.lan.router))
    r = d.vnet("define", "x", "--mode", "nat", "--mac-nat", "on", check=False)
    assert r.status == 1 and "only guests of bridged networks" in r.err
