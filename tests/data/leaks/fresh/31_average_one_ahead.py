# leak: close
# line: 13, 14
# about: A recursive average by hand whose index is one too far.

import numpy as np


def targets(panel, params):
    price = np.nan_to_num(panel.close)
    state = price[0].copy()
    weights = np.zeros(price.shape)
    for i in range(panel.n_bars - 1):
        state = 0.8 * state + 0.2 * price[i + 1]
        weights[i] = state > price[i]
    return weights / panel.n_assets
