"""Ingest planning against a slow twin that counts bars one by one."""

import itertools
from datetime import UTC, datetime, time

import numpy as np
import pytest

from apps.market.kernel import planning
from apps.market.kernel.periods import EARLIEST
from apps.market.kernel.planning import NONE, Held, Stretches, stretches

DAY = 86_400 * 1_000_000
HOUR = 3_600 * 1_000_000


def held(n, first=NONE, last=NONE, asked=(), gaps=()):
    ends = [np.full(n, value, np.int64) for value in (first, last)]
    return Held(*ends, stretches(asked), stretches(gaps))


def rows(found: Stretches):
    return [
        (int(a), int(b), int(c))
        for a, b, c in zip(found.symbol, found.low, found.high, strict=True)
    ]


def opens(found: Stretches, step, n, bars):
    """Which bars (by number) each symbol's stretches hold."""
    return [
        {
            k
            for s, low, high in rows(found)
            if s == symbol
            for k in range(bars)
            if low <= k * step < high
        }
        for symbol in range(n)
    ]


@pytest.mark.parametrize("seed", range(30))
def test_what_is_missing_is_what_no_stretch_covers(seed):
    rng = np.random.default_rng(seed)
    n, bars = 6, 60
    since = rng.integers(0, 20, n) * DAY
    until = int(rng.integers(30, bars)) * DAY
    asked = []
    for _ in range(rng.integers(0, 25)):
        low = int(rng.integers(0, bars))
        asked.append((int(rng.integers(0, n)), low * DAY, (low + int(rng.integers(1, 15))) * DAY))
    found = planning.plan_missing(since, until, DAY, held(n, asked=asked))
    expected = []
    for symbol in range(n):
        wanted = {k for k in range(bars) if since[symbol] <= k * DAY and (k + 1) * DAY <= until}
        there = {
            k
            for s, low, high in asked
            if s == symbol
            for k in range(bars)
            if low <= k * DAY < high
        }
        expected.append(wanted - there)
    assert opens(found, DAY, n, bars) == expected
    ordered = rows(found)
    assert ordered == sorted(ordered)
    for (s, _, high), (t, low, _) in itertools.pairwise(ordered):
        assert s != t or high < low


def test_a_repeated_run_plans_nothing_until_a_bar_may_have_closed():
    since = np.array([EARLIEST])
    first = planning.plan_missing(since, 100 * DAY + 12 * HOUR, DAY, held(1))
    assert rows(first) == [(0, EARLIEST, 99 * DAY + 12 * HOUR + 1)]
    there = held(1, first=0, last=99 * DAY, asked=rows(first))
    assert not len(planning.plan_missing(since, 100 * DAY + 20 * HOUR, DAY, there))
    later = planning.plan_missing(since, 101 * DAY + 12 * HOUR, DAY, there)
    assert rows(later) == [(0, 99 * DAY, 100 * DAY + 12 * HOUR + 1)]


def test_the_last_stored_bar_may_be_unfinished_and_is_asked_for_again():
    since = np.array([0, 0])
    there = held(2, first=0, last=9 * DAY)
    found = planning.plan_missing(since, 12 * DAY, DAY, there)
    assert rows(found) == [(0, 9 * DAY, 11 * DAY + 1), (1, 9 * DAY, 11 * DAY + 1)]


def test_a_symbol_long_gone_is_asked_for_a_few_bars_only():
    there = held(1, first=0, last=100 * DAY, asked=[(0, 0, 900 * DAY)])
    found = planning.plan_missing(np.array([0]), 1000 * DAY, DAY, there)
    assert rows(found) == [(0, 895 * DAY, 999 * DAY + 1)]


def test_bars_of_another_origin_count_except_their_gaps():
    there = held(1, first=10 * DAY, last=50 * DAY, gaps=[(0, 20 * DAY, 25 * DAY)])
    found = planning.plan_missing(np.array([0]), 51 * DAY, DAY, there)
    assert rows(found)[:2] == [(0, 0, 10 * DAY), (0, 20 * DAY, 25 * DAY)]


def test_repair_plans_the_gaps_alone_and_joins_near_ones():
    gaps = [
        (1, 40 * DAY, 41 * DAY),
        (0, 10 * DAY, 12 * DAY),
        (0, 14 * DAY, 15 * DAY),
        (0, 90 * DAY, 95 * DAY),
    ]
    there = held(2, first=0, last=100 * DAY, asked=[(0, 0, 100 * DAY)], gaps=gaps)
    found = planning.plan_repair(np.array([0, 0]), 94 * DAY, DAY, there, merge=3)
    assert rows(found) == [
        (0, 10 * DAY, 15 * DAY),
        (0, 90 * DAY, 93 * DAY + 1),
        (1, 40 * DAY, 41 * DAY),
    ]


def test_stretches_are_cut_to_what_may_be_asked_at_once():
    found = planning.cut(stretches([(0, 0, 10 * DAY), (2, EARLIEST, 5 * DAY)]), 4, DAY)
    assert rows(found) == [
        (0, 0, 4 * DAY),
        (0, 4 * DAY, 8 * DAY),
        (0, 8 * DAY, 10 * DAY),
        (2, EARLIEST, 5 * DAY),
    ]


@pytest.mark.parametrize("mode", planning.MODES)
def test_nothing_wanted_plans_nothing(mode):
    none = planning.plan_fetches(mode, np.empty(0, np.int64), DAY, DAY, held(0), 100)
    assert len(none) == 0


def test_waits_grow_honour_what_the_vendor_asks_and_end():
    assert [planning.backoff(k, 0.0, 0.0) for k in (1, 2, 3)] == [1.0, 2.0, 4.0]
    assert planning.backoff(1, 30.0, 0.5) == 30.0 * 1.125
    assert planning.backoff(30, 0.0, 0.0) == planning.LONGEST_WAIT


@pytest.mark.parametrize(
    ("after", "weekdays", "expected"),
    [
        (datetime(2026, 1, 5, 1, tzinfo=UTC), [], datetime(2026, 1, 5, 2, 30, tzinfo=UTC)),
        (datetime(2026, 1, 5, 2, 30, tzinfo=UTC), [], datetime(2026, 1, 6, 2, 30, tzinfo=UTC)),
        (datetime(2026, 1, 9, 3, tzinfo=UTC), [0, 4], datetime(2026, 1, 12, 2, 30, tzinfo=UTC)),
    ],
)
def test_a_flow_comes_at_its_hour_on_its_days(after, weekdays, expected):
    assert planning.next_time(time(2, 30), weekdays, after) == expected
