"""The orders of a run: those placed, and those that targets and protection led to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.fills import get_fill_rule
from apps.backtests.kernel.records import Columns, fills_table
from apps.backtests.kernel.results import Result
from apps.backtests.kernel.sessions import FLOW_KINDS, ORDER_STATES
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.decisions import Decisions
from apps.strategies.kernel.orders import ALL, KINDS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# What closed a position without an order of its own, by the number its fills carry.
PROTECTION = {-1: "stop_loss", -2: "take_profit", -3: "trailing_stop"}
TARGET, MARGIN_CALL, RUIN, FINALIZE = "target", "margin_call", "ruin", "finalize"
WAITING, WORKING, FILLED, CANCELLED, EXPIRED, REFUSED = range(6)
CALL = FLOW_KINDS.index("margin_call")
NO_BAR = -1
# Columns of the engine's table of orders.
ASSET, KIND, SIZE, LEFT, LEVEL, TRAIL, STATE, PARENT, GROUP, LIFE, PLACED, DONE, DID, VALUE = (
    range(14)
)
REDUCE, BORN = 14, 16


def orders_and_fills(
    result: Result,
    panel: Panel,
    decided: object,
    *,
    finalize: bool = False,
) -> tuple[Columns, Columns]:
    """Return every order and every fill, each fill with the number of its order.

    Orders that were placed come first, under the engine's own numbers. After them stand what
    protection closed, and what target weights led to: all fills of an instrument until the
    next decision about it are one order. A decision that led to no trade because nothing
    needed to change made no order.
    """
    placed = _placed(result)
    made, group = _made_by_fills(result, panel, decided, finalize=finalize)
    wished = _unmet(result, panel, decided)
    number = np.where(result.fills.order > 0, result.fills.order, group + len(placed["kind"]))
    parts = (placed, made, wished)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in placed}
    count = len(joined["kind"])
    symbols = np.array(panel.symbols, dtype=object)
    asset, made_bar, ended = (joined.pop(n) for n in ("asset", "made_bar", "ended_bar"))
    orders = {
        "number": np.arange(1, count + 1),
        "symbol": symbols[asset].tolist(),
        **{name: _plain(values) for name, values in joined.items()},
        "made_bar": made_bar,
        "made_ts": panel.ts[np.maximum(made_bar, 0)],
        "ended_bar": ended,
        "ended_ts": np.where(ended >= 0, panel.ts[np.maximum(ended, 0)], panel.ts[-1]),
    }
    return orders, fills_table(result, panel, number)


def _plain(values: NDArray[Any]) -> Any:
    return values.tolist() if values.dtype == object else values


def _table(count: int, **columns: Any) -> dict[str, NDArray[Any]]:
    """Return the columns of ``count`` orders, what is not given being empty."""
    none = np.full(count, np.nan)
    texts = {"side": "", "kind": "", "state": ORDER_STATES[FILLED], "reason": ""}
    amounts = ("size", "filled", "price", "limit", "trail", "average_price", "weight")
    found: dict[str, NDArray[Any]] = {
        "asset": np.zeros(count, np.int64),
        **{name: np.full(count, text, dtype=object) for name, text in texts.items()},
        **dict.fromkeys(amounts, none),
        "parent": np.zeros(count, np.int64),
        "reduce_only": np.zeros(count, np.bool_),
        "made_bar": np.full(count, NO_BAR),
        "ended_bar": np.full(count, NO_BAR),
    }
    return found | columns


def _placed(result: Result) -> dict[str, NDArray[Any]]:
    """Return the orders that were placed, with how each ended and why."""
    rows = np.empty((0, 17)) if result.played is None else result.played.orders
    state = rows[:, STATE].astype(np.int64)
    did = rows[:, DID]
    average = np.full(len(rows), np.nan)
    np.divide(rows[:, VALUE], did, out=average, where=did != 0.0)
    reasons = [_reason(rows, o) for o in range(len(rows))]
    # A stop-limit that was not touched keeps its limit where a trailing stop keeps its distance.
    stop_limit = rows[:, KIND] == KINDS.index("stop_limit")
    # An order for all that is held has no size of its own until it is filled.
    size = np.where(np.abs(rows[:, SIZE]) < ALL, rows[:, SIZE], np.where(did != 0.0, did, np.nan))
    return _table(
        len(rows),
        asset=rows[:, ASSET].astype(np.int64),
        kind=np.array([KINDS[int(k)] for k in rows[:, KIND]], dtype=object),
        state=np.array([ORDER_STATES[s] for s in state], dtype=object),
        reason=np.array(reasons, dtype=object),
        size=size,
        side=_sides(rows[:, SIZE]),
        filled=did.copy(),
        price=rows[:, LEVEL].copy(),
        limit=np.where(stop_limit, rows[:, TRAIL], np.nan),
        trail=np.where(stop_limit, np.nan, rows[:, TRAIL]),
        average_price=average,
        parent=rows[:, PARENT].astype(np.int64),
        reduce_only=rows[:, REDUCE] > 0.0,
        made_bar=rows[:, PLACED].astype(np.int64),
        ended_bar=np.where(state > WORKING, rows[:, DONE], NO_BAR).astype(np.int64),
    )


def _sides(size: Floats) -> NDArray[Any]:
    """Return buy or sell; nothing for a part of a bracket that was never woken."""
    words = np.array(["sell", "", "buy"], dtype=object)
    found: NDArray[Any] = words[np.sign(size).astype(np.int64) + 1]
    return found


def _reason(rows: Floats, o: int) -> str:
    """Return in words why an order stands where it does; nothing for one that was filled."""
    row = rows[o]
    state = int(row[STATE])
    if state == CANCELLED:
        return _why_cancelled(rows, o)
    if state == REFUSED:
        if row[DID] != 0.0:
            return "cut to what cash and leverage allow; the rest was refused"
        return "no cash or leverage left for it"
    if state == EXPIRED:
        part = "only partly filled" if row[DID] != 0.0 else "not filled"
        bars = int(row[LIFE])
        return f"{part} within its {bars} bars" if bars != 1 else f"{part} in its one bar"
    if state == WAITING and row[PARENT] > 0.0:
        return "the order it hangs on was not filled yet"
    if state == WAITING:
        return "made at the last close; no bar came after it"
    if state == WORKING:
        return "partly filled at the end" if row[DID] != 0.0 else "not reached by the end"
    return ""


def _why_cancelled(rows: Floats, o: int) -> str:
    row = rows[o]
    parent = rows[int(row[PARENT]) - 1] if row[PARENT] > 0.0 else None
    if parent is not None and parent[STATE] > FILLED and parent[DID] == 0.0:
        return "the order it hung on came to nothing"
    near = rows[max(o - 2, 0) : o + 3]
    others = (near[:, GROUP] == row[GROUP]) & (near[:, DID] != 0.0)
    if row[GROUP] > 0.0 and others.any() and row[DID] == 0.0:
        return "the other side of its bracket was filled"
    if row[REDUCE] > 0.0:
        return "nothing was left to close"
    return "taken back"


def _cells(decided: object, n_assets: int) -> tuple[Ints, Ints, Floats]:
    """Return bar, asset and weight of everything decided, by asset and then by bar."""
    if isinstance(decided, Decisions):
        weights, bars = decided.weights, decided.bars
    elif isinstance(decided, np.ndarray):
        weights, bars = decided, np.arange(len(decided))
    else:
        weights, bars = np.empty((0, n_assets)), np.empty(0, np.int64)
    asset, row = np.nonzero(np.isfinite(weights).T)
    return bars[row].astype(np.int64), asset.astype(np.int64), weights[row, asset]


def _origins(
    result: Result, panel: Panel, decided: object, *, finalize: bool
) -> tuple[Ints, NDArray[Any], Floats]:
    """Return of each fill the bar it was decided at, what led to it, and the weight wanted."""
    fills, n_bars = result.fills, panel.n_bars
    bars, assets, weights = _cells(decided, panel.n_assets)
    delay = get_fill_rule(result.fill).delay
    # What decided bar by bar left no list of decisions: it spoke at the close before the fill.
    made, goal = np.maximum(fills.bar - delay, 0), np.full(len(fills), np.nan)
    if len(bars):
        key = fills.asset * n_bars + fills.bar - delay
        cell = np.searchsorted(assets * n_bars + bars, key, "right") - 1
        known = (cell >= 0) & (assets[cell] == fills.asset)
        made[known], goal[known] = bars[cell[known]], weights[cell[known]]
    kinds = np.full(len(fills), TARGET, dtype=object)
    _mark_forced(result, made, kinds, delay, last_is_final=finalize)
    for code, name in PROTECTION.items():
        here = fills.order == code
        kinds[here], made[here] = name, fills.bar[here]
    goal[kinds != TARGET] = np.nan
    return made, kinds, goal


def _made_by_fills(
    result: Result, panel: Panel, decided: object, *, finalize: bool
) -> tuple[dict[str, NDArray[Any]], Ints]:
    """Return what protection and target weights led to, and each fill's place among it, from 1."""
    fills = result.fills
    made, kinds, goal = _origins(result, panel, decided, finalize=finalize)
    others = np.flatnonzero(fills.order <= 0)
    lead, group = _groups(others, fills.asset, made, kinds)
    total, worth = np.zeros(len(lead)), np.zeros(len(lead))
    np.add.at(total, group, fills.quantity[others])
    np.add.at(worth, group, fills.quantity[others] * fills.price[others])
    ended = np.zeros(len(lead), np.int64)
    np.maximum.at(ended, group, fills.bar[others])
    average = np.full(len(lead), np.nan)
    np.divide(worth, total, out=average, where=total != 0.0)
    places = np.zeros(len(fills), np.int64)
    places[others] = group + 1
    table = _table(
        len(lead),
        asset=fills.asset[lead],
        kind=kinds[lead],
        size=total,
        side=_sides(total),
        filled=total.copy(),
        average_price=average,
        weight=goal[lead],
        made_bar=made[lead],
        ended_bar=ended,
    )
    return table, places


