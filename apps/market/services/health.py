"""Health asked for and by the clock, what people say about findings, how universes go."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.core import events, jobs
from apps.core.actors import Actor, system
from apps.core.errors import Denied, Invalid, NotFound
from apps.core.models import Job
from apps.market.kernel.findings import KINDS
from apps.market.kernel.health import iso
from apps.market.kernel.periods import micros
from apps.market.models import (
    Acknowledged,
    Checkup,
    Dataset,
    Flow,
    IngestRun,
    Series,
    Universe,
)
from apps.market.selectors.health import (
    FALL,
    data_health,
    find_series,
    newest_universes,
    series_in,
)
from apps.market.selectors.universes import get_universe, view_of
from apps.market.services import troubles
from apps.market.services.judging import recheck

MOST_AT_ONCE = 5_000
# Findings of this weight and more: another security, unit or split, or a series that ended.
CRITICAL = 5
DAILY = timedelta(days=1)


def start_recheck(*, actor: Actor, universe: str, now: datetime) -> Job:
    """Start judging the series of a universe anew.

    Raises
    ------
    NotFound
        ``universe.unknown``.
    Denied
        ``dataset.shared``: the lab judges shared bars by itself.
    """
    actor.require("data.write")
    found = get_universe(team_id=actor.team, name=universe)
    _check_own(found.dataset_id, actor)
    with transaction.atomic():
        job = jobs.enqueue(
            actor=actor,
            kind="recheck",
            title=f"Check {found.title}",
            task="market.recheck",
            queue="compute",
            payload={"universe": universe},
            subject=f"universe:{universe}",
            now=now,
        )
        body = {"series": len(found.symbols), "job_id": str(job.pk)}
        audit.record(
            actor=actor,
            action="health.check_started",
            subject=f"universe:{universe}",
            body=body,
            now=now,
        )
    return job


def run_recheck(progress: jobs.Progress) -> dict[str, Any]:
    """Judge the series of a universe: work of a job, safe to run again."""
    team_id = progress.team_id
    universe = get_universe(team_id=team_id, name=progress.payload["universe"])
    series_ids = list(series_in(team_id=team_id, universe=universe).values_list("pk", flat=True))

    def tell(done: int, total: int) -> None:
        progress.tell(done, total, f"{done} of {total} series")

    done = recheck(series_ids=series_ids, now=progress.now(), tell=tell)
    row = Universe.objects.get(pk=universe.id)
    found = check_up(universe=row, now=progress.now())
    return {"series": done, "score": found.score if found else None}


def recheck_due(*, now: datetime) -> dict[str, int]:
    """Judge what changed, and once a day what a flow feeds; note how universes are.

    The lab's own periodic work. Datasets into which an ingestion is writing wait for its end.
    """
    busy = IngestRun.objects.filter(job__status__in=("queued", "running")).values("dataset_id")
    rows = Series.objects.filter(rows__gt=0).exclude(instrument__dataset__in=busy)
    changed = rows.filter(checked_at=None)
    fed = rows.filter(
        checked_at__lt=now - DAILY,
        instrument__dataset__team__in=Flow.objects.filter(is_on=True).values("team_id"),
    )
    due = (changed | fed).order_by("pk").values_list("pk", flat=True)[:MOST_AT_ONCE]
    judged = recheck(series_ids=list(due), now=now)
    noted = sum(check_up(universe=row, now=now) is not None for row in newest_universes())
    return {"series": judged, "universes": noted}


def check_up(*, universe: Universe, now: datetime) -> Checkup | None:
    """Note how healthy a universe is when that changed, and tell its team when it fell."""
    view = view_of(universe)
    health = data_health(team_id=universe.team_id, universe=view)
    if health["score"] is None:
        return None
    known = Checkup.objects.filter(
        universe__team=universe.team, universe__name=universe.name
    ).first()
    figures = {
        "score": health["score"],
        "coverage": health["coverage"],
        "findings": health["suspicions"],
        "stale": health["kinds"].get("stale", 0),
    }
    if known and all(getattr(known, name) == value for name, value in figures.items()):
        return None
    with transaction.atomic():
        row, _ = Checkup.objects.update_or_create(universe=universe, at=now, defaults=figures)
        if known and known.score - row.score >= FALL:
            _tell_fall(universe, known, row, now)
        _note_critical(universe, health["kinds"], now)
    return row


def _note_critical(universe: Universe, kinds: dict[str, int], now: datetime) -> None:
    """Raise or end the alert about findings that make the bars of a team's universe unusable.

    Those of the bundled data are known and stay; nobody is woken by them.
    """
    if universe.team_id is None:
        return
    found = {kind: n for kind, n in kinds.items() if n and KINDS[kind].weight >= CRITICAL}
    trouble: dict[str, Any] = {
        "team_id": universe.team_id,
        "kind": troubles.HEALTH_CRITICAL,
        "subject": f"universe:{universe.name}",
        "now": now,
    }
    if not found:
        troubles.over(**trouble)
        return
    told = ", ".join(f"{KINDS[kind].title} ({n})" for kind, n in sorted(found.items()))
    troubles.found(
        severity="critical",
        title=f"Universe {universe.name} has critical findings: {told}",
        advice="Look at each on the page of the universe: repair, take out, or acknowledge it.",
        **trouble,
    )


def _tell_fall(universe: Universe, before: Checkup, after: Checkup, now: datetime) -> None:
    body = {"universe": universe.name, "before": before.score, "score": after.score}
    audit.record(
        actor=system("health", universe.team_id),
        action="health.fell",
        subject=f"universe:{universe.name}",
        body=body,
        now=now,
    )
    events.emit(team_id=universe.team_id, topic="alerts", kind="market.health.fell", data=body)


def acknowledge(
    *,
    actor: Actor,
    symbol: str,
    kind: str,
    at: datetime,
    note: str,
    now: datetime,
    dataset: str = "",
    timeframe: str = "",
) -> Acknowledged:
    """Say that a finding is a real event: it stays listed and weighs nothing any more.

    Raises
    ------
    NotFound
        ``finding.not_found``, and as ``selectors.find_series`` does.
    Invalid
        ``finding.note`` without a reason.
    """
    actor.require("data.write")
    if not note.strip():
        message = "Say what happened, so that others can judge it: the note is empty."
        raise Invalid(message, code="finding.note", details={"field": "note"})
    series = find_series(team_id=actor.team, symbol=symbol, dataset=dataset, timeframe=timeframe)
    found = {(item["kind"], item["at"]) for item in series.health.get("findings", [])}
    if (kind, iso(micros(at))) not in found:
        message = f"{symbol} has no finding {kind!r} at {iso(micros(at))}; see its health."
        raise NotFound(message, code="finding.not_found")
    with transaction.atomic():
        row, _ = Acknowledged.objects.update_or_create(
            team_id=actor.team,
            series=series,
            kind=kind,
            at=at,
            defaults={
                "note": note.strip()[:300],
                "created_at": now,
                "created_by": actor.label or actor.name,
            },
        )
        body = {"symbol": symbol, "kind": kind, "at": at.isoformat(), "note": row.note}
        audit.record(
            actor=actor,
            action="finding.acknowledged",
            subject=f"series:{series.pk}",
            body=body,
            now=now,
        )
    return row


def _check_own(dataset_id: int, actor: Actor) -> None:
    owner = Dataset.objects.get(pk=dataset_id).team_id
    if owner != actor.team:
        message = "These bars are shared: the lab judges them by itself whenever they change."
        raise Denied(message, code="dataset.shared")
