"""An uploaded file into a dataset of the team: all of it or nothing, at once or as a job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.models import Job
from apps.market import store
from apps.market.models import Batch, Dataset, Universe
from apps.market.providers.base import Section
from apps.market.providers.uploads import reading, roles
from apps.market.services.ingests import own_dataset
from apps.market.services.judging import recheck
from apps.market.services.universe_versions import add_version, take_turns
from apps.market.services.uploads import files
from apps.market.services.uploads.kinds import Tally, store_table
from apps.market.services.uploads.preview import Upload, read_kept, rows_of, take_in

TASK = "market.upload"
AT_ONCE_BYTES = 2**20  # a larger file is stored by a worker
MAX_LISTED = 200
SURVIVORSHIP = "Uploaded bars: who is missing is known to the uploader only."


def store_upload(
    *, actor: Actor, upload: Upload, now: datetime
) -> tuple[dict[str, Any] | None, Job | None]:
    """Store a file in a dataset of the team; a large one by a job.

    Returns
    -------
    tuple
        What was stored and None, or None and the job that stores it.

    Raises
    ------
    Invalid
        ``upload.values`` names row and column; ``upload.unreadable``, ``upload.columns``,
        ``upload.archive``, ``upload.limits``, ``upload.timeframe``. Nothing is stored then.
    """
    actor.require("data.write")
    kept = take_in(team_id=actor.team, upload=upload, now=now)
    if kept.size > AT_ONCE_BYTES:
        return None, _enqueue(actor, upload, kept, now)
    with files.scratch() as folder:
        report = read_kept(upload=upload, kept=kept, folder=folder)
        return _store(actor, upload, kept, report, now), None


def run_upload(progress: jobs.Progress) -> dict[str, Any]:
    """Store the file of a job; safe to run again, since the same bars add nothing."""
    wanted = dict(progress.payload)
    name, team_id = wanted.pop("actor"), progress.team_id
    actor = replace(system("upload", team_id), name=name)
    upload = Upload(**wanted)
    kept = files.find(team_id=actor.team, file_id=upload.file_id)
    progress.tell(0, 100, "reading")

    def tell(rows: int, file: str) -> None:
        progress.tell(min(40.0, 5 + rows / 100_000), 100, f"{rows:,} rows of {file} read")

    def judged(done: int, total: int) -> None:
        progress.tell(80 + 19 * done / total, 100, f"stored; {done:,} of {total:,} series judged")

    with files.scratch() as folder:
        report = read_kept(upload=upload, kept=kept, folder=folder, tell=tell)
        rows = sum(rows_of(table) for table in report.tables)
        progress.tell(50, 100, f"storing {rows:,} rows", stage=True)
        result = _store(actor, upload, kept, report, progress.now(), judged)
    progress.tell(100, 100, "stored")
    return result


def _enqueue(actor: Actor, upload: Upload, kept: files.Kept, now: datetime) -> Job:
    payload = asdict(replace(upload, sent=None, file_id=kept.id))
    payload |= {"actor": actor.name}
    del payload["sent"]
    with transaction.atomic():
        job = jobs.enqueue(
            actor=actor,
            kind="upload",
            title=f"Store {kept.name} in {upload.dataset}",
            task=TASK,
            queue="io",
            payload=payload,
            subject=f"upload:{kept.id}",
            now=now,
        )
        audit.record(
            actor=actor,
            action="upload.started",
            subject=f"upload:{kept.id}",
            body={"file": kept.name, "bytes": kept.size, "dataset": upload.dataset},
            now=now,
        )
    return job


def _store(
    actor: Actor,
    upload: Upload,
    kept: files.Kept,
    report: reading.Report,
    now: datetime,
    tell: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    tally = Tally()
    with transaction.atomic():
        dataset = own_dataset(
            actor=actor,
            name=upload.dataset,
            section=_section(actor, upload, kept, report),
            now=now,
        )
        batch = Batch.objects.create(
            dataset=dataset,
            provider="upload",
            source=f"upload {kept.name}"[:300],
            sha256=kept.id,
            created_at=now,
            created_by=actor.name,
        )
        for table in report.tables:
            store_table(table=table, dataset=dataset, batch=batch, tally=tally, now=now)
        universes = _ensure_universes(actor, dataset, tally, now)
        result = _result(kept, dataset, batch, report, tally) | {"universes": universes}
        audit.record(
            actor=actor,
            action="bars.uploaded" if tally.received else "data.uploaded",
            subject=f"dataset:{dataset.pk}",
            body={k: v for k, v in result.items() if k != "tables"},
            now=now,
        )
    recheck(series_ids=tally.series_ids, now=now, tell=tell)
    _renew_cards(dataset, tally)
    return result


def _section(actor: Actor, upload: Upload, kept: files.Kept, report: reading.Report) -> Section:
    known = Dataset.objects.filter(team_id=actor.team, name=upload.dataset).first()
    guessed = [t.facts["calendar"] for t in report.tables if t.kind == roles.BARS]
    modes = sorted({t.facts["price_mode"] for t in report.tables if t.kind == roles.BARS})
    calendar = upload.calendar or (known.calendar if known else (guessed or ["XNYS"])[0])
    return Section(
        name=upload.dataset,
        title=kept.name,
        timeframe=upload.timeframe or "1d",
        calendar=calendar,
        source=f"upload {kept.name}",
        licence="the uploader's",
        universe=upload.dataset,
        survivorship=SURVIVORSHIP,
        note=f"Prices as uploaded: {', '.join(modes)}." if modes else "",
    )


def _ensure_universes(actor: Actor, dataset: Dataset, tally: Tally, now: datetime) -> list[str]:
    """Keep a universe of all bars of the dataset, one per timeframe, so that they can be used.

    Returns their names.
    """
    take_turns(actor.team)
    kept = []
    for at, frame in enumerate(sorted(tally.timeframes)):
        rows = dataset.instruments.filter(series__timeframe=frame, series__rows__gt=0)
        symbols = sorted(rows.values_list("symbol", flat=True))
        mine = Universe.objects.filter(team_id=actor.team, dataset=dataset, timeframe=frame)
        newest = mine.filter(created_by="system:upload").order_by("-version").first()
        name = newest.name if newest else _free_name(actor.team, dataset.name, frame, at)
        if not symbols or not name:
            continue
        kept.append(name)
        if newest and newest.symbols == symbols:
            continue
        add_version(
            team_id=actor.team,
            dataset=dataset,
            name=name,
            title=dataset.title,
            timeframe=frame,
            symbols=symbols,
            survivorship=SURVIVORSHIP,
            by="system:upload",
            now=now,
        )
    return kept


def _free_name(team_id: int, dataset: str, frame: str, at: int) -> str:
    """Return a name that no universe of the team has: the dataset's, or that with the frame."""
    taken = set(Universe.objects.filter(team_id=team_id).values_list("name", flat=True))
    names = [dataset, f"{dataset[: 60 - len(frame)]}-{frame}"]
    return next((name for name in names[at > 0 :] if name not in taken), "")


def _renew_cards(dataset: Dataset, tally: Tally) -> None:
    found = dataset.instruments.filter(series__in=tally.series_ids)
    store.write_cards(list(found.values_list("pk", flat=True)))


def _result(
    kept: files.Kept,
    dataset: Dataset,
    batch: Batch,
    report: reading.Report,
    tally: Tally,
) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "file": kept.name,
        "batch": batch.pk,
        "sha256": kept.id,
        "symbols": sorted(tally.symbols)[:MAX_LISTED],
        "symbol_count": len(tally.symbols),
        "rows_received": tally.received,
        "rows_added": tally.added,
        "rows_changed": tally.changed,
        "figures": tally.figures,
        "actions": tally.actions,
        "reference": tally.reference,
        "quarantined": tally.aside,
        "timeframes": sorted(tally.timeframes),
        "tables": [
            {"name": t.facts["name"], "kind": t.kind, "notes": t.facts.get("notes", [])}
            for t in report.tables
        ],
    }
