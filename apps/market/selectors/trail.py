"""What is kept out, what was changed, and where the bars of a series came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet

from apps.core.errors import Invalid
from apps.market import store
from apps.market.models import Batch, IngestRun, Quarantined, Revision, Series
from apps.market.selectors.health import find_series
from apps.market.selectors.revisions import BARS, counts, get_revision, words_of


@dataclass(frozen=True, slots=True)
class Source:
    """Who can be asked again for the bars of a series; without a provider the reason says why."""

    provider: str
    section: str
    reason: str


FIGURES = ("open", "high", "low", "close", "volume")


def list_quarantined(
    *, team_id: int, status: str = "", dataset: str = "", symbol: str = ""
) -> QuerySet[Quarantined]:
    """Return bars in quarantine, of the team's datasets, the newest first.

    Raises
    ------
    Invalid
        ``quarantine.status``.
    """
    if status and status not in Quarantined.Status.values:
        known = ", ".join(Quarantined.Status.values)
        message = f"{status!r} is no state of a bar in quarantine; there are {known}."
        raise Invalid(message, code="quarantine.status", details={"field": "status"})
    rows = Quarantined.objects.filter(dataset__team_id=team_id).select_related("dataset")
    if status:
        rows = rows.filter(status=status)
    if dataset:
        rows = rows.filter(dataset__name=dataset)
    return rows.filter(symbol=symbol) if symbol else rows


def quarantined_dict(row: Quarantined) -> dict[str, Any]:
    """Return a bar in quarantine as clients see it."""
    return {
        "id": row.pk,
        "dataset": row.dataset.name,
        "symbol": row.symbol,
        "timeframe": row.timeframe,
        "ts": row.ts,
        "values": row.values,
        "reason": row.reason,
        "message": row.message,
        "provider": row.provider,
        "status": row.status,
        "created_at": row.created_at,
        "decided_at": row.decided_at,
        "decided_by": row.decided_by,
        "note": row.note,
        "batch_id": row.batch_id,
    }


def quarantine_counts(*, team_id: int) -> dict[str, int]:
    """Return how many bars are in each state of quarantine."""
    rows = Quarantined.objects.filter(dataset__team_id=team_id).values_list("status")
    return dict(rows.annotate(n=Count("pk")).order_by("status"))


def datasets_waiting(*, team_id: int) -> list[tuple[str, int]]:
    """Return the datasets with bars that wait for a decision, and how many."""
    rows = Quarantined.objects.filter(dataset__team_id=team_id, status=Quarantined.Status.OPEN)
    counted = rows.values_list("dataset__name").annotate(n=Count("pk")).order_by("dataset__name")
    return [(name, count) for name, count in counted]


def list_revisions(*, team_id: int) -> QuerySet[Batch]:
    """Return the batches that changed what was stored, the newest first."""
    rows = Batch.objects.filter(
        Q(dataset__team_id=team_id) | Q(dataset__team=None), revisions__isnull=False
    ).select_related("dataset")
    return rows.annotate(
        n_series=Count("revisions__series", distinct=True),
        changed=counts(),
        first=Min("revisions__first_at"),
        last=Max("revisions__last_at"),
    ).order_by("-created_at", "-id")


def revision_dict(row: Any) -> dict[str, Any]:
    """Return a batch of ``list_revisions`` as clients see it."""
    return {
        "batch_id": row.pk,
        "dataset": row.dataset.name,
        "provider": row.provider,
        "source": row.source,
        "created_at": row.created_at,
        "created_by": row.created_by,
        "series": row.n_series,
        "bars": row.changed.get(BARS, 0),
        "changed": row.changed,
        "words": words_of(row.changed),
        "first_at": row.first,
        "last_at": row.last,
    }


def revision_bars(
    *, team_id: int, batch_id: int, symbol: str = "", limit: int = 200, offset: int = 0
) -> dict[str, Any]:
    """Return what a batch changed: each bar, action and figure before and after.

    Raises
    ------
    NotFound
        ``revision.not_found``.
    """
    found = get_revision(team_id=team_id, batch_id=batch_id)
    rows = Revision.objects.filter(batch_id=batch_id)
    series = dict(
        rows.filter(kind=BARS).values_list("series_id", "instrument__symbol").order_by("series_id")
    )
    wanted = [pk for pk, name in series.items() if symbol in ("", name)]
    changes = store.changes_of(batch_id, wanted, limit=limit, offset=offset)
    owners = dict(rows.exclude(kind=BARS).values_list("instrument_id", "instrument__symbol"))
    picked = [pk for pk, name in owners.items() if symbol in ("", name)]
    more = {"limit": limit, "offset": offset}
    return {
        "batch_id": batch_id,
        "dataset": found.dataset,
        "source": found.source,
        "created_at": found.created_at,
        "created_by": found.created_by,
        "bars_changed": found.bars,
        "changed": found.changed,
        "words": found.words,
        "symbols": list(found.symbols),
        "bars": [
            {
                "symbol": series[item.series_id],
                "ts": item.at,
                "before": dict(zip(FIGURES, item.before, strict=True)),
                "after": dict(zip(FIGURES, item.after, strict=True)) if item.after else None,
            }
            for item in changes
        ],
        "actions": [
            {**asdict(item), "symbol": owners[item.instrument_id]}
            for item in store.actions_changed(batch_id, picked, **more)
        ],
        "figures": [
            {**asdict(item), "symbol": owners[item.instrument_id]}
            for item in store.figures_changed(batch_id, picked, **more)
        ],
    }


def provenance_of(
    *, team_id: int, symbol: str, dataset: str = "", timeframe: str = ""
) -> list[dict[str, Any]]:
    """Return which batch each stretch of a series came from, the newest bars first.

    Raises as ``find_series`` does.
    """
    series = find_series(team_id=team_id, symbol=symbol, dataset=dataset, timeframe=timeframe)
    stretches = store.stretches_of(series.pk)
    batches = Batch.objects.in_bulk({item.batch_id for item in stretches})
    return [
        {
            "batch_id": item.batch_id,
            "first_at": item.first_at,
            "last_at": item.last_at,
            "bars": item.bars,
            "provider": batches[item.batch_id].provider,
            "source": batches[item.batch_id].source,
            "sha256": batches[item.batch_id].sha256,
            "created_at": batches[item.batch_id].created_at,
            "created_by": batches[item.batch_id].created_by,
        }
        for item in stretches
        if item.batch_id in batches
    ]


def repair_source(*, team_id: int, series: Series) -> Source:
    """Return the provider of the last ingestion that brought such bars into the dataset."""
    dataset = series.instrument.dataset
    if dataset.team_id != team_id:
        return Source("", "", "These bars are shared: a team does not change them.")
    runs = IngestRun.objects.filter(team_id=team_id, dataset=dataset)
    run = runs.filter(request__timeframe=series.timeframe).order_by("-created_at").first()
    if run is None or not run.request.get("section"):
        reason = "These bars were uploaded: there is no provider to ask again. Upload the rest."
        return Source("", "", reason)
    return Source(run.provider, run.request["section"], "")
