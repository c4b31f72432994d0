# SPDX-License-Identifier: GPL-2.0-or-later
"""`vnet doctor`: it names the rule of somebody else's that drops a network's traffic, and
the command it prints makes the traffic pass."""

import contextlib
import os
import re
import shlex
import socket
import struct

import pytest

import lab as lab_module
import nftload
from boxes import TapBox
from lab import eventually

HOST = "192.168.56.1"


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host) as daemon:
        daemon.vnet("define", "ho", "--mode", "hostonly", "--datapath", "kernel")
        daemon.vnet("define", "lab", "--mode", "nat")
        yield daemon


@pytest.fixture(scope="module")
def tap(lab, d):
    with TapBox(lab, d, "vm1", "ho") as box:
        yield box


@pytest.fixture(scope="module")
def out(lab, d):
    """A guest whose NAT is the kernel's; out.reaches() the outside."""
    d.vnet("define", "out", "--mode", "nat", "--datapath", "kernel")
    url = "http://%s/" % lab.outside.address
    with TapBox(lab, d, "vm3", "out") as vm, lab.outside.who(80):
        vm.reaches = lambda patience=5: vm.ns.fetch(url, patience)
        assert vm.reaches()
        yield vm
    d.vnet("undefine", "out", "--force")


@pytest.fixture
def filters(lab):
    """filters(text) loads rules of another program's, gone with the test."""
    tables = []

    def load(text):
        tables.extend(re.findall(r"^table (\w+ \w+)", text, re.M))
        lab.host.run("nft", text)

    yield load
    for table in tables:
        lab.host.run("nft", "delete", "table", *table.split())


def findings(d, *network, level="problem", what="filter"):
    done = d.vnet("doctor", *network, json=True, check=False)
    found = [f for f in done.data["findings"]
             if f["level"] == level and f["what"] == what]
    assert done.status == (1 if [f for f in done.data["findings"]
                                 if f["level"] == "problem"] else 0)
    return found


def run_as_printed(lab, command):
    """What an administrator pastes. iptables and firewalld need not be installed: what
    their commands do to the tables is done with nft."""
    for part in command.split(" && "):
        words = shlex.split(part)
        if words[0] == "iptables":
            assert words[1] == "-I" and words[-2:] == ["-j", "ACCEPT"]
            name = {"-i": "iifname", "-o": "oifname"}[words[3]]
            words = ["nft", 'insert rule ip filter %s %s "%s" counter accept'
                     % (words[2], name, words[4])]
        elif words[0] == "ufw":
            assert words[:3] == ["ufw", "route", "allow"] and words[4] == "on"
            words = ["nft", 'insert rule ip filter ufw-user-forward %sifname "%s" counter '
                     'accept' % (words[3][0], words[5])]
        elif words[0] == "firewall-cmd":
            assert words[1] == "--zone=trusted"
            words = ["nft", ";".join(
                'insert rule inet firewalld filter_%s_ZONES iifname "%s" accept' % (
                    chain, words[2].split("=")[1])
                for chain in ("INPUT", "FORWARD") if "filter_%s_ZONES" % chain in
                lab.host.run("nft", "list", "table", "inet", "firewalld"))]
        lab.host.run(*words)


def test_nothing_wrong(lab, d, tap):
    assert findings(d) == []
    assert [f["network"] for f in findings(d, level="ok")] == ["ho", "lab"]
    assert tap.ns.ping(HOST)


