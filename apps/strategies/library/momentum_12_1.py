"""Cross-sectional momentum: past winners, the last month left out."""

from __future__ import annotations

import numpy as np

from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.decisions import Decisions
from apps.strategies.kernel.periods import PERIODS, calendar_period
from apps.strategies.kernel.portfolios import top_equal
from apps.strategies.kernel.rebalancing import decide_at, features_of, targets_of
from apps.strategies.kernel.windows import of_own_bars, shift
from apps.strategies.library.base import Features, Floats, Parameter, Params, Spec, View


class Momentum121:
    """Hold the instruments with the highest return from 12 months to 1 month ago.

    Source: Jegadeesh, N. and Titman, S. (1993), "Returns to Buying Winners and Selling Losers",
    Journal of Finance 48(1); the skipped last month follows their gap between formation and
    holding, in the 12-1 form of Carhart (1997), Journal of Finance 52(1).

    Notes
    -----
    Momentum at a close is close[t - skip] / close[t - lookback] - 1, counted in the instrument's
    own bars (252 and 21 are a year and a month of daily bars). Equal weights on the ``top``
    instruments that have a bar; equals in column order. Decided at the first close of each
    period, since only then is the period known to have turned.
    """

    spec = Spec(
        name="momentum_12_1",
        title="Momentum 12-1",
        about=(
            "Ranks instruments by their return from 12 months to 1 month ago and holds the best "
            "in equal weights; decided at the first close of each period."
        ),
        source="Jegadeesh and Titman (1993), JF 48(1); Carhart (1997), JF 52(1)",
        parameters=(
            Parameter("top", "int", 20, 1, 5000, "instruments", "How many to hold"),
            Parameter("rebalance", "choice", "monthly", about="How often", choices=PERIODS),
            Parameter("lookback", "int", 252, 2, 5000, "bars", "Where the return begins"),
            Parameter(
                "skip", "int", 21, 0, 1000, "bars", "How many of the last bars to leave out"
            ),
        ),
        across=True,
    )

    def warmup(self, params: Params) -> int:
        """Return lookback + 1. Raises ``Invalid`` unless skip < lookback."""
        if params["skip"] >= params["lookback"]:
            message = (
                f"momentum_12_1: skip = {params['skip']} is not below lookback = "
                f"{params['lookback']}; nothing would be left to measure."
            )
            raise Invalid(message, code="params.out_of_range", details={"field": "params.skip"})
        return int(params["lookback"]) + 1

    def prepare(self, panel: Panel, params: Params) -> Features:
        """Return momentum and the number of each bar's period."""
        self.warmup(params)
        lookback, skip = params["lookback"], params["skip"]
        scores = of_own_bars(
            panel.close, lambda close: shift(close, skip) / shift(close, lookback) - 1.0
        )
        return features_of(scores, calendar_period(panel.ts, params["rebalance"]))

    def decide(self, view: View, params: Params) -> Floats | None:
        """Return equal weights on the winners at the first close of a period."""
        return decide_at(view, lambda scores: top_equal(scores, params["top"]))

    def targets(self, panel: Panel, params: Params) -> Floats:
        """Return the array twin of ``decide``."""
        return targets_of(
            self.prepare(panel, params), lambda scores: top_equal(scores, params["top"])
        )

    def decisions(self, panel: Panel, params: Params) -> Decisions | None:
        """Return ``targets`` as the rows that change; None when a bar is missing anywhere."""
        if not np.isfinite(panel.close.sum()):
            return None
        first = self.warmup(params) - 1
        periods = calendar_period(panel.ts, params["rebalance"])[first:]
        bars = first + np.flatnonzero(np.r_[True, periods[1:] != periods[:-1]][: len(periods)])
        recent, old = panel.close[bars - params["skip"]], panel.close[bars - params["lookback"]]
        rows = [top_equal(scores, params["top"]) for scores in recent / old - 1.0]
        weights = np.array([row for row in rows if row is not None])
        return Decisions(bars, weights) if len(rows) and len(weights) == len(rows) else None
