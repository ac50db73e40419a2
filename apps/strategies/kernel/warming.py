"""The loops of expressions are built before anybody waits for them; machine code stays on disk."""

from __future__ import annotations

import numpy as np

from apps.market.kernel.bars import Panel
from apps.strategies.kernel import expressions

DAY = 86_400_000_000
# Single values, windows and ranks across assets: what most formulas are made of.
FORMULAS = (
    "rank(delta(close, 2)) * sign(volume - sma(volume, 3))",
    "ts_rank(close, 3) * (ts_max(high, 3) - ts_min(low, 3))",
    "correlation(close, volume, 3) / stddev(close, 3)",
)


def warm() -> int:
    """Evaluate a few formulas on a few bars; return how many values came out."""
    prices = np.linspace(10.0, 12.0, 16).reshape(8, 2)
    ts = np.arange(8, dtype=np.int64) * DAY
    panel = Panel(
        ("A", "B"), ts, prices, prices + 0.1, prices - 0.1, prices.copy(), prices**2, "1d"
    )
    found = (expressions.evaluate(expressions.parse(text), panel) for text in FORMULAS)
    return sum(int(np.isfinite(values).sum()) for values in found)
