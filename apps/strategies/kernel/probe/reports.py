"""What a probe came to, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from apps.core.kernel.hashing import digest_json

PASSED, LEAKS, UNSTEADY, UNABLE = "passed", "leaks", "unsteady", "unable"
LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Finding:
    """The first output that knew something later.

    ``ahead`` is how many bars after its own the output reads, ``to_end`` whether that is as far as
    the data go. ``line`` and ``column`` are those of the text, of a formula the column alone.
    """

    output: str
    bar: int
    ts: int
    symbol: str
    whole: float | None
    other: float | None
    cut: int
    copy: str
    inputs: tuple[str, ...]
    ahead: int | None
    to_end: bool
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a probe found, with all that is needed to do it again."""

    verdict: str
    finding: Finding | None
    why: str
    declared_warmup: int
    found_warmup: int | None
    cuts: tuple[int, ...]
    copies: int
    refused: int
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    bars: int
    assets: int
    seed: int

    @property
    def passed(self) -> bool:
        """Whether nothing later was known anywhere."""
        return self.verdict == PASSED

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON."""
        found: dict[str, Any] = asdict(self)
        return found

    @property
    def digest(self) -> str:
        """The sha-256 of the report."""
        return digest_json(self.as_json())


def figure(value: float) -> float | None:
    """Return a figure for JSON, None for NaN."""
    return float(value) if np.isfinite(value) else None
