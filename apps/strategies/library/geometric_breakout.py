"""Geometric breakout (V1): trendlines on the RSI, scored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.breakouts import COMPONENTS, PARAMETERS, Side, Sight, look
from apps.strategies.kernel.indicators.own import atr
from apps.strategies.kernel.positions import hold_protected, hold_with_stops
from apps.strategies.kernel.scoring import CROWD
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


class GeometricBreakout(SingleInstrument):
    """Trade the break of a trendline on the RSI when its score is high enough.

    Source: the lab's own rule; its parts are Wilder (1978) for the RSI, Cardwell's trendlines on
    it, and Carter (2005) for the squeeze.

    Notes
    -----
    - Lines: every pair of the RSI's pivots proposes one, the pivots near it vote, and the line
      with most touches that nothing has broken is drawn (falling over highs for longs, rising
      under lows for shorts).
    - Score: geometry 40 (touches 16, duration 14, slope 10) + momentum 30 (RSI slope 15,
      divergence 15) + open-interest flow 20 + sentiment 10 (top traders 5, funding 5) + bonuses
      for retests and a squeeze, capped at 100. A missing input scores 0 and is shown missing.
    - Refused: |funding| above ``funding_limit`` (0.05 %); for longs open interest that does not
      grow; fewer known inputs of the crowd than ``min_inputs``.
    - Entry at the bar of the break or of a retest, with a score of at least ``threshold``. Exit,
      which the rule leaves open: back below the broken line, a break of the other side, a close
      ``stop`` true ranges against the entry, one ``take_profit`` true ranges for it when that is
      not 0, or ``most_bars``. With ``protect`` stop and take profit are orders made with the
      entry, which fill at their price within a bar.
    """

    spec = Spec(
        name="geometric_breakout",
        title="Geometric breakout (V1)",
        about=(
            "Draws trendlines on the RSI by a consensus of its pivots and trades their breaks "
            "when geometry, momentum, open interest and sentiment score high enough."
        ),
        source="Own rule; Wilder (1978), Carter (2005)",
        parameters=(
            Parameter("threshold", "float", 45.0, 0.0, 100.0, "points", "Least score of an entry"),
            Parameter("stop", "float", 2.5, 0.1, 20.0, "true ranges", "Loss that is taken"),
            Parameter("take_profit", "float", 0.0, 0.0, 50.0, "true ranges", "Gain; 0: none"),
            Parameter("protect", "bool", default=False, about="Stop and gain are orders"),
            Parameter("most_bars", "int", 96, 1, 5000, "bars", "Longest time in a trade"),
            Parameter("short", "bool", default=True, about="Trade breaks of rising lines as well"),
            *PARAMETERS,
        ),
        inputs=("open", "high", "low", "close", *CROWD),
        optional=CROWD,
        gaps="refuse",
        components=COMPONENTS,
    )

    def warmup(self, params: Params) -> int:
        """Return what the RSI and a first line need. Raises ``Invalid`` for numbers at odds."""
        if params["flattest"] >= params["steepest"]:
            raise refuse_params(self.spec, "flattest", "flattest is not below steepest.")
        between = params["left"] + 1
        return int(params["rsi_period"] + between * params["least_touches"] + params["right"])

    def rules(self, bars: Bars, params: Params) -> Features:
        """Return RSI, line, score with its parts, gates and the position."""
        self.warmup(params)
        sight = look(bars, params)
        long = enters(sight.long, params["threshold"])
        short = enters(sight.short, params["threshold"]) & params["short"] & ~long
        enter = long.astype(np.float64) - short
        held = self._held(bars, params, sight, enter)
        return {**sight.features(), "signal": enter, **held}

    def _held(self, bars: Bars, params: Params, sight: Sight, enter: Floats) -> Features:
        """Return the position, with its stop and target when they are orders."""
        wide = atr(bars.high, bars.low, bars.close, 14)
        leaves = sight.long.failed | sight.short.broken, sight.short.failed | sight.long.broken
        goal = params["take_profit"] or np.nan
        levels = {
            "stop": bars.close - enter * params["stop"] * wide,
            "target": bars.close + enter * goal * wide,
        }
        most = int(params["most_bars"])
        if params["protect"]:
            return hold_protected(bars.high, bars.low, enter, *leaves, **levels, most_bars=most)
        position = hold_with_stops(bars.close, enter, *leaves, **levels, most_bars=most)
        return {"position": position}


def enters(side: Side, threshold: float) -> NDArray[np.bool_]:
    """Tell where a side's line breaks or is retested, scored high enough and not refused."""
    begins = side.broken | side.retested
    return np.asarray(begins & (side.score >= threshold) & (side.refused == 0.0))
