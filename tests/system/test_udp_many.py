# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams that are sent many at a time (UDP_SEGMENT, as QUIC servers do) and come in
many at a time (UDP_GRO): guests get each as it was sent, whatever their NIC can take."""

import contextlib
import random
import socket
import struct
import time

import pytest

import lab as lab_module
from boxes import Box
from frames import checksum
from lab import eventually
from raw_tcp import RawGuest

UDP_SEGMENT, UDP_GRO = 103, 104
SIZES = [(1472, 44), (1200, 10), (1200, 45), (100, 64), (1, 3), (1472, 2), (333, 20),
         (1400, 1)]

pytestmark = pytest.mark.skipif(lab_module.DATAPATH == "kernel",
                                reason="the kernel's own NAT moves them")


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        yield daemon


@pytest.fixture(scope="module")
def box(lab, d):
    with Box(lab, d, "box", "lab") as b:
        eventually("an IPv6 address", lambda: b.ns.addresses("eth0", 6))
        yield b


@pytest.fixture(scope="module")
def raw(d):
    """A NIC that takes nothing undone."""
    with RawGuest(d, "raw", "lab", "10.0.2.77", "10.0.2.2") as g:
        yield g


class Plain:
    """A guest's socket."""

    def __init__(self, box, family, joined=False):
        self.sock = box.ns.socket(family, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        if joined:
            self.sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        self.sock.bind(("", 5300))
        self.sock.settimeout(10)
        self.at_once = 0

    def say(self, to):
        self.sock.sendto(b"hello", to)

    def hear(self, n):
        got = []
        while len(got) < n:
            data, control, _, _ = self.sock.recvmsg(65536, 100)
            size = len(data)
            for level, kind, value in control:
                if (level, kind) == (socket.IPPROTO_UDP, UDP_GRO):
                    size = struct.unpack("i", value)[0]
            pieces = [data[i:i + size] for i in range(0, len(data), size)]
            self.at_once = max(self.at_once, len(pieces))
            got += pieces
        return got

    def close(self):
        self.sock.close()


class ByHand:
    """The raw guest's: frames of it."""

    def __init__(self, raw):
        self.raw = raw
        self.looked = len(raw.peer.frames)

    def say(self, to):
        p, dst = self.raw.peer, socket.inet_aton(to[0])
        udp = struct.pack("!HHHH", 5300, to[1], 13, 0) + b"hello"
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 33, 1, 0, 64, 17, 0) + p.ip + dst
        p.send(self.raw.router + p.mac + b"\x08\0" + ip[:10] +
               struct.pack("!H", checksum(ip)) + ip[12:] + udp)

    def hear(self, n):
        got, end = [], time.monotonic() + 10
        while len(got) < n and time.monotonic() < end:
            frames = self.raw.peer.frames
            while self.looked < len(frames):
                f = frames[self.looked]
                self.looked += 1
                if f[12:14] == b"\x08\0" and f[23] == 17 and f[30:34] == self.raw.peer.ip:
                    got.append(self.judge(f))
            time.sleep(0.002)
        return got

    @staticmethod
    def judge(f):
        """The payload of a frame that is right in all its lengths and sums."""
        assert len(f) <= 1514
        assert struct.unpack("!H", f[16:18])[0] == len(f) - 14
        assert checksum(f[14:34]) == 0
        dport, length, csum = struct.unpack("!HHH", f[36:42])
        assert dport == 5300 and length == len(f) - 34 and csum
        assert checksum(f[26:34] + struct.pack("!HH", 17, length) + f[34:]) == 0
        return f[42:]

    def close(self):
        pass


def train(sock, to, size, count, rng):
    """Sends count datagrams of one size in one call."""
    data = rng.randbytes(size * count - size // 3)     # the last is shorter
    sent = sock.sendmsg([data], [(socket.IPPROTO_UDP, UDP_SEGMENT,
                                  struct.pack("H", size))], 0, to)
    assert sent == len(data)
    return [data[i:i + size] for i in range(0, len(data), size)]


def trains(sender, to, guest):
    """All of them arrive, in order and as they were sent; returns how many."""
    rng, n = random.Random(7), 0
    for size, count in SIZES * 3:
        if sender.family == socket.AF_INET6:
            size = min(size, 1452)
        sent = train(sender, to, size, count, rng)
        got = guest.hear(len(sent))
        assert [len(g) for g in got] == [len(s) for s in sent]
        assert got == sent
        n += len(sent)
    return n


@pytest.fixture
def sender(lab):
    """Somebody outside."""
    with contextlib.ExitStack() as stack:
        def make(family=socket.AF_INET):
            s = stack.enter_context(contextlib.closing(
                lab.outside.socket(family, socket.SOCK_DGRAM)))
            s.bind((lab.outside.address if family == socket.AF_INET
                    else lab.outside.address6, 0))
            s.settimeout(10)
            return s
        yield make


@pytest.fixture(params=["tap", "tap-joined", "ip6", "stream"])
def guest(request, box, raw):
    if request.param == "stream":
        g = ByHand(raw)
    else:
        family = socket.AF_INET6 if request.param == "ip6" else socket.AF_INET
        g = Plain(box, family, request.param == "tap-joined")
    g.kind = request.param
    with contextlib.closing(g):
        yield g


def packets_in(d):
    """Datagrams to guests so far."""
    return sum(f["packets_in"] for f in d.vnet("flow", "list", json=True).data["flows"])


def test_through_a_mapping(d, guest, sender):
    s = sender(socket.AF_INET6 if guest.kind == "ip6" else socket.AF_INET)
    guest.say(s.getsockname()[:2])
    data, me = s.recvfrom(100)
    assert data == b"hello"
    before = packets_in(d)
    n = trains(s, me, guest)
    assert packets_in(d) - before == n
    if guest.kind == "tap-joined":
        assert guest.at_once > 40


def test_through_a_forward(lab, d, guest, raw, sender):
    host = lab.host.address
    family = socket.AF_INET
    if guest.kind == "ip6":
        host, family = lab.host.address6, socket.AF_INET6
    target = raw.ip if guest.kind == "stream" else "box"
    ident = d.vnet("forward", "add", "lab", "udp:5301:%s:5300" % target,
                   json=True).data["id"]
    try:
        before = packets_in(d)
        n = trains(sender(family), (host, 5301), guest)
        assert packets_in(d) - before == n
    finally:
        d.vnet("forward", "del", str(ident))


def test_each_longer_than_the_guest_s_mtu(lab, d, sender):
    """In fragments of its own, as one that comes alone."""
    d.vnet("define", "small", "--mode", "nat", "--mtu", "1280")
    with Box(lab, d, "small-box", "small") as b, \
            contextlib.closing(Plain(b, socket.AF_INET)) as guest:
        b.ns.ip("link", "set", "eth0", "mtu", "1280")
        s = sender()
        guest.say(s.getsockname())
        _, me = s.recvfrom(100)
        trains(s, me, guest)
