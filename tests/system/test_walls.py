# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest must not reach, whatever it writes into its frames: the host where it
is closed, addresses that mean nothing outside, other networks, the daemon itself."""

import contextlib
import glob
import os
import select
import socket
import stat
import struct
import threading

import pytest

import lab as lab_module
from boxes import Box
from lab import checksum, eventually

OPEN, LOCAL, CLOSED = 8200, 8201, 8202  # ports of the host, see Ears
FDS = 2048      # of a process of vnetd: what guests may have is less
GROUP = "239.7.7.7"
LINK_LOCAL = "169.254.7.7"
ANYCAST = "fd77:0:0:77::"   # a router's on the LAN (RFC 4291 2.6.1)
MORE = {4: "192.168.77.11", 6: "fd77:0:0:77::11"}   # the host's other addresses


class Ears:
    """Sockets of the host; heard() is what came to them since the last time:
    {(protocol, port, payload)}, of TCP without a payload."""

    def __init__(self, ns):
        self.socks = []
        for port, addresses in ((OPEN, ("0.0.0.0", "::")), (CLOSED, ("0.0.0.0", "::")),
                                (LOCAL, ("127.0.0.1", "::1"))):
            for address in addresses:
                self.socks += [self._open(ns, address, port, kind) for kind in (
                    socket.SOCK_STREAM, socket.SOCK_DGRAM)]
        for s in self.socks:
            if s.family == socket.AF_INET and s.type == socket.SOCK_DGRAM:
                s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                             socket.inet_aton(GROUP) + socket.inet_aton(
                                 ns.address))

    @staticmethod
    def _open(ns, address, port, kind):
        s = ns.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        if s.family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
        if kind == socket.SOCK_STREAM:
            s.listen(64)
        s.setblocking(False)
        return s

    def heard(self):
        found = set()
        while True:
            ready = select.select(self.socks, [], [], 0)[0]
            if not ready:
                return found
            for s in ready:
                port = s.getsockname()[1]
                if s.type == socket.SOCK_DGRAM:
                    found.add(("udp", port, s.recv(100)))
                else:
                    s.accept()[0].close()
                    found.add(("tcp", port, b""))

    def close(self):
        for s in self.socks:
            s.close()


class Writer:
    """A guest that writes its packets itself, for whatever destination."""

    def __init__(self, box, gateway):
        self.box = box
        box.ns.ping(gateway)
        neighbours = box.ns.ip("neigh", "show", gateway).split()
        self.to = bytes.fromhex(
            neighbours[neighbours.index("lladdr") + 1].replace(":", ""))
        self.mac = bytes.fromhex(
            box.ns.links()["eth0"]["address"].replace(":", ""))
        self.ip6 = [a.split("/")[0] for a in box.ns.addresses("eth0", 6)][0]
        self.sock = box.ns.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.sock.bind(("eth0", 0))
        self.port = 20000

    def packet(self, dst, proto, body):
        """@body with its checksum at @proto's place, below an IP header."""
        six = ":" in dst
        src, dst = (socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, a)
                    for a in (self.ip6 if six else self.box.ip, dst))
        at = {6: 16, 17: 6, 1: 2, 58: 2}[proto]
        pseudo = b"" if proto == 1 else src + dst + struct.pack(
            "!IHBB" if six else "!HBB", *((len(body), 0, 0, proto) if six else
                                         (len(body), 0, proto)))
        body = body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2:]
        if six:
            return b"\x86\xdd" + struct.pack(
                "!IHBB", 6 << 28, len(body), proto, 64) + src + dst + body
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, proto,
                           0, src, dst)
        return b"\x08\0" + head[:10] + struct.pack("!H", checksum(head)) + \
            head[12:] + body

    def knock(self, dst, port, payload=b""):
        """A SYN, a datagram and a ping, each also as a broadcast frame."""
        self.port += 1
        echo = 128 if ":" in dst else 8
        for mac in (self.to, b"\xff" * 6):
            for proto, body in (
                    (6, struct.pack("!HHIIHHHH", self.port, port, 1, 0, 0x5002,
                                    1024, 0, 0)),
                    (17, struct.pack("!HHHH", self.port, port, 8 + len(payload),
                                     0) + payload),
                    (58 if ":" in dst else 1,
                     struct.pack("!BBHHH", echo, 0, 0, self.port, 1))):
                self.sock.send(mac + self.mac + self.packet(dst, proto, body))

    def close(self):
        self.sock.close()


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    # all that a host may have
    for family, address in MORE.items():
        lab.host.ip("addr", "add", "%s/%d" % (address, 24 if family == 4 else 64),
                    "dev", "eth0")
    lab.host.ip("addr", "add", LINK_LOCAL + "/16", "dev", "eth0")
    lab.host.sysctl("net.ipv6.conf.all.forwarding", 1)
    # becoming a router took away what a host had
    lab.host.ip("-6", "route", "replace", "default", "via", lab.lan.router6)
    with lab_module.Vnetd(ns=lab.host, log_level="info", under=[
            "prlimit", "--nofile=%d:%d" % (FDS, FDS)]) as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        daemon.vnet("define", "victim", "--mode", "nat")
        daemon.vnet("define", "own", "--mode", "hostonly")
        yield daemon


