# SPDX-License-Identifier: GPL-2.0-or-later
"""Datapath kernel: bridge, TAPs and packet filters of the host instead of the
in-process switch; who reaches whom, and that it is put right whatever happens to it."""

import contextlib
import json
import re
import socket

import pytest

import lab as lab_module
from boxes import Box, TapBox
from frames import ip4, udp
from lab import eventually

HOST = "192.168.56.1"
SERVICE = "192.168.56.100"


def define(d, name, mode, *more):
    return d.vnet("define", name, "--mode", mode, "--datapath", "kernel", *more)


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    lab.lan.ip("route", "replace", "192.168.56.0/24", "via", lab.host.address)
    lab.lan.ip("route", "replace", "172.20.0.0/24", "via", lab.host.address)
    with lab_module.Vnetd(ns=lab.host) as daemon:
        define(daemon, "ho", "hostonly")
        define(daemon, "inn", "internal", "--subnet", "172.20.0.0/24")
        yield daemon


@pytest.fixture(scope="module")
def tap(lab, d):
    with TapBox(lab, d, "vm1", "ho") as box:
        yield box


@pytest.fixture(scope="module")
def other(lab, d):
    """A NIC that is no TAP on the bridge: it is there all the same."""
    with Box(lab, d, "vm2", "ho") as box:
        yield box


def calls(link):
    """Does the bridge put frames to iptables?"""
    data = link.get("linkinfo", {}).get("info_data", {})
    return [v for k, v in sorted(data.items()) if k.startswith("nf_call")]


def state(host):
    """What there is of links, addresses and filters."""
    links = json.loads(host.run("ip", "-j", "-d", "addr"))
    kept = [(l["ifname"], l.get("master"), l["address"], "UP" in l["flags"],
             l.get("ifalias"), calls(l), sorted(a["local"] for a in l["addr_info"]))
            for l in links if l["ifname"].startswith("vn-")]
    return sorted(kept), [re.sub(r"packets \d+ bytes \d+", "", host.run(
        "nft", "list", *t.split())) for t in host.nft_tables()]


# ---- host-only -----------------------------------------------------------------

def test_hostonly_lease_host_and_each_other(lab, d, tap, other):
    assert sorted([tap.ip, other.ip]) == ["192.168.56.101", "192.168.56.102"]
    assert tap.ns.ping(HOST) and other.ns.ping(HOST)
    assert lab.host.ping(tap.ip) and lab.host.ping(other.ip)
    assert tap.ns.ping(other.ip) and other.ns.ping(tap.ip)
    assert tap.ns.ping(SERVICE)


def test_hostonly_nothing_in_or_out(lab, d, tap):
    lab.host.sysctl("net.ipv4.ip_forward", 1)   # as any other program may
    try:
        tap.ns.ip("route", "replace", "default", "via", HOST)
        assert not tap.ns.ping(lab.lan.router, wait=1)
        assert not lab.lan.ping(tap.ip, wait=1)
    finally:
        lab.host.sysctl("net.ipv4.ip_forward", 0)
    eventually("its own switch is off again", lambda: lab.host.run(
        "cat", "/proc/sys/net/ipv4/conf/vn-ho/forwarding") == "0\n")


def test_hostonly_ipv6(lab, d, tap, other):
    host6 = d.vnet("show", "ho", json=True).data["gateway6"]
    prefix = host6[:-len("::1")]

    def has_address():
        return [a for a in tap.ns.addresses("eth0", 6) if a.startswith(prefix)]

    eventually("an address by router advertisement", has_address)
    eventually("the host answers", lambda: tap.ns.ping(host6))
    own = has_address()[0].split("/")[0]
    eventually("known as a neighbour of the host", lambda: own in [
        a["address"] for a in d.vnet("ip", "vm1", json=True).data["addresses"]])
    assert "default" not in tap.ns.ip("-6", "route")


def test_names(d, tap, other):
    """The name of a VM whose TAP the worker never sees a frame of is known."""
    for box in tap, other:
        rows = d.vnet("ip", box.name, json=True).data["addresses"]
        assert [(a["address"], a["source"]) for a in rows
                if a["protocol"] == "ipv4"] == [(box.ip, "lease")]
        got = tap.ns.run("dig", "+short", "+time=2", "@" + SERVICE,
                         box.name + ".ho.vnet")
        assert got.split() == [box.ip]
    assert tap.ns.run("dig", "+short", "+time=2", "@" + SERVICE,
                      "host.ho.vnet").split() == [HOST]


