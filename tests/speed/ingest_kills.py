"""Ingestions killed at fifty random points per fault (``POINTS``); one JSON line per fault.

``SEED`` repeats the same points. A line tells how many kills struck while the run was under way
and in how many the bars differed from an undisturbed run: that must be none.
"""

import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.servers.kills import Killer

FAULTS = ("worker_by_statement", "worker_by_moment", "redis", "postgres")


def strike(killer, fault, seed, points):
    """Kill at each point; return what happened."""
    began = time.monotonic()
    struck, differing = 0, []
    for point in range(points):
        name = f"{seed}-{fault}-{point}"
        try:
            struck += getattr(killer, fault)(name)
        except AssertionError as error:
            differing.append(f"{name}: {error}"[:500])
    return {
        "row": "ingest_kills",
        "fault": fault,
        "seed": seed,
        "points": points,
        "struck": struck,
        "differing": len(differing),
        "which": differing,
        "seconds": round(time.monotonic() - began, 1),
    }


def main():
    """Strike every fault; 1 when bars differed."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 30))
    points = int(os.environ.get("POINTS") or 50)
    home = Path(tempfile.mkdtemp(prefix="qs-kill-"))
    failed = 0
    try:
        with Killer(home) as killer:
            for fault in FAULTS:
                row = strike(killer, fault, seed, points)
                failed += row["differing"]
                sys.stdout.write(json.dumps(row) + "\n")
                sys.stdout.flush()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
