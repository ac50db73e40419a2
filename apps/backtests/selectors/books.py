"""Runs as risk grades and stresses them: bar returns, and what was held at the end."""

from __future__ import annotations

from datetime import UTC, datetime

from apps.backtests.models import Run
from apps.backtests.selectors.results import curves_of, open_positions
from apps.backtests.selectors.runs import get_done_run
from apps.risk.selectors.books import History, Holding

# Whose runs are graded every night.
PROMOTED = ("paper", "live")
MOST = 100


class RunBooks:
    """Plug ``backtest`` of ``RISK_BOOKS``."""

    def subjects(self, team_id: int) -> list[tuple[str, str]]:
        """Return the newest finished run of every version that was promoted."""
        rows = Run.objects.filter(
            team_id=team_id,
            version__stage__in=PROMOTED,
            finished_at__isnull=False,
            archived_at=None,
            equity_final__isnull=False,
        )
        newest = rows.order_by("version_id", "-finished_at", "-id").distinct("version_id")
        return [(f"backtest:{row.pk}", row.title) for row in newest[:MOST]]

    def history(self, subject: str, team_id: int) -> History:
        """Return the bar returns of a run. Raises ``NotFound``, ``Conflict``."""
        run = get_done_run(subject.partition(":")[2], team_id)
        ts, found = curves_of(run)
        equity = found["equity"]
        return History(subject, run.title, ts[1:], equity[1:] / equity[:-1] - 1.0)

    def holding(self, subject: str, team_id: int) -> Holding:
        """Return the weights a run held at its end. Raises ``NotFound``, ``Conflict``."""
        run = get_done_run(subject.partition(":")[2], team_id)
        weights = {
            str(line["symbol"]): float(line["weight"] or 0.0) for line in open_positions(run)
        }
        last = datetime.fromisoformat(str(run.result["last"])).replace(tzinfo=UTC)
        return Holding(
            subject,
            run.title,
            weights,
            float(run.equity_final or 0.0),
            as_of=last,
            note="What the run held at its last bar.",
        )
