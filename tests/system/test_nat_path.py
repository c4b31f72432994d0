# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest behind NAT learns of the path: routers, its MTU, and why something
cannot be reached; and datagrams of all sizes, whole and in pieces.

    box 10.0.2.x ── host ── lan ── outside ═══ far 198.51.100.2
                gateway  192.168.77.1  203.0.113.2   (an MTU of 1300)
"""

import contextlib
import errno
import re
import select
import socket
import struct
import time

import pytest

import lab as lab_module
from boxes import Box, Transfer
from lab import checksum, eventually
from netns import veth

MTU = 1300
SILENT = "198.51.100.66"        # a router on the way drops packets to it
UNREACHABLE = "198.51.100.67"   # … says that it is not there
PROHIBITED = "198.51.100.68"    # … says that one may not

IP_RECVERR, IP_MTU_DISCOVER, IP_MTU = 11, 10, 14
IP_PMTUDISC_DONT, IP_PMTUDISC_DO = 0, 2
IPV6_MTU_DISCOVER = 23


@pytest.fixture(scope="module")
def far(lab):
    """A machine behind one more router."""
    ns = lab.ns("far")
    outside = lab.outside
    veth(ns, "eth0", outside, "far0")
    for where, dev, n in ((ns, "eth0", 2), (outside, "far0", 1)):
        where.ip("addr", "add", "198.51.100.%d/24" % n, "dev", dev)
        where.ip("addr", "add", "2001:db8:198::%d/64" % n, "dev", dev)
        where.ip("link", "set", dev, "mtu", str(MTU))
    ns.address, ns.address6 = "198.51.100.2", "2001:db8:198::2"
    ns.ip("route", "add", "default", "via", "198.51.100.1")
    ns.ip("-6", "route", "add", "default", "via", "2001:db8:198::1")
    outside.sysctl("net.ipv4.ip_forward", 1)
    outside.sysctl("net.ipv6.conf.all.forwarding", 1)
    # becoming a router took away what a host had
    outside.ip("-6", "route", "replace", "default", "via", "2001:db8:113::1")
    lab.lan.ip("-6", "route", "add", "2001:db8:198::/64", "via", outside.address6)
    outside.ip("route", "add", "blackhole", SILENT)
    outside.ip("route", "add", "unreachable", UNREACHABLE)
    outside.ip("route", "add", "prohibit", PROHIBITED)
    lab.lan.ip("route", "add", "198.51.100.0/24", "via", outside.address)
    # they shall tell every probe
    for router in (lab.lan, outside, ns):
        router.sysctl("net.ipv4.icmp_ratemask", 0)
        router.sysctl("net.ipv6.icmp.ratelimit", 0)
    return ns


@pytest.fixture(scope="module")
def box(lab, far):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as d:
        d.vnet("define", "lab", "--mode", "nat")
        with Box(lab, d, "box", "lab") as b:
            eventually("an IPv6 address", lambda: b.ns.addresses("eth0", 6))
            yield b


@pytest.fixture
def udp(box):
    with contextlib.closing(box.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
        s.settimeout(10)
        yield s


# ---- who is on the way ---------------------------------------------------

def hops(text):
    """[address or "*", …] of the lines of traceroute."""
    return re.findall(r"^ *\d+ +(\S+)", text, re.M)


@pytest.mark.parametrize("kind", ["udp", "icmp", "tcp"])
def test_traceroute_shows_every_router(lab, box, far, kind):
    trace = lab_module.need_program("traceroute")
    out = box.ns.run(trace, "-n", "-q", "1", "-w", "5",
                     {"udp": "-U", "icmp": "-I", "tcp": "-T"}[kind], far.address)
    assert hops(out) == ["10.0.2.2", lab.lan.router, lab.outside.address,
                         far.address], out


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_traceroute_over_ipv6(lab, box, far, kind):
    trace = lab_module.need_program("traceroute")
    out = box.ns.run(trace, "-6", "-n", "-q", "1", "-w", "5",
                     {"udp": "-U", "tcp": "-T"}[kind], far.address6)
    prefix = box.ns.addresses("eth0", 6)[0].rsplit(":", 4)[0]
    assert hops(out) == [prefix + "::2", lab.lan.router6, lab.outside.address6,
                         far.address6], out


def test_tracepath_finds_routers_and_mtu(lab, box, far):
    forget_mtus(lab, box)
    out = box.ns.run(lab_module.need_program("tracepath"), "-n", far.address)
    assert re.search(r"Resume: pmtu %d hops 4 " % MTU, out), out
    for address in (lab.lan.router, lab.outside.address, far.address):
        assert " %s " % address in out, out


# ---- how large a packet may be -------------------------------------------

def forget_mtus(lab, box):
    for ns in (lab.host, box.ns):
        ns.ip("route", "flush", "cache")


def ping(ns, address, *more):
    """Its exit status and output."""
    out = ns.run("ping", "-n", "-c", "1", "-W", "5", *more, address, check=False)
    return " 1 received" in out, out


def test_ping_too_big_for_the_path(lab, box, far):
    forget_mtus(lab, box)
    ok, out = ping(box.ns, far.address, "-M", "do", "-s", "1400")
    assert not ok and re.search(r"From %s .*Frag needed .*mtu = %d" % (
        lab.outside.address, MTU), out), out
    assert "mtu %d" % MTU in box.ns.ip("route", "get", far.address)
    ok, out = ping(box.ns, far.address, "-M", "do", "-s", str(MTU - 28))
    assert ok, out


@pytest.mark.parametrize("size", [1400, 4000, 65507])
def test_big_pings_arrive_in_fragments(box, far, size):
    ok, out = ping(box.ns, far.address, "-M", "dont", "-s", str(size))
    assert ok, out


@pytest.mark.parametrize("size", [1400, 4000, 60000])
def test_big_pings_over_ipv6(box, far, size):
    """The first may be what the path's MTU is learned by."""
    eventually("an answer", lambda: ping(
        box.ns, far.address6, "-6", "-M", "dont", "-s", str(size), "-W", "2")[0])


