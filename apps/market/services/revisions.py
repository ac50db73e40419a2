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
from apps.market.models import Batch, Revision


def note_revisions(
    *, batch: Batch, changes: Sequence[tuple[int, int, int, int]], now: datetime
) -> list[Revision]:
    """Store what a batch changed. Must run inside the transaction that changed it.

    Parameters
    ----------
    changes
        Per series: its id, how many bars, open of the first and of the last one changed, in
        microseconds since 1970.
    """
    if not changes:
        return []
    rows = [
        Revision(
            series_id=series_id,
            batch=batch,
            bars=bars,
            first_at=moment_of(first),
            last_at=moment_of(last),
            created_at=now,
        )
        for series_id, bars, first, last in changes
    ]
    Revision.objects.bulk_create(rows)
    team_id, series_ids = batch.dataset.team_id, [row.series_id for row in rows]
    facts = {
        "batch_id": batch.pk,
        "dataset": batch.dataset.name,
        "series": len(rows),
        "bars": sum(row.bars for row in rows),
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
