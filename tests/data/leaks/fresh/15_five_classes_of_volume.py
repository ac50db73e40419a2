# leak: volume
# line: 13
# about: Classes of equal size are cut over the whole history.

import numpy as np
import pandas as pd


def targets(panel, params):
    weights = np.zeros(panel.volume.shape)
    for asset in range(panel.n_assets):
        volume = pd.Series(panel.volume[:, asset])
        bucket = pd.qcut(volume, 5, labels=False)
        weights[:, asset] = (bucket == 4).to_numpy()
    return weights / panel.n_assets