def test_udp_learns_the_mtu_of_the_path(lab, box, far, udp):
    forget_mtus(lab, box)
    far.udp_echo(7101)
    udp.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    udp.connect((far.address, 7101))

    def refused():
        try:
            udp.send(b"x" * 1400)
        except OSError as e:
            return e.errno == errno.EMSGSIZE
    eventually("too big, says the guest's own kernel", refused)
    assert udp.getsockopt(socket.IPPROTO_IP, IP_MTU) == MTU
    udp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # of the ones before
    udp.send(b"x" * (MTU - 28))
    assert len(udp.recv(2000)) == MTU - 28


@pytest.mark.parametrize("up", [True, False], ids=["out", "in"])
def test_tcp_across_the_smaller_mtu(box, far, up):
    Transfer(far, box.ns, far.address, 5101, 64, up).run()


def test_udp_over_ipv6_learns_the_mtu_of_the_path(lab, box, far):
    for ns in (lab.host, box.ns):
        ns.ip("-6", "route", "flush", "cache")
    server = far.udp_echo(0, "::")
    with contextlib.closing(box.ns.socket(
            socket.AF_INET6, socket.SOCK_DGRAM)) as s:
        s.settimeout(10)
        s.connect((far.address6, server.port))
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DO)

        def refused():
            try:
                s.send(b"x" * 1400)
            except OSError as e:
                return e.errno == errno.EMSGSIZE
        eventually("too big, says the guest's own kernel", refused)
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DONT)
        for size in (MTU - 48, 8972, 65527 - 40):
            with contextlib.suppress(OSError):  # of the ones before
                s.send(b"")
                s.recv(10)
            s.send(b"x" * size)
            assert len(s.recv(65536)) == size


