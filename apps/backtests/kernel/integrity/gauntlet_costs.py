"""At which cost a run earns nothing, and with how much money: found with the engine itself.

References
----------
Torre and Ferrari (1997), Market Impact Model Handbook, BARRA: impact of the square root of the
share of volume, about one day's volatility for a day's volume; Almgren, Thum, Hauptmann and Li
(2005), Direct Estimation of Equity Market Impact, Risk 18(7): a power near it, 3/5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from apps.backtests.kernel.costs import BPS, MAX_BPS, MAX_YEARLY_BPS
from apps.backtests.kernel.integrity.gauntlet import Score, Setting, score_of
from apps.backtests.kernel.reports import player
from apps.backtests.kernel.results import Result
from apps.core.errors import Invalid, LabError
from apps.strategies.kernel.decisions import Decided

STEPS_BPS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, MAX_BPS)
# Half decades of money.
SIZES = tuple(10.0 ** (k / 2) for k in range(8, 25))
NEAR_BPS, NEAR_SHARE = 0.005, 0.005
USUAL_PARTICIPATION = 0.10
FIGURES = ("total_return", "sharpe")
Play = Callable[[float], Score]


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a figure falls to a level as something grows; ``at`` is None when it never does.

    ``state`` is found, never (it is at or below the level from the first on) or always (it stays
    above to the last).
    """

    at: float | None
    state: str
    is_falling: bool


def crossing(
    play: Callable[[float], float], steps: Sequence[float], level: float, near: Callable[..., bool]
) -> Crossing:
    """Return where ``play`` first comes down to ``level``, by halving the step it does it in.

    Parameters
    ----------
    play
        The figure at a point; called at every step first.
    near
        Tells of two ends whether they are near enough.
    """
    values = [play(step) for step in steps]
    falling = all(later <= earlier for earlier, later in pairwise(values))
    if not values[0] > level:
        return Crossing(None, "never", falling)
    below = next((k for k, value in enumerate(values) if not value > level), None)
    if below is None:
        return Crossing(None, "always", falling)
    low, high = steps[below - 1], steps[below]
    while not near(low, high):
        middle = (low + high) / 2.0
        low, high = (middle, high) if play(middle) > level else (low, middle)
    return Crossing((low + high) / 2.0, "found", falling)


def break_even(setting: Setting, decided: Decided) -> dict[str, Any]:
    """Return the cost per side, bps, at which the run earns nothing, by total return and Sharpe.

    The cost stands in place of fee, slippage, fee per unit and schedule; spread, impact,
    borrowing, interest and funding stay those of the run. What was decided is not decided anew,
    unless it rests on what was filled.
    """
    costs = setting.request.costs

    @cache
    def play(bps: float) -> Score:
        plain = replace(
            costs, fee_bps=bps, slippage_bps=0.0, maker_bps=None, per_unit=0.0, schedule=()
        )
        result = player(setting.request, costs=plain)(setting.panel, decided)
        return score_of(result, setting.periods)

    found: dict[str, Any] = {"paid_bps": (costs.fee + costs.slippage) / BPS}
    for name in FIGURES:

        def figure(bps: float, name: str = name) -> float:
            return float(getattr(play(bps), name))

        at = crossing(figure, STEPS_BPS, 0.0, _near_cost)
        found[name] = {"bps": at.at, "state": at.state, "says": _says(at), "falls": at.is_falling}
    found["curve"] = [
        {"bps": bps, **{name: _finite(getattr(play(bps), name)) for name in FIGURES}}
        for bps in STEPS_BPS
    ]
    return found


def _near_cost(low: float, high: float) -> bool:
    return high - low <= NEAR_BPS


def _says(at: Crossing) -> str:
    words = {
        "never": "is nothing even free of fee and slippage",
        "always": f"still stands at {MAX_BPS:g} bps a side",
        "found": f"is nothing from {at.at or 0.0:.2f} bps a side on",
    }[at.state]
    if at.is_falling or at.state != "found":
        return words
    return words + "; it does not fall with every step of cost, so this is where it first does"


