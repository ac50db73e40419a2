"""The full loop: every bar with all that can happen in it, in the order of decision 0062."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.backtests.kernel.loops import orders as o_
from apps.backtests.kernel.loops.compiled import compiled
from apps.backtests.kernel.loops.orders import (
    ASSET,
    AT_END,
    AVERAGE,
    BEST,
    BORROW,
    CALL,
    CASH,
    CLOSE_MOMENT,
    DEBIT,
    EQUITY,
    EXTREME,
    FAULT,
    FEES,
    FILLED,
    FIRST,
    GROSS,
    KIND,
    LEFT,
    LEVEL,
    LEVERAGE,
    LIFE,
    MAINTENANCE,
    MARK,
    N_FILLS,
    N_FLOWS,
    N_ORDERS,
    NET,
    OPEN_MOMENT,
    PAID,
    PARENT,
    PARTICIPATION,
    PLACED,
    POSITION,
    PRICE,
    QUANTITY,
    SIZE,
    STATE,
    STOP_LIMIT,
    TRAILING,
    UPTO,
    USED,
    WAITING,
    WANTED,
    WORKING,
    log_fill,
    protect,
    work_orders,
)
from apps.backtests.kernel.loops.steps import IMPACT, ask_1d, mark_1d, trade_1d

YEAR = 365.0 * 86_400_000_000.0
SPLIT, DIVIDEND, FUNDING, BORROWING, INTEREST, MARGIN_CALL = range(1, 7)
NO_FAULT, FUNDING_MISSING = 0.0, 1.0


@compiled
def _flow(flows: Any, account: Any, i: int, a: int, kind: int, amount: float) -> None:
    f = int(account[N_FLOWS])
    flows[f, 0], flows[f, 1], flows[f, 2], flows[f, 3] = i, a, kind, amount
    account[N_FLOWS] += 1.0


@compiled
def _actions(
    i: int, splits: Any, dividends: Any, fx: Any, state: Any, account: Any, orders: Any, flows: Any
) -> None:
    """Give what is held its splits and dividends before anything trades."""
    for a in range(state.shape[1]):
        if splits.shape[0] > 0 and splits[i, a] > 0.0 and splits[i, a] != 1.0:
            ratio = splits[i, a]
            if state[POSITION, a] != 0.0:
                _flow(flows, account, i, a, SPLIT, ratio)
            state[POSITION, a] *= ratio
            state[MARK, a] /= ratio
            state[AVERAGE, a] /= ratio
            state[EXTREME, a] /= ratio
            for o in range(int(account[FIRST]), int(account[UPTO])):
                if orders[o, STATE] <= WORKING and int(orders[o, ASSET]) == a:
                    orders[o, SIZE] *= ratio
                    orders[o, LEFT] *= ratio
                    orders[o, FILLED] *= ratio
                    orders[o, LEVEL] /= ratio
                    orders[o, BEST] /= ratio
                    if orders[o, KIND] == STOP_LIMIT:
                        orders[o, TRAILING] /= ratio
        if dividends.shape[0] > 0 and dividends[i, a] > 0.0 and state[POSITION, a] != 0.0:
            paid = state[POSITION, a] * dividends[i, a] * fx[a]
            account[CASH] += paid
            _flow(flows, account, i, a, DIVIDEND, paid)


@compiled
def _accruals(
    i: int,
    ts: Any,
    close: Any,
    fx: Any,
    funding: Any,
    scalars: Any,
    state: Any,
    account: Any,
    flows: Any,
) -> None:
    """Charge borrowing, interest and funding on what is held at the close."""
    share = (ts[i] - ts[i - 1]) / YEAR if i > 0 else 0.0
    if scalars[DEBIT] > 0.0 and account[CASH] < 0.0 and share > 0.0:
        owed = account[CASH] * scalars[DEBIT] * share
        account[CASH] += owed
        _flow(flows, account, i, -1, INTEREST, owed)
    for a in range(state.shape[1]):
        held = state[POSITION, a]
        if held == 0.0:
            continue
        price = close[a] * fx[a]
        worth = held * (price if price == price else state[MARK, a])
        if scalars[BORROW] > 0.0 and held < 0.0 and share > 0.0:
            owed = worth * scalars[BORROW] * share
            account[CASH] += owed
            _flow(flows, account, i, a, BORROWING, owed)
        if funding.shape[0] > 0 and price == price:
            rate = funding[i, a]
            if rate != rate:
                account[FAULT] = FUNDING_MISSING
                return
            if rate != 0.0:
                account[CASH] -= worth * rate
                _flow(flows, account, i, a, FUNDING, -worth * rate)


@compiled
def _targets(
    i: int,
    prices: Any,
    volume: Any,
    fx: Any,
    terms: Any,
    scalars: Any,
    moment: int,
    state: Any,
    account: Any,
    key: Any,
    value: Any,
) -> None:
    """Fill what is wanted, by the step that both gears share."""
    account[CASH] = trade_1d(
        prices,
        volume,
        fx,
        state[MARK],
        state[WANTED],
        state[POSITION],
        account[CASH],
        terms,
        scalars[PARTICIPATION],
        state[QUANTITY],
        state[PAID],
        state[FEES],
    )
    for a in range(state.shape[1]):
        size = state[QUANTITY, a]
        if size != 0.0:
            state[USED, a] += abs(size)
            paid, fee = state[PAID, a], state[FEES, a]
            log_fill(i, a, 0, moment, size, paid, fee, fx[a], state, account, key, value)


@compiled
def _after_close(
    i: int, high: Any, low: Any, scalars: Any, state: Any, account: Any, orders: Any, flows: Any
) -> None:
    """Follow extremes, end orders whose time is up, call for margin."""
    for a in range(state.shape[1]):
        held = state[POSITION, a]
        if held > 0.0 and high[a] > state[EXTREME, a]:
            state[EXTREME, a] = high[a]
        elif held < 0.0 and low[a] < state[EXTREME, a]:
            state[EXTREME, a] = low[a]
    for o in range(int(account[FIRST]), int(account[UPTO])):
        if orders[o, STATE] != WORKING:
            continue
        a = int(orders[o, ASSET])
        if orders[o, SIZE] < 0.0 and high[a] > orders[o, BEST]:
            orders[o, BEST] = high[a]
        elif orders[o, SIZE] > 0.0 and low[a] < orders[o, BEST]:
            orders[o, BEST] = low[a]
        if orders[o, LIFE] > 0.0 and i - orders[o, PLACED] >= orders[o, LIFE]:
            o_._close_order(orders, o, o_.EXPIRED, i)
    equity, gross = account[EQUITY], account[GROSS]
    if scalars[MAINTENANCE] > 0.0 and 0.0 < equity < scalars[MAINTENANCE] * gross:
        most = scalars[LEVERAGE] if scalars[LEVERAGE] > 0.0 else 1.0
        for a in range(state.shape[1]):
            if state[POSITION, a] != 0.0:
                state[WANTED, a] = state[POSITION, a] * state[MARK, a] * most / gross
            else:
                state[WANTED, a] = np.nan
        account[CALL] = 1.0
        _flow(flows, account, i, -1, MARGIN_CALL, equity / gross)


@compiled
def _wake(i: int, state: Any, account: Any, orders: Any) -> None:
    """Let the orders placed before this bar work; forget the ones at the front that are done."""
    upto = int(account[UPTO])
    while upto < int(account[N_ORDERS]) and orders[upto, PLACED] < i:
        if orders[upto, PARENT] == 0.0 and orders[upto, STATE] == WAITING:
            orders[upto, STATE] = WORKING
            if orders[upto, BEST] != orders[upto, BEST]:
                orders[upto, BEST] = state[MARK, int(orders[upto, ASSET])]
        upto += 1
    account[UPTO] = upto
    while account[FIRST] < upto and orders[int(account[FIRST]), STATE] > WORKING:
        account[FIRST] += 1.0


@compiled
def step_bar(
    i: int,
    row: Any,
    ts: Any,
    opens: Any,
    highs: Any,
    lows: Any,
    closes: Any,
    volumes: Any,
    rates: Any,
    funding: Any,
    splits: Any,
    dividends: Any,
    schedule: Any,
    all_terms: Any,
    scalars: Any,
    state: Any,
    account: Any,
    orders: Any,
    key: Any,
    value: Any,
    flows: Any,
) -> None:
    """Play bar ``i`` with ``row``, the weights decided at the close before."""
    n_assets = state.shape[1]
    terms, close, volume = all_terms[schedule[i]], closes[i], volumes[i]
    before, now = rates[max(i - 1, 0)], rates[i]
    state[USED] = 0.0
    _actions(i, splits, dividends, before, state, account, orders, flows)
    if account[CALL] > 0.0:
        account[CALL] = 0.0
    else:
        ask_1d(row, state[WANTED])
    _wake(i, state, account, orders)
    at_end = scalars[AT_END] > 0.0
    held_before = state[POSITION] != 0.0
    tradable = np.empty(n_assets)
    needs_volume = scalars[PARTICIPATION] > 0.0
    for a in range(n_assets):
        priced = not (needs_volume or terms[IMPACT, a] > 0.0) or volume[a] > 0.0
        tradable[a] = opens[i, a] if priced else np.nan
        state[PRICE, a] = close[a] if priced else np.nan
    if not at_end:
        if (state[WANTED] == state[WANTED]).any():
            _targets(
                i,
                tradable,
                volume,
                before,
                terms,
                scalars,
                OPEN_MOMENT,
                state,
                account,
                key,
                value,
            )
        work_orders(
            i,
            0,
            tradable,
            highs[i],
            lows[i],
            volume,
            before,
            terms,
            scalars,
            state,
            account,
            orders,
            key,
            value,
        )
    has_orders = account[FIRST] < account[UPTO]
    has_protection = scalars[o_.STOP] > 0.0 or scalars[o_.PROFIT] > 0.0 or scalars[o_.TRAIL] > 0.0
    if has_orders:
        work_orders(
            i,
            1,
            tradable,
            highs[i],
            lows[i],
            volume,
            before,
            terms,
            scalars,
            state,
            account,
            orders,
            key,
            value,
        )
    if has_protection:
        for at_open in (True, False):
            protect(
                i,
                at_open,
                held_before,
                tradable,
                highs[i],
                lows[i],
                volume,
                before,
                terms,
                scalars,
                state,
                account,
                key,
                value,
            )
    if has_orders:
        for stage in (2, 3, 4):
            work_orders(
                i,
                stage,
                tradable,
                highs[i],
                lows[i],
                volume,
                before,
                terms,
                scalars,
                state,
                account,
                orders,
                key,
                value,
            )
    if at_end:
        if (state[WANTED] == state[WANTED]).any():
            _targets(
                i,
                state[PRICE],
                volume,
                now,
                terms,
                scalars,
                CLOSE_MOMENT,
                state,
                account,
                key,
                value,
            )
        work_orders(
            i,
            0,
            state[PRICE],
            highs[i],
            lows[i],
            volume,
            now,
            terms,
            scalars,
            state,
            account,
            orders,
            key,
            value,
        )
    _accruals(i, ts, close, now, funding, scalars, state, account, flows)
    equity, gross, net = mark_1d(
        close, now, state[MARK], state[POSITION], state[WANTED], account[CASH]
    )
    account[EQUITY], account[GROSS], account[NET] = equity, gross, net
    _after_close(i, highs[i], lows[i], scalars, state, account, orders, flows)


@compiled(nogil=True)
def play_full(
    start: int,
    at: Any,
    weights: Any,
    ts: Any,
    opens: Any,
    highs: Any,
    lows: Any,
    closes: Any,
    volumes: Any,
    rates: Any,
    funding: Any,
    splits: Any,
    dividends: Any,
    schedule: Any,
    all_terms: Any,
    scalars: Any,
    state: Any,
    account: Any,
    orders: Any,
    key: Any,
    value: Any,
    flows: Any,
    curve: Any,
    positions: Any,
) -> int:
    """Play from bar ``start`` on; return where it stopped: at a full table, or at the end."""
    n_bars, n_assets = closes.shape
    none = np.full(n_assets, np.nan)
    row = np.searchsorted(at, start - 1)
    for i in range(start, n_bars):
        working = int(account[N_ORDERS] - account[FIRST])
        if account[N_FILLS] + 4 * n_assets + 2 * working + 4 > key.shape[0]:
            return i
        if account[N_FLOWS] + 4 * n_assets + 4 > flows.shape[0]:
            return i
        decided = none
        if row < at.shape[0] and at[row] == i - 1:
            decided = weights[row]
            row += 1
        step_bar(
            i,
            decided,
            ts,
            opens,
            highs,
            lows,
            closes,
            volumes,
            rates,
            funding,
            splits,
            dividends,
            schedule,
            all_terms,
            scalars,
            state,
            account,
            orders,
            key,
            value,
            flows,
        )
        if account[FAULT] > 0.0:
            return -1 - i
        curve[i, 0], curve[i, 1] = account[EQUITY], account[CASH]
        curve[i, 2], curve[i, 3] = account[GROSS], account[NET]
        positions[i] = state[POSITION]
    return int(n_bars)
