"""What a holder gets beside prices, laid on bars: splits, dividends, rates to one currency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.core.kernel.timeframes import seconds_of
from apps.market import store
from apps.market.kernel import adjust
from apps.market.kernel.columns import Columns
from apps.market.kernel.currencies import settle
from apps.market.kernel.periods import micros
from apps.market.kernel.resample import MICROS, bucket_end, bucket_ends
from apps.market.models import Action
from apps.market.selectors.locations import Found
from apps.market.selectors.rates import Way, find_way, rates_on, refuse_gap

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
ACTIONS = ("split", "dividend")
RATES_TO_BASE = "fx"
# What a book of several currencies counts in when nobody says.
USUAL = "USD"


def lay_actions(
    axis: Times,
    series: Sequence[Columns],
    found: Sequence[Found],
    *,
    kind: str,
    price_mode: str,
    timeframe: str,
    as_of: datetime | None,
) -> Floats:
    """Return new shares per old, or cash per share, by bar; 0 where nothing happened.

    An action takes effect on the first bar of its instrument that opens at or after its day.
    Cash is per share as the prices count them: of split-adjusted ones, after later splits.

    Raises
    ------
    Invalid
        ``panel.mixed_price_modes`` when a raw bar holds prices before and after a split.
    """
    amounts = _by_instrument(found, kind, as_of)
    later = _by_instrument(found, Action.Kind.SPLIT, as_of) if price_mode == "split" else {}
    grid = np.zeros((len(axis), len(found)))
    for column, (item, bars) in enumerate(zip(found, series, strict=True)):
        for on, value in amounts.get(item.instrument_id, ()):
            place = int(np.searchsorted(bars.ts, on))
            if not 0 < place < len(bars):
                continue
            if kind == Action.Kind.SPLIT and bucket_end(int(bars.ts[place - 1]), timeframe) > on:
                raise _two_scales(item.symbol, on, timeframe)
            row = int(np.searchsorted(axis, bars.ts[place]))
            if kind == Action.Kind.SPLIT:
                grid[row, column] = (grid[row, column] or 1.0) * value
            else:
                scale = _after(on, later.get(item.instrument_id, ()))
                grid[row, column] += value * scale
    return grid


def _by_instrument(
    found: Sequence[Found], kind: str, as_of: datetime | None
) -> dict[int, list[tuple[int, float]]]:
    grouped: dict[int, list[tuple[int, float]]] = defaultdict(list)
    ids = [item.instrument_id for item in found]
    for instrument_id, on, _, value in store.read_amounts(ids, [kind], as_of):
        grouped[instrument_id].append((micros(on), value))
    return grouped


def _after(on: int, splits: Sequence[tuple[int, float]]) -> float:
    """Return what an amount of a day is multiplied with across the splits after it."""
    if not splits:
        return 1.0
    days, ratios = np.array([day for day, _ in splits]), np.array([r for _, r in splits])
    factor = adjust.back_factor(np.array([on]), days, adjust.split_factor(ratios))
    return float(factor[0])


def _two_scales(symbol: str, on: int, timeframe: str) -> Invalid:
    day = np.datetime64(on, "us").astype("M8[D]")
    message = (
        f"{symbol} was split on {day}, within a bar of {timeframe}: raw prices of that bar are of "
        "two scales. Choose shorter bars, or price_mode split or total_return."
    )
    return Invalid(message, code="panel.mixed_price_modes", details={"field": "price_mode"})


def base_of(found: Sequence[Found], asked: str) -> str:
    """Return the currency to count in: the one asked for, that of all, or dollars."""
    settled = {settle(item.currency) for item in found}
    if asked:
        return settle(asked)
    return settled.pop() if len(settled) == 1 else USUAL


def ways_of(team_id: int | None, found: Sequence[Found], base: str) -> tuple[Way | None, ...]:
    """Return by instrument how its currency becomes the base; None where it is the base.

    Raises ``Invalid`` (``fx.no_path``).
    """
    names = sorted({settle(item.currency) for item in found} - {base})
    ways = {name: find_way(team_id, name, base) for name in names}
    return tuple(ways.get(settle(item.currency)) for item in found)


def lay_rates(
    axis: Times,
    series: Sequence[Columns],
    found: Sequence[Found],
    ways: Sequence[Way | None],
    *,
    timeframe: str,
    as_of: datetime | None,
) -> Floats:
    """Return what one unit of each instrument's currency is worth when each bar closes.

    A rate must be known from the bar before the instrument's first one to its last one: the
    former is what a fill at the first open converts at. Elsewhere the nearest known one stands.

    Raises
    ------
    Invalid
        ``fx.missing`` with the day.
    """
    ends = np.minimum(bucket_ends(axis, timeframe), _closed_until(found))
    rates: dict[str, Floats] = {}
    grid = np.ones((len(axis), len(found)))
    for column, (way, bars) in enumerate(zip(ways, series, strict=True)):
        if way is None or not len(bars):
            continue
        if way.base not in rates:
            rates[way.base] = rates_on(way, ends, as_of)
        rate = rates[way.base]
        first = max(int(np.searchsorted(axis, bars.ts[0])) - 1, 0)
        last = int(np.searchsorted(axis, bars.ts[-1]))
        gaps = np.flatnonzero(np.isnan(rate[first : last + 1]))
        if len(gaps):
            raise refuse_gap(way, int(axis[first + gaps[0]]))
        grid[:, column] = rate
        grid[:first, column], grid[last + 1 :, column] = rate[first], rate[last]
    return grid


def _closed_until(found: Sequence[Found]) -> int:
    """Return when the last stored bar closed: a longer bar made of it is not over before."""
    return max(
        micros(item.last_at) + seconds_of(item.timeframe) * MICROS
        for item in found
        if item.last_at is not None
    )
