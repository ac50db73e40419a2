"""What a version is made from: a member of the library, or a text that a user wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apps.core.errors import NotFound
from apps.strategies.kernel.interface import Params, check_params
from apps.strategies.kernel.user_code import digest_of_text, read
from apps.strategies.models import Strategy as StrategyRow
from apps.strategies.models import StrategyVersion
from apps.strategies.selectors.library import get_strategy, source_of

CODE = "code:"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is to be run: the plug's name, its text and the digest of that; how to check values."""

    name: str
    source: str
    source_digest: str
    check: Callable[[Params], Params]


def recipe_of(row: StrategyRow, text: str = "") -> Recipe:
    """Return the recipe of a strategy; one of a user's own has a ``text``. Raises ``Invalid``."""
    if row.kind == StrategyRow.Kind.PYTHON:
        return _own(row.name, text)
    plug = get_strategy(row.plug)

    def check(params: Params) -> Params:
        checked = check_params(plug.spec, params)
        plug.warmup(checked)
        return checked

    source, digest = source_of(row.plug)
    return Recipe(row.plug, source, digest, check)


def _own(name: str, text: str) -> Recipe:
    declared, digest = read(name, text), digest_of_text(text)

    def check(params: Params) -> Params:
        checked = check_params(declared.spec, params)
        declared.warmup_bars(checked)
        return checked

    return Recipe(CODE + digest, text, digest, check)


def plug_of(row: StrategyVersion) -> str:
    """Return the name by which ``get_strategy`` finds what a version runs."""
    own = row.strategy.kind == StrategyRow.Kind.PYTHON
    return CODE + row.source_digest if own else row.strategy.plug


def source_digest_of(name: str, team_id: int) -> str:
    """Return the digest of what would run now under a plug's name, taken from its bytes."""
    if name.startswith(CODE):
        return digest_of_text(own_row(name, team_id).source)
    return source_of(name)[1]


def own_row(name: str, team_id: int | None) -> StrategyVersion:
    """Return the newest version with a text of the team's, by ``code:<digest>``.

    Raises ``NotFound``, also for a text of another team.
    """
    rows = StrategyVersion.objects.select_related("strategy").filter(
        team_id=team_id or 0,
        strategy__kind=StrategyRow.Kind.PYTHON,
        source_digest=name.removeprefix(CODE),
    )
    row = rows.order_by("-id").first()
    if row is None:
        message = "There is no such text of a strategy in this team; see /strategies."
        raise NotFound(message, code="strategy.not_found")
    return row
