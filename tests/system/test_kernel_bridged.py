# SPDX-License-Identifier: GPL-2.0-or-later
"""Datapath kernel, bridged: the uplink is taken into a bridge that guests' TAPs are on.
Who reaches whom, and what happens to it when vnetd, or somebody else, does something.
(QEMU's guests there: test_modes.py.)"""

import contextlib
import json
import os

import pytest

import lab as lab_module
from boxes import Box, TapBox
from lab import eventually
from test_uplink import assert_same
from test_uplink_host import resident

BRIDGE = "vn-br-lan"


def define(d, name, *more, check=True):
    return d.vnet("define", name, "--mode", "bridged", "--datapath", "kernel", *more,
                  check=check)


def taken(host):
    links = host.links()
    return BRIDGE in links and links["eth0"].get("master") == BRIDGE


@pytest.fixture(scope="module")
def before(lab):
    """The host's configuration, without us."""
    return resident(lab.host)


@pytest.fixture(scope="module")
def d(lab, before):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host) as daemon:
        define(daemon, "lan", "--uplink", "eth0")
        yield daemon
        daemon.stop()
        assert_same(before, resident(lab.host))


@pytest.fixture(scope="module")
def tap(lab, d):
    with TapBox(lab, d, "vm1", "lan") as box:
        yield box


@pytest.fixture(scope="module")
def other(lab, d):
    """A NIC that is no TAP on the bridge: it is on the LAN all the same."""
    with Box(lab, d, "vm2", "lan") as box:
        yield box


def of_vm(d, name):
    return [a["address"] for a in d.vnet("ip", name, json=True).data["addresses"]]


# ---- who reaches whom --------------------------------------------------------------

def test_on_the_lan_as_itself(lab, d, tap, other):
    """The row of the mode table, for both sorts of NIC."""
    assert taken(lab.host)
    assert lab.host.links()["vn-vm1-0"]["master"] == BRIDGE
    assert tap.ip in [lease[1] for lease in lab.lan.leases()]
    for box in tap, other:
        assert box.ip.startswith("192.168.77.")
        assert box.ns.ping(lab.host.address) and lab.host.ping(box.ip)
        assert box.ns.ping(lab.lan.router) and lab.lan.ping(box.ip)
        assert lab.outside.ping(box.ip)
    assert tap.ns.ping(other.ip) and other.ns.ping(tap.ip)
    with TapBox(lab, d, "vm3", "lan") as third:
        assert third.ns.ping(tap.ip) and tap.ns.ping(third.ip)
    web = lab.outside.who(80)
    tap.ns.fetch("http://%s" % lab.outside.address)
    assert web.seen == [tap.ip]


def test_addresses_are_seen(d, tap, other):
    for box in tap, other:
        eventually("vnet ip shows it", lambda: box.ip in of_vm(d, box.name))
    lan6 = [a.split("/")[0] for a in tap.ns.addresses("eth0", 6)]
    assert not lan6 or set(lan6) & set(of_vm(d, "vm1"))


def test_shown(d):
    shown = d.vnet("show", "lan", json=True).data
    assert (shown["bridge"], shown["uplink_mode"]) == (BRIDGE, "take-in")
    assert "as it should be" in d.vnet("plan", "lan").out
    text = d.vnet("plan", "lan", "--all").out
    steps = ["make bridge " + BRIDGE, "make TAP vn-up-lan", "into the bridge: eth0",
             "address add 192.168.77.10/24 dev " + BRIDGE,
             "address delete 192.168.77.10/24 dev eth0"]
    places = [text.index(s) for s in steps]
    assert places == sorted(places), text
    found = d.vnet("doctor", json=True).data["findings"]
    assert not [f for f in found if f["level"] == "problem"], found


def test_every_way_to_a_tap(lab, d, tap):
    """Queues, a descriptor of one's own TAP, and one that goes with its descriptor."""
    d.vnet("attach", "own", "--network", "lan", "--queues", "2")
    link = lab.host.links()["vn-own-0"]
    assert link["master"] == BRIDGE and link["linkinfo"]["info_data"]["multi_queue"]
    with contextlib.closing(d.api()) as api:
        api.call("nic.tap_fd", vm="own")
        nic = api.call("nic.attach", vm="lent", network="lan", type="tap",
                       transient=True)
        assert lab.host.links()[nic["ifname"]]["master"] == BRIDGE
    eventually("gone with its descriptor", lambda: "vn-lent-0" not in lab.host.links())
    d.vnet("detach", "own")
    assert "vn-own-0" not in lab.host.links()


# ---- what cannot be ------------------------------------------------------------------

def test_refused(lab, d):
    done = define(d, "t", "--uplink", "eth0", "--uplink-mode", "tap-in", check=False)
    assert done.status == 1 and "tap-in is datapath user's" in done.err
    done = d.vnet("set", "lan", "--uplink-mode", "tap-in", check=False)
    assert done.status == 1 and "tap-in is datapath user's" in done.err
    for datapath, mode in (("kernel", "take-in"), ("user", "take-in"),
                           ("user", "tap-in")):
        done = d.vnet("define", "two", "--mode", "bridged", "--datapath", datapath,
                      "--uplink-mode", mode, "--uplink", "eth0", check=False)
        assert done.status == 1
        assert "of network lan" in done.out or "by network lan" in done.out
        d.vnet("undefine", "two")
    assert taken(lab.host)


# ---- repair ----------------------------------------------------------------------------

