# SPDX-License-Identifier: GPL-2.0-or-later
"""Forwards: from everywhere, to where they should lead, and changed while they work.
One daemon and two boxes (namespaces) as guests serve the whole file."""

import contextlib
import os
import socket
import threading
import time

import pytest

import lab as lab_module
from boxes import Box
from lab import eventually

KERNEL = lab_module.DATAPATH == "kernel"
LATER = "198.18.77.9"   # an address that the host does not have at first


class Talk:
    """A TCP and UDP server that says its name and whom it sees, then echoes."""

    def __init__(self, ns, name, port):
        self.name = name
        self.tcp = ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.udp = ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for s in (self.tcp, self.udp):
            s.bind(("0.0.0.0", port))
        self.tcp.listen(16)
        for job in (self._tcp, self._udp):
            threading.Thread(target=job, daemon=True).start()

    def _greeting(self, peer):
        return ("%s %s %d\n" % (self.name, *peer)).encode()

    def _tcp(self):
        with contextlib.suppress(OSError):
            while True:
                conn, peer = self.tcp.accept()
                threading.Thread(target=self._one, args=(conn, peer),
                                 daemon=True).start()

    def _one(self, conn, peer):
        with contextlib.suppress(OSError), contextlib.closing(conn):
            conn.sendall(self._greeting(peer))
            while True:
                data = conn.recv(4096)
                if not data:
                    return
                conn.sendall(data)

    def _udp(self):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.udp.recvfrom(4096)
                if peer is None:
                    return
                self.udp.sendto(self._greeting(peer) + data, peer)

    def close(self):
        for s in (self.tcp, self.udp):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


class Tcp:
    """A connection to a Talk: .name, .sees; alive() says something through it."""

    def __init__(self, ns, address, port, timeout=10):
        self.sock = ns.connect(address, port, timeout)
        self.local = self.sock.getsockname()
        line = b""
        try:
            while not line.endswith(b"\n"):
                got = self.sock.recv(200)
                if not got:
                    raise ConnectionResetError("ended")
                line += got
        except OSError:
            self.sock.close()
            raise
        self.name, self.sees, self.port = line.decode().split()

    def alive(self):
        try:
            self.sock.sendall(b"x")
            return self.sock.recv(10) == b"x"
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()


