"""Which bars changed, and who had read them before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Min, Q, Sum

from apps.core.errors import NotFound
from apps.market.models import Batch, Reader, Revision


@dataclass(frozen=True, slots=True)
class RevisionView:
    """What one batch changed: whose series, how many bars, over which stretch of time."""

    batch_id: int
    dataset: str
    team_id: int | None
    source: str
    provider: str
    created_by: str
    created_at: datetime
    symbols: tuple[str, ...]
    series_ids: tuple[int, ...]
    bars: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ReaderView:
    """Somebody who read bars: ``kind`` and ``key`` of the subject, the digest of what was read."""

    kind: str
    key: str
    digest: str
    read_at: datetime
    as_of: datetime | None


def get_revision(*, team_id: int, batch_id: int) -> RevisionView:
    """Return what a batch changed. Raises ``NotFound`` when it changed nothing one may see."""
    batch = (
        Batch.objects.filter(Q(dataset__team_id=team_id) | Q(dataset__team=None), pk=batch_id)
        .select_related("dataset")
        .first()
    )
    rows = Revision.objects.filter(batch=batch).order_by("series__instrument__symbol")
    found = list(rows.values_list("series_id", "series__instrument__symbol")) if batch else []
    if batch is None or not found:
        message = f"Batch {batch_id} changed no bars; see the list of revisions."
        raise NotFound(message, code="revision.not_found")
    sums = rows.aggregate(bars=Sum("bars"), first=Min("first_at"), last=Max("last_at"))
    return RevisionView(
        batch_id=batch.pk,
        dataset=batch.dataset.name,
        team_id=batch.dataset.team_id,
        source=batch.source,
        provider=batch.provider,
        created_by=batch.created_by,
        created_at=batch.created_at,
        symbols=tuple(symbol for _, symbol in found),
        series_ids=tuple(series_id for series_id, _ in found),
        bars=sums["bars"],
        first_at=sums["first"],
        last_at=sums["last"],
    )


def readers_of(*, team_id: int, revision: RevisionView) -> list[ReaderView]:
    """Return who of a team read bars that were revised afterwards, the latest first."""
    rows = Reader.objects.filter(
        Q(last_at=None) | Q(last_at__gte=revision.first_at),
        Q(first_at=None) | Q(first_at__lte=revision.last_at),
        team_id=team_id,
        series_ids__overlap=list(revision.series_ids),
        created_at__lte=revision.created_at,
    ).order_by("-created_at", "-id")
    views = []
    for subject, digest, read_at, as_of in rows.values_list(
        "subject", "digest", "created_at", "as_of"
    ):
        kind, _, key = subject.partition(":")
        views.append(ReaderView(kind, key, digest, read_at, as_of))
    return views


def teams_that_read(*, batch_id: int) -> list[int]:
    """Return the teams that read what a batch changed: for the lab's own work only."""
    changed = list(Revision.objects.filter(batch_id=batch_id).values_list("series_id", flat=True))
    rows = Reader.objects.filter(series_ids__overlap=changed, team__isnull=False)
    return sorted(set(rows.values_list("team_id", flat=True)))
