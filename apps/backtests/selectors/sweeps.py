"""Sweeps and their trials as rows and pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import Count, F, Max, QuerySet, Sum
from numpy.typing import NDArray

from apps.backtests.kernel.files import measure_file as measure_file
from apps.backtests.kernel.trials import OBJECTIVES
from apps.backtests.models import Run, Sweep, Trial
from apps.backtests.selectors.runs import by_figure
from apps.core.errors import Invalid, NotFound
from apps.core.models import FINAL_STATES, Job

COLUMNS = (
    "score",
    "sharpe",
    "sortino",
    "calmar",
    "cagr",
    "total_return",
    "volatility",
    "max_drawdown",
    "equity_final",
    "exposure",
    "turnover",
    "trades",
)


@dataclass(frozen=True, slots=True)
class Landscape:
    """Every done trial of a sweep as arrays: parameters by name, and the figure ranked by."""

    title: str
    objective: str
    params: dict[str, list[Any]]
    values: NDArray[np.float64]


def list_sweeps(*, team_id: int, strategy: str = "", status: str = "") -> QuerySet[Sweep]:
    """Return the team's sweeps, newest first."""
    rows = Sweep.objects.filter(team_id=team_id)
    if strategy:
        rows = rows.filter(strategy=strategy)
    if status:
        rows = rows.filter(status=status)
    return rows


def get_sweep(sweep_id: UUID | str, team_id: int) -> Sweep:
    """Return a sweep of the team. Raises ``NotFound``, also for another team's."""
    sweep = None
    try:
        sweep = Sweep.objects.filter(pk=UUID(str(sweep_id)), team_id=team_id).first()
    except ValueError:
        sweep = None
    if sweep is None:
        message = f"There is no sweep {sweep_id} in this team; see /research/sweeps."
        raise NotFound(message, code="sweep.not_found")
    return sweep


def get_trial(sweep: Sweep, number: int) -> Trial:
    """Return a trial by its number. Raises ``NotFound``."""
    trial = Trial.objects.filter(sweep=sweep, number=number).first()
    if trial is None:
        message = f"Trial {number} of the sweep is not there, or not computed yet."
        raise NotFound(message, code="trial.not_found")
    return trial


def open_lanes(sweep: Sweep) -> QuerySet[Job]:
    """Return the jobs that are working on the sweep, or wait to."""
    rows = Job.objects.filter(team_id=sweep.team_id, kind="sweep", subject=f"sweep:{sweep.pk}")
    return rows.exclude(status__in=FINAL_STATES).order_by("created_at", "pk")


def best_trial(sweep: Sweep) -> Trial | None:
    """Return the trial with the highest score so far."""
    rows = Trial.objects.filter(sweep=sweep, score__isnull=False)
    return rows.order_by(F("score").desc(), "number").first()


def sweep_row(sweep: Sweep) -> dict[str, Any]:
    """Return a sweep as lists show it."""
    seen = sweep.done + sweep.refused + sweep.failed
    return {
        "id": str(sweep.pk),
        "title": sweep.title,
        "strategy": sweep.strategy,
        "method": sweep.method,
        "objective": sweep.objective,
        "status": str(sweep.status),
        "trials": sweep.trials,
        "done": sweep.done,
        "refused": sweep.refused,
        "failed": sweep.failed,
        "progress": round(seen / sweep.trials, 4),
        "created_by": sweep.created_by_label or sweep.created_by,
        "created_at": sweep.created_at,
        "finished_at": sweep.finished_at,
    }


def sweep_detail(sweep: Sweep) -> dict[str, Any]:
    """Return a sweep with what was asked, its best trial and how long is left."""
    best, lanes = best_trial(sweep), list(open_lanes(sweep))
    seen = sweep.done + sweep.refused + sweep.failed
    running = sweep.status == Sweep.Status.RUNNING
    each = sweep.seconds / seen if seen else None
    eta = each * (sweep.trials - seen) / max(len(lanes), 1) if each and running else None
    return {
        **sweep_row(sweep),
        "version_id": sweep.version_id,
        "request": sweep.request,
        "space": sweep.space,
        "seed": sweep.seed,
        "lanes": sweep.lanes,
        "lane_jobs": [str(job.pk) for job in lanes],
        "stalled": running and not lanes,
        "seconds_per_trial": each,
        "eta_seconds": eta,
        "best": trial_row(best) if best else None,
        "data_digest": sweep.data_digest,
        "engine_version": sweep.engine_version,
        "sandbox": sweep.sandbox,
        "error": sweep.error,
    }


def list_trials(sweep: Sweep, *, status: str = "", params: str = "") -> QuerySet[Trial]:
    """Return the trials of a sweep, those with ``params`` (``fast=10, slow=50``) if given.

    Raises ``Invalid`` (``trials.params``) for what is not swept.
    """
    rows = Trial.objects.filter(sweep=sweep)
    rows = rows.filter(status=status) if status else rows
    wanted = read_wanted(sweep, params)
    return rows.filter(params__contains=wanted) if wanted else rows


