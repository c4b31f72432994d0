# SPDX-License-Identifier: GPL-2.0-or-later
"""`vnet run` with the real daemon and real guests: a NIC for the time, which the
guest keeps whatever happens to vnetd."""

import os
import signal

import pytest

import guest
import lab as lab_module
from lab import eventually


def carrier(g):
    return g.run("cat /sys/class/net/eth0/carrier")[1].strip()


def nics(d):
    return d.vnet("list", "nics", json=True).data["nics"]


def run_guest(d, network, name, *more):
    """A booted guest under `vnet run`."""
    lab_module.need_guest()
    g = guest.Guest(name, wrapper=d.wrapper(network, name, *more),
                    env=dict(os.environ, **d.env))
    try:
        return g.start().wait_ready()
    except BaseException:
        g.kill()
        raise


@pytest.fixture
def vm(vnetd, guests):
    """A guest "MyVM" on the nat network "lab" of `vnetd`."""
    vnetd.vnet("define", "lab", "--mode", "nat")
    g = run_guest(vnetd, "lab", "MyVM")
    guests.append(g)
    assert g.ip() == "10.0.2.15"
    return g


def test_guest_gets_its_network_and_leaves_nothing(vnetd, vm):
    vm.check("ping -c1 -W5 10.0.2.2")
    row = vnetd.vnet("ip", "MyVM", "--wait", "5").out.splitlines()[1].split()
    mac = vm.check("cat /sys/class/net/eth0/address").strip()
    assert row == ["MyVM-0", mac, "ipv4", "10.0.2.15/24", "lease", "lab"]
    assert nics(vnetd)[0]["type"] == "fd" and nics(vnetd)[0]["connected"]
    text = vnetd.vnet("show", "MyVM").out
    assert "10.0.2.15" in text and mac in text
    # SIGTERM to `vnet run` is QEMU's; its status is ours.
    assert vm.terminate() == 0
    assert nics(vnetd) == []


def test_guest_keeps_its_nic_over_kill_9_of_the_daemon(vnetd, vm):
    for _ in range(2):
        vnetd.kill()
        vnetd.start()
        eventually("gateway answers again",
                   lambda: vm.run("ping -c1 -W1 10.0.2.2")[0] == 0, 20)
    # The lease is still the guest's, and large frames pass both ways.
    vm.check("ping -c3 -W5 -s 1472 10.0.2.2")
    assert "10.0.2.15/24" in vnetd.vnet("ip", "MyVM").out
    assert carrier(vm) == "1"
    vm.kill()
    eventually("detached", lambda: nics(vnetd) == [], 10)


def test_guest_sees_its_cable_pulled_and_moved(vnetd, vm):
    vnetd.vnet("define", "two", "--mode", "nat", "--subnet", "10.77.0.0/24")
    vnetd.vnet("link", "MyVM", "down")
    eventually("the guest sees it", lambda: carrier(vm) == "0", 10)
    assert vm.run("ping -c1 -W1 10.0.2.2")[0] != 0
    vnetd.vnet("link", "MyVM", "up")
    eventually("plugged in again", lambda: carrier(vm) == "1", 10)
    eventually("gateway", lambda: vm.run("ping -c1 -W1 10.0.2.2")[0] == 0, 20)
    vnetd.vnet("move", "MyVM", "--network", "two")
    eventually("new address", lambda: vm.ips() == ["10.77.0.15"], 40)
    eventually("and a route", lambda: vm.run("ping -c1 -W5 10.77.0.2")[0] == 0, 20)
    # Moved away from where `vnet run` put it; a restart must not move it back.
    vnetd.kill()
    vnetd.start()
    eventually("gateway of the new network",
               lambda: vm.run("ping -c1 -W1 10.77.0.2")[0] == 0, 20)
    assert [n["network"] for n in nics(vnetd)] == ["two"]


def test_rootless(lab, user_vnetd, guests):
    user_vnetd.vnet("define", "lab", "--mode", "nat")
    g = run_guest(user_vnetd, "lab", "mine")
    guests.append(g)
    assert g.ip() == "10.0.2.15"
    g.check("ping -c1 -W5 10.0.2.2")
    assert g.terminate() == 0
    assert nics(user_vnetd) == []


def test_killed_run_takes_the_vm_along(vnetd, vm):
    pid = vm.pid
    vm.proc.send_signal(signal.SIGKILL)
    vm.proc.wait(10)
    eventually("QEMU is gone", lambda: not lab_module.command_line(pid), 10)
    # As after power loss the NIC is there, for the next run.
    assert [n["vm"] for n in nics(vnetd)] == ["MyVM"]
    vnetd.vnet("detach", "MyVM")


def test_vhost_user_guest_shares_its_memory(vnetd, guests):
    vnetd.vnet("define", "lab", "--mode", "nat")
    g = run_guest(vnetd, "lab", "fast", "--type", "vhost-user", "--queues", "2")
    guests.append(g)
    assert g.ip() == "10.0.2.15"
    assert nics(vnetd)[0]["type"] == "vhost-user" and nics(vnetd)[0]["connected"]
    assert "combined:\t2" in g.check("ethtool -l eth0 | tr A-Z a-z | tr -s '\t '")
    os.kill(vnetd.workers()["lab"], signal.SIGKILL)
    eventually("gateway answers again",
               lambda: g.run("ping -c1 -W1 10.0.2.2")[0] == 0, 30)
    assert g.terminate() == 0
    assert nics(vnetd) == []
