"""What is graded and stressed: books and runs, reached through the plugs of ``RISK_BOOKS``.

Accounts and backtests live right of risk; each hands in its returns and holdings by a plug.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import NotFound
from apps.core.plugs import list_plugs, load_plug
from apps.risk.kernel.samples import Floats

PLUGS = "RISK_BOOKS"


@dataclass(frozen=True, slots=True)
class History:
    """Returns of a book by the time each was known, in microseconds since 1970 UTC."""

    subject: str
    title: str
    ts: NDArray[np.int64]
    returns: Floats


@dataclass(frozen=True, slots=True)
class Holding:
    """What a book holds: symbol (also ``dataset:symbol``) to weight, the signed share of equity.

    ``as_of`` is until when its bars may be read to learn from.
    """

    subject: str
    title: str
    weights: Mapping[str, float]
    equity: float
    currency: str = ""
    as_of: datetime | None = None
    note: str = ""
    returns: History | None = field(default=None)


class Books(Protocol):
    """Books of one kind, as a plug hands them in."""

    def subjects(self, team_id: int) -> list[tuple[str, str]]:
        """Return subject and title of what is graded every night."""

    def history(self, subject: str, team_id: int) -> History:
        """Return the returns. Raises ``NotFound``, ``Conflict``."""

    def holding(self, subject: str, team_id: int) -> Holding:
        """Return what is held. Raises ``NotFound``, ``Conflict``."""


def _plug_of(subject: str) -> Books:
    kind = subject.partition(":")[0]
    if kind not in list_plugs(PLUGS):
        known = ", ".join(f"{name}:<id>" for name in list_plugs(PLUGS))
        message = f"There is no book {subject!r}; books are {known}."
        raise NotFound(message, code="risk.book")
    plug: Books = load_plug(PLUGS, kind)
    return plug


def list_subjects(*, team_id: int) -> list[tuple[str, str]]:
    """Return subject and title of every book and run that is graded every night."""
    found: list[tuple[str, str]] = []
    for name in list_plugs(PLUGS):
        plug: Books = load_plug(PLUGS, name)
        found += plug.subjects(team_id)
    return found


def get_history(*, team_id: int, subject: str) -> History:
    """Return the returns of a book or run. Raises ``NotFound``, ``Conflict``."""
    return _plug_of(subject).history(subject, team_id)


def get_holding(*, team_id: int, subject: str) -> Holding:
    """Return what a book or run holds. Raises ``NotFound``, ``Conflict``."""
    return _plug_of(subject).holding(subject, team_id)
