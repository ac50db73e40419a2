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

from tests.integration.test_faults import Rest, kill, processes
from tests.servers.kills import Killer

LAB_SYMBOLS = ["AAPL", "MSFT", "KO", "XOM"]
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


def bars_of(rest, dataset):
    """A digest of each symbol's bars, as clients read them."""
    found = {}
    for symbol in LAB_SYMBOLS:
        address = f"/bars?symbol={symbol}&dataset={dataset}&format=arrays"
        status, body = rest.ask("GET", address)
        assert status == 200, body
        found[symbol] = body["digest"]
    return found


def test_an_ingestion_survives_its_killed_celery_worker(lab):
    rest = Rest(lab, "researcher")
    body = {"section": "sp500", "symbols": LAB_SYMBOLS}
    made = []
    for dataset in ("undisturbed", "disturbed"):
        status, started = rest.ask("POST", "/ingests", {**body, "dataset": dataset})
        assert status == 202, started
        if dataset == "disturbed":
            kill(processes(lab, "celery", "worker", "io"))
        job = rest.finish(started["job"]["id"], seconds=180)
        assert job["status"] == "done", job["error"]
        made.append(bars_of(rest, dataset))
    assert made[0] == made[1]
