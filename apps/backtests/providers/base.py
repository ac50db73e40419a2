"""What a tracking server is told of a run, and what any of them must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from apps.backtests.kernel.tracking import Address


@dataclass(frozen=True, slots=True)
class Sent:
    """A file for the server: its path there, what it is, its bytes."""

    path: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """A finished run as a tracking server is told of it.

    ``key`` is the run's own id: a run with the same is never made a second time. Times are in
    milliseconds since 1970. ``files`` makes the files, once the server has taken the rest.
    """

    key: str
    name: str
    experiment: str
    started: int
    ended: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    experiment_tags: Mapping[str, str] = field(default_factory=dict)
    files: Callable[[], tuple[Sent, ...]] = tuple


@dataclass(frozen=True, slots=True)
class Mirrored:
    """Where the server has the run."""

    remote_id: str
    link: str


class Tracker(Protocol):
    """A kind of server that keeps runs of experiments for people to look at."""

    def open(self, address: Address) -> Server:
        """Return the server at an address; nothing is asked of it yet."""


class Server(Protocol):
    """One such server; ``target`` names it without any secret."""

    target: str

    def put(self, told: Told, known_id: str = "") -> Mirrored:
        """Bring a run to the server; the same run twice is one run there.

        Raises ``Unavailable`` where trying later helps, ``Denied`` and ``Invalid`` where not.
        """

    def close(self) -> None:
        """Let go of its connections."""
