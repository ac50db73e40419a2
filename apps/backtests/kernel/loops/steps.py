"""The step: what is wanted becomes fills, cash and a value. Arrays and scalars only.

Both gears of the engine run these functions; nothing else sizes or fills a target.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.backtests.kernel.loops.compiled import compiled

DUST = 1e-12
WHOLE_SLACK = 1e-9
NEWTON_STEPS = 64
# Rows of the terms, one column per asset.
TAKER, MAKER, SLIP, PER_UNIT, IMPACT, LOT, TICK = range(7)
N_TERMS = 7


@compiled
def ask_1d(row: Any, wanted: Any) -> bool:
    """Take over the finite weights of ``row``; tell whether there was any."""
    found = False
    for a in range(row.shape[0]):
        weight = row[a]
        if weight == weight:
            wanted[a] = weight
            found = True
    return found


@compiled
def slip_of(terms: Any, a: int, size: float, volume: float) -> float:
    """Return how much worse than quoted the price of ``size`` is, a fraction."""
    slip: float = terms[SLIP, a]
    if terms[IMPACT, a] > 0.0:
        slip += terms[IMPACT, a] * np.sqrt(abs(size) / volume)
    return slip


@compiled
def on_tick(price: float, tick: float, up: bool) -> float:
    """Return the price on a multiple of ``tick``, away from the trader's favour."""
    if tick <= 0.0:
        return price
    steps = price / tick
    whole = np.ceil(steps - WHOLE_SLACK) if up else np.floor(steps + WHOLE_SLACK)
    got: float = whole * tick
    return got


@compiled
def price_got(price: float, terms: Any, a: int, size: float, volume: float) -> float:
    """Return the price that a market order of ``size`` (signed) gets."""
    slip = slip_of(terms, a, size, volume)
    got = price * (1.0 + slip if size > 0.0 else 1.0 - slip)
    return float(on_tick(got, terms[TICK, a], size > 0.0))


@compiled
def whole_lots(quantity: float, lot: float) -> float:
    """Return the quantity cut to whole lots toward zero; a hair below a lot counts as one."""
    if lot <= 0.0:
        return quantity
    size: float = np.floor(abs(quantity) / lot * (1.0 + DUST) + WHOLE_SLACK) * lot
    return size if quantity > 0.0 else -size


@compiled
def equity_after_costs(
    prices: Any,
    volume: Any,
    fx: Any,
    wanted: Any,
    positions: Any,
    equity: float,
    terms: Any,
) -> float:
    """Return the equity x left when every wanted weight is a share of x and costs are paid.

    x + costs(x) = equity is convex, and piecewise linear without impact, so Newton's steps from
    ``equity`` end on the exact piece.
    """
    x = equity
    for _ in range(NEWTON_STEPS):
        gap, slope = x - equity, 1.0
        for a in range(wanted.shape[0]):
            weight, price = wanted[a], prices[a] * fx[a]
            if weight == weight and price == price:
                value = weight * x - positions[a] * price
                slip, fee = terms[SLIP, a], terms[TAKER, a]
                unit = terms[PER_UNIT, a] / prices[a]
                if value > 0.0:
                    rate = slip + fee * (1.0 + slip) + unit
                else:
                    rate = -(slip + fee * (1.0 - slip) + unit)
                gap += value * rate
                slope += weight * rate
                if terms[IMPACT, a] > 0.0:
                    more = terms[IMPACT, a] * np.sqrt(abs(value) / price / volume[a])
                    more *= 1.0 + fee if value > 0.0 else fee - 1.0
                    gap += value * more
                    slope += weight * 1.5 * more
        if slope <= 0.0:
            return x
        step = gap / slope
        x -= step
        if abs(step) <= 1e-16 * abs(equity):
            break
    return x


@compiled
def _outlay(prices: Any, volume: Any, fx: Any, terms: Any, a: int, size: float) -> float:
    """Return what one unit costs (bought) or brings (sold), over its quoted price."""
    slip = slip_of(terms, a, size, volume[a])
    fee = terms[TAKER, a]
    unit = terms[PER_UNIT, a] / prices[a]
    if terms[TICK, a] > 0.0:
        got = price_got(prices[a], terms, a, size, volume[a]) / prices[a]
        rate = got * (1.0 + fee) + unit if size > 0.0 else got * (1.0 - fee) - unit
    elif size > 0.0:
        rate = (1.0 + slip) * (1.0 + fee) + unit
    else:
        rate = (1.0 - slip) * (1.0 - fee) - unit
    return float(rate * fx[a])


