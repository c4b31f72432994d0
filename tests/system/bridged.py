# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of bridged networks beside an uplink share: guests, the host, the LAN and
outside reach each other; the worker comes again."""

import socket
import threading

from basics import eventually

BIG = 3 << 20
WAYS = ["to host", "from host", "out", "in", "between"]


def send_much(src, dst, address, port):
    """BIG bytes over TCP, all there."""
    got = []
    with dst.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("0.0.0.0", port))
        s.listen()
        s.settimeout(30)

        def serve():
            c, _ = s.accept()
            c.settimeout(30)
            with c:
                while True:
                    more = c.recv(65536)
                    if not more:
                        break
                    got.append(more)
        t = threading.Thread(target=serve)
        t.start()
        with src.connect(address, port) as c:
            c.settimeout(30)
            c.sendall(bytes(range(256)) * (BIG // 256))
        t.join(40)
    return b"".join(got) == bytes(range(256)) * (BIG // 256)


def ping(ns, address):
    return " 0% packet loss" in ns.run("ping", "-c", "2", "-i", "0.2", "-W", "4",
                                       address, check=False)


def large_tcp(lab, boxes, way):
    a, b = boxes
    src, dst, address = {
        "to host": (a.ns, lab.host, lab.host.address),
        "from host": (lab.host, a.ns, a.ip),
        "out": (a.ns, lab.outside, lab.outside.address),
        "in": (lab.outside, a.ns, a.ip),
        "between": (a.ns, b.ns, b.ip)}[way]
    assert send_much(src, dst, address, 5001)


def another_worker(lab, d):
    """Of network lan, after a kill of the first."""
    pid = d.vnet("show", "lan", json=True).data["worker"]["pid"]
    lab.host.run("kill", "-9", str(pid))
    eventually("another worker", lambda: (
        d.vnet("show", "lan", json=True).data["worker"] or {}).get("pid")
        not in (None, pid))
