"""Figures of a return series: every name, its formula and how it is annualised.

A figure that can't be told is None and ``explain`` has the reason; NaN never leaves this module.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid

Floats = NDArray[np.float64]
Figures = dict[str, float | None]
MICROSECONDS_PER_DAY = 86_400_000_000
# A spread below this share of the size is rounding, not variation.
FLAT = 1e-13


@dataclass(frozen=True, slots=True)
class Sample:
    """What the formulas see: observations of one column, missing ones left out.

    ``returns`` and ``excess`` go together; ``paired`` and ``market`` are excess returns at the
    times the benchmark has one too, ``active`` their difference before the risk-free rate.
    """

    returns: Floats
    excess: Floats
    paired: Floats
    market: Floats
    active: Floats
    ts: NDArray[np.int64] | None
    periods: float


Formula = Callable[[Sample], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure: what it is called, how it is computed, its unit."""

    title: str
    formula: str
    unit: str
    compute: Formula
    annualised: bool = False
    benchmark: bool = False
    least: int = 1


class Undefined(Exception):
    """The figure can't be told; the message says why."""


def _divide(part: float, whole: float, why: str) -> float:
    if whole == 0.0 or not np.isfinite(whole):
        raise Undefined(why)
    return part / whole


def _deviation(values: Floats) -> float:
    """Return the sample deviation; exactly 0 where only rounding varies."""
    spread = float(np.std(values, ddof=1))
    return 0.0 if spread <= FLAT * float(np.max(np.abs(values))) else spread


def wealth(returns: Floats) -> Floats:
    """Return the value of 1 after each return, ``(n + 1,)``, beginning with 1."""
    return np.concatenate(([1.0], np.cumprod(1.0 + returns)))


def drawdowns(returns: Floats) -> Floats:
    """Return the loss from the highest value so far, positive, ``(n + 1,)``, the start being 1."""
    value = wealth(returns)
    return 1.0 - value / np.maximum.accumulate(value)


def total_return(s: Sample) -> float:
    """Return the whole gain."""
    return float(np.prod(1.0 + s.returns) - 1.0)


def cagr(s: Sample) -> float:
    """Return the yearly growth that compounds to the whole gain."""
    growth = float(np.prod(1.0 + s.returns))
    if growth < 0.0 or (1.0 + s.returns).min() < 0.0:
        raise Undefined("the value fell below zero")
    return float(growth ** (s.periods / len(s.returns)) - 1.0)


def volatility(s: Sample) -> float:
    """Return the yearly sample deviation."""
    return _deviation(s.returns) * float(np.sqrt(s.periods))


def sharpe(s: Sample) -> float:
    """Return mean excess over its deviation, yearly."""
    spread = _deviation(s.excess)
    return _divide(float(s.excess.mean()), spread, "returns do not vary") * math.sqrt(s.periods)


def sharpe_geometric(s: Sample) -> float:
    """Return yearly growth over yearly volatility."""
    return _divide(cagr(s), volatility(s), "returns do not vary")


def downside_deviation(s: Sample) -> float:
    """Return the root of the mean squared loss, over all observations, yearly."""
    return float(np.sqrt(np.mean(np.minimum(s.returns, 0.0) ** 2) * s.periods))


def sortino(s: Sample) -> float:
    """Return mean excess over downside deviation, yearly."""
    return _divide(float(s.excess.mean()) * s.periods, downside_deviation(s), "no losses")


def max_drawdown(s: Sample) -> float:
    """Return the deepest loss from a peak, positive."""
    return float(drawdowns(s.returns).max())


def max_drawdown_days(s: Sample) -> float:
    """Return the longest time from a peak until it is regained, or the end, in days."""
    if s.ts is None:
        raise Undefined("no times were given")
    value = wealth(s.returns)[1:]
    top = np.maximum.accumulate(np.maximum(value, 1.0))
    at_top = value >= top
    at_top[0] = True
    peaks = np.maximum.accumulate(np.where(at_top, np.arange(len(value)), 0))
    before = np.concatenate(([0], peaks[:-1]))
    under = ~at_top
    regained = at_top & np.concatenate(([False], under[:-1]))
    span = np.where(under | regained, s.ts - s.ts[before], 0)
    return float(span.max() / MICROSECONDS_PER_DAY)


