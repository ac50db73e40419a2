"""What changed, bars, actions and figures, and who had read it before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import JSONField, Max, Min, Q
from django.db.models.expressions import RawSQL

from apps.core.errors import NotFound
from apps.market.models import Batch, Reader, Revision

BARS = "bars"
# What a batch changed by kind; an action of an instrument counts once, however many series it has.
COUNTS = """(
    SELECT jsonb_object_agg(kind, n) FROM (
        SELECT kind, sum(n)::int8 AS n FROM (
            SELECT kind, CASE WHEN kind = 'bars' THEN sum(bars) ELSE max(bars) END AS n
            FROM market_revision WHERE batch_id = market_batch.id GROUP BY instrument_id, kind
        ) each GROUP BY kind
    ) by_kind
)"""
# Who read a stretch that the batch changed, and in a way that lets the change be seen: raw prices
# know no splits, and a run without funding does not care for it.
READ_IT = """
SELECT r.id FROM market_reader r
WHERE r.series_ids && ARRAY(
        SELECT v.series_id FROM market_revision v
        WHERE v.batch_id = %s AND v.series_id IS NOT NULL)
  AND EXISTS (
    SELECT 1 FROM market_revision v
    WHERE v.batch_id = %s AND v.series_id = ANY(r.series_ids)
      AND (r.reads = '{}' OR v.kind = ANY(r.reads))
      AND (r.last_at IS NULL OR r.last_at >= v.first_at)
      AND (r.first_at IS NULL OR r.first_at <= v.last_at))
"""
REVISED = """
SELECT r.id FROM market_reader r
WHERE r.team_id = %s AND r.subject = %s AND EXISTS (
    SELECT 1 FROM market_revision v
    WHERE v.series_id = ANY(r.series_ids) AND v.created_at >= r.created_at
      AND (r.reads = '{}' OR v.kind = ANY(r.reads))
      AND (r.last_at IS NULL OR r.last_at >= v.first_at)
      AND (r.first_at IS NULL OR r.first_at <= v.last_at))
"""


@dataclass(frozen=True, slots=True)
class RevisionView:
    """What one batch changed: whose series, how much by kind, over which stretch of time.

    ``bars`` counts bars; ``changed`` everything by kind: bars, split, dividend, figures by name.
    """

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
    instrument_ids: tuple[int, ...] = ()
    changed: dict[str, int] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What changed, for people."""
        return words_of(self.changed)


def words_of(changed: Mapping[str, int]) -> str:
    """Return counts by kind in words: ``3 bars, 1 split``."""
    parts = []
    for kind, count in sorted(changed.items(), key=lambda item: (item[0] != BARS, item[0])):
        name = kind.removesuffix("s") if kind == BARS else kind
        is_many = count != 1 and kind in (BARS, "split", "dividend")
        parts.append(f"{count:,} {name}{'s' if is_many else ''}")
    return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class ReaderView:
    """Somebody who read bars: ``kind`` and ``key`` of the subject, the digest of what was read."""

    kind: str
    key: str
    digest: str
    read_at: datetime
    as_of: datetime | None


def counts() -> RawSQL:
    """Return what each batch of a query changed, by kind."""
    return RawSQL(COUNTS, [], output_field=JSONField())  # noqa: S611 a constant


def get_revision(*, team_id: int, batch_id: int) -> RevisionView:
    """Return what a batch changed. Raises ``NotFound`` when it changed nothing one may see."""
    mine = Batch.objects.filter(Q(dataset__team_id=team_id) | Q(dataset__team=None), pk=batch_id)
    batch = mine.select_related("dataset").annotate(changed=counts()).first()
    rows = Revision.objects.filter(batch=batch).order_by("instrument__symbol", "series_id")
    names = ("instrument_id", "instrument__symbol", "series_id")
    found = list(rows.values_list(*names)) if batch else []
    if batch is None or not found:
        message = f"Batch {batch_id} changed nothing that was stored; see the list of revisions."
        raise NotFound(message, code="revision.not_found")
    ends = rows.aggregate(first=Min("first_at"), last=Max("last_at"))
    return RevisionView(
        batch_id=batch.pk,
        dataset=batch.dataset.name,
        team_id=batch.dataset.team_id,
        source=batch.source,
        provider=batch.provider,
        created_by=batch.created_by,
        created_at=batch.created_at,
        symbols=tuple(dict.fromkeys(line[1] for line in found)),
        series_ids=tuple(dict.fromkeys(line[2] for line in found if line[2] is not None)),
        bars=batch.changed.get(BARS, 0),
        first_at=ends["first"],
        last_at=ends["last"],
        instrument_ids=tuple(dict.fromkeys(line[0] for line in found)),
        changed=batch.changed,
    )


def readers_of(*, team_id: int, revision: RevisionView) -> list[ReaderView]:
    """Return who of a team read what was revised afterwards, the latest first."""
    rows = Reader.objects.filter(
        pk__in=RawSQL(READ_IT, [revision.batch_id, revision.batch_id]),  # noqa: S611 constant
        team_id=team_id,
        created_at__lte=revision.created_at,
    ).order_by("-created_at", "-id")
    views = []
    for subject, digest, read_at, as_of in rows.values_list(
        "subject", "digest", "created_at", "as_of"
    ):
        kind, _, key = subject.partition(":")
        views.append(ReaderView(kind, key, digest, read_at, as_of))
    return views


def was_revised(*, team_id: int, subject: str) -> bool:
    """Tell whether anything a subject such as ``backtest:…`` read has been revised since."""
    rows = Reader.objects.filter(pk__in=RawSQL(REVISED, [team_id, subject]))  # noqa: S611 constant
    return rows.exists()


def teams_that_read(*, batch_id: int) -> list[int]:
    """Return the teams that read what a batch changed: for the lab's own work only."""
    changed = list(
        Revision.objects.filter(batch_id=batch_id, series__isnull=False).values_list(
            "series_id", flat=True
        )
    )
    rows = Reader.objects.filter(series_ids__overlap=changed, team__isnull=False)
    return sorted(set(rows.values_list("team_id", flat=True)))


def last_revision(series_ids: Sequence[int] | None = None) -> int:
    """Return the number of the last revision, of some series or of all; 0 before the first."""
    rows = Revision.objects.all()
    if series_ids is not None:
        rows = rows.filter(series_id__in=series_ids)
    return int(rows.aggregate(last=Max("pk"))["last"] or 0)
