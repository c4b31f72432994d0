# SPDX-License-Identifier: GPL-2.0-or-later
"""Real guests: QEMU with our tiny guest, and a way to run commands in it.

    g = Guest("A", netdev_args)        # what `vnet attach --for qemu` printed
    g.start(); g.wait_ready()
    status, text = g.run("ping -c1 10.0.2.2")
    g.ip()                             # "10.0.2.15", waits for it
    g.kill()

A guest may be started through any command that runs what follows it:
Guest("A", wrapper=["ip", "netns", "exec", "X"]) or
Guest("A", wrapper=["vnet", "run", "--network", "lab", "--name", "A", "--"]).
"""

import base64
import functools
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time

from basics import scratch

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
GUEST_DIR = os.environ.get("VNET_GUEST_DIR", os.path.join(TOP, "build", "guest"))
QEMU = os.environ.get("VNET_QEMU", "qemu-system-x86_64")

# TCG on a busy machine with two cores: a guest boots in 3 s, or in 30.
BOOT_SECONDS = 90


class GuestError(Exception):
    pass


@functools.lru_cache(None)
def accel():
    out = subprocess.run([os.path.join(TOP, "scripts", "accel")], check=True,
                         stdout=subprocess.PIPE, universal_newlines=True)
    return out.stdout.strip()


def image_missing():
    """Why no guest can be started here, or None."""
    if not shutil.which(QEMU):
        return "no %s (scripts/deps)" % QEMU
    for name in ("vmlinuz", "initramfs.cpio.gz"):
        if not os.path.exists(os.path.join(GUEST_DIR, name)):
            return "no guest image (scripts/guest/build)"
    return None


def nic(backend, mac=None, id="n0", device="virtio-net-pci", **props):
    """argv for one NIC: backend is a -netdev value without its id.

    nic("tap,ifname=t0,script=no,downscript=no", mac="52:54:00:00:00:01")
    The device's id is the netdev's with "-dev" behind it.
    """
    kind, _, rest = backend.partition(",")
    dev = "%s,netdev=%s,id=%s-dev,romfile=" % (device, id, id)
    if mac:
        dev += ",mac=" + mac
    for key, value in props.items():
        dev += ",%s=%s" % (key, value)
    return ["-netdev", "%s,id=%s%s" % (kind, id, "," + rest if rest else ""),
            "-device", dev]


