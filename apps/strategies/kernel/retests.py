"""The state machine of the institutional breakout: idle, waiting for a retest, in a trade.

``step`` is the whole of it: plain scalars in and out, so that it can be kept between bars for
hours and days, stepped by one bar when it closes, and compiled for whole histories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

IDLE, WAITING_RETEST, IN_TRADE = 0, 1, 2
STATES = ("IDLE", "WAITING_RETEST", "IN_TRADE")
HOUR = 3_600_000_000
# State, side, when it was entered (microseconds), the oscillator's height since.
Machine = tuple[int, int, float, float]
AT_REST: Machine = (IDLE, 0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Levels:
    """Numbers of the machine, for the long side; the short side mirrors them at 50.

    Parameters
    ----------
    cross
        The RSI crosses it upward, comes back to it, and goes on.
    near
        So near counts as come back.
    away
        So far it must have gone beyond ``cross`` before it can come back.
    lost
        So far below ``cross`` the wait is over.
    leave
        Below it a trade is over.
    wait_hours, hold_hours
        Longest wait and longest trade.
    """

    cross: float
    near: float
    away: float
    lost: float
    leave: float
    wait_hours: float
    hold_hours: float

    def numbers(self) -> tuple[float, float, float, float, float, float, float]:
        """Return the numbers in the order ``step`` takes them, times in microseconds."""
        return (
            self.cross,
            self.near,
            self.away,
            self.lost,
            self.leave,
            self.wait_hours * HOUR,
            self.hold_hours * HOUR,
        )


def step(
    state: int,
    side: int,
    since: float,
    peak: float,
    ts: float,
    rsi: float,
    before: float,
    long_broke: bool,
    short_broke: bool,
    long_passes: bool,
    short_passes: bool,
    cross: float,
    near: float,
    away: float,
    lost: float,
    leave: float,
    wait: float,
    hold: float,
) -> tuple[int, int, float, float]:
    """Return state, side, since and peak after a bar has closed.

    Parameters
    ----------
    rsi, before
        At this close and at the one before.
    long_broke, short_broke
        A line of that side was broken lately.
    long_passes, short_passes
        No gate refuses that side now. A retest that a gate refuses is passed over.

    Notes
    -----
    IDLE → WAITING_RETEST when the RSI crosses ``cross`` (60; for shorts 40 downward) with a broken
    line; → IN_TRADE when it comes back to within ``near`` of it, having been ``away``, and holds;
    → IDLE when it is ``lost``, the wait or the trade is too long, or the trade is left.
    """
    if state != IDLE:
        y = rsi if side > 0 else 100.0 - rsi
        passes = long_passes if side > 0 else short_passes
        if state == IN_TRADE:
            if y < leave or ts - since >= hold:
                return 0, 0, ts, 0.0
            return state, side, since, max(peak, y)
        if y < cross - lost or ts - since > wait:
            return 0, 0, ts, 0.0
        if passes and peak >= cross + away and cross - near <= y <= cross + near:
            return 2, side, ts, y
        return state, side, since, max(peak, y)
    if long_broke and before <= cross < rsi:
        return 1, 1, ts, rsi
    if short_broke and 100.0 - before <= cross < 100.0 - rsi:
        return 1, -1, ts, 100.0 - rsi
    return 0, 0, since, 0.0


def walk(ts: Any, *inputs: Any, levels: Levels) -> Any:
    """Return state and side after each bar of a history, from rest.

    ``inputs`` are the arrays that ``step`` takes from ``rsi`` to ``short_passes``.
    """
    from apps.strategies.kernel import retest_loops

    compiled: Any = retest_loops.walk_1d
    return compiled(ts, *inputs, levels.numbers())
