"""Target weights in the rows where something was decided, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.bars import Panel
from apps.strategies.kernel.interface import Params, Strategy
from apps.strategies.kernel.windows import TIE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided, by bar: ``weights`` (NaN: as is) at the closes of ``bars``, ascending."""

    bars: Ints
    weights: Floats

    def targets(self, n_bars: int) -> Floats:
        """Return the same as ``(n_bars, n_assets)``, NaN where nothing was decided."""
        out = np.full((n_bars, self.weights.shape[1]), np.nan)
        out[self.bars] = self.weights
        return out


def decisions_of(strategy: Strategy, panel: Panel, params: Params) -> Decisions | Floats:
    """Return what a strategy decides on a panel, sparse where it can say so."""
    sparse = getattr(strategy, "decisions", None)
    found = sparse(panel, params) if sparse is not None else None
    return strategy.targets(panel, params) if found is None else found


def crossovers(close: Floats, fast: int, slow: int, *, short: bool) -> Decisions:
    """Return where one instrument's fast average crosses its slow one, ``fast < slow``.

    Long above and else flat; with ``short``, long or short from the first crossing on. Sums are
    those of ``windows.rolling_sum`` to the bit. ``close`` has no gaps.
    """
    from apps.strategies.kernel import crossing_loops

    side = crossing_loops.sides_1d(np.ascontiguousarray(close), fast, slow, TIE)
    bars, taken = crossing_loops.changes_1d(side, int(short))
    return Decisions(bars, taken[:, None])
