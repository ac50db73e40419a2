"""Crisis windows: which of them the sample holds, and what was lost in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.doctor import links
from apps.backtests.kernel.doctor.case import Case
from apps.backtests.kernel.doctor.findings import WARNING, Diagnosis, Reading, diagnosis
from apps.backtests.kernel.doctor.words import percent

GROUP = "Crises"
COVERED, OWN = 0.5, 0.1


@dataclass(frozen=True, slots=True)
class Window:
    """A crisis from a peak to its trough, both days included."""

    name: str
    first: str
    last: str
    market: str = "stocks"

    def bounds(self) -> tuple[int, int]:
        """Return the first and one past the last microsecond."""
        first, last = (
            np.datetime64(day, "us").astype(np.int64) for day in (self.first, self.last)
        )
        return int(first), int(last) + 86_400_000_000


# Peaks and troughs at closes of the S&P 500, and of Bitcoin in dollars.
WINDOWS = (
    Window("the end of the dot-com boom", "2000-03-24", "2002-10-09"),
    Window("the financial crisis", "2007-10-09", "2009-03-09"),
    Window("the downgrade of the US", "2011-04-29", "2011-10-03"),
    Window("the devaluation of the yuan", "2015-05-21", "2016-02-11"),
    Window("the end of 2018", "2018-09-20", "2018-12-24"),
    Window("the pandemic", "2020-02-19", "2020-03-23"),
    Window("the inflation of 2022", "2022-01-03", "2022-10-12"),
    Window("the tariffs of 2025", "2025-02-19", "2025-04-08"),
    Window("the crypto winter of 2018", "2017-12-17", "2018-12-15", "crypto"),
    Window("the Chinese ban on mining", "2021-04-14", "2021-07-20", "crypto"),
    Window("Luna, Celsius and FTX", "2021-11-09", "2022-11-21", "crypto"),
)


def _met(case: Case) -> list[tuple[Window, int, int]]:
    """Return the windows that the record covers by half or more, with first and last bar."""
    kinds = set(case.panel.kinds) if case.panel is not None else set()
    crypto = bool(kinds) and kinds <= {"perpetual", "crypto", "spot", "coin"}
    found = []
    for window in WINDOWS:
        if window.market == "crypto" and not crypto:
            continue
        first, last = window.bounds()
        inside = min(last, int(case.ts[-1])) - max(first, int(case.ts[0]))
        bars = np.flatnonzero((case.ts >= first) & (case.ts < last))
        if inside >= COVERED * (last - first - 86_400_000_000) and len(bars) > 1:
            found.append((window, int(bars[0]), int(bars[-1])))
    return found


@diagnosis(
    GROUP,
    "No crisis in the sample",
    unit="count",
    note=1.0,
    warning=0.0,
    below=True,
    measures="crisis windows that the record covers by half or more",
    means="What it does when markets break is not known; its drawdown is one of fair weather.",
    do="Run it over a longer history that holds one, or stress it with scenarios.",
    source="peaks to troughs of the S&P 500, for coins also of Bitcoin: kernel/doctor/crises.py",
)
def crises_missing(case: Case) -> Reading | str:
    """Return how many crises the record holds."""
    if len(case.ts) < 2:
        return "The run has fewer than two bars."
    met = _met(case)
    named = ", ".join(window.name for window, _, _ in met)
    says = f"The record holds {named}." if met else "The record holds no crisis window."
    where = tuple(links.span(case.ts[a], case.ts[b], window.name) for window, a, b in met)
    return Reading(float(len(met)), says, links=(*where[:4], links.field("start")))


@diagnosis(
    GROUP,
    "A crisis cost much",
    unit="fraction",
    note=0.1,
    warning=0.2,
    critical=0.4,
    measures=(
        "largest loss of equity over one crisis window; critical only when the benchmark lost 10 "
        "points less"
    ),
    means="The next one will not be the same, but this one is known to have hurt.",
    do="See what was held then; a cap on exposure or a stop on the account is tested there.",
    source="the same windows",
)
def crisis_loss(case: Case) -> Reading | str:
    """Return what the worst crisis cost."""
    met = _met(case) if len(case.ts) > 1 else []
    if not met:
        return "The record holds no crisis window."
    made = [_growth(case.equity, a, b) for _, a, b in met]
    known = [x if math.isfinite(x) else 0.0 for x in made]
    at = int(np.argmin(known))
    window, first, last = met[at]
    theirs = _growth(case.benchmark, first, last)
    beside = f", the benchmark {percent(theirs)}" if math.isfinite(theirs) else ""
    says = f"Over {window.name} it made {percent(known[at])}{beside}."
    where = (links.span(case.ts[first], case.ts[last], window.name),)
    # What the whole market lost as well is no flaw of the rule's own.
    own = not math.isfinite(theirs) or known[at] < theirs - OWN
    most = "critical" if own else WARNING
    return Reading(max(-known[at], 0.0), says, links=where, at_most=most)


def _growth(value: NDArray[np.float64], first: int, last: int) -> float:
    before = float(value[first])
    return float(value[last]) / before - 1.0 if before > 0.0 else float("nan")


DIAGNOSES: tuple[Diagnosis, ...] = (crises_missing, crisis_loss)
