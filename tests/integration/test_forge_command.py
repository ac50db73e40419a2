"""``manage.py expression`` on real bars: values, and messages for bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    found = pd.read_parquet(ROOT / "data" / "sample" / "sp500_daily.parquet")
    some = found["symbol"].isin(["AAPL", "MSFT", "AMZN", "C"]) & (found["ts"] < "2008-01-01")
    path = tmp_path_factory.mktemp("bars") / "bars.parquet"
    found[some][["symbol", "ts", "open", "high", "low", "close", "volume"]].to_parquet(path)
    return path


def expression(*words):
    environment = {**os.environ, "QUANTSITE_ENV": "test"}
    command = [sys.executable, "manage.py", "expression", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_values_are_written_and_agree_with_pandas(bars, tmp_path):
    out = tmp_path / "out.parquet"
    done = expression("rank(delta(close, 5))", bars, "--out", out)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["lookback"], summary["symbols"]) == (5, 4)
    values = pd.read_parquet(out)
    close = pd.read_parquet(bars).set_index(["ts", "symbol"])["close"].unstack("symbol")  # noqa: PD010
    expected = (close - close.shift(5)).round(9).rank(axis=1, pct=True)
    found = values.set_index(["ts", "symbol"])["value"].unstack("symbol")  # noqa: PD010
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-12)
    assert summary["missing"] == int(expected.isna().to_numpy().sum())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rank(clsoe)", "BARS"), "did you mean 'close'"),
        (("delay(close, -1)", "BARS"), "into the future"),
        (("close", "nowhere.parquet"), "nowhere.parquet"),
        (("close", "README.md"), "README.md"),
    ],
)
def test_bad_input_exits_with_2_and_says_why(bars, words, message):
    done = expression(*(bars if word == "BARS" else word for word in words))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stdout == ""


def test_the_column_at_fault_is_marked(bars):
    lines = expression("rank(clsoe)", bars).stderr.splitlines()
    assert lines[-1].index("^") == lines[-2].index("clsoe")
