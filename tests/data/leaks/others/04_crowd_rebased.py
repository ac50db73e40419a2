# leak: long_short_ratio
# line: 14
# about: Against the crowd, measured from the middle of all its readings.

import numpy as np

TITLE = "Against the crowd"
INPUTS = ("close", "long_short_ratio")
WARMUP = 0


def targets(panel, params):
    ratio = np.array(panel.extras["long_short_ratio"])
    middle = np.nanmedian(ratio, axis=0, keepdims=True)
    crowded = ratio > 1.1 * middle
    return -crowded.astype(float) / panel.n_assets
