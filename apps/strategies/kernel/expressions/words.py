"""An expression in plain English, read from its structure by rule."""

from __future__ import annotations

from apps.strategies.kernel.expressions.nodes import Call, Field, Node, Number
from apps.strategies.kernel.expressions.operators import DERIVED, FIELDS, OPERATORS, UNNAMED

_NESTED = {"add", "sub", "mul", "div", "where", "and", "or", "min", "max"}


def describe(node: Node) -> str:
    """Return what the expression computes, such as "the 5-bar change of the close"."""
    if isinstance(node, Number):
        return f"{node.value:g}"
    if isinstance(node, Field):
        return {**FIELDS, **DERIVED}.get(node.name, node.name.replace("_", " "))
    parts = [_part(node, part) for part in node.args]
    return OPERATORS[node.operator].words.format(*parts)


def functions() -> list[tuple[str, str]]:
    """Return each function's usage, such as ``delta(x, d)``, with what it means."""
    return [
        (f"{operator.name}({', '.join(names)})", operator.words.format(*names))
        for operator in OPERATORS.values()
        if operator.name not in UNNAMED
        for names in [argument_names(operator.kinds)]
    ]


def argument_names(kinds: str) -> list[str]:
    """Return names for arguments of these kinds, such as ``x`` and ``d``."""
    values = iter("xyz")
    return [{"d": "d", "n": "a", "g": "sector"}.get(kind) or next(values) for kind in kinds]


def _part(outer: Call, part: Node) -> str:
    words = describe(part)
    nested = isinstance(part, Call) and part.operator in _NESTED
    return f"({words})" if nested and outer.operator != "where" else words
