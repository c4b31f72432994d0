# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens when things break: workers killed, guests killed, pools empty, disks
full, descriptors gone, garbage on every socket. Others go on; nothing is lost."""

import contextlib
import glob
import os
import random
import signal
import socket
import threading
import time

import pytest

import guest
import lab as lab_module
from daemon import _is_socket as is_socket
from boxes import Box, Transfer
from lab import eventually


@pytest.fixture
def d(vnetd):
    vnetd.vnet("define", "lab", "--mode", "nat")
    return vnetd


def test_a_killed_worker_takes_nothing_along(lab, d):
    d.vnet("define", "own", "--mode", "hostonly")
    with Box(lab, d, "box-a", "lab") as a, Box(lab, d, "box-c", "own") as c, \
            d.api() as api:
        api.call("events.subscribe", types=["worker"])
        before = d.workers()
        leases = d.vnet("lease", "list", "lab", json=True).data
        d.vnet("forward", "add", "lab", "tcp:8080:box-a:80")
        a.ns.who(80)
        os.kill(before["lab"], signal.SIGKILL)
        api.event("worker.exited", network="lab")
        eventually("another worker", lambda: d.workers().get("lab") not in
                   (None, before["lab"]), 10)
        assert d.workers()["own"] == before["own"]
        # the NIC works again without anybody doing anything, so do forwards
        assert eventually("NAT works", lambda: a.ns.ping(lab.outside.address), 15)
        assert lab.outside.fetch("http://%s:8080/" % lab.host.address)
        assert d.vnet("lease", "list", "lab", json=True).data == leases
        assert lab.host.ping(c.ip)
        # and the client that asks again gets the same address
        a.client.stop()
        a.client.start()
        assert a.client.lease()["ip"] == a.ip


def test_next_network_gets_the_spare_worker(d):
    spare = eventually("a spare worker", d.spare, 10, 0.02)
    d.vnet("define", "next", "--mode", "nat")
    assert d.workers()["next"] == spare
    with open("/proc/%d/cmdline" % spare) as f:
        assert f.read().rstrip("\0").split("\0") == ["vnetd", "worker", "next"]
    another = eventually("another spare worker", d.spare, 10, 0.02)
    os.kill(spare, signal.SIGKILL)
    eventually("the network is back", lambda: d.workers().get("next") == another, 10)
    d.vnet("undefine", "next")


def test_workers_are_scheduled_with_the_daemon(d):
    """A session of its own is a group of its own to the kernel's scheduler
    (sched_autogroup): frames would wait for a busy CPU. No ^C reaches them either way."""
    worker = eventually("the worker", lambda: d.workers().get("lab"), 10)
    assert os.getsid(worker) == os.getsid(d.pid)
    assert os.getpgid(worker) == worker


def test_a_worker_killed_under_load_again_and_again(lab, d):
    """The guest's stream NIC goes on exactly where it was, frame by frame."""
    with Box(lab, d, "box-a", "lab") as a, Box(lab, d, "box-b", "lab") as b:
        for _ in range(5):
            done = []
            t = Transfer(b.ns, a.ns, b.ip, 5002, 2000, True)
            thread = threading.Thread(target=lambda: done.append(t.run()))
            thread.start()
            time.sleep(0.2 + random.random() / 4)
            os.kill(eventually("worker", lambda: d.workers().get("lab"), 20),
                    signal.SIGKILL)
            thread.join(120)
            assert done, "transfer across the switch survives"
            eventually("worker again", lambda: d.workers().get("lab"), 20)


