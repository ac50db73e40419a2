# leak: close
# line: 14
# about: Follows the slope of each price, taken as the numerical derivative of its logarithm.

import numpy as np

TITLE = "Slope follower"
INPUTS = ("close",)
WARMUP = 2


def targets(panel, params):
    logs = np.log(panel.close)
    slope = np.gradient(logs, axis=0)
    up = slope > 0
    return up / np.maximum(up.sum(axis=1, keepdims=True), 1)
