# SPDX-License-Identifier: GPL-2.0-or-later
"""Do the processors share a cache just now? The host of a virtual machine moves its
processors as it likes: for seconds they are neighbours, then they lie on two dies, a cache
line takes four times as long from one to the other (apart.c), and whatever two processes
hand each other becomes slower by up to a half. Who is measured then looks bad by chance,
so a race waits for a better moment, and takes again what was measured in a bad one.

Where nobody moves them, or there is but one, they are always near."""

import os
import statistics
import subprocess
import time

from setups import BUILD

FAR = 2             # times as long as in the best moment so far
PATIENCE = 0.2 if os.environ.get("QUICK") else 2     # seconds to wait for a better one …
WAIT_IN_ALL = 60    # … of a whole run
APART = os.path.join(BUILD, "apart")


class Processors:
    def __init__(self):
        self.cpus = [str(c) for c in sorted(os.sched_getaffinity(0))[:2]]
        self.nearest = None
        self.waited = 0
        if len(self.cpus) == 2:
            for _ in range(10):
                self.probe()
                time.sleep(0.1)

    def probe(self):
        """Nanoseconds there and back, now."""
        if len(self.cpus) < 2:
            return 0
        ns = statistics.median(float(subprocess.run(
            [APART, *self.cpus], stdout=subprocess.PIPE, timeout=20, check=True).stdout)
            for _ in range(3))
        self.nearest = min(ns, self.nearest or ns)
        return ns

    def is_far(self, ns):
        return ns > FAR * (self.nearest or 0)

    def wait(self):
        """For a good moment, as long as patience lasts; nanoseconds as they are then."""
        began = time.monotonic()
        patience = min(PATIENCE, WAIT_IN_ALL - self.waited)
        while True:
            ns = self.probe()
            waited = time.monotonic() - began
            if not self.is_far(ns) or waited > patience:
                self.waited += waited
                return ns
            time.sleep(0.1)
