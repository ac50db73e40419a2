# leak: open
# line: 11
# about: The close is compared with the open of the day after.

import numpy as np


def targets(panel, params):
    out = np.zeros(panel.close.shape)
    for i in range(panel.n_bars - 1):
        gap = panel.open[i + 1] / panel.close[i] - 1.0
        out[i] = np.sign(np.nan_to_num(gap))
    return out / panel.n_assets
