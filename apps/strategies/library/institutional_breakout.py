"""Institutional breakout (V2): a line from an extreme, a cross of 60 and a retest."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.strategies.kernel import retests
from apps.strategies.kernel.breakouts import COMPONENTS, PARAMETERS, Side, look
from apps.strategies.kernel.retests import AT_REST, IN_TRADE, Levels
from apps.strategies.kernel.scoring import CROWD
from apps.strategies.kernel.windows import shift
from apps.strategies.library.base import (
    Bars,
    Features,
    Floats,
    Parameter,
    Params,
    SingleInstrument,
    Spec,
    View,
    refuse_params,
)


class InstitutionalBreakout(SingleInstrument):
    """Wait for the RSI to cross 60 after a line from above 70 broke, and enter on the retest.

    Source: the lab's own rule; the RSI is Wilder's (1978), its ranges Brown, C. (1999),
    "Technical Analysis for the Trading Professional".

    Notes
    -----
    - Lines as in the geometric breakout, but a bullish one must begin at a pivot above RSI
      ``anchor`` (70), a bearish one below 100 - ``anchor`` (30).
    - Per instrument a machine: IDLE → WAITING_RETEST when the RSI crosses ``cross`` (60; bearish
      40) no more than ``memory`` bars after such a line broke → IN_TRADE when it comes back to
      within ``near`` of it and holds → IDLE at ``leave``, or after ``hold_hours``.
    - The machine lives in the memory of whoever runs the strategy, as plain numbers, so it goes
      on over restarts for hours and days.
    - The gates and the score of the geometric breakout hold at the entry; the least score is 0
      unless ``threshold`` asks for one.
    """

    spec = Spec(
        name="institutional_breakout",
        title="Institutional breakout (V2)",
        about=(
            "After a trendline on the RSI that began beyond 70 (30) has broken, waits for the RSI "
            "to cross 60 (40), and enters when it comes back to that level and holds."
        ),
        source="Own rule; Wilder (1978), Brown (1999)",
        parameters=(
            Parameter("anchor", "float", 70.0, 50.0, 99.0, "RSI", "The first pivot is above it"),
            Parameter("cross", "float", 60.0, 50.0, 95.0, "RSI", "Level crossed and retested"),
            Parameter("near", "float", 2.0, 0.1, 20.0, "RSI points", "So near is a retest"),
            Parameter("away", "float", 3.0, 0.0, 40.0, "RSI points", "Gone beyond before it"),
            Parameter("lost", "float", 10.0, 0.1, 50.0, "RSI points", "So far back: no longer"),
            Parameter("leave", "float", 45.0, 1.0, 95.0, "RSI", "Below it a trade is over"),
            Parameter("wait_hours", "float", 72.0, 0.1, 10000.0, "hours", "Longest wait"),
            Parameter("hold_hours", "float", 240.0, 0.1, 100000.0, "hours", "Longest trade"),
            Parameter("threshold", "float", 0.0, 0.0, 100.0, "points", "Least score of an entry"),
            Parameter("short", "bool", default=True, about="Trade the bearish side as well"),
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
        if params["leave"] >= params["cross"] - params["near"]:
            raise refuse_params(
                self.spec, "leave", "leave is not below the retest; every entry would be left."
            )
        if params["lost"] <= params["near"]:
            raise refuse_params(self.spec, "lost", "lost is not beyond near.")
        between = params["left"] + 1
        return int(params["rsi_period"] + between * params["least_touches"] + params["right"])

    def rules(self, bars: Bars, params: Params) -> Features:
        """Return RSI, line, score with its parts, the machine's inputs, states and position."""
        self.warmup(params)
        sight = look(bars, params, least_anchor=params["anchor"])
        inputs = {
            "before": shift(sight.rsi, 1),
            "long_broke": lately(sight.long),
            "short_broke": lately(sight.short) * params["short"],
            "long_passes": passes(sight.long, params["threshold"]),
            "short_passes": passes(sight.short, params["threshold"]),
        }
        state, side = retests.walk(bars.ts, sight.rsi, *inputs.values(), levels=levels_of(params))
        position = np.where(state == IN_TRADE, side, 0.0)
        return {**sight.features(), **inputs, "state": state, "position": position}

    def decide(self, view: View, params: Params) -> Floats | None:
        """Step every instrument's machine by this bar; return weights where a position changes."""
        count = len(view.weights)
        machines: list[Any] = view.memory.setdefault(
            "machines", [list(AT_REST) for _ in range(count)]
        )
        levels = levels_of(params).numbers()
        out = np.full(count, np.nan)
        row = {name: view.features[name][view.i] for name in READ}
        for a in np.flatnonzero(np.isfinite(row["rsi"])).tolist():
            held = _side(machines[a])
            numbers = [float(row[name][a]) for name in READ]
            flags = [number > 0.0 for number in numbers[2:]]
            inputs: list[Any] = [*machines[a], float(view.ts), *numbers[:2], *flags, *levels]
            machines[a] = list(retests.step(*inputs))
            if _side(machines[a]) != held:
                out[a] = _side(machines[a]) / count
        return out if np.isfinite(out).any() else None


READ = ("rsi", "before", "long_broke", "short_broke", "long_passes", "short_passes")


def _side(machine: list[float]) -> float:
    return float(machine[1]) if machine[0] == IN_TRADE else 0.0


def levels_of(params: Params) -> Levels:
    """Return the machine's numbers."""
    names = ("cross", "near", "away", "lost", "leave", "wait_hours", "hold_hours")
    return Levels(**{name: float(params[name]) for name in names})


def lately(side: Side) -> Floats:
    """Return 1 while a broken line is remembered, else 0."""
    return np.isfinite(side.lines["since"]).astype(np.float64)


def passes(side: Side, threshold: float) -> Floats:
    """Return 1 where no gate refuses the side and its score is high enough, else 0."""
    passed = (side.refused == 0.0) & (side.score >= threshold)
    return np.asarray(passed, dtype=np.float64)
