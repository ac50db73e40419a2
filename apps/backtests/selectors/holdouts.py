"""Reads of holdouts: their looks, what is left of alpha, and what a run would cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Coalesce

from apps.backtests.kernel.integrity.holdouts import RULE, price, touches
from apps.backtests.models import Family, Holdout, HoldoutLook
from apps.backtests.selectors.trials import find_family_of_strategy, link_of
from apps.core.errors import NotFound
from apps.strategies.selectors import get_version


def list_holdouts(*, team_id: int, family: Family | None = None) -> QuerySet[Holdout]:
    """Return the team's holdouts with how many looks were taken, newest first."""
    rows = Holdout.objects.filter(team_id=team_id).select_related("family")
    if family is not None:
        rows = rows.filter(family__in=[family.pk, *family.joined.values_list("pk", flat=True)])
    return rows.annotate(n_looks=Coalesce(Sum("looks__looks"), 0), n_rows=Count("looks"))


def get_holdout(holdout_id: UUID | str, team_id: int) -> Any:
    """Return a holdout of the team. Raises ``NotFound``."""
    found = list_holdouts(team_id=team_id).filter(pk=holdout_id).first()
    if found is None:
        message = f"There is no holdout {holdout_id} in this team; see /research/families."
        raise NotFound(message, code="holdout.not_found")
    return found


def holdout_row(holdout: Any) -> dict[str, Any]:
    """Return a holdout as lists show it."""
    looks = int(holdout.n_looks)
    return {
        "id": str(holdout.pk),
        "family": {"id": holdout.family.top_id, "name": holdout.family.name},
        "start": holdout.start_on,
        "end": holdout.end_on,
        "alpha": holdout.alpha,
        "looks": looks,
        "alpha_left": price(holdout.alpha, looks, 0).alpha_left,
        "next_price": price(holdout.alpha, looks).price,
        "rule": RULE,
        "note": holdout.note,
        "created_by": holdout.created_by_label or holdout.created_by,
        "created_at": holdout.created_at,
    }


def holdout_detail(holdout: Any) -> dict[str, Any]:
    """Return a holdout with its looks, newest first."""
    rows = HoldoutLook.objects.filter(holdout=holdout).order_by("-pk")[:500]
    return {**holdout_row(holdout), "taken": [look_row(look) for look in rows]}


def look_row(look: HoldoutLook) -> dict[str, Any]:
    """Return a look as lists show it."""
    return {
        "subject": look.subject,
        "link": link_of(look.subject),
        "looks": look.looks,
        "price": look.price,
        "alpha_left": look.alpha_left,
        "created_at": look.created_at,
    }


def days_of(request: Mapping[str, Any]) -> tuple[date | None, date | None]:
    """Return the first and last day that a stored request reads, None where it is open."""
    both = (request.get(name) for name in ("start", "end"))
    start, end = (date.fromisoformat(str(value)[:10]) if value else None for value in both)
    return start, end


def touched(*, team_id: int, family: Family | None, request: Mapping[str, Any]) -> list[Any]:
    """Return the holdouts of a family that bars of this request would be read from."""
    if family is None:
        return []
    start, end = days_of(request)
    rows = list_holdouts(team_id=team_id, family=family).order_by("created_at", "pk")
    return [row for row in rows if touches(start, end, row.start_on, row.end_on)]


def price_of(
    *, team_id: int, version_id: int, request: Mapping[str, Any], looks: int = 1
) -> list[dict[str, Any]]:
    """Return what each holdout that a request touches would cost, before anything is run."""
    version = get_version(version_id, team_id)
    family = find_family_of_strategy(version.strategy_id, team_id)
    return [
        {**holdout_row(row), **asdict(price(row.alpha, int(row.n_looks), looks))}
        for row in touched(team_id=team_id, family=family, request=request)
    ]


def spent_of(family: Family | None, team_id: int) -> dict[str, Any]:
    """Return the figures that a promotion reads: looks, and the least alpha left of a holdout."""
    if family is None:
        return {}
    rows = [holdout_row(row) for row in list_holdouts(team_id=team_id, family=family)]
    if not rows:
        return {}
    left = min(row["alpha_left"] for row in rows)
    return {"holdout_alpha_left": left, "holdout_looks": sum(row["looks"] for row in rows)}


def looks_of(subject: str, team_id: int) -> list[dict[str, Any]]:
    """Return the looks that a run or sweep took."""
    rows = HoldoutLook.objects.filter(team_id=team_id, subject=subject)
    return [{**look_row(row), "holdout": str(row.holdout_id)} for row in rows.order_by("pk")]
