"""What looks wrong is found without being told; what is real is left alone."""

import itertools
import statistics
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apps.market.kernel.columns import Actions, Columns, no_actions
from apps.market.kernel.findings import KINDS, SIDE, SIGMA, find_all, robust_z, runs_of
from apps.market.kernel.health import Context, health_score, judge
from apps.market.kernel.identity import Renamed, reuse, spellings, unfinished
from apps.market.kernel.periods import micros
from apps.market.providers.base import Task
from tests.factories.market import DAY, SAMPLE, columns

DATA = Path(__file__).parents[2] / "data" / "market"
# Findings other than large moves, per bar of the S&P 500 sample: below this or the list drowns.
MOST_PER_BAR = 1 / 5_000


def to_columns(frame):
    ts = frame["ts"].dt.tz_localize(None).to_numpy().astype("M8[us]").astype(np.int64)
    names = ("open", "high", "low", "close", "volume")
    return Columns(ts, *(frame[name].to_numpy(np.float64) for name in names))


def stored(name, **where):
    frame = pd.read_parquet(DATA / f"{name}.parquet")
    for column, value in where.items():
        frame = frame[frame[column] == value]
    return to_columns(frame)


def fetch(symbol, section="sp500", timeframe="1d"):
    return SAMPLE.fetch(Task(section, symbol, timeframe))


def found_in(symbol, section="sp500"):
    fetched = fetch(symbol, section)
    return {
        (item.kind, np.datetime64(item.first, "us").astype("M8[D]").item())
        for item in find_all(fetched.bars, fetched.actions, "1d")
    }


def changed(bars, rows, **factors):
    """The bars with some columns multiplied at some rows."""
    values = {}
    for name, factor in factors.items():
        column = getattr(bars, name).copy()
        column[rows] *= factor
        values[name] = column
    return replace(bars, **values)


def kinds_at(bars, row, actions=None, timeframe="1d"):
    found = find_all(bars, actions or no_actions(), timeframe)
    return {item.kind for item in found if item.first == bars.ts[row]}


@pytest.fixture(scope="module")
def calm():
    """AAPL 2010 to 2013: no split, no crash."""
    bars = fetch("AAPL").bars
    low, high = np.searchsorted(bars.ts, [micros(date(2010, 1, 4)), micros(date(2013, 12, 31))])
    return bars.take(slice(int(low), int(high)))


@pytest.mark.parametrize(
    ("symbol", "kind", "day"),
    [
        ("TRMB", "filled", date(2007, 2, 23)),
        ("TRMB", "split_missing", date(2007, 2, 26)),
        ("GNRC", "split_without_move", date(2010, 2, 12)),
        ("TMUS", "large_dividend", date(2013, 5, 1)),
        # The price fell by a quarter, and by this file a twentieth of the usual volume traded.
        ("AMD", "outlier", date(2017, 5, 2)),
        # No range and the close before, with 14.8 million shares traded.
        ("KO", "filled", date(2007, 2, 23)),
    ],
)
def test_defects_of_the_bundled_days_are_found(symbol, kind, day):
    assert (kind, day) in found_in(symbol)


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT", "JNJ", "WMT", "JPM", "BAC", "GE"])
def test_the_crashes_of_2008_and_2020_are_no_defects(symbol):
    wrong = {
        (kind, day)
        for kind, day in found_in(symbol)
        if KINDS[kind].weight > 0 and day.year in (2008, 2020)
    }
    assert wrong == set()


def test_false_alarms_stay_below_one_in_five_thousand_bars():
    bars = findings = 0
    for listing in SAMPLE.listings("sp500"):
        fetched = fetch(listing.symbol)
        bars += len(fetched.bars)
        found = find_all(fetched.bars, fetched.actions, "1d")
        findings += sum(KINDS[item.kind].weight > 1 for item in found)
    assert bars > 400_000
    assert 0 < findings < bars * MOST_PER_BAR


def test_aapl_and_msft_are_clean():
    for symbol in ("AAPL", "MSFT"):
        fetched = fetch(symbol)
        health = judge(fetched.bars, fetched.actions, calendar="XNYS", timeframe="1d")
        assert (health["score"], health["counts"]) == (100.0, {})


