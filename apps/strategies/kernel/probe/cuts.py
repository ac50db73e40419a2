"""At which closes a strategy is asked again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

# How much history at least, as a share, for a strategy that declares no warm-up.
LEAST_SHARE = 10


def choose_cuts(n_bars: int, warmup: int, count: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Return bars after whose close nothing is to be known, ascending.

    Just after the warm-up, just before the end, and one by chance in each part between.
    """
    last = n_bars - 2
    if last < 1:
        return ()
    first = min(max(warmup, n_bars // LEAST_SHARE), last)
    fixed = {first, min(first + 1, last), last, max(last - 2, first)}
    parts = max(count - len(fixed), 0)
    bounds = np.linspace(first, last, parts + 1) if parts else np.array([first])
    drawn = {
        int(rng.integers(int(low), max(int(high), int(low) + 1))) for low, high in pairwise(bounds)
    }
    return tuple(sorted(fixed | drawn))
