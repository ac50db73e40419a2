"""Bars kept out of the data until a person decides: nothing is mended silently."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.market import store
from apps.market.kernel.cleaning import Rejected, describe, find_defects, sift
from apps.market.kernel.columns import Columns
from apps.market.kernel.health import iso
from apps.market.kernel.periods import micros, moment_of
from apps.market.models import Batch, Dataset, Instrument, Quarantined, Series
from apps.market.providers.base import Fetched
from apps.market.selectors.health import find_series
from apps.market.services.judging import forget, recheck
from apps.market.services.revisions import note_revisions

FIELDS = ("open", "high", "low", "close", "volume")
MOST_AT_ONCE = 10_000


def keep_out(
    *,
    dataset: Dataset,
    provider: str,
    timeframe: str,
    fetched: Sequence[Fetched],
    now: datetime,
) -> list[Fetched]:
    """Put the defective bars of what was fetched into quarantine; return the good rest.

    Must run inside the transaction that stores the rest. The same bar again adds nothing.
    """
    good, rows = [], []
    for item in fetched:
        bars, rejected = sift(item.bars)
        good.append(replace(item, bars=bars))
        rows += [
            _row(dataset, provider, timeframe, item.listing.symbol, item.bars, one, now)
            for one in rejected
        ]
    Quarantined.objects.bulk_create(rows, ignore_conflicts=True, batch_size=2000)
    return good


def _row(
    dataset: Dataset,
    provider: str,
    timeframe: str,
    symbol: str,
    bars: Columns,
    rejected: Rejected,
    now: datetime,
) -> Quarantined:
    return Quarantined(
        dataset=dataset,
        symbol=symbol,
        timeframe=timeframe,
        ts=moment_of(int(bars.ts[rejected.row])),
        values={name: repr(float(getattr(bars, name)[rejected.row])) for name in FIELDS},
        reason=rejected.reason,
        message=rejected.message[:300],
        provider=provider,
        created_at=now,
    )


def withdraw(
    *,
    actor: Actor,
    symbol: str,
    at: Sequence[datetime],
    note: str,
    now: datetime,
    dataset: str = "",
    timeframe: str = "",
) -> list[Quarantined]:
    """Take stored bars out of the data into quarantine; they stay readable as of before.

    Raises
    ------
    NotFound
        ``bars.not_found`` when none of them is stored, and as ``selectors.find_series`` does.
    Invalid
        ``quarantine.note`` without a reason, ``quarantine.too_many``.
    Denied
        ``dataset.shared``.
    """
    actor.require("data.write")
    _check_note(note)
    if len(at) > MOST_AT_ONCE:
        message = f"{len(at)} bars at once are too many; at most {MOST_AT_ONCE:,} go together."
        raise Invalid(message, code="quarantine.too_many", details={"field": "at"})
    series = find_series(team_id=actor.team, symbol=symbol, dataset=dataset, timeframe=timeframe)
    owner = series.instrument.dataset
    _check_own(owner, actor)
    with transaction.atomic():
        store.lock_dataset(owner.pk)
        found = _stored(series, at)
        if not len(found):
            message = f"{symbol} has no {series.timeframe} bar at {iso(micros(at[0]))}."
            raise NotFound(message, code="bars.not_found", details={"field": "at"})
        batch = _batch(actor, owner, f"withdrawn: {note}", found, now)
        store.withdraw_bars(
            team_id=owner.team_id,
            dataset_id=owner.pk,
            series_id=series.pk,
            ts=found.ts,
            batch_id=batch.pk,
            now=now,
        )
        rows = [
            _row(
                owner,
                "stored",
                series.timeframe,
                symbol,
                found,
                Rejected(i, "withdrawn", f"taken out of the data: {note}"),
                now,
            )
            for i in range(len(found))
        ]
        Quarantined.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["dataset", "symbol", "timeframe", "ts", "reason"],
            update_fields=["values", "message", "status", "created_at"],
        )
        _finish(actor, batch, series, found, "bars.withdrawn", note, now)
    return list(
        Quarantined.objects.filter(
            dataset=owner,
            symbol=symbol,
            timeframe=series.timeframe,
            reason="withdrawn",
            ts__in=[row.ts for row in rows],
        ).order_by("ts")
    )


def _stored(series: Series, at: Sequence[datetime]) -> Columns:
    wanted = np.unique([micros(moment) for moment in at])
    stored = store.read_bars([series.pk], int(wanted[0]), int(wanted[-1])).get(series.pk)
    if stored is None:
        return _columns(np.empty(0, np.int64), {})
    return stored.take(np.isin(stored.ts, wanted))


def release(
    *,
    actor: Actor,
    quarantined_id: int,
    note: str,
    now: datetime,
    values: Mapping[str, float] | None = None,
) -> Quarantined:
    """Store a bar of the quarantine, as it was received or with corrected figures.

    The batch it is stored under names who released it and why.

    Raises
    ------
    NotFound
        ``quarantine.not_found``.
    Conflict
        ``quarantine.decided``.
    Invalid
        ``quarantine.note``, or ``bars.defective`` while the figures may not be stored.
    """
    actor.require("data.write")
    _check_note(note)
    with transaction.atomic():
        row = _open(actor, quarantined_id)
        bars = _columns(np.array([micros(row.ts)]), {**row.values, **(values or {})})
        _, rejected = sift(bars)
        if rejected:
            words = describe(find_defects(bars)) or rejected[0].message
            message = f"{row.symbol} can't be released: {words}. Give corrected figures."
            raise Invalid(message, code="bars.defective", details={"field": "values"})
        store.lock_dataset(row.dataset_id)
        series = _series_of(row)
        batch = _batch(actor, row.dataset, f"released: {note}", bars, now)
        written = store.write_bars(
            team_id=row.dataset.team_id,
            dataset_id=row.dataset_id,
            batch_id=batch.pk,
            blocks=[(series.pk, bars)],
            now=now,
        )
        note_revisions(batch=batch, changes=written.revisions, now=now)
        forget(series_ids=[series.pk])
        row.batch = batch
        _decide(actor, row, Quarantined.Status.RELEASED, note, now)
        recheck(series_ids=[series.pk], now=now)
    return row


def drop(*, actor: Actor, quarantined_id: int, note: str, now: datetime) -> Quarantined:
    """Leave a bar out for good; what was received stays on record. Raises as ``release`` does."""
    actor.require("data.write")
    _check_note(note)
    with transaction.atomic():
        row = _open(actor, quarantined_id)
        _decide(actor, row, Quarantined.Status.DROPPED, note, now)
    return row


def drop_all(*, actor: Actor, dataset: str, note: str, now: datetime, symbol: str = "") -> int:
    """Leave every open bar of a dataset, or of one symbol of it, out for good; return how many.

    Raises
    ------
    Invalid
        ``quarantine.note``.
    NotFound
        ``quarantine.none`` when no bar of it waits.
    """
    actor.require("data.write")
    _check_note(note)
    with transaction.atomic():
        rows = Quarantined.objects.filter(
            dataset__team_id=actor.team, dataset__name=dataset, status=Quarantined.Status.OPEN
        )
        rows = rows.filter(symbol=symbol) if symbol else rows
        count = rows.update(
            status=Quarantined.Status.DROPPED,
            note=note.strip()[:300],
            decided_at=now,
            decided_by=(actor.label or actor.name)[:80],
        )
        if not count:
            message = f"No bar of {symbol or dataset!r} waits in quarantine."
            raise NotFound(message, code="quarantine.none")
        audit.record(
            actor=actor,
            action="bars.dropped",
            subject=f"dataset:{dataset}",
            body={"symbol": symbol, "bars": count, "note": note.strip()[:300]},
            now=now,
        )
    return count


def _open(actor: Actor, quarantined_id: int) -> Quarantined:
    rows = Quarantined.objects.select_for_update(of=("self",)).select_related("dataset")
    row = rows.filter(pk=quarantined_id, dataset__team_id=actor.team).first()
    if row is None:
        message = f"There is no bar {quarantined_id} in quarantine."
        raise NotFound(message, code="quarantine.not_found")
    if row.status != Quarantined.Status.OPEN:
        message = f"The bar was {row.status} by {row.decided_by} already."
        raise Conflict(message, code="quarantine.decided")
    return row


def _decide(
    actor: Actor, row: Quarantined, status: Quarantined.Status, note: str, now: datetime
) -> None:
    row.status, row.note = status, note.strip()[:300]
    row.decided_at, row.decided_by = now, (actor.label or actor.name)[:80]
    row.save(update_fields=["status", "note", "decided_at", "decided_by", "batch"])
    body = {
        "symbol": row.symbol,
        "timeframe": row.timeframe,
        "ts": row.ts.isoformat(),
        "reason": row.reason,
        "received": row.values,
        "note": row.note,
        "batch_id": row.batch_id,
    }
    audit.record(
        actor=actor,
        action=f"quarantine.{status}",
        subject=f"dataset:{row.dataset_id}",
        body=body,
        now=now,
    )


def _series_of(row: Quarantined) -> Series:
    instrument, _ = Instrument.objects.get_or_create(dataset_id=row.dataset_id, symbol=row.symbol)
    series, _ = Series.objects.get_or_create(instrument=instrument, timeframe=row.timeframe)
    return series


def _batch(actor: Actor, dataset: Dataset, source: str, bars: Columns, now: datetime) -> Batch:
    text = json.dumps({name: getattr(bars, name).tolist() for name in ("ts", *FIELDS)})
    return Batch.objects.create(
        dataset=dataset,
        provider="quarantine",
        source=source[:300],
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        rows=len(bars),
        received=len(bars),
        created_at=now,
        created_by=actor.label or actor.name,
    )


def _finish(
    actor: Actor,
    batch: Batch,
    series: Series,
    bars: Columns,
    action: str,
    note: str,
    now: datetime,
) -> None:
    changes = [(series.pk, len(bars), int(bars.ts[0]), int(bars.ts[-1]))]
    note_revisions(batch=batch, changes=changes, now=now)
    forget(series_ids=[series.pk])
    recheck(series_ids=[series.pk], now=now)
    body = {"bars": len(bars), "batch_id": batch.pk, "note": note, "at": iso(int(bars.ts[0]))}
    audit.record(actor=actor, action=action, subject=f"series:{series.pk}", body=body, now=now)


def _columns(ts: NDArray[np.int64], values: Mapping[str, Any]) -> Columns:
    """Return bars with the same figures at each time; no bars need no figures."""
    return Columns(ts, *(np.full(len(ts), float(values.get(name, "nan"))) for name in FIELDS))


def _check_note(note: str) -> None:
    if not note.strip():
        message = "Say why, so that others can judge it: the note is empty."
        raise Invalid(message, code="quarantine.note", details={"field": "note"})


def _check_own(dataset: Dataset, actor: Actor) -> None:
    if dataset.team_id != actor.team:
        message = f"Dataset {dataset.name} is shared: its bars are not changed by a team."
        raise Denied(message, code="dataset.shared")
