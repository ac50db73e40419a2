# leak: none
# line: none
# about: A full convolution cut so that each bar sees what is before it.

import numpy as np


def targets(panel, params):
    kernel = np.array([3.0, 2.0, 1.0]) / 6.0
    weights = np.zeros(panel.volume.shape)
    for asset in range(panel.n_assets):
        volume = np.nan_to_num(panel.volume[:, asset])
        smooth = np.convolve(volume, kernel, mode="full")[: panel.n_bars]
        weights[:, asset] = volume < smooth
    return weights / panel.n_assets
