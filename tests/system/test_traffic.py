# SPDX-License-Identifier: GPL-2.0-or-later
"""Real traffic: checksummed gigabytes, iperf3, UDP, forwards, names, real DHCP
clients; boxes (namespaces) are the guests."""

import contextlib
import json
import socket

import pytest

import lab as lab_module
from boxes import Box, Transfer
from lab import eventually

GIB = 1 << 14   # blocks of 64 KiB


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        daemon.vnet("define", "own", "--mode", "hostonly")
        yield daemon


@pytest.fixture(scope="module")
def pair(lab, d):
    with Box(lab, d, "box-a", "lab") as a, Box(lab, d, "box-b", "lab") as b:
        yield a, b


@pytest.mark.parametrize("up", [True, False], ids=["out", "in"])
def test_a_gigabyte_through_nat(lab, pair, up):
    Transfer(lab.outside, pair[0].ns, lab.outside.address, 5001, GIB, up).run()


@pytest.mark.parametrize("up", [True, False], ids=["there", "back"])
def test_a_gigabyte_across_the_switch(pair, up):
    a, b = pair
    Transfer(b.ns, a.ns, b.ip, 5002, GIB, up).run()


@pytest.mark.parametrize("up", [True, False], ids=["in", "out"])
def test_a_gigabyte_through_a_forward(lab, d, pair, up):
    d.vnet("forward", "add", "lab", "tcp:5003:box-a:5004")
    try:
        t = Transfer(pair[0].ns, lab.outside, lab.host.address, 5003, GIB, up,
                     listen_port=5004)
        t.run()
        # the guest sees who it really is
        assert t.peer[0] == lab.outside.address
    finally:
        d.vnet("forward", "del", "lab", "tcp:5003")


def iperf(lab, server, client, address, *args):
    need = lab_module.need_program("iperf3")
    proc = server.popen(need, "-s", "-1", "-p", "5201")
    try:
        eventually("iperf3 listens", lambda: ":5201" in server.run(
            "ss", "-Hltn"), 5)
        out = client.run(need, "-c", address, "-p", "5201", "-J", "-t", "3", *args,
                         timeout=40)
        return json.loads(out)["end"]
    finally:
        lab_module.end(proc)


@pytest.mark.parametrize("args", [(), ("-R",), ("--bidir",), ("-P", "8")],
                         ids=["out", "in", "both", "8-streams"])
def test_iperf3_through_nat(lab, pair, args):
    end = iperf(lab, lab.outside, pair[0].ns, lab.outside.address, *args)
    assert end["sum_received"]["bytes"] > 10 << 20, end


@pytest.mark.parametrize("args", [(), ("-R",), ("--bidir",)],
                         ids=["there", "back", "both"])
def test_iperf3_across_the_switch(lab, pair, args):
    a, b = pair
    end = iperf(lab, b.ns, a.ns, b.ip, *args)
    assert end["sum_received"]["bytes"] > 10 << 20, end


