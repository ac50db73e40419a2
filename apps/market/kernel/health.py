"""One series judged: coverage, gaps, findings, a score.

The score
---------
``score = 100 x coverage - min(40, sum of weights of the open findings)``, at least 0, where
coverage is the share of expected bars that is there and the weights are those of ``KINDS``:
10 for a ticker used again, 5 for splits, units and stale ends, 2 for spikes, outliers, frozen
stretches and an unfinished bar, 1 for a large move, 0 for a stretch without volume. A finding that
somebody acknowledged as a real event weighs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.market.kernel.calendars import ALWAYS_OPEN, expected_times
from apps.market.kernel.columns import Actions, Columns
from apps.market.kernel.findings import KINDS, Finding, find_all
from apps.market.kernel.gaps import find_gaps, missing_by
from apps.market.kernel.identity import Renamed, reuse, unfinished
from apps.market.kernel.resample import DAY

MAX_LISTED = 20
MAX_GAPS = 50
MAX_PENALTY = 40.0
STALE_BARS = 3
MONTHLY_ABOVE = 400 * DAY


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a series besides its bars and actions.

    Parameters
    ----------
    until
        Open of the newest bar that should exist by now; None when the series may end.
    received
        When the last bar was fetched.
    finer
        Timeframe and bars of the same instrument at a shorter timeframe, near the end.
    others
        Names and bars of the same symbol in other datasets, near the end.
    """

    symbol: str = ""
    renames: Sequence[Renamed] = ()
    until: int | None = None
    received: int | None = None
    finer: tuple[str, Columns] | None = None
    others: Sequence[tuple[str, Columns]] = ()


NOTHING = Context()


def judge(
    bars: Columns,
    actions: Actions,
    *,
    calendar: str,
    timeframe: str,
    context: Context = NOTHING,
) -> dict[str, Any]:
    """Return the health of a series as JSON.

    Returns
    -------
    dict
        ``score`` 0 to 100, ``coverage`` 0 to 1, ``expected`` and ``missing`` bars,
        ``zero_volume`` bars, ``counts`` by kind of finding, ``gaps`` (the fifty largest),
        ``findings`` (the twenty heaviest) and ``lost``: missing bars by month or day.
    """
    if not len(bars):
        return {"score": 0.0, "coverage": 0.0, "missing": 0, "expected": 0, "zero_volume": 0} | {
            "counts": {},
            "gaps": [],
            "findings": [],
            "lost": {},
        }
    expected = expected_times(calendar, timeframe, int(bars.ts[0]), int(bars.ts[-1]), bars.ts)
    gaps = find_gaps(bars.ts, expected)
    missing = sum(gap.bars for gap in gaps)
    coverage = 1.0 - missing / len(expected) if len(expected) else 1.0
    findings = _findings(bars, actions, calendar, timeframe, context)
    counts = dict(Counter(item.kind for item in findings))
    largest = sorted(gaps, key=lambda gap: -gap.bars)[:MAX_GAPS]
    heaviest = sorted(findings, key=lambda item: (-KINDS[item.kind].weight, -abs(item.size)))
    unit = "M" if bars.ts[-1] - bars.ts[0] > MONTHLY_ABOVE else "D"
    return {
        "score": health_score(coverage, counts),
        "coverage": round(coverage, 6),
        "missing": missing,
        "expected": len(expected),
        "zero_volume": int(np.count_nonzero(bars.volume == 0)),
        "counts": counts,
        "gaps": [
            {"first": iso(gap.first), "last": iso(gap.last), "bars": gap.bars} for gap in largest
        ],
        "findings": [as_dict(item) for item in heaviest[:MAX_LISTED]],
        "lost": missing_by(expected, bars.ts, unit) if missing else {},
    }


def _findings(
    bars: Columns, actions: Actions, calendar: str, timeframe: str, context: Context
) -> list[Finding]:
    found = find_all(bars, actions, timeframe)
    found += reuse(bars, context.symbol, context.renames)
    cut = unfinished(
        bars,
        timeframe,
        received=context.received,
        finer=context.finer,
        others=context.others,
        is_continuous=calendar == ALWAYS_OPEN,
    )
    found += [cut] if cut else []
    old = stale(bars, calendar, timeframe, context.until)
    return found + ([old] if old else [])


def stale(bars: Columns, calendar: str, timeframe: str, until: int | None) -> Finding | None:
    """Return a finding when more than three bars up to ``until`` are not there yet."""
    last = int(bars.ts[-1])
    if until is None or until <= last:
        return None
    absent = len(expected_times(calendar, timeframe, last + 1, until, bars.ts))
    if calendar == ALWAYS_OPEN:
        absent = len(expected_times(calendar, timeframe, last, until)) - 1
    if absent <= STALE_BARS:
        return None
    note = f"ends {iso(last)[:16]}, {absent} bars before {iso(until)[:16]}"
    return Finding("stale", last, last, absent, float(absent), note)


def health_score(coverage: float, counts: Mapping[str, int]) -> float:
    """Return 0 to 100 from coverage and the number of open findings by kind."""
    penalty = sum(KINDS[kind].weight * count for kind, count in counts.items())
    return max(round(100.0 * coverage - min(penalty, MAX_PENALTY), 1), 0.0)


def as_dict(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON."""
    return {
        "kind": finding.kind,
        "at": iso(finding.first),
        "until": iso(finding.last),
        "bars": finding.bars,
        "size": round(finding.size, 6),
        "note": finding.note,
    }


def iso(ts: int) -> str:
    """Return microseconds since 1970 as ISO text in UTC."""
    return f"{np.datetime64(ts, 'us').astype('M8[s]')}Z"