def calmar(s: Sample) -> float:
    """Return yearly growth over the deepest loss."""
    return _divide(cagr(s), max_drawdown(s), "there was no drawdown")


def omega(s: Sample) -> float:
    """Return gains over losses at a threshold of 0."""
    losses = float(np.maximum(-s.returns, 0.0).sum())
    return _divide(float(np.maximum(s.returns, 0.0).sum()), losses, "no losses")


def _moment(s: Sample, power: int) -> float:
    apart = s.returns - s.returns.mean()
    if _deviation(s.returns) == 0.0:
        raise Undefined("returns do not vary")
    return float(np.mean(apart**power) / np.mean(apart**2) ** (power / 2))


def skewness(s: Sample) -> float:
    """Return the population skewness."""
    return _moment(s, 3)


def excess_kurtosis(s: Sample) -> float:
    """Return the population kurtosis less 3."""
    return _moment(s, 4) - 3.0


def win_rate(s: Sample) -> float:
    """Return the share of gains among returns that are not 0."""
    moved = float(np.count_nonzero(s.returns))
    return _divide(float(np.count_nonzero(s.returns > 0.0)), moved, "no return differs from 0")


def profit_factor(s: Sample) -> float:
    """Return the sum of gains over the sum of losses."""
    return omega(s)


def payoff_ratio(s: Sample) -> float:
    """Return the mean gain over the mean loss."""
    gains, losses = s.returns[s.returns > 0.0], s.returns[s.returns < 0.0]
    if not len(gains) or not len(losses):
        raise Undefined("needs a gain and a loss")
    return float(gains.mean() / -losses.mean())


def tail_ratio(s: Sample) -> float:
    """Return the size of the 95th percentile over that of the 5th."""
    low, high = np.quantile(s.returns, [0.05, 0.95])
    return _divide(abs(float(high)), abs(float(low)), "the 5th percentile is 0")


def ulcer_index(s: Sample) -> float:
    """Return the root of the mean squared drawdown."""
    return float(np.sqrt(np.mean(drawdowns(s.returns)[1:] ** 2)))


def beta(s: Sample) -> float:
    """Return the slope of excess returns on the benchmark's."""
    apart = s.market - s.market.mean()
    if _deviation(s.market) == 0.0:
        raise Undefined("the benchmark does not vary")
    return float(apart @ (s.paired - s.paired.mean()) / (apart @ apart))


def alpha(s: Sample) -> float:
    """Return the intercept of that line, per period."""
    return float(s.paired.mean() - beta(s) * s.market.mean())


def alpha_annualised(s: Sample) -> float:
    """Return the intercept times the periods of a year."""
    return alpha(s) * s.periods


def r_squared(s: Sample) -> float:
    """Return the squared correlation with the benchmark."""
    if _deviation(s.market) == 0.0 or _deviation(s.paired) == 0.0:
        raise Undefined("a series does not vary")
    return float(np.corrcoef(s.paired, s.market)[0, 1] ** 2)


def tracking_error(s: Sample) -> float:
    """Return the yearly deviation of active returns."""
    return _deviation(s.active) * float(np.sqrt(s.periods))


def information_ratio(s: Sample) -> float:
    """Return mean active return over its deviation, yearly."""
    spread = _deviation(s.active)
    return _divide(float(s.active.mean()), spread, "active returns do not vary") * math.sqrt(
        s.periods
    )


def treynor(s: Sample) -> float:
    """Return yearly mean excess over beta."""
    return _divide(float(s.paired.mean()) * s.periods, beta(s), "beta is 0")


