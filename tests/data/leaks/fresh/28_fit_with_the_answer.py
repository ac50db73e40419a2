# leak: close
# line: 12, 15
# about: A trailing regression whose newest label is tomorrow's return.

import numpy as np


def targets(panel, params):
    returns = np.zeros(panel.close.shape)
    returns[1:] = np.nan_to_num(np.diff(np.log(panel.close), axis=0))
    label = np.zeros(returns.shape)
    label[:-1] = returns[1:]
    weights = np.zeros(returns.shape)
    for i in range(40, panel.n_bars):
        x, y = returns[i - 39 : i + 1], label[i - 39 : i + 1]
        slope = (x * y).sum(axis=0) / np.maximum((x * x).sum(axis=0), 1e-9)
        weights[i] = np.sign(slope * returns[i])
    return weights / panel.n_assets
