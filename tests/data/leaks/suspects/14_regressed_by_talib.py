# leak: none
# line: none
# about: TA-Lib's moving regression and its angle.

import numpy as np
import talib


def targets(panel, params):
    weights = np.zeros(panel.close.shape)
    for asset in range(panel.n_assets):
        price = np.nan_to_num(panel.close[:, asset], nan=1.0)
        slope = talib.LINEARREG_SLOPE(np.ascontiguousarray(price), 12)
        weights[:, asset] = np.nan_to_num(slope) > 0
    return weights / panel.n_assets
