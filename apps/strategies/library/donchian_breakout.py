"""Breakout from Donchian's channel, as the Turtles traded it."""

from __future__ import annotations

import numpy as np

from apps.strategies.kernel.indicators.own import atr, donchian
from apps.strategies.kernel.positions import hold_protected, hold_with_stops
from apps.strategies.library.base import Bars, Features, Parameter, Params, SingleInstrument, Spec


class DonchianBreakout(SingleInstrument):
    """Buy a new high, sell a new low of fewer bars.

    Source: Donchian, R. (1960), "High Finance in Copper", Financial Analysts Journal 16(6); the
    entry, exit and stop of Faith, C. (2007), "Way of the Turtle".

    Notes
    -----
    Long when the close is above the highest high of the ``entry`` bars before it; out when it is
    below the lowest low of the ``exit`` bars before it, or ``stop`` average true ranges (N) below
    the close of the entry. With ``short`` the mirror image. System 1 is 20 and 10 bars, system 2
    is 55 and 20. With ``protect`` the stop is an order of its own, made with the entry: it fills
    at its price within a bar, as the Turtles' did, where it otherwise waits for a close beyond it
    and leaves at the next open. The Turtles' sizing by N and their adding of units are left out:
    each of n instruments gets 1/n of equity.
    """

    spec = Spec(
        name="donchian_breakout",
        title="Donchian breakout",
        about=(
            "Buys a close above the highest high of the bars before and leaves at the lowest low "
            "of fewer bars, or two true ranges below the entry; with short the mirror image."
        ),
        source="Donchian (1960), FAJ 16(6); Faith (2007), Way of the Turtle",
        parameters=(
            Parameter("entry", "int", 20, 2, 2000, "bars", "Length of the channel of entries"),
            Parameter("exit", "int", 10, 1, 2000, "bars", "Length of the channel of exits"),
            Parameter("atr_period", "int", 20, 2, 500, "bars", "Length of the true range N"),
            Parameter("stop", "float", 2.0, 0.0, 20.0, "N", "Stop below the entry; 0: none"),
            Parameter("short", "bool", default=True, about="Sell new lows short as well"),
            Parameter("protect", "bool", default=False, about="The stop is an order at its price"),
        ),
    )

    def warmup(self, params: Params) -> int:
        """Return the longest window and the bar itself."""
        return int(max(params["entry"], params["exit"], params["atr_period"])) + 1

    def rules(self, bars: Bars, params: Params) -> Features:
        """Return both channels, N and the position."""
        outer = donchian(bars.high, bars.low, params["entry"])
        inner = donchian(bars.high, bars.low, params["exit"])
        n = atr(bars.high, bars.low, bars.close, params["atr_period"])
        known = np.isfinite(n)
        long = (bars.close > outer["upper_band"]) & known
        short = (bars.close < outer["lower_band"]) & known & params["short"]
        enter = long.astype(np.float64) - short
        reach = params["stop"] * n if params["stop"] else np.full(len(bars), np.nan)
        leaves = bars.close < inner["lower_band"], bars.close > inner["upper_band"]
        levels = {"stop": bars.close - enter * reach, "target": np.full(len(bars), np.nan)}
        if params["protect"]:
            held = hold_protected(bars.high, bars.low, enter, *leaves, **levels)
        else:
            held = {"position": hold_with_stops(bars.close, enter, *leaves, **levels)}
        return {"upper": outer["upper_band"], "lower": outer["lower_band"], "n": n, **held}
