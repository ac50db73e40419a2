"""Studies: named sets of runs, their best by a figure, and how far they are."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, QuerySet
from django.db.models.functions import Coalesce

from apps.backtests.kernel.queries import FIGURES
from apps.backtests.models import Run, Study
from apps.backtests.selectors.listing import NUMBERS, list_runs
from apps.backtests.selectors.queries import number_in
from apps.backtests.selectors.runs import run_summary
from apps.core.errors import NotFound

# Of these less is better.
LESS = ("max_drawdown", "volatility", "turnover", "fees_paid")
OBJECTIVES = tuple(sorted({*NUMBERS, *FIGURES}))
MOST_COMPARED = 12


def list_studies(*, team_id: int) -> QuerySet[Study]:
    """Return the team's studies with ``n_runs``."""
    return Study.objects.filter(team_id=team_id).annotate(n_runs=Count("runs"))


def get_study(study_id: int, team_id: int) -> Study:
    """Return a study with ``n_runs``. Raises ``NotFound``, also for another team's."""
    found = list_studies(team_id=team_id).filter(pk=study_id).first()
    if found is None:
        message = f"There is no study {study_id} in this team; see /research/studies."
        raise NotFound(message, code="study.not_found")
    return found


def study_row(study: Any) -> dict[str, Any]:
    """Return a study as lists show it."""
    return {
        "id": study.pk,
        "name": study.name,
        "title": study.title,
        "note": study.note,
        "objective": study.objective,
        "tags": study.tags,
        "runs": getattr(study, "n_runs", 0),
        "created_at": study.created_at,
        "closed_at": study.closed_at,
    }


def runs_of(study: Study) -> QuerySet[Run]:
    """Return the runs of a study, archived ones too."""
    return list_runs(team_id=study.team_id, archived=None).filter(study=study)


def study_detail(study: Study) -> dict[str, Any]:
    """Return a study with its best runs by its objective, the best first."""
    best = [run_summary(run) for run in _best(study)]
    return {
        **study_row(study),
        "best": best[0] if best else None,
        "to_compare": [row["id"] for row in best],
        "less_is_better": study.objective in LESS,
    }


def _best(study: Study) -> list[Run]:
    name = study.objective
    value = Coalesce(F(name) * 1.0, None) if name in NUMBERS else number_in("figures", name)
    rows = runs_of(study).filter(finished_at__isnull=False).annotate(value=value)
    rows = rows.filter(value__isnull=False)
    order = "value" if name in LESS else "-value"
    return list(rows.order_by(order, "created_at", "id")[:MOST_COMPARED])
