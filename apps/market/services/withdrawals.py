"""Dividends and splits taken out by a person: they stay readable as of before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from django.db import transaction

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Denied, Invalid, NotFound
from apps.core.kernel.hashing import digest_json
from apps.market import store
from apps.market.models import Action, Batch
from apps.market.selectors.locations import find_instrument
from apps.market.services.revisions import note_revisions


def withdraw_actions(
    *,
    actor: Actor,
    symbol: str,
    kind: str,
    on: Sequence[date],
    note: str,
    now: datetime,
    dataset: str = "",
) -> tuple[Batch, int]:
    """Take dividends or splits out of the data; return the batch of it and how many went.

    Raises
    ------
    NotFound
        ``symbol.unknown``, ``actions.not_found`` when none of them is stored.
    Invalid
        ``actions.note`` without a reason.
    Denied
        ``dataset.shared``.
    """
    actor.require("data.write")
    if not note.strip():
        message = "Say why, so that others can judge it: the note is empty."
        raise Invalid(message, code="actions.note", details={"field": "note"})
    row = find_instrument(team_id=actor.team, symbol=symbol, dataset=dataset)
    if row.dataset.team_id != actor.team:
        message = f"Dataset {row.dataset.name} is shared: its actions are not changed by a team."
        raise Denied(message, code="dataset.shared")
    with transaction.atomic():
        store.lock_dataset(row.dataset_id)
        there = Action.objects.filter(instrument=row, kind=kind, on__in=on)
        lines = [[day.isoformat(), value] for day, value in there.values_list("on", "value")]
        if not lines:
            message = f"{symbol} has no {kind} on {', '.join(day.isoformat() for day in on)}."
            raise NotFound(message, code="actions.not_found", details={"field": "on"})
        batch = Batch.objects.create(
            dataset=row.dataset,
            provider="withdrawal",
            source=f"withdrawn: {note.strip()}"[:300],
            sha256=digest_json(lines),
            created_at=now,
            created_by=actor.label or actor.name,
        )
        touched = store.withdraw_actions(
            instrument_id=row.pk, kind=kind, on=list(on), batch_id=batch.pk, now=now
        )
        store.write_cards([row.pk])
        note_revisions(batch=batch, changes=(), others=touched, now=now)
        body = {"symbol": symbol, "kind": kind, "lines": lines, "note": note.strip()}
        audit.record(
            actor=actor,
            action="actions.withdrawn",
            subject=f"batch:{batch.pk}",
            body=body,
            now=now,
        )
    return batch, len(lines)
