# leak: high
# line: 11
# about: Buys where the day after will reach the take-profit.

import numpy as np


def targets(panel, params):
    goal = panel.close * 1.01
    hit = np.zeros(panel.close.shape, dtype=bool)
    hit[:-1] = panel.high[1:] >= goal[:-1]
    return hit / panel.n_assets
