# SPDX-License-Identifier: GPL-2.0-or-later
"""The mode table of docs/architecture.md, observed cell by cell from inside real
guests. Used by the demo and by test_modes.py.

    with ModeTable(lab, daemon) as table:
        table.boot()
        for cell in table.observe():
            print(cell.row, cell.mode, cell.expected, cell.observed)

With ModeTable(…, both=True) the guests have a second NIC each, on networks of datapath
kernel; after table.switch() these are the ones observed.
"""

import collections
import concurrent.futures
import os

import guest
from lab import eventually

MODES = ("nat", "bridged", "hostonly", "internal")
ROWS = ("VM → host", "VM ↔ VM", "VM → outside", "outside → VM")

Cell = collections.namedtuple("Cell", "row mode expected observed detail")

EXPECTED = {
    "VM → host": {"nat": "yes", "bridged": "yes", "hostonly": "yes",
                  "internal": "no"},
    "VM ↔ VM": {m: "yes" for m in MODES},
    "VM → outside": {"nat": "yes, as the host", "bridged": "yes, as itself",
                     "hostonly": "no", "internal": "no"},
    "outside → VM": {"nat": "only by forward", "bridged": "yes",
                     "hostonly": "no", "internal": "no"},
}

# Internal networks have no DHCP of their own: these guests are set up by hand.
INTERNAL = ("10.66.0.1", "10.66.0.2")
FORWARD_PORT = 8080

# The networks of one datapath, and the guests' NICs on them: names by mode, the host's
# address by mode, static addresses, the host's port that leads to guest a of nat.
Side = collections.namedtuple("Side", "datapath nic net host static port")
USER = Side("user", "eth0", {m: m for m in MODES},
            {"nat": "10.0.2.2", "hostonly": "192.168.56.1"}, INTERNAL, FORWARD_PORT)
KERNEL = Side("kernel", "eth1", {m: "k-" + m for m in MODES},
              {"nat": "10.0.3.2", "hostonly": "192.168.57.1"},
              ("10.67.0.1", "10.67.0.2"), 8090)


