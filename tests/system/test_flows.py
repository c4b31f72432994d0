# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows through NAT: who may reach what, listed, ended."""

import json
import socket

import pytest

import lab as lab_module
from boxes import Box
from lab import eventually


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        yield daemon


@pytest.fixture(scope="module")
def box(lab, d):
    with Box(lab, d, "box-f", "lab") as b:
        yield b


def flows(d, *args):
    return json.loads(d.vnet("flow", "list", "--json", *args).out)["flows"]


def test_only_allowed_ports_of_the_host(lab, d, box):
    server = lab.host.who(8090, "0.0.0.0")
    lab.outside.who(8092)
    urls = ["http://%s:8090/" % ip
            for ip in (box.lease["router"], lab.host.address)]
    for url in urls:
        assert box.ns.fetch(url) is not None
    d.vnet("set", "lab", "--host-allow", "tcp:22,tcp:8000-8080")
    seen = len(server.seen)
    for url in urls:
        eventually("refused", lambda: box.ns.fetch(url, timeout=3) is None, 10)
    assert box.ns.fetch("http://%s:8092/" % lab.outside.address) is not None
    d.vnet("set", "lab", "--host-allow", "tcp:8090")
    eventually("allowed", lambda: box.ns.fetch(urls[0], timeout=3) is not None,
               10)
    d.vnet("set", "lab", "--host-allow", "all")
    assert len(server.seen) > seen


def test_flows_are_shown_and_a_killed_one_is_reset(lab, d, box):
    server = lab.outside.socket()
    server.bind((lab.outside.address, 7100))
    server.listen(2)
    mine = [box.ns.connect(lab.outside.address, 7100) for _ in range(2)]
    theirs = [server.accept()[0] for _ in range(2)]
    mine[0].sendall(b"x" * 100)
    theirs[0].settimeout(10)
    assert theirs[0].recv(100, socket.MSG_WAITALL) == b"x" * 100
    ports = [s.getsockname()[1] for s in mine]
    found = {f["guest_port"]: f for f in flows(d, "lab", "--proto", "tcp",
                                               "--port", "7100")}
    assert set(found) == set(ports)
    first = found[ports[0]]
    assert first["vm"] == "box-f" and first["guest"] == box.ip
    assert first["state"] == "established" and first["bytes_out"] == 100
    text = d.vnet("flow", "kill", "lab", "--id", str(first["id"])).out
    assert text == "1 flows ended\n"
    for s in (mine[0], theirs[0]):
        s.settimeout(10)
        with pytest.raises(ConnectionResetError):
            while s.recv(200):
                pass
    mine[1].sendall(b"still here")
    theirs[1].settimeout(10)
    assert theirs[1].recv(20) == b"still here"
    assert "1 flows ended" in d.vnet("flow", "kill", "box-f", "--port",
                                       "7100").out
    for s in mine + theirs + [server]:
        s.close()