def capacity(setting: Setting, decided: Decided) -> dict[str, Any]:
    """Return the money with which impact halves the Sharpe ratio, takes it all, or volume binds.

    Impact is the run's own, or else the square-root law at the volatility of a bar: a trade as
    large as its bar's volume moves the price by it, a smaller one by the root of its share.

    Returns
    -------
    dict
        JSON-ready; ``refused`` says why there is none, such as bars without volume.
    """
    try:
        return _capacity(setting, decided)
    except LabError as error:
        return {"refused": {"code": error.code, "message": error.message}}


def _capacity(setting: Setting, decided: Decided) -> dict[str, Any]:
    request, costs = setting.request, setting.request.costs
    if request.finalize or request.fill == "close":
        message = (
            "The run fills in a way that serves comparisons only; impact is not played there."
        )
        raise Invalid(message, code="capacity.comparison_only", details={"field": "fill"})
    still = replace(request, execution={**request.execution, "participation": None})
    free = player(still, costs=replace(costs, impact_bps=0.0))(setting.panel, decided)
    shares = _shares(setting, free)
    own = costs.impact_bps
    impact = own or min(volatility_bps(setting, free), MAX_YEARLY_BPS)

    @cache
    def play(size: float) -> Score:
        run = player(request, cash=size, costs=replace(costs, impact_bps=impact))
        return score_of(run(setting.panel, decided), setting.periods)

    base = score_of(free, setting.periods).sharpe
    law = "the run's own" if own else "the square-root law at the volatility of a bar"
    found: dict[str, Any] = {
        "refused": None,
        "sharpe": _finite(base),
        "impact_bps": impact,
        "impact": law,
        "currency": setting.panel.currency or "USD",
        "participation": _binding(setting, shares),
    }
    for name, level in (("half", base / 2.0), ("nothing", 0.0)):
        at = Crossing(None, "never", is_falling=True)
        if base > 0.0:
            at = crossing(lambda size: play(size).sharpe, SIZES, level, _near_size)
        found[name] = {"size": at.at, "state": at.state, "says": _size_says(at, base)}
    sizes = SIZES if base > 0.0 else ()
    found["curve"] = [{"size": size, "sharpe": _finite(play(size).sharpe)} for size in sizes]
    return found


def _near_size(low: float, high: float) -> bool:
    return high - low <= NEAR_SHARE * low


def _shares(setting: Setting, result: Result) -> Any:
    """Return each fill's share of its bar's volume. Raises ``Invalid`` where none is known."""
    fills = result.fills
    volume = setting.panel.volume[fills.bar, fills.asset]
    known = np.isfinite(volume) & (volume > 0.0)
    if not len(fills) or not known.all():
        missing = len(fills) - int(known.sum())
        message = (
            f"{missing} of {len(fills)} fills are in bars without a volume, and impact is a "
            "matter of volume. Choose instruments and dates that have volumes."
        )
        raise Invalid(message, code="capacity.no_volume", details={"field": "volume"})
    return np.abs(fills.quantity) / volume


def volatility_bps(setting: Setting, result: Result) -> float:
    """Return the volatility of a bar, bps: that of each instrument by the value traded in it."""
    from apps.backtests.kernel.integrity.gauntlet_bars import past_of

    fills, spread = result.fills, past_of(setting.panel).returns.std(axis=0, ddof=1)
    value = np.abs(fills.quantity * fills.price * fills.fx)
    traded = np.bincount(fills.asset, weights=value, minlength=len(spread))
    return float(spread @ traded / traded.sum() / BPS)


def _binding(setting: Setting, shares: Any) -> dict[str, Any]:
    """Return the money with which fills reach the largest share of volume: one, one in twenty."""
    own = setting.request.execution.get("participation")
    most, cash = own or USUAL_PARTICIPATION, setting.request.cash
    return {
        "limit": most,
        "is_own": bool(own),
        "first": float(cash * most / shares.max()),
        "one_in_twenty": float(cash * most / np.quantile(shares, 0.95)),
    }


def _size_says(at: Crossing, base: float) -> str:
    if not base > 0.0:
        return "there is no Sharpe ratio above 0 to lose"
    return {
        "never": f"below {in_words(SIZES[0])}",
        "always": f"above {in_words(SIZES[-1])}",
        "found": in_words(at.at or 0.0),
    }[at.state]


def in_words(size: float) -> str:
    """Return an amount of money to three digits: 10.5 billion."""
    for unit, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if size >= 0.9995 * unit:
            return f"{size / unit:.3g} {name}"
    return f"{size:.3g}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
