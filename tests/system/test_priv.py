# SPDX-License-Identifier: GPL-2.0-or-later
"""The privileged helper and the workers' sandbox, with priv_tool in control's place."""

import contextlib
import errno
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time

import pytest

import lab as L
from netns import Netns, veth
from privtool import Dead, PrivTool, Refused, need_tool

TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 2, 0x1000, 0x4000


@pytest.fixture(scope="module")
def host():
    L.need_root()
    need_tool()
    with Netns("host") as ns:
        yield ns


@pytest.fixture
def tool(host):
    with PrivTool(host).start() as t:
        yield t


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def caps(pid, which):
    return int(status(pid)[which], 16)


def tap_open(ns, name, flags=IFF_TAP | IFF_NO_PI, uid=None):
    """What a VMM does: opens the device by name, as user uid."""
    request = struct.pack("16sH22x", name.encode(), flags)
    with ns.entered():
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        try:
            if uid is not None:
                os.seteuid(uid)
            fcntl.ioctl(fd, TUNSETIFF, request)
        except OSError:
            os.close(fd)
            raise
        finally:
            os.seteuid(0)
    # the kernel drops what is sent before it has noticed the carrier
    L.eventually("carrier", lambda: "LOWER_UP" in ns.links()[name]["flags"])
    return fd


# ---- the helper ------------------------------------------------------------------------

def test_helper_has_only_what_it_needs(tool):
    pid = tool.helper()
    names = ["SETGID", "SETUID", "SETPCAP", "KILL", "DAC_READ_SEARCH",
             "NET_BIND_SERVICE", "NET_ADMIN", "NET_RAW", "SYS_PTRACE", "SYS_ADMIN"]
    numbers = dict(DAC_READ_SEARCH=2, KILL=5, SETGID=6, SETUID=7, SETPCAP=8,
                   NET_BIND_SERVICE=10, NET_ADMIN=12, NET_RAW=13, SYS_PTRACE=19,
                   SYS_ADMIN=21)
    want = sum(1 << numbers[n] for n in names)
    for which in ("CapPrm", "CapEff", "CapBnd"):
        assert caps(pid, which) == want, which
    assert caps(pid, "CapInh") == caps(pid, "CapAmb") == 0
    assert status(pid)["NoNewPrivs"] == "1"
    assert os.getpgid(pid) == pid
    # its end of the channel, lock, signals; nothing of control's
    assert L.fd_count(pid) <= 6


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_helper_ignores_the_terminals_signals(tool, sig):
    os.kill(tool.helper(), sig)
    assert tool.call("wait", "helper", 0) == "timeout"
    tool.call("bind", "tcp", "127.0.0.1", 80)


def test_helper_is_killed(tool):
    os.kill(tool.helper(), signal.SIGKILL)
    assert tool.call("wait", "helper", 5) == "ready"
    with pytest.raises(Refused, match="helper is gone"):
        tool.call("raw-icmp")


@pytest.mark.parametrize("raw", [
    "0100000000000000",                     # too short
    "ff00000000000000" + "00" * 64,         # no such type
    "0300000000000000" + "00" * 8,          # a TAP request of the wrong size
    "00", "", "0100" + "00" * 300,
])
def test_nonsense_ends_the_helper(tool, raw):
    tool.call("raw", raw or "00")
    assert tool.call("wait", "helper", 5) == "ready"
    L.eventually("helper ended", lambda: tool.helper() is None or
                 L.start_time(tool.helper()) is None)


def test_no_answer_is_lost_when_nobody_reads(tool):
    """… for a while: the helper waits with the rest of the requests."""
    name = "no-name-of-ours".encode().hex().ljust(32, "0")
    asked, told = map(int, tool.call("flood", "0400000000000000" + name).split())
    assert asked == told and 10 < asked < 100000
    with pytest.raises(Refused):
        tool.call("tap-del", "eth0")


def test_two_in_one_directory(host, tool):
    """The second waits for the first, which may be giving an uplink back."""
    tool.kill()
    with PrivTool(host, run_dir=tool.dir) as second:
        second.start()
        second.call("raw-icmp")


def test_control_ends_and_all_end(host):
    with PrivTool(host).start() as t:
        t.worker("a", "isolated")
        t.worker("b", "nat")
        t.kill()
        t.wait_gone()


