"""From a vendor's rows to columns: in order, closed, every surprise a typed error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid, NotFound
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.columns import Actions, Columns, no_actions
from apps.market.providers.base import Capabilities, Request, Task

MICROS = 1_000_000
HOUR = 3600 * MICROS
DAY = 24 * HOUR
FIELDS = ("open", "high", "low", "close", "volume")


@contextmanager
def reading(provider: str) -> Iterator[None]:
    """Turn what reading an unknown shape raises into ``Invalid``; values are not repeated."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        message = (
            f"{provider} answered in a shape the lab does not know ({type(error).__name__}); "
            "the vendor may have changed its format."
        )
        raise Invalid(message, code="provider.answer") from None


def rows_of(answer: Any, provider: str) -> list[dict[str, Any]]:
    """Return an answer that is a list of objects. Raises ``Invalid``."""
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        message = f"{provider} answered no list of rows; the vendor may have changed its format."
        raise Invalid(message, code="provider.answer")
    return answer


def columns_of(
    rows: Sequence[Mapping[str, Any]], ts: NDArray[np.int64], names: Sequence[str] = FIELDS
) -> Columns:
    """Return rows as columns; ``names`` are those of open, high, low, close, volume."""
    parts = [np.array([row[name] for row in rows], np.float64) for name in names]
    return Columns(ts, *parts)


def closed(bars: Columns, task: Task, provider: str) -> Columns:
    """Return the bars of a task in time order: from ``since`` on, over by ``until``."""
    length = seconds_of(task.timeframe) * MICROS
    keep = np.ones(len(bars), np.bool_)
    if task.since is not None:
        keep &= bars.ts >= task.since
    if task.until is not None:
        keep &= bars.ts + length <= task.until
    bars = bars.take(keep)
    return _once(bars.take(np.argsort(bars.ts, kind="stable")), provider)


def _once(bars: Columns, provider: str) -> Columns:
    again = np.flatnonzero(np.diff(bars.ts) == 0)
    for name in FIELDS:
        column = getattr(bars, name)
        if not np.array_equal(column[again], column[again + 1], equal_nan=True):
            message = f"{provider} sent two different bars for one time; ask again later."
            raise Invalid(message, code="provider.answer")
    keep = np.ones(len(bars), np.bool_)
    keep[again + 1] = False
    return bars.take(keep)


def figure_between(
    ts: NDArray[np.int64], values: NDArray[np.float64], task: Task
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return a figure of bars that were over by ``until``, in time order, each time once."""
    length = seconds_of(task.timeframe) * MICROS
    keep = np.isfinite(values)
    if task.since is not None:
        keep &= ts >= task.since
    if task.until is not None:
        keep &= ts + length <= task.until
    found, first = np.unique(ts[keep], return_index=True)
    return found, values[keep][first]


def days_of(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return midnights UTC of ISO dates, in microseconds."""
    days = np.array([text[:10] for text in texts], "datetime64[D]")
    return days.astype("datetime64[us]").astype(np.int64)


def local_times(texts: Sequence[str], zone: str) -> NDArray[np.int64]:
    """Return wall-clock times of an exchange, ``2024-01-05 15:30:00``, as UTC microseconds."""
    wall = np.array([text.replace(" ", "T") for text in texts], "datetime64[us]").astype(np.int64)
    days, of_day = np.unique(wall // DAY, return_inverse=True)
    # Clocks change at night, when no exchange trades: noon tells the offset of a day.
    noons = [datetime(1970, 1, 1, 12, tzinfo=ZoneInfo(zone)) + timedelta(int(d)) for d in days]
    offsets = [noon.utcoffset() or timedelta() for noon in noons]
    shift = np.array([int(offset.total_seconds()) for offset in offsets], np.int64) * MICROS
    return wall - shift[of_day] if len(wall) else wall


def iso_times(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return ISO times that end in Z as UTC microseconds."""
    stamps = np.array([text.removesuffix("Z") for text in texts], "datetime64[us]")
    return stamps.astype(np.int64)


def day_text(micros: int) -> str:
    """Return the UTC day of a time."""
    return str(np.datetime64(micros, "us").astype("datetime64[D]"))


def merged_actions(
    dividends: Mapping[int, float], splits: Mapping[int, float], task: Task
) -> Actions:
    """Return dividends and splits by ex-date that fall into a task's stretch."""
    days = sorted({*dividends, *splits})
    if task.since is not None:
        days = [day for day in days if day >= task.since // DAY * DAY]
    if task.until is not None:
        days = [day for day in days if day <= task.until]
    if not days:
        return no_actions()
    cash = [dividends.get(day, 0.0) for day in days]
    ratio = [splits.get(day, 1.0) for day in days]
    return Actions(np.array(days, np.int64), np.array(cash, np.float64), np.array(ratio))


def unknown(provider: str, symbol: str) -> NotFound:
    """Return the error of a symbol that a vendor does not have."""
    message = f"{provider} has no {symbol!r}; look the symbol up with the vendor."
    return NotFound(message, code="symbol.unknown", details={"symbol": symbol})


def check_request(told: Capabilities, request: Request, timeframes: Sequence[str]) -> None:
    """Refuse a section or timeframe the provider does not have."""
    check_section(told, request.section)
    if request.timeframe not in timeframes:
        known = ", ".join(timeframes)
        message = f"{request.section} of {told.name} has bars of {known}, not {request.timeframe}."
        raise Invalid(message, code="provider.timeframe", details={"field": "timeframe"})


def check_section(told: Capabilities, name: str) -> None:
    """Raise ``NotFound`` for a section the provider does not have."""
    if name not in told.sections:
        message = f"{told.name} has no section {name!r}; it has {', '.join(told.sections)}."
        raise NotFound(message, code="provider.section_unknown")


def tasks_of(request: Request, symbols: Sequence[str]) -> list[Task]:
    """Return one task per symbol over the whole stretch."""
    return [
        Task(request.section, symbol, request.timeframe, request.since, request.until)
        for symbol in symbols
    ]
