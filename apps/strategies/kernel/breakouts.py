"""What both breakout strategies see at each bar: lines, scores by side, gates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel import scoring
from apps.strategies.kernel.columns import Bars
from apps.strategies.kernel.indicators.own import pivots, squeeze, ta
from apps.strategies.kernel.interface import Component, Parameter, Params
from apps.strategies.kernel.trendlines import Rules, diverges, follow_lines
from apps.strategies.kernel.windows import rolling_max, shift

Floats = NDArray[np.float64]
PARTS = ("geometry", "momentum", "flow", "sentiment", "bonus")
COMPONENTS = (
    Component("geometry", "Geometry: touches, duration, slope", 40.0),
    Component("momentum", "Momentum: RSI slope, divergence", 30.0),
    Component("flow", "Open-interest flow", 20.0),
    Component("sentiment", "Top traders and funding", 10.0),
    Component("bonus", "Retests and squeeze", 15.0),
)
POINTS = "RSI points"
PARAMETERS = (
    Parameter("rsi_period", "int", 14, 2, 200, "bars", "Length of the RSI"),
    Parameter("left", "int", 4, 1, 100, "bars", "Bars before a pivot that are lower"),
    Parameter("right", "int", 3, 1, 100, "bars", "Bars after a pivot that are lower"),
    Parameter("window", "int", 120, 10, 2000, "bars", "How far back pivots are looked at"),
    Parameter("tolerance", "float", 2.0, 0.1, 20.0, POINTS, "How near touches; beyond it breaks"),
    Parameter("least_touches", "int", 3, 2, 20, "pivots", "Fewer are no consensus"),
    Parameter("steepest", "float", 1.5, 0.01, 20.0, "points a bar", "A steeper line is none"),
    Parameter("flattest", "float", 0.0, 0.0, 10.0, "points a bar", "A flatter line is none"),
    Parameter("memory", "int", 24, 1, 1000, "bars", "For which a broken line is remembered"),
    Parameter("full_touches", "int", 4, 2, 20, "pivots", "Touches with all 16 points"),
    Parameter("full_duration", "float", 60.0, 1.0, 2000.0, "bars", "Duration with all 14 points"),
    Parameter("slope_bars", "int", 5, 1, 200, "bars", "Over which the RSI's slope is taken"),
    Parameter("full_slope", "float", 2.0, 0.01, 50.0, "points a bar", "Slope with all 15 points"),
    Parameter("divergence_bars", "int", 40, 1, 1000, "bars", "For which a divergence counts"),
    Parameter(
        "flow_bars", "int", 24, 1, 1000, "bars", "Over which open interest's slope is taken"
    ),
    Parameter("full_flow", "float", 0.05, 0.0001, 10.0, "fraction", "Growth with all 20 points"),
    Parameter("full_ratio", "float", 2.0, 1.01, 50.0, "", "Long/short ratio with all 5 points"),
    Parameter("funding_limit", "float", 0.0005, 0.00001, 0.1, "a settlement", "Above it: refused"),
    Parameter("retest_bonus", "float", 5.0, 0.0, 50.0, "points", "For each of two retests"),
    Parameter("squeeze_bonus", "float", 5.0, 0.0, 50.0, "points", "For a squeeze just before"),
    Parameter("squeeze_bars", "int", 10, 1, 500, "bars", "How long ago a squeeze still counts"),
    Parameter("min_inputs", "int", 0, 0, 3, "inputs", "Of funding, open interest, ratio: known"),
)


@dataclass(frozen=True, slots=True)
class Side:
    """One side at each bar: lines, parts of the score, the score, and why it is refused."""

    lines: dict[str, Floats]
    parts: dict[str, Floats]
    score: Floats
    refused: Floats

    @property
    def broken(self) -> NDArray[np.bool_]:
        """Where the line breaks at this very bar."""
        return np.asarray(self.lines["since"] == 0.0)

    @property
    def retested(self) -> NDArray[np.bool_]:
        """Where the broken line is come back to and holds."""
        return self.lines["retest"] > 0.0

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Where the oscillator falls back below the broken line."""
        return self.lines["fail"] > 0.0


