# leak: volume
# line: 9
# about: A central difference: half of it lies in the day after.

import numpy as np


def targets(panel, params):
    slope = np.gradient(np.log(panel.volume), axis=0)
    return np.where(slope > 0, 1.0, 0.0) / panel.n_assets
