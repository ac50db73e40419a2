"""The library: members, their source text, formulas."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from apps.core.plugs import list_plugs, load_plug
from apps.strategies.kernel.expressions import (
    EXTRAS,
    describe,
    lookback,
    parse,
    remarks,
    render,
    unit_of,
)
from apps.strategies.kernel.expressions.anatomy import tree_of
from apps.strategies.kernel.expressions.catalogue import PUBLISHED, SOURCE
from apps.strategies.kernel.expressions.inputs import fields_of, inputs_of
from apps.strategies.kernel.expressions.units import spell
from apps.strategies.kernel.interface import Spec, Strategy

LIBRARY = "STRATEGY_LIBRARY"
OWN_CODE = "apps.strategies."


def get_strategy(name: str) -> Strategy:
    """Return the library's member ``name``. Raises ``NotFound`` with the names there are."""
    found: Strategy = load_plug(LIBRARY, name)
    return found


def list_strategies() -> list[Spec]:
    """Return what every member of the library says of itself, in the table's order."""
    return [get_strategy(name).spec for name in list_plugs(LIBRARY)]


def is_in_library(name: str) -> bool:
    """Tell whether ``name`` is a member of the library."""
    return name in list_plugs(LIBRARY)


@cache
def source_of(name: str) -> tuple[str, str]:
    """Return the source text of a member's module, and the sha-256 of all own code it imports.

    Modules imported on first use count as well, loaded yet or not: the digest must not depend on
    what a process has done before.
    """
    first = type(get_strategy(name)).__module__
    texts: dict[str, str] = {}
    waiting = [first]
    while waiting:
        module = waiting.pop()
        text = None if module in texts else _text_of(module)
        if text is not None:
            texts[module] = text
            waiting += _own_imports(text)
    joined = "".join(f"{module}\n{texts[module]}" for module in sorted(texts))
    return texts[first], hashlib.sha256(joined.encode()).hexdigest()


def _text_of(module: str) -> str | None:
    """Return a module's source without loading it; None for a name that is no module."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(found.origin).read_text() if found and found.origin else None


def _own_imports(text: str) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OWN_CODE):
            module = str(node.module)
            names += [module, *(f"{module}.{part.name}" for part in node.names)]
    return names


def read_expression(text: str) -> dict[str, Any]:
    """Return what a formula is. Raises ``Invalid`` pointing at a column."""
    node = parse(text, EXTRAS)
    return {
        "expression": render(node),
        "words": describe(node),
        "lookback": lookback(node),
        "unit": spell(unit_of(node)),
        "remarks": remarks(node),
        "fields": list(fields_of(node)),
        "needs": list(inputs_of(node)),
        "tree": tree_of(node),
    }


def list_published(text: str = "") -> list[dict[str, Any]]:
    """Return the published formulas with ``text`` in name, formula or notes, by number."""
    wanted = text.strip().lower()
    return [
        entry
        for entry in _published()
        if wanted in " ".join([entry["name"], entry["expression"], *entry["notes"]]).lower()
    ]


@cache
def _published() -> list[dict[str, Any]]:
    found = []
    for entry in PUBLISHED:
        node = parse(entry.expression)
        found.append(
            {
                "number": entry.number,
                "name": entry.name,
                "expression": entry.expression,
                "words": describe(node),
                "lookback": lookback(node),
                "unit": spell(unit_of(node)),
                "needs": list(inputs_of(node)),
                "notes": list(entry.notes),
                "source": SOURCE,
            }
        )
    return found
