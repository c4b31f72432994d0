# SPDX-License-Identifier: GPL-2.0-or-later
"""Open vSwitch's userspace datapath (action NORMAL: it learns), between two TAPs with
segments and checksums left to their ends (userspace-tso-enable), and with DPDK between
two vhost-user sockets. Runs unpacked, all its files in a folder of the run's."""

import contextlib
import glob
import os
import signal

import lab as L
from basics import DEPS
from setups import Setup, Switch, peer

# What its vhost ports need of DPDK; by name, as testpmd.py says.
DRIVERS = ("mempool_ring", "net_vhost")
MEMORY = 2048   # MiB, untouched until needed; there may be no huge pages


class Instance(Setup):
    """A database and a vswitchd in a namespace of their own."""

    def prepare(self):
        self.home = self.own(L.Netns("ovs"))
        d = self.home.dir
        self.env = {"OVS_RUNDIR": d, "OVS_LOGDIR": d, "OVS_DBDIR": d,
                    "OVS_SYSCONFDIR": d}
        self.db = "unix:%s/db.sock" % d
        schema = glob.glob(os.path.join(
            DEPS, "ovs/usr/share/openvswitch/vswitch.ovsschema"))
        self.home.run(*self.command("ovsdb-tool", "create", d + "/conf.db",
                                    *(schema or ["/usr/share/openvswitch/"
                                                 "vswitch.ovsschema"])))
        self.spawn(*self.home.argv(*self.command(
            "ovsdb-server", d + "/conf.db", "--remote=p" + self.db,
            "--unixctl=%s/db.ctl" % d)))
        self.procs.pop()        # the database moves no frames
        L.eventually("ovsdb-server", lambda: os.path.exists(d + "/db.sock"), 10)
        self.vsctl("init")

    def command(self, name, *args):
        return ["env", *("%s=%s" % i for i in self.env.items()), peer(name), *args]

    def vsctl(self, *args):
        self.home.run(*self.command("ovs-vsctl", "--db=" + self.db, "--no-wait", *args))

    def bridge(self, **other_config):
        self.vsctl("set", "Open_vSwitch", ".", *(
            "other_config:%s=%s" % (k.replace("_", "-"), v)
            for k, v in other_config.items()))
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0",
                   "datapath_type=netdev")

    def port(self, name, *settings):
        self.vsctl("add-port", "br0", name, "--", "set", "interface", name, *settings)

    def vswitchd(self, program):
        return self.spawn(*self.home.argv(*self.command(
            program, self.db, "--unixctl=%s/vs.ctl" % self.home.dir, "-vconsole:off",
            "--log-file=" + self.log)))

    @property
    def log(self):
        return self.home.dir + "/vswitchd.log"


class Ovs(Instance, Switch):
    name = "openvswitch"

    def start(self):
        self.prepare()
        self.bridge(userspace_tso_enable="true")
        for n in range(2):
            self.port("t%d" % n, "type=tap", "mtu_request=%d" % self.mtu)
        self.vswitchd("ovs-vswitchd")
        L.eventually("its TAPs", lambda: {"t0", "t1"} <= set(self.home.links()), 20)
        self.home.ip("link", "set", "br0", "up")
        self.machines()
        for n, ns in enumerate((self.near, self.far)):
            self.home.ip("link", "set", "t%d" % n, "netns", ns.name)
            ns.ip("link", "set", "t%d" % n, "name", "eth0")
        self.configure()


class OvsDpdk(Instance):
    """Two ports that listen at self.paths. It polls on processor 0, when it is awake."""
    name = "ovs-dpdk"

    def __init__(self):
        super().__init__()
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        peer("ovs-vswitchd-dpdk")
        self.prepare()
        drivers = " ".join("-d " + os.path.basename(path) for name in DRIVERS
                           for path in glob.glob(os.path.join(
                               DEPS, "ovs-dpdk/usr/lib/*/dpdk/pmds-*/"
                               "librte_%s.so.??" % name)))
        self.bridge(dpdk_init="true", pmd_cpu_mask="0x1", dpdk_extra=(
            '"--no-huge --legacy-mem -m %d --no-pci --no-shconf --no-telemetry %s"' % (MEMORY, drivers)))
        for name in "ab":
            self.port(name, "type=dpdkvhostuser")
        self.paths = [os.path.join(self.home.dir, name) for name in "ab"]
        proc = self.vswitchd("ovs-vswitchd-dpdk")
        self.pid = proc.pid
        L.eventually("its sockets", lambda: proc.poll() is not None or
                     all(map(os.path.exists, self.paths)), 30)
        if proc.poll() is not None:
            raise L.LabError("it ended: " + self.last_words())
        os.kill(self.pid, signal.SIGSTOP)
        self._undo.append(lambda: os.kill(self.pid, signal.SIGCONT))

    def last_words(self):
        with contextlib.suppress(OSError), open(self.log, errors="replace") as f:
            return " / ".join(line.split("|", 4)[-1].strip() for line in f
                              if "|ERR|" in line or "|EMER|" in line)[-300:]
        return "no log"

    @contextlib.contextmanager
    def awake(self):
        """It polls for frames, which others have no use for in their turns."""
        os.kill(self.pid, signal.SIGCONT)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGSTOP)
