# leak: high
# line: 10
# about: How far it is to the highest high still to come.

import numpy as np


def targets(panel, params):
    high = np.nan_to_num(panel.high, nan=-np.inf)
    peak = np.maximum.accumulate(high[::-1], axis=0)[::-1]
    room = peak / panel.close - 1.0
    return np.where(np.isfinite(room), np.clip(room, 0.0, 1.0), 0.0) / panel.n_assets
