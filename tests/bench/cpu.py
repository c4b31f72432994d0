# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench-cpu: instructions per frame or event of the hot paths, under callgrind.

    UPDATE=1      write a new tests/bench/cpu.budget: lower where less was counted, and
                  with cases that are new; what grew keeps its old number, so that many
                  small steps cannot add up to a large one unseen
    UPDATE=raise  and higher where more than the budget allows was counted: that is the
                  price of something, and the commit should say of what

Counts do not depend on how busy the machine is, nor on the processor: libc is told to
copy memory the same way everywhere. They do depend on the compiler, whose version the
budget names; with another one nothing is judged (exit status 77). A case that needs
3 % more than its budget has failed. One that needs less should get a new budget, so
that it stays that way. With another compiler all numbers are new.
"""

import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BUDGET = os.path.join(HERE, "cpu.budget")
SLACK = 1.03
# Both spellings of glibc 2.33 and before.
PLAIN = "glibc.cpu.hwcaps=" + ",".join(
    "-%s,-%s_Usable" % (x, x) for x in ("AVX2", "AVX512F", "AVX512VL", "AVX_Fast_Unaligned_Load",
                                        "ERMS", "FSRM", "Fast_Unaligned_Copy"))


def compiler():
    cc = os.environ.get("CC", "cc").split()
    out = subprocess.run([*cc, "--version"], text=True, check=True, stdout=subprocess.PIPE)
    return re.sub(r"^g?cc ", "gcc ", out.stdout.splitlines()[0])


def count(program):
    """{case: (instructions a unit, unit)} in the program's order."""
    if not shutil.which("valgrind"):
        sys.exit("bench-cpu: valgrind is missing: scripts/deps")
    out = os.path.join(os.path.dirname(program), "callgrind")
    os.makedirs(out, exist_ok=True)
    for f in os.listdir(out):
        os.remove(os.path.join(out, f))
    run = subprocess.run(
        ["valgrind", "-q", "--tool=callgrind", "--collect-atstart=no",
         "--callgrind-out-file=" + os.path.join(out, "out"), program],
        text=True, stdout=subprocess.PIPE, env={**os.environ, "GLIBC_TUNABLES": PLAIN})
    if run.returncode:
        sys.exit("bench-cpu: the program ended with status %d" % run.returncode)
    total = {}
    for f in os.listdir(out):
        with open(os.path.join(out, f)) as g:
            text = g.read()
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.M)
        if name:
            total[name[1]] = int(re.search(r"^totals: (\d+)", text, re.M)[1])
    cases = {}
    for line in run.stdout.splitlines():
        n, unit, name = line.split(" ", 2)
        cases[name] = (round(total[name] / int(n)), unit)
    return cases


def budget():
    """{case: instructions} and the compiler that they are of."""
    cases, version = {}, ""
    with open(BUDGET) as f:
        for line in f:
            if line.startswith("# Compiler: "):
                version = line[len("# Compiler: "):].strip()
            elif not line.startswith("#"):
                n, name = line.strip().split(None, 1)
                cases[name] = int(n)
    return cases, version


def new_budget(n, was, may_raise):
    if was is None or n < was or may_raise and n > was * SLACK:
        return n
    return was


def update(cases, may_raise):
    may, version = budget()
    if version != compiler():
        may = {}
    with open(BUDGET, "w") as f:
        f.write("# Instructions per unit of work, by make bench-cpu UPDATE=1; see cpu.py.\n"
                "# Compiler: %s\n" % compiler())
        for name, (n, _) in cases.items():
            f.write("%8d  %s\n" % (new_budget(n, may.get(name), may_raise), name))


def main():
    cases = count(sys.argv[1])
    if os.environ.get("UPDATE"):
        update(cases, os.environ["UPDATE"] == "raise")
    may, version = budget()
    judged = version == compiler()
    bad = 0
    for name, (n, unit) in cases.items():
        was = may.get(name)
        much = not was or n > was * SLACK
        word = "" if not judged else "no budget" if not was else "OVER BUDGET" if much \
            else "less than it was: UPDATE=1" if n * SLACK < was else ""
        print("%9d  %-10s  %-42s %8s  %s" % (
            n, unit, name, was or "-", word))
        bad += much
    gone = set(may) - set(cases)
    if gone:
        print("in the budget, but not measured: %s" % ", ".join(sorted(gone)))
    if not judged:
        print("not judged: the budget is of %s, this is %s" % (version, compiler()))
        return 77
    return 1 if bad or gone else 0


sys.exit(main())
