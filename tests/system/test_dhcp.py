# SPDX-License-Identifier: GPL-2.0-or-later
"""DHCP as guests meet it: options of scopes, and what is remembered of an address."""

import contextlib
import os
import signal
import socket

import pytest

import lab as lab_module
from boxes import Box
from dhcp_watch import mac_of
from lab import eventually
from test_dns import dig


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        yield daemon


def test_messages_are_counted_and_shown(lab, d):
    d.vnet("define", "counted", "--mode", "nat", "--tftp", "/usr/share")
    with Box(lab, d, "box-a", "counted") as a:
        server = a.lease["server"]
        with contextlib.closing(a.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
            for port in (67, 69):
                s.sendto(b"no message at all", (server, port))

        def shown():
            n = d.vnet("show", "counted", json=True).data["counters"]
            return n if n["tftp"]["drops"].get("malformed") else None

        n = eventually("counted", shown)
        assert n["dhcp"]["discover"] >= 1 and n["dhcp"]["ack"] >= 1
        assert n["dhcp"]["drops"] == {"length": 1}
        text = d.vnet("show", "counted").out
        for line in ("dhcp.ack", "dhcp.drops.length", "tftp.drops.malformed"):
            assert line in text


def subnet(d, network, mode="nat"):
    """Define it; a function from the last byte to an address."""
    net = d.vnet("define", network, "--mode", mode, json=True).data
    return lambda n: net["gateway"].rsplit(".", 1)[0] + ".%d" % n


def counters(d, network):
    return d.vnet("show", network, json=True).data["counters"]["dhcp"]


def test_addresses_in_use_are_found_before_they_are_given_out(lab, d):
    """By a guest that never spoke, and by one that did."""
    ip = subnet(d, "squat")
    # not on what was promised to themselves: .15 and .16
    with Box(lab, d, "silent", "squat", address=ip(17) + "/24") as silent, \
            Box(lab, d, "spoke", "squat", address=ip(18) + "/24") as spoke, \
            d.api() as api:
        api.call("events.subscribe", types=["dhcp.conflict", "lease.declined"])
        silent.ns.ip("link", "set", "eth0", "up")
        spoke.ns.ip("link", "set", "eth0", "up")
        spoke.ns.run("ping", "-c1", "-W10", ip(2))
        with Box(lab, d, "box-a", "squat") as a, Box(lab, d, "box-b", "squat") as b:
            assert (a.ip, b.ip) == (ip(19), ip(20))
            # the second one's address had been asked about before it was wanted
            assert counters(d, "squat")["waited"] <= 2
            found = {}
            for _ in range(2):
                e = api.event("dhcp.conflict", timeout=15)
                assert (e["network"], e["nic"]) == ("squat", 0)
                found[e["address"]] = e["vm"], e["mac"]
            assert found == {x.ip: (x.name, x.ns.run(
                "cat", "/sys/class/net/eth0/address").strip()) for x in (silent, spoke)}
            leases = d.vnet("lease", "list", "squat", json=True).data["leases"]
            assert {l["address"] for l in leases if l["state"] == "declined"} == {
                ip(17), ip(18)}
            assert counters(d, "squat")["conflicts"] == 2
            assert ip(17) + " is used without a lease" in d.log()


def test_a_guest_that_answers_for_all_does_not_use_the_pool_up(lab, d):
    """As routers among the guests do (proxy ARP)."""
    ip = subnet(d, "proxy")
    with Box(lab, d, "router", "proxy", address=ip(200) + "/32") as router:
        router.ns.ip("link", "set", "eth0", "up")
        router.ns.ip("link", "set", "lo", "up")
        for plen in range(25, 30):
            router.ns.ip("route", "add", "local", "%s/%d" % (ip(1 << 32 - plen), plen),
                         "dev", "lo")
        with Box(lab, d, "box-a", "proxy") as a:
            assert a.ip
            # Eight for each of a hurried client's messages, of a pool of 154.
            assert 0 < counters(d, "proxy")["conflicts"] < 77


class Relay:
    """A guest that routes and relays (dnsmasq) for a host behind it:
    network -- eth0 [box] lan0 -- eth0 [host]."""

    def __init__(self, lab, d, network, server):
        self.box = Box(lab, d, "relay", network)
        self.host = lab_module.Netns("behind")
        ns = self.box.ns
        lab_module.veth(ns, "lan0", self.host, "eth0")
        ns.ip("addr", "add", "10.99.7.1/24", "dev", "lan0")
        ns.ip("link", "set", "lan0", "up")
        ns.sysctl("net.ipv4.ip_forward", 1)
        self.relay = ns.popen(
            lab_module.need_program("dnsmasq"), "--keep-in-foreground",
            "--conf-file=/dev/null", "--pid-file=", "--user=root", "--group=root",
            "--port=0", "--dhcp-relay=10.99.7.1," + server)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        lab_module.end(self.relay)
        self.host.close()
        self.box.close()


def test_a_relay_has_a_pool_for_its_link(lab, d):
    lab_module.not_in_the_kernel("relays that are guests get no answers")
    ip = subnet(d, "relayed")
    refused = d.vnet("set", "relayed", "--relay-pool", ip(0) + "/25", check=False)
    assert refused.status == 1 and "overlaps" in refused.err
    d.vnet("set", "relayed", "--relay-pool",
           "10.99.7.0/24=10.99.7.50-10.99.7.60,10.99.8.0/24@10.99.8.9")
    with Relay(lab, d, "relayed", ip(2)) as r, lab_module.DhcpClient(
            "udhcpc", r.host, "eth0", hostname="far") as client:
        lease = client.lease()
        assert (lease["ip"], lease["router"], lease["server"]) == (
            "10.99.7.50", "10.99.7.1", ip(2))
        # RENEWING goes through the router, not through the relay
        client.proc.send_signal(signal.SIGUSR1)
        eventually("renewed", lambda: "renew" in client.reasons())
        assert client.lease()["ip"] == "10.99.7.50"
        # a lease like any other; the relay's own name and address stay its own
        worker = d.vnet("show", "relayed", json=True).data["worker"]["pid"]
        os.kill(worker, signal.SIGKILL)
        leases = d.vnet("lease", "list", "relayed", json=True).data["leases"]
        assert {(l["address"], l["hostname"]) for l in leases} == {
            (r.box.ip, "relay"), ("10.99.7.50", "far")}
        assert [a["address"] for a in d.vnet("ip", "relay", json=True).data[
            "addresses"] if a["source"] == "lease"] == [r.box.ip]
        client.release()
        client.start()
        assert client.lease()["ip"] == "10.99.7.50"
        client.release()
        # one of its own, fixed
        d.vnet("reserve", "add", "relayed", mac_of(r.host, "eth0"), "10.99.7.99")
        client.start()
        assert client.lease()["ip"] == "10.99.7.99"
        client.release()
        assert d.vnet("option", "del", "relayed", "pool:10.99.7.0/24",
                      check=False).status == 1
        d.vnet("reserve", "del", "relayed", "10.99.7.99")
        d.vnet("option", "del", "relayed", "pool:10.99.7.0/24")
        client.start()
        eventually("dropped", lambda: counters(d, "relayed")["drops"].get("relay"))


def test_a_guest_behind_a_vm_does_not_take_its_place(lab, d):
    """Another MAC on the VM's NIC (nested guests): an address of its own, and the VM's
    name stays with the VM's."""
    lab_module.need_program("dig")
    ip = subnet(d, "nested")
    nested = lab_module.Netns("nested")
    try:
        with Box(lab, d, "box-n", "nested") as n, Box(lab, d, "box-a", "nested") as a:
            n.ns.ip("link", "add", "br0", "type", "bridge")
            lab_module.veth(n.ns, "v0", nested, "eth0")
            for port in ("v0", "eth0"):
                n.ns.ip("link", "set", port, "master", "br0")
            n.ns.ip("link", "set", "br0", "up")
            with lab_module.DhcpClient("udhcpc", nested, "eth0") as client:
                assert client.lease()["ip"] not in (n.ip, a.ip)
                assert dig(a, "box-n.nested.vnet",
                           server=ip(3)).values("A") == [n.ip]
    finally:
        nested.close()


def test_options_of_scopes_reach_a_guest(lab):
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host) as d:
        d.vnet("define", "lab", "--mode", "nat", "--leases-per-nic", "4")
        d.vnet("option", "set", "lab", "mtu=1300", "domain=corp.example")
        d.vnet("option", "set", "lab", "--vm", "box-a", "mtu=1400", "lease-time=300")
        refused = d.vnet("option", "set", "lab", "mtu=12", check=False)
        assert refused.status == 1 and "68" in refused.err
        with Box(lab, d, "box-a", "lab") as a, Box(lab, d, "box-b", "lab") as b:
            assert (a.lease["mtu"], a.lease["lease"]) == ("1400", "300")
            assert (b.lease["mtu"], b.lease["lease"]) == ("1300", "86400")
            assert a.lease["domain"] == "corp.example"
            d.vnet("option", "del", "lab", "--vm", "box-a")
            a.client.stop()
            a.client.start()
            assert a.client.lease()["mtu"] == "1300"
            d.kill()
            d.start()
            found = d.vnet("option", "list", "lab", json=True).data["options"]
            assert {o["name"]: o["value"] for o in found} == {
                "mtu": "1300", "domain": "corp.example", "leases-per-nic": "4"}


