"""``health_40k``: a full health pass over a market of daily bars, and the memory it takes.

A part of 40,000 symbols over 20 years is stored and judged; time grows with the bars and is
extrapolated, memory does not grow and is measured at two depths. Defects planted in known places
must be found, and nothing else.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tests.speed.bars import NOW, PER_CHUNK, absorb_all, database

SYMBOLS, SYMBOLS_OF_A_MARKET = 2_000, 40_000
YEARS = 20
GOAL_MIB = 2048
CALENDAR = "XNYS"
# Every so many symbols one has this wrong with it.
EVERY = 40


def days():
    """Sessions of New York over twenty years."""
    from apps.market.kernel.calendars import sessions
    from apps.market.kernel.periods import micros

    first = micros(datetime(2005, 1, 3, tzinfo=UTC))
    last = micros(datetime(2005 + YEARS, 1, 3, tzinfo=UTC))
    found = sessions(CALENDAR)
    return found[(found >= first) & (found < last)]


def planted(number):
    """Which defect the symbol of this number has."""
    kinds = ("spike", "volume_unit", "gap")
    return kinds[number // EVERY % len(kinds)] if number % EVERY == 0 else ""


def series(number, ts, rng):
    """A random walk on quiet volume, with its defect."""
    from apps.market.kernel.columns import Columns

    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, len(ts))))
    volume = np.exp(rng.normal(13, 0.3, len(ts)))
    kind = planted(number)
    if kind == "spike":
        close[1000] *= 1.5
    if kind == "volume_unit":
        volume[1000:1030] *= 100
    open_ = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998
    bars = Columns(ts, open_, high, low, close, volume)
    keep = np.ones(len(ts), np.bool_)
    if kind == "gap":
        keep[1000:1007] = False
    return bars.take(keep)


def fill(dataset, count):
    """Store the series of many symbols, judged by nobody yet."""
    from apps.market.providers.base import Fetched, Listing

    rng, ts = np.random.default_rng(7), days()
    for at in range(0, count, PER_CHUNK):
        numbers = range(at, min(at + PER_CHUNK, count))
        fetched = [Fetched(Listing(f"S{n:05}"), series(n, ts, rng)) for n in numbers]
        absorb_all(dataset, fetched)


def peak_of(work):
    """Run it; return seconds, and the most memory it held in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return seconds, kib / 1024


def check(dataset):
    """Return which share of the symbols was judged otherwise than planted: 0 is right."""
    from apps.market.models import Series

    wrong = total = 0
    rows = Series.objects.filter(instrument__dataset=dataset)
    for symbol, health in rows.values_list("instrument__symbol", "health"):
        kind = planted(int(symbol[1:]))
        missing = 7 if kind == "gap" else 0
        counts = {kind: 1} if kind in ("spike", "volume_unit") else {}
        wrong += (health["counts"], health["missing"]) != (counts, missing)
        total += 1
    return wrong / total


def health_40k():
    with database():
        from apps.market.models import Dataset, Series
        from apps.market.services import recheck

        dataset = Dataset.objects.create(
            name="market", title="market", source="bench", calendar=CALENDAR, created_at=NOW
        )
        fill(dataset, SYMBOLS)
        ids = list(Series.objects.filter(instrument__dataset=dataset).values_list("pk", flat=True))
        _, quarter = peak_of(lambda: recheck(series_ids=ids[: SYMBOLS // 4], now=NOW))
        seconds, peak = peak_of(lambda: recheck(series_ids=ids, now=NOW))
        bars = sum(Series.objects.filter(pk__in=ids).values_list("rows", flat=True))
        return {
            "name": "health_40k",
            "value": round(peak, 1),
            "unit": "MiB held at most",
            "peer": "the bound",
            "peer_value": GOAL_MIB,
            "ratio": round(GOAL_MIB / peak, 2),
            "goal": 1.0,
            "checked": check(dataset),
            "symbols": len(ids),
            "bars": bars,
            "seconds": round(seconds, 1),
            "bars_per_second": round(bars / seconds),
            "quarter_depth_mib": round(quarter, 1),
            "minutes_for_40k_extrapolated": round(
                seconds / len(ids) * SYMBOLS_OF_A_MARKET / 60, 1
            ),
        }
