"""Planning of an ingestion: 40,000 symbols with twenty years of daily bars."""

import resource
import time
from datetime import UTC, datetime

import numpy as np

DAY = 86_400 * 1_000_000
SYMBOLS = 40_000
YEARS = 20
UNTIL = int(datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp() * 1e6)
TWINS = 2_000


def stored(rng):
    """What a market that was ingested before holds: asked stretches, holes, ends."""
    from apps.market.kernel.planning import Held, Stretches

    begin = UNTIL - YEARS * 365 * DAY
    first = begin + rng.integers(0, 3_000, SYMBOLS) * DAY
    last = UNTIL - rng.integers(1, 400, SYMBOLS) * DAY
    number = np.repeat(np.arange(SYMBOLS), 4)
    low = first[number] + rng.integers(0, 3_000, len(number)) * DAY
    high = low + rng.integers(100, 2_500, len(number)) * DAY
    asked = Stretches(number, low, high)
    number = np.repeat(np.arange(SYMBOLS), 10)
    low = first[number] + rng.integers(0, 3_500, len(number)) * DAY
    gaps = Stretches(number, low, low + rng.integers(1, 5, len(number)) * DAY)
    return np.full(SYMBOLS, begin), Held(first, last, asked, gaps)


def missing_days(since, held, symbol):
    """The days to fetch of one symbol, counted one by one: the slow twin."""
    from apps.market.kernel.planning import covered_high

    high = int(covered_high(UNTIL, DAY))
    days = np.arange(-(-int(since[symbol]) // DAY) * DAY, high, DAY)
    there = np.zeros(len(days), bool)
    mine = held.asked.symbol == symbol
    for low, end in zip(held.asked.low[mine], held.asked.high[mine], strict=True):
        there |= (days >= low) & (days < end)
    return set(days[~there].tolist())


def planned_days(found, symbol):
    days = set()
    mine = found.symbol == symbol
    for low, high in zip(found.low[mine], found.high[mine], strict=True):
        days.update(range(-(-int(low) // DAY) * DAY, int(high), DAY))
    return days


def plan_40k():
    """Plan all symbols three ways; some are compared with days counted one by one."""
    from apps.market.kernel.planning import plan_fetches

    since, held = stored(np.random.default_rng(7))
    began = time.perf_counter()
    plans = {
        mode: plan_fetches(mode, since, UNTIL, DAY, held, window=5_000)
        for mode in ("missing", "repair", "full")
    }
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    wrong = 0
    for symbol in range(0, SYMBOLS, SYMBOLS // TWINS):
        planned, expected = (
            planned_days(plans["missing"], symbol),
            missing_days(since, held, symbol),
        )
        # The last bars are asked for again: more than what is missing, never less.
        wrong += not (expected <= planned and len(planned - expected) <= 6)
    twin = (time.perf_counter() - began) / TWINS * SYMBOLS
    return {
        "name": "plan_40k",
        "value": round(seconds, 3),
        "unit": "s for missing, repair and full",
        "peer": "days counted one by one, of 2,000 symbols, times twenty",
        "peer_value": round(twin, 1),
        "ratio": round(twin / seconds, 1),
        "goal": "< 60 s",
        "checked": wrong == 0,
        "fetches": {mode: len(found) for mode, found in plans.items()},
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