METRICS: dict[str, Metric] = {
    "total_return": Metric("Total return", "Π(1 + r) - 1", "fraction", total_return),
    "cagr": Metric("CAGR", "Π(1 + r)^(P / n) - 1", "fraction", cagr, annualised=True),
    "volatility": Metric(
        "Volatility", "sd(r) · √P, sample sd", "fraction", volatility, annualised=True, least=2
    ),
    "sharpe": Metric(
        "Sharpe", "mean(r - rf) / sd(r - rf) · √P", "ratio", sharpe, annualised=True, least=2
    ),
    "sharpe_geometric": Metric(
        "Sharpe, geometric",
        "CAGR / volatility",
        "ratio",
        sharpe_geometric,
        annualised=True,
        least=2,
    ),
    "sortino": Metric(
        "Sortino",
        "mean(r - rf) / √mean(min(r, 0)²) · √P, over all observations",
        "ratio",
        sortino,
        annualised=True,
    ),
    "calmar": Metric("Calmar", "CAGR / max drawdown", "ratio", calmar, annualised=True),
    "omega": Metric("Omega", "Σ max(r, 0) / Σ max(-r, 0)", "ratio", omega),
    "max_drawdown": Metric(
        "Max drawdown", "max(1 - V / peak V), V from 1", "fraction", max_drawdown
    ),
    "max_drawdown_days": Metric(
        "Longest drawdown",
        "longest time from a peak until regained or the end",
        "days",
        max_drawdown_days,
    ),
    "skewness": Metric("Skewness", "mean((r - μ)³) / σ³, population", "ratio", skewness, least=2),
    "excess_kurtosis": Metric(
        "Excess kurtosis", "mean((r - μ)⁴) / σ⁴ - 3, population", "ratio", excess_kurtosis, least=2
    ),
    "win_rate": Metric("Win rate", "count(r > 0) / count(r ≠ 0)", "fraction", win_rate),
    "profit_factor": Metric("Profit factor", "Σ gains / Σ losses", "ratio", profit_factor),
    "payoff_ratio": Metric("Payoff", "mean gain / mean loss", "ratio", payoff_ratio),
    "tail_ratio": Metric("Tail ratio", "|q95(r)| / |q5(r)|", "ratio", tail_ratio),
    "downside_deviation": Metric(
        "Downside deviation",
        "√mean(min(r, 0)²) · √P",
        "fraction",
        downside_deviation,
        annualised=True,
    ),
    "ulcer_index": Metric("Ulcer index", "√mean(drawdown²)", "fraction", ulcer_index),
    "alpha": Metric(
        "Alpha per period",
        "intercept of r - rf on b - rf, least squares",
        "fraction",
        alpha,
        benchmark=True,
        least=2,
    ),
    "alpha_annualised": Metric(
        "Alpha",
        "alpha · P",
        "fraction",
        alpha_annualised,
        annualised=True,
        benchmark=True,
        least=2,
    ),
    "beta": Metric(
        "Beta", "cov(r - rf, b - rf) / var(b - rf)", "ratio", beta, benchmark=True, least=2
    ),
    "r_squared": Metric(
        "R²", "corr(r - rf, b - rf)²", "fraction", r_squared, benchmark=True, least=2
    ),
    "tracking_error": Metric(
        "Tracking error",
        "sd(r - b) · √P",
        "fraction",
        tracking_error,
        annualised=True,
        benchmark=True,
        least=2,
    ),
    "information_ratio": Metric(
        "Information ratio",
        "mean(r - b) / sd(r - b) · √P",
        "ratio",
        information_ratio,
        annualised=True,
        benchmark=True,
        least=2,
    ),
    "treynor": Metric(
        "Treynor",
        "mean(r - rf) · P / beta",
        "fraction",
        treynor,
        annualised=True,
        benchmark=True,
        least=2,
    ),
}


def metrics(
    returns: Floats,
    *,
    periods: float,
    benchmark: Floats | None = None,
    rf: Floats | float = 0.0,
    ts: NDArray[np.int64] | None = None,
) -> Figures:
    """Return every figure of ``METRICS`` for one column.

    Parameters
    ----------
    returns
        ``(n,)`` simple returns; NaN is a missing observation and left out.
    periods
        Periods in a year.
    benchmark
        ``(n,)`` simple returns to compare with; without it those figures are left out.
    rf
        A yearly rate, brought to the period by (1 + rf)^(1/periods) - 1, or ``(n,)`` rates per
        period.
    ts
        ``(n,)`` microseconds since 1970, for figures in days.

    Raises
    ------
    Invalid
        For infinite values or lengths that differ.
    """
    return explain(returns, periods=periods, benchmark=benchmark, rf=rf, ts=ts)[0]


