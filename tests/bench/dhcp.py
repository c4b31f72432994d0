# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench-dhcp: DHCP exchanges of ours, dnsmasq and Kea, interleaved in one run,
medians of several rounds. Each server is alone in a namespace, perfdhcp in another that
is a cable away, and leases are on disk for all; that they survive `kill -9` is tried.

    QUICK=1    fewer and shorter rounds      ROUNDS=9  that many
    TRIES=1    each try as well              CASES=vnet,kea-dhcp4  only these

Prints a row for each case and writes build/bench-dhcp.json and .md, as `make bench` does.

The rate is that of the highest rung of a ladder (200 a second, each rung 12 % above the
one below) where under 1 % of the exchanges are not finished half a second after the
last was begun; where perfdhcp does not reach a rung, what it did reach counts, and the
search climbs no further. perfdhcp's socket gets 4 MiB to wait in, or it loses the answers
of a server that sends many at once. Each try has a server of its own with no leases, and clients that no try had.
A rung that fails is tried again, for the machine may have been busy; one that fails twice
is too high. The first round climbs in great steps and halves what is between the last good
and the first bad rung; the others begin where the one before ended.
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))
sys.path.insert(0, HERE)

import lab as L  # noqa: E402
from basics import scratch  # noqa: E402
from netns import veth  # noqa: E402
from report import Report  # noqa: E402

QUICK = bool(os.environ.get("QUICK"))
ROUNDS = int(os.environ.get("ROUNDS", 2 if QUICK else 5))
SECONDS = 2 if QUICK else 4     # of a try
SINGLES = 50                    # exchanges one after the other
TRIES_MAX = 24                  # rungs in one search
RUNGS = [round(200 * 1.12 ** i) for i in range(46)]     # up to 32 800
DROPS = 1.0                     # per cent
SHORT = 0.97                    # of what was asked for is sent, or perfdhcp is too slow
SERVER, POOL = "10.8.0.1", ("10.8.1.0", "10.8.254.255")
HEAD = "%d rounds, tries of %d s; × = how many times better ours is" % (ROUNDS, SECONDS)
CLIENTS = 64000                 # fewer than the pool has addresses


# ---- contenders ------------------------------------------------------------------------

class Contender:
    address, program = SERVER, None

    def __init__(self):
        with contextlib.ExitStack() as stack:
            self.host, self.near = L.Netns("host"), L.Netns("near")
            self.dir = scratch("bench")
            stack.callback(self.close)
            began = time.monotonic()
            self.start()
            self.near.ip("addr", "add", "10.8.0.9/16", "dev", "eth0")
            first_offer(self.near)
            self.start_ms = 1000 * (time.monotonic() - began)
            stack.pop_all()

    def rss_mib(self):
        total = 0
        for pid in self.pids():
            with open("/proc/%d/status" % pid) as f:
                total += int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
        return total / 1024

    def close(self):
        self.end()
        self.near.close()
        self.host.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Ours(Contender):
    name, args = "vnet", ()
    d = None

    def start(self):
        self.d = L.Vnetd(ns=self.host, log_level="warn", args=self.args).start()
        self.d.vnet("define", "lab", "--mode", "internal", "--subnet", "10.8.0.0/16",
                    "--dhcp", "-".join(POOL), "--leases-per-nic", "65536",
                    "--lease-seconds", "86400")
        self.d.vnet("attach", "perf", "--network", "lab", "--type", "netns", "--netns",
                    self.near.path, "--ifname", "eth0")
        self.address = self.d.vnet("show", "lab", "--json", json=True).data[
            "dhcp"]["server"]

    def pids(self):
        return [self.d.pid] + list(self.d.children())

    def kill(self):
        self.d.kill()

    def kept(self):
        with contextlib.closing(sqlite3.connect(
                os.path.join(self.d.state, "vnet.db"))) as db:
            return db.execute("SELECT count(*) FROM leases").fetchone()[0]

    def end(self):
        if self.d:
            self.d.close()


class OursFull(Ours):
    name, args = "vnet full", ("--durability", "full")


