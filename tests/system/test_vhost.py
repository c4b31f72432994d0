# SPDX-License-Identifier: GPL-2.0-or-later
"""vhost-user: real QEMU guests on the arguments that `vnet attach` prints; beside
them a box, whose interface is a TAP."""

import contextlib
import hashlib
import http.server
import mmap
import os
import re
import signal
import tempfile
import threading

import pytest

import guest
import lab as lab_module
from boxes import Box, block
from lab import eventually

MIB = 16

# QEMU before 9.0 without KVM loses pages that a guest writes while it is being saved: it
# clears the marks of 64 pages at once and does not tell TCG, which then no longer marks
# those it has written before. Memory that is no multiple of 256 KiB it goes through page by
# page, and does tell.
MEMORY = "131080K"


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    lab.outside.who(80)
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        yield daemon


@pytest.fixture(scope="module")
def folder():
    """Where a VMM listens."""
    with tempfile.TemporaryDirectory(prefix="vnet-vmm-") as path:
        yield path


def attach(lab, d, vm, *more, **options):
    args = d.vnet("attach", vm, "--network", "lab", "--type", "vhost-user",
                  "--memory", MEMORY, "--for", "qemu", *more).out.split()
    if guest.accel() == "tcg":
        # QEMU 7.2; `vnet attach` says so itself where there is no /dev/kvm
        args = [re.sub(r",vectors=\d+|$", ",vectors=0", a, count=1)
                if a.startswith("virtio-net-pci") else a for a in args]
    return guest.Guest(vm, wrapper=lab.host.argv(), netargs=args,
                       memory=MEMORY, **options)


@pytest.fixture(scope="module")
def pair(lab, d, folder):
    """Two guests; the second has two pairs of rings, and its QEMU listens."""
    lab_module.need_guest()
    with contextlib.ExitStack() as stack:
        both = [stack.enter_context(attach(lab, d, "a")),
                stack.enter_context(attach(
                    lab, d, "b", "--queues", "2", "--connect", folder + "/b.sock",
                    smp=2))]
        for g in both:
            g.wait_ready()
            g.check("dd if=/dev/urandom of=/www/big bs=1M count=%d" % MIB)
        yield both


def md5_of(g):
    return g.check("md5sum /www/big").split()[0]


def reaches(g, address):
    return g.run("ping -c1 -W2 %s" % address)[0] == 0


def test_guest_gets_its_address_and_goes_out(lab, d, pair):
    for g in pair:
        ip = g.ip()
        assert ip in d.vnet("ip", g.name).out
        status, text = g.run("timeout 10 wget -qO- http://203.0.113.2/")
        assert (status, text) == (0, "outside sees %s\n" % lab.host.address)


def test_offloads_are_the_guest_s(pair):
    for g in pair:
        text = g.check("ethtool -k eth0")
        for what in ("rx-checksumming", "tx-checksumming",
                     "tcp-segmentation-offload", "scatter-gather"):
            assert what + ": on" in text, text


@pytest.mark.parametrize("to", [0, 1])
def test_transfer_between_two_guests(pair, to):
    client, server = pair[to], pair[1 - to]
    got = client.check("wget -qO- http://%s/big | md5sum" % server.ip(),
                       timeout=120)
    assert got.split()[0] == md5_of(server)


