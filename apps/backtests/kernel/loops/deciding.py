"""The event gear compiled: a decision called at every close, on the step of both gears."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.backtests.kernel.loops.compiled import compiled
from apps.backtests.kernel.loops.steps import ask_1d, trade_1d

# Rows of the desk of a decision: ``strategies.kernel.compiled``.
HELD, DESIRED = 0, 1
# Rows of the state by asset, and what else there is of the account.
POSITIONS, MARKS, WANTED, QUANTITY, PAID, FEES = range(6)
N_STATE = 6
CASH, EQUITY, FILLS, WAITING, FAULT = range(5)
N_ACCOUNT = 5


@compiled
def _log(i: int, quantity: Any, paid: Any, fees: Any, count: int, key: Any, value: Any) -> int:
    for a in range(quantity.shape[0]):
        if quantity[a] != 0.0:
            key[count, 0], key[count, 1] = i, a
            value[count, 0], value[count, 1], value[count, 2] = quantity[a], paid[a], fees[a]
            count += 1
    return count


@compiled
def _shares(held: Any, marks: Any, equity: float, out: Any) -> None:
    for a in range(held.shape[0]):
        out[a] = 0.0
        if held[a] != 0.0 and equity > 0.0:
            out[a] = held[a] * marks[a] / equity


@compiled
def _has_any(wanted: Any) -> bool:
    for a in range(wanted.shape[0]):  # noqa: SIM110 numba compiles no any()
        if wanted[a] == wanted[a]:
            return True
    return False


@compiled
def _is_infinite(wanted: Any) -> bool:
    for a in range(wanted.shape[0]):  # noqa: SIM110
        if abs(wanted[a]) == np.inf:
            return True
    return False


@compiled(nogil=True)
def play_decided(
    start: int,
    decide: Any,
    features: Any,
    prices: Any,
    close: Any,
    delay: int,
    terms: Any,
    desk: Any,
    state: Any,
    account: Any,
    curve: Any,
    key: Any,
    value: Any,
) -> int:
    """Ask ``decide`` at every close from bar ``start`` on and fill what it wants.

    Returns the bar before which the table of fills has to grow, the number of bars at the end.
    """
    n_bars, n_assets = close.shape
    ones = np.ones(n_assets)
    # Taken once: a view made at every bar costs more than what is done with it.
    held, marks, wanted = state[POSITIONS], state[MARKS], state[WANTED]
    quantity, paid, fees = state[QUANTITY], state[PAID], state[FEES]
    shares, desired = desk[HELD], desk[DESIRED]
    cash, equity, count = account[CASH], account[EQUITY], int(account[FILLS])
    waiting, stop = account[WAITING] > 0.0, n_bars
    for i in range(start, n_bars):
        if count + n_assets > key.shape[0]:
            stop = i
            break
        for step in range(2):
            # Fill and value before the decision, or after it where it fills at its own close.
            if (step == 0) == (delay > 0):
                if waiting:
                    cash = trade_1d(
                        prices[i],
                        ones,
                        ones,
                        marks,
                        wanted,
                        held,
                        cash,
                        terms,
                        0.0,
                        quantity,
                        paid,
                        fees,
                    )
                    count = _log(i, quantity, paid, fees, count, key, value)
                    waiting = _has_any(wanted)
                # ``mark_1d`` spelled out: its row and its tuple cost more than its sums.
                gross, net = 0.0, 0.0
                for a in range(n_assets):
                    if close[i, a] == close[i, a]:
                        marks[a] = close[i, a]
                    if held[a] != 0.0:
                        worth = held[a] * marks[a]
                        net += worth
                        gross += abs(worth)
                equity = cash + net
                if equity <= 0.0 and gross > 0.0:
                    wanted[:] = 0.0
                    waiting = True
                curve[i, 0], curve[i, 1], curve[i, 2], curve[i, 3] = equity, cash, gross, net
            else:
                _shares(held, marks, equity, shares)
                if decide(i, features, desk):
                    if _is_infinite(desired):
                        account[FAULT] = 1.0
                        return i
                    waiting = ask_1d(desired, wanted) or waiting
                    desired[:] = np.nan
    account[CASH], account[EQUITY], account[FILLS] = cash, equity, count
    account[WAITING] = 1.0 if waiting else 0.0
    return int(stop)
