"""What validations share: the ground they stand on, the steps of their work, what a step gives.

A kind of validation is an object of ``PlanKind`` in ``kinds.KINDS``. The service reads its plan,
asks it for steps, and works them in turn. Before a step is worked, the database counts a trial
for each combination it fits (``Step.trials``); after it, its ``Outcome`` is kept, so that work
done again after a crash begins where it was. ``finish`` makes the result of all outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.integrity.streams import Stream, compact
from apps.backtests.kernel.metrics import METRICS, Figures, Sample, Undefined
from apps.backtests.kernel.reports import play
from apps.backtests.kernel.requests import Request
from apps.backtests.kernel.spaces import Space
from apps.backtests.kernel.trials import OBJECTIVES
from apps.core.errors import Conflict, Invalid, LabError, Unavailable
from apps.market.kernel.bars import Panel, periods_per_year
from apps.strategies.kernel.decisions import ByBar, Decided, Decisions, decisions_of
from apps.strategies.kernel.interface import Params, Strategy, View, check_panel, check_params
from apps.strategies.kernel.orders import Intents

Floats = NDArray[np.float64]
# Told which share of a step is done; raises to stop the work.
Tell = Callable[[float], None]
MOST_FITS = 20_000


@dataclass(frozen=True, slots=True)
class Ground:
    """What every step shares.

    ``combinations`` are whole parameters in the order of the grid, those the strategy refuses
    too; ``plan`` is what ``PlanKind.read`` returned.
    """

    panel: Panel
    strategy: Strategy
    request: Request
    space: Space
    combinations: tuple[Params, ...]
    objective: str
    plan: Mapping[str, Any]

    @property
    def periods(self) -> float:
        """Bars in a year."""
        return periods_per_year(self.panel.timeframe, continuous=self.panel.continuous)


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of work: ``trials`` combinations are fitted in it. ``window`` is plain JSON."""

    number: int
    trials: int
    window: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gave: figures as plain JSON, arrays by name.

    ``streams`` are what its combinations returned, in order, for the trial ledger.
    """

    figures: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    streams: tuple[Stream | None, ...] = ()


class PlanKind(Protocol):
    """One kind of validation. Objects hold no state."""

    name: str
    title: str
    says: str
    # Whether a result may speak for a promotion; a demonstration may not.
    is_evidence: bool

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a checked plan, complete, as plain JSON. Raises ``Invalid`` with the field."""
        ...

    def steps(self, ground: Ground) -> list[Step]:
        """Return the work in order, before any of it is done. Raises ``Invalid``."""
        ...

    def work(self, ground: Ground, step: Step, tell: Tell) -> Outcome:
        """Return what one step comes to."""
        ...

    def finish(self, ground: Ground, done: Sequence[tuple[Step, Outcome]]) -> dict[str, Any]:
        """Return the result as plain JSON, without NaN.

        ``sharpe`` (out of sample, per year) and ``efficiency`` in it are shown by lists.
        """
        ...


@dataclass(frozen=True, slots=True)
class Played:
    """Returns of a combination over a window, or why there are none."""

    returns: Floats | None
    error: dict[str, Any] | None = None


def warmup_of(ground: Ground) -> int:
    """Return the longest warm-up of the combinations that the strategy takes.

    Raises ``Invalid`` (``validation.no_combination``) when it takes none.
    """
    found, why = [], ""
    for params in ground.combinations:
        try:
            found.append(ground.strategy.warmup(check_params(ground.strategy.spec, params)))
        except Invalid as error:
            why = error.message
    if not found:
        message = f"The strategy refuses every combination of the space; the last one so: {why}"
        raise Invalid(message, code="validation.no_combination", details={"field": "space"})
    return max(found)


