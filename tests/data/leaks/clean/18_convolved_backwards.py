# leak: none
# line: none
# about: np.convolve in full, cut at the end: it looks back.

import numpy as np


def targets(panel, params):
    close = np.nan_to_num(panel.close, nan=1.0)
    out = np.zeros(close.shape)
    for column in range(panel.n_assets):
        mean = np.convolve(close[:, column], np.ones(10) / 10.0, mode="full")[: panel.n_bars]
        out[:, column] = np.sign(close[:, column] - mean)
    out[:10] = 0.0
    return out / panel.n_assets
