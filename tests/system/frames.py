# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames by hand: a peer of a few lines on the other end of a socket."""

import contextlib
import socket
import struct
import threading


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return 0xffff & ~s


class FramePeer:
    """A machine of a few lines on the other end of a guest's or a port's socket: it
    answers ARP and pings for its address and keeps what it got in .frames.

    kind: "dgram" (SOCK_DGRAM or SOCK_SEQPACKET, a frame a datagram; answers go
    to the sender) or "stream" (u32 length before each frame).
    """

    def __init__(self, sock, kind="dgram", ip="10.9.0.1", mac="02:00:00:00:00:01",
                 answer=True):
        self.sock = sock
        self.kind = kind
        self.ip = socket.inet_aton(ip)
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.answering = answer
        self.frames = []
        self.peer = None
        self.closed = False     # the other end is gone
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, frame):
        if self.kind == "stream":
            self.sock.sendall(struct.pack("!I", len(frame)) + frame)
        elif self.peer:
            self.sock.sendto(frame, self.peer)
        else:
            self.sock.send(frame)

    def answer(self, f):
        """The answer to a frame, or None."""
        if f[12:14] == b"\x08\x06" and f[20:22] == b"\0\1" and f[38:42] == self.ip:
            return (f[6:12] + self.mac + f[12:20] + b"\0\2" + self.mac + self.ip +
                    f[22:32])
        if (f[12:14] == b"\x08\0" and f[23] == 1 and f[30:34] == self.ip):
            header = (f[14] & 15) * 4
            total = struct.unpack("!H", f[16:18])[0]
            ip = bytearray(f[14:14 + header])
            icmp = bytearray(f[14 + header:14 + total])
            if icmp[0] != 8:
                return None
            ip[12:16], ip[16:20] = ip[16:20], ip[12:16]
            icmp[0:1], icmp[2:4] = b"\0", b"\0\0"
            icmp[2:4] = struct.pack("!H", checksum(bytes(icmp)))
            return f[6:12] + self.mac + f[12:14] + bytes(ip + icmp)
        return None

    def _took(self, frame):
        self.frames.append(frame)
        reply = self.answer(frame) if self.answering else None
        if reply:
            with contextlib.suppress(OSError):
                self.send(reply)

    def _run(self):
        rest = b""
        self.sock.settimeout(0.1)
        while not self._stop:
            try:
                data, peer = self.sock.recvfrom(1 << 17)
            except socket.timeout:
                continue
            except OSError:
                break
            if not data and self.sock.type != socket.SOCK_DGRAM:
                break
            self.peer = peer or self.peer
            if self.kind != "stream":
                self._took(data)
                continue
            rest += data
            while len(rest) >= 4:
                n = struct.unpack("!I", rest[:4])[0]
                if len(rest) < 4 + n:
                    break
                self._took(rest[4:4 + n])
                rest = rest[4 + n:]
        self.closed = not self._stop

    def stop(self):
        """Stop reading; the socket stays open and is the caller's."""
        self._stop = True
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
        self.sock.close()


# ---- what is in a frame behind the addresses -----------------------------------------

def ip4(src, proto, body, dst="255.255.255.255"):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return b"\x08\0" + head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def udp(sport, dport, body):
    return struct.pack("!HHHH", sport, dport, 8 + len(body), 0) + body


def arp(op, sha, spa, tpa, tha=b"\0" * 6):
    return struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, op) + sha + \
        socket.inet_aton(spa) + tha + socket.inet_aton(tpa)


def ip6(src, dst, body, proto=58, before=b"", first=None):
    src, dst = (socket.inet_pton(socket.AF_INET6, a) for a in (src, dst))
    if proto == 58:
        pseudo = src + dst + struct.pack("!II", len(body), proto)
        body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(before) + len(body),
                                     proto if first is None else first, 255) + \
        src + dst + before + body


def nd(kind, target, option, mac, flags=0xe0000000):
    return struct.pack("!BBHI", kind, 0, 0, flags if kind == 136 else 0) + \
        socket.inet_pton(socket.AF_INET6, target) + bytes([option, 1]) + mac


def bootp(op, chaddr):
    return bytes([op, 1, 6, 0]) + b"\0\0\0\7" + b"\0" * 20 + chaddr + \
        b"\0" * 202 + bytes.fromhex("63825363350101ff")
