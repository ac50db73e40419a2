"""Ingestion: chosen symbols of a provider into a dataset of the team, resumable."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Invalid, LabError, NotFound, Unavailable
from apps.core.kernel.hashing import digest_arrays, digest_json
from apps.core.kernel.timeframes import seconds_of
from apps.core.models import Job
from apps.core.plugs import load_plug
from apps.market.kernel.columns import Columns
from apps.market.kernel.periods import EARLIEST, LATEST, bounds
from apps.market.models import Batch, Dataset, IngestRun, Universe
from apps.market.providers.base import Fetched, Provider, Request, Section, Task
from apps.market.selectors.keys import provider_for
from apps.market.selectors.lists import get_ingest
from apps.market.services.absorb import absorb

NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
CHUNK = 5  # symbols per transaction: what a kill loses at most
TASK = "market.ingest"


def start_ingest(
    *,
    actor: Actor,
    provider: str,
    section: str,
    now: datetime,
    symbols: Sequence[str] = (),
    timeframe: str = "",
    start: str | None = None,
    end: str | None = None,
    dataset: str = "",
) -> tuple[IngestRun, Job]:
    """Start fetching symbols (all when none are named) into a dataset of the team.

    Raises
    ------
    NotFound
        ``plug.unknown``, ``provider.section_unknown``, ``symbol.unknown``.
    Invalid
        ``dates.reversed``, ``timeframe.unknown``, ``provider.timeframe``, ``dataset.name``.
    """
    actor.require("data.write")
    plug = provider_for(team_id=actor.team, name=provider)
    if section not in plug.capabilities.sections:
        known = ", ".join(plug.capabilities.sections) or "none to ingest from"
        message = f"{provider} has no section {section!r}; it has {known}."
        raise NotFound(message, code="provider.section_unknown", details={"field": "section"})
    facts = plug.section(section)
    timeframe = timeframe or facts.timeframe
    request = {
        "section": section,
        "symbols": list(dict.fromkeys(symbols)),
        "timeframe": timeframe,
        "start": start,
        "end": end,
    }
    tasks = plug.plan(_request(request, now))
    with transaction.atomic():
        place = own_dataset(
            actor=actor, name=dataset or f"{provider}-{section}", section=facts, now=now
        )
        run = IngestRun.objects.create(
            team_id=actor.team,
            dataset=place,
            provider=provider,
            request=request,
            created_at=now,
            created_by=actor.name,
        )
        job = _enqueue(actor, run, len(tasks), now)
        audit.record(
            actor=actor,
            action="ingest.started",
            subject=f"ingest:{run.pk}",
            body={
                **request,
                "provider": provider,
                "dataset": place.name,
                "symbols": len(tasks),
                "symbols_sha256": digest_json(request["symbols"]),
            },
            now=now,
        )
    return run, job


def retry_ingest(*, actor: Actor, ingest_id: UUID | str, now: datetime) -> tuple[IngestRun, Job]:
    """Run what failed or was cancelled again; what is done stays done.

    Raises
    ------
    Conflict
        ``ingest.running`` while the last attempt is not over.
    """
    actor.require("data.write")
    run = get_ingest(team_id=actor.team, ingest_id=ingest_id)
    with transaction.atomic():
        run = IngestRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
        if run.job is not None and not run.job.is_final:
            message = f"The ingestion is {run.job.status}; wait or cancel it first."
            raise Conflict(message, code="ingest.running")
        run.failed = {}
        run.finished_at = None
        run.save(update_fields=["failed", "finished_at"])
        job = _enqueue(actor, run, 0, now)
        audit.record(
            actor=actor, action="ingest.retried", subject=f"ingest:{run.pk}", body={}, now=now
        )
    return run, job


def _enqueue(actor: Actor, run: IngestRun, n_tasks: int, now: datetime) -> Job:
    what = f"{n_tasks} symbols" if n_tasks else "the rest"
    job = jobs.enqueue(
        actor=actor,
        kind="ingest",
        title=f"Ingest {what} from {run.provider} {run.request['section']}",
        task=TASK,
        queue="io",
        payload={"ingest_id": str(run.pk)},
        subject=f"ingest:{run.pk}",
        now=now,
    )
    run.job = job
    run.save(update_fields=["job"])
    return job


def own_dataset(*, actor: Actor, name: str, section: Section, now: datetime) -> Dataset:
    """Return the team's dataset of this name, made when it is new. Raises ``Invalid``."""
    if not NAME.fullmatch(name):
        message = f"{name!r} is no name for a dataset: use 2-63 of a-z, 0-9 and hyphens."
        raise Invalid(message, code="dataset.name", details={"field": "dataset"})
    dataset, made = Dataset.objects.get_or_create(
        team_id=actor.team,
        name=name,
        defaults={
            "title": section.title[:200],
            "source": section.source[:200],
            "licence": section.licence[:80],
            "calendar": section.calendar,
            "note": section.note,
            "created_at": now,
        },
    )
    if made:
        audit.record(
            actor=actor,
            action="dataset.created",
            subject=f"dataset:{dataset.pk}",
            body={"name": name, "source": section.source, "calendar": section.calendar},
            now=now,
        )
    if dataset.calendar != section.calendar:
        message = (
            f"Dataset {name} keeps the calendar {dataset.calendar}, these bars {section.calendar};"
            " choose another name."
        )
        raise Conflict(message, code="dataset.calendar", details={"field": "dataset"})
    return dataset


