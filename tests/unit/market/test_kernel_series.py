"""Resampling, gaps, health, the grid, dates and the COPY format."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from apps.core.errors import Invalid
from apps.market.kernel import copy_format
from apps.market.kernel.columns import Columns, no_actions
from apps.market.kernel.gaps import expected_times, find_gaps
from apps.market.kernel.grid import last_in_bars, lay_out, sum_into_bars, time_axis
from apps.market.kernel.health import judge
from apps.market.kernel.periods import LATEST, bounds, micros
from apps.market.kernel.resample import bucket_starts, finer_than, resample
from apps.market.providers.base import Task
from tests.factories.market import DAY, SAMPLE, columns

HOUR = DAY // 24


def hourly(symbol="BTC"):
    return SAMPLE.fetch(Task("crypto-binance", symbol, "1h")).bars


@pytest.mark.parametrize(("timeframe", "rule"), [("4h", "4h"), ("1d", "1D"), ("1w", "W-MON")])
def test_resampling_equals_pandas(timeframe, rule):
    bars = hourly()
    index = pd.to_datetime(bars.ts, unit="us", utc=True)
    frame = pd.DataFrame(
        {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}, index
    )
    kinds = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    expected = frame.resample(rule, closed="left", label="left").agg(kinds).dropna()
    found = resample(bars, timeframe, source="1h", complete=False)
    assert found.ts.tolist() == (expected.index.as_unit("us").asi8).tolist()
    for name in ("open", "high", "low", "close"):
        assert np.array_equal(getattr(found, name), expected[name].to_numpy())
    assert found.volume == pytest.approx(expected["volume"].to_numpy(), rel=1e-12)


@pytest.mark.parametrize("timeframe", ["5m", "15m", "4h", "1d", "1w"])
@pytest.mark.parametrize("start", [0, 1_700_000_040_000_000, -86_400_000_000 * 3])
def test_the_compiled_loop_equals_its_twin(monkeypatch, timeframe, start):
    rng = np.random.default_rng(11)
    kept = np.sort(rng.choice(60_000, 20_000, replace=False))
    close = 50 * np.exp(np.cumsum(rng.normal(0, 1e-3, len(kept))))
    bars = replace(
        columns(close), ts=start + 60_000_000 * kept, volume=rng.integers(0, 99, len(kept)) + 0.0
    )
    slow = resample(bars, timeframe, source="1m", complete=True)
    monkeypatch.setattr("apps.market.kernel.resample.MANY", 1)
    fast = resample(bars, timeframe, source="1m", complete=True)
    for name in ("ts", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(fast, name), getattr(slow, name)), name


def test_a_bar_that_has_not_closed_is_left_out():
    bars = hourly().take(slice(1, 8))  # opens at 12:00, last one closes at 19:00
    assert len(resample(bars, "4h", source="1h", complete=True)) == 1
    assert len(resample(bars, "4h", source="1h", complete=False)) == 2


def test_months_and_weeks_start_where_people_say():
    ts = np.array([micros(date(2024, 2, 29)), micros(date(2024, 3, 3))])
    months = bucket_starts(ts, "1mo")
    assert months.tolist() == [micros(date(2024, 2, 1)), micros(date(2024, 3, 1))]
    assert bucket_starts(ts, "1w").tolist() == [micros(date(2024, 2, 26))] * 2


def test_shorter_bars_than_stored_are_refused():
    with pytest.raises(Invalid, match="choose a longer one"):
        resample(hourly(), "15m", source="1h", complete=True)
    assert finer_than("4h") == ["1h", "30m", "15m", "5m", "1m"]
    assert "1d" in finer_than("1mo")


def test_gaps_are_judged_by_the_exchange_calendar():
    """2012-10-29 and 30: Hurricane Sandy closed the exchange; a Thursday after is missing."""
    days = ["2012-10-26", "2012-10-31", "2012-11-02"]
    ts = np.array([micros(date.fromisoformat(day)) for day in days])
    expected = expected_times("XNYS", "1d", int(ts[0]), int(ts[-1]))
    gaps = find_gaps(ts, expected)
    assert [(gap.first, gap.bars) for gap in gaps] == [(micros(date(2012, 11, 1)), 1)]


def test_the_gap_of_qqq_is_seen_and_round_the_clock_series_are_whole():
    fetched = SAMPLE.fetch(Task("long-history", "QQQ", "1d"))
    health = judge(fetched.bars, fetched.actions, calendar="XNYS", timeframe="1d")
    assert health["gaps"][0] == {
        "first": "2004-12-01T00:00:00Z",
        "last": "2011-03-22T00:00:00Z",
        "bars": 1588,
    }
    assert health["score"] < 75
    whole = judge(hourly(), no_actions(), calendar="24/7", timeframe="1h")
    assert (whole["coverage"], whole["missing"]) == (1.0, 0)


def test_ticker_reuse_is_cut():
    """FB before its listing and BNO before 2010 were other companies."""
    first = {
        symbol: int(SAMPLE.fetch(Task("long-history", symbol, "1d")).bars.ts[0])
        for symbol in ("FB", "BNO", "USO", "EEM")
    }
    assert first == {
        "FB": micros(date(2012, 5, 18)),
        "BNO": micros(date(2010, 6, 2)),
        "USO": micros(date(2006, 4, 10)),
        "EEM": micros(date(2003, 4, 11)),
    }


def test_grid_marks_missing_bars_as_nan():
    a, b = columns([1.0, 2.0, 3.0]), columns([5.0], start=columns([0, 0]).ts[1])
    axis = time_axis([a, b])
    close = lay_out(axis, [a, b], "close")
    assert close[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert np.isnan(close[[0, 2], 1]).all()
    assert close[1, 1] == 5.0


def test_funding_is_summed_within_bars_and_unknown_outside():
    axis = np.arange(6) * HOUR
    ts, rate = np.array([HOUR, 3 * HOUR + 1, 3 * HOUR + 2]), np.array([0.1, 0.2, 0.3])
    found = sum_into_bars(axis, ts, rate, HOUR)
    assert found[1:4].tolist() == pytest.approx([0.1, 0.0, 0.5])
    assert np.isnan(found[[0, 4, 5]]).all()


def test_of_a_level_the_last_one_within_a_bar_counts():
    axis = np.arange(5) * HOUR
    ts = np.array([HOUR - 1, HOUR, 2 * HOUR - 1, 3 * HOUR])
    found = last_in_bars(axis, ts, np.array([1.0, 2.0, 3.0, 4.0]), HOUR)
    np.testing.assert_array_equal(found, [1.0, 3.0, np.nan, 4.0, np.nan])
    assert np.isnan(last_in_bars(axis, ts[:0], np.empty(0), HOUR)).all()


def test_dates_mean_whole_days_and_reversed_ones_are_refused():
    assert bounds("2020-01-01", "2020-01-01") == (
        micros(date(2020, 1, 1)),
        micros(date(2020, 1, 2)) - 1,
    )
    assert bounds(None, datetime(2020, 1, 1, tzinfo=UTC))[1] == micros(date(2020, 1, 1))
    assert bounds("2020-01-01", None)[1] == LATEST
    with pytest.raises(Invalid, match="start 2021-01-01 is after end 2020-01-01"):
        bounds("2021-01-01", "2020-01-01")
    with pytest.raises(Invalid, match="write a date such as"):
        bounds("", None)


def test_copy_stream_reads_back():
    series = np.array([1, 2], np.int32)
    ts, price = np.array([5, -7], np.int64), np.array([1.5, np.pi])
    rows = list(copy_format.unpack(copy_format.pack([series, ts, price])))
    assert [int.from_bytes(row[0], "big") for row in rows] == [1, 2]
    assert [copy_format.integers(row[1])[0] for row in rows] == [5, -7]
    assert [copy_format.floats(row[2])[0] for row in rows] == [1.5, np.pi]


def test_a_cut_stream_is_an_error_not_fewer_rows():
    whole = copy_format.pack([np.arange(3, dtype=np.int32)])
    with pytest.raises(ValueError, match="middle of a row"):
        list(copy_format.unpack(whole[: -len(copy_format.TRAILER)]))
    with pytest.raises(ValueError, match="no binary COPY"):
        list(copy_format.unpack(b"nonsense, not a stream"))


@pytest.mark.parametrize("size", [1, 2, 7, 19, 40, 100])
def test_a_stream_in_blocks_cut_anywhere_gives_the_same_rows(size):
    numbers = np.arange(9)
    whole = copy_format.pack([numbers.astype(np.int32), numbers, numbers * np.pi])
    rows = [[bytes(field) for field in row] for row in copy_format.unpack(whole)]
    blocks = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert [[bytes(field) for field in row] for row in copy_format.unpack(blocks)] == rows
    assert len(rows) == 9
    with pytest.raises(ValueError, match="middle of a row"):
        list(copy_format.unpack([*blocks[:-2], blocks[-2][:-1]]))


def test_no_blocks_are_no_stream():
    with pytest.raises(ValueError, match="no binary COPY"):
        list(copy_format.unpack([]))


@pytest.mark.parametrize("count", [1, 7, 8, 9, 20])
def test_columns_of_a_panel_stand_where_one_by_one_they_would(count):
    rng = np.random.default_rng(count)
    series = []
    for _ in range(count):
        ts = np.flatnonzero(rng.random(30) < 0.7)
        series.append(Columns(ts, *(rng.random(len(ts)) for _ in range(5))))
    axis = time_axis(series)
    expected = np.full((len(axis), count), np.nan)
    for column, bars in enumerate(series):
        for at, value in zip(bars.ts.tolist(), bars.close.tolist(), strict=True):
            expected[axis.tolist().index(at), column] = value
    found = lay_out(axis, series, "close")
    np.testing.assert_array_equal(found, expected)
    assert found.flags.c_contiguous


def test_times_of_the_server_and_ours_agree():
    moment = micros(datetime(2000, 1, 1, tzinfo=UTC))
    assert copy_format.to_server(np.array([moment])).tolist() == [0]
    assert copy_format.from_server(np.array([0])).tolist() == [moment]
