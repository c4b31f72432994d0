# SPDX-License-Identifier: GPL-2.0-or-later
"""The mode table with real guests, and what a person does with them: ip, link, move,
a forward. One boot of eight guests serves the whole file."""

import pytest

import lab as lab_module
import modes
from lab import eventually


@pytest.fixture(scope="module")
def table(lab):
    lab_module.need_vnetd()
    lab_module.need_guest()
    with lab_module.Vnetd(ns=lab.host) as daemon, \
            modes.ModeTable(lab, daemon, both=True) as t:
        t.define()
        t.boot()
        yield t


@pytest.fixture(scope="module")
def cells(table):
    return {(c.row, c.mode): c for c in table.observe()}


@pytest.mark.parametrize("mode", modes.MODES)
@pytest.mark.parametrize("row", modes.ROWS)
def test_cell(cells, row, mode):
    cell = cells[row, mode]
    assert cell.observed == cell.expected, cell.detail


def test_default_addresses(table):
    assert sorted(table.ip["nat"]) == ["10.0.2.15", "10.0.2.16"]
    assert sorted(table.ip["hostonly"]) == ["192.168.56.101", "192.168.56.102"]


@pytest.mark.parametrize("mode", modes.MODES)
def test_vnet_ip(table, mode):
    for g, ip in zip(table.guests[mode], table.ip[mode]):
        # where the address is not from us, it is seen when the guest speaks
        g.run("ping -c 1 -W 1 " + table.ip[mode][0])
        rows = table.d.vnet("ip", g.name, "--wait", "10", json=True).data
        found = [a for a in rows["addresses"] if a["address"] == ip]
        assert found, rows
        mac = g.check("cat /sys/class/net/%s/address" % table.side.nic).strip()
        assert found[0]["mac"] == mac
        assert found[0]["protocol"] == "ipv4"
        text = table.d.vnet("ip", g.name).out
        assert ip in text and mac in text and "ipv4" in text


def test_list_shows_all_running(table):
    listed = table.d.vnet("list", json=True).data["networks"]
    assert {n["name"]: n["state"] for n in listed if n["datapath"] == "user"} == \
        {m: "running" for m in modes.MODES}


def carrier(g, nic="eth0"):
    return g.run("cat /sys/class/net/%s/carrier" % nic)[1].strip()


@pytest.mark.parametrize("mode", ["nat", "bridged"])
def test_link_down_and_up_reaches_the_guest(table, mode):
    g = table.guests[mode][1]
    table.d.vnet("link", g.name, "down")
    eventually("carrier off", lambda: carrier(g) == "0", 10)
    assert table.d.vnet("list", "nics", json=True)
    table.d.vnet("link", g.name, "up")
    eventually("carrier on", lambda: carrier(g) == "1", 10)
    assert g.ip(timeout=30) == table.ip[mode][1]


def test_move_a_running_guest_through_the_modes(table):
    """nat → hostonly → bridged → nat: it asks for a new address each time."""
    g = table.guests["nat"][1]
    subnet = {"hostonly": "192.168.56.", "bridged": "192.168.77.",
              "nat": "10.0.2."}
    for mode in ("hostonly", "bridged", "nat"):
        table.d.vnet("move", g.name, "--network", mode)
        eventually("address of " + mode, lambda: any(
            a.startswith(subnet[mode]) for a in g.ips()), 40)
        assert all(a.startswith(subnet[mode]) for a in g.ips())
        g.run("ping -c 1 -W 2 " + table.ip[mode][0])    # so that it speaks
        eventually("vnet ip shows it", lambda: subnet[mode] in
                   table.d.vnet("ip", g.name, check=False).out, 10)
    assert table.wget(g, table.lab.outside.address)


def test_forward_is_live(table):
    outside, d = table.lab.outside, table.d
    url = "http://%s:8081/index.html" % table.lab.host.address
    assert outside.fetch(url, timeout=2) is None
    d.vnet("forward", "add", "nat", "tcp:8081:nat-a:80")
    assert outside.fetch(url) == "nat-a\n"
    d.vnet("forward", "del", "nat", "tcp:8081")
    assert outside.fetch(url, timeout=2) is None


def test_a_guest_pings_outside_for_real(table):
    g = table.guests["nat"][0]
    assert g.run("ping -c 2 -W 3 203.0.113.2")[0] == 0
    # nobody there: nobody answers
    assert g.run("ping -c 1 -W 2 203.0.113.77")[0] != 0


def test_names(table):
    g = table.guests["nat"][0]
    assert table.ip["nat"][1] in g.run("nslookup nat-b 10.0.2.3")[1]
    assert "203.0.113.2" in g.run("nslookup outside.test 10.0.2.3")[1]


# ---- datapath kernel: the same guests, by their second NICs ------------------------

@pytest.fixture(scope="module")
def kernel_cells(table):
    table.switch()
    return {(c.row, c.mode): c for c in table.observe()}


@pytest.mark.parametrize("mode", modes.MODES)
@pytest.mark.parametrize("row", modes.ROWS)
def test_cell_in_the_kernel(kernel_cells, row, mode):
    cell = kernel_cells[row, mode]
    assert cell.observed == cell.expected, cell.detail


@pytest.mark.parametrize("mode", modes.MODES)
def test_vnet_ip_in_the_kernel(table, kernel_cells, mode):
    for g in table.guests[mode]:    # their answers to each other are not heard: a question
        g.check("ip neigh flush dev eth1")
    test_vnet_ip(table, mode)


def test_link_of_a_tap_reaches_the_guest(table, kernel_cells):
    """The kernel's TAP cannot tell it; QEMU's monitor does."""
    g = table.guests["nat"][1]
    assert g.run("ping -c 1 -W 4 10.0.3.2")[0] == 0
    table.d.vnet("link", g.name, "--nic", "1", "down")
    eventually("carrier off", lambda: carrier(g, "eth1") == "0", 10)
    table.d.vnet("link", g.name, "--nic", "1", "up")
    eventually("carrier on", lambda: carrier(g, "eth1") == "1", 10)
    eventually("reached again", lambda: g.run("ping -c 1 -W 1 10.0.3.2")[0] == 0)
