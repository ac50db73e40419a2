"""Reads of the inventory: strategies, versions and how they differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery

from apps.audit.selectors import list_events
from apps.core.errors import NotFound
from apps.core.kernel.hashing import canonical_json
from apps.strategies.kernel.comparison import AROUND, Row, compare
from apps.strategies.kernel.user_code import digest_of_text
from apps.strategies.kernel.versions import (
    ENGINE_VERSION,
    Line,
    ParamChange,
    diff_params,
    diff_text,
    version_content,
)
from apps.strategies.models import Strategy as StrategyRow
from apps.strategies.models import StrategyVersion
from apps.strategies.selectors.library import is_in_library, read_expression, source_of
from apps.strategies.selectors.recipes import plug_of


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
    rows: list[Row]
    added: int
    removed: int


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
        name=plug_of(row),
        params=row.params,
        stage=row.stage,
        tier=row.tier,
        note=row.note,
        created_by=row.created_by,
        created_by_label=row.created_by_label,
        created_at=row.created_at,
        is_current=row.engine == ENGINE_VERSION and _is_same_code(row),
    )


def _is_same_code(row: StrategyVersion) -> bool:
    """Tell whether what would run is what the version was made from."""
    if row.strategy.kind == StrategyRow.Kind.PYTHON:
        return digest_of_text(row.source) == row.source_digest
    plug = row.strategy.plug
    return is_in_library(plug) and row.source_digest == source_of(plug)[1]


def get_version(version_id: int | str, team_id: int) -> VersionView:
    """Return a version of the team. Raises ``NotFound``, also for another team's."""
    return view_of(_version_row(version_id, team_id))


def get_version_detail(version_id: int, team_id: int) -> dict[str, Any]:
    """Return a version with the source text it was made from. Raises ``NotFound``."""
    row = _version_row(version_id, team_id)
    return {**asdict(view_of(row)), "source": row.source}


def get_version_files(version_id: int | str, team_id: int) -> dict[str, bytes]:
    """Return what a version is as files: the sha-256 of the first is the version's digest.

    Raises ``NotFound``.
    """
    row = _version_row(version_id, team_id)
    content = version_content(
        kind=row.strategy.kind,
        plug=plug_of(row),
        source_digest=row.source_digest,
        params=row.params,
        engine=row.engine,
    )
    source = {"artifacts/source.py": row.source.encode()} if row.source else {}
    return {"version.json": canonical_json(content), **source}


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


def diff_versions(
    before_id: int, after_id: int, team_id: int, *, whole: bool = False
) -> VersionDiff:
    """Return how two versions of the team differ; ``whole`` with every equal line.

    Raises ``NotFound``.
    """
    before, after = _version_row(before_id, team_id), _version_row(after_id, team_id)
    found = compare(before.source, after.source, around=None if whole else AROUND)
    return VersionDiff(
        before=view_of(before),
        after=view_of(after),
        params=diff_params(before.params, after.params),
        lines=diff_text(before.source, after.source),
        rows=found.rows,
        added=found.added,
        removed=found.removed,
    )


def diff_unsaved(
    version_id: int, team_id: int, source: str, params: dict[str, Any] | None
) -> dict[str, Any]:
    """Return how a text that was not saved differs from a version. Raises ``NotFound``."""
    before = _version_row(version_id, team_id)
    found = compare(before.source, source)
    changes = [] if params is None else diff_params(before.params, params)
    return {"before": view_of(before), "params": changes, **asdict(found)}


def list_version_history(version_id: int, team_id: int) -> list[Any]:
    """Return what happened to a version, newest first, from the audit trail."""
    return list(list_events(team_id=team_id, subject=f"version:{version_id}", limit=50))


def read_version(version: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the formula of an expression's version is; None for other kinds."""
    text = version["params"].get("expression")
    return read_expression(text) if isinstance(text, str) else None
