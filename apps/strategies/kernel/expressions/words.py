"""An expression in plain English, read from its structure by rule."""

from __future__ import annotations

from apps.strategies.kernel.expressions.nodes import Call, Field, Node, Number
from apps.strategies.kernel.expressions.operators import FIELDS, OPERATORS

_NESTED = {"add", "sub", "mul", "div", "where", "and", "or", "min", "max"}


def describe(node: Node) -> str:
    """Return what the expression computes, such as "the 5-bar change of the close"."""
    if isinstance(node, Number):
        return f"{node.value:g}"
    if isinstance(node, Field):
        return FIELDS.get(node.name, node.name.replace("_", " "))
    parts = [_part(node, part) for part in node.args]
    return OPERATORS[node.operator].words.format(*parts)


def _part(outer: Call, part: Node) -> str:
    words = describe(part)
    nested = isinstance(part, Call) and part.operator in _NESTED
    return f"({words})" if nested and outer.operator != "where" else words