def _request(request: dict[str, Any], now: datetime) -> Request:
    seconds_of(request["timeframe"])
    low, high = bounds(request["start"], request["end"] or None)
    high = int(now.timestamp() * 1e6) if high == LATEST else high + 1
    return Request(
        section=request["section"],
        symbols=tuple(request["symbols"]),
        timeframe=request["timeframe"],
        since=None if low == EARLIEST else low,
        until=high,
    )


def run_ingest(progress: jobs.Progress) -> dict[str, Any]:
    """Fetch what is not done yet, a few symbols per transaction; safe to run again.

    A symbol that fails is noted and passed by; ``Unavailable`` stops the run for another attempt.
    """
    run = IngestRun.objects.select_related("dataset").get(pk=progress.payload["ingest_id"])
    plug = provider_for(team_id=run.team_id, name=run.provider)
    tasks = plug.plan(_request(run.request, run.created_at))
    finished = {*run.done}
    left = [task for task in tasks if task.key not in finished]
    progress.tell(len(tasks) - len(left), len(tasks), "planned")
    for at in range(0, len(left), CHUNK):
        chunk = left[at : at + CHUNK]
        fetched, failed = _fetch(plug, chunk)
        _store(run.pk, plug, chunk, fetched, failed, progress.now())
        done = len(tasks) - len(left) + at + len(chunk)
        progress.tell(done, len(tasks), f"{chunk[-1].symbol} stored")
    return _finish(run.pk, progress.now())


def _fetch(plug: Provider, tasks: Sequence[Task]) -> tuple[list[Fetched], dict[str, str]]:
    fetched: list[Fetched] = []
    failed: dict[str, str] = {}
    for task in tasks:
        try:
            fetched.append(plug.fetch(task))
        except Unavailable:
            raise
        except LabError as error:
            failed[task.key] = error.message
    return fetched, failed


def _store(
    run_id: UUID,
    plug: Provider,
    tasks: Sequence[Task],
    fetched: Sequence[Fetched],
    failed: dict[str, str],
    now: datetime,
) -> None:
    with transaction.atomic():
        run = IngestRun.objects.select_for_update(of=("self",)).get(pk=run_id)
        actor = system("ingest", run.team_id)
        failed = dict(failed)
        for item in fetched:
            try:
                with transaction.atomic():
                    _store_one(run, plug, item, actor, now)
            except Invalid as error:
                failed[f"{item.listing.symbol}@{run.request['timeframe']}"] = error.message
        run.failed = {**run.failed, **failed}
        run.done = [*run.done, *(task.key for task in tasks if task.key not in failed)]
        run.save()


def _store_one(run: IngestRun, plug: Provider, item: Fetched, actor: Actor, now: datetime) -> None:
    batch = Batch.objects.create(
        dataset=run.dataset,
        provider=run.provider,
        source=plug.section(run.request["section"]).source[:300],
        sha256=_digest_of(item.bars),
        created_at=now,
        created_by=actor.name,
    )
    written = absorb(
        dataset=run.dataset,
        batch=batch,
        timeframe=run.request["timeframe"],
        fetched=[item],
        now=now,
    )
    if not written.added and not written.changed:
        batch.delete()  # nothing refers to it: the same bars were there already
    run.rows_received += written.received
    run.rows_added += written.added
    run.rows_changed += written.changed


def _digest_of(bars: Columns) -> str:
    """Return the sha-256 of bars as they were received."""
    arrays = {name: getattr(bars, name) for name in ("ts", "open", "high", "low", "close")}
    return (
        digest_arrays(volume=bars.volume, **arrays) if len(bars) else hashlib.sha256().hexdigest()
    )


def _finish(run_id: UUID, now: datetime) -> dict[str, Any]:
    with transaction.atomic():
        run = IngestRun.objects.select_for_update(of=("self",)).get(pk=run_id)
        actor = system("ingest", run.team_id)
        run.finished_at = now
        run.save(update_fields=["finished_at"])
        _ensure_universe(run, actor, now)
        result = {
            "ingest_id": str(run.pk),
            "dataset": run.dataset.name,
            "symbols": len(run.done),
            "failed": len(run.failed),
            "rows_received": run.rows_received,
            "rows_added": run.rows_added,
            "rows_changed": run.rows_changed,
        }
        audit.record(
            actor=actor,
            action="ingest.finished",
            subject=f"ingest:{run.pk}",
            body=result,
            now=now,
        )
    return result


def _ensure_universe(run: IngestRun, actor: Actor, now: datetime) -> None:
    """Keep a universe of everything in the dataset at this timeframe, under its name."""
    timeframe = run.request["timeframe"]
    symbols = sorted(
        run.dataset.instruments.filter(series__timeframe=timeframe).values_list(
            "symbol", flat=True
        )
    )
    name = run.dataset.name
    newest = Universe.objects.filter(team_id=run.team_id, name=name).order_by("-version").first()
    if not symbols or (newest and newest.symbols == symbols and newest.timeframe == timeframe):
        return
    plug: Provider = load_plug("MARKET_PROVIDERS", run.provider)
    Universe.objects.create(
        team_id=run.team_id,
        dataset=run.dataset,
        name=name,
        version=newest.version + 1 if newest else 1,
        title=run.dataset.title,
        timeframe=timeframe,
        symbols=symbols,
        survivorship=plug.section(run.request["section"]).survivorship,
        created_at=now,
        created_by=actor.name,
    )
