# SPDX-License-Identifier: GPL-2.0-or-later
"""DHCPv6 and the modes of IPv6: what real clients are told, prefixes that work behind
guests, changes while everything runs, deaths of worker and daemon. What clients do in their
lives, decline too: test_dhcp_clients.py."""

import json
import os
import signal
import subprocess

import pytest

import lab as lab_module
from basics import program
from boxes import Box
from dhcp6_client import Dhcp6Client
from lab import eventually
from test_dns import dig


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "full", "--mode", "nat", "--ipv6", "stateful",
                    "--prefix-pool", "auto")
        daemon.vnet("define", "own", "--mode", "hostonly", "--ipv6", "stateful")
        yield daemon


@pytest.fixture(scope="module")
def a(lab, d):
    with Box(lab, d, "box-a", "full") as box:
        yield box


def show(d, net):
    return d.vnet("show", net, json=True).data


def leases6(d, net="full"):
    return sorted((x for x in d.vnet("lease", "list", net, json=True).data["leases"]
                   if ":" in x["address"]), key=lambda x: x["address"])


def gone(d, address):
    return address not in [x["address"] for x in leases6(d)]


def test_dhclient_lives_a_whole_life(lab, d, a):
    with Dhcp6Client("dhclient", a.ns, "eth0",
                     config='send fqdn.fqdn "Crew_1.example.";\n') as c:
        lease = c.wait("BOUND6")
        prefix = show(d, "full")["subnet6"][:-len("::/64")]
        assert lease["ip"].startswith(prefix + "::1:"), lease
        assert lease["dns"] == show(d, "full")["dns6"]
        assert lease["domain"].rstrip(".") == "full.vnet"
        rows = [x for x in leases6(d) if x["address"] == lease["ip"]]
        assert rows and rows[0]["vm"] == "box-a" and rows[0]["prefix"] is None
        ips = d.vnet("ip", "box-a", json=True).data["addresses"]
        assert [x["source"] for x in ips if x["address"] == lease["ip"]] == ["lease"]
        # What it calls itself has an AAAA record, as DHCPv4's names have an A.
        eventually("its name is known", lambda: dig(
            a, "crew-1.full.vnet", "AAAA").values("AAAA") == [lease["ip"]], 20)
        # No address of its own making beside it (A is 0).
        assert not [x for x in a.ns.addresses("eth0", 6)
                    if x.startswith(prefix) and not x.startswith(lease["ip"])]
        c.stop()
        c.start()   # goes on with what it remembers: Confirm
        assert c.lease()["ip"] == lease["ip"]
        c.release()
        eventually("it is given back", lambda: gone(d, lease["ip"]), 20)
        c.start()
        assert c.lease()["ip"] == lease["ip"]   # the MAC points at it


def test_dhcpcd_lives_a_whole_life(lab, d, a):
    with Dhcp6Client("dhcpcd", a.ns, "eth0", "both") as c:
        lease = c.wait("BOUND6")
        assert lease["ip"] and lease["prefix"].endswith("::/64")
        assert lease["raw"]["new_dhcp6_fqdn"] == "box-a.full.vnet"
        before = {x["address"]: x["expires"] for x in leases6(d)}
        assert set(before) >= {lease["ip"], lease["prefix"][:-len("/64")]}
        c.proc.send_signal(signal.SIGUSR1)
        assert c.wait("RENEW6")["ip"] == lease["ip"]
        c.proc.send_signal(signal.SIGHUP)
        again = c.wait("REBIND6")
        assert (again["ip"], again["prefix"]) == (lease["ip"], lease["prefix"])
        c.release()
        for address in before:
            eventually("%s is given back" % address, lambda: gone(d, address), 20)


def test_only_options_where_guests_make_their_addresses(lab, d):
    d.vnet("define", "less", "--mode", "nat", "--ipv6", "stateless")
    try:
        with Box(lab, d, "box-l", "less") as b:
            prefix = show(d, "less")["subnet6"][:-len("::/64")] + ":"
            eventually("an address of its own making", lambda: [
                x for x in b.ns.addresses("eth0", 6) if x.startswith(prefix)], 20)
            with Dhcp6Client("dhclient", b.ns, "eth0", "nothing") as c:
                assert c.lease()["dns"] == show(d, "less")["dns6"]
            assert not leases6(d, "less")
    finally:
        d.vnet("undefine", "less", "--force")


