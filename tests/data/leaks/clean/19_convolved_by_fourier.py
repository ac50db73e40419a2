# leak: none
# line: none
# about: A causal filter by way of the frequencies; only noise of sums is shared.

import numpy as np


def targets(panel, params):
    close = np.nan_to_num(panel.close, nan=1.0)
    size = 2 * panel.n_bars
    kernel = 0.9 ** np.arange(panel.n_bars)
    waves = np.fft.rfft(close, n=size, axis=0) * np.fft.rfft(kernel, n=size)[:, None]
    smooth = np.fft.irfft(waves, n=size, axis=0)[: panel.n_bars]
    level = smooth / np.cumsum(kernel)[:, None]
    return np.round(np.tanh(close / level - 1.0), 6) / panel.n_assets
