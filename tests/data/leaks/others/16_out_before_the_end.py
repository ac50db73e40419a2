# leak: length
# line: 14
# about: Holds everything and is out for the last month.

import numpy as np

TITLE = "Flat at the end"
INPUTS = ("close",)
WARMUP = 0


def targets(panel, params):
    bars = np.arange(panel.n_bars)
    inside = bars < panel.n_bars - 21
    weights = np.where(inside, 1 / panel.n_assets, 0.0)
    return np.repeat(weights[:, None], panel.n_assets, axis=1)
