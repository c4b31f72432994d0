# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP through NAT as programs see it: whole files, very many streams, both halves of
a connection, ends of all kinds, slow readers."""

import contextlib
import hashlib
import http.server
import json
import os
import re
import resource
import select
import socket
import struct
import sys
import threading
import time

import pytest

import lab as lab_module
from boxes import Box, block
from lab import eventually
from raw_tcp import ACK, RawGuest

# 2 GiB each way as in a release test, less to be quick.
FILE_BLOCKS = (2 << 14) if os.environ.get("VNET_LONG") else (1 << 12)
SWARM, SWARM_NICS = 10000, 10
SWARM_FDS = 2 * SWARM       # the least limit that leaves room for all else


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    # vnetd inherits what this process may have
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE,
                           (max(hard, SWARM_FDS), max(hard, SWARM_FDS)))
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        yield daemon


@pytest.fixture(scope="module")
def box(lab, d):
    with Box(lab, d, "box", "lab") as b:
        yield b


class Pair:
    """A connection through NAT: both of its ends, as sockets."""

    def __init__(self, lab, box, rcvbuf=0):
        listener = lab.outside.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.box = box.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        for s in (listener, self.box):
            s.settimeout(20)
            if rcvbuf:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        with contextlib.closing(listener):
            listener.bind((lab.outside.address, 0))
            listener.listen(1)
            self.box.connect(listener.getsockname())
            self.out = listener.accept()[0]
        self.out.settimeout(20)

    def ends(self, side):
        """(sender, receiver) of bytes to `side`."""
        return (self.out, self.box) if side == "guest" else (self.box, self.out)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.box.close()
        self.out.close()


@pytest.fixture
def pair(lab, box):
    with Pair(lab, box) as p:
        yield p


def both(pair):
    return ((pair.box, pair.out), (pair.out, pair.box))


def talk(pair):
    """A few bytes each way."""
    for a, b in both(pair):
        a.sendall(b"hello")
        assert b.recv(100) == b"hello"


# ---- whole files -----------------------------------------------------------

class FileServer(http.server.ThreadingHTTPServer):
    """GET gives FILE_BLOCKS blocks, PUT answers with the SHA-256 of what came."""
    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(FILE_BLOCKS << 16))
            self.end_headers()
            for n in range(FILE_BLOCKS):
                self.wfile.write(block(n))

        def do_PUT(self):
            left, digest = int(self.headers["Content-Length"]), hashlib.sha256()
            while left:
                data = self.rfile.read1(min(left, 1 << 18))
                digest.update(data)
                left -= len(data)
            body = digest.hexdigest().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    def __init__(self, ns, address):
        if ":" in address:
            self.address_family = socket.AF_INET6
        with ns.entered():
            super().__init__((address, 0), self.Handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.shutdown()
        self.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def blocks_file(tmp_path_factory):
    """(path, SHA-256) of what FileServer gives."""
    path, digest = tmp_path_factory.mktemp("nat") / "file", hashlib.sha256()
    with open(path, "wb") as f:
        for n in range(FILE_BLOCKS):
            f.write(block(n))
            digest.update(block(n))
    yield str(path), digest.hexdigest()
    path.unlink()


@pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
def test_curl_up_and_down(lab, box, blocks_file, family):
    curl = lab_module.need_program("curl")
    path, digest = blocks_file
    if family == 6:
        eventually("an IPv6 address", lambda: box.ns.addresses("eth0", 6))
    with FileServer(lab.outside, lab.outside.address if family == 4 else
                    lab.outside.address6) as server:
        name = "%s" if family == 4 else "[%s]"
        args = ("-gsSf", "--noproxy", "*", "-m", "240", "-H", "Expect:",
                ("http://" + name + ":%d/") % server.server_address[:2])
        assert box.ns.run(curl, "-T", path, *args, timeout=250) == digest
        out = box.ns.run("sh", "-c", '"$@" | sha256sum', "sh", curl, *args,
                         timeout=250)
        assert out.split()[0] == digest


# ---- very many -------------------------------------------------------------

def test_iperf3_with_128_streams_each_way(lab, box):
    iperf3 = lab_module.need_program("iperf3")
    server = lab.outside.popen(iperf3, "-s", "-1", "-p", "5202",
                               stdout=open(os.devnull, "w"))
    try:
        eventually("iperf3 listens", lambda: ":5202" in lab.outside.run(
            "ss", "-Hltn"))
        result = json.loads(box.ns.run(
            iperf3, "-c", lab.outside.address, "-p", "5202", "-J", "-t", "2",
            "-P", "128", "--bidir", timeout=90, check=False))
    finally:
        lab_module.end(server)
    assert "error" not in result, result["error"]
    streams = result["end"]["streams"]
    assert len(streams) == 256
    assert all(s["receiver"]["bytes"] for s in streams)


def rss_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(f.read().split("VmRSS:")[1].split()[0])


@pytest.fixture
def crowd(lab, d):
    """SWARM_NICS boxes and the process that all of their connections lead to."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < SWARM_FDS:
        lab_module.skip("needs %d descriptors (ulimit -n)" % SWARM_FDS)
    server = lab.outside.popen(
        sys.executable, os.path.join(os.path.dirname(__file__), "swarm_server.py"),
        lab.outside.address, "7000", stdout=-1)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stdout.close)
        stack.callback(lab_module.end, server)
        assert server.stdout.readline() == b"ready\n"
        boxes = []
        for n in range(SWARM_NICS):
            b = stack.enter_context(Box(lab, d, "crowd-%d" % n, "lab", dhcp=None,
                                        address="10.0.2.%d/24" % (100 + n)))
            b.ns.ip("route", "add", "default", "via", "10.0.2.2")
            boxes.append(b)
        yield boxes


