# leak: close
# line: 10
# about: The highest close still to come.

import numpy as np


def targets(panel, params):
    close = np.nan_to_num(panel.close)
    ahead = np.maximum.accumulate(close[::-1])[::-1]
    room = ahead / np.maximum(close, 1e-9) - 1.0
    return np.clip(5.0 * room, 0.0, 1.0) / panel.n_assets
