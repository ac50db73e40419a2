"""The tree of an expression, and its one canonical text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Number:
    """A literal."""

    value: float
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Field:
    """An input of the panel, such as ``close``."""

    name: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """An operator of the table with its arguments; ``a + b`` is ``add``."""

    operator: str
    args: tuple[Node, ...]
    column: int = field(default=0, compare=False)


Node = Number | Field | Call

SYMBOLS = {
    "or": ("||", 1),
    "and": ("&&", 2),
    "less": ("<", 3),
    "greater": (">", 3),
    "less_equal": ("<=", 3),
    "greater_equal": (">=", 3),
    "equal": ("==", 3),
    "unequal": ("!=", 3),
    "add": ("+", 4),
    "sub": ("-", 4),
    "mul": ("*", 5),
    "div": ("/", 5),
}
NEGATIVE = 6
ATOM = 7


def nodes_of(node: Node) -> Iterator[Node]:
    """Yield ``node`` and everything under it, outermost first."""
    yield node
    if isinstance(node, Call):
        for part in node.args:
            yield from nodes_of(part)


def render(node: Node) -> str:
    """Return the canonical text: the same tree always gives the same text, which parses back."""
    return _text(node)[0]


def _text(node: Node) -> tuple[str, int]:
    """Return the text and how strongly it binds."""
    if isinstance(node, Number):
        return _number(node.value)
    if isinstance(node, Field):
        return node.name, ATOM
    if node.operator == "neg":
        return f"-{_within(node.args[0], ATOM)}", NEGATIVE
    if node.operator in SYMBOLS:
        symbol, binds = SYMBOLS[node.operator]
        # Comparisons do not chain, so one inside another is bracketed on the left as well.
        least = binds + (binds == SYMBOLS["less"][1])
        left, right = _within(node.args[0], least), _within(node.args[1], binds + 1)
        return f"{left} {symbol} {right}", binds
    return f"{node.operator}({', '.join(render(part) for part in node.args)})", ATOM


def _number(value: float) -> tuple[str, int]:
    text = str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return text, NEGATIVE if value < 0 else ATOM


def _within(node: Node, least: int) -> str:
    text, binds = _text(node)
    return f"({text})" if binds < least else text
