# leak: close
# line: 20
# about: Momentum whose lookback is the one that earned most.

import numpy as np

TITLE = "Best lookback"
INPUTS = ("close",)
WARMUP = 22


def targets(panel, params):
    price = panel.close
    returns = np.zeros(price.shape)
    returns[1:] = np.nan_to_num(price[1:] / price[:-1] - 1)
    best, most = None, -np.inf
    for lag in (3, 5, 8, 13, 21):
        signal = np.zeros(price.shape)
        signal[lag:] = price[lag:] > price[:-lag]
        earned = (signal[:-1] * returns[1:]).sum()
        if earned > most:
            best, most = signal, earned
    return best / panel.n_assets