def udp_ask(ns, address, port, sock=None, tries=3, wait=3):
    """What a Talk says over UDP: (name, whom it sees, from where it answered)."""
    with contextlib.ExitStack() as stack:
        if sock is None:
            sock = stack.enter_context(contextlib.closing(
                ns.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        sock.settimeout(wait)
        for left in range(tries, 0, -1):
            sock.sendto(b"?", (address, port))
            try:
                data, peer = sock.recvfrom(200)
                break
            except OSError:
                if left == 1:
                    raise
        name, sees, _ = data.decode().splitlines()[0].split()
        return name, sees, peer


def name_at(ns, address, port):
    """Who answers there over TCP; None when nobody does."""
    with contextlib.suppress(OSError):
        with Tcp(ns, address, port) as t:
            return t.name
    return None


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        yield daemon


@pytest.fixture(scope="module")
def pair(lab, d):
    with Box(lab, d, "box-a", "lab") as a, Box(lab, d, "box-b", "lab") as b, \
            contextlib.closing(Talk(a.ns, "a", 80)), \
            contextlib.closing(Talk(a.ns, "a81", 81)), \
            contextlib.closing(Talk(b.ns, "b", 80)):
        yield a, b


@pytest.fixture
def forward(d):
    """Makes forwards as API objects; they are gone when the test is over."""
    made = []

    def add(spec, network="lab"):
        f = d.vnet("forward", "add", network, *spec.split(), json=True).data
        made.append(f["id"])
        return f
    yield add
    for ident in made:
        d.vnet("forward", "del", str(ident), check=False)


def state(d, ident):
    [f] = [f for f in d.vnet("forward", "list", json=True).data["forwards"]
           if f["id"] == ident]
    return f


def test_from_everywhere_and_the_guest_sees_who_it_is(lab, d, pair, forward):
    a, b = pair
    f = forward("tcp:8080:box-a:80")
    forward("udp:8080:box-a:80")
    host, gateway = lab.host.address, a.lease["router"]
    hairpin = gateway if KERNEL else host
    for what, ns, to, seen in (
            ("another network", lab.outside, host, lab.outside.address),
            ("the LAN", lab.lan, host, lab.lan.router),
            ("the host's loopback", lab.host, "127.0.0.1", gateway),
            ("the host's own address", lab.host, host, host),
            ("another guest", b.ns, host, hairpin),
            ("another guest, by the gateway", b.ns, gateway, hairpin),
            ("the target itself", a.ns, host, hairpin),
            ("the target, by the gateway", a.ns, gateway, hairpin)):
        with Tcp(ns, to, 8080) as t:
            assert (t.name, t.sees) == ("a", seen), what
            if seen == ns.__dict__.get("address"):
                assert int(t.port) == t.local[1], what
            assert t.alive(), what
        assert udp_ask(ns, to, 8080) == ("a", seen, (to, 8080)), what
    if KERNEL:
        return      # it counts nothing yet
    now = state(d, f["id"])["stats"]
    assert now["accepted"] == 8 and now["refused"] == 0
    assert now["bytes_in"] == 8 and now["bytes_out"] > 8 * 10


def test_udp_hairpin_has_the_external_source(lab, pair, forward):
    """RFC 4787 REQ-9a: address and port of the mapping, as the outside sees it."""
    lab_module.not_in_the_kernel("its hairpin has the gateway's address")
    a, b = pair
    forward("udp:8081:box-a:80")
    lab.outside.udp_echo(7100)
    with contextlib.closing(b.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
        s.settimeout(5)
        s.sendto(b"?", (lab.outside.address, 7100))
        s.recvfrom(100)
        mapped = lab.outside._servers[-1].seen[-1]
        s.sendto(b"?", (lab.host.address, 8081))
        data, peer = s.recvfrom(100)
        assert data.decode().split()[:3] == ["a", mapped[0], str(mapped[1])]
        assert peer == (lab.host.address, 8081)


def test_udp_answers_come_from_where_it_was_sent_to(lab, pair, forward):
    forward("udp:8082:box-a:80")
    lab.host.ip("addr", "add", "192.168.77.11/32", "dev", "eth0")
    try:
        with contextlib.closing(lab.lan.socket(
                socket.AF_INET, socket.SOCK_DGRAM)) as s:
            for to in (lab.host.address, "192.168.77.11", lab.host.address):
                assert udp_ask(None, to, 8082, s)[2] == (to, 8082)
    finally:
        lab.host.ip("addr", "del", "192.168.77.11/32", "dev", "eth0")


def test_another_target_ends_its_connections_and_no_others(lab, d, pair, forward):
    one, other = forward("tcp:8083:box-a:80"), forward("tcp:8084:box-a:80")
    with Tcp(lab.outside, lab.host.address, 8083) as ended, \
            Tcp(lab.outside, lab.host.address, 8084) as stays:
        assert KERNEL or state(d, one["id"])["stats"]["clients"] == 1
        d.vnet("forward", "set", str(one["id"]), "--to", "box-b:80")
        # The kernel's connections are looked through beside all else.
        eventually("it ended", lambda: not ended.alive(), 10 if KERNEL else 0)
        assert stays.alive()
        assert name_at(lab.outside, lab.host.address, 8083) == "b"
        d.vnet("forward", "set", str(one["id"]), "--to", pair[0].ip + ":81")
        assert name_at(lab.outside, lab.host.address, 8083) == "a81"
        assert stays.alive()
    d.vnet("forward", "del", "lab", "tcp:8083")
    assert name_at(lab.outside, lab.host.address, 8083) is None
    assert name_at(lab.outside, lab.host.address, 8084) == "a"
    assert state(d, other["id"])["state"] == "active"


def test_another_host_port_leaves_connections_alone(lab, d, pair, forward):
    ident = str(forward("tcp:8085:box-a:80")["id"])
    with Tcp(lab.outside, lab.host.address, 8085) as t:
        d.vnet("forward", "set", "lab", "tcp:8085", "--host-port", "8086")
        assert name_at(lab.outside, lab.host.address, 8085) is None
        assert name_at(lab.outside, lab.host.address, 8086) == "a"
        # from any address to one and back: both cannot listen at once
        d.vnet("forward", "set", ident, "--bind", "127.0.0.1")
        assert name_at(lab.outside, lab.host.address, 8086) is None
        assert name_at(lab.host, "127.0.0.1", 8086) == "a"
        d.vnet("forward", "set", ident, "--bind", "any")
        assert name_at(lab.outside, lab.host.address, 8086) == "a"
        assert t.alive()
        # what cannot be had changes nothing
        with contextlib.closing(lab.host.socket(
                socket.AF_INET, socket.SOCK_STREAM)) as s:
            s.bind(("127.0.0.1", 8087))
            s.listen(1)
            done = d.vnet("forward", "set", ident, "--host-port", "8086-8087",
                          check=False)
            assert done.status == 1 and str(os.getpid()) in done.err, done
        assert t.alive()
        assert name_at(lab.outside, lab.host.address, 8086) == "a"


def test_udp_forward_changes_its_address(lab, d, pair, forward):
    # a privileged one: the helper makes the socket that shares it for a moment
    ident = str(forward("udp:688:box-a:80")["id"])
    host = lab.host.address
    with contextlib.closing(lab.outside.socket(
            socket.AF_INET, socket.SOCK_DGRAM)) as s:
        first = udp_ask(None, host, 688, s)
        d.vnet("forward", "set", ident, "--bind", host)
        assert udp_ask(None, host, 688, s) == first
        assert KERNEL or state(d, int(ident))["stats"]["accepted"] == 1, \
            "the same client"
        with pytest.raises(OSError):
            udp_ask(lab.host, "127.0.0.1", 688, tries=1, wait=0.5)
        d.vnet("forward", "set", ident, "--bind", "any")
        assert udp_ask(None, host, 688, s) == first
    assert udp_ask(lab.host, "127.0.0.1", 688)[0] == "a"
    # nobody else may share the port for all that
    with contextlib.closing(lab.host.socket(
            socket.AF_INET, socket.SOCK_DGRAM)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError):
            s.bind(("0.0.0.0", 688))


def test_range_leads_in_parallel_and_moves_by_one(lab, d, pair, forward):
    host = lab.host.address
    ident = str(forward("tcp:8090-8091:box-a:80-81")["id"])
    with Tcp(lab.outside, host, 8091) as t:
        assert (name_at(lab.outside, host, 8090), t.name) == ("a", "a81")
        d.vnet("forward", "set", ident, "--host-port", "8091-8092")
        assert (name_at(lab.outside, host, 8091),
                name_at(lab.outside, host, 8092)) == ("a", "a81")
        assert name_at(lab.outside, host, 8090) is None
        assert t.alive()
    for args, says in (
            (("add", "lab", "tcp:8092-8095:box-b"), "is in the way, it has ports"),
            (("set", ident, "--to", "box-a:9"), "2 ports of the host lead to")):
        done = d.vnet("forward", *args, check=False)
        assert done.status == 1 and says in done.err, done


def test_a_port_is_free_when_its_forward_is_gone(d, pair):
    for proto in ("tcp", "udp"):
        for _ in range(5):
            d.vnet("forward", "add", "lab", proto + ":8093:box-a:80")
            d.vnet("forward", "del", "lab", proto + ":8093")


def test_an_address_that_comes_later_is_taken(lab, d, pair, forward):
    with d.api() as api:
        api.call("events.subscribe", types=["forward"])
        f = forward("--host-port 8094 --to box-a:80 --bind " + LATER)
        assert (f["state"], f["reason"]) == (
            "waiting", "address %s is not on this host yet" % LATER)
        try:
            lab.host.ip("addr", "add", LATER + "/32", "dev", "lo")
            came = time.monotonic()
            eventually("bound", lambda: state(d, f["id"])["state"] == "active", 10)
            assert time.monotonic() - came < 3, "a second, and a busy machine"
            assert name_at(lab.host, LATER, 8094) == "a"
            lab.host.ip("addr", "del", LATER + "/32", "dev", "lo")
            eventually("gone", lambda: state(d, f["id"])["reason"] ==
                       "address %s is not on this host any more" % LATER, 10)
            lab.host.ip("addr", "add", LATER + "/32", "dev", "lo")
            eventually("back", lambda: state(d, f["id"])["state"] == "active", 10)
            assert name_at(lab.host, LATER, 8094) == "a"
        finally:
            lab.host.run("ip", "addr", "del", LATER + "/32", "dev", "lo",
                         check=False)
        eventually("gone again", lambda: state(d, f["id"])["state"] == "waiting")
        while api.event("forward.state", timeout=10)["state"] != "active":
            pass


def test_busy_when_the_network_starts_then_free(lab, d):
    """Its own network: the other one's guests go on."""
    d.vnet("define", "late", "--mode", "nat")
    try:
        d.vnet("stop", "late")
        f = d.vnet("forward", "add", "late", "tcp:8095:10.0.3.99:80",
                   json=True).data
        with contextlib.closing(lab.host.socket(
                socket.AF_INET, socket.SOCK_STREAM)) as s:
            s.bind(("0.0.0.0", 8095))
            s.listen(1)
            d.vnet("start", "late")
            now = state(d, f["id"])
            assert now["state"] == "failed"
            assert "(pid %d)" % os.getpid() in now["reason"]
        eventually("bound", lambda: state(d, f["id"])["state"] == "active", 20)
    finally:
        d.vnet("undefine", "late")


def test_a_guests_flow_that_has_the_port_is_named(lab, d, pair):
    lab_module.not_in_the_kernel("no socket of the host's stands for a guest's flow")
    lab.outside.udp_echo(7101)
    with contextlib.closing(pair[0].ns.socket(
            socket.AF_INET, socket.SOCK_DGRAM)) as s:
        s.bind((pair[0].ip, 8096))
        s.settimeout(5)
        s.sendto(b"?", (lab.outside.address, 7101))
        s.recvfrom(10)
        done = d.vnet("forward", "add", "lab", "udp:8096:box-b:80", check=False)
    assert done.status == 1
    assert "in use by a guest's flow of network lab" in done.err, done


def test_guests_of_other_networks_come_as_the_lan_does(lab, d, pair, forward):
    """Through the host's address, as anybody; the subnet itself stays denied, and
    with host access off there is no way. Who has the host's loopback has it all (the
    kernel leads to it, but not on to a forward)."""
    a, host = pair[0], lab.host.address
    forward("tcp:8097:box-a:80")
    forward("tcp:127.0.0.1:8098:box-a:80")
    for network, access, reached, loopback in (
            ("open", "address", "a", None), ("shut", "off", None, None),
            ("local", "loopback", "a", None if KERNEL else "a")):
        d.vnet("define", network, "--mode", "nat", "--host-access", access)
        try:
            with Box(lab, d, "box-" + network, network) as box:
                assert name_at(box.ns, a.ip, 80) is None
                assert name_at(box.ns, host, 8097) == reached
                assert name_at(box.ns, box.lease["router"], 8097) == reached
                assert name_at(box.ns, box.lease["router"], 8098) == loopback
        finally:
            d.vnet("undefine", network)


def test_it_follows_the_vm(lab, d, pair, forward):
    """To another address, away to another network and back again."""
    a, host = pair[0], lab.host.address
    f = forward("tcp:8099:box-a:80")
    was = a.ip

    def ask_again():
        a.client.stop()
        a.client.start()
        a.ip = a.client.lease()["ip"]
    try:
        for ip in ("10.0.2.77", was):
            d.vnet("lease", "release", "lab", a.ip)
            d.vnet("reserve", "add", "lab", "box-a", ip)
            ask_again()
            assert a.ip == ip
            assert name_at(lab.outside, host, 8099) == "a"
            d.vnet("reserve", "del", "lab", ip)
    finally:
        d.vnet("reserve", "del", "lab", "10.0.2.77", check=False)
    d.vnet("define", "away", "--mode", "nat")
    try:
        d.vnet("move", "box-a", "--network", "away")
        assert state(d, f["id"])["reason"] == "VM box-a has no NIC on network lab"
        assert name_at(lab.outside, host, 8099) is None
        d.vnet("move", "box-a", "--network", "lab")
        ask_again()     # as a guest does whose cable was pulled
        assert name_at(lab.outside, host, 8099) == "a"
    finally:
        d.vnet("undefine", "away")


def test_what_was_set_is_kept_over_a_restart(lab, d, pair, forward):
    ident = forward("tcp:8100:box-a:80")["id"]
    d.vnet("forward", "set", str(ident), "--host-port", "8101-8102", "--bind",
           "127.0.0.1", "--to", "10.0.2.99:90-91")
    before = state(d, ident)
    d.kill()
    d.start()
    eventually("up", lambda: state(d, ident)["state"] == "active")
    after = state(d, ident)
    for key in ("id", "address", "port", "port_end", "to_vm", "to_address",
                "to_port"):
        assert before[key] == after[key], key
    assert (after["port"], after["to_address"]) == (8101, "10.0.2.99")