# ---- workers --------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["isolated", "nat"])
def test_root_worker_is_boxed_in(host, tool, kind):
    got = tool.worker("lab", kind)
    assert got["fds"] == 4                      # 0-2 and the channel
    assert got["uid"] == got["gid"] == 65534
    assert got["root"] == 0                     # an empty directory
    assert got["proc"] == -1                    # no /proc
    assert got["links"] == (1 if kind == "isolated" else len(host.links()))
    assert got["bounding"] == 0
    assert got["nnp"] == 1 and got["dumpable"] == 0 and got["core"] == 0
    assert got["pgrp"] == 1
    assert got["raw"] == -errno.EPERM
    assert got["open"] == -1
    assert got["unix"] == -errno.EPERM
    assert got["inet"] == (-errno.EPERM if kind == "isolated" else 0)
    st = status(got["pid"])
    assert st["Seccomp"] == "2"
    assert int(st["CapPrm"], 16) == int(st["CapBnd"], 16) == 0
    assert st["Groups"].strip() == ""
    own = os.stat("/proc/%d/ns/net" % got["pid"]).st_ino
    assert (own == os.stat(host.path).st_ino) == (kind == "nat")
    for ns in ("mnt", "ipc", "uts"):
        assert os.readlink("/proc/%d/ns/%s" % (got["pid"], ns)) != \
            os.readlink("/proc/%d/ns/%s" % (tool.helper(), ns))


def test_ping_socket_goes_by_group(host, tool):
    assert tool.worker("lab", "nat")["ping"] == -errno.EACCES
    host.allow_ping_sockets()
    try:
        assert tool.worker("lab", "nat")["ping"] == 0
    finally:
        host.allow_ping_sockets(False)


def test_worker_ends_with_its_channel(tool):
    got = tool.worker("lab", "isolated")
    # the tool keeps pidfd and channel side by side
    assert tool.call("wait", got["fd"], 0) == "timeout"
    tool.call("close", got["fd"] + 1)
    assert tool.call("wait", got["fd"], 5) == "ready"
    L.eventually("reaped", lambda: not os.path.exists("/proc/%d" % got["pid"]))


def test_worker_ignores_signals_of_the_terminal(tool):
    got = tool.worker("lab", "isolated")
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(got["pid"], sig)
    assert tool.call("wait", got["fd"], 0) == "timeout"


def test_killed_worker_is_reaped_and_logged(tool):
    got = tool.worker("lab", "isolated")
    os.kill(got["pid"], signal.SIGKILL)
    assert tool.call("wait", got["fd"], 5) == "ready"
    L.eventually("reaped", lambda: not os.path.exists("/proc/%d" % got["pid"]))
    L.eventually("logged", lambda: "worker lab: ended by signal 9" in tool.log())


def spares(tool):
    return L.eventually("a spare worker", lambda: [
        p for p in L.descendants(tool.helper()) if " worker -" in L.command_line(p)])


def test_spare_worker_goes_to_the_next_network_that_is_not_isolated(tool):
    tool.call("prepare")
    tool.call("prepare")                        # one is enough
    spare = spares(tool)
    assert len(spare) == 1
    assert tool.worker("a", "isolated")["pid"] != spare[0]
    assert tool.worker("b", "nat")["pid"] == spare[0]
    assert tool.worker("c", "nat")["pid"] != spare[0]
    os.kill(spare[0], signal.SIGKILL)
    L.eventually("logged", lambda: "worker b: ended by signal 9" in tool.log())


def test_spare_worker_that_died_is_not_given_away(tool):
    tool.call("prepare")
    spare = spares(tool)
    os.kill(spare[0], signal.SIGKILL)
    L.eventually("reaped", lambda: not os.path.exists("/proc/%d" % spare[0]))
    assert tool.worker("lab", "nat")["pid"] != spare[0]
    tool.call("prepare")
    assert tool.worker("lab2", "nat")["pid"] != spare[0]


@pytest.mark.parametrize("name", ["--isolated", "a/b", "x" * 64])
def test_worker_names_are_judged(tool, name):
    with pytest.raises(Refused):
        tool.call("worker", name, "isolated")


