# leak: none
# line: none
# about: Fitted on labels that were known, used afterwards.

import numpy as np


HORIZON = 5


def targets(panel, params):
    close = np.nan_to_num(panel.close, nan=1.0)
    past = np.zeros(close.shape)
    past[10:] = close[10:] / close[:-10] - 1.0
    ahead = np.zeros(close.shape)
    ahead[:-HORIZON] = close[HORIZON:] / close[:-HORIZON] - 1.0
    out = np.zeros(close.shape)
    for i in range(80, panel.n_bars):
        x, y = past[10 : i - HORIZON + 1], ahead[10 : i - HORIZON + 1]
        beta = (x * y).sum(axis=0) / np.maximum((x * x).sum(axis=0), 1e-12)
        out[i] = np.sign(beta * past[i])
    return out / panel.n_assets
