# SPDX-License-Identifier: GPL-2.0-or-later
"""Taking a host's interface into a bridge and giving it back: afterwards everything is
as it was, byte for byte, whatever happened in between."""

import contextlib
import errno
import glob
import json
import os
import re
import socket
import subprocess
import tempfile
import time

import pytest

import lab as L
from basics import PREFIX
from netns import Netns, veth
from privtool import Dead, PrivTool, Refused, need_tool

ARGS = ("vn-br-t", "eth0", "vn-up-t", 0)
SETUP = """
addr add 192.0.2.10/24 brd + dev eth0
addr add 192.0.2.11/24 dev eth0 label eth0:web
addr add 192.0.2.12/24 dev eth0
addr add 198.51.100.5 peer 198.51.100.6 dev eth0
addr add 203.0.113.5/24 dev eth0 noprefixroute metric 77
addr add 2001:db8::10/64 dev eth0
addr add 2001:db8::11/64 dev eth0
addr add 2001:db8:1::5/64 dev eth0 noprefixroute
route add default via 192.0.2.1 dev eth0 metric 100 proto dhcp src 192.0.2.10
route append default via 192.0.2.2 dev eth0 metric 100
route append default via 10.99.0.1 dev eth1 metric 100
route add 203.0.113.0/24 dev eth0 proto kernel scope link src 203.0.113.5 metric 77
route add 10.1.0.0/16 via 192.0.2.1 src 192.0.2.11 mtu 1300
route add 10.2.0.0/16 nexthop via 192.0.2.1 dev eth0 nexthop via 10.99.0.1 dev eth1
route add 10.3.0.0/16 via 192.0.2.1 dev eth0 table 77
route add 10.4.0.1/32 dev eth0 scope link
route add 10.4.0.0/16 via 10.4.0.1 dev eth0 onlink
rule add pref 100 iif eth0 lookup 77
rule add pref 100 not from 10.0.0.0/8 to 10.3.0.0/16 fwmark 7 iif lo oif eth0 lookup 77
-6 rule add pref 101 iif eth0 tos 0x10 lookup 78
-6 route add default via 2001:db8::1 dev eth0 metric 50
-6 route add 2001:db8:5::/48 via fe80::1 dev eth0
-6 route add 2001:db8:6::/48 nexthop via 2001:db8::1 dev eth0 nexthop via fe80::5 dev eth1
"""


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def conf(ns):
    """Every setting of eth0 in /proc/sys."""
    # one after another, or files and contents may not match
    script = "cd /proc/sys/net && grep -s . ipv?/conf/eth0/* || true"
    return ns.run("sh", "-c", script)


def snapshot(ns):
    return {
        "addr": ns.ip("-j", "addr", "show", "dev", "eth0"),
        "link": ns.ip("-j", "-d", "link", "show", "dev", "eth0"),
        "routes": ns.ip("-j", "-d", "-4", "route", "show", "table", "all"),
        "routes6": ns.ip("-j", "-d", "-6", "route", "show", "table", "all"),
        "settings": conf(ns),
        "rules": ns.ip("-j", "-4", "rule"),
        "rules6": ns.ip("-j", "-6", "rule"),
        "links": sorted(ns.links()),
        "ip_forward": ns.run("cat", "/proc/sys/net/ipv4/ip_forward"),
    }


def assert_same(before, after):
    for key in before:
        assert after[key] == before[key], key


@pytest.fixture(scope="module")
def world():
    L.need_root()
    need_tool()
    with Netns("lan") as lan, Netns("host") as host:
        # eth1 first: the kernel lists what lies on it before what comes back
        veth(host, "eth1", lan, "p1")
        veth(host, "eth0", lan, "p0", mac="02:00:00:00:00:10")
        host.sysctl("net.ipv6.conf.eth0.accept_dad", 1)
        host.sysctl("net.ipv4.ping_group_range", "1 0")
        host.ip("addr", "add", "10.99.0.2/24", "dev", "eth1")
        lan.ip("addr", "add", "192.0.2.1/24", "dev", "p0")
        lan.ip("addr", "add", "2001:db8::1/64", "dev", "p0")
        for router in ("192.0.2.2/24", "10.4.0.1/32", "fe80::1/64"):
            lan.ip("addr", "add", router, "dev", "p0")
        for line in SETUP.strip().splitlines():
            host.ip(*line.split())
        L.eventually("no address is tentative",
                     lambda: "tentative" not in host.ip("-6", "addr"))
        host.lan = lan
        yield host


