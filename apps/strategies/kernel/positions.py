"""Positions acted on when they change: what strategies of single instruments share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.interface import Floats, View
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


def targets_on_change(position: Floats) -> Floats:
    """Return the array twin of ``decide_on_change``."""
    wanted = np.nan_to_num(position)
    before = np.vstack([np.zeros((1, wanted.shape[1])), wanted[:-1]])
    return np.where(wanted != before, wanted / wanted.shape[1], np.nan)


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
