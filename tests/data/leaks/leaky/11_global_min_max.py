# leak: volume
# line: 9
# about: Volume is scaled by the least and most of all time.

import numpy as np


def scaled(values):
    low = np.nanmin(values, axis=0)
    high = np.nanmax(values, axis=0)
    return (values - low) / (high - low)


def targets(panel, params):
    busy = scaled(panel.volume)
    return np.nan_to_num(busy) / panel.n_assets