@compiled
def _shrink(
    prices: Any,
    volume: Any,
    fx: Any,
    wanted: Any,
    positions: Any,
    quantity: Any,
    cash: float,
    terms: Any,
) -> None:
    """Cut what longs add so that it never borrows, unless more than the equity was asked for.

    Buying back a short is never cut.
    """
    gross, spend = 0.0, 0.0
    for a in range(wanted.shape[0]):
        if wanted[a] == wanted[a]:
            gross += abs(wanted[a])
        if quantity[a] > 0.0:
            buy = _outlay(prices, volume, fx, terms, a, quantity[a])
            back = min(max(-positions[a], 0.0), quantity[a])
            cash -= back * prices[a] * buy
            spend += (quantity[a] - back) * prices[a] * buy
        elif quantity[a] < 0.0:
            cash -= quantity[a] * prices[a] * _outlay(prices, volume, fx, terms, a, quantity[a])
    if gross > 1.0 + WHOLE_SLACK or spend <= cash * (1.0 + DUST) or spend <= 0.0:
        return
    share = max(cash, 0.0) / spend
    for a in range(wanted.shape[0]):
        if quantity[a] > 0.0:
            back = min(max(-positions[a], 0.0), quantity[a])
            more = (quantity[a] - back) * share
            quantity[a] = back + whole_lots(more, terms[LOT, a])


@compiled
def _sizes(
    prices: Any,
    volume: Any,
    fx: Any,
    wanted: Any,
    positions: Any,
    equity: float,
    cash: float,
    terms: Any,
    quantity: Any,
) -> None:
    """Write the signed quantity of every trade that is due and possible now."""
    x = equity
    if equity > 0.0:
        x = equity_after_costs(prices, volume, fx, wanted, positions, equity, terms)
    has_buys = False
    for a in range(wanted.shape[0]):
        quantity[a] = 0.0
        weight, price = wanted[a], prices[a] * fx[a]
        if weight != weight or price != price:
            continue
        goal = whole_lots(weight * x / price, terms[LOT, a]) if equity > 0.0 else 0.0
        change = goal - positions[a]
        if abs(change) > DUST * max(abs(goal), abs(positions[a])):
            quantity[a] = change
            has_buys = has_buys or change > 0.0
    if has_buys:
        _shrink(prices, volume, fx, wanted, positions, quantity, cash, terms)


@compiled
def worth_1d(prices: Any, fx: Any, marks: Any, positions: Any, cash: float) -> float:
    """Return the equity with everything held valued at ``prices``, else at its last mark."""
    equity = cash
    for a in range(positions.shape[0]):
        if positions[a] != 0.0:
            price = prices[a] * fx[a]
            equity += positions[a] * (price if price == price else marks[a])
    return equity


@compiled
def after_fill(held: float, size: float) -> float:
    """Return the position after a fill; what is left of an emptied one is rounding."""
    now = held + size
    return 0.0 if abs(now) <= DUST * abs(size) else now


@compiled
def trade_1d(
    prices: Any,
    volume: Any,
    fx: Any,
    marks: Any,
    wanted: Any,
    positions: Any,
    cash: float,
    terms: Any,
    participation: float,
    quantity: Any,
    paid: Any,
    fees: Any,
) -> float:
    """Fill what is wanted at ``prices`` and return the cash left.

    An asset without a price keeps its wish for a later bar and is valued at its last mark.
    ``quantity`` (signed), ``paid`` (price got) and ``fees`` are written for every asset;
    ``positions`` and ``wanted`` change in place. Equity at or below zero closes all it can.
    With ``participation`` > 0 a fill is at most that share of the volume, and the wish stays.
    """
    equity = worth_1d(prices, fx, marks, positions, cash)
    _sizes(prices, volume, fx, wanted, positions, equity, cash, terms, quantity)
    for a in range(positions.shape[0]):
        if prices[a] != prices[a]:
            continue
        size, most = quantity[a], np.inf
        if participation > 0.0:
            most = whole_lots(participation * volume[a], terms[LOT, a])
        if abs(size) > most:
            size = most if size > 0.0 else -most
            quantity[a] = size
        else:
            wanted[a] = np.nan
        if size != 0.0:
            price = price_got(prices[a], terms, a, size, volume[a])
            paid[a] = price
            fees[a] = (abs(size) * price * terms[TAKER, a] + abs(size) * terms[PER_UNIT, a]) * fx[
                a
            ]
            cash -= size * price * fx[a] + fees[a]
            positions[a] = after_fill(positions[a], size)
    return cash


@compiled
def mark_1d(close: Any, fx: Any, marks: Any, positions: Any, wanted: Any, cash: float) -> Any:
    """Return equity, gross and net value at the closes; ruin asks for an end of all positions."""
    gross, net = 0.0, 0.0
    for a in range(close.shape[0]):
        price = close[a] * fx[a]
        if price == price:
            marks[a] = price
        held = positions[a]
        if held != 0.0:
            value = held * marks[a]
            net += value
            gross += abs(value)
    equity = cash + net
    if equity <= 0.0 and gross > 0.0:
        wanted[:] = 0.0
    return equity, gross, net
