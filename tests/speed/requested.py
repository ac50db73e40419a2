"""From a REST request to finished figures: 5,000 daily bars, SMA 10/30, a lab that runs.

A site and a worker on a database of their own; the bars were uploaded before. A request is timed
from its sending until the run's figures have been read, asking every few milliseconds. The peer is
a process that reads the same file and runs backtesting.py, as in ``backtest_cold``. Every request
is of another version (its seed differs), so that no answer is one that was kept.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import httpx
import numpy as np

from apps.core.lab.plan import WORKERS, worker_command
from tests.speed.backtest import CASH, FAST, SLOW
from tests.speed.cold import ran, write_bars
from tests.speed.site import ROOT, filled_database, site

ROUNDS = 15
ASK_SECONDS = 0.005
WITHIN_SECONDS = 180.0
DATASET = "bench-daily"


@contextlib.contextmanager
def worker(environment):
    """The worker of backtests as ``make run`` starts it."""
    heavy = next(one for one in WORKERS if "compute" in one.queues)
    command = worker_command(sys.executable, heavy)
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=words, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def upload(client, file):
    """Store the bars as a dataset of the team."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    with file.open("rb") as content:
        sent = client.post(
            "/uploads/preview",
            data={"dataset": DATASET},
            files={"file": (file.name, content)},
            headers=key,
        )
    assert sent.is_success, sent.text
    key = {"Idempotency-Key": str(uuid.uuid4())}
    data = {"upload": sent.json()["upload"], "dataset": DATASET}
    stored = client.post("/uploads", data=data, headers=key)
    assert stored.is_success, stored.text


def asked(client, seed):
    """Ask for the backtest; return its figures and the seconds until they were there."""
    body = {
        "strategy": "sma_crossover",
        "params": {"fast": FAST, "slow": SLOW},
        "universe": DATASET,
        "cash": CASH,
        "units": "whole",
        "seed": seed,
    }
    started = time.perf_counter()
    answer = client.post("/backtests", json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert answer.is_success, answer.text
    address = f"/backtests/{answer.json()['id']}"
    while True:
        run = client.get(address).json()
        if run["status"] not in {"queued", "running"}:
            break
        assert time.perf_counter() - started < WITHIN_SECONDS, run
        time.sleep(ASK_SECONDS)
    seconds = time.perf_counter() - started
    assert run["status"] == "done", run
    return run, seconds


def backtest_request():
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qs-bench-")))
        file, _ = write_bars(folder)
        code = (
            f"from tests.speed.cold import backtesting_process; backtesting_process({str(file)!r})"
        )
        theirs = [sys.executable, "-c", code]
        environment, token = stack.enter_context(filled_database())
        port = stack.enter_context(site(environment, "quantsite.asgi:application", "/health/live"))
        stack.enter_context(worker(environment))
        client = stack.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}/api/v1",
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
            )
        )
        upload(client, file)
        run, _ = asked(client, 0)
        other, _ = ran(theirs)
        apart = abs((1.0 + run["metrics"]["total_return"]) * CASH / other - 1.0)
        assert apart < 1e-9, (run["metrics"]["total_return"], other)
        asked(client, 1)
        times = [(asked(client, 2 + k)[1], ran(theirs)[1]) for k in range(ROUNDS)]
    value, peer_value = (float(np.median(column)) for column in zip(*times, strict=True))
    return {
        "name": "backtest_request",
        "value": round(value, 4),
        "unit": "s",
        "peer": "backtesting.py, a process",
        "peer_value": round(peer_value, 3),
        "ratio": round(peer_value / value, 2),
        "goal": 3.0,
        "checked": apart,
    }
