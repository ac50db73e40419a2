"""How rows are asked for page by page, and times of bars and figures, in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.kernel.timeframes import seconds_of
from apps.market.providers.venues import INTEREST, Funding

Pairs = list[tuple[int, float]]
Figure = tuple[NDArray[np.int64], NDArray[np.float64]]
MINUTE = 60_000
DAY = 86_400_000
Page = Callable[[int | None, dict[str, Any]], Pairs]


def _forward(page: Page, how: Funding, low: int, high: int) -> Pairs:
    found: Pairs = []
    while low <= high:
        rows = page(low, {"until": high})
        found.extend(rows)
        if not rows or len(rows) < how.page:
            break
        low = rows[-1][0] + 1
    return found


def _backward(page: Page, how: Funding, low: int, high: int) -> Pairs:
    found: Pairs = []
    while high >= low:
        rows = [row for row in page(None, {how.bound: high + how.exclusive}) if row[0] <= high]
        found.extend(rows)
        if not rows or len(rows) < how.page:
            break
        high = rows[0][0] - 1
    return found


def _numbered(page: Page, how: Funding, low: int, high: int) -> Pairs:  # noqa: ARG001
    found: Pairs = []
    number = 1
    while rows := page(None, {"page_num": number}):
        found.extend(rows)
        if rows[0][0] < low or len(rows) < how.page:
            break
        number += 1
    return found


def _whole(page: Page, how: Funding, low: int, high: int) -> Pairs:  # noqa: ARG001
    return page(None, {})


ORDERS = {"forward": _forward, "backward": _backward, "numbered": _numbered, "whole": _whole}


def figure_of(found: Pairs, low: int, high: int) -> Figure:
    """Return pairs of the stretch as arrays, each time once, in microseconds."""
    rows = sorted({ts: value for ts, value in found if low <= ts <= high}.items())
    ts = np.array([row[0] for row in rows], np.int64) * 1000
    return ts, np.array([row[1] for row in rows], np.float64)


def step_of(timeframe: str) -> int:
    """Return the shortest a bar can be, in milliseconds."""
    return 28 * DAY if timeframe == "1mo" else seconds_of(timeframe) * 1000


def closes_of(opens: NDArray[np.float64], timeframe: str) -> NDArray[np.int64]:
    """Return when bars close, in milliseconds."""
    ts = opens.astype(np.int64)
    if timeframe != "1mo":
        return ts + seconds_of(timeframe) * 1000
    months = ts.astype("M8[ms]").astype("M8[M]") + 1
    return months.astype("M8[ms]").astype(np.int64)


def period_of(timeframe: str) -> str:
    """Return the longest period of open interest that is no longer than the bars."""
    fitting = [name for name in INTEREST if seconds_of(name) <= seconds_of(timeframe)]
    return fitting[-1] if fitting else INTEREST[0]
