# SPDX-License-Identifier: GPL-2.0-or-later
"""What a network costs when nothing happens, and how soon it is there.

start  from the first command to the first TCP connection from the guest to a machine
       outside: ours defines a network, attaches a NIC and has a DHCP client ask
       (vnetd runs already, as it does on a host); peers configure the guest themselves.
       Once with the shortest client there is (lease.py), once with busybox's.
idle   CPU time and memory of nobody else's of many networks with a NIC each, after they
       have come to rest: as many of each contender's, side by side, looked at for the same
       while. Memory is what is private to their processes; vnetd's control process is
       spread over its networks.
"""

import concurrent.futures
import contextlib
import os
import time

import lab as L
import lease
import setups as S
import turns
from boxes import Box

QUICK = bool(os.environ.get("QUICK"))
COUNT = 10 if QUICK else 100                    # networks
SETTLE, WATCH = 2, 3 if QUICK else 6            # seconds
PORT = 7001


def private_kib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Private_"))


def daemon(host):
    return L.Vnetd(ns=host, log_level="info")


# ---- start -----------------------------------------------------------------------------

def connects(ns, address, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            ns.connect(address, PORT, timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise L.LabError("no connection to %s" % address) from None
            time.sleep(0.002)


# What udhcpc calls; no more than a guest needs.
SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface && ip route add default via $router
"""


def udhcpc(guest):
    script = os.path.join(guest.dir, "script")
    with open(script, "w") as f:
        f.write(SCRIPT)
    os.chmod(script, 0o755)
    guest.run(L.need_program("busybox"), "udhcpc", "-f", "-q", "-n", "-i", "eth0",
              "-s", script)


def start_vnet(world, d, client):
    guest = L.Netns("guest")
    try:
        began = time.monotonic()
        L.sh(*d.vnet_argv("define", "lab", "--mode", "nat"))
        L.sh(*d.vnet_argv("attach", "guest", "--network", "lab", "--type", "netns",
                          "--netns", guest.path, "--ifname", "eth0"))
        client(guest)
        connects(guest, world.outside.address)
        return time.monotonic() - began
    finally:
        d.vnet("undefine", "lab", "--force")
        guest.close()


def start_peer(cls, world, _):
    guest = L.Netns("guest")
    try:
        peer = object.__new__(cls)
        S.Setup.__init__(peer)
        peer.world, peer.mtu = world, world.mtu
        peer.guest = lambda: guest
        began = time.monotonic()
        try:
            peer.start()
            connects(guest, world.outside.address)
            return time.monotonic() - began
        finally:
            peer.close()
    finally:
        guest.close()


def start(report, rounds):
    world = S.NatWorld(1500)
    contenders = {"vnet": lambda w, d: start_vnet(w, d, lambda ns: lease.take(ns, "eth0")),
                  "udhcpc": lambda w, d: start_vnet(w, d, udhcpc),
                  "pasta": lambda w, d: start_peer(S.Pasta, w, d),
                  "slirp4netns": lambda w, d: start_peer(S.Slirp4netns, w, d)}
    for cls in (S.Pasta, S.Slirp4netns):
        if not L.program(cls.name):
            report.not_run("start", cls.name + " is not here (scripts/deps bench)")
            del contenders[cls.name]
    try:
        listener = world.outside.socket()
        listener.bind(("", PORT))
        listener.listen(1024)     # nobody accepts them
        with listener, daemon(world.host) as d:
            # The first one finds nothing in the page cache.
            turns.take("start, before it counts", 1, {
                name: lambda run=run: run(world, d) for name, run in contenders.items()})
            samples = turns.take("start", 3 * rounds, {
                name: lambda run=run: 1000 * run(world, d)
                for name, run in contenders.items()})
    finally:
        world.close()
    slow = samples.pop("udhcpc")
    report.case("start", "to the 1st connect", "ms", True, samples)
    report.case("start", "with busybox's udhcpc", "ms", True, {**samples, "vnet": slow})


# ---- idle ------------------------------------------------------------------------------

def many(count, make, close):
    """@count things, some made at a time; whatever happens they are closed."""
    made = []

    @contextlib.contextmanager
    def them():
        try:
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                jobs = [pool.submit(make, n) for n in range(count)]
                for job in concurrent.futures.as_completed(jobs):
                    if not job.exception():
                        made.append(job.result())
                for job in jobs:
                    job.result()
            yield made
        finally:
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                list(pool.map(close, made))

    return them()


@contextlib.contextmanager
def idle_vnet(world):
    """Their processes."""
    with daemon(world.host) as d:
        def network(n):
            d.vnet("define", "n%d" % n, "--mode", "nat",
                   "--subnet", "10.%d.%d.0/24" % (40 + n // 250, n % 250))
            return Box(None, d, "g%d" % n, "n%d" % n, dhcp=None)

        with many(COUNT, network, Box.close):
            yield [d.pid] + d.children()


@contextlib.contextmanager
def idle_peer(cls, world):
    with many(COUNT, lambda n: cls(world), cls.close) as them:
        yield [pid for it in them for pid in it.pids()]


def idle(report, rounds):
    world = S.NatWorld(1500)
    try:
        with contextlib.ExitStack() as stack:
            pids = {}
            for name, them in (("vnet", idle_vnet(world)),
                               ("pasta", idle_peer(S.Pasta, world)),
                               ("slirp4netns", idle_peer(S.Slirp4netns, world))):
                try:
                    pids[name] = stack.enter_context(them)
                except (S.Missing, L.LabError) as e:
                    report.not_run("idle", "%s: %s" % (name, e))
            if "vnet" in pids:
                watch(report, rounds, pids)
    finally:
        world.close()


def watch(report, rounds, pids):
    time.sleep(SETTLE)
    spent = {name: [] for name in pids}
    for _ in range(rounds):
        before = {name: S.cpu_s(p) for name, p in pids.items()}
        time.sleep(WATCH)
        for name, p in pids.items():
            spent[name].append((S.cpu_s(p) - before[name]) / WATCH / COUNT * 1e6)
    report.case("idle", "CPU a network, of %d" % COUNT, "us/s", True, spent)
    report.case("idle", "memory a network", "MiB", True, {
        name: [sum(map(private_kib, p)) / COUNT / 1024] for name, p in pids.items()})
