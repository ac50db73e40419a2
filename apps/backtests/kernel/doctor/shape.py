"""The shape of returns: smoothed, skewed, fading, under water, or the market's own."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.doctor import links
from apps.backtests.kernel.doctor.case import Case
from apps.backtests.kernel.doctor.findings import OK, Diagnosis, Reading, diagnosis
from apps.backtests.kernel.doctor.words import percent
from apps.backtests.kernel.integrity.sharpe import NORMAL, moments, sharpe_error

Floats = NDArray[np.float64]
GROUP = "Shape of returns"
FADING = "Does it last"
MARKET = "Beside the market"
LAGS, LEAST = 10, 60
FLAT = "The run has too few bars, or returns that don't vary."
NO_MARKET = "The run has no benchmark to be compared with."
PASSIVE = "A yardstick that buys and holds is the market it is compared with."


def _known(case: Case) -> Floats:
    return case.returns[np.isfinite(case.returns)]


@diagnosis(
    GROUP,
    "Smoothed returns flatter the Sharpe ratio",
    unit="ratio",
    warning=0.8,
    critical=0.5,
    below=True,
    measures=(
        "Sharpe ratio corrected for autocorrelation / as it is: 1/√(1 + 2 Σ (1 - k/11) r_k), "
        "k to 10; counts when the Ljung-Box test of 10 lags has p < 0.01"
    ),
    means="Returns that follow each other hide risk: a year is riskier than its bars suggest.",
    do="Look for stale or averaged prices first; else quote the corrected ratio.",
    source="Lo, The statistics of Sharpe ratios, FAJ 58 (2002); Ljung and Box (1978)",
)
def autocorrelation(case: Case) -> Reading | str:
    """Return what is left of the Sharpe ratio after the correction."""
    known = _known(case)
    if len(known) < LEAST or case.moments is None:
        return FLAT
    gaps = known - known.mean()
    rho = np.array([float(gaps[k:] @ gaps[:-k]) for k in range(1, LAGS + 1)]) / float(gaps @ gaps)
    k = np.arange(1, LAGS + 1)
    n = len(known)
    box = n * (n + 2) * float((rho**2 / (n - k)).sum())
    p = _chi_square_tail(box)
    spread = 1.0 + 2.0 * float(((1.0 - k / (LAGS + 1)) * rho).sum())
    ratio = 1.0 / math.sqrt(spread) if spread > 0.0 else math.inf
    says = (
        f"First autocorrelation {rho[0]:.2f}, Ljung-Box p = {p:.2g}: a Sharpe ratio of "
        f"{case.sharpe:.2f} is {case.sharpe * min(ratio, 9.0):.2f} once that is counted in."
    )
    counts = p < 0.01 and case.sharpe > 0.0
    most = "critical" if counts else OK
    where = (links.tab("sheet", "Rolling Sharpe"), links.field("timeframe", "Run on longer bars"))
    return Reading(min(ratio, 9.0), says, max(1.0 - ratio, 0.0), where, most)


def _chi_square_tail(x: float) -> float:
    """Return P(X > x) of a chi-square with 10 degrees of freedom."""
    half = x / 2.0
    terms = sum(half**i / math.factorial(i) for i in range(LAGS // 2))
    return min(math.exp(-half) * terms, 1.0) if half < 700.0 else 0.0


@diagnosis(
    GROUP,
    "It sells insurance",
    unit="skewness",
    note=-1.0,
    warning=-2.0,
    critical=-5.0,
    below=True,
    measures="skewness of returns by bar, when the Sharpe ratio is positive",
    means="Many small gains and rare large losses: the Sharpe ratio looks best before the loss.",
    do="Judge it by its worst bars and by expected shortfall, and size it for a worse one.",
    source="Goetzmann, Ingersoll, Spiegel and Welch, RFS 20 (2007)",
)
def negative_skew(case: Case) -> Reading | str:
    """Return the skewness of returns."""
    if case.moments is None or case.moments.n < LEAST:
        return FLAT
    if case.sharpe <= 0.0:
        return "The Sharpe ratio is not positive, so there is nothing that hides the losses."
    worst = np.argsort(np.nan_to_num(case.returns), kind="stable")[:3]
    mean = float(np.nanmean(case.returns))
    low = float(case.returns[worst[0]])
    says = (
        f"Skewness {case.moments.skewness:.2f}; the worst bar lost {percent(-low)}, as much as "
        f"{-low / mean:,.0f} average bars make."
    )
    where = tuple(_bar_of(case, int(at)) for at in worst)
    return Reading(case.moments.skewness, says, links=where)


def _bar_of(case: Case, at: int) -> links.Link:
    first, last = max(at - 4, 0), min(at + 6, len(case.ts) - 1)
    return links.span(case.ts[first], case.ts[last], links.on(case.ts[at + 1]))


@diagnosis(
    GROUP,
    "The price stands still while it holds",
    unit="fraction",
    note=0.05,
    warning=0.2,
    measures="bars with a return of exactly 0 while something was held / bars with something held",
    means="Marks that don't move are old prices; volatility and drawdown are understated.",
    do="Check the closes of these stretches, or use bars as long as the prices are fresh.",
    source="stale prices: Getmansky, Lo and Makarov, JFE 74 (2004)",
)
def stale_marks(case: Case) -> Reading | str:
    """Return how many bars had no return at all while something was held."""
    held = np.nan_to_num(case.exposure[:-1]) > 0.0
    n = int(held.sum())
    if n < LEAST:
        return "Hardly anything was held."
    still = held & (case.returns == 0.0)
    share = float(still.sum()) / n
    first = np.flatnonzero(still)[:3]
    says = f"In {percent(share)} of {n:,} bars with something held, equity did not move at all."
    return Reading(share, says, share, tuple(_bar_of(case, int(at)) for at in first))


@diagnosis(
    GROUP,
    "A deep drawdown",
    unit="fraction",
    note=0.3,
    warning=0.5,
    critical=0.9,
    measures="largest loss of equity from its highest value before",
    means="After a loss of a half it takes a doubling to come back; few hold on until then.",
    do="Size it so that the worst of a thousand reshuffled records is bearable.",
    source="a loss of x needs a gain of x / (1 - x)",
)
def deep_drawdown(case: Case) -> Reading | str:
    """Return the largest drawdown."""
    if not len(case.equity):
        return "The run has no bars."
    at = int(np.argmax(case.drawdown))
    top = int(np.argmax(case.equity[: at + 1]))
    low = float(case.drawdown[at])
    back = f"a gain of {percent(low / (1.0 - low))} makes it good" if low < 1.0 else "nothing left"
    says = f"It lost {percent(low)} from {links.on(case.ts[top])} to {links.on(case.ts[at])}; "
    return Reading(low, f"{says}{back}.", links=(links.span(case.ts[top], case.ts[at]),))


@diagnosis(
    FADING,
    "It was better once",
    unit="p",
    note=0.1,
    warning=0.025,
    below=True,
    measures="one-sided p-value that the second half's Sharpe ratio is as high as the first's",
    means="Ideas fade when others find them; the newer half is the better forecast.",
    do="Judge it by the second half, and ask when and why it changed.",
    source="z-test of two Sharpe ratios, errors of Mertens (2002); McLean and Pontiff (2016)",
)
def second_half(case: Case) -> Reading | str:
    """Return how sure it is that the second half is worse."""
    half = len(case.returns) // 2
    first, second = moments(case.returns[:half]), moments(case.returns[half:])
    if half < LEAST or first is None or second is None:
        return FLAT
    error = math.hypot(sharpe_error(first), sharpe_error(second))
    gap = second.sharpe - first.sharpe
    p = NORMAL.cdf(gap / error) if error > 0.0 else float(gap >= 0.0)
    scale = math.sqrt(case.periods)
    says = (
        f"Sharpe {first.sharpe * scale:.2f} in the first half, {second.sharpe * scale:.2f} in "
        f"the second, from {links.on(case.ts[half + 1])}: p = {p:.2g} for no fall."
    )
    most = OK if first.sharpe <= 0.0 else "critical"
    where = (links.span(case.ts[half + 1], case.ts[-1], "second half"),)
    return Reading(p, says, links=where, at_most=most)


@diagnosis(
    FADING,
    "Nothing was left in the last year",
    unit="Sharpe",
    note=0.0,
    warning=-1.0,
    below=True,
    measures="Sharpe ratio of the last year, when that of all is above 0.5; from 3 years on",
    means="One bad year proves little, but it is the year nearest to what comes.",
    do="Watch it on paper before capital goes in.",
    source="one year's ratio has an error of about 1",
)
def recent_year(case: Case) -> Reading | str:
    """Return the Sharpe ratio of the last year."""
    year = round(case.periods)
    last = moments(case.returns[-year:])
    if case.years < 3.0 or last is None:
        return "The record is shorter than three years, or its last year does not vary."
    if not case.sharpe > 0.5:
        return "The Sharpe ratio of the whole record is not above 0.5."
    ratio = last.sharpe * math.sqrt(case.periods)
    made = math.expm1(float(np.nansum(case.growth[-year:])))
    says = (
        f"The last year made {percent(made)} at Sharpe {ratio:.2f}, all of it {case.sharpe:.2f}."
    )
    return Reading(ratio, says, links=(links.span(case.ts[-year], case.ts[-1], "last year"),))


@diagnosis(
    FADING,
    "It ends in a drawdown",
    unit="fraction",
    note=0.5,
    warning=0.8,
    measures="drawdown at the last bar / the largest; counts from a drawdown of 5 % on",
    means="The record stops while it loses; how far down it goes is not known.",
    do="Add the newest bars. Compare with drawdowns of reshuffled trades.",
)
def open_drawdown(case: Case) -> Reading | str:
    """Return how deep it stands beside its deepest."""
    if not len(case.equity) or case.drawdown.max() <= 0.0:
        return "It was never under water."
    now, most = float(case.drawdown[-1]), float(case.drawdown.max())
    top = _last_top(case)
    says = (
        f"It ends {percent(now)} below its highest value of {links.on(case.ts[top])}; its "
        f"deepest was {percent(most)}."
    )
    at_most = "critical" if now >= 0.05 else OK
    where = (links.span(case.ts[top], case.ts[-1]),)
    return Reading(now / most, says, links=where, at_most=at_most)


def _last_top(case: Case) -> int:
    return int(np.argmax(np.nan_to_num(case.equity)))


@diagnosis(
    FADING,
    "Long under water",
    unit="years",
    note=1.0,
    warning=2.0,
    measures="longest time from a highest value of equity until it is reached again, or the end",
    means="Few stay with an idea that long, and nobody knows meanwhile whether it is dead.",
    do="Decide beforehand after how long without a new high it is stopped.",
)
def long_under_water(case: Case) -> Reading | str:
    """Return the longest time under water."""
    if len(case.equity) < 2:
        return "The run has fewer than two bars."
    tops = np.flatnonzero(np.r_[True, case.drawdown[1:] <= 0.0])
    ends = np.r_[tops[1:], len(case.equity) - 1]
    at = int(np.argmax(ends - tops))
    years = float(ends[at] - tops[at]) / case.periods
    where = links.span(case.ts[tops[at]], case.ts[ends[at]])
    says = f"{years:.1f} years passed without a new high: {where.label}."
    return Reading(years, says, links=(where,))


@diagnosis(
    MARKET,
    "It is the benchmark",
    unit="fraction",
    note=0.8,
    warning=0.9,
    measures="R² of its returns on the benchmark's; counts when alpha has a t-value below 2",
    means="What it earns is what the benchmark earns; that can be had for less.",
    do="Hedge the beta away and look at what is left, or hold the benchmark.",
    source="one-factor regression; standard error of ordinary least squares",
)
def only_beta(case: Case) -> Reading | str:
    """Return how much of it the benchmark explains."""
    found = _regressed(case)
    if isinstance(found, str):
        return found
    alpha, beta, r2, t = found
    says = (
        f"The benchmark explains {percent(r2)} of its variance: beta {beta:.2f}, alpha "
        f"{percent(alpha * case.periods)} a year with t = {t:.1f}."
    )
    where = (links.tab("risk", "Risk and factors"), links.field("benchmark"))
    return Reading(r2, says, r2, where, "critical" if t < 2.0 else OK)


def _both(case: Case) -> tuple[Floats, Floats]:
    known = np.isfinite(case.returns) & np.isfinite(case.market)
    return case.returns[known], case.market[known]


def _regressed(case: Case) -> tuple[float, float, float, float] | str:
    """Return alpha and beta by bar, R² and the t-value of alpha."""
    if case.passive:
        return PASSIVE
    mine, theirs = _both(case)
    if len(mine) < LEAST:
        return NO_MARKET
    n, gaps = len(mine), theirs - theirs.mean()
    across = float(gaps @ gaps)
    all_of_it = float(((mine - mine.mean()) ** 2).sum())
    if across <= 1e-18 or all_of_it <= 1e-18:
        return FLAT
    beta = float(gaps @ mine) / across
    alpha = float(mine.mean() - beta * theirs.mean())
    rest = float(((mine - alpha - beta * theirs) ** 2).sum())
    error = math.sqrt(rest / (n - 2) * (1.0 / n + float(theirs.mean()) ** 2 / across))
    t = alpha / error if error > 0.0 else math.copysign(math.inf, alpha) if alpha else 0.0
    return alpha, beta, max(1.0 - rest / all_of_it, 0.0), t


@diagnosis(
    MARKET,
    "The benchmark did better",
    unit="Sharpe",
    note=-0.1,
    warning=-0.25,
    below=True,
    measures="Sharpe ratio per year minus the benchmark's on the same bars",
    means="The rule costs work and fees, and took away from what holding would have given.",
    do="Say what it is for, if not for return over risk: else hold the benchmark.",
)
def behind_benchmark(case: Case) -> Reading | str:
    """Return the Sharpe ratio beyond the benchmark's."""
    if case.passive:
        return PASSIVE
    mine, theirs = map(moments, _both(case))
    if mine is None or theirs is None or mine.n < LEAST:
        return NO_MARKET
    scale = math.sqrt(case.periods)
    gap = (mine.sharpe - theirs.sharpe) * scale
    label = (case.result.get("benchmark") or {}).get("label") or "the benchmark"
    says = f"Sharpe {mine.sharpe * scale:.2f} against {theirs.sharpe * scale:.2f} of {label}."
    return Reading(gap, says, links=(links.field("benchmark"),))


