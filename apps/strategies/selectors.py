"""Reads of strategies: the library, the inventory, versions and how they differ."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery

from apps.audit.selectors import list_events
from apps.core.errors import NotFound
from apps.core.models import Job
from apps.core.plugs import list_plugs, load_plug
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import micros
from apps.market.selectors import list_universes, read_panel
from apps.strategies.kernel.expressions import (
    EXTRAS,
    Field,
    describe,
    lookback,
    nodes_of,
    parse,
    remarks,
    render,
    unit_of,
)
from apps.strategies.kernel.expressions.catalogue import PUBLISHED, SOURCE
from apps.strategies.kernel.expressions.operators import GROUPS
from apps.strategies.kernel.expressions.units import spell
from apps.strategies.kernel.interface import Spec, Strategy
from apps.strategies.kernel.scanning import Consensus, closed, consensus
from apps.strategies.kernel.versions import (
    ENGINE_VERSION,
    Line,
    ParamChange,
    diff_params,
    diff_text,
)
from apps.strategies.models import Scan, Signal, StrategyVersion
from apps.strategies.models import Strategy as StrategyRow

LIBRARY = "STRATEGY_LIBRARY"
OWN_CODE = "apps.strategies."
HISTORY_SHOWN = 20
SIGNALS_SHOWN = 500


@dataclass(frozen=True, slots=True)
class VersionView:
    """A version as other apps see it; ``name`` is the plug that ``get_strategy`` returns.

    ``is_current`` is False when the lab's code has changed since: what would run now is not what
    the digest stands for, so it must not be deployed; ``ensure_version`` makes the next version.
    """

    id: int
    team_id: int
    strategy_id: int
    strategy: str
    title: str
    kind: str
    number: int
    digest: str
    name: str
    params: dict[str, Any]
    stage: str
    tier: int
    note: str
    created_by: str
    created_by_label: str
    created_at: datetime
    is_current: bool = True

    @property
    def label(self) -> str:
        """How people name the version."""
        return f"{self.title} v{self.number}"


@dataclass(frozen=True, slots=True)
class StrategyView:
    """A strategy with the state of its newest version."""

    id: int
    name: str
    title: str
    kind: str
    plug: str
    about: str
    created_by: str
    created_by_label: str
    created_at: datetime
    versions: int
    latest: VersionView | None


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """How two versions differ, in parameters and in source text."""

    before: VersionView
    after: VersionView
    params: list[ParamChange]
    lines: list[Line]


def get_strategy(name: str) -> Strategy:
    """Return the library's member ``name``. Raises ``NotFound`` with the names there are."""
    found: Strategy = load_plug(LIBRARY, name)
    return found


def list_strategies() -> list[Spec]:
    """Return what every member of the library says of itself, in the table's order."""
    return [get_strategy(name).spec for name in list_plugs(LIBRARY)]


def is_in_library(name: str) -> bool:
    """Tell whether ``name`` is a member of the library."""
    return name in list_plugs(LIBRARY)


@cache
def source_of(name: str) -> tuple[str, str]:
    """Return the source text of a member's module, and the sha-256 of all own code it imports.

    Modules imported on first use count as well, loaded yet or not: the digest must not depend on
    what a process has done before.
    """
    first = type(get_strategy(name)).__module__
    texts: dict[str, str] = {}
    waiting = [first]
    while waiting:
        module = waiting.pop()
        text = None if module in texts else _text_of(module)
        if text is not None:
            texts[module] = text
            waiting += _own_imports(text)
    joined = "".join(f"{module}\n{texts[module]}" for module in sorted(texts))
    return texts[first], hashlib.sha256(joined.encode()).hexdigest()


