# SPDX-License-Identifier: GPL-2.0-or-later
"""The host whose interface is taken in: a machine on a LAN with DHCP server and router,
in the middle of a transfer with a machine outside. It loses nothing, however often."""

import contextlib
import hashlib
import os
import re
import socket
import threading
import time

import pytest

import lab as L
from test_uplink import assert_same, snapshot

ROUNDS = 100 if os.environ.get("VNET_LONG") else 5
BLOCK = 64 << 10


@pytest.fixture(scope="module")
def lab():
    L.need_root()
    L.need_vnetd()
    with L.nothing_left(), L.Lab() as world:
        # as a DHCP client would leave it
        world.host.ip("addr", "change", world.lan.at(10), "dev", "eth0",
                      "valid_lft", "86400", "preferred_lft", "86400")
        world.host.ip("addr", "change", world.lan.at6(10), "dev", "eth0")
        yield world


class Stream:
    """Numbered blocks from one machine to another over one connection, until it is
    ended: both sides hash, and the receiver notes its longest wait."""

    def __init__(self, sender, receiver, address):
        with contextlib.closing(receiver.socket(socket.AF_INET,
                                                socket.SOCK_STREAM)) as listener:
            listener.bind((address, 0))
            listener.listen(1)
            self.out = sender.connect(*listener.getsockname())
            self.into = listener.accept()[0]
        for s in (self.out, self.into):
            s.settimeout(60)
        self.sent = self.got = 0
        self.gap = 0.0
        self.sums = {}
        self.enough = threading.Event()
        self.threads = [threading.Thread(target=f) for f in (self._send, self._receive)]
        for t in self.threads:
            t.start()

    def _send(self):
        digest = hashlib.sha256()
        while not self.enough.wait(0.002):
            data = b"%016d" % self.sent * (BLOCK // 16)
            digest.update(data)
            self.out.sendall(data)
            self.sent += len(data)
        self.out.shutdown(socket.SHUT_WR)
        self.sums["sent"] = digest.hexdigest()

    def _receive(self):
        digest = hashlib.sha256()
        last = time.monotonic()
        while True:
            data = self.into.recv(1 << 18)
            now = time.monotonic()
            self.gap = max(self.gap, now - last)
            last = now
            if not data:
                break
            digest.update(data)
            self.got += len(data)
        self.sums["got"] = digest.hexdigest()

    def end(self):
        self.enough.set()
        for t in self.threads:
            t.join()
        self.out.close()
        self.into.close()

    def assert_whole(self):
        assert self.got == self.sent > 0
        assert self.sums["got"] == self.sums["sent"]


def resident(ns):
    """What stays of a snapshot that was taken while lifetimes run down."""
    was = snapshot(ns)
    was["addr"] = re.sub(r'(life_time":)\d+', r"\1?", was["addr"])
    return was


def test_taken_in_and_out_under_a_transfer(lab):
    """Both directions at once; the host's configuration is the same in the end."""
    before = resident(lab.host)
    up = Stream(lab.host, lab.outside, lab.outside.address)
    down = Stream(lab.outside, lab.host, lab.host.address)
    try:
        with L.Vnetd(ns=lab.host).start() as d:
            d.vnet("define", "lan", "--mode", "bridged", "--uplink", "eth0",
                   "--uplink-mode", "take-in", "--no-start")
            for _ in range(ROUNDS):
                for change in ("start", "stop"):
                    d.vnet(change, "lan")
                    marks = up.got, down.got
                    L.eventually("both go on", lambda: up.got > marks[0] and
                                 down.got > marks[1], every=0.01)
            assert_same(before, resident(lab.host))
    finally:
        up.end()
        down.end()
    up.assert_whole()
    down.assert_whole()
    print("%d rounds, longest silence %.0f and %.0f ms, %d and %d MiB" % (
        ROUNDS, up.gap * 1000, down.gap * 1000, up.got >> 20, down.got >> 20))
    assert max(up.gap, down.gap) < 10     # the kernel's retransmissions, at worst
