# leak: none
# line: none
# about: A sum from the end, taken from the sum of all: what has been paid so far.

import numpy as np


def targets(panel, params):
    funding = np.round(np.nan_to_num(panel.extras["funding"]) * 1e8)
    left = np.cumsum(funding[::-1], axis=0)[::-1]
    paid = funding.sum(axis=0) - left
    return -np.sign(paid) / panel.n_assets
