"""Holdouts: dates that a family is not tuned on, and the looks that were taken all the same."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from apps.audit.services import record
from apps.backtests.kernel.integrity.holdouts import ALPHA, price, touches
from apps.backtests.models import Family, Holdout, HoldoutLook, Run, Sweep, TrialEntry, Validation
from apps.backtests.selectors import holdouts as reads
from apps.backtests.selectors import trials
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid

# The field of a request that takes the price of a look.
CONFIRM = "confirm_look"


def mark_holdout(
    *,
    actor: Actor,
    family_id: int,
    start: date,
    now: datetime,
    end: date | None = None,
    alpha: float = ALPHA,
    note: str = "",
) -> Holdout:
    """Mark a range of days as a family's holdout; runs that read it already are looks.

    Raises ``Invalid`` for days or an alpha that can't be, ``NotFound`` for no such family.
    """
    actor.require("research.write")
    if end is not None and end < start:
        message = f"end {end} is before start {start}; swap or change them."
        raise Invalid(message, code="dates.reversed", details={"field": "end"})
    if not 0.0 < alpha <= 0.5:
        message = f"alpha = {alpha}; choose a share above 0 and at most 0.5, such as 0.05."
        raise Invalid(message, code="holdout.alpha", details={"field": "alpha"})
    with transaction.atomic():
        family = trials.get_family(family_id, actor.team)
        made = Holdout.objects.create(
            id=uuid.uuid4(),
            team_id=actor.team,
            family=family,
            start_on=start,
            end_on=end,
            alpha=alpha,
            note=note[:400],
            created_by=actor.name,
            created_by_label=actor.label,
            created_at=now,
        )
        before = sum(_look_back(made, family, now))
        days = {"start": str(start), "end": str(end) if end else None}
        body = {"family": family.pk, **days, "alpha": alpha, "looks_before": before}
        subject = f"holdout:{made.pk}"
        record(actor=actor, action="holdout.marked", subject=subject, body=body, now=now)
    return made


def _look_back(holdout: Holdout, family: Family, now: datetime) -> list[int]:
    """Count what had read the range before it was a holdout."""
    entries = trials.list_entries(team_id=family.team_id, family=family.pk).order_by("pk")
    runs = {text.rpartition(":")[2] for text in _subjects(entries, "run")}
    sweeps = {text.partition(":")[2].partition("/")[0] for text in _subjects(entries, "sweep")}
    runs_before = Run.objects.filter(pk__in=runs).order_by("created_at", "pk")
    sweeps_before = Sweep.objects.filter(pk__in=sweeps).order_by("created_at", "pk")
    seen = [(f"run:{run.pk}", 1, run.request) for run in runs_before]
    seen += [(f"sweep:{sweep.pk}", sweep.trials, sweep.request) for sweep in sweeps_before]
    seen += _validations_before(entries)
    return [
        _take(holdout, subject, looks, now).looks
        for subject, looks, request in seen
        if touches(*reads.days_of(request), holdout.start_on, holdout.end_on)
    ]


def _validations_before(entries: QuerySet[TrialEntry]) -> list[tuple[str, int, dict[str, Any]]]:
    subjects = entries.filter(subject__startswith="validation:").values_list("subject", flat=True)
    numbers = {text.partition(":")[2].partition("/")[0] for text in subjects}
    rows = Validation.objects.filter(pk__in=numbers).order_by("created_at", "pk")
    return [(f"validation:{row.pk}", row.trials, row.request) for row in rows]


def _subjects(entries: QuerySet[TrialEntry], door: str) -> list[str]:
    return list(entries.filter(door=door).values_list("subject", flat=True))


def _take(holdout: Holdout, subject: str, looks: int, now: datetime) -> HoldoutLook:
    before = sum(holdout.looks.values_list("looks", flat=True))
    cost = price(holdout.alpha, before, looks)
    return HoldoutLook.objects.create(
        team_id=holdout.team_id,
        holdout=holdout,
        subject=subject,
        looks=looks,
        price=cost.price,
        alpha_left=cost.alpha_left,
        created_at=now,
    )


def _family_of(team_id: int, strategy_id: int) -> Family:
    """Return the family a strategy counts in, made if this is the first that is tried of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT backtests_family_of(%s, %s)", [team_id, strategy_id])
        (number,) = cursor.fetchone()
    return trials.get_family(number, team_id)


def look(
    *,
    actor: Actor,
    strategy_id: int,
    subject: str,
    request: Mapping[str, Any],
    looks: int,
    confirmed: bool,
    now: datetime,
) -> list[HoldoutLook]:
    """Take and count the looks of a run or sweep, in the transaction that makes it.

    Raises ``Conflict`` with the price when it was not confirmed; with it, nothing is forbidden.
    """
    family = _family_of(actor.team, strategy_id)
    rows = reads.touched(team_id=actor.team, family=family, request=request)
    if not rows:
        return []
    ids = [row.pk for row in rows]
    held = Holdout.objects.select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk")
    costs = [
        price(row.alpha, sum(row.looks.values_list("looks", flat=True)), looks) for row in held
    ]
    if not confirmed:
        spent, left = max(cost.price for cost in costs), min(cost.alpha_left for cost in costs)
        message = (
            f"These dates are a holdout of this family. {looks} look{'s' * (looks > 1)} would "
            f"cost {spent:.4g} of its alpha and leave {left:.4g}; promotion reads what is left. "
            "Send confirm_look: true to go on, or choose dates outside of it."
        )
        details = {
            "field": "confirm_look",
            "price": spent,
            "alpha_left": left,
            "holdouts": [str(number) for number in ids],
        }
        raise Conflict(message, code="holdout.confirm", details=details)
    taken = [_take(row, subject, looks, now) for row in held]
    for one in taken:
        body = {"by": subject, "looks": looks, "price": one.price, "alpha_left": one.alpha_left}
        about = f"holdout:{one.holdout_id}"
        record(actor=actor, action="holdout.looked", subject=about, body=body, now=now)
    return taken
