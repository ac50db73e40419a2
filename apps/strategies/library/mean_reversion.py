"""Mean reversion by a two-bar RSI."""

from __future__ import annotations

import numpy as np

from apps.strategies.kernel.indicators.own import ta
from apps.strategies.kernel.positions import hold
from apps.strategies.library.base import Bars, Features, Parameter, Params, SingleInstrument, Spec


class MeanReversion(SingleInstrument):
    """Buy a short fall within a long rise; sell when it has come back.

    Source: Connors, L. and Alvarez, C. (2009), "Short Term Trading Strategies That Work",
    chapter 9: the 2-period RSI.

    Notes
    -----
    Long when the close is above its average of ``trend`` bars and RSI(2) is below ``low``; out
    when the close is above its average of ``exit`` bars. With ``short`` the mirror image:
    below the trend and RSI above 100 - ``low``. No stop, as in the source.
    """

    spec = Spec(
        name="mean_reversion",
        title="Mean reversion, RSI 2",
        about=(
            "Buys when the two-bar RSI is very low while the close is above its long average, "
            "and sells when the close is above its short average."
        ),
        source="Connors and Alvarez (2009), Short Term Trading Strategies That Work",
        parameters=(
            Parameter("period", "int", 2, 2, 100, "bars", "Length of the RSI"),
            Parameter("low", "float", 10.0, 0.1, 50.0, "RSI points", "Below this it has fallen"),
            Parameter("trend", "int", 200, 2, 2000, "bars", "Average that tells the long trend"),
            Parameter("exit", "int", 5, 2, 500, "bars", "Average whose crossing ends a trade"),
            Parameter("short", "bool", default=False, about="Trade the mirror image as well"),
        ),
    )

    def warmup(self, params: Params) -> int:
        """Return the longest average."""
        return int(max(params["trend"], params["exit"], params["period"] + 1))

    def rules(self, bars: Bars, params: Params) -> Features:
        """Return RSI, both averages and the position."""
        rsi = ta("RSI", bars.close, timeperiod=params["period"])
        trend = ta("SMA", bars.close, timeperiod=params["trend"])
        average = ta("SMA", bars.close, timeperiod=params["exit"])
        long = (bars.close > trend) & (rsi < params["low"])
        short = (bars.close < trend) & (rsi > 100.0 - params["low"]) & params["short"]
        enter = long.astype(np.float64) - short
        position = hold(enter, bars.close > average, bars.close < average)
        return {"rsi": rsi, "trend": trend, "average": average, "position": position}
