"""Defects are named by row and column; the sample's known oddities are seen."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from apps.market.kernel.adjust import adjust
from apps.market.kernel.cleaning import describe, find_defects, find_suspicions
from apps.market.kernel.periods import micros
from apps.market.providers.base import Task
from tests.factories.market import SAMPLE, columns


def broken(**changes):
    bars = columns([10.0, 11.0, 12.0, 11.5])
    values = {}
    for name, (row, value) in changes.items():
        column = getattr(bars, name).copy()
        column[row] = value
        values[name] = column
    return replace(bars, **values)


@pytest.mark.parametrize(
    ("changes", "row", "column"),
    [
        ({"close": (2, np.nan)}, 2, "close"),
        ({"open": (1, np.inf)}, 1, "open"),
        ({"volume": (3, -1.0)}, 3, "volume"),
        ({"volume": (0, np.nan)}, 0, "volume"),
        ({"low": (1, -0.5)}, 1, "low"),
        ({"high": (2, 11.5)}, 2, "high"),
        ({"low": (2, 11.9)}, 2, "low"),
        ({"close": (1, 0.0), "low": (1, 0.0)}, 1, "close"),
    ],
)
def test_a_defect_is_named_by_row_and_column(changes, row, column):
    found = find_defects(broken(**changes))
    assert (row, column) in {(defect.row, defect.column) for defect in found}
    assert f"row {row + 1}, column {column}" in describe(found)


def test_repeated_and_reversed_times_are_named():
    bars = columns([1.0, 2.0, 3.0])
    again = replace(bars, ts=bars.ts[[0, 1, 1]])
    assert [(d.row, d.column) for d in find_defects(again)] == [(2, "ts")]
    backwards = replace(bars, ts=bars.ts[[0, 2, 1]])
    assert [(d.row, d.column) for d in find_defects(backwards)] == [(2, "ts")]


def test_the_same_time_of_two_symbols_is_no_defect():
    bars = columns([1.0, 2.0, 1.0, 2.0])
    twice = replace(bars, ts=bars.ts[[0, 1, 0, 1]])
    assert find_defects(twice, np.array(["A", "A", "B", "B"])) == []


def test_no_bar_of_the_sample_is_defective():
    for section in ("sp500", "long-history", "crypto-binance", "crypto-bybit"):
        timeframe = SAMPLE.section(section).timeframe
        for listing in SAMPLE.listings(section):
            bars = SAMPLE.fetch(Task(section, listing.symbol, timeframe)).bars
            assert find_defects(bars) == [], (section, listing.symbol)


def suspicions(symbol):
    fetched = SAMPLE.fetch(Task("sp500", symbol, "1d"))
    close = adjust(fetched.bars, fetched.actions, "total_return").close
    return find_suspicions(fetched.bars, close, fetched.actions, "1d")


@pytest.mark.parametrize(
    ("symbol", "day", "kind", "change"),
    [
        ("TRMB", date(2007, 2, 26), "split_missing", -0.508),
        ("GNRC", date(2010, 2, 12), "split_without_move", -0.683),
        ("TMUS", date(2013, 5, 1), "large_dividend", 1.079),
        ("OXY", date(2020, 3, 9), "jump", -0.505),
        ("VRTX", date(2012, 5, 7), "jump", 0.554),
    ],
)
def test_known_oddities_of_the_sample_are_seen_and_named(symbol, day, kind, change):
    found = {move.ts: move for move in suspicions(symbol)}
    move = found[micros(day)]
    assert (move.kind, move.change) == (kind, pytest.approx(change, abs=0.001))


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT", "JNJ"])
def test_splits_that_are_booked_right_raise_no_suspicion(symbol):
    assert suspicions(symbol) == []
