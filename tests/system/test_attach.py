# SPDX-License-Identifier: GPL-2.0-or-later
"""Real guests with the arguments that `vnet attach --for qemu` prints."""

import pytest

import guest
import lab as lab_module


@pytest.fixture(scope="module", autouse=True)
def web(lab):
    return lab.outside.who(80)


@pytest.mark.parametrize("kind", ["stream", "dgram", "tap"])
def test_a_guest_on_pasted_arguments(lab, vnetd, guests, kind):
    lab_module.need_guest()
    vnetd.vnet("define", "lab", "--mode", "nat")
    args = vnetd.vnet("attach", "vm", "--network", "lab", "--type", kind,
                      "--for", "qemu").out
    # in the host's namespace: that is where a TAP is
    g = guest.Guest("vm", wrapper=lab.host.argv(), netargs=args.split())
    guests.append(g)
    g.start().wait_ready()
    assert g.ip() == "10.0.2.15"
    status, text = g.run("timeout 10 wget -qO- http://203.0.113.2/", timeout=30)
    assert (status, text) == (0, "outside sees %s\n" % lab.host.address)
    assert "10.0.2.15" in vnetd.vnet("ip", "vm").out
    g.kill()
    vnetd.vnet("detach", "vm")
