"""Silent, frozen, echoed and early bars."""

import numpy as np
import pytest

from apps.market.kernel.columns import Columns
from apps.market.kernel.liveness import SETTLED, STREAMED, Pulse, Verdict, admit, feel, judge

MINUTE = 60_000_000
START = 1_709_823_600_000_000
NONE = np.empty(0, np.int64)


def minutes(prices, first=0, spread=0.5):
    close = np.array(prices, np.float64)
    ts = START + (first + np.arange(len(close), dtype=np.int64)) * MINUTE
    return Columns(ts, close, close + spread, close - spread, close, np.ones(len(close)))


def pulse_of(bars, rank=STREAMED):
    pulse = Pulse()
    feel(pulse, bars, rank)
    return pulse


def at(minute):
    return START + minute * MINUTE


def verdict(pulse, minute, due=NONE):
    return judge({"A": pulse}, {"A": due}, MINUTE, at(minute))


def test_a_bar_that_is_not_over_is_not_admitted():
    bars = minutes([1, 2, 3])
    admitted = admit(Pulse(), bars, STREAMED, MINUTE, at(2))
    assert admitted.tolist() == [True, True, False]
    # Clocks differ by seconds.
    assert admit(Pulse(), bars, STREAMED, MINUTE, at(3) - 4_000_000).all()


def test_an_echo_of_a_settled_bar_is_not_admitted_and_a_correction_is():
    pulse = pulse_of(minutes([1, 2]), SETTLED)
    assert not admit(pulse, minutes([1, 2]), STREAMED, MINUTE, at(9)).any()
    assert admit(pulse, minutes([1, 2]), SETTLED, MINUTE, at(9)).all()


def test_bars_long_gone_are_forgotten():
    pulse = pulse_of(minutes(np.arange(1, 1001)))
    assert len(pulse.ranks) == 240
    assert max(pulse.ranks) == at(999)


@pytest.mark.parametrize(
    ("prices", "spread", "is_frozen"),
    [
        ([5] * 10, 0, True),
        ([5] * 9, 0, False),
        ([5] * 10, 0.5, False),
        ([5] * 9 + [5.01], 0, False),
        ([4] + [5] * 10, 0, True),
        ([5] * 10 + [4], 0, False),
    ],
)
def test_a_price_is_frozen_after_ten_minutes_without_any_move(prices, spread, is_frozen):
    pulse = pulse_of(minutes(prices, spread=spread))
    assert bool(verdict(pulse, len(prices)).frozen) == is_frozen


def test_a_late_bar_does_not_unfreeze_and_does_not_turn_the_time_back():
    pulse = pulse_of(minutes([5] * 10, first=1, spread=0))
    feel(pulse, minutes([7]), STREAMED)
    assert pulse.last == at(10)
    assert verdict(pulse, 11).frozen == ("A",)


@pytest.mark.parametrize(("due", "silent"), [(2, False), (3, True), (5, True)])
def test_a_symbol_is_silent_when_three_bars_due_did_not_come(due, silent):
    times = at(1) + np.arange(due, dtype=np.int64) * MINUTE
    found = judge({"A": pulse_of(minutes([5]))}, {"A": times}, MINUTE, at(1 + due) + 21_000_000)
    assert found == Verdict(silent, ("A",) if silent else ())


def test_a_feed_is_stale_when_none_of_its_symbols_moves():
    frozen, moving = pulse_of(minutes([5] * 10, spread=0)), pulse_of(minutes([5, 6]))
    late = at(2) + np.arange(4, dtype=np.int64) * MINUTE
    one = judge({"A": frozen, "B": moving}, {"A": NONE, "B": NONE}, MINUTE, at(10))
    assert (one.is_stale, one.frozen, one.words) == (
        False,
        ("A",),
        "one price for 10 minutes: A",
    )
    both = judge({"A": frozen, "B": moving}, {"A": NONE, "B": late}, MINUTE, at(10))
    assert (both.is_stale, both.silent, both.frozen) == (True, ("B",), ("A",))
    assert both.words == "no bars: B; one price for 10 minutes: A"


def test_no_bar_is_due_while_the_exchange_is_closed():
    from apps.market.kernel.calendars import expected_times

    close = 1_709_845_200_000_000  # 16:00 in New York on that Thursday
    first, monday = close, close + 3 * 86_400_000_000
    assert len(expected_times("XNYS", "1m", first, first + 8 * 3600 * 1_000_000)) == 0
    assert len(expected_times("XNYS", "1m", first, monday)) == 390
