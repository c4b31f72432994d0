# SPDX-License-Identifier: GPL-2.0-or-later
"""A laptop's life: vnetd starts on no network at all, networks come and go, addresses
change. What was bound to an address that is gone ends at once, all else goes on."""

import contextlib
import errno
import socket
import threading
import time

import pytest

import lab as lab_module
from boxes import Box
from lab import eventually

IP_RECVERR = 11
NAME = "who.example.org"
WIFI, CAFE = 20, 21             # the laptop's addresses on the LAN, by number
CABLE, FAR_END = "198.18.5.2", "198.18.5.1"     # another uplink's
UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH)


class Laptop(lab_module.Netns):
    """A machine with one cable; its addresses are 192.168.77.N and fd77:0:0:77::N."""

    def __init__(self, lan):
        super().__init__("laptop", resolv="")
        self.lan = lan

    def plug(self):
        self.lan.plug(self)
        self.set_resolv("nameserver %s\n" % self.lan.router)

    def have(self, n):
        """One more address, and the way out from it."""
        self.ip("addr", "add", self.lan.at(n), "dev", "eth0")
        self.ip("addr", "add", self.lan.at6(n), "dev", "eth0")
        self.ip("route", "replace", "default", "via", self.lan.router,
                "src", str(self.lan.net[n]))
        self.ip("-6", "route", "replace", "default", "via", self.lan.router6,
                "src", str(self.lan.net6[n]))

    def lose(self, n):
        self.ip("addr", "del", self.lan.at(n), "dev", "eth0")
        self.ip("addr", "del", self.lan.at6(n), "dev", "eth0")

    def unplug(self):
        self.ip("link", "del", "eth0")
        self.set_resolv("")


@pytest.fixture(scope="module")
def lan():
    lab_module.need_root()
    with lab_module.Lan() as it:
        it.serve(names={NAME: "198.51.100.7"})
        it.ip("addr", "add", FAR_END + "/24", "dev", "br0")
        yield it


@pytest.fixture(scope="module")
def laptop(lan):
    with Laptop(lan) as it:
        yield it


@pytest.fixture(scope="module")
def d(laptop):
    """vnetd, started where there is nothing, not even the loopback."""
    lab_module.need_vnetd()
    laptop.ip("link", "set", "lo", "down")
    with lab_module.Vnetd(ns=laptop, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat", "--host-access", "loopback")
        yield daemon


@pytest.fixture(scope="module")
def box(lan, laptop, d):
    with Box(lan, d, "box", "lab") as b:
        eventually("an IPv6 address", lambda: b.ns.addresses("eth0", 6))
        yield b


@pytest.fixture
def cable(lan, uplink, server, call):
    """Another uplink, and .gone(): its address is taken away, and waited until that
    has been judged, and with it all that vanished before."""
    lan.plug(uplink, "eth1")
    uplink.ip("addr", "add", CABLE + "/24", "dev", "eth1")
    conn = call(FAR_END, server.port)
    assert seen(conn) == CABLE

    def gone():
        uplink.ip("addr", "del", CABLE + "/24", "dev", "eth1")
        ends(conn)
    uplink.cable_gone = gone
    yield conn
    uplink.ip("link", "del", "eth1")


@pytest.fixture
def uplink(laptop, box):
    """The laptop is on the LAN."""
    laptop.ip("link", "set", "lo", "up")
    laptop.plug()
    laptop.have(WIFI)
    eventually("NAT works", lambda: box.ns.ping(laptop.lan.router))
    yield laptop
    laptop.unplug()


class Server(threading.Thread):
    """Answers each line with who it sees, on every connection."""

    def __init__(self, ns, address=""):
        super().__init__(daemon=True)
        self.sock = ns.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                              socket.SOCK_STREAM)
        self.sock.bind((address, 0))
        self.sock.listen(16)
        self.port = self.sock.getsockname()[1]
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                conn, peer = self.sock.accept()
                threading.Thread(target=self.serve, args=(conn, peer[0]),
                                 daemon=True).start()

    @staticmethod
    def serve(conn, peer):
        with contextlib.suppress(OSError), conn:
            while conn.recv(1000):
                conn.sendall(peer.encode())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


@pytest.fixture(scope="module")
def server(lan):
    with Server(lan) as s:
        yield s


@pytest.fixture(scope="module")
def server6(lan):
    with Server(lan, "::") as s:
        yield s


@pytest.fixture
def call(box):
    """call(ADDRESS, PORT): a connection of the guest's."""
    with contextlib.ExitStack() as stack:
        yield lambda *to: stack.enter_context(box.ns.connect(*to, timeout=20))


def seen(sock):
    """Who the server sees."""
    sock.sendall(b"who?\n")
    return sock.recv(1000).decode()


def ends(sock, within=10):
    """It is reset though nobody sends anything; seconds until then."""
    start = time.monotonic()
    sock.settimeout(within)
    with pytest.raises(ConnectionResetError):
        sock.recv(1)
    return time.monotonic() - start


def fails(box, *to):
    """The error of a guest's connection, that must be told quickly."""
    start = time.monotonic()
    with pytest.raises(OSError) as e:
        box.ns.connect(*to, timeout=20).close()
    assert time.monotonic() - start < 5
    return e.value.errno


def ask(box, name, *more):
    return box.ns.run(lab_module.need_program("dig"), "@10.0.2.3", "+tries=1", "+time=12",
                      *more, name, check=False).split("\n")


