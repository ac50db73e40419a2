"""Who acts: the one argument by which every service knows person, team and rights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from apps.core.errors import Denied

_noted: ContextVar[set[str] | None] = ContextVar("noted", default=None)


@contextmanager
def noting_permissions() -> Iterator[set[str]]:
    """Collect the permissions that what runs inside has asked for, and got."""
    found: set[str] = set()
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, or the lab itself, acting inside one team.

    Parameters
    ----------
    name
        How the trail calls the actor: ``user:7``, ``system:sweeper``.
    team_id
        The team whose things are read and written; None only for acts above teams.
    role
        A role of ``apps.accounts.kernel.roles``, or ``system``.
    permissions
        The actions allowed, already narrowed to the token's scopes.
    label
        What people see: an e-mail address or a process name.
    """

    name: str
    team_id: int | None
    role: str
    permissions: frozenset[str] = field(default_factory=frozenset)
    user_id: int | None = None
    label: str = ""

    def may(self, permission: str) -> bool:
        """Tell whether the actor holds ``permission``."""
        return self.role == "system" or permission in self.permissions

    def require(self, permission: str) -> None:
        """Raise ``Denied`` unless the actor holds ``permission``."""
        if not self.may(permission):
            message = (
                f"{self.label or self.name} acts as {self.role}, which lacks {permission!r}; "
                "ask a team member whose role has it."
            )
            raise Denied(message, code="denied.permission", details={"permission": permission})
        if (noted := _noted.get()) is not None:
            noted.add(permission)

    @property
    def team(self) -> int:
        """The team id. Raises ``Denied`` for an actor above teams."""
        if self.team_id is None:
            raise Denied("This act belongs to a team; choose one first.", code="denied.no_team")
        return self.team_id


def system(name: str, team_id: int | None = None) -> Actor:
    """Return the lab itself as an actor; it holds every permission."""
    return Actor(name=f"system:{name}", team_id=team_id, role="system", label=f"lab {name}")
