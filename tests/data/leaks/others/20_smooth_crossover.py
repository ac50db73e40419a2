# leak: close
# line: 21
# about: Long where the price is above its smoothed self.

import numpy as np

TITLE = "Smoothed crossover"
PARAMETERS = {
    "length": {"kind": "int", "default": 21, "low": 2, "high": 250, "unit": "bars"},
}
INPUTS = ("close",)
WARMUP = "length"


def targets(panel, params):
    n = params["length"]
    kernel = np.ones(n) / n
    smooth = np.empty(panel.close.shape)
    for asset in range(panel.n_assets):
        prices = np.nan_to_num(panel.close[:, asset])
        smooth[:, asset] = np.convolve(prices, kernel, mode="same")
    above = panel.close > smooth
    return above / np.maximum(above.sum(axis=1, keepdims=True), 1)
