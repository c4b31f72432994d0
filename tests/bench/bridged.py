# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of a bridged network, each way onto the uplink, against a bridge made by hand with
the uplink and the guests' TAPs in it. Each contender has a host and a LAN machine of its
own. A guest is a namespace behind a TAP that taploop plays the VMM of, in all."""

import lab as L
import setups as S
from kernel import LOOP


class Bridged(S.Setup):
    """near and mate are guests, far is on the LAN."""

    address = "192.0.2.2"

    def __init__(self, world):
        super().__init__()
        try:
            here = self.own(S.NatWorld(world.mtu))
            self.host, self.far = here.host, here.outside
            self.network()
            self.near, self.mate = self.guest("near", 10), self.guest("mate", 16)
            for address in self.address, "192.0.2.1":
                L.eventually("%s reaches %s" % (self.name, address),
                             lambda a=address: self.near.ping(a, wait=1), 20)
        except BaseException:
            self.close()
            raise

    def guest(self, name, n):
        tap, mac = self.tap(name)
        ns = self.own(L.Netns(name))
        self.spawn(LOOP, self.host.path, tap, ns.path, "eth0", ready=True)
        ns.ip("link", "set", "eth0", "address", mac, "up")
        ns.ip("addr", "add", "192.0.2.%d/24" % n, "dev", "eth0")
        return ns

    def pids(self):
        """Not the guests' VMMs."""
        return []


class TapIn(Bridged):
    name = "vnet"       # the default
    how = ()
    build = None

    def network(self):
        d = L.Vnetd(ns=self.host, log_level="info", build=self.build)
        self._undo.append(lambda: d.__exit__(None, None, None))
        self.d = d.start()
        d.vnet("define", "lan", "--mode", "bridged", "--uplink", "eth0", *self.how)

    def tap(self, name):
        nic = self.d.vnet("attach", name, "--network", "lan", "--type", "tap",
                          json=True).data
        return nic["ifname"], nic["mac"]

    def pids(self):
        return [self.d.pid] + self.d.children()


class Before(TapIn):
    name, build = "before", S.BEFORE


class MacNat(TapIn):
    name, how = "mac-nat", ("--mac-nat", "on")


class TakeIn(TapIn):
    name, how = "take-in", ("--uplink-mode", "take-in")


class ByHand(Bridged):
    name = "by-hand"

    def network(self):
        host = self.host
        host.ip("link", "add", "hbr", "type", "bridge", "forward_delay", "0")
        host.ip("addr", "flush", "dev", "eth0")
        host.ip("link", "set", "eth0", "master", "hbr")
        host.ip("addr", "add", "192.0.2.1/24", "dev", "hbr")
        host.ip("link", "set", "hbr", "up")

    def tap(self, name):
        self.host.ip("tuntap", "add", name, "mode", "tap", "vnet_hdr")
        self.host.ip("link", "set", name, "master", "hbr", "up")
        return name, "52:54:00:00:00:%02x" % len(self.procs)


class Other:
    """A contender's first guest, and another than the LAN's machine."""

    def __init__(self, setup, far, address):
        self.near, self.far, self.address = setup.near, far, address


CONTENDERS = (TapIn, Before, MacNat, TakeIn, ByHand)
