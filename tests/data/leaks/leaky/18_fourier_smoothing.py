# leak: close
# line: 10
# about: All bars are smoothed at once in the frequencies.

import numpy as np


def targets(panel, params):
    close = np.nan_to_num(panel.close, nan=1.0)
    waves = np.fft.rfft(close, axis=0)
    waves[20:] = 0.0
    smooth = np.fft.irfft(waves, n=panel.n_bars, axis=0)
    rising = np.zeros(close.shape)
    rising[1:] = np.sign(smooth[1:] - smooth[:-1])
    return rising / panel.n_assets
