# leak: none
# line: none
# about: The last row alone differs, where nothing is decided.

import numpy as np


def targets(panel, params):
    out = np.full(panel.close.shape, np.nan)
    up = panel.close[1:] > panel.close[:-1]
    out[1:] = up / panel.n_assets
    return out