@pytest.fixture(scope="module")
def box(lab, d):
    with Box(lab, d, "box-w", "lab") as b:
        eventually("an IPv6 address", lambda: b.ns.addresses("eth0", 6))
        yield b


@pytest.fixture(scope="module")
def others(lab, d):
    """{address of another network: what it is}"""
    with Box(lab, d, "box-v", "victim") as v, Box(lab, d, "box-h", "own") as h:
        for b in (v, h):
            eventually("an IPv6 address", lambda b=b: b.ns.addresses("eth0", 6))
        found = {}
        for b, net in ((v, "victim"), (h, "own")):
            shown = d.vnet("show", net, json=True).data
            found[b.ip] = found[b.ns.addresses("eth0", 6)[0].split("/")[0]] = b.name
            for key in ("gateway", "gateway6", "dns", "dns6"):
                if shown[key]:
                    found[shown[key]] = "%s of %s" % (key, net)
        yield found, v, h


@pytest.fixture(scope="module")
def ears(lab, d):
    with contextlib.closing(Ears(lab.host)) as e:
        yield e


@pytest.fixture(scope="module")
def gateway(d):
    shown = d.vnet("show", "lab", json=True).data
    return shown["gateway"], shown["gateway6"]


@pytest.fixture
def writer(box, gateway, ears):
    with contextlib.closing(Writer(box, gateway[0])) as w:
        ears.heard()
        yield w


def everything(ears, until, seconds=20):
    """What is heard until all of `until` was; but for an earlier last(), which was
    written to two addresses and may come late."""
    found = set()

    def complete():
        found.update(ears.heard())
        return until <= found
    eventually("%s is heard, not only %s" % (until, found), complete, seconds)
    return {f for f in found if f in until or not f[2].startswith(b"last")}


def last(writer, lab, port):
    """Something that is heard, behind all that must not be."""
    payload = b"last %d" % writer.port
    for to in (lab.host.address, lab.host.address6):
        writer.knock(to, port, payload)
    return {("tcp", port, b""), ("udp", port, payload)}


def link_local(ns, dev="eth0"):
    for line in ns.ip("-6", "-o", "addr", "show", "dev", dev, "scope",
                      "link").splitlines():
        return line.split()[3].split("/")[0]


