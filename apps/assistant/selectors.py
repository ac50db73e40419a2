"""Reads of the assistant: searches, hypotheses, models, usage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, QuerySet, Sum

from apps.assistant.kernel import files
from apps.assistant.llms.base import LanguageModel
from apps.assistant.models import Hypothesis, Search, Usage
from apps.core import jobs
from apps.core.errors import NotFound
from apps.core.models import Job
from apps.core.plugs import list_plugs, load_plug
from apps.market.selectors import UniverseView, list_universes

MODELS = "LLMS"
ALONE = "none"
DRAFT = "code_draft"
FEWEST = 4
DAY, MONTH = timedelta(days=1), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ModelView:
    """A language model, and whether it can be asked."""

    name: str
    title: str
    model: str
    is_configured: bool
    needs: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What a team asked of models since a time."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal


def get_model(name: str) -> LanguageModel:
    """Return a model by name. Raises ``NotFound``."""
    found: LanguageModel = load_plug(MODELS, name)
    return found


def list_models() -> list[ModelView]:
    """Return every model in the order they are asked, the one that needs none left out."""
    plugs = [get_model(name) for name in list_plugs(MODELS) if name != ALONE]
    return [
        ModelView(plug.name, plug.title, plug.model, plug.is_configured, plug.needs)
        for plug in plugs
    ]


def configured_models() -> list[LanguageModel]:
    """Return the models that can be asked, in the order they are asked."""
    return [get_model(model.name) for model in list_models() if model.is_configured]


def get_search(search_id: int, team_id: int) -> Search:
    """Return a search of the team. Raises ``NotFound``, also for another team's."""
    row = Search.objects.filter(pk=search_id, team_id=team_id).first()
    if row is None:
        message = f"There is no search {search_id} in this team; see /assistant."
        raise NotFound(message, code="search.not_found")
    return row


def list_searches(*, team_id: int) -> QuerySet[Search]:
    """Return the team's searches, newest first, with ``found``, how many they list."""
    rows = Search.objects.filter(team_id=team_id).annotate(found=Count("hypotheses"))
    return rows.order_by("-created_at", "-id")


def list_hypotheses(
    *, team_id: int, status: str = "", search_id: int | None = None
) -> QuerySet[Hypothesis]:
    """Return the team's hypotheses, newest first, in one state or of one search if given."""
    rows = Hypothesis.objects.filter(team_id=team_id).select_related("search")
    if status:
        rows = rows.filter(status=status)
    if search_id is not None:
        rows = rows.filter(search_id=search_id)
    return rows.order_by("-created_at", "-id")


def get_hypothesis(hypothesis_id: int, team_id: int) -> Hypothesis:
    """Return a hypothesis of the team. Raises ``NotFound``, also for another team's."""
    row = list_hypotheses(team_id=team_id).filter(pk=hypothesis_id).first()
    if row is None:
        message = f"There is no hypothesis {hypothesis_id} in this team; see /assistant."
        raise NotFound(message, code="hypothesis.not_found")
    return row


def list_usage(*, team_id: int) -> QuerySet[Usage]:
    """Return what models were asked, newest first."""
    return Usage.objects.filter(team_id=team_id).order_by("-created_at", "-id")


def spent_since(*, team_id: int, since: datetime) -> Spent:
    """Return what the team asked of models since a time."""
    found: dict[str, Any] = Usage.objects.filter(team_id=team_id, created_at__gte=since).aggregate(
        calls=Count("pk"),
        read=Sum("input_tokens"),
        written=Sum("output_tokens"),
        cost=Sum("cost_usd"),
    )
    return Spent(
        calls=found["calls"],
        input_tokens=found["read"] or 0,
        output_tokens=found["written"] or 0,
        cost_usd=found["cost"] or Decimal(0),
    )


def list_drafts(*, team_id: int, now: datetime, limit: int = 10) -> list[dict[str, Any]]:
    """Return the newest texts that models were asked for: name, task, and the job that writes."""
    rows = Job.objects.filter(team_id=team_id, kind=DRAFT).order_by("-created_at", "-id")[:limit]
    return [
        {"name": row.payload["name"], "task": row.payload["task"], "job": jobs.as_dict(row, now)}
        for row in rows
    ]


def list_searchable(team_id: int) -> list[UniverseView]:
    """Return the universes with enough instruments to rank."""
    return [u for u in list_universes(team_id=team_id) if len(u.symbols) >= FEWEST]


def with_jobs(searches: list[Search], now: datetime) -> list[dict[str, Any]]:
    """Return searches, each with its job as clients see it, or None when it is gone."""
    found = Job.objects.in_bulk([row.job_id for row in searches if row.job_id])
    return [
        {
            "search": row,
            "job": jobs.as_dict(found[row.job_id], now) if row.job_id in found else None,
        }
        for row in searches
    ]


def evaluate_file(*, text: str, content: bytes, name: str) -> tuple[dict[str, Any], bytes]:
    """Return what an expression is and its values on a file of bars. Raises ``Invalid``."""
    return files.evaluate_file(text, content, name)