def test_previous_address_outlives_the_daemon(lab):
    """Released, then everything is killed: the guest gets its address back."""
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host) as d:
        d.vnet("define", "lab", "--mode", "nat")
        with Box(lab, d, "box-a", "lab") as a, Box(lab, d, "box-b", "lab") as b:
            was = b.ip
            a.client.release()
            b.client.release()

            def released():
                leases = d.vnet("lease", "list", "lab", "--all", json=True).data
                return {l["state"] for l in leases["leases"]} == {"released"}

            eventually("both released", released, 10)
            d.kill()
            d.start()
            b.client.start()
            assert b.client.lease()["ip"] == was


# ---- before the first boot ------------------------------------------------------------

def addresses(d, vm):
    found = d.vnet("ip", vm, json=True).data["addresses"]
    return [(a["nic"], a["address"], a["source"]) for a in found if a["protocol"] == "ipv4"]


def test_a_nics_address_is_known_before_its_first_boot(lab):
    """And kept: whoever boots first, through restarts, until the NIC goes."""
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host) as d:
        d.vnet("define", "lab", "--mode", "nat")
        d.vnet("define", "own", "--mode", "hostonly")
        for vm in ("vm-a", "vm-b"):
            d.vnet("attach", vm, "--network", "lab")
        assert addresses(d, "vm-a") == [(0, "10.0.2.15", "reserved")]
        assert addresses(d, "vm-b") == [(0, "10.0.2.16", "reserved")]
        assert d.vnet("ip", "vm-b", "--plain").out == "10.0.2.16\n"
        assert d.vnet("ip", "vm-b", "--wait", "1", check=False).status == 1
        assert not d.vnet("lease", "list", "lab", json=True).data["leases"]
        kept = d.vnet("lease", "list", "lab", "--all", json=True).data["leases"]
        assert {(x["vm"], x["address"], x["state"]) for x in kept} == {
            ("vm-a", "10.0.2.15", "reserved"), ("vm-b", "10.0.2.16", "reserved")}
        # the last to be attached boots first, and gets its own; so it does later
        with Box(lab, d, "vm-c", "lab", dhcp=None) as c:
            assert addresses(d, "vm-c") == [(0, "10.0.2.17", "reserved")]
            d.kill()
            d.start()
            assert addresses(d, "vm-c") == [(0, "10.0.2.17", "reserved")]
            eventually("its interface", lambda: "eth0" in c.ns.run(
                "ip", "link", "show", "eth0", check=False))
            c.client = lab_module.DhcpClient("udhcpc", c.ns, "eth0").start()
            assert c.client.lease()["ip"] == "10.0.2.17"
            eventually("leased", lambda: addresses(d, "vm-c") == [
                (0, "10.0.2.17", "lease")])
            c.client.release()
            eventually("kept", lambda: addresses(d, "vm-c")[-1] == (
                0, "10.0.2.17", "reserved"))
        # what the user reserves comes first; it is promised again without
        d.vnet("reserve", "add", "lab", "vm-a", "10.0.2.77")
        assert addresses(d, "vm-a") == [(0, "10.0.2.77", "reserved")]
        d.vnet("reserve", "del", "lab", "10.0.2.77")
        assert addresses(d, "vm-a") == [(0, "10.0.2.15", "reserved")]
        # it goes with the NIC, and another one's comes with it
        d.vnet("move", "vm-a", "--network", "own")
        assert addresses(d, "vm-a") == [(0, "192.168.56.101", "reserved")]
        d.vnet("detach", "vm-b")
        d.vnet("attach", "vm-d", "--network", "lab")
        assert addresses(d, "vm-d") == [(0, "10.0.2.15", "reserved")]
        d.vnet("set", "lab", "--identity", "rfc2131")
        assert addresses(d, "vm-d") == []
