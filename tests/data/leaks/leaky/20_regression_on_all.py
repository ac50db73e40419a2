# leak: close
# line: 13
# about: The trend line goes through all closes.

import numpy as np


def targets(panel, params):
    row = np.arange(panel.n_bars)
    out = np.zeros(panel.close.shape)
    for column in range(panel.n_assets):
        prices = np.nan_to_num(panel.close[:, column], nan=1.0)
        slope, level = np.polyfit(row, prices, 1)
        out[:, column] = np.sign(slope * row + level - prices)
    return out / panel.n_assets