# /dev/net/tun as it is on any desktop: for everybody
OPEN_TUN = ["unshare", "-m", "sh", "-ec", "mount -t tmpfs none /mnt; "
            "mknod -m 666 /mnt/tun c 10 200; mount --bind /mnt/tun /dev/net/tun; "
            'exec "$@"', "sh"]


@pytest.fixture
def rootless(host):
    if not userns_works():
        L.skip("no user namespaces for ordinary users here")
    with PrivTool(host, user="nobody", before=OPEN_TUN) as t:
        t.call("none")
        yield t


def userns_works():
    return subprocess.run(["setpriv", "--reuid", "nobody", "--clear-groups",
                           "unshare", "-U", "true"],
                          stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("kind", ["isolated", "nat"])
def test_rootless_worker_is_boxed_in(host, rootless, kind):
    got = rootless.worker("lab", kind)
    assert got["fds"] == 4 and got["root"] == 0 and got["proc"] == -1
    assert got["bounding"] == 0 and got["nnp"] == 1 and got["dumpable"] == 0
    assert got["death"] == signal.SIGKILL
    assert got["open"] == -1
    assert got["links"] == (1 if kind == "isolated" else len(host.links()))
    assert got["inet"] == (-errno.EPERM if kind == "isolated" else 0)
    st = status(got["pid"])
    assert st["Seccomp"] == "2" and int(st["CapPrm"], 16) == 0
    rootless.call("close", got["fd"] + 1)
    assert rootless.call("wait", got["fd"], 5) == "ready"
    rootless.call("reap")
    assert not os.path.exists("/proc/%d" % got["pid"])


def test_rootless_ping_sockets_survive_the_mapping(host, rootless):
    host.allow_ping_sockets()
    try:
        assert rootless.worker("lab", "nat")["ping"] == 0
    finally:
        host.allow_ping_sockets(False)


@pytest.mark.parametrize("kind", ["isolated", "nat"])
def test_rootless_without_user_namespaces(host, kind):
    """Landlock and the seal alone; and it is said what is missing."""
    if not userns_works():
        L.skip("no user namespaces to be taken away")
    # A user namespace in which no further one may be made stands for a host that
    # refuses them.
    inner = ["unshare", "-U", "--map-user=65534", "--map-group=65534", "--keep-caps",
             "sh", "-ec", 'echo 0 >/proc/sys/user/max_user_namespaces; '
             'exec setpriv --inh-caps=-all --ambient-caps=-all "$@"', "sh"]
    with PrivTool(host, user="nobody", wrapper=inner) as t:
        t.call("none")
        got = t.worker("lab", kind)
        assert got["open"] == -1
        assert got["root"] < 0 or got["root"] > 0      # the host's, but closed
        assert got["inet"] == (-errno.EPERM if kind == "isolated" else 0)
        assert got["unix"] == -errno.EPERM
        assert "no user namespace" in t.log()
        assert t.log().count("warn") == 1


# ---- TAPs --------------------------------------------------------------------------------

def test_host_adapter(host, tool):
    host.sysctl("net.ipv4.conf.all.forwarding", 1)
    host.sysctl("net.ipv4.conf.default.forwarding", 1)
    try:
        fd = tool.call("tap", "vn-lab", "-", "02:00:00:00:00:99", 1400,
                       "192.168.56.1/24", "-")
        link = host.links()["vn-lab"]
        assert link["address"] == "02:00:00:00:00:99"
        assert link["mtu"] == 1400 and "LOWER_UP" in link["flags"]
        assert link["ifalias"] == "vnet"
        assert link["linkinfo"]["info_data"]["vnet_hdr"] is True
        assert host.addresses("vn-lab") == ["192.168.56.1/24"]
        assert host.ip("-6", "addr", "show", "dev", "vn-lab") == ""
        for key, value in (("ipv6/conf/vn-lab/disable_ipv6", "1"),
                           ("ipv4/conf/vn-lab/forwarding", "0"),
                           ("ipv4/conf/vn-lab/accept_redirects", "0"),
                           ("ipv4/ip_forward", "1")):
            assert host.run("cat", "/proc/sys/net/" + key).strip() == value, key
        with pytest.raises(Refused) as e:
            tool.call("tap", "vn-lab", "-", "-", 1500, "-", "-")
        assert e.value.errno == errno.EEXIST
        tool.call("close", fd)
        assert "vn-lab" not in host.links()
    finally:
        host.sysctl("net.ipv4.ip_forward", 0)
        host.sysctl("net.ipv4.conf.default.forwarding", 0)


def test_names_of_others_are_refused(host, tool):
    for name in ("eth0", "br0", "vn"):
        with pytest.raises(Refused) as e:
            tool.call("tap", name, "-", "-", 1500, "-", "-")
        assert e.value.errno == errno.EPERM
        with pytest.raises(Refused):
            tool.call("tap-del", name)
    host.tap("vn-mine", up=False)
    try:
        with pytest.raises(Refused, match="not a TAP of ours"):
            tool.call("tap-del", "vn-mine")
        with pytest.raises(Refused) as e:
            tool.call("tap", "vn-mine", "-", "-", 1500, "-", 0)
        assert e.value.errno == errno.EEXIST
        assert "vn-mine" in host.links()
    finally:
        host.ip("link", "del", "vn-mine")


def test_tap_in_a_namespace(host, tool):
    with Netns("box") as box:
        fd = tool.call("tap", "eth5", box.path, "02:00:00:00:00:55", 1400,
                       "10.0.9.5/24", "-")
        assert "eth5" not in host.links()
        assert box.addresses("eth5") == ["10.0.9.5/24"]
        assert box.links()["eth5"]["address"] == "02:00:00:00:00:55"
        assert box.links()["eth5"]["mtu"] == 1400
        # IPv6 is that namespace's own matter
        assert box.run("cat", "/proc/sys/net/ipv6/conf/eth5/disable_ipv6") == "0\n"
        with pytest.raises(Refused) as e:
            tool.call("tap", "eth5", box.path, "-", 1500, "-", "-")
        assert e.value.errno == errno.EEXIST
        tool.call("close", fd)
        assert "eth5" not in box.links()


def test_own_namespace_by_its_path_has_the_same_rules(host, tool):
    for path in (host.path, "/proc/%d/ns/net" % tool.proc.pid):
        with pytest.raises(Refused, match="vn-"):
            tool.call("tap", "eth5", path, "-", 1500, "-", "-")


@pytest.mark.parametrize("path,number", [
    ("/run/netns/there-is-none", errno.ENOENT), ("/etc/passwd", errno.EPERM),
    ("/proc/1/ns/mnt", errno.EPERM), ("/run/netns/../../etc/passwd", errno.EPERM),
    ("/proc/self/ns/net", errno.EPERM)])
def test_wrong_namespaces_are_refused(tool, path, number):
    with pytest.raises(Refused) as e:
        tool.call("tap", "eth5", path, "-", 1500, "-", "-")
    assert e.value.errno == number


def test_file_that_is_no_namespace(tool):
    path = "/run/netns/%sfile" % L.Netns.__name__
    with open(path, "w"):
        pass
    try:
        with pytest.raises(Refused, match="is not a network namespace"):
            tool.call("tap", "eth5", path, "-", 1500, "-", "-")
    finally:
        os.unlink(path)


def test_rootless_tap_in_the_users_own_namespace(host, rootless):
    box = subprocess.Popen(["setpriv", "--reuid", "nobody", "--regid", "nogroup",
                            "--clear-groups", "unshare", "-Urn", "sh", "-c",
                            "echo; exec cat"],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           env=L.environment())
    try:
        box.stdout.readline()
        path = "/proc/%d/ns/net" % box.pid
        rootless.call("tap", "eth5", path, "02:00:00:00:00:55", 1500, "10.0.9.5/24",
                      "-")
        text = L.sh("nsenter", "--net=" + path, "ip", "addr", "show", "dev", "eth5")
        assert "10.0.9.5/24" in text and "02:00:00:00:00:55" in text and "UP" in text
        with pytest.raises(Refused) as e:
            rootless.call("tap", "eth6", host.path, "-", 1500, "-", "-")
        assert e.value.errno == errno.EPERM
        with pytest.raises(Refused) as e:
            rootless.call("tap", "vn-x", "-", "-", 1500, "-", "-")
        assert e.value.errno == errno.EPERM
    finally:
        box.stdin.close()
        box.stdout.close()
        box.wait()


# ---- a runner's TAP -----------------------------------------------------------------------

def arp_request(target, sender="10.0.9.9"):
    mac = bytes.fromhex("025400000001")
    return (b"\xff" * 6 + mac + b"\x08\x06" +
            struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + mac +
            socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target)).ljust(
                60, b"\0")


