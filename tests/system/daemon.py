# SPDX-License-Identifier: GPL-2.0-or-later
"""A private vnetd, the vnet command and the raw control API."""

import array
import contextlib
import glob
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import struct
import subprocess
import time

from basics import (LabError, scratch, binary, command_line, descendants, environment,
                    eventually, fd_count, is_root, start_time)


class Result:
    """What a `vnet` command did: .status, .out, .err, and .data with json=True."""

    def __init__(self, argv, status, out, err, parse):
        self.argv, self.status, self.out, self.err = argv, status, out, err
        self.data = json.loads(out) if parse and out.strip() else None

    def __repr__(self):
        return "%s: %d\n%s%s" % (" ".join(self.argv), self.status, self.out, self.err)


DATAPATH = os.environ.get("DATAPATH", "user")


def in_datapath(args):
    """`vnet define` as the run wants it: with DATAPATH=kernel in the environment every
    network whose test does not say otherwise is the kernel's, where that can be."""
    args = list(args)
    mode = args[args.index("--mode") + 1] if "--mode" in args else None
    if DATAPATH != "user" and args[0] == "define" and "--datapath" not in args and \
            mode in ("nat", "hostonly", "internal"):
        args += ["--datapath", DATAPATH]
    return args


class Vnetd:
    """A private vnetd.

    ns     Netns it runs in (None: where we are)
    user   name of an ordinary user it runs as: its folders are then found by
           XDG_RUNTIME_DIR and XDG_STATE_HOME as on a desktop. None: as we are;
           for root --runtime-dir and --state-dir point below .dir.
    args   more options; `under`: argv in front of it (valgrind, strace …)
    build  folder of another build's vnetd and vnet
    """

    def __init__(self, ns=None, user=None, args=(), env=None, under=(),
                 log_level="debug", build=None):
        self.ns = ns
        self.user = user
        self.args = list(args)
        self.env = dict(env or {})
        self.under = list(under)
        self.log_level = log_level
        self.proc = None
        self.dir = scratch("d")
        os.chmod(self.dir, 0o755)
        self.home = os.path.join(self.dir, "home")
        self.log_path = os.path.join(self.dir, "log")
        self.seen = set()       # (pid, start time) of processes of ours
        self._build = build
        self._programs = {n: self._reachable(n) for n in ("vnetd", "vnet")}
        ordinary = user or not is_root()
        if ordinary:
            self.runtime = os.path.join(self.dir, "run", "vnet")
            self.state = os.path.join(self.dir, "state", "vnet")
            for name in ("run", "state", "home"):
                path = os.path.join(self.dir, name)
                os.mkdir(path, 0o700)
                if user:
                    account = pwd.getpwnam(user)
                    os.chown(path, account.pw_uid, account.pw_gid)
            self.env.update(XDG_RUNTIME_DIR=os.path.join(self.dir, "run"),
                            XDG_STATE_HOME=os.path.join(self.dir, "state"),
                            HOME=self.home)
        else:
            self.runtime = os.path.join(self.dir, "run")
            self.state = os.path.join(self.dir, "state")
            self.args += ["--runtime-dir", self.runtime, "--state-dir", self.state]
        self.socket = os.path.join(self.runtime, "vnetd.sock")

    def _reachable(self, name):
        """The program; a copy when the user may not enter its folder."""
        path = os.path.join(self._build, name) if self._build else binary(name)
        if self.user and subprocess.run(
                self._as_user("test", "-x", path)).returncode != 0:
            copy = os.path.join(self.dir, name)
            shutil.copy(path, copy)
            os.chmod(copy, 0o755)
            return copy
        return path

    def _as_user(self, *argv):
        if not self.user:
            return list(argv)
        account = pwd.getpwnam(self.user)
        return ["setpriv", "--reuid=%d" % account.pw_uid,
                "--regid=%d" % account.pw_gid, "--clear-groups",
                "--inh-caps=-all"] + list(argv)

    def argv(self, *argv):
        """argv that runs argv where and as whom the daemon runs."""
        inner = self._as_user(*argv)
        return self.ns.argv(*inner) if self.ns else inner

    # ---- life ----------------------------------------------------------

    def launch(self):
        """Start it without waiting (for tests of refused starts)."""
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(self.dir, "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._notify.bind(path)
        os.chmod(path, 0o666)
        env = environment(dict(self.env, NOTIFY_SOCKET=path))
        argv = self.argv(*self.under, self._programs["vnetd"],
                         "--log-level", self.log_level, *self.args)
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log, env=env)
        return self

    def start(self, timeout=30):
        """Start it and wait until it says READY=1."""
        self.launch()
        deadline = time.monotonic() + timeout
        self._notify.settimeout(0.1)
        while True:
            try:
                if b"READY=1" in self._notify.recv(4096).split(b"\n"):
                    break
            except socket.timeout:
                pass
            if self.proc.poll() is not None:
                raise LabError("vnetd ended with %d: %s" % (
                    self.proc.returncode, self.log()[-3000:]))
            if time.monotonic() > deadline:
                self.kill()
                raise LabError("vnetd not ready after %s s: %s" % (
                    timeout, self.log()[-3000:]))
        self.children()
        return self

    def stop(self, timeout=20):
        """SIGTERM; it must end with 0, take its children along and remove its
        sockets. Its folders stay until close(), for a restart."""
        self.children()
        self.proc.terminate()
        try:
            status = self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise LabError("vnetd does not end: %s" % self.log()[-3000:]) from None
        self._notify.close()
        if status != 0:
            raise LabError("vnetd ended with %d: %s" % (status, self.log()[-3000:]))
        self.assert_gone()
        return status

    def assert_gone(self, timeout=10, sockets=True):
        """No process seen below it and no socket is left; after a kill() sockets
        may be."""
        try:
            eventually("gone", lambda: not self.survivors(), timeout)
        except LabError:
            raise LabError("children of vnetd run on: %s" % [
                "%d %s" % (p, command_line(p))
                for p in self.survivors()]) from None
        left = [p for p in glob.glob(self.runtime + "/**", recursive=True)
                if _is_socket(p) and ".peer/" not in p]     # a runner's own
        if left and sockets:
            raise LabError("vnetd left sockets: %s" % left)

    def kill(self, sig=signal.SIGKILL):
        """End the control process alone, as a crash does."""
        self.children()
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        status = self.proc.wait(20)
        self._notify.close()
        return status

    def close(self):
        """End all, asserting nothing, and remove the folders."""
        if self.proc:
            self.children()
            if self.proc.poll() is None:
                self.kill()
            for pid in self.survivors():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(LabError):
                eventually("killed", lambda: not self.survivors(), 10, 0.02)
            self._notify.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self if self.proc else self.start()

    def __exit__(self, kind, *exc):
        try:
            if kind is None and self.proc.poll() is None:
                self.stop()
        finally:
            if kind is not None:
                with contextlib.suppress(OSError):  # nobody reads us any more
                    print("---- vnetd's log ----\n" + self.log()[-20000:])
            self.close()

    # ---- looking at it -------------------------------------------------

    @property
    def pid(self):
        return self.proc.pid

    def children(self):
        """Pids of its processes, itself not; all are remembered."""
        pids = descendants(self.proc.pid)
        for pid in pids:
            self.seen.add((pid, start_time(pid)))
        return pids

    def workers(self):
        """{network: pid} of its worker processes."""
        return {name: pid for name, pid in self._workers() if name != "-"}

    def spare(self):
        """Pid of the worker that waits for a network; None: there is none now."""
        return dict(self._workers()).get("-")

    def _workers(self):
        found = []
        for pid in self.children():
            words = command_line(pid).split()
            if "worker" in words[1:-1]:
                found.append((words[words.index("worker") + 1], pid))
        return found

    def survivors(self):
        """Processes seen below it that still run, after it ended."""
        return [p for p, t in self.seen if t is not None and start_time(p) == t]

    def fds(self):
        """{pid: number of open descriptors} of the daemon and its children."""
        return {p: fd_count(p) for p in [self.pid] + self.children()}

    @contextlib.contextmanager
    def no_fd_growth(self, settle=15):
        """What is done inside must not leave descriptors open."""
        with contextlib.suppress(LabError):     # one is prepared after each start
            eventually("a spare worker", self.spare, 1, 0.01)
        before = self.fds()
        before.pop(self.spare(), None)
        yield before

        def grown():
            now = self.fds()
            now.pop(self.spare(), None)     # one that was just starting, too
            return {p: (n, now[p]) for p, n in before.items()
                    if p in now and now[p] > n}
        with contextlib.suppress(LabError):
            eventually("descriptors closed", lambda: not grown(), settle)
        if grown():
            raise LabError("descriptors grew (before, now): %s" % grown())

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    # ---- using it ------------------------------------------------------

    def vnet_argv(self, *args):
        return [self._programs["vnet"], "--socket", self.socket] + list(args)

    def vnet(self, *args, json=False, check=True, timeout=60, stdin=None):
        """Run `vnet`: a Result. check: anything but status 0 is an error."""
        args = in_datapath(args)
        if json:
            args = ["--json"] + args
        done = subprocess.run(
            self.argv(*self.vnet_argv(*args)), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, universal_newlines=True, timeout=timeout,
            input=stdin or "", env=environment(self.env))
        result = Result(["vnet"] + args, done.returncode, done.stdout,
                        done.stderr, json)
        if check and done.returncode != 0:
            raise LabError(repr(result))
        return result

    def wrapper(self, network, vm, *more):
        """argv prefix for Guest(wrapper=…): QEMU below `vnet run`."""
        return self.argv(*self.vnet_argv("run", "--network", network,
                                         "--name", vm, *more, "--"))

    def api(self, timeout=30):
        return Api(self.socket, timeout)


