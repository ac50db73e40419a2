"""Compiled decisions. Import this inside functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import boolean, cfunc, float64, int64

from apps.strategies.kernel.compiled import MEMORY, WANTED

# Bar, features by name, bar and instrument, and the desk: see ``compiled.Compiled``.
SIGNATURE = boolean(int64, float64[:, :, ::1], float64[:, ::1])


def decision(function: Callable[[int, Any, Any], bool]) -> Any:
    """Compile ``decide(i, features, desk)`` and keep the machine code on disk.

    All decisions have one type, so the loops that call them are compiled once for all of them.
    """
    return cfunc(SIGNATURE, cache=True, error_model="numpy")(function)


@decision
def on_change(i: int, features: Any, desk: Any) -> bool:
    """Return new weights of instruments whose position changes: ``positions.decide_on_change``."""
    count, found = desk.shape[1], False
    for a in range(count):
        position = features[0, i, a]
        if position != position:
            position = 0.0
        if position != desk[MEMORY, a]:
            desk[MEMORY, a] = position
            desk[WANTED, a] = position / count
            found = True
    return found
