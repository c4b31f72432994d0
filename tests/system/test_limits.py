# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests may have of a worker's descriptors, and that one of them cannot take
what the others need."""

import contextlib
import os
import socket
import struct
import sys
import time

import pytest

import lab as lab_module
from boxes import Box
from lab import eventually

NOFILE = 2048
FLOWS = 100000
HERE = os.path.dirname(__file__)
# id 4711, "host.vnet", A
QUERY = struct.pack("!6H", 4711, 0x100, 1, 0, 0, 0) + b"\4host\4vnet\0" + \
    struct.pack("!HH", 1, 1)


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    prlimit = lab_module.need_program("prlimit")
    with lab_module.Vnetd(ns=lab.host, log_level="info", under=(
            prlimit, "--nofile=%d:%d" % (NOFILE // 2, NOFILE))) as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        yield daemon


@pytest.fixture
def server(lab):
    """A TCP echo server outside, for very many."""
    proc = lab.outside.popen(sys.executable, os.path.join(HERE, "swarm_server.py"),
                             lab.outside.address, "7000", stdout=-1)
    with contextlib.closing(proc.stdout):
        assert proc.stdout.readline() == b"ready\n"
        yield
        lab_module.end(proc)


def rss_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(f.read().split("VmRSS:")[1].split()[0])


class Neighbour:
    """A guest that goes about its business while another one does not."""

    def __init__(self, lab, box):
        self.box, self.out = box, lab.outside.address
        self.old = box.ns.connect(self.out, 7000, 10)
        self.worst, self.rounds = {}, 0

    def timed(self, what, fn, *args):
        start = time.monotonic()
        assert fn(*args), what
        self.worst[what] = max(self.worst.get(what, 0), time.monotonic() - start)

    def says(self, s):
        s.sendall(b"hello")
        return s.recv(5, socket.MSG_WAITALL) == b"hello"

    def tcp(self):
        with self.box.ns.connect(self.out, 7000, 10) as s:
            return self.says(s)

    def udp(self, to, data):
        with self.box.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(3)
            for _ in range(3):      # a datagram may be lost
                s.sendto(data, to)
                with contextlib.suppress(socket.timeout):
                    return s.recv(512)

    def round(self):
        self.rounds += 1
        self.timed("old connection", self.says, self.old)
        self.timed("new connection", self.tcp)
        self.timed("new mapping", self.udp, (self.out, 7001), b"hello")
        self.timed("name", self.udp, ("10.0.2.3", 53), QUERY)

    def close(self):
        self.old.close()


def flows_of(d, vm):
    return d.vnet("show", vm, json=True).data["nics"][0]["stats"]["flows"]


def test_a_flood_hurts_only_its_guest(lab, d, server, capsys):
    lab.outside.udp_echo(7001, lab.outside.address)
    worker = d.workers()["lab"]
    mac = d.vnet("show", "lab", json=True).data["mac"]
    with Box(lab, d, "good", "lab") as good, contextlib.closing(
            Neighbour(lab, good)) as b:
        b.round()
        before = lab_module.fd_count(worker), rss_kib(worker)
        with Box(lab, d, "bad", "lab", dhcp=None) as bad:
            start = time.monotonic()
            proc = bad.ns.popen(sys.executable, os.path.join(HERE, "flooder.py"),
                                "eth0", mac, "10.0.2.200", lab.outside.address,
                                "7000", "9", str(FLOWS // 2))
            try:
                while proc.poll() is None:
                    b.round()
                    assert time.monotonic() < start + 120
            finally:
                lab_module.end(proc)
            took = time.monotonic() - start
            assert proc.returncode == 0
            most = lab_module.fd_count(worker), rss_kib(worker)
            theirs, ours = flows_of(d, "bad"), flows_of(d, "good")
            counters = d.vnet("show", "lab", json=True).data["counters"]
            b.round()
        # the other one's mappings stay for their 300 s
        eventually("the flood's flows have gone", lambda: lab_module.fd_count(
            worker) <= before[0] + b.rounds)
        after = lab_module.fd_count(worker), rss_kib(worker)
    with capsys.disabled():
        print("\n  %d flows in %.1f s, %d rounds of the other guest, worst: %s; "
              "worker had %d descriptors and %d KiB (before %d and %d, "
              "afterwards %d and %d)" % (FLOWS, took, b.rounds, ", ".join(
                  "%s %.0f ms" % (k, v * 1000) for k, v in b.worst.items()),
                  *most, *before, *after))
    asked = counters["udp_new"] + counters["tcp_new"] + counters["refused"]
    assert asked > FLOWS * 9 // 10, "the flood did not arrive"
    # it has most of what there is, and was refused the rest …
    assert theirs["tcp"] + theirs["udp"] > NOFILE // 2
    assert theirs["evicted"] > 10000 and theirs["refused"] > 10000
    # … and the other one lacked nothing
    assert ours["evicted"] == ours["refused"] == 0
    assert most[0] < NOFILE
    assert most[1] < before[1] + (8 << 10)
    assert after[1] < before[1] + (8 << 10)
