# SPDX-License-Identifier: GPL-2.0-or-later
"""The same daemon as an ordinary user without any capability: nat and internal work
in full, the rest says why not."""

import contextlib
import os
import socket

import pytest

import guest
import lab as lab_module
from lab import eventually


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    lab.host.allow_ping_sockets()
    with lab_module.Vnetd(ns=lab.host, user="nobody") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        daemon.vnet("define", "quiet", "--mode", "internal")
        daemon.vnet("define", "quiet2", "--mode", "internal", "--subnet",
                    "10.77.0.0/24")
        yield daemon


@pytest.fixture(scope="module")
def vms(lab, d):
    """Two on nat, two on an internal network with DHCP; all below `vnet run`."""
    lab_module.need_guest()
    made = [guest.Guest(name, wrapper=d.wrapper(net, name),
                        env=dict(os.environ, **d.env))
            for name, net in (("n1", "lab"), ("n2", "lab"), ("i1", "quiet2"),
                              ("i2", "quiet2"))]
    with contextlib.ExitStack() as stack:
        for g in made:
            stack.callback(g.kill)
        guest.start_all(*made)
        yield {g.name: g for g in made}


def wget(g, address, port=80, seconds=4):
    status, text = g.run("timeout %d wget -qO- http://%s:%d/" % (
        seconds, address, port), timeout=seconds + 20)
    return text.strip() if status == 0 else None


def test_no_process_has_a_capability(d):
    # the one that waits for a network, too, once it has built its sandbox
    eventually("a spare worker", lambda: d.spare() and
               os.listdir("/proc/%d/root/" % d.spare()) == [], 10)
    for pid in [d.pid] + d.children():
        with open("/proc/%d/status" % pid) as f:
            status = dict(l.split(":\t", 1) for l in f if ":\t" in l)
        assert int(status["CapPrm"], 16) == 0, status
        assert int(status["CapEff"], 16) == 0
        assert status["Uid"].split()[0] != "0"


def test_workers_are_sealed(d):
    workers = d.workers()
    assert set(workers) == {"lab", "quiet", "quiet2"}
    mine = os.stat("/proc/%d/ns/net" % d.pid).st_ino
    for network, pid in workers.items():
        with open("/proc/%d/status" % pid) as f:
            status = dict(l.split(":\t", 1) for l in f if ":\t" in l)
        assert status["Seccomp"].strip() == "2"
        assert status["NoNewPrivs"].strip() == "1"
        assert os.listdir("/proc/%d/root/" % pid) == []
        same = os.stat("/proc/%d/ns/net" % pid).st_ino == mine
        assert same == (network == "lab")


def test_nat(lab, d, vms):
    lab.outside.who(80)
    lab.host.who(80)
    n1, n2 = vms["n1"], vms["n2"]
    assert sorted((n1.ip(), n2.ip())) == ["10.0.2.15", "10.0.2.16"]
    assert wget(n1, lab.outside.address) == "outside sees " + lab.host.address
    assert wget(n1, "10.0.2.2").startswith("host sees ")
    assert wget(n1, n2.ip()) == "n2"
    assert n1.run("ping -c 1 -W 3 203.0.113.2")[0] == 0
    assert n1.run("ping -c 1 -W 2 203.0.113.77")[0] != 0
    # busybox asks for AAAA too and is unhappy when there is none
    assert "203.0.113.2" in n1.run("nslookup outside.test 10.0.2.3")[1]
    assert n2.ip() in n1.run("nslookup n2 10.0.2.3")[1]
    assert lab.outside.fetch("http://%s/" % n1.ip(), timeout=2) is None