def test_hostonly_guests_get_addresses_too(lab, d):
    with Box(lab, d, "box-o", "own") as b:
        before = d.vnet("ip", "box-o", json=True).data["addresses"]
        with Dhcp6Client("dhclient", b.ns, "eth0") as c:
            ip = c.wait("BOUND6")["ip"]
            # known before it asked
            assert [(x["source"], x["address"]) for x in before
                    if x["protocol"] == "ipv6"] == [("reserved", ip)]
            b.ns.ip("-6", "route", "replace", show(d, "own")["subnet6"], "dev", "eth0")
            assert b.ns.ping(show(d, "own")["gateway6"])
            assert lab.host.ping(ip)
            c.release()
    refused = d.vnet("set", "own", "--prefix-pool", "auto", check=False)
    assert refused.status == 1 and "nat networks" in refused.err


# ---- prefixes -------------------------------------------------------------------

class Behind:
    """A host in a prefix that the box got: box -- veth -- host."""

    def __init__(self, box, prefix):
        net = prefix[:-len("/64")]
        self.box, self.address, self.ns = box, net + "2", lab_module.Netns("behind")
        lab_module.veth(box.ns, "lan0", self.ns, "eth0")
        box.ns.ip("-6", "addr", "add", net + "1/64", "dev", "lan0", "nodad")
        self.ns.ip("-6", "addr", "add", self.address + "/64", "dev", "eth0", "nodad")
        for ns, dev in ((box.ns, "lan0"), (self.ns, "eth0")):
            ns.ip("link", "set", dev, "up")
        self.ns.ip("-6", "route", "add", "default", "via", net + "1")
        # A router that goes on listening to routers.
        box.ns.sysctl("net.ipv6.conf.eth0.accept_ra", 2)
        box.ns.sysctl("net.ipv6.conf.all.forwarding", 1)

    def close(self):
        self.ns.close()


def test_a_delegated_prefix_works_behind_the_guest(lab, d, a):
    lab.outside.who(8046)
    url = "http://[%s]:8046/" % lab.outside.address6
    with Box(lab, d, "box-r", "full") as r, Dhcp6Client(
            "dhclient", r.ns, "eth0", "prefix") as c, Dhcp6Client(
            "dhclient", a.ns, "eth0") as ca:
        prefix = c.wait("BOUND6")["prefix"]
        mine = ca.wait("BOUND6")["ip"]
        row = [x for x in leases6(d) if x["prefix"]][0]
        assert row["address"] + "/64" == prefix and row["via"].startswith("fe80::")
        assert prefix in d.vnet("lease", "list", "full").out
        behind = Behind(r, prefix)
        try:
            route = eventually("a default route", lambda: [
                x for x in r.ns.routes(6) if x["dst"] == "default"], 20)
            assert route
            eventually("it reaches the gateway", lambda: behind.ns.ping(
                show(d, "full")["gateway6"]), 20)
            # Outside sees the host, as with every guest.
            assert behind.ns.fetch(url) == "outside sees %s\n" % lab.host.address6
            # Another guest of the network, by way of the gateway.
            assert eventually("a guest reaches it", lambda: a.ns.ping(
                behind.address), 20)
            assert behind.ns.ping(mine)
            # Somebody else's prefix is not the guest's to speak from.
            a.ns.ip("-6", "addr", "add", prefix[:-3] + "99/128", "dev", "lo", "nodad")
            assert a.ns.popen("ping", "-6", "-c1", "-W1", "-I", prefix[:-3] + "99",
                              show(d, "full")["gateway6"],
                              stdout=subprocess.DEVNULL).wait(20)
            os.kill(show(d, "full")["worker"]["pid"], signal.SIGKILL)
            eventually("it works after the worker's death", lambda: behind.ns.ping(
                lab.outside.address6), 40)
            c.stop()
            c.start()
            assert c.lease()["prefix"] == prefix
            c.release()
            eventually("the route is gone", lambda: not behind.ns.ping(
                lab.outside.address6, wait=1), 20)
            ca.release()
        finally:
            behind.close()


