"""Gathered columns as bars: in order, once each, the impossible ones set aside."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.core.kernel.timeframes import SECONDS
from apps.market.kernel.cleaning import Defect
from apps.market.providers.uploads import tables
from apps.market.providers.uploads.gather import Gathered
from apps.market.providers.uploads.roles import PRICES

MICROS = 1_000_000
DAY = 86_400 * MICROS
VALUES = (*PRICES, "volume")
HALF_HOUR, SESSION = 1800 * MICROS, 23_400 * MICROS
NEW_YORK_OPENS = (48_600 * MICROS, 52_200 * MICROS)  # 13:30 and 14:30 UTC
MOST_DAYS = 0.8
MAX_ASIDE = 20_000
ASIDE_SHARE = 0.02  # above it the columns are mistaken rather than some bars bad
ENOUGH = 20  # bars from which on a symbol tells its own timeframe
REASONS = {
    "price": "every price above zero",
    "volume": "a volume of zero or more",
    "high": "a high that is the highest price of the bar",
    "low": "a low that is the lowest price of the bar",
}
REASON_NAMES = ("", *REASONS)


@dataclass(frozen=True, slots=True)
class Terms:
    """How bars are to be read: empty values are found out."""

    timeframe: str = ""
    calendar: str = ""
    stamp: str = "open"
    defects: str = ""
    price_mode: str = ""


@dataclass(slots=True)
class Shaped:
    """What came of a file: the facts for the report, the arrays on disk."""

    facts: dict[str, Any]
    arrays: dict[str, str] = field(default_factory=dict)


def shape_bars(found: Gathered, terms: Terms, file: str, headers: dict[str, str]) -> Shaped:
    """Put bars in order and write them, with the actions and figures beside them.

    Raises
    ------
    Invalid
        ``upload.values`` for two bars at one time, or for impossible bars when they are to be
        refused; ``upload.timeframe``.
    """
    spool, notes = found.spool, found.notes
    if "volume" not in found.fields:
        spool.put("volume", np.zeros(found.rows))
        notes.append("The file has no volume: it is stored as zero.")
    order = _order(spool, notes)
    keep, aside = _sift(found, order, terms, file, headers)
    codes, ts = spool.get("codes")[order][keep], spool.get("ts")[order][keep]
    ends = _ends(codes)
    frames = _timeframes(codes, ts, ends, found.names.all, terms.timeframe)
    if terms.stamp == "close":
        lengths = np.array([SECONDS[frames[int(codes[a])]] * MICROS for a, _ in ends], np.int64)
        ts = ts - np.repeat(lengths, [b - a for a, b in ends])
        notes.append("Times name the close of bars; they are stored under their open.")
    elif _look_like_closes(ts, frames):
        notes.append(
            "Each day starts one bar after the opening of New York and ends with its closing "
            'bell: these times look like the close of bars. If they are, say so under "A time '
            'is"; else every bar is used one bar too early.'
        )
    spool.put("codes", codes)
    spool.put("ts", ts)
    for name in found.fields.keys() | {"volume"}:
        spool.put(name, spool.get(name)[order][keep])
    facts = {
        "aside": aside,
        "calendar": terms.calendar or _calendar(ts, frames),
        "timeframes": frames,
        "symbols": _spans(codes, ts, ends, found.names.all, frames),
        "price_mode": terms.price_mode or _price_mode(found),
        "figures": _figures(found),
        "head": _head(spool, found, 10),
    }
    return Shaped(facts, {name: str(spool.path(name)) for name in spool.dtypes})


def _order(spool: tables.Spool, notes: list[str]) -> NDArray[np.intp]:
    codes, ts = spool.get("codes"), spool.get("ts")
    same = codes[1:] == codes[:-1]
    if bool(np.all((codes[1:] > codes[:-1]) | (same & (ts[1:] >= ts[:-1])))):
        return np.arange(len(ts), dtype=np.intp)
    order = np.lexsort((ts, codes))
    if np.any(same & (np.diff(ts) < 0)):
        notes.append("Rows were not in order of time; they were put in order.")
    return order


def _sift(
    found: Gathered,
    order: NDArray[np.intp],
    terms: Terms,
    file: str,
    headers: dict[str, str],
) -> tuple[NDArray[np.bool_], list[dict[str, Any]]]:
    """Return which of the ordered rows are stored, and the rows that are set aside."""
    spool = found.spool
    keep = ~_repeated(found, order, file, headers)
    reason = _impossible(found, order)
    bad = np.flatnonzero((reason > 0) & keep)
    if not len(bad):
        return keep, []
    why = [REASON_NAMES[code] for code in reason[bad]]
    bars = {name: spool.get(name)[order[bad]] for name in VALUES}
    few = len(bad) <= min(ASIDE_SHARE * len(order), MAX_ASIDE)
    if terms.defects == "refuse" or not (few or terms.defects == "set_aside"):
        raise tables.refusal(_defects(bars, why, order[bad]), file, headers)
    if len(bad) > MAX_ASIDE:
        raise tables.unreadable(f"{file} has {len(bad):,} impossible bars")
    keep[bad] = False
    codes, ts = spool.get("codes")[order[bad]], spool.get("ts")[order[bad]]
    aside = [
        {
            "row": int(row) + 1,
            "symbol": found.names.all[codes[at]],
            "ts": int(ts[at]),
            "values": {name: repr(float(bars[name][at])) for name in VALUES},
            "reason": why[at],
            "message": f"row {row + 1} of {file}: expected {REASONS[why[at]]}"[:300],
        }
        for at, row in enumerate(order[bad])
    ]
    found.notes.append(f"{len(bad):,} impossible bars are set aside in quarantine, not stored.")
    return keep, aside


def _repeated(
    found: Gathered, order: NDArray[np.intp], file: str, headers: dict[str, str]
) -> NDArray[np.bool_]:
    """Return which rows repeat the row before. Raises ``Invalid`` when they say something else."""
    codes, ts = found.spool.get("codes")[order], found.spool.get("ts")[order]
    again = np.zeros(len(ts), bool)
    again[1:] = (codes[1:] == codes[:-1]) & (ts[1:] == ts[:-1])
    if not again.any():
        return again
    differs = np.zeros(len(ts), bool)
    for name in VALUES:
        values = found.spool.get(name)[order]
        differs[1:] |= values[1:] != values[:-1]
    clash = np.flatnonzero(again & differs)
    if len(clash):
        row = int(np.maximum(order[clash], order[clash - 1]).min())
        at = int(np.flatnonzero(order == row)[0])
        when = f"{np.datetime64(int(ts[at]), 'us')}Z for {found.names.all[codes[at]]}"
        defect = Defect(row, "ts", when, "a time that no other row of the symbol has")
        raise tables.refusal([defect], file, headers)
    found.notes.append(f"{int(again.sum()):,} rows repeat another one; each is stored once.")
    return again


def _impossible(found: Gathered, order: NDArray[np.intp]) -> NDArray[np.int8]:
    """Return why each bar can't be, by number in ``REASON_NAMES``; 0 for one that can.

    Columns are taken one after the other: millions of rows have to fit into little memory.
    """
    get = found.spool.get
    reason = np.zeros(len(order), np.int8)
    close = get("close")
    least = np.minimum(get("open"), close)
    most = np.maximum(get("open"), close)
    del close
    low = get("low")
    reason[low > least] = REASON_NAMES.index("low")
    np.minimum(least, low, out=least)
    np.maximum(most, low, out=most)
    del low
    high = get("high")
    reason[high < most] = REASON_NAMES.index("high")
    np.minimum(least, high, out=least)
    del high, most
    volume = get("volume")
    reason[np.signbit(volume)] = REASON_NAMES.index("volume")
    reason[least <= 0] = REASON_NAMES.index("price")
    return np.asarray(reason[order])


def _defects(
    bars: dict[str, NDArray[np.float64]], why: list[str], rows: NDArray[np.intp]
) -> list[Defect]:
    defects = []
    for at in np.argsort(rows)[:20]:
        column = why[at]
        if column == "price":
            column = next(name for name in PRICES if bars[name][at] <= 0)
        found = str(float(bars[column][at]))
        defects.append(Defect(int(rows[at]), column, found, REASONS[why[at]]))
    return defects


def _ends(codes: NDArray[np.int32]) -> list[tuple[int, int]]:
    cuts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    return list(pairwise(cuts)) if len(codes) else []


def _timeframes(
    codes: NDArray[np.int32],
    ts: NDArray[np.int64],
    ends: list[tuple[int, int]],
    names: list[str],
    wanted: str,
) -> dict[int, str]:
    """Return the timeframe of each symbol by its number. Raises ``Invalid``."""
    rest = timeframe_of(np.concatenate([np.diff(ts[a:b]) for a, b in ends])) if ends else ""
    found: dict[int, str] = {}
    for a, b in ends:
        steps, symbol = np.diff(ts[a:b]), names[codes[a]]
        frame = wanted or (timeframe_of(steps) if b - a >= ENOUGH else "") or rest
        if not frame:
            message = (
                f"{symbol}: the time between its bars is that of no timeframe; choose one of "
                f"{', '.join(SECONDS)}. Nothing was stored."
            )
            raise Invalid(message, code="upload.timeframe", details={"field": "timeframe"})
        _check_spacing(steps, ts[a:b], symbol, frame)
        found[int(codes[a])] = frame
    return found


def timeframe_of(steps: NDArray[np.int64]) -> str:
    """Return the timeframe whose length the commonest step has; nothing when there is none."""
    if not len(steps):
        return ""
    sizes, counts = np.unique(steps, return_counts=True)
    common = float(sizes[np.argmax(counts)]) / MICROS
    near = [name for name, length in SECONDS.items() if abs(common / length - 1) < 0.1]
    return near[0] if near else ""


def _check_spacing(
    steps: NDArray[np.int64], ts: NDArray[np.int64], symbol: str, timeframe: str
) -> None:
    length = SECONDS[timeframe] * MICROS
    if len(steps) and steps.min() < 0.9 * length:
        at = int(np.argmin(steps)) + 1
        when = np.datetime64(int(ts[at]), "us").astype("M8[s]")
        message = (
            f"{symbol}: the bar at {when}Z comes {steps.min() / MICROS:,.0f} s after the one "
            f"before, too soon for {timeframe}; choose the timeframe of the file. "
            "Nothing was stored."
        )
        details: dict[str, object] = {"field": "timeframe", "symbol": symbol}
        raise Invalid(message, code="upload.timeframe", details=details)


def _calendar(ts: NDArray[np.int64], frames: dict[int, str]) -> str:
    """Return ``24/7`` when bars come at week-ends as well, else New York sessions."""
    if {*frames.values()} & {"1w", "1mo"}:
        return "XNYS"
    weekday = (ts // DAY + 3) % 7
    return "24/7" if np.mean(weekday >= 5) > 0.1 else "XNYS"


def _look_like_closes(ts: NDArray[np.int64], frames: dict[int, str]) -> bool:
    """Tell whether days run from one bar after 09:30 to 16:00 in New York, in summer or winter."""
    lengths = {SECONDS[frame] * MICROS for frame in frames.values()}
    if len(lengths) != 1 or max(lengths) > HALF_HOUR:
        return False
    day, clock = np.divmod(ts, DAY)
    days, at = np.unique(day, return_inverse=True)
    first = np.full(len(days), DAY, np.int64)
    last = np.zeros(len(days), np.int64)
    np.minimum.at(first, at, clock)
    np.maximum.at(last, at, clock)
    opening = first - max(lengths)
    whole = np.isin(opening, NEW_YORK_OPENS) & (last == opening + SESSION)
    return bool(np.mean(whole) >= MOST_DAYS)


def _figures(found: Gathered) -> list[str]:
    """Return the columns that are stored as figures beside the bars."""
    names = found.fields.keys() - {*VALUES, "dividend", "split"}
    if {"adj_factor", "dividend", "split"} <= found.fields.keys():
        names -= {"adj_factor"}
        found.notes.append(
            "adj_factor follows from dividends and splits, which are stored; it is not. Call the "
            "column a figure to keep it."
        )
    return sorted(names)


def _price_mode(found: Gathered) -> str:
    """Return how prices are adjusted, as far as the columns tell."""
    if "adj_close" in found.fields and "split" not in found.fields:
        return "split"  # as Yahoo writes them: joined across splits, dividends apart
    return "raw"


def _spans(
    codes: NDArray[np.int32],
    ts: NDArray[np.int64],
    ends: list[tuple[int, int]],
    names: list[str],
    frames: dict[int, str],
) -> list[dict[str, Any]]:
    return [
        {
            "symbol": names[codes[a]],
            "rows": b - a,
            "first": int(ts[a]),
            "last": int(ts[b - 1]),
            "timeframe": frames[int(codes[a])],
        }
        for a, b in ends
    ]


def _head(spool: tables.Spool, found: Gathered, rows: int) -> list[dict[str, Any]]:
    names = found.names.all
    shown = {name: spool.get(name, rows) for name in ("codes", "ts", *VALUES, *found.fields)}
    return [
        {
            "symbol": names[shown["codes"][row]],
            "ts": int(shown["ts"][row]),
            **{
                name: float(values[row]) if np.isfinite(values[row]) else None
                for name, values in shown.items()
                if name not in {"codes", "ts"}
            },
        }
        for row in range(len(shown["ts"]))
    ]
