# SPDX-License-Identifier: GPL-2.0-or-later
"""The network's resolver, asked with dig from a guest's place: our names, the host's
resolvers (dnsmasq in namespaces), UDP and TCP, EDNS, failover, a roaming host."""

import contextlib
import os
import re
import socket
import struct

import pytest

import lab as lab_module
from boxes import Box
from lab import eventually

RESOLVER = "10.0.2.3"
GATEWAY = "10.0.2.2"


class Upstream:
    """A resolver on the LAN that knows `names` and some long answers."""

    def __init__(self, lab, label, n, names, extra=()):
        self.ns = lab.machine(label, n)
        self.address, self.address6 = self.ns.address, self.ns.address6
        self.linklocal = "fe80::%d" % n
        self.ns.ip("addr", "add", self.linklocal + "/64", "dev", "eth0")
        self.log_path = os.path.join(self.ns.dir, "log")
        argv = [lab_module.need_program("dnsmasq"), "--keep-in-foreground",
                "--conf-file=/dev/null", "--pid-file=", "--user=root",
                "--group=root", "--no-hosts", "--no-resolv", "--log-queries",
                "--log-facility=" + self.log_path, "--bind-interfaces",
                "--interface=eth0"]
        argv += ["--address=/%s/%s" % item for item in names.items()]
        self.proc = self.ns.popen(*argv, *extra)
        try:
            eventually("dnsmasq serves", lambda: "started" in self.log())
        except BaseException:
            self.close()
            raise

    def log(self):
        try:
            with open(self.log_path) as f:
                return f.read()
        except OSError:
            return ""

    def close(self):
        lab_module.end(self.proc)


class Answer:
    def __init__(self, text):
        self.text = text
        self.status = (re.findall(r"status: (\w+)", text) or [None])[0]
        self.flags = (re.findall(r"flags: ([a-z ]*)", text) or [""])[0].split()
        self.data = re.findall(r"^\S+\s+\d+\s+IN\s+(\S+)\s+(.*)$", text, re.M)
        answer = text.split(";; ANSWER SECTION:")
        rows = answer[1].split("\n\n")[0] if len(answer) > 1 else ""
        self.rows = re.findall(r"^\S+\s+\d+\s+IN\s+(\S+)\s+(.*)$", rows, re.M)

    def values(self, kind):
        return sorted(v for k, v in self.rows if k == kind)

    def __repr__(self):
        return self.text


def dig(box, *args, server=RESOLVER, tries=1, wait=12):
    out = box.ns.run(lab_module.need_program("dig"), "@" + server,
                     "+tries=%d" % tries, "+time=%d" % wait, *args,
                     check=False, timeout=60)
    return Answer(out)


# TXT records that fit neither a datagram of 512 bytes nor one of 4096
LONG = ["--txt-record=long.example.org," + ",".join(
    "%03d" % i + "x" * 200 for i in range(60))]


@pytest.fixture(scope="module")
def ups(lab):
    """Two upstreams that tell who answered."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Upstream(
            lab, "up%d" % i, 50 + i,
            {"who.example.org": "198.51.100.%d" % i,
             "big.example.org": "198.51.100.%d" % i}, LONG))) for i in (1, 2)]


@pytest.fixture(scope="module")
def d(lab, ups):
    lab_module.need_vnetd()
    lab_module.need_program("dig")
    lab.host.set_resolv("nameserver %s\nnameserver %s\n" % (
        ups[0].address, ups[1].address))
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        daemon.vnet("define", "other", "--mode", "nat")
        yield daemon


@pytest.fixture(scope="module")
def box(lab, d):
    with Box(lab, d, "Box-A", "lab") as a, Box(lab, d, "box-b", "lab") as b:
        a.peer = b
        yield a


def asks(box, *args):
    return dig(box, *args).values("A")


@pytest.fixture
def roam(lab, ups, box):
    """roam(ADDRESS…): the host's resolvers are others now. Undone at the end."""
    def resolvers(*addresses):
        lab.host.set_resolv("options edns0 trust-ad\nsearch example.org\n" + "".join(
            "nameserver %s\n" % a for a in addresses))
    yield resolvers
    resolvers(ups[0].address, ups[1].address)
    eventually("all is as before",
               lambda: asks(box, "who.example.org") == ["198.51.100.1"])