def test_ipv6(lab, d, vms):
    """Advertisements, NAT and forwards of IPv6 ask for no right either."""
    net = d.vnet("show", "lab", json=True).data
    prefix = net["subnet6"][:-len(":/64")]
    n1, n2 = vms["n1"], vms["n2"]

    def address(g):
        try:
            return eventually("%s has an address" % g.name, lambda: next(
                (w.split("/")[0] for w in g.run("ip -6 addr show dev eth0")[1].split()
                 if w.startswith(prefix)), None), 40)
        except lab_module.LabError as e:    # seen once on a busy machine, unexplained
            raise lab_module.LabError("%s\n%s\n%s" % (
                e, g.run("ip addr show dev eth0; grep -E 'Router|Neigh|InMcast' "
                         "/proc/net/snmp6")[1], d.vnet("show", g.name).out)) from e
    mine = {g: address(g) for g in (n1, n2)}
    lab.outside.who(81)
    lab.host.who(81)
    outside = "[%s]" % lab.outside.address6
    eventually("a way outside", lambda: wget(n1, outside, 81) ==
               "outside sees " + lab.host.address6, 40)
    assert wget(n1, "[%s]" % net["gateway6"], 81).startswith("host sees ")
    assert wget(n1, "[%s]" % mine[n2]) == "n2"
    assert n1.run("ping -6 -c 1 -W 3 " + lab.outside.address6)[0] == 0
    assert n1.run("ping -6 -c 1 -W 2 %s99" % lab.outside.address6)[0] != 0
    assert mine[n2] in n1.run("nslookup -type=aaaa n2.lab.vnet " + net["dns6"])[1]
    d.vnet("forward", "add", "lab", "tcp:[%s]:8086:[%s]:80" % (
        lab.host.address6, mine[n2]))
    try:
        eventually("n2 answers", lambda: lab.outside.fetch(
            "http://[%s]:8086/" % lab.host.address6) == "n2\n", 40)
    finally:
        d.vnet("forward", "del", "lab", "tcp:[%s]:8086" % lab.host.address6)


def test_forward(lab, d, vms):
    vms["n1"].ip()
    d.vnet("forward", "add", "lab", "tcp:8080:n1:80")
    assert lab.outside.fetch("http://%s:8080/" % lab.host.address) == "n1\n"
    assert lab.host.fetch("http://127.0.0.1:8080/") == "n1\n"
    d.vnet("forward", "del", "lab", "tcp:8080")
    assert lab.outside.fetch("http://%s:8080/" % lab.host.address,
                             timeout=2) is None


def test_internal(lab, d, vms):
    i1, i2 = vms["i1"], vms["i2"]
    a, b = i1.ip(), i2.ip()
    assert a.startswith("10.77.0.") and b.startswith("10.77.0.")
    assert wget(i1, b) == "i2" and wget(i2, a) == "i1"
    i1.run("ip route add default via 10.77.0.1")
    for address in (lab.host.address, lab.outside.address, "10.0.2.2"):
        assert wget(i1, address, seconds=2) is None


def test_ip_and_move(d, vms):
    g = vms["i2"]
    assert g.ip() in d.vnet("ip", "i2", "--wait", "10").out
    d.vnet("move", "i2", "--network", "lab")
    eventually("address of nat", lambda: any(
        a.startswith("10.0.2.") for a in g.ips()), 40)
    d.vnet("move", "i2", "--network", "quiet2")
    eventually("address of internal", lambda: any(
        a.startswith("10.77.0.") for a in g.ips()), 40)


@pytest.mark.parametrize("mode", ["hostonly", "bridged"])
def test_what_needs_root_says_so(d, mode):
    done = d.vnet("define", "x", "--mode", mode, *(
        ["--uplink", "eth0"] if mode == "bridged" else []), check=False)
    if done.status == 0:    # defined, but it does not run, and why is shown
        shown = [n for n in d.vnet("list", json=True).data["networks"]
                 if n["name"] == "x"][0]
        assert shown["state"] != "running"
        assert "root" in shown["reason"]
        d.vnet("undefine", "x")
    else:
        assert done.status == 1
        assert "root" in done.err


def test_privileged_port_says_so(d):
    done = d.vnet("forward", "add", "lab", "tcp:80:n1:80", check=False)
    assert done.status == 1
    assert "80" in done.err and ("privilege" in done.err or "root" in done.err)


def test_survives_kill_9_of_a_worker(lab, d, vms):
    worker = d.workers()["lab"]
    os.kill(worker, 9)
    eventually("another worker", lambda: d.workers().get("lab") not in
               (None, worker), 10)
    eventually("guest pings", lambda: vms["n1"].run(
        "ping -c 1 -W 2 203.0.113.2")[0] == 0, 20)


def test_stream_socket_belongs_to_the_user_alone(d):
    d.vnet("attach", "s", "--network", "lab")
    nic = d.vnet("list", "nics", json=True).data["nics"]
    path = [n["path"] for n in nic if n["vm"] == "s"][0]
    assert os.stat(path).st_mode & 0o077 == 0 or \
        os.stat(os.path.dirname(path)).st_mode & 0o077 == 0
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
    d.vnet("detach", "s")
