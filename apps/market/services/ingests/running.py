"""The tasks of a run worked off: fetched outside, stored a chunk per transaction.

A chunk's bars, batch, revisions and the state of its tasks are written together or not at all, so
that a run killed anywhere goes on with what is open and ends with the same bars.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.db import DataError, IntegrityError, transaction
from django.db.models import Count, F

from apps.audit import services as audit
from apps.core import events, jobs
from apps.core.actors import Actor, system
from apps.core.errors import Invalid, LabError
from apps.core.kernel.hashing import digest_arrays
from apps.core.models import Job
from apps.core.plugs import load_plug
from apps.market import store
from apps.market.kernel.columns import Columns
from apps.market.models import Batch, IngestRun, IngestTask, Series, Universe
from apps.market.providers.base import Fetched, Provider, Task
from apps.market.selectors.keys import provider_for
from apps.market.services.absorb import absorb
from apps.market.services.ingests.fetching import Fetcher, Outcome, Patience, side_by_side
from apps.market.services.judging import recheck
from apps.market.services.keys import note_refused_key
from apps.market.services.quarantine import keep_out
from apps.market.services.universe_versions import add_version, take_turns

log = structlog.get_logger(__name__)

# What a kill loses at most.
CHUNK_SYMBOLS = 200
CHUNK_SECONDS = 10.0
CHUNK_ROWS = 1_000_000
TASKS_READ = 1_000
# Series judged at the end of a run; more are left to the periodic check.
JUDGED_AT_ONCE = 200
PATIENCE = Patience()
Status = IngestTask.Status


@dataclass(slots=True)
class _Chunk:
    """What was fetched and is not stored yet."""

    outcomes: list[Outcome] = field(default_factory=list)
    rows: int = 0
    began: float = 0.0

    def add(self, outcome: Outcome) -> None:
        if not self.outcomes:
            self.began = time.monotonic()
        self.outcomes.append(outcome)
        self.rows += len(outcome.fetched.bars) if outcome.fetched else 0

    @property
    def is_due(self) -> bool:
        return bool(self.outcomes) and (
            len(self.outcomes) >= CHUNK_SYMBOLS
            or self.rows >= CHUNK_ROWS
            or time.monotonic() - self.began >= CHUNK_SECONDS
        )


@dataclass(slots=True)
class _Work:
    """A run being worked off."""

    run: IngestRun
    plug: Provider
    progress: jobs.Progress
    total: int
    done: int
    chunk: _Chunk = field(default_factory=_Chunk)
    began: float = field(default_factory=time.monotonic)
    rows: int = 0
    away: int = 0
    answered: int = 0

    def take(self, outcome: Outcome | None) -> None:
        """Keep an outcome, store the chunk when it is due, tell how far it is."""
        if outcome is not None:
            self._note(outcome)
            self.chunk.add(outcome)
        if self.chunk.is_due:
            self.save()
        fetched = self.done + len(self.chunk.outcomes)
        self.progress.tell(min(fetched, self.total), self.total, self._words())

    def _note(self, outcome: Outcome) -> None:
        """Count answers. Raises the error of a source that is away or refuses our key."""
        if outcome.is_refused and outcome.error:
            note_refused_key(
                team_id=self.run.team_id,
                provider=self.run.provider,
                error=outcome.error,
                now=self.progress.now(),
            )
            raise outcome.error
        if not outcome.is_away:
            self.away = 0
            self.answered += 1
            return
        self.away += 1
        if self.away >= PATIENCE.give_up_after and outcome.error:
            raise outcome.error

    def save(self) -> None:
        """Store what was fetched in one transaction; bad symbols one by one."""
        outcomes, self.chunk = self.chunk.outcomes, _Chunk()
        if not outcomes:
            return
        try:
            rows = _store(self, outcomes)
        except (LabError, IntegrityError, DataError) as error:
            log.warning("ingest.chunk_refused", error=repr(error), symbols=len(outcomes))
            rows = sum(self._save_one(outcome) for outcome in outcomes)
        self.rows += rows
        self.done += len(outcomes)

    def _save_one(self, outcome: Outcome) -> int:
        try:
            return _store(self, [outcome])
        except LabError as error:
            failed = error
        except (IntegrityError, DataError) as error:
            told = f"{outcome.task.symbol}: the database refused its bars: {str(error)[:300]}"
            failed = Invalid(told, code="bars.refused")
        return _store(
            self, [Outcome(outcome.task_id, outcome.task, outcome.attempts, None, failed)]
        )

    def end_early(self) -> None:
        """Keep what was fetched when the run is cut short; what did not answer stays open."""
        self.chunk.outcomes = [each for each in self.chunk.outcomes if not each.is_away]
        self.save()

    def _words(self) -> str:
        seconds = max(time.monotonic() - self.began, 1e-3)
        fetched = self.rows + self.chunk.rows
        return f"{fetched / seconds:,.0f} rows/s, {fetched:,} rows"


def run_ingest(progress: jobs.Progress) -> dict[str, Any]:
    """Work off what is open of a run; safe to run again.

    A symbol that fails is noted and passed by. A source that does not answer at all stops the
    run for another attempt, one that refuses our key ends it; cut short, it keeps what it has.
    """
    run = IngestRun.objects.select_related("dataset").get(pk=progress.payload["ingest_id"])
    if progress.attempt > 1:
        away = run.tasks.filter(status=Status.FAILED, error__again=True)
        away.update(status=Status.OPEN, error=None)
    total = run.tasks.count()
    done = total - run.tasks.filter(status=Status.OPEN).count()
    plug = provider_for(team_id=run.team_id, name=run.provider)
    work = _Work(run, plug, progress, total, done)
    progress.tell(done, max(total, 1), "planned")
    if done < total:
        _work_off(work)
    _judge(run, progress, max(total, 1))
    return _finish(work)


def _work_off(work: _Work) -> None:
    is_remote = hasattr(work.plug, "with_timing")
    n_plugs = side_by_side(work.plug.capabilities, is_remote=is_remote)
    others = (
        provider_for(team_id=work.run.team_id, name=work.run.provider) for _ in range(n_plugs - 1)
    )
    fetcher = Fetcher([work.plug, *others], PATIENCE)
    last = None
    try:
        for outcome in fetcher.outcomes(_open_tasks(work.run)):
            last = outcome or last
            work.take(outcome)
    except (LabError, jobs.Cancelled):
        fetcher.stopped.set()
        work.end_early()
        raise
    if not work.answered and last is not None and last.error is not None:
        work.end_early()
        raise last.error
    work.save()


def _open_tasks(run: IngestRun) -> Iterator[tuple[int, Task]]:
    """Yield the open tasks in their order, read a thousand at a time."""
    seq = -1
    while True:
        rows = run.tasks.filter(status=Status.OPEN, seq__gt=seq).order_by("seq")[:TASKS_READ]
        found = list(rows)
        for row in found:
            yield (
                row.pk,
                Task(run.request["section"], row.symbol, row.timeframe, row.since, row.until),
            )
        if len(found) < TASKS_READ:
            return
        seq = found[-1].seq


@transaction.atomic
def _store(work: _Work, outcomes: Sequence[Outcome]) -> int:
    """Write bars, batch, revisions and task states of a chunk; return the rows received.

    Raises ``Superseded`` when another worker has taken the run over.
    """
    run = IngestRun.objects.select_for_update(of=("self",)).get(pk=work.run.pk)
    held = Job.objects.filter(pk=work.progress.job_id, attempt=work.progress.attempt)
    if not held.exists():
        raise jobs.Superseded
    ids = [outcome.task_id for outcome in outcomes]
    tasks = {row.pk: row for row in IngestTask.objects.filter(pk__in=ids, status=Status.OPEN)}
    outcomes = [outcome for outcome in outcomes if outcome.task_id in tasks]
    received = _write(run, work, outcomes)
    for outcome in outcomes:
        row = tasks[outcome.task_id]
        row.attempts += outcome.attempts
        row.status = Status.DONE if outcome.fetched else Status.FAILED
        row.rows = len(outcome.fetched.bars) if outcome.fetched else 0
        row.error = outcome.described or None
    fields = ["attempts", "status", "rows", "error"]
    IngestTask.objects.bulk_update(tasks.values(), fields, batch_size=500)
    return received


def _write(run: IngestRun, work: _Work, outcomes: Sequence[Outcome]) -> int:
    now = work.progress.now()
    fetched = [outcome.fetched for outcome in outcomes if outcome.fetched]
    if not fetched:
        return 0
    # Before anything else of the dataset is written: two runs wait here and nowhere else.
    store.lock_dataset(run.dataset_id)
    batch = Batch.objects.create(
        dataset=run.dataset,
        provider=run.provider,
        source=work.plug.section(run.request["section"]).source[:300],
        sha256=_digest_of(fetched),
        created_at=now,
        created_by=system("ingest", run.team_id).name,
    )
    received = added = changed = 0
    timeframe = run.request["timeframe"]
    for items in _rounds(fetched):
        sound = keep_out(
            dataset=run.dataset,
            provider=run.provider,
            timeframe=timeframe,
            fetched=items,
            now=now,
        )
        written = absorb(
            dataset=run.dataset,
            batch=batch,
            timeframe=timeframe,
            fetched=sound,
            now=now,
            judged=False,
        )
        received += written.received
        added += written.added
        changed += written.changed
    if not added and not changed and not any(item.figures for item in fetched):
        batch.delete()  # nothing refers to it: the same bars were there already
    IngestRun.objects.filter(pk=run.pk).update(
        rows_received=F("rows_received") + received,
        rows_added=F("rows_added") + added,
        rows_changed=F("rows_changed") + changed,
    )
    return received


def _rounds(fetched: Sequence[Fetched]) -> Iterator[list[Fetched]]:
    """Yield lists in which each symbol is at most once, its stretches in their order."""
    left = list(fetched)
    while left:
        first = {item.listing.symbol: item for item in reversed(left)}
        yield [item for item in left if first[item.listing.symbol] is item]
        left = [item for item in left if first[item.listing.symbol] is not item]


def _digest_of(fetched: Sequence[Fetched]) -> str:
    """Return the sha-256 of bars as they were received."""
    whole = hashlib.sha256()
    for item in fetched:
        whole.update(item.listing.symbol.encode() + b"\0" + _digest_bars(item.bars).encode())
    return whole.hexdigest()


def _digest_bars(bars: Columns) -> str:
    if not len(bars):
        return ""
    return digest_arrays(**{name: getattr(bars, name) for name in Columns.__slots__})


def _judge(run: IngestRun, progress: jobs.Progress, total: int) -> None:
    """Judge the series that changed, when they are few; the periodic check judges the others."""
    changed = Series.objects.filter(
        instrument__dataset=run.dataset_id, timeframe=run.request["timeframe"], checked_at=None
    ).values_list("pk", flat=True)[: JUDGED_AT_ONCE + 1]
    series_ids = list(changed)
    if series_ids and len(series_ids) <= JUDGED_AT_ONCE:
        progress.tell(total, total, f"checking {len(series_ids)} series")
        recheck(series_ids=series_ids, now=progress.now())


def _finish(work: _Work) -> dict[str, Any]:
    now = work.progress.now()
    with transaction.atomic():
        run = IngestRun.objects.select_for_update(of=("self",)).get(pk=work.run.pk)
        actor = system("ingest", run.team_id)
        run.finished_at = now
        run.save(update_fields=["finished_at"])
        _ensure_universe(run, actor, now)
        result = _result(work, run)
        audit.record(
            actor=actor,
            action="ingest.finished",
            subject=f"ingest:{run.pk}",
            body=result,
            now=now,
        )
        told = {"ingest_id": str(run.pk), "dataset": run.dataset.name}
        events.emit(team_id=run.team_id, topic="data", kind="market.ingest.finished", data=told)
    return result


def _result(work: _Work, run: IngestRun) -> dict[str, Any]:
    done = run.tasks.filter(status=Status.DONE)
    seconds = time.monotonic() - work.began
    return {
        "ingest_id": str(run.pk),
        "dataset": run.dataset.name,
        "symbols": done.aggregate(n=Count("symbol", distinct=True))["n"],
        "tasks": work.total,
        "failed": run.tasks.filter(status=Status.FAILED).count(),
        "rows_received": run.rows_received,
        "rows_added": run.rows_added,
        "rows_changed": run.rows_changed,
        "seconds": round(seconds, 3),
        "rows_per_second": round(work.rows / max(seconds, 1e-3), 1),
    }


def _ensure_universe(run: IngestRun, actor: Actor, now: datetime) -> None:
    """Keep a universe of everything in the dataset at this timeframe, under its name."""
    timeframe = run.request["timeframe"]
    symbols = sorted(
        run.dataset.instruments.filter(series__timeframe=timeframe).values_list(
            "symbol", flat=True
        )
    )
    name = run.dataset.name
    take_turns(run.team_id)
    newest = Universe.objects.filter(team_id=run.team_id, name=name).order_by("-version").first()
    if not symbols or (newest and newest.symbols == symbols and newest.timeframe == timeframe):
        return
    plug: Provider = load_plug("MARKET_PROVIDERS", run.provider)
    add_version(
        team_id=run.team_id,
        dataset=run.dataset,
        name=name,
        title=run.dataset.title,
        timeframe=timeframe,
        symbols=symbols,
        survivorship=plug.section(run.request["section"]).survivorship,
        by=actor.name,
        now=now,
    )