@pytest.fixture
def before(world):
    """The state before; after the test it must be there again."""
    was = snapshot(world)
    yield was
    assert_same(was, snapshot(world))


@pytest.fixture
def run_dir():
    with tempfile.TemporaryDirectory(prefix=PREFIX + "uplink-") as d:
        yield d


def recover(ns, run_dir):
    """A new vnetd starts in the same run_dir, and ends."""
    with PrivTool(ns, run_dir=run_dir) as tool:
        tool.start()
        assert tool.journals() == []


# ---- the ordinary way -----------------------------------------------------------------

def test_in_and_out(world, before):
    with PrivTool(world).start() as tool:
        tool.call("uplink-in", *ARGS)
        links = world.links()
        assert links["eth0"]["master"] == "vn-br-t"
        assert links["vn-up-t"]["master"] == "vn-br-t"
        assert links["vn-br-t"]["address"] == links["eth0"]["address"]
        data = links["vn-br-t"]["linkinfo"]["info_data"]
        assert data["stp_state"] == 0
        assert data["forward_delay"] == 0
        assert data["mcast_snooping"] == 0
        assert world.addresses("eth0") == [] and world.addresses("eth0", 6) == []
        assert "fe80" not in world.ip("-6", "addr", "show", "dev", "eth0")
        addr = json.loads(world.ip("-j", "addr", "show", "dev", "vn-br-t"))
        assert [a["local"] for a in addr[0]["addr_info"]] == \
            [a["local"] for a in json.loads(before["addr"])[0]["addr_info"]]
        # No duplicate detection, but the kernel looks at new carriers once a second.
        L.eventually("addresses are usable", lambda: "tentative" not in world.ip(
            "-6", "addr", "show", "dev", "vn-br-t"))
        text = world.ip("-4", "route") + world.ip("-6", "route")
        assert not re.search(r"dev eth0\b", text), text
        rules = world.ip("rule") + world.ip("-6", "rule")
        assert re.findall("100:.*[io]if vn-br-t.*lookup 77|101:.*iif vn-br-t.*78",
                          rules) and rules.count("vn-br-t") == 3, rules
        # the first default route is still the first
        assert world.ip("route").split("\n")[0].startswith(
            "default via 192.0.2.1 dev vn-br-t")
        assert world.ping("192.0.2.1") and world.ping("2001:db8::1")
        assert world.lan.ping("192.0.2.11") and world.lan.ping("2001:db8::11")
        tool.call("uplink-out", "vn-br-t")
        assert_same(before, snapshot(world))
        # again, and this time control just ends
        tool.call("uplink-in", *ARGS)
        tool.call("stop")
        assert_same(before, snapshot(world))
        assert tool.journals() == []


def test_frames_pass_between_tap_and_lan(world, before):
    frame = "ff" * 6 + "025400000099" + "88b5" + "aa" * 60
    with PrivTool(world).start() as tool:
        fd = tool.call("uplink-in", *ARGS)
        with contextlib.closing(world.lan.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))) as s:
            s.bind(("p0", 0x88b5))
            s.settimeout(5)
            tool.call("send", fd, "00" * 10 + frame)
            assert s.recv(2000).hex() == frame
            s.send(bytes.fromhex("025400000099" + "02000000aaaa" + "88b5" + "bb" * 50))
        for _ in range(50):
            got = tool.call("recv", fd, 2)
            if got[20 + 24:20 + 28] == "88b5" and got.endswith("bb" * 50):
                break
        else:
            pytest.fail("no frame from the LAN on the TAP")