def test_reservation_of_a_tap(lab, d):
    d.vnet("reserve", "add", "ho", "vm3", "192.168.56.77")
    with TapBox(lab, d, "vm3", "ho") as box:
        assert box.ip == "192.168.56.77"


def test_counted(d, tap):
    """From the VM and to it, as the kernel counts its TAP."""
    def stats():
        return d.vnet("show", "vm1", json=True).data["nics"][0]["stats"]

    before = stats()
    assert tap.ns.run("ping", "-n", "-c", "5", "-i", "0.01", "-s", "1000", HOST)
    now = stats()
    for way in "rx", "tx":
        assert 5 <= now[way + "_frames"] - before[way + "_frames"] < 50
        assert 5 * 1042 <= now[way + "_bytes"] - before[way + "_bytes"] < 20000
    assert "Counters" in d.vnet("show", "ho").out


def test_link_pulled_and_plugged(d, tap):
    d.vnet("link", "vm1", "down")
    assert not tap.ns.ping(HOST, wait=1)
    d.vnet("link", "vm1", "up")
    eventually("back", lambda: tap.ns.ping(HOST, wait=1))


def test_moved_to_another_bridge(lab, d, tap):
    """Its VMM keeps the TAP open; what is asked and given there is the other network's."""
    def moved(network, prefix):
        d.vnet("move", "vm1", "--network", network)
        assert lab.host.links()["vn-vm1-0"]["master"] == "vn-" + network
        assert lab.host.links()["vn-vm1-0"]["ifalias"] == "vnet:" + network
        tap.client.stop()
        tap.client.start()
        tap.ip = tap.client.lease()["ip"]
        assert tap.ip.startswith(prefix)
        assert tap.ip in d.vnet("ip", "vm1").out

    def guarded(network):
        return "vn-vm1-0" in lab.host.run("nft", "list", "table", "bridge",
                                          "vnet-" + network)

    moved("inn", "172.20.0.")
    assert not tap.ns.ping(HOST, wait=1)
    assert guarded("inn")
    eventually("it is none of the other's guests", lambda: not guarded("ho"))
    moved("ho", "192.168.56.")
    assert tap.ns.ping(HOST)
    d.vnet("define", "user", "--mode", "nat", "--datapath", "user")
    done = d.vnet("move", "vm1", "--network", "user", check=False)
    assert done.status == 1 and "from one datapath to the other" in done.err
    d.vnet("undefine", "user")


# ---- internal ------------------------------------------------------------------

def datagrams_by_reserved_groups(lab, box, other):
    """What the host hears of broadcasts sent to MACs that a bridge takes for itself."""
    mac = bytes.fromhex(box.ns.links()["eth0"]["address"].replace(":", ""))
    with lab.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard, \
            box.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as raw:
        heard.bind(("", 9999))
        heard.setblocking(False)
        raw.bind(("eth0", 3))
        for last in range(16):
            raw.send(bytes.fromhex("0180c20000%02x" % last) + mac +
                     ip4("0.0.0.0", 17, udp(5000, 9999, b"%d" % last)))
        assert box.ns.ping(other.ip)    # is sent behind them
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(heard.recv(10))
        return found


def test_internal_each_other_and_nobody_else(lab, d):
    with TapBox(lab, d, "in1", "inn") as a, Box(lab, d, "in2", "inn") as b:
        assert a.ip.startswith("172.20.0.") and b.ip.startswith("172.20.0.")
        assert a.ns.ping(b.ip) and b.ns.ping(a.ip)
        # not even a guest that makes itself a way reaches the host
        mac = lab.host.links()["vn-inn"]["address"]
        for ip in lab.host.address, "172.20.0.250":
            a.ns.ip("route", "replace", ip + "/32", "dev", "eth0")
            a.ns.ip("neigh", "replace", ip, "lladdr", mac, "dev", "eth0")
            assert not a.ns.ping(ip, wait=1)
        assert datagrams_by_reserved_groups(lab, a, b) == []
        assert not lab.host.addresses("vn-inn")
        assert not lab.host.addresses("vn-inn", 6)


# ---- devices and filters -------------------------------------------------------

