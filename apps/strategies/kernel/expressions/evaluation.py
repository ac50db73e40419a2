"""Values of expressions on a panel.

Notes
-----
NaN rules, everywhere the same: a value that needs a missing input is missing; a moving window with
a missing value in it is missing; functions across instruments (rank, zscore, scale, demean) leave
the missing ones out; what is infinite or undefined (division by zero, the logarithm of a number
not above zero, the correlation with a constant) is missing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.market.kernel.bars import FIELDS as PRICES
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.expressions.nodes import Field, Node, Number
from apps.strategies.kernel.windows import (
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_sum,
    shift,
)

Floats = NDArray[np.float64]
MEMORY = 256 * 2**20


class Evaluator:
    """Evaluates many expressions on one panel and remembers shared parts.

    Parameters
    ----------
    panel
        The inputs.
    memory
        Bytes of remembered arrays; the least recently used go first.
    """

    def __init__(self, panel: Panel, memory: int = MEMORY) -> None:
        self.panel = panel
        self.memory = memory
        self.held = 0
        self.known: OrderedDict[Node, Floats] = OrderedDict()

    def value(self, node: Node) -> Floats:
        """Return the value, ``(n_bars, n_assets)``; callers must not write into it."""
        with np.errstate(all="ignore"):
            return self._array(node)

    def _array(self, node: Node) -> Floats:
        found = self._of(node)
        if isinstance(found, np.ndarray):
            return found
        return np.full(self.panel.close.shape, found)

    def _of(self, node: Node) -> Floats | float:
        if isinstance(node, Number):
            return node.value
        if node in self.known:
            self.known.move_to_end(node)
            return self.known[node]
        value = self._field(node) if isinstance(node, Field) else self._call(node)
        if isinstance(value, np.ndarray):
            self._remember(node, value)
        return value

    def _call(self, node: Any) -> Floats | float:
        value: Floats | float
        if node.operator in _PLAIN:
            value = _finite(_PLAIN[node.operator](*(self._of(part) for part in node.args)))
            return value
        arrays = [
            part.value if _is_last_number(node, part) else self._array(part) for part in node.args
        ]
        value = _finite(_WHOLE[node.operator](*arrays))
        return value

    def _field(self, node: Field) -> Floats:
        array: Floats
        if node.name == "returns":
            array = _finite(self.panel.close / shift(self.panel.close, 1) - 1.0)
            return array
        if node.name in self.panel.extras:
            return self.panel.extras[node.name]
        if node.name in PRICES:
            array = getattr(self.panel, node.name)
            return array
        message = f"The data lacks the field {node.name!r}; choose data that has it."
        raise Invalid(message, code="expression.no_field", details={"field": "expression"})

    def _remember(self, node: Node, value: Floats) -> None:
        self.known[node] = value
        self.held += value.nbytes
        while self.held > self.memory and len(self.known) > 1:
            _, oldest = self.known.popitem(last=False)
            self.held -= oldest.nbytes


def evaluate(node: Node, panel: Panel) -> Floats:
    """Return the value of ``node`` on ``panel``, ``(n_bars, n_assets)``; missing is NaN."""
    return np.array(Evaluator(panel).value(node))


def _is_last_number(node: Any, part: Node) -> bool:
    return part is node.args[-1] and isinstance(part, Number)


def _finite(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim:
        return np.where(np.isfinite(value), value, np.nan)
    return float(value) if np.isfinite(value) else np.nan


def _truth(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def compare(a: Any, b: Any) -> Any:
        missing = np.isnan(a) | np.isnan(b)
        return np.where(missing, np.nan, function(a, b).astype(np.float64))

    return compare


def _where(condition: Any, yes: Any, no: Any) -> Any:
    chosen = np.where(condition != 0, yes, no)
    return np.where(np.isnan(condition), np.nan, chosen)


def _log(x: Any) -> Any:
    return np.where(np.asarray(x) > 0, np.log(np.abs(x)), np.nan)


def _signed_power(x: Any, exponent: Any) -> Any:
    return np.sign(x) * np.power(np.abs(x), exponent)


def _power(x: Any, exponent: Any) -> Any:
    return np.power(np.asarray(x, dtype=np.float64), exponent)


# Functions of single values: they take arrays and numbers alike.
_PLAIN: dict[str, Callable[..., Any]] = {
    "neg": lambda x: -x,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: np.divide(a, b),
    "less": _truth(np.less),
    "greater": _truth(np.greater),
    "less_equal": _truth(np.less_equal),
    "greater_equal": _truth(np.greater_equal),
    "equal": _truth(np.equal),
    "unequal": _truth(np.not_equal),
    "and": _truth(lambda a, b: (np.asarray(a) != 0) & (np.asarray(b) != 0)),
    "or": _truth(lambda a, b: (np.asarray(a) != 0) | (np.asarray(b) != 0)),
    "where": _where,
    "abs": np.abs,
    "log": _log,
    "sign": np.sign,
    "power": _power,
    "signedpower": _signed_power,
    "min": np.minimum,
    "max": np.maximum,
}


def _of_row(function: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """Return a function of each row's finite values; an all-missing row stays missing."""

    def apply(x: Floats) -> Floats:
        out = np.full(x.shape, np.nan)
        some = np.isfinite(x).any(axis=1)
        if some.any():
            out[some] = function(x[some])
        return out

    return apply


def _demean(x: Floats) -> Floats:
    apart: Floats = x - np.nanmean(x, axis=1, keepdims=True)
    return apart


def _zscore(x: Floats) -> Floats:
    apart = _demean(x)
    count = np.isfinite(x).sum(axis=1, keepdims=True)
    spread = np.sqrt(np.nansum(apart**2, axis=1, keepdims=True) / (count - 1))
    return np.where(
        spread > 1e-12 * np.nanmax(np.abs(x), axis=1, keepdims=True), apart / spread, np.nan
    )


def _scale(x: Floats, total: float) -> Floats:
    scaled: Floats = total * x / np.nansum(np.abs(x), axis=1, keepdims=True)
    return scaled


def _rank(x: Floats) -> Floats:
    from apps.strategies.kernel import loops

    order = np.argsort(x, axis=1, kind="stable")
    return np.asarray(loops.rank_rows_2d(x, order))


def _loop(name: str) -> Callable[..., Floats]:
    def call(*args: Any) -> Floats:
        from apps.strategies.kernel import loops

        *arrays, window = args
        whole = [np.ascontiguousarray(array) for array in arrays]
        return np.asarray(getattr(loops, name)(*whole, int(window)))

    return call


def _whole(function: Callable[[Floats, int], Floats]) -> Callable[[Floats, float], Floats]:
    return lambda x, window: function(x, int(window))


# Functions of a row or of a moving window: they take whole arrays.
_WHOLE: dict[str, Callable[..., Floats]] = {
    "rank": _rank,
    "zscore": _of_row(_zscore),
    "demean": _of_row(_demean),
    "scale": _scale,
    "delay": _whole(shift),
    "delta": _whole(lambda x, d: x - shift(x, d)),
    "ts_sum": _whole(rolling_sum),
    "ts_mean": _whole(rolling_mean),
    "ts_min": _whole(rolling_min),
    "ts_max": _whole(rolling_max),
    "ts_std": _loop("std_2d"),
    "ts_argmin": _loop("argmin_2d"),
    "ts_argmax": _loop("argmax_2d"),
    "ts_rank": _loop("rank_2d"),
    "ts_product": _loop("product_2d"),
    "decay_linear": _loop("decay_linear_2d"),
    "correlation": _loop("correlation_2d"),
    "covariance": _loop("covariance_2d"),
}
