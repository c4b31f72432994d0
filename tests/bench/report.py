# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured: a row a case for people as it comes, one JSON object for each case
and peer for programs, and all of it as tables in Markdown, for docs/performance.md."""

import json
import statistics

import goals


BEGIN, END = "<!-- make bench PAGE=1 -->", "<!-- end of it -->"


def number(v):
    return "%.2f" % v if v < 100 else "%.0f" % v


class Contender:
    """One side of a case: its median, and how many rounds it had and lost."""

    def __init__(self, values):
        good = [v for v in values if v is not None]
        self.rounds, self.failed = len(good), len(values) - len(good)
        self.median = statistics.median(good) if good else None

    def __str__(self):
        if self.median is None:
            return "failed"
        return number(self.median) + (
            " (%d of %d rounds)" % (self.rounds, self.rounds + self.failed)
            if self.failed else "")


class Report:
    def __init__(self, json_path, markdown_path, head):
        self.out = open(json_path, "w")
        self.markdown_path, self.head = markdown_path, head
        self.rows = {}      # {bench: [(title, unit, ours, {peer: (it, ratio)}, cpu)]}
        self.left_out = []
        self.said = []

    def not_run(self, bench, what):
        text = "%s: %s" % (bench, " / ".join(str(what).split("\n")).strip(" /")[:400])
        if text not in self.left_out:
            self.left_out.append(text)
        print("  not run: " + text, flush=True)

    def say(self, text):
        """What is to be known of the whole run."""
        self.said.append(text + ".")
        print("  " + text, flush=True)

    def case(self, bench, title, unit, less, samples, cpu=None):
        """samples: {contender: [numbers, None for a round that failed]}, ours is "vnet";
        less: less is better; cpu: seconds per GB of ours."""
        ours, peers = Contender(samples["vnet"]), {}
        for name, values in samples.items():
            it = Contender(values)
            if name == "vnet" or not values:
                continue
            ratio = None
            if ours.median is not None and it.median is not None and \
                    (ours.median if less else it.median):
                ratio = it.median / ours.median if less else ours.median / it.median
                self.object(bench, title, unit, ours, name, it, ratio, cpu)
            peers[name] = (it, ratio)
        self.rows.setdefault(bench, []).append((title, unit, ours, peers, cpu))
        print("  %-14s %-22s vnet %s %s" % (bench, title, ours, unit) + "".join(
            "  %s %s%s" % (name, it, "" if ratio is None else " ×%.2f" % ratio)
            for name, (it, ratio) in peers.items()), flush=True)

    def object(self, bench, title, unit, ours, name, it, ratio, cpu):
        self.out.write(json.dumps({
            "bench": bench, "case": title, "ours": round(ours.median, 4),
            "peer": round(it.median, 4), "peer_name": name, "ratio": round(ratio, 3),
            "unit": unit, "rounds": min(ours.rounds, it.rounds),
            "cpu_s_per_GB": cpu}) + "\n")
        self.out.flush()

    # ---- Markdown ------------------------------------------------------------------

    def table(self, bench, rows):
        names = []
        for row in rows:
            names += [n for n in row[3] if n not in names]
        cpus = any(row[4] for row in rows)
        head = [bench, "vnet"] + names + ["CPU s/GB"] * cpus + ["goals"]
        yield "| " + " | ".join(head) + " |"
        yield "|" + "---|" * len(head)
        for title, unit, ours, peers, cpu in rows:
            cells = [title, "%s %s" % (ours, unit)]
            for name in names:
                it, ratio = peers.get(name, ("–", None))
                cells.append(str(it) if ratio is None else
                             "%s (× %s)" % (it, number(ratio)))
            if cpus:
                cells.append(number(cpu) if cpu else "–")
            ratios = {n: r for n, (_, r) in peers.items() if r is not None}
            cells.append("; ".join(goals.judge(bench, title, ours.median, ratios))
                         if ours.median is not None else "")
            yield "| " + " | ".join(cells) + " |"

    def close(self):
        self.out.close()
        lines = [self.head, ""]
        for bench, rows in self.rows.items():
            lines += [*self.table(bench, rows), ""]
        lines += self.said
        lines += ["Not run: " + text + "." for text in self.left_out]
        with open(self.markdown_path, "w") as f:
            f.write("\n".join(lines).rstrip() + "\n")

    def paste(self, page):
        """The tables into a page, in the place of those that are there."""
        with open(page) as f:
            before, rest = f.read().split(BEGIN)
        with open(self.markdown_path) as f:
            tables = f.read()
        with open(page, "w") as f:
            f.write(before + BEGIN + "\n" + tables + END + rest.split(END)[1])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