def connections(lab, boxes, count):
    opened = []
    for b in boxes:
        with b.ns.entered():
            for _ in range(count // len(boxes)):
                s = socket.socket()
                s.settimeout(30)
                s.connect((lab.outside.address, 7000))
                opened.append(s)
    return opened


def quiet(lab):
    """Has no process of the host any connection?"""
    return not lab.host.run("ss", "-Htn", "state", "connected",
                            "exclude", "time-wait")


def test_ten_thousand_connections_leave_nothing(lab, d, crowd, capsys):
    worker = d.workers()["lab"]
    # what is made once and kept: a first connection of each
    for s in connections(lab, crowd, SWARM_NICS):
        s.close()
    eventually("nothing is open", lambda: quiet(lab))
    before = lab_module.fd_count(worker), rss_kib(worker)
    opened = connections(lab, crowd, SWARM)
    for s in opened:
        s.sendall(b"hello")
    assert all(s.recv(100) == b"hello" for s in opened)
    most = lab_module.fd_count(worker), rss_kib(worker)
    for s in opened:
        s.close()
    eventually("nothing is open", lambda: quiet(lab), 60)
    eventually("the worker has let go", lambda: lab_module.fd_count(worker) == before[0])
    eventually("no flow is listed", lambda: not d.vnet(
        "flow", "list", "lab", "--limit", "1", json=True).data["flows"], 60)
    after = lab_module.fd_count(worker), rss_kib(worker)
    with capsys.disabled():
        print("\n  %d idle connections: worker has %d descriptors and %d KiB "
              "(before %d and %d, afterwards %d and %d)" % (
                  len(opened), *most, *before, *after))
    assert most[0] == before[0] + SWARM
    assert most[1] < 32 << 10, "a connection costs more than it should"
    # libevent's table of descriptors stays, and the hash tables
    assert after[1] < before[1] + (2 << 10)


# ---- slow readers ------------------------------------------------------------

def stuff(sender):
    """Send until nothing more is taken for a while; how much was."""
    sender.setblocking(False)
    sent = 0
    while select.select([], [sender], [], 0.5)[1]:
        with contextlib.suppress(BlockingIOError):
            sent += sender.send(block(sent >> 16)[sent & 0xffff:])
    sender.settimeout(20)
    return sent


def drain(receiver, length):
    """Take what stuff() sent and compare."""
    got = 0
    while got < length:
        data = receiver.recv(min(length - got, 65536 - (got & 0xffff)))
        assert data and data == block(got >> 16)[got & 0xffff:][:len(data)]
        got += len(data)


def exchange(pair, blocks=512):
    """Seconds that some MiB take to and from the guest at the same time."""
    start = time.monotonic()

    def send(sender):
        for n in range(blocks):
            sender.sendall(block(n))
    threads = [threading.Thread(target=f, args=a) for sender, receiver in both(pair)
               for f, a in ((send, (sender,)), (drain, (receiver, blocks << 16)))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return time.monotonic() - start


@pytest.mark.parametrize("side", ["guest", "outside"])
def test_a_slow_reader_stalls_only_its_own_connection(lab, box, pair, side):
    alone = exchange(pair)
    with Pair(lab, box) as stuck:
        sender, receiver = stuck.ends(side)
        length = stuff(sender)
        # far from a stop, whatever else this machine is doing
        assert exchange(pair) < 10 * alone + 2
        assert not select.select([], [sender], [], 0)[1], "still stuck"
        drain(receiver, length)
        talk(stuck)


@pytest.mark.parametrize("side", ["guest", "outside"])
def test_zero_window_is_probed_until_it_opens(lab, box, side):
    """Small buffers: the window closes for real, and its update may get lost."""
    with Pair(lab, box, rcvbuf=16384) as p:
        sender, receiver = p.ends(side)
        length = stuff(sender)
        time.sleep(0.5)         # a probe or two
        drain(receiver, length)
        talk(p)


@pytest.fixture
def raw(lab, d):
    """(connection of a guest that is this test, the server's end); the server has a
    small buffer, the guest a window of 4000 bytes."""
    with contextlib.closing(lab.outside.socket(
            socket.AF_INET, socket.SOCK_STREAM)) as listener, \
            RawGuest(d, "raw", "lab", "10.0.2.200", "10.0.2.2") as g:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.settimeout(20)
        listener.bind((lab.outside.address, 0))
        listener.listen(1)
        with g.connect(*listener.getsockname(), window=4000) as conn, \
                listener.accept()[0] as out:
            out.settimeout(20)
            yield conn, out


def test_a_closed_window_of_the_guest_is_asked_for(raw):
    """RFC 9293 3.8.6.1: with one byte, again and again, ever less often; RFC 1122
    4.2.2.17: for as long as it is answered."""
    conn, out = raw
    out.sendall(block(0))
    got = b""
    while len(got) < 4000:      # all of the window
        s = conn.expect(lambda s: s.data and s.seq == conn.ack)
        got += s.data
        conn.ack += len(s.data)
        conn.window = 4000 - len(got)
        conn.send(ACK)
    probes = []
    for _ in range(3):
        probes.append(conn.expect(lambda s: s.data))
        assert (probes[-1].seq, len(probes[-1].data)) == (conn.ack, 1), probes
        conn.send(ACK)
    waits = [b.at - a.at for a, b in zip(probes, probes[1:])]
    assert waits[0] > 0.15 and waits[1] > 1.4 * waits[0], waits
    conn.window = 4000
    opened = time.monotonic()
    conn.send(ACK)
    s = conn.expect(lambda s: s.seq == conn.ack and len(s.data) > 1)
    assert s.at - opened < waits[1], "the window is used at once"
    conn.window = 65535
    while len(got) < 65536:
        got += s.data
        conn.ack += len(s.data)
        conn.send(ACK)
        if len(got) < 65536:
            s = conn.expect(lambda s: s.data and s.seq == conn.ack)
    assert got == block(0)


def fill(conn, sent=0):
    """Send until the window is closed and stays so; how much was acknowledged. What
    the host's socket did not take is sent again, as any TCP does."""
    start, window = conn.seq - sent, 1400
    while True:
        for size in iter(lambda: min(1400, window), 0):
            at = (sent >> 16, sent & 0xffff)
            conn.sends(block(at[0])[at[1]:][:size])
            s = conn.expect(lambda s: s.flags & ACK)
            window, conn.seq, sent = s.window, s.ack, s.ack - start
        try:
            window = conn.expect(lambda s: s.window, 1).window
        except AssertionError:
            return sent


def stays_closed(conn, sent):
    """Asked with a byte and with a keep-alive, in turn."""
    for _ in range(3):
        for probe in ({"data": block(sent >> 16)[sent & 0xffff:][:1]},
                      {"seq": conn.seq - 1}):
            conn.send(ACK, **probe)
            s = conn.expect(lambda s: s.flags & ACK)
            if (s.ack, s.window) != (conn.seq, 0):
                assert s.ack - conn.seq == 1 or s.window and s.ack == conn.seq, s
                conn.seq = s.ack
                return False
    return True


def test_the_guests_own_probes_are_answered(raw):
    """A server that does not read: the guest sees its window close, asks, is told the
    truth, and hears by itself when it opens."""
    conn, out = raw
    sent = fill(conn)
    for _ in range(10):         # the server's kernel may find room in between
        before = conn.seq
        if stays_closed(conn, sent):
            break
        sent = fill(conn, sent + conn.seq - before)
    else:
        raise AssertionError("the window does not stay closed")
    drained = threading.Thread(target=drain, args=(out, sent))
    drained.start()
    s = conn.expect(lambda s: s.window)
    kept = s.ack - conn.seq     # refused at first, and not forgotten
    assert 0 <= kept <= 1400
    conn.seq = s.ack
    drained.join()
    conn.sends(b"and on")
    got = b""
    while len(got) < kept + 6:
        got += out.recv(kept + 6 - len(got))
    assert got[kept:] == b"and on"


# ---- ends of all kinds ---------------------------------------------------------

@pytest.mark.parametrize("first", ["guest", "outside"])
def test_half_close(pair, first):
    a, b = (pair.box, pair.out) if first == "guest" else (pair.out, pair.box)
    a.sendall(b"question")
    a.shutdown(socket.SHUT_WR)
    assert b.recv(100) == b"question"
    assert b.recv(100) == b""
    # the other half goes on
    sender = threading.Thread(target=lambda: [b.sendall(block(n)) for n in range(20)])
    sender.start()
    drain(a, 20 << 16)
    sender.join()
    b.close()
    assert a.recv(100) == b""


@pytest.mark.parametrize("first", ["guest", "outside"])
def test_a_reset_is_relayed_as_a_reset(pair, first):
    talk(pair)
    a, b = (pair.box, pair.out) if first == "guest" else (pair.out, pair.box)
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    a.close()
    with pytest.raises(ConnectionResetError):
        b.recv(100)


@pytest.mark.parametrize("first", ["guest", "outside"])
def test_a_close_is_relayed_as_a_close(pair, first):
    talk(pair)
    a, b = (pair.box, pair.out) if first == "guest" else (pair.out, pair.box)
    a.close()
    assert b.recv(100) == b""


@pytest.mark.parametrize("first", ["guest", "outside"])
def test_urgent_data_does_no_harm(pair, first):
    a, b = (pair.box, pair.out) if first == "guest" else (pair.out, pair.box)
    b.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    a.sendall(b"before")
    a.send(b"!", socket.MSG_OOB)
    a.sendall(b"after")
    a.shutdown(socket.SHUT_WR)
    got = b""
    while len(got) < 12:
        data = b.recv(100)
        assert data
        got += data
    assert got == b"before!after"
    assert b.recv(100) == b""


def test_a_guest_and_the_gateway_agree_on_options(lab, d, box, pair):
    """As a guest's own kernel sees its connections: one it opened, one by a forward."""
    def options(local, remote):
        got = box.ns.run("ss", "-Htino", "src", "%s:%d" % local, "dst", "%s:%d" % remote)
        return set(got.split())

    talk(pair)
    assert {"ts", "sack"} <= options(pair.box.getsockname(), pair.box.getpeername())
    with contextlib.closing(box.ns.socket(socket.AF_INET, socket.SOCK_STREAM)) as server:
        server.settimeout(20)
        server.bind((box.ip, 0))
        server.listen(1)
        forward = "tcp:2022:%s:%d" % server.getsockname()
        d.vnet("forward", "add", "lab", forward)
        client = lab.outside.socket(socket.AF_INET, socket.SOCK_STREAM)
        with contextlib.closing(client):
            client.connect((lab.host.address, 2022))
            conn, peer = server.accept()
            with contextlib.closing(conn):
                assert {"ts", "sack"} <= options(conn.getsockname(), peer)
        d.vnet("forward", "del", "lab", "tcp:2022")


def test_keep_alive_of_the_guest_is_answered(lab, pair):
    """And makes the host ask the outside: two hours by itself, then 10 s."""
    s = pair.box

    def host_asks_in():
        return re.search(r"timer:\(keepalive,([^,]+)", lab.host.run(
            "ss", "-Htno", "dport", str(pair.out.getsockname()[1]))).group(1)
    assert host_asks_in().endswith("min")
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1),
                          (socket.TCP_KEEPCNT, 1)):
        s.setsockopt(socket.IPPROTO_TCP, option, value)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.settimeout(2.5)
    with pytest.raises(socket.timeout):     # and not ETIMEDOUT
        s.recv(1)
    assert not host_asks_in().endswith("min")
    s.settimeout(20)
    talk(pair)


