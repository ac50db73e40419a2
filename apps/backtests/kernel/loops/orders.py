"""Orders and protection within a bar: what fills, at which price, and what that leads to.

A row of the table of orders is one order; ``placed`` is the close at which it was made, and it
works from the next bar on. Only open, high, low and close of a bar are known: see decision 0062
for the order in which they are taken to have come.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.backtests.kernel.loops.compiled import compiled
from apps.backtests.kernel.loops.steps import (
    DUST,
    LOT,
    MAKER,
    PER_UNIT,
    TAKER,
    TICK,
    after_fill,
    on_tick,
    price_got,
    whole_lots,
)

# Rows of the state by asset.
POSITION, MARK, WANTED, QUANTITY, PAID, FEES, AVERAGE, EXTREME, PRICE, USED = range(10)
N_STATE = 10
# The state of the account.
CASH, EQUITY, GROSS, NET, CALL, FIRST, UPTO, N_ORDERS, N_FILLS, N_FLOWS, FAULT = range(11)
N_ACCOUNT = 11
# Terms of the account.
AT_END, PARTICIPATION, LEVERAGE, MAINTENANCE, BORROW, DEBIT, STOP, PROFIT, TRAIL, SHARE = range(10)
N_SCALARS = 10
# Columns of the table of orders.
(
    ASSET,
    KIND,
    SIZE,
    LEFT,
    LEVEL,
    TRAILING,
    STATE,
    PARENT,
    GROUP,
    LIFE,
    PLACED,
    DONE,
    FILLED,
    VALUE,
    REDUCE,
    BEST,
    BORN,
) = range(17)
N_COLUMNS = 17
MARKET, LIMIT, STOPPED, FOLLOWING, STOP_LIMIT = range(5)
WAITING, WORKING, FILLED_UP, CANCELLED, EXPIRED, REFUSED = range(6)
OPEN_MOMENT, WITHIN, CLOSE_MOMENT = range(3)
BY_STOP, BY_PROFIT, BY_TRAIL = -1, -2, -3


@compiled
def log_fill(
    i: int,
    a: int,
    order: int,
    moment: int,
    size: float,
    price: float,
    fee: float,
    rate: float,
    state: Any,
    account: Any,
    key: Any,
    value: Any,
) -> None:
    """Write a fill down and bring the average price of the position up to date."""
    f = int(account[N_FILLS])
    key[f, 0], key[f, 1], key[f, 2], key[f, 3] = i, a, order, moment
    value[f, 0], value[f, 1], value[f, 2], value[f, 3] = size, price, fee, rate
    account[N_FILLS] += 1.0
    held = state[POSITION, a]
    before = held - size
    if held == 0.0:
        state[AVERAGE, a], state[EXTREME, a] = np.nan, np.nan
    elif abs(before) <= DUST * abs(size) or before * held < 0.0:
        state[AVERAGE, a], state[EXTREME, a] = price, price
    elif abs(held) > abs(before):
        state[AVERAGE, a] = (abs(before) * state[AVERAGE, a] + abs(size) * price) / abs(held)


@compiled
def fill_now(
    i: int,
    a: int,
    order: int,
    moment: int,
    size: float,
    quoted: float,
    rate: float,
    volume: float,
    rests: bool,
    terms: Any,
    scalars: Any,
    state: Any,
    account: Any,
    key: Any,
    value: Any,
) -> float:
    """Fill as much of ``size`` as the bar's volume allows and return it.

    A resting order gets its price and pays the maker's fee; all else pays for taking.
    """
    if scalars[PARTICIPATION] > 0.0:
        most = max(scalars[PARTICIPATION] * volume - state[USED, a], 0.0)
        most = whole_lots(most, terms[LOT, a])
        size = min(size, most) if size > 0.0 else max(size, -most)
    if size == 0.0:
        return 0.0
    if rests:
        price, fee = on_tick(quoted, terms[TICK, a], size > 0.0), terms[MAKER, a]
    else:
        price, fee = price_got(quoted, terms, a, size, volume), terms[TAKER, a]
    paid = (abs(size) * price * fee + abs(size) * terms[PER_UNIT, a]) * rate
    account[CASH] -= size * price * rate + paid
    state[POSITION, a] = after_fill(state[POSITION, a], size)
    state[USED, a] += abs(size)
    log_fill(i, a, order, moment, size, price, paid, rate, state, account, key, value)
    return float(size)


@compiled
def affordable(
    a: int,
    size: float,
    price: float,
    opens: Any,
    fx: Any,
    terms: Any,
    scalars: Any,
    state: Any,
    cash: float,
) -> float:
    """Return as much of ``size`` as leverage and limits allow; a reduction is always allowed."""
    held = state[POSITION, a]
    back = min(abs(held), abs(size)) if held * size < 0.0 else 0.0
    more = abs(size) - back
    if more <= 0.0:
        return size
    equity, gross = cash, 0.0
    for b in range(state.shape[1]):
        if state[POSITION, b] != 0.0:
            quoted = opens[b] * fx[b]
            worth = state[POSITION, b] * (quoted if quoted == quoted else state[MARK, b])
            equity += worth
            gross += abs(worth)
    most = scalars[LEVERAGE] if scalars[LEVERAGE] > 0.0 else 1.0
    gross -= back * price * fx[a]
    unit = price * fx[a] * (1.0 + terms[TAKER, a]) + terms[PER_UNIT, a] * fx[a]
    room = max(most * equity - gross, 0.0) / unit
    if scalars[SHARE] > 0.0:
        rest = abs(held) - back
        room = min(room, max(scalars[SHARE] * equity / (price * fx[a]) - rest, 0.0))
    if more > room * (1.0 + DUST):
        more = whole_lots(room, terms[LOT, a])
    return back + more if size > 0.0 else -(back + more)


@compiled
def _close_order(orders: Any, o: int, how: int, i: int) -> None:
    orders[o, STATE], orders[o, DONE] = how, i
    # What hangs on an order that came to nothing comes to nothing.
    if how != FILLED_UP and orders[o, FILLED] == 0.0:
        for c in range(o + 1, min(o + 3, orders.shape[0])):
            if orders[c, PARENT] == o + 1 and orders[c, STATE] == WAITING:
                orders[c, STATE], orders[c, DONE] = CANCELLED, i


@compiled
def _after_order_fill(
    orders: Any, o: int, size: float, price: float, i: int, within: bool
) -> None:
    """Book a fill to its order, wake its children, and take it off the others of its group."""
    orders[o, LEFT] -= size
    orders[o, FILLED] += size
    orders[o, VALUE] += size * price
    if abs(orders[o, LEFT]) <= DUST * abs(orders[o, SIZE]):
        orders[o, LEFT] = 0.0
        _close_order(orders, o, FILLED_UP, i)
    for c in range(o + 1, min(o + 3, orders.shape[0])):
        if orders[c, PARENT] == o + 1 and orders[c, STATE] <= WORKING:
            if orders[c, STATE] == WAITING:
                orders[c, BORN] = i + 0.5 if within else float(i)
                orders[c, BEST] = price
            orders[c, STATE] = WORKING
            orders[c, SIZE] -= size
            orders[c, LEFT] -= size
    if orders[o, GROUP] > 0.0:
        for c in range(max(o - 2, 0), min(o + 3, orders.shape[0])):
            if c != o and orders[c, GROUP] == orders[o, GROUP] and orders[c, STATE] <= WORKING:
                orders[c, LEFT] -= size
                if orders[c, LEFT] * orders[c, SIZE] <= 0.0:
                    _close_order(orders, c, CANCELLED, i)


@compiled
def _level(orders: Any, o: int) -> float:
    """Return the price at which an order is due."""
    if orders[o, KIND] == FOLLOWING:
        away = 1.0 - orders[o, TRAILING] if orders[o, SIZE] < 0.0 else 1.0 + orders[o, TRAILING]
        return float(orders[o, BEST] * away)
    return float(orders[o, LEVEL])


@compiled
def _arm(orders: Any, o: int, stage: int, opens: float, high: float, low: float) -> float:
    """Make a stop-limit whose stop is met a limit order; return the stop's level, else NaN.

    At the open only the open counts, later the extremes of the bar.
    """
    buys = orders[o, LEFT] > 0.0
    reached = opens if stage == 1 else (high if buys else low)
    level = orders[o, LEVEL]
    if reached < level if buys else reached > level:
        return np.nan
    orders[o, KIND], orders[o, LEVEL], orders[o, TRAILING] = LIMIT, orders[o, TRAILING], np.nan
    return float(level)


@compiled
def work_orders(
    i: int,
    stage: int,
    opens: Any,
    high: Any,
    low: Any,
    volume: Any,
    fx: Any,
    terms: Any,
    scalars: Any,
    state: Any,
    account: Any,
    orders: Any,
    key: Any,
    value: Any,
) -> None:
    """Fill the orders due at one stage of bar ``i``.

    0: market orders, at ``opens``; 1: stops and limits that the open has passed; 2: stops within
    the bar; 3: limits within it; 4: stops of what was opened within it. A stop-limit met within
    the bar fills at its stop where its limit allows that, else it rests from the next bar on.
    """
    for o in range(int(account[FIRST]), int(account[UPTO])):
        if orders[o, STATE] != WORKING:
            continue
        a, kind, left = int(orders[o, ASSET]), int(orders[o, KIND]), orders[o, LEFT]
        open_price, born_within = opens[a], orders[o, BORN] == i + 0.5
        if open_price != open_price or left == 0.0:
            continue
        quoted, rests, moment = np.nan, False, WITHIN
        buys = left > 0.0
        if stage == 0:
            if kind == MARKET:
                quoted = open_price
                moment = CLOSE_MOMENT if scalars[AT_END] > 0.0 else OPEN_MOMENT
        elif kind == MARKET:
            continue
        elif kind == STOP_LIMIT:
            if stage > 2:
                continue
            level = _arm(orders, o, stage, open_price, high[a], low[a])
            limit = orders[o, LEVEL]
            first = open_price if stage == 1 else level
            if level == level and (first <= limit if buys else first >= limit):
                quoted, moment = first, OPEN_MOMENT if stage == 1 else WITHIN
            elif level == level and stage == 2:
                orders[o, BORN] = i + 0.5
        else:
            level = _level(orders, o)
            stops = kind != LIMIT
            if stage == 1:
                passed = open_price >= level if buys == stops else open_price <= level
                if passed and not born_within and orders[o, BORN] < i:
                    quoted, rests, moment = open_price, not stops, OPEN_MOMENT
            elif stops and (stage == 2 or stage == 4) and born_within == (stage == 4):
                # A gap may have opened a bracket beyond its own stop: that gets no better price.
                first = orders[o, BEST] if born_within else open_price
                if high[a] >= level if buys else low[a] <= level:
                    quoted = max(level, first) if buys else min(level, first)
            elif not stops and stage == 3 and not born_within:
                if low[a] <= level if buys else high[a] >= level:
                    quoted = min(level, open_price) if buys else max(level, open_price)
                    rests = True
        if quoted != quoted:
            continue
        size = left
        if orders[o, REDUCE] > 0.0:
            held = state[POSITION, a]
            least = min(size, -held) if buys else max(size, -held)
            size = least if held * left < 0.0 else 0.0
            if size == 0.0:
                _close_order(orders, o, CANCELLED, i)
                continue
        wanted = size
        size = affordable(a, size, quoted, opens, fx, terms, scalars, state, account[CASH])
        cut = abs(size) < abs(wanted) * (1.0 - DUST)
        if size == 0.0:
            _close_order(orders, o, REFUSED, i)
            continue
        got = fill_now(
            i,
            a,
            o + 1,
            moment,
            size,
            quoted,
            fx[a],
            volume[a],
            rests,
            terms,
            scalars,
            state,
            account,
            key,
            value,
        )
        if got != 0.0:
            paid = value[int(account[N_FILLS]) - 1, 1]
            _after_order_fill(orders, o, got, paid, i, moment == WITHIN)
            if orders[o, STATE] == WORKING and (cut and got == size):
                _close_order(orders, o, REFUSED, i)
            if orders[o, STATE] == WORKING and orders[o, REDUCE] > 0.0:
                if state[POSITION, a] == 0.0:
                    _close_order(orders, o, FILLED_UP, i)


@compiled
def protect(
    i: int,
    at_open: bool,
    held_since_before: Any,
    opens: Any,
    high: Any,
    low: Any,
    volume: Any,
    fx: Any,
    terms: Any,
    scalars: Any,
    state: Any,
    account: Any,
    key: Any,
    value: Any,
) -> None:
    """Close positions whose stop, trailing stop or take profit the bar has reached."""
    for a in range(state.shape[1]):
        held = state[POSITION, a]
        if held == 0.0 or opens[a] != opens[a]:
            continue
        side = 1.0 if held > 0.0 else -1.0
        stop, cause = -np.inf, BY_STOP
        if scalars[STOP] > 0.0:
            stop = side * state[AVERAGE, a] * (1.0 - side * scalars[STOP])
        if scalars[TRAIL] > 0.0:
            trail = side * state[EXTREME, a] * (1.0 - side * scalars[TRAIL])
            if trail > stop:
                stop, cause = trail, BY_TRAIL
        goal = np.inf
        if scalars[PROFIT] > 0.0:
            goal = side * state[AVERAGE, a] * (1.0 + side * scalars[PROFIT])
        first = side * opens[a]
        worst = side * (low[a] if held > 0.0 else high[a])
        best = side * (high[a] if held > 0.0 else low[a])
        quoted, rests, moment = np.nan, False, WITHIN
        if at_open:
            if not held_since_before[a]:
                continue
            if first <= stop:
                quoted, moment = opens[a], OPEN_MOMENT
            elif first >= goal:
                quoted, rests, moment, cause = opens[a], True, OPEN_MOMENT, BY_PROFIT
        elif worst <= stop:
            quoted = side * stop
        elif best >= goal:
            quoted, rests, cause = side * goal, True, BY_PROFIT
        if quoted == quoted:
            fill_now(
                i,
                a,
                cause,
                moment,
                -held,
                quoted,
                fx[a],
                volume[a],
                rests,
                terms,
                scalars,
                state,
                account,
                key,
                value,
            )
