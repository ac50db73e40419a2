"""Positions acted on when they change: what strategies of single instruments share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.compiled import Compiled
from apps.strategies.kernel.interface import Features, Floats, View
from apps.strategies.kernel.orders import Intents, Order
from apps.strategies.kernel.windows import last_seen

Flags = NDArray[np.bool_]


def standing(position: Floats) -> Floats:
    """Return positions with the last one standing where an instrument has no bar, else 0."""
    return np.nan_to_num(last_seen(position))


def decide_on_change(view: View) -> Floats | None:
    """Return 1/n of equity times the position where it changes, NaN elsewhere.

    The feature ``position`` is read at this bar; the last one is kept in the memory.
    """
    wanted = np.nan_to_num(view.features["position"][view.i])
    changed = wanted != np.array(view.memory.get("position", [0.0] * len(wanted)))
    if not changed.any():
        return None
    view.memory["position"] = wanted.tolist()
    return np.where(changed, wanted / len(wanted), np.nan)


def compiled_on_change() -> Compiled:
    """Return the compiled twin of ``decide_on_change``."""
    from apps.strategies.kernel import deciding_loops

    return Compiled(("position",), deciding_loops.on_change)


def targets_on_change(position: Floats) -> Floats:
    """Return the array twin of ``decide_on_change``."""
    wanted = np.nan_to_num(position)
    before = np.vstack([np.zeros((1, wanted.shape[1])), wanted[:-1]])
    return np.where(wanted != before, wanted / wanted.shape[1], np.nan)


def protect_on_change(view: View) -> Intents | None:
    """Return ``decide_on_change`` with the orders that guard what it opens.

    The features ``stop`` and ``target`` are prices of that position, NaN without. Orders of a
    position that has changed are taken back.
    """
    weights = decide_on_change(view)
    if weights is None:
        return None
    changed = np.flatnonzero(np.isfinite(weights))
    old = [order.number for order in view.orders if order.is_open and order.asset in changed]
    made = [order for a in changed.tolist() for order in guards(view.features, view.i, a)]
    return Intents(weights, tuple(made), tuple(old))


def guards(features: Features, i: int, asset: int, bars: int = 0) -> list[Order]:
    """Return the stop and the take profit of the position of bar ``i``; none without one."""
    side = features["position"][i, asset]
    found = []
    for kind, name in (("stop", "stop"), ("limit", "target")):
        price = float(features[name][i, asset])
        if side != 0.0 and price > 0.0:
            size = math.copysign(math.inf, -side)
            order = Order(asset, size, kind, price, bars=bars, reduce_only=True, tag=name)
            found.append(order)
    return found


def guards_on_change(features: Features) -> list[tuple[int, Order]]:
    """Return the array twin of the orders of ``protect_on_change``, by the bar they are made at.

    What is taken back there at the close of a bar works here until that bar.
    """
    wanted = np.nan_to_num(features["position"])
    before = np.vstack([np.zeros((1, wanted.shape[1])), wanted[:-1]])
    found: list[tuple[int, Order]] = []
    for a in range(wanted.shape[1]):
        changes = np.flatnonzero(wanted[:, a] != before[:, a]).tolist()
        for i, until in zip(changes, [*changes[1:], 0], strict=False):
            found += [(i, order) for order in guards(features, i, a, max(until - i, 0))]
    return sorted(found, key=lambda pair: pair[0])


def hold(enter: Floats, leave_long: Flags, leave_short: Flags) -> Floats:
    """Return the position held by entries and exits of one instrument, ``(n_bars,)``.

    Parameters
    ----------
    enter
        1 to go long, -1 to go short, else 0.
    leave_long, leave_short
        True where a position of that side ends.

    Notes
    -----
    At one bar an exit comes before an entry of the same side, so a bar that asks for both leaves;
    an entry of the other side turns the position round.
    """
    from apps.strategies.kernel import position_loops

    free = np.full(len(enter), np.nan)
    held: Floats = position_loops.hold_1d(free, enter, leave_long, leave_short, free, free, 0)
    return held


def hold_with_stops(
    close: Floats,
    enter: Floats,
    leave_long: Flags,
    leave_short: Flags,
    *,
    stop: Floats,
    target: Floats,
    most_bars: int = 0,
) -> Floats:
    """Return the position as ``hold``, ended too by a stop, a target or after ``most_bars``.

    ``stop`` and ``target`` are prices taken over at the bar of the entry; NaN is none. A close
    beyond one of them ends the position; so does the bar ``most_bars`` after the entry, if > 0.
    """
    from apps.strategies.kernel import position_loops

    held: Floats = position_loops.hold_1d(
        close, enter, leave_long, leave_short, stop, target, most_bars
    )
    return held


def hold_protected(
    high: Floats,
    low: Floats,
    enter: Floats,
    leave_long: Flags,
    leave_short: Flags,
    *,
    stop: Floats,
    target: Floats,
    most_bars: int = 0,
) -> Features:
    """Return position, stop and target as ``hold_with_stops`` when orders guard the position.

    A stop or target that a bar's low or high touches has ended it, whatever the close.
    """
    from apps.strategies.kernel import position_loops

    held = position_loops.hold_touch_1d(
        high, low, enter, leave_long, leave_short, stop, target, most_bars
    )
    return {"position": held[0], "stop": held[1], "target": held[2]}