def frames(fd, seconds):
    """Frames that come out of a TAP for so long."""
    got, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            got.append(os.read(fd, 70000))
        except BlockingIOError:
            time.sleep(0.02)
    return got


def test_runner_tap(host, tool):
    fd = tool.call("tap", "vn-vm-0", "-", "-", 1500, "-", 65534)
    link = host.links()["vn-vm-0"]
    assert link["linkinfo"]["info_data"]["persist"] is True
    vmm = tap_open(host, "vn-vm-0", uid=65534)
    try:
        # to us and back, with a virtio header in front
        os.write(vmm, arp_request("10.0.9.1"))
        assert tool.call("recv", fd, 2) == "00" * 10 + arp_request("10.0.9.1").hex()
        reply = "025400000001" "025400000002" "88b5" + "ab" * 50
        tool.call("send", fd, "00" * 10 + reply)
        assert bytes.fromhex(reply) in frames(vmm, 0.3)
        # what we sent does not come back to us
        assert tool.call("recv", fd, 0.2) == ""
    finally:
        os.close(vmm)
    assert "vn-vm-0" in host.links()
    # taken over by the next instance, while a VMM has it open or not
    vmm = tap_open(host, "vn-vm-0", uid=65534)
    try:
        fd2 = tool.call("tap", "vn-vm-0", "-", "-", 1500, "-", 65534)
        os.write(vmm, arp_request("10.0.9.2"))
        assert arp_request("10.0.9.2").hex() in tool.call("recv", fd2, 2)
    finally:
        os.close(vmm)
    tool.call("tap-del", "vn-vm-0")
    tool.call("tap-del", "vn-vm-0")
    assert set(host.links()) == {"lo"}


