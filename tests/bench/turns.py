# SPDX-License-Identifier: GPL-2.0-or-later
"""Contenders take turns: each round has one measurement of each of them, and begins with
another one than the round before, so that none is always the one that warms things up.
What fails costs its own round and is told; the others go on. What was measured while the
processors were far apart (apart.py) is measured again, and does not count beside what was
measured when they were near."""

import functools
import os
import subprocess
import time

import lab as L
from apart import Processors

FAILURES = (L.LabError, subprocess.SubprocessError, OSError, KeyError, ValueError,
            IndexError)
# Of a measurement that had bad moments; who is in a hurry takes what comes.
TRIES = 1 if os.environ.get("QUICK") else 2
AGAIN_IN_ALL = 100  # seconds of a whole run for second tries

the_processors = functools.cache(Processors)
counts = {"good": 0, "dropped": 0, "far": 0}
again = {"seconds": 0}


def take(what, rounds, contenders):
    """{name: [value, or None where it failed, …]} of {name: how to get one}."""
    names = list(contenders)
    got = {name: [] for name in names}
    for n in range(rounds):
        first = n % len(names)
        for name in names[first:] + names[:first]:
            try:
                got[name] += samples(contenders[name])
            except FAILURES as e:
                print("  failed: %s, %s: %s" % (what, name, str(e)[-500:]), flush=True)
                got[name].append((None, 0))
    return {name: best(values) for name, values in got.items()}


def samples(how):
    """[(value, how far apart the processors were)]: one, or those of several tries."""
    processors, got = the_processors(), []
    while True:
        before = processors.wait()
        began = time.monotonic()
        value = how()
        ns = max(before, processors.probe())
        if got:
            again["seconds"] += time.monotonic() - began
        got.append((value, ns))
        if not processors.is_far(ns) or len(got) == TRIES or \
                again["seconds"] > AGAIN_IN_ALL:
            return got


def best(values):
    """Those of good moments, if there were any; failures stay."""
    is_far = the_processors().is_far
    good = [v for v, ns in values if not is_far(ns)]
    far = [v for v, ns in values if is_far(ns)]
    if any(v is not None for v in good):
        counts["good"] += len(good) - good.count(None)
        counts["dropped"] += len(far)
        return good
    counts["far"] += len(far)
    return good + far


def part(got, pick):
    """Of values that have several parts one: {name: [pick(value), or None, …]}."""
    return {name: [None if v is None else pick(v) for v in values]
            for name, values in got.items()}


def moments():
    """How many measurements there were of which kind, as a sentence."""
    return ("%(good)d measurements; %(dropped)d more, taken while the host had the "
            "processors far apart, do not count; %(far)d had no better moment" % counts)
