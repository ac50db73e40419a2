"""What looks wrong in one series, by kind: whole arrays are scanned, the few odd rows judged.

A large move alone says little, since prices do crash. What tells a mistake from an event is its
neighbourhood: whether the move is taken back at once, whether anybody traded on it, whether it is
a round factor of ten, whether the days around it move as much.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.adjust import adjust
from apps.market.kernel.cleaning import (
    MOVE_LIMIT,
    MOVE_LIMIT_INTRADAY,
    OPEN_TOLERANCE,
    SPLIT_TOLERANCE,
    WHOLE_RATIOS,
    find_suspicions,
)
from apps.market.kernel.columns import Actions, Columns

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

SIDE = 30  # bars on either side that count as neighbours
SIGMA = 1.4826  # of a normal distribution, by its median absolute deviation
MOVE_FLOOR = {"1d": 0.10, "1w": 0.2, "1mo": 0.3, "4h": 0.06, "1h": 0.05}
MOVE_FLOOR_SHORT = 0.03
OUTLIER_Z = 10.0
SPIKE_Z = 8.0
TAKEN_BACK = 0.25  # of a spike may be left after the bar that reverts it
QUIET = 1.5  # times the usual volume: less is trade as usual
FROZEN_BARS = {"1d": 5, "1w": 4, "1mo": 4}
FROZEN_BARS_SHORT = 12
IDLE_BARS = 5
STILL_SHARE = 0.01  # of bars that stand still: more is how the security trades
VOLUME_JUMP = 1.3  # in powers of ten, from bar to bar
VOLUME_SIDE = 20
SPLIT_LEAST = 0.15  # log ratio of a split that must show in the price


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding: points off the score each, how it is called, and what it means."""

    weight: float
    title: str
    meaning: str


