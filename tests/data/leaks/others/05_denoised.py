# leak: close
# line: 17
# about: Removes the fast waves of a price and follows what remains.

import numpy as np
import pandas as pd

TITLE = "Denoised trend"
INPUTS = ("close",)
WARMUP = 2


def targets(panel, params):
    weights = np.zeros(panel.close.shape)
    for asset in range(panel.n_assets):
        price = pd.Series(panel.close[:, asset]).ffill().fillna(0.0).to_numpy()
        waves = np.fft.rfft(price)
        waves[len(waves) // 8 :] = 0
        slow = np.fft.irfft(waves, n=len(price))
        weights[1:, asset] = slow[1:] > slow[:-1]
    return weights / panel.n_assets