def test_tap_is_the_users_and_goes_with_the_nic(lab, d):
    nic = d.vnet("attach", "vm4", "--network", "ho", "--queues", "4",
                 json=True).data
    assert nic["type"] == "tap" and nic["ifname"] == "vn-vm4-0"
    link = [l for l in json.loads(lab.host.run("ip", "-j", "-d", "link"))
            if l["ifname"] == "vn-vm4-0"][0]
    assert link["master"] == "vn-ho" and link["ifalias"] == "vnet:ho"
    facts = link["linkinfo"]["info_data"]
    assert facts["persist"] and facts["multi_queue"] and facts["vnet_hdr"]
    d.vnet("detach", "vm4")
    assert "vn-vm4-0" not in lab.host.links()


def test_names_that_are_taken_are_refused(lab, d):
    lab.host.tap("vn-vm5-0", up=False)
    done = d.vnet("attach", "vm5", "--network", "ho", check=False)
    assert done.status == 1 and "vn-vm5-0 exists already" in done.err
    assert "vn-vm5-0" in lab.host.links()
    lab.host.ip("link", "del", "vn-vm5-0")
    lab.host.ip("link", "add", "vn-mine", "type", "bridge")
    lab.host.run("nft", "add", "table", "inet", "vnet-other")
    for name, what in (("mine", "interface vn-mine is there"),
                       ("other", "table inet vnet-other is there")):
        done = d.vnet("define", name, "--mode", "hostonly", "--datapath", "kernel",
                      check=False)
        assert done.status == 1
        assert what in d.vnet("show", name).out
        d.vnet("undefine", name)
    assert "vn-other" not in lab.host.links()   # its bridge was taken back
    for name in "mine", "other":
        assert "table bridge vnet-" + name not in lab.host.nft_tables()
    assert "vn-mine" in lab.host.links()
    lab.host.ip("link", "del", "vn-mine")
    lab.host.run("nft", "delete", "table", "inet", "vnet-other")


def test_plan(lab, d):
    same = d.vnet("plan", "ho").out
    assert same == "network ho: the kernel is as it should be\n"
    d.vnet("define", "later", "--mode", "hostonly", "--datapath", "kernel",
           "--no-start")
    before = state(lab.host)
    plan = d.vnet("plan", "later", json=True).data
    assert plan["steps"][0].startswith("bridge vn-later add ")
    assert plan["filters_change"]
    assert state(lab.host) == before
    # what is shown is what nft reads, and what is done
    with lab_module.Netns("plan") as ns:
        path = ns.dir + "/filters"
        with open(path, "w") as f:
            f.write(plan["filters"])
        ns.run("nft", "-f", path)
        d.vnet("start", "later")
        for table in ("inet", "vnet-later"), ("bridge", "vnet-later"):
            assert ns.run("nft", "list", "table", *table) == \
                lab.host.run("nft", "list", "table", *table)
    assert "as it should be" in d.vnet("plan", "later").out
    d.vnet("undefine", "later")
    assert "vn-later" not in lab.host.links()
    assert not [t for t in lab.host.nft_tables() if "later" in t]


def damages(host):
    yield "ruleset", lambda: host.run("nft", "flush", "ruleset")
    yield "one guard", lambda: host.run("nft", "flush", "chain", "bridge", "vnet-ho",
                                        "prerouting")
    yield "a guest unguarded", lambda: host.run(
        "nft", "delete", "element", "bridge", "vnet-ho", "nics", '{ "vn-vm1-0" }')
    yield "one rule", lambda: host.run("nft", "flush", "chain", "inet", "vnet-ho",
                                       "forward")
    yield "address", lambda: host.ip("addr", "del", HOST + "/24", "dev", "vn-ho")
    yield "bridge down", lambda: host.ip("link", "set", "vn-ho", "down")
    yield "frames to iptables", lambda: host.ip(
        "link", "set", "vn-ho", "type", "bridge", "nf_call_iptables", "1",
        "nf_call_ip6tables", "1")
    yield "bridge", lambda: host.ip("link", "del", "vn-ho")
    yield "port", lambda: host.ip("link", "del", "vn-sv-ho")
    yield "NIC out", lambda: host.ip("link", "set", "vn-vm1-0", "nomaster")


def test_repair(lab, d, tap):
    """Whatever somebody does to it, it comes back by itself, as it was."""
    before = state(lab.host)

    def same():
        now = state(lab.host)
        links = [[l for l in s[0] if not l[0].startswith("vn-sv-")]
                 for s in (now, before)]    # a port's MAC is the kernel's choice
        return links[0] == links[1] and now[1] == before[1]

    for what, damage in damages(lab.host):
        damage()
        eventually("repaired: " + what, same, 20)
        eventually("reached again: " + what, lambda: tap.ns.ping(HOST, wait=1))
        eventually("served again: " + what,
                   lambda: tap.ns.ping(SERVICE, wait=1))


