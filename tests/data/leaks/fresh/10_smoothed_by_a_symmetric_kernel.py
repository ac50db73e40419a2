# leak: volume
# line: 13
# about: Volume smoothed with a kernel that reaches both ways.

import numpy as np


def targets(panel, params):
    kernel = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9.0
    weights = np.zeros(panel.volume.shape)
    for asset in range(panel.n_assets):
        volume = np.nan_to_num(panel.volume[:, asset])
        smooth = np.convolve(volume, kernel, mode="same")
        weights[:, asset] = volume < smooth
    return weights / panel.n_assets