@pytest.mark.parametrize("how", ["+notcp", "+tcp"])
@pytest.mark.parametrize("server", [RESOLVER, GATEWAY])
def test_names_of_this_network(box, how, server):
    if server == GATEWAY:
        lab_module.not_in_the_kernel("port 53 of the gateway is the host's own")
    for name in ("box-b", "Box-A", "box-B.lab.vnet"):
        want = box.peer.ip if name.lower().startswith("box-b") else box.ip
        got = dig(box, how, name, server=server)
        assert got.values("A") == [want], got
        assert "aa" in got.flags
        assert name in got.text, "the case of the question is kept"
    assert dig(box, how, "-x", box.ip, server=server).values("PTR") == \
        ["box-a.lab.vnet."]
    for name in ("host.vnet", "gateway.lab.vnet"):
        assert dig(box, how, name, server=server).values("A") == [GATEWAY]


def test_what_is_not_there_does_not_leave(lab, ups, box):
    for args in (("nobody.lab.vnet",), ("box.other.vnet",), ("x.vnet", "AAAA"),
                 ("-x", "10.0.2.200"), ("a.invalid",), ("a.onion",)):
        got = dig(box, *args)
        assert got.status == "NXDOMAIN", got
        assert "SOA" in got.text
    got = dig(box, "2.0.10.in-addr.arpa", "SOA")
    assert got.status == "NOERROR" and got.values("SOA")
    assert dig(box, "localhost").values("A") == ["127.0.0.1"]
    for up in ups:
        for word in ("vnet", "10.0.2.", "2.0.10.in-addr", "onion", "invalid"):
            assert word not in up.log(), word
    # the host's own world does
    assert dig(box, "who.example.org").values("A") == ["198.51.100.1"]


def test_edns(box):
    got = dig(box, "box-b", "+edns=0", "+bufsize=4096", "+dnssec")
    assert got.values("A") == [box.peer.ip]
    assert re.search(r"EDNS: version: 0, flags: do; udp: 1232", got.text), got
    got = dig(box, "box-b", "+edns=1", "+noednsnegotiation")
    assert got.status == "BADVERS", got
    got = dig(box, "box-b", "+noedns")
    assert "EDNS" not in got.text and got.values("A") == [box.peer.ip]
    # passed through, whatever is in it
    got = dig(box, "who.example.org", "+bufsize=1400", "+nsid", "+cookie")
    assert got.values("A") == ["198.51.100.1"]


@pytest.mark.parametrize("how", ["+notcp", "+tcp"])
def test_odd_questions(box, how):
    assert dig(box, how, "version.bind", "TXT", "CH").status == "REFUSED"
    assert dig(box, how, "lab.vnet", "ANY").values("SOA")
    assert dig(box, how, "+opcode=2", "box-b").status == "NOTIMP"


def test_long_answers(box):
    """60 strings of 203 bytes: only a stream takes them."""
    got = dig(box, "long.example.org", "TXT", "+ignore", "+bufsize=1232")
    assert "tc" in got.flags, got
    got = dig(box, "long.example.org", "TXT", "+bufsize=1232")   # dig goes on by TCP
    assert "tc" not in got.flags and len(got.rows) == 1, got
    assert got.rows[0][1].count('"') == 120
    assert len(dig(box, "long.example.org", "TXT", "+tcp", "+noedns")
               .rows[0][1]) > 12000


