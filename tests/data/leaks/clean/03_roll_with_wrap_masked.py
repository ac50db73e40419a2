# leak: none
# line: none
# about: np.roll wraps, and what it wrapped is not used.

import numpy as np


def targets(panel, params):
    past = np.roll(panel.close, 20, axis=0)
    past[:20] = np.nan
    return np.nan_to_num(np.sign(panel.close - past)) / panel.n_assets
