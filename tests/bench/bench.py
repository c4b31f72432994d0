# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: ours and the peers, interleaved in one run, medians of several rounds.

    BENCH=nat-tcp,switch-rtt   only these          QUICK=1   one round of the chief cases
                                                   and peers: less than 2 minutes
    PEERS=pasta,kernel         against these only  ROUNDS=9  that many
    PAGE=1                     with those that race ours against ours, too (OURS), and
                               into docs/performance.md
    BEFORE=DIR                 the vnetd and vnet of DIR race, too (what a change brings)

Prints what was measured as it comes, and writes build/bench.json, one object a line, and
build/bench.md, the same as tables with the goals (goals.py). A ratio above 1 says that
ours is better, also where less is better. Absolute numbers are the machine's; the ratios
are what counts. What cannot be run is said.
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

import bridged  # noqa: E402
import goals  # noqa: E402
import kernel  # noqa: E402
import lab as L  # noqa: E402
import life  # noqa: E402
import rings  # noqa: E402
import scale  # noqa: E402
import setups as S  # noqa: E402
import turns  # noqa: E402
import vm  # noqa: E402
from ovs import Ovs  # noqa: E402
from report import Report  # noqa: E402

QUICK = bool(os.environ.get("QUICK"))
ROUNDS = int(os.environ.get("ROUNDS", 1 if QUICK else 3))
SECONDS = 1 if QUICK else 2          # of a transfer
MOMENT = 0.3 if QUICK else 1        # of thousands of small things
TRIAL = 0.1 if QUICK else 0.2       # at one rate
PORT = 7000
LOAD = os.path.join(S.BUILD, "load")


def words(variable):
    return [w for w in re.split("[, ]+", os.environ.get(variable, "")) if w]


# ---- probes: numbers from one run each ---------------------------------------------------

def iperf(setup, back, streams):
    """Gbit/s."""
    server = subprocess.Popen(setup.far.argv("iperf3", "-s", "-1", "-p", "5201"),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=L.environment())
    try:
        out = None
        for _ in range(100):
            done = subprocess.run(setup.near.argv(
                "iperf3", "-c", setup.address, "-p", "5201", "-J", "-i", "0",
                "-t", str(SECONDS), "-P", str(streams), "-l", str(S.WRITE),
                *(["-R"] if back else [])),
                stdout=subprocess.PIPE, env=L.environment(), timeout=60)
            out = json.loads(done.stdout)
            if "refused" not in out.get("error", ""):
                break
            time.sleep(0.05)
        return [out["end"]["sum_received"]["bits_per_second"] / 1e9]
    finally:
        L.end(server)


def load(setup, *args):
    return [float(x) for x in setup.near.run(LOAD, *map(str, args),
                                             timeout=120).split()]


def rtt(setup, proto):
    """p50, p99"""
    return load(setup, "rr", proto, setup.address, PORT, MOMENT)[1:3]


def cps(setup, width):
    return load(setup, "cps", setup.address, PORT, MOMENT, width)[:1]


def pps(setup, way, size):
    """The search begins where the last one ended."""
    hint = setup.hints.get((way, size), 0)
    found = load(setup, "udp", way, setup.address, PORT, size, TRIAL, hint)
    setup.hints[way, size] = found[0]
    return found[:1]


# titles, unit, less is better, how (one number a title)
def tcp_cases(ways=(False, True), streams=(1,) if QUICK else (1, 4)):
    for n in streams:
        for back in ways:
            yield (["%s, %d stream%s" % ("in" if back else "out", n, "s" if n > 1 else "")],
                   "Gbit/s", False, lambda s, b=back, n=n: iperf(s, b, n))


def rtt_cases():
    for proto in ("tcp", "udp"):
        yield ([proto + " p50", proto + " p99"], "us", True,
               lambda s, p=proto: rtt(s, p))


def cps_cases():
    for n in (1, 32):
        yield ["%d at a time" % n], "1/s", False, lambda s, n=n: cps(s, n)


