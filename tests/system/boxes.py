# SPDX-License-Identifier: GPL-2.0-or-later
"""Boxes: namespaces as guests. A NIC of type netns puts a TAP into each, so real
programs (DHCP clients, iperf3, curl) run on vnet's networks at full speed."""

import contextlib
import hashlib
import os
import socket
import sys
import threading

import lab as lab_module
import tap_pump


def settle(box, dhcp, address):
    """An address for its eth0: the one given, or a lease of the client named."""
    if address:
        box.ns.ip("addr", "add", address, "dev", "eth0")
        box.ip = address.split("/")[0]
    elif dhcp:
        box.client = lab_module.DhcpClient(dhcp, box.ns, "eth0",
                                           hostname=box.name).start()
        box.lease = box.client.lease()
        box.ip = box.lease["ip"]


class Box:
    """One namespace with one NIC of `network`, configured by a real DHCP client."""

    def __init__(self, lab, daemon, name, network, dhcp="udhcpc", address=None):
        self.lab, self.d, self.name = lab, daemon, name
        self.ns = lab_module.Netns(name)
        self.client = None
        self.ip = None
        try:
            daemon.vnet("attach", name, "--network", network, "--type", "netns",
                        "--netns", self.ns.path, "--ifname", "eth0")
            settle(self, dhcp, address)
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.client:
            self.client.close()
        if self.d.proc and self.d.proc.poll() is None:
            self.d.vnet("detach", self.name, check=False)
        self.ns.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class TapBox:
    """A box whose NIC is a TAP that a VMM opens by name (type tap), as an ordinary user.
    The VMM is tap_pump.py; it may come and go."""

    def __init__(self, lab, daemon, name, network, dhcp="udhcpc", address=None,
                 user="nobody", attach=()):
        self.lab, self.d, self.name = lab, daemon, name
        self.ns = lab_module.Netns(name)
        self.user = user
        self.client = self.vmm = self.ip = None
        with self.ns.entered():
            self.fd = tap_pump.open_tap("eth0")
        try:
            self.nic = daemon.vnet("attach", name, "--network", network, "--type",
                                   "tap", "--owner", user, *attach, json=True).data
            self.ns.ip("link", "set", "eth0", "address", self.nic["mac"], "up")
            self.power_on()
            settle(self, dhcp, address)
        except BaseException:
            self.close()
            raise

    def power_on(self):
        with self.lab.host.entered():
            tun = os.open("/dev/net/tun", os.O_RDWR)
        self.vmm = self.lab.host.popen(
            "setpriv", "--reuid", self.user, "--clear-groups", "--inh-caps=-all",
            sys.executable, "-B", tap_pump.__file__, self.nic["ifname"], str(tun),
            str(self.fd), pass_fds=[tun, self.fd], stdout=-1,
            universal_newlines=True)
        os.close(tun)
        assert self.vmm.stdout.readline() == "open\n"

    def power_off(self):
        if self.vmm:
            lab_module.end(self.vmm)
            self.vmm.stdout.close()
        self.vmm = None

    def close(self):
        if self.client:
            self.client.close()
        self.power_off()
        if self.d.proc and self.d.proc.poll() is None:
            self.d.vnet("detach", self.name, check=False)
        os.close(self.fd)
        self.ns.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


BLOCK = bytes(range(256)) * 256


def block(n):
    """The n-th 64 KiB of a stream that repeats nowhere."""
    return n.to_bytes(8, "big") + BLOCK[8:]


class Transfer:
    """`blocks` × 64 KiB through a TCP connection, both ends hashing. Send from the
    client's side (up=True) or to it."""

    def __init__(self, server_ns, client_ns, address, port, blocks, up,
                 listen_port=None, listen_address=""):
        self.blocks = blocks
        self.listener = server_ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((listen_address, listen_port or port))
        self.listener.listen(1)
        self.client_ns, self.address, self.port, self.up = \
            client_ns, address, port, up
        self.sums = {}
        self.errors = []

    def _send(self, sock, who):
        digest = hashlib.sha256()
        for n in range(self.blocks):
            data = block(n)
            digest.update(data)
            sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
        self.sums[who] = digest.hexdigest()

    def _receive(self, sock, who):
        digest = hashlib.sha256()
        total = 0
        while True:
            data = sock.recv(1 << 18)
            if not data:
                break
            digest.update(data)
            total += len(data)
        sock.shutdown(socket.SHUT_WR)
        self.sums[who] = digest.hexdigest()
        if total != self.blocks * 65536:
            self.errors.append("%s got %d bytes" % (who, total))

    def _guarded(self, what, *args):
        try:
            what(*args)
        except OSError as e:
            self.errors.append("%s: %s" % (args[1], e))

    def run(self, timeout=240):
        """Both SHA-256 sums, which must be equal; AssertionError otherwise."""
        client = self.client_ns.connect(self.address, self.port, 10)
        with contextlib.closing(self.listener), contextlib.closing(client):
            self.listener.settimeout(10)
            server, self.peer = self.listener.accept()
            with contextlib.closing(server):
                for s in (client, server):
                    s.settimeout(60)
                jobs = [(self._send, client, "client"),
                        (self._receive, server, "server")] if self.up else [
                        (self._receive, client, "client"),
                        (self._send, server, "server")]
                threads = [threading.Thread(target=self._guarded, args=j)
                           for j in jobs]
                for t in threads:
                    t.start()
                for t in threads:
                    t.join(timeout)
        assert not self.errors, self.errors
        assert self.sums["client"] == self.sums["server"]
        return self.sums["client"]
