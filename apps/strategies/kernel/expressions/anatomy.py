"""What editors show of a formula and of the language: the tree, the operators."""

from __future__ import annotations

from typing import Any

from apps.strategies.kernel.expressions.nodes import SYMBOLS, Call, Field, Node, render
from apps.strategies.kernel.expressions.operators import (
    ALIASES,
    DERIVED,
    EXTRAS,
    FIELDS,
    GROUPS,
    OPERATORS,
    UNNAMED,
    Operator,
    lookback,
)
from apps.strategies.kernel.expressions.units import FIELD_UNITS, spell, unit_of
from apps.strategies.kernel.expressions.words import argument_names, describe

FAMILIES = {
    "element": "of single values",
    "across": "across instruments",
    "time": "along time",
    "group": "within groups",
    "symbol": "written with symbols",
    "field": "data",
}
_ACROSS = frozenset({"rank", "zscore", "demean", "scale", "truncate"})


def tree_of(node: Node) -> dict[str, Any]:
    """Return the tree as plain data: each part with its text, column, unit and lookback."""
    parts = list(node.args) if isinstance(node, Call) else []
    return {
        "kind": type(node).__name__.lower(),
        "name": _name(node),
        "text": render(node),
        "words": describe(node),
        "column": node.column or None,
        "unit": spell(unit_of(node)),
        "lookback": lookback(node),
        "args": [tree_of(part) for part in parts],
    }


def vocabulary() -> list[dict[str, Any]]:
    """Return every name of the language, with how it is written and what it means."""
    spelled: dict[str, list[str]] = {}
    for alias, name in ALIASES.items():
        spelled.setdefault(name, []).append(alias)
    found = [_entry(operator, spelled.get(operator.name, [])) for operator in OPERATORS.values()]
    fields = {name: f"the {name.replace('_', ' ')}" for name in EXTRAS}
    fields |= {name: f"the {name} of the instrument" for name in GROUPS}
    fields |= {**FIELDS, **DERIVED, "advN": "the N-bar mean of close times volume"}
    return found + [_field(name, words) for name, words in fields.items()]


def _name(node: Node) -> str:
    if isinstance(node, Call):
        return node.operator
    return node.name if isinstance(node, Field) else f"{node.value:g}"


def _entry(operator: Operator, aliases: list[str]) -> dict[str, Any]:
    names = argument_names(operator.kinds)
    return {
        "name": operator.name,
        "family": _family(operator),
        "usage": _usage(operator, names),
        "words": operator.words.format(*names),
        "arguments": [
            {"name": name, "kind": _KINDS[kind], "optional": _is_optional(operator, place)}
            for place, (name, kind) in enumerate(zip(names, operator.kinds, strict=True))
        ],
        "aliases": aliases,
        "needs": [],
        "unit": "",
    }


def _field(name: str, words: str) -> dict[str, Any]:
    return {
        "name": name,
        "family": "field",
        "usage": name,
        "words": words,
        "arguments": [],
        "aliases": [],
        "needs": [name] if name in {*EXTRAS, *GROUPS} - set(DERIVED) else [],
        "unit": spell((1.0, 1.0) if name == "advN" else FIELD_UNITS.get(name)),
    }


_KINDS = {"x": "expression", "d": "bars", "n": "number", "g": "grouping"}


def _is_optional(operator: Operator, place: int) -> bool:
    return operator.optional is not None and place == len(operator.kinds) - 1


def _usage(operator: Operator, names: list[str]) -> str:
    if operator.name in SYMBOLS:
        return f"{names[0]} {SYMBOLS[operator.name][0]} {names[1]}"
    return f"-{names[0]}" if operator.name == "neg" else f"{operator.name}({', '.join(names)})"


def _family(operator: Operator) -> str:
    if operator.name in UNNAMED:
        return "symbol"
    if "g" in operator.kinds:
        return "group"
    if operator.window is not None:
        return "time"
    return "across" if operator.name in _ACROSS else "element"
