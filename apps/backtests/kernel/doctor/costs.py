"""What trading was taken to cost, and how much more it may cost before nothing is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from apps.backtests.kernel.doctor import links
from apps.backtests.kernel.doctor.case import Case, column
from apps.backtests.kernel.doctor.findings import NOTE, OK, WARNING, Diagnosis, Reading, diagnosis
from apps.backtests.kernel.doctor.words import money, percent

GROUP = "Costs"
NOTHING = "Nothing was traded."
BUSY, OFTEN = 1.0, 5.0
PERPETUAL = "perpetual"


def _flat_bps(costs: Mapping[str, Any]) -> float:
    """Return fee, slippage and half the spread of one side."""
    named = (float(costs.get(name) or 0.0) for name in ("fee_bps", "slippage_bps"))
    return sum(named) + float(costs.get("spread_bps") or 0.0) / 2.0


def _is_otherwise(costs: Mapping[str, Any]) -> bool:
    """Tell whether costs are charged that basis points of a side don't tell."""
    return any(costs.get(name) for name in ("per_unit", "schedule", "impact_bps", "maker_bps"))


@diagnosis(
    GROUP,
    "Trading costs nothing",
    unit="bps",
    critical=0.0,
    below=True,
    measures="fee, slippage and half the spread a side; a note when it turns over less than once",
    means="No market is free; the more it trades the less of this result is real.",
    do="Set the fee of your broker and a slippage; 5 bps each is usual for large stocks.",
    source="Frazzini, Israel and Moskowitz, Trading costs (2018): 10 to 20 bps for large orders",
)
def no_costs(case: Case) -> Reading | str:
    """Return what one side costs."""
    if not case.traded:
        return NOTHING
    if _is_otherwise(case.costs):
        return "Costs are charged by unit, by schedule or by impact."
    flat = _flat_bps(case.costs)
    says = f"One side costs {flat:g} bps; it turns over {case.turnover:.1f} times a year."
    most = "critical" if case.turnover > BUSY else NOTE
    return Reading(flat, says, 1.0, (links.field("fee_bps"), links.field("slippage_bps")), most)


@diagnosis(
    GROUP,
    "Costs are taken too low",
    unit="bps",
    note=3.0,
    warning=1.0,
    below=True,
    measures="fee, slippage and half the spread a side, when it turns over 5 times a year or more",
    means="At this turnover a small error in the costs is a large one in the result.",
    do="Take the costs of your own fills, and double them once to see what is left.",
    source="half the spread of the most liquid stocks is about 1 bps",
)
def low_costs(case: Case) -> Reading | str:
    """Return what one side costs where much is traded."""
    flat = _flat_bps(case.costs)
    if not case.traded or flat == 0.0 or _is_otherwise(case.costs):
        return "Nothing was traded, costs are 0 or are charged otherwise."
    says = f"One side costs {flat:g} bps at a turnover of {case.turnover:.1f} times a year."
    most = "critical" if case.turnover >= OFTEN else OK
    where = (links.field("fee_bps"), links.field("slippage_bps"))
    return Reading(flat, says, links=where, at_most=most)


@diagnosis(
    GROUP,
    "Market orders without slippage",
    unit="fraction",
    note=0.01,
    warning=0.5,
    measures="value filled by orders that don't rest, without slippage, spread or impact / all",
    means="Who takes a price pays half the spread at least.",
    do="Set slippage or a spread.",
    source="half the spread is the least cost of an order that takes",
)
def no_slippage(case: Case) -> Reading | str:
    """Return what was taken from the book for free."""
    if not case.traded:
        return NOTHING
    free = not any(case.costs.get(name) for name in ("slippage_bps", "spread_bps", "impact_bps"))
    share = _takes(case) if free else 0.0
    says = (
        f"{percent(share)} of the value traded was taken at the bar's price with no slippage."
        if free
        else "Slippage, a spread or impact worsens the price of orders that take."
    )
    most = WARNING if case.turnover > BUSY else NOTE
    return Reading(share, says, share, (links.field("slippage_bps"),), most)


