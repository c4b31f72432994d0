# SPDX-License-Identifier: GPL-2.0-or-later
"""What DHCP clients say on the wire, seen at their interface; and a host that has an
address without telling anybody."""

import collections
import contextlib
import re
import socket
import struct
import threading

from frames import FramePeer
from lab import LabError, eventually

TYPES = (None, "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE",
         "INFORM")
TYPES6 = (None, "SOLICIT", "ADVERTISE", "REQUEST", "CONFIRM", "RENEW", "REBIND", "REPLY",
          "RELEASE", "DECLINE", "RECONFIGURE", "INFORMATION")

# A message, by its type; a REQUEST of IPv4's by the client's state, as RFC 2131 4.3.6 tells
# them apart.
Said = collections.namedtuple("Said", "what address")


def mac_of(ns, ifname):
    return re.search(r"link/ether (\S+)", ns.ip("link", "show", ifname)).group(1)


def _options(data):
    found, at = {}, 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        if at + 1 >= len(data):
            break
        size = data[at + 1]
        found[data[at]] = data[at + 2:at + 2 + size]
        at += 2 + size
    return found


def _ip(b):
    return socket.inet_ntoa(b)


def _options6(data):
    """[(code, value), …]"""
    found = []
    while len(data) >= 4:
        code, size = struct.unpack("!HH", data[:4])
        found.append((code, data[4:4 + size]))
        data = data[4 + size:]
    return found


def _read6(frame, mac):
    if frame[20] != 17 or mac not in (frame[:6], frame[6:12]):
        return None
    if struct.unpack("!HH", frame[54:58]) not in ((546, 547), (547, 546)):
        return None
    for code, ia in _options6(frame[66:]):
        if code == 3:
            for sub, value in _options6(ia[12:]):
                if sub == 5:
                    return Said(TYPES6[frame[62]],
                                socket.inet_ntop(socket.AF_INET6, value[:16]))
    return Said(TYPES6[frame[62]], None)


def read(frame, mac):
    """The Said of a frame, None when it is not of DHCP or of another client's."""
    if frame[12:14] == b"\x86\xdd":
        return _read6(frame, mac)
    if frame[12:14] != b"\x08\0" or frame[23] != 17:
        return None
    udp = 14 + (frame[14] & 15) * 4
    ports = struct.unpack("!HH", frame[udp:udp + 4])
    bootp = frame[udp + 8:]
    if ports not in ((68, 67), (67, 68)) or bootp[236:240] != b"\x63\x82\x53\x63":
        return None
    if bootp[28:34] != mac:
        return None
    o = _options(bootp[240:])
    kind = TYPES[o[53][0]]
    ciaddr, yiaddr = _ip(bootp[12:16]), _ip(bootp[16:20])
    asked = _ip(o[50]) if 50 in o else None
    if kind in ("OFFER", "ACK"):
        return Said(kind, yiaddr)
    if kind == "REQUEST":
        if 54 in o:
            kind = "SELECTING"
        elif ciaddr == "0.0.0.0":
            kind = "INIT-REBOOT"
        else:
            broadcast = frame[30:34] == b"\xff\xff\xff\xff"
            kind = "REBINDING" if broadcast else "RENEWING"
            asked = ciaddr
    elif kind == "RELEASE":
        asked = ciaddr
    return Said(kind, asked)


class DhcpWatch:
    """What a client on an interface of a namespace says and hears, in order, in .said.

    A conversation is waited for by its words: wait("RENEWING", "ACK"). Each wait goes on
    behind what the last one found.
    """

    def __init__(self, ns, ifname):
        self.said = []
        self._at = 0
        self._stop = False
        self._mac = bytes.fromhex(mac_of(ns, ifname).replace(":", ""))
        self._sock = ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._sock.bind((ifname, 0))
        self._sock.settimeout(0.1)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop:
            with contextlib.suppress(OSError):     # time is up, or the device is gone
                said = read(self._sock.recv(65536), self._mac)
                if said:
                    self.said.append(said)

    def _find(self, words):
        """Where these end, or None. What is said twice counts once."""
        n = 0
        for i in range(self._at, len(self.said)):
            what = self.said[i].what
            if what == words[n]:
                n += 1
            elif what not in words[:n]:
                n = 1 if what == words[0] else 0
            if n == len(words):
                return i + 1
        return None

    def wait(self, *words, timeout=40):
        """These, one after the other: the address that the last one of them names."""
        try:
            end = eventually(" ".join(words), lambda: self._find(words), timeout, 0.05)
        except LabError as e:
            raise LabError("%s; heard: %s" % (e, self.said[self._at:])) from None
        found, self._at = self.said[self._at:end], end
        return next((s.address for s in reversed(found) if s.address), None)

    def here(self):
        """What was said before is not looked at any more."""
        self._at = len(self.said)

    def close(self):
        self._stop = True
        self._thread.join()
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Squatter(FramePeer):
    """A host on `network` that has an address by hand. It speaks to nobody, and answers
    nobody's ARP but that of the NIC with @mac: who is not asked by that one cannot know."""

    def __init__(self, daemon, name, network, ip, mac, own="02:00:00:00:00:51"):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.daemon, self.name = daemon, name
        self.only = bytes.fromhex(mac.replace(":", ""))
        with daemon.api() as api, theirs:
            api.call("nic.attach", vm=name, network=network, mac=own, type="fd", fd=0,
                     fds=[theirs.fileno()])
        super().__init__(ours, "dgram", ip, own)

    def answer(self, f):
        if f[6:12] != self.only or f[12:14] != b"\x08\x06":
            return None
        return super().answer(f)

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.daemon.vnet("detach", self.name, check=False)
