# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-nat: real guests, QEMU on our tiny image, each behind a NAT of its own: TCP with
iperf3, from the guest (out) and to it (in). All of them run side by side and wait for
their turns; an idle guest needs next to nothing. Without KVM the guest's own processor
is the slowest part: what the host needs is what is left to compare.

Ours are on vhost-user, which is QEMU's fastest, and on a stream socket, which passt has,
too (not with QUICK); peers are passt (stream), QEMU's own slirp, and a TAP on the
kernel's bridge with nftables' masquerading.
"""

import os
import re
from subprocess import DEVNULL

import guest
import lab as L
import setups as S
import turns

QUICK = bool(os.environ.get("QUICK"))
SECONDS = 1 if QUICK else 2
PORT = 5201


class Vm(S.Setup):
    """A guest behind a NAT. netargs() makes all that QEMU's NIC needs."""

    address = None      # of the guest, and its gateway: "10.0.2.15/24@10.0.2.2"

    def __init__(self, world):
        super().__init__()
        self.world = world
        try:
            self.guest = guest.Guest(self.name, self.netargs(),
                                     wrapper=world.host.argv(),
                                     static="eth0:" + self.address)
            self._undo.append(self.guest.kill)
            self.guest.start()
        except BaseException:
            self.close()
            raise

    def iperf(self, back):
        """Gbit/s, as the receiver counts them."""
        text = self.guest.check("iperf3 -c %s -p %d -f k -i 0 -t %d -l %d%s" % (
            self.world.outside.address, PORT, SECONDS, S.WRITE, " -R" if back else ""),
            SECONDS + 20)
        return float(re.search(r"([\d.]+) Kbits/sec +receiver", text)[1]) / 1e6


class VnetVm(Vm):
    daemon = None       # of the whole race

    def netargs(self):
        memory = ("--memory", "128M") if self.kind == "vhost-user" else ()
        args = self.daemon.vnet("attach", self.name, "--network", "lab", "--type",
                                self.kind, *memory, "--for", "qemu").out.split()
        if self.kind == "vhost-user" and guest.accel() == "tcg":
            # QEMU 7.2's TCG loses interrupts that an eventfd brings (MSI-X).
            args = [re.sub(r",vectors=\d+|$", ",vectors=0", a, count=1)
                    if a.startswith("virtio-net-pci") else a for a in args]
        return args


class VhostUser(VnetVm):
    name, kind, address = "vnet", "vhost-user", "10.0.2.15/24@10.0.2.2"


class Stream(VnetVm):
    name, kind, address = "vnet-stream", "stream", "10.0.2.16/24@10.0.2.2"


class Passt(Vm):
    # Its guest has the host's address, and believes all others to be next door.
    name, address = "passt", "192.0.2.1/24@192.0.2.2"

    def netargs(self):
        path = os.path.join(self.world.host.dir, "passt.sock")
        self.spawn(*self.world.host.argv(S.peer("passt"), "-f", "-q", "--runas", "0",
                                         "--no-map-gw", "--socket", path))
        L.eventually("passt listens", lambda: os.path.exists(path), 10, 0.02)
        return guest.nic("stream,server=off,addr.type=unix,addr.path=" + path)


class Slirp(Vm):
    name, address = "qemu-slirp", "10.0.2.15/24@10.0.2.2"

    def netargs(self):
        return guest.nic("user")


class Kernel(Vm):
    name, address = "kernel", "10.9.0.2/24@10.9.0.1"

    def netargs(self):
        host = self.world.host
        S.kernel_nat(self, host)
        host.ip("tuntap", "add", "kt", "mode", "tap", "vnet_hdr")
        self._undo.append(lambda: host.ip("link", "del", "kt"))
        host.ip("link", "set", "kt", "master", "kbr", "up")
        return guest.nic("tap,ifname=kt,script=no,downscript=no,vhost=off")


def race(report, rounds):
    why = guest.image_missing()
    if why:
        report.not_run("vm-nat", why)
        return
    world = S.NatWorld(1500)
    up = []
    try:
        server = world.outside.popen("iperf3", "-s", "-p", str(PORT),
                                     stdout=DEVNULL, stderr=DEVNULL)
        try:
            with L.Vnetd(ns=world.host, log_level="info") as daemon:
                try:
                    daemon.vnet("define", "lab", "--mode", "nat")
                    boot(report, world, daemon, up)
                    measure(report, rounds, up)
                finally:
                    for vm in reversed(up):
                        vm.close()
        finally:
            L.end(server)
    finally:
        world.close()


def boot(report, world, daemon, up):
    VnetVm.daemon = daemon
    for cls in (VhostUser, *(() if QUICK else (Stream,)), Passt, Slirp, Kernel):
        try:
            up.append(cls(world))
        except (S.Missing, L.LabError, guest.GuestError) as e:
            report.not_run("vm-nat", "%s: %s" % (cls.name, e))
    for vm in list(up):
        try:
            vm.guest.wait_ready()
        except guest.GuestError as e:
            report.not_run("vm-nat", "%s: %s" % (vm.name, e))
            up.remove(vm)
            vm.close()


def measure(report, rounds, up):
    for back, way in ((False, "out"), (True, "in")):
        got = turns.take("vm-nat " + way, rounds, {
            vm.name: lambda vm=vm: vm.iperf(back) for vm in up})
        ours = {name: got.pop(name) for name in list(got) if name.startswith("vnet")}
        for name, values in ours.items():
            kind = name[len("vnet-"):] or "vhost-user"
            report.case("vm-nat", "%s, %s" % (way, kind), "Gbit/s", False,
                        {"vnet": values, **got})
