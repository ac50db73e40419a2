"""Figures of an equity curve as the live page shows them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def drawdown(equity: Floats) -> Floats:
    """Return the loss since the highest point so far, positive, ``(n,)``.

    Parameters
    ----------
    equity
        ``(n,)`` positive values.
    """
    peak = np.maximum.accumulate(equity)
    return np.asarray(1.0 - equity / peak, dtype=np.float64)


def book_returns(closes: Floats, weights: Floats) -> Floats:
    """Return what today's weights would have returned in each past bar.

    Parameters
    ----------
    closes
        ``(n_bars, n_assets)``, NaN where there is no bar.
    weights
        ``(n_assets,)`` shares of equity held now.

    Returns
    -------
    ndarray
        ``(n_bars - 1,)``; a missing price counts as unchanged, the rest of equity earns nothing.
    """
    filled = closes.copy()
    for i in range(1, len(filled)):
        gone = np.isnan(filled[i])
        filled[i][gone] = filled[i - 1][gone]
    with np.errstate(invalid="ignore", divide="ignore"):
        moves = filled[1:] / filled[:-1] - 1.0
    return np.asarray(np.nan_to_num(moves, nan=0.0) @ weights, dtype=np.float64)
