# leak: none
# line: none
# about: A regression on tomorrow's returns whose last label is today's return.

import numpy as np


def targets(panel, params):
    returns = np.zeros(panel.close.shape)
    returns[1:] = np.nan_to_num(np.diff(np.log(panel.close), axis=0))
    label = np.zeros(returns.shape)
    label[:-1] = returns[1:]
    weights = np.zeros(returns.shape)
    for i in range(41, panel.n_bars):
        x, y = returns[i - 40 : i], label[i - 40 : i]
        slope = (x * y).sum(axis=0) / np.maximum((x * x).sum(axis=0), 1e-9)
        weights[i] = np.sign(slope * returns[i])
    return weights / panel.n_assets
