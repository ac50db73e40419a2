# leak: none
# line: none
# about: The trend line of the forty bars so far.

import numpy as np


def targets(panel, params):
    close = np.nan_to_num(panel.close, nan=1.0)
    windows = np.lib.stride_tricks.sliding_window_view(close, 40, axis=0)
    at = np.arange(40) - 19.5
    slope = windows @ at / (at @ at)
    out = np.zeros(close.shape)
    out[39:] = np.sign(slope)
    return out / panel.n_assets
