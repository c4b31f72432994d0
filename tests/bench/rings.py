# SPDX-License-Identifier: GPL-2.0-or-later
"""switch-pps: frames a second through a switch whose machines are on unix sockets.

vhost-user  The guests are the two ports of a testpmd (virtio-user): what comes in at one
            leaves at the other, for the first one again, so frames go round for ever. The
            switch is ours, which learns and looks at each frame; Open vSwitch with DPDK,
            which learns, too (action NORMAL); or another testpmd's vhost ports, which pass
            on what they get.
stream      wire.c sends from one socket to another one, as fast as it arrives; the peer is
            a vde_switch with datagram sockets, which is how QEMU speaks to it.

Switch and guests have a processor each. Guests, testpmd and Open vSwitch poll, so on a
machine that others use the frames per second of the switch's own CPU time say more than
those per second; both are told. (A switch that polls in vain spends time, too: read the
second number with the first.)
"""

import contextlib
import os
import subprocess
import tempfile
import time

import lab as L
import turns
from ovs import OvsDpdk
from setups import BEFORE, BUILD, Missing, cpu_s, peer
from testpmd import Testpmd, vhost, virtio_user

MACS = ("52:54:00:00:00:0a", "52:54:00:00:00:0b")
SECONDS = 1 if os.environ.get("QUICK") else 2
SIZES = (64,) if os.environ.get("QUICK") else (64, 1500)
BURSTS = 8          # of 32 frames, from each guest: no more than a ring takes


def tell(report, kind, size, got):
    for what, i in (("", 0), (", per CPU second", 1)):
        report.case("switch-pps", "%s, %d bytes%s" % (kind, size, what), "Mpps", False,
                    turns.part(got, lambda v, i=i: v[i] / 1e6))


def race(report, rounds):
    run(report, rounds, "vhost-user", (("vnet", ours), ("before", ours_before),
                                       ("testpmd", testpmds), ("ovs-dpdk", ovs_dpdk)))
    run(report, rounds, "stream", (("vnet", streams), ("before", streams_before),
                                   ("vde_switch", vde)))


def is_wanted(name):
    only = os.environ.get("PEERS", "").replace(",", " ").split()
    return name == "vnet" or (BEFORE if name == "before" else not only or name in only)


def run(report, rounds, kind, switches):
    with contextlib.ExitStack() as stack:
        up = {}
        for name, switch in switches:
            if not is_wanted(name):
                continue
            try:
                up[name] = stack.enter_context(switch())
            except (Missing, L.LabError) as e:
                report.not_run("switch-pps, " + kind, "%s: %s" % (name, e))
        for size in SIZES if "vnet" in up else ():
            what = "%s, %d bytes" % (kind, size)
            tell(report, kind, size, turns.take(
                "switch-pps " + what, rounds,
                {name: lambda how=how, z=size: how(z) for name, how in up.items()}))


@contextlib.contextmanager
def our_switch(kind, build):
    """(worker, paths, namespace) of a network with two NICs."""
    with contextlib.closing(L.Netns("vnetd")) as ns, \
            L.Vnetd(ns=ns, log_level="info", build=build) as d:
        d.vnet("define", "lab", "--mode", "internal")
        paths = [d.vnet("attach", "ab"[n], "--network", "lab", "--type", kind,
                        "--mac", MACS[n], json=True).data["path"] for n in (0, 1)]
        worker = d.workers()["lab"]
        os.sched_setaffinity(worker, {0})
        yield worker, paths, ns


# ---- vhost-user --------------------------------------------------------------------

@contextlib.contextmanager
def guests(paths, size):
    with Testpmd([virtio_user(n, paths[n], MACS[n]) for n in (0, 1)],
                 "--forward-mode=mac", "--eth-peer=0," + MACS[1],
                 "--eth-peer=1," + MACS[0], "--txpkts=%d" % size, core=1,
                 memory=128) as pmd:
        # Else it throws frames away whenever the switch is late, and from then on fewer
        # go round: by chance a third of them, for the rest of the measurement.
        pmd.ask("set fwd mac retry")
        yield pmd


def go(pmd):
    """Frames are on their way; a switch that is not quite there may lose the first."""
    pmd.ask("start tx_first %d" % BURSTS)
    time.sleep(0.2)
    before = pmd.stats()
    time.sleep(0.1)
    if all(rx > was + 100 for (rx, _), (was, _) in zip(pmd.stats(), before)):
        return True
    pmd.ask("stop")
    return False


def measure(paths, size, switch):
    """(frames a second, frames a second of the switch's CPU time), both ways together"""
    with guests(paths, size) as pmd:
        L.eventually("frames go round", lambda: go(pmd), 10, 0)
        before, t, spent = pmd.stats(), time.monotonic(), cpu_s([switch])
        time.sleep(SECONDS)
        after, t, spent = pmd.stats(), time.monotonic() - t, cpu_s([switch]) - spent
        pmd.ask("stop")
    frames = sum(rx - was for (rx, _), (was, _) in zip(after, before))
    return frames / t, frames / max(spent, 1e-3)


@contextlib.contextmanager
def ours(build=None):
    """How to measure ours, with frames of a size."""
    peer("dpdk-testpmd")
    with our_switch("vhost-user", build) as (worker, paths, _):
        yield lambda size: measure(paths, size, worker)


def ours_before():
    return ours(BEFORE)


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


@contextlib.contextmanager
def ovs_dpdk():
    with contextlib.closing(OvsDpdk()) as switch:
        # Its buffers are made when the first guest comes: 700 MiB, page by page.
        with switch.awake(), guests(switch.paths, 64) as pmd:
            L.eventually("frames go round", lambda: go(pmd), 60, 0)

        def through(size):
            with switch.awake():
                return measure(switch.paths, size, switch.pid)

        yield through


# ---- streams -----------------------------------------------------------------------

def wire(ns, switch, *args):
    """(frames a second, frames a second of the switch's CPU time). In the switch's
    namespace, whose limit on datagrams counts."""
    spent = cpu_s([switch])
    out = ns.run("taskset", "-c", "1", os.path.join(BUILD, "wire"), *args, str(SECONDS))
    spent = cpu_s([switch]) - spent
    pps = float(out.split()[0])
    return pps, pps * (SECONDS + 0.2) / max(spent, 1e-3)


@contextlib.contextmanager
def streams(build=None):
    with our_switch("stream", build) as (worker, paths, ns):
        yield lambda size: wire(ns, worker, "stream", *paths, str(size))


def streams_before():
    return streams(BEFORE)


@contextlib.contextmanager
def vde():
    with contextlib.closing(L.Netns("vde")) as ns:
        # Ten datagrams a socket holds by default: it would wait most of the time.
        ns.sysctl("net.unix.max_dgram_qlen", 512)
        folder = os.path.join(ns.dir, "ctl")
        switch = ns.popen(peer("vde_switch"), "-sock", folder, stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            L.eventually("vde_switch", lambda: os.path.exists(folder + "/ctl"), 10, 0.02)
            os.sched_setaffinity(switch.pid, {0})
            yield lambda size: wire(ns, switch.pid, "vde", folder, str(size))
        finally:
            L.end(switch)
