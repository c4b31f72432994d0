# SPDX-License-Identifier: GPL-2.0-or-later
"""The harness itself: guests, namespaces, DHCP clients, leak check; and what we
rely on in QEMU's netdevs. Nothing of vnet is used here."""

import os
import pwd
import socket
import subprocess
import sys
import tempfile
import time

import pytest

import lab as L
from guest import Guest, nic, start_all

PAIRS = {"dgram": (socket.SOCK_DGRAM, "dgram,local.type=fd,local.str=%d"),
         "seqpacket": (socket.SOCK_SEQPACKET, "dgram,local.type=fd,local.str=%d"),
         "stream": (socket.SOCK_STREAM, "stream,addr.type=fd,addr.str=%d")}


def kind_of(name):
    return "stream" if name == "stream" else "dgram"


def received(guest, address="10.9.0.1", count=2, size=56):
    """How many of `count` pings are answered."""
    text = guest.run("ping -c %d -i 0.2 -W 1 -s %d %s" % (
        count, size, address))[1]
    for word in text.split(", "):
        if word.endswith("packets received"):
            return int(word.split()[0])
    return 0


def carrier(guest, nic="eth0"):
    return guest.check("cat /sys/class/net/%s/carrier" % nic).strip() == "1"


@pytest.fixture(scope="module", autouse=True)
def image():
    L.need_guest()


# ---- guests ------------------------------------------------------------

@pytest.fixture(scope="module")
def joined():
    """Two guests joined by one stream socket pair."""
    a, b = socket.socketpair()
    one = Guest("A", nic(PAIRS["stream"][1] % a.fileno(), mac="52:54:00:00:00:0a"),
                static="eth0:10.9.0.1/24", pass_fds=[a.fileno()])
    two = Guest("B", nic(PAIRS["stream"][1] % b.fileno(), mac="52:54:00:00:00:0b"),
                static="eth0:10.9.0.2/24", pass_fds=[b.fileno()])
    try:
        yield start_all(one, two)
    finally:
        one.kill()
        two.kill()
        a.close()
        b.close()


def test_two_guests_on_a_socket_pair_reach_each_other(joined):
    one, two = joined
    assert received(one, "10.9.0.2") == 2
    assert received(two, "10.9.0.1") == 2
    assert one.check("wget -qO- http://10.9.0.2/").strip() == "B"
    assert one.check("wget -qO- http://10.9.0.2/cgi-bin/peer") == "B sees 10.9.0.1\n"


def test_guest_commands_come_back_whole(joined):
    one, _ = joined
    assert one.run("echo out; echo err >&2; exit 3") == (3, "out\nerr\n")
    assert one.run(["printf", "%s", "a b'c"]) == (0, "a b'c")
    lines = "".join("%d\n" % i for i in range(1, 20001))
    assert one.check("seq 1 20000") == lines
    assert one.run("sleep 60", timeout=1)[0] == 137
    jobs = [one.begin("sleep 1; echo %d" % i) for i in range(5)]
    began = time.monotonic()
    assert [one.finish(j) for j in jobs] == [(0, "%d\n" % i) for i in range(5)]
    assert time.monotonic() - began < 15


def test_guest_tools_echo_and_move_data(joined):
    one, two = joined
    two.check("udp-echo 7 >/dev/null 2>&1 & tcp-echo 7 >/dev/null 2>&1 & sleep 0.5")
    assert one.check("echo hello | socat -t2 - UDP4:10.9.0.2:7") == "hello\n"
    assert one.check("echo hello | socat -t2 - TCP4:10.9.0.2:7") == "hello\n"
    two.check("iperf3 -s -1 -D; sleep 0.5")
    assert '"error"' not in one.check("iperf3 -J -c 10.9.0.2 -t 1", timeout=40)
    want = one.check("seq 1 300000 >/tmp/f; sha256sum </tmp/f")
    got = two.begin("socat -u TCP4-LISTEN:5000 - | sha256sum", timeout=60)
    time.sleep(0.5)
    one.check("socat -u /tmp/f TCP4:10.9.0.2:5000", timeout=60)
    assert two.finish(got) == (0, want)


def test_killed_guest_leaves_neither_process_nor_file(guests):
    g = Guest("K")
    guests.append(g)
    g.start().wait_ready()
    pid, folder = g.pid, g._dir
    g.kill()
    assert not os.path.exists("/proc/%d" % pid)
    assert not os.path.exists(folder)
    assert not g.alive()


# ---- what we rely on in QEMU -------------------------------------------

