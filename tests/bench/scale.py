# SPDX-License-Identifier: GPL-2.0-or-later
"""What an event costs where there is little, and where there is much.

Two vnetds side by side: "few" has 2 networks with a NIC each; "many" has 1000 networks, of
which 100 run, 256 NICs on one of them, and 400 guarded ones on one of the kernel's datapath
(QUICK=1: a quarter). Each has somebody who hears its events. The cost is the CPU time of
all of the daemon's processes, until nothing is left to be done: what an event sets off
later is its cost, too. It is the kernel's, as well, where that does what it is asked for
(a TAP). Workers that begin are not counted, but how long they take is.

The ratio is few's cost to many's: 1 is flat. What answers with a list costs by the row.
"""

import contextlib
import os
import time

import lab as L
import lease
import setups as S
import turns

QUICK = bool(os.environ.get("QUICK"))
PART = 4 if QUICK else 1
NETS, RUNNING, NICS, GUARDED = 1000 // PART, 100 // PART, 256 // PART, 400 // PART
TIMES = 5           # each event in a round
SETTLED = 0.4       # longer than whatever is put off


class Side:
    """A vnetd with so much, and the same events for it as for the other."""

    def __init__(self, stack, name, nets, running, nics, guarded):
        self.ns = stack.enter_context(contextlib.closing(L.Netns(name)))
        self.guest = stack.enter_context(contextlib.closing(L.Netns(name + "g")))
        self.d = stack.enter_context(L.Vnetd(ns=self.ns, log_level="warn"))
        self.api = stack.enter_context(self.d.api())
        self.listener = stack.enter_context(self.d.api())
        self.running, self.rows, self.nics = running, nets, nics
        for i in range(nets):
            self.call("network.define", name="n%d" % i, mode="nat", start=i < running,
                      autostart=i < running)
        self.call("network.define", name="kern", mode="nat", datapath="kernel",
                  subnet="10.99.0.0/16", guard="ip", storm=100)
        for i in range(nics):
            self.attach("v%d" % i, "n0")
        for i in range(guarded):
            self.attach("g%d" % i, "kern", rate_in=100000, rate_out=100000)
        self.call("nic.attach", vm="guest", network="n0", type="netns",
                  netns=self.guest.path, ifname="eth0")
        self.listener.call("events.subscribe")

    def call(self, method, **params):
        return self.api.call(method, params)

    def attach(self, vm, network, **more):
        self.call("nic.attach", vm=vm, network=network, **more)

    def pids(self):
        """Not of the worker that waits for a network: it may be another one soon."""
        spare = self.d.spare()
        return [self.d.pid] + [p for p in self.d.children() if p != spare]

    def lease(self):
        with contextlib.suppress(FileExistsError):      # the route, the second time
            lease.take(self.guest, "eth0")

    def cost(self, event):
        """ms of CPU time each, one after the other."""
        time.sleep(SETTLED)
        pids = self.pids()
        before = S.cpu_s(pids)
        for i in range(TIMES):
            event(i)
        time.sleep(SETTLED)
        return 1000 * (S.cpu_s(pids) - before) / TIMES

    # ---- events: {title: function of a number} -----------------------------------------

    def events(self):
        def define(i):
            self.call("network.define", name="x%d" % i, mode="nat", start=False,
                      autostart=False)
            self.call("network.undefine", name="x%d" % i, force=True)

        def start(i):
            self.call("network.start", name="n%d" % (self.rows - 1))
            self.call("network.stop", name="n%d" % (self.rows - 1))

        def forward(i):
            made = self.call("forward.add", network="n0", proto="tcp", port=20000 + i,
                             to_vm="v0", to_port=22)
            self.call("forward.del", id=made["id"])

        return {
            "define, undefine": define,
            "start, stop": start,
            "attach, detach": self.coming("n0"),
            "attach, detach of a guarded TAP": self.coming("kern", rate_in=100000),
            "forward add, del": forward,
            "DHCP lease, event": lambda i: self.lease(),
            "show of a VM's NIC": lambda i: self.call("nic.list", vm="v0"),
        }

    def coming(self, network, **more):
        def both(i):
            self.attach("y%d" % i, network, **more)
            self.call("nic.detach", vm="y%d" % i)

        return both

    def lists(self):
        """{title: (event, rows)}"""
        return {
            "list, a network": (lambda i: self.call("network.list"), self.rows + 1),
            "show, a NIC": (lambda i: self.call("network.show", name="n0"),
                            self.nics + 1),
        }

    # ---- once -------------------------------------------------------------------------

    def memory(self):
        """MiB of control."""
        with open("/proc/%d/smaps_rollup" % self.d.pid) as f:
            return sum(int(line.split()[1]) for line in f
                       if line.startswith("Private_")) / 1024

    def runs(self, name):
        return self.call("network.show", name=name)["state"] == "running"

    def all_run(self):
        """Asked seldom: a list of a thousand keeps control busy for a while."""
        return sum(n["state"] == "running"
                   for n in self.call("network.list")["networks"]) > self.running

    def restart(self):
        """ms from the start of a vnetd, after a kill, until all is as before."""
        self.api.close()
        self.listener.close()
        self.d.kill()
        L.eventually("its processes end", lambda: not self.d.survivors(), 30)
        began = time.monotonic()
        self.d.start()
        self.api = self.d.api()
        L.eventually("the last one runs", lambda: self.runs("n%d" % (self.running - 1)), 60,
                     0.02)
        L.eventually("all run", self.all_run, 60, 0.2)
        took = time.monotonic() - began
        self.api.close()
        return 1000 * took


def race(report, rounds):
    rounds = (rounds + 1) // 2      # CPU time: it does not differ so much
    with contextlib.ExitStack() as stack:
        few = Side(stack, "few", 2, 1, 1, 1)
        many = Side(stack, "many", NETS, RUNNING, NICS, GUARDED)
        sides = {"vnet": many, "few": few}

        def case(title, unit, how):
            report.case("scale", title, unit, True, turns.take(
                "scale " + title, rounds, {n: lambda s=s: how(s) for n, s in sides.items()}))

        for title in few.events():
            case(title, "ms", lambda s, t=title: s.cost(s.events()[t]))
        for title in few.lists():
            case(title, "us", lambda s, t=title:
                 1000 * s.cost(s.lists()[t][0]) / s.lists()[t][1])
        report.case("scale", "control's memory", "MiB", True,
                    {n: [s.memory()] for n, s in sides.items()})
        report.case("scale", "restart, until all run", "ms", True,
                    {n: [s.restart()] for n, s in sides.items()})