@pytest.mark.parametrize("kind", ["stream", "run"])
def test_a_guest_keeps_its_nic_when_the_worker_dies(lab, d, guests, kind):
    lab_module.need_guest()
    if kind == "run":
        g = guest.Guest("vm", wrapper=d.wrapper("lab", "vm"),
                        env=dict(os.environ, **d.env))
    else:
        args = d.vnet("attach", "vm", "--network", "lab", "--for", "qemu").out
        g = guest.Guest("vm", netargs=args.split())
    guests.append(g)
    g.start().wait_ready()
    ip = g.ip()
    for _ in range(3):
        os.kill(d.workers()["lab"], signal.SIGKILL)
        eventually("worker", lambda: d.workers().get("lab"), 10)
        eventually("guest pings", lambda: g.run(
            "ping -c 1 -W 2 203.0.113.2")[0] == 0, 20)
    assert g.ips() == [ip]


def test_a_guest_below_vnet_run_keeps_its_nic_when_the_daemon_dies(
        lab, d, guests):
    lab_module.need_guest()
    g = guest.Guest("vm", wrapper=d.wrapper("lab", "vm"),
                    env=dict(os.environ, **d.env))
    guests.append(g)
    g.start().wait_ready()
    ip = g.ip()
    d.kill()
    eventually("all its processes end", lambda: not d.survivors(), 10)
    d.start()
    eventually("guest pings", lambda: g.run(
        "ping -c 1 -W 2 203.0.113.2")[0] == 0, 30)
    assert g.ips() == [ip]
    assert ip in d.vnet("ip", "vm").out


def test_a_guest_killed_in_mid_transfer(lab, d, guests):
    lab_module.need_guest()
    g = guest.Guest("vm", wrapper=d.wrapper("lab", "vm"),
                    env=dict(os.environ, **d.env))
    guests.append(g)
    g.start().wait_ready()
    d.vnet("forward", "add", "lab", "tcp:8080:vm:80")
    g.check("dd if=/dev/zero of=/www/big bs=1M count=24")
    with lab.outside.connect(lab.host.address, 8080) as s:
        s.sendall(b"GET /big HTTP/1.0\r\n\r\n")
        assert s.recv(1000)
        worker = d.workers()["lab"]
        g.kill()
        # the NIC of `vnet run` is gone with the guest, the network stays
        eventually("NIC gone", lambda: not d.api().call("nic.list")["nics"], 10)
        s.settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            while s.recv(1 << 16):
                pass
    assert d.workers()["lab"] == worker


def test_forward_to_a_guest_that_is_down(lab, d):
    d.vnet("attach", "vm", "--network", "lab")
    d.vnet("forward", "add", "lab", "tcp:8080:vm:80")
    # Refused, or reset in the handshake or behind it.
    with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):
        with lab.outside.connect(lab.host.address, 8080) as s:
            s.settimeout(10)
            with contextlib.suppress(ConnectionResetError):
                assert s.recv(10) == b"", "closed, not left hanging"
    listed = d.vnet("forward", "list", json=True).data["forwards"]
    assert listed[0]["state"] == "inactive" and "address" in listed[0]["reason"]
    assert listed[0]["stats"]["refused"] == 1


def test_forward_to_a_vm_that_does_not_exist_refuses(lab, d):
    """It listens, so somebody has to say no; and it works as soon as the VM is."""
    d.vnet("forward", "add", "lab", "tcp:8080:future:80")
    listed = d.vnet("forward", "list", json=True).data["forwards"]
    assert listed[0]["state"] == "inactive" and "future" in listed[0]["reason"]
    for _ in range(3):
        with contextlib.suppress(ConnectionResetError):
            with lab.outside.connect(lab.host.address, 8080) as s:
                s.settimeout(2)
                assert s.recv(10) == b"", "closed, not left hanging"
    with Box(lab, d, "future", "lab") as box:
        box.ns.who(80)
        assert lab.outside.fetch("http://%s:8080/" % lab.host.address)
    eventually("inactive again", lambda: d.vnet(
        "forward", "list", json=True).data["forwards"][0]["state"] == "inactive")