@pytest.mark.parametrize("name", sorted(PAIRS))
def test_qemu_netdev_on_an_inherited_socket(name, guests):
    """Both directions work; a peer that stops reading stalls, and goes on; a peer
    that is gone leaves QEMU running."""
    kind, backend = PAIRS[name]
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    g = Guest("Q", nic(backend % theirs.fileno()), static="eth0:10.9.0.2/24",
              pass_fds=[theirs.fileno()])
    guests.append(g)
    with theirs:
        g.start()
    peer = L.FramePeer(ours, kind_of(name))
    g.wait_ready()
    assert received(g) == 2
    assert received(g, size=1472) == 2
    # stall: nobody reads while the guest sends as fast as it can
    g.check("arp -s 10.9.0.1 02:00:00:00:00:01")
    peer.stop()
    flood = g.begin("timeout 3 socat -u /dev/zero UDP4-SENDTO:10.9.0.1:9")
    time.sleep(2)
    peer = L.FramePeer(ours, kind_of(name))
    g.finish(flood)
    assert len(peer.frames) > 20     # hundreds, but for a very busy machine
    L.eventually("pings are answered again", lambda: received(g) == 2)
    peer.stop()
    ours.close()
    assert received(g, count=1) == 0
    assert g.alive() and carrier(g)


def test_qemu_dgram_path_server_comes_late_and_comes_back(guests, tmp_path):
    """QEMU binds its own path, sends to ours, and does not mind our absence."""
    here, there = str(tmp_path / "qemu"), str(tmp_path / "server")
    g = Guest("P", nic("dgram,local.type=unix,local.path=%s,remote.type=unix,"
                       "remote.path=%s" % (here, there)), static="eth0:10.9.0.2/24")
    guests.append(g)
    g.start().wait_ready()
    assert received(g, count=1) == 0
    for _ in range(2):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(there)
        with L.FramePeer(sock) as peer:
            L.eventually("pings are answered", lambda: received(g) == 2)
            assert peer.peer == here
        os.unlink(there)
        assert received(g, count=1) == 0
        assert g.alive()


def test_qemu_monitor_calls_us_and_set_link_moves_carrier(guests, tmp_path):
    """A QMP monitor that connects to our socket: we may be absent at start, go and
    return; set_link by netdev id and by device id unplug the guest's cable. A link
    that the netdev id took down needs the netdev id to come up: the device id alone
    shows a carrier over which nothing passes."""
    from guest import Qmp
    path = str(tmp_path / "monitor")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    g = Guest("M", nic(PAIRS["dgram"][1] % theirs.fileno(), id="n0"),
              static="eth0:10.9.0.2/24", pass_fds=[theirs.fileno()],
              extra=["-chardev", "socket,id=m,path=%s,reconnect=1" % path,
                     "-mon", "chardev=m,mode=control"])
    guests.append(g)
    with theirs:
        g.start()
    peer = L.FramePeer(ours)
    g.wait_ready()

    def monitor():
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            listener.settimeout(20)
            sock, _ = listener.accept()
        os.unlink(path)
        return Qmp(sock)

    for name in ("n0", "n0-dev"):
        m = monitor()
        m.call("set_link", name=name, up=False)
        L.eventually("carrier goes", lambda: not carrier(g))
        assert received(g, count=1) == 0
        m.call("set_link", name=name, up=True)
        L.eventually("carrier comes", lambda: carrier(g))
        L.eventually("pings pass", lambda: received(g) == 2)
        m.close()
    m = monitor()
    m.call("set_link", name="n0", up=False)
    m.call("set_link", name="n0-dev", up=True)
    L.eventually("carrier comes", lambda: carrier(g))
    assert received(g) == 0
    m.call("set_link", name="n0", up=True)
    L.eventually("pings pass", lambda: received(g) == 2)
    m.close()
    peer.stop()
    ours.close()


# ---- the physical world ------------------------------------------------

def test_lab_reaches_where_it_should(lab):
    assert lab.host.ping(lab.lan.router)
    assert lab.host.ping(lab.outside.address)
    assert lab.host.ping(lab.outside.address6)
    web = lab.outside.who(80)
    text = lab.host.fetch("http://%s/" % lab.outside.address)
    assert text == "outside sees %s\n" % lab.host.address
    assert web.seen == [lab.host.address]
    assert lab.host.fetch("http://outside.test/") == text, "DNS of the LAN"
    assert lab.host.fetch("http://%s:81/" % lab.outside.address) is None
    echo = lab.outside.udp_echo(7)
    with lab.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(b"x", (lab.outside.address, 7))
        assert s.recvfrom(10) == (b"x", (lab.outside.address, 7))
    assert echo.seen[0][0] == lab.host.address


