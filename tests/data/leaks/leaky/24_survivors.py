# leak: universe
# line: 9
# about: Only what still trades on the last day is bought.

import numpy as np


def targets(panel, params):
    alive = np.isfinite(panel.close[-1])
    there = np.isfinite(panel.close) & alive
    return there / np.maximum(there.sum(axis=1, keepdims=True), 1)
