# leak: none
# line: none
# about: A counter of bars from the start, which the end does not move.

import numpy as np


def targets(panel, params):
    rows = np.arange(panel.n_bars)
    weights = np.full(panel.close.shape, np.nan)
    trade = rows % 5 == 0
    trade[:6] = False
    past = np.full(panel.close.shape, np.nan)
    past[5:] = panel.close[:-5]
    weights[trade] = np.nan_to_num(panel.close > past)[trade] / panel.n_assets
    return weights
