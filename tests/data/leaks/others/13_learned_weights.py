# leak: close
# line: 19
# about: A linear rule of three past returns, its coefficients found by least squares.

import numpy as np

TITLE = "Linear rule"
INPUTS = ("close",)
WARMUP = 4


def targets(panel, params):
    price = panel.close
    weights = np.zeros(price.shape)
    for asset in range(panel.n_assets):
        one = np.zeros(panel.n_bars)
        one[1:] = np.nan_to_num(np.log(price[1:, asset] / price[:-1, asset]))
        past = np.column_stack([one, np.r_[0, one[:-1]], np.r_[0, 0, one[:-2]]])
        rule, *_ = np.linalg.lstsq(past[:-1], one[1:], rcond=None)
        weights[:, asset] = np.sign(past @ rule)
    return weights / panel.n_assets
