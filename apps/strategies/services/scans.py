"""Writes of the scanner: scans and their signals."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from apps.audit.services import record
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.errors import Invalid
from apps.core.models import Job
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import moment_of
from apps.market.selectors import get_universe
from apps.strategies import selectors
from apps.strategies.kernel.confined import trace_of
from apps.strategies.kernel.interface import check_params
from apps.strategies.kernel.scanning import Reading, batches, readings
from apps.strategies.models import Scan, Signal

WARM_BARS = 400


def create_scan(
    *, actor: Actor, universe: str, strategies: list[str], now: datetime
) -> tuple[Scan, Job]:
    """Store a scan of a universe by strategies; queue it.

    Without names it asks the whole library, and the team's Python strategies whose newest text
    people approved. Raises ``NotFound`` for an unknown universe or strategy, ``Conflict`` for a
    text that nobody approved.
    """
    actor.require("research.write")
    found = get_universe(team_id=actor.team, name=universe)
    names = [selectors.scanned_name(name, actor.team) for name in strategies]
    with transaction.atomic():
        row = Scan.objects.create(
            team_id=actor.team,
            universe=found.name,
            timeframe=found.timeframe,
            symbols=list(found.symbols),
            strategies=names or selectors.list_scanned(actor.team),
            created_by=actor.name,
            created_by_label=actor.label,
            created_at=now,
        )
        job = jobs.enqueue(
            actor=actor,
            kind="scan",
            title=f"Scan of {found.title}",
            task="strategies.scan",
            queue="compute",
            payload={"scan_id": row.pk},
            subject=f"scan:{row.pk}",
            now=now,
        )
        body = {"universe": found.name, "strategies": row.strategies, "symbols": len(row.symbols)}
        record(actor=actor, action="scan.created", subject=f"scan:{row.pk}", body=body, now=now)
    return row, job


def start_scan(progress: jobs.Progress) -> dict[str, Any]:
    """Make ready what batches need, and queue them; again from the start it queues none twice.

    Everything compiled is called once here, where there is time: a batch has thirty seconds.
    """
    row = Scan.objects.get(pk=progress.payload["scan_id"])
    panel = selectors.panel_to_scan(row, row.symbols[:2], progress.now()).rows(0, WARM_BARS)
    for at, name in enumerate(row.strategies):
        progress.tell(at, len(row.strategies), f"making ready {name}")
        if selectors.is_in_library(name):
            _read_signals(name, panel, row.team_id)
        else:
            selectors.sandbox_status()  # its files are made at first use
    with transaction.atomic():
        row = Scan.objects.select_for_update(of=("self",)).get(pk=row.pk)
        if not row.batches:
            row.batches = _queue_batches(row, progress.now())
            row.save(update_fields=["batches"])
    return {"scan_id": row.pk, "batches": row.batches}


def _queue_batches(row: Scan, now: datetime) -> int:
    """Queue ten symbols at a time, and the universe as a whole for strategies that compare.

    Each of the team's own texts is a batch: what stops it stops no other.
    """
    library = [name for name in row.strategies if selectors.is_in_library(name)]
    across = [name for name in library if selectors.get_strategy(name).spec.across]
    alone = [name for name in library if name not in across]
    parts = [(alone, symbols) for symbols in batches(row.symbols)] if alone else []
    parts += [(across, row.symbols)] if across else []
    parts += [([name], row.symbols) for name in row.strategies if name not in library]
    for number, (names, symbols) in enumerate(parts, start=1):
        jobs.enqueue(
            actor=system("scanner", row.team_id),
            kind="scan_batch",
            title=f"Scan of {row.universe}, batch {number} of {len(parts)}",
            task="strategies.scan_batch",
            queue="compute",
            payload={"scan_id": row.pk, "strategies": names, "symbols": symbols},
            subject=f"scan:{row.pk}",
            now=now,
            # One that took too long takes too long again.
            max_attempts=1,
        )
    return len(parts)


def run_scan_batch(progress: jobs.Progress) -> dict[str, Any]:
    """Compute and store the signals of a batch; may be repeated and then stores the same.

    Raises ``Invalid`` (``scan.time_limit``) when the worker's limit comes near.
    """
    row = Scan.objects.get(pk=progress.payload["scan_id"])
    names, symbols = progress.payload["strategies"], progress.payload["symbols"]
    found: list[Reading] = []
    try:
        panel = selectors.panel_to_scan(row, symbols, progress.now())
        for at, name in enumerate(names):
            progress.tell(at, len(names), name)
            found += _read_signals(name, panel, row.team_id)
    except SoftTimeLimitExceeded:
        message = f"The batch of {', '.join(symbols[:3])}… was not done in time; it was ended."
        raise Invalid(message, code="scan.time_limit") from None
    _store_signals(row, found, progress.now())
    return {"signals": sum(one.side != 0 for one in found), "read": len(found)}


def _read_signals(name: str, panel: Panel, team_id: int) -> list[Reading]:
    strategy = selectors.get_strategy(name, team_id)
    try:
        return readings(strategy, check_params(strategy.spec, {}), panel)
    finally:
        trace_of(strategy)


def _store_signals(row: Scan, found: list[Reading], now: datetime) -> None:
    rows = []
    for one in found:
        values = asdict(one)
        for name in ("signal_at", "bar_at"):
            values[name] = None if values[name] is None else moment_of(values[name])
        rows.append(Signal(team_id=row.team_id, scan=row, **values))
    with transaction.atomic():
        Signal.objects.bulk_create(rows, ignore_conflicts=True)
        record(
            actor=system("scanner", row.team_id),
            action="scan.batch_stored",
            subject=f"scan:{row.pk}",
            body={"read": len(rows), "signals": sum(one.side != 0 for one in found)},
            now=now,
        )
