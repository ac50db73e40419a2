# leak: none
# line: none
# about: Frequencies of the sixty-four bars so far.

import numpy as np


def targets(panel, params):
    close = np.nan_to_num(panel.close, nan=1.0)
    out = np.zeros(close.shape)
    for i in range(64, panel.n_bars):
        waves = np.fft.rfft(close[i - 63 : i + 1], axis=0)
        waves[8:] = 0.0
        smooth = np.fft.irfft(waves, n=64, axis=0)
        out[i] = np.sign(smooth[-1] - smooth[-2])
    return out / panel.n_assets
