"""The interface of the library's members; defined in the kernel so that other apps may use it."""

from __future__ import annotations

from apps.market.kernel.bars import Panel
from apps.strategies.kernel.columns import Bars, by_column
from apps.strategies.kernel.compiled import Compiled
from apps.strategies.kernel.interface import (
    Component,
    Features,
    Floats,
    Parameter,
    Params,
    Spec,
    Strategy,
    View,
    check_bars,
    check_inputs,
    check_panel,
    check_params,
    refuse_params,
)
from apps.strategies.kernel.orders import Intents, Order
from apps.strategies.kernel.positions import (
    compiled_on_change,
    decide_on_change,
    guards_on_change,
    protect_on_change,
    standing,
    targets_on_change,
)

__all__ = [
    "Bars",
    "Component",
    "Features",
    "Floats",
    "Intents",
    "Order",
    "Parameter",
    "Params",
    "SingleInstrument",
    "Spec",
    "Strategy",
    "View",
    "check_bars",
    "check_inputs",
    "check_panel",
    "check_params",
    "refuse_params",
]


class SingleInstrument:
    """What strategies share that look at each instrument by itself.

    A member gives ``rules``: causal features of one instrument's own bars, ``position`` (1 long,
    0 flat, -1 short) among them. Each of n instruments gets 1/n of equity; only those whose
    position changes are traded. One with a parameter ``protect`` that is set gives ``stop`` and
    ``target`` beside it, prices at which orders close the position within a bar.
    """

    spec: Spec

    def rules(self, bars: Bars, params: Params) -> Features:
        """Return features of one instrument, each ``(n_bars,)``."""
        raise NotImplementedError

    def prepare(self, panel: Panel, params: Params) -> Features:
        """Return the features of all instruments. Raises ``Invalid`` for bars that won't do."""
        check_inputs(self.spec, panel)
        check_bars(self.spec, panel)
        found = by_column(panel, lambda bars: self.rules(bars, params))
        return {**found, "position": standing(found["position"])}

    def places_orders(self, params: Params) -> bool:
        """Tell whether stop and target are orders of their own."""
        return bool(params.get("protect", False))

    def decide(self, view: View, params: Params) -> Floats | Intents | None:
        """Return new weights of the instruments whose position changes, NaN for the others."""
        return protect_on_change(view) if self.places_orders(params) else decide_on_change(view)

    def compiled(self, params: Params) -> Compiled | None:
        """Return the compiled twin of ``decide``; None where it answers with orders."""
        return None if self.places_orders(params) else compiled_on_change()

    def targets(self, panel: Panel, params: Params) -> Floats:
        """Return the array twin of ``decide``."""
        return targets_on_change(self.prepare(panel, params)["position"])

    def orders(self, panel: Panel, params: Params) -> list[tuple[int, Order]]:
        """Return the array twin of the orders of ``decide``, by the bar they are made at."""
        return guards_on_change(self.prepare(panel, params))
