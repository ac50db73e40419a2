# leak: close
# line: 12
# about: A breakout is booked from three days before it on.

import numpy as np


def targets(panel, params):
    weights = np.zeros(panel.close.shape)
    for i in range(20, panel.n_bars):
        broke = panel.close[i] > np.nanmax(panel.close[i - 20 : i], axis=0)
        weights[i - 3 : i + 1, broke] = 1.0
    return weights / panel.n_assets
