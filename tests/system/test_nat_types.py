# SPDX-License-Identifier: GPL-2.0-or-later
"""What kind of NAT is it? An independent judge says: coturn's STUN server outside and
its turnutils_natdiscovery (RFC 5780) in guests."""

import concurrent.futures
import contextlib
import os
import re

import pytest

import lab as lab_module
from boxes import Box
from lab import eventually

FILTERS = {
    "endpoint-independent": "Endpoint Independent Filtering",
    "address-dependent": "Address Dependent Filtering",
    "address-and-port-dependent": "Address and Port Dependent Filtering",
}
DEFAULT = "address-and-port-dependent"
# the server needs two addresses (RFC 5780 6)
SECOND = {4: "203.0.113.3", 6: "2001:db8:113::3"}


def serve(ns, first, second, plen):
    ns.ip("addr", "add", "%s/%d" % (second, plen), "dev", "eth0")
    name = "%s/stun-%d" % (ns.dir, plen)
    with open(name + ".log", "w") as log:
        return ns.popen(lab_module.need_program("turnserver"), "-n", "--stun-only",
                        "--no-cli", "--no-tls", "--no-dtls", "--log-file=stdout",
                        "--simple-log", "--pidfile=" + name + ".pid",
                        "-L", first, "-L", second, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def stun(lab):
    """{family: the server's address}"""
    lab_module.need_program("turnserver")
    ns = lab.outside
    with contextlib.ExitStack() as stack:
        addresses = {4: ns.address, 6: ns.address6}
        for family, plen in ((4, 24), (6, 64)):
            stack.callback(lab_module.end, serve(
                ns, addresses[family], SECOND[family], plen))
        all_of_them = list(addresses.values()) + list(SECOND.values())
        eventually("the STUN servers listen", lambda: all(
            a in ns.run("ss", "-Hlun", "sport = :3478") for a in all_of_them))
        yield addresses


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def boxes(lab, d):
    """{filter: a guest of a network with it}"""
    with contextlib.ExitStack() as stack:
        made = {}
        for n, name in enumerate(FILTERS):
            d.vnet("define", "lab%d" % n, "--mode", "nat",
                   *(["--udp-filter", name] if name != DEFAULT else []))
            made[name] = stack.enter_context(
                Box(lab, d, "box%d" % n, "lab%d" % n))
        for b in made.values():
            eventually("an IPv6 address", lambda b=b: b.ns.addresses("eth0", 6))
        yield made


@pytest.fixture(scope="module")
def box(boxes):
    return boxes[DEFAULT]


class Verdict:
    """What turnutils_natdiscovery found out."""

    def __init__(self, box, server, *args, **more):
        self.text = box.ns.run(lab_module.need_program("turnutils_natdiscovery"),
                               *args, server, **more)
        self.mapped = [tuple(a.rsplit(":", 1)) for a in re.findall(
            r"UDP reflexive addr: (\S+)", self.text)]
        found = re.findall(r"NAT with (.*)!", self.text)
        self.kind = found[0] if found else None
        assert "ALG" not in re.sub("No ALG", "", self.text), self.text


def each(boxes, stun, *args, **more):
    """{(filter, family): Verdict}, found side by side: what never comes is waited for"""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        found = {(name, family): pool.submit(Verdict, box, server, *args, **more)
                 for name, box in boxes.items() for family, server in stun.items()}
    return {k: f.result() for k, f in found.items()}


@pytest.mark.parametrize("size", [(), ("-P",)], ids=["small", "fragmented"])
def test_mapping_is_endpoint_independent(lab, boxes, stun, size):
    """Whatever the filter."""
    for (_, family), verdict in each(boxes, stun, "-m", *size).items():
        assert verdict.kind == "Endpoint Independent Mapping", verdict.text
        assert len(verdict.mapped) == 2 and len(set(verdict.mapped)) == 1
        assert verdict.mapped[0][0] == (lab.host.address if family == 4 else
                                        lab.host.address6)


def test_filtering_is_what_was_asked_for(boxes, stun):
    assert {k: v.kind for k, v in each(boxes, stun, "-f").items()} == {
        (name, family): kind for name, kind in FILTERS.items() for family in stun}


def test_hairpin_is_supported(boxes, stun):
    """A guest reaches itself through its mapping, from another socket. Who the filter
    does not know is kept out on this way as on any other: RFC 4787 wants the same of it."""
    assert {k: "successful hairpinning" in v.text
            for k, v in each(boxes, stun, "-H").items()} == {
        (name, family): name == "endpoint-independent"
        for name in FILTERS for family in stun}


# RFC 4787 REQ-5: 300 s; whether they are 300 is a matter of patience
LIFETIMES = {290: True, 305: False} if os.environ.get("VNET_LONG") else {1: True}


def test_mappings_live_as_long_as_they_should(boxes, stun):
    """A second socket has the server answer to the first one's mapping."""
    for s, lives in LIFETIMES.items():
        for k, v in each(boxes, stun, "-t", "-T", str(s), timeout=s + 60).items():
            assert ("RFC 5780 response 2" in v.text) == lives, (k, s, v.text)


def test_a_mapping_that_has_ended_hears_nothing(d, box, stun):
    """As above, with an end in between: the judge does notice."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        found = pool.submit(Verdict, box, stun[4], "-t", "-T", "3")
        eventually("it is over", lambda: d.vnet(
            "flow", "kill", box.name, "--port", "3478").out == "1 flows ended\n")
        assert "RFC 5780 response 2" not in found.result().text


def test_two_guests_with_one_port_get_two(lab, box, stun):
    """RFC 4787: no overloading (REQ-3), parity kept where it can be (REQ-4)."""
    second = box.ip.rsplit(".", 1)[0] + ".200"
    box.ns.ip("addr", "add", second + "/24", "dev", "eth0")
    try:
        verdict = Verdict(box, stun[4], "-c", "-L", box.ip, "-l", "5555", "-A", second)
    finally:
        box.ns.ip("addr", "del", second + "/24", "dev", "eth0")
    (_, first), (_, other) = verdict.mapped
    assert first == "5555" and other != first, verdict.text
    assert int(other) % 2, verdict.text