def test_busy_port_names_its_owner(lab, d):
    with contextlib.closing(lab.host.socket(
            socket.AF_INET, socket.SOCK_STREAM)) as s:
        s.bind(("0.0.0.0", 8088))
        s.listen(1)
        done = d.vnet("forward", "add", "lab", "tcp:8088:10.0.2.15:80",
                      check=False)
        assert done.status == 1
        assert "8088" in done.err and str(os.getpid()) in done.err, done.err
    d.vnet("forward", "add", "lab", "tcp:8088:10.0.2.15:80")
    d.vnet("define", "lab2", "--mode", "nat")
    done = d.vnet("forward", "add", "lab2", "tcp:8088:10.0.3.15:80", check=False)
    assert done.status == 1 and "lab" in done.err, done.err


def test_privileged_port(lab, d):
    with Box(lab, d, "box-a", "lab") as a:
        a.ns.who(80)
        d.vnet("forward", "add", "lab", "tcp:80:box-a:80")
        assert lab.outside.fetch("http://%s/" % lab.host.address)


def test_pool_exhausted(lab, d):
    d.vnet("define", "small", "--mode", "nat", "--subnet", "10.8.0.0/24",
           "--dhcp", "10.8.0.20-10.8.0.21")
    with d.api() as api, Box(lab, d, "s1", "small") as one, \
            Box(lab, d, "s2", "small") as two:
        api.call("events.subscribe", types=["dhcp"])
        assert {one.ip, two.ip} == {"10.8.0.20", "10.8.0.21"}
        with Box(lab, d, "s3", "small", dhcp=None) as three, \
                lab_module.DhcpClient("udhcpc", three.ns, "eth0") as client:
            api.event("dhcp.pool_exhausted", timeout=15)
            assert client.current() is None
            two.client.release()
            assert client.lease(20)["ip"] == two.ip


@pytest.mark.parametrize("subnet", ["10.0.2.0/24", "10.0.0.0/16",
                                    "192.168.77.0/24"])
def test_subnet_overlap_is_refused(lab, d, subnet):
    done = d.vnet("define", "bad", "--mode", "nat", "--subnet", subnet,
                  check=False)
    assert done.status == 1
    assert "overlap" in done.err, done.err
    assert len(d.vnet("list", json=True).data["networks"]) == 1


def test_uplink_missing(lab, d):
    d.vnet("define", "br", "--mode", "bridged", "--uplink", "nosuch0",
           check=False)
    for n in d.vnet("list", json=True).data["networks"]:
        if n["name"] == "br":
            assert n["state"] == "failed" and "nosuch0" in n["reason"], n
    assert d.workers().get("lab")


def test_store_full(lab):
    """A disk without room: refused with a sentence, nothing half done; what is there is
    served, also after a kill and a new start."""
    lab_module.need_vnetd()
    daemon = lab_module.Vnetd(ns=lab.host)
    os.makedirs(daemon.state, exist_ok=True)
    lab_module.sh("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", daemon.state)
    with contextlib.ExitStack() as stack:
        d = stack.enter_context(daemon)
        stack.callback(lab_module.sh, "umount", daemon.state)
        stack.callback(d.stop)
        d.vnet("define", "lab", "--mode", "nat")
        made = ["lab"]
        refused = None
        for n in range(2000):
            done = d.vnet("define", "net%d" % n, "--mode", "internal",
                          "--no-start", check=False)
            if done.status:
                refused = done
                break
            made.append("net%d" % n)
        assert refused and refused.status == 1, "the disk never filled up"
        assert "full" in refused.err, refused.err

        def there():
            return sorted(n["name"] for n in d.vnet(
                "list", json=True).data["networks"])
        assert there() == sorted(made)
        d.kill()
        d.start()
        assert there() == sorted(made)
        eventually("lab runs", lambda: "lab" in d.workers())
        # and when there is room again, all goes on
        lab_module.sh("mount", "-o", "remount,size=4m", daemon.state)
        d.vnet("undefine", made[1])
        d.vnet("define", "after", "--mode", "internal")