def test_runner_tap_is_the_owners(host, tool):
    tool.call("tap", "vn-vm-0", "-", "-", 1500, "-", 65534)
    try:
        with pytest.raises(PermissionError):
            tap_open(host, "vn-vm-0", uid=1)
    finally:
        tool.call("tap-del", "vn-vm-0")


def test_host_does_not_hear_a_runners_guest(host, tool):
    """The host would answer ARP for any of its addresses on any interface."""
    host.ip("addr", "add", "10.0.9.1/32", "dev", "lo")
    try:
        # the test has teeth: on an ordinary TAP it does answer
        host.tap("plain0")
        host.sysctl("net.ipv4.conf.all.rp_filter", 0)
        host.sysctl("net.ipv4.conf.plain0.rp_filter", 0)
        plain = tap_open(host, "plain0")
        os.write(plain, arp_request("10.0.9.1"))
        assert any(f[12:14] == b"\x08\x06" and f[20:22] == b"\x00\x02"
                   for f in frames(plain, 0.5))
        os.close(plain)
        host.ip("link", "del", "plain0")

        fd = tool.call("tap", "vn-vm-0", "-", "-", 1500, "-", 0)
        vmm = tap_open(host, "vn-vm-0")
        udp = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(("0.0.0.0", 67))
            udp.settimeout(0.5)
            os.write(vmm, arp_request("10.0.9.1"))
            assert tool.call("recv", fd, 2).endswith(arp_request("10.0.9.1").hex())
            os.write(vmm, discover())
            assert discover().hex() in tool.call("recv", fd, 2)
            assert frames(vmm, 0.5) == []
            with pytest.raises(socket.timeout):
                udp.recv(1000)
        finally:
            udp.close()
            os.close(vmm)
            tool.call("tap-del", "vn-vm-0")
    finally:
        host.ip("addr", "del", "10.0.9.1/32", "dev", "lo")


def discover():
    """A broadcast to UDP port 67, from 0.0.0.0."""
    udp = struct.pack("!HHHH", 68, 67, 8 + 4, 0) + b"test"
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                     bytes(4), b"\xff" * 4)
    s = sum(struct.unpack("!10H", ip))
    s = (s & 0xffff) + (s >> 16)
    ip = ip[:10] + struct.pack("!H", ~s & 0xffff) + ip[12:]
    return (b"\xff" * 6 + bytes.fromhex("025400000001") + b"\x08\x00" + ip +
            udp).ljust(60, b"\0")


