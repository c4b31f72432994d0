# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose TCP is a test: segments made and looked at by hand."""

import contextlib
import socket
import struct
import time

from frames import FramePeer, checksum

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Segment:
    """A TCP segment that came in; `at`: seconds on the monotonic clock."""

    def __init__(self, frame, at):
        ip = frame[14:14 + struct.unpack("!H", frame[16:18])[0]]
        tcp = ip[(ip[0] & 15) * 4:]
        self.at = at
        self.sport, self.dport, self.seq, self.ack = struct.unpack("!HHII", tcp[:12])
        self.flags = tcp[13]
        self.window = struct.unpack("!H", tcp[14:16])[0]
        self.data = tcp[(tcp[12] >> 4) * 4:]

    def __repr__(self):
        return "seq %d ack %d flags %02x window %d len %d" % (
            self.seq, self.ack, self.flags, self.window, len(self.data))


class _Peer(FramePeer):
    """Keeps its TCP segments apart, with the time."""

    def __init__(self, *args, **more):
        self.segments = []
        super().__init__(*args, **more)

    def _took(self, frame):
        super()._took(frame)
        if frame[12:14] == b"\x08\0" and frame[23] == 6 and frame[30:34] == self.ip:
            self.segments.append(Segment(frame, time.monotonic()))


class RawGuest:
    """On a stream NIC, with an address of its own choice and without any TCP. No
    window scaling: windows are bytes."""

    def __init__(self, daemon, vm, network, ip, gateway):
        self.d, self.vm, self.ip, self.gateway = daemon, vm, ip, gateway
        path = daemon.api().call("nic.attach", vm=vm, network=network,
                                 type="stream")["path"]
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(path)
        self.peer = _Peer(sock, "stream", ip, "02:00:00:00:99:01")
        self.router = self._resolve()

    def close(self):
        self.peer.stop()
        self.peer.sock.close()
        self.d.vnet("detach", self.vm, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _resolve(self):
        """The gateway's MAC."""
        to = socket.inet_aton(self.gateway)
        for _ in range(20):
            self.peer.send(b"\xff" * 6 + self.peer.mac + b"\x08\x06" + struct.pack(
                "!HHBBH", 1, 0x800, 6, 4, 1) + self.peer.mac + self.peer.ip +
                bytes(6) + to)
            time.sleep(0.1)
            for f in list(self.peer.frames):
                if f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2" and \
                        f[28:32] == to:
                    return f[22:28]
        raise AssertionError("the gateway does not answer")

    @contextlib.contextmanager
    def connect(self, address, port, window):
        """A connection, opened with this window."""
        conn = RawConn(self, address, port, window)
        try:
            yield conn
        finally:
            conn.send(RST)


class RawConn:
    """seq, ack, window: of the next segment that is sent."""

    def __init__(self, guest, address, port, window, sport=40000):
        self.g, self.to, self.port, self.sport = guest, address, port, sport
        self.seq, self.ack, self.window = 1000, 0, window
        self.looked = len(guest.peer.segments)
        self.send(SYN)
        answer = self.expect(lambda s: s.flags == SYN | ACK)
        self.seq, self.ack = 1001, answer.seq + 1
        self.send(ACK)

    def send(self, flags, data=b"", seq=None):
        head = struct.pack("!HHIIBBHHH", self.sport, self.port,
                           self.seq if seq is None else seq,
                           self.ack, 0x50, flags, self.window, 0, 0)
        src, dst = self.g.peer.ip, socket.inet_aton(self.to)
        pseudo = src + dst + struct.pack("!HH", 6, len(head) + len(data))
        head = head[:16] + struct.pack("!H", checksum(pseudo + head + data)) + \
            head[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(data), 1, 0, 64, 6, 0) + \
            src + dst
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        self.g.peer.send(self.g.router + self.g.peer.mac + b"\x08\0" + ip + head +
                         data)

    def sends(self, data):
        """Bytes that are counted as sent."""
        self.send(ACK | PSH, data)
        self.seq += len(data)

    def expect(self, match, within=20):
        """The next segment of ours that matches; those before it are passed over."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            segments = self.g.peer.segments
            while self.looked < len(segments):
                s = segments[self.looked]
                self.looked += 1
                if s.dport == self.sport and match(s):
                    return s
            time.sleep(0.002)
        raise AssertionError("no such segment; the last ones: %s" %
                             self.g.peer.segments[-8:])
