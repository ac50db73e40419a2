# leak: close
# line: 10
# about: np.roll puts the last return in front of the first ones.

import numpy as np


def targets(panel, params):
    close = np.nan_to_num(panel.close, nan=1.0)
    past = np.roll(close, 50, axis=0)
    return np.sign(close - past) / panel.n_assets