def test_leases_survive_the_daemon(lab, d):
    """A guest in a namespace of its own loses its device with the daemon; what it
    remembers is still its own."""
    with Box(lab, d, "box-k", "full") as b, Dhcp6Client(
            "dhclient", b.ns, "eth0", "both") as c:
        lease = c.wait("BOUND6")
        before = leases6(d)
        c.stop()
        d.kill()
        d.start()
        assert leases6(d) == before
        eventually("the device is back", lambda: "eth0" in b.ns.links(), 30)
        os.unlink(c.file("leases"))     # it does not remember
        c.start()
        now = c.lease()
        assert (now["ip"], now["prefix"]) == (lease["ip"], lease["prefix"])


# ---- what changes while it runs -------------------------------------------------

def flags6(box, net, d):
    """{address: deprecated} of the box's addresses in the network's prefix."""
    prefix = show(d, net)["subnet6"][:-len("::/64")] + ":"
    out = json.loads(box.ns.ip("-j", "-6", "addr", "show", "dev", "eth0"))
    return {x["local"]: x.get("deprecated", False) for l in out
            for x in l.get("addr_info", []) if x.get("local", "").startswith(prefix)}


def test_modes_change_live(lab, d):
    d.vnet("define", "live", "--mode", "nat")
    try:
        with Box(lab, d, "box-v", "live") as b:
            eventually("it makes an address", lambda: flags6(b, "live", d), 20)
            assert set(flags6(b, "live", d).values()) == {False}
            d.vnet("set", "live", "--ipv6", "stateful")
            assert show(d, "live")["ipv6"] == "stateful"
            eventually("that is deprecated", lambda: set(
                flags6(b, "live", d).values()) == {True}, 20)
            with Dhcp6Client("dhclient", b.ns, "eth0") as c:
                ip = c.wait("BOUND6")["ip"]
                assert flags6(b, "live", d)[ip] is False
                d.vnet("set", "live", "--ipv6", "off")
                eventually("no router any more", lambda: not [
                    r for r in b.ns.routes(6) if r["dst"] == "default"], 20)
                d.vnet("set", "live", "--ipv6", "slaac")
                eventually("its own address is preferred again", lambda: [
                    x for x, old in flags6(b, "live", d).items()
                    if not old and x != ip], 20)
    finally:
        d.vnet("undefine", "live", "--force")


def test_a_reservation_holds_and_a_lease_can_be_taken_back(lab, d, a):
    want = show(d, "full")["subnet6"][:-len("/64")] + "50"
    d.vnet("reserve", "add", "full", "box-a", want)
    assert want in d.vnet("reserve", "list", "full").out
    with Dhcp6Client("dhclient", a.ns, "eth0") as c:
        assert c.wait("BOUND6")["ip"] == want
        other = d.vnet("reserve", "add", "full", "box-z", want, check=False)
        assert other.status == 1 and "reserved for another" in other.err
        d.vnet("reserve", "del", "full", want)
        d.vnet("lease", "release", "full", want)
        assert gone(d, want)
        c.stop()
        os.unlink(c.file("leases"))     # it does not remember
        c.start()
        assert c.lease()["ip"] not in (None, want)
        c.release()


def test_rdisc6_reads_what_is_announced(lab, d, a):
    rdisc6 = program("rdisc6")
    if not rdisc6:
        pytest.skip("no rdisc6 (scripts/deps)")
    out = a.ns.run(rdisc6, "-1", "eth0")
    o = show(d, "full")
    for line in ("Stateful address conf.    :          Yes",
                 "Stateful other conf.      :          Yes",
                 "Prefix                   : %s" % o["subnet6"],
                 "Autonomous address conf.:           No",
                 "Recursive DNS server     : %s" % o["dns6"],
                 "DNS search list          : full.vnet", "MTU"):
        assert " ".join(line.split()) in " ".join(out.split()), (line, out)


def test_what_does_not_fit_is_refused(d):
    for args, why in ((["--ipv6", "slaac"], "prefix pool"),
                      (["--prefix-pool", "fd00:5::/56-40"], "prefixes of up"),
                      (["--prefix-pool", "nonsense"], "prefix_pool must be")):
        got = d.vnet("set", "full", *args, check=False)
        assert got.status == 1 and why in got.err, got.err
    got = d.vnet("set", "full", "--ipv6", "maybe", check=False)
    assert got.status == 2
