"""Reads of stress: what a book would lose, and what it is exposed to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from apps.core.errors import Invalid, LabError, NotFound
from apps.market import selectors as market
from apps.market.kernel.bars import Panel
from apps.market.selectors.locations import locate
from apps.risk.kernel.factors import FF5_MOM, RISK_FREE, exposures, principal
from apps.risk.kernel.samples import Floats
from apps.risk.kernel.scenarios import Shocks, apply, shocks_from
from apps.risk.kernel.stress import (
    CRISES,
    DAY,
    Book,
    Correlated,
    break_correlations,
    correlated,
    normal_loss,
    replay,
    returns_of,
    reverse,
)
from apps.risk.models import Scenario
from apps.risk.selectors.books import Holding, get_holding

FACTORS_DATASET = "fama-french"
LEVEL = 0.99
# Bars from which correlations and exposures are learned.
LEARNED = 500
TARGETS = (0.0, 0.5, 0.9, 1.0)
COMPONENTS = 5


@dataclass(frozen=True, slots=True)
class Ground:
    """A book with the daily bars of what it holds; ``rows`` of them may be learned from."""

    holding: Holding
    book: Book
    ts: NDArray[np.int64]
    closes: dict[str, Floats]
    sectors: dict[str, str]
    rows: int
    continuous: bool

    @property
    def learned(self) -> slice:
        """The newest rows before the book's own time."""
        return slice(max(0, self.rows - LEARNED - 1), self.rows)

    def returns(self) -> dict[str, Floats]:
        """Return the daily returns that may be learned from, by symbol."""
        closes = {name: prices[self.learned] for name, prices in self.closes.items()}
        return returns_of(closes, list(self.book.weights))


def get_ground(*, team_id: int, subject: str) -> Ground:
    """Return a book with its bars. Raises ``NotFound``, ``Conflict``, ``Invalid`` when empty."""
    return ground_of(team_id=team_id, holding=get_holding(team_id=team_id, subject=subject))


def ground_of(*, team_id: int, holding: Holding) -> Ground:
    """Return what is held, or would be, with its bars. Raises ``Invalid`` when empty."""
    held = {name: share for name, share in holding.weights.items() if share}
    Book(held)
    panel = market.read_panel(team_id=team_id, timeframe="1d", instruments=list(held))
    found = locate(team_id=team_id, symbols=list(held), timeframe="1d")
    weights = dict(zip(panel.symbols, held.values(), strict=True))
    return Ground(
        holding,
        Book(weights),
        panel.ts,
        {symbol: panel.close[:, i] for i, symbol in enumerate(panel.symbols)},
        {item.symbol: item.sector for item in found if item.sector},
        _rows_until(panel, holding),
        panel.continuous,
    )


def _rows_until(panel: Panel, holding: Holding) -> int:
    if holding.as_of is None:
        return panel.n_bars
    until = int(holding.as_of.timestamp() * 1_000_000)
    return int(np.searchsorted(panel.ts, until, side="right"))


def stress_book(
    *,
    team_id: int,
    subject: str,
    loss: float = 0.2,
    correlation: float = 1.0,
    volatility: float = 1.0,
) -> dict[str, Any]:
    """Return every stress of a book: crises, scenarios, correlations, the smallest shock.

    A part that can't be computed says why; the others stand.
    """
    ground = get_ground(team_id=team_id, subject=subject)
    betas = betas_of(team_id, ground)
    rows = list_scenarios(team_id=team_id)
    return {
        **told_of(ground),
        "crises": [replay(ground.book, one, ground.ts, ground.closes) for one in CRISES],
        "scenarios": [_scenario(row, ground, betas) for row in rows],
        "correlation": _guarded(lambda: _broken(ground, correlation, volatility)),
        "reverse": _guarded(lambda: reverse(_learned(ground), loss)),
    }


def told_of(ground: Ground) -> dict[str, Any]:
    """Return what is stressed, for the head of an answer."""
    holding = ground.holding
    return {
        "subject": holding.subject,
        "title": holding.title,
        "equity": holding.equity,
        "currency": holding.currency,
        "as_of": holding.as_of,
        "note": holding.note,
        "weights": dict(ground.book.weights),
        "sectors": ground.sectors,
    }


def _guarded(work: Any) -> dict[str, Any]:
    try:
        return {"why_not": "", **work()}
    except LabError as error:
        return {"why_not": error.message}


def _learned(ground: Ground) -> Correlated:
    return correlated(ground.book, ground.returns())


