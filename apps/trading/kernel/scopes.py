"""What a halt covers: a deployment, an account, a team, or everything."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.core.errors import Invalid

ALL = "all"
SCOPE = re.compile(r"(deployment|account|team):([1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class Scope:
    """A parsed scope; ``number`` is 0 for ``all``."""

    kind: str
    number: int = 0

    def __str__(self) -> str:
        return ALL if self.kind == ALL else f"{self.kind}:{self.number}"


def parse_scope(text: str, team_id: int | None = None) -> Scope:
    """Return the scope named by ``text``; a bare ``team`` means ``team_id``.

    Raises ``Invalid`` (``halt.scope``) when it names none.
    """
    if text == ALL:
        return Scope(ALL)
    if text == "team" and team_id is not None:
        return Scope("team", team_id)
    found = SCOPE.fullmatch(text)
    if found is None:
        message = (
            f"{text!r} is no scope; give deployment:<id>, account:<id>, team"
            f"{'' if team_id is not None else ':<id>'} or all."
        )
        raise Invalid(message, code="halt.scope", details={"field": "scope"})
    return Scope(found[1], int(found[2]))


def covering(*, team_id: int, account_id: int, deployment_id: int | None = None) -> list[str]:
    """Return every scope whose halt stops this deployment, or this account's manual orders."""
    scopes = [ALL, f"team:{team_id}", f"account:{account_id}"]
    return [*scopes, f"deployment:{deployment_id}"] if deployment_id else scopes
