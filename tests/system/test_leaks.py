# SPDX-License-Identifier: GPL-2.0-or-later
"""A day in the life of vnetd, built with AddressSanitizer: no error, and no memory
leaked by any of its processes when it ends."""

import os
import subprocess

import pytest

import lab as lab_module
from basics import TOP
from boxes import Box, Transfer

SAN = os.path.join(TOP, "build", "san")


@pytest.fixture
def san_vnetd(lab, monkeypatch):
    """The daemon of `make CONFIG=san`, made here when it is not there yet."""
    subprocess.run(["make", "-s", "-C", TOP, "-j2", "CONFIG=san",
                    "build/san/vnetd", "build/san/vnet"], check=True,
                   stdout=subprocess.DEVNULL)
    monkeypatch.setenv("VNET_BUILD", SAN)
    return lab_module.Vnetd(ns=lab.host)


def use(lab, d):
    d.vnet("define", "lab", "--mode", "nat")
    d.vnet("define", "own", "--mode", "hostonly")
    d.vnet("define", "lan", "--mode", "bridged", "--uplink", "eth0")
    d.vnet("attach", "vm", "--network", "own")
    d.vnet("attach", "gram", "--network", "own", "--type", "dgram")
    d.vnet("move", "vm", "--network", "lab")
    d.vnet("reserve", "add", "lab", "52:54:00:00:00:77", "10.0.2.77")
    with Box(lab, d, "box-a", "lab") as a, Box(lab, d, "box-b", "lab") as b:
        d.vnet("forward", "add", "lab", "tcp:8080:box-a:80")
        d.vnet("forward", "add", "lab", "udp:8081:box-a:53")
        a.ns.who(80)
        lab.outside.who(80)
        assert lab.outside.fetch("http://%s:8080/" % lab.host.address)
        assert a.ns.fetch("http://%s/" % lab.outside.address)
        assert a.ns.ping(lab.outside.address)
        Transfer(b.ns, a.ns, b.ip, 5002, 500, True).run()
        Transfer(lab.outside, a.ns, lab.outside.address, 5001, 500, False).run()
        for command in ("list", "show lab", "show box-a", "ip box-a",
                        "lease list", "forward list", "reserve list"):
            d.vnet(*command.split())
        os.kill(d.workers()["lab"], 9)
        lab_module.eventually("NAT again",
                              lambda: a.ns.ping(lab.outside.address), 20)
    d.vnet("forward", "del", "lab", "tcp:8080")
    d.vnet("detach", "vm")
    d.vnet("undefine", "own", "--force")


def test_no_leak_and_no_error_at_shutdown(lab, san_vnetd):
    with san_vnetd as d:
        use(lab, d)
        d.stop()
        log = d.log()
    assert "Sanitizer" not in log, log[-6000:]
    assert "runtime error" not in log, log[-6000:]
    assert "ended with status" not in log, log[-6000:]