def _broken(ground: Ground, correlation: float, volatility: float) -> dict[str, Any]:
    now = _learned(ground)
    var, es = normal_loss(now, LEVEL)
    rows = []
    for to in dict.fromkeys([*TARGETS, correlation]):
        found = break_correlations(now, to=to, volatility=volatility)
        broken, worst = normal_loss(found, LEVEL)
        rows.append({"to": to, "sd": found.sd, "var": broken, "es": worst})
    told = {"level": LEVEL, "volatility": volatility, "rows": now.rows}
    return {**told, "sd": now.sd, "var": var, "es": es, "moved": rows}


def _scenario(row: Scenario, ground: Ground, betas: Mapping[str, Any]) -> dict[str, Any]:
    found = apply(ground.book, shocks_from(row.shocks), sectors=ground.sectors, betas=betas)
    return {"id": row.pk, "name": row.name, "version": row.version, "title": row.title, **found}


def try_shocks(*, team_id: int, subject: str, shocks: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a book would lose by a table that is not stored. Raises ``Invalid``."""
    table = shocks_from(shocks)
    ground = get_ground(team_id=team_id, subject=subject)
    betas = betas_of(team_id, ground) if table.factor else {}
    found = apply(ground.book, table, sectors=ground.sectors, betas=betas)
    return {**told_of(ground), **found}


def factors_of(*, team_id: int, subject: str) -> dict[str, Any]:
    """Return the book's exposures to five factors and momentum, and its principal components.

    The book is that of today over the last 500 daily bars; factors are of US stocks, and what is
    not told is why_not.
    """
    ground = get_ground(team_id=team_id, subject=subject)
    returns = ground.returns()
    return {
        **told_of(ground),
        "factors": _guarded(lambda: _exposed(team_id, ground, returns)),
        "components": _guarded(lambda: principal(returns, ground.book.weights)),
    }


def _exposed(team_id: int, ground: Ground, returns: Mapping[str, Floats]) -> dict[str, Any]:
    absent = [name for name in ground.book.weights if name not in returns]
    if absent:
        raise Invalid(f"{', '.join(absent)}: no returns.", code="risk.stress.history")
    total = sum(share * returns[name] for name, share in ground.book.weights.items())
    rate, columns = _factors(team_id, ground)
    return exposures(np.asarray(total) - rate, columns)


def _factors(team_id: int, ground: Ground) -> tuple[Floats, dict[str, Floats]]:
    """Return the risk-free rate and the factors on the days learned from, by their dates."""
    if ground.continuous:
        message = "The factors are of US stocks; look at the principal components instead."
        raise Invalid(message, code="risk.factors.market")
    found = market.read_figures(team_id=team_id, dataset=FACTORS_DATASET, kind="return")
    lacking = [name for name in (*FF5_MOM, RISK_FREE) if name not in found]
    if lacking:
        raise NotFound(f"{FACTORS_DATASET} lacks {', '.join(lacking)}.", code="risk.factors.data")
    days = ground.ts[ground.learned][1:] // DAY
    laid = {name: _on_days(days, *found[name]) for name in (*FF5_MOM, RISK_FREE)}
    return laid.pop(RISK_FREE), laid


def _on_days(days: NDArray[np.int64], ts: NDArray[np.int64], values: Floats) -> Floats:
    there = ts // DAY
    at = np.minimum(np.searchsorted(there, days), len(there) - 1)
    return np.where(there[at] == days, values[at], np.nan)


def betas_of(team_id: int, ground: Ground) -> dict[str, dict[str, float]]:
    """Return each position's exposures by factor; none for one they can't be estimated of."""
    try:
        rate, columns = _factors(team_id, ground)
    except LabError:
        return {}
    found: dict[str, dict[str, float]] = {}
    for symbol, returns in ground.returns().items():
        try:
            betas = exposures(returns - rate, columns)["betas"]
        except LabError:
            continue
        found[symbol] = {name: row["value"] for name, row in betas.items()}
    return found


def list_scenarios(*, team_id: int) -> list[Scenario]:
    """Return the newest version of every scenario that is not archived, by name."""
    rows = Scenario.objects.filter(team_id=team_id).order_by("name", "-version").distinct("name")
    return [row for row in rows if not row.is_archived]


def scenario_versions(*, team_id: int, name: str) -> QuerySet[Scenario]:
    """Return every version of a scenario, newest first."""
    return Scenario.objects.filter(team_id=team_id, name=name).order_by("-version", "-id")


def get_scenario(scenario_id: int, team_id: int) -> Scenario:
    """Return a version of a scenario. Raises ``NotFound``, also for another team's."""
    row = Scenario.objects.filter(pk=scenario_id, team_id=team_id).first()
    if row is None:
        message = f"There is no scenario {scenario_id}; see GET /api/v1/risk/scenarios."
        raise NotFound(message, code="risk.scenario.not_found")
    return row


def shocks_of(row: Scenario) -> Shocks:
    """Return a stored table."""
    return shocks_from(row.shocks)
