"""A search judged over one run in plain Python: what the database must answer as well.

A run is a mapping with the columns of ``names``, ``metrics``, ``params`` and ``tags`` as mappings,
``labels`` as a list, and the flags. A comparison with what is not there is false.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from apps.backtests.kernel.queries.names import DIGESTS, NUMBERS, TEXTS, TIMES
from apps.backtests.kernel.queries.nodes import (
    And,
    Compare,
    Flag,
    Node,
    Not,
    Or,
    Value,
    Words,
)

SIZES: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# In the text of a tag these would be taken for the signs between keys and values.
SIGNS = set('"\\:,{}')


def fits(node: Node, run: Mapping[str, Any]) -> bool:
    """Tell whether a run is among those that a search asks for."""
    if isinstance(node, And):
        return all(fits(part, run) for part in node.parts)
    if isinstance(node, Or):
        return any(fits(part, run) for part in node.parts)
    if isinstance(node, Not):
        return not fits(node.part, run)
    if isinstance(node, Flag):
        return bool(run[node.name])
    if isinstance(node, Words):
        return _has_words(node.text, run)
    return _compares(node, run)


def _has_words(text: str, run: Mapping[str, Any]) -> bool:
    wanted = text.upper()
    places = [run["title"], run["strategy"], *run["labels"]]
    if not SIGNS & set(text):
        places += [*run["tags"], *run["tags"].values()]
    return any(wanted in place.upper() for place in places) or run["digest"].startswith(text)


def _compares(node: Compare, run: Mapping[str, Any]) -> bool:
    found = _found(node, run)
    if node.op == "empty":
        return found in (None, "", [])
    if node.name.root == "label":
        return any(_holds(node, one) for one in found)
    return found is not None and _holds(node, found)


def _found(node: Compare, run: Mapping[str, Any]) -> Any:
    name = node.name
    if name.key:
        value = run[name.root].get(name.key)
        if node.op == "empty":
            return None if name.key not in run[name.root] else True
        return value if name.root != "metrics" or _is_number(value) else None
    return run[{**NUMBERS, **TEXTS, **TIMES}[name.root]]


def _holds(node: Compare, found: Any) -> bool:
    if node.op == "in":
        return any(_equals(node, found, value) for value in node.values)
    value = node.values[0]
    if node.op == "=":
        return _equals(node, found, value)
    if node.op == "~":
        return isinstance(found, str) and value.text.upper() in found.upper()
    if node.name.root in TIMES:
        return SIZES[node.op](found, value.plain)
    return _is_number(found) and SIZES[node.op](found, value.plain)


def _equals(node: Compare, found: Any, value: Value) -> bool:
    if node.name.root in DIGESTS:
        return bool(found.startswith(value.text))
    if value.until is not None:
        return bool(value.plain <= found < value.until)
    if isinstance(value.plain, bool) or isinstance(found, bool):
        return isinstance(value.plain, bool) and found is value.plain
    return bool(found == value.plain)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