def udp_cases(ways=(("up", "out"), ("down", "in"))):
    for way, text in ways:
        for size in (64,) if QUICK else (64, 1472):
            yield (["%s, %d bytes" % (text, size)], "1/s", False,
                   lambda s, w=way, z=size: pps(s, w, z))


def nat_udp_cases():
    yield from udp_cases()
    if QUICK and not words("BENCH"):
        return
    # as servers of QUIC send
    yield (["in, 1472 bytes, 44 a call"], "1/s", False, lambda s: pps(s, "trains", 1472))


# A switch is the same in both directions.
def one_way_tcp():
    return tcp_cases(ways=(False,))


def one_way_udp():
    return udp_cases(ways=(("up", "out"),))


def kernel_cases():
    yield from tcp_cases()
    yield (["guest to guest, 1 stream"], "Gbit/s", False,
           lambda s: iperf(kernel.Mates(s), False, 1))


def bridged_cases():
    yield from tcp_cases(streams=(1,))
    yield (["guest to host, 1 stream"], "Gbit/s", False,
           lambda s: iperf(bridged.Other(s, s.host, "192.0.2.1"), False, 1))
    yield (["guest to guest, 1 stream"], "Gbit/s", False,
           lambda s: iperf(bridged.Other(s, s.mate, "192.0.2.16"), False, 1))
    yield (["tcp p50", "tcp p99"], "us", True, lambda s: rtt(s, "tcp"))


NAT = (S.VnetNat, S.VnetNatBefore, S.Pasta, S.Slirp4netns, S.KernelNat, S.Loopback)
SWITCH = (S.VnetSwitch, S.VnetSwitchBefore, S.KernelBridge, S.TapLoop, S.Vde, Ovs)
PEERS = words("PEERS")
BENCHES = {     # name: (world, its MTU, contenders with ours first), cases; or how
    "nat-tcp": ((S.NatWorld, 1500, NAT), tcp_cases),
    "nat-udp": ((S.NatWorld, 1500, NAT), nat_udp_cases),
    "nat-cps": ((S.NatWorld, 1500, NAT), cps_cases),
    "nat-rtt": ((S.NatWorld, 1500, NAT), rtt_cases),
    "nat-tcp-65520": ((S.NatWorld, 65520, NAT), tcp_cases),
    "switch-tcp": ((S.SwitchWorld, 1500, SWITCH), one_way_tcp),
    "switch-udp": ((S.SwitchWorld, 1500, SWITCH), one_way_udp),
    "switch-rtt": ((S.SwitchWorld, 1500, SWITCH), rtt_cases),
    "switch-pps": rings.race,
    "kernel": ((S.SwitchWorld, 1500, kernel.CONTENDERS), kernel_cases),
    "bridged": ((S.SwitchWorld, 1500, bridged.CONTENDERS), bridged_cases),
    "vm-nat": vm.race,
    "start": life.start,
    "idle": life.idle,
    "scale": scale.race,
}
# Only if PEERS has it: loopback's MTU is 65536 anyway, and no goal speaks of slirp4netns and
# datagrams, which would take a minute.
NOT_IN = {"loopback": ("nat-udp", "nat-cps", "nat-tcp-65520"),
          "slirp4netns": ("nat-udp",)}
# By name only, or for the page: ours against ours, in the main.
OURS = ("kernel", "bridged", "scale")


# ---- a race ----------------------------------------------------------------------------

def open_all(report, names, world, classes):
    up = []
    for c in classes:
        if c.name == "before" and not S.BEFORE or \
                PEERS and c.name not in ("vnet", "before", *PEERS):
            continue
        try:
            up.append(c(world))
        except (S.Missing, L.LabError) as e:
            report.not_run(", ".join(names), "%s: %s" % (c.name, e))
    return up


def serve(setup):
    setup.spawn(*setup.far.argv(LOAD, "serve", str(PORT)), ready=True)
    setup.procs.pop()       # the load's CPU time is not the contender's


