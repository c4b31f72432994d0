# SPDX-License-Identifier: GPL-2.0-or-later
"""switch-pps: frames a second between two vhost-user guests, which are the two ports of a
testpmd (virtio-user): what comes in at one leaves at the other, for the first one again,
so frames go round for ever. The switch is ours, which learns and looks at each frame, or
another testpmd's vhost ports, which pass on what they get.

Switch and guests have a processor each. Guest and testpmd poll, so on a machine that
others use the frames per second of the switch's own CPU time say more than those per
second; both are told. (A switch that polls in vain spends time, too: read the second
number with the first.)
"""

import contextlib
import os
import statistics
import tempfile
import time

import lab as L
import report
from testpmd import Testpmd, vhost, virtio_user

MACS = ("52:54:00:00:00:0a", "52:54:00:00:00:0b")
SECONDS = 0.5 if os.environ.get("QUICK") else 2
BURSTS = 16         # of 32 frames: how many are under way


def cpu_s(pid):
    """All threads' time on a processor."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            total += int(f.read().split()[0])
    return total / 1e9


def guests(paths, size):
    return Testpmd([virtio_user(n, paths[n], MACS[n]) for n in (0, 1)],
                   "--forward-mode=mac", "--eth-peer=0," + MACS[1],
                   "--eth-peer=1," + MACS[0], "--txpkts=%d" % size, core=1, memory=128)


def measure(paths, size, switch):
    """(frames a second, frames a second of the switch's CPU time), both ways together"""
    with guests(paths, size) as pmd:
        pmd.ask("start tx_first %d" % BURSTS)
        time.sleep(0.3)
        before, t, spent = pmd.stats(), time.monotonic(), cpu_s(switch)
        time.sleep(SECONDS)
        after, t, spent = pmd.stats(), time.monotonic() - t, cpu_s(switch) - spent
        pmd.ask("stop")
    frames = sum(rx - was for (rx, _), (was, _) in zip(after, before))
    return frames / t, frames / max(spent, 1e-3)


@contextlib.contextmanager
def ours():
    """How to measure ours, with frames of a size."""
    with L.Netns("vnetd") as ns, L.Vnetd(ns=ns, log_level="info") as d:
        d.vnet("define", "lab", "--mode", "internal")
        paths = [d.vnet("attach", "ab"[n], "--network", "lab", "--type", "vhost-user",
                        "--mac", MACS[n], json=True).data["path"] for n in (0, 1)]
        worker = d.workers()["lab"]
        os.sched_setaffinity(worker, {0})
        yield lambda size: measure(paths, size, worker)


@contextlib.contextmanager
def testpmds():
    """The same through a testpmd."""
    with tempfile.TemporaryDirectory(prefix="vnet-pmd-") as folder:
        paths = [os.path.join(folder, name) for name in "ab"]
        with Testpmd([vhost(n, paths[n]) for n in (0, 1)], "--forward-mode=io",
                     core=0, memory=128) as switch:
            def through(size):
                switch.ask("start")
                try:
                    return measure(paths, size, switch.proc.pid)
                finally:
                    switch.ask("stop")

            yield through


def race(out, rounds):
    if not L.program("dpdk-testpmd"):
        print("  not run: testpmd is not here (scripts/deps bench brings it)", flush=True)
        return
    print("  not run: Open vSwitch with DPDK (nothing here sets it up)", flush=True)
    with ours() as vnet, testpmds() as testpmd:
        for size in (64, 1500):
            got = {"vnet": [], "testpmd": []}
            for _ in range(rounds):
                for name, how in (("vnet", vnet), ("testpmd", testpmd)):
                    got[name].append(how(size))
            for i, what in enumerate(("", ", per CPU second")):
                report.case(out, "switch-pps", "vhost-user, %d bytes%s" % (size, what),
                            "Mpps", False, {n: [v[i] / 1e6 for v in values]
                                            for n, values in got.items()})
