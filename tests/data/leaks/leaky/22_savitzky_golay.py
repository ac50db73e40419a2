# leak: close
# line: 21
# about: A polynomial is fitted to nine bars around each.

import numpy as np


HALF = 4


def smoothing():
    at = np.arange(-HALF, HALF + 1)
    return np.linalg.pinv(np.vander(at, 3, increasing=True))[0]


def targets(panel, params):
    weights = smoothing()
    close = np.nan_to_num(panel.close, nan=1.0)
    out = np.zeros(close.shape)
    for column in range(panel.n_assets):
        smooth = np.convolve(close[:, column], weights, mode="same")
        out[:, column] = np.sign(smooth - close[:, column])
    return out / panel.n_assets
