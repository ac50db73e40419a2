# leak: long_short_ratio
# line: 11, 10
# about: Scales the ratio by its least and its largest of all.

import numpy as np


def targets(panel, params):
    ratio = panel.extras["long_short_ratio"]
    low, high = np.nanmin(ratio, axis=0), np.nanmax(ratio, axis=0)
    place = (ratio - low) / (high - low)
    return (0.5 - np.nan_to_num(place, nan=0.5)) / panel.n_assets