def test_what_the_kernel_does_not_take_is_said(lab, d, tap):
    """A guard that is not in force is not told to be."""
    def somebody_elses():
        lab.host.run("nft", "delete table bridge vnet-ho; add table bridge vnet-ho")

    for words in (("nic", "set", "vm1", "--guard", "mac"), ("set", "ho", "--storm", "9")):
        somebody_elses()
        done = d.vnet(*words, check=False)
        assert done.status == 1
        assert "not in force" in done.err and "bridge vnet-ho is there" in done.err
        lab.host.run("nft", "delete", "table", "bridge", "vnet-ho")
        eventually("in force", lambda: "as it should be" in d.vnet("plan", "ho").out, 20)
    assert "vn-vm1-0" in lab.host.run("nft", "list", "set", "bridge", "vnet-ho", "pinned")
    d.vnet("nic", "set", "vm1", "--guard", "network")
    d.vnet("set", "ho", "--storm", "0")


def test_nothing_is_done_where_nothing_is_to_be_done(lab, d, tap):
    """Looking after things must not be news itself, for it would never end."""
    def quiet():
        said = lab.host.run("timeout", "1", "ip", "monitor", "link", check=False)
        return not said.strip()

    eventually("no news of links", quiet, 15)


# ---- vnetd comes and goes ------------------------------------------------------

def test_killed_and_started_again(lab, d, tap, other):
    before = state(lab.host)
    d.kill()
    assert lab.host.ping(tap.ip)    # its TAP is the kernel's matter
    d.start()
    eventually("as before", lambda: state(lab.host)[1] == before[1])
    eventually("served", lambda: tap.ns.ping(SERVICE, wait=1))
    assert tap.ns.ping(HOST)
    assert "as it should be" in d.vnet("plan", "ho").out
    tap.client.stop()
    tap.client.start()
    assert tap.client.lease()["ip"] == tap.ip


def test_stopped_and_started_with_a_vm_running(lab, d, tap, other):
    d.stop()
    assert lab.host.ping(tap.ip)    # VMs that run go on
    d.start()
    eventually("served", lambda: tap.ns.ping(SERVICE, wait=1))
    assert tap.ns.ping(HOST)


def test_a_start_that_fails_leaves_guests_guarded(lab, d, tap):
    """The bridge of before is there, and so are its VMs."""
    d.kill()
    lab.host.run("nft", "delete", "table", "inet", "vnet-ho")
    lab.host.run("nft", "add", "table", "inet", "vnet-ho")      # somebody else's
    d.start()
    assert "table inet vnet-ho is there and not ours" in d.vnet("show", "ho").out
    assert "table bridge vnet-ho" in lab.host.nft_tables()
    assert "vn-vm1-0" in lab.host.run("nft", "list", "set", "bridge", "vnet-ho", "nics")
    d.vnet("stop", "ho")    # and then it is gone
    assert "vn-ho" not in lab.host.links()
    assert "UP" not in lab.host.links()["vn-vm1-0"]["flags"]
    assert "table bridge vnet-ho" not in lab.host.nft_tables()
    lab.host.run("nft", "delete", "table", "inet", "vnet-ho")
    d.vnet("start", "ho")
    eventually("served", lambda: tap.ns.ping(SERVICE, wait=1))


def test_left_over_is_swept(lab, d, tap, other):
    define(d, "gone", "hostonly", "--subnet", "192.168.99.0/24")
    d.vnet("attach", "vm6", "--network", "gone")
    d.kill()
    d.start()
    assert "vn-gone" in lab.host.links()
    d.kill()
    lab_module.sh("sqlite3", d.state + "/vnet.db",
                  "PRAGMA foreign_keys=ON; DELETE FROM networks WHERE name='gone'")
    d.start()
    assert "vn-gone" not in lab.host.links()
    assert "vn-vm6-0" not in lab.host.links()
    assert not [t for t in lab.host.nft_tables() if "gone" in t]


def test_stop_takes_all_away(lab, d, tap, other):
    for network in "ho", "inn":
        d.vnet("stop", network)
    assert [l for l in lab.host.links() if l.startswith("vn-")] == ["vn-vm1-0"]
    assert lab.host.nft_tables() == []
    assert not lab.host.ping(tap.ip, wait=1)
    d.vnet("start", "ho")
    eventually("back", lambda: tap.ns.ping(HOST, wait=1))
