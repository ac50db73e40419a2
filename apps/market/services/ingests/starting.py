"""An ingestion is planned when it is asked for: its tasks are stored and then worked off."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection, transaction

from apps.audit import services as audit
from apps.core import jobs
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.kernel.hashing import digest_json
from apps.core.kernel.timeframes import seconds_of
from apps.core.models import Job
from apps.market.kernel.periods import EARLIEST, LATEST, bounds
from apps.market.kernel.planning import MICROS, MODES, plan_fetches
from apps.market.models import Dataset, Flow, IngestRun, IngestTask
from apps.market.providers.base import Request, Section, Task
from apps.market.selectors.ingests import get_ingest, held_of
from apps.market.selectors.keys import provider_for

NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
TASK = "market.ingest"
# A run goes on where it was: each attempt comes further, so many deaths are no reason to stop.
ATTEMPTS = 20
INSERT = """
INSERT INTO market_ingesttask
    (run_id, seq, symbol, timeframe, since, until, status, attempts, rows)
SELECT %s, t.at - 1, t.symbol, %s, t.since, t.until, 'open', 0, 0
FROM unnest(%s::text[], %s::int8[], %s::int8[]) WITH ORDINALITY AS t (symbol, since, until, at)
"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An ingestion the provider has agreed to: nothing is stored yet."""

    provider: str
    request: dict[str, Any]
    section: Section
    tasks: list[Task]
    window: int
    dataset: str


def prepare_ingest(
    *,
    team_id: int,
    provider: str,
    section: str,
    now: datetime,
    symbols: Sequence[str] = (),
    timeframe: str = "",
    start: str | None = None,
    end: str | None = None,
    dataset: str = "",
    mode: str = "missing",
) -> Prepared:
    """Ask the provider what a request means; it may be asked over the network.

    Raises
    ------
    NotFound
        ``plug.unknown``, ``provider.section_unknown``, ``symbol.unknown``.
    Invalid
        ``dates.reversed``, ``timeframe.unknown``, ``provider.timeframe``, ``ingest.mode``.
    """
    if mode not in MODES:
        message = f"{mode!r} is not a way to ingest; choose one of {', '.join(MODES)}."
        raise Invalid(message, code="ingest.mode", details={"field": "mode"})
    plug = provider_for(team_id=team_id, name=provider)
    if section not in plug.capabilities.sections:
        known = ", ".join(plug.capabilities.sections) or "none to ingest from"
        message = f"{provider} has no section {section!r}; it has {known}."
        raise NotFound(message, code="provider.section_unknown", details={"field": "section"})
    facts = plug.section(section)
    request = {
        "section": section,
        "symbols": list(dict.fromkeys(symbols)),
        "timeframe": timeframe or facts.timeframe,
        "start": start,
        "end": end,
        "mode": mode,
    }
    tasks = plug.plan(_request(request, now))
    name = dataset or f"{provider}-{section}"
    return Prepared(provider, request, facts, tasks, plug.capabilities.window, name)


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
    mode: str = "missing",
) -> tuple[IngestRun, Job]:
    """Start fetching symbols (all when none are named) into a dataset of the team.

    ``mode`` says what of it: ``missing`` what is not there, ``full`` all, ``repair`` the gaps.
    Raises as ``prepare_ingest`` does, and ``Invalid`` with ``dataset.name``.
    """
    actor.require("data.write")
    prepared = prepare_ingest(
        team_id=actor.team,
        provider=provider,
        section=section,
        now=now,
        symbols=symbols,
        timeframe=timeframe,
        start=start,
        end=end,
        dataset=dataset,
        mode=mode,
    )
    with transaction.atomic():
        return begin_ingest(actor=actor, prepared=prepared, now=now)


def begin_ingest(
    *, actor: Actor, prepared: Prepared, now: datetime, flow: Flow | None = None
) -> tuple[IngestRun, Job]:
    """Store the plan of an ingestion and queue it. Must run inside a transaction."""
    actor.require("data.write")
    request = prepared.request
    place = own_dataset(actor=actor, name=prepared.dataset, section=prepared.section, now=now)
    run = IngestRun.objects.create(
        team_id=actor.team,
        dataset=place,
        provider=prepared.provider,
        request=request,
        flow=flow,
        created_at=now,
        created_by=actor.name,
    )
    planned = _store_plan(run, prepared)
    job = _enqueue(actor, run, planned, now)
    audit.record(
        actor=actor,
        action="ingest.started",
        subject=f"ingest:{run.pk}",
        body={
            **request,
            "symbols": len(prepared.tasks),
            "symbols_sha256": digest_json(request["symbols"]),
            "provider": prepared.provider,
            "dataset": place.name,
            "tasks": planned,
            "flow": flow.name if flow else "",
        },
        now=now,
    )
    return run, job


def _store_plan(run: IngestRun, prepared: Prepared) -> int:
    """Store what has to be fetched as tasks; return how many."""
    if not prepared.tasks:
        return 0
    request, symbols = prepared.request, [task.symbol for task in prepared.tasks]
    step = seconds_of(request["timeframe"]) * MICROS
    since = np.array(
        [EARLIEST if task.since is None else task.since for task in prepared.tasks], np.int64
    )
    until = prepared.tasks[0].until
    held = held_of(run=run, symbols=symbols, gaps=request["mode"] == "repair")
    found = plan_fetches(request["mode"], since, until or LATEST, step, held, prepared.window)
    starts = [None if low <= EARLIEST else low for low in found.low.tolist()]
    names = [symbols[at] for at in found.symbol.tolist()]
    ends = (found.high - 1 + step).tolist()
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [run.pk, request["timeframe"], names, starts, ends])
    return len(found)


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
        failed = IngestTask.objects.filter(run=run, status=IngestTask.Status.FAILED)
        failed.update(status=IngestTask.Status.OPEN, error=None)
        left = IngestTask.objects.filter(run=run, status=IngestTask.Status.OPEN).count()
        run.finished_at = None
        run.save(update_fields=["finished_at"])
        job = _enqueue(actor, run, left, now)
        audit.record(
            actor=actor,
            action="ingest.retried",
            subject=f"ingest:{run.pk}",
            body={"tasks": left},
            now=now,
        )
    return run, job


def cancel_ingest(*, actor: Actor, ingest_id: UUID | str, now: datetime) -> Job:
    """Ask an ingestion to stop; what is stored stays, and it can go on later.

    Raises
    ------
    Conflict
        ``job.over`` when it has ended.
    """
    actor.require("data.write")
    run = get_ingest(team_id=actor.team, ingest_id=ingest_id)
    if run.job is None:
        raise Conflict("The ingestion has no job any more.", code="job.over")
    with transaction.atomic():
        job = jobs.cancel(run.job.pk, actor=actor, now=now)
        audit.record(
            actor=actor, action="ingest.cancelled", subject=f"ingest:{run.pk}", body={}, now=now
        )
    return job


def _enqueue(actor: Actor, run: IngestRun, n_tasks: int, now: datetime) -> Job:
    job = jobs.enqueue(
        actor=actor,
        kind="ingest",
        title=f"Ingest {run.provider} {run.request['section']}: {n_tasks:,} fetches",
        task=TASK,
        queue="io",
        payload={"ingest_id": str(run.pk)},
        subject=f"ingest:{run.pk}",
        max_attempts=ATTEMPTS,
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
