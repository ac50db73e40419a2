"""One series judged: coverage, gaps, suspicious moves, a score."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.market.kernel.adjust import adjust
from apps.market.kernel.cleaning import find_suspicions
from apps.market.kernel.columns import Actions, Columns
from apps.market.kernel.gaps import expected_times, find_gaps, health_score

MAX_LISTED = 20


def judge(bars: Columns, actions: Actions, *, calendar: str, timeframe: str) -> dict[str, Any]:
    """Return the health of a series as JSON.

    Returns
    -------
    dict
        ``score`` 0 to 100, ``coverage`` 0 to 1, ``missing`` bars, ``gaps`` and ``suspicions``
        (the twenty largest each), ``zero_volume`` bars, ``expected`` bars or None when the
        calendar is not judged.
    """
    if not len(bars):
        return {"score": 0.0, "coverage": 0.0, "missing": 0, "gaps": [], "suspicions": []}
    expected = expected_times(calendar, timeframe, int(bars.ts[0]), int(bars.ts[-1]))
    gaps = [] if expected is None else find_gaps(bars.ts, expected)
    missing = sum(gap.bars for gap in gaps)
    coverage = 1.0 if expected is None or not len(expected) else 1.0 - missing / len(expected)
    close = adjust(bars, actions, "total_return").close
    suspicions = find_suspicions(bars, close, actions, timeframe)
    largest = sorted(gaps, key=lambda gap: -gap.bars)[:MAX_LISTED]
    moves = sorted(suspicions, key=lambda move: -abs(move.change))[:MAX_LISTED]
    return {
        "score": health_score(coverage, suspicions),
        "coverage": round(coverage, 6),
        "missing": missing,
        "expected": None if expected is None else len(expected),
        "zero_volume": int(np.count_nonzero(bars.volume == 0)),
        "gaps": [
            {"first": iso(gap.first), "last": iso(gap.last), "bars": gap.bars} for gap in largest
        ],
        "suspicions": [
            {"at": iso(move.ts), "kind": move.kind, "change": round(move.change, 6)}
            for move in moves
        ],
    }


def iso(ts: int) -> str:
    """Return microseconds since 1970 as ISO text in UTC."""
    return f"{np.datetime64(ts, 'us').astype('M8[s]')}Z"
