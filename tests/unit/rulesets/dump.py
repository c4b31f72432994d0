#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes NAME.nl from NAME.sh (needs iptables over nftables) or NAME.nft: run as root,
in a network namespace that nobody uses: unshare -n tests/unit/rulesets/dump.py FILE…

The file holds the kernel's messages as nat/nft_dump.c writes them: chains, sets,
elements of sets, rules. Little-endian machines make the same files."""

import os
import socket
import struct
import subprocess
import sys

NEWRULE, GETCHAIN, GETRULE, GETSET, GETSETELEM = 6, 4, 7, 10, 13
SUBSYS = 10 << 8


def attribute(kind, text):
    body = text + b"\0"
    return struct.pack("=HH", 4 + len(body), kind) + body + b"\0" * (-len(body) % 4)


def ask(sock, kind, family=0, attributes=b""):
    body = struct.pack("=BBH", family, 0, 0) + attributes
    sock.send(struct.pack("=IHHII", 16 + len(body), SUBSYS | kind, 0x301, 1, 0) + body)
    while True:
        data = sock.recv(1 << 18)
        while data:
            size, what = struct.unpack_from("=IH", data)
            if what == 3:
                return
            assert what >> 8 == 10, "the kernel refuses"
            size = (size + 3) & ~3
            yield data[:size]
            data = data[size:]


def names(message):
    """A set's family, table and name."""
    found, at = {}, 20
    while at < len(message):
        size, kind = struct.unpack_from("=HH", message, at)
        found[kind] = message[at + 4:at + size].rstrip(b"\0")
        at += (size + 3) & ~3
    return message[16], found[1], found[2]


def main(path):
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    subprocess.run(["sh", path] if path.endswith(".sh") else ["nft", "-f", path],
                   check=True)
    out = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as sock:
        out += ask(sock, GETCHAIN)
        sets = list(ask(sock, GETSET))
        out += sets
        for family, table, name in map(names, sets):
            out += ask(sock, GETSETELEM, family,
                       attribute(1, table) + attribute(2, name))
        out += ask(sock, GETRULE)
    with open(os.path.splitext(path)[0] + ".nl", "wb") as f:
        f.write(b"".join(out))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        main(name)