@dataclass(frozen=True, slots=True)
class Sight:
    """Both sides, the oscillator, and which inputs are unknown."""

    rsi: Floats
    long: Side
    short: Side
    missing: Floats

    def features(self) -> dict[str, Floats]:
        """Return the score of the better side with its parts; equals are long."""
        first = self.long.score >= self.short.score
        parts = {
            name: np.where(first, self.long.parts[name], self.short.parts[name]) for name in PARTS
        }
        return {
            "rsi": self.rsi,
            "line": np.where(first, self.long.lines["line"], 100.0 - self.short.lines["line"]),
            **parts,
            "score": np.where(first, self.long.score, self.short.score),
            "side": np.where(first, 1.0, -1.0),
            "refused": np.where(first, self.long.refused, self.short.refused),
            "missing": self.missing,
        }


def look(bars: Bars, params: Params, *, least_anchor: float = -1.0) -> Sight:
    """Return what is seen of both sides; ``least_anchor`` is the height of a line's first pivot.

    The short side is the long side of the mirrored bars: the oscillator from 100, prices from 0.
    """
    rsi = ta("RSI", bars.close, timeperiod=params["rsi_period"])
    funding = scoring.funding_rate(bars.figure("funding"), bars.seconds)
    flow = scoring.growth(bars.figure("open_interest"), params["flow_bars"])
    ratio = bars.figure("long_short_ratio")
    squeezed = _squeezed(bars, params["squeeze_bars"])
    sides = []
    for side, y, price in ((1.0, rsi, bars.low), (-1.0, 100.0 - rsi, -bars.high)):
        lines = follow_lines(y, rules_of(params, least_anchor), params["left"], params["right"])
        crowd = scoring.sentiment_points(
            ratio,
            funding,
            side,
            full_ratio=params["full_ratio"],
            limit=params["funding_limit"],
        )
        parts = {
            "geometry": _geometry(lines, params),
            "momentum": _momentum(y, price, params),
            "flow": scoring.flow_points(flow, full=params["full_flow"]),
            "sentiment": crowd,
            "bonus": scoring.bonus_points(
                lines["retests"],
                squeezed,
                retest=params["retest_bonus"],
                squeeze=params["squeeze_bonus"],
            ),
        }
        refused = scoring.refused(
            side,
            funding,
            flow,
            ratio,
            limit=params["funding_limit"],
            min_inputs=params["min_inputs"],
        )
        sides.append(Side(lines, parts, scoring.total(*parts.values()), refused))
    return Sight(rsi, sides[0], sides[1], scoring.missing_mask(funding, flow, ratio))


def rules_of(params: Params, least_anchor: float) -> Rules:
    """Return what counts as a line."""
    return Rules(
        window=params["window"],
        tolerance=params["tolerance"],
        least_touches=params["least_touches"],
        steepest=params["steepest"],
        flattest=params["flattest"],
        least_anchor=least_anchor,
        memory=params["memory"],
    )


def _geometry(lines: dict[str, Floats], params: Params) -> Floats:
    return scoring.geometry_points(
        lines["touches"],
        lines["duration"],
        lines["slope"],
        full_touches=params["full_touches"],
        full_duration=params["full_duration"],
        steepest=params["steepest"],
    )


def _momentum(y: Floats, price: Floats, params: Params) -> Floats:
    slope = (y - shift(y, params["slope_bars"])) / params["slope_bars"]
    lows = pivots(y, params["left"], params["right"], highs=False)
    divergence = diverges(y, price, lows, params["divergence_bars"])
    return scoring.momentum_points(slope, divergence, full_slope=params["full_slope"])


def _squeezed(bars: Bars, recent: int) -> Floats:
    """Return 1 where the bands were within the channel at one of the last bars before this."""
    now = np.nan_to_num(squeeze(bars.high, bars.low, bars.close, 20, 2.0, 1.5))
    return np.nan_to_num(shift(rolling_max(now, recent), 1))