def test_lab_does_not_touch_the_machine(lab):
    assert not set(os.listdir("/sys/class/net")) & {"br0", "out0", "port1"}
    with open("/etc/resolv.conf") as f:
        assert lab.lan.router not in f.read()
    assert lab.lan.router in lab.host.run("cat", "/etc/resolv.conf")
    lab.host.allow_ping_sockets()
    value = lab.host.run("cat", "/proc/sys/net/ipv4/ping_group_range")
    assert value.split() == ["0", "2147483647"]
    lab.host.allow_ping_sockets(False)


def test_guest_gets_a_lease_through_a_tap_and_asks_again(lab, guests):
    lab.lan.tap("tap0")
    lab.lan.ip("link", "set", "tap0", "master", "br0")
    mac = "52:54:00:00:77:01"
    g = Guest("tapguest", nic("tap,ifname=tap0,script=no,downscript=no", mac=mac),
              wrapper=lab.lan.argv())
    guests.append(g)
    g.start().wait_ready()
    address = g.ip()
    assert (mac, address, "tapguest") in lab.lan.leases()
    assert g.lease()["router"] == lab.lan.router
    assert received(g, lab.outside.address) == 2
    assert g.check("wget -qO- http://%s/cgi-bin/peer" % address).startswith("tapguest")

    def asked():
        return lab.lan.log().count("DHCPDISCOVER(br0) " + mac)
    before = asked()
    assert before >= 1
    g.qmp("set_link", name="n0", up=False)
    L.eventually("the lease is dropped", lambda: not g.ips())
    g.qmp("set_link", name="n0", up=True)
    L.eventually("the guest asks again", lambda: asked() > before)
    assert g.ip() == address
    # shorter than the guest's look at the carrier, but not than its interrupt takes
    before = asked()
    g.qmp("set_link", name="n0", up=False)
    time.sleep(0.3)
    g.qmp("set_link", name="n0", up=True)
    L.eventually("the guest asks again", lambda: asked() > before)
    assert g.ip() == address


@pytest.mark.parametrize("kind", ["udhcpc", "dhclient", "dhcpcd"])
def test_dhcp_client_gets_and_returns_a_lease(lab, kind):
    L.need_program("busybox" if kind == "udhcpc" else kind)
    ns = lab.ns(kind)
    lab.lan.plug(ns)
    with L.DhcpClient(kind, ns, "eth0", hostname="host-" + kind) as client:
        lease = client.lease()
        mac = ns.links()["eth0"]["address"]
        assert (mac, lease["ip"], "host-" + kind) in [
            (m, a, n) for m, a, n in lab.lan.leases()]
        assert (lease["mask"], lease["router"], lease["dns"], lease["lease"]) == (
            "255.255.255.0", lab.lan.router, lab.lan.router, "3600")
        L.eventually("the address is set", lambda:
                     lease["ip"] + "/24" in ns.addresses("eth0"))
        L.eventually("the way out works", lambda: ns.ping(lab.outside.address))
        client.release()
        L.eventually("the server hears of it", lambda: (
            "DHCPRELEASE(br0) " + lease["ip"]) in lab.lan.log())


@pytest.mark.parametrize("kind", ["dhclient", "dhcpcd"])
def test_dhcp_client_asks_for_its_stored_lease(lab, kind):
    L.need_program(kind)
    ns = lab.ns("again-" + kind)
    lab.lan.plug(ns)
    with L.DhcpClient(kind, ns, "eth0") as client:
        first = client.lease()["ip"]
        client.stop()
        offers = lab.lan.log().count("DHCPOFFER")
        client.start()
        assert client.lease()["ip"] == first
        assert lab.lan.log().count("DHCPOFFER") == offers, "INIT-REBOOT"


# ---- the handling of a daemon ------------------------------------------