def test_addresses_that_mean_nothing_outside(lab, d, writer, ears, gateway, others):
    """… and other networks': their guests, gateways, resolvers, host adapters."""
    host4 = lab.host.address
    nowhere = [
        "127.0.0.1", "127.0.0.53", "0.0.0.0", "0.1.2.3", LINK_LOCAL, "169.254.0.1",
        "255.255.255.255", "192.168.77.255", "192.168.77.0", "10.0.2.255",
        "10.0.2.0", "224.0.0.1", GROUP, "240.0.0.1", "10.0.2.3",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:" + host4,
        "64:ff9b::127.0.0.1", link_local(lab.host), "fec0::1", "ff01::1", "ff02::1",
        "ff05::2", "ff0e::1"]
    for port in (CLOSED, LOCAL):
        for to in nowhere + list(others[0]):
            writer.knock(to, port, to.encode())
    # the gateway's addresses are the host's, but not its loopback
    for to in gateway:
        writer.knock(to, LOCAL, b"loopback")
    until = last(writer, lab, OPEN)
    assert everything(ears, until) == until


def test_a_closed_host_is_closed_under_all_its_addresses(lab, d, writer, ears,
                                                        gateway):
    mine = [*gateway, lab.host.address, lab.host.address6, *MORE.values(), ANYCAST]
    d.vnet("set", "lab", "--host-access", "off")
    for to in mine:
        writer.knock(to, CLOSED, b"off " + to.encode())
    d.vnet("set", "lab", "--host-access", "address")
    until = last(writer, lab, OPEN)
    assert everything(ears, until) == until
    # and they are its own: nothing else kept these out
    for to in mine:
        writer.knock(to, CLOSED, to.encode())
    everything(ears, {("udp", CLOSED, to.encode()) for to in mine} |
               {("tcp", CLOSED, b"")})


def test_a_list_of_ports_holds_for_all_addresses(lab, d, writer, ears, gateway):
    """Both families, also for addresses that come while it holds."""
    mine = [*gateway, lab.host.address, lab.host.address6, *MORE.values(), ANYCAST]
    later = ["192.168.77.12", "fd77:0:0:77::12"]
    d.vnet("set", "lab", "--host-allow", "tcp:%d,udp:%d" % (OPEN, OPEN))
    try:
        for to, plen in zip(later, ("24", "64")):
            lab.host.ip("addr", "add", to + "/" + plen, "dev", "eth0")

        def refused(to):
            writer.knock(to, CLOSED, b"later")
            until = last(writer, lab, OPEN)
            return everything(ears, until) == until
        for to in later:
            eventually("it holds for " + to, lambda to=to: refused(to), 10)
        for to in mine + later:
            writer.knock(to, CLOSED, to.encode())
        until = last(writer, lab, OPEN)
        for to in mine + later:
            writer.knock(to, OPEN, to.encode())
            until.add(("udp", OPEN, to.encode()))
        assert everything(ears, until) == until
    finally:
        d.vnet("set", "lab", "--host-allow", "all")
        for to, plen in zip(later, ("24", "64")):
            lab.host.ip("addr", "del", to + "/" + plen, "dev", "eth0")


def test_the_hosts_loopback_is_there_when_asked_for(lab, d, writer, ears, gateway):
    """… at the gateway's addresses, and still at no other one."""
    d.vnet("set", "lab", "--host-access", "loopback")
    try:
        for to in ("127.0.0.1", "::1", "::ffff:127.0.0.1", lab.host.address,
                   lab.host.address6):
            writer.knock(to, LOCAL, to.encode())
        for to in gateway:
            writer.knock(to, LOCAL, b"gateway")
        until = {("udp", LOCAL, b"gateway"), ("tcp", LOCAL, b"")}
        assert everything(ears, until) == until
    finally:
        d.vnet("set", "lab", "--host-access", "address")


def test_programs_in_a_namespace_do_not_reach_other_networks(lab, d, box, others):
    _, victim, own = others
    for other in (victim, own):
        other.ns.who(80)
        for to in (other.ip, "[%s]" % other.ns.addresses("eth0", 6)[0].split("/")[0]):
            assert other.ns.fetch("http://%s/" % to), "it is there"
            assert box.ns.fetch("http://%s/" % to, timeout=2) is None
    # through a forward, as anybody who reaches the host
    d.vnet("forward", "add", "victim", "tcp:8210:box-v:80")
    d.vnet("forward", "add", "victim", "tcp:127.0.0.1:8211:box-v:80")
    for port, reached in ((8210, True), (8211, False)):
        got = box.ns.fetch("http://%s:%d/" % (lab.host.address, port), timeout=3)
        assert (got is not None) == reached


