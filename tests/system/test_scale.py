# SPDX-License-Identifier: GPL-2.0-or-later
"""Many networks on one vnetd."""

import time

from lab import eventually

DEFINED, RUNNING = 1000, 100


def running(d):
    return sum(n["state"] == "running"
               for n in d.vnet("list", json=True).data["networks"])


def test_thousand_networks_defined_hundred_running(vnetd):
    with vnetd.api() as api:
        took = []
        for i in range(DEFINED):
            began = time.monotonic()
            net = api.call("network.define", {"name": "n%d" % i, "mode": "nat",
                                              "start": False, "autostart": False})
            took.append(time.monotonic() - began)
        assert net["subnet"] == "10.3.233.0/24" and net["subnet6"]
        # The last ones cost about what the first ones did: medians, for the machine
        # is not ours alone.
        first, last = sorted(took[:200])[100], sorted(took[-200:])[100]
        assert last < 8 * first, (first, last)
        for i in range(RUNNING):
            api.call("network.start", {"name": "n%d" % i})
    assert running(vnetd) == RUNNING
    vnetd.kill()
    eventually("all its processes end", lambda: not vnetd.survivors())
    vnetd.start()
    eventually("all run again", lambda: running(vnetd) == RUNNING, 60, 0.5)
    assert "ended by signal" not in vnetd.log().split("ready:")[-1]
