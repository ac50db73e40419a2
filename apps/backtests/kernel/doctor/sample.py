"""Whether there is enough to judge by: trades, bets, years, crises, trials."""

from __future__ import annotations

import math
import re

import numpy as np

from apps.backtests.kernel.doctor import links
from apps.backtests.kernel.doctor.case import Case
from apps.backtests.kernel.doctor.findings import Diagnosis, Reading, diagnosis
from apps.backtests.kernel.doctor.words import count, percent
from apps.backtests.kernel.integrity.sharpe import NORMAL, sharpe_error

GROUP = "Enough to judge by"
LUCK = "Luck and trials"
PASSIVE = "A yardstick that buys and holds makes no bets of its own."
NOT_POSITIVE = "The Sharpe ratio is not positive, so there is nothing for luck to explain."
LEAST_FOR_BETS = 10
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
PARAMETER_KINDS = {"int", "float", "bool", "choice"}
PEAK_TO_PEAK_YEARS = 6.25


@diagnosis(
    GROUP,
    "Too few trades",
    unit="count",
    note=100,
    warning=30,
    critical=9,
    below=True,
    measures="closed trades",
    means="Figures of so few trades say more about them than about the rule.",
    do="Take more instruments or more years; don't loosen the rule until it trades more.",
    source="below 30 the mean of a sample is not yet normal (the usual rule of thumb)",
)
def few_trades(case: Case) -> Reading | str:
    """Return how many trades were closed."""
    if case.passive:
        return PASSIVE
    says = f"{count(case.closed, 'trade')} closed in {case.years:.1f} years."
    return Reading(float(case.closed), says, links=(links.tab("trades", "All trades"),))


@diagnosis(
    GROUP,
    "Few independent bets",
    unit="count",
    note=100,
    warning=30,
    below=True,
    measures="sum over trades of their average uniqueness: 1 / trades open at the same time",
    means="Trades held at the same time are moved by the same days; many may be one bet.",
    do="Count this number, not the trades, when asking whether the record is long enough.",
    source="López de Prado, Advances in Financial Machine Learning (2018), ch. 4",
)
def independent_bets(case: Case) -> Reading | str:
    """Return how many bets the trades add up to."""
    if case.passive:
        return PASSIVE
    if len(case.pnl) < LEAST_FOR_BETS:
        return f"There are {count(len(case.pnl), 'trade')}; it takes {LEAST_FOR_BETS}."
    first = np.searchsorted(case.ts, case.trades["entry_ts"])
    last = np.maximum(np.searchsorted(case.ts, case.trades["exit_ts"]), first + 1)
    open_now = np.zeros(max(len(case.ts), int(last.max())) + 1)
    np.add.at(open_now, first, 1.0)
    np.add.at(open_now, last, -1.0)
    open_now = np.cumsum(open_now)
    each = np.divide(1.0, open_now, out=np.zeros(len(open_now)), where=open_now > 0.0)
    upto = np.r_[0.0, np.cumsum(each)]
    bets = float(((upto[last] - upto[first]) / (last - first)).sum())
    busiest = int(np.argmax(open_now))
    says = (
        f"{count(len(case.pnl), 'trade')} add up to {bets:.1f} independent bets; at most "
        f"{int(open_now[busiest])} were open at once."
    )
    at = case.ts[min(busiest, len(case.ts) - 1)]
    where = (links.span(at, at, f"busiest on {links.on(at)}"),)
    return Reading(bets, says, 1.0 - bets / len(case.pnl), where)


