# SPDX-License-Identifier: GPL-2.0-or-later
"""What was acknowledged survives kill -9 of any of our processes at any moment."""

import os
import random
import signal
import threading
import time

import pytest

import lab as lab_module
from boxes import Box
from lab import eventually


class Writer(threading.Thread):
    """Changes things as fast as it can and remembers what was acknowledged."""

    def __init__(self, api, seed):
        super().__init__(daemon=True)
        self.api = api
        self.rng = random.Random(seed)
        self.round = seed
        self.there = {}     # what must be there: key: value
        self.gone = set()   # what must not be there
        self.doubt = set()  # asked for when the daemon died

    def run(self):
        n = 0
        while True:
            n += 1
            key = "n%d-%d" % (self.round, n)
            self.doubt.add(key)
            try:
                self.change(key, n)
            except (lab_module.ApiClosed, OSError, EOFError):
                return
            self.doubt.discard(key)

    def change(self, key, n):
        if (n % 3 == 0 or len(self.there) > 200) and self.there:
            victim = self.rng.choice(sorted(self.there))
            self.doubt.add(victim)
            self.api.call("network.undefine", name=victim)
            self.doubt.discard(victim)
            del self.there[victim]
            self.gone.add(victim)
        else:
            made = self.api.call("network.define", name=key, mode="internal",
                                 start=False)
            self.there[key] = made["mac"]


def test_definitions_survive_kill_9_of_control(lab):
    lab_module.need_vnetd()
    rng = random.Random(3)
    there, gone = {}, set()
    with lab_module.Vnetd(ns=lab.host, log_level="warn") as d:
        for turn in range(12):
            w = Writer(d.api(), turn)
            w.start()
            time.sleep(0.05 + rng.random() * 0.4)
            d.kill()
            w.join(20)
            d.start()
            for key in w.doubt:
                there.pop(key, None)
                w.there.pop(key, None)
                w.gone.discard(key)
            there.update(w.there)
            gone |= w.gone
            found = {n["name"]: n for n in
                     d.api().call("network.list")["networks"]}
            assert not [k for k in there if k not in found]
            assert not [k for k in gone if k in found]
            # a clean table for the next turn
            with d.api() as api:
                for name in found:
                    api.call("network.undefine", name=name)
            there, gone = {}, set()


def state(d):
    """Everything that was acknowledged, as the API shows it."""
    with d.api() as api:
        forwards = api.call("forward.list")["forwards"]
        return {
            "networks": [(n["name"], n["mode"], n["subnet"], n["mac"], n["mtu"])
                         for n in api.call("network.list")["networks"]],
            "nics": [(n["vm"], n["nic"], n["network"], n["mac"], n["type"])
                     for n in api.call("nic.list")["nics"]],
            "forwards": [(f["network"], f["proto"], f["port"], f["to_vm"])
                         for f in forwards],
            "leases": [(l["network"], l["address"], l["mac"], l["state"])
                       for l in api.call("lease.list")["leases"]],
            "reservations": api.call("reserve.list")["reservations"],
        }


@pytest.mark.parametrize("who", ["control", "worker", "helper", "all"])
def test_everything_is_as_before_after_kill_9(lab, who):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host) as d:
        d.vnet("define", "lab", "--mode", "nat")
        d.vnet("define", "own", "--mode", "hostonly", "--mtu", "1400")
        d.vnet("attach", "vm", "--network", "own")
        d.vnet("reserve", "add", "lab", "52:54:00:00:00:77", "10.0.2.77")
        with Box(lab, d, "box-a", "lab") as a:
            d.vnet("forward", "add", "lab", "tcp:8080:box-a:80")
            a.ns.who(80)
            before = state(d)
            assert before["leases"]
            pid = d.pid
            kill(d, who)
            if d.pid != pid:
                # the TAP went with the daemon: a cable pulled and plugged again
                a.client.stop()
                a.client.start()
            eventually("works again", lambda: a.ns.ping(lab.outside.address), 30)
            assert state(d) == before
            assert eventually("forward works again", lambda: lab.outside.fetch(
                "http://%s:8080/" % lab.host.address), 10)
            a.client.stop()
            a.client.start()
            assert a.client.lease()["ip"] == a.ip


def kill(d, who):
    workers = set(d.workers().values())
    helpers = set(d.children()) - workers - {d.spare()}
    if who == "worker":
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        return
    if who == "helper":
        # without its helper a root daemon has no hands: it ends, and is started
        # again by whoever supervises it
        for pid in helpers:
            os.kill(pid, signal.SIGKILL)
        if helpers:
            eventually("vnetd ends", lambda: d.proc.poll() is not None, 30)
            d.start()
        return
    if who == "all":
        for pid in workers | helpers:
            os.kill(pid, signal.SIGKILL)
    d.kill()
    eventually("all its processes end", lambda: not d.survivors(), 10)
    d.start()


def test_leases_survive_kill_9_at_random_moments(lab):
    """Clients that were told an address have it in the store, always."""
    lab_module.need_vnetd()
    rng = random.Random(5)
    held = {}
    with lab_module.Vnetd(ns=lab.host) as d:
        d.vnet("define", "lab", "--mode", "nat")
        names = ["l%d" % n for n in range(4)]
        boxes = [Box(lab, d, n, "lab", dhcp=None) for n in names]
        try:
            for turn in range(6):
                clients = [lab_module.DhcpClient("udhcpc", b.ns, "eth0").start()
                           for b in boxes]
                time.sleep(rng.random() * 0.6)
                if turn % 2:
                    d.kill()
                    eventually("ended", lambda: not d.survivors(), 10)
                    d.start()
                else:
                    os.kill(d.workers()["lab"], signal.SIGKILL)
                for b, c in zip(boxes, clients):
                    ip = c.lease(60)["ip"]
                    assert held.setdefault(b.name, ip) == ip
                    c.close()
                assert len(set(held.values())) == len(held)
        finally:
            for b in boxes:
                b.close()
