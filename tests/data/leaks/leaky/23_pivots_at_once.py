# leak: low
# line: 11
# about: A low counts at its own bar, before the bars that confirm it.

import numpy as np


def pivots(low, width):
    out = np.zeros(low.shape)
    for i in range(width, len(low) - width):
        around = low[i - width : i + width + 1]
        out[i] = low[i] == around.min(axis=0)
    return out


def targets(panel, params):
    return pivots(panel.low, 3) / panel.n_assets