def _is_socket(path):
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return False


# ---- the raw API -------------------------------------------------------

class ApiError(Exception):
    def __init__(self, error):
        super().__init__("%s: %s" % (error.get("code"), error.get("message")))
        self.code = error.get("code")
        self.message = error.get("message")
        self.data = error.get("data")


class ApiClosed(Exception):
    pass


@contextlib.contextmanager
def as_user(name):
    """The thread's effective user for the while: a socket connected inside shows
    the daemon that user as its peer."""
    account = pwd.getpwnam(name)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield account
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


class Api:
    """JSON-RPC 2.0, one object a line, descriptors beside it.

        api.call("nic.attach", vm="A", network="lab", type="fd", fd=0, fds=[n])
        api.event("lease.bound", timeout=5)

    Parameters called fds and timeout are ours; anything may be given in
    params={…} instead. Received descriptors are in .fds until taken.
    """

    def __init__(self, path, timeout=30):
        self.sock = socket.socket(socket.AF_UNIX)
        self.timeout = timeout
        self.sock.connect(path)
        self.fds = []
        self.events = []
        self._rest = b""
        self._next = 1

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send_raw(self, data, fds=()):
        """Bytes as they are, with descriptors."""
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                array.array("i", fds))] if fds else []
        self.sock.settimeout(self.timeout)
        sent = self.sock.sendmsg([data], anc)
        if sent < len(data):
            self.sock.sendall(data[sent:])

    def receive(self, timeout=None):
        """The next line as an object; ApiClosed at the end of the stream,
        socket.timeout when nothing comes."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while b"\n" not in self._rest:
            self.sock.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data, anc, _, _ = self.sock.recvmsg(
                    65536, socket.CMSG_SPACE(64 * 4), socket.MSG_CMSG_CLOEXEC)
            except ConnectionResetError:
                data, anc = b"", []
            for level, kind, content in anc:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    n = len(content) // 4
                    self.fds += struct.unpack("%di" % n, content[:n * 4])
            if not data:
                raise ApiClosed()
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line.decode())

    def begin(self, method, params=None, fds=(), **more):
        """Send a request; its id, for finish()."""
        ident = self._next
        self._next += 1
        body = {"jsonrpc": "2.0", "id": ident, "method": method,
                "params": dict(params or {}, **more)}
        self.send_raw(json.dumps(body).encode() + b"\n", fds)
        return ident

    def finish(self, ident, timeout=None):
        """The answer to a request. Events that come before are kept."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            answer = self.receive(max(0.001, deadline - time.monotonic()))
            if "id" not in answer:
                self.events.append(answer["params"])
            elif answer["id"] == ident:
                if "error" in answer:
                    raise ApiError(answer["error"])
                return answer["result"]

    def call(self, method, params=None, fds=(), timeout=None, **more):
        return self.finish(self.begin(method, params, fds, **more), timeout)

    def event(self, kind=None, timeout=10, **match):
        """The next event of a type whose keys have these values; others before
        it are dropped. socket.timeout when it does not come."""
        deadline = time.monotonic() + timeout
        while True:
            if self.events:
                event = self.events.pop(0)
            else:
                got = self.receive(max(0.001, deadline - time.monotonic()))
                if "id" in got:
                    continue
                event = got["params"]
            if (kind is None or event.get("type") == kind) and all(
                    event.get(k) == v for k, v in match.items()):
                return event
