# leak: length
# line: 11
# about: Everything is sold ten bars before the data end.

import numpy as np


def targets(panel, params):
    out = np.full(panel.close.shape, 1.0 / panel.n_assets)
    row = np.arange(panel.n_bars)
    out[row >= panel.n_bars - 10] = 0.0
    return out
