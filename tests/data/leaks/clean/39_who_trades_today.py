# leak: none
# line: none
# about: Equal weights of what has a bar on that day.

import numpy as np


def targets(panel, params):
    there = np.isfinite(panel.close)
    return there / np.maximum(there.sum(axis=1, keepdims=True), 1)
