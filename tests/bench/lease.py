# SPDX-License-Identifier: GPL-2.0-or-later
"""The shortest DHCP client: DISCOVER to ACK over a plain UDP socket, then address and
route by ioctl. Ordinary clients close packet sockets meanwhile, each of which waits for
the kernel's readers (synchronize_net(), some 16 ms, five times in busybox's udhcpc):
theirs to spend, but not what a network's start is about."""

import fcntl
import os
import socket
import struct

import lab as L

SIOCADDRT, SIOCSIFADDR, SIOCSIFNETMASK = 0x890b, 0x8916, 0x891c
RTF_UP, RTF_GATEWAY = 1, 2
MAGIC = b"\x63\x82\x53\x63"
DISCOVER, REQUEST, ACK = 1, 3, 5


def message(kind, xid, mac, more=b""):
    # The broadcast flag: no address yet that an answer could be sent to.
    return (struct.pack("!4BIHH16x", 1, 1, 6, 0, xid, 0, 0x8000) + mac.ljust(16, b"\0") +
            bytes(192) + MAGIC + bytes([53, 1, kind]) + more + b"\xff").ljust(300, b"\0")


def options(data):
    found, at = {}, 240
    while at < len(data) and data[at] != 255:
        if data[at]:
            size = data[at + 1]
            found[data[at]] = data[at + 2:at + 2 + size]
            at += 1 + size
        at += 1
    return found


def exchange(sock, xid, data):
    """(address offered, options) of the answer; asked again after a second."""
    for _ in range(10):
        sock.sendto(data, ("255.255.255.255", 67))
        try:
            while True:
                got = sock.recv(2000)
                if len(got) > 240 and got[4:8] == struct.pack("!I", xid):
                    return got[16:20], options(got)
        except socket.timeout:
            pass
    raise L.LabError("no DHCP server answers")


def sockaddr(address=bytes(4)):
    return struct.pack("=HH4s8x", socket.AF_INET, 0, address)


def configure(sock, ifname, address, mask, router):
    for what, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, mask)):
        fcntl.ioctl(sock, what, struct.pack("16s24s", ifname.encode(), sockaddr(value)))
    fcntl.ioctl(sock, SIOCADDRT, struct.pack(
        "L16s16s16sHhLBB3hhPLLH0L", 0, sockaddr(), sockaddr(router), sockaddr(),
        RTF_UP | RTF_GATEWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))


def take(ns, ifname):
    """A lease for the interface, and what it says."""
    with ns.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
        sock.bind(("", 68))
        mac = fcntl.ioctl(sock, 0x8927, struct.pack("40s", ifname.encode()))[18:24]
        xid = int.from_bytes(os.urandom(4), "big")
        offered, said = exchange(sock, xid, message(DISCOVER, xid, mac))
        address, said = exchange(sock, xid, message(
            REQUEST, xid, mac, b"\x32\x04" + offered + b"\x36\x04" + said[54]))
        if said[53] != bytes([ACK]):
            raise L.LabError("no lease: message type %d" % said[53][0])
        configure(sock, ifname, address, said[1], said[3][:4])
