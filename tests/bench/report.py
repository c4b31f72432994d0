# SPDX-License-Identifier: GPL-2.0-or-later
"""A case's numbers: one row for people, one JSON object for each peer for programs."""

import json
import statistics


def number(v):
    return "%.2f" % v if v < 100 else "%.0f" % v


def case(out, bench, title, unit, less, samples, cpu=None):
    """samples: {contender: [numbers]}, ours is "vnet"; less: less is better; cpu: seconds
    per GB of ours."""
    if not samples.get("vnet"):
        print("  %-14s %-18s vnet: nothing measured" % (bench, title), flush=True)
        return
    ours = statistics.median(samples["vnet"])
    row = "  %-14s %-18s vnet %s %s" % (bench, title, number(ours), unit)
    for name, values in samples.items():
        if name == "vnet" or not values:
            continue
        value = statistics.median(values)
        if not (ours if less else value):
            row += "  %s %s" % (name, number(value))
            continue
        ratio = value / ours if less else ours / value
        row += "  %s %s ×%.2f" % (name, number(value), ratio)
        out.write(json.dumps({
            "bench": bench, "case": title, "ours": round(ours, 4),
            "peer": round(value, 4), "peer_name": name, "ratio": round(ratio, 3),
            "unit": unit, "rounds": len(values), "cpu_s_per_GB": cpu}) + "\n")
    out.flush()
    print(row, flush=True)
