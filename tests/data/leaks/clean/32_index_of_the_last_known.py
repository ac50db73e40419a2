# leak: none
# line: none
# about: [-1] of a window that ends at the bar.

import numpy as np


def targets(panel, params):
    out = np.zeros(panel.close.shape)
    for i in range(30, panel.n_bars):
        window = panel.close[: i + 1][-30:]
        last = window[-1]
        out[i] = np.nan_to_num(last > window.mean(axis=0))
    return out / panel.n_assets
