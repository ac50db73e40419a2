"""Halts: what is halted, and what that covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet

from apps.audit import selectors as audit
from apps.core.errors import NotFound
from apps.trading.kernel.scopes import ALL
from apps.trading.models import Account, Deployment, Halt


def list_halted_scopes() -> list[str]:
    """Return every scope that is halted now, of all teams."""
    rows = Halt.objects.filter(is_halted=True).order_by("scope")
    return list(rows.values_list("scope", flat=True))


def halted_among(scopes: Sequence[str]) -> list[Halt]:
    """Return the halts in force among ``scopes``.

    A ledger that lost what was signed halts all, even before that halt has a row.
    """
    found = list(Halt.objects.filter(scope__in=scopes, is_halted=True).order_by("scope"))
    lost = audit.find_rollback()
    if lost is not None and not any(row.scope == ALL for row in found):
        found.append(_ledger_halt(lost))
    return found


def _ledger_halt(lost: audit.Rollback) -> Halt:
    by = "system:ledger"
    return Halt(
        pk=0, scope=ALL, is_halted=True, reason=lost.says, halted_by=by, halted_at=lost.kept_at
    )


def list_halts(team_id: int, *, halted_only: bool = False) -> QuerySet[Halt]:
    """Return the halts that touched a team, newest first."""
    rows = Halt.objects.filter(Q(team_id=team_id) | Q(team=None))
    if halted_only:
        rows = rows.filter(is_halted=True)
    return rows.order_by("-halted_at", "-id")


def get_halt(scope: str, team_id: int | None) -> Halt:
    """Return the halt of a scope. Raises ``NotFound`` for one never halted or another team's."""
    rows = Halt.objects.filter(scope=scope)
    if team_id is not None:
        rows = rows.filter(Q(team_id=team_id) | Q(team=None))
    row = rows.first()
    if row is None:
        raise NotFound(f"{scope} was never halted.", code="halt.not_found")
    return row


def team_of_scope(kind: str, number: int) -> int | None:
    """Return the team that a scope belongs to; None for ``all``. Raises ``NotFound``."""
    if kind == "all":
        return None
    if kind == "team":
        return number
    rows = Account if kind == "account" else Deployment
    found = rows.objects.filter(pk=number).values_list("team_id", flat=True).first()
    if found is None:
        raise NotFound(f"There is no {kind} {number} to halt.", code=f"{kind}.not_found")
    return found


def halt_json(row: Halt) -> dict[str, Any]:
    """Return a halt as clients see it."""
    return {
        "id": row.pk,
        "scope": row.scope,
        "is_halted": row.is_halted,
        "fence": row.fence,
        "reason": row.reason,
        "halted_by": row.halted_by_label or row.halted_by,
        "halted_at": row.halted_at,
        "cancelled_orders": row.cancelled_orders,
        "open_after": row.open_after,
        "resume_reason": row.resume_reason,
        "resumed_by": row.resumed_by,
        "resumed_at": row.resumed_at,
    }
