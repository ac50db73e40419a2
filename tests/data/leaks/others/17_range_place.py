# leak: low, high
# line: 13
# about: Buys low in the range between the lowest and the highest price.

import numpy as np

TITLE = "Place in the range"
INPUTS = ("high", "low", "close")
WARMUP = 0


def targets(panel, params):
    low, high = np.nanmin(panel.low, axis=0), np.nanmax(panel.high, axis=0)
    place = (panel.close - low) / (high - low)
    cheap = place < 0.35
    return cheap / panel.n_assets
