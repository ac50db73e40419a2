# leak: close
# line: 10
# about: The three best by return over all time are the universe.

import numpy as np


def targets(panel, params):
    filled = np.nan_to_num(panel.close, nan=1.0)
    gain = filled[-60:].mean(axis=0) / filled[:60].mean(axis=0)
    best = np.argsort(gain)[::-1][:3]
    out = np.zeros(panel.close.shape)
    out[:, best] = 1.0 / 3.0
    return out
