# leak: universe, length
# line: 11, 10
# about: Keeps instruments with many bars, counted over the whole history.

import numpy as np


def targets(panel, params):
    there = np.isfinite(panel.close)
    enough = there.sum(axis=0) > 240
    held = there & enough
    return held / np.maximum(held.sum(axis=1, keepdims=True), 1)
