"""Ingestions as they stand, what is there already, flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection
from django.db.models import Count, Q, QuerySet

from apps.core import jobs
from apps.core.errors import NotFound
from apps.core.kernel.timeframes import seconds_of
from apps.core.models import Job
from apps.market import store
from apps.market.kernel.gaps import expected_times, find_gaps
from apps.market.kernel.health import iso
from apps.market.kernel.periods import EARLIEST, LATEST, micros, parse
from apps.market.kernel.planning import MICROS, NONE, Held, Stretches, stretches
from apps.market.models import Flow, IngestRun, IngestTask, Series

SHOWN_ERRORS = 50
CHUNK_SERIES = 200
# What was asked of the same source before and answered: a few stretches per symbol.
ASKED = """
SELECT symbol, lower(one), upper(one) FROM (
    SELECT t.symbol, unnest(range_agg(int8range(coalesce(t.since, %(earliest)s), t.until))) AS one
    FROM market_ingesttask t JOIN market_ingestrun r ON r.id = t.run_id
    WHERE r.dataset_id = %(dataset)s AND r.provider = %(provider)s
      AND r.request ->> 'section' = %(section)s
      AND t.timeframe = %(timeframe)s AND t.status = 'done'
      AND coalesce(t.since, %(earliest)s) < t.until
    GROUP BY t.symbol
) AS known
"""


@dataclass(frozen=True, slots=True)
class FlowView:
    """A flow and how its last run went."""

    id: int
    name: str
    provider: str
    request: dict[str, Any]
    at_utc: str
    weekdays: list[int]
    is_on: bool
    next_at: datetime | None
    last_at: datetime | None
    report: dict[str, Any]
    created_at: datetime
    created_by: str


def held_of(*, run: IngestRun, symbols: Sequence[str], gaps: bool = False) -> Held:
    """Return what the run's dataset holds of symbols, and what was asked for already.

    ``gaps`` True reads bars where the gaps noted with a series are not all of them.
    """
    timeframe = run.request["timeframe"]
    step = seconds_of(timeframe) * MICROS
    number = {symbol: at for at, symbol in enumerate(symbols)}
    first = np.full(len(symbols), NONE, np.int64)
    last = first.copy()
    rows = Series.objects.filter(
        instrument__dataset=run.dataset_id, timeframe=timeframe, rows__gt=0
    )
    wanted = rows.values_list("instrument__symbol", "first_at", "last_at")
    for symbol, begin, end in wanted.iterator(5000):
        if (at := number.get(symbol)) is not None:
            first[at], last[at] = _micros(begin), _micros(end)
    holes = _gaps(rows, number, run.dataset.calendar, timeframe, step, complete=gaps)
    return Held(first, last, _asked(run, number, step), holes)


def _micros(moment: datetime | None) -> int:
    return NONE if moment is None else micros(moment)


def _asked(run: IngestRun, number: dict[str, int], step: int) -> Stretches:
    with connection.cursor() as cursor:
        cursor.execute(
            ASKED,
            {
                "earliest": EARLIEST,
                "dataset": run.dataset_id,
                "provider": run.provider,
                "section": run.request["section"],
                "timeframe": run.request["timeframe"],
            },
        )
        found = [
            (number[symbol], low, high - step + 1)
            for symbol, low, high in cursor.fetchall()
            if symbol in number
        ]
    asked = stretches(found)
    return asked.take(asked.low < asked.high)


def _gaps(
    rows: QuerySet[Series],
    number: dict[str, int],
    calendar: str,
    timeframe: str,
    step: int,
    *,
    complete: bool,
) -> Stretches:
    """Return the gaps noted with each series, or those of its bars where notes are cut short."""
    found: list[tuple[int, int, int]] = []
    unsure: list[tuple[int, int]] = []
    judged = rows.values_list("pk", "instrument__symbol", "health__gaps", "health__missing")
    fresh = dict(rows.values_list("pk", "checked_at")) if complete else {}
    for pk, symbol, noted, missing in judged.iterator(2000):
        at = number.get(symbol)
        if at is None:
            continue
        noted = noted or []
        is_whole = missing is not None and sum(gap["bars"] for gap in noted) == missing
        if complete and (not is_whole or fresh[pk] is None):
            unsure.append((pk, at))
        else:
            found += [(at, _ts(gap["first"]), _ts(gap["last"]) + step) for gap in noted]
    for begin in range(0, len(unsure), CHUNK_SERIES):
        found += _gaps_of_bars(dict(unsure[begin : begin + CHUNK_SERIES]), calendar, timeframe)
    return stretches(found)


def _ts(text: str) -> int:
    moment = parse(text, "gap")
    return micros(moment) if moment else EARLIEST


def _gaps_of_bars(
    number: dict[int, int], calendar: str, timeframe: str
) -> list[tuple[int, int, int]]:
    step = seconds_of(timeframe) * MICROS
    found = []
    for pk, bars in store.read_bars(list(number), EARLIEST, LATEST).items():
        expected = expected_times(calendar, timeframe, int(bars.ts[0]), int(bars.ts[-1]), bars.ts)
        found += [(number[pk], gap.first, gap.last + step) for gap in find_gaps(bars.ts, expected)]
    return found


def list_ingests(*, team_id: int) -> QuerySet[IngestRun]:
    """Return the team's ingestions, the newest first."""
    rows = IngestRun.objects.filter(team_id=team_id).select_related("dataset", "job", "flow")
    return rows.annotate(
        n_tasks=Count("tasks"),
        n_done=Count("tasks", filter=Q(tasks__status=IngestTask.Status.DONE)),
        n_failed=Count("tasks", filter=Q(tasks__status=IngestTask.Status.FAILED)),
    )


