# leak: close
# line: 14
# about: TA-Lib's average of the prices turned round.

import numpy as np
import talib


def targets(panel, params):
    weights = np.zeros(panel.close.shape)
    for asset in range(panel.n_assets):
        price = np.nan_to_num(panel.close[:, asset])
        mirrored = np.ascontiguousarray(price[::-1])
        average = talib.SMA(mirrored, 6)[::-1]
        weights[:, asset] = price < np.nan_to_num(average)
    return weights / panel.n_assets