def test_policy_drop_as_docker_makes_it(lab, d, tap, filters):
    """Frames within a network's bridge are put to iptables where br_netfilter is."""
    if lab.host.run("sh", "-c", "cat /proc/sys/net/bridge/bridge-nf-call-iptables "
                    "2>/dev/null || true") != "1\n":
        pytest.skip("this kernel has no br_netfilter")
    with TapBox(lab, d, "vm2", "ho") as other:
        assert tap.ns.ping(other.ip)
        filters("""
table ip filter {
	chain DOCKER-USER { counter return
	}
	chain FORWARD { type filter hook forward priority 0; policy drop;
		counter jump DOCKER-USER
		iifname "docker0" accept
	}
}""")
        assert not tap.ns.ping(other.ip, wait=1)
        found = findings(d, "ho")
        assert len(found) == 1
        rule = found[0]["rule"]
        assert (rule["family"], rule["table"], rule["chain"], rule["text"]) == (
            "ip", "filter", "FORWARD", "policy drop")
        assert found[0]["command"] == (
            "iptables -I DOCKER-USER -i vn-ho -j ACCEPT && "
            "iptables -I DOCKER-USER -o vn-ho -j ACCEPT")
        text = d.vnet("doctor", "ho", check=False).out
        assert "do:  iptables -I DOCKER-USER" in text
        assert "nft -a list chain ip filter FORWARD" in text
        run_as_printed(lab, found[0]["command"])
        assert tap.ns.ping(other.ip)
        assert findings(d, "ho") == []


def test_nat_in_the_kernel_behind_docker(lab, d, out, filters):
    """The complaint that everybody has: VMs lose the outside when Docker starts."""
    filters("""
table ip filter {
	chain DOCKER-USER { counter return
	}
	chain FORWARD { type filter hook forward priority 0; policy drop;
		counter jump DOCKER-USER
		oifname "docker0" ct state established accept
		iifname "docker0" accept
	}
}""")
    assert out.reaches(1) is None
    found = findings(d, "out")
    assert len(found) == 1 and "to the outside" in found[0]["text"]
    assert found[0]["command"].startswith("iptables -I DOCKER-USER -i vn-out")
    run_as_printed(lab, found[0]["command"])
    assert out.reaches()
    assert findings(d, "out") == []
    # a host that stops forwarding
    lab.host.sysctl("net.ipv4.ip_forward", 0)
    found = findings(d, "out", what="ip_forward")
    assert [f["command"] for f in found] == ["sysctl -w net.ipv4.ip_forward=1"]
    lab.host.run(*shlex.split(found[0]["command"]))


def test_behind_ufw(lab, d, out):
    """The rules that ufw and its iptables make, to the letter."""
    try:
        nftload.load(lab.host, "ufw")
    except OSError as e:
        lab_module.skip("this kernel does not take rules of iptables: %s" % e)
    try:
        assert out.reaches(1) is None
        found = findings(d, "out")
        assert [f["command"] for f in found] == [
            "ufw route allow in on vn-out && ufw route allow out on vn-out"]
        assert found[0]["rule"]["chain"] == "ufw-reject-forward"
        run_as_printed(lab, found[0]["command"])
        assert out.reaches()
        assert findings(d, "out") == []
    finally:
        lab.host.run("nft", "delete", "table", "ip", "filter")


def test_behind_firewalld_and_what_a_flush_takes(lab, d, out):
    """firewalld's table, its reload, and somebody's `nft flush ruleset`, which takes ours
    along: it comes back by itself."""
    path = os.path.join(nftload.RULESETS, "firewalld.nft")
    lab.host.run("nft", "-f", path)
    try:
        assert out.reaches(1) is None
        found = findings(d, "out")
        assert {f["command"] for f in found} == {
            "firewall-cmd --zone=trusted --add-interface=vn-out"}
        assert found[0]["rule"]["text"] == "reject"
        run_as_printed(lab, found[0]["command"])
        assert out.reaches() and findings(d, "out") == []
        # a reload: its own table goes and comes, with the zone it was told of
        lab.host.run("nft", "delete", "table", "inet", "firewalld")
        lab.host.run("nft", "-f", path)
        run_as_printed(lab, found[0]["command"])
        assert out.reaches() and findings(d, "out") == []
    finally:
        lab.host.run("nft", "flush", "ruleset")
    eventually("our table is back", lambda: "table inet vnet-out" in
               lab.host.run("nft", "list", "tables").splitlines())
    assert out.reaches()
    assert findings(d, "out") == []


