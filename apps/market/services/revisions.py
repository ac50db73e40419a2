"""What a batch changed is written down, and told to those who computed with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from apps.audit import services as audit
from apps.core import events
from apps.core.actors import system
from apps.core.hooks import bars_revised
from apps.market.kernel.periods import moment_of
from apps.market.models import Batch, Revision, Series
from apps.market.store import Touched

BARS = "bars"


def note_revisions(
    *,
    batch: Batch,
    changes: Sequence[tuple[int, int, int, int]],
    now: datetime,
    others: Sequence[Touched] = (),
) -> list[Revision]:
    """Store what a batch changed. Must run inside the transaction that changed it.

    Parameters
    ----------
    changes
        Per series: its id, how many bars, open of the first and of the last one changed, in
        microseconds since 1970.
    others
        Splits, dividends and figures that changed, with the bars that change by them.
    """
    if not changes and not others:
        return []
    rows = [
        Revision(
            instrument_id=item.instrument_id,
            series_id=item.series_id,
            batch=batch,
            kind=item.kind,
            bars=item.count,
            first_at=item.first_at,
            last_at=item.last_at,
            created_at=now,
        )
        for item in (*_bars(changes), *others)
    ]
    Revision.objects.bulk_create(rows)
    team_id = batch.dataset.team_id
    series_ids = sorted({row.series_id for row in rows if row.series_id is not None})
    kinds = sorted({row.kind for row in rows})
    facts = {
        "batch_id": batch.pk,
        "dataset": batch.dataset.name,
        "series": len(series_ids),
        "bars": sum(row.bars for row in rows if row.kind == BARS),
        "changed": {k: sum(row.bars for row in rows if row.kind == k) for k in kinds},
    }
    audit.record(
        actor=system("market", team_id),
        action="bars.revised",
        subject=f"batch:{batch.pk}",
        body=facts,
        now=now,
    )
    events.emit(team_id=team_id, topic="data", kind="market.bars.revised", data=facts)
    transaction.on_commit(
        lambda: bars_revised.send(
            Batch,
            team_id=team_id,
            batch_id=batch.pk,
            series_ids=series_ids,
            first_at=min(row.first_at for row in rows),
            last_at=max(row.last_at for row in rows),
            now=now,
        )
    )
    return rows


def _bars(changes: Sequence[tuple[int, int, int, int]]) -> list[Touched]:
    ids = [series_id for series_id, *_ in changes]
    owners = dict(Series.objects.filter(pk__in=ids).values_list("pk", "instrument_id"))
    return [
        Touched(owners[series_id], series_id, BARS, bars, moment_of(first), moment_of(last))
        for series_id, bars, first, last in changes
    ]
