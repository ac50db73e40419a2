"""An alpha expression as a portfolio: rank its values, hold the best."""

from __future__ import annotations

import numpy as np

from apps.market.kernel.bars import Panel
from apps.strategies.kernel.expressions import EXTRAS, Node, evaluate, lookback, parse
from apps.strategies.kernel.expressions.inputs import inputs_of, refuse_missing
from apps.strategies.kernel.periods import day_period
from apps.strategies.kernel.portfolios import quantile_weights
from apps.strategies.kernel.rebalancing import decide_at, features_of, targets_of
from apps.strategies.library.base import Features, Floats, Parameter, Params, Spec, View


class Expression:
    """Hold the instruments on which an alpha expression is highest, short the lowest if asked.

    Source: Kakushadze, Z. (2016), "101 Formulaic Alphas", Wilmott 84 (the language); quantile
    portfolios after Fama, E. F. and French, K. R. (1993), Journal of Financial Economics 33(1).

    Notes
    -----
    The value at a close is ranked among instruments that have one. The highest ``share`` gets
    equal weights (half of equity, and the lowest share minus half, when ``long_short``). Decided
    at the first close of each period of ``rebalance_days`` calendar days, counted from a Monday.
    """

    spec = Spec(
        name="expression",
        title="Alpha expression",
        about=(
            "Evaluates an alpha expression at each close, ranks the instruments by it and holds "
            "the best in equal weights; with long/short it sells the worst as well."
        ),
        source="Kakushadze (2016), 101 Formulaic Alphas, Wilmott 84",
        parameters=(
            Parameter("expression", "text", "rank(delta(close, 20))", about="The formula"),
            Parameter("share", "float", 0.2, 0.001, 1.0, "", "Share of instruments on a side"),
            Parameter("rebalance_days", "int", 7, 1, 366, "days", "Calendar days between changes"),
            Parameter("long_short", "bool", default=False, about="Sell the lowest share short"),
        ),
        inputs=("open", "high", "low", "close", "volume"),
        across=True,
    )

    def warmup(self, params: Params) -> int:
        """Return the lookback inferred from the formula, plus the bar itself."""
        return lookback(_node(params)) + 1

    def reads(self, params: Params) -> tuple[str, ...]:
        """Return what the formula reads beyond the bars, such as ``funding``."""
        return tuple(name for name in inputs_of(_node(params)) if name in {*EXTRAS, "sector"})

    def prepare(self, panel: Panel, params: Params) -> Features:
        """Return the formula's values where the instrument has a bar, and period numbers.

        Raises ``Invalid`` at the column of a field of which the panel knows nothing.
        """
        node = _node(params)
        refuse_missing(node, panel)
        scores = np.where(np.isfinite(panel.close), evaluate(node, panel), np.nan)
        scores[: lookback(node)] = np.nan
        return features_of(scores, day_period(panel.ts, params["rebalance_days"]))

    def decide(self, view: View, params: Params) -> Floats | None:
        """Return quantile weights at the first close of a period."""
        return decide_at(view, lambda scores: _weigh(scores, params))

    def targets(self, panel: Panel, params: Params) -> Floats:
        """Return the array twin of ``decide``."""
        return targets_of(self.prepare(panel, params), lambda scores: _weigh(scores, params))


def _node(params: Params) -> Node:
    return parse(params["expression"], EXTRAS)


def _weigh(scores: Floats, params: Params) -> Floats | None:
    return quantile_weights(scores, params["share"], long_short=params["long_short"])