def test_closed_ports_over_ipv6(box, far):
    with pytest.raises(ConnectionRefusedError):
        box.ns.connect(far.address6, 9)
    with contextlib.closing(box.ns.socket(
            socket.AF_INET6, socket.SOCK_DGRAM)) as s:
        s.settimeout(10)
        s.connect((far.address6, 9))
        s.send(b"anybody there?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)


# ---- why something cannot be reached -------------------------------------

def told(sock):
    """(type, code, offender) of the ICMP error that a socket was told."""
    poll = select.poll()
    poll.register(sock, select.POLLERR)
    assert poll.poll(10000), "no error came"
    _, ancillary, _, _ = sock.recvmsg(64, 512, socket.MSG_ERRQUEUE)
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_RECVERR):
            origin, icmp_type, code = struct.unpack_from("4xBBB", data)
            assert origin == 2, "of ICMP"
            return icmp_type, code, socket.inet_ntoa(data[20:24])
    raise AssertionError("no extended error")


def test_an_address_that_does_not_answer_does_not_answer(box):
    ok, out = ping(box.ns, SILENT, "-W", "1")
    assert not ok and "From" not in out, out
    s = box.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    with contextlib.closing(s):
        s.setblocking(False)
        s.connect_ex((SILENT, 80))
        assert select.select([], [s], [s], 1) == ([], [], []), "it waits"


@pytest.mark.parametrize("address, code, text", [
    (UNREACHABLE, 1, "Destination Host Unreachable"),
    (PROHIBITED, 13, "Packet filtered")], ids=["unreachable", "prohibited"])
def test_a_routers_refusal_is_passed_on(lab, box, udp, address, code, text):
    udp.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    udp.sendto(b"hello", (address, 80))
    assert told(udp) == (3, code, lab.outside.address)
    ok, out = ping(box.ns, address)
    assert not ok and "From %s icmp_seq=1 %s" % (lab.outside.address, text) in out


@pytest.mark.parametrize("address, code", [(UNREACHABLE, 1), (PROHIBITED, 13)],
                         ids=["unreachable", "prohibited"])
def test_a_routers_refusal_of_tcp_is_passed_on(lab, box, address, code):
    with contextlib.closing(box.ns.socket(
            socket.AF_INET, socket.SOCK_STREAM)) as s:
        s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        s.settimeout(10)
        with pytest.raises(OSError) as e:
            s.connect((address, 80))
        assert e.value.errno == errno.EHOSTUNREACH
        assert told(s) == (3, code, lab.outside.address)


def test_a_closed_udp_port_refuses(box, far, udp):
    udp.connect((far.address, 9))
    udp.send(b"anybody there?")
    with pytest.raises(ConnectionRefusedError):
        udp.recv(100)
    # … and the mapping is still there (RFC 4787 REQ-12)
    port = far.udp_echo(7102).port
    udp.connect((far.address, port))
    udp.send(b"hello")
    assert udp.recv(100) == b"hello"


def test_a_closed_tcp_port_refuses(box, far):
    with pytest.raises(ConnectionRefusedError):
        box.ns.connect(far.address, 9)


# ---- datagrams, whole and in pieces --------------------------------------

@pytest.mark.parametrize("size", [0, 1472, 8972, 65507])
@pytest.mark.parametrize("where", ["outside", "far"])
def test_datagrams_of_all_sizes_both_ways(lab, far, udp, where, size):
    machine = lab.outside if where == "outside" else far
    server = machine.udp_echo(0)
    data = bytes(range(256)) * 256
    udp.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
    udp.sendto(data[:size], (machine.address, server.port))
    assert udp.recv(65536) == data[:size]


def fragments(src, dst, proto, payload, size=512):
    """IPv4 packets that carry payload in pieces."""
    ident = int(time.monotonic() * 1000) & 0xffff
    for at in range(0, len(payload), size):
        piece = payload[at:at + size]
        more = 0x2000 if at + size < len(payload) else 0
        yield struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(piece), ident or 1,
                          more | at // 8, 64, proto, 0, socket.inet_aton(src),
                          socket.inet_aton(dst)) + piece


def fragments6(src, dst, proto, payload, size=512):
    """The same of IPv6 (RFC 8200 4.5)."""
    ident = int(time.monotonic() * 1000) & 0xffffffff
    for at in range(0, len(payload), size):
        piece = payload[at:at + size]
        more = at + size < len(payload)
        yield (struct.pack("!IHBB", 6 << 28, 8 + len(piece), 44, 64) +
               socket.inet_pton(socket.AF_INET6, src) +
               socket.inet_pton(socket.AF_INET6, dst) +
               struct.pack("!BBHI", proto, 0, at | more, ident) + piece)