class Peer(Contender):
    proc = None

    def start(self):
        veth(self.host, "eth0", self.near, "eth0")
        self.host.ip("addr", "add", SERVER + "/16", "dev", "eth0")
        for ns in (self.host, self.near):
            ns.ip("link", "set", "eth0", "up")
        with open(os.path.join(self.dir, "log"), "wb") as log:
            self.proc = self.host.popen(*self.argv(), stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, env=self.env())

    def env(self):
        return None

    def pids(self):
        return [self.proc.pid]

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def kept(self):
        with open(os.path.join(self.dir, "leases")) as f:
            return len({m.group() for m in re.finditer(r"\b10\.8\.\d+\.\d+", f.read())})

    def end(self):
        if self.proc:
            L.end(self.proc)


class Dnsmasq(Peer):
    name = program = "dnsmasq"

    def argv(self):
        return (L.program("dnsmasq"), "-k", "-C", "/dev/null", "-p", "0", "-i", "eth0",
                "--bind-interfaces", "--dhcp-authoritative", "--no-ping", "-u", "root",
                "--dhcp-lease-max=100000", "--dhcp-range=%s,%s,24h" % POOL,
                "--dhcp-leasefile=%s/leases" % self.dir)


class Kea(Peer):
    name = program = "kea-dhcp4"

    def argv(self):
        conf = os.path.join(self.dir, "conf")
        with open(conf, "w") as f:
            json.dump({"Dhcp4": {
                "interfaces-config": {"interfaces": ["eth0"]},
                "lease-database": {"type": "memfile", "persist": True, "lfc-interval": 0,
                                   "name": os.path.join(self.dir, "leases")},
                "valid-lifetime": 86400,
                "subnet4": [{"subnet": "10.8.0.0/16",
                             "pools": [{"pool": "%s - %s" % POOL}]}],
                "loggers": [{"name": "kea-dhcp4", "severity": "ERROR",
                             "output_options": [{"output": "stderr"}]}]}}, f)
        return (L.program("kea-dhcp4"), "-c", conf)

    def env(self):
        return {"KEA_PIDFILE_DIR": self.dir, "KEA_LOCKFILE_DIR": self.dir}


# ---- asking ----------------------------------------------------------------------------

