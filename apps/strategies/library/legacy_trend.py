"""Legacy trend: a pullback within a strong trend."""

from __future__ import annotations

import numpy as np

from apps.strategies.kernel.indicators.own import adx, ta
from apps.strategies.kernel.positions import hold_with_stops
from apps.strategies.kernel.pullbacks import bias, legs, pulled_back, retracement
from apps.strategies.library.base import (
    Bars,
    Features,
    Parameter,
    Params,
    SingleInstrument,
    Spec,
    refuse_params,
)


class LegacyTrend(SingleInstrument):
    """Enter on a 0.618 Fibonacci pullback in the direction of a strong trend.

    Source: the lab's own rule; its parts are Wilder (1978) for the ADX and Fischer, R. (1993),
    "Fibonacci Applications and Strategies for Traders" for retracements.

    Notes
    -----
    - Bias: EMA(50) against EMA(200). Strength: ADX(14) above 25.
    - The leg is the last one between confirmed pivots (higher than ``left`` bars before and
      ``right`` bars after) in the direction of the bias.
    - Entry: the bar reaches the level at which 0.618 of the leg is taken back, give or take
      ``slack`` of the leg, and closes no further than that beyond it.
    - Exit, which the rule leaves open: a close beyond the leg's beginning (``stop`` of the leg
      taken back), a close at the leg's end plus ``target`` of the leg, a bias that turned, or
      ``most_bars``; 0 is no limit.
    """

    spec = Spec(
        name="legacy_trend",
        title="Legacy trend",
        about=(
            "With the 50-bar average above the 200-bar one and a strong ADX, buys when the price "
            "has come back 0.618 of its last rise; the mirror image for falls."
        ),
        source="Own rule; Wilder (1978), Fischer (1993)",
        parameters=(
            Parameter("fast", "int", 50, 2, 1000, "bars", "Length of the fast average"),
            Parameter("slow", "int", 200, 3, 3000, "bars", "Length of the slow average"),
            Parameter("adx_period", "int", 14, 2, 200, "bars", "Length of the ADX"),
            Parameter("strength", "float", 25.0, 0.0, 99.0, "ADX", "Above this a trend is strong"),
            Parameter("level", "float", 0.618, 0.1, 0.99, "of the leg", "How much is taken back"),
            Parameter("slack", "float", 0.05, 0.0, 0.5, "of the leg", "How near counts as there"),
            Parameter("left", "int", 5, 1, 200, "bars", "Bars before a pivot that are lower"),
            Parameter("right", "int", 5, 1, 200, "bars", "Bars after a pivot that are lower"),
            Parameter("stop", "float", 1.0, 0.1, 3.0, "of the leg", "Taken back when it is over"),
            Parameter("target", "float", 0.0, 0.0, 5.0, "of the leg", "Gain beyond the leg's end"),
            Parameter("most_bars", "int", 0, 0, 5000, "bars", "Longest time in a trade; 0: any"),
            Parameter("short", "bool", default=True, about="Trade falls as well"),
        ),
        inputs=("open", "high", "low", "close"),
        gaps="refuse",
    )

    def warmup(self, params: Params) -> int:
        """Return the slow average's length. Raises ``Invalid`` for numbers at odds."""
        if params["fast"] >= params["slow"]:
            raise refuse_params(self.spec, "fast", "fast is not below slow; choose a shorter one.")
        if params["stop"] <= params["level"]:
            raise refuse_params(
                self.spec, "stop", "stop is not beyond level; every entry would be stopped."
            )
        return int(max(params["slow"], 2 * params["adx_period"]))

    def rules(self, bars: Bars, params: Params) -> Features:
        """Return bias, strength, the leg's level and the position."""
        self.warmup(params)
        high, low, close = bars.high, bars.low, bars.close
        trend = bias(
            ta("EMA", close, timeperiod=params["fast"]),
            ta("EMA", close, timeperiod=params["slow"]),
        )
        strength = adx(high, low, close, params["adx_period"])
        side, begin, end = legs(high, low, params["left"], params["right"])
        level = retracement(begin, end, params["level"])
        slack = params["slack"] * np.abs(end - begin)
        back = pulled_back(high, low, close, side=side, level=level, begin=begin, slack=slack)
        allowed = (trend > 0) | ((trend < 0) & params["short"])
        entry = back & (side == trend) & (strength > params["strength"]) & allowed
        position = hold_with_stops(
            close,
            np.where(entry, trend, 0.0),
            trend <= 0,
            trend >= 0,
            stop=retracement(begin, end, params["stop"]),
            target=retracement(begin, end, -params["target"]),
            most_bars=params["most_bars"],
        )
        return {"bias": trend, "adx": strength, "leg": side, "level": level, "position": position}