def test_connections_survive_and_gap_is_short(world, before):
    server = world.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("192.0.2.10", 4000))
    server.listen()
    client = world.lan.connect("192.0.2.10", 4000)
    conn, _ = server.accept()
    conn.settimeout(10)
    ping = world.lan.popen("ping", "-n", "-i", "0.01", "-c", "300", "192.0.2.10",
                           stdout=subprocess.PIPE)
    try:
        with PrivTool(world).start() as tool:
            time.sleep(0.3)
            for _ in range(4):
                tool.call("uplink-in", *ARGS)
                client.sendall(b"x")
                assert conn.recv(1) == b"x"
                time.sleep(0.15)
                tool.call("uplink-out", "vn-br-t")
                client.sendall(b"y")
                assert conn.recv(1) == b"y"
                time.sleep(0.15)
        text = ping.communicate()[0].decode()
        lost = 300 - int(re.search(r"(\d+) received", text).group(1))
        assert lost <= 8, text      # eight switches of 10 ms pings: one each
    finally:
        L.end(ping)
        for s in (client, conn, server):
            s.close()


def test_lifetimes_go_on(world):
    world.ip("addr", "add", "192.0.2.40/24", "dev", "eth0", "valid_lft", "100",
             "preferred_lft", "60")
    world.ip("addr", "add", "2001:db8::40/64", "dev", "eth0", "valid_lft", "100",
             "preferred_lft", "60")
    world.ip("-6", "route", "add", "2001:db8:40::/48", "via", "fe80::1", "dev", "eth0",
             "expires", "100")

    def life(dev, ip):
        for a in json.loads(world.ip("-j", "addr", "show", "dev", dev))[0]["addr_info"]:
            if a["local"] == ip:
                return a["valid_life_time"], a["preferred_life_time"]

    try:
        with PrivTool(world).start() as tool:
            tool.call("uplink-in", *ARGS)
            time.sleep(2.1)
            for ip in ("192.0.2.40", "2001:db8::40"):
                assert 90 <= life("vn-br-t", ip)[0] <= 98
            assert re.search(r"expires 9\dsec", world.ip("-6", "route"))
            tool.call("uplink-out", "vn-br-t")
            for ip in ("192.0.2.40", "2001:db8::40"):
                valid, preferred = life("eth0", ip)
                assert 88 <= valid <= 98 and valid - preferred == 40
            assert re.search(r"expires 9\dsec", world.ip("-6", "route"))
    finally:
        world.ip("addr", "del", "192.0.2.40/24", "dev", "eth0")
        world.ip("addr", "del", "2001:db8::40/64", "dev", "eth0")
        world.ip("-6", "route", "del", "2001:db8:40::/48")


def test_changes_meanwhile_are_kept(world, before):
    with PrivTool(world).start() as tool:
        tool.call("uplink-in", *ARGS)
        world.ip("addr", "add", "192.0.2.99/24", "dev", "vn-br-t")
        world.ip("route", "add", "10.77.0.0/16", "via", "192.0.2.1")
        world.ip("addr", "del", "192.0.2.12/24", "dev", "vn-br-t")
        tool.call("uplink-out", "vn-br-t")
        have = world.addresses("eth0")
        assert "192.0.2.99/24" in have and "192.0.2.12/24" not in have
        assert "10.77.0.0/16 via 192.0.2.1 dev eth0" in world.ip("route")
        world.ip("addr", "del", "192.0.2.99/24", "dev", "eth0")
        world.ip("addr", "add", "192.0.2.12/24", "dev", "eth0")
        world.ip("route", "del", "10.77.0.0/16")


def test_bare_interface_that_is_down(world, before):
    world.ip("link", "add", "eth9", "type", "veth", "peer", "name", "p9")
    # once up, an interface has a queue for ever: not one that has never been
    world.ip("link", "set", "eth9", "up")
    world.ip("link", "set", "eth9", "down")
    try:
        was = world.ip("-j", "-d", "link", "show", "eth9")
        with PrivTool(world).start() as tool:
            tool.call("uplink-in", "vn-br-t", "eth9", "vn-up-t", 1400)
            links = world.links()
            assert "UP" in links["eth9"]["flags"]
            assert links["vn-up-t"]["mtu"] == 1400
            tool.call("uplink-out", "vn-br-t")
        assert world.ip("-j", "-d", "link", "show", "eth9") == was
        assert world.ip("-j", "addr", "show", "eth9").count("fe80") == 0
    finally:
        world.ip("link", "del", "eth9")