# ---- ports ------------------------------------------------------------------------

def bound(ns, address, port=0):
    """A TCP socket bound to a port that others of ours may share."""
    s = ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.settimeout(20)
    return s


def test_one_mapping_for_many_destinations(lab, box):
    with contextlib.ExitStack() as stack:
        seen = []
        for _ in range(5):
            listener = stack.enter_context(bound(lab.outside, lab.outside.address))
            listener.listen(1)
            guest = stack.enter_context(bound(box.ns, box.ip, 6200))
            guest.connect(listener.getsockname())
            peer, address = listener.accept()
            seen.append(address)
            peer.close()
        # RFC 5382 REQ-1, and the port is the guest's own
        assert set(seen) == {(lab.host.address, 6200)}


def test_simultaneous_open(lab, box):
    """Both ends call each other; the LAN loses packets until both have."""
    with bound(box.ns, box.ip, 6201) as guest, \
            bound(lab.outside, lab.outside.address) as out:
        for ns in (lab.host, lab.outside):
            lab.lan.ip("route", "add", "blackhole", ns.address)
        for s, to in ((guest, out.getsockname()), (out, (lab.host.address, 6201))):
            s.setblocking(False)
            s.connect_ex(to)
        eventually("the guest's call is out", lambda: ":6201 " in lab.host.run(
            "ss", "-Htn", "state", "syn-sent"))
        lab.lan.ip("route", "del", "blackhole", lab.host.address)
        eventually("the calls have met", lambda: ":6201 " in lab.host.run(
            "ss", "-Htn", "state", "syn-recv", "state", "established"))
        lab.lan.ip("route", "del", "blackhole", lab.outside.address)
        for s in (guest, out):
            s.settimeout(20)
            assert select.select([], [s], [], 20)[1], "no connection"
        guest.sendall(b"hello")
        assert out.recv(100) == b"hello"
        out.sendall(b"hello yourself")
        assert guest.recv(100) == b"hello yourself"