def test_descriptor_limit(lab):
    """Few descriptors: clients and forwards are refused, the daemon stays."""
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host,
                          under=["prlimit", "--nofile=64:64"]) as d:
        d.vnet("define", "lab", "--mode", "nat")
        clients = []
        with contextlib.suppress(OSError):
            for _ in range(100):
                clients.append(d.api(timeout=2))
        for c in clients:
            c.close()
        eventually("it answers again", lambda: d.vnet(
            "list", check=False).status == 0, 10)
        refused = 0
        for port in range(20000, 20100):
            done = d.vnet("forward", "add", "lab", "tcp:%d:10.0.2.15:80" % port,
                          check=False)
            if done.status:
                refused += 1
                assert done.status == 1 and done.err
                if refused > 3:
                    break
        assert refused, "never refused"
        assert d.vnet("list", json=True).data["networks"][0]["state"] == "running"


def garbage(n, rng):
    return bytes(rng.getrandbits(8) for _ in range(n))


def test_garbage_on_every_socket(lab, d):
    rng = random.Random(7)
    nics = []
    for kind in ("stream", "dgram", "seqpacket"):
        d.vnet("attach", "g-" + kind, "--network", "lab", "--type", kind)
        nics.append(kind)
    with Box(lab, d, "box-a", "lab") as a:
        workers = d.workers()
        paths = [p for p in glob.glob(d.runtime + "/**", recursive=True)
                 if is_socket(p)]
        assert len(paths) >= 4
        for path in paths:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM,
                         socket.SOCK_SEQPACKET):
                for size in (1, 3, 4, 14, 60, 1500, 60000):
                    with socket.socket(socket.AF_UNIX, kind) as s:
                        s.settimeout(1)
                        with contextlib.suppress(OSError):
                            if kind == socket.SOCK_DGRAM:
                                s.bind("\0vnt-garbage-%d" % rng.getrandbits(60))
                            s.connect(path)
                            s.sendall(garbage(size, rng))
                            s.sendall(b"\0\0\0\x3c" + garbage(60, rng))
        assert d.workers() == workers, "nobody crashed"
        assert a.ns.ping(lab.outside.address)
        assert d.vnet("list").status == 0


def test_garbage_frames_from_a_tap(lab, d):
    """Random frames, IP and ARP headers of every kind, from a box's own NIC."""
    rng = random.Random(11)
    with Box(lab, d, "box-a", "lab") as a:
        worker = d.workers()["lab"]
        mac = bytes.fromhex(a.ns.links()["eth0"]["address"].replace(":", ""))
        raw = a.ns.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with contextlib.closing(raw):
            raw.bind(("eth0", 0))
            for n in range(20000):
                head = (b"\xff" * 6 if n % 3 else garbage(6, rng)) + mac
                kind = (b"\x08\x00", b"\x08\x06", b"\x86\xdd", b"\x81\x00",
                        garbage(2, rng))[n % 5]
                body = bytearray(garbage(rng.randrange(0, 200), rng))
                if kind == b"\x08\x00" and len(body) > 20:
                    body[0] = 0x45
                    body[9] = (1, 6, 17, 47)[n % 4]
                    body[12:16] = socket.inet_aton(a.ip)
                    body[2:4] = len(body).to_bytes(2, "big")
                    body[10:12] = b"\0\0"
                    body[10:12] = lab_module.checksum(
                        bytes(body[:20])).to_bytes(2, "big")
                with contextlib.suppress(OSError):
                    raw.send(head + kind + bytes(body))
        assert a.ns.ping("10.0.2.2")
        assert d.workers()["lab"] == worker


def test_no_descriptor_grows(lab, d):
    with Box(lab, d, "box-a", "lab") as a:
        with d.no_fd_growth():
            for n in range(20):
                d.vnet("attach", "x", "--network", "lab")
                d.vnet("forward", "add", "lab", "tcp:9000:x:80")
                d.vnet("forward", "del", "lab", "tcp:9000")
                d.vnet("detach", "x")
            lab.outside.who(80)
            for n in range(50):
                assert a.ns.fetch("http://%s/" % lab.outside.address)