def test_transfer_to_and_from_a_tap(lab, d, pair):
    with Box(lab, d, "box", "lab") as box:
        for g in pair:
            with contextlib.closing(box.ns.connect(g.ip(), 80)) as s:
                s.settimeout(60)
                s.sendall(b"GET /big HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: s.recv(1 << 20), b""))
            body = answer.partition(b"\r\n\r\n")[2]
            assert len(body) == MIB << 20
            assert hashlib.md5(body).hexdigest() == md5_of(g)
            took = g.begin("nc -l -p 5001 | md5sum", timeout=120)
            eventually("it listens", lambda: ":5001" in g.check(
                "netstat -ltn"), 20)
            with contextlib.closing(box.ns.connect(g.ip(), 5001)) as s:
                s.settimeout(60)
                s.sendall(body)
            assert g.finish(took)[1].split()[0] == hashlib.md5(
                body).hexdigest()
            # Nothing was lost for want of a guest's buffers.
            assert "'full'" not in str(d.vnet("show", g.name, json=True).data)


def test_second_queue_carries_frames(pair):
    a, b = pair
    b.check("ethtool -L eth0 combined 2")
    for _ in range(4):
        got = b.check("wget -qO- http://%s/big | md5sum" % a.ip(), timeout=120)
        assert got.split()[0] == md5_of(a)


@pytest.fixture
def blob(lab):
    """A server outside: its port, and the SHA-256 of what it has."""
    blocks = [block(n) for n in range(64)]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            for b in blocks:
                self.wfile.write(b)

        def log_message(self, *args):
            pass

    with lab.outside.entered():
        server = http.server.ThreadingHTTPServer(("", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1], hashlib.sha256(b"".join(blocks)).hexdigest()
    server.shutdown()
    server.server_close()


def rx_packets(g, queue):
    return int(re.search(r"rx_queue_%d_packets: (\d+)" % queue,
                         g.check("ethtool -S eth0")).group(1))


def test_downloads_come_on_the_queue_that_the_guest_sends_on(d, pair, blob):
    """The gateway reads into buffers of the very ring that the guest wants a flow on,
    also while that comes and goes."""
    b = pair[1]
    port, digest = blob
    load = "for i in 1 2; do wget -qO- http://203.0.113.2:%d/ | sha256sum & done; wait" % port
    b.check("ethtool -L eth0 combined 2")
    for queue in (0, 1):
        before = rx_packets(b, queue)
        b.check("cd /sys/class/net/eth0/queues; echo 3 >tx-%d/xps_cpus;"
                " echo 0 >tx-%d/xps_cpus" % (queue, 1 - queue))
        assert b.check(load, timeout=120).split() == 2 * [digest, "-"]
        # Most of 8 MiB, in frames of 64 KiB and less.
        assert rx_packets(b, queue) - before > 70
    assert "'full'" not in str(d.vnet("show", "b", json=True).data)
    busy = b.begin(load, timeout=120)
    for n in (1, 2, 1, 2):
        b.check("ethtool -L eth0 combined %d" % n)
    assert b.finish(busy)[1].split() == 2 * [digest, "-"]


def test_link_is_pulled_and_plugged(d, pair):
    a = pair[0]
    d.vnet("link", "a", "down")
    eventually("no carrier", lambda: a.run(
        "cat /sys/class/net/eth0/carrier")[1].strip() == "0", 20)
    assert not reaches(a, "10.0.2.2")
    d.vnet("link", "a", "up")
    eventually("it is back", lambda: reaches(a, "10.0.2.2"), 30)


def comes_back(d, pair, addresses):
    a, b = pair
    for g in pair:
        eventually("%s is back" % g.name, lambda g=g: reaches(g, "10.0.2.2"), 60)
    assert [g.ip() for g in pair] == addresses
    got = a.check("wget -qO- http://%s/big | md5sum" % b.ip(), timeout=120)
    assert got.split()[0] == md5_of(b)
    for n in d.vnet("list", "nics", json=True).data["nics"]:
        assert n["connected"], n


def test_nics_survive_their_worker(d, pair):
    addresses = [g.ip() for g in pair]
    # (wget has an option for this, with which busybox 1.35 ends at once.)
    busy = pair[0].begin("timeout 10 wget -qO /dev/null http://%s/big" % addresses[1],
                         timeout=20)
    os.kill(d.workers()["lab"], signal.SIGKILL)
    comes_back(d, pair, addresses)
    pair[0].finish(busy)


def test_nics_survive_the_daemon(d, pair):
    addresses = [g.ip() for g in pair]
    d.kill()
    d.start()
    comes_back(d, pair, addresses)


def memory_of(g):
    """A guest's memory, to be read also when its QEMU is gone."""
    fds = "/proc/%d/fd/" % g.pid
    for fd in os.listdir(fds):
        if "memfd:memory-backend" in os.readlink(fds + fd):
            return open(fds + fd, "rb")
    raise AssertionError("no shared memory of %s" % g.name)


def pages_that_differ(one, other):
    with contextlib.ExitStack() as stack:
        a, b = [stack.enter_context(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ))
                for f in (one, other)]
        return [hex(at) for at in range(0, len(a), mmap.PAGESIZE)
                if a[at:at + mmap.PAGESIZE] != b[at:at + mmap.PAGESIZE]]


def save(g, image):
    """Into a file, while it runs; its memory as it was in the end."""
    memory = memory_of(g)
    with contextlib.closing(guest.Qmp(g._connect("qmp"))) as qmp:
        # "completed" comes before the last bytes are in the file.
        qmp.call("migrate", uri="exec:cat >%s.part && mv %s.part %s" % (3 * (image,)))
        eventually("saved", lambda: qmp.call("query-migrate")["status"] in
                   ("completed", "failed"), 120)
        assert qmp.call("query-migrate")["status"] == "completed"
        eventually("all is in the file", lambda: os.path.exists(image), 60)
    g.kill()
    return memory


def test_saved_guest_goes_on_in_another_qemu(lab, d, pair, tmp_path):
    """Saving asks for a log of the pages we write, stops the rings and, for the one
    that goes on, starts them where they were."""
    a, b = pair
    address = a.ip()
    image = str(tmp_path / "image")
    # The restored guest sees its cable out for a moment, and its DHCP client would
    # begin anew: what is looked at is that the frames go on.
    a.check("kill -9 $(ps | awk '/[i]nit nic/ { print $1 }') && killall -9 udhcpc")
    # A few frames, not many: memory for those is taken anew and cleared by the guest,
    # which is logged.
    busy = a.begin(": >/run/busy; while [ -e /run/busy ]; do"
                   " ping -c1 -W1 %s && : >/run/got; done; :" % b.ip(), timeout=300)
    eventually("it is busy", lambda: a.run("test -e /run/got")[0] == 0, 60)
    again = attach(lab, d, "a", extra=["-S", "-incoming", "exec:cat " + image])
    with save(a, image) as memory, again:
        with contextlib.closing(guest.Qmp(again._connect("qmp"))) as qmp:
            eventually("it is loaded", lambda: qmp.call("query-status")["status"]
                       != "inmigrate", 60)
            os.unlink(image)
            with memory_of(again) as loaded:
                assert pages_that_differ(memory, loaded) == []
            qmp.call("cont")
        again._ready = True     # it said so in its first life
        again._next = 1000
        again.check("rm /run/busy")
        eventually("it is back", lambda: reaches(again, "10.0.2.2"), 60)
        assert again.ip() == address
        got = again.check("wget -qO- http://%s/big | md5sum" % b.ip(), timeout=120)
        assert got.split()[0] == md5_of(b)
        assert again.finish(busy)[0] == 0


def test_vmm_that_listens_is_found_again(lab, d, pair, folder):
    """Its NIC waits for it, and serves whoever listens next."""
    def nic():
        return next(n for n in d.vnet("list", "nics", json=True).data["nics"]
                    if n["vm"] == "b")

    pair[1].kill()
    eventually("it is missed", lambda: "does not listen" in (nic()["reason"] or ""), 20)
    assert not nic()["connected"] and nic()["state"] == "ok"
    assert nic()["path"] == folder + "/b.sock"
    with attach(lab, d, "b", "--queues", "2", smp=2) as b:
        b.wait_ready()
        assert b.ip() and reaches(b, "10.0.2.2")
        assert nic()["connected"] and not nic()["reason"]
