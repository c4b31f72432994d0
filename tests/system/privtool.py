# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives priv_tool: the control process's side of the privileged helper, one call a
line, in a namespace of the lab."""

import os
import shutil
import signal
import subprocess
import tempfile

from basics import (binary, descendants, environment, eventually, scratch, skip,
                    start_time)


class Refused(Exception):
    def __init__(self, number, text):
        super().__init__("%d %s" % (number, text))
        self.errno = number
        self.text = text


class Dead(Exception):
    pass


def need_tool():
    if not os.path.exists(binary("priv_tool")):
        skip("priv_tool is not built (make system-tools)")


class PrivTool:
    """PrivTool(ns).start(): a helper with a run_dir of its own. user: who it runs as;
    wrapper: argv before it, after the change of user; before: argv before that."""

    def __init__(self, ns, user=None, run_dir=None, wrapper=(), before=()):
        need_tool()
        self.ns = ns
        self.own_dir = run_dir is None
        self.dir = run_dir or scratch("priv")
        self.run_dir = os.path.join(self.dir, "run")
        self.log_file = tempfile.TemporaryFile("w+")
        argv = ["setpriv", "--reuid", user, "--regid", "nogroup",
                "--clear-groups"] if user else []
        self.proc = subprocess.Popen(
            ns.argv(*before, *argv, *wrapper, binary("priv_tool")), env=environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log_file,
            universal_newlines=True, bufsize=1)
        self.everyone = []

    def begin(self, *words):
        self.proc.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.proc.stdin.flush()

    def call(self, *words):
        """What stands behind `ok`."""
        try:
            self.begin(*words)
            line = self.proc.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Dead(self.log())
        kind, _, rest = line.rstrip("\n").partition(" ")
        if kind == "ok":
            return rest
        number, _, text = rest.partition(" ")
        raise Refused(int(number), text)

    def start(self):
        self.call("start", self.run_dir)
        return self

    def helper(self):
        with open("/proc/%d/task/%d/children" % (self.proc.pid, self.proc.pid)) as f:
            for pid in map(int, f.read().split()):
                with open("/proc/%d/comm" % pid) as c:
                    if c.read().strip() == "vnetd-priv":
                        return pid
        return None

    def worker(self, name, kind):
        """What the worker found in its sandbox, as a dict."""
        report = self.call("worker", name, kind)
        assert "gone" not in report.split(), self.log()
        return {k: int(v) for k, v in (w.split("=") for w in report.split())}

    def journals(self):
        try:
            return [n for n in os.listdir(self.run_dir) if "journal" in n]
        except OSError:
            return []

    def log(self):
        self.log_file.flush()
        with open("/proc/self/fd/%d" % self.log_file.fileno()) as f:
            return f.read()

    def kill(self, everyone=False):
        """kill -9: control alone, or helper and workers with it."""
        self.remember()
        if everyone:
            for p, _ in self.everyone:
                os.kill(p, signal.SIGKILL)
        self.proc.kill()
        self.proc.wait()

    def remember(self):
        found = [(p, start_time(p)) for p in descendants(self.proc.pid)]
        self.everyone = [(p, t) for p, t in found if t is not None]

    def wait_gone(self):
        eventually("helper and workers end",
                   lambda: all(start_time(p) != t for p, t in self.everyone))

    def close(self):
        if self.proc.poll() is None:
            self.remember()
            self.proc.stdin.close()
            self.proc.wait(20)
        self.proc.stdout.close()
        self.wait_gone()
        self.log_file.close()
        if self.own_dir:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