def first_offer(ns, seconds=30):
    """DISCOVERs until there is an OFFER."""
    packet = struct.pack("!4B I H H 16x 6s 202x 4B 3B B", 1, 1, 6, 0, 0x5eed, 0, 0x8000,
                         b"\x02\xfe\0\0\0\1", 99, 130, 83, 99, 53, 1, 1, 255)
    deadline = time.monotonic() + seconds
    with contextlib.closing(ns.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        s.bind(("", 68))
        s.settimeout(0.01)
        while time.monotonic() < deadline:
            try:
                s.sendto(packet, ("255.255.255.255", 67))
                if s.recv(1500)[4:8] == packet[4:8]:
                    return
            except OSError:
                pass
    raise L.LabError("no offer in %d s" % seconds)


PIDFD_GETFD, SO_RCVBUFFORCE = 438, 33


def socket_of(pidfd, fd):
    """Another process' UDP socket, or None."""
    ours = ctypes.CDLL(None).syscall(PIDFD_GETFD, pidfd, fd, 0)
    if ours < 0:
        return None
    try:
        s = socket.socket(fileno=ours)
    except OSError:         # a file
        os.close(ours)
        return None
    if (s.family, s.type) == (socket.AF_INET, socket.SOCK_DGRAM):
        return s
    s.close()
    return None


def widen(proc):
    """What perfdhcp receives may wait for it."""
    deadline = time.monotonic() + 2
    pidfd = os.pidfd_open(proc.pid)
    try:
        while proc.poll() is None and time.monotonic() < deadline:
            for fd in os.listdir("/proc/%d/fd" % proc.pid):
                s = socket_of(pidfd, int(fd))
                if s:
                    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
                    s.close()
                    return
            time.sleep(0.002)
    finally:
        os.close(pidfd)


_tries = [0]


def perfdhcp(c, *args):
    """(exchanges begun, finished, ms of one) of clients that had no try before."""
    _tries[0] += 1
    mac = "mac=02:%02x:%02x:00:00:00" % (_tries[0] >> 8 & 255, _tries[0] & 255)
    proc = c.near.popen(L.program("perfdhcp"), "-4", "-l", "eth0", "-x", "i", "-b", mac,
                        *map(str, args), c.address, stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        widen(proc)
        out = proc.communicate(timeout=SECONDS + 90)[0]
    finally:
        L.end(proc)
    sent = [int(x) for x in re.findall(r"sent packets: (\d+)", out)]
    got = [int(x) for x in re.findall(r"received packets: (\d+)", out)]
    ms = [float(x) for x in re.findall(r"avg delay: ([\d.]+) ms", out)]
    if len(sent) != 2 or len(got) != 2 or not sent[0]:
        raise L.LabError("perfdhcp: %s" % out[-500:])
    return sent[0], got[1], sum(ms)


def attempt(make, rung):
    """Exchanges a second at few enough losses (else 0), and was the rung reached?"""
    c = make()
    try:
        sent, done, _ = perfdhcp(c, "-r", RUNGS[rung], "-p", SECONDS, "-R", CLIENTS,
                                 "-W", 500000)
    finally:
        c.close()
    lost = 100 * (1 - done / sent)
    if os.environ.get("TRIES"):
        print("    %-10s asked %5d: begun %5d/s, done %5d/s, %.1f %% lost" % (
            c.name, RUNGS[rung], sent / SECONDS, done / SECONDS, lost), flush=True)
    rate = done / SECONDS if lost < DROPS else 0
    return rate, rate and sent >= SHORT * RUNGS[rung] * SECONDS


def search(make, start):
    """(rung, exchanges a second) of the highest that is not too much."""
    low, high, best = -1, len(RUNGS), 0.0
    step = 1 if start else 4
    k = start or 0
    for _ in range(TRIES_MAX):
        rate, reached = attempt(make, k)
        if not reached:
            again, reached = attempt(make, k)
            rate = max(rate, again)
        best = max(best, rate)
        if reached:
            low = k
        else:
            high = k
        if high - low < 2:
            break
        if high == len(RUNGS):
            k = min(low + step, high - 1)
        elif low < 0:
            k = max(high - step, 0)
        else:
            k = (low + high) // 2
    return max(low, 0), best


def singles(make):
    """{what: number} of a server that has little to do."""
    c = make()
    try:
        _, done, ms = perfdhcp(c, "-r", 50, "-n", SINGLES, "-R", SINGLES, "-W", 200000)
        found = {"single": ms, "rss": c.rss_mib(), "start": c.start_ms}
        c.kill()
        if c.kept() < done:
            raise L.LabError("%s: %d leases acknowledged, %d left by kill -9" % (
                c.name, done, c.kept()))
        return found
    finally:
        c.close()


# ---- the race --------------------------------------------------------------------------

CASES = (("rate", "exchanges", "1/s", False), ("single", "single exchange", "ms", True),
         ("rss", "RSS", "MiB", True), ("start", "start to offer", "ms", True))


def race(contenders, rounds):
    """{what: {contender: [numbers]}}"""
    got = {what: {c.name: [] for c in contenders} for what, *_ in CASES}
    rung = {c.name: 0 for c in contenders}
    for _ in range(rounds):
        for c in contenders:
            try:
                for what, value in singles(c).items():
                    got[what][c.name].append(value)
                rung[c.name], rate = search(c, rung[c.name])
                got["rate"][c.name].append(rate)
            except (L.LabError, OSError, subprocess.SubprocessError) as e:
                print("  failed: %s: %s" % (c.name, e), flush=True)
                got["rate"][c.name].append(None)
    return got


def show(got, left_out):
    build = os.path.join(TOP, "build")
    with Report(os.path.join(build, "bench-dhcp.json"),
                os.path.join(build, "bench-dhcp.md"), HEAD) as report:
        for name in left_out:
            report.not_run("dhcp", name + " is not here")
        for ours, bench in (("vnet", "dhcp"), ("vnet full", "dhcp-full")):
            for what, title, unit, less in CASES:
                if ours in got[what]:
                    report.case(bench, title, unit, less, {
                        "vnet": got[what][ours],
                        **{n: v for n, v in got[what].items() if n[:4] != "vnet"}})


def main():
    only = re.split("[, ]+", os.environ.get("CASES", ""))
    if not L.program("perfdhcp"):
        sys.exit("bench-dhcp: no perfdhcp (scripts/deps dhcp)")
    contenders, left_out = [], []
    for c in (Ours, OursFull, Dnsmasq, Kea):
        if c.program and not L.program(c.program):
            left_out.append(c.name)
        elif only == [""] or c.name in only:
            contenders.append(c)
    L.end_tidily()
    L.remove_stale()
    print(HEAD)
    try:
        with L.nothing_left():
            show(race(contenders, ROUNDS), left_out)
    finally:
        L.remove_own()
    return 0


sys.exit(main())