def datagram(src, dst, sport, dport, data):
    """A UDP header and data."""
    head = struct.pack("!HHHH", sport, dport, 8 + len(data), 0)
    family = socket.AF_INET6 if ":" in src else socket.AF_INET
    pseudo = (socket.inet_pton(family, src) + socket.inet_pton(family, dst) +
              struct.pack("!BBH", 0, 17, 8 + len(data)))
    return head[:6] + struct.pack("!H", checksum(pseudo + head + data)) + data


ORDERS = {"in-order": lambda p: p, "backwards": lambda p: p[::-1],
          "shuffled": lambda p: p[1::2] + p[::2],
          "some-twice": lambda p: p[:3] + p[1:]}


@pytest.fixture
def raw(box):
    with contextlib.closing(box.ns.socket(
            socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)) as s:
        yield s


@pytest.mark.parametrize("order", ORDERS)
def test_fragments_from_the_guest_in_any_order(lab, box, far, udp, raw, order):
    server = far.udp_echo(0)
    data = bytes(range(256)) * 16
    udp.bind((box.ip, 0))
    pieces = list(fragments(box.ip, far.address, 17, datagram(
        box.ip, far.address, udp.getsockname()[1], server.port, data)))
    for p in ORDERS[order](pieces):
        raw.sendto(p, (far.address, 0))
    assert udp.recv(65536) == data


@pytest.mark.parametrize("order", ORDERS)
def test_ipv6_fragments_from_the_guest_in_any_order(box, far, order):
    server = far.udp_echo(0, "::")
    mine = box.ns.addresses("eth0", 6)[0].split("/")[0]
    data = bytes(range(256)) * 16
    with contextlib.closing(box.ns.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as s, \
            contextlib.closing(box.ns.socket(
                socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)) as raw:
        s.settimeout(10)
        s.bind((mine, 0))
        pieces = list(fragments6(mine, far.address6, 17, datagram(
            mine, far.address6, s.getsockname()[1], server.port, data)))
        for p in ORDERS[order](pieces):
            raw.sendto(p, (far.address6, 0))
        assert s.recv(65536) == data


@pytest.mark.parametrize("order", ORDERS)
def test_echo_in_fragments_in_any_order(box, far, raw, order):
    data = bytes(range(256)) * 16
    echo = struct.pack("!BBHHH", 8, 0, 0, 0x7177, 1) + data
    echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
    with contextlib.closing(box.ns.socket(
            socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)) as icmp:
        icmp.settimeout(10)
        for p in ORDERS[order](list(fragments(box.ip, far.address, 1, echo))):
            raw.sendto(p, (far.address, 0))
        while True:
            got = icmp.recv(65536)[20:]
            if got[0] == 0 and got[4:6] == b"\x71\x77":
                assert got[8:] == data
                break


@pytest.mark.parametrize("order", ORDERS)
def test_fragments_to_the_guest_in_any_order(lab, box, far, udp, order):
    server = far.udp_echo(0)
    udp.sendto(b"open", (far.address, server.port))
    assert udp.recv(100) == b"open"
    host, port = server.seen[-1]
    data = bytes(range(256)) * 16
    pieces = list(fragments(far.address, host, 17, datagram(
        far.address, host, server.port, port, data)))
    with contextlib.closing(far.socket(
            socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)) as s:
        for p in ORDERS[order](pieces):
            s.sendto(p, (host, 0))
    assert udp.recv(65536) == data


# ---- mappings as the outside sees them -----------------------------------

def test_one_mapping_for_many_destinations(lab, box, far, udp):
    udp.bind((box.ip, 6100))
    servers = [(m, m.udp_echo(0)) for m in [lab.outside, far] for _ in range(20)]
    for machine, server in servers:
        udp.sendto(b"who am I?", (machine.address, server.port))
        assert udp.recvfrom(100)[1] == (machine.address, server.port)
    # RFC 4787 REQ-1, and the port is the guest's own (REQ-3)
    assert {s.seen[-1] for _, s in servers} == {(lab.host.address, 6100)}
