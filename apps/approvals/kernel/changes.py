"""How a value of JSON differs from another, line by line, for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_CHANGES = 200


def changes_of(before: Any, after: Any, name: str = "") -> list[dict[str, Any]]:
    """Return what differs as ``{"name", "before", "after"}``; a side that lacks it has None.

    Rows of a list that carry a ``name`` are held against the row of that name.
    """
    if before == after:
        return []
    left, right = _parts(before), _parts(after)
    if left is None or right is None:
        return [{"name": name or "value", "before": before, "after": after}]
    found: list[dict[str, Any]] = []
    for key in dict.fromkeys([*left, *right]):
        place = f"{name}.{key}" if name else str(key)
        found += changes_of(left.get(key), right.get(key), place)
    return found[:MAX_CHANGES]


def _parts(value: Any) -> dict[str, Any] | None:
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, list):
        is_named = all(isinstance(row, Mapping) and "name" in row for row in value)
        return {str(row["name"] if is_named else i): row for i, row in enumerate(value)}
    return None