@diagnosis(
    GROUP,
    "Too many parameters",
    unit="count",
    note=20,
    warning=10,
    critical=3,
    below=True,
    measures="closed trades / parameters that can be chosen; numbers in a formula count",
    means="With few trades per choice, some choice fits them by chance.",
    do="Fix parameters by reasoning before the test, or take out the rules that need them.",
    source="ten events per variable: Peduzzi et al., J. Clin. Epidemiol. 49 (1996)",
)
def trades_per_parameter(case: Case) -> Reading | str:
    """Return how many trades there are for each parameter."""
    if case.passive:
        return PASSIVE
    chosen = [p for p in case.declared if p.kind in PARAMETER_KINDS]
    formula = [str(case.params.get(p.name, "")) for p in case.declared if p.kind == "text"]
    numbers = sum(len(NUMBER.findall(text)) for text in formula)
    total = len(chosen) + numbers
    if total == 0:
        return "It has no parameters to choose."
    each = case.closed / total
    in_text = f", {numbers} of them numbers in its formula" if numbers else ""
    says = (
        f"{count(case.closed, 'closed trade')} for {count(total, 'parameter')}{in_text}: "
        f"{each:.1f} each."
    )
    where = tuple(links.parameter(p.name, case.params.get(p.name, p.default)) for p in chosen)
    return Reading(each, says, links=where)


@diagnosis(
    GROUP,
    "The sample is shorter than a cycle",
    unit="years",
    note=PEAK_TO_PEAK_YEARS,
    warning=3.0,
    below=True,
    measures="bars after the first / bars in a year",
    means="A record within one phase of the market can't tell the rule from the phase.",
    do="Take the longest history there is, also of other instruments, before tuning anything.",
    source="US business cycles 1945 to 2020 lasted 75 months from peak to peak (NBER)",
)
def short_sample(case: Case) -> Reading | str:
    """Return how long the record is."""
    if len(case.ts) < 2:
        return "The run has fewer than two bars."
    says = f"The record holds {case.years:.1f} years: {links.on(case.ts[0])} to "
    says += f"{links.on(case.ts[-1])}."
    where = (links.field("start"), links.field("end"))
    return Reading(case.years, says, links=where)


@diagnosis(
    LUCK,
    "The Sharpe ratio can't be told from 0",
    unit="ratio",
    warning=0.0,
    below=True,
    measures=(
        "lower end of the 95 % interval of the Sharpe ratio per year, skewness and kurtosis in"
    ),
    means="Taken alone, had nothing else been tried, the record does not show a positive ratio.",
    do="Wait for a longer record, or drop it; more tuning on the same bars does not help.",
    source="standard error of Mertens (2002), as in Bailey and López de Prado (2012)",
)
def sharpe_interval(case: Case) -> Reading | str:
    """Return the lower end of the interval around the Sharpe ratio."""
    found = case.moments
    if found is None:
        return "The run has fewer than 3 bars, or returns that don't vary."
    if case.sharpe <= 0.0:
        return NOT_POSITIVE
    half = NORMAL.inv_cdf(0.975) * sharpe_error(found) * math.sqrt(case.periods)
    low, high = case.sharpe - half, case.sharpe + half
    says = f"Sharpe {case.sharpe:.2f} a year, with 95 % between {low:.2f} and {high:.2f}."
    return Reading(low, says, links=(links.tab("integrity", "Significance"),))


@diagnosis(
    LUCK,
    "Luck explains the best of so many trials",
    unit="probability",
    warning=0.95,
    critical=0.5,
    below=True,
    measures="deflated Sharpe ratio of the run among all trials of its family",
    means="So many trials without any skill would bring a ratio like this one.",
    do="Stop trying on these bars. Test what was chosen once, on bars that nothing has seen.",
    source="Bailey and López de Prado (2014); the default policy asks for 0.95",
)
def deflated_sharpe(case: Case) -> Reading | str:
    """Return how likely there is skill after all trials."""
    value = case.worth.get("deflated_sharpe")
    if value is None:
        return str((case.worth.get("missing") or {}).get("deflated_sharpe", "It is not known."))
    if not case.sharpe > 0.0:
        return NOT_POSITIVE
    trials = int(case.worth.get("trials", 0))
    says = (
        f"After {count(trials, 'trial')} of this family the probability of a true Sharpe ratio "
        f"above luck's best ({float(case.worth.get('benchmark_sharpe') or 0.0):.2f} a year) is "
        f"{value:.3f}."
    )
    return Reading(float(value), says, 1.0 - float(value), _family(case))