def get_ingest(*, team_id: int, ingest_id: UUID | str) -> IngestRun:
    """Return an ingestion of the team. Raises ``NotFound``."""
    try:
        found = list_ingests(team_id=team_id).filter(pk=UUID(str(ingest_id))).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound(f"There is no ingestion {ingest_id}.", code="ingest.not_found")
    return found


def ingest_dict(run: IngestRun) -> dict[str, Any]:
    """Return an ingestion as clients see it; the first errors with it, all under its tasks."""
    counts = (getattr(run, "n_tasks", 0), getattr(run, "n_done", 0), getattr(run, "n_failed", 0))
    total, done, failed = counts
    job = run.job
    return {
        "id": str(run.pk),
        "provider": run.provider,
        "dataset": run.dataset.name,
        "request": run.request,
        "flow": run.flow.name if run.flow else "",
        "job_id": str(run.job_id) if run.job_id else None,
        "status": str(job.status) if job else "unknown",
        "error": job.error if job else None,
        "done": done,
        "tasks": {
            "all": total,
            "done": done,
            "failed": failed,
            "open": total - done - failed,
        },
        "failed": _errors(run) if failed else {},
        "eta_seconds": jobs.eta_seconds(job, _heard(job)) if job else None,
        "rows_per_second": _pace(run),
        "rows_received": run.rows_received,
        "rows_added": run.rows_added,
        "rows_changed": run.rows_changed,
        "created_at": run.created_at,
        "created_by": run.created_by,
        "finished_at": run.finished_at,
    }


def _heard(job: Job) -> datetime:
    """When the job was last heard of: its lease is extended with each word."""
    lease: datetime | None = job.lease_until
    created: datetime = job.created_at
    return lease - jobs.LEASE if lease else created


def _pace(run: IngestRun) -> float | None:
    job = run.job
    if job is None or job.started_at is None:
        return None
    seconds = ((job.finished_at or _heard(job)) - job.started_at).total_seconds()
    return round(run.rows_received / seconds, 1) if seconds > 0 else None


def _errors(run: IngestRun) -> dict[str, str]:
    rows = run.tasks.filter(status=IngestTask.Status.FAILED).order_by("seq")[:SHOWN_ERRORS]
    return {f"{row.symbol}@{row.timeframe}": (row.error or {}).get("message", "") for row in rows}


def list_ingest_tasks(
    *, team_id: int, ingest_id: UUID | str, status: str = "", symbol: str = ""
) -> QuerySet[IngestTask]:
    """Return the fetches of an ingestion in their order. Raises ``NotFound``."""
    run = get_ingest(team_id=team_id, ingest_id=ingest_id)
    rows = IngestTask.objects.filter(run=run).order_by("seq")
    if status:
        rows = rows.filter(status=status)
    return rows.filter(symbol=symbol) if symbol else rows


def ingest_task_dict(task: IngestTask) -> dict[str, Any]:
    """Return a fetch as clients see it."""
    return {
        "seq": task.seq,
        "symbol": task.symbol,
        "timeframe": task.timeframe,
        "since": _moment(task.since),
        "until": _moment(task.until),
        "status": str(task.status),
        "attempts": task.attempts,
        "rows": task.rows,
        "error": task.error,
    }


def _moment(ts: int | None) -> str | None:
    return None if ts is None else iso(ts)


def list_flows(*, team_id: int) -> list[FlowView]:
    """Return the team's flows by name."""
    return [flow_view(row) for row in Flow.objects.filter(team_id=team_id).order_by("name")]


def get_flow(*, team_id: int, name: str) -> Flow:
    """Return a flow of the team. Raises ``NotFound``."""
    row = Flow.objects.filter(team_id=team_id, name=name).first()
    if row is None:
        raise NotFound(f"There is no flow {name!r}.", code="flow.not_found")
    return row


def flow_view(row: Flow) -> FlowView:
    """Return a flow as others see it."""
    return FlowView(
        id=row.pk,
        name=row.name,
        provider=row.provider,
        request=row.request,
        at_utc=row.at_utc.strftime("%H:%M"),
        weekdays=row.weekdays,
        is_on=row.is_on,
        next_at=row.next_at,
        last_at=row.last_at,
        report=row.report,
        created_at=row.created_at,
        created_by=row.created_by,
    )
