"""Pairs trading by the distance of normalised prices."""

from __future__ import annotations

from apps.market.kernel.bars import Panel
from apps.strategies.kernel.pairs import pair_weights
from apps.strategies.kernel.positions import decide_on_change, targets_on_change
from apps.strategies.library.base import (
    Features,
    Floats,
    Parameter,
    Params,
    Spec,
    View,
    check_bars,
)


class Pairs:
    """Short the one that has run ahead, long the one left behind, of pairs that went together.

    Source: Gatev, E., Goetzmann, W. and Rouwenhorst, K. (2006), "Pairs Trading: Performance of a
    Relative-Value Arbitrage Rule", Review of Financial Studies 19(3).

    Notes
    -----
    Over ``formation`` bars each price is divided by its first. The ``pairs`` with the least sum of
    squared differences are traded over the next ``trading`` bars, prices going on from the same
    base: opened when the difference exceeds ``open_at`` of its deviations in the formation,
    closed when it crosses zero, and at the end of the trading period. Instruments that lack a bar
    in the formation are left out, as in the source. Each pair gets 1/pairs of equity, half on
    each side (the source's committed capital).
    """

    spec = Spec(
        name="pairs",
        title="Pairs",
        about=(
            "Finds the pairs of instruments that moved most alike over a year, and for half a "
            "year sells the one that runs ahead and buys the other, until they meet again."
        ),
        source="Gatev, Goetzmann and Rouwenhorst (2006), RFS 19(3)",
        parameters=(
            Parameter("formation", "int", 252, 10, 5000, "bars", "Over which pairs are found"),
            Parameter("trading", "int", 126, 2, 5000, "bars", "For which they are traded"),
            Parameter("pairs", "int", 5, 1, 500, "pairs", "How many are traded"),
            Parameter("open_at", "float", 2.0, 0.1, 20.0, "deviations", "When a pair is opened"),
        ),
        across=True,
    )

    def warmup(self, params: Params) -> int:
        """Return the formation and the first bar after it."""
        return int(params["formation"]) + 1

    def prepare(self, panel: Panel, params: Params) -> Features:
        """Return weights times the number of instruments: the position of each."""
        check_bars(self.spec, panel)
        weights = pair_weights(
            panel.close,
            formation=params["formation"],
            trading=params["trading"],
            count=params["pairs"],
            open_at=params["open_at"],
        )
        return {"position": weights * panel.n_assets}

    def decide(self, view: View, params: Params) -> Floats | None:  # noqa: ARG002
        """Return new weights of the instruments whose pairs open or close."""
        return decide_on_change(view)

    def targets(self, panel: Panel, params: Params) -> Floats:
        """Return the array twin of ``decide``."""
        return targets_on_change(self.prepare(panel, params)["position"])
