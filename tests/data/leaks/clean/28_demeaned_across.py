# leak: none
# line: none
# about: Less the mean of the day.

import numpy as np


def targets(panel, params):
    funding = np.nan_to_num(panel.extras["funding"])
    apart = funding - funding.mean(axis=1, keepdims=True)
    return np.tanh(-1000.0 * apart) / panel.n_assets
