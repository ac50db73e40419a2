"""Adjustment against the source's own figures and splits and dividends known from elsewhere."""

from datetime import date

import numpy as np
import pytest

from apps.core.errors import Invalid
from apps.market.kernel.adjust import adjust, back_factor
from apps.market.kernel.columns import Actions, Columns
from apps.market.kernel.periods import micros
from apps.market.providers.base import Task
from tests.factories.market import SAMPLE, columns, sample_table

# The source changed its factor without a dividend or split row (TRMB, WDC) or rounded the price
# of a stock dividend away (TMUS): known defects, see data/sample/SOURCE.md.
DEFECTS = {"TRMB", "WDC", "TMUS"}


def fetch(symbol, section="sp500"):
    return SAMPLE.fetch(Task(section, symbol, "1d"))


@pytest.fixture(scope="module")
def reference():
    return sample_table("sp500_daily")


def test_total_return_equals_the_adjusted_close_of_the_source(reference):
    worst = {}
    for symbol, rows in reference.groupby("symbol", sort=True):
        fetched = fetch(symbol)
        mine = adjust(fetched.bars, fetched.actions, "total_return").close
        theirs = (rows["close"] * rows["adj_factor"]).to_numpy()
        worst[symbol] = np.abs(mine / theirs - 1).max()
    far = {symbol for symbol, error in worst.items() if error > 1e-5}
    assert far == DEFECTS
    # Their factors carry rounding of several dividends; nine series in ten agree to 1e-6.
    assert np.mean([error < 1e-6 for error in worst.values()]) > 0.9


def test_single_day_factors_equal_those_of_the_source_to_1e_6(reference):
    errors = []
    for symbol, rows in reference.groupby("symbol", sort=True):
        fetched = fetch(symbol)
        mine = adjust(fetched.bars, fetched.actions, "total_return").close / fetched.bars.close
        theirs = rows["adj_factor"].to_numpy()
        at = np.searchsorted(fetched.bars.ts, fetched.actions.ts)
        at = at[at > 0]
        errors.append(np.abs((mine[at] / mine[at - 1]) / (theirs[at] / theirs[at - 1]) - 1))
    errors = np.concatenate(errors)
    assert len(errors) > 4000
    assert np.mean(errors < 1e-6) > 0.99


@pytest.mark.parametrize(
    ("symbol", "day", "ratio"),
    [
        ("AAPL", date(2014, 6, 9), 7.0),
        ("AAPL", date(2020, 8, 31), 4.0),
        ("TSLA", date(2020, 8, 31), 5.0),
        ("NFLX", date(2015, 7, 15), 7.0),
    ],
)
def test_known_splits_are_booked_and_leave_no_jump(symbol, day, ratio):
    fetched = fetch(symbol)
    at = np.searchsorted(fetched.actions.ts, micros(day))
    assert fetched.actions.ts[at] == micros(day)
    assert fetched.actions.split[at] == pytest.approx(ratio, rel=2e-6)  # 7.000007 in the source
    row = np.searchsorted(fetched.bars.ts, micros(day))
    raw = fetched.bars.close[row] / fetched.bars.close[row - 1]
    split = adjust(fetched.bars, fetched.actions, "split").close
    assert split[row] / split[row - 1] == pytest.approx(raw * ratio, rel=2e-6)
    assert abs(split[row] / split[row - 1] - 1) < 0.2


def test_split_adjusted_volume_counts_todays_shares():
    fetched = fetch("AAPL")
    row = np.searchsorted(fetched.bars.ts, micros(date(2014, 6, 6)))
    adjusted = adjust(fetched.bars, fetched.actions, "split")
    assert adjusted.volume[row] == pytest.approx(fetched.bars.volume[row] * 28, rel=2e-6)


def test_long_history_gives_the_cash_that_funds_paid():
    """SPY went ex 1.580 USD on 2020-12-18 and 1.570 USD on 2019-12-20, as its sponsor reported."""
    spy = fetch("SPY", "long-history")
    paid = dict(zip(spy.actions.ts.tolist(), spy.actions.dividend.tolist(), strict=True))
    assert paid[micros(date(2020, 12, 18))] == pytest.approx(1.580, abs=0.002)
    assert paid[micros(date(2019, 12, 20))] == pytest.approx(1.570, abs=0.002)


def test_long_history_agrees_with_the_other_source_on_aapl():
    """Two vendors, two ways to write actions: the same returns for the holder."""
    ours, theirs = fetch("AAPL", "long-history"), fetch("AAPL")
    a = adjust(ours.bars, ours.actions, "total_return")
    b = adjust(theirs.bars, theirs.actions, "total_return")
    _, at_a, at_b = np.intersect1d(a.ts, b.ts, return_indices=True)
    gap = np.abs(np.diff(np.log(a.close[at_a])) - np.diff(np.log(b.close[at_b])))
    assert len(at_a) > 3500
    assert np.median(gap) < 1e-9
    assert np.sum(gap > 0.005) <= 10  # five closes differ, each in two returns


def test_dividend_by_hand():
    """Close 100, then 99 ex 1: the holder has lost nothing."""
    bars = columns([100.0, 99.0])
    actions = Actions(bars.ts[1:], np.array([1.0]), np.array([1.0]))
    close = adjust(bars, actions, "total_return").close
    assert close[1] == 99.0
    assert close[1] / close[0] == pytest.approx(1.0)


def test_raw_mode_changes_nothing_and_unknown_modes_are_refused():
    bars = columns([1.0, 2.0])
    actions = Actions(bars.ts[1:], np.array([1.0]), np.array([2.0]))
    assert adjust(bars, actions, "raw") is bars
    with pytest.raises(Invalid, match="choose one of raw, split, total_return"):
        adjust(bars, actions, "adjusted")


def test_back_factor_takes_events_after_the_bar_only():
    ts = np.array([10, 20, 30])
    factors = back_factor(ts, np.array([20, 40]), np.array([0.5, 0.1]))
    assert factors.tolist() == pytest.approx([0.05, 0.1, 0.1])
    assert isinstance(adjust(Columns(*[ts] * 6), Actions(*[np.empty(0)] * 3), "split"), Columns)