@diagnosis(
    MARKET,
    "It falls with the market when it matters",
    unit="beta",
    note=0.2,
    warning=0.4,
    measures="beta on bars in which the benchmark was below its mean, minus beta on all bars",
    means="A hedge or a market-neutral book that turns long in a fall fails when it is needed.",
    do="Look at the worst bars of the benchmark one by one; cap net exposure there.",
    source="downside beta: Ang, Chen and Xing, RFS 19 (2006)",
)
def downside_beta(case: Case) -> Reading | str:
    """Return by how much beta rises in falling markets."""
    if case.passive:
        return PASSIVE
    mine, theirs = _both(case)
    low = theirs < theirs.mean() if len(theirs) else np.zeros(0, np.bool_)
    if int(low.sum()) < LEAST or theirs[low].std() <= 1e-12:
        return NO_MARKET
    every, down = _beta(mine, theirs), _beta(mine[low], theirs[low])
    says = f"Beta {every:.2f} in all, {down:.2f} on the {int(low.sum()):,} bars it was needed."
    known = np.flatnonzero(np.isfinite(case.returns) & np.isfinite(case.market))
    worst = known[np.argsort(theirs, kind="stable")[:3]]
    return Reading(down - every, says, links=tuple(_bar_of(case, int(at)) for at in worst))


def _beta(mine: Floats, theirs: Floats) -> float:
    gaps = theirs - theirs.mean()
    return float(gaps @ mine) / float(gaps @ gaps)


DIAGNOSES: tuple[Diagnosis, ...] = (
    autocorrelation,
    negative_skew,
    stale_marks,
    deep_drawdown,
    second_half,
    recent_year,
    open_drawdown,
    long_under_water,
    only_beta,
    behind_benchmark,
    downside_beta,
)