# ---- the daemon itself ----------------------------------------------------------

def sockets_of(d, *args):
    """Lines of ss about sockets of the daemon's processes."""
    pids = ["pid=%d," % p for p in [d.pid] + d.children()]
    return [line for line in d.ns.run("ss", "-Hnp", *args).splitlines()
            if any(p in line for p in pids)]


def test_the_daemon_listens_for_nobody_but_forwards_clients(lab, d, others):
    ports = {f["port"] for f in d.vnet("forward", "list", json=True).data["forwards"]}
    for line in sockets_of(d, "-l", "-t"):
        assert int(line.split()[3].rsplit(":", 1)[1]) in ports, line


def test_no_socket_has_a_name_that_a_namespace_could_share(lab, d):
    """Abstract names belong to a network namespace, paths to whoever may go there:
    the daemon has no names of the first kind, and the second are its user's."""
    for n, kind in enumerate(("stream", "dgram", "seqpacket", "vhost-user")):
        d.vnet("attach", "walls%d" % n, "--network", "lab", "--type", kind)
    try:
        abstract = [l for l in sockets_of(d, "-x", "-a") if " @" in l]
        assert not abstract
        paths = [p for p in glob.glob(d.runtime + "/**", recursive=True)
                 if stat.S_ISSOCK(os.lstat(p).st_mode)]
        assert len(paths) >= 5
        with lab_module.as_user("nobody"):
            for path in paths:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM,
                             socket.SOCK_SEQPACKET):
                    with socket.socket(socket.AF_UNIX, kind) as s:
                        if path == d.socket and kind == socket.SOCK_STREAM:
                            continue    # it tells strangers that they are
                        with pytest.raises(OSError):
                            s.connect(path)
    finally:
        for n in range(4):
            d.vnet("detach", "walls%d" % n)


def ready(socks):
    """Descriptors that can be read, of any number (select's end at 1023)."""
    poll = select.poll()
    for s in socks:
        poll.register(s, select.POLLIN)
    return [fd for fd, _ in poll.poll()]


class Relay:
    """A TCP server of a guest that connects each client to another address."""

    def __init__(self, ns, port, to):
        self.ns, self.to, self.socks = ns, to, []
        self.listener = ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.bind(("0.0.0.0", port))
        self.listener.listen(512)
        self.failed = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                # The quota refuses what comes in (it is hung up on) or what goes out.
                if self.listener.fileno() not in ready([self.listener] + self.socks[-1:]):
                    self.failed.set()
                    return
                self.socks.append(self.listener.accept()[0])
                try:
                    self.socks.append(self.ns.connect(*self.to, timeout=10))
                except OSError:
                    self.failed.set()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for s in self.socks:
            s.close()


def test_a_loop_of_forwards_ends_at_the_guests_quota(lab, d, box, others):
    """Guest, forward, guest, forward …: only who built it is stopped by it."""
    bystander = others[1]
    lab.outside.who(8221)
    d.vnet("forward", "add", "lab", "tcp:8220:box-w:8220")
    relay = Relay(box.ns, 8220, (lab.host.address, 8220))
    try:
        with lab.outside.connect(lab.host.address, 8220):
            assert relay.failed.wait(60), "it came to an end"
            assert bystander.ns.fetch("http://%s:8221/" % lab.outside.address)
            shown = d.vnet("show", "lab", json=True).data
            count = shown["counters"]["tcp_flows"]
            assert FDS // 2 < count < FDS and shown["flows"] >= count
    finally:
        relay.close()
        d.vnet("forward", "del", "lab", "tcp:8220")
    eventually("nothing is left of it", lambda: not d.vnet(
        "flow", "list", "lab", "--port", "8220", json=True).data["flows"], 60)
    assert box.ns.fetch("http://%s:8221/" % lab.outside.address)
