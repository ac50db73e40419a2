# leak: close
# line: 22
# about: A low-pass filter run forward, then backward to undo its delay.

import numpy as np


def one_pole(values, share):
    out = np.empty_like(values)
    state = values[0]
    for i in range(len(values)):
        state += share * (values[i] - state)
        out[i] = state
    return out


def targets(panel, params):
    weights = np.zeros(panel.close.shape)
    for asset in range(panel.n_assets):
        price = np.nan_to_num(panel.close[:, asset])
        ahead = one_pole(price, 0.3)
        both = one_pole(ahead[::-1], 0.3)[::-1]
        weights[1:, asset] = both[1:] > both[:-1]
    return weights / panel.n_assets