@pytest.mark.parametrize(
    ("factors", "rows", "kind"),
    [
        ({"open": 100, "high": 100, "low": 100, "close": 100}, slice(500, 520), "price_unit"),
        ({"open": 0.1, "high": 0.1, "low": 0.1, "close": 0.1}, slice(500, 501), "price_unit"),
        ({"open": 1000, "high": 1000, "low": 1000, "close": 1000}, slice(900, None), "price_unit"),
        ({"volume": 100}, slice(500, 530), "volume_unit"),
        ({"volume": 0.01}, slice(800, None), "volume_unit"),
        ({"volume": 1000}, slice(500, 505), "volume_unit"),
        ({"close": 1.4, "high": 1.4}, slice(500, 501), "spike"),
        ({"open": 1.3, "high": 1.3, "low": 1.3, "close": 1.3}, slice(500, None), "outlier"),
        (
            {"open": 0.5, "high": 0.5, "low": 0.5, "close": 0.5, "volume": 2.0},
            slice(500, None),
            "split_missing",
        ),
    ],
)
def test_planted_defects_are_found_where_they_are(calm, factors, rows, kind):
    assert find_all(calm, no_actions(), "1d") == []
    assert kind in kinds_at(changed(calm, rows, **factors), rows.start)


def test_a_split_by_ten_that_volume_answers_is_no_unit(calm):
    tenth = dict.fromkeys(("open", "high", "low", "close"), 0.1)
    split = changed(calm, slice(500, None), volume=10.0, **tenth)
    assert kinds_at(split, 500) == {"split_missing"}
    booked = Actions(split.ts[500:501], np.zeros(1), np.array([10.0]))
    assert find_all(split, booked, "1d") == []


def test_a_booked_split_without_its_jump_is_found_below_the_limit_of_large_moves(calm):
    booked = Actions(calm.ts[500:501], np.zeros(1), np.array([1.25]))
    assert kinds_at(calm, 500, booked) == {"split_without_move"}


def test_frozen_and_idle_stretches_have_their_length(calm):
    still = {name: getattr(calm, name).copy() for name in ("open", "high", "low", "close")}
    for column in still.values():
        column[500:510] = calm.close[499]
    frozen = find_all(replace(calm, **still), no_actions(), "1d")
    assert [(item.kind, item.bars) for item in frozen if item.kind == "frozen"] == [("frozen", 10)]
    idle = changed(calm, slice(500, 507), volume=0.0)
    assert [(i.kind, i.bars) for i in find_all(idle, no_actions(), "1d")] == [("zero_volume", 7)]


@pytest.mark.parametrize(
    ("symbol", "day"),
    [
        ("FB", "2012-05-18"),
        ("BNO", "2010-06-02"),
        ("USO", "2006-04-10"),
        ("EEM", "2003-04-11"),
        ("WM", "2009-08-05"),
    ],
)
def test_a_ticker_that_changed_hands_is_found(symbol, day):
    found = reuse(stored("lean_ticker_reuse", symbol=symbol))
    assert day in [str(np.datetime64(item.first, "us"))[:10] for item in found]
    assert "after a hole of" in found[-1].note


def test_a_hole_of_the_same_security_is_no_reuse():
    """QQQ was called QQQQ for six years and came back."""
    bars = stored("lean_ticker_reuse", symbol="QQQ")
    away = Renamed("QQQ", "QQQQ", micros(date(2004, 12, 1)))
    back = Renamed("QQQQ", "QQQ", micros(date(2011, 3, 23)))
    assert reuse(bars, "QQQ", (away, back)) == []
    assert [item.note for item in reuse(bars, "QQQ", (away,))] == [
        "QQQ was renamed away before this bar"
    ]


@pytest.mark.parametrize("symbol", ["DOGE", "HYPE", "SOL"])
def test_a_last_bar_that_was_cut_short_is_found_by_its_neighbours(symbol):
    bars = stored("perp_last_bars", venue="binance", symbol=symbol)
    found = unfinished(bars, "1h")
    assert found.first == bars.ts[-1]
    assert unfinished(bars.take(slice(0, -1)), "1h") is None


