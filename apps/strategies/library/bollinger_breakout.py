"""Breakout from Bollinger bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.indicators.own import bollinger
from apps.strategies.kernel.positions import hold
from apps.strategies.kernel.windows import rolling_max, rolling_min
from apps.strategies.library.base import (
    Bars,
    Features,
    Floats,
    Parameter,
    Params,
    SingleInstrument,
    Spec,
)


class BollingerBreakout(SingleInstrument):
    """Go with a close beyond a band until it comes back to the middle.

    Source: Bollinger, J. (2001), "Bollinger on Bollinger Bands", method I: volatility breakout.

    Notes
    -----
    Long when the close is above the upper band, out when it is below the middle; with ``short``
    the mirror image. The source's filter, narrow bands before the breakout, is ``narrow``: the
    width at some bar of the last ``period`` was the least of the last ``narrow`` bars; 0 is off.
    """

    spec = Spec(
        name="bollinger_breakout",
        title="Bollinger breakout",
        about=(
            "Long when the close is above the upper Bollinger band, until it is below the middle; "
            "with short the mirror image."
        ),
        source="Bollinger (2001), Bollinger on Bollinger Bands, method I",
        parameters=(
            Parameter("period", "int", 20, 2, 1000, "bars", "Length of the bands"),
            Parameter("deviations", "float", 2.0, 0.1, 10.0, "", "Distance from the middle"),
            Parameter("narrow", "int", 0, 0, 2000, "bars", "Narrowest of so many before; 0: off"),
            Parameter("short", "bool", default=False, about="Trade the lower band as well"),
        ),
    )

    def warmup(self, params: Params) -> int:
        """Return the length of the bands, and of the filter's memory."""
        return int(params["period"] + max(params["narrow"] - 1, 0))

    def rules(self, bars: Bars, params: Params) -> Features:
        """Return the bands and the position."""
        bands = bollinger(bars.close, params["period"], params["deviations"])
        upper, middle, lower = bands["upper_band"], bands["sma"], bands["lower_band"]
        ready = was_narrow(bands["width"], params["narrow"], params["period"])
        long = (bars.close > upper) & ready
        short = (bars.close < lower) & ready & params["short"]
        position = hold(long.astype(np.float64) - short, bars.close < middle, bars.close > middle)
        return {"upper": upper, "middle": middle, "lower": lower, "position": position}


def was_narrow(width: Floats, window: int, recent: int) -> NDArray[np.bool_]:
    """Tell whether the width was the least of ``window`` bars at one of the ``recent`` bars."""
    if not window:
        return np.ones(len(width), dtype=np.bool_)
    least = width <= rolling_min(width, window)
    return rolling_max(least.astype(np.float64), min(recent, max(len(width), 1))) > 0.0