def play_window(
    ground: Ground, params: Params, start: int, stop: int, *, warmup: int, strict: bool = False
) -> Played:
    """Return what a combination earned by bar over ``start:stop``, from cash, after all costs.

    Parameters
    ----------
    start, stop
        Bars that are scored: ``stop - start`` returns. ``start - 1 - warmup`` is at least 0.
    warmup
        Bars before the decision for the first scored bar that the strategy sees and that are not
        scored. It sees nothing after ``stop``.
    strict
        Raise what stops the combination instead of telling it.

    Notes
    -----
    The account is all cash until the close before ``start``. What the strategy wants at that
    close, or last wanted during the warm-up, is traded as the window opens. Orders placed during
    the warm-up are not carried over, and a strategy that decides bar by bar begins at that close.
    """
    first = start - 1 - warmup
    panel = ground.panel.rows(first, stop)
    spec = ground.strategy.spec
    try:
        full = check_params(spec, params)
        check_panel(spec, ground.strategy.warmup(full), panel)
        wanted = decisions_of(ground.strategy, panel, full)
        result = play(panel, begun_at(wanted, warmup), ground.request)
    except (Conflict, Unavailable):
        raise  # no combination can run: the text is not approved, or nothing holds it here
    except LabError as error:
        if strict:
            raise
        return Played(None, {"code": error.code, "message": error.message})
    except Exception as error:  # a combination that raises must not end the others
        why = f"{type(error).__name__}: {error}"[:500]
        if strict:
            raise Invalid(f"The strategy raised {why}", code="strategy.raised") from error
        return Played(None, {"code": "strategy.raised", "message": why})
    return Played(result.returns[warmup:])


def begun_at(wanted: Decided, bar: int) -> Decided:
    """Return decisions as an account has them that begins at the close of ``bar``, from cash."""
    if isinstance(wanted, ByBar):
        decide = wanted.decide

        def later(view: View) -> Floats | Intents | None:
            return decide(view) if view.i >= bar else None

        return ByBar(wanted.features, later)
    if isinstance(wanted, Decisions):
        cut = int(np.searchsorted(wanted.bars, bar, side="right"))
        weights = np.concatenate((_last(wanted.weights[:cut])[None], wanted.weights[cut:]))
        bars = np.concatenate(([bar], wanted.bars[cut:]))
        return Decisions(bars, weights, tuple(one for one in wanted.orders if one[0] >= bar))
    out = wanted.copy()
    out[bar] = _last(wanted[: bar + 1])
    out[:bar] = np.nan
    return out


def _last(rows: Floats) -> Floats:
    """Return the last number of each column that is one."""
    if not len(rows):
        return np.full(rows.shape[1], np.nan)
    there = np.isfinite(rows)
    at = len(rows) - 1 - np.argmax(there[::-1], axis=0)
    found: Floats = rows[at, np.arange(rows.shape[1])]
    return found


def measured(returns: Floats, ts: NDArray[np.int64], periods: float) -> Figures:
    """Return the figures by which combinations are chosen, of returns by bar."""
    sample = _sample(returns, ts, periods)
    return {name: _figure(name, sample) for name in OBJECTIVES}


def score(returns: Floats, ts: NDArray[np.int64], objective: str, periods: float) -> float | None:
    """Return one figure, turned so that higher is better; None when it can't be told."""
    value = _figure(objective, _sample(returns, ts, periods))
    if value is None:
        return None
    return value if OBJECTIVES[objective] else -value


def _sample(returns: Floats, ts: NDArray[np.int64], periods: float) -> Sample:
    none = np.empty(0)
    return Sample(returns, returns, none, none, none, ts, periods)


def _figure(name: str, sample: Sample) -> float | None:
    if name == "equity_final":
        return float(np.prod(1.0 + sample.returns))
    metric = METRICS[name]
    if len(sample.returns) < metric.least or not np.isfinite(sample.returns).all():
        return None
    try:
        with np.errstate(all="ignore"):
            found = float(metric.compute(sample))
    except Undefined:
        return None
    return found if math.isfinite(found) else None


def stream_of(ground: Ground, returns: Floats | None, start: int, stop: int) -> Stream | None:
    """Return what the ledger keeps of a combination's returns over ``start:stop``."""
    return None if returns is None else compact(returns, ground.panel.ts[start:stop])