@pytest.mark.parametrize(
    ("symbol", "close", "volume"),
    [
        ("BTC", 73347.0, 13356.231),
        ("ETH", 2155.08, 314335.37),
        ("SOL", 91.76, 952483.6),
        ("DOGE", 0.09584, 549219731.0),
    ],
)
def test_a_last_bar_that_another_source_contradicts_is_found(symbol, close, volume):
    bars = stored("perp_last_bars", venue="binance", symbol=symbol)
    whole = changed(bars, slice(-1, None), close=close / bars.close[-1])
    whole = changed(whole, slice(-1, None), volume=volume / bars.volume[-1])
    found = unfinished(bars, "1h", others=[("perps", whole)])
    assert "perps agrees on 249 bars before" in found.note
    assert unfinished(whole, "1h", others=[("perps", whole)]) is None


def test_another_venue_never_agrees_to_the_digit_and_says_nothing():
    ours = stored("perp_last_bars", venue="binance", symbol="BTC")
    theirs = stored("perp_last_bars", venue="bybit", symbol="BTC")
    assert unfinished(ours, "1h", others=[("bybit", theirs)]) is None


def test_a_bar_fetched_before_its_close_or_short_of_its_parts_is_unfinished():
    quarter = columns(100 + np.arange(48) % 7, step=DAY // 96)
    hour = columns(quarter.close[3::4], step=DAY // 24)
    received = int(hour.ts[-2]) + DAY // 24
    assert unfinished(hour.take(slice(0, -1)), "1h", received=received) is None
    assert "before its close" in unfinished(hour, "1h", received=int(hour.ts[-1]) + 1).note
    until = hour.take(slice(0, -1))
    assert unfinished(until, "1h", finer=("15m", quarter)) is None
    cut = changed(until, slice(-1, None), close=0.99)
    assert "15m bars close at" in unfinished(cut, "1h", finer=("15m", quarter)).note


def test_a_series_that_ends_early_is_stale(calm):
    until = int(calm.ts[-1])
    short = calm.take(slice(0, -10))
    health = judge(
        short, no_actions(), calendar="XNYS", timeframe="1d", context=Context(until=until)
    )
    assert health["counts"] == {"stale": 1}
    assert health["findings"][0]["bars"] == 10
    assert health["score"] == 95.0
    within = calm.take(slice(0, -3))
    context = Context(until=until)
    assert not judge(within, no_actions(), calendar="XNYS", timeframe="1d", context=context)[
        "counts"
    ]


def test_the_score_by_hand():
    assert health_score(0.9, {"spike": 2, "jump": 1, "zero_volume": 9}) == 85.0
    assert health_score(1.0, {"ticker_reuse": 9}) == 60.0
    assert health_score(0.1, {"ticker_reuse": 9}) == 0.0


def slow_z(values, row, skip):
    near = [
        values[i]
        for i in (*range(row - SIDE, row), *range(row + skip, row + skip + SIDE))
        if 1 <= i < len(values)
    ]
    middle = statistics.median(near)
    spread = SIGMA * statistics.median(abs(x - middle) for x in near)
    return abs(values[row] - middle) / max(spread, 1e-3)


def test_robust_deviations_equal_the_slow_twin():
    values = np.random.default_rng(1).standard_t(3, 400) * 0.01
    rows = np.array([1, 2, 29, 30, 200, 370, 398, 399])
    for skip in (1, 2):
        slow = [slow_z(values.tolist(), int(row), skip) for row in rows]
        assert robust_z(values, rows, skip=skip) == pytest.approx(slow, rel=1e-12)


def test_runs_equal_the_slow_twin():
    mask = np.random.default_rng(2).random(500) < 0.7
    slow, at = [], 0
    for value, group in itertools.groupby(mask.tolist()):
        size = len(list(group))
        if value and size >= 3:
            slow.append((at, at + size - 1))
        at += size
    assert runs_of(mask, 3) == slow


def test_a_coin_is_known_by_its_other_names():
    for name in ("BTC", "BTCUSDT", "BINANCE:BTC", "BTC/USDT", "BTC/USDT:USDT", "BTC-USD"):
        assert {"BTC", "BTCUSDT", "BTC/USDT:USDT"} <= spellings(name), name
        assert name in spellings(name)
    assert "BTC" not in spellings("WBTCUSDT")
