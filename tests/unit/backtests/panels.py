"""Small panels for tests of the engine."""

import numpy as np

from apps.market.kernel.bars import Panel

DAY = 86_400_000_000


def panel_of(open_, close=None, symbols=None):
    """Return a daily panel from opens and closes given by bar, one number or a row each."""
    first = np.asarray(open_, dtype=float)
    last = first if close is None else np.asarray(close, dtype=float)
    first, last = (x[:, None] if x.ndim == 1 else x for x in (first, last))
    names = symbols or tuple(f"A{i}" for i in range(first.shape[1]))
    high, low = np.fmax(first, last), np.fmin(first, last)
    ts = np.arange(len(first), dtype=np.int64) * DAY
    return Panel(tuple(names), ts, first, high, low, last, np.ones_like(first), "1d")


def targets_of(*rows):
    """Return target rows; None is a row of NaN."""
    width = max(np.size(row) for row in rows if row is not None)
    return np.array(
        [np.full(width, np.nan) if r is None else np.atleast_1d(r) for r in rows], float
    )
