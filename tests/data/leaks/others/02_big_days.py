# leak: close
# line: 15
# about: After a day in the top tenth of all days, hold for one bar.

import numpy as np

TITLE = "Big days"
INPUTS = ("close",)
WARMUP = 2


def targets(panel, params):
    returns = np.zeros(panel.close.shape)
    returns[1:] = panel.close[1:] / panel.close[:-1] - 1
    limit = np.nanquantile(returns, 0.9, axis=0)
    chosen = returns > limit
    return chosen / panel.n_assets
