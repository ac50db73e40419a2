"""What a book's VaR rests on: past closes at today's weights, or a run's own returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from apps.core.errors import Invalid, LabError
from apps.core.kernel.hashing import digest_arrays
from apps.core.kernel.timeframes import seconds_of
from apps.market import selectors as market
from apps.risk.kernel.calendars import common_sessions
from apps.risk.kernel.grades_forecasts import WINDOW
from apps.risk.kernel.samples import Floats
from apps.risk.models import RiskReport
from apps.risk.selectors.books import Holding, get_history, get_holding

RUN = "backtest:"
DAILY = "1d"
# How far back the window that is graded is looked for: holidays and nights lie between.
REACH = 1.8
# Of a run's own returns the newest are measured.
MOST_RETURNS = 5000
# Bars that make the mean volume of a position.
VOLUME_BARS = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sample:
    """Returns of what is held, with the weights; ``traded`` is value a bar where volumes exist.

    A run has one column, its own returns: what it held at its end is no measure of it.
    """

    holding: Holding
    timeframe: str
    how: str
    columns: Mapping[str, Floats]
    weights: Mapping[str, float]
    ts: Any
    traded: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    # Returns that were made, not those of today's weights.
    is_run: bool = False

    @property
    def block(self) -> Floats:
        """``(n, m)`` returns by position."""
        return np.stack([self.columns[name] for name in self.weights], axis=1)

    @property
    def shares(self) -> Floats:
        """``(m,)`` weights in the order of the block."""
        return np.array(list(self.weights.values()), dtype=np.float64)

    @property
    def returns(self) -> Floats:
        """``(n,)`` returns of the book."""
        return np.asarray(self.block @ self.shares, dtype=np.float64)

    @property
    def digest(self) -> str:
        """Return the digest of the returns and the weights."""
        names = np.array(sorted(self.weights), dtype="U80")
        columns = {f"c:{name}": values for name, values in self.columns.items()}
        return digest_arrays(names=names, shares=self.shares, ts=np.asarray(self.ts), **columns)


def get_sample(*, team_id: int, subject: str) -> Sample:
    """Return what the VaR of a book rests on.

    Raises
    ------
    NotFound, Conflict
        No such book; a run that has no result.
    Invalid
        ``risk.empty`` when nothing is held, ``risk.no_price``, ``risk.too_few``.
    """
    if subject.startswith(RUN):
        return _of_run(team_id, get_holding(team_id=team_id, subject=subject))
    return get_held(team_id=team_id, subject=subject)


def get_held(*, team_id: int, subject: str) -> Sample:
    """Return what a book holds, or a run held at its end, over the past of its positions.

    Raises as ``get_sample``.
    """
    holding = get_holding(team_id=team_id, subject=subject)
    held = {name: share for name, share in holding.weights.items() if share}
    if not held:
        raise Invalid("Nothing is held, so there is nothing to lose.", code="risk.empty")
    return _of_positions(team_id, holding, held, timeframe_of(team_id, subject))


def positions_of(*, team_id: int, sample: Sample) -> Sample:
    """Return what is held behind a sample: of a run its last positions, if these have a past."""
    if not sample.is_run:
        return sample
    try:
        return get_held(team_id=team_id, subject=sample.holding.subject)
    except LabError:
        return sample


def timeframe_of(team_id: int, subject: str) -> str:
    """Return the bars a book is marked by; daily ones until it was marked."""
    rows = RiskReport.objects.filter(team_id=team_id, subject=subject, is_live=True)
    return str(rows.values_list("body__timeframe", flat=True).first() or DAILY)


def _of_run(team_id: int, holding: Holding) -> Sample:
    history = get_history(team_id=team_id, subject=holding.subject)
    name = "run"
    return Sample(
        holding,
        "",
        "the run's own returns, bar by bar",
        {name: np.asarray(history.returns[-MOST_RETURNS:], dtype=np.float64)},
        {name: 1.0},
        history.ts[-MOST_RETURNS:],
        is_run=True,
    )


def _of_positions(
    team_id: int, holding: Holding, held: Mapping[str, float], timeframe: str
) -> Sample:
    end = holding.as_of
    start = end - timedelta(seconds=(WINDOW + 50) * REACH * seconds_of(timeframe)) if end else None
    panel = market.read_panel(
        team_id=team_id, timeframe=timeframe, instruments=list(held), start=start, end=end
    )
    rows = panel.n_bars
    if end is not None:
        # A bar is known once it has closed; the last one may stamp its open before ``end``.
        limit = int(end.timestamp() * 1_000_000) - seconds_of(timeframe) * 1_000_000
        rows = int(np.searchsorted(panel.ts, limit, side="right"))
    kept = slice(0, rows)
    named = dict(zip(panel.symbols, held.values(), strict=True))
    prices = {
        symbol: (panel.ts[kept], panel.close[kept, i]) for i, symbol in enumerate(panel.symbols)
    }
    joint = common_sessions(prices)
    return Sample(
        holding,
        timeframe,
        f"the last {WINDOW} common {timeframe} returns at the weights held now",
        {name: joint.returns[-WINDOW:, i] for i, name in enumerate(joint.names)},
        {name: named[name] for name in joint.names},
        joint.ts[1:][-WINDOW:],
        _traded(panel, kept),
        (*joint.notes, *([holding.note] if holding.note else [])),
    )


def _traded(panel: Any, kept: slice) -> dict[str, float]:
    """Return the mean value traded in a bar, of what has volumes."""
    closes, volumes = panel.close[kept][-VOLUME_BARS:], panel.volume[kept][-VOLUME_BARS:]
    found: dict[str, float] = {}
    for i, symbol in enumerate(panel.symbols):
        values = closes[:, i] * volumes[:, i]
        values = values[np.isfinite(values)]
        if values.size and float(values.mean()) > 0.0:
            found[symbol] = float(values.mean())
    return found


def moment(ts: int) -> datetime:
    """Return a time in microseconds as a time."""
    return EPOCH + timedelta(microseconds=int(ts))
