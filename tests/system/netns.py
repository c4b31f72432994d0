# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces as machines of the lab, and the small servers on them."""

import contextlib
import ctypes
import http.server
import itertools
import json
import os
import shutil
import socket
import subprocess
import threading

from basics import LabError, PREFIX, command_line, environment, scratch, sh

_serial = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


class Netns:
    """A network namespace; a machine of the lab. argv() runs things in it."""

    def __init__(self, label, resolv=None):
        self.name = "%s%d-%s" % (PREFIX, next(_serial), label)
        self.label = label
        self.dir = scratch("ns")
        os.chmod(self.dir, 0o755)
        self.resolv = None
        self._servers = []
        sh("ip", "netns", "add", self.name)
        # no waiting for duplicate address detection in a lab
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.ip("link", "set", "lo", "up")
        if resolv is not None:
            self.set_resolv(resolv)

    @property
    def path(self):
        return "/run/netns/" + self.name

    def set_resolv(self, text):
        """/etc/resolv.conf as programs started from now on see it; the ones that
        run already see a change of text (but no replacement of the file)."""
        self.resolv = os.path.join(self.dir, "resolv.conf")
        with open(self.resolv, "w") as f:
            f.write(text)

    def argv(self, *argv):
        """argv that runs argv in here, as the same process."""
        prefix = ["ip", "netns", "exec", self.name]
        if self.resolv:
            prefix += ["sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"',
                       self.resolv]
        return prefix + list(argv)

    def run(self, *argv, **more):
        return sh(*self.argv(*argv), **more)

    def popen(self, *argv, env=None, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.argv(*argv), env=environment(env), **more)

    def ip(self, *args):
        return sh("ip", "-n", self.name, *args)

    def links(self):
        return {l["ifname"]: l for l in
                json.loads(self.ip("-j", "-d", "link") or "[]")}

    def addresses(self, ifname, family=4):
        """["192.168.77.10/24", …], without link-local ones."""
        out = json.loads(self.ip("-j", "-%d" % family, "addr", "show", "dev", ifname))
        return ["%s/%d" % (a["local"], a["prefixlen"])
                for l in out for a in l.get("addr_info", [])
                if a.get("scope") != "link"]

    def routes(self, family=4):
        return json.loads(self.ip("-j", "-%d" % family, "route") or "[]")

    def nft_tables(self):
        if not shutil.which("nft"):
            return []
        return sorted(self.run("nft", "list", "tables").split("\n")[:-1])

    def sysctl(self, name, value):
        with self.entered(), open("/proc/sys/" + name.replace(".", "/"), "w") as f:
            f.write(str(value))

    def leave_bridges_alone(self, yes=True):
        """Bridged frames do not pass the filters of IP (br_netfilter, if there is
        such a thing here)."""
        with contextlib.suppress(FileNotFoundError):
            for what in "ip", "ip6":
                self.sysctl("net.bridge.bridge-nf-call-%stables" % what, int(not yes))

    def allow_ping_sockets(self, yes=True):
        """Let every group open ICMP echo sockets (a namespace starts without)."""
        self.sysctl("net.ipv4.ping_group_range", "0 2147483647" if yes else "1 0")

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is in this namespace for the while."""
        with open("/proc/thread-self/ns/net") as back, open(self.path) as there:
            _setns(there)
            try:
                yield self
            finally:
                _setns(back)

    def socket(self, *args, **kwargs):
        """A socket that lives in this namespace."""
        with self.entered():
            return socket.socket(*args, **kwargs)

    def connect(self, address, port, timeout=5):
        """A TCP connection from here."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        s = self.socket(family, socket.SOCK_STREAM)
        s.settimeout(timeout)
        try:
            s.connect((address, port))
        except OSError:
            s.close()
            raise
        return s

    def fetch(self, url, timeout=10):
        """An HTTP GET from here: its body; None when there is no answer."""
        done = subprocess.run(
            self.argv("curl", "-gsS", "--noproxy", "*", "-m", str(timeout), url),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            universal_newlines=True, env=environment())
        return done.stdout if done.returncode == 0 else None

    def ping(self, address, count=1, wait=2):
        return subprocess.run(
            self.argv("ping", "-n", "-c", str(count), "-W", str(wait), address),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment()).returncode == 0

    def who(self, port=80, address=""):
        """An HTTP server that tells its clients who they are ("LABEL sees ADDR")
        and remembers: server.seen is a list of addresses."""
        server = _WhoServer(self, address, port)
        self._servers.append(server)
        return server

    def udp_echo(self, port, address="0.0.0.0"):
        """A UDP echo server; server.seen is a list of (address, port)."""
        server = _UdpEcho(self, address, port)
        self._servers.append(server)
        return server

    def tap(self, ifname, up=True):
        self.ip("tuntap", "add", ifname, "mode", "tap")
        if up:
            self.ip("link", "set", ifname, "up")

    def pids(self):
        return [int(p) for p in sh("ip", "netns", "pids", self.name).split()]

    def close(self):
        for server in self._servers:
            server.close()
        self._servers = []
        left = self.pids()
        sh("ip", "netns", "del", self.name)
        shutil.rmtree(self.dir, ignore_errors=True)
        if left:
            raise LabError("processes left in %s: %s" % (
                self.name, ["%d %s" % (p, command_line(p)) for p in left]))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def _setns(file):
    if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class _WhoServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, ns, address, port):
        lab_server = self
        self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                peer = self.client_address[0].replace("::ffff:", "")
                lab_server.seen.append(peer)
                body = ("%s sees %s\n" % (ns.label, peer)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.address_family = socket.AF_INET if address else socket.AF_INET6
        with ns.entered():
            super().__init__((address or "::", port), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,),
                         daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class _UdpEcho:
    def __init__(self, ns, address, port):
        self.seen = []
        self.sock = ns.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                              socket.SOCK_DGRAM)
        self.sock.bind((address, port))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                data, peer = self.sock.recvfrom(65536)
            except OSError:
                return
            if peer is None:    # shut down
                return
            self.seen.append(peer)
            try:
                self.sock.sendto(data, peer)
            except OSError:
                pass

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)    # wakes the thread
        except OSError:
            pass
        self.sock.close()


def veth(a, ifa, b, ifb, mac=None):
    """A cable between two namespaces, both ends up."""
    args = ["ip", "link", "add", ifa, "netns", a.name]
    if mac:
        args += ["address", mac]
    sh(*args, "type", "veth", "peer", "name", ifb, "netns", b.name)
    a.ip("link", "set", ifa, "up")
    b.ip("link", "set", ifb, "up")
