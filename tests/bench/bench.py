# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: ours and the peers, interleaved in one run, medians of several rounds.

    BENCH=nat-tcp,switch-rtt   only these          QUICK=1   fewer and shorter rounds
    PEERS=pasta,kernel         against these only  ROUNDS=9  that many
    BEFORE=DIR                 the vnetd and vnet of DIR race, too (what a change brings)

Prints a table and writes build/bench.json, one object a line. A ratio above 1 says that
ours is better, also where less is better. Absolute numbers are the machine's; the
ratios are what counts. What cannot be run is said.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))
sys.path.insert(0, HERE)

import lab as L  # noqa: E402
import life  # noqa: E402
import report  # noqa: E402
import rings  # noqa: E402
import setups as S  # noqa: E402
from ovs import Ovs  # noqa: E402

QUICK = bool(os.environ.get("QUICK"))
ROUNDS = int(os.environ.get("ROUNDS", 2 if QUICK else 5))
SECONDS = 1 if QUICK else 3
PORT = 7000
LOAD = os.path.join(S.BUILD, "load")
TICKS = os.sysconf("SC_CLK_TCK")


def words(variable):
    return [w for w in re.split("[, ]+", os.environ.get(variable, "")) if w]


# ---- probes: one number each -----------------------------------------------------------

def iperf(setup, back, streams):
    """Gbit/s."""
    server = subprocess.Popen(setup.far.argv("iperf3", "-s", "-1", "-p", "5201"),
                              stdout=subprocess.DEVNULL, env=L.environment())
    try:
        out = None
        for _ in range(50):
            done = subprocess.run(setup.near.argv(
                "iperf3", "-c", setup.address, "-p", "5201", "-J", "-t", str(SECONDS),
                "-P", str(streams), *(["-R"] if back else [])),
                stdout=subprocess.PIPE, env=L.environment(), timeout=60)
            out = json.loads(done.stdout)
            if "refused" not in out.get("error", ""):
                break
            time.sleep(0.1)
        return out["end"]["sum_received"]["bits_per_second"] / 1e9
    finally:
        L.end(server)


def load(setup, *args):
    return [float(x) for x in setup.near.run(LOAD, *map(str, args),
                                             timeout=120).split()]


def rtt(setup, proto, which):
    return load(setup, "rr", proto, setup.address, PORT, SECONDS)[which]


def cps(setup, width):
    return load(setup, "cps", setup.address, PORT, SECONDS, width)[0]


def pps(setup, way, size):
    return load(setup, "udp", way, setup.address, PORT, size,
                0.2 if QUICK else 0.5)[0]


# name, unit, less is better, how
def tcp_cases(streams=(1, 4)):
    for n in streams:
        for back, words in ((False, "out"), (True, "in")):
            yield ("%s, %d stream%s" % (words, n, "s" if n > 1 else ""), "Gbit/s",
                   False, lambda s, b=back, n=n: iperf(s, b, n))


def rtt_cases():
    for proto in ("tcp", "udp"):
        for which, words in ((1, "p50"), (2, "p99")):
            yield ("%s %s" % (proto, words), "us", True,
                   lambda s, p=proto, w=which: rtt(s, p, w))


def cps_cases():
    for n in (1, 32):
        yield ("%d at a time" % n, "1/s", False, lambda s, n=n: cps(s, n))


def udp_cases():
    for way, words in (("up", "out"), ("down", "in")):
        for size in (64, 1472):
            yield ("%s, %d bytes" % (words, size), "1/s", False,
                   lambda s, w=way, z=size: pps(s, w, z))


NAT = (S.VnetNat, S.VnetNatBefore, S.Pasta, S.Slirp4netns, S.KernelNat)
SWITCH = (S.VnetSwitch, S.VnetSwitchBefore, S.KernelBridge, S.TapLoop, S.Vde, Ovs)
PEERS = words("PEERS")
BENCHES = {     # name: (world, its MTU, contenders with ours first, cases), or how
    "nat-tcp": (S.NatWorld, 1500, NAT, tcp_cases),
    "nat-tcp-65520": (S.NatWorld, 65520, NAT, lambda: tcp_cases((1,))),
    "nat-udp": (S.NatWorld, 1500, NAT, udp_cases),
    "nat-cps": (S.NatWorld, 1500, NAT, cps_cases),
    "nat-rtt": (S.NatWorld, 1500, NAT, rtt_cases),
    "switch-tcp": (S.SwitchWorld, 1500, SWITCH, tcp_cases),
    "switch-udp": (S.SwitchWorld, 1500, SWITCH, udp_cases),
    "switch-rtt": (S.SwitchWorld, 1500, SWITCH, rtt_cases),
    "switch-pps": rings.race,
    "start": life.start,
    "idle": life.idle,
}


# ---- a race ----------------------------------------------------------------------------

def cpu_s(pids):
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/stat" % pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / TICKS


def open_all(world, classes):
    up = []
    for c in classes:
        if c.name == "before" and not S.BEFORE or \
                PEERS and c.name not in ("vnet", "before", *PEERS):
            continue
        try:
            up.append(c(world))
        except (S.Missing, L.LabError) as e:
            print("  not run: %s: %s" % (c.name, e), flush=True)
    return up


def serve(setup):
    setup.spawn(*setup.far.argv(LOAD, "serve", str(PORT)), ready=True)
    setup.procs.pop()       # the load's CPU time is not the contender's


def measure(setup, how, unit):
    """(number, CPU seconds per GB moved or None)"""
    before = cpu_s(setup.pids())
    value = how(setup)
    spent = cpu_s(setup.pids()) - before
    gb = value * SECONDS / 8 if unit == "Gbit/s" else 0
    return value, spent / gb if gb > 0.01 else None


def race(name, out):
    make_world, mtu, classes, cases = BENCHES[name]
    world = make_world(mtu)
    try:
        setups = open_all(world, classes)
        try:
            served = set()
            for s in setups:
                if s.far.name not in served:
                    serve(s)
                served.add(s.far.name)
            if setups and setups[0].name == "vnet":
                for case in cases():
                    run_case(name, case, setups, out)
        finally:
            for s in reversed(setups):
                s.close()
    finally:
        world.close()


def run_case(name, case, setups, out):
    title, unit, less, how = case
    got = {s.name: [] for s in setups}
    for _ in range(ROUNDS):
        for s in setups:
            try:
                got[s.name].append(measure(s, how, unit))
            except (L.LabError, subprocess.SubprocessError, KeyError, ValueError) as e:
                print("  failed: %s %s, %s: %s" % (name, title, s.name, e))
    cpu = [c for _, c in got["vnet"] if c is not None]
    report.case(out, name, title, unit, less,
                {n: [v for v, _ in values] for n, values in got.items()},
                round(statistics.median(cpu), 3) if cpu else None)


def main():
    wanted = words("BENCH") or list(BENCHES)
    unknown = [b for b in wanted if b not in BENCHES]
    if unknown:
        print("bench: no such: %s; there are: %s" % (
            ", ".join(unknown), ", ".join(BENCHES)), file=sys.stderr)
        return 2
    L.end_tidily()
    L.remove_stale()
    print("%d rounds, %d s each; × = how many times better ours is" % (
        ROUNDS, SECONDS))
    with open(os.path.join(TOP, "build", "bench.json"), "w") as out:
        for name in wanted:
            with L.nothing_left():
                if callable(BENCHES[name]):
                    BENCHES[name](out, ROUNDS)
                else:
                    race(name, out)
    return 0


sys.exit(main())