def _text_of(module: str) -> str | None:
    """Return a module's source without loading it; None for a name that is no module."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(found.origin).read_text() if found and found.origin else None


def _own_imports(text: str) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OWN_CODE):
            module = str(node.module)
            names += [module, *(f"{module}.{part.name}" for part in node.names)]
    return names


def view_of(row: StrategyVersion) -> VersionView:
    """Return a version row, with its strategy, as others see it."""
    return VersionView(
        id=row.pk,
        team_id=row.team_id,
        strategy_id=row.strategy_id,
        strategy=row.strategy.name,
        title=row.strategy.title,
        kind=row.strategy.kind,
        number=row.number,
        digest=row.digest,
        name=row.strategy.plug,
        params=row.params,
        stage=row.stage,
        tier=row.tier,
        note=row.note,
        created_by=row.created_by,
        created_by_label=row.created_by_label,
        created_at=row.created_at,
        is_current=row.engine == ENGINE_VERSION
        and is_in_library(row.strategy.plug)
        and row.source_digest == source_of(row.strategy.plug)[1],
    )


def get_version(version_id: int | str, team_id: int) -> VersionView:
    """Return a version of the team. Raises ``NotFound``, also for another team's."""
    return view_of(_version_row(version_id, team_id))


def get_version_detail(version_id: int, team_id: int) -> dict[str, Any]:
    """Return a version with the source text it was made from. Raises ``NotFound``."""
    row = _version_row(version_id, team_id)
    return {**asdict(view_of(row)), "source": row.source}


def read_expression(text: str) -> dict[str, Any]:
    """Return what a formula is. Raises ``Invalid`` pointing at a column."""
    node = parse(text, EXTRAS)
    return {
        "expression": render(node),
        "words": describe(node),
        "lookback": lookback(node),
        "unit": spell(unit_of(node)),
        "remarks": remarks(node),
    }


def list_published(text: str = "") -> list[dict[str, Any]]:
    """Return the published formulas with ``text`` in name, formula or notes, by number."""
    wanted = text.strip().lower()
    return [
        entry
        for entry in _published()
        if wanted in " ".join([entry["name"], entry["expression"], *entry["notes"]]).lower()
    ]


@cache
def _published() -> list[dict[str, Any]]:
    found = []
    for entry in PUBLISHED:
        node = parse(entry.expression)
        fields = {part.name for part in nodes_of(node) if isinstance(part, Field)}
        found.append(
            {
                "number": entry.number,
                "name": entry.name,
                "expression": entry.expression,
                "words": describe(node),
                "lookback": lookback(node),
                "unit": spell(unit_of(node)),
                "needs": sorted(fields & set(GROUPS)),
                "notes": list(entry.notes),
                "source": SOURCE,
            }
        )
    return found


def _version_row(version_id: int | str, team_id: int) -> StrategyVersion:
    row = None
    if str(version_id).isdecimal() and int(version_id) < 2**63:
        rows = StrategyVersion.objects.select_related("strategy")
        row = rows.filter(pk=version_id, team_id=team_id).first()
    if row is None:
        message = f"There is no strategy version {version_id} in this team; see /strategies."
        raise NotFound(message, code="version.not_found")
    return row


def find_version(*, team_id: int, digest: str) -> VersionView | None:
    """Return the team's newest version with ``digest``, or None."""
    rows = StrategyVersion.objects.select_related("strategy")
    row = rows.filter(team_id=team_id, digest=digest).order_by("-id").first()
    return view_of(row) if row else None


def list_versions(
    *, team_id: int, strategy_id: int | None = None, stage: str = ""
) -> QuerySet[StrategyVersion]:
    """Return the team's versions, newest first, of one strategy or at one stage if given."""
    rows = StrategyVersion.objects.filter(team_id=team_id).select_related("strategy")
    if strategy_id is not None:
        rows = rows.filter(strategy_id=strategy_id)
    if stage:
        rows = rows.filter(stage=stage)
    return rows.order_by("-created_at", "-id")


def list_inventory(*, team_id: int, kind: str = "", text: str = "") -> QuerySet[StrategyRow]:
    """Return the team's strategies, newest first, with ``n_versions`` and ``latest_id``."""
    newest = StrategyVersion.objects.filter(strategy=OuterRef("pk")).order_by("-number")
    rows = StrategyRow.objects.filter(team_id=team_id).annotate(
        n_versions=Count("versions"), latest_id=Subquery(newest.values("pk")[:1])
    )
    if kind:
        rows = rows.filter(kind=kind)
    if text:
        rows = rows.filter(title__icontains=text)
    return rows.order_by("-created_at", "-id")


