"""How long a user's strategy warms up: a small sum of its parameters, such as ``slow + 1``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable

from apps.core.errors import Invalid
from apps.strategies.kernel.interface import Params

MOST_BARS = 100_000
MOST_CHARACTERS = 200
SUMS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
CALLS: dict[str, Callable[..., float]] = {"max": max, "min": min}


def check_warmup(text: str, defaults: Params) -> None:
    """Raise ``Invalid`` for a text that is no sum of the parameters."""
    bars_of(text, defaults)


def bars_of(text: str, params: Params) -> int:
    """Return the bars that must have closed, by ``text`` over ``params``.

    Numbers, names of parameters, ``+ - * //``, ``max`` and ``min``. Raises ``Invalid``.
    """
    if len(text) > MOST_CHARACTERS:
        raise _refusal(text[:20], f"has more than {MOST_CHARACTERS} characters")
    try:
        value = _value(ast.parse(text, mode="eval").body, params)
    except (SyntaxError, ValueError, RecursionError, MemoryError, ZeroDivisionError, TypeError):
        words = "is no sum of numbers and parameters with + - * // max min"
        raise _refusal(text, words) from None
    if value != int(value) or not 0 <= value <= MOST_BARS:
        raise _refusal(text, f"comes to {value:g} bars; 0 to {MOST_BARS} whole bars are expected")
    return int(value)


def _value(node: ast.expr, params: Params) -> float:
    if isinstance(node, ast.Constant):
        return _number(node.value)
    if isinstance(node, ast.Name):
        if node.id not in params:
            raise ValueError(node.id)
        return _number(params[node.id])
    if isinstance(node, ast.BinOp) and type(node.op) in SUMS:
        left, right = _value(node.left, params), _value(node.right, params)
        return _number(SUMS[type(node.op)](left, right))
    if isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS and not node.keywords:
        return CALLS[ast.unparse(node.func)](*[_value(one, params) for one in node.args])
    raise ValueError(ast.dump(node)[:40])


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9:
        raise ValueError(value)
    return value


def _refusal(text: str, why: str) -> Invalid:
    message = f"WARMUP {text!r} {why}."
    return Invalid(message, code="code.warmup", details={"field": "text"})
