# leak: none
# line: none
# about: Central differences within windows that end at the bar, without their last.

import numpy as np


def targets(panel, params):
    weights = np.zeros(panel.close.shape)
    for i in range(10, panel.n_bars):
        slope = np.gradient(panel.close[i - 9 : i + 1], axis=0)
        weights[i] = slope[:-1].mean(axis=0) > 0
    return weights / panel.n_assets