def test_reject_as_firewalld_makes_it(lab, d, tap, filters):
    filters("""
table inet firewalld {
	chain filter_INPUT_ZONES { iifname "eth0" accept
	}
	chain filter_INPUT { type filter hook input priority 10;
		ct state { established, related } accept
		iifname "lo" accept
		jump filter_INPUT_ZONES
		reject with icmpx admin-prohibited
	}
}""")
    assert not tap.ns.ping(HOST, wait=1)
    found = findings(d, "ho")
    assert len(found) == 1
    assert found[0]["rule"]["chain"] == "filter_INPUT"
    assert found[0]["rule"]["text"] == "reject"
    handle = found[0]["rule"]["handle"]
    assert "reject with icmpx admin-prohibited # handle %d" % handle in lab.host.run(
        "nft", "-a", "list", "chain", "inet", "firewalld", "filter_INPUT")
    assert found[0]["command"] == "firewall-cmd --zone=trusted --add-interface=vn-ho"
    run_as_printed(lab, found[0]["command"])
    assert tap.ns.ping(HOST)
    assert findings(d, "ho") == []


def test_a_chain_of_ones_own(lab, d, tap, filters):
    filters("""
table inet mine {
	set friends { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }
	}
	chain in { type filter hook input priority 0; policy drop;
		iifname "lo" accept
		ip saddr @friends accept
	}
}""")
    assert not tap.ns.ping(HOST, wait=1)
    found = findings(d, "ho")
    assert found[0]["rule"]["text"] == "policy drop"
    assert found[0]["command"].startswith("nft 'insert rule inet mine in iifname")
    for f in found:
        run_as_printed(lab, f["command"])
    assert tap.ns.ping(HOST)
    assert findings(d, "ho") == []


def test_forwarded_port_behind_a_firewall(lab, d, filters):
    """User datapath: the host's own sockets."""
    d.vnet("forward", "add", "lab", "tcp:2222:10.0.2.15:22")
    try:
        filters("""
table inet mine {
	chain in { type filter hook input priority 0;
		ct state established accept
		tcp dport 2000-3000 drop
	}
}""")

        def reaches():
            with contextlib.suppress(OSError):
                lab.lan.connect(lab.host.address, 2222, timeout=1).close()
                return True
            return False

        assert not reaches()
        found = findings(d, "lab")
        assert len(found) == 1
        assert "forwarded port tcp:2222" in found[0]["text"]
        assert found[0]["command"] == \
            "nft 'insert rule inet mine in tcp dport 2222 accept'"
        run_as_printed(lab, found[0]["command"])
        eventually("reached", reaches)
        assert findings(d, "lab") == []
    finally:
        d.vnet("forward", "del", "lab", "tcp:2222")


def test_what_cannot_be_judged_is_said(lab, d, tap, filters):
    filters("""
table inet odd {
	chain in { type filter hook input priority 0;
		iifname "vn-ho" meta cpu 77 drop
	}
}""")
    assert findings(d, "ho") == []
    found = findings(d, "ho", level="unknown")
    assert len(found) == 1 and "may be dropped" in found[0]["text"]


def test_objects_and_the_host(lab, d):
    """Failed and stopped things say why, with what would work."""
    d.vnet("define", "off", "--mode", "nat", "--no-start")
    with lab.host.socket() as s:
        s.bind(("0.0.0.0", 4444))
        s.listen()
        lab.host.set_resolv("")
        d.vnet("forward", "add", "lab", "tcp:4444:10.0.2.15:22", check=False)
        eventually("no resolver", lambda: findings(d, what="resolvers"))
    way = lab.host.routes()
    lab.host.ip("route", "del", "default")
    eventually("no way out", lambda: findings(d, level="note", what="route"))
    lab.host.ip("route", "add", "default", "via", lab.lan.router)
    assert lab.host.routes() == way
    stopped = findings(d, level="note", what="network")
    assert [(f["network"], f["command"]) for f in stopped] == [("off", "vnet start off")]
    assert findings(d, level="ok", what="tun")
    assert findings(d, level="ok", what="store")
    d.vnet("undefine", "off")


