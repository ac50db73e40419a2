"""The text that a new Python strategy begins with: it works as it stands."""

TEMPLATE = '''"""Long while the fast average of closes is above the slow one, in equal weights.

Source: author (year), title, journal: where the idea was published.
"""

import numpy as np

TITLE = "My crossover"
ABOUT = "Holds in equal weights what has its fast average above its slow one."
PARAMETERS = {
    "fast": {"kind": "int", "default": 10, "low": 2, "high": 400, "unit": "bars",
             "about": "Length of the fast average"},
    "slow": {"kind": "int", "default": 50, "low": 3, "high": 800, "unit": "bars",
             "about": "Length of the slow average"},
}
INPUTS = ("close",)
WARMUP = "max(fast, slow)"


def targets(panel, params):
    """Return target weights, (n_bars, n_assets); row i may read bars up to i only.

    A row of NaN leaves all be. ``panel`` has open, high, low, close and volume of that shape.
    """
    above = mean(panel.close, params["fast"]) > mean(panel.close, params["slow"])
    return above / np.maximum(above.sum(axis=1, keepdims=True), 1)


def mean(values, length):
    """Return the mean of the last ``length`` rows, NaN before there are as many."""
    out = np.full(values.shape, np.nan)
    if len(values) >= length:
        windows = np.lib.stride_tricks.sliding_window_view(values, length, axis=0)
        out[length - 1 :] = windows.mean(axis=-1)
    return out
'''
