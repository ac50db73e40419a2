"""Gaps fetched again from where the bars came from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.core.actors import Actor
from apps.core.errors import Denied, Invalid, NotFound
from apps.core.models import Job
from apps.market.models import Dataset, IngestRun, Instrument
from apps.market.selectors.universes import get_universe
from apps.market.services.ingests.starting import start_ingest


def repair_gaps(
    *,
    actor: Actor,
    now: datetime,
    dataset: str = "",
    universe: str = "",
    symbols: Sequence[str] = (),
    timeframe: str = "",
) -> tuple[IngestRun, Job]:
    """Start fetching the gaps of a dataset, a universe or some symbols from the same provider.

    Raises
    ------
    NotFound
        ``dataset.unknown``, ``universe.unknown``, ``symbol.unknown``.
    Denied
        ``dataset.shared``: the bars are not the team's own.
    Invalid
        ``repair.no_provider``: the bars were uploaded, nobody can be asked for more.
    """
    actor.require("data.write")
    place = _place(actor, dataset, universe)
    if universe and not symbols:
        found = get_universe(team_id=actor.team, name=universe)
        symbols, timeframe = found.symbols, timeframe or found.timeframe
    known = list(
        Instrument.objects.filter(
            dataset=place, **({"symbol__in": list(symbols)} if symbols else {})
        )
        .order_by("symbol")
        .values_list("symbol", flat=True)
    )
    if not known:
        message = f"Dataset {place.name} has none of the symbols; see its instruments."
        raise NotFound(message, code="symbol.unknown")
    source = _source(place, timeframe)
    return start_ingest(
        actor=actor,
        provider=source.provider,
        section=source.request["section"],
        symbols=known,
        timeframe=source.request["timeframe"],
        dataset=place.name,
        mode="repair",
        now=now,
    )


def _place(actor: Actor, dataset: str, universe: str) -> Dataset:
    if universe and not dataset:
        found = get_universe(team_id=actor.team, name=universe)
        place = Dataset.objects.filter(pk=found.dataset_id).first()
    else:
        rows = Dataset.objects.filter(name=dataset)
        place = rows.filter(team_id=actor.team).first() or rows.filter(team=None).first()
    if place is None:
        raise NotFound(f"There is no dataset {dataset!r}.", code="dataset.unknown")
    if place.team_id != actor.team:
        message = f"Dataset {place.name} is shared: the lab keeps it as it came."
        raise Denied(message, code="dataset.shared")
    return place


def _source(place: Dataset, timeframe: str) -> IngestRun:
    """Return the last ingestion into the dataset: it tells whom to ask."""
    rows = IngestRun.objects.filter(dataset=place).order_by("-created_at")
    if timeframe:
        rows = rows.filter(request__timeframe=timeframe)
    found = rows.first()
    if found is None:
        message = (
            f"No provider has filled {place.name}: its gaps can be closed by another upload only."
        )
        raise Invalid(message, code="repair.no_provider")
    return found
