"""Grades of risk models: every test on forecasts made a day ahead, and what they come to.

A grade is a colour with reasons. Several tests at several levels ask the same model, so each
p-value is taken times the number of all of them (Bonferroni): a right model is called yellow in at
most 5 % of all cases, and red in about 0.1 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from apps.core.errors import Invalid
from apps.risk.kernel.exceptions import (
    Verdict,
    conditional_coverage,
    exceptions,
    independence,
    kupiec,
    paired,
    too_many,
    traffic_light,
)
from apps.risk.kernel.grades_forecasts import (
    MODELS,
    WINDOW,
    Forecasts,
    forecast,
    forecast_positions,
    refit_every,
    window_for,
)
from apps.risk.kernel.grades_shortfall import regression_test, z_tests
from apps.risk.kernel.samples import Floats, Rows, clean_returns, tail_of

GREEN, YELLOW, RED, UNGRADED = "green", "yellow", "red", "ungraded"
ORDER = (GREEN, YELLOW, RED, UNGRADED)
LEVELS = (0.95, 0.99)
YELLOW_AT, RED_AT = 0.05, 0.001
SIMULATED = "monte_carlo"
# The newest days that are graded on the positions' own returns.
POSITION_DAYS = 500
# The newest days that are graded; older markets say little of today's model.
MOST_DAYS = 1000
WORDS = {
    "kupiec": "the number of exceptions",
    "independence": "exceptions in a row",
    "conditional_coverage": "number and order of exceptions",
    "z1": "how deep the losses beyond the VaR are (Z1)",
    "z2": "number and depth of losses beyond the VaR (Z2)",
    "esr": "the mean of the worst losses (regression)",
}


@dataclass(frozen=True, slots=True)
class Positions:
    """What a book holds now and what that returned: rows of all of it, shares in their order."""

    rows: Rows
    weights: Floats


@dataclass(frozen=True, slots=True)
class Grade:
    """What the tests say of one model's forecasts at one level."""

    level: float
    days: int
    exceptions: int
    expected: float
    zone: str
    multiplier: float | None
    tests: tuple[Verdict, ...]
    colour: str
    reasons: tuple[str, ...]
    score: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "level": self.level,
            "days": self.days,
            "exceptions": self.exceptions,
            "expected": self.expected,
            "zone": self.zone,
            "multiplier": self.multiplier,
            "colour": self.colour,
            "reasons": list(self.reasons),
            "score": self.score,
            "tests": {
                test.name: {"statistic": test.statistic, "p_value": test.p_value}
                for test in self.tests
            },
        }


def grade_forecasts(
    returns: ArrayLike, var: ArrayLike, es: ArrayLike, level: float, *, levels: int = 1
) -> Grade:
    """Grade the forecasts of value at risk and shortfall for the days of ``returns``.

    ``levels`` is at how many levels the model is graded in all.

    Raises ``Invalid`` as ``paired`` and ``scaled_losses`` do.
    """
    gains, quantiles, shortfalls = paired(returns, var, es)
    flags = exceptions(gains, quantiles)
    light = traffic_light(flags, level)
    found = [kupiec(flags, level), independence(flags), conditional_coverage(flags, level)]
    found += z_tests(gains, quantiles, shortfalls, level)
    regression = regression_test(gains, quantiles, shortfalls, level)
    tests = (*found, regression) if regression else tuple(found)
    expected = len(gains) * tail_of(level)
    count = int(flags.sum())
    colour, reasons = _judge(tests, len(tests) * levels, is_cautious=count < expected)
    if light.zone == RED and colour != RED:
        colour, reasons = RED, [*reasons, f"{count} exceptions are in Basel's red zone"]
    return Grade(
        level,
        len(gains),
        count,
        expected,
        light.zone,
        light.multiplier,
        tests,
        colour,
        tuple(reasons),
        joint_score(gains, quantiles, shortfalls, level),
    )


def _judge(tests: Sequence[Verdict], asked: int, *, is_cautious: bool) -> tuple[str, list[str]]:
    """Return colour and reasons. Too few exceptions cost money, not safety: yellow at most."""
    colour, reasons = GREEN, []
    for test in tests:
        chance = min(1.0, test.p_value * asked)
        if chance >= YELLOW_AT:
            continue
        careful = is_cautious and test.name in {"kupiec", "conditional_coverage"}
        now = RED if chance < RED_AT and not careful else YELLOW
        colour = max(colour, now, key=ORDER.index)
        how = "fewer than told" if careful else f"p {test.p_value:.2g} in {asked} tests"
        reasons.append(f"{WORDS[test.name]}: {how}")
    return colour, reasons


def joint_score(returns: ArrayLike, var: ArrayLike, es: ArrayLike, level: float) -> float:
    """Return the mean FZ0 loss of VaR and ES together; smaller is better.

    References
    ----------
    Patton, Ziegel and Chen (2019), Journal of Econometrics 211(2); Fissler and Ziegel (2016).
    """
    gains, quantiles, shortfalls = paired(returns, var, es)
    v, e = -quantiles, -np.maximum(shortfalls, 1e-12)
    below = np.where(gains <= v, v - gains, 0.0)
    return float(np.mean(-below / (tail_of(level) * e) + v / e + np.log(-e) - 1.0))


