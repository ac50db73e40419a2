"""Runs and studies as rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce

from apps.backtests.kernel import fills as fill_rules
from apps.backtests.kernel.files import measure_file as measure_file
from apps.backtests.kernel.wording import costs_in_words, execution_in_words, limits_in_words
from apps.backtests.models import Run, Trial
from apps.backtests.selectors.holdouts import looks_of
from apps.backtests.selectors.locks import locks_on
from apps.backtests.selectors.marks import notes_of
from apps.backtests.selectors.trials import count_of, find_family_of, significance_of
from apps.core.errors import Conflict, NotFound

LOWEST = -1e300


def by_figure(rows: QuerySet[Any], name: str, sign: str) -> QuerySet[Any]:
    """Return rows with ``sort_value``: the figure, or what puts those without it last."""
    last = LOWEST if sign else -LOWEST
    found: QuerySet[Any] = rows.annotate(sort_value=Coalesce(F(name) * Value(1.0), Value(last)))
    return found


def get_run(run_id: UUID | str, team_id: int) -> Run:
    """Return a run of the team. Raises ``NotFound``, also for another team's."""
    run = None
    try:
        rows = Run.objects.select_related("job", "study", "version")
        run = rows.filter(pk=UUID(str(run_id)), team_id=team_id).first()
    except ValueError:
        run = None
    if run is None:
        message = f"There is no backtest {run_id} in this team; see /research."
        raise NotFound(message, code="backtest.not_found")
    return run


def find_run(run_id: UUID | str, team_id: int) -> Run | None:
    """Return a run of the team, or None."""
    try:
        return get_run(run_id, team_id)
    except NotFound:
        return None


def get_done_run(run_id: UUID | str, team_id: int) -> Run:
    """Return a run that has a result. Raises ``Conflict`` while it has none."""
    run = get_run(run_id, team_id)
    if not run.is_done:
        message = f"The backtest {run_id} is {status_of(run)}; its result is not there yet."
        raise Conflict(message, code="backtest.not_done")
    return run


def status_of(run: Run) -> str:
    """Return where the run's job stands."""
    if run.job is not None:
        return str(run.job.status)
    return "done" if run.is_done else "lost"


def run_summary(run: Run) -> dict[str, Any]:
    """Return a run as lists show it."""
    return {
        "id": str(run.pk),
        "title": run.title,
        "strategy": run.strategy,
        "version_id": run.version_id,
        "params": run.params,
        "universe": run.universe,
        "fill": run.fill,
        "labels": run.labels,
        "study": run.study.name if run.study else "",
        "status": status_of(run),
        "progress": round(run.job.progress, 4) if run.job else 1.0,
        "equity_final": run.equity_final,
        "total_return": run.total_return,
        "cagr": run.cagr,
        "sharpe": run.sharpe,
        "max_drawdown": run.max_drawdown,
        "trades": run.trades,
        "deflated_sharpe": run.deflated_sharpe,
        "deflated_trials": run.deflated_trials,
        "deflated_at": run.deflated_at,
        "tags": run.tags,
        "digest": run.digest,
        "data_digest": run.data_digest,
        "created_by": run.created_by_label or run.created_by,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "archived_at": run.archived_at,
    }


RESULT_DEFAULTS: dict[str, Any] = {
    "metrics": {},
    "metrics_missing": {},
    "benchmark": {"label": "", "metrics": {}},
    "tail_losses": {},
    "trade_figures": {},
    "bars": 0,
    "instruments": [],
    "timeframe": "",
    "periods_per_year": None,
    "survivorship": "",
    "price_mode": "",
    "currency": "",
    "funding": "",
    "flows": {},
    "cash_final": None,
    "sandbox": None,
    "origin": {},
}


def run_detail(run: Run) -> dict[str, Any]:
    """Return a run with everything it came to, but its curves and tables."""
    found = {name: run.result.get(name, default) for name, default in RESULT_DEFAULTS.items()}
    return {
        **run_summary(run),
        **found,
        "request": run.request,
        "costs_say": costs_in_words(run.request.get("costs", {})),
        "execution_says": execution_in_words(run.request.get("execution") or {}),
        "limits_say": limits_in_words(run.request.get("limits") or {}),
        "engine_version": run.engine_version,
        "fill_says": fill_rules.get_fill_rule(run.fill).says,
        "first": run.result.get("first"),
        "last": run.result.get("last"),
        "job_id": str(run.job_id) if run.job_id else None,
        "error": run.job.error if run.job else None,
        "significance": significance_of(run) if run.is_done else None,
        "looks": looks_of(f"run:{run.pk}", run.team_id),
        "locked_by": locks_on(f"run:{run.pk}", run.team_id),
        "notes": notes_of(run),
    }


def count_trials(run: Run) -> int:
    """Return how many trials the run's family has, failed ones too."""
    family = find_family_of(f"run:{run.pk}", run.team_id)
    return sum(count_of(family).values()) if family else 0


def trials_of_strategy(*, team_id: int, strategy: str) -> int:
    """Return how many runs and combinations of sweeps the team has tried of a strategy."""
    runs = Run.objects.filter(team_id=team_id, strategy=strategy).count()
    swept = Trial.objects.filter(sweep__team_id=team_id, sweep__strategy=strategy).count()
    return runs + swept


def list_strategy_names(*, team_id: int) -> list[str]:
    """Return the strategies the team has runs of."""
    rows = Run.objects.filter(team_id=team_id).order_by("strategy")
    return list(rows.values_list("strategy", flat=True).distinct())
