"""Who read which data."""

from __future__ import annotations

from datetime import datetime

from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import moment_of
from apps.market.kernel.resample import bucket_end
from apps.market.models import Reader


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
        row.series_ids = list(panel.series_ids)
        row.first_at = moment_of(int(panel.ts[0]))
        # The last bar may have been made from shorter ones: up to its very end.
        row.last_at = moment_of(bucket_end(int(panel.ts[-1]), panel.timeframe) - 1)
        row.reads = reads_of(panel)
    Reader.objects.bulk_create([row], ignore_conflicts=True)


def reads_of(panel: Panel) -> list[str]:
    """Return which kinds of revisions change such a panel: bars, split, dividend, figures."""
    actions = {"raw": [], "split": ["split"], "total_return": ["split", "dividend"]}
    return ["bars", *actions[panel.price_mode], *panel.extras]