class Qmp:
    """A QMP client on a connected socket; events are kept in .events."""

    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile("rw")
        self.events = []
        self.greeting = json.loads(self.file.readline())
        self.call("qmp_capabilities")

    def call(self, command, **arguments):
        self.file.write(json.dumps({"execute": command,
                                    "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                raise GuestError("QMP closed during %s" % command)
            answer = json.loads(line)
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise GuestError("QMP %s: %s" % (command, answer["error"]["desc"]))
            else:
                return answer["return"]

    def close(self):
        self.file.close()
        self.sock.close()


class Guest:
    """One virtual machine.

    name      host name; the DHCP server hears it
    netargs   argv with the NICs (see nic())
    wrapper   argv in front of QEMU's
    dhcp      "eth0,eth1", "off", or None: all NICs without a static address
    static    "eth0:192.168.77.5/24@192.168.77.1,eth1:fd00::5/64"
    pass_fds  descriptors that QEMU shall inherit
    extra     more argv for QEMU (`-netdev` is netargs' business)
    boot      "n": its firmware finds something to boot (-boot) and speaks on the
              console; None: our kernel and initrd, handed over by QEMU
    """

    def __init__(self, name, netargs=(), wrapper=(), dhcp=None, static=None,
                 dns=None, memory=128, smp=1, pass_fds=(), extra=(), env=None,
                 append="", boot=None):
        self.name = name
        self.netargs = list(netargs)
        self.wrapper = list(wrapper)
        self.memory = memory
        self.smp = smp
        self.pass_fds = list(pass_fds)
        self.extra = list(extra)
        self.env = env
        self.boot = boot
        self.append = ["console=ttyS0", "quiet", "loglevel=4", "panic=-1",
                       "no_timer_check", "random.trust_cpu=on",
                       "vnet.name=" + name]
        for key, value in (("dhcp", dhcp), ("static", static), ("dns", dns)):
            if value:
                self.append.append("vnet.%s=%s" % (key, value))
        if append:
            self.append.append(append)
        self.proc = None
        self.status = None      # QEMU's exit status once it has ended
        self._dir = None
        self._sock = None
        self._qmp = None
        self._answers = {}
        self._wake = threading.Condition()
        self._ready = False
        self._closed = False
        self._next = 1

    # ---- life ----------------------------------------------------------

    def argv(self):
        d = self._dir
        start = ["-boot", self.boot, "-machine", "graphics=off"] if self.boot else [
            "-kernel", os.path.join(GUEST_DIR, "vmlinuz"),
            "-initrd", os.path.join(GUEST_DIR, "initramfs.cpio.gz"),
            "-append", " ".join(self.append)]
        return self.wrapper + [
            QEMU, "-name", self.name, "-accel", accel(), "-cpu", "max",
            "-smp", str(self.smp), "-m", str(self.memory),
            "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-serial", "file:%s/console" % d,
            "-chardev", "socket,id=agent,path=%s/agent,server=on,wait=off" % d,
            "-serial", "chardev:agent",
            "-chardev", "socket,id=testqmp,path=%s/qmp,server=on,wait=off" % d,
            "-mon", "chardev=testqmp,mode=control",
        ] + start + self.netargs + self.extra

    def start(self):
        why = image_missing()
        if why:
            raise GuestError(why)
        self._dir = scratch(self.name)
        # the guest may run as another user: only its own files are in there
        os.chmod(self._dir, 0o777)
        with open(os.path.join(self._dir, "qemu.log"), "wb") as log:
            self.proc = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log, env=self.env,
                                         pass_fds=self.pass_fds)
        try:
            self._sock = self._connect("agent")
        except BaseException:
            self.kill()
            raise
        threading.Thread(target=self._reader, daemon=True).start()
        return self

    def _connect(self, what, seconds=20):
        path = os.path.join(self._dir, what)
        deadline = time.monotonic() + seconds
        while True:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(path)
                return sock
            except OSError as e:
                sock.close()
                if self.proc.poll() is not None:
                    raise GuestError("%s: QEMU ended with %s: %s" % (
                        self.name, self.proc.returncode, self.log())) from e
                if time.monotonic() > deadline:
                    raise GuestError("%s: QEMU does not open %s: %s" % (
                        self.name, what, self.log())) from e
            time.sleep(0.02)

    def wait_ready(self, timeout=BOOT_SECONDS):
        """The guest runs commands now. Returns self."""
        with self._wake:
            self._wake.wait_for(lambda: self._ready or self._closed, timeout)
            if self._ready:
                return self
        raise GuestError("%s: not up after %s s: %s\n%s" % (
            self.name, timeout, self.log(), self.console()[-2000:]))

    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def wait(self, timeout):
        """Wait for QEMU (or its wrapper) to end; its exit status."""
        self.status = self.proc.wait(timeout)
        return self.status

    def terminate(self, timeout=10):
        """Ask QEMU (or its wrapper) to end; its exit status."""
        self.proc.terminate()
        return self.wait(timeout)

    def kill(self):
        """End the guest at once, as a power cut does, and clean up."""
        if self._qmp:
            self._qmp.close()
            self._qmp = None
        if self.proc:
            # The QEMU behind a wrapper dies by its own pid, so that the
            # wrapper sees what it would see when a user's QEMU dies.
            for pid in self._qemu_pids():
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
            if self.wrapper:
                try:
                    self.proc.wait(5)
                except subprocess.TimeoutExpired:
                    pass
            if self.proc.poll() is None:
                self.proc.kill()
            self.status = self.proc.wait()
        if self._sock:
            self._sock.close()
            self._sock = None
        if self._dir:
            self._kept_log = self.log()
            self._kept_console = self.console()
            shutil.rmtree(self._dir, ignore_errors=True)
            self._dir = None

    def __enter__(self):
        return self if self.proc else self.start()

    def __exit__(self, *exc):
        self.kill()

    def _qemu_pids(self):
        """Pids of our QEMU: the process itself or those below the wrapper."""
        found = []
        todo = [self.proc.pid] if self.proc.poll() is None else []
        while todo:
            pid = todo.pop()
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as f:
                    args = f.read().split(b"\0")
                if any(os.path.basename(a) == os.path.basename(QEMU).encode()
                       for a in args[:1]):
                    found.append(pid)
                for task in os.listdir("/proc/%d/task" % pid):
                    with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                        todo += [int(c) for c in f.read().split()]
            except OSError:
                pass
        return found

    @property
    def pid(self):
        """The pid of QEMU itself."""
        pids = self._qemu_pids()
        if not pids:
            raise GuestError("%s: no QEMU process" % self.name)
        return pids[0]

    # ---- what it said --------------------------------------------------

    def _text(self, name):
        try:
            with open(os.path.join(self._dir, name), errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def log(self):
        """What QEMU and its wrapper printed."""
        return self._text("qemu.log") if self._dir else self._kept_log

    def console(self):
        return self._text("console") if self._dir else self._kept_console

    # ---- commands ------------------------------------------------------

    def _reader(self):
        sock = self._sock
        rest = b""
        while True:
            try:
                chunk = sock.recv(65536)
            except OSError:
                chunk = b""
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._line(line.decode("ascii", "replace").strip())
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _line(self, line):
        words = line.split(" ")
        with self._wake:
            if words[0] == "@ready":
                self._ready = True
            elif re.match(r"@\d+$", words[0]) and len(words) >= 3:
                data = base64.b64decode(words[3] if len(words) > 3 else "")
                if len(data) != int(words[2]):
                    data += b"\n[cut short on the serial line]"
                self._answers[int(words[0][1:])] = (int(words[1]), data)
            self._wake.notify_all()

    def begin(self, command, timeout=30):
        """Start a command; finish() gets what came of it."""
        if isinstance(command, (list, tuple)):
            command = " ".join(shlex.quote(c) for c in command)
        with self._wake:
            if not self._ready:
                raise GuestError("%s: not ready" % self.name)
            job = self._next
            self._next += 1
        line = "%d %d %s\n" % (job, max(1, round(timeout)),
                               base64.b64encode(command.encode()).decode())
        self._sock.sendall(line.encode())
        return job, time.monotonic() + timeout + 5, command

    def finish(self, started):
        """(exit status, stdout and stderr) of what begin() started."""
        job, deadline, command = started
        with self._wake:
            self._wake.wait_for(lambda: job in self._answers or self._closed,
                                max(0, deadline - time.monotonic()))
            if job not in self._answers:
                raise GuestError("%s: %s: %s: %s\n%s" % (
                    self.name, command,
                    "the guest is gone" if self._closed else "no answer",
                    self.log(), self.console()[-2000:]))
            status, data = self._answers.pop(job)
        return status, data.decode("utf-8", "replace")

    def run(self, command, timeout=30):
        """Run a shell script (or argv) in the guest: (status, output).

        Output is stdout and stderr together. After `timeout` seconds the guest
        kills it: status 137. Calls from several threads run side by side.
        """
        return self.finish(self.begin(command, timeout))

    def check(self, command, timeout=30):
        """run() that must succeed; the output."""
        status, text = self.run(command, timeout)
        if status != 0:
            raise GuestError("%s: `%s` ended with %d: %s" % (
                self.name, command, status, text))
        return text

    # ---- addresses -----------------------------------------------------

    def ips(self, nic="eth0", family=4):
        """The NIC's global addresses at this moment."""
        text = self.check("ip -%d -o addr show dev %s scope global" % (family, nic))
        return re.findall(r"inet6? ([0-9a-f.:]+)/", text)

    def ip(self, nic="eth0", family=4, timeout=30):
        """The NIC's first address; waits for one."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.ips(nic, family)
            if found:
                return found[0]
            if time.monotonic() > deadline:
                raise GuestError("%s: no address on %s after %s s\n%s" % (
                    self.name, nic, timeout, self.console()[-1500:]))
            time.sleep(0.2)

    def lease(self, nic="eth0"):
        """What DHCP said, as udhcpc names it: ip, mask, router, dns, mtu …"""
        status, text = self.run("cat /run/lease.%s" % nic)
        if status != 0:
            return None
        return {k: v.strip("'") for k, v in
                (line.split("=", 1) for line in text.splitlines() if "=" in line)}

    # ---- machine -------------------------------------------------------

    def qmp(self, command, **arguments):
        """One QMP command: g.qmp("set_link", name="n0", up=False)."""
        if not self._qmp:
            self._qmp = Qmp(self._connect("qmp"))
        return self._qmp.call(command, **arguments)


def start_all(*guests):
    """Boot guests side by side; returns when all are ready."""
    for g in guests:
        g.start()
    for g in guests:
        g.wait_ready()
    return guests
