"""Bars that should exist: against exchange_calendars' own minutes, and real bars."""

from datetime import UTC, date, datetime

import exchange_calendars
import numpy as np
import pytest

from apps.market.kernel.calendars import expected_times
from apps.market.kernel.columns import no_actions
from apps.market.kernel.gaps import missing_by
from apps.market.kernel.health import judge
from apps.market.kernel.periods import micros
from tests.unit.market.test_kernel_findings import stored

HALF_DAY = date(2019, 11, 29)


def moments(*texts):
    return [micros(datetime.fromisoformat(text).replace(tzinfo=UTC)) for text in texts]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2019-11-27", "2019-12-03"),  # Thanksgiving and the half day after it
        ("2020-03-05", "2020-03-10"),  # New York changes its clocks
        ("2019-12-23", "2019-12-27"),
    ],
)
def test_minutes_are_those_of_the_exchange(start, end):
    """``sessions_minutes`` of the calendar itself, stamped by the open of the minute."""
    calendar = exchange_calendars.get_calendar("XNYS", start="2019-01-01", end="2020-12-31")
    minutes = calendar.minutes_in_range(f"{start} 00:00", f"{end} 23:59").tz_localize(None)
    wanted = minutes.to_numpy().astype("M8[us]").astype(np.int64)
    first, last = (
        micros(date.fromisoformat(start)),
        micros(date.fromisoformat(end)) + 86_399_000_000,
    )
    assert expected_times("XNYS", "1m", first, last).tolist() == wanted.tolist()


def test_a_half_day_has_seven_half_hours():
    first = micros(HALF_DAY)
    found = expected_times("XNYS", "30m", first, first + 86_400_000_000 - 1)
    assert [str(np.datetime64(int(ts), "us"))[11:16] for ts in found] == [
        "14:30", "15:00", "15:30", "16:00", "16:30", "17:00", "17:30",
    ]  # fmt: skip


def test_hours_are_counted_from_the_open_or_on_the_clock_as_the_bars_are():
    first, last = moments("2020-01-06T00:00", "2020-01-06T23:59")
    from_open = expected_times("XNYS", "1h", first, last)
    assert len(from_open) == 7
    assert from_open[0] == moments("2020-01-06T14:30")[0]
    clock = np.array(moments(*(f"2020-01-06T{hour}:00" for hour in range(14, 21))))
    assert expected_times("XNYS", "1h", first, last, clock).tolist() == clock.tolist()


def test_real_hours_across_a_half_day_and_a_change_of_clocks_are_whole():
    bars = stored("lean_spy_hour", symbol="SPY")
    health = judge(bars, no_actions(), calendar="XNYS", timeframe="1h")
    assert (health["missing"], health["coverage"]) == (0, 1.0)
    without = bars.take(np.arange(len(bars)) != 300)
    assert judge(without, no_actions(), calendar="XNYS", timeframe="1h")["missing"] == 1


def test_bars_outside_regular_hours_are_no_defects():
    regular = expected_times("XNYS", "1m", *moments("2020-01-06T00:00", "2020-01-06T23:59"))
    early = np.concatenate([regular[:30] - 3600 * 1_000_000, regular])
    expected = expected_times("XNYS", "1m", int(early[0]), int(early[-1]), early)
    assert missing_by(expected, early, "D") == {}


def test_around_the_clock_and_in_weeks():
    first, last = moments("2024-01-01T00:00", "2024-01-14T23:00")
    assert len(expected_times("24/7", "1h", first, last)) == 14 * 24
    assert len(expected_times("24/7", "1w", first, last)) == 2
    assert len(expected_times("XNYS", "1w", first, last)) == 2
    days = expected_times("24/5", "1d", first, last)
    assert len(days) == 10
    assert missing_by(days, days[[0, 1, 2, 5]], "M") == {"2024-01": 6}
