"""How much work formulas are, told before any of it is done."""

from __future__ import annotations

from collections.abc import Iterable
from math import log2

from apps.strategies.kernel.expressions.nodes import Node
from apps.strategies.kernel.expressions.plans import CHAINED, Plan

# Nanoseconds per value on one core of a small server, rounded up; the second per bar of a window.
_FLAT = {"rank": 50.0, "group_rank": 400.0, "group_mean": 60.0, "power": 40.0, "signedpower": 40.0}
_PER_BAR = {"correlation": 2.0, "covariance": 2.0, "rank_correlation": 3.0}
_JOINED = frozenset({"ts_sum", "ts_mean", "ts_min", "ts_max"})
_CHAINED, _WHOLE, _WINDOW = 3.0, 8.0, 1.0


def effort(nodes: Iterable[Node], extras: Iterable[str] = ()) -> float:
    """Return about how many nanoseconds each value takes; parts that are shared count once."""
    plan = Plan(extras)
    for node in nodes:
        plan.add(node)
    return sum(_of(step.operator, step.literals) for step in plan.steps)


def _of(operator: str, literals: tuple[float, ...]) -> float:
    if operator in {"field", "number"}:
        return 0.0
    if operator in _FLAT:
        return _FLAT[operator]
    if operator in CHAINED:
        return _CHAINED
    window = max(literals, default=1.0)
    if operator in _JOINED:
        return _WHOLE + 2.0 * log2(window)
    each = _PER_BAR.get(operator, _WINDOW if operator.startswith(("ts_", "decay")) else 0.0)
    return _WHOLE + each * window
