# leak: none
# line: none
# about: Prices over the highest of all: only their order across instruments counts.

import numpy as np


def targets(panel, params):
    returns = np.zeros(panel.close.shape)
    returns[5:] = np.nan_to_num(panel.close[5:] / panel.close[:-5] - 1.0)
    scaled = returns / np.nanmax(panel.close)
    best = scaled.argmax(axis=1)
    weights = np.zeros(panel.close.shape)
    weights[np.arange(panel.n_bars), best] = 1.0
    return weights
