"""From dates as people write them to microseconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TypeVar

import numpy as np

from apps.core.errors import Invalid

FIRST_YEAR, LAST_YEAR = 1700, 2300
EARLIEST = -8_520_336_000_000_000  # the first of them
LATEST = 10_413_792_000_000_000  # the last, which no longer belongs
Moment = str | date | datetime | None
Found = TypeVar("Found", date, datetime)


def micros(moment: date | datetime) -> int:
    """Return a date (midnight UTC) or an aware time in microseconds since 1970."""
    if isinstance(moment, datetime):
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return int(np.datetime64(moment, "us").astype(np.int64))


def moment_of(ts: int) -> datetime:
    """Return microseconds since 1970 as an aware time."""
    found: datetime = np.datetime64(ts, "us").item()
    return found.replace(tzinfo=UTC)


def parse(text: Moment, field: str) -> date | datetime | None:
    """Return a date or an aware time from ISO text. Raises ``Invalid`` naming the field."""
    if text is None or isinstance(text, date):
        return text
    try:
        if len(text) == len("2020-01-31"):
            return _in_range(date.fromisoformat(text))
        found = _in_range(datetime.fromisoformat(text))
    except ValueError:
        message = (
            f"{field} is {text!r}; write a date such as 2020-01-31, or a time such as "
            f"2020-01-31T14:00Z, from {FIRST_YEAR} to {LAST_YEAR - 1}."
        )
        raise Invalid(message, code="dates.unreadable", details={"field": field}) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _in_range(found: Found) -> Found:
    if not FIRST_YEAR <= found.year < LAST_YEAR:
        message = f"{found} is not between the years {FIRST_YEAR} and {LAST_YEAR}."
        raise ValueError(message)
    return found


def bounds(start: Moment, end: Moment) -> tuple[int, int]:
    """Return the first and last microsecond meant by ``start`` and ``end``, both inclusive.

    A date as end means the whole day. None leaves a side open.

    Raises
    ------
    Invalid
        ``dates.unreadable`` or ``dates.reversed``.
    """
    first, last = parse(start, "start"), parse(end, "end")
    low = EARLIEST if first is None else micros(first)
    high = LATEST if last is None else micros(last)
    if last is not None and not isinstance(last, datetime):
        high += 86_400_000_000 - 1
    if low > high:
        message = f"The dates are reversed: start {start} is after end {end}; swap them."
        raise Invalid(message, code="dates.reversed", details={"field": "start"})
    return low, high


def known_at(moment: Moment) -> datetime | None:
    """Return the time up to which something was known; a date means its end.

    Raises
    ------
    Invalid
        ``dates.unreadable``.
    """
    found = parse(moment, "as_of")
    if found is None or isinstance(found, datetime):
        return found
    return datetime.combine(found, time.max, UTC)
