"""Whether a few trades, days, instruments or one side make the whole result."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.doctor import links
from apps.backtests.kernel.doctor.case import Case
from apps.backtests.kernel.doctor.findings import OK, WARNING, Diagnosis, Reading, diagnosis
from apps.backtests.kernel.doctor.words import count, money, percent, without

Floats = NDArray[np.float64]
NORMAL = NormalDist()
GROUP = "What makes the return"
NO_PROFIT = "The trades made no profit, so nothing in particular made it."
NO_GROWTH = "Equity did not grow, so nothing in particular made it."
LEAST_TRADES, FIVE, LEAST_FOR_FIVE = 5, 5, 25
LEAST_BARS, TEN = 250, 10
MONTHS, YEARS, SYMBOLS, A_SIDE = 12, 3, 5, 5
PER_CLOCK = 30
DAYS = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")
MICROS_PER_HOUR = 3_600_000_000


@diagnosis(
    GROUP,
    "It made no money",
    unit="fraction",
    critical=0.0,
    below=True,
    measures="equity at the end / starting cash, minus 1",
    means="Nothing else on this page matters before this: there is no result to explain.",
    do="Ask whether the idea was wrong or its costs were: look at the profit before costs.",
)
def no_profit(case: Case) -> Reading | str:
    """Return what it made in all."""
    if not len(case.equity) or case.start_cash <= 0.0:
        return "The run has no bars."
    made = case.profit / case.start_cash
    says = f"It made {money(case.profit)} of {money(case.start_cash)}: {percent(made)}."
    if not case.traded:
        says = "Nothing was traded on these dates."
    return Reading(made, says, 1.0, (links.tab("trades", "All trades"),))


@diagnosis(
    GROUP,
    "One trade makes the return",
    unit="fraction",
    note=0.25,
    warning=0.5,
    critical=1.0,
    measures="profit of the best trade / profit of all trades; from 5 trades on",
    means="A result that hangs on one trade is one observation, whatever its Sharpe ratio.",
    do="Look at that trade first: was the price real, could it be had? Judge the rest without it.",
    source="leave-one-out influence; at 1 nothing is left without it",
)
def best_trade(case: Case) -> Reading | str:
    """Return what the best trade made of it all."""
    if len(case.pnl) < LEAST_TRADES:
        return f"There are {count(len(case.pnl), 'trade')}; it takes {LEAST_TRADES}."
    if case.made <= 0.0:
        return NO_PROFIT
    n = int(np.nanargmax(case.pnl))
    share = float(case.pnl[n]) / case.made
    symbol = str(case.trades["symbol"][n])
    says = (
        f"The best trade, {symbol}, made {money(case.pnl[n])} of {money(case.made)} "
        f"({percent(share)}); without it {without(case.made - case.pnl[n])}."
    )
    at = int(case.trades["exit_ts"][n])
    where = (links.row("trades", n, case.trade_words(n)), links.bar(symbol, at))
    return Reading(share, says, share, where)


@diagnosis(
    GROUP,
    "Five trades make the return",
    unit="fraction",
    note=0.5,
    warning=1.0,
    critical=2.0,
    measures="profit of the five best trades / profit of all trades; from 25 trades on",
    means="Trend followers live on few trades; but then the record must hold many such few.",
    do="Read the five trades. If they share a date or an instrument they are one event.",
    source="at 1 all others together made nothing, at 2 they lost as much as was made",
)
def best_five_trades(case: Case) -> Reading | str:
    """Return what the five best trades made of it all."""
    if len(case.pnl) < LEAST_FOR_FIVE:
        return f"There are {count(len(case.pnl), 'trade')}; it takes {LEAST_FOR_FIVE}."
    if case.made <= 0.0:
        return NO_PROFIT
    best = np.argsort(-np.nan_to_num(case.pnl), kind="stable")[:FIVE]
    five = float(case.pnl[best].sum())
    says = (
        f"The five best of {count(len(case.pnl), 'trade')} made {money(five)} of "
        f"{money(case.made)}; without them {without(case.made - five)}."
    )
    where = tuple(links.row("trades", int(n), case.trade_words(int(n))) for n in best)
    return Reading(five / case.made, says, five / case.made, where)


@diagnosis(
    GROUP,
    "A few bars make the return",
    unit="ratio",
    warning=0.5,
    critical=0.25,
    below=True,
    measures=(
        "bars, best first, that hold all growth / those it would take were growth normal with "
        "the same mean and deviation in bars that moved; from 250 bars on"
    ),
    means="Every record has best days; here far fewer than chance explains hold all of it.",
    do="Open the bars: news, a bad price, or a position larger than it should be?",
    source="normal order statistics; critical only when 10 bars or fewer hold all",
)
def best_bars(case: Case) -> Reading | str:
    """Return how few bars hold the growth, beside how few chance would need."""
    growth = np.nan_to_num(case.growth)
    total = float(growth.sum())
    if len(growth) < LEAST_BARS:
        return f"There are {count(len(growth), 'bar')}; it takes {LEAST_BARS}."
    if total <= 0.0:
        return NO_GROWTH
    order = np.argsort(-growth, kind="stable")
    # Bars with nothing held are none that chance had a say in.
    found, expected = _needed(growth[order], total), _needed(_normal(growth[growth != 0.0]), total)
    left, whole = total_without(growth, order[:TEN]), math.expm1(total)
    says = (
        f"The best {count(found, 'bar')} of {len(growth):,} hold all of the growth; normal "
        f"returns with this mean and deviation would take {expected:,}. Without the ten best "
        f"the return of {percent(whole)} is {percent(left)}."
    )
    where = tuple(_around(case, int(at)) for at in order[:3])
    most = WARNING if found > TEN else "critical"
    return Reading(found / max(expected, 1), says, 1.0 - left / whole, where, most)


def total_without(growth: Floats, which: NDArray[np.int64]) -> float:
    """Return the simple return that is left without some bars."""
    return math.expm1(float(growth.sum() - growth[which].sum()))


def _needed(falling: Floats, total: float) -> int:
    reached = np.flatnonzero(np.cumsum(falling) >= total - 1e-12)
    return int(reached[0]) + 1 if len(reached) else len(falling)


def _normal(growth: Floats) -> Floats:
    """Return normal quantiles with the mean and deviation of a sample, the largest first."""
    n, mean, spread = len(growth), float(growth.mean()), float(growth.std())
    return np.array([mean + spread * NORMAL.inv_cdf((n - i - 0.5) / n) for i in range(n)])


def _around(case: Case, at: int) -> links.Link:
    """Point at the bar after return ``at`` with a few around it."""
    first, last = max(at + 1 - 5, 0), min(at + 1 + 5, len(case.ts) - 1)
    return links.span(case.ts[first], case.ts[last], links.on(case.ts[at + 1]))


def _by_period(case: Case, unit: str) -> tuple[NDArray[np.int64], Floats]:
    """Return calendar periods of the bars after the first, and the growth in each."""
    stamp = case.ts[1:].astype("datetime64[us]").astype(f"datetime64[{unit}]").astype(np.int64)
    names, place = np.unique(stamp, return_inverse=True)
    growth = np.zeros(len(names))
    np.add.at(growth, place.reshape(-1), np.nan_to_num(case.growth))
    return names, growth


def _best_period(case: Case, unit: str, least: int, noun: str) -> Reading | str:
    if len(case.ts) < 2:
        return "The run has fewer than two bars."
    names, growth = _by_period(case, unit)
    total = float(growth.sum())
    if len(names) < least:
        return f"The record spans {count(len(names), noun)}; it takes {least}."
    if total <= 0.0:
        return NO_GROWTH
    best = int(np.argmax(growth))
    start = np.datetime64(int(names[best]), unit)  # type: ignore[call-overload]
    says = (
        f"The best {noun}, {start}, gave {percent(math.expm1(growth[best]))} of "
        f"{percent(math.expm1(total))}; the other {len(names) - 1} together gave "
        f"{percent(math.expm1(total - growth[best]))}."
    )
    inside = np.flatnonzero(
        case.ts.astype("datetime64[us]").astype(f"datetime64[{unit}]").astype(np.int64)
        == names[best]
    )
    where = (links.span(case.ts[inside[0]], case.ts[inside[-1]], str(start)),)
    share = float(growth[best]) / total
    return Reading(share, says, share, where)


@diagnosis(
    GROUP,
    "One month makes the return",
    unit="fraction",
    warning=0.5,
    critical=1.0,
    measures="log growth of the best month / of all; from 12 months on",
    means="One month is one observation of what moved then.",
    do="Ask what happened in that month, and whether the idea foresaw it or was there by chance.",
    source="leave-one-out; at 1 the other months together gave nothing",
)
def best_month(case: Case) -> Reading | str:
    """Return what the best month made of the growth."""
    return _best_period(case, "M", MONTHS, "month")


@diagnosis(
    GROUP,
    "One year makes the return",
    unit="fraction",
    warning=0.6,
    critical=1.0,
    measures="log growth of the best calendar year / of all; from 3 years on",
    means="An idea that paid in one year may have met one regime.",
    do="Run the other years alone, and say what was different in this one.",
    source="leave-one-out; at 1 the other years together gave nothing",
)
def best_year(case: Case) -> Reading | str:
    """Return what the best year made of the growth."""
    return _best_period(case, "Y", YEARS, "year")


@diagnosis(
    GROUP,
    "One instrument makes the return",
    unit="fraction",
    warning=0.5,
    critical=1.0,
    measures="profit of the best instrument / profit of all; from 5 instruments traded on",
    means="A rule that works on one of many instruments has been found, not tested.",
    do="Run it without that instrument. If nothing is left, say so and drop the claim to breadth.",
    source="leave-one-out; the Herfindahl index of gains is told beside it",
)
def one_symbol(case: Case) -> Reading | str:
    """Return what the best instrument made of it all."""
    names, place = np.unique(case.trades.get("symbol", np.empty(0, "U1")), return_inverse=True)
    if len(names) < SYMBOLS:
        return f"It traded {count(len(names), 'instrument')}; it takes {SYMBOLS}."
    if case.made <= 0.0:
        return NO_PROFIT
    each = np.zeros(len(names))
    np.add.at(each, place.reshape(-1), np.nan_to_num(case.pnl))
    best = int(np.argmax(each))
    gains = np.maximum(each, 0.0) / np.maximum(each, 0.0).sum()
    share = float(each[best]) / case.made
    says = (
        f"{names[best]} made {money(each[best])} of {money(case.made)} over {len(names)} "
        f"instruments; without it {without(case.made - each[best])}. Gains are as concentrated "
        f"as in {1.0 / float((gains**2).sum()):.1f} equal ones."
    )
    mine = np.flatnonzero(place.reshape(-1) == best)
    top = int(mine[np.argmax(np.nan_to_num(case.pnl[mine]))])
    where = (
        links.row("trades", top, case.trade_words(top)),
        links.bar(str(names[best]), int(case.trades["exit_ts"][top])),
        links.field("instruments", "Run it without that instrument"),
    )
    return Reading(share, says, share, where)


@diagnosis(
    GROUP,
    "One side loses what the other makes",
    unit="fraction",
    note=0.1,
    warning=0.5,
    measures="loss of the losing side / profit of all trades; from 5 trades a side on",
    means="A side that loses is either a hedge, to be judged as one, or a rule that fails there.",
    do="Run the sides apart. Keep the losing one only for what it does to the drawdown.",
    source="leave-one-out",
)
def one_side(case: Case) -> Reading | str:
    """Return what the losing side cost."""
    size = np.asarray(case.trades.get("size", np.empty(0)))
    longs, shorts = case.pnl[size > 0.0], case.pnl[size < 0.0]
    if min(len(longs), len(shorts)) < A_SIDE:
        return f"It takes {A_SIDE} trades on each side; there are {len(longs)} and {len(shorts)}."
    if case.made <= 0.0:
        return NO_PROFIT
    up, down = float(np.nansum(longs)), float(np.nansum(shorts))
    lost = max(-min(up, down), 0.0) / case.made
    worse = size > 0.0 if up < down else size < 0.0
    worst = np.flatnonzero(worse)[np.argsort(np.nan_to_num(case.pnl[worse]), kind="stable")[:3]]
    says = f"Longs made {money(up)} in {len(longs)} trades, shorts {money(down)} in {len(shorts)}."
    where = tuple(links.row("trades", int(n), case.trade_words(int(n))) for n in worst)
    return Reading(lost, says, lost, where)


@diagnosis(
    GROUP,
    "One weekday or hour makes the return",
    unit="p",
    note=0.05,
    warning=0.01,
    below=True,
    measures=(
        "p-value that the best weekday (hour, within days) differs from the rest, times their "
        "number; counts only when it holds half of the growth"
    ),
    means="Weekday and hour effects come and go; many are artefacts of stamps or sessions.",
    do="Check time zones and stamps of the bars at that hour before believing the effect.",
    source="Welch's t-test with Bonferroni's correction",
)
def one_clock(case: Case) -> Reading | str:
    """Return how sure it is that one weekday or hour is unlike the others."""
    growth = np.nan_to_num(case.growth)
    hourly = case.result.get("timeframe", "1d") not in {"1d", "1w", "1mo"}
    clock = (case.ts[1:] // MICROS_PER_HOUR) % 24 if hourly else _weekday(case.ts[1:])
    names, place, counts = np.unique(clock, return_inverse=True, return_counts=True)
    if len(names) < 3 or counts.min() < PER_CLOCK:
        return f"It takes three weekdays or hours with {PER_CLOCK} bars each."
    if growth.sum() <= 0.0:
        return NO_GROWTH
    sums = np.bincount(place.reshape(-1), weights=growth)
    best = int(np.argmax(sums))
    mine = place.reshape(-1) == best
    p = min(_welch(growth[mine], growth[~mine]) * len(names), 1.0)
    share = float(sums[best] / growth.sum())
    name = f"{int(names[best]):02d}:00 UTC" if hourly else DAYS[int(names[best])]
    says = (
        f"Bars of {name}, {percent(counts[best] / len(growth))} of all, hold {percent(share)} of "
        f"the growth; that they differ from the others has p = {p:.2g}."
    )
    top = np.flatnonzero(mine)[np.argsort(-growth[mine], kind="stable")[:3]]
    where = tuple(_around(case, int(at)) for at in top)
    return Reading(p, says, share, where, WARNING if share >= 0.5 else OK)


def _weekday(ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the day of the week, Thursday 0: the first of January 1970 was one."""
    return np.asarray(ts // (24 * MICROS_PER_HOUR) % 7)


def _welch(mine: Floats, others: Floats) -> float:
    """Return the two-sided p-value, by the normal law, that two means are the same."""
    error = math.sqrt(mine.var(ddof=1) / len(mine) + others.var(ddof=1) / len(others))
    if error == 0.0:
        return 1.0
    return 2.0 * NORMAL.cdf(-abs(float(mine.mean() - others.mean())) / error)


@diagnosis(
    GROUP,
    "The profit is not taken yet",
    unit="fraction",
    note=0.25,
    warning=0.5,
    measures="profit of trades still open at the end, at the last close / profit of all trades",
    means="What was never sold has no exit price; the last close decides the result.",
    do="End the run a month earlier and later, and see how much the result moves.",
)
def open_profit(case: Case) -> Reading | str:
    """Return what of the profit stands open."""
    if case.passive:
        return "A yardstick that buys and holds has no exits."
    if case.made <= 0.0:
        return NO_PROFIT
    still = np.flatnonzero(case.is_open)
    standing = float(np.nansum(case.pnl[still]))
    share = standing / case.made
    says = (
        f"{count(len(still), 'trade')} of {len(case.pnl):,} stood open at the end with "
        f"{money(standing)} of {money(case.made)} profit."
    )
    most = still[np.argsort(-np.nan_to_num(case.pnl[still]), kind="stable")[:4]]
    where = tuple(links.row("trades", int(n), case.trade_words(int(n))) for n in most)
    return Reading(share, says, share, where)


DIAGNOSES: tuple[Diagnosis, ...] = (
    no_profit,
    best_trade,
    best_five_trades,
    best_bars,
    best_month,
    best_year,
    one_symbol,
    one_side,
    one_clock,
    open_profit,
)
