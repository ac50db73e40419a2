"""An ingestion killed anywhere ends with the bars of an undisturbed one.

A few points per fault here; ``make soak`` strikes fifty times each. ``SEED`` repeats a run.
"""

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.servers.kills import Killer

SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 30))


@pytest.fixture(scope="module")
def killer():
    home = Path(tempfile.mkdtemp(prefix="qs-kill-"))
    try:
        with Killer(home) as running:
            assert running.expected["rows"] > 5_000
            yield running
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize(
    ("fault", "points"),
    [("worker_by_statement", 6), ("worker_by_moment", 2), ("redis", 2), ("postgres", 2)],
)
def test_a_killed_ingestion_ends_with_the_same_bars(killer, fault, points):
    for point in range(points):
        seed = f"{SEED}-{fault}-{point}"
        sys.stdout.write(f"seed {seed}\n")
        getattr(killer, fault)(seed)
