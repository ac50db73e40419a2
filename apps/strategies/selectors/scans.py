"""Reads of the scanner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce

from apps.core.errors import NotFound
from apps.core.models import Job
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import micros
from apps.market.selectors import list_universes, read_panel
from apps.strategies.kernel.scanning import Consensus, closed, consensus
from apps.strategies.models import Scan, Signal
from apps.strategies.selectors.alerts import list_schedules, schedule_row
from apps.strategies.selectors.library import get_strategy as get_member
from apps.strategies.selectors.library import is_in_library
from apps.strategies.selectors.running import get_strategy
from apps.strategies.selectors.scannable import signal_name

HISTORY_SHOWN = 20
SIDES = {"long": 1, "short": -1}
Order = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ScanView:
    """A scan with how far it is: ``refreshing`` until every batch has ended, one way or other."""

    id: int
    universe: str
    timeframe: str
    strategies: list[str]
    symbols: int
    created_by: str
    created_by_label: str
    created_at: datetime
    status: str
    done: int
    batches: int
    errors: list[dict[str, Any]]

    @property
    def progress(self) -> float:
        """Share of the batches that have ended."""
        return self.done / self.batches if self.batches else float(self.status != "refreshing")


@dataclass(frozen=True, slots=True)
class SignalFilter:
    """Which signals the page shows, and in what order."""

    strategy: str = ""
    symbol: str = ""
    side: str = ""
    min_score: float | None = None
    sort: str = "-signal_at"


def panel_to_scan(scan: Scan, symbols: list[str], now: datetime) -> Panel:
    """Return the closed bars of symbols of a scan, with all that its strategies read."""
    specs = [get_strategy(name, scan.team_id).spec for name in scan.strategies]
    panel = read_panel(
        team_id=scan.team_id,
        timeframe=scan.timeframe,
        universe=scan.universe,
        instruments=symbols,
        inputs=sorted({name for spec in specs for name in spec.inputs}),
    )
    return closed(panel, micros(now))


def list_scans(*, team_id: int, universe: str = "") -> QuerySet[Scan]:
    """Return the team's scans, newest first."""
    rows = Scan.objects.filter(team_id=team_id)
    return (rows.filter(universe=universe) if universe else rows).order_by("-created_at", "-id")


def scan_views(rows: list[Any]) -> list[ScanView]:
    """Return scans with how far each is, in one query."""
    subjects = [f"scan:{row.pk}" for row in rows]
    found: dict[str, list[Job]] = {subject: [] for subject in subjects}
    for job in Job.objects.filter(subject__in=subjects, kind__in=("scan", "scan_batch")):
        found[job.subject].append(job)
    return [_scan_view(row, found[f"scan:{row.pk}"]) for row in rows]


def _scan_view(row: Scan, work: list[Job]) -> ScanView:
    ended = [job for job in work if job.kind == "scan_batch" and job.is_final]
    open_yet = any(not job.is_final for job in work)
    errors = [job.error for job in work if job.is_final and job.error]
    over = "failed" if errors and not row.batches else "partial" if errors else "done"
    return ScanView(
        id=row.pk,
        universe=row.universe,
        timeframe=row.timeframe,
        strategies=row.strategies,
        symbols=len(row.symbols),
        created_by=row.created_by,
        created_by_label=row.created_by_label,
        created_at=row.created_at,
        status="refreshing" if open_yet else over,
        done=len(ended),
        batches=row.batches,
        errors=errors,
    )


def get_scan(scan_id: int, team_id: int) -> ScanView:
    """Return a scan of the team. Raises ``NotFound``, also for another team's."""
    rows = list(list_scans(team_id=team_id).filter(pk=scan_id))
    if not rows:
        raise NotFound(f"There is no scan {scan_id} in this team.", code="scan.not_found")
    return scan_views(rows)[0]


def list_signals(
    *,
    team_id: int,
    scan_id: int | None = None,
    strategy: str = "",
    symbol: str = "",
    min_score: float | None = None,
) -> QuerySet[Signal]:
    """Return what strategies want: of one scan, else of the newest of each universe that has any.

    The latest turn comes first. Symbols no strategy wants, and those that could not be computed,
    are left out.
    """
    found = Scan.objects.filter(team_id=team_id, signals__isnull=False)
    newest = found.order_by("universe", "-created_at", "-id").distinct("universe")
    wanted = [scan_id] if scan_id else list(newest.values_list("pk", flat=True))
    rows = Signal.objects.filter(team_id=team_id, scan__in=wanted).exclude(side=0)
    rows = rows.filter(strategy=strategy) if strategy else rows
    rows = rows.filter(symbol=symbol) if symbol else rows
    rows = rows if min_score is None else rows.filter(score__gte=min_score)
    return rows.order_by("-signal_at", "-id")


def list_readings(*, team_id: int, scan_id: int) -> QuerySet[Signal]:
    """Return all a scan read, by symbol and strategy: also what nothing is wanted of."""
    return Signal.objects.filter(team_id=team_id, scan_id=scan_id).order_by("symbol", "strategy")


def scanner_page(team_id: int, scan: str) -> dict[str, Any]:
    """Return what the scanner's page shows beside the signals.

    Raises ``NotFound`` for a scan that is not there.
    """
    history = scan_views(list(list_scans(team_id=team_id)[:HISTORY_SHOWN]))
    shown = get_scan(int(scan), team_id) if scan.isdecimal() else next(iter(history), None)
    universes = list_universes(team_id=team_id)
    return {
        "scan": shown,
        "history": history,
        "universes": [(item.name, item.title) for item in universes],
        "universe": shown.universe if shown else "",
        "strategies": [signal_name(one, team_id) for one in shown.strategies] if shown else [],
        "schedules": [schedule_row(row) for row in list_schedules(team_id=team_id)],
    }


def wanted_rows(team_id: int, scan_id: int, asked: SignalFilter) -> tuple[QuerySet[Signal], Order]:
    """Return the signals of a scan that fit a filter, and the order they are read in."""
    rows = list_signals(
        team_id=team_id,
        scan_id=scan_id,
        strategy=asked.strategy,
        symbol=asked.symbol,
        min_score=asked.min_score,
    )
    rows = rows.filter(side=SIDES[asked.side]) if asked.side in SIDES else rows
    if asked.sort == "-score":
        return rows.annotate(sort_value=Coalesce(F("score"), Value(-1.0))), ("-sort_value", "-id")
    return rows, ("-signal_at", "-id")


def with_consensus(team_id: int, scan_id: int, rows: Iterable[Signal]) -> list[dict[str, Any]]:
    """Return signals with the parts of their scores and how many strategies agree."""
    agreed = {one.symbol: one for one in list_consensus(team_id=team_id, scan_id=scan_id)}
    return [
        {"signal": row, "consensus": agreed[row.symbol], "parts": parts_of(row)} for row in rows
    ]


def parts_of(row: Signal) -> list[dict[str, Any]]:
    """Return the parts of a signal's score in the order its strategy declares them."""
    if not is_in_library(row.strategy):
        return []  # a text answers with weights and has no score
    return [
        {
            "name": part.name,
            "title": part.title,
            "value": row.components[part.name],
            "most": part.most,
        }
        for part in get_member(row.strategy).spec.components
        if part.name in row.components
    ]


def list_consensus(*, team_id: int, scan_id: int) -> list[Consensus]:
    """Return how many strategies want each symbol of a scan."""
    rows = Signal.objects.filter(team_id=team_id, scan_id=scan_id)
    return consensus(rows.values_list("symbol", "side", "refusal"))