def _takes(case: Case) -> float:
    """Return the share of value that was not filled by resting limits."""
    kinds = column(case.orders, "kind").astype(np.str_)
    number = column(case.fills, "order").astype(np.int64)
    value = np.nan_to_num(column(case.fills, "value").astype(np.float64))
    if not len(kinds) or not len(number):
        return 1.0
    kind = kinds[np.clip(number - 1, 0, len(kinds) - 1)]
    rests = (number > 0) & np.isin(kind, ["limit", "take_profit"])
    return float(value[~rests].sum() / value.sum())


@diagnosis(
    GROUP,
    "A little more cost and nothing is left",
    unit="bps",
    note=50.0,
    warning=20.0,
    critical=5.0,
    below=True,
    measures="profit / value traded: by how much a side may cost more until nothing is left",
    means="Below the spread of what it trades, the result is a matter of taste in assumptions.",
    do="Trade less often, or bring proof of your costs from real fills.",
    source="linear: costs grow with value traded, the trades stay; else the computed figure",
)
def break_even(case: Case) -> Reading | str:
    """Return by how much a side may cost more."""
    if not case.traded:
        return NOTHING
    if case.profit <= 0.0:
        return "It lost money as it is."
    exact = case.break_even_bps
    more = case.profit / case.traded * 1e4 if exact is None else exact
    how = "about " if exact is None else ""
    says = (
        f"Each side may cost {how}{more:,.1f} bps more than the {_flat_bps(case.costs):g} bps it "
        f"does until the profit of {money(case.profit)} is gone."
    )
    effect = min(10.0 / more, 1.0) if more > 0.0 else 1.0
    return Reading(more, says, effect, (links.field("slippage_bps"), links.field("fee_bps")))


@diagnosis(
    GROUP,
    "Costs eat the profit",
    unit="fraction",
    note=0.2,
    warning=0.4,
    critical=0.8,
    measures="fees, slippage and half the spread / profit before them",
    means="Most of what it finds goes to brokers; a small change of costs turns the sign.",
    do="Trade only when the signal beats its cost, or hold longer.",
)
def cost_share(case: Case) -> Reading | str:
    """Return what part of the gross profit costs took."""
    if not case.traded:
        return NOTHING
    fees = float(np.nansum(column(case.fills, "fee")))
    slip = float(case.costs.get("slippage_bps") or 0.0)
    slip += float(case.costs.get("spread_bps") or 0.0) / 2.0
    paid = fees + case.traded * slip * 1e-4
    gross = case.profit + paid
    if gross <= 0.0:
        return "It lost money before costs."
    says = (
        f"Before costs it made {money(gross)}; fees took {money(fees)} and slippage about "
        f"{money(paid - fees)}."
    )
    return Reading(paid / gross, says, paid / gross, (links.field("fee_bps"),))


@diagnosis(
    GROUP,
    "Shorts are free",
    unit="fraction",
    note=0.01,
    warning=0.1,
    measures="mean value of shorts / equity, when borrowing costs nothing",
    means="Shares to sell short are borrowed for a fee; the hardest to get cost the most.",
    do="Set borrowing: 30 to 50 bps a year for large stocks, several percent for small ones.",
    source="D'Avolio, The market for borrowing stock, JFE 66 (2002)",
)
def free_shorts(case: Case) -> Reading | str:
    """Return how much was held short for nothing."""
    if case.panel is not None and set(case.panel.kinds) == {PERPETUAL}:
        return "Perpetuals are not borrowed; they pay funding."
    if case.costs.get("borrow_bps"):
        return "Borrowing is charged."
    short = np.nan_to_num(case.exposure - case.net_exposure) / 2.0
    mean = float(short.mean()) if len(short) else 0.0
    says = f"Shorts were {percent(mean)} of equity on average and cost nothing to borrow."
    where: tuple[links.Link, ...] = (links.field("costs.borrow_bps"),)
    if mean > 1e-9:
        at = int(np.argmax(short))
        where = (*where, links.span(case.ts[at], case.ts[at], f"most on {links.on(case.ts[at])}"))
    return Reading(mean, says, links=where)