def views_of(rows: list[Any]) -> list[StrategyView]:
    """Return rows of ``list_inventory`` with their newest versions, in two queries."""
    ids = [row.latest_id for row in rows]
    found = StrategyVersion.objects.select_related("strategy").filter(pk__in=ids)
    latest = {version.strategy_id: view_of(version) for version in found}
    return [
        StrategyView(
            id=row.pk,
            name=row.name,
            title=row.title,
            kind=row.kind,
            plug=row.plug,
            about=row.about,
            created_by=row.created_by,
            created_by_label=row.created_by_label,
            created_at=row.created_at,
            versions=row.n_versions,
            latest=latest.get(row.pk),
        )
        for row in rows
    ]


def get_strategy_row(strategy_id: int, team_id: int) -> StrategyView:
    """Return a strategy of the team. Raises ``NotFound``, also for another team's."""
    rows = list(list_inventory(team_id=team_id).filter(pk=strategy_id))
    if not rows:
        message = f"There is no strategy {strategy_id} in this team; see /strategies."
        raise NotFound(message, code="strategy.not_found")
    return views_of(rows)[0]


def diff_versions(before_id: int, after_id: int, team_id: int) -> VersionDiff:
    """Return how two versions of the team differ. Raises ``NotFound``."""
    before, after = _version_row(before_id, team_id), _version_row(after_id, team_id)
    return VersionDiff(
        before=view_of(before),
        after=view_of(after),
        params=diff_params(before.params, after.params),
        lines=diff_text(before.source, after.source),
    )


def list_history(strategy_id: int, team_id: int) -> list[Any]:
    """Return what happened to a strategy, newest first, from the audit trail."""
    return list(list_events(team_id=team_id, subject=f"strategy:{strategy_id}", limit=20))


def list_version_history(version_id: int, team_id: int) -> list[Any]:
    """Return what happened to a version, newest first, from the audit trail."""
    return list(list_events(team_id=team_id, subject=f"version:{version_id}", limit=50))


def read_version(version: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the formula of an expression's version is; None for other kinds."""
    text = version["params"].get("expression")
    return read_expression(text) if isinstance(text, str) else None


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


def list_scanned() -> list[str]:
    """Return the strategies a scan asks: all that follow a signal."""
    return [spec.name for spec in list_strategies() if not spec.passive]


def panel_to_scan(scan: Scan, symbols: list[str], now: datetime) -> Panel:
    """Return the closed bars of symbols of a scan, with all that its strategies read."""
    specs = [get_strategy(name).spec for name in scan.strategies]
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
    """Return what the scanner's page shows. Raises ``NotFound`` for a scan that is not there."""
    history = scan_views(list(list_scans(team_id=team_id)[:HISTORY_SHOWN]))
    shown = get_scan(int(scan), team_id) if scan.isdecimal() else next(iter(history), None)
    universes = list_universes(team_id=team_id)
    context: dict[str, Any] = {
        "scan": shown,
        "history": history,
        "universes": [(item.name, item.title) for item in universes],
        "universe": shown.universe if shown else "",
        "signals": [],
    }
    if shown is not None:
        agreed = {one.symbol: one for one in list_consensus(team_id=team_id, scan_id=shown.id)}
        rows = list_signals(team_id=team_id, scan_id=shown.id)[:SIGNALS_SHOWN]
        context["signals"] = [
            {
                "signal": row,
                "consensus": agreed[row.symbol],
                "parts": _parts(row.strategy, row.components),
            }
            for row in rows
        ]
    return context


def _parts(strategy: str, components: dict[str, float]) -> str:
    order = [part.name for part in get_strategy(strategy).spec.components]
    return ", ".join(f"{name} {components[name]:.1f}" for name in order if name in components)


def list_consensus(*, team_id: int, scan_id: int) -> list[Consensus]:
    """Return how many strategies want each symbol of a scan."""
    rows = Signal.objects.filter(team_id=team_id, scan_id=scan_id)
    return consensus(rows.values_list("symbol", "side", "refusal"))