def test_udp_both_ways_and_one_mapping_for_all_destinations(lab, pair):
    lab.outside.udp_echo(7001)
    other = lab.machine("other", 20)
    other.udp_echo(7002)
    with contextlib.closing(pair[0].ns.socket(
            socket.AF_INET, socket.SOCK_DGRAM)) as s:
        s.bind((pair[0].ip, 6000))
        s.settimeout(5)
        seen = []
        for to, server in (((lab.outside.address, 7001), lab.outside),
                           ((other.address, 7002), other)):
            for size in (1, 1400, 9000):
                s.sendto(b"x" * size, to)
                assert s.recvfrom(65536) == (b"x" * size, to)
            seen.append(server._servers[-1].seen[-1])
        assert seen[0] == seen[1], "RFC 4787 REQ-1"
        assert seen[0] == (lab.host.address, 6000), "port preserved"
        # an open mapping is no forward: strangers do not come in through it
        with contextlib.closing(other.socket(
                socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
            stranger.sendto(b"let me in", seen[0])
        s.settimeout(0.5)
        with pytest.raises(socket.timeout):
            s.recvfrom(100)


def test_udp_forward(lab, d, pair):
    pair[0].ns.udp_echo(7003)
    d.vnet("forward", "add", "lab", "udp:7004:box-a:7003")
    with contextlib.closing(lab.outside.socket(
            socket.AF_INET, socket.SOCK_DGRAM)) as s:
        s.settimeout(5)
        s.sendto(b"hello", (lab.host.address, 7004))
        assert s.recvfrom(100) == (b"hello", (lab.host.address, 7004))
    assert pair[0].ns._servers[-1].seen[-1][0] == lab.outside.address
    d.vnet("forward", "del", "lab", "udp:7004")


def test_refused_is_refused_and_silence_is_silence(lab, pair):
    with pytest.raises(ConnectionRefusedError):
        pair[0].ns.connect(lab.outside.address, 4999)
    with pytest.raises(OSError):
        pair[0].ns.connect("203.0.113.99", 80, timeout=3)


def test_host_loopback_is_not_reached_unless_asked_for(lab, d, pair):
    server = lab.host.who(8090, "127.0.0.1")
    assert pair[0].ns.fetch("http://10.0.2.2:8090/", timeout=3) is None
    d.vnet("define", "open", "--mode", "nat", "--host-access", "loopback")
    with Box(lab, d, "box-open", "open") as box:
        gateway = box.lease["router"]
        assert box.ns.fetch("http://%s:8090/" % gateway) is not None
    assert server.seen
    d.vnet("undefine", "open")


def test_host_access_off_means_all_of_its_addresses(lab, d, pair):
    """The host has more addresses than that of its default route: docker0's, say."""
    second = "198.18.77.1"
    lab.host.run("ip", "addr", "add", second + "/32", "dev", "lo")
    server = lab.host.who(8091, "0.0.0.0")
    url = "http://%s:8091/"
    try:
        assert pair[0].ns.fetch(url % second) is not None, "it is there"
        d.vnet("define", "shut", "--mode", "nat", "--host-access", "off")
        with Box(lab, d, "box-shut", "shut") as box:
            seen = len(server.seen)
            for ip in (second, lab.host.address, box.lease["router"]):
                assert box.ns.fetch(url % ip, timeout=3) is None, ip
            # one that comes later is the host's, too
            later = "198.18.77.2"
            lab.host.run("ip", "addr", "add", later + "/32", "dev", "lo")
            eventually("refused on " + later, lambda: box.ns.fetch(
                url % later, timeout=3) is None, 5)
            assert len(server.seen) <= seen + 1
    finally:
        for ip in (second, "198.18.77.2"):
            lab.host.run("ip", "addr", "del", ip + "/32", "dev", "lo",
                         check=False)
    d.vnet("undefine", "shut")


def test_another_networks_guests_are_out_of_reach(lab, d, pair):
    with Box(lab, d, "box-own", "own") as other:
        other.ns.who(80)
        assert lab.host.fetch("http://%s/" % other.ip), "the host reaches it"
        assert pair[0].ns.fetch("http://%s/" % other.ip, timeout=3) is None


@pytest.mark.parametrize("kind", ["dhclient", "dhcpcd", "udhcpc"])
@pytest.mark.parametrize("network", ["lab", "own"])
def test_real_dhcp_clients(lab, d, kind, network):
    lab_module.need_program("busybox" if kind == "udhcpc" else kind)
    with Box(lab, d, "c-%s-%s" % (kind, network), network, dhcp=kind) as box:
        subnet = "10.0.2." if network == "lab" else "192.168.56."
        assert box.ip.startswith(subnet)
        assert box.lease["mask"] == "255.255.255.0"
        if network == "lab":
            assert box.lease["router"] == "10.0.2.2"
            assert box.lease["dns"] == "10.0.2.3"
        else:
            assert not box.lease["router"]
        leases = d.vnet("lease", "list", network, json=True).data["leases"]
        mine = [l for l in leases if l["address"] == box.ip]
        assert mine and mine[0]["vm"] == box.name
        # the same client again gets the same address
        box.client.stop()
        box.client.start()
        assert box.client.lease()["ip"] == box.ip
        if kind != "dhcpcd":
            box.client.release()
            eventually("lease released", lambda: not [
                l for l in d.vnet("lease", "list", network, json=True)
                .data["leases"] if l["address"] == box.ip and
                l["state"] == "bound"], 10)


def test_reservation(lab, d):
    d.vnet("reserve", "add", "lab", "52:54:00:aa:bb:cc", "10.0.2.200")
    ns = lab_module.Netns("reserved")
    try:
        d.vnet("attach", "res", "--network", "lab", "--type", "netns", "--netns",
               ns.path, "--ifname", "eth0", "--mac", "52:54:00:aa:bb:cc")
        with lab_module.DhcpClient("udhcpc", ns, "eth0") as client:
            assert client.lease()["ip"] == "10.0.2.200"
    finally:
        d.vnet("detach", "res")
        d.vnet("reserve", "del", "lab", "10.0.2.200")
        ns.close()


def test_names_of_guests_and_of_the_world(lab, pair):
    a, b = pair
    dig = lab_module.need_program("dig")

    def ask(*args):
        return a.ns.run(dig, "+short", "+time=2", "+tries=2", "@10.0.2.3",
                        *args).split()
    assert ask("box-b") == [b.ip]
    assert ask("BOX-B.lab.vnet") == [b.ip]
    assert ask("-x", b.ip) == ["box-b.lab.vnet."]
    assert ask("outside.test") == [lab.outside.address]
    assert ask("+tcp", "outside.test") == [lab.outside.address]


def test_ping_sizes(lab, pair):
    for size in (0, 56, 1472, 4000):
        pair[0].ns.run("ping", "-n", "-c", "1", "-W", "3", "-s", str(size),
                       lab.outside.address)
        pair[0].ns.run("ping", "-n", "-c", "1", "-W", "3", "-s", str(size),
                       pair[1].ip)
    assert pair[0].ns.ping("10.0.2.2")
    assert not pair[0].ns.ping("203.0.113.77")
