# SPDX-License-Identifier: GPL-2.0-or-later
"""Open vSwitch's userspace datapath (action NORMAL: it learns) between two TAPs, with
segments and checksums left to their ends (userspace-tso-enable). Runs unpacked, all its
files in a folder of the run's."""

import glob
import os

import lab as L
from setups import Switch, TOP, peer


class Ovs(Switch):
    name = "openvswitch"

    def start(self):
        self.home = self.own(L.Netns("ovs"))
        d = self.home.dir
        self.env = {"OVS_RUNDIR": d, "OVS_LOGDIR": d, "OVS_DBDIR": d,
                    "OVS_SYSCONFDIR": d}
        self.db = "unix:%s/db.sock" % d
        self.database()
        self.switch()
        self.machines()
        for n, ns in enumerate((self.near, self.far)):
            self.home.ip("link", "set", "t%d" % n, "netns", ns.name)
            ns.ip("link", "set", "t%d" % n, "name", "eth0")
        self.configure()

    def command(self, name, *args):
        return ["env", *("%s=%s" % i for i in self.env.items()), peer(name), *args]

    def database(self):
        d = self.home.dir
        schema = glob.glob(os.path.join(TOP, "build/deps/ovs/usr/share/openvswitch/"
                                             "vswitch.ovsschema"))
        self.home.run(*self.command("ovsdb-tool", "create", d + "/conf.db",
                                    *(schema or ["/usr/share/openvswitch/"
                                                 "vswitch.ovsschema"])))
        self.spawn(*self.home.argv(*self.command(
            "ovsdb-server", d + "/conf.db", "--remote=p" + self.db,
            "--unixctl=%s/db.ctl" % d)))
        self.procs.pop()        # the database moves no frames
        L.eventually("ovsdb-server", lambda: os.path.exists(d + "/db.sock"), 10)

    def vsctl(self, *args):
        self.home.run(*self.command("ovs-vsctl", "--db=" + self.db, "--no-wait", *args))

    def switch(self):
        self.vsctl("init")
        self.vsctl("set", "Open_vSwitch", ".",
                   "other_config:userspace-tso-enable=true")
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0",
                   "datapath_type=netdev")
        for n in range(2):
            self.vsctl("add-port", "br0", "t%d" % n, "--", "set", "interface",
                       "t%d" % n, "type=tap", "mtu_request=%d" % self.mtu)
        self.spawn(*self.home.argv(*self.command(
            "ovs-vswitchd", self.db, "--unixctl=%s/vs.ctl" % self.home.dir,
            "-vconsole:off")))
        L.eventually("its TAPs", lambda: {"t0", "t1"} <= set(self.home.links()), 20)
        self.home.ip("link", "set", "br0", "up")
