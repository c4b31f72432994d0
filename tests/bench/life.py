# SPDX-License-Identifier: GPL-2.0-or-later
"""What a network costs when nothing happens, and how soon it is there.

start  from the first command to the first TCP connection from the guest to a machine
       outside: ours defines a network, attaches a NIC and has a DHCP client ask
       (vnetd runs already, as it does on a host); peers configure the guest themselves.
       Most of our time is the client's: each packet socket that it closes waits for the
       kernel's readers (synchronize_net(), some 16 ms, three times).
idle   CPU time and memory of nobody else's of many networks with a NIC each, after they
       have come to rest. Memory is what is private to their processes; vnetd's control
       process is spread over its networks.
"""

import os
import time

import lab as L
import report
import setups as S
from boxes import Box

SETTLE, WATCH = 2, 10   # seconds
PORT = 7001
TICKS = os.sysconf("SC_CLK_TCK")


def private_kib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Private_"))


def cpu_s(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


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


def start_vnet(world, d):
    guest = L.Netns("guest")
    script = os.path.join(guest.dir, "script")
    with open(script, "w") as f:
        f.write(SCRIPT)
    os.chmod(script, 0o755)
    try:
        began = time.monotonic()
        d.vnet("define", "lab", "--mode", "nat")
        d.vnet("attach", "guest", "--network", "lab", "--type", "netns", "--netns",
               guest.path, "--ifname", "eth0")
        guest.run(L.need_program("busybox"), "udhcpc", "-f", "-q", "-n", "-i", "eth0",
                  "-s", script)
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


def start(out, rounds):
    world = S.NatWorld(1500)
    world.outside.address = "192.0.2.2"
    contenders = {"vnet": start_vnet,
                  "pasta": lambda w, d: start_peer(S.Pasta, w, d),
                  "slirp4netns": lambda w, d: start_peer(S.Slirp4netns, w, d)}
    samples = {name: [] for name in contenders}
    try:
        listener = world.outside.socket()
        listener.bind(("", PORT))
        listener.listen(16)
        with listener, daemon(world.host) as d:
            for _ in range(rounds):
                for name, run in contenders.items():
                    try:
                        samples[name].append(1000 * run(world, d))
                    except (S.Missing, L.LabError) as e:
                        print("  not run: %s: %s" % (name, e))
    finally:
        world.close()
    report.case(out, "start", "to the 1st connect", "ms", True, samples)


# ---- idle ------------------------------------------------------------------------------

def watch(pids):
    """(us of CPU per second, KiB private), all together, once they are at rest"""
    time.sleep(SETTLE)
    before = sum(map(cpu_s, pids))
    time.sleep(WATCH)
    return ((sum(map(cpu_s, pids)) - before) / WATCH * 1e6,
            sum(map(private_kib, pids)))


def idle_vnet(world, count):
    boxes = []
    with daemon(world.host) as d:
        try:
            for n in range(count):
                d.vnet("define", "n%d" % n, "--mode", "nat",
                       "--subnet", "10.%d.%d.0/24" % (40 + n // 250, n % 250))
                boxes.append(Box(None, d, "g%d" % n, "n%d" % n, dhcp=None))
            return watch([d.pid] + d.children())
        finally:
            for box in boxes:
                box.close()


def idle_peer(cls, world, count):
    peers = []
    try:
        for _ in range(count):
            peers.append(cls(world))
        return watch([pid for p in peers for pid in p.pids()])
    finally:
        for p in peers:
            p.close()


def idle(out, rounds):
    # Peers' instances do not know of each other: ten tell as much as a hundred.
    count, few = (100, 10) if rounds > 2 else (20, 4)
    world = S.NatWorld(1500)
    cpu, memory = {}, {}
    contenders = {"vnet": (idle_vnet, count),
                  "pasta": (lambda w, n: idle_peer(S.Pasta, w, n), few),
                  "slirp4netns": (lambda w, n: idle_peer(S.Slirp4netns, w, n), few)}
    try:
        for name, (run, n) in contenders.items():
            try:
                spent, kib = run(world, n)
                cpu[name], memory[name] = [spent / n], [kib / n / 1024]
            except (S.Missing, L.LabError) as e:
                print("  not run: %s: %s" % (name, e))
    finally:
        world.close()
    report.case(out, "idle", "CPU a network", "us/s", True, cpu)
    report.case(out, "idle", "memory a network", "MiB", True, memory)
