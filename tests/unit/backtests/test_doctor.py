"""Every diagnosis of the doctor: one run in which it speaks, one in which it does not.

The numbers are worked out by hand beside each line.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.backtests.kernel.doctor.findings import SEVERITIES, diagnose
from apps.backtests.kernel.doctor.registry import DIAGNOSES, as_row, counts, examine, table
from tests.unit.backtests.doctor_cases import (
    case,
    curve,
    days,
    fills,
    number,
    orders,
    panel,
    plain_trades,
    positions,
    swept,
    trades,
)

OK, NO = "ok", "not_applicable"
UP_DOWN = np.tile([0.02, -0.01], 250)  # mean 0.005
FLAT_UP = np.tile([0.004, -0.002], 250)
GAINS = [10.0] * 10


def equity_to(*points):
    """A run through these values of equity."""
    return {"equity": np.array(points, float), "n": len(points)}


def made(total, **more):
    """A run of three bars that made ``total``."""
    return case(3, equity=np.array([1e5, 1e5, 1e5 + total]), **more)


def years(*log_growth):
    """A run with the growth of each year, from 2016 on, in its middle."""
    returns = np.zeros(366 * len(log_growth) - 3)
    for i, growth in enumerate(log_growth):
        returns[366 * i + 100] = np.expm1(growth)
    return case(returns=returns)


def months(count, **best):
    """A run of so many months of 2016 with a growth of 0.01 in each, but for ``best``."""
    ts = days(363 if count == 12 else 31 * count)
    month = ts.astype("datetime64[us]").astype("datetime64[M]").astype(int)
    firsts = np.flatnonzero(np.diff(month, prepend=month[0] - 1))
    returns = np.zeros(len(ts) - 1)
    for i, at in enumerate(firsts):
        returns[at + 5] = np.expm1(best.get(f"m{i}", 0.01))
    return case(returns=returns)


def noise(n, mean=0.0, size=0.01, seed=1):
    """Normal draws with exactly this mean and deviation."""
    drawn = np.random.default_rng(seed).normal(size=n)
    drawn = (drawn - drawn.mean()) / drawn.std(ddof=1)
    return mean + size * drawn


def market(returns):
    """A benchmark with these returns."""
    return curve(returns, 1.0)


def held(close, quantity=10.0, **more):
    """A run that holds ``quantity`` of A from the first bar on, with its bars."""
    return {"panel": panel(close, **more), "positions": positions((0, "A", quantity))}


def steady(n):
    """Closes that move by one percent up and down."""
    return 100.0 * np.cumprod(np.tile([1.01, 1.0 / 1.01], n))[:n]


WORTH = {
    "deflated_sharpe": 0.97,
    "benchmark_sharpe": 0.4,
    "trials": 12,
    "pbo": 0.1,
    "min_track_record": 900.0,
    "months_needed": 0.0,
    "family": {"id": 3},
}
TEN_LIMITS = fills(*((i, "A", 1.0, 99.0, "within", 1) for i in range(10)))
BARS = panel([100.0] * 12)
BUYS = fills(*((i, "A", 1.0, 100.0) for i in range(20)))
TWENTY = panel(np.full(20, 101.0), open_=np.full(20, 100.0))
CROSSING = {"stop_loss": 0.1, "take_profit": 0.1}
STOPPED = {
    "trades": trades(*(("A", 0, i, -1.0) for i in range(1, 6))),
    "orders": orders(*(("stop_loss", "filled", ("ended", i)) for i in range(1, 6))),
    "request": {"execution": CROSSING},
}


def lots(units, quantity):
    """A run that held so much in such units."""
    return case(request={"units": units}, positions=positions((0, "A", quantity)))


def after_losses(size):
    """Losses and gains in turns; entries after a loss are of ``size`` times 10."""
    rows = []
    for i in range(60):
        after_loss = i % 2 == 1
        units = 10.0 * (size if after_loss else 1.0) + 0.01 * (i % 5)
        rows.append(("A", 2 * i, 2 * i + 1, 5.0 if after_loss else -5.0, ("size", units)))
    return case(200, trades=trades(*rows))


def additions(losing):
    """Of 20 instruments an addition each of a half, ``losing`` of them below the price paid."""
    rows = []
    for i in range(20):
        rows += [(0, f"S{i}", 10.0, 100.0), (1, f"S{i}", 5.0, 90.0 if i < losing else 110.0)]
    return case(fills=fills(*rows))


def extremes(share):
    """20 buys at the open; the open is the low in ``share`` of their bars, and in few others."""
    n = 400
    open_, close = np.full(n, 100.0), np.full(n, 101.0)
    low = np.full(n, 99.0)
    low[: int(20 * share)] = 100.0
    return case(
        fills=BUYS, panel=panel(close, open_=open_, low=low, high=np.full(n, 102.0))
    )  # fmt: skip


# Name, a run, how bad it is, its number (None: not told).
SPEAKS = [
    # -2,000 of 100,000.
    ("no_profit", lambda: made(-2000.0, fills=BUYS), "critical", -0.02),
    # 60 of 100 in one of five trades; 100 of 100; 30 of 100.
    ("best_trade", lambda: case(trades=plain_trades([60, 10, 10, 10, 10])), "warning", 0.6),
    ("best_trade", lambda: case(trades=plain_trades([100, 5, -5, 2, -2])), "critical", 1.0),
    ("best_trade", lambda: case(trades=plain_trades([30, 20, 20, 20, 10])), "note", 0.3),
    # 5 x 20 of 100 + 20 x 0.5: 100 / 110; then the rest loses 60: 100 / 40.
    ("best_five_trades", lambda: case(trades=plain_trades([20] * 5 + [0.5] * 20)), "note",
     1 / 1.1),
    ("best_five_trades", lambda: case(trades=plain_trades([20] * 5 + [-3] * 20)), "critical",
     2.5),
    # One bar of 400 holds all; the others are tiny and cancel. Normal bars with mean 0.2 / 400 and
    # the deviation of one such bar, 0.01, would take 10 of their best; the test below counts them.
    ("best_bars", lambda: case(returns=np.r_[np.expm1(0.2), noise(399, 0.0, 1e-5)]), "critical",
     None),
    # 0.12 of 0.12 + 11 x 0.01; with -0.01 in the others 0.33 of 0.22.
    ("best_month", lambda: months(12, m3=0.12), "warning", 0.12 / 0.23),
    ("best_month", lambda: months(12, m3=0.33, **{f"m{i}": -0.01 for i in range(12) if i != 3}),
     "critical", 1.5),
    # 0.6 of 0.9, and 0.6 of 0.5.
    ("best_year", lambda: years(0.1, 0.6, 0.2), "warning", 0.6 / 0.9),
    ("best_year", lambda: years(0.1, 0.6, -0.2), "critical", 1.2),
    # A made 60 of 100 over five instruments.
    ("one_symbol", lambda: case(trades=trades(*((s, 0, 1, p) for s, p in zip(
        "ABCDE", [60.0, 10, 10, 10, 10], strict=True)))), "warning", 0.6),
    # Longs made 200, shorts lost 100: 100 of 100.
    ("one_side", lambda: case(trades=trades(
        *(("A", i, i + 1, 40.0) for i in range(5)),
        *(("A", i, i + 1, -20.0, ("size", -10.0)) for i in range(5)))), "warning", 1.0),
    # All growth on one weekday of seven, with hardly any spread: p is 0 to any precision.
    ("one_clock", lambda: case(returns=np.where(np.arange(700) % 7 == 0, 0.01, 0.0)
                               + noise(700, 0.0, 1e-4)), "warning", 0.0),
    # 60 of 100 open.
    ("open_profit", lambda: case(trades=trades(
        ("A", 0, 1, 40.0), ("A", 1, 2, 60.0, ("open", True)))), "warning", 0.6),
    ("few_trades", lambda: case(trades=plain_trades([1.0] * 5)), "critical", 5),
    ("few_trades", lambda: case(trades=plain_trades([1.0] * 20)), "warning", 20),
    # Ten trades over the same ten bars are one bet.
    ("independent_bets", lambda: case(30, trades=trades(*(("A", 5, 15, 1.0) for _ in range(10)))),
     "warning", 1.0),
    # 20 trades for 3 parameters; 8 for 2 numbers of a formula and one parameter.
    ("trades_per_parameter", lambda: case(trades=plain_trades([1.0] * 20), declared=(
        number("a"), number("b"), number("c"))), "warning", 20 / 3),
    ("short_sample", lambda: case(253), "warning", 1.0),
    ("short_sample", lambda: case(252 * 5 + 1), "note", 5.0),
    # Mean 0 but for a hair: the interval holds 0.
    ("sharpe_interval", lambda: case(returns=noise(500, 1e-5)), "warning", None),
    ("deflated_sharpe", lambda: case(returns=noise(100, 0.001), worth={
        **WORTH, "deflated_sharpe": 0.8}), "warning", 0.8),
    ("deflated_sharpe", lambda: case(returns=noise(100, 0.001), worth={
        **WORTH, "deflated_sharpe": 0.3}), "critical", 0.3),
    ("overfitting", lambda: case(worth={**WORTH, "pbo": 0.6}), "critical", 0.6),
    ("short_record", lambda: case(worth={**WORTH, "months_needed": 30.0}), "warning", 30.0),
    ("holdout_read", lambda: case(looks=({"looks": 2},)), "note", 2),
    ("holdout_spent", lambda: case(alpha_left=0.0125), "warning", 0.0125),
    ("holdout_spent", lambda: case(alpha_left=0.05 / 32), "critical", 0.05 / 32),
    # Each return four times over: autocorrelations 3/4, 1/2, 1/4 of the first lags.
    ("autocorrelation", lambda: case(returns=np.repeat(noise(250, 0.002), 4)), "warning", None),
    # 99 gains of 1 % and a loss of 30 %: two values, skewness (1 - 2 p) / √(p (1 - p)) turned
    # round with p = 0.01: -9.85.
    ("negative_skew", lambda: case(returns=np.r_[np.full(99, 0.01), -0.3]), "critical",
     -0.98 / np.sqrt(0.0099)),
    # 30 of 100 held bars earn nothing.
    ("stale_marks", lambda: case(returns=np.r_[np.zeros(30), np.full(70, 0.001)]), "warning", 0.3),
    # From 150 to 60.
    ("deep_drawdown", lambda: case(**equity_to(1e5, 1.5e5, 6e4, 7e4)), "warning", 0.6),
    ("second_half", lambda: case(returns=np.r_[noise(300, 0.004), noise(300, -0.002)]), "warning",
     None),
    # Two good years, then one that loses: mean -0.0001, deviation 0.01, Sharpe -0.16.
    ("recent_year", lambda: case(returns=np.r_[noise(600, 0.002), noise(252, -1e-4)]), "note",
     -0.01 * 252**0.5),
    # Ends 10 % below its top; the deepest was 10 % too.
    ("open_drawdown", lambda: case(**equity_to(1e5, 1.2e5, 1.08e5)), "warning", 1.0),
    # A top, and 504 bars below it.
    ("long_under_water", lambda: case(returns=np.r_[0.1, -0.05, np.zeros(503)]), "warning", 2.0),
    ("only_beta", lambda: case(returns=0.9 * noise(200, 0.001), benchmark=market(
        noise(200, 0.001))), "warning", 1.0),
    # Mean over deviation 0.02 against 0.12, times √252.
    ("behind_benchmark", lambda: case(returns=noise(300, 0.0002), benchmark=market(
        noise(300, 0.0012, seed=2))), "warning", -0.1 * 252**0.5),
    # Long only when the market falls: beta 1 there and 0 elsewhere.
    ("downside_beta", lambda: case(
        returns=np.minimum(noise(400), 0.0), benchmark=market(noise(400))), "warning", None),
    ("crises_missing", lambda: case(250, ts=days(250, "2016-03-01")), "warning", 0),
    # The pandemic took a half; the benchmark nothing.
    ("crisis_loss", lambda: case(
        120, ts=days(120, "2020-01-01"), equity=np.r_[np.full(60, 1e5), np.full(60, 5e4)],
        benchmark=np.ones(120)), "critical", 0.5),
    ("untradable_fill", lambda: case(request={"fill": "close"}), "critical", 1),
    # One of 20 fills without volume.
    ("no_volume", lambda: case(fills=BUYS, panel=panel(
        np.full(20, 101.0), open_=np.full(20, 100.0), volume=np.r_[0.0, np.full(19, 10.0)])),
     "critical", 0.05),
    # The open of each bar from the fourth on is the close of all before: 17 of 20.
    ("stale_price", lambda: case(fills=BUYS, panel=panel(np.full(20, 100.0))), "critical", 0.85),
    ("best_price", lambda: extremes(0.8), "critical", 0.8),
    # Highs are 101 + 1; bought at 103 with 5 bps of slippage.
    ("outside_bar", lambda: case(fills=fills((0, "A", 1.0, 103.0)), panel=TWENTY), "critical",
     1.0),
    # 20 of 100 units of volume.
    ("large_fills", lambda: case(fills=fills((0, "A", 20.0, 100.0)), panel=panel(
        np.full(3, 100.0), volume=100.0)), "critical", 1.0),
    # 5 of 100 units: a tenth is twice as much.
    ("capacity", lambda: case(fills=fills((0, "A", 5.0, 100.0)), panel=panel(
        np.full(3, 100.0), volume=100.0)), "warning", 2.0),
    # Lows are 99, where all limits stood.
    ("touched", lambda: case(fills=TEN_LIMITS, orders=orders(("limit", "filled")), panel=BARS),
     "critical", 1.0),
    # A jump of 100 % that is gone with the next bar, and one of two fills in it.
    ("bad_prints", lambda: case(
        fills=fills((2, "A", 1.0, 100.0), (10, "A", 1.0, 100.0)),
        panel=panel(np.r_[steady(10), 200.0, steady(10)])), "critical", 0.5),
    # 10 units through a jump from 100 to 300: 2,000 of the profit of 2,000.
    ("outlier_bars", lambda: case(
        equity=np.r_[np.full(20, 1e5), 1.02e5], n=21,
        **held(np.r_[steady(20), 300.0])), "critical", None),
    # One of four bars is missing where another instrument has it.
    ("missing_bars", lambda: case(
        panel=panel([[100, 50], [np.nan, 51], [101, 52], [102, 53.0]]),
        positions=positions((0, "A", 1.0))), "critical", 0.25),
    # 10 units went from 100 over a gap to 150: 500 of 500.
    ("gap_profit", lambda: made(500.0, panel=panel([[100, 50], [np.nan, 51], [150, 52.0]]),
                                positions=positions((0, "A", 10.0))), "critical", 1.0),
    ("same_bar", lambda: case(trades=trades(*(("A", i, i, 1.0) for i in range(2)),
                                            *(("A", i, i + 1, 1.0) for i in range(8)))),
     "warning", 0.2),
    # Entries at 100 with levels at 90 and 110; bars from 85 to 115.
    ("ambiguous_exits", lambda: case(**STOPPED, panel=panel(
        np.full(6, 100.0), low=np.full(6, 85.0), high=np.full(6, 115.0))), "critical", 1.0),
    ("no_costs", lambda: case(30, fills=fills(*((i, "A", 1000.0, 100.0) for i in range(20))),
                              request={"costs": {}}), "critical", 0.0),
    # 20 x 100,000 / 2 over 100,000 in 29 / 252 years: 87 times, at 1 bps a side.
    ("low_costs", lambda: case(30, fills=fills(*((i, "A", 1000.0, 100.0) for i in range(20))),
                               request={"costs": {"fee_bps": 1}}), "warning", 1.0),
    ("no_slippage", lambda: case(30, fills=fills(*((i, "A", 1000.0, 100.0) for i in range(20))),
                                 request={"costs": {"fee_bps": 5}}), "warning", 1.0),
    # 100 of 200,000 traded.
    ("break_even", lambda: made(100.0, fills=fills((0, "A", 1000.0, 100.0), (1, "A", -1000.0,
                                100.0))), "critical", 5.0),
    # Slippage of 5 bps of 200,000 is 100; the profit 100.
    ("cost_share", lambda: made(100.0, fills=fills((0, "A", 1000.0, 100.0), (1, "A", -1000.0,
                                100.0))), "warning", 0.5),
    # Gross 1, net 0.5: a quarter short.
    ("free_shorts", lambda: case(net_exposure=np.full(3, 0.5)), "warning", 0.25),
    ("no_funding", lambda: case(panel=panel([1.0, 2.0, 3.0], kinds=("perpetual",))), "warning",
     1.0),
    # 60 of 100.
    ("carry", lambda: made(100.0, result={"flows": {"funding": 60.0}}), "warning", 0.6),
    ("free_leverage", lambda: case(cash=np.full(3, -50_000.0)), "warning", 0.5),
    # 2 x 100,000 / 2 over 100,000 in 2 / 252 years: 126 times.
    ("turnover", lambda: case(fills=fills((0, "A", 1000.0, 100.0), (1, "A", -1000.0, 100.0))),
     "warning", 126.0),
    ("idle", lambda: case(exposure=np.r_[1.0, np.zeros(99)], n=100), "warning", 0.01),
    ("late_start", lambda: case(100, fills=fills((50, "A", 1.0, 100.0))), "warning", 0.5),
    ("always_in", lambda: case(), "note", 1.0),
    ("leverage", lambda: case(exposure=np.array([1.0, 5.0, 1.0])), "critical", 5.0),
    # Equity 1 / 4 of gross, margin 1 / 4; then a call.
    ("margin", lambda: case(exposure=np.array([1.0, 4.0, 1.0]), request={
        "execution": {"maintenance": 0.25}}), "critical", 0.0),
    ("martingale", lambda: after_losses(2.0), "critical", None),
    ("adds_to_losers", lambda: additions(18), "warning", 0.9),
    # 36 gains of 1, 4 losses of 8.
    ("payoff", lambda: case(trades=plain_trades(([1.0] * 9 + [-8.0]) * 4)), "critical", 0.125),
    # One of two equal positions is priced at another rate.
    ("currency", lambda: case(
        panel=panel([[10, 10], [10, 10.0]], currency="USD",
                    extras={"fx": np.array([[1, 1.0], [1, 1.0]]) * [1.0, 2.0]}),
        positions=positions((0, "A", 10.0), (0, "B", 5.0))), "warning", 0.5),
    ("unfilled", lambda: case(orders=orders(*[("limit", "expired")] * 6,
                                            *[("limit", "filled", ("filled", 10.0))] * 4)),
     "warning", 0.6),
    ("refused", lambda: case(orders=orders(*[("market", "refused")] * 2,
                                           *[("market", "filled")] * 8)), "warning", 0.2),
    ("partial", lambda: case(orders=orders(*[("limit", "filled", ("filled", 4.0))] * 3,
                                           *[("limit", "filled", ("filled", 10.0))] * 7)),
     "warning", 0.3),
    # Half a unit of two.
    ("lots", lambda: lots("whole", 2.0), "critical", 0.25),
    ("given_rows", lambda: case(request={"given": {"orders": {"rows": 3}}}), "note", 1),
    ("swept_edge", lambda: case(params={"fast": 30}, sweeps=swept([10, 20, 30], [1, 2, 3.0])),
     "warning", 1),
    # The neighbours of 20 have 0.2 and 0.4, it has 2: 0.15.
    ("isolated_peak", lambda: case(params={"fast": 20}, sweeps=swept(
        [5, 10, 20, 30, 40], [0.9, 0.2, 2.0, 0.4, 0.9])), "warning", 0.15),
    # Two of eight.
    ("few_profitable", lambda: case(sweeps=swept(range(8), [1, 1, -1, -1, -1, -1, -1, -1])),
     "warning", 0.25),
    ("declared_edge", lambda: case(params={"a": 100}, declared=(number("a"),)), "note", 1),
    ("unvaried", lambda: case(params={"a": 5}, declared=(number("a"),)), "note", 1.0),
    ("twins", lambda: case(twins=(("00000000", "Before"),)), "note", 1),
    ("look_ahead", lambda: case(probe="leaks", version=4), "critical", 2),
    ("look_ahead", lambda: case(version=4), "warning", 1),
    ("survivorship", lambda: case(result={"survivorship": "Those that failed are missing."}),
     "warning", 1.0),
    ("data_changed", lambda: case(data_changed=True), "warning", 1),
    ("data_changed", lambda: case(data_changed=False, moved=0.02), "warning", 1),
    ("older_engine", lambda: case(engine_version="1", engine_now="2"), "note", 1),
    # One of eight bars between first and last.
    ("holes", lambda: case(panel=panel([[1, 1], [np.nan, 1], [1, 1], [1, 1.0]])), "warning",
     1 / 8),
]  # fmt: skip
QUIET = [
    ("no_profit", lambda: made(2000.0, fills=BUYS), OK, 0.02),
    ("best_trade", lambda: case(trades=plain_trades(GAINS)), OK, 0.1),
    ("best_five_trades", lambda: case(trades=plain_trades(GAINS * 3)), OK, 5 / 30),
    ("best_bars", lambda: case(returns=noise(1000, 0.001)), OK, None),
    ("best_month", lambda: months(12), OK, 1 / 12),
    ("best_year", lambda: years(0.1, 0.1, 0.1), OK, 1 / 3),
    ("one_symbol", lambda: case(trades=trades(*((s, 0, 1, 20.0) for s in "ABCDE"))), OK, 0.2),
    ("one_side", lambda: case(trades=trades(
        *(("A", i, i + 1, 40.0) for i in range(5)),
        *(("A", i, i + 1, 20.0, ("size", -10.0)) for i in range(5)))), OK, 0.0),
    # The same law on every weekday: whatever p is, no day holds half of the growth.
    ("one_clock", lambda: case(returns=np.tile([0.02, -0.01, 0.02, -0.01, 0.02, -0.01, 0.0],
                                               100) + 0.003), OK, None),
    ("open_profit", lambda: case(trades=trades(
        ("A", 0, 1, 80.0), ("A", 1, 2, 20.0, ("open", True)))), OK, 0.2),
    ("few_trades", lambda: case(trades=plain_trades([1.0] * 101)), OK, 101),
    ("independent_bets", lambda: case(500, trades=plain_trades([1.0] * 150)), OK, 150.0),
    ("trades_per_parameter", lambda: case(trades=plain_trades([1.0] * 50), declared=(
        number("a"), number("b"))), OK, 25.0),
    ("short_sample", lambda: case(252 * 7 + 1), OK, 7.0),
    # Mean 0.3 deviations: 4.8 a year, far from 0.
    ("sharpe_interval", lambda: case(returns=noise(500, 0.003)), OK, None),
    ("deflated_sharpe", lambda: case(returns=noise(100, 0.001), worth=WORTH), OK, 0.97),
    ("overfitting", lambda: case(worth=WORTH), OK, 0.1),
    ("short_record", lambda: case(worth=WORTH), OK, 0.0),
    ("holdout_read", case, OK, 0),
    ("holdout_spent", lambda: case(alpha_left=0.025), OK, 0.025),
    ("autocorrelation", lambda: case(returns=noise(500, 0.002)), OK, None),
    ("negative_skew", lambda: case(returns=UP_DOWN), OK, 0.0),
    ("stale_marks", lambda: case(returns=np.full(100, 0.001)), OK, 0.0),
    ("deep_drawdown", lambda: case(**equity_to(1e5, 1.1e5, 1e5)), OK, 1 / 11),
    ("second_half", lambda: case(returns=np.tile(noise(300, 0.001), 2)), OK, 0.5),
    ("recent_year", lambda: case(returns=np.tile(noise(252, 0.002), 4)), OK, 0.2 * 252**0.5),
    ("open_drawdown", lambda: case(**equity_to(1e5, 8e4, 1.2e5, 1.16e5)), OK, None),
    ("long_under_water", lambda: case(returns=np.full(300, 0.001)), OK, 1 / 252),
    # Half of the variance is its own: 0.5.
    ("only_beta", lambda: case(returns=noise(400, 0.001) + noise(400, 0.0, seed=2),
                               benchmark=market(noise(400, 0.001))), OK, None),
    ("behind_benchmark", lambda: case(returns=noise(300, 0.0012), benchmark=market(
        noise(300, 0.0002, seed=2))), OK, 0.1 * 252**0.5),
    ("downside_beta", lambda: case(returns=0.5 * noise(400), benchmark=market(noise(400))), OK,
     0.0),
    # The end of 2018 and the pandemic.
    ("crises_missing", lambda: case(900, ts=days(900, "2018-09-01")), OK, 2),
    ("crisis_loss", lambda: case(120, ts=days(120, "2020-01-01")), OK, 0.0),
    ("untradable_fill", case, OK, 0),
    ("no_volume", lambda: case(fills=BUYS, panel=TWENTY), OK, 0.0),
    ("stale_price", lambda: case(fills=BUYS, panel=TWENTY), OK, 0.0),
    ("best_price", lambda: extremes(0.0), OK, 0.0),
    ("outside_bar", lambda: case(fills=fills((0, "A", 1.0, 102.04)), panel=TWENTY), OK, 0.0),
    ("large_fills", lambda: case(fills=fills((0, "A", 10.0, 100.0)), panel=panel(
        np.full(3, 100.0), volume=100.0)), OK, 0.0),
    ("capacity", lambda: case(fills=fills((0, "A", 1.0, 100.0)), panel=panel(
        np.full(3, 100.0), volume=2000.0)), OK, 200.0),
    ("touched", lambda: case(fills=TEN_LIMITS, orders=orders(("limit", "filled")), panel=panel(
        [100.0] * 12, low=np.full(12, 98.0))), OK, 0.0),
    ("bad_prints", lambda: case(fills=fills((2, "A", 1.0, 100.0)), panel=panel(steady(20))), OK,
     0.0),
    ("outlier_bars", lambda: case(equity=np.r_[np.full(19, 1e5), 1.02e5], n=20,
                                  **held(steady(20))), OK, 0.0),
    ("missing_bars", lambda: case(panel=panel([[100, 50], [100, 51], [101, 52.0]]),
                                  positions=positions((0, "A", 1.0))), OK, 0.0),
    ("gap_profit", lambda: made(500.0, panel=panel([[100, 50], [120, 51], [150, 52.0]]),
                                positions=positions((0, "A", 10.0))), OK, 0.0),
    ("same_bar", lambda: case(trades=plain_trades(GAINS)), OK, 0.0),
    ("ambiguous_exits", lambda: case(**STOPPED, panel=panel(
        np.full(6, 100.0), low=np.full(6, 85.0), high=np.full(6, 105.0))), OK, 0.0),
    ("no_costs", lambda: case(fills=BUYS), OK, 10.0),
    ("low_costs", lambda: case(fills=BUYS), OK, 10.0),
    ("no_slippage", lambda: case(fills=BUYS), OK, 0.0),
    ("break_even", lambda: made(2000.0, fills=fills((0, "A", 1000.0, 100.0), (1, "A", -1000.0,
                                100.0))), OK, 100.0),
    ("cost_share", lambda: made(1900.0, fills=fills((0, "A", 1000.0, 100.0), (1, "A", -1000.0,
                                100.0))), OK, 0.05),
    ("free_shorts", case, OK, 0.0),
    ("no_funding", lambda: case(exposure=np.zeros(3), panel=panel(
        [1.0, 2.0, 3.0], kinds=("perpetual",))), OK, 0.0),
    ("carry", lambda: made(100.0, result={"flows": {"funding": -10.0}}), OK, 0.1),
    ("free_leverage", lambda: case(cash=np.full(3, 50_000.0)), OK, 0.0),
    ("turnover", lambda: case(253, fills=fills((0, "A", 1000.0, 100.0))), OK, 0.5),
    ("idle", case, OK, 1.0),
    ("late_start", lambda: case(100, fills=fills((5, "A", 1.0, 100.0))), OK, 0.05),
    ("always_in", lambda: case(exposure=np.tile([1.0, 0.5, 0.2], 10), n=30), OK, 1 / 3),
    ("leverage", case, OK, 1.0),
    ("margin", lambda: case(request={"execution": {"maintenance": 0.25}}), OK, 0.75),
    ("martingale", lambda: after_losses(1.0), OK, None),
    ("adds_to_losers", lambda: additions(10), OK, 0.5),
    # 20 gains of 3, 20 losses of 1.
    ("payoff", lambda: case(trades=plain_trades([3.0, -1.0] * 20)), OK, 3.0),
    ("currency", lambda: case(
        panel=panel([[10, 10], [10, 10.0]], extras={"fx": np.ones((2, 2))}),
        positions=positions((0, "A", 10.0), (0, "B", 5.0))), OK, 0.0),
    ("unfilled", lambda: case(orders=orders(
        *[("limit", "filled", ("filled", 10.0))] * 10,
        *[("stop", "cancelled", ("reason", "the other side of its bracket was filled"))] * 10)),
     OK, 0.0),
    ("refused", lambda: case(orders=orders(*[("market", "filled")] * 10)), OK, 0.0),
    ("partial", lambda: case(orders=orders(*[("limit", "filled", ("filled", 10.0))] * 10)), OK,
     0.0),
    ("lots", lambda: lots("whole", 1000.0), OK, 0.0005),
    ("given_rows", case, OK, 0),
    ("swept_edge", lambda: case(params={"fast": 20}, sweeps=swept([10, 20, 30], [1, 3, 2.0])), OK,
     0),
    ("isolated_peak", lambda: case(params={"fast": 20}, sweeps=swept(
        [10, 20, 30], [0.9, 1.0, 0.8])), OK, 0.85),
    ("few_profitable", lambda: case(sweeps=swept(range(8), [1] * 7 + [-1])), OK, 0.875),
    ("declared_edge", lambda: case(params={"a": 50}, declared=(number("a"),)), OK, 0),
    ("unvaried", lambda: case(params={"a": 5}, declared=(number("a"),), varied=frozenset("a")),
     OK, 0.0),
    ("twins", case, OK, 0),
    ("look_ahead", lambda: case(probe="passed", version=4), OK, 0),
    ("survivorship", lambda: case(result={"survivorship": "No survivorship by construction."}),
     OK, 0.0),
    ("data_changed", lambda: case(data_changed=False), OK, 0),
    ("older_engine", lambda: case(engine_version="2", engine_now="2"), OK, 0),
    ("holes", lambda: case(panel=panel([[1, 1], [1, 1.0]])), OK, 0.0),
]  # fmt: skip


def told(rows):
    return [pytest.param(*row, id=f"{row[0]}-{row[2]}") for row in rows]


@pytest.mark.parametrize(("name", "run", "severity", "value"), told(SPEAKS + QUIET))
def test_a_diagnosis_grades_as_worked_out_by_hand(name, run, severity, value):
    found = diagnose(DIAGNOSES[name], run())
    assert found.severity == severity, found.says
    if value is not None:
        assert found.value == pytest.approx(value, rel=1e-6, abs=1e-9)
    assert found.says.rstrip().endswith(".")


def test_every_diagnosis_has_a_run_in_which_it_speaks_and_one_in_which_it_does_not():
    assert {row[0] for row in SPEAKS} == set(DIAGNOSES)
    assert {row[0] for row in QUIET} == set(DIAGNOSES)
    assert len(DIAGNOSES) >= 36


def test_what_speaks_points_at_its_cause():
    first = {row[0]: row[1] for row in reversed(SPEAKS)}
    for name, run in first.items():
        row = as_row(diagnose(DIAGNOSES[name], run()), "7" * 32)
        # Figures of the ledger are named by the family's page, if the family is known.
        assert row["links"] or name in {"holdout_spent", "holdout_read"}, name
        for link in row["links"]:
            assert link["href"].startswith(("/research/", "/data/", "/strategies/"))
            assert link["label"]


ODD = {
    "nothing": lambda: case(equity=np.empty(0)),
    "one bar": lambda: case(1),
    "two bars": lambda: case(2, panel=panel([1.0, 2.0]), fills=fills((0, "A", 1.0, 1.0))),
    "no prices": lambda: case(30, fills=BUYS, panel=panel(np.full(30, np.nan)),
                              positions=positions((0, "A", 1.0)), trades=plain_trades(GAINS)),
    "ruin": lambda: case(50, equity=np.r_[1e5, np.zeros(49)], exposure=np.full(50, np.nan),
                         net_exposure=np.full(50, np.nan), trades=plain_trades([-1e5])),
    "below zero": lambda: case(**equity_to(1e5, -5e4, 2e4), cash=np.full(3, np.nan)),
    "another symbol": lambda: case(30, fills=BUYS, panel=panel(np.ones(30), symbols=("Z",)),
                                   positions=positions((0, "A", 1.0))),
    "other times": lambda: case(30, ts=days(30, "1999-01-01"), fills=BUYS, panel=TWENTY,
                                trades=plain_trades(GAINS)),
    "nan profit": lambda: case(30, trades=plain_trades([np.nan] * 30)),
    "flat": lambda: case(900, benchmark=np.ones(900), trades=plain_trades([0.0] * 40)),
    "no request": lambda: replace(case(30), request={}, result={}, params={}),
    "swept by words": lambda: case(params={"side": "long"}, sweeps=swept(
        ["long", "short", "both"], [np.nan, 1.0, -1.0], "side")),
    "swept otherwise": lambda: case(params={"fast": 7}, sweeps=swept([1, 2, 3], [1, 2, 3.0])),
}  # fmt: skip


@pytest.mark.parametrize("odd", sorted(ODD))
def test_odd_runs_are_examined_by_every_diagnosis(odd):
    with np.errstate(all="raise", under="ignore"):
        found = examine(ODD[odd]())
    assert {one.diagnosis.name for one in found} == set(DIAGNOSES)
    assert sum(counts(found).values()) == len(DIAGNOSES)
    for one in found:
        assert one.says
        assert one.value is None or np.isfinite(one.value)
        assert 0.0 <= one.effect <= 1.0
        as_row(one, "7" * 32)


@given(
    st.lists(st.floats(-0.9, 3.0), min_size=2, max_size=40),
    st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39), st.floats(-1e5, 1e5)), max_size=12),
    st.lists(
        st.tuples(st.integers(0, 45), st.sampled_from("AB"), st.floats(-99, 99),
                  st.floats(0.01, 1e6), st.sampled_from(["open", "within", "close"]),
                  st.integers(-1, 3)),
        max_size=12,
    ),
    st.lists(st.one_of(st.floats(0.01, 1e6), st.just(np.nan)), min_size=40, max_size=40),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_no_run_makes_the_doctor_fail(returns, trips, filled, closes):
    rows = (("A", min(a, b), max(a, b), pnl) for a, b, pnl in trips)
    run = case(
        returns=returns,
        trades=trades(*rows),
        fills=fills(*filled),
        orders=orders(("limit", "filled"), ("market", "refused")),
        positions=positions((0, "A", 3.0), (9, "A", -2.0)),
        panel=panel(closes),
        benchmark=curve(returns[::-1], 1.0),
    )
    found = examine(run)
    ranks = [SEVERITIES.index(one.severity) for one in found]
    assert ranks == sorted(ranks)
    assert {one.diagnosis.name for one in found} == set(DIAGNOSES)


def test_of_one_grade_what_more_hangs_on_comes_first():
    found = examine(case(trades=plain_trades([60, 10, 10, 10, 10]), net_exposure=np.full(3, 0.5)))
    warned = [one.effect for one in found if one.severity == "warning"]
    assert warned == sorted(warned, reverse=True)
    assert warned[0] == pytest.approx(0.6)


def test_a_few_bars_are_counted_beside_those_that_chance_would_need():
    # Nine bars of 0.01 and one of 0.2 in 300: 0.29 in all is reached with the tenth. Normal bars
    # with the mean and deviation of those ten need 1, since one of them may be as large.
    returns = np.zeros(300)
    returns[:9], returns[9] = np.expm1(0.01), np.expm1(0.2)
    found = diagnose(DIAGNOSES["best_bars"], case(returns=returns))
    assert found.says.startswith("The best 10 bars of 300 hold all of the growth")


def test_docs_hold_the_table_as_the_code_has_it():
    text = (Path(__file__).parents[3] / "docs" / "DOCTOR.md").read_text()
    for row in table():
        line = f"| `{row['name']}` | {row['title']} | {row['measures']} | {row['rule']} |"
        assert line in text, f"docs/DOCTOR.md lacks: {line}"
