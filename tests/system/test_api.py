# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket against clients of every kind: bad JSON, wrong types, floods,
slow readers, strangers."""

import contextlib
import json
import os
import select
import socket
import subprocess
import time

import pytest

import lab as lab_module
from lab import eventually


@pytest.fixture
def api(vnetd):
    with vnetd.api() as a:
        yield a


def error_of(api, raw):
    api.send_raw(raw)
    return api.receive(5)["error"]


@pytest.mark.parametrize("raw,code", [
    (b"{\n", -32700), (b"nonsense\n", -32700), (b"\n", -32700),
    (b'{"a":\n', -32700), (b"\xff\xfe\n", -32700), (b'{"a":1,"a":2}\n', -32700),
    (b"[" * 5000 + b"\n", -32700), (b'{"a":"\\u0000"}\n', -32700), (b"1\n", -32600), (b'"x"\n', -32600),
    (b"{}\n", -32600), (b'{"jsonrpc":"2.0","id":1,"method":5}\n', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"no.such"}\n', -32601),
    (b'{"jsonrpc":"2.0","id":1,"method":"network.show","params":7}\n', None),
])
def test_malformed(api, raw, code):
    got = error_of(api, raw)
    assert got["message"]
    assert got["code"] == code or code is None
    assert api.call("daemon.info")["pid"]


@pytest.mark.parametrize("method,params", [
    ("network.define", {}), ("network.define", {"name": "x"}),
    ("network.define", {"name": 5, "mode": "nat"}),
    ("network.define", {"name": "x", "mode": "warp"}),
    ("network.define", {"name": "", "mode": "nat"}),
    ("network.define", {"name": "a/b", "mode": "nat"}),
    ("network.define", {"name": "../../x", "mode": "nat"}),
    ("network.define", {"name": "x" * 500, "mode": "nat"}),
    ("network.define", {"name": "x", "mode": "nat", "mtu": "big"}),
    ("network.define", {"name": "x", "mode": "nat", "mtu": 5}),
    ("network.define", {"name": "x", "mode": "nat", "mtu": 1 << 40}),
    ("network.define", {"name": "x", "mode": "nat", "subnet": "10.0.0.1/8"}),
    ("network.define", {"name": "x", "mode": "nat", "subnet": "10.0.0.0/31"}),
    ("network.define", {"name": "x", "mode": "nat", "subnet": "127.0.0.0/8"}),
    ("network.define", {"name": "x", "mode": "nat", "dhcp": "1.2.3.4-1.2.3.9"}),
    ("network.define", {"name": "x", "mode": "nat", "nosuch": 1}),
    ("network.define", {"name": "x", "mode": "bridged", "datapath": "kernel",
                        "uplink_mode": "tap-in"}),
    ("network.show", {"name": "nosuch"}), ("network.start", {"name": "nosuch"}),
    ("nic.attach", {"vm": "v", "network": "nosuch"}),
    ("nic.attach", {"vm": "v", "network": "lab", "mac": "zz"}),
    ("nic.attach", {"vm": "v", "network": "lab", "mac": "01:00:5e:00:00:01"}),
    ("nic.attach", {"vm": "v", "network": "lab", "type": "fd"}),
    ("nic.attach", {"vm": "v", "network": "lab", "type": "fd", "fd": 99}),
    ("nic.attach", {"vm": "v", "network": "lab", "type": "netns",
                    "netns": "/etc/passwd"}),
    ("nic.attach", {"vm": "v", "network": "lab", "nic": -1}),
    ("nic.detach", {"vm": "nosuch"}), ("nic.link", {"vm": "nosuch", "up": True}),
    ("forward.add", {"network": "lab", "proto": "tcp", "port": 0,
                     "to_address": "10.0.2.15"}),
    ("forward.add", {"network": "lab", "proto": "tcp", "port": 70000,
                     "to_address": "10.0.2.15"}),
    ("forward.add", {"network": "lab", "proto": "icmp", "port": 1,
                     "to_address": "10.0.2.15"}),
    ("forward.add", {"network": "lab", "proto": "tcp", "port": 9000,
                     "to_address": "192.0.2.1"}),
    ("forward.add", {"network": "lab", "proto": "tcp", "port": 9000,
                     "address": "224.0.0.1", "to_address": "10.0.2.15"}),
    ("forward.add", {"network": "lab", "proto": "tcp", "port": 9000,
                     "port_end": 8000, "to_address": "10.0.2.15"}),
    ("forward.del", {"id": 12345}),
    ("reserve.add", {"network": "lab", "mac": "52:54:00:00:00:01",
                     "address": "10.99.0.1"}),
    ("lease.release", {"network": "lab", "address": "10.0.2.99"}),
])
def test_refusals_have_a_sentence(vnetd, api, method, params):
    api.call("network.define", name="lab", mode="nat")
    with pytest.raises(lab_module.ApiError) as e:
        api.call(method, params)
    assert len(e.value.message) > 10 and e.value.code < 0
    assert [n["name"] for n in api.call("network.list")["networks"]] == ["lab"]
    assert api.call("nic.list")["nics"] == []
    assert api.call("forward.list")["forwards"] == []


def test_discover_describes_every_method(api):
    methods = {m["name"]: m for m in api.call("rpc.discover")["methods"]}
    for name in ("network.define", "nic.attach", "nic.addresses", "forward.add",
                 "lease.list", "reserve.add", "events.subscribe", "daemon.info"):
        assert methods[name]["summary"]
        assert methods[name]["right"] in ("read", "use", "admin")
    for m in methods.values():
        for p in m["params"]:
            assert p["name"] and p["type"] and p["summary"]


def test_pipelined_requests_are_answered(api):
    ids = [api.begin("daemon.info") for _ in range(200)]
    for i in ids:
        assert api.finish(i)["pid"]


def test_one_byte_at_a_time(api):
    for b in b'{"jsonrpc":"2.0","id":77,"method":"daemon.info"}\n':
        api.send_raw(bytes([b]))
    assert api.receive()["id"] == 77


def closed(api, timeout=10):
    """Does the daemon close this client (after an error line, perhaps)?"""
    try:
        while True:
            api.receive(timeout)
    except lab_module.ApiClosed:
        return True
    except socket.timeout:
        return False


def test_a_line_without_end(vnetd, api):
    with contextlib.suppress(OSError):
        for _ in range(64):
            api.send_raw(b"x" * 65536)
    assert closed(api)
    assert vnetd.vnet("list").status == 0


def test_too_many_descriptors(vnetd, api):
    null = os.open("/dev/null", os.O_RDONLY)
    try:
        with vnetd.no_fd_growth():
            with contextlib.suppress(OSError):
                for _ in range(10):
                    api.send_raw(b" ", [null] * 50)
            assert closed(api)
    finally:
        os.close(null)
    assert vnetd.vnet("list").status == 0


def test_descriptors_of_refused_requests_do_not_pile_up(vnetd, api):
    null = os.open("/dev/null", os.O_RDONLY)
    assert api.call("daemon.info")      # our connection is counted before, too
    try:
        with vnetd.no_fd_growth():
            for n in range(40):
                with pytest.raises(lab_module.ApiError):
                    api.call("nic.attach", {"vm": "v", "network": "nosuch",
                                            "type": "fd", "fd": n}, fds=[null])
            for n in range(40, 60):
                with pytest.raises(lab_module.ApiError):
                    api.call("nic.connect", {"vm": "nosuch", "fd": n}, fds=[null])
    finally:
        os.close(null)


@pytest.mark.parametrize("what", ["lease", "reserve", "forward"])
def test_a_list_of_an_unknown_network_is_refused(vnetd, what):
    done = vnetd.vnet(what, "list", "nosuch", check=False)
    assert done.status == 1 and "nosuch" in done.err


def test_a_slow_reader_is_closed(vnetd, api):
    """It asks and asks and reads nothing: first its requests wait, then it goes."""
    request = json.dumps({"jsonrpc": "2.0", "id": 1,
                          "method": "rpc.discover"}).encode() + b"\n"
    api.sock.settimeout(3)
    with contextlib.suppress(OSError):
        for _ in range(20000):
            api.sock.sendall(request)
    with vnetd.api() as other:
        assert other.call("daemon.info")["pid"]
    eventually("closed by the daemon", lambda: "POLLHUP" in poll_of(api.sock), 60)


def poll_of(sock):
    poller = select.poll()
    poller.register(sock, 0)
    return ["POLLHUP" for _, e in poller.poll(0) if e & select.POLLHUP]


def test_many_clients(vnetd):
    clients = []
    for _ in range(200):
        with contextlib.suppress(OSError):
            clients.append(lab_module.Api(vnetd.socket, 5))
    answered = 0
    for c in clients:
        with contextlib.suppress(lab_module.ApiClosed, OSError):
            c.call("daemon.info", timeout=3)
            answered += 1
        c.close()
    assert 16 <= answered < 200
    eventually("answers again", lambda: vnetd.vnet("list", check=False).status == 0)


def test_strangers_may_look_and_no_more(vnetd):
    with lab_module.as_user("nobody"):
        stranger = vnetd.api()
    with stranger:
        assert stranger.call("network.list")["networks"] == []
        with pytest.raises(lab_module.ApiError) as e:
            stranger.call("network.define", name="x", mode="nat")
        assert e.value.code == -32003


def test_events(vnetd, api):
    api.call("events.subscribe")
    vnetd.vnet("define", "lab", "--mode", "nat")
    assert api.event("network.defined", network="lab")
    vnetd.vnet("attach", "vm", "--network", "lab")
    assert api.event("nic.attached", vm="vm")
    vnetd.vnet("link", "vm", "down")
    assert api.event("nic.link", vm="vm")
    vnetd.vnet("forward", "add", "lab", "tcp:9999:vm:80")
    assert api.event("forward.added")
    vnetd.vnet("detach", "vm")
    assert api.event("nic.detached", vm="vm")
    vnetd.vnet("undefine", "lab", "--force")
    assert api.event("network.undefined", network="lab")


def test_a_subscriber_that_does_not_read_hears_how_much_it_missed(vnetd, api):
    """Its queue is bounded; the rest of the daemon goes on; what was lost is told."""
    api.call("events.subscribe")
    with vnetd.api() as other:
        other.call("network.define", name="lab", mode="nat")
        other.call("nic.attach", vm="vm", network="lab")
        for n in range(6000):
            other.call("nic.link", vm="vm", up=bool(n % 2))
    assert api.event("events.missed", timeout=20)["count"] > 0
    assert api.call("daemon.info")["pid"]


def test_exit_codes(vnetd):
    assert vnetd.vnet("list", check=False).status == 0
    assert vnetd.vnet("show", "nosuch", check=False).status == 1
    assert vnetd.vnet("frobnicate", check=False).status == 2
    assert vnetd.vnet("define", check=False).status == 2
    nobody_there = subprocess.run([lab_module.binary("vnet"), "--socket",
                                   "/nonexistent", "list"],
                                  stderr=subprocess.PIPE)
    assert nobody_there.returncode == 3 and nobody_there.stderr


def test_two_daemons_may_not_share_a_store(vnetd):
    second = lab_module.Vnetd(ns=vnetd.ns)
    second.args = ["--runtime-dir", second.runtime, "--state-dir", vnetd.state]
    try:
        second.launch()
        assert second.proc.wait(10) == 1
        assert str(vnetd.pid) in second.log() and vnetd.state in second.log()
    finally:
        second.close()
    assert vnetd.vnet("list").status == 0


def test_second_instance_is_refused(vnetd):
    second = lab_module.Vnetd(ns=vnetd.ns)
    second.args = vnetd.args
    try:
        second.launch()
        assert second.proc.wait(10) == 1
        assert "already" in second.log() or "running" in second.log()
    finally:
        second.close()
    assert vnetd.vnet("list").status == 0
