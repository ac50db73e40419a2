"""Bars from an uploaded file: all of them, or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.core.kernel.timeframes import seconds_of
from apps.core.plugs import load_plug
from apps.market.kernel.health import iso
from apps.market.kernel.resample import MICROS
from apps.market.models import Batch
from apps.market.providers.base import Fetched, Request, Section
from apps.market.providers.upload import UploadProvider
from apps.market.services.absorb import absorb
from apps.market.services.ingests import own_dataset

CALENDARS = ("XNYS", "24/7")
MAX_BYTES = 64 * 2**20
PREVIEW_ROWS = 10


@dataclass(frozen=True, slots=True)
class Upload:
    """A file and how to read it. ``mapping`` says which column of the file is which."""

    content: bytes
    name: str
    dataset: str
    timeframe: str = "1d"
    calendar: str = "XNYS"
    symbol: str = ""
    mapping: Mapping[str, str] | None = None


def preview_upload(*, upload: Upload) -> dict[str, Any]:
    """Return what the file holds, or raise as ``upload_bars`` would; nothing is stored."""
    provider = _open(upload)
    fetched = _fetch(provider, upload)
    first = fetched[0]
    return {
        "file": upload.name,
        "rows": sum(len(item.bars) for item in fetched),
        "symbols": [
            {
                "symbol": item.listing.symbol,
                "rows": len(item.bars),
                "first": iso(int(item.bars.ts[0])),
                "last": iso(int(item.bars.ts[-1])),
            }
            for item in fetched
        ],
        "head": [
            {
                "symbol": first.listing.symbol,
                "ts": iso(int(first.bars.ts[row])),
                **{
                    name: float(getattr(first.bars, name)[row])
                    for name in ("open", "high", "low", "close", "volume")
                },
            }
            for row in range(min(PREVIEW_ROWS, len(first.bars)))
        ],
    }


def upload_bars(*, actor: Actor, upload: Upload, now: datetime) -> dict[str, Any]:
    """Store the bars of a file in a dataset of the team.

    Raises
    ------
    Invalid
        ``upload.values`` names the first NaN, infinite, negative, repeated or reversed row and
        its column; ``upload.unreadable``, ``upload.columns``, ``upload.timeframe``. Nothing is
        stored then.
    """
    actor.require("data.write")
    provider = _open(upload)
    fetched = _fetch(provider, upload)
    section = provider.section(upload.dataset)
    with transaction.atomic():
        dataset = own_dataset(
            actor=actor,
            name=upload.dataset,
            section=_with_calendar(section, upload),
            now=now,
        )
        batch = Batch.objects.create(
            dataset=dataset,
            provider="upload",
            source=f"upload {upload.name}"[:300],
            sha256=hashlib.sha256(upload.content).hexdigest(),
            created_at=now,
            created_by=actor.name,
        )
        written = absorb(
            dataset=dataset, batch=batch, timeframe=upload.timeframe, fetched=fetched, now=now
        )
        result = {
            "dataset": dataset.name,
            "batch": batch.pk,
            "sha256": batch.sha256,
            "symbols": [item.listing.symbol for item in fetched],
            "rows_received": written.received,
            "rows_added": written.added,
            "rows_changed": written.changed,
        }
        audit.record(
            actor=actor,
            action="bars.uploaded",
            subject=f"dataset:{dataset.pk}",
            body={**result, "symbols": result["symbols"][:200]},  # type: ignore[index]
            now=now,
        )
    return result


def _open(upload: Upload) -> UploadProvider:
    seconds_of(upload.timeframe)
    if upload.calendar not in CALENDARS:
        message = f"{upload.calendar!r} is not a calendar; choose {' or '.join(CALENDARS)}."
        raise Invalid(message, code="upload.calendar", details={"field": "calendar"})
    if len(upload.content) > MAX_BYTES:
        message = f"The file has {len(upload.content):,} bytes; at most {MAX_BYTES:,} are taken."
        raise Invalid(message, code="upload.size", details={"field": "file"})
    plug: UploadProvider = load_plug("MARKET_PROVIDERS", "upload")
    mapping = {key: value for key, value in (upload.mapping or {}).items() if value}
    return plug.open(upload.content, upload.name, mapping, upload.symbol)


def _fetch(provider: UploadProvider, upload: Upload) -> list[Fetched]:
    tasks = provider.plan(Request(upload.dataset, timeframe=upload.timeframe))
    fetched = [provider.fetch(task) for task in tasks]
    for item in fetched:
        _check_spacing(item, upload.timeframe)
    return fetched


def _check_spacing(item: Fetched, timeframe: str) -> None:
    """Raise ``Invalid`` when bars follow each other faster than the timeframe says."""
    steps = np.diff(item.bars.ts)
    length = seconds_of(timeframe) * MICROS
    if len(steps) and steps.min() < 0.9 * length:
        row = int(np.argmin(steps)) + 1
        message = (
            f"{item.listing.symbol}: the bar at {iso(int(item.bars.ts[row]))} comes "
            f"{steps.min() / MICROS:,.0f} s after the one before, too soon for {timeframe}; "
            "choose the timeframe of the file. Nothing was stored."
        )
        details: dict[str, object] = {"field": "timeframe", "symbol": item.listing.symbol}
        raise Invalid(message, code="upload.timeframe", details=details)


def _with_calendar(section: Section, upload: Upload) -> Section:
    return Section(
        name=section.name,
        title=section.title or section.name,
        timeframe=upload.timeframe,
        calendar=upload.calendar,
        source=section.source,
        licence=section.licence,
        universe=section.universe,
        survivorship=section.survivorship,
    )
