"""The bundled sample as shared, read-only datasets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Denied
from apps.core.plugs import load_plug
from apps.market import store
from apps.market.models import Batch, Dataset, Universe
from apps.market.providers.base import Provider, Request, Section
from apps.market.services.absorb import absorb
from apps.market.services.feeds import ensure_demo_feeds
from apps.market.services.universe_versions import add_version, take_turns

LOCK = 7_104_001  # two processes that load at once take turns


def load_sample(*, actor: Actor, now: datetime) -> dict[str, Any]:
    """Load what is missing of the bundled sample; return rows added by dataset.

    Sections whose file is unchanged are left alone, so a second call does nothing.

    Raises
    ------
    Denied
        ``dataset.shared`` unless the lab itself asks.
    Unavailable
        ``sample.missing`` or ``sample.damaged``.
    """
    actor.require("data.write")
    if actor.role != "system":
        message = "Shared datasets are written by the lab itself: run manage.py load_sample."
        raise Denied(message, code="dataset.shared")
    provider: Provider = load_plug("MARKET_PROVIDERS", "sample")
    added: dict[str, int] = {}
    for name in provider.capabilities.sections:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            added[name] = _load_section(provider, provider.section(name), actor, now)
    ensure_demo_feeds(actor=actor, now=now)
    return {"rows": added}


def _load_section(provider: Provider, section: Section, actor: Actor, now: datetime) -> int:
    known = Batch.objects.filter(
        dataset__team=None, dataset__name=section.name, sha256=section.sha256
    )
    if known.exists():
        return 0
    dataset, _ = Dataset.objects.update_or_create(
        team=None,
        name=section.name,
        defaults={
            "title": section.title,
            "source": section.source[:200],
            "licence": section.licence,
            "calendar": section.calendar,
            "note": section.note,
            "created_at": now,
        },
    )
    batch = Batch.objects.create(
        dataset=dataset,
        provider="sample",
        source=section.source[:300],
        sha256=section.sha256,
        created_at=now,
        created_by=actor.name,
    )
    tasks = provider.plan(Request(section.name, timeframe=section.timeframe))
    fetched = [provider.fetch(task) for task in tasks]
    written = absorb(
        dataset=dataset, batch=batch, timeframe=section.timeframe, fetched=fetched, now=now
    )
    _load_renames(provider, section, batch)
    if section.universe:
        symbols = [item.listing.symbol for item in fetched]
        _load_universe(section, dataset, symbols, actor, now)
    audit.record(
        actor=actor,
        action="dataset.loaded",
        subject=f"dataset:{section.name}",
        body={"rows": written.added, "sha256": section.sha256, "source": section.source},
        now=now,
    )
    return written.added


def _load_renames(provider: Provider, section: Section, batch: Batch) -> None:
    renames: Callable[[str], list[tuple[str, str, date]]] | None
    renames = getattr(provider, "renames", None)
    found = renames(section.name) if renames else []
    store.write_renames(
        dataset_id=batch.dataset_id,
        batch_id=batch.pk,
        tickers=[store.Ticker(*item) for item in found],
        now=batch.created_at,
    )


def _load_universe(
    section: Section, dataset: Dataset, symbols: list[str], actor: Actor, now: datetime
) -> None:
    take_turns(None)
    newest = Universe.objects.filter(team=None, name=section.universe).order_by("-version").first()
    if newest and newest.symbols == symbols:
        return
    add_version(
        team_id=None,
        dataset=dataset,
        name=section.universe,
        title=section.title,
        timeframe=section.timeframe,
        symbols=symbols,
        survivorship=section.survivorship,
        by=actor.name,
        now=now,
    )
