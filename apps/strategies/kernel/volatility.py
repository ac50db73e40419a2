"""Volatility known at each close."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Below this a year nothing moves, and dividing by it would mean nothing.
LEAST = 1e-4


def ewm_volatility(close: Floats, mass: float, periods: float) -> Floats:
    """Return the exponentially weighted volatility of returns a year, ``(n_bars,)``.

    Notes
    -----
    Moskowitz, Ooi and Pedersen (2012), equation 1: weights (1 - d) d^i with d / (1 - d) = mass,
    about the mean with the same weights. NaN at the first two closes.
    """
    import pandas as pd

    if len(close) < 2:
        return np.full(len(close), np.nan)
    returns = np.concatenate(([np.nan], close[1:] / close[:-1] - 1.0))
    variance = pd.Series(returns).ewm(com=mass, adjust=True).var(bias=True).to_numpy()
    found = np.sqrt(np.maximum(variance, 0.0) * periods)
    return np.where(found > 0.0, np.maximum(found, LEAST), np.nan)
