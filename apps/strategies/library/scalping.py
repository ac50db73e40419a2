"""Scalping: a stochastic turn within a short trend, for a small and quick gain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.indicators.own import atr, stochastic, ta
from apps.strategies.kernel.positions import hold_with_stops
from apps.strategies.kernel.windows import shift
from apps.strategies.library.base import (
    Bars,
    Features,
    Floats,
    Parameter,
    Params,
    SingleInstrument,
    Spec,
    refuse_params,
)


class Scalping(SingleInstrument):
    """Enter when a fast stochastic turns in the direction of two short averages.

    Source: Lane, G. (1984), "Lane's Stochastics", Technical Analysis of Stocks & Commodities 2(3):
    %K crossing %D out of an extreme, taken only with the trend. Target, stop and time limit are
    the lab's own, all in terms of the average true range.

    Notes
    -----
    Long when EMA(fast) > EMA(slow) and %K crosses above %D that was below ``low``; out at
    ``target`` true ranges above the close of the entry, ``stop`` below it, or after ``most_bars``.
    With ``short`` the mirror image. Meant for bars of 1 to 15 minutes; fills at the next open and
    costs decide whether anything is left, so give fees and slippage.
    """

    spec = Spec(
        name="scalping",
        title="Scalping",
        about=(
            "Enters when a fast stochastic turns out of an extreme in the direction of two short "
            "averages; leaves at a small target, a stop, or after a few bars."
        ),
        source="Lane (1984), Lane's Stochastics, TASC 2(3)",
        parameters=(
            Parameter("fast", "int", 9, 2, 200, "bars", "Length of the fast average"),
            Parameter("slow", "int", 21, 3, 500, "bars", "Length of the slow average"),
            Parameter("period", "int", 5, 2, 100, "bars", "Length of the stochastic"),
            Parameter("low", "float", 20.0, 1.0, 50.0, "", "Below this %D is at an extreme"),
            Parameter("atr_period", "int", 14, 2, 200, "bars", "Length of the true range"),
            Parameter("target", "float", 1.0, 0.1, 20.0, "true ranges", "Gain that is taken"),
            Parameter("stop", "float", 1.0, 0.1, 20.0, "true ranges", "Loss that is taken"),
            Parameter("most_bars", "int", 12, 1, 1000, "bars", "Longest time in a trade"),
            Parameter("short", "bool", default=True, about="Trade falls as well"),
        ),
    )

    def warmup(self, params: Params) -> int:
        """Return the longest window. Raises ``Invalid`` unless fast < slow."""
        if params["fast"] >= params["slow"]:
            raise refuse_params(self.spec, "fast", "fast is not below slow; choose a shorter one.")
        return int(max(params["slow"], params["period"] + 4, params["atr_period"] + 1))

    def rules(self, bars: Bars, params: Params) -> Features:
        """Return the trend, the stochastic and the position."""
        self.warmup(params)
        fast = ta("EMA", bars.close, timeperiod=params["fast"])
        slow = ta("EMA", bars.close, timeperiod=params["slow"])
        found = stochastic(bars.high, bars.low, bars.close, params["period"], 3, 3)
        k, d = found["k"], found["d"]
        reach = atr(bars.high, bars.low, bars.close, params["atr_period"])
        known = np.isfinite(reach)
        long = (fast > slow) & turns_up(k, d, params["low"]) & known
        short = (fast < slow) & turns_up(-k, -d, params["low"] - 100.0) & known & params["short"]
        enter = long.astype(np.float64) - short
        never = np.zeros(len(bars), dtype=np.bool_)
        position = hold_with_stops(
            bars.close,
            enter,
            never,
            never,
            stop=bars.close - enter * params["stop"] * reach,
            target=bars.close + enter * params["target"] * reach,
            most_bars=params["most_bars"],
        )
        return {"trend": np.sign(fast - slow), "k": k, "d": d, "position": position}


def turns_up(k: Floats, d: Floats, low: float) -> NDArray[np.bool_]:
    """Tell where %K crosses above %D that stood below ``low`` at the bar before."""
    return (k > d) & (shift(k, 1) <= shift(d, 1)) & (shift(d, 1) < low)
