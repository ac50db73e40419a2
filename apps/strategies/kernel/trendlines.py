"""Trendlines drawn on an oscillator by a consensus of its pivots, as a human eye would.

All is written for the upper side: a falling line over highs, broken upwards. The lower side is the
same on the mirrored oscillator, 100 less its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.indicators.own import pivots

Floats = NDArray[np.float64]
COLUMNS = ("line", "touches", "duration", "slope", "anchor", "since", "retests", "retest", "fail")


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as a line.

    Parameters
    ----------
    window
        Pivots of so many bars are looked at.
    tolerance
        A pivot this near, in points, touches; beyond it the line is broken.
    least_touches
        Fewer touches are no consensus.
    steepest, flattest
        Points per bar by which a line may fall.
    least_anchor
        The first pivot must lie above it; -1 is any.
    memory
        So many bars a broken line is remembered, for retests.
    """

    window: int
    tolerance: float
    least_touches: int
    steepest: float
    flattest: float
    least_anchor: float
    memory: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line through its anchor: the first pivot. ``last`` is the last pivot that touches."""

    anchor: int
    value: float
    slope: float
    touches: int
    last: int

    def at(self, bar: float) -> float:
        """Return the line's height at a bar."""
        return self.value + self.slope * (bar - self.anchor)

    @property
    def duration(self) -> int:
        """Bars from the first touch to the last."""
        return self.last - self.anchor


def touching(y: Floats, found: Sequence[int], line: Line, tolerance: float) -> list[int]:
    """Return the pivots from the anchor on that the line touches."""
    return [p for p in found if p >= line.anchor and abs(y[p] - line.at(p)) <= tolerance]


def unbroken(y: Floats, line: Line, now: int, tolerance: float) -> bool:
    """Tell whether nothing since the anchor stands above the line by more than ``tolerance``."""
    bars = np.arange(line.anchor, now + 1)
    return bool((y[bars] <= line.value + line.slope * (bars - line.anchor) + tolerance).all())


def better(one: Line, other: Line | None) -> bool:
    """Tell whether a line is preferred: more touches, then longer, then flatter, then later."""
    if other is None:
        return True
    mine = (one.touches, one.duration, -abs(one.slope))
    theirs = (other.touches, other.duration, -abs(other.slope))
    return mine >= theirs


def consensus(y: Floats, found: Sequence[int], now: int, rules: Rules) -> Line | None:
    """Return the line that most pivots of the window agree on, unbroken up to ``now``.

    This is the plain twin of the compiled loop. Every pair of pivots proposes a line.
    """
    seen = [p for p in found if p > now - rules.window]
    best: Line | None = None
    for i, a in enumerate(seen):
        for b in seen[i + 1 :]:
            slope = float((y[b] - y[a]) / (b - a))
            if not -rules.steepest <= slope <= -rules.flattest or y[a] <= rules.least_anchor:
                continue
            line = Line(a, float(y[a]), slope, 0, a)
            touched = touching(y, seen, line, rules.tolerance)
            line = Line(a, float(y[a]), slope, len(touched), touched[-1])
            if len(touched) >= rules.least_touches and better(line, best):
                best = line if unbroken(y, line, now, rules.tolerance) else best
    return best


def follow_lines(y: Floats, rules: Rules, left: int, right: int) -> dict[str, Floats]:
    """Return what is known of lines at each bar; see ``COLUMNS``.

    Returns
    -------
    ``line``, ``touches``, ``duration``, ``slope``, ``anchor`` (the first pivot's height): of the
    line broken no more than ``memory`` bars ago, else of the one that stands; NaN and 0 touches
    for none. ``since``: bars since the break (0 at its bar), NaN for none. ``retests``: how often
    the broken line was come back to; ``retest``: 1 where it happens. ``fail``: 1 where it falls
    back below.
    """
    from apps.strategies.kernel import trendline_loops

    known = pivots(y, left, right, highs=True)
    table = trendline_loops.follow_1d(
        y,
        known,
        rules.window,
        rules.tolerance,
        rules.least_touches,
        rules.steepest,
        rules.flattest,
        rules.least_anchor,
        rules.memory,
    )
    return {name: np.ascontiguousarray(table[:, k]) for k, name in enumerate(COLUMNS)}


def diverges(
    y: Floats, price: Floats, lows: NDArray[np.int64], most_bars: int
) -> NDArray[np.float64]:
    """Return 1 where the price made a lower low and the oscillator a higher one, else 0.

    Parameters
    ----------
    lows
        At each bar the index of the oscillator's low it confirms, else -1.
    most_bars
        The later low is no older than this.
    """
    out = np.zeros(len(y))
    first, second = -1, -1
    for i, low in enumerate(lows.tolist()):
        if low >= 0:
            first, second = second, low
        if first >= 0 and i - second <= most_bars:
            out[i] = float(price[second] < price[first] and y[second] > y[first])
    return out
