# SPDX-License-Identifier: GPL-2.0-or-later
"""Files for guests that boot, fetched with curl and with a client that asks for
windows, from guests' places."""

import hashlib
import os
import shutil
import signal
import socket
import struct

import pytest

import lab as lab_module
from basics import scratch
from boxes import Box, block
from lab import eventually

# Who gives the leases; where the kernel is the gateway that is the resolver.
SERVER = "10.0.2.3" if lab_module.DATAPATH == "kernel" else "10.0.2.2"
NOT_FOUND, NO_ACCESS, TIMED_OUT = 68, 69, 28  # curl's exit status


@pytest.fixture(scope="module")
def served():
    """A folder with a file of 3 MiB and a bit in it, and a secret beside it."""
    lab_module.need_program("curl")
    top = scratch("tftp")
    os.chmod(top, 0o755)
    folder = os.path.join(top, "served")
    os.makedirs(os.path.join(folder, "boot"))
    with open(os.path.join(folder, "boot", "kernel"), "wb") as f:
        for n in range(48):
            f.write(block(n))
        f.write(b"the end")
    with open(os.path.join(folder, "hello"), "w") as f:
        f.write("hello\nworld\n")
    with open(os.path.join(top, "secret"), "w") as f:
        f.write("secret")
    os.symlink("../secret", os.path.join(folder, "way-out"))
    yield folder
    shutil.rmtree(top)


def sha(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def curl(box, path, *more, server=SERVER):
    """Status and what came."""
    out = os.path.join(box.ns.dir, "got")
    with box.ns.popen("curl", "-s", "-m", "20", "-o", out, *more,
                      "tftp://%s/%s" % (server, path)) as proc:
        if proc.wait():
            return proc.returncode, None
    with open(out, "rb") as f:
        return 0, f.read()


@pytest.fixture
def box(lab, vnetd, served):
    vnetd.vnet("define", "lab", "--mode", "nat", "--tftp", served)
    with Box(lab, vnetd, "guest", "lab") as b:
        yield b


@pytest.mark.parametrize("options", [(), ("--tftp-no-options",),
                                     ("--tftp-blksize", "1400")])
def test_file_arrives_whole(box, served, options):
    status, data = curl(box, "boot/kernel", *options)
    assert status == 0
    assert hashlib.sha256(data).hexdigest() == \
        sha(os.path.join(served, "boot", "kernel"))


def test_text_arrives_with_its_line_ends(box):
    assert curl(box, "hello;mode=netascii") == (0, b"hello\r\nworld\r\n")


def test_nothing_else_of_the_host_is_served(box, vnetd, served):
    assert curl(box, "boot/none")[0] == NOT_FOUND
    for path in ("way-out", "..%2fsecret", "boot/..%2f..%2fsecret",
                 "%2f..%2fsecret", "boot"):
        assert curl(box, path)[0] == NO_ACCESS, path
    assert curl(box, "new", "-T", os.path.join(served, "hello"))[0] == NO_ACCESS
    assert not os.path.exists(os.path.join(served, "new"))
    assert curl(box, "hello")[1] == b"hello\nworld\n"
    assert "did not get way-out: access violation" in vnetd.log()


class Windows:
    """A client that asks for windows and counts how often it had to wait."""

    def __init__(self, ns, path, window, blksize=1400):
        self.sock = ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(10)
        self.request = b"\0\1" + b"\0".join(
            [path.encode(), b"octet", b"blksize", b"%d" % blksize,
             b"windowsize", b"%d" % window, b"tsize", b"0", b""])
        self.blksize = blksize

    def fetch(self):
        self.sock.sendto(self.request, (SERVER, 69))
        oack, server = self.sock.recvfrom(2048)
        assert oack[:2] == b"\0\6" and server[1] != 69
        words = oack[2:-1].split(b"\0")
        self.options = dict(zip(words[::2], words[1::2]))
        window = int(self.options[b"windowsize"])
        data, have, self.acks = [], 0, 1
        self.sock.sendto(b"\0\4\0\0", server)
        while True:
            got = self.sock.recv(65536)
            op, n = struct.unpack(">HH", got[:4])
            assert op == 3
            if n != (have + 1) & 0xffff:
                continue
            have += 1
            data.append(got[4:])
            last = len(got) - 4 < self.blksize
            if last or have % window == 0:
                self.acks += 1
                self.sock.sendto(struct.pack(">HH", 4, have & 0xffff), server)
            if last:
                return b"".join(data)


def test_windows_save_round_trips(box, served):
    path = os.path.join(served, "boot", "kernel")
    client = Windows(box.ns, "boot/kernel", 64)
    with client.sock:
        data = client.fetch()
    assert hashlib.sha256(data).hexdigest() == sha(path)
    assert client.options == {b"blksize": b"1400", b"windowsize": b"16",
                              b"tsize": b"%d" % os.path.getsize(path)}
    assert client.acks < os.path.getsize(path) / 1400 / 15


def test_switched_live_and_kept(lab, vnetd, served):
    vnetd.vnet("define", "lab", "--mode", "hostonly")
    server = "192.168.56.100"
    with Box(lab, vnetd, "guest", "lab") as box:
        assert curl(box, "hello", "-m", "1", server=server)[0] == TIMED_OUT
        vnetd.vnet("set", "lab", "--tftp", served)
        assert curl(box, "hello", server=server)[0] == 0
        os.kill(vnetd.workers()["lab"], signal.SIGKILL)
        eventually("served by the next worker",
                   lambda: curl(box, "hello", "-m", "2", server=server)[0] == 0)
        vnetd.vnet("set", "lab", "--tftp", "off")
        assert curl(box, "hello", "-m", "1", server=server)[0] == TIMED_OUT
        vnetd.vnet("set", "lab", "--tftp", served)
    vnetd.kill()
    vnetd.start()
    assert served in vnetd.vnet("show", "lab").out


def test_folder_is_judged(vnetd, served):
    r = vnetd.vnet("define", "lab", "--mode", "nat", "--tftp",
                   os.path.join(served, "hello"), check=False)
    assert r.status == 1 and "Not a directory" in r.err
    r = vnetd.vnet("define", "lab", "--mode", "nat", "--tftp", "/nowhere",
                   check=False)
    assert r.status == 1 and "/nowhere" in r.err
    r = vnetd.vnet("define", "lab", "--mode", "internal", "--tftp", served,
                   check=False)
    assert r.status == 1 and "subnet" in r.err
