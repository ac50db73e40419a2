# leak: close
# line: 10
# about: Everything is measured against the last close there is.

import numpy as np


def targets(panel, params):
    filled = np.nan_to_num(panel.close, nan=1.0)
    reference = filled[-1]
    cheap = reference / filled - 1.0
    return np.clip(cheap, -1.0, 1.0) / panel.n_assets