def test_no_link_local_address_comes_from_nowhere(world):
    ip = re.search(r"inet6 (fe80\S+)", world.ip("-6", "addr", "show", "eth0")).group(1)
    world.ip("addr", "del", ip, "dev", "eth0")
    try:
        before = snapshot(world)
        with PrivTool(world).start() as tool:
            tool.call("uplink-in", *ARGS)
            tool.call("uplink-out", "vn-br-t")
        assert_same(before, snapshot(world))
    finally:
        world.ip("addr", "add", ip, "dev", "eth0")
        L.eventually("it is there again",
                     lambda: "tentative" not in world.ip("-6", "addr"))


def test_uplink_unplugged_meanwhile(world, before):
    world.ip("link", "add", "eth9", "type", "veth", "peer", "name", "p9")
    with PrivTool(world).start() as tool:
        tool.call("uplink-in", "vn-br-t", "eth9", "vn-up-t", 0)
        world.ip("link", "del", "eth9")
        tool.call("uplink-out", "vn-br-t")
        assert tool.journals() == []


@pytest.mark.parametrize("change", [
    "address 02:00:00:00:00:99",    # as a bond's, when another of its ports is active
    "name lan9"])
def test_another_mac_or_name_meanwhile(world, before, change):
    def settings(name):
        return world.run("sh", "-c", "cd /proc/sys/net/ipv6/conf/%s; cat accept_dad "
                         "addr_gen_mode" % name)

    world.ip("link", "add", "eth9", "type", "veth", "peer", "name", "p9")
    world.ip("addr", "add", "10.98.0.2/24", "dev", "eth9")
    world.ip("link", "set", "eth9", "up")
    world.sysctl("net.ipv6.conf.eth9.accept_dad", 1)
    was = settings("eth9")
    name = change.split()[1] if change.startswith("name") else "eth9"
    try:
        with PrivTool(world).start() as tool:
            tool.call("uplink-in", "vn-br-t", "eth9", "vn-up-t", 0)
            world.ip("link", "set", "eth9", "down")
            world.ip("link", "set", "eth9", *change.split(), "up")
            assert settings(name) != was
            tool.call("uplink-out", "vn-br-t")
        assert world.addresses(name) == ["10.98.0.2/24"]
        assert "10.98.0.0/24 dev " + name in world.ip("route")
        assert settings(name) == was
    finally:
        world.run("ip", "link", "del", "p9")


def test_bridge_deleted_by_hand(world, before):
    with PrivTool(world).start() as tool:
        tool.call("uplink-in", *ARGS)
        world.ip("link", "del", "vn-br-t")      # its rules stay
        assert world.addresses("eth0") == []
        tool.call("uplink-out", "vn-br-t")


# ---- refusals --------------------------------------------------------------------------

@pytest.mark.parametrize("uplink,mtu,number,text", [
    ("nope", 0, errno.ENODEV, "no interface nope"),
    ("lo", 0, errno.EPERM, "cannot be an uplink"),
    ("vn-x", 0, errno.EPERM, "cannot be an uplink"),
    ("br9", 0, errno.EOPNOTSUPP, "is a bridge"),
    ("port9", 0, errno.EBUSY, "port9 is a port of br9 already"),
    ("eth0", 9000, errno.EINVAL, "more than eth0 can do (1500)"),
])
def test_refusals(world, before, uplink, mtu, number, text):
    world.ip("link", "add", "br9", "type", "bridge")
    world.ip("link", "add", "port9", "type", "veth", "peer", "name", "p9")
    world.ip("link", "set", "port9", "master", "br9")
    try:
        with PrivTool(world).start() as tool:
            with pytest.raises(Refused, match=re.escape(text)) as e:
                tool.call("uplink-in", "vn-br-t", uplink, "vn-up-t", mtu)
            assert e.value.errno == number
            assert tool.journals() == []
    finally:
        world.ip("link", "del", "port9")
        world.ip("link", "del", "br9")


