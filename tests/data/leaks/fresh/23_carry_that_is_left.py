# leak: funding
# line: 11, 10
# about: What is still to be paid of the sum of all rates.

import numpy as np


def targets(panel, params):
    funding = np.nan_to_num(panel.extras["funding"])
    whole = funding.sum(axis=0)
    left = whole - np.cumsum(funding, axis=0)
    return -np.tanh(left * 500.0) / panel.n_assets
