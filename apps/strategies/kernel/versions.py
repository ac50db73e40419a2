"""What a version is: the content its digest stands for, and how two differ."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from apps.core.kernel.hashing import digest_json
from apps.strategies.kernel.expressions import VERSION as LANGUAGE

# Raised when the same targets would come to be filled or valued differently.
ENGINE = "1"
ENGINE_VERSION = f"engine {ENGINE}, expressions {LANGUAGE}"


@dataclass(frozen=True, slots=True)
class ParamChange:
    """A parameter that differs; a side that lacks it has None."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text comparison: ``sign`` is ``+``, ``-``, ``@`` or a blank."""

    sign: str
    text: str


def version_content(
    *, kind: str, plug: str, source_digest: str, params: dict[str, Any], engine: str
) -> dict[str, Any]:
    """Return everything that decides what a version does."""
    return {
        "kind": kind,
        "plug": plug,
        "source": source_digest,
        "params": params,
        "engine": engine,
    }


def digest_of(*, kind: str, plug: str, source_digest: str, params: dict[str, Any]) -> str:
    """Return the sha-256 of everything that decides what a version does."""
    return digest_json(
        version_content(
            kind=kind,
            plug=plug,
            source_digest=source_digest,
            params=params,
            engine=ENGINE_VERSION,
        )
    )


def diff_params(before: dict[str, Any], after: dict[str, Any]) -> list[ParamChange]:
    """Return the parameters that differ, by name."""
    names = sorted({*before, *after})
    changes = [ParamChange(name, before.get(name), after.get(name)) for name in names]
    return [change for change in changes if change.before != change.after]


def diff_text(before: str, after: str) -> list[Line]:
    """Return the lines that differ, with three lines around each; empty when none does."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    return [Line(line[:1], line[1:]) for line in list(lines)[2:]]
