# leak: eps_by_period
# line: 9
# about: Earnings are used from the quarter's end, not from their publication.

import numpy as np


def targets(panel, params):
    eps = panel.extras["eps_by_period"]
    score = np.nan_to_num(eps)
    return np.tanh(score) / panel.n_assets
