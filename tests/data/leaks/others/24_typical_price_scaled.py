# leak: high, low, close
# line: 14
# about: Buys when the scaled typical price turns up from below.

import numpy as np

TITLE = "Scaled typical price"
INPUTS = ("high", "low", "close")
WARMUP = 2


def targets(panel, params):
    typical = (panel.high + panel.low + panel.close) / 3
    scale = np.nanstd(typical, axis=0)
    lag = np.vstack([typical[:1], typical[:-1]])
    turned = (typical - lag) / scale > 0.05
    return turned / panel.n_assets
