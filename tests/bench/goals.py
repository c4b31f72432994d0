# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benches are to show. A goal is for the cases of a bench whose names match, and
says how many times better than the best of some peers we mean to be, or what we may need
at most."""

import re

USER_NAT = ("pasta", "slirp4netns")

# bench, case (a regular expression), peers (none: ours is to be at most), how much
GOALS = (
    ("nat-tcp", "", USER_NAT, 7),
    ("nat-tcp", "", ("kernel",), 0.7),
    ("nat-tcp-65520", "", USER_NAT, 1.3),
    ("nat-udp", "bytes$", ("pasta",), 2),
    ("nat-udp", "bytes$", ("kernel",), 1),
    ("nat-cps", "", ("pasta",), 1.7),
    ("nat-cps", "", ("kernel",), 0.6),
    ("nat-rtt", "", ("pasta",), 1.2),
    ("nat-rtt", "p50", ("kernel",), 1 / 1.6),
    ("switch-tcp", "", ("vde_switch",), 20),
    ("switch-tcp", "", ("openvswitch",), 1.2),
    ("switch-tcp", "", ("kernel",), 1),
    ("switch-tcp", "", ("taploop",), 0.85),
    ("switch-udp", "", ("openvswitch",), 1.3),
    ("switch-rtt", "p50", ("openvswitch",), 1.1),
    ("switch-pps", r"vhost-user, \d+ bytes$", ("ovs-dpdk",), 1.5),
    ("switch-pps", r"vhost-user, \d+ bytes$", ("testpmd",), 0.8),
    ("switch-pps", r"stream, \d+ bytes$", ("vde_switch",), 5),
    ("kernel", "", ("by-hand",), 0.95),
    ("vm-nat", "vhost-user", ("passt",), 1.8),
    ("vm-nat", "vhost-user", ("kernel",), 1),
    ("dhcp", "exchanges", ("dnsmasq",), 12),
    ("dhcp", "exchanges", ("kea-dhcp4",), 1.5),
    ("dhcp", "single", ("dnsmasq", "kea-dhcp4"), 1),
    ("dhcp-full", "exchanges", ("dnsmasq",), 5),
    ("start", "", USER_NAT, 1),
    ("idle", "CPU", (), 100),
    ("idle", "memory", (), 4),
)


def of(bench, title):
    return [(peers, much) for b, case, peers, much in GOALS
            if b == bench and re.search(case, title)]


def judge(bench, title, ours, ratios):
    """"≥ 7 × pasta, slirp4netns: yes (× 11)", one text for each goal that the peers
    at hand let us judge."""
    said = []
    for peers, much in of(bench, title):
        if not peers:
            said.append("≤ %g: %s" % (much, "yes" if ours <= much else "no"))
            continue
        here = [ratios[p] for p in peers if p in ratios]
        name = "≥ %.3g × %s" % (much, ", ".join(peers))
        said.append("%s: %s (× %.2f)" % (
            name, "yes" if min(here) >= much else "no", min(here))
            if here else name + ": not measured")
    return said