class ModeTable:
    """A network of each mode in `daemon` and two guests on each.

    Expects a Lab whose host forwards packets and whose LAN sends our subnets to
    the host: a "no" in the table is then vnet's doing and not the lab's.
    """

    def __init__(self, lab, daemon, both=False):
        self.lab = lab
        self.d = daemon
        self.both = both
        self.side = USER
        self.guests = {}    # mode: (Guest, Guest)
        self.ip = {}        # mode: (address, address)

    # ---- building ----------------------------------------------------------

    def define(self):
        lab = self.lab
        lab.host.sysctl("net.ipv4.ip_forward", 1)
        for subnet in ("10.0.2.0/24", "10.0.3.0/24", "192.168.56.0/24",
                       "192.168.57.0/24", "10.66.0.0/24", "10.67.0.0/24"):
            lab.route_to_guests(subnet)
        lab.host.who(80)
        lab.outside.who(80)
        self._define(USER, [m for m in MODES if m != "bridged"])
        if self.both:
            self._define(KERNEL, MODES)
        for mode in MODES if self.both else ():
            for letter in "ab":
                self.d.vnet("attach", mode + "-" + letter, "--nic", "1", "--network",
                            KERNEL.net[mode])
        if self.both:   # one at a time has the uplink; guests' TAPs stay
            self.d.vnet("stop", KERNEL.net["bridged"])
        self._define(USER, ["bridged"])

    def _define(self, side, which):
        for mode in which:
            self.d.vnet("define", side.net[mode], "--mode", mode, "--datapath",
                        side.datapath,
                        *(("--uplink", "eth0") if mode == "bridged" else ()))

    def boot(self):
        """Boot all; on bridged and internal with pasted arguments, on the others
        below `vnet run`."""
        for mode in MODES:
            pair = []
            for n, letter in enumerate("ab"):
                pair.append(self._guest(mode, mode + "-" + letter, n))
            self.guests[mode] = tuple(pair)
        guest.start_all(*(g for pair in self.guests.values() for g in pair))
        self._learn()

    def _learn(self):
        for mode, pair in self.guests.items():
            self.ip[mode] = self.side.static if mode == "internal" else tuple(
                g.ip(self.side.nic, timeout=60) for g in pair)

    def _guest(self, mode, name, n):
        more = {"env": dict(os.environ, **self.d.env)}
        if mode == "internal":
            # With a way out set up by hand, so that "no" means no.
            more["static"] = "eth0:%s/24@10.66.0.254" % INTERNAL[n]
        else:
            more["dhcp"] = "eth0"
        args = []
        wrapper = self.lab.host.argv()
        if mode in ("nat", "hostonly"):
            wrapper = self.d.wrapper(mode, name)
        else:
            args += self._args(name, 0, mode)
        if self.both:
            args += self._args(name, 1, KERNEL.net[mode])
        return guest.Guest(name, netargs=args, wrapper=wrapper, **more)

    def _args(self, name, n, network):
        args = self.d.vnet("attach", name, "--nic", str(n), "--network", network,
                           "--for", "qemu").out.split()
        # the guest's eth1 wherever `vnet run` puts the other
        return [a + ",addr=0x10" if n and a.startswith("virtio-net") else a
                for a in args]

    def switch(self):
        """From now on the guests' second NICs are the ones they have."""
        self.side = KERNEL
        self.d.vnet("stop", USER.net["bridged"])
        self.d.vnet("start", KERNEL.net["bridged"])
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self._switch, (
                (mode, n, g) for mode, pair in self.guests.items()
                for n, g in enumerate(pair))))
        self._learn()

    def _switch(self, which):
        mode, n, g = which
        if mode == "internal":
            g.check("ip link set eth0 down; ip addr add %s/24 dev eth1; "
                    "ip route add default via 10.67.0.254" % KERNEL.static[n])
        else:
            g.check("ip link set eth0 down; setsid /init nic eth1 "
                    "</dev/null >/dev/console 2>&1 &")

    def forward(self):
        self.d.vnet("forward", "add", self.side.net["nat"],
                    "tcp:%d:nat-a:80" % self.side.port)

    def close(self):
        for pair in self.guests.values():
            for g in pair:
                g.kill()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # ---- observing ---------------------------------------------------------

    def observe(self):
        """All sixteen cells, as a list."""
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            jobs = [(row, mode, pool.submit(look, mode))
                    for row, look in zip(ROWS, (self._host, self._vm,
                                                self._out, self._in))
                    for mode in MODES]
            return [Cell(row, mode, EXPECTED[row][mode], *job.result())
                    for row, mode, job in jobs]

    def wget(self, g, address, port=80, path="", seconds=4):
        """What the guest gets from http://address: None when nothing."""
        status, text = g.run("timeout %d wget -qO- http://%s:%d/%s" % (
            seconds, address, port, path), timeout=seconds + 20)
        return text.strip() if status == 0 else None

    def host_addresses(self):
        """Every address of the host that a guest could try."""
        return [a.split("/")[0] for link in self.lab.host.links() if link != "lo"
                for a in self.lab.host.addresses(link)]

    def _host(self, mode):
        a = self.guests[mode][0]
        if mode == "internal":
            script = "for a in %s; do timeout 2 wget -qO- http://$a/ & done; wait"
            got = a.run(script % " ".join(self.host_addresses()))[1].strip()
            if "sees" in got:
                return "yes", "the host answered: " + got
            return "no", "none of the host's addresses answers"
        address = self.side.host.get(mode, self.lab.host.address)
        got = self.wget(a, address)
        if got and got.startswith("host sees "):
            return "yes", "http://%s: %s" % (address, got)
        return "no", "http://%s: %s" % (address, got)

    def _vm(self, mode):
        """Both ways, ping and a page."""
        for one, other in ((0, 1), (1, 0)):
            g, ip = self.guests[mode][one], self.ip[mode][other]
            status, text = g.run("ping -c 1 -W 4 " + ip, timeout=30)
            page = self.wget(g, ip, path="index.html")
            if status != 0 or page != self.guests[mode][other].name:
                return "no", "%s from %s: %s %s" % (ip, g.name, text, page)
        return "yes", "ping and HTTP, both ways"

    def _out(self, mode):
        g = self.guests[mode][0]
        if mode == "hostonly":
            g.run("ip route replace default via " + self.side.host[mode])
        got = self.wget(g, self.lab.outside.address,
                        seconds=5 if mode in ("nat", "bridged") else 2)
        if not got:
            return "no", "no answer from outside"
        seen = got.split()[-1]
        as_whom = ("the host" if seen == self.lab.host.address else
                   "itself" if seen == self.ip[mode][0] else seen)
        return "yes, as " + as_whom, got

    def _in(self, mode):
        outside, name = self.lab.outside, self.guests[mode][0].name
        got = outside.fetch("http://%s/index.html" % self.ip[mode][0],
                            timeout=5 if mode == "bridged" else 2)
        direct = bool(got) and got.strip() == name
        if mode != "nat":
            return ("yes" if direct else "no"), "http://%s: %s" % (
                self.ip[mode][0], got and got.strip())
        self.forward()
        url = "http://%s:%d/index.html" % (self.lab.host.address, self.side.port)
        got = outside.fetch(url, timeout=5)
        forwarded = bool(got) and got.strip() == name
        if direct:
            return "yes", "reached directly"
        return ("only by forward" if forwarded else "no"), "%s: %s" % (
            url, got and got.strip())

    # ---- after -------------------------------------------------------------

    def wait_gone(self):
        eventually("NICs of ended guests are gone",
                   lambda: not self.d.vnet("list", "nics", json=True).data["nics"])
