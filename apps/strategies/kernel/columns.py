"""One instrument at a time: a column's own bars in, features on the panel's times out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.bars import FIELDS, Panel

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars one instrument has, without gaps: arrays of one length, ``ts`` in microseconds.

    ``extras`` holds further inputs; one the panel does not carry is all NaN. ``seconds`` is the
    length of a bar.
    """

    ts: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    extras: dict[str, Floats] = field(default_factory=dict)
    seconds: float = 86_400.0

    def __len__(self) -> int:
        return len(self.ts)

    def figure(self, name: str) -> Floats:
        """Return a further input, all NaN when there is none."""
        found = self.extras.get(name)
        return np.full(len(self.ts), np.nan) if found is None else found


def bars_of(panel: Panel, column: int) -> tuple[Bars, NDArray[np.bool_]]:
    """Return a column's own bars, and where on the panel's times they stand."""
    there = np.isfinite(panel.close[:, column])
    fields = {name: _own(getattr(panel, name)[:, column], there) for name in FIELDS}
    extras = {name: _own(array[:, column], there) for name, array in panel.extras.items()}
    ts = panel.ts if there.all() else panel.ts[there]
    seconds = float(seconds_of(panel.timeframe))
    return Bars(ts=ts, **fields, extras=extras, seconds=seconds), there


def _own(values: Floats, there: NDArray[np.bool_]) -> Floats:
    own = values if there.all() else values[there]
    return np.ascontiguousarray(own, dtype=np.float64)


def by_column(panel: Panel, function: Callable[[Bars], dict[str, Floats]]) -> dict[str, Floats]:
    """Return ``function`` of every column's own bars as ``(n_bars, n_assets)`` arrays.

    Where an instrument has no bar its features are NaN. ``function`` is called with no bars too.
    """
    out: dict[str, Floats] = {}
    for column in range(panel.n_assets):
        bars, there = bars_of(panel, column)
        for name, values in function(bars).items():
            if name not in out:
                out[name] = np.full(panel.close.shape, np.nan)
            out[name][there, column] = values
    return out
