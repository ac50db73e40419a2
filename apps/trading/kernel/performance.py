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