def measure(setup, how, unit):
    """(numbers, CPU seconds per GB moved or None)"""
    before = S.cpu_s(setup.pids())
    values = how(setup)
    spent = S.cpu_s(setup.pids()) - before
    gb = values[0] * SECONDS / 8 if unit == "Gbit/s" else 0
    return values, spent / gb if gb > 0.01 else None


def race(report, names):
    """Benches in one world, with the same contenders."""
    make_world, mtu, classes = BENCHES[names[0]][0]
    world = make_world(mtu)
    try:
        setups = open_all(report, names, world, classes)
        try:
            served = set()
            for s in setups:
                if s.far.name not in served:
                    serve(s)
                served.add(s.far.name)
            if setups and setups[0].name == "vnet":
                for name in names:
                    for case in BENCHES[name][1]():
                        run_case(report, name, case, setups)
        finally:
            for s in reversed(setups):
                s.close()
    finally:
        world.close()


def races(contender, name, titles):
    """Who is in a hurry asks only those that a goal speaks of."""
    if name in NOT_IN.get(contender, ()) and contender not in PEERS:
        return False
    return not QUICK or PEERS or contender in ("vnet", "before") or any(
        contender in peers for t in titles for peers, _ in goals.of(name, t))


def run_case(report, name, case, setups):
    titles, unit, less, how = case
    got = turns.take("%s %s" % (name, titles[0]), ROUNDS, {
        s.name: lambda s=s: measure(s, how, unit)
        for s in setups if races(s.name, name, titles)})
    cpu = [v[1] for v in got["vnet"] if v and v[1] is not None]
    for i, title in enumerate(titles):
        report.case(name, title, unit, less, turns.part(got, lambda v, i=i: v[0][i]),
                    round(statistics.median(cpu), 3) if cpu else None)


def together(wanted):
    """Lists of benches that can share one world."""
    groups = []
    for name in wanted:
        how = BENCHES[name]
        if groups and not callable(how) and not callable(BENCHES[groups[-1][0]]) and \
                how[0] == BENCHES[groups[-1][0]][0]:
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups


def head():
    return "%d round%s; × = how many times better ours is. %s, %s, %d processors, %s." % (
        ROUNDS, "s" if ROUNDS > 1 else "", time.strftime("%F"),
        "Linux " + os.uname().release, os.cpu_count(), "load %.1f before" % os.getloadavg()[0])


def run(report, names):
    """Whatever befalls one bench, the others get their turn. Did it go well?"""
    began = time.monotonic()
    try:
        with L.nothing_left():
            if callable(BENCHES[names[0]]):
                BENCHES[names[0]](report, ROUNDS)
            else:
                race(report, names)
    except turns.FAILURES as e:
        report.not_run(", ".join(names), "broken off: %s" % e)
        return False
    finally:
        print("  (%d s)" % (time.monotonic() - began), flush=True)
    return True


def main():
    wanted = words("BENCH")
    page = os.environ.get("PAGE")
    short = not (wanted or page)
    wanted = wanted or [b for b in BENCHES if page or b not in OURS]
    unknown = [b for b in wanted if b not in BENCHES]
    if unknown:
        print("bench: no such: %s; there are: %s" % (
            ", ".join(unknown), ", ".join(BENCHES)), file=sys.stderr)
        return 2
    L.end_tidily()
    L.remove_stale()
    began = time.monotonic()
    print(head())
    build = os.path.join(TOP, "build")
    try:
        with Report(os.path.join(build, "bench.json"), os.path.join(build, "bench.md"),
                    head()) as report:
            if short:
                report.not_run(", ".join(OURS), "unless asked for, or with PAGE=1")
            good = [run(report, names) for names in together(wanted)]
            report.say(turns.moments())
    finally:
        L.remove_own()
    if page:
        report.paste(os.path.join(TOP, "docs", "performance.md"))
    print("%d s; the same as tables: build/bench.md" % (time.monotonic() - began))
    return 0 if all(good) else 1


sys.exit(main())
