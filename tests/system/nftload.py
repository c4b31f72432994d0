# SPDX-License-Identifier: GPL-2.0-or-later
"""Rulesets of tests/unit/rulesets back into a kernel: rules as iptables-nft, ufw and
Docker made them, on hosts that have none of these."""

import os
import socket
import struct

RULESETS = os.path.join(os.path.dirname(__file__), "..", "unit", "rulesets")
SUBSYS = 10 << 8
NEWTABLE, NEWCHAIN, NEWRULE = 0, 3, 6
BEGIN, END = 16, 17
REQUEST, ACK, CREATE, APPEND = 1, 4, 0x400, 0x800
NESTED = 0x8000
# What a request says of what the kernel told: table, name, hook, policy, type; table,
# chain, expressions, user's data.
KEPT = {NEWCHAIN: (1, 3, 4, 5, 7), NEWRULE: (1, 2, 4, 7)}
EXPRESSIONS, COMPAT = 4, 5
# A match of iptables' for a protocol wants to hear that its rule is for that.
PROTOCOLS = {b"icmp\0": 1, b"tcp\0": 6, b"udp\0": 17}


def attribute(kind, body):
    return struct.pack("=HH", 4 + len(body), kind) + body + b"\0" * (-len(body) % 4)


def attributes(body):
    at = 0
    while at + 4 <= len(body):
        size, kind = struct.unpack_from("=HH", body, at)
        yield kind, body[at + 4:at + size]
        at += (size + 3) & ~3


def message(kind, flags, family, body, number, resource=0):
    body = struct.pack("=BBH", family, 0, socket.htons(resource)) + body
    return struct.pack("=IHHII", 16 + len(body), kind, flags, number, 0) + body


def messages(data):
    while data:
        size, kind = struct.unpack_from("=IH", data)
        yield kind & 0xff, data[16], list(attributes(data[20:size]))
        data = data[(size + 3) & ~3:]


def requests(data):
    tables = set()
    for kind, family, found in messages(data):
        table = dict(found)[1]
        if (family, table) not in tables:
            tables.add((family, table))
            yield NEWTABLE, CREATE, family, attribute(1, table)
        body = b"".join(attribute(k, v) for k, v in found
                        if k & ~NESTED in KEPT[kind])
        if kind == NEWRULE:
            text = b"".join(v for k, v in found if k & ~NESTED == EXPRESSIONS)
            for name, number in PROTOCOLS.items():
                if name in text:
                    body += attribute(COMPAT | NESTED, attribute(
                        1, struct.pack("!I", number)) + attribute(2, bytes(4)))
        yield kind, CREATE | (APPEND if kind == NEWRULE else 0), family, body


def load(ns, name):
    """NAME.nl into a namespace, all or nothing. Chains and rules only. The kernel needs
    nft_compat and the matches that are used."""
    with open(os.path.join(RULESETS, name + ".nl"), "rb") as f:
        wanted = list(requests(f.read()))
    batch = message(BEGIN, REQUEST, 0, b"", 0, 10)
    for number, (kind, flags, family, body) in enumerate(wanted, 1):
        batch += message(SUBSYS | kind, REQUEST | ACK | flags, family, body, number)
    batch += message(END, REQUEST, 0, b"", 0, 10)
    with ns.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:
        s.settimeout(10)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        s.send(batch)
        left = len(wanted)
        while left:
            data = s.recv(1 << 18)
            while data:
                size, _, _, number = struct.unpack_from("=IHHI", data)
                error, = struct.unpack_from("=i", data, 16)
                if error:
                    raise OSError(-error, "%s: message %d: %s" % (
                        name, number, os.strerror(-error)))
                left -= 1
                data = data[(size + 3) & ~3:]