# ---- sockets -------------------------------------------------------------------------------

def test_privileged_ports(host, tool):
    tool.call("control")        # gives its capabilities up
    for proto in ("tcp", "udp"):
        tool.call("bind", proto, "127.0.0.1", 53)
        tool.call("bind", proto, "127.0.0.1", 5353)
        tool.call("bind", proto, "::1", 53)
        with pytest.raises(Refused, match="port 53: Address already in use") as e:
            tool.call("bind", proto, "127.0.0.1", 53)
        assert e.value.errno == errno.EADDRINUSE
    with pytest.raises(Refused) as e:
        tool.call("bind", "tcp", "203.0.113.99", 53)
    assert e.value.errno == errno.EADDRNOTAVAIL
    # a port is shared only with a socket that came from the helper
    with pytest.raises(Refused, match="not ours to share"):
        tool.call("bind", "udp", "0.0.0.0", 68, "share")
    with pytest.raises(Refused, match="in use"):    # it does not share itself
        tool.call("bind", "udp", "0.0.0.0", 53, "share")
    # unprivileged ones are not asked for at the helper
    os.kill(tool.helper(), signal.SIGKILL)
    tool.call("bind", "tcp", "127.0.0.1", 5354)
    with pytest.raises(Refused):
        tool.call("bind", "tcp", "127.0.0.1", 54)


def test_rootless_ports(rootless):
    rootless.call("bind", "tcp", "127.0.0.1", 8080)
    with pytest.raises(Refused, match="needs root") as e:
        rootless.call("bind", "tcp", "127.0.0.1", 80)
    assert e.value.errno == errno.EACCES
    assert rootless.call("owner", "tcp", "127.0.0.1", 8080).endswith(
        "(pid %d)" % rootless.proc.pid)
    with pytest.raises(Refused) as e:
        rootless.call("raw-icmp")
    assert e.value.errno == errno.EPERM
    with pytest.raises(Refused, match="needs root"):
        rootless.call("uplink-in", "vn-br-x", "eth0", "vn-up-x", 0)


@pytest.mark.parametrize("family,address,asked", [
    (socket.AF_INET, "0.0.0.0", "127.0.0.1"), (socket.AF_INET, "127.0.0.1", "0.0.0.0"),
    (socket.AF_INET6, "::", "127.0.0.1"), (socket.AF_INET6, "::1", "::1")])
