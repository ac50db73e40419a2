"""Crossover of two simple moving averages."""

from __future__ import annotations

import numpy as np

from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.compiled import Compiled
from apps.strategies.kernel.decisions import Decisions, crossovers, sides
from apps.strategies.kernel.positions import compiled_on_change
from apps.strategies.kernel.windows import TIE, last_seen, of_own_bars, rolling_sum
from apps.strategies.library.base import Features, Floats, Parameter, Params, Spec, View


class SmaCrossover:
    """Long while the fast average of closes stands above the slow one.

    Source: Brock, W., Lakonishok, J. and LeBaron, B. (1992), "Simple Technical Trading Rules and
    the Stochastic Properties of Stock Returns", Journal of Finance 47(5): variable-length moving
    average rule without a band.

    Notes
    -----
    - Each of n instruments gets 1/n of equity, signed; averages count an instrument's own bars,
      and where it has no bar its signal stands.
    - Two averages are tied when they differ by less than 1e-12 of their size; a tie is flat.
    - Without ``short`` the rule looks at the state from the first slow average on. With ``short``
      it is always in the market once begun, so it begins at the first crossing, as the common
      reference implementations of the reversing rule do.
    - Only instruments whose signal changes are traded; between, weights drift.
    """

    spec = Spec(
        name="sma_crossover",
        title="SMA crossover",
        about=(
            "Long while the fast simple moving average of closes is above the slow one, else "
            "flat, or short when asked; a tie is flat. Each instrument gets an equal share. With "
            "short, the first position waits for the first crossing."
        ),
        source="Brock, Lakonishok and LeBaron (1992), Journal of Finance 47(5)",
        parameters=(
            Parameter("fast", "int", 10, 1, 1000, "bars", "Length of the fast average"),
            Parameter("slow", "int", 30, 2, 2000, "bars", "Length of the slow average"),
            Parameter("short", "bool", default=False, about="Sell short below the slow average"),
        ),
    )

    def warmup(self, params: Params) -> int:
        """Return the length of the slow average. Raises ``Invalid`` unless fast < slow."""
        if params["fast"] >= params["slow"]:
            message = (
                f"sma_crossover: fast = {params['fast']} is not below slow = {params['slow']}; "
                "choose a shorter fast average."
            )
            raise Invalid(message, code="params.out_of_range", details={"field": "params.fast"})
        return int(params["slow"])

    def prepare(self, panel: Panel, params: Params) -> Features:
        """Return the position wanted at each close: 1 long, 0 flat, -1 short; NaN before."""
        self.warmup(params)
        fast, slow = params["fast"], params["slow"]
        if panel.n_assets == 1 and np.isfinite(panel.close.sum()):
            side = sides(panel.close[:, 0], fast, slow)[:, None]
        else:
            side = last_seen(of_own_bars(panel.close, lambda close: _side(close, fast, slow)))
        if params["short"]:
            return {"position": _from_first_crossing(side)}
        return {"position": np.where(side < 0, 0.0, side)}

    def decide(self, view: View, params: Params) -> Floats | None:  # noqa: ARG002
        """Return new weights of the instruments whose position changes, NaN for the others."""
        wanted = np.nan_to_num(view.features["position"][view.i])
        changed = wanted != np.array(view.memory.get("position", [0.0] * len(wanted)))
        if not changed.any():
            return None
        view.memory["position"] = wanted.tolist()
        return np.where(changed, wanted / len(wanted), np.nan)

    def compiled(self, params: Params) -> Compiled:  # noqa: ARG002
        """Return the compiled twin of ``decide``."""
        return compiled_on_change()

    def targets(self, panel: Panel, params: Params) -> Floats:
        """Return the array twin of ``decide``."""
        wanted = np.nan_to_num(self.prepare(panel, params)["position"])
        before = np.vstack([np.zeros((1, wanted.shape[1])), wanted[:-1]])
        return np.where(wanted != before, wanted / wanted.shape[1], np.nan)

    def decisions(self, panel: Panel, params: Params) -> Decisions | None:
        """Return ``targets`` as the rows that change, compiled; None for more than one column."""
        if panel.n_assets != 1 or not np.isfinite(panel.close.sum()):
            return None
        self.warmup(params)
        fast, slow, short = params["fast"], params["slow"], params["short"]
        return crossovers(panel.close[:, 0], fast, slow, short=short)


def _side(close: Floats, fast: int, slow: int) -> Floats:
    """Return the sign of fast minus slow average, 0 for a tie, NaN before there is a slow one."""
    quick, calm = rolling_sum(close, fast) * slow, rolling_sum(close, slow) * fast
    gap = quick - calm
    return np.where(np.abs(gap) <= TIE * (np.abs(quick) + np.abs(calm)), 0.0, np.sign(gap))


def _from_first_crossing(side: Floats) -> Floats:
    """Return ``side`` with 0 up to the first bar at which it has changed from above to below."""
    seen_above = np.logical_or.accumulate(side > 0, axis=0)
    seen_below = np.logical_or.accumulate(side < 0, axis=0)
    begun = seen_above & seen_below
    return np.where(np.isnan(side), np.nan, np.where(begun, side, 0.0))
