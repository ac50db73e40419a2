"""What the editors begin with: a text, where it came from, where it may be saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.core.errors import NotFound
from apps.market.selectors import list_universes
from apps.strategies.models import Strategy as StrategyRow
from apps.strategies.selectors.library import get_strategy, list_published
from apps.strategies.selectors.versions import VersionView, get_version, view_of

EXPRESSION = "expression"
TARGETS_SHOWN = 200


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
    newest = row and row.versions.select_related("strategy").order_by("-number").first()
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