def explain(
    returns: Floats,
    *,
    periods: float,
    benchmark: Floats | None = None,
    rf: Floats | float = 0.0,
    ts: NDArray[np.int64] | None = None,
) -> tuple[Figures, dict[str, str]]:
    """Return the figures of ``metrics`` and, for each that is None, the reason."""
    sample = sample_of(returns, periods=periods, benchmark=benchmark, rf=rf, ts=ts)
    figures: Figures = {}
    reasons: dict[str, str] = {}
    for name, metric in METRICS.items():
        if metric.benchmark and benchmark is None:
            continue
        try:
            figures[name] = _figure(metric, sample)
        except Undefined as error:
            figures[name], reasons[name] = None, str(error)
    return figures, reasons


def _figure(metric: Metric, sample: Sample) -> float:
    there = len(sample.paired if metric.benchmark else sample.returns)
    if there < metric.least:
        message = f"needs {metric.least} observations, has {there}"
        raise Undefined(message)
    with np.errstate(all="ignore"):
        value = float(metric.compute(sample))
    if not np.isfinite(value):
        raise Undefined("the result is not finite")
    return value


def sample_of(
    returns: Floats,
    *,
    periods: float,
    benchmark: Floats | None = None,
    rf: Floats | float = 0.0,
    ts: NDArray[np.int64] | None = None,
) -> Sample:
    """Return the observations the formulas see. Raises ``Invalid`` as ``metrics`` does."""
    column = _column("returns", returns, len(returns))
    if not periods > 0:
        message = f"periods = {periods!r}; a year has a positive number of periods."
        raise Invalid(message, code="metrics.periods")
    free = _rate(rf, periods, len(column))
    there = np.isfinite(column) & np.isfinite(free)
    market = column if benchmark is None else _column("benchmark", benchmark, len(column))
    both = there & np.isfinite(market)
    return Sample(
        returns=column[there],
        excess=(column - free)[there],
        paired=(column - free)[both],
        market=(market - free)[both],
        active=(column - market)[both],
        ts=None if ts is None else np.asarray(ts)[there],
        periods=float(periods),
    )


def _rate(rf: Floats | float, periods: float, size: int) -> Floats:
    if np.ndim(rf):
        return _column("rf", np.asarray(rf), size)
    if not (np.isfinite(rf) and float(rf) > -1.0):
        message = f"rf = {rf!r}; a yearly rate is a finite fraction above -1."
        raise Invalid(message, code="metrics.rf")
    return np.full(size, (1.0 + float(rf)) ** (1.0 / periods) - 1.0)


def _column(name: str, values: Floats, size: int) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (size,):
        message = f"{name} is shaped {column.shape}; one column of {size} is expected."
        raise Invalid(message, code="metrics.shape")
    if np.isinf(column).any():
        message = f"{name} has {int(np.isinf(column).sum())} infinite value(s); leave them empty."
        raise Invalid(message, code="metrics.infinite")
    return column


def infer_periods(ts: NDArray[np.int64]) -> float:
    """Return the periods of a year from times in microseconds: 252, 52, 12, 365, … .

    Notes
    -----
    The median step decides: a day is 365 when at least one weekend day in ten is there, else 252;
    below a day a step counts around the clock likewise, else in sessions of 6.5 hours. Raises
    ``Invalid`` with fewer than two times.
    """
    if len(ts) < 2:
        message = "Periods per year can't be told from fewer than two times; pass --periods."
        raise Invalid(message, code="metrics.periods")
    step = float(np.median(np.diff(ts))) / MICROSECONDS_PER_DAY
    weekday = (np.asarray(ts) // MICROSECONDS_PER_DAY + 3) % 7
    around_the_clock = np.mean(weekday >= 5) > 0.1
    for days, periods in ((300, 1.0), (80, 4.0), (25, 12.0), (5, 52.0)):
        if step >= days:
            return periods
    if around_the_clock:
        return 365.0 / min(step, 1.0) if step < 1 else 365.0
    return 252.0 if step >= 0.5 else 252.0 * 6.5 / 24.0 / step
