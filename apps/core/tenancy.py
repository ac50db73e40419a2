"""Whose rows the database shows: told to each connection before it is used.

The guarded tables carry policies of row-level security that read the setting ``quantsite.scope``.
A process of the lab sees all (``lab``); while a request is answered or a job runs it is one team's
number, or nothing at all for a stranger. A forgotten filter then finds nothing to leak.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

LAB = "lab"
NOBODY = ""
SETTING = "quantsite.scope"
_scope: ContextVar[str] = ContextVar("scope", default=LAB)


def current() -> str:
    """Return the scope of this context: ``lab``, a team's number, or nothing."""
    return _scope.get()


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Work in a scope, then in the one before again."""
    token = _scope.set(name)
    try:
        yield
    finally:
        _scope.reset(token)


def team(team_id: int | None) -> AbstractContextManager[None]:
    """Return a context in which the shared rows and one team's are there; None sees nothing."""
    return scope(NOBODY if team_id is None else str(team_id))


def holding(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what is made piece by piece in the scope of now, though asked for later."""
    name, made = current(), iter(pieces)
    while True:
        with scope(name):
            piece = next(made, None)
        if piece is None:
            return
        yield piece