def test_names_of_others_are_left_alone(world, before):
    world.ip("link", "add", "vn-up-t", "type", "veth", "peer", "name", "p9")
    try:
        with PrivTool(world).start() as tool:
            with pytest.raises(Refused, match="not of our making"):
                tool.call("uplink-in", *ARGS)
        assert "vn-up-t" in world.links()
    finally:
        world.ip("link", "del", "vn-up-t")


def test_nexthop_objects_are_refused(world, before):
    world.ip("nexthop", "add", "id", "5", "via", "192.0.2.1", "dev", "eth0")
    world.ip("route", "add", "10.6.0.0/16", "nhid", "5")
    try:
        with PrivTool(world).start() as tool:
            with pytest.raises(Refused, match="nexthop objects"):
                tool.call("uplink-in", *ARGS)
    finally:
        world.ip("route", "del", "10.6.0.0/16")
        world.ip("nexthop", "del", "id", "5")


def test_nexthop_object_made_meanwhile(world, before):
    """A routing daemon makes them at any time; the uplink is given back all the same."""
    with PrivTool(world).start() as tool:
        tool.call("uplink-in", *ARGS)
        world.ip("nexthop", "add", "id", "6", "via", "192.0.2.1", "dev", "vn-br-t")
        world.ip("route", "add", "10.6.0.0/16", "nhid", "6")
        tool.call("uplink-out", "vn-br-t")
        assert tool.journals() == []
    assert world.ip("nexthop").strip() == ""


def test_taken_twice(world, before):
    with PrivTool(world).start() as tool:
        tool.call("uplink-in", *ARGS)
        with pytest.raises(Refused) as e:
            tool.call("uplink-in", *ARGS)
        assert e.value.errno == errno.EEXIST
        with pytest.raises(Refused, match="eth0 is a port of vn-br-t"):
            tool.call("uplink-in", "vn-br-u", "eth0", "vn-up-u", 0)
        assert world.ping("192.0.2.1")


# ---- failures and deaths ------------------------------------------------------------------

LONG = bool(os.environ.get("VNET_LONG"))


def steps_in(world):
    with tempfile.TemporaryDirectory(prefix=PREFIX + "uplink-") as d, \
            PrivTool(world) as tool:
        journal = d + "/uplink-x.journal"
        tool.call("direct-in", journal, *ARGS, "count", -1)
        there = int(tool.call("steps"))
        tool.call("direct-out", journal, "count", -1)
        return there, int(tool.call("steps"))


def test_every_step_fails_once(world, before):
    n, _ = steps_in(world)
    assert n > 30
    with tempfile.TemporaryDirectory(prefix=PREFIX + "uplink-") as d, \
            PrivTool(world) as tool:
        journal = d + "/uplink-x.journal"
        for step in range(n):
            with pytest.raises(Refused) as e:
                tool.call("direct-in", journal, *ARGS, "fail", step)
            assert e.value.errno == errno.EIO
            assert not os.path.exists(journal)
            assert_same(before, snapshot(world))


def both_ways(n):
    """(step, is it the watchdog that puts back?); each step in one of the ways, or
    with VNET_LONG in both."""
    return [(step, watched) for step in range(n) for watched in (True, False)
            if LONG or watched == bool(step % 2)]


def put_back(world, run_dir, journal, watched):
    """By the watchdog, while nobody starts anything; or by the next vnetd."""
    if watched:
        L.eventually("the watchdog has put all back",
                     lambda: not os.path.exists(journal), every=0.01)
    else:
        assert os.path.exists(journal)
        recover(world, run_dir)


def test_killed_at_every_step_of_taking(world, before, run_dir):
    n, _ = steps_in(world)
    for step, watched in both_ways(n):
        os.makedirs(run_dir + "/run", exist_ok=True)
        journal = run_dir + "/run/uplink-x.journal"
        with PrivTool(world, run_dir=run_dir) as tool:
            with pytest.raises(Dead):
                tool.call("direct-in", journal, *ARGS, "kill", step,
                          *(["watch"] if watched else []))
        put_back(world, run_dir, journal, watched)
        assert_same(before, snapshot(world))


