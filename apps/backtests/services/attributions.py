"""What made the difference: runs with the code of the one and the parameters of the other."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.backtests.kernel.attribution import MOST_FACTORS, mixed
from apps.backtests.kernel.comparing import CODE, DATA, FORMULA, PARAMS, READ, TERMS
from apps.backtests.models import Attribution, Run
from apps.backtests.selectors.attributions import factors_between, find_attribution
from apps.backtests.selectors.inputs import strategy_of
from apps.backtests.selectors.runs import get_done_run
from apps.backtests.services.holdouts import CONFIRM
from apps.backtests.services.runs import create_backtest
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.strategies.selectors import get_strategy, get_version

OWN = frozenset({"title", "labels", "study", "params", "strategy", "given", "signal_weight"})


def attribute_runs(
    *,
    actor: Actor,
    base_id: uuid.UUID | str,
    other_id: uuid.UUID | str,
    now: datetime,
    confirm_look: bool = False,
) -> Attribution:
    """Queue the runs between two runs, at most six; each counts as a trial of its family.

    Asked twice the runs are those of the first time.

    Raises
    ------
    Invalid
        ``attribution.factors`` unless two or three of code, parameters, data and terms differ,
        ``attribution.given`` for runs with rows of their own; and what a mixture is refused for.
    Conflict
        ``holdout.confirm`` with the price of a look, unless it is confirmed.
    """
    actor.require("research.write")
    base, other = (get_done_run(one, actor.team) for one in (base_id, other_id))
    found = find_attribution(base, other)
    if found is not None:
        return found
    factors = _factors(base, other)
    with transaction.atomic():
        Run.objects.select_for_update(of=("self",)).only("pk").get(pk=base.pk)
        notes: list[str] = []
        runs = {
            name: _queue(actor, base, other, factors, name, notes, now, confirm=confirm_look)
            for name in mixed(len(factors))
        }
        row = Attribution.objects.create(
            team_id=actor.team,
            base=base,
            other=other,
            corners={"factors": factors, "runs": runs, "notes": list(dict.fromkeys(notes))},
            created_by=actor.name,
            created_at=now,
        )
        body = {"other": str(other.pk), "factors": factors, "runs": runs}
        record(
            actor=actor,
            action="backtest.attribution_started",
            subject=f"backtest:{base.pk}",
            body=body,
            now=now,
        )
    return row


def _factors(base: Run, other: Run) -> list[str]:
    if base.request.get("given") or other.request.get("given"):
        message = "A run with orders, targets or signals of its own is not taken apart."
        raise Invalid(message, code="attribution.given", details={"field": "base"})
    factors = factors_between(base, other)
    if not 2 <= len(factors) <= MOST_FACTORS:
        message = (
            f"Between the two differ: {', '.join(factors) or 'nothing'}. What made the difference "
            f"is a question where 2 or {MOST_FACTORS} of code, parameters, data and terms do."
        )
        raise Invalid(message, code="attribution.factors", details={"field": "other"})
    return factors


def _queue(
    actor: Actor,
    base: Run,
    other: Run,
    factors: Sequence[str],
    name: str,
    notes: list[str],
    now: datetime,
    *,
    confirm: bool,
) -> str:
    taken = [factor for factor, bit in zip(factors, name, strict=True) if bit == "1"]
    of = {part: other if part in taken else base for part in (CODE, PARAMS, DATA, TERMS)}
    body = mixture_of(of, factors, notes)
    body["title"] = f"{base.title}, with {' and '.join(taken)} of {other.title}"[:200]
    run, _ = create_backtest(actor=actor, request={**body, CONFIRM: confirm}, now=now)
    return str(run.pk)


def mixture_of(of: Mapping[str, Run], factors: Sequence[str], notes: list[str]) -> dict[str, Any]:
    """Return the request that takes each part from its run; ``notes`` gets what was left out."""
    version = get_version(of[CODE].version_id, of[CODE].team_id)
    spec = get_strategy(version.name, version.team_id).spec
    known = {parameter.name for parameter in spec.parameters}
    params = {k: v for k, v in of[PARAMS].params.items() if k in known and k != FORMULA}
    if FORMULA in of[CODE].params:
        params[FORMULA] = of[CODE].params[FORMULA]
    left = sorted(set(of[PARAMS].params) - known)
    if left:
        notes.append(f"{version.strategy} has no {', '.join(left)}: left out of its mixtures")
    terms = {k: v for k, v in of[TERMS].request.items() if k not in OWN and k not in READ}
    data = {k: v for k, v in of[DATA].request.items() if k in READ and k not in OWN}
    computed = of[DATA].finished_at
    if DATA in factors and not data.get("as_of") and computed is not None:
        data["as_of"] = computed.isoformat()  # the bars as they were known to that run
    return {**terms, **data, "strategy": strategy_of(version), "params": params}