def frame(name, ident):
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split("."))
    q = struct.pack(">6H", ident, 0x100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
    return struct.pack(">H", len(q)) + q


def read_messages(s, n):
    data, found = b"", {}
    while len(found) < n:
        got = s.recv(65536)
        assert got, "closed after %d answers" % len(found)
        data += got
        while len(data) >= 2 and len(data) >= 2 + struct.unpack(">H", data[:2])[0]:
            size = struct.unpack(">H", data[:2])[0]
            msg, data = data[2:2 + size], data[2 + size:]
            found[struct.unpack(">H", msg[:2])[0]] = msg
    return found


def test_pipelined_queries_on_one_connection(box):
    with contextlib.closing(box.ns.connect(RESOLVER, 53)) as s:
        s.settimeout(20)
        names = ["who.example.org", "box-b", "nobody.lab.vnet", "box-a.lab.vnet"]
        s.sendall(b"".join(frame(names[i % 4], i) for i in range(200)))
        got = read_messages(s, 200)
        assert sorted(got) == list(range(200))
        assert {got[i][3] & 15 for i in range(2, 200, 4)} == {3}
        # half a query, then its rest; then we are done
        half = frame("box-b", 7777)
        s.sendall(half[:9])
        s.sendall(half[9:])
        s.shutdown(socket.SHUT_WR)
        assert list(read_messages(s, 1)) == [7777]
        assert s.recv(1) == b""


def test_connections_have_a_quota_and_garbage_ends_one(box):
    socks = [box.ns.connect(RESOLVER, 53) for _ in range(20)]
    try:
        # the oldest ones made room
        socks[0].settimeout(10)
        assert socks[0].recv(1) == b""
        socks[-1].settimeout(10)
        socks[-1].sendall(frame("box-b", 1))
        assert list(read_messages(socks[-1], 1)) == [1]
        socks[-1].sendall(b"\xff\xffgarbage")
        with contextlib.suppress(ConnectionResetError):
            assert socks[-1].recv(1) == b""
    finally:
        for s in socks:
            s.close()


def test_a_services_only_network(lab, d):
    d.vnet("define", "own", "--mode", "hostonly")
    try:
        with Box(lab, d, "box-own", "own") as own:
            server = "192.168.56.100"
            for how in ("+notcp", "+tcp"):
                assert dig(own, how, "box-own", server=server).values("A") == [own.ip]
                assert dig(own, how, "host.vnet", server=server).values("A") == \
                    ["192.168.56.1"]
                assert dig(own, how, "who.example.org",
                           server=server).status == "REFUSED"
    finally:
        d.vnet("undefine", "own")


def test_a_dead_upstream_is_passed_over(lab, ups, box, roam):
    """First silent, then refusing: the second is asked, and stays first."""
    assert asks(box, "who.example.org") == ["198.51.100.1"]
    roam("192.168.77.99", ups[1].address)    # nobody is there
    eventually("the second answers",
               lambda: asks(box, "who.example.org") == ["198.51.100.2"])
    roam(lab.host.address, ups[0].address)   # refuses
    eventually("the second answers",
               lambda: asks(box, "who.example.org") == ["198.51.100.1"])
    assert asks(box, "+tcp", "who.example.org") == ["198.51.100.1"]
    got = dig(box, "long.example.org", "TXT", "+tcp")
    assert len(got.rows) == 1, got


def test_an_upstream_over_ipv6(ups, box, roam):
    roam(ups[1].address6)
    eventually("IPv6 answers",
               lambda: asks(box, "who.example.org") == ["198.51.100.2"])
    assert len(dig(box, "long.example.org", "TXT", "+tcp").rows) == 1
    # as routers announce themselves: link-local
    roam("fe80::99%eth0", ups[0].linklocal + "%eth0")
    eventually("a link-local one answers",
               lambda: asks(box, "who.example.org") == ["198.51.100.1"])


@pytest.mark.parametrize("how", ["+notcp", "+tcp"])
def test_a_query_under_way_survives_roaming(ups, box, roam, how):
    """It waits for an upstream that is not there; the host gets another one."""
    roam("192.168.77.98")
    eventually("the list is taken",
               lambda: asks(box, "+time=3", "who.example.org") == [])
    proc = box.ns.popen(lab_module.need_program("dig"), "@" + RESOLVER, how,
                        "+tries=1", "+time=20", "+short", "who.example.org",
                        stdout=-1, universal_newlines=True)
    try:
        eventually("it waits", lambda: box.ns.run("ss", "-Hnua") if how == "+notcp"
                   else box.ns.run("ss", "-Hnt", "state", "established"))
        roam(ups[1].address)
        out = proc.communicate(timeout=30)[0]
    finally:
        lab_module.end(proc)
    assert out.split() == ["198.51.100.2"]


def test_no_upstream_at_all(box, roam):
    roam()
    eventually("SERVFAIL", lambda: dig(box, "who.example.org").status == "SERVFAIL")
    assert asks(box, "box-b") == [box.peer.ip]
