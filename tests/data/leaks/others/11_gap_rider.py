# leak: open
# line: 13
# about: Rides the gap between a close and the open that follows it.

import numpy as np

TITLE = "Gap rider"
INPUTS = ("open", "close")
WARMUP = 0


def targets(panel, params):
    following = np.vstack([panel.open[1:], panel.close[-1:]])
    gap = following / panel.close - 1
    long = gap > 0.001
    return long / np.maximum(long.sum(axis=1, keepdims=True), 1)
