"""Swing trading: a pullback to an average within a strong trend."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.indicators.own import adx, ta
from apps.strategies.kernel.positions import hold_with_stops
from apps.strategies.kernel.windows import rolling_max, rolling_min, shift
from apps.strategies.library.base import (
    Bars,
    Features,
    Floats,
    Parameter,
    Params,
    SingleInstrument,
    Spec,
)


class Swing(SingleInstrument):
    """Buy the first strength after a pullback to the 20-bar average of a strong trend.

    Source: Connors, L. and Raschke, L. (1995), "Street Smarts": the Holy Grail.

    Notes
    -----
    A strong rise is ADX above ``strength`` and +DI above -DI. Long when the bar before touched
    the average from above (its low at or below it) and this close is above that bar's high, in
    the place of the source's stop order. Stop at the lower low of the two bars; target the
    highest high of the ``period`` bars before; at most ``most_bars``. With ``short`` the mirror
    image.
    """

    spec = Spec(
        name="swing",
        title="Swing, pullback to the average",
        about=(
            "In a strong trend, buys the first close above the high of a bar that has come back "
            "to the 20-bar average; stop below the pullback, target at the last high."
        ),
        source="Connors and Raschke (1995), Street Smarts, the Holy Grail",
        parameters=(
            Parameter("period", "int", 20, 2, 500, "bars", "Length of the average"),
            Parameter("adx_period", "int", 14, 2, 200, "bars", "Length of the ADX"),
            Parameter("strength", "float", 30.0, 1.0, 99.0, "ADX", "Above this a trend is strong"),
            Parameter("most_bars", "int", 20, 1, 2000, "bars", "Longest time in a trade"),
            Parameter("short", "bool", default=True, about="Trade falls as well"),
        ),
    )

    def warmup(self, params: Params) -> int:
        """Return what average, ADX and target need."""
        return int(max(params["period"] + 2, 2 * params["adx_period"]))

    def rules(self, bars: Bars, params: Params) -> Features:
        """Return average, strength and the position."""
        high, low, close = bars.high, bars.low, bars.close
        average = ta("EMA", close, timeperiod=params["period"])
        strength = adx(high, low, close, params["adx_period"])
        up, down = (
            ta(name, high, low, close, timeperiod=params["adx_period"])
            for name in ("PLUS_DI", "MINUS_DI")
        )
        strong = strength > params["strength"]
        long = strong & (up > down) & resumes(high, low, close, average)
        short = strong & (up < down) & resumes(-low, -high, -close, -average) & params["short"]
        enter = long.astype(np.float64) - short
        never = np.zeros(len(bars), dtype=np.bool_)
        tops = shift(rolling_max(high, params["period"]), 1)
        bottoms = shift(rolling_min(low, params["period"]), 1)
        position = hold_with_stops(
            close,
            enter,
            never,
            never,
            stop=np.where(enter > 0, rolling_min(low, 2), rolling_max(high, 2)),
            target=beyond(close, enter, tops, bottoms),
            most_bars=params["most_bars"],
        )
        return {"average": average, "adx": strength, "position": position}


def resumes(high: Floats, low: Floats, close: Floats, average: Floats) -> NDArray[np.bool_]:
    """Tell where a close above the high of the bar before follows its touch of the average."""
    touched = shift(low, 1) <= shift(average, 1)
    return touched & (close > shift(high, 1)) & (close > average)


def beyond(close: Floats, enter: Floats, tops: Floats, bottoms: Floats) -> Floats:
    """Return the last extreme as the target; NaN when the close is beyond it already."""
    goal = np.where(enter > 0, tops, bottoms)
    return np.where((goal - close) * enter > 0.0, goal, np.nan)