KINDS: dict[str, Kind] = {
    "gap": Kind(0, "gap", "Bars that the calendar expects are missing."),
    "stale": Kind(5, "stale", "The series ends before bars that should exist by now."),
    "split_without_move": Kind(
        5, "split without its jump", "A split is booked, but the raw price did not move with it."
    ),
    "split_missing": Kind(
        5, "jump like a split", "The price moved by a whole ratio and no split is booked."
    ),
    "large_dividend": Kind(
        2, "large dividend", "A dividend above a fifth of the price is booked on this day."
    ),
    "price_unit": Kind(5, "price unit", "Prices jump by 10, 100 or 1000 times: another unit."),
    "volume_unit": Kind(5, "volume unit", "Volume steps by 100 or 1000 times: another unit."),
    "spike": Kind(2, "spike", "A move far from its neighbours that the next bar takes back."),
    "outlier": Kind(2, "outlier", "A move far from its neighbours on usual volume."),
    "jump": Kind(1, "large move", "A very large move; crises, bids and results are among them."),
    "frozen": Kind(2, "frozen feed", "The same price again and again."),
    "filled": Kind(
        1, "filled bar", "A bar of one price, the close before, though it reports trades."
    ),
    "zero_volume": Kind(0, "no volume", "Bars without any trade in a series that trades."),
    "ticker_reuse": Kind(
        10, "ticker used again", "Before and after a long hole this is not the same security."
    ),
    "unfinished": Kind(2, "unfinished bar", "The last bar was taken before it had closed."),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks wrong: opens of its first and last bar, how many, how large."""

    kind: str
    first: int
    last: int
    bars: int
    size: float
    note: str


@dataclass(frozen=True, slots=True)
class Around:
    """What the detectors share of one series.

    Parameters
    ----------
    move
        ``(n,)`` log return of the adjusted close, 0 for the first bar.
    raw
        ``(n,)`` the same of the close as it is.
    """

    bars: Columns
    actions: Actions
    timeframe: str
    move: Floats
    raw: Floats

    def found(self, kind: str, first: int, last: int, size: float, note: str) -> Finding:
        """Return a finding from row ``first`` to row ``last``."""
        ts = self.bars.ts
        return Finding(kind, int(ts[first]), int(ts[last]), last - first + 1, float(size), note)


def find_all(bars: Columns, actions: Actions, timeframe: str) -> list[Finding]:
    """Return what looks wrong inside a series, in time order; gaps are judged elsewhere."""
    if len(bars) < 3:
        return []
    adjusted = adjust(bars, actions, "total_return").close if len(actions) else bars.close
    around = Around(bars, actions, timeframe, _moves(adjusted), _moves(bars.close))
    units = [*price_units(around)]
    named = [*units, *named_moves(around, adjusted), *split_shapes(around)]
    taken = {finding.first for finding in named if finding.kind != "jump"}
    odd = [item for item in outliers(around) if item.first not in taken]
    # A jump that is an outlier or a spike as well is listed once, under the sharper name.
    sharper = {item.first for item in [*units, *odd]}
    named = [item for item in named if item.kind != "jump" or item.first not in sharper]
    rest = [*volume_units(around), *frozen(around), *filled(around), *idle(around)]
    return sorted([*named, *odd, *rest], key=lambda item: (item.first, item.kind))


def _moves(close: Floats) -> Floats:
    moved = np.zeros(len(close))
    np.log(close[1:] / close[:-1], out=moved[1:])
    return moved


def robust_z(values: Floats, rows: Rows, *, skip: int = 1) -> Floats:
    """Return how far values lie from the median of their neighbours, in robust deviations.

    Parameters
    ----------
    values
        ``(n,)``.
    rows
        Which to judge.
    skip
        How many values from the judged one on are left out of its neighbourhood.

    Notes
    -----
    ``|x - median| / (1.4826 MAD)`` over 30 bars on either side. A deviation of zero, as in a
    series that mostly stands still, is taken as a tenth of a percent.
    """
    offsets = np.concatenate([np.arange(-SIDE, 0), np.arange(skip, SIDE + skip)])
    at = rows[:, None] + offsets
    inside = (at >= 1) & (at < len(values))
    near = np.where(inside, values[np.clip(at, 0, len(values) - 1)], np.nan)
    middle = np.nanmedian(near, axis=1)
    spread = SIGMA * np.nanmedian(np.abs(near - middle[:, None]), axis=1)
    return np.asarray(np.abs(values[rows] - middle) / np.maximum(spread, 1e-3))


def outliers(around: Around) -> Iterator[Finding]:
    """Yield moves far from their neighbours: taken back at once, or on volume as usual."""
    move = around.move
    floor = MOVE_FLOOR.get(around.timeframe, MOVE_FLOOR_SHORT)
    rows = np.flatnonzero(np.abs(move) > floor)
    if not len(rows):
        return
    z = robust_z(move, rows, skip=2)
    busy = _volume_ratio(around.bars.volume, rows)
    back = np.append(move, 0.0)[rows + 1]
    is_spike = (
        (z > SPIKE_Z)
        & (np.abs(move[rows] + back) < TAKEN_BACK * np.abs(move[rows]))
        & (busy < 2 * QUIET)
    )
    is_odd = (z > OUTLIER_Z) & (busy < QUIET) & ~is_spike
    after_spike = np.isin(rows - 1, rows[is_spike])
    for i in np.flatnonzero((is_spike | is_odd) & ~after_spike):
        row = int(rows[i])
        change = float(np.expm1(move[row]))
        kind = "spike" if is_spike[i] else "outlier"
        how = "taken back by the next bar" if is_spike[i] else "on usual volume"
        note = f"moved {change:+.1%}, {z[i]:.0f} robust deviations from its neighbours, {how}"
        yield around.found(kind, row, row, change, note)


def _volume_ratio(volume: Floats, rows: Rows) -> Floats:
    """Return volume against the median of the bars before; 1 where the venue reports none.

    Trade stays lively after an event, so the bars after it would hide it.
    """
    at = np.maximum(rows[:, None] + np.arange(-SIDE, 0), 0)
    usual = np.median(volume[at], axis=1)
    return np.asarray(np.where(usual > 0, volume[rows] / np.maximum(usual, 1e-12), 1.0))


def named_moves(around: Around, adjusted: Floats) -> Iterator[Finding]:
    """Yield the largest moves of the adjusted close under the name of what they resemble."""
    found = find_suspicions(around.bars, adjusted, around.actions, around.timeframe)
    for item in found:
        row = int(np.searchsorted(around.bars.ts, item.ts))
        note = f"{KINDS[item.kind].title}: {item.change:+.1%} after adjustment"
        yield around.found(item.kind, row, row, item.change, note)


def split_shapes(around: Around) -> Iterator[Finding]:
    """Yield splits that are booked but did not move the price, and moves that lack a split."""
    yield from _booked_without_move(around)
    yield from _moved_without_booking(around)


def _booked_without_move(around: Around) -> Iterator[Finding]:
    bars, actions = around.bars, around.actions
    for ts, ratio in zip(actions.ts, actions.split, strict=True):
        row = int(np.searchsorted(bars.ts, ts))
        size = float(np.log(ratio))
        if abs(size) < SPLIT_LEAST or not 0 < row < len(bars):
            continue
        off = around.raw[row] + size
        if abs(off) <= max(SPLIT_TOLERANCE, 0.5 * abs(size)) or _is_large(around, row):
            continue
        note = f"a split of {ratio:g} for 1 is booked; the price moved {around.raw[row]:+.1%}"
        yield around.found("split_without_move", row, row, float(np.expm1(off)), note)


def _moved_without_booking(around: Around) -> Iterator[Finding]:
    bars = around.bars
    for row in map(int, np.flatnonzero(np.abs(around.raw) > np.log(1.35))):
        if _is_large(around, row) or _has_split(around, row):
            continue
        opened = float(np.log(bars.open[row] / bars.close[row - 1]))
        nearest = float(WHOLE_RATIOS[np.argmin(np.abs(WHOLE_RATIOS - opened))])
        before = slice(max(row - SIDE, 0), row)
        usual = float(np.median(np.log(bars.high[before] / bars.low[before])))
        is_calm = np.log(bars.high[row] / bars.low[row]) < 3 * usual
        is_ratio = abs(opened - nearest) < OPEN_TOLERANCE
        if is_ratio and is_calm and abs(around.raw[row] - nearest) < SPLIT_TOLERANCE:
            change = float(np.expm1(around.raw[row]))
            note = f"opened at {np.exp(nearest):.3g} times the close before and stayed there"
            yield around.found("split_missing", row, row, change, note)


def _is_large(around: Around, row: int) -> bool:
    """Tell whether the adjusted move is judged among the large ones."""
    limit = MOVE_LIMIT.get(around.timeframe, MOVE_LIMIT_INTRADAY)
    return bool(abs(np.expm1(around.move[row])) > limit)


def price_units(around: Around) -> Iterator[Finding]:
    """Yield jumps by 10, 100 or 1000 that volume does not answer, as it would for a split."""
    powers = around.raw / np.log(10)
    nearest = np.round(powers)
    rows = np.flatnonzero((np.abs(nearest) >= 1) & (np.abs(powers - nearest) < 0.04))
    rows = np.array([row for row in rows if not _has_split(around, int(row))], np.intp)
    ends = len(around.bars)
    skip_until = 0
    for row in rows:
        if row < skip_until:
            continue
        back = [r for r in rows if r > row and nearest[r] == -nearest[row]]
        if not back and (row == 0 or _volume_answers(around, int(row), float(nearest[row]))):
            continue
        last = int(back[0]) - 1 if back else ends - 1
        skip_until = last + 2
        times = 10.0 ** nearest[row]
        note = f"prices times {times:g} for {last - row + 1} bars"
        yield around.found("price_unit", int(row), last, times - 1.0, note)


def _has_split(around: Around, row: int) -> bool:
    ts = around.bars.ts
    mine = (around.actions.ts > ts[row - 1]) & (around.actions.ts <= ts[row])
    return bool(np.any(around.actions.split[mine] != 1.0))


def _volume_answers(around: Around, row: int, power: float) -> bool:
    """Tell whether volume moved against the price, as it does when shares are split."""
    volume = around.bars.volume
    before = np.median(volume[max(row - VOLUME_SIDE, 0) : row])
    after = np.median(volume[row : row + VOLUME_SIDE])
    if before <= 0 or after <= 0:
        return False
    return bool(abs(np.log10(after / before) + power) < 0.5)


def volume_units(around: Around) -> Iterator[Finding]:
    """Yield stretches whose volume is 100 or 1000 times what is around them."""
    volume = around.bars.volume
    with np.errstate(divide="ignore"):
        size = np.where(volume > 0, np.log10(volume), np.nan)
    step = np.diff(size, prepend=size[:1])
    rows = np.flatnonzero(np.abs(step) > VOLUME_JUMP)
    until = -1
    for row in rows:
        if row <= until:
            continue
        back = rows[(rows > row) & (np.sign(step[rows]) == -np.sign(step[row]))]
        end = int(back[0]) if len(back) else len(volume)
        shift = _level_shift(size[max(row - VOLUME_SIDE, 0) : row], size[row:end])
        after = size[end : end + VOLUME_SIDE]
        if shift is None or (len(after) and _level_shift(after, size[row:end]) != shift):
            continue
        until = end
        note = f"volume times {10.0**shift:g} for {end - row} bars"
        yield around.found("volume_unit", int(row), end - 1, 10.0**shift - 1.0, note)


def _level_shift(usual: Floats, odd: Floats) -> float | None:
    """Return how many whole powers of ten, 2 or 3, lie between two stretches; else None."""
    usual, odd = usual[np.isfinite(usual)], odd[np.isfinite(odd)][:VOLUME_SIDE]
    if len(usual) < 5 or len(odd) < 3:
        return None
    shift = float(np.median(odd) - np.median(usual))
    spread = float(
        np.median(np.abs(usual - np.median(usual))) + np.median(np.abs(odd - np.median(odd)))
    )
    whole = round(shift)
    is_unit = abs(whole) in (2, 3) and abs(shift - whole) < 0.4 and spread < 0.5
    return float(whole) if is_unit else None


def runs_of(mask: NDArray[np.bool_], least: int) -> list[tuple[int, int]]:
    """Return first and last row of each run of True that is at least ``least`` long."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    long = stops - starts >= least
    return [(int(a), int(b) - 1) for a, b in zip(starts[long], stops[long], strict=True)]


def frozen(around: Around) -> Iterator[Finding]:
    """Yield runs of bars that all stand at one price, from open to close."""
    bars = around.bars
    still = (bars.high == bars.low) & (around.raw == 0.0)
    least = FROZEN_BARS.get(around.timeframe, FROZEN_BARS_SHORT)
    for first, last in runs_of(still, least):
        note = f"{last - first + 1} bars at {bars.close[last]:g}"
        yield around.found("frozen", first, last, float(last - first + 1), note)


def filled(around: Around) -> Iterator[Finding]:
    """Yield single bars put in for missing ones: no range, the close before, yet trades."""
    bars = around.bars
    still = (bars.high == bars.low) & (around.raw == 0.0)
    still[0] = False
    if still.mean() > STILL_SHARE:
        return
    for row in np.flatnonzero(still & (bars.volume > 0)):
        note = f"one price, {bars.close[row]:g}, and {bars.volume[row]:,.0f} traded"
        yield around.found("filled", int(row), int(row), float(bars.volume[row]), note)


def idle(around: Around) -> Iterator[Finding]:
    """Yield runs without volume in a series that mostly has some."""
    empty = around.bars.volume == 0
    if not 0 < empty.mean() < 0.5:
        return
    for first, last in runs_of(empty, IDLE_BARS):
        note = f"{last - first + 1} bars without a trade"
        yield around.found("zero_volume", first, last, float(last - first + 1), note)