# Acts as vnetd as far as class Vnetd can tell: notifies, has a child, answers one
# request at a time with the peer's uid and its descriptors sent back.
FAKE = r"""#!%(python)s
import array, json, os, signal, socket, struct, sys, time
if os.path.basename(sys.argv[0]) == "vnet":
    if "run" in sys.argv:
        at = sys.argv.index("--")
        os.execvp(sys.argv[at + 1], sys.argv[at + 1:])
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[sys.argv.index("--socket") + 1])
    print(json.dumps(sys.argv[3:]))
    sys.exit(1 if "refuse" in sys.argv else 0)
arg = dict(zip(sys.argv[1::2], sys.argv[2::2]))
run = arg.get("--runtime-dir") or os.environ["XDG_RUNTIME_DIR"] + "/vnet"
os.makedirs(run, exist_ok=True)
path = run + "/vnetd.sock"
parent = os.getpid()
child = os.fork()
if child == 0:
    for _ in range(600):
        if os.getppid() != parent and os.environ.get("FAKE") != "leak":
            break
        time.sleep(0.1)
    os._exit(0)
def bye(*_):
    if os.environ.get("FAKE") != "leak":
        os.kill(child, 9)
        os.unlink(path)
    os._exit(0)
signal.signal(signal.SIGTERM, bye)
if os.path.exists(path):
    os.unlink(path)
l = socket.socket(socket.AF_UNIX)
l.bind(path)
os.chmod(path, 0o666)
l.listen(5)
n = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
n.connect(os.environ["NOTIFY_SOCKET"])
n.send(b"READY=1\nSTATUS=fake")
while True:
    c, _ = l.accept()
    uid = struct.unpack("3i", c.getsockopt(socket.SOL_SOCKET, 17, 12))[1]
    while True:
        data, fds, _, _ = socket.recv_fds(c, 65536, 8)
        if not data:
            break
        q = json.loads(data)
        c.send(b'{"jsonrpc":"2.0","method":"event","params":{"type":"t","n":1}}\n')
        a = {"jsonrpc": "2.0", "id": q["id"]}
        if q["method"] == "echo":
            a["result"] = dict(q["params"], uid=uid)
        else:
            a["error"] = {"code": -32601, "message": "no such method"}
        socket.send_fds(c, [json.dumps(a).encode() + b"\n"], fds)
        for fd in fds:
            os.close(fd)
    c.close()
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    for name in ("vnetd", "vnet"):
        (tmp_path / name).write_text(FAKE % {"python": sys.executable})
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("VNET_BUILD", str(tmp_path))


@pytest.mark.parametrize("user", [None, "nobody"])
def test_daemon_is_started_asked_and_stopped(lab, fake, user):
    with L.Vnetd(ns=lab.host, user=user) as d:
        assert lab.host.pids().count(d.pid) == 1
        assert os.stat("/proc/%d" % d.pid).st_uid == (
            pwd.getpwnam(user).pw_uid if user else os.getuid())
        assert d.children()
        assert d.vnet("list", json=True).data == ["--json", "list"]
        assert d.vnet("refuse", check=False).status == 1
        with pytest.raises(L.LabError, match="refuse"):
            d.vnet("refuse")
        with d.no_fd_growth(), d.api() as api, tempfile.TemporaryFile() as f:
            f.write(b"hello")
            f.flush()
            assert api.call("echo", a=1, fds=[f.fileno()]) == {
                "a": 1, "uid": os.getuid()}
            assert os.pread(api.fds[0], 5, 0) == b"hello"
            assert api.event("t")["n"] == 1
            with pytest.raises(L.ApiError, match="no such method"):
                api.call("nothing")
        with L.as_user("nobody") as account:
            api = d.api()
        assert api.call("echo")["uid"] == account.pw_uid
        api.close()
        assert os.geteuid() == 0
        d.stop()
        d.start()
        assert d.kill() == -9
        d.assert_gone(sockets=False)
        d.start()


def test_daemon_that_leaves_something_is_told(lab, fake):
    d = L.Vnetd(ns=lab.host, env={"FAKE": "leak"}).start()
    with pytest.raises(L.LabError, match="children of vnetd"):
        d.stop()
    d.close()
    assert not d.survivors()


def test_daemon_that_does_not_start_is_told(lab, tmp_path, monkeypatch):
    (tmp_path / "vnetd").write_text("#!/bin/sh\necho bad day; exit 1\n")
    (tmp_path / "vnetd").chmod(0o755)
    monkeypatch.setenv("VNET_BUILD", str(tmp_path))
    d = L.Vnetd(ns=lab.host)
    with pytest.raises(L.LabError, match="ended with 1: bad day"):
        d.start()
    d.close()


@pytest.mark.parametrize("user", [None, "nobody"])
def test_guest_below_vnet_run_of_any_user(lab, fake, guests, user):
    with L.Vnetd(ns=lab.host, user=user) as d:
        g = Guest("W", wrapper=d.wrapper("lab", "W"), env=L.environment(d.env))
        guests.append(g)
        g.start().wait_ready()
        assert g.pid in lab.host.pids()
        assert g.check("hostname") == "W\n"
        g.kill()


# ---- the leak check ----------------------------------------------------

def test_leak_check_sees_what_is_left():
    L.need_root()
    with pytest.raises(L.LabError, match="namespace"):
        with L.nothing_left(settle=0):
            ns = L.Netns("left")
    left = ns.popen("sleep", "60")
    L.eventually("it is in there", ns.pids)
    with pytest.raises(L.LabError, match="processes left"):
        ns.close()
    L.end(left)
    with pytest.raises(L.LabError, match="process"):
        with L.nothing_left(settle=0):
            # through a shell that ends: not our child any more
            pid = int(subprocess.check_output(
                ["sh", "-c", "sleep 60 >/dev/null & echo $!"]))
            L.eventually("it runs", lambda: "60" in L.command_line(pid).split())
    os.kill(pid, 9)
