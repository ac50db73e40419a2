# leak: funding
# line: 13
# about: The rate that will be settled at the next bar.

import numpy as np


INPUTS = ["close", "funding"]


def targets(panel, params):
    rate = np.full(panel.close.shape, np.nan)
    rate[:-1] = panel.extras["funding"][1:]
    return np.where(np.isfinite(rate), -np.sign(rate), 0.0) / panel.n_assets