@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_port_owner(host, tool, family, address, asked, proto):
    """Somebody else's process, named by the helper."""
    tool.call("control")
    code = ("import socket, sys\n"
            "s = socket.socket(%d, %d); s.bind(('%s', 4444))\n"
            "%s\nprint(flush=True); sys.stdin.read()") % (
                family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM,
                address, "s.listen()" if proto == "tcp" else "")
    other = subprocess.Popen(
        host.argv("setpriv", "--reuid", "nobody", "--clear-groups", "/usr/bin/python3",
                  "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=L.environment())
    try:
        other.stdout.readline()
        assert re.fullmatch(r"python3\S* \(pid %d\)" % other.pid,
                            tool.call("owner", proto, asked, 4444))
        with pytest.raises(Refused) as e:
            tool.call("owner", proto, asked, 4445)
        assert e.value.errno == errno.ENOENT
    finally:
        other.stdin.close()
        other.stdout.close()
        other.wait()


def test_port_owner_by_device(host, tool):
    """Two hold one port, each on a device of its own, as DHCP servers do."""
    tool.call("control")
    code = ("import socket, sys\ns = socket.socket(%d, socket.SOCK_DGRAM)\n"
            "s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'%s')\n"
            "s.bind(('%s', 4446))\nprint(flush=True); sys.stdin.read()")
    host.ip("link", "add", "port0", "type", "bridge")
    holders = {}
    try:
        for dev, family, any_ in (("lo", socket.AF_INET, "0.0.0.0"),
                                  ("port0", socket.AF_INET6, "::")):
            holders[dev] = host.popen(
                "/usr/bin/python3", "-c", code % (family, dev, any_),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            holders[dev].stdout.readline()
        for dev, other in holders.items():
            assert tool.call("owner", "udp", "0.0.0.0", 4446, dev).endswith(
                " (pid %d)" % other.pid)
        host.ip("link", "add", "port1", "type", "bridge")
        with pytest.raises(Refused):
            tool.call("owner", "udp", "0.0.0.0", 4446, "port1")
    finally:
        for other in holders.values():
            other.stdin.close()
            other.stdout.close()
            other.wait()
        for dev in "port0", "port1":
            host.ip("link", "del", dev)


@pytest.mark.parametrize("net, family, proto, answers, skip", [
    ("10.0.8.%d", socket.AF_INET, socket.IPPROTO_ICMP, [0, 3, 11, 12], 20),
    ("fd08::%d", socket.AF_INET6, socket.IPPROTO_ICMPV6, [1, 2, 3, 4, 129], 0)])
def test_raw_icmp_passes_only_answers(host, tool, net, family, proto, answers, skip):
    width = "/24" if family == socket.AF_INET else "/64"
    with Netns("peer") as peer:
        veth(host, "icmp0", peer, "icmp0")
        host.ip("addr", "add", net % 1 + width, "dev", "icmp0")
        peer.ip("addr", "add", net % 2 + width, "dev", "icmp0")
        fd = tool.call("raw-icmp", *(["6"] if skip == 0 else []))
        s = peer.socket(family, socket.SOCK_RAW, proto)
        with contextlib.closing(s):
            for kind in range(0, 256):
                body = struct.pack("!BBHHH", kind, 0, 0, 7, kind)
                total = sum(struct.unpack("!4H", body))
                total = (total & 0xffff) + (total >> 16)
                s.sendto(body[:2] + struct.pack("!H", ~total & 0xffff) + body[4:],
                         (net % 1, 0))
            seen = []
            while True:
                packet = bytes.fromhex(tool.call("recv", fd, 0.3))
                if not packet:
                    break
                seen.append(packet[skip])
        assert sorted(set(seen)) == answers


@pytest.fixture
def open_folder():
    with tempfile.TemporaryDirectory(prefix="vnet-connect-") as path:
        os.chmod(path, 0o711)       # tmp_path is root's alone
        yield path


def test_connects_with_the_owner_s_rights_to_the_owner_s_sockets(tool, open_folder):
    """Nobody gets root to talk to a socket that he could not talk to himself."""
    NOBODY, OTHER = 65534, 12345

    def at(name):
        return os.path.join(open_folder, name)

    def listen(name, owner, mode=0o600):
        s = socket.socket(socket.AF_UNIX)
        s.bind(at(name))
        s.listen(1)
        os.chown(at(name), owner, owner)
        os.chmod(at(name), mode)
        return s

    def refusal(name, owner):
        with pytest.raises(Refused) as e:
            tool.call("connect", at(name), owner)
        return e.value.errno

    with listen("his", NOBODY) as his, listen("root", 0, 0o666), \
            listen("closed", NOBODY) as closed:
        tool.call("connect", at("his"), NOBODY)
        his.accept()[0].close()
        tool.call("connect", at("his"), 0)      # root's NIC: anybody's
        assert refusal("root", NOBODY) == errno.EPERM
        assert refusal("his", OTHER) == errno.EPERM
        os.symlink(at("root"), at("link"))
        assert refusal("link", NOBODY) == errno.EPERM
        closed.close()
        assert refusal("closed", NOBODY) == errno.ECONNREFUSED
        assert refusal("nothing", NOBODY) == errno.ENOENT
        open(at("file"), "w").close()
        assert refusal("file", 0) == errno.ENOTSOCK
        os.mkdir(at("dir"), 0o700)
        os.rename(at("his"), at("dir/his"))
        assert refusal("dir/his", NOBODY) == errno.EACCES
        os.chmod(at("dir"), 0o710)              # root's group is not his …
        assert refusal("dir/his", NOBODY) == errno.EACCES
        os.chown(at("dir"), 0, NOBODY)          # … but his own is
        tool.call("connect", at("dir/his"), NOBODY)
        his.accept()[0].close()
        tool.call("connect", at("dir/his"), 0)