@diagnosis(
    GROUP,
    "Perpetuals without funding",
    unit="fraction",
    note=0.01,
    warning=0.1,
    measures="mean exposure / equity in perpetuals, when funding is not settled",
    means="Funding is what holds a perpetual near its spot; it can be most of the cost.",
    do="Switch funding on; the sample of perpetuals holds the rates.",
    source="0.01 % every 8 hours, the usual rate, is 11 % a year",
)
def no_funding(case: Case) -> Reading | str:
    """Return how much was held in perpetuals without funding."""
    if case.panel is None or PERPETUAL not in case.panel.kinds:
        return "It holds no perpetuals, or their bars could not be read."
    if case.costs.get("funding"):
        return "Funding is settled."
    known = np.nan_to_num(case.exposure)
    mean = float(known.mean()) if len(known) else 0.0
    says = f"Perpetuals worth {percent(mean)} of equity on average were held without funding."
    return Reading(mean, says, links=(links.field("costs.funding"),))


@diagnosis(
    GROUP,
    "Funding or carry decides the result",
    unit="fraction",
    note=0.2,
    warning=0.5,
    measures="size of funding, borrowing and interest together / size of the profit",
    means="The result is as much carry as price; it hangs on rates staying as they were.",
    do="Split the result into price and carry, and stress the rates.",
)
def carry(case: Case) -> Reading | str:
    """Return what carry came to beside the profit."""
    flows = case.result.get("flows") or {}
    found = {n: float(flows[n]) for n in ("funding", "borrowing", "interest") if flows.get(n)}
    if not found:
        return "No funding, borrowing or interest was paid."
    total = sum(found.values())
    said = ", ".join(f"{name} {money(amount)}" for name, amount in found.items())
    share = abs(total) / abs(case.profit) if case.profit else 1.0
    says = f"Paid or received: {said}; the run made {money(case.profit)}."
    return Reading(share, says, share, (links.field("costs.funding"),))


@diagnosis(
    GROUP,
    "Borrowed money is free",
    unit="fraction",
    note=0.01,
    warning=0.1,
    measures="mean cash owed / equity, when interest is 0",
    means="Leverage costs the rate of the day; in a year of 5 % it costs twice as much as fees.",
    do="Set interest on cash owed.",
    source="margin rates of brokers: one to several percent over the short rate",
)
def free_leverage(case: Case) -> Reading | str:
    """Return how much cash was owed for nothing."""
    if case.costs.get("interest_bps"):
        return "Interest is charged on cash owed."
    if case.panel is not None and PERPETUAL in case.panel.kinds:
        return "Perpetuals are held on margin and pay funding."
    owed = np.maximum(-np.nan_to_num(case.cash), 0.0)
    usable = case.equity > 0.0
    share = np.divide(owed, case.equity, out=np.zeros(len(owed)), where=usable)
    mean = float(share.mean()) if len(share) else 0.0
    says = f"Cash owed was {percent(mean)} of equity on average and cost no interest."
    where: tuple[links.Link, ...] = (links.field("costs.interest_bps"),)
    if mean > 0.0:
        at = int(np.argmax(share))
        where = (*where, links.span(case.ts[at], case.ts[at], f"most on {links.on(case.ts[at])}"))
    return Reading(mean, says, links=where)


@diagnosis(
    GROUP,
    "It turns over very often",
    unit="times",
    note=12.0,
    warning=100.0,
    measures="value traded / 2 / mean equity / years",
    means="At 100 times a year each basis point of cost is two percent of return a year.",
    do="Check costs twice, and look for a slower version of the same signal.",
    source="a round trip costs two sides",
)
def turnover(case: Case) -> Reading | str:
    """Return the turnover a year."""
    if not case.traded or case.years <= 0.0:
        return NOTHING
    says = (
        f"It turns over {case.turnover:,.1f} times a year: one basis point a side is "
        f"{percent(case.turnover * 2e-4)} of return a year."
    )
    busiest = _busiest(case)
    return Reading(case.turnover, says, links=(busiest, links.tab("trades", "All trades")))


def _busiest(case: Case) -> links.Link:
    ts, value = column(case.fills, "ts"), np.nan_to_num(column(case.fills, "value"))
    days, place = np.unique(ts, return_inverse=True)
    each = np.zeros(len(days))
    np.add.at(each, place.reshape(-1), value)
    at = int(days[int(np.argmax(each))])
    return links.span(at, at, f"most on {links.on(at)}")


DIAGNOSES: tuple[Diagnosis, ...] = (
    no_costs,
    low_costs,
    no_slippage,
    break_even,
    cost_share,
    free_shorts,
    no_funding,
    carry,
    free_leverage,
    turnover,
)
