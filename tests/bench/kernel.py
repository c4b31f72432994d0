# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of a network whose datapath is the kernel, against the same made by hand: a
bridge, TAPs on it and nftables. Each contender has a host and an outside of its own, so
that neither's packets pass the other's filters. A guest is a namespace behind a TAP of the
bridge's; taploop plays its VMM in both."""

import os

import lab as L
import setups as S

LOOP = os.path.join(S.BUILD, "taploop")

BY_HAND = """
table inet hand {
	chain forward {
		type filter hook forward priority 0; policy accept;
		iifname "hbr" oifname "hbr" accept
		oifname "hbr" ct state established,related accept
		oifname "hbr" drop
		iifname "hbr" ip saddr != 10.0.2.0/24 drop
		iifname "hbr" ct state invalid drop
	}
	chain postrouting {
		type nat hook postrouting priority 100;
		oifname != "hbr" ip saddr 10.0.2.0/24 masquerade
	}
}
"""


class Kernel(S.Setup):
    """near and mate are guests, far is outside."""

    def __init__(self, world):
        super().__init__()
        try:
            here = self.own(S.NatWorld(world.mtu))
            self.host, self.far, self.address = here.host, here.outside, "192.0.2.2"
            self.network()
            self.near = self.guest("near", "10.0.2.15")
            self.mate = self.guest("mate", "10.0.2.16")
            for address in self.address, "10.0.2.16":
                L.eventually("%s works" % self.name,
                             lambda a=address: self.near.ping(a, wait=1), 20)
        except BaseException:
            self.close()
            raise

    def guest(self, name, ip):
        tap, mac = self.tap(name)
        ns = self.own(L.Netns(name))
        self.spawn(LOOP, self.host.path, tap, ns.path, "eth0", ready=True)
        ns.ip("link", "set", "eth0", "address", mac, "up")
        ns.ip("addr", "add", ip + "/24", "dev", "eth0")
        ns.ip("route", "add", "default", "via", "10.0.2.2")
        return ns

    def pids(self):
        """Not the guests' VMMs."""
        return []


class Vnet(Kernel):
    name = "vnet"
    build = None

    def network(self):
        d = L.Vnetd(ns=self.host, log_level="info", build=self.build)
        self._undo.append(lambda: d.__exit__(None, None, None))
        self.d = d.start()
        d.vnet("define", "lab", "--mode", "nat", "--datapath", "kernel")

    def tap(self, name):
        nic = self.d.vnet("attach", name, "--network", "lab", "--type", "tap",
                          json=True).data
        return nic["ifname"], nic["mac"]

    def pids(self):
        return [self.d.pid] + self.d.children()


class Before(Vnet):
    name, build = "before", S.BEFORE


class ByHand(Kernel):
    name = "by-hand"

    def network(self):
        host = self.host
        host.ip("link", "add", "hbr", "type", "bridge")
        host.ip("addr", "add", "10.0.2.2/24", "dev", "hbr")
        host.ip("link", "set", "hbr", "up")
        host.sysctl("net.ipv4.ip_forward", 1)
        host.run(S.peer("nft"), BY_HAND)

    def tap(self, name):
        self.host.ip("tuntap", "add", name, "mode", "tap", "vnet_hdr")
        self.host.ip("link", "set", name, "master", "hbr", "up")
        return name, "52:54:00:00:00:%02x" % len(self.procs)


class Mates:
    """A contender between its two guests, for a probe."""

    address = "10.0.2.16"

    def __init__(self, setup):
        self.near, self.far = setup.near, setup.mate


CONTENDERS = (Vnet, Before, ByHand)
