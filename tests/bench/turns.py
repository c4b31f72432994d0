# SPDX-License-Identifier: GPL-2.0-or-later
"""Contenders take turns: each round has one measurement of each of them, and begins with
another one than the round before, so that none is always the one that warms things up.
What fails costs its own round and is told; the others go on."""

import subprocess

import lab as L

FAILURES = (L.LabError, subprocess.SubprocessError, OSError, KeyError, ValueError,
            IndexError)


def take(what, rounds, contenders):
    """{name: [value, or None where it failed, …]} of {name: how to get one}."""
    names = list(contenders)
    got = {name: [] for name in names}
    for n in range(rounds):
        first = n % len(names)
        for name in names[first:] + names[:first]:
            try:
                got[name].append(contenders[name]())
            except FAILURES as e:
                print("  failed: %s, %s: %s" % (what, name, str(e)[-500:]), flush=True)
                got[name].append(None)
    return got


def part(got, pick):
    """Of values that have several parts one: {name: [pick(value), or None, …]}."""
    return {name: [None if v is None else pick(v) for v in values]
            for name, values in got.items()}
