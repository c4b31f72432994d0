# SPDX-License-Identifier: GPL-2.0-or-later
"""DHCP as guests meet it: options of scopes, and what is remembered of an address."""

import contextlib
import socket

import pytest

import lab as lab_module
from boxes import Box
from lab import eventually


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        yield daemon


def test_messages_are_counted_and_shown(lab, d):
    d.vnet("define", "counted", "--mode", "nat", "--tftp", "/usr/share")
    with Box(lab, d, "box-a", "counted") as a:
        server = a.lease["server"]
        with contextlib.closing(a.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
            for port in (67, 69):
                s.sendto(b"no message at all", (server, port))

        def shown():
            n = d.vnet("show", "counted", json=True).data["counters"]
            return n if n["tftp"]["drops"].get("malformed") else None

        n = eventually("counted", shown)
        assert n["dhcp"]["discover"] >= 1 and n["dhcp"]["ack"] >= 1
        assert n["dhcp"]["drops"] == {"length": 1}
        text = d.vnet("show", "counted").out
        for line in ("dhcp.ack", "dhcp.drops.length", "tftp.drops.malformed"):
            assert line in text


def test_options_of_scopes_reach_a_guest(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host) as d:
        d.vnet("define", "lab", "--mode", "nat", "--leases-per-nic", "4")
        d.vnet("option", "set", "lab", "mtu=1300", "domain=corp.example")
        d.vnet("option", "set", "lab", "--vm", "box-a", "mtu=1400", "lease-time=300")
        refused = d.vnet("option", "set", "lab", "mtu=12", check=False)
        assert refused.status == 1 and "68" in refused.err
        with Box(lab, d, "box-a", "lab") as a, Box(lab, d, "box-b", "lab") as b:
            assert (a.lease["mtu"], a.lease["lease"]) == ("1400", "300")
            assert (b.lease["mtu"], b.lease["lease"]) == ("1300", "86400")
            assert a.lease["domain"] == "corp.example"
            d.vnet("option", "del", "lab", "--vm", "box-a")
            a.client.stop()
            a.client.start()
            assert a.client.lease()["mtu"] == "1300"
            d.kill()
            d.start()
            found = d.vnet("option", "list", "lab", json=True).data["options"]
            assert {o["name"]: o["value"] for o in found} == {
                "mtu": "1300", "domain": "corp.example", "leases-per-nic": "4"}


def test_previous_address_outlives_the_daemon(lab):
    """Released, then everything is killed: the guest gets its address back."""
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host) as d:
        d.vnet("define", "lab", "--mode", "nat")
        with Box(lab, d, "box-a", "lab") as a, Box(lab, d, "box-b", "lab") as b:
            was = b.ip
            a.client.release()
            b.client.release()

            def released():
                leases = d.vnet("lease", "list", "lab", "--all", json=True).data
                return {l["state"] for l in leases["leases"]} == {"released"}

            eventually("both released", released, 10)
            d.kill()
            d.start()
            b.client.start()
            assert b.client.lease()["ip"] == was
