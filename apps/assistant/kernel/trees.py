"""Random expressions, their crossing and their mutation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from apps.strategies.kernel.expressions import (
    FIELDS,
    OPERATORS,
    Call,
    Field,
    Node,
    Number,
    lookback,
    nodes_of,
    remarks,
    unit_of,
)
from apps.strategies.kernel.expressions.units import PLAIN

Path = tuple[int, ...]
WINDOWS = (2, 3, 5, 10, 20, 40, 60, 120)
# Operators drawn from, with how often; comparisons and powers are left to people.
DRAWN = {
    "neg": 2.0,
    "abs": 0.5,
    "sign": 0.5,
    "rank": 2.0,
    "zscore": 0.3,
    "add": 1.0,
    "sub": 1.5,
    "mul": 2.0,
    "div": 2.0,
    "min": 0.5,
    "max": 0.5,
    "delay": 0.5,
    "delta": 2.0,
    "ts_mean": 1.5,
    "ts_std": 1.5,
    "ts_min": 0.7,
    "ts_max": 0.7,
    "ts_rank": 1.5,
    "ts_sum": 0.7,
    "ts_argmax": 0.4,
    "ts_argmin": 0.4,
    "decay_linear": 1.0,
    "correlation": 1.5,
    "covariance": 0.7,
}
# Around a whole expression these keep the order of instruments, so they say nothing.
ORDER_KEEPING = frozenset({"rank", "zscore", "demean", "scale"})
TRIES = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """What an expression of the search may be."""

    depth: int = 5
    nodes: int = 20
    lookback: int = 252


def plain(node: Node) -> Node:
    """Return the tree without parts that change nothing: equal orders then look equal."""
    if not isinstance(node, Call):
        return node
    inner = node.args[0]
    if node.operator in ORDER_KEEPING:
        return plain(inner)
    if node.operator == "neg":
        inner = plain(inner)
        twice = isinstance(inner, Call) and inner.operator == "neg"
        return plain(inner.args[0]) if twice and isinstance(inner, Call) else Call("neg", (inner,))
    return node


def depth_of(node: Node) -> int:
    """Return how deep the tree is; a field alone is 1."""
    return (
        1 + max((depth_of(part) for part in node.args), default=0) if isinstance(node, Call) else 1
    )


def is_allowed(node: Node, limits: Limits) -> bool:
    """Tell whether a tree is within limits, reads data, and adds no unlike units."""
    size = sum(1 for _ in nodes_of(node))
    if size > limits.nodes or depth_of(node) > limits.depth or size < 2:
        return False
    if not any(isinstance(part, Field) for part in nodes_of(node)):
        return False
    fits = lookback(node) <= limits.lookback and not remarks(node)
    return fits and is_scale_free(node) and not _is_idle(node)


def is_scale_free(node: Node) -> bool:
    """Tell whether instruments are compared by plain numbers only, never by price or volume.

    A price per share means nothing across instruments, and prices adjusted for later dividends
    and splits would carry the future into such a comparison.
    """
    compared = [
        part.args[0]
        for part in nodes_of(node)
        if isinstance(part, Call) and part.operator in ORDER_KEEPING
    ]
    return all(unit_of(part) == PLAIN for part in (node, *compared))


def _is_idle(node: Node) -> bool:
    """Tell whether some part is constant by its form, as ``close - close``."""
    return any(
        isinstance(part, Call)
        and len(part.args) > 1
        and part.operator in {"sub", "div", "min", "max", "correlation"}
        and part.args[0] == part.args[1]
        for part in nodes_of(node)
    )


class Grower:
    """Draws, crosses and mutates trees with one generator of chance.

    Parameters
    ----------
    rng
        Where chance comes from.
    limits
        What may be drawn.
    fields
        The inputs the data has.
    """

    def __init__(
        self, rng: np.random.Generator, limits: Limits, fields: tuple[str, ...] = tuple(FIELDS)
    ) -> None:
        self.rng, self.limits, self.fields = rng, limits, fields
        weights = np.array(list(DRAWN.values()))
        self.names, self.chances = list(DRAWN), weights / weights.sum()

    def tree(self) -> Node:
        """Return a new allowed tree."""
        for _ in range(TRIES):
            node = plain(self._grow(int(self.rng.integers(2, self.limits.depth + 1))))
            if is_allowed(node, self.limits):
                return node
        return Call("neg", (Call("ts_mean", (Field("returns"), Number(5.0))),))

    def cross(self, one: Node, other: Node) -> Node:
        """Return ``one`` with a part of ``other`` in place of a part; ``one`` if none fits."""
        for _ in range(TRIES // 10):
            given = _at(other, self._pick(other))
            child = plain(_with(one, self._pick(one), given))
            if is_allowed(child, self.limits):
                return child
        return one

    def mutate(self, node: Node) -> Node:
        """Return ``node`` changed in one place; ``node`` itself if no change fits."""
        kinds = (self._new_part, self._new_window, self._new_operator, self._hoist)
        for _ in range(TRIES // 10):
            child = plain(kinds[int(self.rng.integers(len(kinds)))](node))
            if child != node and is_allowed(child, self.limits):
                return child
        return node

    def _grow(self, depth: int) -> Node:
        if depth <= 1 or self.rng.random() < 0.15:
            return Field(self.fields[int(self.rng.integers(len(self.fields)))])
        name = self.names[int(self.rng.choice(len(self.names), p=self.chances))]
        parts = (
            self._window() if kind == "d" else self._grow(depth - 1)
            for kind in OPERATORS[name].kinds
        )
        return Call(name, tuple(parts))

    def _window(self) -> Number:
        return Number(float(WINDOWS[int(self.rng.integers(len(WINDOWS)))]))

    def _pick(self, node: Node) -> Path:
        paths = [path for path, part in _parts(node) if not isinstance(part, Number)]
        return paths[int(self.rng.integers(len(paths)))]

    def _new_part(self, node: Node) -> Node:
        return _with(node, self._pick(node), self._grow(int(self.rng.integers(1, 4))))

    def _new_window(self, node: Node) -> Node:
        paths = [path for path, part in _parts(node) if isinstance(part, Number)]
        if not paths:
            return node
        return _with(node, paths[int(self.rng.integers(len(paths)))], self._window())

    def _new_operator(self, node: Node) -> Node:
        path = self._pick(node)
        part = _at(node, path)
        if not isinstance(part, Call):
            return node
        kinds = OPERATORS[part.operator].kinds
        alike = [name for name in self.names if OPERATORS[name].kinds == kinds]
        name = alike[int(self.rng.integers(len(alike)))] if alike else part.operator
        return _with(node, path, Call(name, part.args))

    def _hoist(self, node: Node) -> Node:
        return _at(node, self._pick(node))


def _parts(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    yield path, node
    if isinstance(node, Call):
        for place, part in enumerate(node.args):
            yield from _parts(part, (*path, place))


def _at(node: Node, path: Path) -> Node:
    for place in path:
        node = node.args[place] if isinstance(node, Call) else node
    return node


def _with(node: Node, path: Path, part: Node) -> Node:
    if not path or not isinstance(node, Call):
        return part
    place, rest = path[0], path[1:]
    args = list(node.args)
    args[place] = _with(args[place], rest, part)
    return Call(node.operator, tuple(args))