def _family(case: Case) -> tuple[links.Link, ...]:
    found = (case.worth.get("family") or {}).get("id")
    return (links.family(found),) if found else ()


@diagnosis(
    LUCK,
    "Choosing the best overfits",
    unit="probability",
    warning=0.2,
    critical=0.5,
    measures="probability of backtest overfitting of the family's trials on the same bars (CSCV)",
    means="The best on one half of the bars is often no better than the middle on the other.",
    do="Choose a region of parameters that works on average, not the best point.",
    source="Bailey, Borwein, López de Prado and Zhu (2017); the default policy asks for 0.2",
)
def overfitting(case: Case) -> Reading | str:
    """Return how often the best of half the bars fails on the other half."""
    value = case.worth.get("pbo")
    if value is None:
        return str((case.worth.get("missing") or {}).get("pbo", "It is not known."))
    says = (
        f"In {percent(float(value))} of the ways to halve the bars, the best on one half is no "
        "better than the middle on the other."
    )
    return Reading(float(value), says, float(value), _family(case))


@diagnosis(
    LUCK,
    "The track record is too short",
    unit="months",
    note=1.0,
    warning=12.0,
    critical=60.0,
    measures="months missing until the ratio would stand above luck's best at 95 %",
    means="The record may be right, but it is not long enough to show it after so many trials.",
    do="Trade it on paper for that long, or find more history. Don't try more variants.",
    source="minimum track record length, Bailey and López de Prado (2012)",
)
def short_record(case: Case) -> Reading | str:
    """Return how many more months are needed."""
    value = case.worth.get("months_needed")
    if value is None:
        missing = case.worth.get("missing") or {}
        return str(missing.get("min_track_record", "It is not known."))
    needed = float(case.worth.get("min_track_record") or 0.0)
    says = (
        f"A ratio like this needs {needed:,.0f} bars; there are {max(len(case.ts) - 1, 0):,}, "
        f"so {float(value):,.0f} months are missing."
    )
    return Reading(float(value), says, links=_family(case))


@diagnosis(
    LUCK,
    "It was fitted on a holdout",
    unit="count",
    note=1.0,
    warning=3.0,
    measures="looks at holdouts of the family that this run took",
    means="Days that were looked at are no test any more; each look has taken half of the alpha.",
    do="End the run before the holdout begins, and look once, at the very end.",
    source="alpha spending, decision 0123",
)
def holdout_read(case: Case) -> Reading | str:
    """Return how many looks at holdouts the run took."""
    looks = sum(int(look.get("looks", 1)) for look in case.looks)
    says = (
        f"The run read days of a holdout: {count(looks, 'look')}."
        if looks
        else ("The run read no day of a holdout.")
    )
    return Reading(float(looks), says, links=(*_family(case), links.field("end")))


@diagnosis(
    LUCK,
    "The holdout is used up",
    unit="alpha",
    warning=0.0125,
    critical=0.0016,
    below=True,
    measures="the least alpha left of a holdout of the family",
    means="After two looks a test at 5 % is one at 1.25 %; after five hardly anything passes.",
    do="Mark new days as a holdout and leave them alone; these can't decide any more.",
    source="half of what is left a look, from 0.05: 2 and 5 looks (decision 0123)",
)
def holdout_spent(case: Case) -> Reading | str:
    """Return the alpha that is left."""
    if case.alpha_left is None:
        return "The family has no holdout."
    says = f"The least alpha left of a holdout of this family is {case.alpha_left:.4f}."
    return Reading(case.alpha_left, says, links=_family(case))


DIAGNOSES: tuple[Diagnosis, ...] = (
    few_trades,
    independent_bets,
    trades_per_parameter,
    short_sample,
    sharpe_interval,
    deflated_sharpe,
    overfitting,
    short_record,
    holdout_read,
    holdout_spent,
)
