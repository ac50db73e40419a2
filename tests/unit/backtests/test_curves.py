"""Curves for eyes: nothing that matters is lost."""

import numpy as np
import pandas as pd
import pytest

from apps.backtests import charts
from apps.backtests.kernel import curves


def test_thinned_curve_keeps_ends_and_extremes():
    values = np.random.default_rng(1).normal(size=50_000).cumsum()
    at = curves.kept(values, 1000)
    assert len(at) <= 1002
    assert {0, 49_999, int(values.argmin()), int(values.argmax())} <= set(at.tolist())
    assert curves.kept(values[:900], 1000).tolist() == list(range(900))


def test_monthly_returns_compound_and_equal_pandas():
    index = pd.date_range("2019-11-04", periods=200, freq="B")
    equity = pd.Series(100 * np.exp(np.random.default_rng(2).normal(0, 0.01, 200).cumsum()), index)
    rows = curves.monthly(index.as_unit("us").asi8, equity.to_numpy(), 100.0)
    ends = equity.resample("ME").last()
    expected = (ends / ends.shift(1).fillna(100.0) - 1).tolist()
    found = [m for row in reversed(rows) for m in row.months if m is not None]
    assert found == pytest.approx(expected)
    assert [row.year for row in rows] == [2020, 2019]
    total = np.prod([1 + row.total for row in rows])
    assert total == pytest.approx(equity.iloc[-1] / 100)


def test_rolling_sharpe_equals_pandas():
    returns = np.random.default_rng(3).normal(0, 0.01, 300)
    rolled = pd.Series(returns).rolling(60)
    expected = (rolled.mean() / rolled.std() * 252**0.5).to_numpy()
    np.testing.assert_allclose(curves.rolling_sharpe(returns, 60, 252.0), expected, rtol=1e-9)
    assert np.isnan(curves.rolling_sharpe(np.zeros(10), 5, 252.0)).all()


def test_figures_say_their_finding_dates_and_sample():
    n = 400
    ts = np.arange(n, dtype=np.int64) * 86_400_000_000
    flat = np.ones(n)
    c = curves.Curves(
        "A run", "1970 · in sample", ts, 100 * np.linspace(1, 2, n), np.full(n, np.nan), "",
        100.0, 252.0, "1d", flat, flat,
    )  # fmt: skip
    figure = charts.equity_figure(c)
    assert "+100.0 %" in figure["layout"]["title"]["text"]
    assert "in sample" in figure["layout"]["title"]["subtitle"]["text"]
    assert [trace["name"] for trace in figure["data"]] == ["strategy", "drawdown"]
    assert figure["data"][0]["x"][0] == "1970-01-01"
    assert charts.rolling_figure(c)["data"]
    assert "100 %" in charts.exposure_figure(c)["layout"]["title"]["text"]
