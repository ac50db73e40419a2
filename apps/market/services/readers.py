"""Who read which data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import connection

from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import moment_of
from apps.market.kernel.resample import bucket_end
from apps.market.models import Reader
from apps.market.selectors.accruals import RATES_TO_BASE

# One row per reader and state of the data: a revision of what it reads begins another, so that
# each tells what was read before it, and of which bars. The digest stands for that state.
GO_ON = """
INSERT INTO market_reader (team_id, subject, digest, series_ids, first_at, last_at, reads,
    created_at)
SELECT q.team_id, q.subject,
    encode(sha256(convert_to(q.subject || ' after revision ' || coalesce((
        SELECT max(v.id) FROM market_revision v WHERE v.series_id = ANY(q.series_ids)
    ), 0), 'UTF8')), 'hex'),
    q.series_ids, q.first_at, q.last_at, q.reads, %s
FROM jsonb_to_recordset(%s::jsonb) AS q (team_id int8, subject text, series_ids int4[],
    first_at timestamptz, last_at timestamptz, reads text[])
ON CONFLICT (subject, digest) DO UPDATE SET
    first_at = least(market_reader.first_at, EXCLUDED.first_at),
    last_at = greatest(market_reader.last_at, EXCLUDED.last_at)
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """What somebody who reads bar after bar has read up to now, such as ``deployment:7``."""

    subject: str
    team_id: int
    series_ids: tuple[int, ...]
    first_at: datetime
    last_at: datetime
    reads: tuple[str, ...]


def go_on_reading(*, readings: Sequence[Reading], now: datetime) -> None:
    """Note how far readers have come; one statement for all of them."""
    if not readings:
        return
    lines = [
        {
            **asdict(item),
            "first_at": item.first_at.isoformat(),
            "last_at": item.last_at.isoformat(),
        }
        for item in readings
    ]
    with connection.cursor() as cursor:
        cursor.execute(GO_ON, [now, json.dumps(lines)])


def register_reader(
    *,
    subject: str,
    digest: str,
    now: datetime,
    team_id: int | None = None,
    panel: Panel | None = None,
    as_of: datetime | None = None,
) -> None:
    """Note that ``subject`` (``backtest:…``) read the panel with this digest; twice is once.

    Parameters
    ----------
    panel
        What was read: its series and times are noted, so that revisions find their readers.
    as_of
        The bars as known at this time were asked for; None is those known now.
    """
    row = Reader(subject=subject, digest=digest, team_id=team_id, as_of=as_of, created_at=now)
    if panel is not None and panel.n_bars:
        row.series_ids = [*panel.series_ids, *panel.also_read]
        row.first_at = moment_of(int(panel.ts[0]))
        # The last bar may have been made from shorter ones: up to its very end.
        row.last_at = moment_of(bucket_end(int(panel.ts[-1]), panel.timeframe) - 1)
        figures = [name for name in panel.extras if name != RATES_TO_BASE]
        row.reads = reads_of(panel.price_mode, figures)
    Reader.objects.bulk_create([row], ignore_conflicts=True)


def reads_of(price_mode: str, figures: Sequence[str]) -> list[str]:
    """Return which kinds of revisions change such a panel: bars, split, dividend, figures."""
    actions = {"raw": [], "split": ["split"], "total_return": ["split", "dividend"]}
    return ["bars", *actions[price_mode], *figures]
