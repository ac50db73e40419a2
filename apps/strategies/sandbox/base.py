"""What a sandbox is to the lab: it says whether it holds, and opens processes in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Conflict, Invalid

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Status:
    """What the sandbox found when it last tried to break out of itself.

    ``tier`` is A where all fences stand, B where all but namespaces do, and else empty; ``why``
    says what is missing. ``guard`` is the digest of all that lies within.
    """

    tier: str
    why: str = ""
    guard: str = ""
    uid: int = -1
    fences: dict[str, int] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether users' code may run here."""
        return bool(self.tier)


class Stopped(Invalid):
    """A user's text was stopped; ``details`` has the line at fault where it is known."""

    code = "strategy.raised"


def stopped(code: str, words: str, line: int | None = None) -> Stopped:
    """Return why a text was stopped, in words with its line."""
    at = "The strategy" if line is None else f"Line {line} of the strategy"
    details: dict[str, object] = {"field": "text"}
    return Stopped(
        f"{at}: {words}", code=code, details=details if line is None else details | {"line": line}
    )


def unavailable(why: str) -> Conflict:
    """Return the refusal to run a text where the sandbox does not hold."""
    message = (
        f"Python strategies are refused here: the sandbox does not hold ({why}). "
        "See docs/SANDBOX.md, and check with manage.py check_sandbox."
    )
    return Conflict(message, code="sandbox.unavailable")


class Session(Protocol):
    """One process of the sandbox, for one text."""

    def ask(
        self,
        do: str,
        *,
        given: Arrays | None = None,
        wanted: Mapping[str, tuple[int, ...]] | None = None,
        **head: Any,
    ) -> tuple[dict[str, Any], dict[str, Floats]]:
        """Send a message and return what came back, checked. Raises ``Stopped``."""
        ...

    cpu_seconds: float
    peak_memory: int
    output: str
    stderr: str

    @property
    def stray_words(self) -> str:
        """What was written past Python's own streams, or before it was stopped."""
        ...

    @property
    def is_spent(self) -> bool:
        """Whether it has worked so long, or has ended, that another should be opened."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether it has ended, and what it used is known."""
        ...

    def close(self) -> None:
        """End the process."""
        ...


class Sandbox(Protocol):
    """A way to run what nobody should trust."""

    @property
    def is_made(self) -> bool:
        """Whether what it needs on disk is there, or nothing can be made: trying it is quick."""
        ...

    def status(self, *, fresh: bool = False) -> Status:
        """Return whether it holds, tried at most an hour ago, or just now."""
        ...

    def open(self) -> Session:
        """Return a process behind all fences. Raises ``Conflict`` where they don't hold."""
        ...
