"""The team's own strategies as forms of runs offer them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.strategies.kernel.interface import Spec
from apps.strategies.selectors.editing import PYTHON, code_state, spec_of
from apps.strategies.selectors.library import is_in_library
from apps.strategies.selectors.versions import VersionView, get_version, list_inventory, views_of

MOST_OFFERED = 200


@dataclass(frozen=True, slots=True)
class Runnable:
    """A version with what it says of itself; ``leave`` is of a Python text: may it run here."""

    version: VersionView
    spec: Spec
    leave: dict[str, Any] | None


def list_own(team_id: int) -> list[VersionView]:
    """Return the newest versions of the team's own strategies, the newest strategy first."""
    rows = list(list_inventory(team_id=team_id)[:MOST_OFFERED])
    found = [one.latest for one in views_of(rows) if not is_in_library(one.name)]
    return [version for version in found if version is not None]


def get_runnable(version_id: int | str, team_id: int) -> Runnable:
    """Return a version of the team with its parameters; a text is only read.

    Raises ``NotFound``, also for another team's.
    """
    version = get_version(version_id, team_id)
    spec = spec_of(version.strategy_id, team_id, version.id)
    leave = code_state(version.id, team_id) if version.kind == PYTHON else None
    return Runnable(version, spec, leave)
