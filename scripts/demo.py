# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo: real virtual machines on all four kinds of network.

The physical LAN (with its DHCP server) and the outside host are network namespaces
made here; vnetd runs in a third one that plays the physical host. Nothing of this
machine's own network is touched, and nothing is left behind, Ctrl-C included.
Exit status 1 when a cell of the table is not as it should be.
"""

import os
import signal
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))

import guest  # noqa: E402
import lab as lab_module  # noqa: E402
import modes  # noqa: E402

STARTED = time.monotonic()
COLOUR = sys.stdout.isatty()


def paint(code, text):
    return "\033[%sm%s\033[0m" % (code, text) if COLOUR else text


def step(text):
    print("%s %s" % (paint("2", "[%5.1f s]" % (time.monotonic() - STARTED)),
                     paint("1", text)), flush=True)


def show(command, result):
    print(paint("36", "$ " + command))
    print("\n".join("  " + l for l in result.out.rstrip().split("\n")), flush=True)


def show_table(cells):
    """Print the mode table; how many cells are wrong."""
    width = max(len(c.observed) for c in cells) + 3
    print("\n  %-14s" % "" + "".join("%-*s" % (width, m) for m in modes.MODES))
    wrong = [c for c in cells if c.observed != c.expected]
    for row in modes.ROWS:
        line = "  %-14s" % row
        for c in (c for c in cells if c.row == row):
            good = c.observed == c.expected
            mark = "✓ " if good else "✗ "
            line += paint("32" if good else "31",
                          "%-*s" % (width, mark + c.observed))
        print(line)
    print()
    for c in wrong:
        print("  %s, %s: expected %s, observed %s (%s)" % (
            c.row, c.mode, c.expected, c.observed, c.detail))
    print("  %d of %d cells observed as expected" % (len(cells) - len(wrong),
                                                    len(cells)))
    return len(wrong)


def tour(table, d):
    """What a user would look at."""
    show("vnet list", d.vnet("list"))
    for name in ("nat-a", "hostonly-a", "bridged-a"):
        show("vnet ip " + name, d.vnet("ip", name))
    show("vnet forward list", d.vnet("forward", "list"))
    url = "http://%s:%d/index.html" % (table.lab.host.address, modes.FORWARD_PORT)
    print(paint("36", "outside$ curl " + url))
    print("  " + (table.lab.outside.fetch(url) or "no answer").strip())


def run():
    with lab_module.Lab() as world, lab_module.Vnetd(ns=world.host) as d, \
            modes.ModeTable(world, d) as table:
        step("vnetd runs (pid %d); four networks: vnet define NAME --mode …" % d.pid)
        table.define()
        step("booting two guests on each (QEMU, %s) …" % guest.accel())
        table.boot()
        step("eight guests are up; trying every way in and out")
        cells = table.observe()
        wrong = show_table(cells)
        tour(table, d)
        step("taking everything down")
    return wrong


def main():
    def stop(number, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    step("vnet: networks for virtual machines")
    try:
        with lab_module.nothing_left():
            wrong = run()
    except BrokenPipeError:     # `make demo | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; everything is taken down")
        return 130
    except (lab_module.LabError, guest.GuestError) as e:
        print("demo: %s" % e, file=sys.stderr)
        return 1
    step("done, nothing left behind")
    print("""
Next: build/vnetd &                                  (root for all modes; as a user nat and internal)
      build/vnet define lab --mode nat
      build/vnet run --network lab --name MyVM -- qemu-system-x86_64 …
      build/vnet ip MyVM --wait 30
      build/vnet --help, README.md, docs/""")
    return 1 if wrong else 0


sys.exit(main())
