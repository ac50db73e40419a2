# leak: none
# line: none
# about: TA-Lib on each instrument's own bars.

import numpy as np
import talib


PARAMETERS = {"fast": {"kind": "int", "default": 10, "low": 2, "high": 400},
              "slow": {"kind": "int", "default": 40, "low": 3, "high": 800}}
WARMUP = "slow"


def targets(panel, params):
    out = np.zeros(panel.close.shape)
    for column in range(panel.n_assets):
        there = np.isfinite(panel.close[:, column])
        prices = panel.close[there, column]
        fast = talib.SMA(prices, params["fast"])
        slow = talib.SMA(prices, params["slow"])
        out[there, column] = np.nan_to_num(fast > slow)
    return out / panel.n_assets
