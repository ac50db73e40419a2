# leak: high, low
# line: 11, 10
# about: The threshold of a large range is the 80th percentile of all ranges.

import numpy as np


def targets(panel, params):
    span = (panel.high - panel.low) / panel.open
    usual = np.nanquantile(span, 0.8, axis=0)
    is_large = span > usual
    up = panel.close > panel.open
    return (is_large & up) / panel.n_assets