def state(host):
    """Links, addresses and routes, but for what is another each time."""
    links = json.loads(host.run("ip", "-j", "-d", "addr"))
    kept = [(l["ifname"], l.get("master"), "UP" in l["flags"], l.get("ifalias"),
             l["address"] if l["ifname"] in (BRIDGE, "eth0") else None,
             [v for k, v in sorted(l.get("linkinfo", {}).get("info_data", {}).items())
              if k.startswith("nf_call")],
             sorted(a["local"] for a in l["addr_info"]))
            for l in links if l["ifname"] != "lo"]
    return sorted(kept), host.ip("route")


def damages(host):
    yield "uplink out", lambda: host.ip("link", "set", "eth0", "nomaster")
    yield "NIC out", lambda: host.ip("link", "set", "vn-vm1-0", "nomaster")
    yield "NIC down", lambda: host.ip("link", "set", "vn-vm1-0", "down")
    yield "iptables", lambda: host.ip("link", "set", BRIDGE, "type", "bridge",
                                      "nf_call_iptables", "1")
    yield "port", lambda: host.ip("link", "del", "vn-up-lan")
    yield "bridge", lambda: host.ip("link", "del", BRIDGE)


def test_repair(lab, d, tap, other):
    before = state(lab.host)
    for what, damage in damages(lab.host):
        damage()
        eventually("repaired: " + what, lambda: state(lab.host) == before, 20)
        eventually("reached again: " + what,
                   lambda: lab.lan.ping(tap.ip, wait=1) and
                   lab.lan.ping(other.ip, wait=1))
        assert tap.ns.ping(lab.host.address)
    assert "as it should be" in d.vnet("plan", "lan").out


def test_uplink_unplugged_and_plugged_in_again(lab, d):
    """The bridge goes with it, guests' TAPs stay, and are on the next one."""
    lab.lan.plug(lab.host, "eth9")
    define(d, "usb", "--uplink", "eth9")
    try:
        with TapBox(lab, d, "vm9", "usb") as box:
            assert lab.lan.ping(box.ip)
            lab.host.ip("link", "del", "eth9")
            eventually("noticed", lambda: "no such interface" in
                       d.vnet("show", "usb").out)
            links = lab.host.links()
            assert "vn-br-usb" not in links and "UP" not in links["vn-vm9-0"]["flags"]
            lab.lan.plug(lab.host, "eth9")
            eventually("back", lambda: lab.lan.ping(box.ip, wait=1))
    finally:
        d.vnet("undefine", "usb", "--force")
        lab.host.ip("link", "del", "eth9")


# ---- vnetd comes and goes --------------------------------------------------------------

def journals(d):
    return [f for f in os.listdir(d.runtime) if f.endswith(".journal")]


def test_killed_and_started_again(lab, d, tap):
    """Guests on TAPs and the host go on, through the bridge, and who starts finds it."""
    was = lab.host.links()[BRIDGE]["ifindex"]
    before = state(lab.host)
    d.kill()
    d.assert_gone(sockets=False)
    assert tap.ns.ping(lab.host.address) and lab.lan.ping(tap.ip)
    assert lab.outside.ping(lab.host.address)
    d.start()
    eventually("as before", lambda: state(lab.host) == before)
    assert lab.host.links()[BRIDGE]["ifindex"] == was
    lab.host.ping(tap.ip)
    eventually("known again", lambda: tap.ip in of_vm(d, "vm1"))


def test_stopped_and_started_with_a_vm_running(lab, d, tap, other):
    """And somebody clears what lies below /run away meanwhile."""
    d.stop()
    assert taken(lab.host)
    assert lab.lan.ping(tap.ip) and lab.lan.ping(lab.host.address)
    for name in journals(d):
        os.unlink(os.path.join(d.runtime, name))
    d.start()
    assert len(journals(d)) == 1
    assert taken(lab.host)
    # a namespace's device does not outlive vnetd, and its address is the LAN's to give
    other.client.stop()
    other.client.start()
    eventually("the other guest, too", lambda: lab.lan.ping(
        other.client.lease()["ip"], wait=1))


def test_without_its_network_it_is_given_back(lab, d, tap, before):
    d.kill()
    d.assert_gone(sockets=False)
    lab_module.sh("sqlite3", d.state + "/vnet.db",
                  "UPDATE networks SET active = 0, autostart = 0")
    d.start()
    assert journals(d) == []
    after = resident(lab.host)
    assert lab.host.links()["vn-vm1-0"]["operstate"] == "DOWN"
    after["links"].remove("vn-vm1-0")
    assert_same(before, after)
    assert lab.lan.ping(lab.host.address)
    d.vnet("start", "lan")
    eventually("back", lambda: lab.lan.ping(tap.ip, wait=1))


def test_stop_gives_back(lab, d, tap, before):
    d.vnet("stop", "lan")
    after = resident(lab.host)
    after["links"].remove("vn-vm1-0")
    assert_same(before, after)
    assert d.vnet("plan", "lan").out == d.vnet("plan", "lan", "--all").out
    assert "into the bridge: eth0" in d.vnet("plan", "lan").out
    d.vnet("start", "lan")
    eventually("back", lambda: lab.lan.ping(tap.ip, wait=1))


def test_undefined_gives_back(lab, d, before):
    """Last of all: the network goes, with its NICs."""
    assert d.vnet("undefine", "lan", check=False).status == 1
    d.vnet("undefine", "lan", "--force")
    assert_same(before, resident(lab.host))
