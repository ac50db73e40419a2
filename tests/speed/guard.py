"""The pre-trade guard: one order against 20 open positions, every rule on.

There is no peer. First the guard's verdicts on random orders are held against the same limits
written out in numpy; then single calls are timed, the worst in a hundred of each round told.
"""

import gc
import time

import numpy as np

from apps.risk.kernel.limits import DEFAULT, Holdings, Ticket, check_order, limits_from

POSITIONS, CALLS, ROUNDS, CASES = 20, 20_000, 7, 500
GOAL_US = 100.0
# Tight enough that every rule on size speaks up now and then.
TIGHT = {
    "max_group_share": 1.5,
    "max_net_exposure": 2.0,
    "max_risk_per_trade": 0.005,
    "max_leverage": 3.0,
    "max_leverage_perpetual": 6.0,
}
LIMITS = limits_from(TIGHT, base=DEFAULT)
SYMBOLS = [f"S{n:02d}" for n in range(POSITIONS + 2)]


def book_of(rng):
    """An account with 20 positions of 50 to 3,000 USD, and two orders under way."""
    held = {s: float(q) for s, q in zip(SYMBOLS, rng.uniform(-30, 30, POSITIONS), strict=False)}
    return Holdings(
        equity=float(rng.uniform(4_000, 60_000)),
        day_start_equity=40_000.0,
        positions=held,
        prices={s: float(p) for s, p in zip(SYMBOLS, rng.uniform(50, 150, 22), strict=True)},
        pending={"S03": 1.0, "S20": -2.0},
        client_ids=frozenset({"before"}),
        orders_last_minute=7,
        messages_last_minute=9,
        perpetuals=frozenset(SYMBOLS[:5]),
        groups={s: f"sector {n % 4}" for n, s in enumerate(SYMBOLS)},
        session_open=True,
    )


def order_of(rng, book):
    symbol = SYMBOLS[int(rng.integers(len(SYMBOLS)))]
    price = book.prices[symbol]
    side = "buy" if rng.random() < 0.5 else "sell"
    return Ticket(symbol, side, float(rng.uniform(0.1, 40.0)), price, price, client_id="now")


def expected(order, book):
    """Limits on size, from arrays: what the guard has to say of an order that opens."""
    held = np.array([book.positions.get(s, 0.0) + book.pending.get(s, 0.0) for s in SYMBOLS])
    at = SYMBOLS.index(order.symbol)
    before = held[at]
    held[at] += order.signed
    if abs(held[at]) <= abs(before) and held[at] * before >= 0.0:
        return set()
    prices = np.array([book.prices[s] for s in SYMBOLS])
    values = held * prices
    perpetual = np.isin(SYMBOLS, list(book.perpetuals))
    group = np.array([book.groups[s] == book.groups[order.symbol] for s in SYMBOLS])
    size, gross, equity = abs(values[at]), np.abs(values), book.equity
    opened = abs(held[at]) if held[at] * before < 0.0 else abs(held[at] - before)
    margin = gross[~perpetual].sum() / 3.0 + gross[perpetual].sum() / 6.0
    found = {
        "limit.order_value": order.quantity * order.price > 4000.0,
        "limit.position_value": size > 2000.0,
        "limit.position_share": size > 0.5 * equity,
        "limit.position_min": 0.0 < size < 100.0,
        "limit.concentration": gross[group].sum() > 1.5 * equity,
        "limit.trade_risk": opened * order.price * 0.02 > 0.005 * equity,
        "limit.exposure": gross.sum() > 2.0 * equity,
        "limit.net_exposure": abs(values.sum()) > 2.0 * equity,
        "limit.leverage": margin > equity,
        "limit.positions": before == 0.0 and (held != 0.0).sum() > 20,
        "limit.daily_loss": 1.0 - equity / 40_000.0 >= 0.10,
    }
    return {code for code, broken in found.items() if broken}


def check():
    """Hold the guard against the arrays; return how many verdicts agreed."""
    rng, seen = np.random.default_rng(6), set()
    for _ in range(CASES):
        book = book_of(rng)
        order = order_of(rng, book)
        found = {refusal.code for refusal in check_order(order, book, LIMITS)}
        assert found == expected(order, book), (order, book, found)
        seen |= found
    assert len(seen) == 11, f"only {sorted(seen)} came up"
    return CASES


def timed(order, book):
    """Microseconds of single calls."""
    clock, taken = time.perf_counter_ns, np.empty(CALLS)
    for n in range(CALLS):
        began = clock()
        check_order(order, book, LIMITS)
        taken[n] = clock() - began
    return taken / 1e3


def guard_order():
    """p99 of one check; the quietest of some rounds, since others share the machine."""
    agreed, rng = check(), np.random.default_rng(7)
    book = book_of(rng)
    # An order that opens: one that reduces is asked only a third of the rules.
    side, price = ("buy" if book.positions["S03"] > 0.0 else "sell"), book.prices["S03"]
    order = Ticket("S03", side, 3.0, price, price, client_id="now")
    gc.collect()
    rounds = [timed(order, book) for _ in range(ROUNDS)]
    p99 = min(float(np.percentile(one, 99)) for one in rounds)
    return {
        "name": "guard_order",
        "value": round(p99, 1),
        "unit": "us, p99",
        "p50": round(min(float(np.percentile(one, 50)) for one in rounds), 1),
        "peer": None,
        "peer_value": None,
        "ratio": round(GOAL_US / p99, 2),
        "goal": 1.0,
        "checked": f"{agreed} verdicts equal to the limits written in numpy",
    }