def test_killed_at_every_step_of_giving_back(world, before, run_dir):
    _, n = steps_in(world)
    for step, watched in both_ways(n):
        os.makedirs(run_dir + "/run", exist_ok=True)
        journal = run_dir + "/run/uplink-x.journal"
        with PrivTool(world, run_dir=run_dir) as tool:
            tool.call("direct-in", journal, *ARGS, "count", -1)
            with pytest.raises(Dead):
                tool.call("direct-out", journal, "kill", step,
                          *(["watch"] if watched else []))
        put_back(world, run_dir, journal, watched)
        assert_same(before, snapshot(world))


@contextlib.contextmanager
def chain(ns, family, hook, *rules):
    """A packet filter's chain f i, for the while."""
    ns.run("nft", "-f", "-", stdin="table %s f {\nchain i {\ntype filter hook %s priority "
           "0\n%s\n}\n}\n" % (family, hook, "\n".join(rules)))
    try:
        yield
    finally:
        ns.run("nft", "delete", "table", family, "f")


def watchdogs(ns):
    return [p for p in ns.pids() if read("/proc/%d/comm" % p) == "vnetd-watch\n"]


def test_no_watchdog_after_it_is_confirmed(world, before):
    with PrivTool(world).start() as tool:
        tool.call("uplink-in", *ARGS)
        assert watchdogs(world) == []
        tool.call("uplink-out", "vn-br-t")
        assert watchdogs(world) == []


def test_next_start_waits_for_the_watchdog(world, before, run_dir):
    """Killed all of them; the watchdog goes on in its session, and holds the lock."""
    journal = run_dir + "/run/uplink-vn-br-t.journal"
    with PrivTool(world, run_dir=run_dir).start() as tool:
        # four seconds of looking for the router
        with chain(world, "ip", "input", 'iifname "vn-br-t" drop'):
            tool.begin("uplink-in", *ARGS)
            L.eventually("there is a watchdog", lambda: watchdogs(world), every=0.01)
            L.eventually("it is in the middle of it",
                         lambda: "vn-br-t" in world.links(), every=0.01)
            tool.kill(everyone=True)
    recover(world, run_dir)
    assert not os.path.exists(journal)


# ---- the host must reach what it reached ------------------------------------------------

FILTERS = [
    ("arp", 'iif "eth0" accept', "to ARP"),
    ("ip", 'iif { "eth0", "lo" } accept', "to echo requests"),
    ("ip6", 'iif { "eth0", "eth1" } accept', "to neighbour solicitations"),
]


@pytest.mark.parametrize("family,accept,text", FILTERS, ids=[f for f, _, _ in FILTERS])
def test_host_cut_off(world, before, family, accept, text):
    """By its own filter, which names the interface: everything is put back, with a
    sentence; connections go on."""
    with chain(world, family, "input", "policy drop", accept), \
            contextlib.closing(world.lan.socket(socket.AF_INET,
                                                socket.SOCK_STREAM)) as server:
        server.bind(("192.0.2.1", 0))
        server.listen()
        with contextlib.closing(world.connect(*server.getsockname())) as client, \
                contextlib.closing(server.accept()[0]) as conn, \
                PrivTool(world).start() as tool:
            with pytest.raises(Refused, match=text) as e:
                tool.call("uplink-in", *ARGS)
            assert e.value.errno == errno.EHOSTUNREACH
            assert re.search(r"its router \S+, which answered before.*"
                             "all was put back", e.value.text)
            assert tool.journals() == [] and watchdogs(world) == []
            assert_same(before, snapshot(world))
            client.settimeout(10)
            conn.sendall(b"x")
            assert client.recv(1) == b"x"


