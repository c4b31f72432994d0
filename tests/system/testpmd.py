# SPDX-License-Identifier: GPL-2.0-or-later
"""DPDK's testpmd: as two guests whose NICs are virtio-user, or as a switch of its own
between two vhost-user sockets. It polls, so it takes a whole core while it forwards."""

import glob
import os
import pty
import re
import select
import subprocess
import time

from basics import DEPS, LabError, end, environment, need_program, program, scratch

PROMPT = "testpmd> "


def need_testpmd():
    return need_program("dpdk-testpmd")


def virtio_user(n, path, mac, queues=1, server=False, more=""):
    """--vdev of a guest's NIC. server: it listens, and waits for its back end."""
    return "net_virtio_user%d,path=%s,mac=%s,queues=%d%s%s" % (
        n, path, mac, queues, ",server=1" if server else "", more)


def vhost(n, path, queues=1):
    """--vdev of a back end, which listens."""
    return "net_vhost%d,iface=%s,queues=%d" % (n, path, queues)


class Testpmd:
    """Testpmd([vdev, vdev], forward="mac").start(); ask() gives it a command."""

    __test__ = False        # not one of pytest's

    def __init__(self, vdevs, *options, queues=1, core=None, memory=64, mbufs=8192,
                 namespace=()):
        self.dir = scratch("testpmd")
        lcores = "0@%s,1@%s" % (("0-%d" % (os.cpu_count() - 1),
                                 "0-%d" % (os.cpu_count() - 1))
                                if core is None else (core, core))
        self.argv = [*namespace, program("dpdk-testpmd"), "--no-huge", "-m", str(memory),
                     "--no-pci", "--no-shconf", "--no-telemetry", "--lcores", lcores]
        # By name, for the loader to find (the wrapper says where): of a path DPDK wants
        # that no folder on it is everybody's, and somebody may work below /tmp.
        for name in ("mempool_ring", "net_virtio", "net_vhost"):
            for path in glob.glob(os.path.join(
                    DEPS, "dpdk/usr/lib/*/dpdk/pmds-*/librte_%s.so.??" % name)):
                self.argv += ["-d", os.path.basename(path)]
        for vdev in vdevs:
            self.argv += ["--vdev", vdev]
        self.argv += ["--", "-i", "--nb-cores=1", "--total-num-mbufs=%d" % mbufs,
                      "--no-mlockall", "--rxq=%d" % queues, "--txq=%d" % queues,
                      *options]
        self.said = ""
        self.proc = None

    def start(self, timeout=30):
        ours, theirs = pty.openpty()
        try:
            # As a front end it writes to a back end that has gone.
            self.proc = subprocess.Popen(
                self.argv, stdin=theirs, stdout=theirs, stderr=theirs,
                cwd=self.dir, start_new_session=True, restore_signals=False,
                env=environment({"XDG_RUNTIME_DIR": self.dir}))
        finally:
            os.close(theirs)
        self.tty = ours
        try:
            self.read(timeout)
        except BaseException:
            self.close()
            raise
        return self

    def read(self, timeout):
        """What it says up to its next prompt, behind which it may say that a link
        came or went."""
        text = ""
        deadline = time.monotonic() + timeout
        while PROMPT not in text:
            left = deadline - time.monotonic()
            try:
                if left < 0 or not select.select([self.tty], [], [], left)[0]:
                    raise LabError("testpmd says no more than: " + text[-2000:])
                text += os.read(self.tty, 65536).decode("ascii", "replace")
            except OSError as e:
                raise LabError("testpmd ended: " + text[-2000:]) from e
        self.said += text
        return text

    def ask(self, command, timeout=20):
        os.write(self.tty, (command + "\n").encode())
        return self.read(timeout)

    def stats(self):
        """[(packets received, packets sent)] of each port."""
        text = self.ask("show port stats all")
        return list(zip(*[[int(n) for n in re.findall(what + r"-packets: (\d+)", text)]
                          for what in ("RX", "TX")]))

    def close(self):
        if self.proc:
            end(self.proc)
            os.close(self.tty)
            self.proc = None
        for path in glob.glob(os.path.join(self.dir, "*")):
            os.unlink(path)
        os.rmdir(self.dir)

    def __enter__(self):
        return self if self.proc else self.start()

    def __exit__(self, *exc):
        self.close()