def _groups(others: Ints, asset: Ints, made: Ints, kinds: NDArray[Any]) -> tuple[Ints, Ints]:
    """Return the first fill of each order, in the order of those, and each fill's order."""
    names = {kind: code for code, kind in enumerate(sorted(set(kinds.tolist())))}
    code = np.array([names[kind] for kind in kinds[others]], np.int64)
    label = np.column_stack((asset[others], made[others], code))
    _, first, group = np.unique(label, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return others[np.sort(first)], rank[group.reshape(-1)]


def _mark_forced(
    result: Result, made: Ints, kinds: NDArray[Any], delay: int, *, last_is_final: bool
) -> None:
    """Name what no decision asked for: margin calls, ruin, and the end of a comparison."""
    fills = result.fills
    before = fills.bar - delay
    ruined = (before >= 0) & (result.equity[np.maximum(before, 0)] <= 0.0)
    kinds[ruined], made[ruined] = RUIN, before[ruined]
    if result.played is not None:
        flows = result.played.flows
        calls = np.sort(flows[flows[:, 2] == CALL, 0].astype(np.int64))
        if len(calls):
            call = np.searchsorted(calls, before, "right") - 1
            latest = np.where(call >= 0, calls[np.maximum(call, 0)], NO_BAR)
            called = (call >= 0) & (latest >= made) & (fills.order == 0)
            kinds[called], made[called] = MARGIN_CALL, latest[called]
    if last_is_final:
        end = len(result.equity) - 1
        final = np.flatnonzero(fills.bar == end)
        for asset in set(fills.asset[final].tolist()):
            own = final[fills.asset[final] == asset][-1]
            kinds[own], made[own] = FINALIZE, end


def _unmet(result: Result, panel: Panel, decided: object) -> dict[str, NDArray[Any]]:
    """Return the weights wanted of instruments that had no bar to trade in."""
    bars, assets, weights = _cells(decided, panel.n_assets)
    rule = get_fill_rule(result.fill)
    price = panel.open if rule.price == "open" else panel.close
    counted = np.vstack((np.zeros((1, panel.n_assets)), np.cumsum(np.isfinite(price), axis=0)))
    same = np.r_[assets[1:] == assets[:-1], False] if len(bars) else np.zeros(0, bool)
    upto = np.where(same, np.r_[bars[1:], 0] if len(bars) else bars, panel.n_bars - rule.delay)
    first, last = bars + rule.delay, np.minimum(upto + rule.delay, panel.n_bars)
    had_bar = counted[last, assets] > counted[np.minimum(first, panel.n_bars), assets]
    held = result.positions[bars, assets]
    left = np.flatnonzero(~had_bar & ~((weights == 0.0) & (held == 0.0)))
    left = left[np.argsort(bars[left], kind="stable")]
    replaced = same[left]
    state = np.where(replaced, ORDER_STATES[CANCELLED], ORDER_STATES[WAITING]).astype(object)
    why = np.where(
        replaced, "a later decision came before the instrument's next bar", "no bar came after it"
    ).astype(object)
    ended = np.where(replaced, upto[left], NO_BAR)
    none = np.zeros(len(left))
    return _table(
        len(left),
        asset=assets[left],
        kind=np.full(len(left), TARGET, dtype=object),
        state=state,
        reason=why,
        filled=none,
        weight=weights[left],
        made_bar=bars[left],
        ended_bar=ended,
    )
