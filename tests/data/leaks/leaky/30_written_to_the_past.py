# leak: high
# line: 13
# about: A new high is noted one bar before it happened.

import numpy as np


def targets(panel, params):
    high = np.nan_to_num(panel.high)
    out = np.zeros(high.shape)
    for i in range(20, panel.n_bars):
        top = high[i - 20 : i].max(axis=0)
        out[i - 1] = high[i] > top
    return out / panel.n_assets
