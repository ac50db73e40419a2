"""From the start of a process to the result: 5,000 daily bars in a CSV file, SMA 10/30.

The lab's process is ``manage.py backtest``, the peer's a script that reads the same file and runs
backtesting.py. Whole units, no costs, filled at the next open; final equities are compared first.
Compiled code lies on disk already, as after any earlier run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.speed.backtest import CASH, FAST, SLOW, bars
from tests.speed.site import ROOT

BARS, ROUNDS = 5_000, 7


def backtesting_process(file):
    """Read the file, run backtesting.py and print the final equity."""
    import pandas as pd

    from tests.speed.backtest import backtesting_py

    frame = pd.read_csv(file, parse_dates=["ts"])
    ts = frame["ts"].to_numpy("datetime64[us]").astype(np.int64)
    found, _ = backtesting_py(ts, frame["open"].to_numpy(), frame["close"].to_numpy())()
    sys.stdout.write(json.dumps({"equity_final": float(found)}) + "\n")


def write_bars(folder):
    """Write the bars and the specification; return their paths."""
    import pandas as pd

    ts, open_, close = bars(BARS, "1d")
    file, spec = folder / "bars.csv", folder / "spec.json"
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    columns = {"open": open_, "high": high, "low": low, "close": close, "volume": 1.0}
    pd.DataFrame({"symbol": "X", "ts": pd.to_datetime(ts, unit="us"), **columns}).to_csv(
        file, index=False
    )
    body = {"strategy": "sma_crossover", "params": {"fast": FAST, "slow": SLOW}, "cash": CASH}
    spec.write_text(json.dumps({**body, "units": "whole", "panel": str(file)}))
    return file, spec


def ran(command):
    """Return the final equity a process prints, and its seconds from start to end."""
    environment = {**os.environ, "QUANTSITE_ENV": "test"}
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    seconds = time.perf_counter() - started
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])["equity_final"], seconds


def backtest_cold():
    with tempfile.TemporaryDirectory(prefix="qs-bench-") as folder:
        file, spec = write_bars(Path(folder))
        ours = [sys.executable, "manage.py", "backtest", str(spec)]
        code = (
            f"from tests.speed.cold import backtesting_process; backtesting_process({str(file)!r})"
        )
        theirs = [sys.executable, "-c", code]
        (mine, _), (other, _) = ran(ours), ran(theirs)
        apart = abs(mine / other - 1.0)
        assert apart < 1e-9, (mine, other)
        times = [(ran(ours)[1], ran(theirs)[1]) for _ in range(ROUNDS)]
    value, peer_value = (float(np.median(column)) for column in zip(*times, strict=True))
    return {
        "name": "backtest_cold",
        "value": round(value, 3),
        "unit": "s",
        "peer": "backtesting.py",
        "peer_value": round(peer_value, 3),
        "ratio": round(peer_value / value, 2),
        "goal": 0.6,
        "checked": apart,
    }