def backtest(
    returns: ArrayLike,
    level: float,
    method: str,
    *,
    window: int = WINDOW,
    positions: Positions | None = None,
) -> dict[str, Any]:
    """Return how a model's forecasts at one level did on a history, as JSON.

    ``positions`` are those that ``returns`` come from; Monte Carlo draws them jointly. Figures are
    those of one period by the house's terms, whatever else was asked for.

    Raises
    ------
    Invalid
        ``risk.method``, ``risk.level``, ``risk.grades.too_few``, ``risk.grades.constant``, those
        of ``clean_returns`` and of the method.
    """
    sample = clean_returns(returns)
    used = window_for(len(sample), window)
    sample = sample[-(used + MOST_DAYS) :]
    if positions is not None and method == SIMULATED:
        block = positions.rows.values[-len(sample) :]
        made = forecast_positions(block, positions.weights, [level], window=used)[level]
    else:
        made = forecast(sample, [level], method, window=used)[level]
    days = sample[used:]
    found = grade_forecasts(days, made.var, made.es, level)
    flags = exceptions(days, made.var)
    told = {
        test.name: {"statistic": test.statistic, "p_value": test.p_value} for test in found.tests
    }
    more = too_many(flags, level)
    return {
        "window": used,
        "days": found.days,
        "exceptions": found.exceptions,
        "expected": found.expected,
        "kupiec": told["kupiec"],
        "too_many": {"statistic": more.statistic, "p_value": more.p_value},
        "christoffersen": {name: told[name] for name in ("independence", "conditional_coverage")},
        "basel_zone": found.zone,
        "basel_multiplier": found.multiplier,
        "acerbi_szekely": {name: told[name] for name in ("z1", "z2")},
        "es_regression": told.get("esr"),
        "score": found.score,
        "colour": found.colour,
        "reasons": list(found.reasons),
    }


def grade_models(
    returns: ArrayLike,
    *,
    levels: Sequence[float] = LEVELS,
    window: int = WINDOW,
    models: Sequence[str] = tuple(MODELS),
    positions: Positions | None = None,
) -> dict[str, Any]:
    """Forecast and grade every model on one history of returns.

    Parameters
    ----------
    positions
        What the book holds: Monte Carlo is then graded on these, see ``grade_positions``.

    Returns
    -------
    dict
        ``window``, ``days``, ``models``: by name the grade at each level, the worst colour and
        the mean score, and ``why_not`` for a model that could not be graded; ``forecasts``: by
        model and level the figures told.

    Raises
    ------
    Invalid
        ``risk.grades.too_few``, ``risk.grades.constant`` and those of ``clean_returns``.
    """
    sample = clean_returns(returns)
    if float(np.ptp(sample)) == 0.0:
        message = f"All {len(sample)} returns are {sample[0]:g}; there is no risk to be told."
        raise Invalid(message, code="risk.grades.constant")
    window = window_for(len(sample), window)
    sample = sample[-(window + MOST_DAYS) :]
    days = sample[window:]
    found: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for model in models:
        if model == SIMULATED and positions is not None:
            found[model] = grade_positions(positions, levels=levels)
            continue
        try:
            made = forecast(sample, levels, model, window=window)
            found[model] = _graded(_grades(days, made))
        except Invalid as error:
            found[model] = _ungraded(error)
            continue
        told[model] = {
            f"{level:g}": {"var": f.var.tolist(), "es": f.es.tolist()} for level, f in made.items()
        }
    return {"window": window, "days": len(days), "models": found, "forecasts": told}


def grade_positions(
    positions: Positions, *, levels: Sequence[float] = LEVELS, window: int = WINDOW
) -> dict[str, Any]:
    """Return Monte Carlo's grade on the shares a book holds now, over their own past.

    Its ``basis`` says so in words: these are other days than the book's own returns, so that its
    score is not compared with that of the other models and it takes over from none of them.
    """
    block = positions.rows.values
    try:
        window = window_for(len(block), window)
        block = block[-(window + POSITION_DAYS) :]
        made = forecast_positions(block, positions.weights, levels, window=window)
        found = _graded(_grades(block[window:] @ positions.weights, made))
    except Invalid as error:
        found, block = _ungraded(error), block[:0]
    days, count = max(len(block) - window, 0), block.shape[1]
    every = refit_every(days, count) if days else 0
    words = f"Today's shares of {count} position(s) over their own last {days} common days"
    return {**found, "basis": f"{words}, fitted every {every} days." if days else f"{words}."}


def _graded(grades: Sequence[Grade]) -> dict[str, Any]:
    return {
        "colour": max((grade.colour for grade in grades), key=ORDER.index),
        "levels": [grade.as_dict() for grade in grades],
        "score": float(np.mean([grade.score for grade in grades])),
        "why_not": "",
    }


def _ungraded(error: Invalid) -> dict[str, Any]:
    return {"colour": UNGRADED, "levels": [], "score": None, "why_not": error.message}


def _grades(days: Floats, made: dict[float, Forecasts]) -> list[Grade]:
    count = len(made)
    return [
        grade_forecasts(days, told.var, told.es, level, levels=count)
        for level, told in made.items()
    ]


def choose(models: dict[str, Any], current: str) -> tuple[str, str]:
    """Return the model to be used from now on, and why in words (empty: nothing changes).

    A model stays until it turns red or cannot be graded. Then the one with the best colour and,
    among these, the smallest joint score of VaR and ES takes over; when all are red, the best of
    them stands in. Monte Carlo takes over from none: of one series it is the Student t, and of
    positions it was graded on other days than the rest.
    """
    now = models.get(current)
    if now is not None and now["colour"] in {GREEN, YELLOW}:
        return current, ""
    usable = {
        name: found
        for name, found in models.items()
        if found["score"] is not None and name != SIMULATED
    }
    if not usable:
        return current, ""
    best = min(
        usable, key=lambda name: (ORDER.index(usable[name]["colour"]), usable[name]["score"])
    )
    if best == current:
        return current, "every model is red; this one has the smallest score of all"
    colour = usable[best]["colour"]
    was = "was not graded" if now is None or now["score"] is None else "is red"
    note = "; every model is red" if colour == RED else ""
    return best, f"{current} {was}; {best} is {colour} and has the best score of its colour{note}"
