# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagram NICs of a path: runners whose socket is connected to the daemon's (libkrun,
vfkit) and those whose is not (QEMU, a real one in test_attach.py); as root and
without. Played by a few lines that ask the gateway by ARP who it is."""

import errno
import os
import pwd
import socket
import struct

import pytest

import lab as lab_module
from lab import eventually

GATEWAY = socket.inet_aton("10.0.2.2")


@pytest.fixture(scope="module", params=["root", "nobody"])
def d(lab, request):
    lab_module.need_vnetd()
    user = None if request.param == "root" else request.param
    with lab_module.Vnetd(ns=lab.host, user=user) as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        yield daemon


@pytest.fixture(scope="module")
def home(d):
    """A folder of the user's that has nothing to do with the daemon."""
    path = os.path.join(d.dir, "runner")
    os.mkdir(path)
    os.chown(path, uid(d), -1)
    return path


def uid(d):
    return pwd.getpwnam(d.user).pw_uid if d.user else 0


class Runner:
    """A runner's socket at `path`; connected to the NIC's if `connect`."""

    def __init__(self, d, nic, path, mac, connect):
        self.nic = nic
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.connected = connect
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(0.5)
        self.sock.bind(path)
        os.chown(path, uid(d), -1)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def dial(self):
        """False while the daemon's socket still belongs to another runner."""
        try:
            self.sock.connect(self.nic)
        except OSError as e:
            assert e.errno == errno.EPERM, e
            return False
        self.sock.send(b"VFKT")
        return True

    def hears_gateway(self):
        frame = (b"\xff" * 6 + self.mac + b"\x08\x06" +
                 struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + self.mac +
                 socket.inet_aton("10.0.2.77") + bytes(6) + GATEWAY)
        if self.connected:
            self.sock.send(frame)
        else:
            self.sock.sendto(frame, self.nic)
        try:
            while True:
                f = self.sock.recv(65536)
                if f[12:14] == b"\x08\x06" and f[28:32] == GATEWAY and f[:6] == self.mac:
                    return True
        except socket.timeout:
            return False


def attach(d, vm):
    o = d.vnet("attach", vm, "--network", "lab", "--type", "dgram", json=True).data
    return o["connect"], o["mac"]


def connected(d, vm):
    return [n["connected"] for n in d.vnet("list", "nics", json=True).data["nics"]
            if n["vm"] == vm] == [True]


def test_runner_that_is_connected_to_us(d, home):
    at, mac = attach(d, "krun")
    for n in range(2):      # the VM starts again: another socket, another path
        with Runner(d, at["path"], "%s/krun%d" % (home, n), mac, True) as r:
            eventually("let in", r.dial)
            eventually("answered", r.hears_gateway)
            assert connected(d, "krun")
        eventually("seen to be gone", lambda: not connected(d, "krun"))
    d.vnet("detach", "krun")


def test_runner_in_the_nics_folder(d):
    at, mac = attach(d, "qemu")
    for n in range(2):      # the VM starts again: same path, another socket
        with Runner(d, at["path"], at["peer_dir"] + "/qemu", mac, False) as r:
            eventually("answered", r.hears_gateway)
        os.unlink(at["peer_dir"] + "/qemu")
    d.vnet("detach", "qemu")
    assert not os.path.exists(at["peer_dir"])


def test_two_runners_on_one_nic(d):
    at, _ = attach(d, "pair")
    with Runner(d, at["path"], at["peer_dir"] + "/a", "52:54:00:00:00:0a", False) as a, \
            Runner(d, at["path"], at["peer_dir"] + "/b", "52:54:00:00:00:0b", False) as b:
        eventually("a is answered", a.hears_gateway)
        eventually("b is answered", b.hears_gateway)
        b.sock.sendto(a.mac + b.mac + b"\x88\xb5" + b"hello".ljust(46), at["path"])
        eventually("a hears b", lambda: a.sock.recv(65536)[12:19] == b"\x88\xb5hello")
    d.vnet("detach", "pair")


def test_no_answer_to_strangers_sockets(d, home):
    """A worker that a guest took over must not pick whom it may write to."""
    at, mac = attach(d, "odd")
    theirs = at["peer_dir"] + "/link"
    with Runner(d, at["path"], home + "/elsewhere", mac, False) as r:
        os.symlink(home + "/elsewhere", theirs)
        assert not r.hears_gateway()
        eventually("a reason is logged", lambda: "or lie in %s" % at["peer_dir"] in d.log())
    os.unlink(theirs)
    d.vnet("detach", "odd")


def test_worker_dies_runners_stay(d, home):
    at, mac = attach(d, "stay")
    with Runner(d, at["path"], home + "/stay", mac, True) as r:
        eventually("let in", r.dial)
        eventually("answered", r.hears_gateway)
        pid = d.workers()["lab"]
        os.kill(pid, 9)
        eventually("another worker", lambda: d.workers().get("lab", pid) != pid)
        eventually("answered again", r.hears_gateway)
    d.vnet("detach", "stay")


def test_daemon_starts_again_runner_in_the_folder_stays(d):
    at, mac = attach(d, "long")
    with Runner(d, at["path"], at["peer_dir"] + "/qemu", mac, False) as r:
        eventually("answered", r.hears_gateway)
        d.kill()
        d.start()
        eventually("answered again", r.hears_gateway)
        d.stop()
        d.start()
        eventually("and again", r.hears_gateway)
    d.vnet("detach", "long")
