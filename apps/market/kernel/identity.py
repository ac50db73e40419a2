"""Whether a series is one security from end to end, and whether its last bar is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.columns import Columns
from apps.market.kernel.findings import Finding
from apps.market.kernel.resample import DAY, MICROS, bucket_starts, resample

LONG_HOLE = 45 * DAY
SIDE = 60
LEVEL_BREAK = 1.0  # log price
SPREAD_BREAK = 3.0  # times
TRADE_BREAK = 10.0  # times the money traded
SAME_LEAST = 20  # common bars before two sources can be compared
SAME_SHARE = 0.95
DOLLARS = ("USDT", "USDC", "USD")
THIN = 0.25
USUAL = 250
CLOSE_TOLERANCE = 1e-6
VOLUME_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Renamed:
    """A ticker that became another one: at midnight UTC of the day, in microseconds."""

    before: str
    after: str
    ts: int


def reuse(bars: Columns, symbol: str = "", renames: Sequence[Renamed] = ()) -> list[Finding]:
    """Return where one security ends and another begins under the same ticker.

    Notes
    -----
    At a hole of more than 45 days the 60 bars on either side are compared: the price level
    (log ratio above 1), the usual move (above 3 times) and the money traded (above 10 times).
    Any of them marks a break. A rename away from the ticker that is not taken back marks one by
    itself, without a hole.
    """
    holes = np.flatnonzero(np.diff(bars.ts) > LONG_HOLE) + 1
    found = {int(row): words for row in holes if (words := _break(bars, int(row)))}
    for row in _renamed_away(bars, symbol, renames):
        found.setdefault(row, f"{symbol} was renamed away before this bar")
    return [
        Finding(
            "ticker_reuse",
            int(bars.ts[row]),
            int(bars.ts[row]),
            1,
            float(np.log(bars.close[row] / bars.close[row - 1])),
            words,
        )
        for row, words in sorted(found.items())
    ]


def _break(bars: Columns, row: int) -> str:
    before, after = bars.take(slice(max(row - SIDE, 0), row)), bars.take(slice(row, row + SIDE))
    days = int((bars.ts[row] - bars.ts[row - 1]) // DAY)
    level = float(bars.close[row] / bars.close[row - 1])
    spread = _ratio(_usual_move(after), _usual_move(before))
    trade = _ratio(_usual_trade(after), _usual_trade(before))
    signs = [
        (abs(np.log(level)) > LEVEL_BREAK, f"price times {level:.3g}"),
        (_apart(spread, SPREAD_BREAK), f"usual move times {spread:.2g}"),
        (_apart(trade, TRADE_BREAK), f"money traded times {trade:.2g}"),
    ]
    words = [text for is_broken, text in signs if is_broken]
    return f"after a hole of {days} days: {', '.join(words)}" if words else ""


def _usual_move(bars: Columns) -> float:
    moves = np.abs(np.diff(np.log(bars.close)))
    return float(np.median(moves)) if len(moves) else 0.0


def _usual_trade(bars: Columns) -> float:
    return float(np.median(bars.close * bars.volume))


def _ratio(after: float, before: float) -> float:
    return after / before if after > 0 and before > 0 else 1.0


def _apart(ratio: float, limit: float) -> bool:
    return bool(abs(np.log(ratio)) > np.log(limit))


def _renamed_away(bars: Columns, symbol: str, renames: Sequence[Renamed]) -> Iterator[int]:
    for left in renames:
        came_back = any(
            back.after == symbol and back.before == left.after and back.ts > left.ts
            for back in renames
        )
        row = int(np.searchsorted(bars.ts, left.ts + 1))
        if left.before == symbol and not came_back and 0 < row < len(bars):
            yield row


def spellings(symbol: str) -> set[str]:
    """Return the names sources list the same coin by, such as ``BINANCE:BTC`` and ``BTCUSDT``."""
    bare = symbol if "/" in symbol else symbol.rpartition(":")[2]
    base = bare.partition("/")[0]
    for quote in DOLLARS:
        if base.endswith(quote) and len(base) > len(quote):
            base = base.removesuffix(quote).rstrip("-")
            break
    pairs = {f"{base}{joint}{quote}" for quote in DOLLARS for joint in ("", "/", "-")}
    return {symbol, bare, base, *pairs, *(f"{base}/{quote}:{quote}" for quote in DOLLARS)}


def unfinished(
    bars: Columns,
    timeframe: str,
    *,
    received: int | None = None,
    finer: tuple[str, Columns] | None = None,
    others: Sequence[tuple[str, Columns]] = (),
    is_continuous: bool = True,
) -> Finding | None:
    """Return a finding when the last bar was taken before it had closed.

    Parameters
    ----------
    received
        When the last bar was fetched, in microseconds: before its close it can't be whole.
    finer
        Name and shorter bars of the same instrument: they must add up to the last bar.
    others
        Names and bars of the same symbol from other sources; one that agrees on the bars before
        to the digit must agree on the last one.

    Notes
    -----
    Without any of these the last bar's volume is held against the 250 before: the least of
    all of them and below a quarter of the usual is a bar that was cut.
    """
    if len(bars) < 3:
        return None
    reasons = (
        _before_close(bars, timeframe, received, is_continuous),
        _against_finer(bars, timeframe, finer),
        *(_against_other(bars, name, other) for name, other in others),
        _thin(bars, is_continuous),
    )
    note = next((words for words in reasons if words), "")
    last = int(bars.ts[-1])
    return Finding("unfinished", last, last, 1, _share(bars), note) if note else None


def _share(bars: Columns) -> float:
    usual = float(np.median(bars.volume[-USUAL - 1 : -1]))
    return float(bars.volume[-1] / usual) if usual > 0 else 1.0


def _before_close(bars: Columns, timeframe: str, received: int | None, is_continuous: bool) -> str:
    # A session ends well before its day does, so days of exchanges can't be judged by the clock.
    if received is None or (timeframe in ("1d", "1w", "1mo") and not is_continuous):
        return ""
    close = int(bars.ts[-1]) + seconds_of(timeframe) * MICROS
    return "it was fetched before its close" if received < close else ""


def _against_finer(bars: Columns, timeframe: str, finer: tuple[str, Columns] | None) -> str:
    if finer is None or not len(finer[1]):
        return ""
    source, short = finer
    keys = bucket_starts(short.ts, timeframe)
    if keys[-1] <= bars.ts[-1]:  # the shorter bars may be cut as well
        return ""
    whole = resample(short.take(keys == bars.ts[-1]), timeframe, source=source, complete=False)
    if not len(whole):
        return ""
    same = np.isclose(whole.close[0], bars.close[-1], rtol=CLOSE_TOLERANCE)
    return "" if same else f"its {source} bars close at {whole.close[0]:g}"


def _against_other(bars: Columns, name: str, other: Columns) -> str:
    _, mine, theirs = np.intersect1d(bars.ts[-USUAL:], other.ts, return_indices=True)
    if len(mine) <= SAME_LEAST or mine[-1] != len(bars.ts[-USUAL:]) - 1:
        return ""
    same = _equal(bars.take(slice(-USUAL, None)), mine, other, theirs)
    if same[-1] or same[:-1].mean() < SAME_SHARE:
        return ""
    return f"{name} agrees on {int(same[:-1].sum())} bars before and differs on this one"


def _equal(
    bars: Columns, mine: NDArray[np.intp], other: Columns, theirs: NDArray[np.intp]
) -> NDArray[np.bool_]:
    close = np.isclose(bars.close[mine], other.close[theirs], rtol=CLOSE_TOLERANCE, atol=0)
    volume = np.isclose(bars.volume[mine], other.volume[theirs], rtol=VOLUME_TOLERANCE, atol=0)
    return np.asarray(close & volume)


def _thin(bars: Columns, is_continuous: bool) -> str:
    before = bars.volume[-USUAL - 1 : -1]
    share = _share(bars)
    # Exchanges have half days, with a third of the volume of a whole one.
    limit = THIN if is_continuous else THIN / 2
    if len(before) < SIDE or share >= limit or bars.volume[-1] >= before.min():
        return ""
    return f"{share:.1%} of the usual volume, the least of the last {len(before)} bars"
