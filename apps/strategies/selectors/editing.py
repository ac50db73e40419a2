"""What the editors begin with: a text, where it came from, where it may be saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.approvals.selectors import list_proposals
from apps.core.errors import Invalid, NotFound
from apps.market.selectors import list_universes
from apps.strategies.kernel.interface import Spec
from apps.strategies.kernel.lint import lint
from apps.strategies.kernel.own_template import TEMPLATE
from apps.strategies.kernel.user_code import digest_of_text, read
from apps.strategies.models import Strategy as StrategyRow
from apps.strategies.selectors.library import get_strategy, list_published
from apps.strategies.selectors.recipes import CODE
from apps.strategies.selectors.running import sandbox_status
from apps.strategies.selectors.versions import (
    VersionView,
    get_strategy_row,
    get_version,
    get_version_detail,
    list_versions,
    view_of,
)

EXPRESSION = "expression"
PYTHON = "python"
TARGETS_SHOWN = 200
VERSIONS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Draft:
    """What an editor opens with.

    ``base`` is the version the text came from: who saves over it must have seen it. ``origin``
    says in words where the text is from.
    """

    params: dict[str, Any]
    base: VersionView | None = None
    origin: str = ""


def expression_to_edit(
    team_id: int, *, version: str = "", strategy: str = "", alpha: str = ""
) -> Draft:
    """Return the formula to open: of a version, a strategy, the catalogue, or the default.

    Raises ``NotFound`` for what is not there, or is no expression.
    """
    base = _base(team_id, version, strategy)
    if base is not None:
        return Draft(base.params, base, f"{base.label}")
    if alpha:
        found = published(alpha)
        return Draft(
            {EXPRESSION: found["expression"]}, None, f"{found['name']}, {found['source']}"
        )
    return Draft({})


def published(number: str) -> dict[str, Any]:
    """Return the published formula of a number. Raises ``NotFound``."""
    for entry in list_published():
        if str(entry["number"]) == number:
            return entry
    message = f"The catalogue has no formula {number[:20]!r}; it has numbers from 1 to 101 but 56."
    raise NotFound(message, code="expression.not_published")


def _base(team_id: int, version: str, strategy: str) -> VersionView | None:
    if version:
        found = get_version(version, team_id)
    elif strategy:
        found = newest_version(team_id, strategy)
    else:
        return None
    if found.name != EXPRESSION:
        message = f"{found.label} is not made from an expression; it has no formula to edit."
        raise NotFound(message, code="version.no_expression")
    return found


def newest_version(team_id: int, strategy: int | str) -> VersionView:
    """Return the newest version of a strategy of the team. Raises ``NotFound``."""
    row = None
    if str(strategy).isdecimal() and int(strategy) < 2**63:
        row = StrategyRow.objects.filter(team_id=team_id, pk=strategy).first()
    rows = row.versions.select_related("strategy").order_by("-number") if row else None
    newest = rows.first() if rows is not None else None
    if newest is None:
        message = f"There is no strategy {strategy} with a version in this team; see /strategies."
        raise NotFound(message, code="strategy.not_found")
    return view_of(newest)


def targets_of(team_id: int, kind: str) -> list[tuple[int, str]]:
    """Return the team's own strategies of a kind that a text may become a version of."""
    rows = StrategyRow.objects.filter(team_id=team_id, kind=kind).order_by("title", "id")
    return [(row.pk, row.title) for row in rows[:TARGETS_SHOWN]]


def expression_page(team_id: int, asked: dict[str, str]) -> dict[str, Any]:
    """Return all that the page of the expression editor shows."""
    names = ("version", "strategy", "alpha")
    draft = expression_to_edit(team_id, **{name: asked.get(name, "") for name in names})
    spec = get_strategy(EXPRESSION).spec
    default = next(one.default for one in spec.parameters if one.name == EXPRESSION)
    return {
        "draft": draft,
        "text": draft.params.get(EXPRESSION) or asked.get(EXPRESSION, "")[:4000] or default,
        "spec": spec,
        "universes": list_universes(team_id=team_id),
        "targets": targets_of(team_id, "expression"),
        "catalogue": list_published(),
    }


def read_code(text: str) -> dict[str, Any]:
    """Return what is found in a strategy's text and what it declares; it is never run.

    ``declared`` is None while an error keeps the text from being read.
    """
    found = {"findings": lint(text), "digest": digest_of_text(text), "declared": None}
    try:
        declared = read("strategy", text)
    except Invalid:
        return found
    spec = declared.spec
    shown = {
        "title": spec.title,
        "about": spec.about,
        "inputs": list(spec.inputs),
        "warmup": declared.warmup,
        "entries": list(declared.entries),
        "parameters": list(spec.parameters),
    }
    return {**found, "declared": shown}


def spec_of(strategy_id: int, team_id: int, version_id: int | None = None) -> Spec:
    """Return what a strategy says of itself, by a version or the newest; a text is only read."""
    strategy = get_strategy_row(strategy_id, team_id)
    if strategy.kind != PYTHON or strategy.latest is None:
        return get_strategy(strategy.plug).spec
    detail = get_version_detail(version_id or strategy.latest.id, team_id)
    return read(strategy.name, detail["source"]).spec


def code_state(version_id: int, team_id: int) -> dict[str, Any]:
    """Return whether people let exactly a version's text run: ``none`` while nobody was asked.

    Raises ``NotFound``, also for a version that has no text of its own.
    """
    version = get_version_detail(version_id, team_id)
    if version["kind"] != PYTHON:
        message = f"{version['title']} is no Python strategy of the team; it needs no such leave."
        raise NotFound(message, code="code.not_python")
    digest = digest_of_text(version["source"])
    # An approval stands although the same text was asked for again since.
    rows = list(list_proposals(team_id, kind="code", subject=f"{CODE}{digest}"))
    row = next((one for one in rows if one.status == "approved"), rows[0] if rows else None)
    status = sandbox_status()
    return {
        "version_id": version_id,
        "digest": digest,
        "state": row.status if row else "none",
        "proposal_id": str(row.pk) if row else None,
        "sandbox_holds": status.holds,
        "sandbox_why": status.why,
    }


def code_page(team_id: int, strategy_id: int | None = None) -> dict[str, Any]:
    """Return all that the page of the code editor shows, of a strategy or for a new one."""
    page: dict[str, Any] = {"universes": list_universes(team_id=team_id)}
    if strategy_id is None:
        return {**page, "text": TEMPLATE, "strategy": None, "base": None, "versions": []}
    strategy = get_strategy_row(strategy_id, team_id)
    if strategy.kind != PYTHON or strategy.latest is None:
        message = f"{strategy.title} is no Python strategy of the team; it has no code to edit."
        raise NotFound(message, code="code.not_python")
    rows = list_versions(team_id=team_id, strategy_id=strategy_id)[:VERSIONS_SHOWN]
    return {
        **page,
        "text": get_version_detail(strategy.latest.id, team_id)["source"],
        "strategy": strategy,
        "base": strategy.latest,
        "versions": [view_of(row) for row in rows],
        "state": code_state(strategy.latest.id, team_id),
    }
