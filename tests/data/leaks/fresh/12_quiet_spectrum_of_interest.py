# leak: open_interest
# line: 12, 10
# about: Open interest without its fast waves.

import numpy as np


def targets(panel, params):
    interest = np.nan_to_num(panel.extras["open_interest"])
    waves = np.fft.rfft(interest, axis=0)
    waves[20:] = 0.0
    slow = np.fft.irfft(waves, n=panel.n_bars, axis=0)
    return (interest > slow) / panel.n_assets