def test_who_was_silent_before_is_not_waited_for(world, before):
    with chain(world.lan, "netdev", "ingress device p0", "policy drop"):
        world.ip("neigh", "flush", "dev", "eth0")
        with PrivTool(world).start() as tool:
            begun = time.monotonic()
            tool.call("uplink-in", *ARGS)
            assert time.monotonic() - begun < 4     # less than for those who did speak
            tool.call("uplink-out", "vn-br-t")


def test_hangs_in_the_middle(world, before, run_dir):
    """A process that stands still is killed, and all put back."""
    if not LONG:
        L.skip("takes half a minute (VNET_LONG=1)")
    journal = run_dir + "/uplink-x.journal"
    with PrivTool(world, run_dir=run_dir) as tool:
        with pytest.raises(Dead):
            tool.call("direct-in", journal, *ARGS, "stop", 20, "watch")
    put_back(world, run_dir, journal, True)


def test_a_step_of_giving_back_fails(world, before, run_dir):
    """The rest is given back, the failure told, and what failed can be repaired."""
    journal = run_dir + "/uplink-x.journal"
    with PrivTool(world, run_dir=run_dir) as tool:
        tool.call("direct-in", journal, *ARGS, "count", -1)
        _, n = steps_in_names(tool, journal)
        tool.call("direct-in", journal, *ARGS, "count", -1)
        # the bridge cannot be deleted: everything else is back
        with pytest.raises(Refused, match="delete bridge"):
            tool.call("direct-out", journal, "fail", n - 2)
        assert os.path.exists(journal)
        assert "master" not in world.links()["eth0"]
        tool.call("direct-out", journal, "count", -1)
        assert not os.path.exists(journal)


def steps_in_names(tool, journal):
    tool.call("direct-out", journal, "count", -1)
    return None, int(tool.call("steps"))


def test_control_is_killed(world, before):
    """The helper sees it and gives the interface back."""
    with PrivTool(world).start() as tool:
        tool.call("uplink-in", *ARGS)
        tool.kill()
        tool.wait_gone()
        assert tool.journals() == []
        assert_same(before, snapshot(world))


def test_everybody_is_killed(world, before, run_dir):
    with PrivTool(world, run_dir=run_dir).start() as tool:
        tool.call("uplink-in", *ARGS)
        tool.kill(everyone=True)
        tool.wait_gone()
        assert world.links()["eth0"]["master"] == "vn-br-t"
        assert world.ping("192.0.2.1")      # the host is not cut off
    recover(world, run_dir)


def test_helper_is_killed(world, before, run_dir):
    with PrivTool(world, run_dir=run_dir).start() as tool:
        tool.call("uplink-in", *ARGS)
        os.kill(tool.helper(), 9)
        assert tool.call("wait", "helper", 5) == "ready"
        with pytest.raises(Refused, match="helper is gone"):
            tool.call("uplink-out", "vn-br-t")
    recover(world, run_dir)


def test_journal_of_before_a_reboot_is_dropped(world, before, run_dir):
    os.makedirs(run_dir + "/run")
    journal = run_dir + "/run/uplink-vn-br-t.journal"
    with PrivTool(world, run_dir=run_dir) as tool:
        tool.call("direct-in", journal, *ARGS, "count", -1)
        with open(journal) as f:
            text = f.read()
        tool.call("direct-out", journal, "count", -1)
        with open(journal, "w") as f:
            f.write(re.sub(r"boot .*", "boot 0-0", text))
        world.ip("addr", "del", "192.0.2.12/24", "dev", "eth0")
        recover(world, run_dir)
        assert "192.0.2.12/24" not in world.addresses("eth0")
        world.ip("addr", "add", "192.0.2.12/24", "dev", "eth0")


def test_journal_of_another_namespace_stays(world, before, run_dir):
    os.makedirs(run_dir + "/run")
    journal = run_dir + "/run/uplink-vn-br-t.journal"
    with PrivTool(world, run_dir=run_dir) as tool:
        tool.call("direct-in", journal, *ARGS, "count", -1)
    with PrivTool(world.lan, run_dir=run_dir).start() as tool:
        assert "another network namespace" in tool.log()
        assert tool.journals()
    recover(world, run_dir)
