# SPDX-License-Identifier: GPL-2.0-or-later
"""What every part of the harness stands on: commands, waiting, skips, processes."""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
DEPS = os.environ.get("VNET_DEPS_DIR", os.path.join(TOP, "build", "deps"))
PREFIX = "vnt-%d-" % os.getpid()

# Children inherit it: a process that is left behind can be told by it.
os.environ["VNET_TEST"] = "%d-%d" % (os.getpid(), time.time_ns())
TAG = "VNET_TEST=" + os.environ["VNET_TEST"]


class LabError(Exception):
    pass


def scratch(label):
    """A folder of this run's, in /tmp; whoever asks removes it."""
    return tempfile.mkdtemp(prefix=PREFIX + label + "-")


def owner(name):
    """The pid in the name of a namespace or folder of a run; None for other names."""
    words = name.split("-")
    if words[0] == "vnt" and len(words) > 2 and words[1].isdigit():
        return int(words[1])
    return None


def goes_on(pid):
    """Is it a run of tests or benches? A killed one's pid may be somebody else's now."""
    return "python" in command_line(pid)


def is_anothers(name):
    """Is it the namespace or folder of another run that still goes on?"""
    pid = owner(name)
    return pid not in (None, os.getpid()) and goes_on(pid)


def end_tidily():
    """Whoever ends us by a signal (a time limit, a terminal that is closed) gets what a
    Ctrl-C gets: everything that was set up is taken down. Also where whoever started
    us ignores SIGHUP (nohup): shells cannot trap what is ignored."""
    def interrupt(_sig, _frame):
        raise KeyboardInterrupt

    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, interrupt)


def is_root():
    return os.geteuid() == 0


def environment(extra=None):
    return dict(os.environ, **(extra or {}))


def sh(*argv, check=True, timeout=30, stdin=None):
    """Run argv; its stdout. Refusals carry what the command said."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=timeout,
                          input=stdin, env=environment())
    if check and done.returncode != 0:
        raise LabError("%s: %d: %s%s" % (" ".join(argv), done.returncode,
                                         done.stdout, done.stderr))
    return done.stdout


def eventually(what, true, timeout=30, every=0.1):
    """Wait until true() is; its value. LabError with `what` when time is up."""
    deadline = time.monotonic() + timeout
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError("not after %s s: %s" % (timeout, what))
        time.sleep(every)


def end(proc, timeout=5):
    """End one of our processes: ask, then kill. Its exit status."""
    if proc.poll() is None:
        proc.terminate()
        try:
            proc.wait(timeout)
        except subprocess.TimeoutExpired:
            proc.kill()
    return proc.wait()


# ---- skips: loud, and failures where VNET_STRICT says that all must run ----

def skip(reason):
    import pytest
    if os.environ.get("VNET_STRICT"):
        pytest.fail("would be skipped: " + reason)
    pytest.skip(reason)


def need_root():
    if not is_root():
        skip("needs root to make network namespaces")


def need_guest():
    import guest
    why = guest.image_missing()
    if why:
        skip(why)


def need_vnetd():
    for name in ("vnetd", "vnet"):
        if not os.path.exists(binary(name)):
            skip("%s is not built" % binary(name))


def need_program(name):
    path = program(name)
    if not path:
        skip("no %s here (scripts/deps)" % name)
    return path


def program(name):
    """Path of an installed program, or of one that scripts/deps unpacked."""
    unpacked = os.path.join(DEPS, "bin", name)
    if os.access(unpacked, os.X_OK):
        return unpacked
    return shutil.which(name, path=os.environ.get("PATH", "") +
                        ":/usr/sbin:/sbin")


def binary(name):
    """Path of a program that we built. VNET_BUILD names the folder."""
    there = os.environ.get("VNET_BUILD", os.path.join(TOP, "build", "release"))
    return os.path.realpath(os.path.join(there, name))


# ---- processes ---------------------------------------------------------

def command_line(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def start_time(pid):
    """When a process started, in the kernel's ticks; None: it is not (or dead)."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def descendants(pid):
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        for path in glob.glob("/proc/%d/task/*/children" % p):
            try:
                with open(path) as f:
                    todo += [int(c) for c in f.read().split()]
            except OSError:
                pass
        if p != pid:
            found.append(p)
    return found


def fd_count(pid):
    try:
        return len(os.listdir("/proc/%d/fd" % pid))
    except OSError:
        return 0


def tagged():
    """Processes, ourselves not, that were started (at whatever remove) by us."""
    found = []
    for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
        try:
            with open("/proc/%d/environ" % pid, "rb") as f:
                if (TAG.encode() in f.read().split(b"\0") and
                        pid != os.getpid() and start_time(pid) is not None):
                    found.append((pid, command_line(pid)))
        except OSError:
            pass
    return found
