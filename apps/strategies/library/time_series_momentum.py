"""Time-series momentum: each instrument against its own past."""

from __future__ import annotations

import numpy as np

from apps.market.kernel.bars import Panel, periods_per_year
from apps.strategies.kernel.columns import by_column
from apps.strategies.kernel.periods import PERIODS, calendar_period
from apps.strategies.kernel.rebalancing import decide_at, features_of, targets_of
from apps.strategies.kernel.volatility import ewm_volatility
from apps.strategies.kernel.windows import shift
from apps.strategies.library.base import (
    Bars,
    Features,
    Floats,
    Parameter,
    Params,
    Spec,
    View,
    check_bars,
    refuse_params,
)


class TimeSeriesMomentum:
    """Long what has risen over the past year, short what has fallen, sized by its volatility.

    Source: Moskowitz, T., Ooi, Y. H. and Pedersen, L. H. (2012), "Time series momentum", Journal
    of Financial Economics 104(2).

    Notes
    -----
    The position at the first close of a period is sign(close[t] / close[t - lookback] - 1) times
    ``vol_target`` / volatility, at most ``max_leverage``; each of n instruments gets 1/n of equity
    times that. Volatility is exponentially weighted with a centre of mass of 60 bars and scaled
    to a year, known at that close, as in the paper's equation 1. The paper sizes every position
    to 40 % volatility without a cap; the cap keeps the account from borrowing.
    """

    spec = Spec(
        name="time_series_momentum",
        title="Time-series momentum",
        about=(
            "Long an instrument that has risen over the lookback and short one that has fallen, "
            "each sized by the inverse of its volatility; decided at the first close of a period."
        ),
        source="Moskowitz, Ooi and Pedersen (2012), JFE 104(2)",
        parameters=(
            Parameter("lookback", "int", 252, 2, 5000, "bars", "Over which it has risen or not"),
            Parameter("rebalance", "choice", "monthly", about="How often", choices=PERIODS),
            Parameter("vol_target", "float", 0.4, 0.01, 5.0, "a year", "Volatility wanted"),
            Parameter("vol_mass", "float", 60.0, 1.0, 1000.0, "bars", "Centre of mass of weights"),
            Parameter(
                "max_leverage", "float", 1.0, 0.01, 1.0, "", "Most of an instrument's share"
            ),
            Parameter("short", "bool", default=True, about="Sell short what has fallen"),
        ),
    )

    def warmup(self, params: Params) -> int:
        """Return lookback + 1. Raises ``Invalid`` for volatility that knows too little."""
        if params["vol_mass"] > params["lookback"]:
            raise refuse_params(
                self.spec, "vol_mass", "vol_mass is above lookback; choose a smaller one."
            )
        return int(params["lookback"]) + 1

    def prepare(self, panel: Panel, params: Params) -> Features:
        """Return the position wanted by each instrument and the number of each bar's period."""
        self.warmup(params)
        check_bars(self.spec, panel)
        periods = periods_per_year(panel.timeframe, continuous=panel.continuous)
        found = by_column(panel, lambda bars: {"score": _position(bars, params, periods)})
        return features_of(found["score"], calendar_period(panel.ts, params["rebalance"]))

    def decide(self, view: View, params: Params) -> Floats | None:  # noqa: ARG002
        """Return weights at the first close of a period."""
        return decide_at(view, _weights)

    def targets(self, panel: Panel, params: Params) -> Floats:
        """Return the array twin of ``decide``."""
        return targets_of(self.prepare(panel, params), _weights)


def _position(bars: Bars, params: Params, periods: float) -> Floats:
    close = bars.close
    rise = close / shift(close, params["lookback"]) - 1.0
    size = params["vol_target"] / ewm_volatility(close, params["vol_mass"], periods)
    side = np.sign(rise) if params["short"] else np.maximum(np.sign(rise), 0.0)
    return np.asarray(side * np.minimum(size, params["max_leverage"]))


def _weights(positions: Floats) -> Floats | None:
    return positions / len(positions) if np.isfinite(positions).any() else None
