"""The lab's own strategies as the probe asks them; users' texts are asked in the sandbox."""

from __future__ import annotations

import copy
from dataclasses import replace
from zlib import crc32

import numpy as np

from apps.core.errors import LabError
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.decisions import places_orders
from apps.strategies.kernel.expressions import EXTRAS, Call, Node, evaluate, nodes_of, parse
from apps.strategies.kernel.interface import Params, Strategy
from apps.strategies.kernel.orders import Order
from apps.strategies.kernel.probe.outputs import Outputs, Place, differing

FORMULA = "expression"
# What the lab's strategies raise on bars they can't be computed on.
ERRORS: tuple[type[Exception], ...] = (LabError, ArithmeticError, LookupError, ValueError)


class LibrarySubject:
    """A member of the library with its parameters: features, target weights, orders."""

    def __init__(self, strategy: Strategy, params: Params) -> None:
        self.strategy, self.params = strategy, params
        self.has_orders = places_orders(strategy, params) and hasattr(strategy, "orders")

    def outputs(self, panel: Panel) -> Outputs:
        """Return features and decisions by name."""
        shape = (panel.n_bars, panel.n_assets)
        features = self.strategy.prepare(panel, self.params)
        found = {
            f"feature {name}": np.asarray(values, dtype=np.float64)
            for name, values in features.items()
            if np.shape(values) == shape
        }
        # Its decisions read the features that were just computed.
        asked = copy.copy(self.strategy)
        vars(asked)["prepare"] = lambda _panel, _params: dict(features)
        if self.has_orders:
            found |= _orders(asked.orders(panel, self.params), shape)  # type: ignore[attr-defined]
        return {**found, "targets": asked.targets(panel, self.params)}

    def afresh(self) -> None:
        """Members hold no state."""

    def place(self, whole: Panel, other: Panel, cut: int) -> Place | None:
        """Return the column of the part of a formula that leaks; no line of the lab's own code."""
        text = self.params.get(FORMULA)
        if not isinstance(text, str):
            return None
        found = leaking_part(parse(text, EXTRAS), whole, other, cut)
        return None if found is None else Place(column=found.column or 1)


def leaking_part(node: Node, whole: Panel, other: Panel, cut: int) -> Node | None:
    """Return the innermost part of a formula that differs at bars up to ``cut``."""
    inside = list(nodes_of(node))[::-1]
    for part in inside:
        one, two = evaluate(part, whole), evaluate(part, other)
        rows = slice(0, cut + 1)
        if differing(one[rows], two[rows]).any() and not _is_inherited(part, whole, other, rows):
            return part
    return None


def _is_inherited(part: Node, whole: Panel, other: Panel, rows: slice) -> bool:
    """Tell whether an argument differs already: then it is to blame."""
    if not isinstance(part, Call):
        return False
    return any(
        differing(evaluate(one, whole)[rows], evaluate(one, other)[rows]).any()
        for one in part.args
    )


def _orders(made: list[tuple[int, Order]], shape: tuple[int, int]) -> Outputs:
    """Return orders as a number at the bar they are made at, and how many end at each bar.

    In the array twin a cancel is an order whose ``bars`` end there: that belongs to its own bar.
    """
    begun, ended = np.zeros(shape), np.zeros(shape)
    for bar, order in made:
        words = repr(replace(order, bars=0))
        begun[bar, order.asset] += 1.0 + crc32(words.encode())
        if order.bars and bar + order.bars < shape[0]:
            ended[bar + order.bars, order.asset] += 1.0
    return {"orders": begun, "orders ended": ended}