def dhcp(kind, mac, *options):
    """A client's message, as bytes; its first four are the transaction."""
    head = struct.pack("!BBBBIHH16x6s10x192xI", 1, 1, 6, 0, 0x77665544, 0, 0x8000,
                       bytes.fromhex(mac.replace(":", "")), 0x63825363)
    return head + b"".join((b"\x35\x01" + bytes([kind]),) + options) + b"\xff"


def take_from(ns, server):
    """A client that prefers one server among those who offer."""
    with ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", 68))
        s.settimeout(10)
        mac, chosen = "52:54:00:77:66:55", b"\x36\x04" + socket.inet_aton(server)
        s.sendto(dhcp(1, mac), ("255.255.255.255", 67))
        offer = b""
        while chosen not in offer:
            offer = s.recv(2000)
        s.sendto(dhcp(3, mac, chosen, b"\x32\x04" + offer[16:20]),
                 ("255.255.255.255", 67))


def test_another_dhcp_server(lab, d, tap):
    """A program of the host's that serves DHCP wherever there is an interface."""
    def about_dhcp(level):
        return [f["text"] for f in findings(d, "ho", level=level, what="dhcp")]

    assert about_dhcp("note") == [] and about_dhcp("problem") == []
    with contextlib.closing(d.api()) as api:
        api.call("events.subscribe", types=["dhcp.other_server"])
        other = lab.host.popen(
            lab_module.program("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null",
            "--pid-file=", "--user=root", "--group=root", "--port=0", "--no-ping",
            "--dhcp-leasefile=/dev/null", "--dhcp-range=192.168.56.200,192.168.56.210")
        try:
            name = "dnsmasq (pid %d)" % other.pid
            eventually("it has the port", lambda: about_dhcp("note"))
            assert name in about_dhcp("note")[0] and "vn-ho" in about_dhcp("note")[0]
            take_from(tap.ns, HOST)
            seen = api.event("dhcp.other_server", timeout=15)
            assert (seen["network"], seen["server"], seen["mac"]) == (
                "ho", HOST, "52:54:00:77:66:55")
            assert len(about_dhcp("problem")) == 1
            for part in HOST, "52:54:00:77:66:55", name:
                assert part in about_dhcp("problem")[0]
        finally:
            other.kill()
            other.wait()


def test_strangers_are_told_what_needs_root(lab, d):
    with lab_module.as_user("nobody"), contextlib.closing(d.api()) as api:
        found = api.call("daemon.doctor")["findings"]
    shown = [f for f in found if f["what"] == "filter"]
    assert [f["command"] for f in shown] == ["sudo vnet doctor"]


def test_without_root(user_vnetd):
    user_vnetd.vnet("define", "lab", "--mode", "nat")
    found = findings(user_vnetd, level="unknown")
    assert len(found) == 1 and "vnetd runs as root" in found[0]["text"]


def test_rulesets_that_change_all_the_time(lab, d, filters):
    """Lists that change while they are read are read again, by the same socket."""
    filters("table inet many {\n set s { type ipv4_addr; }\n chain c {\n%s }\n}\n" %
            "".join(' ip saddr 192.0.2.%d counter comment "%s"\n' % (i % 250, 100 * "x")
                    for i in range(700)))
    changes = lab.host.popen("sh", "-c", "while :; do nft 'add element inet many s "
                             "{ 192.0.2.1 }; delete element inet many s { 192.0.2.1 }';"
                             "done")
    try:
        for _ in range(5):
            assert [f["text"] for f in findings(d, level="unknown")
                    if "cannot be looked at" in f["text"] and
                    "Interrupted" not in f["text"]] == []
    finally:
        changes.kill()
        changes.wait()
