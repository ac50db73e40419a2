# leak: none
# line: none
# about: A low counts once the bars after it have closed.

import numpy as np


def targets(panel, params):
    width, low = 3, panel.low
    out = np.zeros(low.shape)
    for i in range(width, panel.n_bars - width):
        around = low[i - width : i + width + 1]
        out[i + width] = low[i] == around.min(axis=0)
    return out / panel.n_assets
