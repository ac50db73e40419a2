"""Buy and hold: what doing nothing would have brought."""

from __future__ import annotations

import numpy as np

from apps.market.kernel.bars import Panel
from apps.strategies.library.base import Features, Floats, Params, Spec, View


class BuyAndHold:
    """Equal weights at the first close, then nothing: the benchmark of everything else.

    Source: Sharpe, W. F. (1991), "The Arithmetic of Active Management", Financial Analysts
    Journal 47(1): the passive holding every active rule is measured against.
    """

    spec = Spec(
        name="buy_and_hold",
        title="Buy and hold",
        about=(
            "At the first close with a price, spreads all equity equally over the instruments "
            "that have one; later it neither buys nor sells."
        ),
        source="Sharpe (1991), The Arithmetic of Active Management, FAJ 47(1)",
        passive=True,
    )

    def warmup(self, params: Params) -> int:  # noqa: ARG002 the interface hands parameters
        """Return 1: the first close is enough."""
        return 1

    def prepare(self, panel: Panel, params: Params) -> Features:  # noqa: ARG002
        """Return the closes."""
        return {"close": panel.close}

    def decide(self, view: View, params: Params) -> Floats | None:  # noqa: ARG002
        """Return equal weights once."""
        if view.memory.get("bought"):
            return None
        weights = _equal(view.features["close"][view.i])
        view.memory["bought"] = weights is not None
        return weights

    def targets(self, panel: Panel, params: Params) -> Floats:  # noqa: ARG002
        """Return equal weights in the first row that has a price."""
        out = np.full(panel.close.shape, np.nan)
        priced = np.isfinite(panel.close).any(axis=1)
        if priced.any():
            first = int(np.argmax(priced))
            out[first] = _equal(panel.close[first])
        return out


def _equal(close: Floats) -> Floats | None:
    there = np.isfinite(close)
    return there / there.sum() if there.any() else None
