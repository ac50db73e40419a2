# leak: eps_by_period
# line: 9, 12
# about: Earnings against those of a quarter before, as of the end of the quarter.

import numpy as np


def targets(panel, params):
    earned = panel.extras["eps_by_period"]
    before = np.full(earned.shape, np.nan)
    before[63:] = earned[:-63]
    surprise = earned - before
    return np.sign(np.nan_to_num(surprise)) / panel.n_assets
