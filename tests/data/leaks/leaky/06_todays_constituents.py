# leak: member
# line: 13
# about: Only what is in the index at the end is ever bought.

import numpy as np


INPUTS = ["close"]


def targets(panel, params):
    member = panel.extras["member"]
    constituents = member[-1] == 1.0
    trend = np.zeros(panel.close.shape)
    trend[20:] = panel.close[20:] > panel.close[:-20]
    chosen = trend * constituents
    return chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1)
