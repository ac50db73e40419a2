"""Intervals: the formulas of the loops, a case by hand, a peer side by side, coverage."""

from statistics import NormalDist

import numpy as np
import pytest

from apps.backtests.kernel import interval_loops as loops
from apps.backtests.kernel import intervals
from apps.backtests.kernel.intervals import LEVELS, NAMES, TAILS
from apps.backtests.kernel.metrics import METRICS, metrics
from apps.backtests.kernel.reports import tail_losses

DAY = 86_400_000_000


def days(n):
    return np.arange(n, dtype=np.int64) * DAY


def pair(n, seed=7):
    rng = np.random.default_rng(seed)
    market = rng.normal(0.0004, 0.011, n)
    return 0.6 * market + rng.normal(0.0002, 0.007, n), market


def computed(returns, market, ts, periods=252.0):
    normal = NormalDist()
    tails = np.array([1.0 - level for level in LEVELS])
    scores = np.array([normal.inv_cdf(tail) for tail in tails])
    out = np.full(len(NAMES) + len(TAILS), np.nan)
    world = np.column_stack([returns, market])
    loops.path_1d(world, ts, periods, out)
    loops.gains_1d(world, periods, out)
    loops.spread_1d(world, periods, out)
    loops.market_1d(world, periods, out)
    densities = np.array([normal.pdf(score) for score in scores])
    loops.tail_1d(np.sort(returns), tails, scores, densities, out)
    return dict(zip((*NAMES, *TAILS), out, strict=True))


@pytest.mark.parametrize("case", ["plain", "a gap in the benchmark", "never below a peak", "flat"])
def test_the_loops_say_what_the_formulas_say(case):
    returns, market = pair(400)
    if case == "a gap in the benchmark":
        market[40:90] = np.nan
    if case == "never below a peak":
        returns = np.abs(returns)
    if case == "flat":
        returns = np.zeros(400)
    found = computed(returns, market, days(400))
    plain = metrics(returns, periods=252, benchmark=market, ts=days(400))
    for name, value in plain.items():
        if value is None:
            assert not np.isfinite(found[name]), name
        else:
            assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-11), name
    for name, entry in tail_losses(returns).items():
        for measure in ("var", "es"):
            assert found[f"{name}.{measure}"] == pytest.approx(entry[measure], rel=1e-9, abs=1e-12)


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others():
    returns, market = pair(300)
    first, again, other = (
        intervals.return_intervals(returns, market, days(300), periods=252, seed=seed, worlds=200)
        for seed in (5, 5, 6)
    )
    assert first == again
    assert first["sharpe"] != other["sharpe"]
    assert set(first) == {*NAMES, *TAILS}
    for name, row in first.items():
        assert row["level"] == 0.95, name
        assert row["method"] == "stationary block bootstrap, percentile"
        assert row["n"] == 200, name
        assert row["low"] <= row["high"], name
    without = intervals.return_intervals(returns, None, days(300), periods=252, seed=5, worlds=200)
    assert not [name for name in without if name in METRICS and METRICS[name].benchmark]


def test_two_trades_by_hand():
    # Of two trades, one won, a sample has 0, 1 or 2 wins with chances 1/4, 1/2, 1/4.
    trades = {
        "pnl": [3.0, -1.0],
        "return": [0.03, -0.01],
        "bars_held": [4, 2],
        "mae": [0.0, 0.02],
        "mfe": [0.04, 0.0],
    }
    found = intervals.trade_intervals(trades, seed=1, worlds=1000)
    assert (found["win_rate"]["low"], found["win_rate"]["high"]) == (0.0, 1.0)
    assert (found["pnl"]["low"], found["pnl"]["high"]) == (-2.0, 6.0)
    assert (found["mean_bars"]["low"], found["mean_bars"]["high"]) == (2.0, 4.0)
    # In a quarter of the worlds nothing was lost and the factor has no value.
    assert found["profit_factor"]["low"] is None
    assert found["profit_factor"]["reason"].startswith("undefined in 2")
    assert "largest of a sample" in found["best"]["reason"]
    alone = intervals.trade_intervals({"pnl": [1.0]}, seed=1)
    assert alone["win_rate"]["reason"] == "1 trade; 2 are needed"


def test_what_can_not_be_told_says_why():
    returns, _ = pair(12)
    row = intervals.return_intervals(returns, None, days(12), periods=252, seed=1)["sharpe"]
    assert row["low"] is None
    assert row["reason"] == "12 returns; 20 are needed"
    gains = np.abs(pair(60)[0])
    row = intervals.return_intervals(gains, None, days(60), periods=252, seed=1, worlds=200)
    assert row["calmar"]["reason"] == "undefined in 100% of worlds"


def test_figures_of_the_book_are_those_of_the_bars_drawn():
    n = 120
    exposure = np.repeat([0.0, 1.0, 0.5], 40)
    book = intervals.Book(
        exposure=exposure,
        traded=np.where(np.arange(n) % 10 == 0, 100.0, 0.0),
        fees=np.where(np.arange(n) % 10 == 0, 1.0, 0.0),
        equity=np.full(n, 1000.0),
        start_cash=1000.0,
    )
    found = intervals.book_intervals(book, periods=252, seed=3, worlds=400)
    told = {
        "exposure": 0.5,
        "time_in_market": 2 / 3,
        "turnover": 1200 / 2 / 1000 / (119 / 252),
        "fees_paid": 0.012,
    }
    for name, value in told.items():
        assert found[name]["low"] < value < found[name]["high"], name
    assert found["exposure"]["block"] > 5


# arch 8.0.0 (University of Illinois/NCSA), run once on the series below: StationaryBootstrap(6,
# returns, seed=3).conf_int(..., reps=20_000, method="percentile", size=0.95).
ARCH = {
    "sharpe": (0.0172, 2.7796),
    "volatility": (0.1499, 0.1698),
    "max_drawdown": (0.0933, 0.3055),
    "tail_ratio": (0.9471, 1.2943),
}


def test_intervals_are_those_of_arch():
    rng = np.random.default_rng(11)
    noise = rng.normal(0.0005, 0.01, 601)
    returns = noise[1:] + 0.3 * noise[:-1]
    found = intervals.return_intervals(
        returns, None, days(600), periods=252, seed=2, worlds=4000, block=6.0
    )
    for name, (low, high) in ARCH.items():
        # Other draws: a percentile of 4,000 worlds moves by some hundredths of the width.
        assert found[name]["low"] == pytest.approx(low, abs=0.06 * (high - low)), name
        assert found[name]["high"] == pytest.approx(high, abs=0.06 * (high - low)), name


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    # 150 series with a mean that is known; 95 % nominal, 88 % is five standard errors below.
    rng = np.random.default_rng(4)
    inside = 0
    for seed in range(150):
        returns = rng.normal(0.0008, 0.01, 250)
        row = intervals.return_intervals(
            returns, None, days(250), periods=252, seed=seed, worlds=200, block=1.0
        )["sharpe"]
        inside += row["low"] <= 0.08 * 252**0.5 <= row["high"]
    assert inside >= 0.88 * 150