def test_no_uplink_at_all(lan, d, box):
    """What needs no outside works; the outside is refused, honestly and soon."""
    assert box.ip == "10.0.2.15"
    assert box.ns.ping("10.0.2.2")
    assert ask(box, "box.lab.vnet", "+short")[0] == box.ip
    assert fails(box, lan.router, 80) in UNREACHABLE
    # a host that has no IPv6 address at all, as without ::1: reset
    assert fails(box, lan.router6, 80) in UNREACHABLE + (errno.ECONNREFUSED,)
    with box.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        s.connect((lan.router, 7))
        s.send(b"hello")
        with pytest.raises(OSError) as e:
            s.recv(1)
        assert e.value.errno in UNREACHABLE
    assert any("unreachable" in l.lower() for l in box.ns.run(
        "ping", "-n", "-c", "1", "-W", "5", lan.router, check=False).split("\n"))
    # no resolver: said so
    assert any("SERVFAIL" in l for l in ask(box, NAME))


def test_the_uplink_appears(lan, laptop, uplink, box, server, call):
    """Nothing is restarted."""
    assert seen(call(lan.router, server.port)) == str(lan.net[WIFI])
    assert box.ns.ping(lan.router6)
    eventually("the resolver is known",
               lambda: ask(box, NAME, "+short")[0] == "198.51.100.7")
    with Server(laptop, "127.0.0.1") as local:
        assert seen(call("10.0.2.2", local.port)) == "127.0.0.1"


def test_another_address(lan, uplink, cable, box, server, server6, call):
    """From Wi-Fi to Wi-Fi, with a cable beside: all at the same time."""
    echo = lan.udp_echo(0)
    old, old6 = call(lan.router, server.port), call(lan.router6, server6.port)
    with Server(uplink, "127.0.0.1") as local, \
            box.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        host = call("10.0.2.2", local.port)
        assert [seen(s) for s in (old, old6, cable, host)] == [
            str(lan.net[WIFI]), str(lan.net6[WIFI]), CABLE, "127.0.0.1"]
        udp.settimeout(10)
        udp.bind((box.ip, 6300))
        udp.sendto(b"hello", (lan.router, echo.port))
        assert udp.recv(100) == b"hello"

        uplink.lose(WIFI)
        uplink.have(CAFE)
        assert ends(old) < 5
        assert ends(old6) < 5
        # what went by other addresses goes on
        assert seen(cable) == CABLE
        assert seen(host) == "127.0.0.1"
        # and what has none goes on from the new one, by the same port
        udp.sendto(b"again", (lan.router, echo.port))
        assert udp.recv(100) == b"again"
        assert echo.seen == [(str(lan.net[WIFI]), 6300), (str(lan.net[CAFE]), 6300)]
        assert box.ns.ping(lan.router) and box.ns.ping(lan.router6)
        assert seen(call(lan.router, server.port)) == str(lan.net[CAFE])
        assert seen(call(lan.router6, server6.port)) == str(lan.net6[CAFE])

def test_an_old_temporary_address(lan, uplink, cable, server6, call):
    """Deprecated (RFC 8981 3.4): its connections go on. Removed: they end."""
    conn = call(lan.router6, server6.port)
    assert seen(conn) == str(lan.net6[WIFI])
    uplink.ip("addr", "change", lan.at6(WIFI), "dev", "eth0", "preferred_lft", "0")
    uplink.ip("addr", "add", lan.at6(CAFE), "dev", "eth0")
    uplink.ip("-6", "route", "replace", "default", "via", lan.router6)
    young = call(lan.router6, server6.port)
    assert seen(young) == str(lan.net6[CAFE])
    uplink.cable_gone()
    assert seen(conn) == str(lan.net6[WIFI])
    uplink.ip("addr", "del", lan.at6(WIFI), "dev", "eth0")
    assert ends(conn) < 5
    assert seen(young) == str(lan.net6[CAFE])


def test_the_same_address_again(lan, uplink, cable, server, server6, call):
    """Down and up, and given back within a moment: nothing ends."""
    conns = [call(lan.router, server.port), call(lan.router6, server6.port)]
    want = [str(lan.net[WIFI]), str(lan.net6[WIFI])]
    assert [seen(s) for s in conns] == want
    uplink.ip("link", "set", "eth0", "down")
    uplink.ip("link", "set", "eth0", "up")
    uplink.ip("addr", "add", lan.at6(WIFI), "dev", "eth0")   # went with the link
    uplink.ip("addr", "del", lan.at(WIFI), "dev", "eth0")
    uplink.ip("addr", "add", lan.at(WIFI), "dev", "eth0")
    uplink.ip("route", "replace", "default", "via", lan.router)
    uplink.ip("-6", "route", "replace", "default", "via", lan.router6)
    uplink.cable_gone()
    assert [seen(s) for s in conns] == want


def test_the_cable_is_pulled(lan, uplink, box, server, call):
    """And there is nothing in its place."""
    old = call(lan.router, server.port)
    assert seen(old) == str(lan.net[WIFI])
    uplink.unplug()
    assert ends(old) < 5
    assert fails(box, lan.router, server.port) in UNREACHABLE
    uplink.plug()
    uplink.have(CAFE)
    eventually("NAT works", lambda: box.ns.ping(lan.router))
    assert seen(call(lan.router, server.port)) == str(lan.net[CAFE])
