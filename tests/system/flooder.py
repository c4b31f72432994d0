# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that opens COUNT UDP and as many TCP flows, as fast as the switch takes the
frames, and answers nothing. Run in its namespace, as a process of its own.
Usage: flooder.py IFNAME GATEWAY-MAC OWN-IP IP TCP-PORT UDP-PORT COUNT"""

import socket
import struct
import sys
import time

FIRST_PORT = 1024
BURST = 128


def summed(data):
    return sum(struct.unpack("!%dH" % (len(data) // 2), data))


def folded(total):
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_header(proto, length, src, dst):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0, 64, proto, 0,
                       src, dst)
    return head[:10] + struct.pack("!H", folded(summed(head))) + head[12:]


def lost(ifname):
    """Frames that the interface's queue had no room for."""
    with open("/proc/net/dev") as f:
        return int(f.read().split(ifname + ":")[1].split()[11])


def flood(ifname, gateway, src, dst, tcp_port, udp_port, count):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((ifname, 0))
    ether = gateway + s.getsockname()[4] + b"\x08\x00"
    udp = ether + ip_header(17, 12, src, dst)
    tcp = ether + ip_header(6, 20, src, dst)
    rest = struct.pack("!HIIBBHHH", tcp_port, 1, 0, 0x50, 2, 64240, 0, 0)
    pseudo = summed(src + dst + struct.pack("!HH", 6, 20) + rest)
    for first in range(FIRST_PORT, FIRST_PORT + count, BURST):
        before = None
        while before != lost(ifname):
            if before is not None:
                time.sleep(0.005)
            before = lost(ifname)
            for port in range(first, min(first + BURST, FIRST_PORT + count)):
                s.send(udp + struct.pack("!HHHH", port, udp_port, 12, 0) + b"full")
                s.send(tcp + struct.pack("!H", port) + rest[:14] +
                       struct.pack("!H", folded(pseudo + port)) + rest[16:])


if __name__ == "__main__":
    flood(sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")),
          *map(socket.inet_aton, sys.argv[3:5]), *map(int, sys.argv[5:]))