def read_wanted(sweep: Sweep, text: str) -> dict[str, Any]:
    """Return the parameters asked for, read from ``fast=10, slow=50``."""
    wanted: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or name not in sweep.space:
            known = ", ".join(f"{name}=…" for name in sweep.space)
            message = f"{part!r} is no parameter of this sweep; write some of {known}."
            raise Invalid(message, code="trials.params", details={"field": "params"})
        wanted[name] = _value(value)
    return wanted


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def sorted_trials(rows: QuerySet[Trial], sort: str) -> tuple[QuerySet[Trial], tuple[str, str]]:
    """Return trials with the order that ``sort`` asks for; those without the figure last.

    Raises ``Invalid`` for a column that is not sorted by.
    """
    name, sign = sort.removeprefix("-"), "-" if sort.startswith("-") else ""
    if name == "number":
        return rows, (sort, f"{sign}id")
    if name not in COLUMNS:
        known = ", ".join(("number", *COLUMNS))
        message = f"sort = {sort!r}; choose one of {known}, with - for descending."
        raise Invalid(message, code="trials.sort", details={"field": "sort"})
    return by_figure(rows, name, sign), (f"{sign}sort_value", "number")


def trial_row(trial: Trial) -> dict[str, Any]:
    """Return a trial as lists show it."""
    return {
        "number": trial.number,
        "status": str(trial.status),
        "params": trial.params,
        **{name: getattr(trial, name) for name in COLUMNS},
        "digest": trial.digest,
        "error": trial.error,
    }


def landscape_of(sweep: Sweep) -> Landscape:
    """Return the done trials as arrays, in the order of their numbers."""
    rows = Trial.objects.filter(sweep=sweep, score__isnull=False).order_by("number")
    found = list(rows.values_list("params", sweep.objective))
    names = [name for name in sweep.space if all(name in params for params, _ in found)]
    return Landscape(
        title=sweep.title,
        objective=sweep.objective,
        params={name: [params[name] for params, _ in found] for name in names},
        values=np.array([value for _, value in found], dtype=np.float64),
    )


def heat_of(land: Landscape, x: str, y: str) -> tuple[list[Any], list[Any], NDArray[np.float64]]:
    """Return the values of two parameters and the best figure at each pair; NaN where none.

    Raises ``Invalid`` unless both are swept.
    """
    for name in (x, y):
        if name not in land.params:
            known = ", ".join(land.params) or "none yet"
            message = f"{name!r} is not swept; choose two of: {known}."
            raise Invalid(message, code="sweep.axis", details={"field": "x"})
    across, down = _places(land.params[x]), _places(land.params[y])
    grid = np.full((len(down), len(across)), np.nan)
    better = np.fmax if OBJECTIVES[land.objective] else np.fmin
    cells = zip(land.params[x], land.params[y], land.values, strict=True)
    for at_x, at_y, value in cells:
        row, column = down[at_y], across[at_x]
        grid[row, column] = better(grid[row, column], value)
    return list(across), list(down), grid


def _places(values: list[Any]) -> dict[Any, int]:
    return {value: place for place, value in enumerate(sorted(set(values), key=_order))}


def _order(value: Any) -> tuple[str, Any]:
    numeric = isinstance(value, int | float)
    return ("number" if numeric else "text", value)


def list_families(*, team_id: int) -> list[dict[str, Any]]:
    """Return how often the team has tried each strategy: runs, sweeps and their combinations."""
    runs = Run.objects.filter(team_id=team_id).values("strategy")
    swept = Sweep.objects.filter(team_id=team_id).values("strategy")
    found: dict[str, dict[str, Any]] = {}
    for row in runs.annotate(n=Count("pk"), best=Max("sharpe"), last=Max("created_at")):
        family = found.setdefault(row["strategy"], _family(row["strategy"]))
        family |= {"runs": row["n"], "best_sharpe": row["best"], "last_at": row["last"]}
    tried = F("done") + F("refused") + F("failed")
    for group in swept.annotate(n=Count("pk"), tried=Sum(tried), last=Max("created_at")):
        family = found.setdefault(group["strategy"], _family(group["strategy"]))
        family |= {"sweeps": group["n"], "combinations": group["tried"]}
        family["last_at"] = max(filter(None, (family["last_at"], group["last"])))
    for family in found.values():
        family["trials"] = family["runs"] + family["combinations"]
    return sorted(found.values(), key=lambda one: (-one["trials"], one["strategy"]))


def _family(strategy: str) -> dict[str, Any]:
    return {
        "strategy": strategy,
        "runs": 0,
        "sweeps": 0,
        "combinations": 0,
        "best_sharpe": None,
        "last_at": None,
    }
