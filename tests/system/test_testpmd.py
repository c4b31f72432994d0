# SPDX-License-Identifier: GPL-2.0-or-later
"""vhost-user with DPDK's virtio-user as the guests: a front end of another family, which
polls, and whose frames come in bursts through two pairs of rings."""

import os
import re
import signal
import time

import pytest

import lab as L
from testpmd import Testpmd, need_testpmd, virtio_user

MACS = ["52:54:00:00:00:0a", "52:54:00:00:00:0b"]


@pytest.fixture(scope="module")
def d():
    L.need_root()
    L.need_vnetd()
    need_testpmd()
    with L.Netns("host") as ns, L.Vnetd(ns=ns, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "internal")
        yield daemon


def attach(d, n, *more):
    return d.vnet("attach", "ab"[n], "--network", "lab", "--type", "vhost-user",
                  "--queues", "2", "--mac", MACS[n], *more, json=True).data["path"]


def guests(vdevs):
    """Each frame that one port gets leaves through the other one, for the first one."""
    return Testpmd(vdevs, "--forward-mode=mac", "--eth-peer=0," + MACS[1],
                   "--eth-peer=1," + MACS[0], "--txonly-multi-flow", queues=2)


def ticks(pid):
    """CPU time so far, in hundredths of a second."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def is_idle(pid, seconds=0.5):
    before = ticks(pid)
    time.sleep(seconds)
    return ticks(pid) == before


def runs(pmd):
    """Frames go round through both ports."""
    before = pmd.stats()
    L.eventually("frames go round", lambda: all(
        rx > was + 20000 for (rx, _), (was, _) in zip(pmd.stats(), before)), 30)


def test_two_ports_exchange_frames_over_two_pairs_of_rings(d):
    with guests([virtio_user(n, attach(d, n), MACS[n], queues=2)
                 for n in (0, 1)]) as pmd:
        pmd.ask("start tx_first 8")
        runs(pmd)
        text = pmd.ask("stop")
        flows = re.findall(r"RX Port= (\d)/Queue= (\d).*\n\s+RX-packets: (\d+)", text)
        assert len(flows) == 4 and all(int(n) > 1000 for _, _, n in flows), text
        nics = d.vnet("list", "nics", json=True).data["nics"]
        assert all(n["connected"] for n in nics)
        shown = d.vnet("show", "a", json=True).data
        # It looked at busy rings without being kicked; guests that are silent
        # cost nothing, though they are there.
        L.eventually("the worker rests", lambda: is_idle(d.workers()["lab"]), 20)
    L.eventually("they are missed", lambda: not any(
        n["connected"] for n in d.vnet("list", "nics", json=True).data["nics"]), 20)
    d.vnet("detach", "a")
    d.vnet("detach", "b")
    assert "full" not in str(shown), shown


def test_front_end_that_listens_goes_on_with_the_next_worker(d, tmp_path):
    paths = [str(tmp_path / name) for name in "ab"]
    for n in (0, 1):
        attach(d, n, "--connect", paths[n])
    with guests([virtio_user(n, paths[n], MACS[n], queues=2, server=True)
                 for n in (0, 1)]) as pmd:
        pmd.ask("start tx_first 8")
        runs(pmd)
        old = d.workers()["lab"]
        os.kill(old, signal.SIGKILL)
        L.eventually("another worker", lambda: d.workers().get("lab", old) != old, 20)
        L.eventually("connected again", lambda: all(
            n["connected"] and n["state"] == "ok"
            for n in d.vnet("list", "nics", json=True).data["nics"]), 30)

        def started_again():
            """What is sent before the rings are set up anew is lost."""
            pmd.ask("stop")
            pmd.ask("start tx_first 8")
            before = pmd.stats()
            time.sleep(0.2)
            return all(rx > was + 1000 for (rx, _), (was, _) in
                       zip(pmd.stats(), before))

        L.eventually("frames go round again", started_again, 30)
        runs(pmd)
